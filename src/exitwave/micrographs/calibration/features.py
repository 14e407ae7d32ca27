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
from exitwave.micrographs.clean import fill_missing, remove_outliers

__all__ = ["BANDS", "common_grid", "energy_distance", "features", "tiles"]

BANDS = 24
_LEAST = 64  # px; smaller tiles have too few frequencies
_MOST = 16  # tiles of one micrograph


def features(stack: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return numbers that tell how images were taken, shape (n, 29).

    The logarithm of the share of power in 24 bands of spatial frequency (Thon rings, lattice fringes, film, dose and
    transfer function of the camera show there), skewness and excess kurtosis of the intensity as it is and after a
    Gaussian of 2 px, and how unevenly the local contrast is spread. None changes when an image is multiplied by a
    number or has one added.

    Parameters
    ----------
    stack
        Square images on one pixel size, (n, y, x).

    Examples
    --------
    >>> noise = np.random.default_rng(1).normal(size=(3, 64, 64)).astype(np.float32)
    >>> features(noise).shape, bool(np.allclose(features(noise), features(5 * noise + 3), atol=1e-4))
    ((3, 29), True)
    """
    images = np.asarray(stack, np.float64)
    images = images - images.mean(axis=(1, 2), keepdims=True)
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
    return np.column_stack([powers, *shapes, uneven])


def moment(values: NDArray[np.float64], order: int) -> NDArray[np.float64]:
    """Return the skewness (order 3) or excess kurtosis (4) of every image, its range compressed: arsinh."""
    centred = values - values.mean(axis=(1, 2), keepdims=True)
    spread = np.sqrt((centred**2).mean(axis=(1, 2)))
    value = (centred**order).mean(axis=(1, 2)) / np.maximum(spread, 1e-12) ** order
    return np.asarray(np.arcsinh(value - (3 if order == 4 else 0)))


def common_grid(micrographs: Sequence[Micrograph], pixel_size: float, shape: tuple[int, int]) -> tuple[float, int]:
    """Return the pixel size (Å) and the side (px) of tiles that fit into all micrographs and simulated images.

    The pixels are the coarsest of all, as nothing is known of finer detail in those.

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


def tiles(micrograph: Micrograph, pixel_size: float, side: int, *, clean: bool = False) -> NDArray[np.float32]:
    """Return up to 16 squares of ``side`` px of ``pixel_size`` Å, spread evenly over an image: (n, side, side)."""
    if clean:
        micrograph = remove_outliers(fill_missing(micrograph))
    if abs(micrograph.known_pixel_size() / pixel_size - 1) > 1e-3:
        micrograph = micrograph.resampled(pixel_size)
    array = micrograph.array
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
