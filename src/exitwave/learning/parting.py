"""From what a network says of every pixel to its particles."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter

from exitwave.learning.instances import separate, trimmed, without_specks

__all__ = ["particles_of"]

_SMOOTHING, _BOUNDARY_SMOOTHING = 1.5, 1.0  # Å; outlines that a boundary head learns are 4 Å wide
# what ``neck`` is multiplied by: between touching particles the distance to an outline falls to nothing, the depth of
# those that lie over each other does not
_NECK, _DEPTH_NECK = 2 / 3, 6 / 5
_LEARNT = 0.5  # correlation with the distance to the mask's outline, or share of the rim's boundary inside


def particles_of(
    probability: NDArray[np.float32],
    maps: Mapping[str, NDArray[np.float32]],
    pixel_size: float,
    *,
    threshold: float = 0.5,
    outline: float = 0.75,
    minimum_area: float = 1.0,
    neck: float = 0.75,
) -> NDArray[np.int32]:
    """Return the particles that a network's maps show, numbered from 1: what segmenting a micrograph does.

    Parameters
    ----------
    probability
        Of particle, (y, x).
    maps
        What else it says, by name; touching particles are parted by "boundary", "depth" or "distance" (Å) where it
        is there and has learnt its task, and else at their necks.
    pixel_size
        Å.
    threshold
        Pixels at or above this probability are particle.
    outline
        Probability at which the outlines of the particles found are drawn; at ``threshold`` or below nothing is cut.
    minimum_area
        Smaller objects and holes are noise, nm².
    neck
        Touching particles are cut where the neck is narrower than this fraction of the narrower one: see
        :func:`~exitwave.micrographs.separate`. Where a head parts particles it is 2/3 (boundary, distance) or 6/5
        (depth) of this fraction of the shallower one's depth.

    Returns
    -------
    instances
        Int32 (y, x); 0 is background.

    Examples
    --------
    >>> y, x = np.mgrid[:60, :100]
    >>> sure = ((np.hypot(y - 30, x - 30) < 20) | (np.hypot(y - 30, x - 67) < 20)).astype(np.float32)
    >>> int(particles_of(sure, {}, 1.0).max())
    2
    """
    pixels = minimum_area / (pixel_size / 10) ** 2
    mask = without_specks(probability >= threshold, pixels)
    depth, factor = _depth(mask, maps, pixel_size)
    parted = separate(mask, neck=min(1.0, factor * neck), minimum_area=pixels, depth=depth)
    instances = trimmed(parted, probability, outline)
    return _numbered(instances, np.bincount(instances.ravel()) >= pixels)


def _numbered(instances: NDArray[np.int32], kept: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Return only the particles kept, numbered from 1 without gaps."""
    kept[0] = False
    return np.where(kept, np.cumsum(kept), 0).astype(np.int32)[instances]


def _depth(
    mask: NDArray[np.bool_], maps: Mapping[str, NDArray[np.float32]], pixel_size: float
) -> tuple[NDArray[np.floating] | None, float]:
    """Return how deep pixels lie inside of their particle, px, and what that does to necks; None if no head knows."""
    if not mask.any():
        return None, 1.0
    inside = distance_transform_edt(mask)
    if "depth" in maps:
        depth = _smoothed(maps["depth"], mask, _SMOOTHING / pixel_size) / pixel_size
        if _learnt(depth, inside, mask):
            return depth, _DEPTH_NECK
    if "boundary" in maps:
        edge = gaussian_filter(maps["boundary"], _BOUNDARY_SMOOTHING / pixel_size)
        rim = mask & (inside * pixel_size <= 2.0)
        deep = mask & (inside * pixel_size > 5.0)
        if not deep.any() or not rim.any() or float(edge[deep].mean()) < _LEARNT * float(edge[rim].mean()):
            del inside, rim, deep  # of many bytes, as large as what comes now
            return np.asarray(distance_transform_edt(mask & (edge < 0.5))), _NECK
    if "distance" in maps:
        depth = _smoothed(maps["distance"], mask, _SMOOTHING / pixel_size) / pixel_size
        if _learnt(depth, inside, mask):
            return depth, _NECK
    return None, 1.0


def _learnt(depth: NDArray[np.floating], inside: NDArray[np.float64], mask: NDArray[np.bool_]) -> bool:
    """Return whether a head has learnt its task: one that has not is flat within particles."""
    return bool(np.ptp(depth[mask]) > 0 and np.corrcoef(depth[mask], inside[mask])[0, 1] >= _LEARNT)


def _smoothed(values: NDArray[np.float32], mask: NDArray[np.bool_], width: float) -> NDArray[np.float64]:
    """Return a head's map within the mask, smoothed there: its noise would part and join particles."""
    inside = gaussian_filter(mask.astype(np.float64), width)
    smooth = gaussian_filter(np.where(mask, values, 0.0).astype(np.float64), width)
    return np.where(mask, smooth / np.maximum(inside, 1e-6), 0.0)
