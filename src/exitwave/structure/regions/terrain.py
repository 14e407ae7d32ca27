"""The space below a periodic surface of heights: rough films, wedges and steps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from typing_extensions import override

from exitwave.core import StructureError
from exitwave.structure.arrays import Array, frozen, points3
from exitwave.structure.regions.solids import Solid

__all__ = ["Terrain"]


@dataclass(frozen=True, eq=False)
class Terrain(Solid):
    """The points with z at most the height of a surface that repeats in x and y.

    Heights between the points of the grid are interpolated linearly in x and y. A film is
    ``Terrain(top, period) - Terrain(bottom, period)`` within a box.

    Parameters
    ----------
    heights
        Å, shape (y, x); element [0, 0] is at x = y = 0.
    period
        (x, y) lengths after which the surface repeats, Å.

    Raises
    ------
    StructureError
        If the heights are not finite numbers (y, x), or the period is not two numbers above 0.

    Examples
    --------
    >>> from exitwave.structure import Box
    >>> ridge = Terrain([[10, 20]], period=(40, 40))  # 20 Å high at x = 20 Å, 10 Å at the border
    >>> ridge.height(np.array([0.0, 10.0, 20.0]), np.zeros(3))
    array([10., 15., 20.])
    >>> film = ridge & Box(40, 40, 30)
    >>> film.contains([[20, 5, 19], [0, 5, 19]])
    array([ True, False])
    """

    heights: ArrayLike
    period: tuple[float, float]

    def __post_init__(self) -> None:
        heights = frozen(self.heights)
        if heights.ndim != 2 or heights.size == 0 or not np.isfinite(heights).all():
            raise StructureError(f"heights has shape {heights.shape}; they are finite numbers of shape (y, x) in Å.")
        if len(self.period) != 2 or not all(np.isfinite(p) and p > 0 for p in self.period):
            raise StructureError(f"period is {self.period!r}; it is two numbers (x, y) above 0 in Å.")
        object.__setattr__(self, "heights", heights)

    def height(self, x: Array, y: Array) -> Array:
        """Return the heights of the surface at ``x``, ``y``, Å."""
        heights = np.asarray(self.heights)
        ny, nx = heights.shape
        i, u = np.divmod(np.asarray(x) / self.period[0] * nx, 1.0)
        j, v = np.divmod(np.asarray(y) / self.period[1] * ny, 1.0)
        i, j = i.astype(np.int64) % nx, j.astype(np.int64) % ny
        right, up = (i + 1) % nx, (j + 1) % ny
        result: Array = (1 - v) * ((1 - u) * heights[j, i] + u * heights[j, right]) + v * (
            (1 - u) * heights[up, i] + u * heights[up, right]
        )
        return result

    @override
    def outside_by(self, points: Array) -> Array:
        result: Array = points[:, 2] - self.height(points[:, 0], points[:, 1])
        return result

    @override
    def extent(self, directions: ArrayLike) -> Array:
        directions = points3(directions, "directions")
        upward = (directions[:, 2] > 0) & (directions[:, :2] == 0).all(axis=1)
        return np.where(upward, directions[:, 2] * np.asarray(self.heights).max(), np.inf)
