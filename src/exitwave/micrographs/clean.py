"""What a camera adds to a micrograph: dead and hot pixels, X-rays, uneven illumination."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, distance_transform_edt, median_filter

from exitwave.core.errors import MicrographError
from exitwave.imaging.micrograph import Micrograph, checked_micrograph

__all__ = ["fill_missing", "flatten", "illumination", "remove_outliers"]

_BLOCKS = 16  # per side, over which the illumination is sampled


def fill_missing(micrograph: Micrograph) -> Micrograph:
    """Return the micrograph with NaN and infinite pixels replaced by the nearest finite pixel.

    Parameters
    ----------
    micrograph
        An image.

    Returns
    -------
    Micrograph
        A new one, or the same where nothing is missing.

    Raises
    ------
    MicrographError
        If more than half of the pixels are missing.

    Examples
    --------
    >>> import numpy as np
    >>> array = np.full((8, 8), 2.0, np.float32)
    >>> array[3, 3] = np.nan
    >>> float(fill_missing(Micrograph(array, 0.2)).array[3, 3])
    2.0
    """
    missing = ~np.isfinite(checked_micrograph(micrograph).array)
    if not missing.any():
        return micrograph
    if missing.mean() > 0.5:
        raise MicrographError(
            f"{micrograph.name or 'the micrograph'} has {missing.mean():.0%} pixels without a number "
            "(NaN or infinite); at most half may be missing."
        )
    nearest = distance_transform_edt(missing, return_distances=False, return_indices=True)
    return replace(micrograph, array=micrograph.array[tuple(nearest)])


def remove_outliers(micrograph: Micrograph, *, threshold: float = 10.0) -> Micrograph:
    r"""Return the micrograph without X-ray hits, hot and dead pixels; NaN are filled as well.

    A pixel is an outlier where it differs from the 5 × 5 median about it by more than ``threshold`` times
    the standard deviation of such differences, estimated without them (clipped at 5 σ until it stands).
    Outliers and their immediate neighbours above half of that take the median. Lattice fringes differ from
    their local median by 2–4 σ, Poisson noise at 1 e/px by at most 6, so both stay.

    Parameters
    ----------
    micrograph
        Any image.
    threshold
        In standard deviations.

    Raises
    ------
    MicrographError
        If ``threshold`` is not above 3, or most pixels are not finite.

    Examples
    --------
    >>> import numpy as np
    >>> noise = np.random.default_rng(0).normal(100, 5, (64, 64)).astype(np.float32)
    >>> noise[10, 10] = 5000
    >>> bool(remove_outliers(Micrograph(noise, 0.2)).array.max() < 200)
    True
    """
    if not threshold > 3:
        raise MicrographError(
            f"threshold is {threshold}; outliers lie more than 3 standard deviations off, such as 10."
        )
    micrograph = fill_missing(micrograph)
    median = median_filter(micrograph.array, size=5, mode="nearest")
    difference = np.abs(micrograph.array - median)
    spread = _clipped_spread(difference)
    outliers = difference > threshold * spread
    if spread == 0 or not outliers.any():
        return micrograph
    halo = binary_dilation(outliers, np.ones((3, 3), bool)) & (difference > 0.5 * threshold * spread)
    return replace(micrograph, array=np.where(outliers | halo, median, micrograph.array))


def _clipped_spread(difference: NDArray[np.float32]) -> float:
    squares = np.square(difference, dtype=np.float64).ravel()
    spread = float(np.sqrt(squares.mean()))
    for _ in range(20):
        kept = squares[squares <= (5 * spread) ** 2]
        narrower = float(np.sqrt(kept.mean())) if kept.size else 0.0
        if narrower >= spread * 0.999:
            break
        spread = narrower
    return spread


def illumination(micrograph: Micrograph, *, order: int = 2) -> NDArray[np.float32]:
    """Return the slow background of a micrograph: a polynomial through the medians of 16 × 16 blocks.

    Blocks below the surface by more than twice the median deviation, as dark particles are, lose their weight
    in a few rounds of reweighting.

    Parameters
    ----------
    micrograph
        Any image of at least 16 × 16 pixels.
    order
        Degree of the polynomial in x and y together, 0 to 4.

    Returns
    -------
    array
        Same shape as the image, in its units.

    Examples
    --------
    >>> import numpy as np
    >>> ramp = np.linspace(90, 110, 64, dtype=np.float32) * np.ones((64, 1), np.float32)
    >>> bool(np.allclose(illumination(Micrograph(ramp, None), order=1), ramp, atol=0.01))
    True
    """
    array = fill_missing(micrograph).array
    if not 0 <= order <= 4:
        raise MicrographError(f"order is {order}; the background is a polynomial of order 0 to 4.")
    if min(array.shape) < _BLOCKS:
        raise MicrographError(f"the image is {array.shape}; its background needs at least {_BLOCKS} pixels per side.")
    rows = np.array_split(np.arange(array.shape[0]), _BLOCKS)
    columns = np.array_split(np.arange(array.shape[1]), _BLOCKS)
    medians = np.array([[np.median(array[r[0] : r[-1] + 1, c[0] : c[-1] + 1]) for c in columns] for r in rows])
    y, x = np.meshgrid([r.mean() for r in rows], [c.mean() for c in columns], indexing="ij")
    terms = _terms(_unit(y.ravel(), array.shape[0]), _unit(x.ravel(), array.shape[1]), order)
    values, weights = medians.ravel(), np.ones(medians.size)
    for _ in range(10):
        root = np.sqrt(weights)
        coefficients = np.linalg.lstsq(terms * root[:, None], values * root, rcond=None)[0]
        residual = values - terms @ coefficients
        scale = 2 * float(np.median(np.abs(residual)))
        if scale == 0:
            break
        weights = np.clip(1 - np.minimum(residual, 0) ** 2 / (2 * scale) ** 2, 1e-3, 1) ** 2
    y_terms = _unit(np.arange(array.shape[0], dtype=np.float64), array.shape[0])
    x_terms = _unit(np.arange(array.shape[1], dtype=np.float64), array.shape[1])
    surface = np.zeros(array.shape)
    for coefficient, (i, j) in zip(coefficients, _powers(order), strict=True):
        surface += coefficient * np.outer(y_terms**i, x_terms**j)
    return surface.astype(np.float32)


def flatten(micrograph: Micrograph, *, order: int = 2) -> Micrograph:
    """Return the micrograph divided by its :func:`illumination`, at the same mean.

    Parameters
    ----------
    micrograph
        An image; missing pixels are filled in.
    order
        Degree of the polynomial.

    Returns
    -------
    Micrograph
        A new one.

    Raises
    ------
    MicrographError
        If the background is not positive everywhere: then counts were offset, and division means nothing.

    Examples
    --------
    >>> import numpy as np
    >>> ramp = np.linspace(90, 110, 64, dtype=np.float32) * np.ones((64, 1), np.float32)
    >>> bool(np.ptp(flatten(Micrograph(ramp, None)).array) < 0.1)
    True
    """
    micrograph = fill_missing(micrograph)
    background = illumination(micrograph, order=order)
    if background.min() <= 0.05 * background.max():
        raise MicrographError(
            f"the background of {micrograph.name or 'the micrograph'} runs from {background.min():.4g} to "
            f"{background.max():.4g}; it can be divided out where it is above 0 everywhere: lower the order, or "
            "leave the image as it is."
        )
    return replace(micrograph, array=micrograph.array * (np.float32(background.mean()) / background))


def _unit(position: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    return 2 * position / max(size - 1, 1) - 1


def _powers(order: int) -> list[tuple[int, int]]:
    return [(i, j) for i in range(order + 1) for j in range(order + 1 - i)]


def _terms(y: NDArray[np.float64], x: NDArray[np.float64], order: int) -> NDArray[np.float64]:
    return np.stack([y**i * x**j for i, j in _powers(order)], axis=1)
