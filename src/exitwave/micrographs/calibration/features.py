"""What an image looks like, in a few numbers that brightness and contrast have no part in."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from exitwave.core.errors import MicrographError
from exitwave.imaging.micrograph import Micrograph
from exitwave.learning.familiarity import band_powers
from exitwave.micrographs.calibration.directions import directions, windowed_power
from exitwave.micrographs.clean import fill_missing, remove_outliers
from exitwave.micrographs.rings import ring_evidence

__all__ = ["BANDS", "common_grid", "energy_distance", "features", "tiles", "too_small"]

BANDS = 24
_LEAST = 64  # px; smaller tiles have too few frequencies
_MOST = 16  # tiles of one micrograph
_DEFOCI = np.geomspace(80.0, 3000.0, 24)  # Å, whose rings are looked for
_RINGS_END = 1.0  # 1/Å


def features(
    stack: NDArray[np.float32],
    *,
    pixel_size: float | None = None,
    energy: float = 300e3,
    spherical: float = 0.0,
    counts: bool = False,
) -> NDArray[np.float64]:
    """Return numbers that tell how images were taken, shape (n, 39) or more.

    The logarithm of the share of power in 24 bands of spatial frequency (lattice fringes, film, dose and transfer
    function of the camera show there), skewness and excess kurtosis of the intensity as it is and after a Gaussian of
    2 px, how unevenly the local contrast is spread, and how the power differs with direction in five bands (drift,
    astigmatism). With a pixel size, how much the rotational average of the power looks like the Thon rings of each of
    24 defoci, too. None of these changes when an image is multiplied by a number or has one added. Of counts, the
    logarithms of mean and of variance over mean are two more.

    Parameters
    ----------
    stack
        Square images on one pixel size, (n, y, x).
    pixel_size
        Å.
    energy, spherical
        eV, and C30 in Å, for the rings.
    counts
        Whether the values are in proportion to electrons, so that mean and variance say something.

    Examples
    --------
    >>> noise = np.random.default_rng(1).normal(size=(3, 64, 64)).astype(np.float32)
    >>> features(noise).shape, bool(np.allclose(features(noise), features(5 * noise + 3), atol=1e-4))
    ((3, 39), True)
    """
    images = np.asarray(stack, np.float64)
    means = images.mean(axis=(1, 2), keepdims=True)
    images = images - means
    scale = images.std(axis=(1, 2), keepdims=True)
    images = images / np.where(scale > 0, scale, 1)
    powers = band_powers(torch.from_numpy(images[:, None]), BANDS)
    smooth = np.stack([gaussian_filter(image, 2.0) for image in images])
    shapes = [moment(values, order) for values in (images, smooth) for order in (3, 4)]
    side = 16
    high, wide = (size // side * side for size in images.shape[1:])
    blocks = images[:, :high, :wide].reshape(len(images), high // side, side, wide // side, side)
    local = blocks.std(axis=(2, 4)).reshape(len(images), -1)
    uneven = np.log10(local.std(axis=1) / (local.mean(axis=1) + 1e-12) + 1e-3)
    columns = [powers, *shapes, uneven, directions(images)]
    if pixel_size is not None:
        columns.append(_rings(images, pixel_size, energy, spherical))
    if counts:
        mean = np.maximum(means[:, 0, 0], 1e-6)
        columns += [np.log10(mean), np.log10(np.maximum(scale[:, 0, 0] ** 2 / mean, 1e-6))]
    return np.column_stack(columns)


def _rings(images: NDArray[np.float64], pixel_size: float, energy: float, spherical: float) -> NDArray[np.float64]:
    """Return how much every image looks like the rings of each defocus, (n, 24)."""
    side, power = images.shape[-1], windowed_power(images)
    frequency = np.hypot(np.fft.fftfreq(side, pixel_size)[:, None], np.fft.rfftfreq(side, pixel_size))
    low, high = 3 / (side * pixel_size), min(_RINGS_END, 0.48 / pixel_size)
    count = max(12, int((high - low) * side * pixel_size / 1.2))
    ring = np.floor((frequency - low) / (high - low) * count).astype(int)
    inside = (ring >= 0) & (ring < count)
    size = np.bincount(ring[inside], minlength=count)
    logs = [np.log(np.bincount(ring[inside], each[inside], count) / np.maximum(size, 1) + 1e-12) for each in power]
    centres = low + (np.arange(count) + 0.5) * (high - low) / count
    return ring_evidence(np.stack(logs), centres, _DEFOCI, energy, spherical)


def moment(values: NDArray[np.float64], order: int) -> NDArray[np.float64]:
    """Return the skewness (order 3) or excess kurtosis (4) of every image, its range compressed: arsinh."""
    centred = values - values.mean(axis=(1, 2), keepdims=True)
    spread = np.sqrt((centred**2).mean(axis=(1, 2)))
    value = (centred**order).mean(axis=(1, 2)) / np.maximum(spread, 1e-12) ** order
    return np.asarray(np.arcsinh(value - (3 if order == 4 else 0)))


def common_grid(micrographs: Sequence[Micrograph], pixel_size: float, shape: tuple[int, int]) -> tuple[float, int]:
    """Return the pixel size (Å) and the side (px) of tiles that fit into all micrographs and simulated images.

    The pixels are the coarsest of all, as nothing is known of finer detail in those. Micrographs that are too small
    have to be left out before (:func:`too_small`).

    Parameters
    ----------
    micrographs
        Real ones.
    pixel_size, shape
        Of the simulated images: Å, and (y, x).

    Raises
    ------
    MicrographError
        If the tiles would be smaller than 64 px.
    """
    sizes = [micrograph.known_pixel_size() for micrograph in micrographs]
    pixel = max(pixel_size, *sizes)
    fields = [min(m.array.shape) * size for m, size in zip(micrographs, sizes, strict=True)]
    side = int(min(min(shape) * pixel_size, *fields) / pixel * (1 + 1e-9))
    if side < _LEAST:
        raise MicrographError(
            f"the smallest field spans {side} px of {pixel:.3g} Å; calibration needs {_LEAST}: leave out small "
            "micrographs, or give a recipe with a larger field."
        )
    return pixel, side


def too_small(micrograph: Micrograph, pixel_size: float) -> str:
    """Return why a micrograph has too small a field for images of ``pixel_size`` Å, or nothing."""
    pixel = max(pixel_size, micrograph.known_pixel_size())
    side = int(min(micrograph.shape) * micrograph.known_pixel_size() / pixel)
    return "" if side >= _LEAST else f"its field spans {side} px of {pixel:.3g} Å; calibration needs {_LEAST}"


def tiles(micrograph: Micrograph, pixel_size: float, side: int, *, clean: bool = False) -> NDArray[np.float32]:
    """Return up to 16 squares of ``side`` px of ``pixel_size`` Å, spread evenly over an image: (n, side, side).

    Values are counts per new pixel, so that mean and noise are those of a camera with such pixels.
    """
    if clean:
        micrograph = remove_outliers(fill_missing(micrograph))
    ratio = pixel_size / micrograph.known_pixel_size()
    if abs(ratio - 1) > 1e-3:
        micrograph = micrograph.resampled(pixel_size)
    array = micrograph.array * np.float32(ratio**2 if abs(ratio - 1) > 1e-3 else 1.0)
    counts = [min(4, max(1, round(length / side))) for length in array.shape]
    places = [
        np.linspace(0, max(0, length - side), count).round().astype(int)
        for length, count in zip(array.shape, counts, strict=True)
    ]
    found = [array[top : top + side, left : left + side] for top in places[0] for left in places[1]]
    whole = [tile for tile in found if tile.shape == (side, side)]
    return np.asarray(np.stack(whole[:_MOST]), np.float32)


def energy_distance(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    r"""Return the energy distance of two samples of features, 0 where they follow one distribution.

    .. math:: D^2 = 2\,\overline{|X-Y|} - \overline{|X-X'|} - \overline{|Y-Y'|}

    with Euclidean distances and means over all pairs (Székely & Rizzo, 2013); the square root is returned.

    Parameters
    ----------
    first, second
        (n, features) and (m, features), each feature in comparable units.

    Examples
    --------
    >>> random = np.random.default_rng(1)
    >>> near, far = random.normal(size=(200, 5)), random.normal(size=(200, 5)) + 2
    >>> energy_distance(near[:100], near[100:]) < 0.3 < 1 < energy_distance(near, far)
    True
    """
    from scipy.spatial.distance import cdist

    def within(sample: NDArray[np.float64]) -> float:
        count = len(sample)
        return float(cdist(sample, sample).sum() / max(1, count * (count - 1)))

    squared = 2 * float(cdist(first, second).mean()) - within(first) - within(second)
    return float(np.sqrt(max(squared, 0.0)))
