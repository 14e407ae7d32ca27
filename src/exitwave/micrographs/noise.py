"""Gain and dose of micrographs from their noise: variance against mean, with the camera's transfer of noise."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from exitwave.core import number
from exitwave.core.errors import MicrographError
from exitwave.imaging.detector import Detector
from exitwave.imaging.micrograph import Micrograph
from exitwave.micrographs.clean import remove_outliers

__all__ = ["NoiseStatistics", "linear_counts", "noise_statistics"]

_Array = NDArray[np.float64]

_TILE, _BINS, _LEVELS = 64, 8, 12
_SIGNAL_ENDS = 1.2  # 1/Å: thermal motion and focal spread leave little beyond
_SIGNAL_GONE = 1.6  # 1/Å; the Nyquist frequency must be beyond, or the band is none of noise alone
_FILTERED = 0.04  # a camera's transfer of noise does not fall by more than this, squared, over half of the range
_REST = 0.025  # relative error of the gain from what the specimen leaves in the band: 1 to 4 % on simulated films
_VAGUE = 10.0  # an interval of gain that is wider says nothing
_FORMS = (("rational", 2.0), ("rational", 3.0), ("exponential", 1.0), ("exponential", 2.0), ("lorentzian", 3.0))


@dataclass(frozen=True, eq=False)
class NoiseStatistics:
    """What the noise of micrographs of one camera says of its gain.

    Parameters
    ----------
    gain
        Counts per electron: low end, value and high end of the 90 % interval; NaN where ``reason`` says why not.
    dose
        e/Å² of every micrograph, (n, 3): low end, value and high end; its mean over gain and pixel area.
    read_noise
        Standard deviation of the noise that does not grow with the mean, counts (upper end of its 90 % interval).
    transfer
        NTF at the Nyquist frequency, in the best of the forms that fit.
    reason
        Why gain and dose cannot be told; empty where they can.

    Examples
    --------
    >>> found = NoiseStatistics((4.7, 5.0, 5.4), np.array([[230.0, 250.0, 265.0]]), read_noise=0.4, transfer=0.6)
    >>> found
    NoiseStatistics(gain 5 [4.7, 5.4] counts per electron)
    >>> low, value, high = found.dose[0]
    >>> float(value), float(high - low)  # e/Å²
    (250.0, 35.0)
    """

    gain: tuple[float, float, float]
    dose: _Array
    read_noise: float
    transfer: float
    reason: str = ""

    def __repr__(self) -> str:
        if self.reason:
            return f"NoiseStatistics({self.reason})"
        low, value, high = self.gain
        return f"NoiseStatistics(gain {value:.3g} [{low:.3g}, {high:.3g}] counts per electron)"


def linear_counts(micrograph: Micrograph) -> str:
    """Return why an image's values are not in proportion to electrons, or nothing where nothing speaks against it.

    Parameters
    ----------
    micrograph
        The image.

    Returns
    -------
    str
        The reason; empty where nothing speaks against it.

    Examples
    --------
    >>> linear_counts(Micrograph(np.random.default_rng(1).poisson(20, (64, 64)), 0.2))
    ''
    >>> linear_counts(Micrograph(np.random.default_rng(1).normal(0, 1, (64, 64)), 0.2))
    'its values are 0 on average or less, so an offset was subtracted'
    """
    array = micrograph.array[np.isfinite(micrograph.array)]
    if not array.size or np.ptp(array) == 0:
        return "all its values are the same"
    if float(array.mean(dtype=np.float64)) <= 0:
        return "its values are 0 on average or less, so an offset was subtracted"
    if float((array < 0).mean()) > 0.02:
        return f"{float((array < 0).mean()):.0%} of its values are below 0, so an offset was subtracted"
    whole = not (array % 1).any()
    if micrograph.metadata.get("format") in ("PNG", "JPEG") and array.max() <= 255:
        return "it is a picture of 8 bits, whose grey values were chosen for display"
    if whole and array.max() == 255 and array.min() == 0:
        return "its values fill 0 to 255, as grey values stretched for display do"
    if not whole and array.min() >= 0 and array.max() <= 1:
        return "its values lie between 0 and 1, so they were normalised"
    return ""


def noise_statistics(
    micrographs: Micrograph | Sequence[Micrograph],
    *,
    detector: Detector | None = None,
    read_noise: float | None = None,
) -> NoiseStatistics:
    r"""Return gain and dose of raw micrographs of one camera.

    Beyond the frequencies that the specimen reaches, the power per beam of tiles with mean m is

    .. math:: S(q) = g\,m\,\mathrm{NTF}^2(q) + r^2 \;(+ \tfrac{1}{12} \text{ of rounding}), \quad \mathrm{NTF}(0) = 1,

    variance against mean, with the transfer of noise. Tiles of all micrographs, which differ in their means, part
    g from r; the fall of S with frequency tells the NTF, which is carried on to q = 0 by the forms that cameras'
    transfer functions have. Every form that fits has a say in the interval, so that it is wide where the camera is
    unknown; 2.5 % of the gain are added for what the specimen leaves in the band. Means count from zero: an offset
    has to be subtracted first.

    Parameters
    ----------
    micrographs
        One or several, of one camera and gain, with pixel sizes.
    detector
        The camera (drawn: numbers only) where its transfer is known; its gain and noise have no part.
    read_noise
        r in counts where it is known, as 0 of a camera that counts electrons. Images of one brightness cannot part
        it from the gain.

    Raises
    ------
    MicrographError
        If there are no micrographs, or one has no pixel size or is smaller than 64 px.

    Source
    ------
    J. R. Janesick, Photon Transfer (2007); noise transfer: R. R. Meyer & A. I. Kirkland, Microsc. Res. Tech. 49, 269
    (2000).

    Examples
    --------
    >>> random = np.random.default_rng(1)
    >>> series = [Micrograph(5.0 * random.poisson(n, (256, 256)), 0.2) for n in (10, 20)]
    >>> found = noise_statistics(series)
    >>> found.gain[0] < 5 < found.gain[2], bool(found.dose[0, 0] < 250 < found.dose[0, 2])
    (True, True)
    """
    images = [micrographs] if isinstance(micrographs, Micrograph) else list(micrographs)
    if not images:
        raise MicrographError("there are no micrographs to take statistics of; give one or more.")
    for image in images:
        image.known_pixel_size()
        if min(image.shape) < _TILE:
            raise MicrographError(f"{image.name or 'the micrograph'} is {image.shape}; statistics need {_TILE} px.")
    unknown = np.full((len(images), 3), math.nan)
    nothing = (math.nan, math.nan, math.nan)
    for image in images:
        reason = linear_counts(image)
        if reason:
            who = f"{image.name}: " if image.name and len(images) > 1 else ""
            return NoiseStatistics(nothing, unknown, math.nan, math.nan, who + reason)
    coarsest = max(image.known_pixel_size() for image in images)
    if 0.5 / coarsest < _SIGNAL_GONE:
        reason = (
            f"its pixels of {coarsest:.3g} Å are so coarse that the specimen's contrast reaches up to the Nyquist "
            "frequency, and noise cannot be told apart"
        )
        return NoiseStatistics(nothing, unknown, math.nan, math.nan, reason)
    frequency, means, powers, count = _levels(images)
    ratio = (powers * count[:, None]).sum(axis=0) / float((means * count).sum())
    if ratio[-1] < _FILTERED * ratio[0]:
        reason = (
            f"its noise falls by a factor of {ratio[0] / max(ratio[-1], 1e-12):.0f} towards the Nyquist frequency, "
            "as after resampling or a filter"
        )
        return NoiseStatistics(nothing, unknown, math.nan, math.nan, reason)
    fits = _fits(frequency, means, powers, count, detector, read_noise)
    best = min(fits, key=lambda fit: fit.misfit)
    freedom = powers.size - 3
    if best.misfit > 4 * freedom:
        reason = "the specimen's own contrast reaches up to the Nyquist frequency, so its noise cannot be told apart"
        return NoiseStatistics(nothing, unknown, math.nan, math.nan, reason)
    dispersion = max(1.0, best.misfit / freedom)
    fair = [fit for fit in fits if fit.misfit - best.misfit < 4 * dispersion]
    wide = 1.645 * math.sqrt(dispersion)
    gain = (
        min(fit.gain * math.exp(-min(wide * math.hypot(fit.error, _REST), 50.0)) for fit in fair),
        best.gain,
        max(fit.gain * math.exp(min(wide * math.hypot(fit.error, _REST), 50.0)) for fit in fair),
    )
    if gain[2] > _VAGUE * gain[0]:
        reason = "its parts are too alike in brightness, or too few, to tell gain from read-out noise and transfer"
        return NoiseStatistics(nothing, unknown, math.nan, math.nan, reason)
    electrons = [float(image.array.mean(dtype=np.float64)) / image.known_pixel_size() ** 2 for image in images]
    dose = np.array([[each / gain[2], each / gain[1], each / gain[0]] for each in electrons])
    noise = max(math.sqrt(max(0.0, fit.floor + wide * fit.floor_error)) for fit in fair)
    return NoiseStatistics(gain, dose, noise, best.nyquist)


@dataclass(frozen=True)
class _Fit:
    gain: float
    error: float  # of its logarithm
    floor: float  # r²
    floor_error: float
    nyquist: float
    misfit: float


def _levels(images: Sequence[Micrograph]) -> tuple[_Array, _Array, _Array, _Array]:
    """Return frequencies (bins,), means (levels,), power per beam (levels, bins) and tiles per level.

    Tiles of alike means make a level; the band begins where the specimen's contrast ends.
    """
    window = np.outer(np.hanning(_TILE + 2)[1:-1], np.hanning(_TILE + 2)[1:-1])
    window /= np.sqrt((window**2).mean())
    q = np.hypot(np.fft.fftfreq(_TILE)[:, None], np.fft.rfftfreq(_TILE))
    pixel = max(image.known_pixel_size() for image in images)
    ends = np.linspace(min(max(0.25, _SIGNAL_ENDS * pixel), 0.4), 0.5, _BINS + 1)
    place = np.digitize(q, ends) - 1
    inside = (place >= 0) & (place < _BINS)
    size = np.bincount(place[inside], minlength=_BINS)
    means, powers = [], []
    for image in images:
        array = remove_outliers(image).array.astype(np.float64)
        rounding = 0.0 if (array % 1).any() else 1 / 12
        rows, columns = (n // _TILE for n in array.shape)
        blocks = array[: rows * _TILE, : columns * _TILE].reshape(rows, _TILE, columns, _TILE).swapaxes(1, 2)
        tiles = blocks.reshape(-1, _TILE, _TILE)
        mean = tiles.mean(axis=(1, 2))
        spectra = np.abs(np.fft.rfft2((tiles - mean[:, None, None]) * window)) ** 2 / _TILE**2
        for one, spectrum in zip(mean, spectra, strict=True):
            means.append(one)
            powers.append(np.bincount(place[inside], spectrum[inside], _BINS) / size - rounding)
    order = np.argsort(means)
    cuts = np.linspace(0, len(order), min(_LEVELS, len(order)) + 1).round().astype(int)
    groups = [order[a:b] for a, b in pairwise(cuts)]
    where = np.array([q[place == index].mean() for index in range(_BINS)])
    mean_of = np.array([np.asarray(means)[group].mean() for group in groups])
    power_of = np.stack([np.asarray(powers)[group].mean(axis=0) for group in groups])
    # a Hann window makes neighbouring powers alike: (35/18)² of them count as one
    count = np.array([len(group) for group in groups]) * float(size.mean()) / (35 / 18) ** 2
    return where, mean_of, np.maximum(power_of, 1e-12), count


def _fits(
    frequency: _Array,
    means: _Array,
    powers: _Array,
    count: _Array,
    detector: Detector | None,
    read_noise: float | None,
) -> list[_Fit]:
    """Return the fit of every form of the transfer function: gain, reach of the transfer, and noise floor."""
    middle = float(means.mean())
    flat = float((powers.mean(axis=0) / middle).max())
    weight = np.sqrt(count)[:, None]

    def fitted(ntf: _Transfer, start: list[float], low: list[float], high: list[float]) -> _Fit:
        def model(p: _Array) -> _Array:
            reach = math.exp(p[2]) if len(p) > 2 else 1.0
            noise: _Array = math.exp(p[0]) * means[:, None] * ntf(frequency, reach) ** 2 + p[1] * flat * middle
            return noise

        def residual(p: _Array) -> _Array:
            share = powers / np.maximum(model(p), 1e-12)
            # square roots of the deviance of means of exponential variables
            deviance = np.sqrt(2 * np.maximum(share - 1 - np.log(share), 0))
            return np.asarray((np.sign(share - 1) * deviance * weight).ravel())

        found = least_squares(residual, start, bounds=(low, high), max_nfev=100)
        free = np.arange(len(found.x)) != (1 if read_noise is not None else -1)
        errors = np.zeros(len(found.x))
        errors[free] = np.sqrt(np.abs(np.diag(np.linalg.pinv(found.jac[:, free].T @ found.jac[:, free]))))
        reach = math.exp(found.x[2]) if len(found.x) > 2 else 1.0
        return _Fit(
            math.exp(found.x[0]),
            float(errors[0]),
            float(found.x[1]) * flat * middle,
            float(errors[1]) * flat * middle,
            float(ntf(np.array([0.5]), reach)[0]),
            float((found.fun**2).sum()),
        )

    start, low, high = [math.log(flat), 0.05], [math.log(flat) - 7, 0.0], [math.log(flat) + 7, 1.0]
    if read_noise is not None:
        start[1] = read_noise**2 / (flat * middle)
        low[1], high[1] = start[1] - 1e-6, start[1] + 1e-6
    if detector is not None:
        return [fitted(_Known(detector), start, low, high)]
    open_ends = [fitted(_Form(*form), [*start, math.log(0.5)], [*low, -2.2], [*high, 4.0]) for form in _FORMS]
    return [fitted(_White(), start, low, high), *open_ends]


# transfer of noise over frequency in cycles per pixel, with one free number where the camera is unknown
_Transfer = Callable[[_Array, float], _Array]


class _White:
    def __call__(self, frequency: _Array, reach: float) -> _Array:
        return np.ones_like(frequency)


@dataclass(frozen=True)
class _Form:
    form: str
    power: float

    def __call__(self, frequency: _Array, reach: float) -> _Array:
        return _curve(frequency, 1.0, 0.0, reach, self.power, self.form)


@dataclass(frozen=True)
class _Known:
    detector: Detector

    def __call__(self, frequency: _Array, reach: float) -> _Array:
        c1, c2, c3, c4 = (number(getattr(self.detector, name)) for name in ("c1", "c2", "c3", "c4"))
        flatness = number(self.detector.noise_flatness)
        aperture = np.sinc(number(self.detector.aperture) * frequency)
        return (1 - flatness) * _curve(frequency, c1, c2, c3, c4, self.detector.form) * aperture + flatness


def _curve(frequency: _Array, c1: float, c2: float, c3: float, c4: float, form: str) -> _Array:
    import torch

    from exitwave.imaging.detector import transfer

    return np.asarray(transfer(torch.from_numpy(frequency), c1, c2, c3, c4, form).numpy())
