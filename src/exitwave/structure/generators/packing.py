"""Random packing of hard spheres in a box, by random sequential addition on a grid of cells."""

from __future__ import annotations

import numpy as np

from exitwave.structure.arrays import Array, Ints, Mask
from exitwave.structure.compiled import compiled

__all__ = ["add_spheres"]


@compiled
def add_spheres(
    candidates: Array,
    kind: int,
    wanted: int,
    limits: Array,
    lengths: Array,
    periodic: Mask,
    positions: Array,
    kinds: Ints,
    count: int,
    heads: Ints,
    following: Ints,
    shear: Array,
) -> int:
    """Place candidates one after another where no earlier sphere is too near; return the new count.

    Parameters
    ----------
    candidates
        Places to try, in order, shape (tries, 3), Å; these and all positions in the coordinates of a Domain.
    kind
        Which kind of atom they are.
    wanted
        Total count at which to stop.
    limits
        Least distances between kinds, shape (kinds, kinds), Å.
    lengths, periodic
        Box from the origin, Å, and whether it repeats, shape (3,).
    positions, kinds, count
        Placed spheres; filled further in place.
    heads, following
        Linked list of the spheres in every cell of the grid; heads has the shape of the grid, -1 ends a list.
    shear
        Of the coordinates, shape (3,).
    """
    shape = heads.shape
    cell = np.empty(3, dtype=np.int64)
    for c in range(len(candidates)):
        if count >= wanted:
            break
        for axis in range(3):
            cell[axis] = min(int(candidates[c, axis] / lengths[axis] * shape[axis]), shape[axis] - 1)
        free = True
        for di in range(-1, 2):
            i, shift_x = _neighbour(cell[0] + di, shape[0], lengths[0], periodic[0])
            if i < 0:
                continue
            for dj in range(-1, 2):
                j, shift_y = _neighbour(cell[1] + dj, shape[1], lengths[1], periodic[1])
                if j < 0:
                    continue
                for dk in range(-1, 2):
                    k, shift_z = _neighbour(cell[2] + dk, shape[2], lengths[2], periodic[2])
                    if k < 0:
                        continue
                    other = heads[i, j, k]
                    while other >= 0:
                        x = positions[other, 0] + shift_x - candidates[c, 0]
                        y = positions[other, 1] + shift_y - candidates[c, 1]
                        z = positions[other, 2] + shift_z - candidates[c, 2]
                        x += shear[0] * y + shear[1] * z
                        y += shear[2] * z
                        limit = limits[kind, kinds[other]]
                        if x * x + y * y + z * z < limit * limit:
                            free = False
                            break
                        other = following[other]
                    if not free:
                        break
                if not free:
                    break
            if not free:
                break
        if free:
            positions[count] = candidates[c]
            kinds[count] = kind
            following[count] = heads[cell[0], cell[1], cell[2]]
            heads[cell[0], cell[1], cell[2]] = count
            count += 1
    return count


@compiled
def _neighbour(index: int, size: int, length: float, periodic: bool) -> tuple[int, float]:
    """Return a cell's index within the grid and the shift of its image, or -1 where there is none."""
    if 0 <= index < size:
        return index, 0.0
    if not periodic:
        return -1, 0.0
    if index < 0:
        return index + size, -length
    return index - size, length
