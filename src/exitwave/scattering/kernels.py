"""Fused single-precision loops of the CPU engine, compiled once and cached."""

from __future__ import annotations

from math import floor
from typing import Any

import numpy as np
from numba import njit

__all__ = [
    "add_filtered",
    "propagate",
    "set_filtered",
    "spread_pair",
    "spread_values",
    "transmit",
    "transmit_losing",
    "unpack",
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
    grid: Any,
    first_y: Any,
    first_x: Any,
    values_y: Any,
    values_x: Any,
    base: Any,
    weights: Any,
    first: int,
    last: int,
    plane_a: int,
    plane_b: int,
) -> None:
    """Add atoms to ``grid``: their shares in plane a to its real part, those in plane b to its imaginary part.

    Every atom becomes 6 × 6 points; the complex grid is seen as (ny, 2·nx) floats.
    """
    ny, width = grid.shape
    nx = width // 2
    columns = np.empty(6, np.int64)
    both = np.empty(12, np.float32)
    for atom in range(first, last):
        node_a = plane_a - base[atom] + 1
        node_b = plane_b - base[atom] + 1
        share_a = np.float32(weights[atom, node_a]) if 0 <= node_a < 4 else np.float32(0.0)
        share_b = np.float32(weights[atom, node_b]) if 0 <= node_b < 4 else np.float32(0.0)
        if share_a == 0.0 and share_b == 0.0:
            continue
        start = first_x[atom]
        inside = start >= 0 and start + 6 <= nx
        if not inside:
            for j in range(6):
                columns[j] = 2 * ((start + j) % nx)
        for j in range(6):
            both[2 * j] = values_x[atom, j] * share_a
            both[2 * j + 1] = values_x[atom, j] * share_b
        for i in range(6):
            row = grid[(first_y[atom] + i) % ny]
            v = values_y[atom, i]
            if inside:
                part = row[2 * start : 2 * start + 12]
                for j in range(12):
                    part[j] += v * both[j]
            else:
                for j in range(6):
                    row[columns[j]] += v * both[2 * j]
                    row[columns[j] + 1] += v * both[2 * j + 1]


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def unpack(packed: Any, first: Any, second: Any) -> None:
    """Write the even columns of an array (ny, 2·nx) to one array (ny, nx), the odd ones to another."""
    ny, nx = first.shape
    for i in range(ny):
        row = packed[i]
        one = first[i]
        other = second[i]
        for j in range(nx):
            one[j] = row[2 * j]
            other[j] = row[2 * j + 1]


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def set_filtered(total: Any, spectrum: Any, factor: Any) -> None:
    """Set a total to a spectrum times a real filter (ny, nx), the complex arrays seen as (ny, 2·nx) floats."""
    ny, nx = factor.shape
    for i in range(ny):
        for j in range(nx):
            total[i, 2 * j] = spectrum[i, 2 * j] * factor[i, j]
            total[i, 2 * j + 1] = spectrum[i, 2 * j + 1] * factor[i, j]


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def add_filtered(total: Any, spectrum: Any, factor: Any) -> None:
    """Add a spectrum times a real filter to a total, the complex arrays seen as (ny, 2·nx) floats."""
    ny, nx = factor.shape
    for i in range(ny):
        for j in range(nx):
            total[i, 2 * j] += spectrum[i, 2 * j] * factor[i, j]
            total[i, 2 * j + 1] += spectrum[i, 2 * j + 1] * factor[i, j]


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def transmit(wave: Any, phases: Any) -> None:
    """Multiply a wave by exp(iφ); the complex wave is seen as (ny, 2·nx) floats, φ is (ny, nx).

    With y = φ/2 reduced to [−π/2, π/2], cos φ = 1 − 2 sin²y and sin φ = 2 sin y cos y, from polynomials.
    """
    ny, nx = phases.shape
    inverse_period = np.float32(0.15915494309189535)
    period_high = np.float32(6.28125)
    period_low = np.float32(1.9353071795864769e-3)
    rounder = np.float32(12582912.0)  # 1.5 · 2²³: adding and taking it away rounds to a whole number
    half = np.float32(0.5)
    one = np.float32(1.0)
    two = np.float32(2.0)
    s1, s2, s3, s4 = _S1, _S2, _S3, _S4
    c1, c2, c3, c4, c5 = _C1, _C2, _C3, _C4, _C5
    for i in range(ny):
        row = wave[i]
        angles = phases[i]
        for j in range(nx):
            phi = angles[j]
            turns = (phi * inverse_period + rounder) - rounder
            y = half * ((phi - turns * period_high) - turns * period_low)
            z = y * y
            sine = y + y * z * (s1 + z * (s2 + z * (s3 + z * s4)))
            cosine = one + z * (c1 + z * (c2 + z * (c3 + z * (c4 + z * c5))))
            s = two * sine * cosine
            c = one - two * sine * sine
            re = row[2 * j]
            im = row[2 * j + 1]
            row[2 * j] = re * c - im * s
            row[2 * j + 1] = re * s + im * c


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def transmit_losing(wave: Any, phases: Any, losses: Any, absorption: float, loss: float) -> None:
    """Multiply a wave by exp(iφ − absorption·φ − loss·l), arrays as in ``transmit``."""
    ny, nx = phases.shape
    inverse_period = np.float32(0.15915494309189535)
    period_high = np.float32(6.28125)
    period_low = np.float32(1.9353071795864769e-3)
    rounder = np.float32(12582912.0)
    half = np.float32(0.5)
    one = np.float32(1.0)
    two = np.float32(2.0)
    third = np.float32(1 / 3)
    quarter = np.float32(0.25)
    sixteenth = np.float32(0.0625)
    share = np.float32(absorption)
    scale = np.float32(loss)
    s1, s2, s3, s4 = _S1, _S2, _S3, _S4
    c1, c2, c3, c4, c5 = _C1, _C2, _C3, _C4, _C5
    for i in range(ny):
        row = wave[i]
        angles = phases[i]
        lost = losses[i]
        for j in range(nx):
            phi = angles[j]
            turns = (phi * inverse_period + rounder) - rounder
            y = half * ((phi - turns * period_high) - turns * period_low)
            z = y * y
            sine = y + y * z * (s1 + z * (s2 + z * (s3 + z * s4)))
            cosine = one + z * (c1 + z * (c2 + z * (c3 + z * (c4 + z * c5))))
            # exp(−a) as the 16th power of a polynomial in a/16
            a = -(share * phi + scale * lost[j]) * sixteenth
            damping = one + a * (one + half * a * (one + third * a * (one + quarter * a)))
            damping = damping * damping
            damping = damping * damping
            damping = damping * damping
            damping = damping * damping
            s = two * sine * cosine * damping
            c = (one - two * sine * sine) * damping
            re = row[2 * j]
            im = row[2 * j + 1]
            row[2 * j] = re * c - im * s
            row[2 * j + 1] = re * s + im * c


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def propagate(spectrum: Any, factor_y: Any, factor_x: Any, reach: Any) -> None:
    """Multiply a spectrum by factor_y(ky)·factor_x(kx) within the band, by zero outside.

    The complex arrays are seen as floats, twice as wide; ``reach`` is the number of passed frequencies on either
    side of zero in each row, −1 for none.
    """
    ny, width = spectrum.shape
    nx = width // 2
    for i in range(ny):
        n = reach[i]
        if n < 0:
            spectrum[i, :] = np.float32(0.0)
            continue
        fr = factor_y[2 * i]
        fi = factor_y[2 * i + 1]
        last = min(n + 1, nx)
        first = max(nx - n, last)
        for j in range(last):
            gr = fr * factor_x[2 * j] - fi * factor_x[2 * j + 1]
            gi = fr * factor_x[2 * j + 1] + fi * factor_x[2 * j]
            re = spectrum[i, 2 * j]
            im = spectrum[i, 2 * j + 1]
            spectrum[i, 2 * j] = re * gr - im * gi
            spectrum[i, 2 * j + 1] = re * gi + im * gr
        spectrum[i, 2 * last : 2 * first] = np.float32(0.0)
        for j in range(first, nx):
            gr = fr * factor_x[2 * j] - fi * factor_x[2 * j + 1]
            gi = fr * factor_x[2 * j + 1] + fi * factor_x[2 * j]
            re = spectrum[i, 2 * j]
            im = spectrum[i, 2 * j + 1]
            spectrum[i, 2 * j] = re * gr - im * gi
            spectrum[i, 2 * j + 1] = re * gi + im * gr


def _even_coefficients(function: Any, count: int) -> list[np.float32]:
    """Fit function(y) by 1 + c₁y² + c₂y⁴ + … on [−π/2, π/2], nearly minimax (Chebyshev nodes)."""
    y = np.pi / 2 * np.cos(np.pi * (np.arange(400) + 0.5) / 800)
    powers = np.stack([y ** (2 * (n + 1)) for n in range(count)], axis=1)
    solution = np.linalg.lstsq(powers, function(y) - 1, rcond=None)[0]
    return [np.float32(value) for value in solution]


_S1, _S2, _S3, _S4 = _even_coefficients(lambda y: np.sin(y) / y, 4)
_C1, _C2, _C3, _C4, _C5 = _even_coefficients(np.cos, 5)
