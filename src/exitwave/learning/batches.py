"""What one training step learns from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch

from exitwave.core import Stream

__all__ = ["Batch", "Source"]


@dataclass(frozen=True, eq=False)
class Batch:
    """Images and labels of one training step, on the CPU or where the source made them.

    Parameters
    ----------
    images
        (n, 1, y, x), float32, in units of each image's mean.
    labels
        (n, y, x), uint8.
    targets
        What the heads are to say, (n, heads, y, x), float32, in their units; none for a network without heads.

    Examples
    --------
    >>> Batch(torch.rand(2, 1, 32, 32), torch.zeros(2, 32, 32)).part(slice(1)).images.shape
    torch.Size([1, 1, 32, 32])
    """

    images: torch.Tensor
    labels: torch.Tensor
    targets: torch.Tensor | None = None

    @classmethod
    def of(cls, crops: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]]) -> Batch:
        """Return a batch of crops: images (1, y, x), labels (y, x) and targets (heads, y, x)."""
        images, labels, targets = zip(*crops, strict=True)
        there = [target for target in targets if target is not None]
        return cls(torch.stack(images), torch.stack(labels), torch.stack(there) if there else None)

    def to(self, device: torch.device | str) -> Batch:
        """Return the batch on a device."""
        targets = None if self.targets is None else self.targets.to(device, non_blocking=True)
        return Batch(
            self.images.to(device, non_blocking=True), self.labels.to(device, non_blocking=True), targets
        )  # fmt: skip

    def part(self, which: slice) -> Batch:
        """Return some of its crops."""
        return Batch(self.images[which], self.labels[which], None if self.targets is None else self.targets[which])


class Source(Protocol):
    """Gives the batch of any step; the same step, the same batch, whatever was asked before."""

    def __len__(self) -> int:
        """Return the number of images that one epoch sees."""

    @property
    def pixel_size_range(self) -> tuple[float, float]:
        """Least and greatest pixel size of its images, Å."""

    def batch(self, step: int, size: int, stream: Stream) -> Batch:
        """Return the batch of ``size`` crops for step number ``step``; ``stream`` decides order and places."""
