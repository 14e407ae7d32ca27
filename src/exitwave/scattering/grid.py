"""The grid on which waves live: shape, extent, spatial frequencies and band limit."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from exitwave.core import ScatteringError

__all__ = ["BAND", "COARSEST", "WHOLE", "Grid", "fast_size"]

BAND = 2 / 3
"""Share of the Nyquist frequency that the propagator passes: products of two waves then do not alias into it."""

COARSEST = 0.5
"""Å/px: a coarser potential grid ends below 0.67 1/Å and loses most of what atoms scatter."""

WHOLE = 0.04
"""Å/px: the band of a potential grid as fine as this holds nearly all that atoms scatter."""


@dataclass(frozen=True)
class Grid:
    """A periodic grid over the cell, arrays (y, x).

    Parameters
    ----------
    shape
        Pixels (y, x), any numbers: odd, prime and unequal ones too.
    extent
        Size of the cell (y, x), Å.

    Examples
    --------
    >>> grid = Grid.covering((102.4, 102.4), sampling=0.2)
    >>> grid.shape, grid.sampling
    ((512, 512), (0.2, 0.2))
    """

    shape: tuple[int, int]
    extent: tuple[float, float]

    @classmethod
    def covering(cls, extent: tuple[float, float], sampling: float) -> Grid:
        """Return the grid that divides the cell into pixels of at most ``sampling``, at sizes fast to transform.

        The sampling is thus an upper bound; it is exact where the cell is a fast multiple of it.
        """
        return cls((fast_size(extent[0] / sampling), fast_size(extent[1] / sampling)), extent)

    @property
    def sampling(self) -> tuple[float, float]:
        """Pixel size (y, x), Å."""
        return self.extent[0] / self.shape[0], self.extent[1] / self.shape[1]

    @property
    def area(self) -> float:
        """Area of the cell, Å²."""
        return self.extent[0] * self.extent[1]

    @property
    def pixels(self) -> int:
        """Number of pixels."""
        return self.shape[0] * self.shape[1]

    @property
    def cutoff(self) -> float:
        """Band limit of the propagator, 1/Å: two thirds of the smaller Nyquist frequency, a circle."""
        return BAND * 0.5 / max(self.sampling)

    def frequencies(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return spatial frequencies along y, (ny,), and x, (nx,), 1/Å, in transform order."""
        (ny, nx), (dy, dx) = self.shape, self.sampling
        return _frequencies(ny, dy), _frequencies(nx, dx)

    def band_reach(self) -> NDArray[np.int64]:
        """Return how many frequencies on either side of zero pass in each row of a spectrum, (ny,); −1 for none."""
        ky, _ = self.frequencies()
        room = (self.cutoff * (1 + 1e-9)) ** 2 - ky**2
        reach = np.floor(np.sqrt(np.maximum(room, 0.0)) * self.extent[1])
        reach = np.minimum(reach, (self.shape[1] - 1) // 2)
        return np.where(room >= 0, reach, -1).astype(np.int64)

    def wavenumbers(self) -> NDArray[np.float64]:
        """Return the length of the spatial frequency of every Fourier pixel, (ny, nx), 1/Å."""
        ky, kx = self.frequencies()
        return np.hypot(ky[:, None], kx[None, :])


def _frequencies(count: int, step: float) -> NDArray[np.float64]:
    return np.fft.fftfreq(count, step).astype(np.float64)


def fast_size(least: float) -> int:
    """Return the smallest number of pixels, at least ``least``, that is quick to transform (factors 2, 3, 5, 7).

    Examples
    --------
    >>> fast_size(509), fast_size(511.9999999)
    (512, 512)
    """
    if not least > 0 or least > 2**20:
        raise ScatteringError(f"the grid would have {least:.4g} pixels along one axis; allowed are 1 to 2**20.")
    size = max(1, ceil(least * (1 - 1e-9)))
    while True:
        rest = size
        for factor in (2, 3, 5, 7):
            while rest % factor == 0:
                rest //= factor
        if rest == 1 and (size % 2 == 0 or size < 16):
            return size
        size += 1
