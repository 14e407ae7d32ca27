"""What film, camera and drawing leave in the power spectra of tiles, under the peaks of crystals."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import center_of_mass, label, maximum_filter, median_filter, minimum_filter, percentile_filter

__all__ = ["background", "twin"]

_Array = NDArray[np.float64]

_STEEP = math.log(4)  # fall of the background within four frequencies of a tile beyond which no peak is believed
_FEW = 9  # tiles that one crystal may fill, so that the median of all is not the background
_OUTSTANDING = math.log(12)  # over its ring's middle, of a peak that all of few tiles share
_SMALL, _SPOTS = 60, 12  # frequencies that such a peak covers, and how many there may be
_EVEN = math.log(4)  # what is about it is its ring's middle up to this
_AROUND = np.hypot(*np.mgrid[-4:5, -4:5]) > 3.4


def background(power: NDArray[np.float32]) -> tuple[_Array, NDArray[np.bool_]]:
    """Return what film and camera make, in all tiles alike and wider than a crystal's peak, and where it is steep.

    At the tiles' own resolution, which is half of that of ``power``: its mean over rings, times the median of what
    is left about each frequency. Where the spectrum of an enlarged picture ends, it falls too fast to be known.

    Parameters
    ----------
    power
        (tiles, y, x ≥ 0) with an even number of rows, sampled twice as finely as tiles resolve.

    Examples
    --------
    >>> noise = np.random.default_rng(0).exponential(size=(9, 64, 33)).astype(np.float32)
    >>> level, steep = background(noise)
    >>> bool(abs(np.median(level) - 1) < 0.1), bool(steep.any())
    (True, False)
    """
    floor = 1e-9 * float(power.max()) + 1e-30  # so that an image without noise has no peaks among rounding errors
    logs = np.log(np.median(power[:, ::2, ::2], axis=0).astype(np.float64) + floor)
    size = len(logs)
    frequency = size * np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size))
    ring = np.round(frequency).astype(int)
    means = np.array([np.median(logs[ring == number]) for number in range(int(ring.max()) + 1)])
    slope = np.interp(frequency, np.arange(len(means)), means)
    rest = logs - slope
    if len(power) <= _FEW:
        level = np.abs(np.convolve(means, [1, 0, 0, 0, 0, 0, -1], "same")) < _EVEN
        rest = np.where(level[ring], _without_peaks(rest), rest)
    smooth = slope + median_filter(_around(rest, 3), 7)[3:-3, 3:]
    around = _around(smooth, 3)
    steep = (maximum_filter(around, 5) - minimum_filter(around, 5))[3:-3, 3:] > _STEEP
    return np.exp(_finer(smooth)) / math.log(2), _finer(steep) > 0


def twin(half: _Array, columns: int) -> _Array:
    """Return the columns of a half spectrum that lie before its first, as the other half has them.

    Examples
    --------
    >>> twin(np.array([[0.0, 1.0], [2.0, 3.0]]), 1)
    array([[1.],
           [3.]])
    """
    return np.roll(half[::-1, columns:0:-1], 1, axis=0)


def _around(half: _Array, more: int) -> _Array:
    """Return a half spectrum with so many rows and columns before and rows behind, as the whole has them."""
    return np.pad(np.concatenate([twin(half, more), half], axis=1), ((more, more), (0, 0)), mode="wrap")


def _without_peaks(rest: _Array) -> _Array:
    """Return logarithms over a ring's middle, zero about peaks that all of few tiles share: they are no background.

    Such are few and small islands in what their rings have elsewhere, too; others are drawn into the picture.
    """
    regions, count = label(rest > _OUTSTANDING, np.ones((3, 3)))
    if not count:
        return rest
    low, high = (percentile_filter(_around(rest, 4), part, footprint=_AROUND)[4:-4, 4:] for part in (20, 80))
    rows, columns = np.transpose(np.round(center_of_mass(regions > 0, regions, np.arange(1, count + 1))).astype(int))
    peaks = np.bincount(regions.ravel())[1:] <= _SMALL
    peaks &= (low[rows, columns] > -_EVEN) & (high[rows, columns] < _EVEN)
    if peaks.sum() > _SPOTS:
        return rest
    return np.where(maximum_filter(np.append(False, peaks)[regions], 5), 0.0, rest)


def _finer(half: NDArray[np.generic]) -> _Array:
    """Return a half spectrum at twice the resolution, interpolated linearly."""
    rows = np.empty((2 * len(half), half.shape[1]))
    rows[::2], rows[1::2] = half, (half + np.roll(half, -1, axis=0).astype(float)) / 2
    fine = np.empty((len(rows), 2 * half.shape[1] - 1))
    fine[:, ::2], fine[:, 1::2] = rows, (rows[:, :-1] + rows[:, 1:]) / 2
    return fine
