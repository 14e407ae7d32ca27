"""Loops of the CPU engine, single precision, compiled once and cached.

Two layouts of a grid (ny, nx) occur, both of sixteen-fold columns as ``fourier`` transforms them:

rows
    (blocks of 16 rows, points along x, real and imaginary, 16 rows), and for real numbers the same without the third.
tiles
    (blocks of 16 frequencies along x, points along y, real and imaginary, 16 frequencies).
"""

from __future__ import annotations

from math import floor
from typing import Any

import numpy as np
from numba import njit

from exitwave.scattering.fourier import backward, forward
from exitwave.scattering.lanes import load, splat, store, transpose, within

__all__ = [
    "filter_tiles",
    "phases_of_tiles",
    "propagate_tiles",
    "spread_pair",
    "spread_values",
    "tiles_of_rows",
    "transmit_tiles",
]

# no reassociation: it would undo the two-step range reduction
_FAST = {"nnan", "ninf", "nsz", "contract", "arcp"}


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def spread_values(position: Any, beta: float, first: Any, values: Any) -> None:
    """Set the first grid index and the 6 values exp(β(√(1 − (2u/6)²) − 1)) of every atom along one axis."""
    for atom in range(len(position)):
        start = floor(position[atom]) - 2
        first[atom] = start
        offset = np.float32(position[atom] - start)
        for i in range(6):
            u = (offset - np.float32(i)) * np.float32(1 / 3)
            root = np.sqrt(max(np.float32(1.0) - u * u, np.float32(0.0)))
            values[atom, i] = np.exp(np.float32(beta) * (root - np.float32(1.0)))


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def spread_pair(
    rows: Any,
    filled: Any,
    places: Any,
    size: int,
    origin_y: int,
    origin_x: int,
    first_y: Any,
    first_x: Any,
    values_y: Any,
    values_x: Any,
    base: Any,
    weights: Any,
    first: int,
    last: int,
    plane: int,
) -> None:
    """Add atoms to ``rows``: their shares in a plane to the real parts, those in the next to the imaginary parts.

    Every atom becomes 6 × 6 points. ``filled`` marks the blocks that hold any; ``size`` is the number of rows.
    """
    width = len(places)
    flat = rows.reshape(-1)
    span = rows.shape[1]
    column = np.zeros(32, np.float32)
    for atom in range(first, last):
        node = plane - base[atom] + 1
        one = np.float32(weights[atom, node]) if 0 <= node < 4 else np.float32(0.0)
        other = np.float32(weights[atom, node + 1]) if -1 <= node < 3 else np.float32(0.0)
        if one == 0.0 and other == 0.0:
            continue
        y = (first_y[atom] - origin_y) % size
        done = 0
        while done < 6:  # once, unless the atom reaches over the border of the cell
            count = min(6 - done, size - y)
            lane = y % 16
            for i in range(count):
                column[lane + i] = values_y[atom, done + i]
            for part in range(1 if lane + count <= 16 else 2):
                block = y // 16 + part
                filled[block] = True
                points = load(column, 16 * part)
                for j in range(6):
                    x = first_x[atom] - origin_x + j
                    if x >= width:
                        x -= width
                    elif x < 0:
                        x += width
                    place = block * span + places[x]
                    share = values_x[atom, j]
                    store(flat, place, load(flat, place) + points * splat(share * one))
                    store(flat, place + 16, load(flat, place + 16) + points * splat(share * other))
            for i in range(count):
                column[lane + i] = np.float32(0.0)
            done += count
            y = (y + count) % size


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def tiles_of_rows(
    rows: Any, filled: Any, tiles: Any, along: Any, lines: Any, size: int, factors: Any, roots: Any, starts: Any
) -> None:
    """Transform the blocks of ``rows`` along x into ``tiles`` and empty them.

    ``along`` are the places of the frequencies of the tiles within a row, ``lines`` those of points along y.
    """
    flat = tiles.reshape(-1)
    span = tiles.shape[1]
    for block in range(rows.shape[0]):
        row = rows[block]
        if filled[block]:
            forward(row, 0, size, factors, roots, starts)
        for tile in range(tiles.shape[0]):
            for part in (0, 16):
                transpose(row, part, along, 16 * tile, flat, tile * span + part, lines, 16 * block)
        if filled[block]:
            row[:] = np.float32(0.0)
            filled[block] = False


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def filter_tiles(
    tiles: Any,
    fresh: bool,
    last: bool,
    factor: Any,
    total: Any,
    lossy: bool,
    loss: Any,
    lost: Any,
    places: Any,
    size: int,
    factors: Any,
    roots: Any,
    starts: Any,
) -> None:
    """Transform tiles along y; set ``total`` to them times a real factor, or add them; go back if they are the last.

    The same with the factor ``loss`` and the total ``lost``, if lossy.
    """
    for tile in range(tiles.shape[0]):
        values = tiles[tile]
        forward(values, 0, size, factors, roots, starts)
        _merge(values, fresh, factor[tile], total[tile], places)
        if lossy:
            _merge(values, fresh, loss[tile], lost[tile], places)
        if last:
            backward(total[tile], 0, size, factors, roots, starts)
            if lossy:
                backward(lost[tile], 0, size, factors, roots, starts)


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def _merge(values: Any, fresh: bool, factor: Any, total: Any, places: Any) -> None:
    for k in range(len(places)):
        weight = load(factor, 16 * k)
        for part in (0, 16):
            value = load(values, places[k] + part) * weight
            if not fresh:
                value = value + load(total, places[k] + part)
            store(total, places[k] + part, value)


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def phases_of_tiles(
    tiles: Any,
    phases: Any,
    row: Any,
    along: Any,
    lines: Any,
    places: Any,
    size: int,
    factors: Any,
    roots: Any,
    starts: Any,
) -> None:
    """Transform tiles back along x: the real parts become the first of ``phases``, the imaginary parts the second."""
    flat = tiles.reshape(-1)
    span = tiles.shape[1]
    for block in range(phases.shape[1]):
        for tile in range(tiles.shape[0]):
            for part in (0, 16):
                transpose(flat, tile * span + part, lines, 16 * block, row, part, along, 16 * tile)
        backward(row, 0, size, factors, roots, starts)
        for which in range(2):
            values = phases[which, block]
            for x in range(size):
                store(values, 16 * x, load(row, places[x] + 16 * which))


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def transmit_tiles(
    tiles: Any,
    first_block: int,
    first_x: int,
    phases: Any,
    losses: Any,
    absorption: float,
    lossy: bool,
    row: Any,
    along: Any,
    lines: Any,
    places: Any,
    size: int,
    factors: Any,
    roots: Any,
    starts: Any,
) -> None:
    """Multiply a wave, given by its tiles, by exp(iφ − absorption·φ − l): back along x, multiplied, and there again.

    Phases and losses may cover a box alone, which begins with a block of rows and a point x; elsewhere they are zero.

    With y = φ/2 reduced to [−π/2, π/2], cos φ = 1 − 2 sin²y and sin φ = 2 sin y cos y, from polynomials; exp(−a) is
    the 16th power of a polynomial in a/16.
    """
    flat = tiles.reshape(-1)
    span = tiles.shape[1]
    inverse_period = splat(np.float32(0.15915494309189535))
    period_high = splat(np.float32(6.28125))
    period_low = splat(np.float32(1.9353071795864769e-3))
    rounder = splat(np.float32(12582912.0))  # 1.5 · 2²³: adding and taking it away rounds to a whole number
    half, one, two = splat(np.float32(0.5)), splat(np.float32(1.0)), splat(np.float32(2.0))
    third, quarter, sixteenth = splat(np.float32(1 / 3)), splat(np.float32(0.25)), splat(np.float32(-0.0625))
    s1, s2, s3, s4 = splat(_S1), splat(_S2), splat(_S3), splat(_S4)
    c1, c2, c3, c4, c5 = splat(_C1), splat(_C2), splat(_C3), splat(_C4), splat(_C5)
    share = splat(np.float32(absorption))
    scale = splat(np.float32(1.0 / size))
    width = phases.shape[1] // 16
    damped = lossy or absorption != 0.0
    for block in range(phases.shape[0]):
        row[:] = np.float32(0.0)
        for tile in range(tiles.shape[0]):
            for part in (0, 16):
                transpose(flat, tile * span + part, lines, 16 * (first_block + block), row, part, along, 16 * tile)
        backward(row, 0, size, factors, roots, starts)
        for x in range(size):  # what both transforms multiply by is taken back
            if x < first_x or x >= first_x + width:
                place = places[x]
                store(row, place, load(row, place) * scale)
                store(row, place + 16, load(row, place + 16) * scale)
        angles = phases[block]
        lost = losses[block]
        for x in range(width):
            phi = load(angles, 16 * x)
            turns = (phi * inverse_period + rounder) - rounder
            y = half * ((phi - turns * period_high) - turns * period_low)
            z = y * y
            sine = y + y * z * (s1 + z * (s2 + z * (s3 + z * s4)))
            cosine = one + z * (c1 + z * (c2 + z * (c3 + z * (c4 + z * c5))))
            s = scale * two * sine * cosine
            c = scale - scale * two * sine * sine
            if damped:
                a = share * phi
                if lossy:
                    a = a + load(lost, 16 * x)
                a = a * sixteenth
                damping = one + a * (one + half * a * (one + third * a * (one + quarter * a)))
                damping = damping * damping
                damping = damping * damping
                damping = damping * damping
                damping = damping * damping
                s = s * damping
                c = c * damping
            place = places[first_x + x]
            re = load(row, place)
            im = load(row, place + 16)
            store(row, place, re * c - im * s)
            store(row, place + 16, re * s + im * c)
        forward(row, 0, size, factors, roots, starts)
        for tile in range(tiles.shape[0]):
            for part in (0, 16):
                transpose(row, part, along, 16 * tile, flat, tile * span + part, lines, 16 * (first_block + block))


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def propagate_tiles(
    tiles: Any,
    along_y: Any,
    along_x: Any,
    squares: Any,
    room: Any,
    back: bool,
    places: Any,
    size: int,
    factors: Any,
    roots: Any,
    starts: Any,
) -> None:
    """Transform tiles along y, multiply by along_y(k)·along_x(k) within the band, by zero outside, and go back.

    ``squares`` are kx² of the frequencies of tiles, ``room`` what the band leaves for them at each ky.
    """
    for tile in range(tiles.shape[0]):
        values = tiles[tile]
        forward(values, 0, size, factors, roots, starts)
        gr = load(along_x, 32 * tile)
        gi = load(along_x, 32 * tile + 16)
        square = load(squares, 16 * tile)
        for k in range(size):
            place = places[k]
            fr = splat(along_y[2 * k])
            fi = splat(along_y[2 * k + 1])
            hr = within(fr * gr - fi * gi, room[k], square)
            hi = within(fr * gi + fi * gr, room[k], square)
            re = load(values, place)
            im = load(values, place + 16)
            store(values, place, re * hr - im * hi)
            store(values, place + 16, re * hi + im * hr)
        if back:
            backward(values, 0, size, factors, roots, starts)


def _even_coefficients(function: Any, count: int) -> list[np.float32]:
    """Fit function(y) by 1 + c₁y² + c₂y⁴ + … on [−π/2, π/2], nearly minimax (Chebyshev nodes)."""
    y = np.pi / 2 * np.cos(np.pi * (np.arange(400) + 0.5) / 800)
    powers = np.stack([y ** (2 * (n + 1)) for n in range(count)], axis=1)
    solution = np.linalg.lstsq(powers, function(y) - 1, rcond=None)[0]
    return [np.float32(value) for value in solution]


_S1, _S2, _S3, _S4 = _even_coefficients(lambda y: np.sin(y) / y, 4)
_C1, _C2, _C3, _C4, _C5 = _even_coefficients(np.cos, 5)
