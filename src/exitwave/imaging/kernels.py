"""Inner loops of image formation on a CPU, fused so that every array passes through the cache once."""

from __future__ import annotations

import numba

__all__ = ["accumulate", "bend"]


@numba.njit(fastmath=True, nogil=True, cache=True)
def bend(spectrum, lens, along_y, along_x, beams):  # type: ignore[no-untyped-def]
    """Write spectrum · lens · (along_y ⊗ along_x) to ``beams``; all complex64, (y, x) or (y,) and (x,)."""
    rows, columns = spectrum.shape
    for i in range(rows):
        for j in range(columns):
            beams[i, j] = lens[i, j] * (along_y[i] * along_x[j]) * spectrum[i, j]


@numba.njit(fastmath=True, nogil=True, cache=True)
def accumulate(wave, total):  # type: ignore[no-untyped-def]
    """Add |wave|² to ``total``, float32 (y, x)."""
    rows, columns = wave.shape
    for i in range(rows):
        for j in range(columns):
            value = wave[i, j]
            total[i, j] += value.real * value.real + value.imag * value.imag
