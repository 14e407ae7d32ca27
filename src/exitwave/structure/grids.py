"""Atoms sorted into the cells of a grid, for finding neighbours in a scene of any shape."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from exitwave.structure.arrays import Array, Ints

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
        inverse, repeats = np.linalg.inv(cell), np.array(pbc, dtype=bool)
        fractional = positions @ inverse
        images = np.zeros(fractional.shape, dtype=np.int32)
        low, span = np.zeros(3), np.ones(3)
        for axis in range(3):  # one column after the other is several times faster than all at once
            column = fractional[:, axis]
            least, most = column.min(), column.max()
            if not repeats[axis]:
                low[axis], span[axis] = least, max(most - least, 1e-9) * (1 + 1e-12)
            elif least < 0 or most >= 1:
                shift = np.floor(column)
                images[:, axis] = shift
                column -= shift
        heights = span / np.linalg.norm(inverse, axis=0)
        shape = np.maximum(np.floor(heights / cutoff), 1).astype(np.int64)
        while shape.prod() > MOST_CELLS:
            shape = np.maximum(shape // 2, 1)  # a coarser grid for a vast, thin scene
        steps = np.ceil(cutoff / (heights / shape))
        reach = np.where(repeats, steps, np.minimum(steps, shape - 1)).astype(np.int64)
        return cls(
            fractional=(fractional - low) / span,
            images=images,
            cell=np.ascontiguousarray(cell * span[:, None]),
            pbc=repeats,
            shape=shape,
            reach=reach,
        )
