"""Thon rings: defocus and twofold astigmatism from the power spectrum of an amorphous film."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from exitwave.core.errors import MicrographError
from exitwave.imaging.micrograph import Micrograph
from exitwave.micrographs.clean import fill_missing
from exitwave.scattering.electron import wavelength

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["CTFFit", "fit_ctf", "ring_evidence"]

_Array = NDArray[np.float64]

_SECTORS, _LARGEST, _DEGREE = 18, 1024, 4
_ALIKE = 20  # trials next to each other in focus and astigmatism share most of their rings
_EULER = 0.5772156649015329  # the mean of the logarithm of an exponential variable is minus this
_CLIP = math.log(30.0)  # over the ring's median; film stays below once in 1e9, lattice peaks do not


@dataclass(frozen=True, eq=False)
class CTFFit:
    """What the Thon rings of a micrograph say of the lens.

    Parameters
    ----------
    defocus, defocus_error
        Mean defocus and its standard error, Å. Rings tell underfocus from overfocus hardly at all: it is taken to be
        of the sign of the range searched.
    astigmatism, astigmatism_error
        C12 and its standard error, Å; half the difference of the defoci along both axes.
    azimuth
        φ12, degrees from the x axis to the y axis, from −90 to 90.
    modulation
        Depth of the rings in the logarithm of the power, averaged over frequencies.
    significance
        By how much the rings lower the misfit, in χ².
    visible
        Whether film without rings, and noise, would reach that significance less often than was allowed.
    curves
        For a picture: frequency (1/Å), measured and fitted modulation along the rings (astigmatism taken out).

    Examples
    --------
    >>> k = np.linspace(0.1, 0.8, 50)
    >>> found = CTFFit(
    ...     defocus=912.0, defocus_error=4.0, astigmatism=60.0, astigmatism_error=5.0, azimuth=31.0, modulation=0.4,
    ...     significance=220.0, visible=True, curves=(k, np.cos(k), np.cos(k)))
    >>> found
    CTFFit(defocus 912 ± 4 Å, astigmatism 60 ± 5 Å at 31°)
    >>> len(found.show().axes[0].lines)
    2
    """

    defocus: float
    defocus_error: float
    astigmatism: float
    astigmatism_error: float
    azimuth: float
    modulation: float
    significance: float
    visible: bool
    curves: tuple[_Array, _Array, _Array]

    def __repr__(self) -> str:
        if not self.visible:
            return "CTFFit(no rings visible)"
        return (
            f"CTFFit(defocus {self.defocus:.0f} ± {self.defocus_error:.0f} Å, astigmatism {self.astigmatism:.0f} ± "
            f"{self.astigmatism_error:.0f} Å at {self.azimuth:.0f}°)"
        )

    def show(self) -> Figure:
        """Return a figure of measured and fitted rings."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(5.5, 3.6), layout="constrained")
        axes = figure.add_subplot()
        frequency, measured, fitted = self.curves
        axes.plot(frequency, measured, color="0.55", lw=1, label="measured")
        axes.plot(frequency, fitted, color="#D55E00", lw=1.5, label="fit")
        axes.set(xlabel="spatial frequency (1/Å)", ylabel="ln power, less its slow part", title=repr(self)[7:-1])
        axes.title.set_fontsize(9)
        axes.legend(frameon=False)
        return figure


