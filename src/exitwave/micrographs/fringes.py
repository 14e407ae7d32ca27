"""Images of lattice fringes alone: Bragg filter and geometric phase."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from exitwave.core.errors import MicrographError
from exitwave.imaging.micrograph import Micrograph
from exitwave.micrographs.clean import fill_missing

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FringeField", "bragg_filter", "fringe_field"]


def bragg_filter(
    micrograph: Micrograph, peaks: pd.DataFrame, *, radius: float = 0.02, background: bool = True
) -> Micrograph:
    r"""Return the image that a few lattice peaks alone make.

    Every peak and its twin pass through :math:`\exp(-|\mathbf k - \mathbf g|^2 / 2r^2)`, and so does the
    centre where ``background`` is wanted.

    Parameters
    ----------
    micrograph
        The image.
    peaks
        Rows of :func:`lattice_peaks`.
    radius
        r, 1/Å. Detail in the result is about :math:`1/2\pi r` wide: 8 Å at 0.02.
    background
        Keep the slow part of the image, too.

    Raises
    ------
    MicrographError
        If there are no peaks, the pixel size is unknown, or the radius is not above 0.

    Examples
    --------
    >>> import numpy as np
    >>> from exitwave.micrographs import lattice_peaks
    >>> x = np.arange(256) * 0.25
    >>> counts = np.random.default_rng(0).poisson(20 * (1 + 0.2 * np.cos(2 * np.pi * x / 2.355)), (256, 256))
    >>> image = Micrograph(counts, 0.25)
    >>> fringes = bragg_filter(image, lattice_peaks(image), background=False)
    >>> bool(3.5 < np.ptp(fringes.array[100]) / 2 < 4.5)
    True
    """
    kx, ky, vectors = _vectors(micrograph, peaks, radius)
    passed = np.zeros((ky.size, kx.size))
    for gx, gy in vectors:
        for sign in (1, -1):
            passed = np.maximum(passed, _aperture(kx, ky, sign * gx, sign * gy, radius))
    if background:
        passed = np.maximum(passed, _aperture(kx, ky, 0.0, 0.0, radius))
    filled = fill_missing(micrograph)
    result = np.fft.irfft2(np.fft.rfft2(filled.array) * passed[:, : kx.size // 2 + 1], s=filled.array.shape)
    return replace(filled, array=result.astype(np.float32))


@dataclass(frozen=True, eq=False)
class FringeField:
    """Where one set of fringes is, and how it is displaced from a perfect one.

    Parameters
    ----------
    amplitude
        Of the fringes, in the image's units, (y, x).
    phase
        Relative to the perfect fringes of ``vector``, rad in (−π, π], (y, x): π is half a spacing.
    vector
        (gx, gy), 1/Å.

    Examples
    --------
    >>> phase = np.full((64, 64), np.pi / 2, np.float32)
    >>> field = FringeField(np.ones((64, 64), np.float32), phase, vector=(0.3, 0.4))
    >>> spacing = 1 / math.hypot(*field.vector)  # Å
    >>> float((-field.phase / (2 * np.pi) * spacing).mean().round(3))  # displacement along the vector, Å
    -0.5
    """

    amplitude: NDArray[np.float32]
    phase: NDArray[np.float32]
    vector: tuple[float, float]


def fringe_field(micrograph: Micrograph, peak: Any, *, radius: float = 0.02) -> FringeField:
    r"""Return amplitude and geometric phase of the fringes of one lattice peak.

    :math:`H(\mathbf r) = 2 e^{-2\pi i\,\mathbf g\cdot\mathbf r}\,\mathcal F^{-1}[\tilde I(\mathbf k)
    e^{-|\mathbf k-\mathbf g|^2/2r^2}]`; amplitude and phase are those of H (Hÿtch et al. 1998). A displacement
    :math:`\mathbf u` of the lattice makes the phase :math:`-2\pi\,\mathbf g\cdot\mathbf u`.

    Parameters
    ----------
    micrograph
        The image.
    peak
        A row of :func:`lattice_peaks`, such as ``peaks.iloc[0]``.
    radius
        r, 1/Å.

    Examples
    --------
    >>> import numpy as np
    >>> from exitwave.micrographs import lattice_peaks
    >>> x = np.arange(256) * 0.25
    >>> image = Micrograph(np.tile(20 + 4 * np.cos(2 * np.pi * x / 2.0), (256, 1)), 0.25)
    >>> field = fringe_field(image, lattice_peaks(image).iloc[0])
    >>> round(float(field.amplitude.mean()), 2)
    4.0
    """
    kx, ky, [(gx, gy)] = _vectors(micrograph, peak.to_frame().T, radius)
    spectrum = np.fft.fft2(fill_missing(micrograph).array) * _aperture(kx, ky, gx, gy, radius)
    y, x = (np.arange(size) * micrograph.known_pixel_size() for size in micrograph.array.shape)
    carrier = np.exp(-2j * np.pi * (gy * y[:, None] + gx * x))
    field = 2 * np.fft.ifft2(spectrum) * carrier
    return FringeField(np.abs(field).astype(np.float32), np.angle(field).astype(np.float32), (gx, gy))


def _vectors(
    micrograph: Micrograph, peaks: pd.DataFrame, radius: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], list[tuple[float, float]]]:
    pixel_size = micrograph.known_pixel_size()
    if not 0 < radius < math.inf:
        raise MicrographError(f"radius is {radius}; the aperture's radius is above 0 in 1/Å, such as 0.02.")
    if not len(peaks):
        raise MicrographError("there are no lattice peaks to pass; lattice_peaks found none in this image.")
    angles = np.radians(peaks["angle_deg"].to_numpy(np.float64))
    lengths = 1 / peaks["spacing_angstrom"].to_numpy(np.float64)
    vectors = [(float(g * np.cos(a)), float(g * np.sin(a))) for g, a in zip(lengths, angles, strict=True)]
    height, width = micrograph.array.shape
    kx: NDArray[np.float64] = np.fft.fftfreq(width, pixel_size).astype(np.float64)
    ky: NDArray[np.float64] = np.fft.fftfreq(height, pixel_size).astype(np.float64)
    return kx, ky, vectors


def _aperture(
    kx: NDArray[np.float64], ky: NDArray[np.float64], gx: float, gy: float, radius: float
) -> NDArray[np.float64]:
    return np.exp(-(((ky[:, None] - gy) ** 2) + (kx - gx) ** 2) / (2 * radius**2))
