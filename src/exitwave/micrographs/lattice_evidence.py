"""How probable lattice peaks of tiles are, if they are a crystal's at some scale, or nobody's."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

__all__ = ["by_chance", "evidence", "scatter"]

_Array = NDArray[np.float64]

_STRAY = 0.05  # share of peaks that belong to no plane, before any is seen
_STRAY_BELIEF = 40.0  # how many peaks it counts for against those seen
_BELIEF = 8.0  # how many peaks the expected shares of planes count for against those seen
_STRAIN = 0.02  # relative scatter of spacings: strain, and small crystals whose wide peaks lenses pass unevenly
_BLUR = 0.12  # scatter in widths of a tile's frequencies


def evidence(
    scale: float, peaks: _Array, planes: Sequence[tuple[str, float, float]]
) -> tuple[float, NDArray[np.intp]]:
    r"""Return the logarithm of the probability density of peaks, if they are a crystal's, and the plane of each.

    The plane of spacing d gives the frequency :math:`s/d` at a scale s, up to a scatter (Student's t, three degrees
    of freedom); shares of planes have a Dirichlet prior about their weights, and that of peaks of no plane a Beta
    prior (:func:`~exitwave.micrographs.lattice_pixel_sizes`).

    Parameters
    ----------
    scale
        Pixel size, Å, if frequencies are per pixel; if they are per Å, the pixel size over the stated one.
    peaks
        (n, 4) of :func:`~exitwave.micrographs.tiles.tile_peaks`, one or more.
    planes
        Name, spacing (Å) and weight of each.

    Returns
    -------
    log, nearest
        ``nearest`` has an index for every peak; that beyond the last plane is a peak of none.

    Examples
    --------
    >>> peaks = np.array([[1 / 2.35, 0.02, 0.1, 1.5], [1 / 2.04, 0.02, 0.1, 1.5]])
    >>> log, nearest = evidence(1.0, peaks, [("111", 2.355, 0.7), ("200", 2.039, 0.3)])
    >>> log > by_chance(peaks), nearest.tolist()
    (True, [0, 1])
    """
    frequencies, _, lowest, highest = peaks.T
    wide = scatter(peaks)[:, None]
    lines = scale / np.array([spacing for _, spacing, _ in planes])
    seen = (lines > lowest.min()) & (lines < highest.max())
    weights = np.where(seen, [weight for *_, weight in planes], 0.0)
    if not seen.any():
        return -math.inf, np.full(len(peaks), len(planes))
    prior = weights / weights.sum()
    # Student's t with three degrees of freedom: a few are far off
    off = np.log(frequencies[:, None] / lines) / wide
    densities = -2 * np.log1p(off**2 / 3) - np.log(wide * math.pi * math.sqrt(3) / 2)
    densities = np.concatenate([densities, _anywhere(peaks)[:, None]], axis=1)
    with np.errstate(divide="ignore"):
        nearest = (densities + np.log(np.append((1 - _STRAY) * prior, _STRAY))).argmax(axis=1)
    *counts, stray = np.bincount(nearest, minlength=len(prior) + 1)
    shares = _dirichlet(_STRAY_BELIEF * np.array([_STRAY, 1 - _STRAY]), np.array([stray, len(peaks) - stray]))
    shares += _dirichlet(_BELIEF * prior[prior > 0], np.array(counts)[prior > 0])
    return float(densities[np.arange(len(peaks)), nearest].sum() + shares), nearest


def by_chance(peaks: _Array) -> float:
    """Return the logarithm of the probability density of peaks, if all are of no plane.

    Examples
    --------
    >>> by_chance(np.array([[0.2, 0.01, 0.05, 0.45], [0.3, 0.01, 0.05, 0.45]])).__round__(2)
    -1.57
    """
    return float(_anywhere(peaks).sum())


def scatter(peaks: _Array) -> _Array:
    """Return the relative scatter of every peak's frequency: strain, and its tile's resolution.

    Examples
    --------
    >>> scatter(np.array([[0.2, 0.0, 0.05, 0.45]]))
    array([0.02])
    """
    return np.asarray(np.hypot(_STRAIN, _BLUR * peaks[:, 1] / peaks[:, 0]))


def _anywhere(peaks: _Array) -> _Array:
    return np.asarray(-np.log(np.log(peaks[:, 3] / peaks[:, 2])))


def _dirichlet(prior: _Array, counts: NDArray[np.int_]) -> float:
    """Return the logarithm of the probability of an order of kinds with some counts, whose shares are not known."""
    total = prior.sum()
    return float(gammaln(total) - gammaln(total + counts.sum()) + (gammaln(prior + counts) - gammaln(prior)).sum())