def fit_ctf(
    micrograph: Micrograph,
    *,
    energy: float = 300e3,
    spherical: float = 0.0,
    between: tuple[float, float] = (100.0, 3000.0),
    astigmatism: float = 300.0,
    frequencies: tuple[float, float] = (0.08, 0.8),
    amplitude_contrast: float = 0.0,
    false_alarms: float = 0.001,
) -> CTFFit:
    r"""Return defocus and astigmatism that explain the Thon rings of a micrograph.

    A thin amorphous film has the power :math:`\sin^2(\chi - \arcsin w)` times what is smooth in frequency, with

    .. math:: \chi = \frac{\pi}{\lambda}\left[\alpha^2\bigl(-f + C_{12}\cos 2(\varphi - \varphi_{12})\bigr)
              + \tfrac12 C_{30}\alpha^4\right], \qquad \alpha = \lambda k.

    The spectrum is averaged over rings and sectors after peaks of lattices have been cut, its logarithm is fitted by
    a polynomial in frequency plus :math:`-m\,e(k)\cos 2\chi`, first on a grid over defocus and astigmatism, then by
    least squares; errors are those of the least squares with the scatter that was found. Each ring and sector holds
    many independent, exponentially distributed powers, so that the scatter without rings is known, and so is how
    often chance resembles rings. Rings fade where the field or their sampling no longer resolves them; about 1 % of
    the defocus can be lost beside the error where C30 makes most of them so fine.

    Parameters
    ----------
    micrograph
        An image with a pixel size, of amorphous film at least in part.
    energy
        eV.
    spherical
        C30, Å.
    between
        Range of defocus that is searched, Å; of one sign, underfocus is positive.
    astigmatism
        Largest C12 searched, Å.
    frequencies
        Range that is looked at, 1/Å; never beyond 0.9 of the Nyquist frequency.
    amplitude_contrast
        w, the share of amplitude contrast: what absorbs is dark on either side of focus.
    false_alarms
        How often an image without rings may be said to have some.

    Raises
    ------
    MicrographError
        If the pixel size is unknown, the image too small, or a parameter impossible.

    Source
    ------
    F. Thon, Z. Naturforsch. 21a, 476 (1966); a fit of rings as in J. A. Mindell & N. Grigorieff, J. Struct. Biol.
    142, 334 (2003).

    Examples
    --------
    >>> from exitwave.imaging import CTF, Imaging
    >>> lens = CTF.of(Imaging(defocus=900.0, focal_spread=20.0, aberrations={"C12": 60, "phi12": 30}), (384, 384))
    >>> noise = np.random.default_rng(1).normal(size=(2, 384, 384))
    >>> film = np.fft.ifft2(np.fft.fft2(noise[0]) * np.fft.ifftshift(lens.contrast)).real
    >>> found = fit_ctf(Micrograph(film + 0.2 * noise[1], 0.25))
    >>> found.visible, bool(abs(found.defocus - 900) < 10), bool(abs(found.azimuth - 30) < 10)
    (True, True, True)
    """
    size = micrograph.known_pixel_size()
    low, high = _checked(between, frequencies, size, min(micrograph.shape))
    polar = _polar(fill_missing(micrograph).array.astype(np.float64), size, low, high)
    lens = _Lens(wavelength(energy), spherical, amplitude_contrast)
    start, trials = _searched(polar, lens, between, astigmatism)
    fitted = least_squares(
        lambda p: polar.misfit(lens.rings(polar, *p)), start, x_scale=(10.0, 5.0, 5.0), max_nfev=60
    )
    defocus, a, b = (float(value) for value in fitted.x)
    shape, amplitude, gain = polar.explained(lens.rings(polar, defocus, a, b))
    freedom = max(1, len(polar.values) - polar.basis.shape[1] - 5)
    dispersion = max(1.0, float((fitted.fun**2).sum()) / freedom)
    covariance = np.linalg.pinv(fitted.jac.T @ fitted.jac) * dispersion
    errors = np.sqrt(np.diag(covariance))
    significance = gain / dispersion
    twofold = math.hypot(a, b)
    within = between[0] <= defocus <= between[1]  # at an end of the range nothing was found
    along = (a * errors[1], b * errors[2])
    return CTFFit(
        defocus,
        float(errors[0]),
        twofold,
        float(math.hypot(*along) / twofold if twofold > 0 else errors[1]),
        math.degrees(math.atan2(b, a)) / 2,
        amplitude,
        significance,
        bool(amplitude > 0 and within and significance > 2 * math.log(trials / false_alarms)),
        polar.along(lens, defocus, a, b, shape),
    )


def ring_evidence(powers: _Array, frequency: _Array, defoci: _Array, energy: float, spherical: float = 0.0) -> _Array:
    """Return how much radial averages of the power look like the rings of each of several defoci.

    Parameters
    ----------
    powers
        Logarithms of radially averaged power, (n, rings).
    frequency
        Of the rings, 1/Å, (rings,).
    defoci
        Å, (trials,).
    energy, spherical
        eV, Å.

    Returns
    -------
    evidence
        Depth of the rings of every defocus, (n, trials).
    """
    patterns = _patterns(tuple(frequency.tolist()), tuple(defoci.tolist()), energy, spherical)
    return np.asarray(powers @ patterns.T)


@lru_cache(maxsize=8)
def _patterns(frequency: tuple[float, ...], defoci: tuple[float, ...], energy: float, spherical: float) -> _Array:
    """Return for every defocus the weights of radial averages that give the depth of its rings."""
    k, scale = np.array(frequency), wavelength(energy)
    basis = np.polynomial.chebyshev.chebvander(2 * (k - k[0]) / (k[-1] - k[0]) - 1, _DEGREE)
    q, _ = np.linalg.qr(basis * np.sqrt(k)[:, None])
    rows = []
    for defocus in defoci:
        angle = scale * k
        turn = math.pi / scale * (-defocus * angle**2 + 0.5 * spherical * angle**4)
        ring = -np.cos(2 * turn) * np.exp(-((k / (0.7 * k[-1])) ** 2)) * np.sqrt(k)
        ring = ring - q @ (q.T @ ring)
        rows.append(ring / max(float(ring @ ring), 1e-9) * np.sqrt(k))
    return np.stack(rows)


