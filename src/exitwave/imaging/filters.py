"""Filters that microscopists put on images."""

from __future__ import annotations

import torch

__all__ = ["median3"]

# comparisons that sort nine numbers just far enough to know the fifth (J. L. Smith, 1996)
_NETWORK = (
    (1, 2), (4, 5), (7, 8), (0, 1), (3, 4), (6, 7), (1, 2), (4, 5), (7, 8), (0, 3), (5, 8), (4, 7), (3, 6), (1, 4),
    (2, 5), (4, 7), (4, 2), (6, 4), (4, 2),
)  # fmt: skip


def median3(image: torch.Tensor) -> torch.Tensor:
    """Return the median over 3 × 3 pixels, edges repeated outward.

    Parameters
    ----------
    image
        (..., y, x).

    Examples
    --------
    >>> image = torch.zeros(5, 5)
    >>> image[2, 2] = 1000.0
    >>> float(median3(image).max())
    0.0
    """
    rows, columns = image.shape[-2:]
    padded = torch.cat([image[..., :1, :], image, image[..., -1:, :]], dim=-2)
    padded = torch.cat([padded[..., :1], padded, padded[..., -1:]], dim=-1)
    nine = [padded[..., i : i + rows, j : j + columns] for i in range(3) for j in range(3)]
    for low, high in _NETWORK:
        nine[low], nine[high] = torch.minimum(nine[low], nine[high]), torch.maximum(nine[low], nine[high])
    return nine[4]
