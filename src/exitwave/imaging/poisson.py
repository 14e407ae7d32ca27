"""Poisson counts: an exact sampler that is many times faster than the usual ones on a CPU."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numba
import numpy as np
import torch
from numpy.typing import NDArray

from exitwave.core import OpticsError, Stream

__all__ = ["mix", "poisson", "unit"]

# tables of means: each holds the multiples of its step below its end, and what is left over goes to the finer one
_ENDS = (32.0, 512.0, 65536.0)
_STEPS = (0.125, 16.0, 256.0)
_BINS = (7, 9, 12)  # logarithms to base 2
_CHUNK = 1024
_UNFIT = "an expected count is not finite; look for NaN in the wave or in the dose."


def poisson(mean: torch.Tensor, stream: Stream) -> torch.Tensor:
    r"""Return Poisson counts of given mean, decided by ``stream`` alone.

    Sums of independent Poisson numbers are Poisson. On a CPU a mean :math:`\lambda < 65536` is therefore split as
    :math:`\lambda = \sum_j \lambda_j + \delta` with at most one :math:`\lambda_j` on each of three grids (steps of
    256, 16 and 1/8): each is one look into an alias table of its distribution, and :math:`\delta < 1/8` a sequential
    search that mostly ends at once. Larger means are drawn by transformed rejection (Hörmann's PTRS). All are exact
    but for rounding, that of the tables to 32 bits (1e-12 in a probability) and of the other uniform numbers to 53.
    Every pixel has its own counter-based random words (SplitMix64), so the order of the work does not matter. On
    other devices ``torch.poisson`` is used with a generator seeded by the stream.

    Parameters
    ----------
    mean
        Expected counts, of any shape; below zero (ringing of a filter) counts as zero.
    stream
        Decides the counts.

    Returns
    -------
    counts
        Whole numbers as float32 (exact up to 2**24), same shape and device.

    Raises
    ------
    OpticsError
        If a mean is not a finite number.

    References
    ----------
    A. J. Walker, ACM Transactions on Mathematical Software 3, 253 (1977); W. Hörmann, Insurance: Mathematics and
    Economics 12, 39 (1993).

    Examples
    --------
    >>> import torch
    >>> from exitwave.core import Stream
    >>> counts = poisson(torch.full((256, 256), 16.0), Stream(1))
    >>> abs(float(counts.mean()) - 16) < 0.1
    True
    """
    if mean.device.type != "cpu":
        if not bool(torch.isfinite(mean).all()):
            raise OpticsError(_UNFIT)
        generator = torch.Generator(device=mean.device).manual_seed(stream.integer())
        return torch.poisson(mean.detach().clamp(min=0), generator=generator)
    flat = np.ascontiguousarray(mean.detach().numpy(), dtype=np.float32).reshape(-1)
    counts = np.empty(flat.shape, dtype=np.float32)
    largest = _largest(flat, flat.view(np.uint32))
    if largest == np.inf:
        raise OpticsError(_UNFIT)
    middle = _table(1) if largest >= _ENDS[0] else _nothing()
    high = _table(2) if largest >= _ENDS[1] else _nothing()
    _fill(flat, np.uint64(stream.key(8)), *_table(0), *middle, *high, counts)
    return torch.from_numpy(counts).reshape(mean.shape)


_Table = tuple[NDArray[np.uint64], NDArray[np.float32]]


@cache
def _table(which: int) -> _Table:
    """Return thresholds above aliases, a word each (means × bins,), and least counts (means,) of a grid of means."""
    from scipy.special import gammaln

    step, bins = _STEPS[which], 2 ** _BINS[which]
    means = np.arange(0, _ENDS[which], step)
    first = np.maximum(np.floor(means - bins / 2), 0.0)
    counts = first[:, None] + np.arange(bins)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = counts * np.log(means)[:, None] - means[:, None] - gammaln(counts + 1)
    logs[0] = np.where(counts[0] == 0, 0.0, -np.inf)
    share = np.exp(logs)
    share *= bins / share.sum(axis=1, keepdims=True)
    table = np.ones((*share.shape, 2))
    _alias(share, table)
    thresholds = np.minimum(np.round(table[..., 0] * 2.0**32), 2**32 - 1).astype(np.uint64)
    return (thresholds << np.uint64(32) | table[..., 1].astype(np.uint64)).ravel(), first.astype(np.float32)


@cache
def _nothing() -> _Table:
    return np.zeros(1, np.uint64), np.zeros(1, np.float32)


@numba.njit(cache=True)
def _alias(share: Any, table: Any) -> None:
    """Fill alias tables of distributions (rows) whose mean share is one, by Vose's method."""
    rows, bins = share.shape
    small, large = np.empty(bins, np.int64), np.empty(bins, np.int64)
    for row in range(rows):
        few = many = 0
        for i in range(bins):
            table[row, i, 1] = i
            if share[row, i] < 1.0:
                small[few] = i
                few += 1
            else:
                large[many] = i
                many += 1
        while few > 0 and many > 0:
            few -= 1
            poor, rich = small[few], large[many - 1]
            table[row, poor, 0] = share[row, poor]
            table[row, poor, 1] = rich
            share[row, rich] -= 1.0 - share[row, poor]
            if share[row, rich] < 1.0:
                many -= 1
                small[few] = rich
                few += 1


@numba.njit(inline="always")
def mix(x: Any) -> Any:
    """Return a random word of a counter (SplitMix64)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@numba.njit(inline="always")
def unit(x: Any) -> Any:
    """Return a number from 0 to 1 of a random word."""
    return np.float64(x >> np.uint64(11)) * 2.0**-53


@numba.njit(nogil=True, cache=True)
def _rejection(mean: Any, state: Any) -> Any:
    gamma = np.uint64(0x9E3779B97F4A7C15)
    b = 0.931 + 2.53 * math.sqrt(mean)
    a = -0.059 + 0.02483 * b
    quick = 0.9277 - 3.6224 / (b - 2.0)
    while True:
        state += gamma
        u = unit(mix(state)) - 0.5
        state += gamma
        v = unit(mix(state)) + 2.0**-54
        us = 0.5 - abs(u) + 2.0**-60
        k = math.floor((2.0 * a / us + b) * u + mean + 0.43)
        if us >= 0.07 and v <= quick:
            return k
        if k < 1000.0 or (us < 0.013 and v > us):  # means are 65536 and more: 250 standard deviations below
            continue
        ratio = v * (1.1239 + 1.1328 / (b - 3.4)) / (a / (us * us) + b) * math.sqrt(2 * math.pi * k)
        if math.log(ratio) <= k * math.log(mean / k) + (k - mean) - 1.0 / (12.0 * k):  # Stirling's series for k!
            return k


@numba.njit(nogil=True, cache=True)
def _largest(means: Any, bits: Any) -> Any:
    """Return the largest mean, infinity if any is not finite."""
    exponent = np.uint32(0x7F800000)
    for start in range(0, means.size, _CHUNK):
        unfit = np.uint32(0)
        for i in range(start, min(start + _CHUNK, means.size)):
            unfit |= np.uint32((bits[i] & exponent) == exponent)
        if unfit:
            return np.inf
    largest = 0.0
    for mean in means:
        largest = max(largest, np.float64(mean))
    return largest


@numba.njit(inline="always")
def _look(bits: Any, level: Any, log_bins: Any, table: Any, first: Any) -> Any:
    """Return a count of one level from one random word, without a branch; its lowest 20 bits have no say."""
    place = bits >> np.uint64(64 - log_bins)
    entry = table[(np.uint64(level) << np.uint64(log_bins)) | place]
    inside = (bits >> np.uint64(32 - log_bins)) & np.uint64(0xFFFFFFFF) < entry >> np.uint64(32)
    return first[level] + np.float32(np.int64(place if inside else entry & np.uint64(0xFFFFFFFF)))


@numba.njit(nogil=True, cache=True, error_model="numpy", fastmath={"nnan", "ninf", "nsz", "contract"})
def _fill(
    means: Any, key: Any, table0: Any, first0: Any, table1: Any, first1: Any, table2: Any, first2: Any, counts: Any
) -> None:
    gamma = np.uint64(0x9E3779B97F4A7C15)
    word0 = mix(key + gamma)
    word1 = mix(word0 + gamma)
    word2 = mix(word1 + gamma)
    word3 = mix(word2 + gamma)
    words = np.empty(_CHUNK, np.uint64)
    left = np.empty(_CHUNK, np.float32)
    level = np.empty(_CHUNK, np.int32)
    hits = np.empty(_CHUNK, np.int32)
    for start in range(0, means.size, _CHUNK):
        size = min(_CHUNK, means.size - start)
        largest = 0.0
        for i in range(size):
            left[i] = max(means[start + i], np.float32(0.0))
            largest = max(largest, np.float64(left[i]))
            counts[start + i] = 0.0
        if largest >= 65536.0:
            for i in range(size):
                if left[i] >= 65536.0:
                    state = mix(word0 + np.uint64(start + i) * gamma)
                    counts[start + i] = _rejection(np.float64(left[i]), state)
                    left[i] = 0.0
        if largest >= 512.0:
            for i in range(size):
                words[i] = mix(word2 + np.uint64(start + i) * gamma)
            for i in range(size):
                if left[i] >= 512.0:
                    step = np.int32(left[i] * np.float32(1 / 256.0))
                    left[i] -= np.float32(step) * np.float32(256.0)
                    counts[start + i] += _look(words[i], step, 12, table2, first2)
        if largest >= 32.0:
            for i in range(size):
                words[i] = mix(word1 + np.uint64(start + i) * gamma)
            for i in range(size):
                step = np.int32(left[i] * np.float32(1 / 16.0)) if left[i] >= 32.0 else np.int32(0)
                left[i] -= np.float32(step) * np.float32(16.0)
                counts[start + i] += _look(words[i], step, 9, table1, first1)
        for i in range(size):
            words[i] = mix(word0 + np.uint64(start + i) * gamma)
        for i in range(size):
            step = np.int32(left[i] * np.float32(8.0))
            level[i] = step
            left[i] -= np.float32(step) * np.float32(0.125)
        for i in range(size):
            counts[start + i] += _look(words[i], level[i], 7, table0, first0)
        # the lowest 25 bits decide what is left; exp(-mean) >= 1 - mean, so few have a count at all
        found = 0
        for i in range(size):
            hits[found] = i
            low = np.float32(np.int32(words[i] & np.uint64(0x1FFFFFF)))
            found += low >= (np.float32(1.0) - left[i]) * np.float32(2.0**25) - np.float32(4.0)
        for j in range(found):
            i = hits[j]
            part = np.float64(words[i] & np.uint64(0x1FFFFFF))
            u = (part + unit(mix(word3 + np.uint64(start + i) * gamma))) * 2.0**-25
            rest = np.float64(left[i])
            term = np.float64(1.0)
            for k in range(9, 0, -1):  # exp(-rest) to 1e-15
                term = 1.0 - rest * (1.0 / k) * term
            total = term
            k = 0
            while u >= total and term > 1e-18:
                k += 1
                term *= rest / k
                total += term
            counts[start + i] += np.float32(k)
