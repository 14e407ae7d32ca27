"""Sheets fitted to a periodic field: how they are strained, how far that turns them, and fields that suit a twist."""

from __future__ import annotations

from itertools import product
from math import isfinite

import numpy as np

from exitwave.core import StructureError
from exitwave.structure.arrays import Array
from exitwave.structure.generators.crystal import Crystal
from exitwave.structure.materials import Material
from exitwave.structure.transforms import affine, rotation

__all__ = ["coincident_field", "fitted", "turned"]

UP = (0.0, 0.0, 1.0)


def fitted(crystal: Crystal, field: tuple[float, float]) -> Crystal:
    """Return a crystal strained so that it repeats in x and y with the periods of a field.

    The lattice vectors nearest to the edges of the field become these edges; the strain is at most some 0.6 lattice
    constants divided by the field, and the crystal turns by at most as much (see :func:`turned`).

    Parameters
    ----------
    crystal
        Its first two lattice vectors lie across z.
    field
        Periods (x, y), Å.

    Examples
    --------
    >>> sheet = fitted(Crystal("graphene").rotated(rotation(UP, 11)), (100, 80))
    >>> cells = np.array([[100, 0], [0, 80]]) @ np.linalg.inv(sheet.lattice[:2, :2])
    >>> bool(np.abs(cells - cells.round()).max() < 1e-9)
    True
    """
    lattice = crystal.lattice
    if np.abs(lattice[:2, 2]).max() > 1e-6 * np.abs(lattice).max():
        raise StructureError("the crystal is tilted; its first two lattice vectors must lie across z to fit a field.")
    edges = np.diag(np.asarray(field, dtype=np.float64))
    turns = np.array([_nearest(edge, lattice[:2, :2]) for edge in edges])
    if abs(np.linalg.det(turns)) < 0.5:
        raise StructureError(f"the field of {field[0]:g} × {field[1]:g} Å is narrower than the crystal's cell.")
    stretch = np.eye(3)
    stretch[:2, :2] = (np.linalg.inv(lattice[:2, :2]) @ np.linalg.inv(turns) @ edges).T
    return crystal.transformed(affine(stretch, about=crystal.origin))


def turned(layers: str | Material, field: tuple[float, float], spin: float) -> float:
    """Return by how many degrees a sheet is turned that is asked to be turned by ``spin`` and fitted to a field.

    Parameters
    ----------
    layers
        A layered material.
    field
        Periods (x, y), Å.
    spin
        Turn about z before the fit, degrees.

    Returns
    -------
    turn
        Degrees, within 180 of ``spin``.

    Raises
    ------
    StructureError
        If the field is narrower than the material's cell.

    Examples
    --------
    >>> round(turned("graphite", (60, 60), 4.0), 2), round(turned("graphite", (400, 400), 4.0), 2)
    (4.42, 4.01)
    """
    crystal = Crystal(layers)
    made = fitted(crystal.rotated(rotation(UP, spin)), field)
    own = np.linalg.solve(crystal.lattice[:2, :2], made.lattice[:2, :2]).T
    angle = float(np.degrees(np.arctan2(own[1, 0] - own[0, 1], own[0, 0] + own[1, 1])))
    return spin + (angle - spin + 180) % 360 - 180


def coincident_field(
    layers: str | Material, angle: float, *, within: float = 0.1, longest: float = 1000.0
) -> tuple[float, float]:
    """Return the smallest field with which two sheets repeat that are turned by ``angle`` against each other.

    Each is turned by half of it from the axes, and fitted with hardly any strain; other fields, but for
    whole multiples of this one, change the twist.

    Parameters
    ----------
    layers
        A layered material.
    angle
        Degrees.
    within
        How much the twist may be off, degrees; the strain is at most as much, in radians.
    longest
        Å; no edge is longer.

    Examples
    --------
    >>> field = coincident_field("graphite", 6.0)
    >>> twist = turned("graphite", field, 3.0) - turned("graphite", field, -3.0)
    >>> [round(edge, 1) for edge in field], bool(abs(twist - 6.0) < 0.1)
    ([40.7, 23.5], True)
    """
    if not isfinite(angle) or not (isfinite(within) and within > 0) or not 0 < longest <= 1e4:
        raise StructureError(
            f"angle is {angle!r}, within {within!r} and longest {longest!r}; an angle is in degrees, within above 0,"
            " an edge above 0 and at most 10000 Å."
        )
    one, other = (Crystal(layers).rotated(rotation(UP, half)).lattice[:2, :2] for half in (-angle / 2, angle / 2))
    return _edge(one, other, 0, within, longest), _edge(one, other, 1, within, longest)


def _edge(one: Array, other: Array, axis: int, within: float, longest: float) -> float:
    """Return the shortest edge along an axis that is a lattice vector of both, to within degrees."""
    off = np.radians(within) / 2
    across = float(np.linalg.norm(one, axis=1).max())
    for start in np.arange(0.0, longest, 50.0):
        # the points of the first lattice in a strip along the axis
        ends = [np.roll((along, side), axis) for along, side in product((start, start + 50.0), (-across, across))]
        cells = np.array(ends) @ np.linalg.inv(one)
        low, high = np.floor(cells.min(axis=0)), np.ceil(cells.max(axis=0))
        spans = [np.arange(a, b + 1) for a, b in zip(low, high, strict=True)]
        points = np.array(list(product(*spans))) @ one
        points = points[(points[:, axis] > max(start, 0.5)) & (points[:, axis] <= min(start + 50.0, longest))]
        points = points[np.abs(points[:, 1 - axis]) < off * points[:, axis]]
        for edge in np.sort(points[:, axis]):
            goal = np.roll((edge, 0.0), axis)
            if np.linalg.norm(_nearest(goal, other) @ other - goal) < off * edge:
                return float(edge)
    raise StructureError(
        f"no edge of up to {longest:g} Å repeats both sheets within {within:g}°; allow a longer one, or more degrees."
    )


def _nearest(edge: Array, lattice: Array) -> Array:
    """Return the whole numbers of lattice vectors that come nearest to an edge."""
    low = np.floor(edge @ np.linalg.inv(lattice))
    trial = low + np.array([(i, j) for i in range(-1, 3) for j in range(-1, 3)])
    result: Array = trial[np.argmin(np.linalg.norm(trial @ lattice - edge, axis=1))]
    return result
