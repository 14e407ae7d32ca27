"""Poisson counts: an exact sampler that is several times faster than the usual ones on a CPU."""

from __future__ import annotations

import math
from functools import lru_cache

import numba
import numpy as np
import torch
from numpy.typing import NDArray

from exitwave.core import OpticsError, Stream

__all__ = ["poisson"]

_TABLED = 128.0  # means below this are tabled, larger ones are sums of tabled ones
_REJECTED = 512.0  # means from here on are drawn by rejection
_STEP = 0.5  # spacing of the tabled means
_GUIDE = 256  # starting points per table


def poisson(mean: torch.Tensor, stream: Stream) -> torch.Tensor:
    r"""Return Poisson counts of given mean, decided by ``stream`` alone.

    Sums of independent Poisson numbers are Poisson. On a CPU a mean :math:`\lambda < 512` is therefore split as
    :math:`\lambda = \sum_j \lambda_j + \delta` with :math:`\lambda_j < 128` on a grid of step ½: each
    :math:`\lambda_j` is one inversion of a tabled distribution (guide table), and :math:`\delta < ½` a sequential
    search. Larger means are drawn by transformed rejection (Hörmann's PTRS). All are exact to the 53 bits of the
    uniform numbers, and every pixel has its own counter-based ones (SplitMix64), so the order of the work does not
    matter. On other devices ``torch.poisson`` is used with a generator seeded by the stream.

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
    W. Hörmann, Insurance: Mathematics and Economics 12, 39 (1993).

    Examples
    --------
    >>> import torch
    >>> from exitwave.core import Stream
    >>> counts = poisson(torch.full((256, 256), 16.0), Stream(1))
    >>> abs(float(counts.mean()) - 16) < 0.1
    True
    """
    if not bool(torch.isfinite(mean).all()):
        raise OpticsError("an expected count is not finite; look for NaN in the wave or in the dose.")
    if mean.device.type != "cpu":
        generator = torch.Generator(device=mean.device).manual_seed(stream.integer())
        return torch.poisson(mean.detach().clamp(min=0), generator=generator)
    flat = np.ascontiguousarray(mean.detach().numpy()).reshape(-1)
    counts = np.empty(flat.shape, dtype=np.float32)
    _fill(flat, np.uint64(stream.key(8)), *_tables(), counts)
    return torch.from_numpy(counts).reshape(mean.shape)


@lru_cache(maxsize=1)
def _tables() -> tuple[NDArray[np.float64], NDArray[np.uint16]]:
    """Return the distribution functions (levels, counts) and where in them to start for a given leading byte."""
    from scipy.stats import poisson as distribution

    means = np.arange(0, _TABLED, _STEP)
    counts = np.arange(int(_TABLED + 12 * math.sqrt(_TABLED)) + 20)
    cdf = distribution.cdf(counts[None, :], means[:, None])
    cdf[:, -1] = 1.0
    starts = np.arange(_GUIDE) / _GUIDE
    guide = np.stack([np.searchsorted(row, starts, side="right") for row in cdf]).astype(np.uint16)
    return np.ascontiguousarray(cdf), np.ascontiguousarray(guide)


@numba.njit(inline="always")
def _mix(x):  # type: ignore[no-untyped-def]
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@numba.njit(inline="always")
def _unit(x):  # type: ignore[no-untyped-def]
    return np.float64(x >> np.uint64(11)) * 2.0**-53


@numba.njit(nogil=True, cache=True)
def _rejection(mean, state):  # type: ignore[no-untyped-def]
    gamma = np.uint64(0x9E3779B97F4A7C15)
    b = 0.931 + 2.53 * math.sqrt(mean)
    a = -0.059 + 0.02483 * b
    log_alpha = math.log(1.1239 + 1.1328 / (b - 3.4))
    quick = 0.9277 - 3.6224 / (b - 2.0)
    while True:
        state += gamma
        u = _unit(_mix(state)) - 0.5
        state += gamma
        v = _unit(_mix(state)) + 2.0**-54
        us = 0.5 - abs(u) + 2.0**-60
        k = math.floor((2.0 * a / us + b) * u + mean + 0.43)
        if us >= 0.07 and v <= quick:
            return k
        if k < 0.0 or (us < 0.013 and v > us):
            continue
        if math.log(v) + log_alpha - math.log(a / (us * us) + b) <= -mean + k * math.log(mean) - math.lgamma(k + 1.0):
            return k


@numba.njit(nogil=True, cache=True)
def _fill(means, key, cdf, guide, counts):  # type: ignore[no-untyped-def]
    gamma = np.uint64(0x9E3779B97F4A7C15)
    first = _mix(key + gamma)
    second = _mix(first + gamma)
    for i in range(means.size):
        mean = np.float64(means[i])
        state = np.uint64(i) * gamma
        u = _unit(_mix(second + state))
        if mean >= _REJECTED:
            counts[i] = _rejection(mean, _mix(first + state))
            continue
        count = 0
        bits = _mix(first + state)
        while mean >= _STEP:
            level = min(int(mean / _STEP), cdf.shape[0] - 1)
            mean -= level * _STEP
            v = _unit(bits)
            k = int(guide[level, bits >> np.uint64(56)])
            while cdf[level, k] <= v:
                k += 1
            count += k
            bits = _mix(bits + gamma)
        if u >= 1.0 - mean:  # exp(-mean) >= 1 - mean, so below it the rest counts zero
            term = math.exp(-mean)
            total = term
            k = 0
            while u >= total and term > 1e-18:
                k += 1
                term *= mean / k
                total += term
            count += k
        counts[i] = count
