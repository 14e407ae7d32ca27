"""Lattice fringes in the tiles of a micrograph, where each crystal stands out on its own."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.fft import rfft2
from scipy.ndimage import correlate1d, maximum_filter, median
from scipy.signal import firwin
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from exitwave.core.errors import MicrographError
from exitwave.imaging.micrograph import Micrograph, checked_micrograph
from exitwave.micrographs.clean import fill_missing
from exitwave.micrographs.tile_background import background, twin

__all__ = ["SMALLEST", "tile_peaks", "usable"]

_Array = NDArray[np.float64]

_TILE = SMALLEST = 128  # px: some 3 nm at usual magnifications, so that one crystal fills a tile
_MOST = 32  # tiles in a row and in a column: beyond 2000 px they overlap less, beyond 4000 not
_SIZE = 2 * _TILE  # spectra are sampled twice as finely as tiles resolve
_ROWS, _COLUMNS = np.fft.fftfreq(_SIZE), np.fft.rfftfreq(_SIZE)
_FREQUENCY = np.hypot(_ROWS[:, None], _COLUMNS)
_LOWEST, _HIGHEST = 7 / _TILE, 0.45  # cycles per pixel that are looked at; of coarser levels, per pixel of these
_HALF = (_FREQUENCY > _LOWEST) & (_FREQUENCY < _HIGHEST) & ((_COLUMNS > 0) | (_ROWS[:, None] > 0))
_RING = np.round(_FREQUENCY * _TILE / 2).astype(int)
_BLUR = firwin(15, 0.5)  # before every second pixel is taken: what would fold below a quarter of a cycle is gone
_HIGHEST_COARSE = 0.25  # beyond, the level before has looked
_FALSE_ALARMS = 0.01  # peaks expected in a micrograph without a crystal
_MARGIN = 1.2  # as the background is not known exactly
_EMPTY = 10**-3.5  # of the greatest background: less than noise leaves, so that interpolation made it
_STREAK = 2.0  # power along a line through the origin, over the background, that an edge makes and no crystal
_BRIGHT = 4.0  # power of a tile over that of others that film and light may make
_SAME = 0.75 / _TILE  # frequencies of one crystal's peak differ by no more from tile to tile
_NEAR, _SIDE = 1.5 / _TILE, 3 / _TILE  # how far a peak hides others, and others a twentieth as strong: its own sides


class _Peak(NamedTuple):
    strength: float
    frequency: _Array  # (y, x), cycles per pixel of the image
    place: _Array  # (y, x) of the tile's centre, px
    factor: int  # pixels per pixel of its level


def usable(micrograph: Micrograph) -> Micrograph:
    """Return the micrograph, if it is large and whole enough to look for fringes.

    Raises
    ------
    MicrographError
        If it is no :class:`~exitwave.Micrograph`, smaller than 128 px, or half of it is missing.

    Examples
    --------
    >>> usable(Micrograph(np.ones((128, 256)), None)).array.shape
    (128, 256)
    """
    if min(checked_micrograph(micrograph).array.shape) < _TILE:
        rows, columns = micrograph.array.shape
        raise MicrographError(
            f"{micrograph.name or 'the micrograph'} has {columns} × {rows} px; lattice fringes are looked for in "
            f"images of {_TILE} px or more."
        )
    fill_missing(micrograph)
    return micrograph


def tile_peaks(micrograph: Micrograph) -> NDArray[np.float64]:
    r"""Return the peaks of lattice fringes in the tiles of a micrograph.

    Tiles of 128 px, of the image and of it 2, 4 and 8 times as coarse, overlap by half (of large images 32 in a row).
    The noise of their power spectra is exponentially distributed about what neighbouring frequencies and other tiles
    have; a peak is above 1.2 times what one image in a hundred without a crystal reaches. Left out are tiles with
    missing pixels; frequencies where an enlarged picture ends, and beyond; and peaks on streaks through the origin,
    which edges of scale bars, letters and borders make. Peaks of one frequency in tiles that touch count as one.

    Returns
    -------
    peaks
        (n, 4): the frequency, how finely its tile resolves it, and the lowest and the highest frequency that was
        looked at in this micrograph, cycles per pixel.

    Raises
    ------
    MicrographError
        As :func:`usable`.

    Examples
    --------
    >>> x = np.arange(256)
    >>> counts = np.random.default_rng(0).poisson(20 + 2 * np.cos(2 * np.pi * 0.12 * x), (256, 256))
    >>> tile_peaks(Micrograph(counts, None))[:, 0].round(2)
    array([0.12])
    """
    gaps = ~np.isfinite(usable(micrograph).array)
    array = fill_missing(micrograph).array.astype(np.float64)
    if array.std() <= 1e-6 * np.abs(array).max():
        return np.empty((0, 4))  # a blank one, but for rounding
    levels = [factor for factor in (1, 2, 4, 8) if min(array.shape) >= factor * _TILE]
    found: list[_Peak] = []
    lowest = _HIGHEST
    for factor in levels:
        if factor > 1:
            array = correlate1d(correlate1d(array, _BLUR, axis=0), _BLUR, axis=1)[::2, ::2].copy()
            gaps = np.asarray(maximum_filter(gaps, len(_BLUR))[::2, ::2])
        half = _HALF if factor == 1 else _HALF & (_FREQUENCY < _HIGHEST_COARSE)
        looked, peaks = _level(array, gaps, half, _FALSE_ALARMS / len(levels))
        lowest = min(lowest, looked / factor)
        found += [_Peak(peak.strength, peak.frequency / factor, peak.place * factor, factor) for peak in peaks]
    rows = [(math.hypot(*peak.frequency), 1 / _TILE / peak.factor, lowest, _HIGHEST) for peak in _apart(found)]
    return np.array(rows).reshape(-1, 4)


def _apart(peaks: list[_Peak]) -> list[_Peak]:
    """Return one peak per crystal and plane: the strongest of those of one frequency in tiles that touch.

    A crystal may reach over many tiles, all of one frequency; peaks that are merely near hide behind the strongest,
    but hide none themselves, so that neighbours of many orientations do not become one.
    """
    if not peaks:
        return []
    columns = zip(*peaks, strict=True)
    strengths, frequencies, places, factors = (np.array(column) for column in columns)
    groups = _groups(frequencies, places, factors)
    kept: list[int] = []
    shown = np.zeros(len(peaks), bool)  # peaks of the groups that are kept
    for index in np.argsort(-strengths, kind="stable"):
        mine = groups == groups[index]
        if shown[index] or strengths[mine].max() > strengths[index]:
            continue
        apart, touch = _relation(index, shown, frequencies, places, factors)
        weak = strengths[index] < strengths[shown] / 20
        if not ((apart < np.where(weak, _SIDE, _NEAR)) & touch).any():
            kept.append(int(index))
            shown |= mine
    return [peaks[index] for index in sorted(kept)]


def _groups(frequencies: _Array, places: _Array, factors: NDArray[np.int_]) -> NDArray[np.int_]:
    """Return the number of the group that each peak belongs to: those of one frequency, from tile to tile."""
    first, second = [], []
    for index in range(len(factors)):
        later = np.arange(len(factors)) > index
        apart, touch = _relation(index, later, frequencies, places, factors)
        same = np.nonzero(later)[0][(apart < _SAME) & touch]
        first += [index] * len(same)
        second += same.tolist()
    links = coo_array((np.ones(len(first)), (first, second)), shape=(len(factors), len(factors)))
    return np.asarray(connected_components(links, directed=False)[1])


def _relation(
    index: int, others: NDArray[np.bool_], frequencies: _Array, places: _Array, factors: NDArray[np.int_]
) -> tuple[_Array, NDArray[np.bool_]]:
    """Return how far others' frequencies are from a peak's, per pixel of the finer tile, and whether tiles touch."""
    mine = frequencies[index]
    apart = np.minimum(
        np.linalg.norm(frequencies[others] - mine, axis=1), np.linalg.norm(frequencies[others] + mine, axis=1)
    )
    finer, coarser = np.minimum(factors[others], factors[index]), np.maximum(factors[others], factors[index])
    touch = (np.abs(places[others] - places[index]) <= _TILE * coarser[:, None]).all(axis=1)
    return apart * finer, touch


def _level(
    array: _Array, gaps: NDArray[np.bool_], half: NDArray[np.bool_], alarms: float
) -> tuple[float, list[_Peak]]:
    """Return the lowest frequency that is looked at in an image's tiles, and their peaks, both in its own pixels."""
    places = [
        (y, x)
        for y in _starts(array.shape[0])
        for x in _starts(array.shape[1])
        if not gaps[y : y + _TILE, x : x + _TILE].any()
    ]
    if not places:
        return _HIGHEST, []
    line = np.hanning(_TILE + 2)[1:-1]
    window = np.outer(line, line)
    scale = float(array.std())
    power = np.empty((len(places), _SIZE, _SIZE // 2 + 1), np.float32)
    for mine, (y, x) in zip(power, places, strict=True):
        tile = array[y : y + _TILE, x : x + _TILE] / scale
        tile = (tile - (tile * window).sum() / window.sum()) * window
        mine[:] = np.abs(rfft2(tile.astype(np.float32), s=(_SIZE, _SIZE))) ** 2
    common, steep = background(power)
    half = half & ~steep
    if half.any():
        half &= common > _EMPTY * common[half].max()
    if not half.any():
        return _HIGHEST, []  # a picture that was blurred until no frequency is left
    level = _MARGIN * math.log(len(places) * half.sum() / 4 / alarms)
    peaks = []
    for (y, x), mine in zip(places, power, strict=True):
        relative = mine / common
        if relative[half].max() < level:
            continue
        # thicker film, or more light, in this tile; what makes it brighter than they do is drawn into it
        medians = np.array(median(relative, _RING, np.arange(_RING.max() + 1)))
        brighter = np.maximum(1.0, medians / math.log(2))[_RING]
        strength = relative / brighter
        relative /= np.minimum(brighter, _BRIGHT)
        # also where no peaks are looked for, as the slope of an edge's power ends nowhere
        highest = maximum_filter(np.concatenate([twin(relative, 4), relative], axis=1), 9, mode="wrap")[:, 4:]
        for row, column in np.argwhere((relative == highest) & (strength > level) & half):
            if not _on_streak(relative, row, column):
                place = np.array([y + _TILE / 2, x + _TILE / 2])
                peaks.append(_Peak(float(strength[row, column]), _centre(mine, row, column), place, 1))
    return float(_FREQUENCY[half].min()), peaks


def _on_streak(strength: _Array, row: int, column: int) -> bool:
    """Return whether a line from the origin through a peak has power all along, not at the peak's orders alone."""
    y, x = _ROWS[row], _COLUMNS[column]
    peak = math.hypot(y, x)
    along = np.arange(_LOWEST, _HIGHEST, 1 / _SIZE)
    orders = np.abs(along / peak - np.round(along / peak)) * peak
    along = along[(orders > 3 / _TILE) | (along < peak / 2)]
    rows, columns = (np.round(along * part / peak * _SIZE).astype(int) for part in (y, x))
    return bool(np.median(strength[rows % _SIZE, columns]) > _STREAK)


def _starts(length: int) -> list[int]:
    count = min(_MOST, math.ceil((length - _TILE) / (_TILE / 2)) + 1)
    return [round(start) for start in np.linspace(0, length - _TILE, count)]


def _centre(power: NDArray[np.float32], row: int, column: int) -> _Array:
    """Return the frequency (y, x) of a peak: the centre of its power."""
    steps = np.arange(-2, 3)
    rows, columns = np.meshgrid(row + steps, column + steps, indexing="ij")
    turned = columns < 0
    block = power[np.where(turned, -rows, rows) % _SIZE, np.minimum(np.abs(columns), power.shape[1] - 1)]
    offsets = np.array([block.sum(axis=1) @ steps, block.sum(axis=0) @ steps]) / block.sum()
    return np.asarray(np.array([_ROWS[row], _COLUMNS[column]]) + offsets / _SIZE)
