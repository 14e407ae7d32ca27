"""Thon rings: defocus and twofold astigmatism from the power spectrum of an amorphous film."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from exitwave.core.errors import MicrographError
from exitwave.imaging.micrograph import Micrograph, checked_micrograph
from exitwave.micrographs.clean import fill_missing
from exitwave.micrographs.polar import Lens, Polar, averaged
from exitwave.scattering.electron import wavelength

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["CTFFit", "fit_ctf", "ring_evidence"]

_Array = NDArray[np.float64]

_DEGREE = 4
_ALIKE = 20  # trials next to each other in focus and astigmatism share most of their rings
_TRIED = 4  # maxima over defocus that are fitted
_NEARLY = 0.75  # share of the best one's fall of χ² from which another defocus is a rival


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
    rivals
        Other defoci, Å, that explain nearly as much (three quarters of the fall of χ², or more); the error of the
        defocus reaches to the farthest of them.

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
    rivals: tuple[float, ...] = ()

    def __repr__(self) -> str:
        if not self.visible:
            return "CTFFit(no rings visible)"
        return (
            f"CTFFit(defocus {self.defocus:.0f} ± {self.defocus_error:.0f} Å, astigmatism {self.astigmatism:.0f} ± "
            f"{self.astigmatism_error:.0f} Å at {self.azimuth:.0f}°"
            + "".join(f", or defocus {rival:.0f} Å" for rival in self.rivals)
            + ")"
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
    size = checked_micrograph(micrograph).known_pixel_size()
    low, high = _checked(between, frequencies, size, min(micrograph.shape))
    polar = averaged(fill_missing(micrograph).array.astype(np.float64), size, low, high)
    lens = Lens(wavelength(energy), spherical, amplitude_contrast)
    starts, trials = _searched(polar, lens, between, astigmatism)
    fits = sorted((_fitted(polar, lens, start) for start in starts), key=lambda fit: -fit.gain)
    best, others = fits[0], [fit for fit in fits[1:] if between[0] <= fit.defocus <= between[1]]
    within = between[0] <= best.defocus <= between[1]  # at an end of the range nothing was found
    rivals = [fit.defocus for fit in others if fit.gain > _NEARLY * best.gain and not _same(fit, best)]
    significance = best.gain / best.dispersion
    twofold = math.hypot(best.a, best.b)
    along = (best.a * best.errors[1], best.b * best.errors[2])
    return CTFFit(
        best.defocus,
        max([float(best.errors[0]), *(abs(rival - best.defocus) for rival in rivals)]),
        twofold,
        float(math.hypot(*along) / twofold if twofold > 0 else best.errors[1]),
        math.degrees(math.atan2(best.b, best.a)) / 2,
        best.amplitude,
        significance,
        bool(best.amplitude > 0 and within and significance > 2 * math.log(trials / false_alarms)),
        polar.along(lens, best.defocus, best.a, best.b, best.shape),
        tuple(rivals),
    )


@dataclass(frozen=True, eq=False)
class _Fit:
    defocus: float
    a: float
    b: float
    errors: _Array
    dispersion: float
    shape: _Array
    amplitude: float
    gain: float


def _fitted(polar: Polar, lens: Lens, start: tuple[float, float, float]) -> _Fit:
    """Return the least squares fit from a start of defocus and astigmatism."""
    fitted = least_squares(
        lambda p: polar.misfit(lens.rings(polar, *p)), start, x_scale=(10.0, 5.0, 5.0), max_nfev=60
    )
    defocus, a, b = (float(value) for value in fitted.x)
    shape, amplitude, gain = polar.explained(lens.rings(polar, defocus, a, b))
    freedom = max(1, len(polar.values) - polar.basis.shape[1] - 5)
    dispersion = max(1.0, float((fitted.fun**2).sum()) / freedom)
    errors = np.sqrt(np.diag(np.linalg.pinv(fitted.jac.T @ fitted.jac) * dispersion))
    return _Fit(defocus, a, b, errors, dispersion, shape, amplitude, gain)


def _same(one: _Fit, other: _Fit) -> bool:
    """Return whether two fits came to the same defocus, within what noise and ripples of the misfit move it."""
    apart = abs(one.defocus - other.defocus)
    return bool(apart < max(5 * float(np.hypot(one.errors[0], other.errors[0])), 0.05 * abs(other.defocus)))


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


def _searched(
    polar: Polar, lens: Lens, between: tuple[float, float], astigmatism: float
) -> tuple[list[tuple[float, float, float]], float]:
    """Return the best maxima over defocus, of a grid with astigmatism, and how many independent trials it makes."""
    # the rings of two trials differ where πλ Δf k² changes by about half a turn
    step = 0.35 / (lens.scale * float(polar.frequency.max()) ** 2)
    foci = np.linspace(*between, max(12, math.ceil((between[1] - between[0]) / step)))
    sizes = np.arange(0, astigmatism + 1e-9, max(1.5 * step, astigmatism / 6 + 1e-9))
    best, twofold, trials = np.full(foci.size, -math.inf), np.zeros((foci.size, 2)), 0
    wide = polar.envelopes[1::2]
    for size in sizes:
        places = np.flatnonzero(np.abs(foci) >= 2 * size)
        tried = foci[places]
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
                better = places[gains > best[places]]
                best[better] = gains[gains > best[places]]
                twofold[better] = a, b
            trials += tried.size
    padded = np.concatenate([[-math.inf], best, [-math.inf]])
    most = float(best.max())  # below 0 where nothing tried looks like the image
    tops = np.flatnonzero((best >= padded[:-2]) & (best >= padded[2:]) & (best >= most - 0.5 * abs(most)))
    tops = tops[np.argsort(-best[tops])][:_TRIED]
    return [(float(foci[i]), float(twofold[i, 0]), float(twofold[i, 1])) for i in tops], max(trials / _ALIKE, 1.0)