@dataclass(frozen=True)
class _Lens:
    scale: float
    spherical: float
    amplitude_contrast: float

    def rings(self, polar: _Polar, defocus: Any, a: float, b: float) -> _Array:
        """Return −cos 2χ at every ring and sector, as far as the field and the rings' width resolve it.

        a and b are C12 times cosine and sine of twice its azimuth.
        """
        angle2 = (self.scale * polar.frequency) ** 2
        focus = -defocus + a * np.cos(2 * polar.azimuth) + b * np.sin(2 * polar.azimuth)
        turn = math.pi / self.scale * (angle2 * focus + 0.5 * self.spherical * angle2**2)
        # how far both waves of a frequency lie apart, Å: a window of the field sees what of them overlaps within it
        apart = np.abs(2 * self.scale * polar.frequency * (focus + self.spherical * angle2))
        share = np.minimum(apart / polar.field, 1.0)
        overlap = (1 - share) * (2 + np.cos(2 * np.pi * share)) / 3 + np.sin(2 * np.pi * share) / (2 * np.pi)
        resolved = overlap * np.sinc(apart * polar.width)
        return np.asarray(-np.cos(2 * (turn - math.asin(self.amplitude_contrast))) * resolved)


@dataclass(frozen=True, eq=False)
class _Polar:
    """Mean logarithms of the power in rings and sectors, and what is smooth in them."""

    values: _Array  # logarithm of the power, in units of its standard deviation
    weights: _Array  # one over the standard deviation
    frequency: _Array
    azimuth: _Array
    basis: _Array  # orthonormal
    field: float  # side of the windowed squares, Å
    width: float  # of the rings, 1/Å
    envelopes: tuple[_Array, ...]

    def _left(self, ring: _Array) -> _Array:
        return ring - self.basis @ (self.basis.T @ ring)

    def explained(self, rings: _Array) -> tuple[_Array, float, float]:
        """Return the ring pattern with its best envelope, the mean depth, and the fall of χ²."""
        best: tuple[_Array, float, float] | None = None
        for envelope in self.envelopes:
            ring = rings * envelope
            left = self._left(ring * self.weights)
            norm = float(left @ left)
            depth = float(left @ self.values) / norm if norm > 1e-12 else 0.0
            gain = depth * abs(depth) * norm  # negative depth: rings of the wrong sign
            if best is None or gain > best[2]:
                best = (depth * ring, depth * float(envelope.mean()), gain)
        assert best is not None
        return best

    def misfit(self, rings: _Array) -> _Array:
        shape, _, _ = self.explained(rings)
        return np.asarray(self.values - self._left(shape * self.weights))

    def along(self, lens: _Lens, defocus: float, a: float, b: float, shape: _Array) -> tuple[_Array, _Array, _Array]:
        """Return frequency, measured and fitted modulation over frequencies at which χ would be that without C12."""
        focus = 1 - (a * np.cos(2 * self.azimuth) + b * np.sin(2 * self.azimuth)) / defocus
        same = self.frequency * np.sqrt(np.clip(focus, 0.05, None))
        bins = np.linspace(self.frequency.min(), self.frequency.max(), len(np.unique(self.frequency)) + 1)
        place = np.clip(np.digitize(same, bins) - 1, 0, len(bins) - 2)
        weight = self.weights**2
        total = np.maximum(np.bincount(place, weight, len(bins) - 1), 1e-9)
        fitted = self._left(shape * self.weights) / self.weights
        curves = [np.bincount(place, weight * v, len(bins) - 1) / total for v in (self.values / self.weights, fitted)]
        there = total > 1e-6
        return ((bins[1:] + bins[:-1]) / 2)[there], curves[0][there], curves[1][there]


def _checked(
    between: tuple[float, float], frequencies: tuple[float, float], size: float, side: int
) -> tuple[float, float]:
    if not (between[0] < between[1] and between[0] * between[1] > 0):
        raise MicrographError(f"between is {between}; it is two defoci of one sign in Å, the smaller first.")
    low, high = max(frequencies[0], 4 / (side * size)), min(frequencies[1], 0.45 / size)
    if not 0 < low < high or (high - low) * side * size < 24:
        raise MicrographError(
            f"the field of {side * size:.3g} Å has too few frequencies from {low:.3g} to {high:.3g} 1/Å; rings need "
            "a larger field, smaller pixels or a wider range."
        )
    return low, high


