"""Particles of several twins about one axis or one point: decahedra and icosahedra."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np

from exitwave.core import StructureError
from exitwave.structure.arrays import Array
from exitwave.structure.generators.crystal import Crystal
from exitwave.structure.materials import Material, material
from exitwave.structure.regions import ConvexHull, HalfSpace, Polyhedron, Region
from exitwave.structure.volumes import Union, Volume

__all__ = ["decahedron", "five_fold", "icosahedron"]

TOLERANCE = 1e-4  # Å: atoms on a twin plane belong to the first of the two grains


def icosahedron(metal: str | Material, shells: int, name: str = "", role: str = "particle") -> Union:
    """Return a Mackay icosahedron: twenty strained fcc tetrahedra about the origin, each a grain.

    Neighbours within a shell are 5.1 % farther apart than those from shell to shell; their mean is the crystal's.

    Parameters
    ----------
    metal
        An fcc material.
    shells
        Number of shells about the central atom: 1, 2, 3, … give 13, 55, 147, 309, 561, 923 … atoms.
    name, role
        As for a volume.

    Source: A. L. Mackay, Acta Cryst. 15, 916 (1962).

    Examples
    --------
    >>> from exitwave.core import Stream
    >>> from exitwave.structure import Scene
    >>> ball = icosahedron("Au", 2).translated((10, 10, 10))
    >>> len(Scene([ball], cell=(20, 20, 20), minimum_distance=None).build(seed=1))
    55
    """
    distance, number = _fcc(metal)
    _whole("shells", shells, 1)
    golden = (1 + 5**0.5) / 2
    corners = np.array(
        [np.roll([0, i, j * golden], turn) for turn in range(3) for i in (-1, 1) for j in (-1, 1)], dtype=np.float64
    )
    corners /= np.linalg.norm(corners[0])
    edge = min(float(np.linalg.norm(a - b)) for a, b in combinations(corners, 2))
    corners *= 2 * distance / (1 + edge)
    members = []
    for one in combinations(corners, 3):
        if all(
            abs(np.linalg.norm(a - b) - edge * np.linalg.norm(corners[0])) < 1e-6 for a, b in combinations(one, 2)
        ):
            tip = ConvexHull([np.zeros(3), *(shells * corner for corner in one)])
            crystal = Crystal.from_cell(np.array(one), [[0, 0, 0]], [number])
            members.append(Volume(crystal, tip, tolerance=TOLERANCE))
    return Union(members, name=name, role=role)


def five_fold(
    metal: str | Material, region: Region, *, height: float = 0.0, name: str = "", role: str = "particle"
) -> Union:
    """Return a region filled by five twins about the z axis, each strained to fill 72° instead of 70.53°.

    Parameters
    ----------
    metal
        An fcc material.
    region
        Any bounded region about the origin, for example a rod along z.
    height
        z of an atom on the axis, Å.
    name, role
        As for a volume.

    Raises
    ------
    StructureError
        If the metal is not fcc.

    Source: S. Ino, J. Phys. Soc. Jpn 21, 346 (1966); the strain is that of five equal wedges.

    Examples
    --------
    >>> from exitwave.structure import Cylinder
    >>> wire = five_fold("Ag", Cylinder(radius=12, length=30))
    >>> len(wire.parts)
    5
    >>> [int(part.region.contains([[10, 1, 0]])[0]) for part in wire.parts]
    [1, 0, 0, 0, 0]
    """
    return Union(_wedges(metal, region, height), name=name, role=role)


def decahedron(
    metal: str | Material, edge: int, truncation: int = 0, notch: int = 0, name: str = "", role: str = "particle"
) -> Union:
    """Return a decahedron: five twins about the z axis, bounded by {111} and, if truncated, by {100}.

    Without truncation it is the pentagonal double pyramid, with truncation Ino's decahedron, with a notch Marks's.

    Parameters
    ----------
    metal
        An fcc material.
    edge
        Length of the edge along the axis in atomic distances, 1 or more.
    truncation
        Layers cut off each of the five outer edges, so that {100} side faces appear (Ino's decahedron); less
        than ``edge``.
    notch
        Layers cut off along each twin plane at the five corners, so that re-entrant {111} faces appear; less than
        half of ``edge - truncation``.
    name, role
        As for a volume.

    Source: S. Ino, J. Phys. Soc. Jpn 21, 346 (1966); L. D. Marks, Philos. Mag. A 49, 81 (1984).

    Examples
    --------
    >>> from exitwave.core import Stream
    >>> from exitwave.structure import Scene
    >>> marks = decahedron("Au", 6, truncation=1, notch=1).translated((20, 20, 20))
    >>> len(Scene([marks], cell=(40, 40, 40)).build(seed=1))
    247
    """
    distance, _ = _fcc(metal)
    _whole("edge", edge, 1)
    _whole("truncation", truncation, 0)
    if truncation >= edge:
        raise StructureError(f"truncation is {truncation}; it is less than the edge of {edge}.")
    rows = _rows(distance)
    _whole("notch", notch, 0)
    if notch and 2 * notch >= edge - truncation:
        raise StructureError(
            f"notch is {notch}; it is less than half of the edge less the truncation, {edge - truncation}."
        )
    tips = [np.array([0, 0, sign * edge * distance / 2]) for sign in (-1, 1)]
    region: Region = ConvexHull([*tips, *(edge * row for row in rows)])
    if truncation:
        for i in range(5):
            middle = rows[i] + rows[(i + 1) % 5]
            region = region & HalfSpace(middle, (edge - truncation) * rows[i])
    members = _wedges(metal, region, edge * distance / 2)
    if notch:
        for i, member in enumerate(members):
            one, other = rows[i], rows[(i + 1) % 5]
            kept = [
                HalfSpace(row - (row @ along) / (along @ along) * along, (edge - truncation - notch) * row)
                for row, along in ((one, other), (other, one))
            ]
            members[i] = member.within(kept[0]).within(kept[1])
    # as polyhedra they know their corners, and so how far they reach
    members = [replace(member, region=Polyhedron(*member.region.planes())) for member in members]
    return Union(members, name=name, role=role)


def _wedges(metal: str | Material, region: Region, height: float) -> list[Volume]:
    """Return the five twins of a region about the z axis, an atom on it at a height, Å."""
    distance, number = _fcc(metal)
    rows = _rows(distance)
    members = []
    for i in range(5):
        one, other = rows[i], rows[(i + 1) % 5]
        up = np.array([0, 0, distance])
        wedge = HalfSpace(np.cross(one, up)) & HalfSpace(np.cross(up, other))
        crystal = Crystal.from_cell(np.array([up, one + up / 2, other + up / 2]), [[0, 0, 0]], [number])
        members.append(Volume(crystal.translated((0, 0, height)), region & wedge, tolerance=TOLERANCE))
    return members


def _rows(distance: float) -> Array:
    """Return the five in-plane vectors from the axis to the next row of atoms in each twin plane, Å."""
    angles = 2 * np.pi * np.arange(5) / 5
    # length so that the area of a wedge's cell is that of the perfect crystal: r² sin 72° = (√3/2)² d² sin 70.53°
    length = distance * np.sqrt(0.75 * np.sin(np.arccos(1 / 3)) / np.sin(2 * np.pi / 5))
    result: Array = length * np.column_stack([np.cos(angles), np.sin(angles), np.zeros(5)])
    return result


def _fcc(metal: str | Material) -> tuple[float, int]:
    """Return the distance of nearest neighbours and the atomic number of an fcc metal."""
    cell = material(metal)
    a = float(np.linalg.norm(cell.lattice[0]))
    sites = {tuple(np.round(2 * site).astype(int) % 2) for site in cell.basis - cell.basis[0]}
    if not cell.cubic or len(cell.numbers) != 4 or len(set(cell.numbers.tolist())) != 1 or len(sites) != 4:
        raise StructureError(
            f"{cell.name or 'the material'} is no fcc metal; five-fold and icosahedral particles are made of one."
        )
    return a / 2**0.5, int(cell.numbers[0])


def _whole(noun: str, value: int, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise StructureError(f"{noun} is {value!r}; it is a whole number of {least} or more.")
