r"""Is a stored image the one that its record tells of? Answered by a second, plain formation of the image.

This module shares no formula's code with :mod:`exitwave.imaging`: the aberration function is summed term by term as
it is written in the books, the focal spread is a plain sum over fifteen foci on both sides of the middle one, and
all is computed in double precision. What is left over, image minus expectation, must be shot noise and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from exitwave.imaging import Imaging

__all__ = ["excess", "expected_counts", "plain"]

_FOCI = 15
_PLANCK, _CHARGE, _MASS, _LIGHT = 6.62607015e-34, 1.602176634e-19, 9.1093837139e-31, 299792458.0
_TERMS = ((1, 2), (2, 1), (2, 3), (3, 0), (3, 2), (3, 4), (4, 1), (4, 3), (4, 5), (5, 0), (5, 2), (5, 4), (5, 6))
# what is formed here; an image in which anything else differs from its default is not judged
_IMAGING = {"defocus", "focal_spread", "focal_nodes", "aberrations", "contrast", "dose", "detector", "lens_energy"}
_DETECTOR = {"c1", "c2", "c3", "c4", "noise_flatness", "gain", "read_noise", "offset", "saturation"}


def plain(imaging: Mapping[str, Any]) -> bool:
    """Return whether the conditions of an image are among those that are formed here."""
    usual = Imaging().to_dict()
    camera = imaging.get("detector", {})
    return not any(
        given.get(name) != default.get(name)
        for given, default, known in ((imaging, usual, _IMAGING), (camera, usual["detector"], _DETECTOR))
        for name in set(given) - known
    )


def expected_counts(
    wave: NDArray[Any], sampling: tuple[float, float], energy: float, imaging: Mapping[str, Any]
) -> NDArray[np.float64]:
    r"""Return the expected electrons in each pixel before the camera's transfer function.

    .. math:: I &= 1 + c\bigl[\langle|\mathcal F^{-1}\,\Psi\,e^{-\mathrm i\chi}|^2\rangle - 1\bigr]

              \chi &= \frac{2\pi}{\lambda}\sum_{n,m}\frac{\alpha^{n+1}}{n+1}\,C_{nm}\cos m(\varphi-\varphi_{nm})

    Parameters
    ----------
    wave
        Complex (configurations, y, x).
    sampling
        Å per pixel in y and x.
    energy
        eV.
    imaging
        The record of the image.
    """
    momentum = np.sqrt((energy * _CHARGE) * (energy * _CHARGE + 2 * _MASS * _LIGHT**2)) / _LIGHT
    wavelength = 1e10 * _PLANCK / momentum
    rows = wavelength * np.fft.fftfreq(wave.shape[1], sampling[0])[:, None]
    columns = wavelength * np.fft.fftfreq(wave.shape[2], sampling[1])[None, :]
    angle, azimuth = np.hypot(rows, columns), np.arctan2(rows, columns)
    lens = imaging.get("aberrations", {})
    chi = np.zeros(angle.shape)
    for n, m in _TERMS:
        size = lens.get(f"C{n}{m}", 0.0)
        if size:
            chi += angle ** (n + 1) / (n + 1) * size * np.cos(m * (azimuth - np.radians(lens.get(f"phi{n}{m}", 0.0))))
    spread = imaging.get("focal_spread", 0.0)
    steps = np.linspace(-4, 4, _FOCI) if spread else np.zeros(1)
    weights = np.exp(-(steps**2) / 2) / np.exp(-(steps**2) / 2).sum()
    spectra = np.fft.fft2(wave.astype(np.complex128))
    total = np.zeros(angle.shape)
    for step, weight in zip(steps, weights, strict=True):
        defocus = imaging["defocus"] + step * spread
        whole = 2 * np.pi / wavelength * (chi - defocus * angle**2 / 2)
        for spectrum in spectra:
            total += weight / len(spectra) * np.abs(np.fft.ifft2(spectrum * np.exp(-1j * whole))) ** 2
    mean = total.mean()
    intensity = mean + imaging.get("contrast", 1.0) * (total - mean)
    return np.asarray(intensity * imaging["dose"] * sampling[0] * sampling[1])


def excess(counts: NDArray[Any], electrons: NDArray[Any], detector: Mapping[str, Any]) -> float:
    r"""Return by how many standard deviations the leftover of an image is stronger than shot noise.

    The leftover's power at each frequency, divided by :math:`g^2\bar n\,\mathrm{NTF}^2 + r^2 + 1/12`, is
    exponentially distributed with mean 1; the mean over all frequencies but zero is compared with 1.

    Parameters
    ----------
    counts
        The image.
    electrons
        From ``expected_counts``.
    detector
        The record of the camera.
    """
    rows = np.fft.fftfreq(counts.shape[0])[:, None]
    columns = np.fft.fftfreq(counts.shape[1])[None, :]
    c1, c2, c3, c4 = (float(detector.get(name, 1.0)) for name in ("c1", "c2", "c3", "c4"))
    frequency = np.hypot(rows, columns)
    transfer = (c1 - c2) / (1 + (frequency / c3) ** c4) + c2
    transfer[0, 0] = 1.0
    flat = float(detector.get("noise_flatness", 0.0))
    gain, offset = float(detector.get("gain", 1.0)), float(detector.get("offset", 0.0))
    wanted = gain * np.fft.ifft2(np.fft.fft2(electrons) * transfer).real + offset
    noise = gain**2 * electrons.mean() * ((1 - flat) * transfer + flat) ** 2
    noise += float(detector.get("read_noise", 0.0)) ** 2 + 1 / 12
    power = np.abs(np.fft.fft2(counts - wanted)) ** 2 / counts.size
    ratio = (power / noise).ravel()[1:]
    # each pair of opposite frequencies is one number, and heavy tails of few electrons widen the mean a little
    width = np.sqrt(2 / len(ratio)) * np.sqrt(1 + 0.5 / max(electrons.mean(), 1e-12))
    return float((ratio.mean() - 1) / width)