def _polar(image: _Array, size: float, low: float, high: float) -> _Polar:
    """Return the averages over rings and sectors of the mean spectrum of an image's squares."""
    side = min(*image.shape, _LARGEST)
    window = np.outer(np.hanning(side + 2)[1:-1], np.hanning(side + 2)[1:-1])
    tops, lefts = (np.linspace(0, n - side, max(1, round(n / side))).astype(int) for n in image.shape)
    squares = [image[t : t + side, x : x + side] for t in tops for x in lefts]
    power = np.mean([np.abs(np.fft.rfft2((s - s.mean()) * window)) ** 2 for s in squares], axis=0)
    ky, kx = np.fft.fftfreq(side, size)[:, None], np.fft.rfftfreq(side, size)[None]
    k, azimuth = np.hypot(ky, kx), np.arctan2(ky, kx)
    inside = (k >= low) & (k < high) & (np.abs(kx) > 1.5 / (side * size)) & (np.abs(ky) > 1.5 / (side * size))
    rings = int(min(120, (high - low) * side * size / 1.5))
    ring = np.minimum(((k[inside] - low) / (high - low) * rings).astype(int), rings - 1)
    sector = ((azimuth[inside] + math.pi / 2) / math.pi * _SECTORS).astype(int) % _SECTORS
    logs = np.log(power[inside] + 1e-30)
    medians = np.array([np.median(logs[ring == i]) if (ring == i).any() else 0.0 for i in range(rings)])
    logs = np.minimum(logs, medians[ring] + _CLIP)
    cell = ring * _SECTORS + sector
    count = np.bincount(cell, minlength=rings * _SECTORS).astype(np.float64)
    there = count > 0
    means = [np.bincount(cell, v, rings * _SECTORS)[there] / count[there] for v in (logs, k[inside])]
    # a Hann window makes neighbouring powers alike: (35/18)² of them count as one; the spread of a logarithm is π/√6
    weights = np.sqrt(count[there] * len(squares)) * 18 / 35 / (math.pi / math.sqrt(6))
    frequency = means[1]
    turned = (np.tile(np.arange(_SECTORS), rings)[there] + 0.5) / _SECTORS * math.pi - math.pi / 2
    smooth = np.polynomial.chebyshev.chebvander(2 * (frequency - low) / (high - low) - 1, _DEGREE)
    # drift, an oblong camera's transfer: the slow part may differ with direction
    uneven = [smooth[:, i] * wave(2 * turned) for i in range(2) for wave in (np.cos, np.sin)]
    basis, _ = np.linalg.qr(np.column_stack([smooth, *uneven]) * weights[:, None])
    values = (means[0] + _EULER) * weights
    values = values - basis @ (basis.T @ values)
    envelopes = tuple(np.exp(-((frequency / q) ** 2)) for q in (0.25, 0.4, 0.6, 1.2))
    return _Polar(values, weights, frequency, turned, basis, side * size, (high - low) / rings, envelopes)


def _searched(
    polar: _Polar, lens: _Lens, between: tuple[float, float], astigmatism: float
) -> tuple[tuple[float, float, float], float]:
    """Return the best of a grid of defocus and astigmatism, and about how many independent trials it makes."""
    # the rings of two trials differ where πλ Δf k² changes by about half a turn
    step = 0.35 / (lens.scale * float(polar.frequency.max()) ** 2)
    foci = np.linspace(*between, max(12, math.ceil((between[1] - between[0]) / step)))
    sizes = np.arange(0, astigmatism + 1e-9, max(1.5 * step, astigmatism / 6 + 1e-9))
    best, start, trials = -math.inf, (float(foci[0]), 0.0, 0.0), 0
    wide = polar.envelopes[1::2]
    for size in sizes:
        tried = foci[np.abs(foci) >= 2 * size]
        for turn in np.arange(6 if size and tried.size else 1) * math.pi / 3:
            if not tried.size:
                continue
            a, b = size * math.cos(turn), size * math.sin(turn)
            rings = lens.rings(polar, tried[:, None], a, b) * polar.weights
            for envelope in wide:
                left = rings * envelope
                left -= (left @ polar.basis) @ polar.basis.T
                along = left @ polar.values
                gains = along * np.abs(along) / np.maximum(np.einsum("ij,ij->i", left, left), 1e-12)
                if gains.max() > best:
                    best = float(gains.max())
                    start = (float(tried[gains.argmax()]), a, b)
            trials += tried.size
    return start, max(trials / _ALIKE, 1.0)
