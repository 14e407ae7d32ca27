"""Generators: what fills space with atoms."""

from exitwave.structure.generators.amorphous import Amorphous
from exitwave.structure.generators.base import Atoms, Bounds, Generator, Placed
from exitwave.structure.generators.crystal import Crystal
from exitwave.structure.generators.molecule import Empty, Molecule
from exitwave.structure.generators.network import NetworkCarbon

__all__ = ["Amorphous", "Atoms", "Bounds", "Crystal", "Empty", "Generator", "Molecule", "NetworkCarbon", "Placed"]
