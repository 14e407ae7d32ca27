"""Particles out of a mask: touching ones are cut at their necks."""

from __future__ import annotations

import heapq
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter
from scipy.ndimage import label as connected

from exitwave.core.errors import MicrographError

__all__ = ["separate", "trimmed", "without_specks"]


def without_specks(mask: NDArray[np.bool_], minimum_area: float) -> NDArray[np.bool_]:
    """Return a mask without objects and holes smaller than ``minimum_area`` pixels.

    Holes at the border of the image are background, however small.

    Examples
    --------
    >>> import numpy as np
    >>> mask = np.zeros((9, 9), bool)
    >>> mask[1, 1] = mask[3:8, 3:8] = True
    >>> mask[5, 5] = False
    >>> int(without_specks(mask, 4).sum())
    25
    """
    mask = mask.copy()
    for inside in (True, False):
        labels, count = connected(mask == inside)
        if not count:
            continue
        small = np.bincount(labels.ravel(), minlength=count + 1) < minimum_area
        small[0] = False
        if not inside:
            edge = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
            small[edge] = False
        mask[small[labels]] = not inside
    return mask


def trimmed(
    instances: NDArray[np.int32], probability: NDArray[np.floating], outline: float, reach: float = np.inf
) -> NDArray[np.int32]:
    """Return particles without the rim where a network is less sure than ``outline``.

    What it is unsure of inside of a particle stays, and so does a particle that would lose more than half of itself.

    Parameters
    ----------
    instances, probability
        Both (y, x).
    outline
        Probability at which outlines are drawn.
    reach
        How far from the background the rim goes at most, px: what is unsure farther inside is a doubtful particle.

    Examples
    --------
    >>> import numpy as np
    >>> y, x = np.mgrid[:40, :40]
    >>> sure = np.clip((16 - np.hypot(y - 20, x - 20)) / 8, 0, 1)
    >>> disc = (sure >= 0.5).astype(np.int32)
    >>> int(disc.sum()), int(trimmed(disc, sure, 0.75).sum())
    (441, 317)
    """
    parts = connected((instances == 0) | (probability < outline))[0]
    outside = np.unique(parts[instances == 0])
    rim = np.isin(parts, outside[outside > 0]) & (instances > 0)
    sizes = np.bincount(instances.ravel())
    lost = np.bincount(instances[rim], minlength=len(sizes))
    if np.isfinite(reach):
        rim &= distance_transform_edt(instances > 0) <= reach
    return np.where(rim & (2 * lost <= sizes)[instances], 0, instances).astype(np.int32)


def separate(
    mask: NDArray[np.bool_],
    *,
    neck: float = 0.75,
    minimum_area: float = 0.0,
    depth: NDArray[np.floating] | None = None,
) -> NDArray[np.int32]:
    """Return a mask's particles, numbered from 1, with touching ones cut at their necks.

    The watershed of the depth, which is the distance to the background, cuts a mask at every constriction. Two
    pieces are then joined again unless the constriction is narrower than ``neck`` times the width of the narrower
    piece, the widest constriction first, so that rough outlines, facets and rods stay whole.

    Parameters
    ----------
    mask
        Shape (y, x); True is particle. Beyond the image the particles go on.
    neck
        Between 0 (never cut) and 1 (cut at every constriction). Two equal discs of radius R are cut where
        their centres are further apart than 2 R √(1 − neck²): 1.32 R at 0.75.
    minimum_area
        Pieces of fewer pixels are joined to their neighbour.
    depth
        Distance of every pixel to the outline of its own particle, px, where a network says it: then particles are
        parted too whose common outline has no neck.

    Returns
    -------
    instances
        Shape (y, x); 0 is background.

    Raises
    ------
    MicrographError
        If ``neck`` is not between 0 and 1.

    Examples
    --------
    >>> import numpy as np
    >>> y, x = np.mgrid[:40, :64]
    >>> discs = (np.hypot(y - 20, x - 20) < 12) | (np.hypot(y - 20, x - 41) < 12)
    >>> int(separate(discs).max()), int(separate(discs, neck=0).max())
    (2, 1)
    """
    if not 0 <= neck <= 1:
        raise MicrographError(f"neck is {neck}; it is a number from 0 (never cut) to 1 (cut at every constriction).")
    if not mask.any():
        return np.zeros(mask.shape, np.int32)
    if mask.all() or neck == 0:
        return np.asarray(connected(mask)[0], np.int32)
    morphology: Any = import_module("skimage.morphology")
    segmentation: Any = import_module("skimage.segmentation")
    if depth is None:
        depth = distance_transform_edt(mask)
    elif depth.shape != mask.shape:
        raise MicrographError(f"depth has the shape {depth.shape} and the mask {mask.shape}; they are the same.")
    smooth = np.where(mask, gaussian_filter(depth, 1.0, mode="nearest"), 0)
    markers = connected(morphology.local_maxima(smooth) & mask, np.ones((3, 3)))[0]
    # A piece of mask that is thinner than the smoothing can be without a maximum of its own.
    parts, count = connected(mask)
    bare = np.ones(count + 1, bool)
    bare[np.unique(parts[markers > 0])] = False
    bare[0] = False
    markers = markers + np.where(bare[parts], parts + markers.max(), 0)
    pieces = segmentation.watershed(-smooth, markers, mask=mask)
    joined = _join(pieces, depth, neck, minimum_area)[pieces]
    return np.asarray(segmentation.relabel_sequential(joined)[0], np.int32)


