"""Images and label maps on another grid: the same for training and for use."""

from __future__ import annotations

import torch
from torch.nn import functional

__all__ = ["resample_images", "resample_labels"]


def resample_images(images: torch.Tensor, shape: tuple[int, int]) -> torch.Tensor:
    """Return images (n, c, y, x) on a grid of ``shape``, bilinear, averaged over the new pixel where it is larger.

    Examples
    --------
    >>> resample_images(torch.ones(1, 1, 8, 8), (4, 6)).shape
    torch.Size([1, 1, 4, 6])
    """
    if tuple(images.shape[-2:]) == tuple(shape):
        return images
    smaller = shape[0] < images.shape[-2] or shape[1] < images.shape[-1]
    return functional.interpolate(images, size=shape, mode="bilinear", align_corners=False, antialias=smaller)


def resample_labels(labels: torch.Tensor, shape: tuple[int, int], classes: int = 2) -> torch.Tensor:
    """Return uint8 class maps (n, y, x) on a grid of ``shape``: the class that covers most of the new pixel.

    Examples
    --------
    >>> labels = torch.tensor([[[0, 0, 1, 1], [0, 0, 1, 1]]], dtype=torch.uint8)
    >>> resample_labels(labels, (1, 2)).tolist()
    [[[0, 1]]]
    """
    if tuple(labels.shape[-2:]) == tuple(shape):
        return labels
    if classes == 2:
        return (resample_images(labels[:, None].float(), shape)[:, 0] > 0.5).to(torch.uint8)
    one_hot = functional.one_hot(labels.long(), classes).permute(0, 3, 1, 2).float()
    return resample_images(one_hot, shape).argmax(dim=1).to(torch.uint8)
