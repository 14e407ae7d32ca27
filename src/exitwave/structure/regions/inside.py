"""Whether points are in boxes and behind planes, as machine code."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from exitwave.structure.arrays import Array
from exitwave.structure.compiled import compiled

__all__ = ["behind_planes", "candidates", "reach_in"]


@compiled
def behind_planes(points: Array, normals: Array, offsets: Array) -> NDArray[np.bool_]:
    """Return for each point (points, 3) whether n·x ≤ offset for all planes."""
    inside = np.ones(len(points), dtype=np.bool_)
    for i in range(len(points)):
        x, y, z = points[i, 0], points[i, 1], points[i, 2]
        for k in range(len(normals)):
            if normals[k, 0] * x + normals[k, 1] * y + normals[k, 2] * z > offsets[k]:
                inside[i] = False
                break
    return inside


@compiled
def candidates(points: Array, low: Array, high: Array, normals: Array, offsets: Array) -> NDArray[np.int64]:
    """Return the indices of the points (points, 3) between two corners with n·x ≤ offset for all planes."""
    found, count = np.empty(len(points), dtype=np.int64), 0
    for i in range(len(points)):
        x, y, z = points[i, 0], points[i, 1], points[i, 2]
        if x < low[0] or x > high[0] or y < low[1] or y > high[1] or z < low[2] or z > high[2]:
            continue
        inside = True
        for k in range(len(normals)):
            if normals[k, 0] * x + normals[k, 1] * y + normals[k, 2] * z > offsets[k]:
                inside = False
                break
        if inside:
            found[count] = i
            count += 1
    return found[:count].copy()


@compiled
def reach_in(points: Array, inverse: Array) -> Array:
    """Return the least and the greatest of each coordinate of points @ inverse, shape (2, 3); without points, 0."""
    reach = np.zeros((2, 3))
    for i in range(len(points)):
        for axis in range(3):
            f = points[i, 0] * inverse[0, axis] + points[i, 1] * inverse[1, axis] + points[i, 2] * inverse[2, axis]
            if i == 0 or f < reach[0, axis]:
                reach[0, axis] = f
            if i == 0 or f > reach[1, axis]:
                reach[1, axis] = f
    return reach
