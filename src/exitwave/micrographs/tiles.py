"""Lattice fringes in the tiles of a micrograph, where each crystal stands out on its own."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.fft import rfft2
from scipy.ndimage import maximum_filter, median_filter

from exitwave.core.errors import MicrographError
from exitwave.imaging.micrograph import Micrograph
from exitwave.micrographs.clean import fill_missing

__all__ = ["HIGHEST", "LOWEST", "SMALLEST", "tile_peaks", "usable"]

_Array = NDArray[np.float64]
_Peak = tuple[float, _Array, _Array, int]  # strength, frequency, place, pixels averaged

_TILE = SMALLEST = 128  # px: some 3 nm at usual magnifications, so that one crystal fills a tile
_MOST = 16  # tiles in a row
_COARSEST = 8
_SIZE = 2 * _TILE  # spectra are sampled twice as finely as tiles resolve
_ROWS, _COLUMNS = np.fft.fftfreq(_SIZE), np.fft.rfftfreq(_SIZE)
LOWEST, HIGHEST = 5 / _TILE / _COARSEST, 0.45  # cycles per pixel of the image that are looked at
_FALSE_ALARMS = 0.01  # peaks expected in a micrograph without a crystal


def usable(micrograph: Micrograph) -> Micrograph:
    """Return the micrograph without missing pixels, if it is large enough to look for fringes.

    Raises
    ------
    MicrographError
        If it is smaller than 128 px, or half of it is missing.

    Examples
    --------
    >>> usable(Micrograph(np.ones((128, 256)), None)).array.shape
    (128, 256)
    """
    if min(micrograph.array.shape) < _TILE:
        rows, columns = micrograph.array.shape
        raise MicrographError(
            f"{micrograph.name or 'the micrograph'} has {columns} × {rows} px; lattice fringes are looked for in "
            f"images of {_TILE} px or more."
        )
    return fill_missing(micrograph)


def tile_peaks(micrograph: Micrograph) -> NDArray[np.float64]:
    r"""Return the peaks of lattice fringes in overlapping tiles of a micrograph.

    Tiles of 128 px, of the image and of its means over 2, 4 and 8 px, have power spectra whose noise is exponentially
    distributed about what neighbouring frequencies and other tiles have; a peak is above 1.2 times what one image
    in a hundred without a crystal reaches. Of one crystal's peaks in several tiles the strongest is kept.

    Returns
    -------
    peaks
        (n, 2): the frequency, and how finely its tile resolves it, cycles per pixel.

    Raises
    ------
    MicrographError
        As :func:`usable`.

    Examples
    --------
    >>> x = np.arange(256)
    >>> counts = np.random.default_rng(0).poisson(20 + 2 * np.cos(2 * np.pi * 0.12 * x), (256, 256))
    >>> {round(float(frequency), 3) for frequency, _ in tile_peaks(Micrograph(counts, None))}
    {0.12}
    """
    array = usable(micrograph).array.astype(np.float64)
    found: list[_Peak] = []
    factor = 1
    while min(array.shape) >= _TILE and factor <= _COARSEST:
        found += [(s, f / factor, place * factor, factor) for s, f, place in _level(array)]
        rows, columns = (n // 2 * 2 for n in array.shape)
        array = array[:rows, :columns].reshape(rows // 2, 2, columns // 2, 2).mean(axis=(1, 3))
        factor *= 2
    kept: list[_Peak] = []
    for peak in sorted(found, key=lambda one: -one[0]):
        if not any(_same(peak, other) for other in kept):
            kept.append(peak)
    return np.array([(math.hypot(*f), 1 / _TILE / factor) for _, f, _, factor in kept]).reshape(-1, 2)


def _same(peak: _Peak, other: _Peak) -> bool:
    """Return whether two peaks are of one crystal: near in frequency, and in tiles that touch."""
    factor = max(peak[3], other[3])
    apart = min(float(np.linalg.norm(peak[1] - other[1])), float(np.linalg.norm(peak[1] + other[1])))
    return apart < 3 / _TILE / min(peak[3], other[3]) and bool((np.abs(peak[2] - other[2]) <= _TILE * factor).all())


def _level(array: _Array) -> list[tuple[float, _Array, _Array]]:
    """Return the peaks of an image's tiles: strength, frequency (y, x) in cycles per pixel, tile's centre in px."""
    places = [(y, x) for y in _starts(array.shape[0]) for x in _starts(array.shape[1])]
    line = np.hanning(_TILE + 2)[1:-1]
    window = np.outer(line, line)
    power = np.empty((len(places), _SIZE, _SIZE // 2 + 1), np.float32)
    for mine, (y, x) in zip(power, places, strict=True):
        tile = array[y : y + _TILE, x : x + _TILE]
        tile = (tile - (tile * window).sum() / window.sum()) * window
        mine[:] = np.abs(rfft2(tile.astype(np.float32), s=(_SIZE, _SIZE))) ** 2
    frequency = np.hypot(_ROWS[:, None], _COLUMNS)
    half = (frequency > LOWEST * _COARSEST) & (frequency < HIGHEST) & ((_COLUMNS > 0) | (_ROWS[:, None] > 0))
    common = _background(power)
    ring = np.round(frequency[half] * _TILE / 2).astype(int)
    level = 1.2 * math.log(len(places) * half.sum() / 4 / _FALSE_ALARMS)
    peaks = []
    for (y, x), mine in zip(places, power, strict=True):
        inside = mine[half] / common[half]
        if inside.max() < level:
            continue
        for number in np.unique(ring[inside > level]):  # thicker film, or more light, in this tile
            members = ring == number
            inside[members] /= max(1.0, float(np.median(inside[members])) / math.log(2))
        strength = np.zeros(common.shape)
        strength[half] = inside
        widest = maximum_filter(np.concatenate([_twin(strength, 4), strength], axis=1), 9, mode="wrap")[:, 4:]
        for row, column in np.argwhere((strength == widest) & (strength > level)):
            place = np.array([y + _TILE / 2, x + _TILE / 2])
            peaks.append((float(strength[row, column]), _centre(mine, row, column), place))
    return peaks


def _background(power: NDArray[np.float32]) -> _Array:
    """Return what film and camera make: in all tiles alike, and wider than a crystal's peak.

    At the tiles' own resolution, which is half of that of ``power``.
    """
    floor = 1e-9 * float(power.max()) + 1e-30  # so that an image without noise has no peaks among rounding errors
    logs = np.log(np.median(power[:, ::2, ::2], axis=0).astype(np.float64) + floor)
    wide = np.pad(np.concatenate([_twin(logs, 3), logs], axis=1), ((3, 3), (0, 0)), mode="wrap")
    smooth = np.exp(median_filter(wide, 7)[3:-3, 3:]) / math.log(2)
    return np.asarray(smooth.repeat(2, axis=0).repeat(2, axis=1)[:, : power.shape[2]])


def _twin(half: _Array, columns: int) -> _Array:
    """Return the columns of a half spectrum that lie before its first, as the other half has them."""
    return np.roll(half[::-1, columns:0:-1], 1, axis=0)


def _starts(length: int) -> list[int]:
    count = min(_MOST, round((length - _TILE) / (_TILE / 2)) + 1)
    return [round(start) for start in np.linspace(0, length - _TILE, count)]


def _centre(power: NDArray[np.float32], row: int, column: int) -> _Array:
    """Return the frequency (y, x) of a peak: the centre of its power."""
    steps = np.arange(-2, 3)
    rows, columns = np.meshgrid(row + steps, column + steps, indexing="ij")
    turned = columns < 0
    block = power[np.where(turned, -rows, rows) % _SIZE, np.minimum(np.abs(columns), power.shape[1] - 1)]
    offsets = np.array([block.sum(axis=1) @ steps, block.sum(axis=0) @ steps]) / block.sum()
    return np.asarray(np.array([_ROWS[row], _COLUMNS[column]]) + offsets / _SIZE)
