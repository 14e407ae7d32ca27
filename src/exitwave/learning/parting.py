"""From what a network says of every pixel to its particles."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter

from exitwave.learning.instances import separate, trimmed, without_specks

__all__ = ["learnt_depth", "particles_of", "smoothed"]

_SMOOTHING, _BOUNDARY_SMOOTHING = 1.5, 1.0  # Å; outlines that a boundary head learns are 4 Å wide
_NECK = 2 / 3  # what ``neck`` is multiplied by where a head says distances, which fall to nothing between particles
_LEARNT = 0.5  # what a head says at the rim of the mask over what it says inside, or the other way round
_TRIM = 3.0  # Å; outlines are drawn no farther than this inside of the mask's
_RIM, _DEEP = 2.0, 5.0  # Å from the background that are rim, and from which on it is inside


def particles_of(
    probability: NDArray[np.float32],
    maps: Mapping[str, NDArray[np.float32]],
    pixel_size: float,
    *,
    threshold: float = 0.5,
    outline: float = 0.9,
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
        :func:`~exitwave.micrographs.separate`. Two thirds of it where a head for boundaries
        or distances parts particles; where one for depth does, of the depth of the shallower one.

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
    parted = separate(mask, neck=factor * neck, minimum_area=pixels, depth=depth)
    instances = trimmed(parted, probability, outline, _TRIM / pixel_size)
    return _numbered(instances, np.bincount(instances.ravel()) >= pixels)


def _numbered(instances: NDArray[np.int32], kept: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Return only the particles kept, numbered from 1 without gaps."""
    kept[0] = False
    return np.where(kept, np.cumsum(kept), 0).astype(np.int32)[instances]


def learnt_depth(
    depth: NDArray[np.floating], mask: NDArray[np.bool_], pixel_size: float, inside: NDArray[np.float64] | None = None
) -> bool:
    """Return whether a map of depths or distances rises into the particles: one that has learnt nothing is flat.

    Parameters
    ----------
    depth
        Å, (y, x).
    mask
        True is particle.
    pixel_size
        Å.
    inside
        Distance of pixels to the background, px, where it is at hand.

    Examples
    --------
    >>> y, x = np.mgrid[:60, :60]
    >>> cone = np.clip(20 - np.hypot(y - 30, x - 30), 0, None)
    >>> learnt_depth(cone, cone > 0, 1.0), learnt_depth(np.full_like(cone, 5.0), cone > 0, 1.0)
    (True, False)
    """
    away = distance_transform_edt(mask) if inside is None else inside
    rim, deep = mask & (away * pixel_size <= _RIM), mask & (away * pixel_size > _DEEP)
    if not np.isfinite(depth[mask]).all() or not rim.any():
        return False
    if not deep.any():  # of particles as small as that nothing can be told
        return bool(np.ptp(depth[mask]) > 0)
    return float(depth[rim].mean()) < _LEARNT * float(depth[deep].mean())


def _depth(
    mask: NDArray[np.bool_], maps: Mapping[str, NDArray[np.float32]], pixel_size: float
) -> tuple[NDArray[np.floating] | None, float]:
    """Return how deep pixels lie inside of their particle, px, None where no head knows, and a factor of necks."""
    if not mask.any():
        return None, 1.0
    inside = distance_transform_edt(mask)
    edge = _edge(maps, mask, inside, pixel_size)
    if "depth" in maps and learnt_depth(maps["depth"], mask, pixel_size, inside):
        depth = smoothed(maps["depth"], mask, _SMOOTHING / pixel_size) / pixel_size
        if edge is not None:  # where an outline is seen too, the depth need not fall as far; rods have ripples
            depth *= 1 - np.clip(edge, 0, 1)
        return depth, 1.0
    if edge is not None:
        del inside  # of many bytes, as large as what comes now
        return np.asarray(distance_transform_edt(mask & (edge < 0.5))), _NECK
    if "distance" in maps and learnt_depth(maps["distance"], mask, pixel_size, inside):
        return smoothed(maps["distance"], mask, _SMOOTHING / pixel_size) / pixel_size, _NECK
    return None, 1.0


def _edge(
    maps: Mapping[str, NDArray[np.float32]], mask: NDArray[np.bool_], inside: NDArray[np.float64], pixel_size: float
) -> NDArray[np.float32] | None:
    """Return the probability of outlines, smoothed; None where no head says it or it has not learnt its task."""
    if "boundary" not in maps:
        return None
    edge: NDArray[np.float32] = gaussian_filter(maps["boundary"], _BOUNDARY_SMOOTHING / pixel_size)
    rim, deep = mask & (inside * pixel_size <= _RIM), mask & (inside * pixel_size > _DEEP)
    if not deep.any() or not rim.any() or float(edge[deep].mean()) < _LEARNT * float(edge[rim].mean()):
        return edge
    return None


def smoothed(values: NDArray[np.float32], mask: NDArray[np.bool_], width: float) -> NDArray[np.float64]:
    """Return a head's map (y, x) within the mask, smoothed by ``width`` px: its noise parts and joins particles."""
    inside = gaussian_filter(mask.astype(np.float64), width)
    smooth = gaussian_filter(np.where(mask, values, 0.0).astype(np.float64), width)
    return np.where(mask, smooth / np.maximum(inside, 1e-6), 0.0)
