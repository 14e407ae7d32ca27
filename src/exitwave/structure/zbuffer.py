"""Which atom is seen in every pixel of a picture, and how its surface is tilted there."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from exitwave.structure.arrays import Array, Ints
from exitwave.structure.compiled import compiled

__all__ = ["draw_spheres", "surroundings"]


@compiled
def draw_spheres(points: Array, radii: Array, rows: int, columns: int) -> tuple[Array, Ints, Array]:
    """Return depth (rows, columns), index of the atom (-1: none) and tilt (rows, columns, 2) of the nearest surface.

    Parameters
    ----------
    points
        Columns, rows and depth of the centres, shape (atoms, 3), px.
    radii
        Shape (atoms,), px.
    rows, columns
        Shape of the picture.
    """
    depth = np.full((rows, columns), np.inf)
    atom = np.full((rows, columns), -1, dtype=np.int32)
    tilt = np.zeros((rows, columns, 2))
    for a in range(len(points)):
        x, y, z, radius = points[a, 0], points[a, 1], points[a, 2], radii[a]
        for row in range(max(int(np.ceil(y - radius - 0.5)), 0), min(int(np.floor(y + radius - 0.5)), rows - 1) + 1):
            v = (row + 0.5 - y) / radius
            half = radius * np.sqrt(max(1 - v * v, 0.0))
            first, last = int(np.ceil(x - half - 0.5)), int(np.floor(x + half - 0.5))
            for column in range(max(first, 0), min(last, columns - 1) + 1):
                u = (column + 0.5 - x) / radius
                height = z - radius * np.sqrt(max(1 - u * u - v * v, 0.0))
                if height < depth[row, column]:
                    depth[row, column] = height
                    atom[row, column] = a
                    tilt[row, column, 0] = u
                    tilt[row, column, 1] = v
    return depth, atom, tilt


@compiled
def surroundings(depth: Array, drawn: NDArray[np.bool_], points: Array, reach: float) -> Array:
    """Return how deep the surroundings of every drawn pixel lie on average, (rows, columns).

    Parameters
    ----------
    depth
        (rows, columns), px.
    drawn
        (rows, columns); other pixels stay as deep as they are.
    points
        Where to look, rows and columns from the pixel, shape (points, 2), px.
    reach
        What lies nearer than the pixel by more than this counts as if by this, px.
    """
    rows, columns = depth.shape
    steps = np.floor(points + 0.5).astype(np.int64)
    mean = depth.copy()
    for row in range(rows):
        for column in range(columns):
            if not drawn[row, column]:
                continue
            nearest, total = depth[row, column] - reach, 0.0
            for p in range(len(steps)):
                y = min(max(row + steps[p, 0], 0), rows - 1)
                x = min(max(column + steps[p, 1], 0), columns - 1)
                total += max(depth[y, x], nearest)
            mean[row, column] = total / len(steps)
    return mean
