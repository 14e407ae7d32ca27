"""Fourier transforms of sixteen columns at once, in place, within the caches of one processor core."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from exitwave.scattering.lanes import load, splat, store

__all__ = ["Plan", "backward", "forward", "plan"]

_RESIDENT = 256
"""Transforms up to this length stay in the nearest cache: 256 complex numbers of 16 columns are 32 KiB."""


@dataclass(frozen=True, eq=False)
class Plan:
    """How a transform of one length goes: its factors, its roots of unity, and the order of its frequencies.

    Parameters
    ----------
    length
        Points.
    factors
        Lengths of the butterflies, (levels,).
    roots
        cos and −sin of 2πpk/n for each level, flat; then those of the butterflies, flat.
    starts
        Where each level's roots begin, and where those of its butterfly do, (levels, 2).
    order
        Frequency index of each point after ``forward``, (length,).
    places
        Where points begin in memory, in numbers, (length,). The blocks of the first level are set apart, since
        distances that are powers of two would fall on the same lines of the caches.
    span
        Numbers from the first point to behind the last.
    """

    length: int
    factors: NDArray[np.int64]
    roots: NDArray[np.float32]
    starts: NDArray[np.int64]
    order: NDArray[np.int64]
    places: NDArray[np.int64]
    span: int

    @property
    def steps(self) -> tuple[Any, ...]:
        """What the compiled transforms take."""
        return self.length, self.factors, self.roots, self.starts


@lru_cache(maxsize=32)
def plan(length: int) -> Plan | None:
    """Return the plan of transforms of ``length`` points, None where it has a prime factor above 13."""
    rest, factors = length, []
    for factor in (8, 4, 2, 3, 5, 7, 11, 13):
        while rest % factor == 0:
            if factor == 8 and rest % 32 == 16:  # 4 · 4 rather than 8 · 2
                break
            factors.append(factor)
            rest //= factor
    if rest != 1:
        return None
    factors.reverse()  # eights last, on neighbouring points: twice as fast as first
    pieces, starts, size, n = [], [], 0, length
    for factor in factors:
        steps = np.multiply.outer(np.arange(n // factor), np.arange(1, factor)) / n
        turns = np.multiply.outer(np.arange(factor), np.arange(factor)) / factor
        starts.append((size, size + 2 * steps.size))
        for part in (steps, turns):
            pieces.append(np.stack([np.cos(2 * np.pi * part), -np.sin(2 * np.pi * part)], -1).ravel())
            size += 2 * part.size
        n //= factor
    order = np.zeros(1, np.int64)
    for factor in reversed(factors):
        order = (np.arange(factor)[:, None] + factor * order[None, :]).ravel()
    roots = np.concatenate(pieces).astype(np.float32) if pieces else np.zeros(0, np.float32)
    places = np.arange(length)
    if factors:
        places += places // (length // factors[0])
    table = np.array(starts, np.int64).reshape(-1, 2)
    return Plan(length, np.array(factors, np.int64), roots, table, order, 32 * places, 32 * int(places[-1] + 1))


@njit(cache=True, nogil=True, error_model="numpy")
def forward(data: Any, start: int, length: int, factors: Any, roots: Any, starts: Any) -> None:
    """Transform sixteen columns, exp(−2πi…), unnormalised.

    Point j has its real parts at start + places[j], its imaginary parts behind them.
    """
    levels = len(factors)
    if levels == 0:
        return
    block = length // factors[0]
    step = 32 * (block + 1)
    _pass(data, start, block, step, factors[0], roots, starts[0], np.float32(1.0), False)
    for first in range(factors[0]):
        size, level = block, 1
        while level < levels and size > _RESIDENT:
            size //= factors[level]
            for part in range(block // (size * factors[level])):
                place = start + step * first + 32 * size * factors[level] * part
                _pass(data, place, size, 32 * size, factors[level], roots, starts[level], np.float32(1.0), False)
            level += 1
        for outer in range(block // size):
            small = size
            for inner in range(level, levels):
                small //= factors[inner]
                for part in range(size // (small * factors[inner])):
                    place = start + step * first + 32 * (size * outer + small * factors[inner] * part)
                    _pass(
                        data, place, small, 32 * small, factors[inner], roots, starts[inner], np.float32(1.0), False
                    )


@njit(cache=True, nogil=True, error_model="numpy")
def backward(data: Any, start: int, length: int, factors: Any, roots: Any, starts: Any) -> None:
    """Undo ``forward`` but for a factor ``length``: from its order of frequencies back to points."""
    levels = len(factors)
    if levels == 0:
        return
    block = length // factors[0]
    step = 32 * (block + 1)
    for first in range(factors[0]):
        size, level = block, 1
        while level < levels and size > _RESIDENT:
            size //= factors[level]
            level += 1
        for outer in range(block // size):
            small = 1
            for inner in range(levels - 1, level - 1, -1):
                for part in range(size // (small * factors[inner])):
                    place = start + step * first + 32 * (size * outer + small * factors[inner] * part)
                    _pass(
                        data, place, small, 32 * small, factors[inner], roots, starts[inner], np.float32(-1.0), True
                    )
                small *= factors[inner]
        while level > 1:
            level -= 1
            for part in range(block // (size * factors[level])):
                place = start + step * first + 32 * size * factors[level] * part
                _pass(data, place, size, 32 * size, factors[level], roots, starts[level], np.float32(-1.0), True)
            size *= factors[level]
    _pass(data, start, block, step, factors[0], roots, starts[0], np.float32(-1.0), True)


@njit(cache=True, nogil=True, error_model="numpy")
def _pass(
    data: Any, start: int, count: int, step: int, factor: int, roots: Any, begin: Any, sign: Any, before: bool
) -> None:
    """One level of butterflies over a block; the block's roots multiply before (backward) or behind (forward)."""
    if factor == 8:
        _eights(data, start, count, step, roots, begin[0], sign, before)
    elif factor == 4:
        _fours(data, start, count, step, roots, begin[0], sign, before)
    elif factor == 2:
        _twos(data, start, count, step, roots, begin[0], sign, before)
    elif factor == 5:
        _fives(data, start, count, step, roots, begin[0], sign, before)
    else:
        _others(data, start, count, step, factor, roots, begin, sign, before)


