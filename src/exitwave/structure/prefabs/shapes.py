"""Faceted single crystals in their equilibrium shape: Wulff's in free space, Winterbottom's on a substrate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from math import isfinite

import numpy as np
from numpy.typing import NDArray

from exitwave.core import StructureError
from exitwave.structure.generators.crystal import Crystal
from exitwave.structure.materials import Material, plane_indices
from exitwave.structure.regions import HalfSpace, Polyhedron, Region
from exitwave.structure.symmetry import point_group
from exitwave.structure.volumes import Volume

__all__ = [
    "Plane",
    "as_crystal",
    "equivalent_planes",
    "facets",
    "of_volume",
    "volume_of_size",
    "winterbottom",
    "wulff",
]

Indices = tuple[int, int, int]
Plane = Indices | tuple[int, int, int, int]  # (h, k, l), or (h, k, i, l) of hexagonal crystals


def equivalent_planes(material: Material, plane: Plane) -> list[Indices]:
    """Return all planes (h k l) that the symmetry of a material makes of one; (h k i l) if it is hexagonal too.

    Examples
    --------
    >>> from exitwave.structure import material
    >>> len(equivalent_planes(material("Au"), (1, 1, 1))), len(equivalent_planes(material("CdSe"), (0, 0, 1)))
    (8, 1)
    """
    indices = np.asarray(plane)
    if indices.shape == (4,) and np.issubdtype(indices.dtype, np.integer):
        indices = plane_indices(material, plane).astype(np.int64)
    if indices.shape != (3,) or not np.issubdtype(indices.dtype, np.integer) or not indices.any():
        raise StructureError(f"plane is {plane!r}; a plane is three whole numbers (h, k, l), not all 0.")
    return list(_equivalent(material, (int(indices[0]), int(indices[1]), int(indices[2]))))


def facets(crystal: Crystal, energies: Mapping[Indices, float] | Mapping[Plane, float]) -> Polyhedron:
    r"""Return the Wulff shape with facets at the distance of their surface energy from the origin.

    .. math:: \{x : x \cdot n_i \le \gamma_i \text{ for all facets } i\}, \qquad 3V = \sum_i \gamma_i A_i

    Parameters
    ----------
    crystal
        Its orientation is that of the shape.
    energies
        Energy of each family of planes, in any unit, such as ``{(1, 1, 1): 1.0, (1, 0, 0): 1.15}``.

    Source: G. Wulff, Z. Krist. 34, 449 (1901).
    """
    if not energies:
        raise StructureError("energies is empty; give at least one family of planes, as in {(1, 1, 1): 1.0}.")
    given: dict[Indices, float] = {}
    for plane, energy in energies.items():
        if isinstance(energy, bool) or not isinstance(energy, int | float) or not (isfinite(energy) and energy > 0):
            raise StructureError(f"the energy of {plane} is {energy!r}; a surface energy is a number above 0.")
        for one in equivalent_planes(crystal.material, plane):
            given.setdefault(one, float(energy))
    return Polyhedron([crystal.normal(plane) for plane in given], list(given.values()))


def wulff(
    crystal: Crystal | str,
    energies: Mapping[Indices, float] | Mapping[Plane, float],
    *,
    radius: float | None = None,
    atoms: int | None = None,
    name: str = "",
    role: str = "particle",
) -> Volume:
    """Return a crystal in its equilibrium shape, about the origin.

    Parameters
    ----------
    crystal
        A crystal, or a material's name.
    energies
        Surface energy of each family of planes; equivalent planes follow from the symmetry.
    radius
        Radius of the sphere of the same volume, Å; or
    atoms
        how many atoms the shape holds (to within its surface).
    name, role
        As for a volume.

    Examples
    --------
    >>> gold = wulff("Au", {(1, 1, 1): 1.0, (1, 0, 0): 1.1547}, radius=20)
    >>> round(gold.region.volume / (4 / 3 * 3.14159265 * 20**3), 6)
    1.0
    """
    crystal = as_crystal(crystal)
    shape = facets(crystal, energies)
    return Volume(crystal, of_volume(shape, volume_of_size(crystal, radius, atoms)), name=name, role=role)


def winterbottom(
    crystal: Crystal | str,
    energies: Mapping[Indices, float] | Mapping[Plane, float],
    *,
    interface: Plane,
    interface_energy: float,
    radius: float | None = None,
    atoms: int | None = None,
    name: str = "",
    role: str = "particle",
) -> Volume:
    """Return a crystal in its equilibrium shape on a flat substrate: a Wulff shape cut by the interface.

    Parameters
    ----------
    crystal, energies, name, role
        As for :func:`wulff`.
    interface
        The plane, outward normal, that lies on the substrate.
    interface_energy
        Energy of the interface less that of the bare substrate, in the unit of ``energies``; it may be negative.
    radius, atoms
        Size of the *uncut* shape.

    Raises
    ------
    StructureError
        If the interface costs so little that the crystal wets the substrate, or as for :func:`wulff`.

    Source: W. L. Winterbottom, Acta Metall. 15, 303 (1967).

    Examples
    --------
    >>> energies = {(1, 1, 1): 1.0, (1, 0, 0): 1.1547}
    >>> cap = winterbottom("Au", energies, interface=(0, 0, -1), interface_energy=0.0, radius=15)
    >>> cap.region.contains([[0, 0, 5], [0, 0, -5]])  # half of the Wulff shape
    array([ True, False])
    """
    crystal = as_crystal(crystal)
    whole = wulff(crystal, energies, radius=radius, atoms=atoms, name=name, role=role)
    shape = facets(crystal, energies)
    scale = (_volume_of(whole.region) / shape.volume) ** (1 / 3)
    normal = crystal.normal(interface)
    reach = shape.extent(np.stack([normal, -normal]))
    if not -reach[1] < interface_energy:
        raise StructureError(
            f"interface_energy is {interface_energy}; at {-reach[1]:.3g} or below, the crystal wets the substrate"
            " and has no shape."
        )
    return replace(whole, region=whole.region & HalfSpace(normal, interface_energy * scale * normal))


@lru_cache(maxsize=1024)
def _equivalent(material: Material, plane: Indices) -> tuple[Indices, ...]:
    turns = _point_group(material)
    turned = {tuple(int(i) for i in np.round(np.asarray(plane) @ np.linalg.inv(turn))) for turn in turns}
    return tuple(sorted((h, k, i) for h, k, i in turned))


@lru_cache(maxsize=64)
def _point_group(material: Material) -> tuple[NDArray[np.int64], ...]:
    return tuple(point_group(material))


def as_crystal(crystal: Crystal | str) -> Crystal:
    """Return a crystal, or the one of the material of that name."""
    return Crystal(crystal) if isinstance(crystal, str) else crystal


def of_volume(shape: Polyhedron, volume: float) -> Polyhedron:
    """Return a polyhedron made larger or smaller about its centre, so that it has a volume, Å³."""
    factor = (volume / shape.volume) ** (1 / 3)
    return Polyhedron(shape.normals, np.asarray(shape.distances) * factor, shape.centre)


def _volume_of(region: Region) -> float:
    return region.volume if isinstance(region, Polyhedron) else float("nan")


def volume_of_size(crystal: Crystal, radius: float | None, atoms: int | None) -> float:
    """Return the volume of a body of that radius or number of atoms, Å³."""
    if (radius is None) == (atoms is None):
        raise StructureError("the size is given by radius or by atoms; give one of the two.")
    given = radius if radius is not None else atoms
    assert given is not None
    if isinstance(given, bool) or not isinstance(given, int | float | np.number) or not 0 < given < np.inf:
        raise StructureError(f"the size is {given!r}; a radius in Å or a number of atoms is above 0.")
    per_atom = abs(float(np.linalg.det(crystal.lattice))) / len(crystal.sites)
    return float(4 / 3 * np.pi * given**3 if radius is not None else given * per_atom)
