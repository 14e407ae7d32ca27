"""Inner loops of image formation on a CPU, fused so that every array passes through the cache once."""

from __future__ import annotations

import numba
import numpy as np

__all__ = ["accumulate", "weigh"]


@numba.njit(fastmath=True, nogil=True, cache=True)
def weigh(beams, table, rows, columns, result):  # type: ignore[no-untyped-def]
    """Write beams · table[rows² + columns²] to ``result``, by linear interpolation.

    ``beams`` and ``result`` are complex64 (y, x); ``table`` is float32 (points,); ``rows`` and ``columns`` are
    squared angles in steps of the table, float32 (y,) and (x,).
    """
    height, width = beams.shape
    last = np.int32(table.size - 2)
    for i in range(height):
        for j in range(width):
            place = rows[i] + columns[j]
            index = min(np.int32(place), last)
            low = table[index]
            factor = low + (place - np.float32(index)) * (table[index + np.int32(1)] - low)
            value = beams[i, j]
            result[i, j] = complex(value.real * factor, value.imag * factor)


@numba.njit(fastmath=True, nogil=True, cache=True)
def accumulate(wave, total):  # type: ignore[no-untyped-def]
    """Add |wave|² to ``total``, float32 (y, x)."""
    rows, columns = wave.shape
    for i in range(rows):
        for j in range(columns):
            value = wave[i, j]
            total[i, j] += value.real * value.real + value.imag * value.imag
