"""Inner loops of image formation on a CPU, fused so that every array passes through the cache once.

Spectra and waves lie in memory as the transforms of ``scattering`` take them: tiles of sixteen frequencies along x,
blocks of sixteen rows (:class:`~exitwave.scattering.packed.Layout`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from exitwave.scattering.fourier import backward
from exitwave.scattering.lanes import load, store, transpose

__all__ = ["add_power", "arrange", "bend_tiles", "lens", "mode_tiles", "powers", "weigh_tiles"]

# no reassociation: it would undo the rounding to whole turns
_FAST = {"nnan", "ninf", "nsz", "contract", "arcp"}
_ROUNDER = 6755399441055744.0  # 1.5 · 2⁵²: adding and taking it away rounds to a whole number


def _even(function: Any, count: int) -> tuple[np.float32, ...]:
    """Fit a function by c₀ + c₁t² + … on [−½, ½], nearly minimax (Chebyshev nodes)."""
    t = 0.5 * np.cos(np.pi * (np.arange(400) + 0.5) / 800)
    powers = np.stack([t ** (2 * n) for n in range(count)], axis=1)
    return tuple(np.float32(value) for value in np.linalg.lstsq(powers, function(t), rcond=None)[0])


_S = _even(lambda t: np.sin(np.pi * t) / t, 6)
_C = _even(lambda t: np.cos(np.pi * t), 6)


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def lens(
    turns: Any,
    rows: Any,
    columns: Any,
    slope: float,
    spread: float,
    semiangle: float,
    edge: float,
    result: Any,
) -> None:
    r"""Write the transfer function of one lens to ``result``, real and imaginary parts, float32 (2, y, x).

    With χ/2π = Σ turns[i, j] y^i x^j it is exp(−iχ) times exp(−slope·|∇χ/2π|² − spread·(x² + y²)²) and an aperture
    whose edge is ``edge`` wide; ``slope``, ``spread`` and ``semiangle`` are left out where they are zero.
    """
    half, one, two = np.float32(0.5), np.float32(1.0), np.float32(2.0)
    third, quarter, fifth = np.float32(1 / 3), np.float32(0.25), np.float32(0.2)
    c = np.zeros(7)
    d = np.zeros(7)
    damping = np.ones(len(columns), np.float32)
    for i in range(len(rows)):
        y = rows[i]
        for j in range(7):
            value = 0.0
            change = 0.0
            for p in range(6, -1, -1):
                change = change * y + value
                value = value * y + turns[p, j]
            c[j] = value
            d[j] = change
        c0, c1, c2, c3, c4, c5, c6 = c[0], c[1], c[2], c[3], c[4], c[5], c[6]
        for j in range(len(columns)):
            x = columns[j]
            turn = c0 + x * (c1 + x * (c2 + x * (c3 + x * (c4 + x * (c5 + x * c6)))))
            t = np.float32(turn - ((turn + _ROUNDER) - _ROUNDER))
            z = t * t
            sine = t * (_S[0] + z * (_S[1] + z * (_S[2] + z * (_S[3] + z * (_S[4] + z * _S[5])))))
            cosine = _C[0] + z * (_C[1] + z * (_C[2] + z * (_C[3] + z * (_C[4] + z * _C[5]))))
            result[0, i, j] = one - two * sine * sine
            result[1, i, j] = -two * sine * cosine
        if slope != 0.0 or spread != 0.0:
            d0, d1, d2, d3, d4, d5, d6 = d[0], d[1], d[2], d[3], d[4], d[5], d[6]
            for j in range(len(columns)):
                x = columns[j]
                square = x * x + y * y
                up = d0 + x * (d1 + x * (d2 + x * (d3 + x * (d4 + x * (d5 + x * d6)))))
                along = c1 + x * (2 * c2 + x * (3 * c3 + x * (4 * c4 + x * (5 * c5 + x * 6 * c6))))
                lost = slope * (up * up + along * along) + spread * square * square
                # exp(−a) as the 32nd power of a polynomial; below exp(−30) nothing is left
                a = np.float32((lost if lost < 30.0 else 30.0) * (-1 / 32))
                e = one + third * a * (one + quarter * a * (one + fifth * a))
                e = one + a * (one + half * a * e)
                e = e * e
                e = e * e
                e = e * e
                e = e * e
                damping[j] = e * e
            for j in range(len(columns)):
                result[0, i, j] *= damping[j]
                result[1, i, j] *= damping[j]
        if semiangle > 0.0:
            for j in range(len(columns)):
                angle = np.sqrt(columns[j] * columns[j] + y * y)
                inside = np.float32(min(max((semiangle - angle) / edge + 0.5, 0.0), 1.0))
                result[0, i, j] *= inside
                result[1, i, j] *= inside


@njit(cache=True, nogil=True, error_model="numpy")
def powers(spectra: Any, places: Any, radial: Any, columns: Any) -> None:
    """Add the power of spectra (n, y, x, 2), pairs, to rings that ``places`` (y, x) name, and to columns (x,)."""
    count, height, width, _ = spectra.shape
    line = np.empty(width, np.float32)
    for i in range(height):
        line[:] = np.float32(0.0)
        for n in range(count):
            for j in range(width):
                real, imaginary = spectra[n, i, j, 0], spectra[n, i, j, 1]
                line[j] += real * real + imaginary * imaginary
        for j in range(width):
            columns[j] += line[j]
            radial[places[i, j]] += line[j]


@njit(cache=True, nogil=True, error_model="numpy")
def arrange(spectrum: Any, rows: Any, columns: Any, planes: Any) -> None:
    """Write a spectrum (y, x, 2), pairs, to ``planes`` (2, y, x): rows and columns of these indices, zero for −1."""
    for i in range(len(rows)):
        source = spectrum[rows[i]]
        for j in range(len(columns)):
            held = columns[j] >= 0
            column = columns[j] if held else 0
            planes[0, i, j] = source[column, 0] if held else np.float32(0.0)
            planes[1, i, j] = source[column, 1] if held else np.float32(0.0)


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def mode_tiles(table: Any, rows: Any, columns: Any, result: Any) -> None:
    """Write table[rows² + columns²] to ``result``, by linear interpolation.

    ``rows`` and ``columns`` are squared angles in steps of the table, float32 (y,) and (16 · tiles,); ``result`` is
    float32 (tiles, 16 · y).
    """
    last = np.int32(table.size - 2)
    for tile in range(result.shape[0]):
        for i in range(len(rows)):
            for j in range(16):
                place = rows[i] + columns[16 * tile + j]
                index = min(np.int32(place), last)
                low = table[index]
                result[tile, 16 * i + j] = low + (place - np.float32(index)) * (table[index + np.int32(1)] - low)


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def bend_tiles(spectrum: Any, lens: Any, beams: Any) -> None:
    """Write spectrum · lens to ``beams``; spectrum and lens as real and imaginary parts, float32 (2, y, 16 · tiles).

    ``beams`` is float32 (tiles, 32 · y), sixteen real parts before sixteen imaginary parts.
    """
    left, right = spectrum.reshape(-1), lens.reshape(-1)
    _, height, width = spectrum.shape
    for i in range(height):
        for tile in range(width // 16):
            place = width * i + 16 * tile
            a, b = load(left, place), load(left, place + height * width)
            c, d = load(right, place), load(right, place + height * width)
            values = beams[tile]
            store(values, 32 * i, a * c - b * d)
            store(values, 32 * i + 16, a * d + b * c)


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def weigh_tiles(
    beams: Any, factor: Any, folded: Any, tiles: Any, places: Any, size: int, factors: Any, roots: Any, starts: Any
) -> None:
    """Set ``tiles`` to beams · factor and transform them back along y.

    Row i of the beams takes row ``folded[i]`` of the factor, which is even in y.
    """
    for tile in range(tiles.shape[0]):
        source, target, weight = beams[tile], tiles[tile], factor[tile]
        for i in range(size):
            share = load(weight, 16 * folded[i])
            store(target, places[i], load(source, 32 * i) * share)
            store(target, places[i] + 16, load(source, 32 * i + 16) * share)
        backward(target, 0, size, factors, roots, starts)


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def add_power(
    tiles: Any,
    total: Any,
    row: Any,
    along: Any,
    lines: Any,
    places: Any,
    size: int,
    factors: Any,
    roots: Any,
    starts: Any,
) -> None:
    """Transform tiles back along x and add the squared modulus of the wave to ``total``, (blocks, 16 · x)."""
    flat = tiles.reshape(-1)
    span = tiles.shape[1]
    for block in range(total.shape[0]):
        row[:] = np.float32(0.0)
        for tile in range(tiles.shape[0]):
            for part in (0, 16):
                transpose(flat, tile * span + part, lines, 16 * block, row, part, along, 16 * tile)
        backward(row, 0, size, factors, roots, starts)
        power = total[block]
        for x in range(size):
            real, imaginary = load(row, places[x]), load(row, places[x] + 16)
            store(power, 16 * x, load(power, 16 * x) + real * real + imaginary * imaginary)