@njit(cache=True, nogil=True, error_model="numpy")
def _get(data: Any, place: int) -> Any:
    return load(data, place), load(data, place + 16)


@njit(cache=True, nogil=True, error_model="numpy")
def _put(data: Any, place: int, real: Any, imaginary: Any) -> None:
    store(data, place, real)
    store(data, place + 16, imaginary)


@njit(cache=True, nogil=True, error_model="numpy")
def _turn(real: Any, imaginary: Any, roots: Any, at: int, sign: Any) -> Any:
    cosine = splat(roots[at])
    sine = splat(sign * roots[at + 1])
    return real * cosine - imaginary * sine, real * sine + imaginary * cosine


@njit(cache=True, nogil=True, error_model="numpy")
def _four(ar: Any, ai: Any, br: Any, bi: Any, cr: Any, ci: Any, dr: Any, di: Any, sign: Any) -> Any:
    pr, pi, mr, mi = ar + cr, ai + ci, ar - cr, ai - ci
    qr, qi, nr, ni = br + dr, bi + di, sign * (bi - di), sign * (dr - br)
    return pr + qr, pi + qi, mr + nr, mi + ni, pr - qr, pi - qi, mr - nr, mi - ni


@njit(cache=True, nogil=True, error_model="numpy")
def _fours(data: Any, start: int, count: int, step: int, roots: Any, first: int, sign: Any, before: bool) -> None:
    signs = splat(sign)
    for p in range(count):
        a = start + 32 * p
        r = first + 6 * p
        ar, ai = _get(data, a)
        br, bi = _get(data, a + step)
        cr, ci = _get(data, a + 2 * step)
        dr, di = _get(data, a + 3 * step)
        if before and count > 1:
            br, bi = _turn(br, bi, roots, r, sign)
            cr, ci = _turn(cr, ci, roots, r + 2, sign)
            dr, di = _turn(dr, di, roots, r + 4, sign)
        ar, ai, br, bi, cr, ci, dr, di = _four(ar, ai, br, bi, cr, ci, dr, di, signs)
        if not before and count > 1:
            br, bi = _turn(br, bi, roots, r, sign)
            cr, ci = _turn(cr, ci, roots, r + 2, sign)
            dr, di = _turn(dr, di, roots, r + 4, sign)
        _put(data, a, ar, ai)
        _put(data, a + step, br, bi)
        _put(data, a + 2 * step, cr, ci)
        _put(data, a + 3 * step, dr, di)


