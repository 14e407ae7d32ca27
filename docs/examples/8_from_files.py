"""
Particles made of files
=======================

A file of atoms, a CIF from a database or the result of another program (xyz, POSCAR, PDB), becomes particles on a
film: a cell is repeated and cut to a shape, and atoms that are a particle already are taken as they are.
"""

# %%
# Two such files, as they may come from elsewhere: the cell of ceria, and an icosahedron of gold.

from pathlib import Path
from tempfile import mkdtemp

from ase.cluster import Icosahedron
from ase.spacegroup import crystal

from exitwave.core import Stream
from exitwave.structure import family

folder = Path(mkdtemp())
crystal(["Ce", "O"], [(0, 0, 0), (0.25, 0.25, 0.25)], spacegroup=225, cellpar=5.411).write(folder / "CeO2.cif")
Icosahedron("Au", 4).write(folder / "gold.xyz")

# %%
# What a recipe's ``structures`` would say below ``family: from_files``. Places and orientations are drawn.

ceria = {"file": f"{folder}/CeO2.cif", "shape": "faceted", "radius": {"uniform": [11, 17]}}
gold = {"file": f"{folder}/gold.xyz", "use": "as_is"}
spec = family("from_files").parse({"particles": [ceria, ceria, gold], "field": 90, "film": {"thickness": 15}})
atoms = spec.draw(Stream(31)).build(Stream(31))
atoms

# %%

atoms.show()
