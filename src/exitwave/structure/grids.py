"""Atoms sorted into the cells of a grid, for finding neighbours in a scene of any shape."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from exitwave.structure.arrays import Array, Ints
from exitwave.structure.compiled import compiled

__all__ = ["Grid"]

MOST_CELLS = 20_000_000


@dataclass(frozen=True, eq=False)
class Grid:
    """Positions brought into one cell, and the grid over it.

    Parameters
    ----------
    fractional
        Positions in units of ``cell``, within [0, 1], shape (atoms, 3).
    images
        How many cells each atom was shifted back by, shape (atoms, 3).
    cell
        Rows are the vectors of the gridded cell, Å.
    pbc
        Whether it repeats along each, shape (3,).
    shape, reach
        Cells of the grid along each vector, and how many cells away a neighbour may be.
    """

    fractional: Array
    images: Ints
    cell: Array
    pbc: NDArray[np.bool_]
    shape: NDArray[np.int64]
    reach: NDArray[np.int64]

    @classmethod
    def of(cls, positions: Array, cell: Array, pbc: tuple[bool, bool, bool], cutoff: float) -> Grid:
        """Return the grid for neighbours within ``cutoff``, Å; positions may lie outside the cell."""
        inverse: Array = np.asarray(np.linalg.inv(cell), dtype=np.float64)
        repeats = np.array(pbc, dtype=bool)
        fractional, images, span = _folded(np.ascontiguousarray(positions), inverse, repeats)
        heights = span / np.linalg.norm(inverse, axis=0)
        shape = np.maximum(np.floor(heights / cutoff), 1).astype(np.int64)
        while shape.prod() > MOST_CELLS:
            shape = np.maximum(shape // 2, 1)  # a coarser grid for a vast, thin scene
        steps = np.ceil(cutoff / (heights / shape))
        reach = np.where(repeats, steps, np.minimum(steps, shape - 1)).astype(np.int64)
        return cls(
            fractional=fractional,
            images=images,
            cell=np.ascontiguousarray(cell * span[:, None]),
            pbc=repeats,
            shape=shape,
            reach=reach,
        )


@compiled
def _folded(positions: Array, inverse: Array, repeats: NDArray[np.bool_]) -> tuple[Array, Ints, Array]:
    """Return coordinates within one period, in units of how far they go, the periods, and how far that is."""
    count = len(positions)
    fractional, images = np.empty((count, 3)), np.zeros((count, 3), dtype=np.int32)
    low, span = np.zeros(3), np.ones(3)
    for axis in range(3):
        if not repeats[axis]:
            begin, end = np.inf, -np.inf
            for a in range(count):
                f = _along(positions, a, inverse, axis)
                begin, end = min(begin, f), max(end, f)
            low[axis], span[axis] = begin, max(end - begin, 1e-9) * (1 + 1e-12)
    for a in range(count):
        for axis in range(3):
            f = _along(positions, a, inverse, axis)
            if repeats[axis]:
                shift = np.floor(f)
                images[a, axis] = int(shift)
                fractional[a, axis] = f - shift
            else:
                fractional[a, axis] = (f - low[axis]) / span[axis]
    return fractional, images, span


@compiled
def _along(positions: Array, a: int, inverse: Array, axis: int) -> float:
    """Return the coordinate of an atom along a cell vector."""
    return float(
        positions[a, 0] * inverse[0, axis] + positions[a, 1] * inverse[1, axis] + positions[a, 2] * inverse[2, axis]
    )
