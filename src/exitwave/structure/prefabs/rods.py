"""Rods and platelets: long and flat particles of any crystal, round or bounded by facets."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from exitwave.core import StructureError
from exitwave.structure.arrays import Array
from exitwave.structure.generators.crystal import Crystal
from exitwave.structure.prefabs.shapes import Plane, as_crystal, equivalent_planes
from exitwave.structure.regions import Cylinder, Polyhedron, Region, Sphere
from exitwave.structure.transforms import rotation_between
from exitwave.structure.volumes import Volume

__all__ = ["platelet", "rod"]


def rod(
    crystal: Crystal | str,
    radius: float,
    length: float,
    *,
    axis: ArrayLike = (0, 0, 1),
    sides: Plane | None = None,
    ends: str | Plane = "flat",
    name: str = "",
    role: str = "particle",
) -> Volume:
    """Return a rod about the origin along a direction of the crystal.

    Parameters
    ----------
    crystal
        A crystal, or a material's name; its orientation is that of the rod.
    radius
        Of the circle, or of that inscribed to the sides, Å.
    length
        From end to end, Å.
    axis
        Lattice direction [u v w].
    sides
        Planes (h k l) of the side faces; those equivalent to it that contain the axis. None: round.
    ends
        "flat", "round" (half balls; only without sides), or planes (h k l) of pyramids.
    name, role
        As for a volume.

    Examples
    --------
    >>> wire = rod("CdSe", 20, 100, sides=(1, 0, 0), ends=(1, 0, 1))
    >>> wire.bounds()[1].round(1)
    array([23.1, 20. , 50. ])
    """
    crystal = as_crystal(crystal)
    _positive("radius", radius)
    _positive("length", length)
    along = crystal.direction(axis)
    region: Region
    if sides is None and isinstance(ends, str):
        if ends not in ("flat", "round"):
            raise StructureError(f"ends is {ends!r}; it is flat, round or planes such as (1, 0, 1).")
        turn = rotation_between((0, 0, 1), along)
        body = length - 2 * radius * (ends == "round")
        if body <= 0:
            raise StructureError(f"length is {length:g}; a rod with round ends is longer than {2 * radius:g} Å.")
        region = Cylinder(radius, body).transformed(turn)
        if ends == "round":
            region = region | Sphere(radius, along * body / 2) | Sphere(radius, -along * body / 2)
        return Volume(crystal, region, name=name, role=role)
    if sides is None or (isinstance(ends, str) and ends != "flat"):
        raise StructureError("pyramids need sides, and round ends none; give both as planes, or neither.")
    normals, distances = _around(crystal, sides, along, radius)
    if isinstance(ends, str):
        tips, reach = np.stack([along, -along]), np.full(2, length / 2)
    else:
        tips = np.array([crystal.normal(plane) for plane in equivalent_planes(crystal.material, ends)])
        opposite = np.array([-tip for tip in tips])
        tips = np.concatenate([tips, opposite[[np.abs(tips - o).max(axis=1).min() > 1e-6 for o in opposite]]])
        tips = tips[np.abs(tips @ along) > 1e-6]
        if len(tips) == 0:
            raise StructureError(f"ends is {ends!r}, planes along the axis of the rod; choose some across it.")
        reach = np.abs(tips @ along) * length / 2
    region = Polyhedron(np.concatenate([normals, tips]), np.concatenate([distances, reach]))
    return Volume(crystal, region, name=name, role=role)


def platelet(
    crystal: Crystal | str,
    radius: float,
    thickness: float,
    *,
    plane: Plane = (1, 1, 1),
    sides: Plane | None = None,
    name: str = "",
    role: str = "particle",
) -> Volume:
    """Return a flat particle about the origin: a disc, or a prism with facets for sides.

    Parameters
    ----------
    crystal
        A crystal, or a material's name; its orientation is that of the platelet.
    radius
        Of the disc, or of the circle inscribed to the sides, Å.
    thickness
        Å.
    plane
        The large face (h k l).
    sides
        Planes of the sides: those equivalent to it that make an angle of 45° or more with the large face, slanted
        or not. None: a round disc.
    name, role
        As for a volume.

    Examples
    --------
    >>> plate = platelet("Au", 40, 20, plane=(1, 1, 1), sides=(1, 1, 1))
    >>> len(plate.region.vertices)  # six slanted {111} sides
    12
    """
    crystal = as_crystal(crystal)
    _positive("radius", radius)
    _positive("thickness", thickness)
    up = crystal.normal(plane)
    region: Region
    if sides is None:
        region = Cylinder(radius, thickness).transformed(rotation_between((0, 0, 1), up))
        return Volume(crystal, region, name=name, role=role)
    around = np.array([crystal.normal(one) for one in equivalent_planes(crystal.material, sides)])
    around = around[np.abs(around @ up) < 0.71]
    if len(around) < 3:
        raise StructureError(f"sides is {sides!r}, of which no three stand around {plane!r}; choose others.")
    faces = np.concatenate([around, [up, -up]])
    # a slanted side is at the radius half-way up
    region = Polyhedron(faces, [*(radius * np.sqrt(1 - (around @ up) ** 2)), thickness / 2, thickness / 2])
    return Volume(crystal, region, name=name, role=role)


def _around(crystal: Crystal, sides: Plane, along: Array, radius: float) -> tuple[Array, Array]:
    normals = np.array([crystal.normal(plane) for plane in equivalent_planes(crystal.material, sides)])
    normals = normals[np.abs(normals @ along) < 1e-6]
    if len(normals) < 3:
        raise StructureError(f"sides is {sides!r}, of which no three contain the axis of the rod; choose others.")
    return normals, np.full(len(normals), float(radius))


def _positive(noun: str, value: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not 0 < value < np.inf:
        raise StructureError(f"{noun} is {value!r}; it is a number above 0 in Å.")
