"""What programs draw into exported pictures: scale bars, captions, borders."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import label

from exitwave.imaging.micrograph import Micrograph

__all__ = ["drawn_over"]

_BLOCK = 6  # px: so many equal values in a square no noise makes
_LEAST, _MOST = 0.0005, 0.5  # share of the blocks: a few are chance's, most are a picture's without noise
_TOGETHER = 6  # blocks side by side: single ones are of noise that is filtered
_SPARSE = 0.4  # share of other blocks' pixels with that value: the picture of few electrons is mostly zero


def drawn_over(micrograph: Micrograph) -> str:
    """Return what share of a micrograph is of one grey value, as what is drawn into pictures is, or nothing.

    Examples
    --------
    >>> image = np.random.default_rng(0).poisson(40.0, (256, 256)).astype(np.float32)
    >>> drawn_over(Micrograph(image, 0.2))
    ''
    >>> image[220:236, 100:220] = 255
    >>> drawn_over(Micrograph(image, 0.2))[2:42]
    '2 % of it is of one grey value, as scale'
    """
    rows, columns = (length // _BLOCK for length in micrograph.array.shape)
    blocks = micrograph.array[: rows * _BLOCK, : columns * _BLOCK].reshape(rows, _BLOCK, columns, _BLOCK)
    lowest, highest = blocks.min(axis=(1, 3)), blocks.max(axis=(1, 3))
    values, counts = np.unique(lowest[lowest == highest], return_counts=True)
    if not len(values):
        return ""
    flat, value = float(counts.max()) / (rows * columns), values[counts.argmax()]
    if not _LEAST < flat < _MOST or counts.max() < counts.sum() / 2:
        return ""
    if (blocks == value).mean(axis=(1, 3))[lowest != highest].mean() > _SPARSE:
        return ""
    pieces = label((lowest == value) & (highest == value), np.ones((3, 3)))[0]
    if np.bincount(pieces.ravel())[1:].max() < _TOGETHER:
        return ""
    return (
        f"{100 * flat:.2g} % of it is of one grey value, as scale bars, captions and borders are, which may be taken "
        "for particles: crop them"
    )
