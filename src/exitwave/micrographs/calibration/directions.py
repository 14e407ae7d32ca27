"""How the power of an image differs with direction: drift and astigmatism without a look at the rings."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["anisotropy", "directions", "windowed_power"]

_BANDS = (0.08, 0.2, 0.35, 0.5, 0.7, 0.95)  # their ends in units of the Nyquist frequency


def anisotropy(images: NDArray[Any]) -> tuple[NDArray[np.complex128], NDArray[np.float64]]:
    r"""Return how the power of square images differs with direction, ring by ring of frequency.

    .. math:: a = 2\,\bigl\langle \ln P(\mathbf k)\, e^{2i\theta}\bigr\rangle

    over the frequencies of a ring two wide, ln P no higher than nine tenths of the ring's, so that reflections of
    crystals count little. θ is counted from x towards y. Drift gives all rings one phase, twice the angle of the
    direction across it; astigmatism gives Thon rings, which it shifts, phases that turn. Noise alone leaves a mean
    size of 3.2 / √(frequencies), of which a ring of radius r has 2 π r in the half plane.

    Parameters
    ----------
    images
        (n, y, x), y = x.

    Returns
    -------
    amplitudes
        (n, rings), complex.
    frequencies
        Middle of each ring in units of the Nyquist frequency.

    Examples
    --------
    >>> noise = np.random.default_rng(1).normal(size=(1, 128, 128))
    >>> drifted = (noise + np.roll(noise, 1, axis=1)) / 2
    >>> low, high = (abs(anisotropy(each)[0][0, -8:].mean()) for each in (noise, drifted))
    >>> bool(low < 0.15), bool(high > 0.5)
    (True, True)
    """
    power = windowed_power(images - images.mean(axis=(1, 2), keepdims=True))
    logs = np.log(power + 1e-12 * power.mean(axis=(1, 2), keepdims=True) + np.finfo(np.float64).tiny)
    side = images.shape[-1]
    down, right = np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)
    turn = np.exp(2j * np.arctan2(down, right))
    ring = (np.hypot(down, right) * side / 2).astype(int)
    amplitudes = []
    for number in range(2, side // 4):  # the first hold the window's own lobe
        inside = ring == number
        values = logs[:, inside]
        values = np.minimum(values, np.quantile(values, 0.9, axis=1, keepdims=True))
        amplitudes.append(2 * ((values - values.mean(axis=1, keepdims=True)) * turn[inside]).mean(axis=1))
    return np.stack(amplitudes, axis=1), (np.arange(2, side // 4) + 0.5) * 4 / side


def directions(images: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the size of the anisotropy in five bands, of its mean (drift) and of its rings (astigmatism): (n, 10).

    Its decimal logarithm; square images of 64 px or more, (n, y, x).
    """
    amplitudes, frequencies = anisotropy(images)
    bands = np.digitize(frequencies, _BANDS)
    columns = []
    for band in range(1, len(_BANDS)):
        some = amplitudes[:, bands == band]
        columns += [np.abs(some.mean(axis=1)), np.sqrt((np.abs(some) ** 2).mean(axis=1))]
    return np.log10(np.stack(columns, axis=1) + 1e-2)


def windowed_power(images: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the power of square images under a Hann window, the half that ``rfft2`` gives."""
    window = np.hanning(images.shape[-1] + 2)[1:-1]
    return np.asarray(np.abs(np.fft.rfft2(images * np.outer(window, window))) ** 2)
