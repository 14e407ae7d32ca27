"""What programs draw into exported pictures: scale bars, captions, borders."""

from __future__ import annotations

from exitwave.imaging.micrograph import Micrograph

__all__ = ["drawn_over"]

_BLOCK = 6  # px: so many equal values in a square no noise makes
_LEAST, _MOST = 0.0005, 0.5  # share of the blocks: a few are chance's, most are a picture's without noise


def drawn_over(micrograph: Micrograph) -> str:
    """Return what share of a micrograph is of one grey value, as what is drawn into pictures is, or nothing.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.random.default_rng(0).poisson(40.0, (256, 256)).astype(np.float32)
    >>> drawn_over(Micrograph(image, 0.2))
    ''
    >>> image[220:236, 100:220] = 255
    >>> drawn_over(Micrograph(image, 0.2))[2:42]
    '2 % of it is of one grey value, as scale'
    """
    rows, columns = (length // _BLOCK for length in micrograph.array.shape)
    blocks = micrograph.array[: rows * _BLOCK, : columns * _BLOCK].reshape(rows, _BLOCK, columns, _BLOCK)
    flat = float((blocks.max(axis=(1, 3)) == blocks.min(axis=(1, 3))).mean()) if rows and columns else 0.0
    if not _LEAST < flat < _MOST:
        return ""
    return (
        f"{100 * flat:.2g} % of it is of one grey value, as scale bars, captions and borders are, which may be taken "
        "for particles: crop them"
    )
