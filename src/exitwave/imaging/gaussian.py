"""Normally distributed numbers, several times faster than the usual ones on a CPU."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numba
import numpy as np
import torch

from exitwave.core import Stream
from exitwave.imaging.poisson import mix, unit

__all__ = ["normal"]

_CHUNK = 1024


def normal(shape: Sequence[int], stream: Stream, device: torch.device | str = "cpu") -> torch.Tensor:
    """Return independent numbers of mean zero and variance one, decided by ``stream`` alone, float32.

    On a CPU they are quantiles of uniform random words, one for every pixel (SplitMix64), by rational functions that
    are exact to seven digits; on other devices ``torch.randn`` with a generator seeded by the stream.

    Parameters
    ----------
    shape
        Of the result.
    stream
        Decides the numbers.
    device
        Where they are made.

    References
    ----------
    M. J. Wichura, Algorithm AS 241, Applied Statistics 37, 477 (1988).

    Examples
    --------
    >>> numbers = normal((256, 256), Stream(1))
    >>> abs(float(numbers.mean())) < 0.02, abs(float(numbers.std()) - 1) < 0.02
    (True, True)
    """
    if torch.device(device).type != "cpu":
        generator = torch.Generator(device=device).manual_seed(stream.integer())
        return torch.randn(tuple(shape), generator=generator, device=device)
    result = np.empty(tuple(shape), np.float32)
    _fill(np.uint64(stream.key(8)), result.reshape(-1))
    return torch.from_numpy(result)


@numba.njit(nogil=True, cache=True, error_model="numpy", fastmath={"nnan", "ninf", "nsz", "contract"})
def _fill(key: Any, result: Any) -> None:
    gamma = np.uint64(0x9E3779B97F4A7C15)
    first = mix(key + gamma)
    words = np.empty(_CHUNK, np.uint64)
    tails = np.empty(_CHUNK, np.int32)
    f, edge = np.float32, np.int32(0.425 * 2**24)
    for start in range(0, result.size, _CHUNK):
        size = min(_CHUNK, result.size - start)
        for i in range(size):
            words[i] = mix(first + np.uint64(start + i) * gamma)
        for i in range(size):
            q = f(np.int32(words[i] >> np.uint64(40)) - np.int32(2**23)) * f(2.0**-24) + f(2.0**-25)
            z = f(0.180625) - q * q
            above: Any = f(3.3871327179) + z * (f(50.434271938) + z * (f(159.29113202) + z * f(59.109374720)))
            below: Any = f(1.0) + z * (f(17.895169469) + z * (f(78.757757664) + z * f(67.187563600)))
            result[start + i] = q * above / below
        found: Any = 0
        for i in range(size):
            tails[found] = i
            found += abs(np.int32(words[i] >> np.uint64(40)) - np.int32(2**23)) >= edge
        for j in range(found):
            i = tails[j]
            p = unit(words[i]) + 2.0**-54
            r = math.sqrt(-math.log(min(p, 1.0 - p)))
            if r <= 5.0:
                r -= 1.6
                above = 1.4234372777 + r * (2.7568153900 + r * (1.3067284816 + r * 0.17023821103))
                below = 1.0 + r * (0.73700164250 + r * 0.12021132975)
            else:
                r -= 5.0
                above = 6.6579051150 + r * (3.0812263860 + r * (0.42868294337 + r * 0.017337203997))
                below = 1.0 + r * (0.24197894225 + r * 0.012258202635)
            result[start + i] = f(above / below) if p > 0.5 else f(-above / below)
