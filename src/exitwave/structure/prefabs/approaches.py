"""The last approach of a particle: on along its flight, until its atoms touch those that are there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from exitwave.structure.arrays import Array
from exitwave.structure.compiled import compiled
from exitwave.structure.volumes import Volume

__all__ = ["way_left", "way_outside"]

HALVINGS = 8


def way_left(moving: Array, fixed: Array, along: Array, distance: float) -> float:
    r"""Return how far atoms can move on along ``-along`` until one is a distance from an atom that stays.

    A pair :math:`\mathbf r` apart meets after :math:`\mathbf r\cdot\mathbf a - \sqrt{d^2 - \rho^2}`, where
    :math:`\rho` is the part of :math:`\mathbf r` across the flight.

    Parameters
    ----------
    moving, fixed
        Positions, shape (atoms, 3), Å.
    along
        Unit vector against the flight.
    distance
        Where two atoms stop, Å.

    Returns
    -------
    float
        Å, below 0 where atoms are nearer than that already; infinity where they pass each other by.

    Examples
    --------
    >>> round(way_left(np.array([[0.0, 3.0, 10.0]]), np.zeros((1, 3)), np.array([0.0, 0.0, 1.0]), 5.0), 9)
    6.0
    """
    side = np.cross(along, np.eye(3)[np.argmin(np.abs(along))])
    side /= np.linalg.norm(side)
    frame = np.stack([side, np.cross(along, side), along])
    ours, theirs = frame @ moving.T, frame @ fixed.T
    met = np.ones(len(fixed), dtype=bool)
    for own, other in zip(ours[:2], theirs[:2], strict=True):
        met &= (other > own.min() - distance) & (other < own.max() + distance)
    theirs = theirs[:, met]
    ours = np.ascontiguousarray(ours[:, np.argsort(ours[2])])
    theirs = np.ascontiguousarray(theirs[:, np.argsort(-theirs[2])])
    return float(_least(ours, theirs, distance))


@compiled
def _least(ours: Array, theirs: Array, distance: float) -> float:
    """Return the shortest way of all pairs; heights rise here and fall there, so that few pairs are looked at."""
    shortest = np.inf
    for i in range(ours.shape[1]):
        if theirs.shape[1] == 0 or ours[2, i] - theirs[2, 0] - distance >= shortest:
            break
        for j in range(theirs.shape[1]):
            apart = ours[2, i] - theirs[2, j]
            if apart - distance >= shortest:
                break
            square = (ours[0, i] - theirs[0, j]) ** 2 + (ours[1, i] - theirs[1, j]) ** 2
            if square < distance**2:
                shortest = min(shortest, apart - np.sqrt(distance**2 - square))
    return shortest


def way_outside(moving: Array, parts: Sequence[Volume], along: Array, way: float) -> float:
    """Return how far of a way along ``-along`` atoms can go without getting into the regions of volumes, Å."""

    def enters(step: float) -> bool:
        places = moving - step * along
        return any(
            (near := ((places >= low) & (places <= high)).all(axis=1)).any()
            and part.region.contains(places[near], part.tolerance).any()
            for part, (low, high) in zip(parts, bounds, strict=True)
        )

    bounds = [part.region.bounds() + np.array([[-1.0], [1.0]]) for part in parts]
    if not enters(way):
        return way
    free, blocked = 0.0, way
    for _ in range(HALVINGS):
        middle = (free + blocked) / 2
        free, blocked = (free, middle) if enters(middle) else (middle, blocked)
    return free
