"""Filters that microscopists put on images."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
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
    if image.device.type == "cpu" and image.dtype == torch.float32 and not image.requires_grad:
        given = np.ascontiguousarray(image.numpy())
        result = np.empty_like(given)
        for source, target in zip(
            given.reshape(-1, *given.shape[-2:]), result.reshape(-1, *given.shape[-2:]), strict=True
        ):
            _median(source, target)
        return torch.from_numpy(result)
    rows, columns = image.shape[-2:]
    padded = torch.cat([image[..., :1, :], image, image[..., -1:, :]], dim=-2)
    padded = torch.cat([padded[..., :1], padded, padded[..., -1:]], dim=-1)
    nine = [padded[..., i : i + rows, j : j + columns] for i in range(3) for j in range(3)]
    for low, high in _NETWORK:
        nine[low], nine[high] = torch.minimum(nine[low], nine[high]), torch.maximum(nine[low], nine[high])
    return nine[4]


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"nnan", "nsz"})
def _median(image: Any, result: Any) -> None:
    height, width = image.shape
    low = np.empty(width + 2, np.float32)
    middle = np.empty(width + 2, np.float32)
    high = np.empty(width + 2, np.float32)
    for i in range(height):
        above, own, below = image[max(i - 1, 0)], image[i], image[min(i + 1, height - 1)]
        for j in range(width):  # each column of three in order
            a, b, c = above[j], own[j], below[j]
            a, b = min(a, b), max(a, b)
            b, c = min(b, c), max(b, c)
            a, b = min(a, b), max(a, b)
            low[j + 1], middle[j + 1], high[j + 1] = a, b, c
        for line in (low, middle, high):
            line[0] = line[1]
            line[width + 1] = line[width]
        for j in range(width):  # the median of the highest low, the median middle and the lowest high
            a = max(max(low[j], low[j + 1]), low[j + 2])
            c = min(min(high[j], high[j + 1]), high[j + 2])
            p, q, r = middle[j], middle[j + 1], middle[j + 2]
            b = max(min(p, q), min(max(p, q), r))
            result[i, j] = max(min(a, b), min(max(a, b), c))
