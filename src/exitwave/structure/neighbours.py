"""Neighbours within a distance in a periodic cell of any shape, on a grid of cells; memory linear in atoms."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from exitwave.structure.arrays import Array, Ints
from exitwave.structure.compiled import compiled

__all__ = ["first_come"]


@compiled
def first_come(
    fractional: Array,
    images: Ints,
    kinds: Ints,
    grains: Ints,
    cell: Array,
    pbc: NDArray[np.bool_],
    limits: Array,
    shape: NDArray[np.int64],
    reach: NDArray[np.int64],
) -> NDArray[np.bool_]:
    """Return which atoms stay when each gives way to those before it that are too near.

    Parameters
    ----------
    fractional
        Positions in units of ``cell``, within [0, 1], shape (atoms, 3).
    images
        How many cells each atom was shifted back by, shape (atoms, 3).
    kinds, grains
        Element and grain indices, shape (atoms,).
    cell
        Rows are the vectors of the gridded cell, Å.
    pbc
        Whether it repeats along each, shape (3,).
    limits
        Least distances between kinds, Å.
    shape, reach
        Cells of the grid along each vector, and how many cells away an atom may still be too near.
    """
    atoms = len(fractional)
    heads = np.full(shape[0] * shape[1] * shape[2], -1, dtype=np.int32)
    following = np.full(atoms, -1, dtype=np.int32)
    stays = np.ones(atoms, dtype=np.bool_)
    place = np.empty(3, dtype=np.int64)
    for a in range(atoms):
        for axis in range(3):
            place[axis] = min(max(int(fractional[a, axis] * shape[axis]), 0), shape[axis] - 1)
        for di in range(-reach[0], reach[0] + 1):
            if not stays[a]:
                break
            i, u = (place[0] + di) % shape[0], (place[0] + di) // shape[0]
            if u != 0 and not pbc[0]:
                continue
            for dj in range(-reach[1], reach[1] + 1):
                if not stays[a]:
                    break
                j, v = (place[1] + dj) % shape[1], (place[1] + dj) // shape[1]
                if v != 0 and not pbc[1]:
                    continue
                for dk in range(-reach[2], reach[2] + 1):
                    k, w = (place[2] + dk) % shape[2], (place[2] + dk) // shape[2]
                    if w != 0 and not pbc[2]:
                        continue
                    b = heads[(i * shape[1] + j) * shape[2] + k]
                    while b >= 0:
                        # atoms of one grain as they were laid down are as far apart as their generator says
                        together = (
                            grains[a] == grains[b]
                            and images[b, 0] - images[a, 0] == u
                            and images[b, 1] - images[a, 1] == v
                            and images[b, 2] - images[a, 2] == w
                        )
                        if not together:
                            f = fractional[b, 0] + u - fractional[a, 0]
                            g = fractional[b, 1] + v - fractional[a, 1]
                            h = fractional[b, 2] + w - fractional[a, 2]
                            square = 0.0
                            for axis in range(3):
                                x = f * cell[0, axis] + g * cell[1, axis] + h * cell[2, axis]
                                square += x * x
                            limit = limits[kinds[a], kinds[b]]
                            if square < limit * limit:
                                stays[a] = False
                                break
                        b = following[b]
                    if not stays[a]:
                        break
        if stays[a]:
            slot = (place[0] * shape[1] + place[1]) * shape[2] + place[2]
            following[a] = heads[slot]
            heads[slot] = a
    return stays
