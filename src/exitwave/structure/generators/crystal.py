"""Crystals: a lattice with a basis, in any place, orientation and state of strain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from typing_extensions import override

from exitwave.core import Stream, StructureError
from exitwave.structure.arrays import Array, unit, vector3
from exitwave.structure.generators.base import Atoms, Bounds, Generator
from exitwave.structure.materials import Material, atomic_number, material, plane_indices
from exitwave.structure.transforms import Transform, affine, rotation, rotation_between, translation

if TYPE_CHECKING:
    from exitwave.structure.regions.solids import HalfSpace

__all__ = ["Crystal"]

BEAM = (0.0, 0.0, 1.0)
SIDES = ("nearest", "toward", "away")
PLANE = 1e-7  # spacings: a point this near to a plane is on it
MARGIN = 1e-6  # Å; the volume decides about atoms on its surface


@dataclass(frozen=True, eq=False)
class Crystal(Generator):
    """A crystal that fills all space.

    Parameters
    ----------
    material
        A name from the table of materials, or a :class:`Material`.
    transform
        Carries the crystal from its own frame to the scene; use ``rotated``, ``oriented``, ``translated`` and
        ``strained`` rather than writing it.

    Raises
    ------
    StructureError
        If the material is unknown.

    Examples
    --------
    >>> gold = Crystal("Au").oriented(zone_axis=(1, 1, 0), spin=30)
    >>> gold.direction((1, 1, 0)).round(12) + 0
    array([0., 0., 1.])
    """

    material: Material
    transform: Transform = field(default_factory=Transform)

    def __init__(self, material_: str | Material, transform: Transform | None = None) -> None:
        object.__setattr__(self, "material", material(material_))
        object.__setattr__(self, "transform", transform if transform is not None else Transform())

    def __repr__(self) -> str:
        return f"Crystal({self.material.name!r}, {self.transform!r})"

    @property
    def lattice(self) -> Array:
        """Lattice vectors in the scene, rows, Å."""
        return self.transform.directions(self.material.lattice)

    @property
    def sites(self) -> Array:
        """Positions of the atoms of one cell in the scene, shape (sites, 3), Å."""
        return self.transform(self.material.basis @ self.material.lattice)

    @property
    def origin(self) -> Array:
        """Where the corner of the cell is in the scene, Å."""
        result: Array = np.array(self.transform.vector)
        return result

    def atoms(self, bounds: Bounds, stream: Stream | None = None) -> Atoms:
        """Return the atoms in a box; a crystal is not random, so the stream is not used."""
        from exitwave.structure.generators.lattice_points import lattice_points

        lattice, low, high = self.lattice, np.asarray(bounds.low), np.asarray(bounds.high)
        normals, offsets = bounds.planes if bounds.planes is not None else (np.empty((0, 3)), np.empty(0))
        inverse: Array = np.asarray(np.linalg.inv(lattice), dtype=np.float64)
        positions, site = lattice_points(lattice, inverse, self.sites, low, high, MARGIN, normals, offsets)
        return Atoms(positions, self.material.numbers[site], self.material.thermal[site])

    def direction(self, indices: ArrayLike) -> Array:
        """Return the unit vector along the lattice direction [u v w] in the scene."""
        return unit(vector3(indices, "direction") @ self.lattice, "direction")

    def normal(self, indices: ArrayLike) -> Array:
        """Return the unit normal of the lattice planes (h k l), or (h k i l) of hexagonal crystals, in the scene."""
        return unit(np.linalg.inv(self.lattice) @ plane_indices(self.material, indices), "plane")

    def spacing(self, indices: ArrayLike) -> float:
        """Return the spacing 1/|h a* + k b* + l c*| of the lattice planes (h k l), Å."""
        return float(1 / np.linalg.norm(np.linalg.inv(self.lattice) @ plane_indices(self.material, indices)))

    def snapped(
        self, indices: ArrayLike, point: ArrayLike, side: str = "nearest", species: str | int | None = None
    ) -> HalfSpace:
        r"""Return the half-space below the lattice plane (h k l) with atoms on it that is next to a point.

        The heights of atoms along the normal are those of the sites of one cell plus whole spacings, for integer
        indices on any lattice, with any origin, centring, orientation and strain.

        Parameters
        ----------
        indices
            Whole numbers h k l, or h k i l of a hexagonal crystal; the normal points out of the half-space.
        point
            Å, in the scene.
        side
            "nearest"; "toward": the plane at or below the point, seen along the normal; "away": at or beyond it.
        species
            Only planes with atoms of this element, as for a termination; None: of any.

        Raises
        ------
        StructureError
            If the indices are no whole numbers, all 0, or the crystal has no such element.

        Examples
        --------
        >>> gold = Crystal("Au").translated((0, 0, 0.3))
        >>> float(gold.snapped((0, 0, 1), (0, 0, 10.0)).point[2].round(6))
        10.4955
        """
        from exitwave.structure.regions.solids import HalfSpace

        hkl, place = plane_indices(self.material, indices, "indices"), vector3(point, "point")
        if (hkl != np.round(hkl)).any() or not hkl.any():
            raise StructureError(f"indices is {hkl.tolist()}; the indices of a plane are whole numbers, not all 0.")
        if side not in SIDES:
            raise StructureError(f"side is {side!r}; it is one of {', '.join(SIDES)}.")
        own = np.ones(len(self.material.numbers), dtype=bool)
        if species is not None:
            own = self.material.numbers == atomic_number(species)
            if not own.any():
                raise StructureError(f"species is {species!r}; the crystal is {self.material.formula}.")
        hkl = hkl / np.gcd.reduce(hkl.astype(np.int64))
        normal, spacing = self.normal(hkl), self.spacing(hkl)
        levels = np.unique(np.round(np.mod(self.sites[own] @ normal / spacing, 1.0), 9) % 1.0)
        # the planes around the point, in spacings, as seen from it
        apart = levels - (place @ normal) / spacing
        apart = (apart - np.floor(apart))[:, None] + np.array([-1.0, 0.0, 1.0])
        apart = apart.ravel()
        if side == "toward":
            chosen = apart[apart <= PLANE].max()
        elif side == "away":
            chosen = apart[apart >= -PLANE].min()
        else:
            chosen = apart[np.argmin(np.abs(apart))]
        return HalfSpace(normal, place + chosen * spacing * normal)

    @override
    def transformed(self, transform: Transform) -> Crystal:
        return Crystal(self.material, transform @ self.transform)

    def translated(self, vector: ArrayLike) -> Crystal:
        """Return the crystal shifted by ``vector``, Å."""
        return self.transformed(translation(vector))

    def rotated(self, turn: Transform | ArrayLike) -> Crystal:
        """Return the crystal turned about the origin of the scene by a transform or a 3 × 3 matrix."""
        turn = Transform.of(turn)
        if not turn.rigid or turn.determinant < 0:
            raise StructureError("the matrix is no rotation; use transformed for mirrors and strained for strain.")
        return self.transformed(turn)

    def oriented(self, zone_axis: ArrayLike, spin: float = 0.0, x: ArrayLike | None = None) -> Crystal:
        """Return the crystal with a lattice direction along the beam.

        Parameters
        ----------
        zone_axis
            Lattice direction [u v w] that points along +z, where the beam goes.
        spin
            Turn about the beam, degrees.
        x
            Lattice direction whose part across the beam points along +x before the spin; if not given, the
            crystal takes the smallest turn from the orientation that it has.
        """
        turn = rotation_between(self.direction(zone_axis), BEAM)
        if x is not None:
            across = turn.directions(self.direction(x))
            if np.hypot(across[0], across[1]) < 1e-9:
                raise StructureError(f"x is {x!r}, along the zone axis; name a direction across it.")
            turn = rotation_between((across[0], across[1], 0.0), (1, 0, 0)) @ turn
        return self.rotated(rotation(BEAM, spin) @ turn)

    def strained(self, strain: ArrayLike, axes: str = "crystal") -> Crystal:
        """Return the crystal with a homogeneous strain.

        Parameters
        ----------
        strain
            Displacement gradient: one number (the same in all directions), three (along the axes) or a 3 × 3
            matrix e with x → (1 + e) x.
        axes
            "crystal": along the Cartesian axes of the crystal's own frame; "lab": along those of the scene.
        """
        gradient = np.asarray(strain, dtype=np.float64)
        if gradient.shape in ((), (3,)):
            gradient = np.diag(np.broadcast_to(gradient, (3,)))
        if gradient.shape != (3, 3) or axes not in ("crystal", "lab"):
            raise StructureError(
                f"strain has shape {gradient.shape} and axes is {axes!r}; a strain is a number, three numbers or a"
                " 3 × 3 matrix, and axes is crystal or lab."
            )
        stretch = np.eye(3) + gradient
        if axes == "lab":
            return self.transformed(affine(stretch, about=self.transform.vector))
        return Crystal(self.material, self.transform @ affine(stretch))

    @classmethod
    def from_cell(cls, lattice: ArrayLike, basis: ArrayLike, species: Sequence[str | int], name: str = "") -> Crystal:
        """Return the crystal with the given unit cell.

        Parameters
        ----------
        lattice
            Rows are the lattice vectors, shape (3, 3), Å; or a, b, c (Å), alpha, beta, gamma (degrees).
        basis
            Fractional coordinates, shape (atoms, 3).
        species
            A symbol or an atomic number for each.
        """
        return cls(Material.from_cell(lattice, basis, species, name))

    @classmethod
    def from_spacegroup(
        cls,
        group: int | str,
        parameters: ArrayLike,
        species: Sequence[str],
        basis: ArrayLike,
        name: str = "",
        setting: int = 1,
    ) -> Crystal:
        """Return the crystal that a space group makes of an asymmetric unit.

        Parameters
        ----------
        group
            Number or Hermann–Mauguin symbol.
        parameters
            a, b, c (Å), alpha, beta, gamma (degrees), with the symmetry of the space group.
        species, basis
            Symbols and fractional coordinates of the asymmetric unit.
        setting
            1, or 2 for the second origin of the International Tables, or rhombohedral axes.
        """
        return cls(Material.from_spacegroup(group, parameters, species, basis, name, setting=setting))

    @classmethod
    def from_cif(cls, path: str | Path) -> Crystal:
        """Return the crystal of a CIF file; partly occupied sites are refused."""
        return cls(Material.from_cif(path))

    @classmethod
    def from_ase(cls, atoms: Any, name: str = "") -> Crystal:
        """Return the crystal whose cell is an ``ase.Atoms``."""
        return cls(Material.from_ase(atoms, name))

    @classmethod
    def from_pymatgen(cls, structure: Any, name: str = "") -> Crystal:
        """Return the crystal of a ``pymatgen.core.Structure``."""
        return cls(Material.from_pymatgen(structure, name))
