"""Faceted single crystals: Wulff and Winterbottom shapes and the polyhedra named after them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import isfinite

import numpy as np

from exitwave.core import StructureError
from exitwave.structure.arrays import Array
from exitwave.structure.generators.crystal import Crystal
from exitwave.structure.materials import Material
from exitwave.structure.regions import HalfSpace, Polyhedron, Region, Sphere
from exitwave.structure.symmetry import point_group
from exitwave.structure.volumes import Volume

__all__ = [
    "cube",
    "cuboctahedron",
    "equivalent_planes",
    "facets",
    "octahedron",
    "rounded",
    "truncated_octahedron",
    "winterbottom",
    "wulff",
]

Plane = tuple[int, int, int]
CUBE, OCTA = (1, 0, 0), (1, 1, 1)


def equivalent_planes(material: Material, plane: Plane) -> list[Plane]:
    """Return all planes that the symmetry of a material makes of one.

    Examples
    --------
    >>> from exitwave.structure import material
    >>> len(equivalent_planes(material("Au"), (1, 1, 1))), len(equivalent_planes(material("CdSe"), (0, 0, 1)))
    (8, 1)
    """
    indices = np.asarray(plane)
    if indices.shape != (3,) or not np.issubdtype(indices.dtype, np.integer) or not indices.any():
        raise StructureError(f"plane is {plane!r}; a plane is three whole numbers (h, k, l), not all 0.")
    turned = {tuple(int(i) for i in np.round(indices @ np.linalg.inv(turn))) for turn in point_group(material)}
    return sorted((h, k, i) for h, k, i in turned)


def facets(crystal: Crystal, energies: Mapping[Plane, float]) -> Polyhedron:
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
    normals: list[Array] = []
    distances: list[float] = []
    for plane, energy in energies.items():
        if isinstance(energy, bool) or not isinstance(energy, int | float) or not (isfinite(energy) and energy > 0):
            raise StructureError(f"the energy of {plane} is {energy!r}; a surface energy is a number above 0.")
        for one in equivalent_planes(crystal.material, plane):
            normals.append(crystal.normal(one))
            distances.append(float(energy))
    return Polyhedron(np.array(normals), np.array(distances))


def wulff(
    crystal: Crystal | str,
    energies: Mapping[Plane, float],
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
    crystal = _crystal(crystal)
    shape = facets(crystal, energies)
    return Volume(crystal, _scaled(shape, _scale(crystal, shape.volume, radius, atoms)), name=name, role=role)


def winterbottom(
    crystal: Crystal | str,
    energies: Mapping[Plane, float],
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

    Source: W. L. Winterbottom, Acta Metall. 15, 303 (1967).
    """
    crystal = _crystal(crystal)
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


def cube(crystal: Crystal | str, radius: float, name: str = "", role: str = "particle") -> Volume:
    """Return a cube of {100} facets as large as a sphere of ``radius`` Å."""
    return wulff(crystal, {CUBE: 1.0}, radius=radius, name=name, role=role)


def octahedron(crystal: Crystal | str, radius: float, name: str = "", role: str = "particle") -> Volume:
    """Return an octahedron of {111} facets as large as a sphere of ``radius`` Å."""
    return wulff(crystal, {OCTA: 1.0}, radius=radius, name=name, role=role)


def cuboctahedron(crystal: Crystal | str, radius: float, name: str = "", role: str = "particle") -> Volume:
    """Return a cuboctahedron, γ100/γ111 = √3/2, as large as a sphere of ``radius`` Å."""
    return wulff(crystal, {OCTA: 1.0, CUBE: 3**0.5 / 2}, radius=radius, name=name, role=role)


def truncated_octahedron(crystal: Crystal | str, radius: float, name: str = "", role: str = "particle") -> Volume:
    """Return a regular truncated octahedron, γ100/γ111 = 2/√3, as large as a sphere of ``radius`` Å."""
    return wulff(crystal, {OCTA: 1.0, CUBE: 2 / 3**0.5}, radius=radius, name=name, role=role)


def rounded(volume: Volume, share: float) -> Volume:
    """Return a faceted volume with its corners cut off by a sphere.

    Parameters
    ----------
    volume
        A convex volume.
    share
        0 leaves it as it is, 1 leaves only the ball that fits within.
    """
    if not 0 <= share <= 1:
        raise StructureError(f"share is {share!r}; it is a number from 0 to 1.")
    if not isinstance(volume.region, Polyhedron):
        raise StructureError("only a volume whose region is a Polyhedron is rounded; intersect others with a Sphere.")
    centre = np.asarray(volume.region.centre)
    far = float(np.linalg.norm(volume.region.vertices - centre, axis=1).max())
    near = float(np.asarray(volume.region.distances).min())
    return volume.within(Sphere(far + share * (near - far), centre=centre))


def _crystal(crystal: Crystal | str) -> Crystal:
    return Crystal(crystal) if isinstance(crystal, str) else crystal


def _scaled(shape: Polyhedron, factor: float) -> Polyhedron:
    return Polyhedron(shape.normals, np.asarray(shape.distances) * factor)


def _volume_of(region: Region) -> float:
    return region.volume if isinstance(region, Polyhedron) else float("nan")


def _scale(crystal: Crystal, volume: float, radius: float | None, atoms: int | None) -> float:
    if (radius is None) == (atoms is None):
        raise StructureError("the size is given by radius or by atoms; give one of the two.")
    given = radius if radius is not None else atoms
    assert given is not None
    if isinstance(given, bool) or not (isfinite(given) and given > 0):
        raise StructureError(f"the size is {given!r}; a radius in Å or a number of atoms is above 0.")
    per_atom = abs(float(np.linalg.det(crystal.lattice))) / len(crystal.sites)
    wanted = 4 / 3 * np.pi * given**3 if radius is not None else given * per_atom
    return float((wanted / volume) ** (1 / 3))
