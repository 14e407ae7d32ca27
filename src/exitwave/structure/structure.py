"""The structure: atoms in a cell, each of which knows its object, its grain and its thermal amplitude."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from exitwave.core import StructureError, counted
from exitwave.structure.arrays import Array, Ints, frozen
from exitwave.structure.materials import symbols

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.figure import Figure

__all__ = ["ROLES", "Structure"]

ROLES = ("particle", "support", "other")


@dataclass(frozen=True, eq=False)
class Structure:
    """Atoms in a cell. The beam enters at z = 0 and goes along +z.

    Parameters
    ----------
    positions
        Shape (atoms, 3), Å.
    numbers
        Atomic numbers, shape (atoms,).
    cell
        Rows are the cell vectors, shape (3, 3), Å.
    objects
        Index into ``names`` and ``roles``, shape (atoms,).
    grains
        Grain index, unique over the whole structure, shape (atoms,).
    thermal
        Root-mean-square displacement per axis, shape (atoms,), Å; NaN: the scatterer's value for the element.
    names, roles
        Name of every object, and its role: "particle", "support" or "other".
    pbc
        Whether the cell repeats along each of its vectors.

    Raises
    ------
    StructureError
        If shapes do not fit or a value is impossible.

    Examples
    --------
    >>> from exitwave.structure import Crystal, Scene, Sphere, Volume
    >>> ball = Volume(Crystal("Au"), Sphere(10, centre=(15, 15, 15)), role="particle")
    >>> Scene([ball], cell=(30, 30, 30)).build(seed=1)
    Structure: 246 atoms (Au) in 1 object (particle-0), cell 30 × 30 × 30 Å
    """

    positions: Array
    numbers: Ints
    cell: Array
    objects: Ints
    grains: Ints
    thermal: Array
    names: tuple[str, ...]
    roles: tuple[str, ...]
    pbc: tuple[bool, bool, bool] = (True, True, False)

    def __post_init__(self) -> None:
        positions, cell = frozen(self.positions), frozen(self.cell)
        count = len(positions) if positions.ndim else 0
        if positions.shape != (count, 3):
            raise StructureError(f"positions has shape {positions.shape}; it is (atoms, 3).")
        if cell.shape != (3, 3) or not np.isfinite(cell).all() or abs(np.linalg.det(cell)) < 1e-9:
            raise StructureError(
                f"cell is {cell.tolist()}; it is three rows of three numbers in Å that span a volume."
            )
        arrays: dict[str, Any] = {"positions": positions, "cell": cell, "thermal": frozen(self.thermal)}
        arrays |= {name: frozen(getattr(self, name), np.int32) for name in ("numbers", "objects", "grains")}
        for name in ("numbers", "objects", "grains", "thermal"):
            if arrays[name].shape != (count,):
                raise StructureError(
                    f"{name} has shape {arrays[name].shape}; with {count} atoms it is ({count},), one value for each."
                )
        if not np.isfinite(positions).all():
            bad = int(np.flatnonzero(~np.isfinite(positions).all(axis=1))[0])
            raise StructureError(f"atom {bad} is at {positions[bad].tolist()}; give every atom a finite place in Å.")
        if count and not 1 <= arrays["numbers"].min() <= arrays["numbers"].max() <= 103:
            bad = int(np.flatnonzero((arrays["numbers"] < 1) | (arrays["numbers"] > 103))[0])
            raise StructureError(
                f"atom {bad} has the atomic number {arrays['numbers'][bad]}; known elements are 1 (H) to 103 (Lr)."
            )
        names, roles = tuple(self.names), tuple(self.roles)
        if len(names) != len(roles) or (
            count and not 0 <= arrays["objects"].min() <= arrays["objects"].max() < len(names)
        ):
            raise StructureError(
                f"there are {len(names)} names and {len(roles)} roles; every object has one of each, and objects"
                " holds indices into them."
            )
        if not set(roles) <= set(ROLES):
            raise StructureError(f"roles is {roles}; a role is one of {', '.join(ROLES)}.")
        if np.nanmin(arrays["thermal"], initial=0.0) < 0:
            raise StructureError("thermal holds numbers below 0; an amplitude is 0 or more in Å, or NaN.")
        for name, value in (arrays | {"names": names, "roles": roles, "pbc": tuple(map(bool, self.pbc))}).items():
            object.__setattr__(self, name, value)
        if len(self.pbc) != 3:
            raise StructureError(f"pbc is {self.pbc}; it is three truth values.")

    def __len__(self) -> int:
        return len(self.positions)

    def __repr__(self) -> str:
        lengths = " × ".join(f"{length:.4g}" for length in np.linalg.norm(self.cell, axis=1))
        objects = counted(len(self.names), "object")
        shown = ", ".join(self.names[:4]) + (", …" if len(self.names) > 4 else "")
        return f"Structure: {len(self)} atoms ({self.formula}) in {objects} ({shown}), cell {lengths} Å"

    @property
    def formula(self) -> str:
        """Elements and their shares, as in 'Au', 'C 95 % Au 5 %'."""
        counts = Counter(self.numbers.tolist()).most_common()
        if len(counts) <= 1:
            return "".join(symbols()[z] for z, _ in counts) or "no atoms"
        return " ".join(f"{symbols()[z]} {100 * count / len(self):.3g} %" for z, count in counts)

    @property
    def extent(self) -> tuple[float, float, float]:
        """Lengths of the cell vectors, Å."""
        a, b, c = (float(length) for length in np.linalg.norm(self.cell, axis=1))
        return (a, b, c)

    def select(self, mask: NDArray[np.bool_] | NDArray[np.intp]) -> Structure:
        """Return the structure with only the atoms that a mask or an array of indices picks; the cell stays."""
        picked = {
            name: getattr(self, name)[mask] for name in ("positions", "numbers", "objects", "grains", "thermal")
        }
        return replace(self, **picked)

    def of(self, *, role: str | None = None, name: str | None = None) -> Structure:
        """Return the atoms of the objects with a role or a name, in the same cell.

        Raises
        ------
        StructureError
            If the role or the name does not exist.
        """
        if role is not None and role not in ROLES:
            raise StructureError(f"role is {role!r}; a role is one of {', '.join(ROLES)}.")
        if name is not None and name not in self.names:
            raise StructureError(f"name is {name!r}; the objects are {', '.join(self.names) or 'none'}.")
        wanted = [
            (role is None or own_role == role) and (name is None or own_name == name)
            for own_name, own_role in zip(self.names, self.roles, strict=True)
        ]
        return self.select(np.array(wanted, dtype=bool)[self.objects] if wanted else np.zeros(len(self), dtype=bool))

    def to_ase(self) -> Any:
        """Return ``ase.Atoms`` with objects, grains and thermal amplitudes as arrays and names in ``info``."""
        from ase import Atoms

        atoms = Atoms(self.numbers, positions=self.positions, cell=self.cell, pbc=self.pbc)
        for name in ("objects", "grains", "thermal"):
            atoms.arrays[name] = np.array(getattr(self, name))
        atoms.info["names"] = list(self.names)
        atoms.info["roles"] = list(self.roles)
        return atoms

    @classmethod
    def from_ase(cls, atoms: Any, *, name: str = "atoms", role: str = "other") -> Structure:
        """Return the structure of ``ase.Atoms``; atoms that carry no object become one with ``name`` and ``role``.

        Raises
        ------
        StructureError
            If the atoms have no cell.
        """
        if atoms.cell.rank < 3:
            raise StructureError(
                "the ASE atoms have no three-dimensional cell; set one, for example by atoms.center(10)."
            )
        count = len(atoms)
        known = "objects" in atoms.arrays and "names" in atoms.info and "roles" in atoms.info
        return cls(
            positions=atoms.positions,
            numbers=atoms.numbers,
            cell=np.asarray(atoms.cell),
            objects=atoms.arrays["objects"] if known else np.zeros(count, dtype=np.int32),
            grains=atoms.arrays.get("grains", np.zeros(count, dtype=np.int32)),
            thermal=atoms.arrays.get("thermal", np.full(count, np.nan)),
            names=tuple(np.atleast_1d(atoms.info["names"]).tolist()) if known else (name,),
            roles=tuple(np.atleast_1d(atoms.info["roles"]).tolist()) if known else (role,),
            pbc=(bool(atoms.pbc[0]), bool(atoms.pbc[1]), bool(atoms.pbc[2])),
        )

    def write(
        self, path: str | Path, *, format: str | None = None, thermal: Mapping[str, float] | None = None
    ) -> Path:
        """Write the structure to a file and return its path.

        Parameters
        ----------
        path
            The ending names the format, as ASE knows it (.cif, .xyz, .vasp, .pdb, …).
        format
            A format's name in ASE, or "prismatic" for the xyz of Prismatic and computem.
        thermal
            For "prismatic": amplitude per element, Å, of atoms that have none of their own.

        Raises
        ------
        StructureError
            If the format is unknown or cannot be written.
        """
        from exitwave.structure.files import write

        return write(self, Path(path), format=format, thermal=thermal)

    def show(self) -> Figure:
        """Return a picture: seen along the beam, and from the side with the beam going down."""
        from exitwave.structure.rendering import show

        return show(self)
