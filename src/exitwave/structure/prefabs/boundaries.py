"""Grain boundaries of any crystal and character, and polycrystals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from exitwave.core import Stream, StructureError
from exitwave.structure.arrays import vector3
from exitwave.structure.generators.base import Generator
from exitwave.structure.generators.crystal import Crystal
from exitwave.structure.prefabs.shapes import as_crystal
from exitwave.structure.regions import HalfSpace, Region
from exitwave.structure.transforms import quaternion, rotation, translation, uniform_quaternion
from exitwave.structure.volumes import Union, Volume

__all__ = ["bicrystal", "grain_boundary", "polycrystal"]


def bicrystal(
    below: Generator,
    above: Generator,
    region: Region,
    *,
    normal: ArrayLike,
    point: ArrayLike | None = None,
    gap: float = 0.0,
    name: str = "",
    role: str = "particle",
) -> Union:
    """Return a region filled by two generators, one on each side of a plane.

    Parameters
    ----------
    below, above
        What fills the side that the normal leaves, and the one that it points to.
    region
        Any bounded region.
    normal, point
        Of the boundary in the scene; default point: the middle of the region's box, Å.
    gap
        Width of an empty seam, Å.
    name, role
        As for a volume.

    Examples
    --------
    >>> from exitwave.structure import Box
    >>> joint = bicrystal(Crystal("Ag"), Crystal("Pd"), Box(16, 16, 20), normal=(0, 0, 1), gap=1.0)
    >>> silver, palladium = joint.parts
    >>> float(silver.region.bounds()[1, 2]), float(palladium.region.bounds()[0, 2])
    (9.5, 10.5)
    """
    at = region.bounds().mean(axis=0) if point is None else vector3(point, "point")
    n = HalfSpace(normal).normal
    half = 0.5 * gap * np.asarray(n)
    members = [
        Volume(below, region & HalfSpace(n, at - half)),
        Volume(above, region & HalfSpace(-np.asarray(n), at + half)),
    ]
    return Union(members, name=name, role=role)


def grain_boundary(
    crystal: Crystal | str,
    region: Region,
    *,
    axis: ArrayLike,
    angle: float,
    plane: ArrayLike,
    point: ArrayLike | None = None,
    shift: ArrayLike = (0.0, 0.0, 0.0),
    gap: float = 0.0,
    name: str = "",
    role: str = "particle",
) -> Union:
    """Return a bicrystal, its halves turned by half an angle each about a lattice direction.

    With the axis in the boundary plane it is a symmetric tilt boundary, with the axis along the normal a twist
    boundary, else one of mixed character. Atoms that come too near across it go when the scene is built.

    Parameters
    ----------
    crystal
        The crystal between both halves, or a material's name; the boundary goes through its origin.
    region
        Any bounded region.
    axis, angle
        Lattice direction [u v w] and degrees of the whole misorientation.
    plane
        Boundary plane (h k l) of the crystal between both halves.
    point
        A point of the boundary that is also the lattice origin of both halves, Å; default: the middle of the
        region's box.
    shift
        Rigid displacement of the upper half, Å.
    gap
        Width of an empty seam, Å.
    name, role
        As for a volume.

    Examples
    --------
    >>> from exitwave.structure import Box
    >>> sigma5 = grain_boundary("Au", Box(40, 40, 20), axis=(0, 0, 1), angle=36.87, plane=(1, 0, 0))
    >>> len(sigma5.parts)
    2
    """
    crystal = as_crystal(crystal)
    if not np.isfinite(angle):
        raise StructureError(f"angle is {angle}; an angle is a finite number of degrees.")
    at = region.bounds().mean(axis=0) if point is None else vector3(point, "point")
    centred = crystal.translated(at - crystal.origin)
    about = centred.direction(axis)
    below = centred.transformed(rotation(about, -angle / 2, about=at))
    above = centred.transformed(translation(shift) @ rotation(about, angle / 2, about=at))
    return bicrystal(below, above, region, normal=crystal.normal(plane), point=at, gap=gap, name=name, role=role)


def polycrystal(
    crystal: Crystal | str,
    region: Region,
    seeds: int | Sequence[ArrayLike],
    stream: Stream,
    *,
    name: str = "",
    role: str = "particle",
) -> Union:
    """Return a region cut into Voronoi grains, each with the crystal in an orientation of its own.

    Parameters
    ----------
    crystal
        A crystal, or a material's name.
    region
        Any bounded region.
    seeds
        How many grains, or the points that they grow from, Å.
    stream
        Where the randomness comes from; orientations are uniform over all rotations.
    name, role
        As for a volume.

    Examples
    --------
    >>> from exitwave.structure import Sphere
    >>> len(polycrystal("Au", Sphere(25), 5, Stream(1)).parts)
    5
    """
    crystal = as_crystal(crystal)
    points = _points(region, seeds, stream / "points")
    members = []
    for i, point in enumerate(points):
        cell = region
        for j, other in enumerate(points):
            if i != j:
                cell = cell & HalfSpace(other - point, (other + point) / 2)
        turn = quaternion(uniform_quaternion(stream / "orientation" / i))
        origin = (stream / "origin" / i).generator().random(3) @ crystal.lattice
        turned = crystal.translated(origin - crystal.origin).transformed(turn)
        members.append(Volume(turned.translated(point), cell))
    return Union(members, name=name, role=role)


def _points(region: Region, seeds: int | Sequence[ArrayLike], stream: Stream) -> list[np.ndarray]:
    if not isinstance(seeds, int | np.integer):
        points = [vector3(seed, "seed") for seed in seeds]
    elif isinstance(seeds, bool) or not 1 <= seeds <= 10_000:
        raise StructureError(f"seeds is {seeds!r}; it is a number of grains from 1 to 10000, or points.")
    else:
        generator, (low, high) = stream.generator(), region.bounds()
        points = []
        for _ in range(1000):
            trial = low + generator.random((4 * int(seeds), 3)) * (high - low)
            points += list(trial[region.contains(trial)])
            if len(points) >= seeds:
                break
        points = points[: int(seeds)]
    if not points:
        raise StructureError("seeds holds no point; give one or more.")
    if len(np.unique(np.array(points), axis=0)) < len(points):
        raise StructureError("seeds holds a point twice; each grain grows from a point of its own.")
    return points