def _join(
    pieces: NDArray[np.int32], depth: NDArray[np.floating], neck: float, minimum_area: float
) -> NDArray[np.int32]:
    """Return for every piece the number of the piece that it belongs to."""
    count = int(pieces.max())
    width = np.zeros(count + 1)
    np.maximum.at(width, pieces.ravel(), depth.ravel())
    area = np.bincount(pieces.ravel(), minlength=count + 1).astype(np.float64)
    saddles: list[dict[int, float]] = [{} for _ in range(count + 1)]
    for low, high, saddle in _boundaries(pieces, depth):
        saddles[low][high] = saddles[high][low] = saddle

    def openness(a: int, b: int) -> float:
        narrower = float(min(width[a], width[b]))
        # a piece to which a head gives no depth is none of its own
        ratio = saddles[a][b] / narrower if narrower > 0 else 1.0
        return ratio + 2 if min(area[a], area[b]) < minimum_area else ratio

    parent = np.arange(count + 1, dtype=np.int32)
    queue = [(-openness(a, b), a, b) for a in range(1, count + 1) for b in saddles[a] if a < b]
    heapq.heapify(queue)
    while queue:
        negative, a, b = heapq.heappop(queue)
        if parent[a] != a or parent[b] != b or b not in saddles[a] or -openness(a, b) != negative:
            continue  # one of the two has changed since
        if -negative < neck:
            break
        parent[b] = a
        width[a], area[a] = max(width[a], width[b]), area[a] + area[b]
        del saddles[a][b]
        for other, saddle in saddles[b].items():
            if other != a:
                del saddles[other][b]
                saddles[a][other] = saddles[other][a] = max(saddle, saddles[a].get(other, 0.0))
        for other in saddles[a]:
            heapq.heappush(queue, (-openness(a, other), min(a, other), max(a, other)))
    for piece in range(1, count + 1):
        while parent[piece] != parent[parent[piece]]:
            parent[piece] = parent[parent[piece]]
    return parent


def _boundaries(pieces: NDArray[np.int32], depth: NDArray[np.floating]) -> list[tuple[int, int, float]]:
    """Return every pair of touching pieces with the half width of the widest place where they touch."""
    found: dict[tuple[int, int], float] = {}
    for one, two in (((slice(None, -1), slice(None)), (slice(1, None), slice(None))),
                     ((slice(None), slice(None, -1)), (slice(None), slice(1, None)))):  # fmt: skip
        a, b = pieces[one], pieces[two]
        touch = (a != b) & (a > 0) & (b > 0)
        pairs = zip(a[touch], b[touch], np.minimum(depth[one], depth[two])[touch], strict=True)
        for first, second, width in pairs:
            key = (int(min(first, second)), int(max(first, second)))
            found[key] = max(found.get(key, 0.0), float(width))
    return [(low, high, saddle) for (low, high), saddle in found.items()]
