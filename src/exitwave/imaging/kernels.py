"""Inner loops of image formation on a CPU, fused so that every array passes through the cache once."""

from __future__ import annotations

import numba
import numpy as np

__all__ = ["accumulate", "tabulated", "weigh"]


@numba.njit(fastmath=True, nogil=True, cache=True)
def tabulated(table, rows, columns, result):  # type: ignore[no-untyped-def]
    """Write table[rows² + columns²] to ``result``, by linear interpolation.

    ``table`` is float32 (points,); ``rows`` and ``columns`` are squared angles in steps of the table, float32 (y,)
    and (x,); ``result`` is float32 (y, x).
    """
    height, width = result.shape
    last = np.int32(table.size - 2)
    for i in range(height):
        for j in range(width):
            place = rows[i] + columns[j]
            index = min(np.int32(place), last)
            low = table[index]
            result[i, j] = low + (place - np.float32(index)) * (table[index + np.int32(1)] - low)


@numba.njit(fastmath=True, nogil=True, cache=True)
def weigh(beams, factor, result):  # type: ignore[no-untyped-def]
    """Write beams · factor to ``result``; complex numbers as pairs, float32 (y, x, 2), the factor float32 (y, x)."""
    height, width = factor.shape
    for i in range(height):
        for j in range(width):
            result[i, j, 0] = beams[i, j, 0] * factor[i, j]
            result[i, j, 1] = beams[i, j, 1] * factor[i, j]


@numba.njit(fastmath=True, nogil=True, cache=True)
def accumulate(wave, total):  # type: ignore[no-untyped-def]
    """Add |wave|² to ``total``; the wave as pairs, float32 (y, x, 2), the total float32 (y, x)."""
    height, width = total.shape
    for i in range(height):
        for j in range(width):
            total[i, j] += wave[i, j, 0] * wave[i, j, 0] + wave[i, j, 1] * wave[i, j, 1]
