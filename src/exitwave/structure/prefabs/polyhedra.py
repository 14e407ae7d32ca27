"""Particles named after their polyhedron, the habit of any crystal, and corners cut, rounded or uneven."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from itertools import product
from math import gcd

import numpy as np
from numpy.typing import ArrayLike

from exitwave.core import StructureError
from exitwave.structure.arrays import Array
from exitwave.structure.generators.crystal import Crystal
from exitwave.structure.materials import Material
from exitwave.structure.prefabs.shapes import (
    Indices,
    Plane,
    as_crystal,
    equivalent_planes,
    of_volume,
    volume_of_size,
    wulff,
)
from exitwave.structure.regions import Polyhedron, Sphere
from exitwave.structure.volumes import Volume

__all__ = [
    "cube",
    "cuboctahedron",
    "faceted",
    "habit",
    "octahedron",
    "rhombic_dodecahedron",
    "rounded",
    "tetrahedron",
    "truncated",
    "truncated_octahedron",
    "uneven",
]

CUBE, OCTA, RHOMB = (1, 0, 0), (1, 1, 1), (1, 1, 0)
LARGEST_INDEX = 3
REFLECTS = 0.05  # of the largest structure factor there can be: weaker planes count as absent


def cube(crystal: Crystal | str, radius: float, name: str = "", role: str = "particle") -> Volume:
    """Return a cube of {100} facets as large as a sphere of ``radius`` Å.

    Parameters
    ----------
    crystal
        A cubic crystal, or a material's name.
    radius
        Radius of the sphere of the same volume, Å.
    name, role
        As for a volume.

    Returns
    -------
    particle
        About the origin, in the orientation of the crystal; its region is a ``Polyhedron``.

    Raises
    ------
    StructureError
        If the radius is not above 0, or the facets do not close a body in this crystal.

    Examples
    --------
    >>> gold = cube("Au", 15)
    >>> len(gold.region.distances), len(gold.region.vertices), round(gold.region.volume)
    (6, 8, 14137)
    """
    return wulff(crystal, {CUBE: 1.0}, radius=radius, name=name, role=role)


def octahedron(crystal: Crystal | str, radius: float, name: str = "", role: str = "particle") -> Volume:
    """Return an octahedron of {111} facets as large as a sphere of ``radius`` Å.

    Parameters
    ----------
    crystal, radius, name, role
        As for :func:`cube`.

    Examples
    --------
    >>> gold = octahedron("Au", 15)
    >>> len(gold.region.distances), len(gold.region.vertices), round(gold.region.volume)
    (8, 6, 14137)
    """
    return wulff(crystal, {OCTA: 1.0, (-1, -1, -1): 1.0}, radius=radius, name=name, role=role)


def cuboctahedron(crystal: Crystal | str, radius: float, name: str = "", role: str = "particle") -> Volume:
    """Return a cuboctahedron, γ100/γ111 = √3/2, as large as a sphere of ``radius`` Å.

    Parameters
    ----------
    crystal, radius, name, role
        As for :func:`cube`.

    Examples
    --------
    >>> gold = cuboctahedron("Au", 15)
    >>> len(gold.region.distances), len(gold.region.vertices), round(gold.region.volume)
    (14, 12, 14137)
    """
    energies = {OCTA: 1.0, (-1, -1, -1): 1.0, CUBE: 3**0.5 / 2}
    return wulff(crystal, energies, radius=radius, name=name, role=role)


def truncated_octahedron(crystal: Crystal | str, radius: float, name: str = "", role: str = "particle") -> Volume:
    """Return a regular truncated octahedron, γ100/γ111 = 2/√3, as large as a sphere of ``radius`` Å.

    Parameters
    ----------
    crystal, radius, name, role
        As for :func:`cube`.

    Examples
    --------
    >>> gold = truncated_octahedron("Au", 15)
    >>> len(gold.region.distances), len(gold.region.vertices), round(gold.region.volume)
    (14, 24, 14137)
    """
    energies = {OCTA: 1.0, (-1, -1, -1): 1.0, CUBE: 2 / 3**0.5}
    return wulff(crystal, energies, radius=radius, name=name, role=role)


def rhombic_dodecahedron(crystal: Crystal | str, radius: float, name: str = "", role: str = "particle") -> Volume:
    """Return a rhombic dodecahedron of {110} facets as large as a sphere of ``radius`` Å.

    Parameters
    ----------
    crystal, radius, name, role
        As for :func:`cube`.

    Examples
    --------
    >>> gold = rhombic_dodecahedron("Au", 15)
    >>> len(gold.region.distances), len(gold.region.vertices), round(gold.region.volume)
    (12, 14, 14137)
    """
    return wulff(crystal, {RHOMB: 1.0}, radius=radius, name=name, role=role)


def tetrahedron(crystal: Crystal | str, radius: float, name: str = "", role: str = "particle") -> Volume:
    """Return a tetrahedron of four {111} facets of a cubic crystal, as large as a sphere of ``radius`` Å.

    Parameters
    ----------
    crystal, radius, name, role
        As for :func:`cube`.

    Raises
    ------
    StructureError
        If the crystal is not cubic, or the radius is not above 0.

    Examples
    --------
    >>> sharp = tetrahedron("Au", 15)
    >>> len(sharp.region.vertices), len(truncated(sharp, {(1, 1, 1): 0.8}).region.vertices)
    (4, 12)
    """
    crystal = as_crystal(crystal)
    if not crystal.material.cubic:
        raise StructureError(f"{crystal.material.name or 'the crystal'} is not cubic; a tetrahedron is cut from one.")
    normals = [crystal.normal(plane) for plane in ((1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1))]
    shape = Polyhedron(np.array(normals), np.ones(4))
    return Volume(crystal, of_volume(shape, volume_of_size(crystal, radius, None)), name=name, role=role)


def habit(material: Material) -> dict[Indices, float]:
    r"""Return the facets that a crystal of any kind shows when nothing else is known, and their distances.

    The rule of Bravais, Friedel, Donnay and Harker: a facet grows the slower, and stands the nearer, the wider the
    spacing of its planes, :math:`\gamma_{hkl} \propto 1/d_{hkl}`; planes without reflection count with the order
    that has one. Facets that the rule puts outside the body are left out when it is built.

    Parameters
    ----------
    material
        Any crystal.

    Returns
    -------
    energies
        One plane of each family, and its distance relative to that of the nearest family, 1; as :func:`wulff` takes
        them.

    Source: J. D. H. Donnay & D. Harker, Am. Mineral. 22, 446 (1937).

    Examples
    --------
    >>> from exitwave.structure import material
    >>> {plane: round(energy, 3) for plane, energy in habit(material("Au")).items()}
    {(1, 1, 1): 1.0, (1, 0, 0): 1.155}
    """
    return dict(_habit(material))


def faceted(crystal: Crystal | str, radius: float, name: str = "", role: str = "particle") -> Volume:
    """Return a crystal of any kind in its :func:`habit`, as large as a sphere of ``radius`` Å.

    Parameters
    ----------
    crystal
        A crystal, or a material's name.
    radius, name, role
        As for :func:`cube`.

    Examples
    --------
    >>> len(faceted("TiO2-anatase", 15).region.vertices)  # a double pyramid with its tips cut off
    12
    """
    crystal = as_crystal(crystal)
    return wulff(crystal, habit(crystal.material), radius=radius, name=name, role=role)


def truncated(volume: Volume, planes: Mapping[Indices, float] | Mapping[Plane, float]) -> Volume:
    """Return a faceted volume with corners or edges cut off by more facets.

    Parameters
    ----------
    volume
        A volume whose region is a Polyhedron.
    planes
        For each family of planes, how far the cut is from the centre as a share of the body's reach there: 1 cuts
        nothing off.

    Examples
    --------
    >>> corners_cut = truncated(cube("Pt", 20), {(1, 1, 1): 0.85})
    >>> len(corners_cut.region.vertices)
    24
    """
    crystal, shape = _polyhedron(volume)
    normals, offsets = shape.planes()
    centre = np.asarray(shape.centre)
    for plane, share in planes.items():
        if not 0 < share <= 1:
            raise StructureError(f"the share of {plane} is {share!r}; it is a number above 0 and at most 1.")
        more = np.array([crystal.normal(one) for one in equivalent_planes(crystal.material, plane)])
        reach = shape.extent(more) - more @ centre
        cut = reach.max() * share
        normals = np.concatenate([normals, more[reach > cut]])
        offsets = np.concatenate([offsets, cut + more[reach > cut] @ centre])
    return replace(volume, region=Polyhedron(normals, offsets - normals @ centre, centre))


def rounded(volume: Volume, share: float) -> Volume:
    """Return a faceted volume with its corners cut off by a sphere.

    Parameters
    ----------
    volume
        A convex volume.
    share
        0 leaves it as it is, 1 leaves only the ball that fits within.

    Raises
    ------
    StructureError
        If the share is not from 0 to 1, or the volume is no crystal whose region is a Polyhedron.

    Examples
    --------
    >>> gold = cube("Au", 15)
    >>> [bool(rounded(gold, share).region.contains([[9, 9, 9]])[0]) for share in (0, 0.5, 1)]
    [True, True, False]
    """
    if not 0 <= share <= 1:
        raise StructureError(f"share is {share!r}; it is a number from 0 to 1.")
    _, shape = _polyhedron(volume)
    centre = np.asarray(shape.centre)
    far = float(np.linalg.norm(shape.vertices - centre, axis=1).max())
    near = float(np.asarray(shape.distances).min())
    return volume.within(Sphere(far + share * (near - far), centre=centre)) if share else volume


def uneven(volume: Volume, moves: ArrayLike) -> Volume:
    """Return a faceted volume, its facets moved in and out, of the same size.

    Parameters
    ----------
    volume
        A volume whose region is a Polyhedron.
    moves
        By how much each facet moves, as a share of its distance from the centre, shape (facets,); drawn at random,
        a few percent make particles that look grown.

    Examples
    --------
    >>> from exitwave.core import Stream
    >>> gold = faceted("Au", 20)
    >>> moves = 0.1 * Stream(1).generator().standard_normal(len(gold.region.distances))
    >>> round(uneven(gold, moves).region.volume / gold.region.volume, 6)
    1.0
    """
    _, shape = _polyhedron(volume)
    distances = np.asarray(shape.distances)
    shares = np.asarray(moves, dtype=np.float64)
    if shares.shape != distances.shape or not (np.abs(shares) < 1).all():
        raise StructureError(
            f"moves has shape {shares.shape}; it is a number above -1 and below 1 for each of the"
            f" {len(distances)} facets."
        )
    return replace(
        volume, region=of_volume(Polyhedron(shape.normals, distances * (1 + shares), shape.centre), shape.volume)
    )


@lru_cache(maxsize=64)
def _habit(material: Material) -> tuple[tuple[Indices, float], ...]:
    found: list[tuple[float, Indices]] = []
    seen: set[Indices] = set()
    reciprocal = np.linalg.inv(material.lattice)
    span = range(-LARGEST_INDEX, LARGEST_INDEX + 1)
    for h, k, i in sorted(product(span, repeat=3), reverse=True):
        plane = (h, k, i)
        if gcd(h, k, i) != 1 or plane in seen:
            continue
        family = equivalent_planes(material, plane)
        seen.update(family)
        for order in range(1, 5):
            indices = order * np.array(plane)
            strength = abs((material.numbers * np.exp(2j * np.pi * (material.basis @ indices))).sum())
            if strength / material.numbers.sum() > REFLECTS:
                found.append((order * float(np.linalg.norm(reciprocal @ plane)), plane))
                break
    found.sort(key=lambda one: (round(one[0], 9), [-i for i in one[1]]))
    # families from the nearest on, as far as they cut something off
    chosen: list[tuple[Indices, float]] = []
    normals, distances = np.empty((0, 3)), np.empty(0)
    body: Polyhedron | None = None
    for distance, plane in found:
        more = np.array([reciprocal @ one for one in equivalent_planes(material, plane)])
        more /= np.linalg.norm(more, axis=1)[:, None]
        if body is not None and float(body.extent(more).max()) <= distance * (1 + 1e-3):
            continue
        normals, distances = np.concatenate([normals, more]), np.append(distances, [distance] * len(more))
        chosen.append((plane, distance / found[0][0]))
        body = _closed(normals, distances)
        if body is not None and distance > 2.2 * found[0][0]:
            break
    return tuple(chosen)


def _closed(normals: Array, distances: Array) -> Polyhedron | None:
    try:
        return Polyhedron(normals, distances)
    except StructureError:
        return None


def _polyhedron(volume: Volume) -> tuple[Crystal, Polyhedron]:
    if not isinstance(volume.region, Polyhedron) or not isinstance(volume.generator, Crystal):
        raise StructureError(
            "only a crystal whose region is a Polyhedron is cut, rounded or made uneven; intersect others with a"
            " Sphere or a HalfSpace."
        )
    return volume.generator, volume.region
