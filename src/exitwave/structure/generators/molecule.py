"""Molecules and other fixed sets of atoms, and the generator of nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from typing_extensions import override

from exitwave.core import Stream, StructureError
from exitwave.structure.generators.base import Atoms, Bounds, Generator
from exitwave.structure.materials import atomic_number
from exitwave.structure.transforms import Transform

__all__ = ["Empty", "Molecule"]


@dataclass(frozen=True, eq=False)
class Molecule(Generator):
    """A fixed set of atoms.

    Parameters
    ----------
    species
        A symbol or an atomic number for each atom.
    positions
        Shape (atoms, 3), Å.

    Examples
    --------
    >>> Molecule(["C", "O"], [[0, 0, 0], [0, 0, 1.13]])
    Molecule of 2 atoms
    """

    species: ArrayLike
    positions: ArrayLike

    def __post_init__(self) -> None:
        numbers = np.array([atomic_number(s) for s in np.asarray(self.species).tolist()], dtype=np.int32)
        fixed = Atoms(np.array(self.positions, dtype=np.float64), numbers)
        if len(fixed) == 0:
            raise StructureError("the molecule has no atoms; give one or more, or use Empty.")
        object.__setattr__(self, "species", fixed.numbers)
        object.__setattr__(self, "positions", fixed.positions)

    def __repr__(self) -> str:
        return f"Molecule of {len(np.asarray(self.species))} atoms"

    @override
    def atoms(self, bounds: Bounds, stream: Stream | None = None) -> Atoms:
        return Atoms(np.asarray(self.positions), np.asarray(self.species, dtype=np.int32))

    @override
    def transformed(self, transform: Transform) -> Molecule:
        return Molecule(self.species, transform(self.positions))

    @classmethod
    def from_ase(cls, atoms: Any) -> Molecule:
        """Return the molecule of an ``ase.Atoms``, or of a name that ``ase.build.molecule`` knows."""
        if isinstance(atoms, str):
            from ase.build import molecule

            try:
                atoms = molecule(atoms)  # type: ignore[no-untyped-call]
            except (KeyError, NotImplementedError):
                raise StructureError(
                    f"molecule is {atoms!r}, which ase.build.molecule does not know; give species and positions."
                ) from None
        return cls(np.asarray(atoms.numbers), np.asarray(atoms.positions))

    @classmethod
    def from_pymatgen(cls, molecule: Any) -> Molecule:
        """Return the molecule of a ``pymatgen.core.Molecule``."""
        return cls([str(site.specie.symbol) for site in molecule], np.asarray(molecule.cart_coords))


@dataclass(frozen=True, eq=False)
class Empty(Generator):
    """No atoms: a volume of it carves a void out of the objects that come later in a scene.

    Examples
    --------
    >>> from exitwave.structure import Box, Crystal, Scene, Sphere, Volume
    >>> void = Volume(Empty(), Sphere(6, centre=(10, 10, 10)))
    >>> gold = Volume(Crystal("Au"), Box(20, 20, 20))
    >>> hollow = Scene([void, gold], (20, 20, 20)).build(seed=1)
    >>> bool((np.linalg.norm(hollow.positions - 10, axis=1) > 6).all())
    True
    """

    @override
    def atoms(self, bounds: Bounds, stream: Stream | None = None) -> Atoms:
        return Atoms.none()

    @override
    def transformed(self, transform: Transform) -> Empty:
        return self
