"""All points of a crystal lattice with a basis that lie in a box, and no others."""

from __future__ import annotations

import numpy as np

from exitwave.structure.arrays import Array, Ints
from exitwave.structure.compiled import compiled

__all__ = ["lattice_points"]


@compiled
def lattice_points(
    lattice: Array,
    inverse: Array,
    sites: Array,
    low: Array,
    high: Array,
    margin: float,
    normals: Array,
    offsets: Array,
) -> tuple[Array, Ints]:
    """Return the points of a crystal in a box, and the index of the site that each is an image of.

    The lattice is walked in rows along its third vector; each row is clipped against the box and the planes, so the
    time goes with the number of points found, whatever the orientation.

    Parameters
    ----------
    lattice, inverse
        Rows are the lattice vectors, shape (3, 3), Å; and the inverse of that matrix.
    sites
        Positions in one cell, shape (sites, 3), Å.
    low, high
        Corners of the box, Å.
    margin
        How far outside the box or the planes a point may be, Å.
    normals, offsets
        Half-spaces n·x ≤ offset that the points are in too, shapes (planes, 3) and (planes,), Å.
    """
    first = np.full(2, np.inf)
    last = np.full(2, -np.inf)
    for corner in range(8):
        for k in range(2):
            f = 0.0
            for axis in range(3):
                x = high[axis] + margin if (corner >> axis) & 1 else low[axis] - margin
                f += x * inverse[axis, k]
            first[k], last[k] = min(first[k], f), max(last[k], f)
    capacity = 1024
    points = np.empty((capacity, 3))
    origin = np.empty(capacity, dtype=np.int32)
    count = 0
    for s in range(len(sites)):
        offset = np.zeros(2)
        for k in range(2):
            for axis in range(3):
                offset[k] += sites[s, axis] * inverse[axis, k]
        for i in range(int(np.ceil(first[0] - offset[0] - 1e-6)), int(np.floor(last[0] - offset[0] + 1e-6)) + 1):
            for j in range(int(np.ceil(first[1] - offset[1] - 1e-6)), int(np.floor(last[1] - offset[1] + 1e-6)) + 1):
                begin, end = -np.inf, np.inf
                for axis in range(3):
                    start = sites[s, axis] + i * lattice[0, axis] + j * lattice[1, axis]
                    step = lattice[2, axis]
                    a, b = low[axis] - margin - start, high[axis] + margin - start
                    if abs(step) < 1e-12:
                        if a > 0 or b < 0:
                            end = -np.inf
                        continue
                    a, b = a / step, b / step
                    begin, end = max(begin, min(a, b)), min(end, max(a, b))
                for plane in range(len(normals)):
                    if begin > end:
                        break
                    rise, room = 0.0, offsets[plane] + margin
                    for axis in range(3):
                        start = sites[s, axis] + i * lattice[0, axis] + j * lattice[1, axis]
                        rise += normals[plane, axis] * lattice[2, axis]
                        room -= normals[plane, axis] * start
                    if abs(rise) < 1e-12:
                        if room < 0:
                            end = -np.inf
                    elif rise > 0:
                        end = min(end, room / rise)
                    else:
                        begin = max(begin, room / rise)
                if begin > end:
                    continue
                k0, k1 = int(np.ceil(begin)), int(np.floor(end))
                if count + k1 - k0 + 1 > capacity:
                    capacity = 2 * (count + k1 - k0 + 1)
                    more, more_origin = np.empty((capacity, 3)), np.empty(capacity, dtype=np.int32)
                    more[:count], more_origin[:count] = points[:count], origin[:count]
                    points, origin = more, more_origin
                for k in range(k0, k1 + 1):
                    for axis in range(3):
                        points[count, axis] = (
                            sites[s, axis] + i * lattice[0, axis] + j * lattice[1, axis] + k * lattice[2, axis]
                        )
                    origin[count] = s
                    count += 1
    return points[:count].copy(), origin[:count].copy()
