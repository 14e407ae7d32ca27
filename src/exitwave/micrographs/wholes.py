"""Particles whole, with what of them lies over or under others."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, distance_transform_edt, find_objects

from exitwave.learning.parting import learnt_depth, smoothed

__all__ = ["Shape", "whole_shapes"]

Shape = tuple[slice, slice, NDArray[np.bool_]]
"""Rows and columns of a particle's box, and which pixels of it are particle."""

_DEEP = 0.5  # of a particle's greatest depth; discs around shallower pixels say little but their noise
_SMOOTHING = 1.5  # Å
_STEPS = 12  # discs from a particle's middle to its outline; more change areas by less than 1 %


def whole_shapes(
    instances: NDArray[np.int32], depth: NDArray[np.floating] | None, pixel_size: float
) -> Mapping[int, Shape]:
    r"""Return the shape of every particle as if it were alone.

    A particle is its own pixels, and of its neighbours' those that the discs around its deep pixels reach:

    .. math:: S_i = T_i \cup \Bigl(\bigcup_{p \in T_i} \{q : |q - p| < d(p)\} \cap \bigcup_{j \ne i} T_j\Bigr)

    with T the pixels of each and d how deep a pixel lies inside of its own particle. Without d, or where it does not
    rise into the particles (its head has learnt nothing), a shape is the particle's own pixels.

    Parameters
    ----------
    instances
        Int32 (y, x); 0 is background.
    depth
        Å, (y, x): what a network's head "depth" says, or the label rule of that name.
    pixel_size
        Å.

    Returns
    -------
    shapes
        By number. A shape ends with the image.

    Examples
    --------
    >>> y, x = np.mgrid[:60, :80]
    >>> depths = [20 - np.hypot(y - 30, x - 28), 20 - np.hypot(y - 30, x - 52)]
    >>> deepest = np.maximum(*depths)
    >>> instances = np.where(deepest > 0, np.argmax(depths, axis=0) + 1, 0).astype(np.int32)
    >>> alone, shapes = [int((depth > 0).sum()) for depth in depths], whole_shapes(instances, deepest, 1.0)
    >>> [bool(abs(int(shape[2].sum()) / area - 1) < 0.02) for shape, area in zip(shapes.values(), alone)]
    [True, True]
    >>> round(int((instances == 1).sum()) / alone[0], 2)
    0.87
    """
    shapes: dict[int, Shape] = {}
    known = depth is not None and learnt_depth(depth, instances > 0, pixel_size)
    for number, box in enumerate(find_objects(instances), start=1):
        if box is None:
            continue
        own = instances[box] == number
        shapes[number] = (*box, own)
        if not known or depth is None or not _touches(instances, box, number):
            continue
        shapes[number] = _with_overlap(instances, depth, number, box, own, pixel_size)
    return shapes


def _touches(instances: NDArray[np.int32], box: tuple[slice, slice], number: int) -> bool:
    """Return whether a particle touches another."""
    rows, columns = (slice(max(0, part.start - 1), part.stop + 1) for part in box)
    around = instances[rows, columns]
    near = binary_dilation(around == number)
    return bool(((around != number) & (around > 0) & near).any())


def _with_overlap(
    instances: NDArray[np.int32],
    deep: NDArray[np.floating],
    number: int,
    box: tuple[slice, slice],
    own: NDArray[np.bool_],
    pixel_size: float,
) -> Shape:
    """Return a particle with those pixels of its neighbours that lie within discs of its own depths."""
    depth = smoothed(deep[box], own, _SMOOTHING / pixel_size) / pixel_size
    greatest = float(depth.max(initial=0.0))
    margin = int(greatest) + 1
    limits = [(max(0, part.start - margin), min(length, part.stop + margin))
              for part, length in zip(box, instances.shape, strict=True)]  # fmt: skip
    rows, columns = (slice(*limit) for limit in limits)
    around = instances[rows, columns]
    others = (around > 0) & (around != number)
    inner = tuple(slice(part.start - whole.start, part.stop - whole.start)
                  for part, whole in zip(box, (rows, columns), strict=True))  # fmt: skip
    reaches = depth > distance_transform_edt(~others)[inner]
    step = max(1, int(greatest / _STEPS))
    centres = np.argwhere(reaches & (depth >= _DEEP * greatest))
    reached = np.zeros(around.shape, bool)
    for y, x in centres[(centres % step == 0).all(axis=1)]:
        _paint(reached, y + inner[0].start, x + inner[1].start, float(depth[y, x]))
    return rows, columns, (around == number) | (reached & others)


def _paint(image: NDArray[np.bool_], y: int, x: int, radius: float) -> None:
    """Set the pixels of an image within a disc."""
    reach = int(radius) + 1
    top, left = max(0, y - reach), max(0, x - reach)
    part = image[top : y + reach + 1, left : x + reach + 1]
    rows, columns = np.ogrid[top : top + part.shape[0], left : left + part.shape[1]]
    part |= (rows - y) ** 2 + (columns - x) ** 2 < radius**2