@njit(cache=True, nogil=True, error_model="numpy")
def _eights(data: Any, start: int, count: int, step: int, roots: Any, first: int, sign: Any, before: bool) -> None:
    signs = splat(sign)
    half = splat(np.float32(0.7071067811865476))
    for p in range(count):
        a = start + 32 * p
        r = first + 14 * p
        ar, ai = _get(data, a)
        br, bi = _get(data, a + step)
        cr, ci = _get(data, a + 2 * step)
        dr, di = _get(data, a + 3 * step)
        er, ei = _get(data, a + 4 * step)
        fr, fi = _get(data, a + 5 * step)
        gr, gi = _get(data, a + 6 * step)
        hr, hi = _get(data, a + 7 * step)
        if before and count > 1:
            br, bi = _turn(br, bi, roots, r, sign)
            cr, ci = _turn(cr, ci, roots, r + 2, sign)
            dr, di = _turn(dr, di, roots, r + 4, sign)
            er, ei = _turn(er, ei, roots, r + 6, sign)
            fr, fi = _turn(fr, fi, roots, r + 8, sign)
            gr, gi = _turn(gr, gi, roots, r + 10, sign)
            hr, hi = _turn(hr, hi, roots, r + 12, sign)
        ar, ai, cr, ci, er, ei, gr, gi = _four(ar, ai, cr, ci, er, ei, gr, gi, signs)
        br, bi, dr, di, fr, fi, hr, hi = _four(br, bi, dr, di, fr, fi, hr, hi, signs)
        # the odd half times exp(∓iπk/4)
        dr, di = half * (dr + signs * di), half * (di - signs * dr)
        fr, fi = signs * fi, splat(np.float32(0.0)) - signs * fr
        hr, hi = half * (signs * hi - hr), splat(np.float32(0.0)) - half * (signs * hr + hi)
        ar, ai, br, bi = ar + br, ai + bi, ar - br, ai - bi
        cr, ci, dr, di = cr + dr, ci + di, cr - dr, ci - di
        er, ei, fr, fi = er + fr, ei + fi, er - fr, ei - fi
        gr, gi, hr, hi = gr + hr, gi + hi, gr - hr, gi - hi
        if not before and count > 1:
            cr, ci = _turn(cr, ci, roots, r, sign)
            er, ei = _turn(er, ei, roots, r + 2, sign)
            gr, gi = _turn(gr, gi, roots, r + 4, sign)
            br, bi = _turn(br, bi, roots, r + 6, sign)
            dr, di = _turn(dr, di, roots, r + 8, sign)
            fr, fi = _turn(fr, fi, roots, r + 10, sign)
            hr, hi = _turn(hr, hi, roots, r + 12, sign)
        _put(data, a, ar, ai)
        _put(data, a + step, cr, ci)
        _put(data, a + 2 * step, er, ei)
        _put(data, a + 3 * step, gr, gi)
        _put(data, a + 4 * step, br, bi)
        _put(data, a + 5 * step, dr, di)
        _put(data, a + 6 * step, fr, fi)
        _put(data, a + 7 * step, hr, hi)


