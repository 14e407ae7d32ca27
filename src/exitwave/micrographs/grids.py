"""Results on the pixels of the file, where these are not square and the image was put on square ones."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from exitwave.imaging.micrograph import Micrograph
from exitwave.micrographs.files import nearest
from exitwave.micrographs.segmentation import Segmentation

__all__ = ["file_pixels", "on_file_pixels"]


def file_pixels(micrograph: Micrograph) -> tuple[float, float] | None:
    """Return the size of the file's own pixels in y and x, Å, or None where it is not known.

    Examples
    --------
    >>> file_pixels(Micrograph(np.ones((8, 8)), 0.2))
    (0.2, 0.2)
    """
    if micrograph.pixel_size is None:
        return None
    y, x = micrograph.metadata["pixel_sizes"] if _shows_file(micrograph) else (micrograph.pixel_size,) * 2
    return float(y), float(x)


def on_file_pixels(segmentation: Segmentation) -> Segmentation:
    """Return a segmentation on the pixels of the micrograph's file; that of a part of the image as it is.

    Numbers of particles are those at the middle of each pixel, probabilities and images are averaged over it. Sizes
    are to be measured before: the pixel size of what is returned is that of neither direction.

    Examples
    --------
    >>> wide = Micrograph(np.ones((4, 20)), 2.0, metadata={"shape": (4, 4), "pixel_sizes": (2.0, 10.0)})
    >>> found = Segmentation(np.ones((4, 20), bool), np.ones((4, 20)), np.ones((4, 20), np.int32), wide)
    >>> on_file_pixels(found).mask.shape
    (4, 4)
    """
    micrograph = segmentation.micrograph
    if not _shows_file(micrograph):
        return segmentation
    shape = tuple(int(side) for side in micrograph.metadata["shape"])
    instances = nearest(segmentation.instances, shape)
    return Segmentation(
        instances > 0,
        _averaged(segmentation.probability, shape),
        instances,
        replace(micrograph, array=_averaged(micrograph.array, shape)),
        {name: _averaged(array, shape) for name, array in segmentation.maps.items()},
        segmentation.unfamiliar,
    )


def _shows_file(micrograph: Micrograph) -> bool:
    """Return whether a file has pixels that are not square, and the micrograph shows all of it on square ones."""
    shape, sizes, size = (*map(micrograph.metadata.get, ("shape", "pixel_sizes")), micrograph.pixel_size)
    if shape is None or sizes is None or size is None:
        return False
    sides = [int(pixels) * float(length) / size for pixels, length in zip(shape, sizes, strict=True)]
    return all(abs(side - now) <= 0.5 + 1e-6 for side, now in zip(sides, micrograph.shape, strict=True))


def _averaged(array: NDArray[Any], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return the mean over every new pixel, which is at least as large as an old one."""
    values = np.asarray(array, np.float64)
    for axis, new in enumerate(shape):
        old = values.shape[axis]
        if new == old:
            continue
        lines = np.moveaxis(values, axis, 0)
        total = np.concatenate([np.zeros_like(lines[:1]), np.cumsum(lines, axis=0)])
        ends = np.linspace(0, old, new + 1)
        whole = np.minimum(ends.astype(np.int64), old - 1)
        at_ends = total[whole] + (ends - whole)[:, None] * lines[whole]
        values = np.moveaxis(np.diff(at_ends, axis=0) * new / old, 0, axis)
    return np.ascontiguousarray(values, np.float32)