@njit(cache=True, nogil=True, error_model="numpy")
def _twos(data: Any, start: int, count: int, step: int, roots: Any, first: int, sign: Any, before: bool) -> None:
    for p in range(count):
        a = start + 32 * p
        ar, ai = _get(data, a)
        br, bi = _get(data, a + step)
        if before and count > 1:
            br, bi = _turn(br, bi, roots, first + 2 * p, sign)
        ar, ai, br, bi = ar + br, ai + bi, ar - br, ai - bi
        if not before and count > 1:
            br, bi = _turn(br, bi, roots, first + 2 * p, sign)
        _put(data, a, ar, ai)
        _put(data, a + step, br, bi)


@njit(cache=True, nogil=True, error_model="numpy")
def _fives(data: Any, start: int, count: int, step: int, roots: Any, first: int, sign: Any, before: bool) -> None:
    c1, c2 = splat(np.float32(0.30901699437494745)), splat(np.float32(-0.8090169943749475))
    s1, s2 = splat(sign * np.float32(0.9510565162951535)), splat(sign * np.float32(0.5877852522924731))
    for p in range(count):
        a = start + 32 * p
        r = first + 8 * p
        ar, ai = _get(data, a)
        br, bi = _get(data, a + step)
        cr, ci = _get(data, a + 2 * step)
        dr, di = _get(data, a + 3 * step)
        er, ei = _get(data, a + 4 * step)
        if before and count > 1:
            br, bi = _turn(br, bi, roots, r, sign)
            cr, ci = _turn(cr, ci, roots, r + 2, sign)
            dr, di = _turn(dr, di, roots, r + 4, sign)
            er, ei = _turn(er, ei, roots, r + 6, sign)
        pr, pi, mr, mi = br + er, bi + ei, br - er, bi - ei
        qr, qi, nr, ni = cr + dr, ci + di, cr - dr, ci - di
        ur, ui = ar + c1 * pr + c2 * qr, ai + c1 * pi + c2 * qi
        vr, vi = ar + c2 * pr + c1 * qr, ai + c2 * pi + c1 * qi
        xr, xi = s1 * mi + s2 * ni, s1 * mr + s2 * nr
        yr, yi = s2 * mi - s1 * ni, s2 * mr - s1 * nr
        ar, ai = ar + pr + qr, ai + pi + qi
        br, bi, er, ei = ur + xr, ui - xi, ur - xr, ui + xi
        cr, ci, dr, di = vr + yr, vi - yi, vr - yr, vi + yi
        if not before and count > 1:
            br, bi = _turn(br, bi, roots, r, sign)
            cr, ci = _turn(cr, ci, roots, r + 2, sign)
            dr, di = _turn(dr, di, roots, r + 4, sign)
            er, ei = _turn(er, ei, roots, r + 6, sign)
        _put(data, a, ar, ai)
        _put(data, a + step, br, bi)
        _put(data, a + 2 * step, cr, ci)
        _put(data, a + 3 * step, dr, di)
        _put(data, a + 4 * step, er, ei)


@njit(cache=True, nogil=True, error_model="numpy")
def _others(
    data: Any, start: int, count: int, step: int, factor: int, roots: Any, begin: Any, sign: Any, before: bool
) -> None:
    """Butterflies of any length, by the definition."""
    points = np.empty(32 * factor, np.float32)
    width = 2 * (factor - 1)
    for p in range(count):
        a = start + 32 * p
        for j in range(factor):
            real, imaginary = _get(data, a + j * step)
            if before and j > 0:
                real, imaginary = _turn(real, imaginary, roots, begin[0] + width * p + 2 * (j - 1), sign)
            _put(points, 32 * j, real, imaginary)
        for k in range(factor):
            real, imaginary = _get(points, 0)
            for j in range(1, factor):
                one, other = _get(points, 32 * j)
                one, other = _turn(one, other, roots, begin[1] + 2 * (k * factor + j), sign)
                real, imaginary = real + one, imaginary + other
            if not before and k > 0:
                real, imaginary = _turn(real, imaginary, roots, begin[0] + width * p + 2 * (k - 1), sign)
            _put(data, a + k * step, real, imaginary)
