"""What one training step learns from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from exitwave.core import Stream, TrainingError
from exitwave.learning.shuffling import permutation

__all__ = ["Batch", "Crop", "Joined", "Source", "batch_of"]

Crop = tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]
"""Image (1, y, x), labels (y, x), and what the heads are to say (heads, y, x)."""


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
    def of(cls, crops: Sequence[Crop]) -> Batch:
        """Return a batch of crops."""
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

    def crops_of(self, items: Sequence[int], stream: Stream, generator: np.random.Generator) -> list[Crop]:
        """Return the crops at some places of the endless order of ``stream``, placed by ``generator``."""

    def batch(self, step: int, size: int, stream: Stream) -> Batch:
        """Return the batch of ``size`` crops for step number ``step``; ``stream`` decides order and places."""


class Joined:
    """Several sources as one: an epoch sees the images of each, in a common random order.

    Parameters
    ----------
    sources
        Whose images may differ in shape and pixel size; their crops are alike.

    Raises
    ------
    TrainingError
        If there is no source.

    Examples
    --------
    >>> from exitwave.learning import Crops, Stored
    >>> cut = Crops(size=32, pixel_size=0.4)
    >>> sources = [Stored(np.ones((n, n, n)), np.zeros((n, n, n)), 0.4, cut) for n in (48, 64)]
    >>> both = Joined(sources)
    >>> len(both), tuple(both.batch(0, 3, Stream(1)).images.shape)
    (112, (3, 1, 32, 32))
    """

    def __init__(self, sources: Sequence[Source]) -> None:
        if not sources:
            raise TrainingError("there are no images to train on; choose a larger data set or a weaker condition.")
        self.sources = tuple(sources)
        self._owners = np.repeat(np.arange(len(self.sources)), [len(source) for source in self.sources])

    def __len__(self) -> int:
        return len(self._owners)

    @property
    def pixel_size_range(self) -> tuple[float, float]:
        """Least and greatest pixel size of its images, Å."""
        low, high = zip(*(source.pixel_size_range for source in self.sources), strict=True)
        return min(low), max(high)

    def crops_of(self, items: Sequence[int], stream: Stream, generator: np.random.Generator) -> list[Crop]:
        """Return the crops at some places of the endless order of ``stream``, placed by ``generator``."""
        owners, places = zip(*(self._place(item, stream) for item in items), strict=True)
        found: dict[int, Crop] = {}
        for owner in dict.fromkeys(owners):
            mine = [at for at, one in enumerate(owners) if one == owner]
            asked = [places[at] for at in mine]
            crops = self.sources[owner].crops_of(asked, stream / "source" / owner, generator)
            found |= dict(zip(mine, crops, strict=True))
        return [found[at] for at in range(len(items))]

    def batch(self, step: int, size: int, stream: Stream) -> Batch:
        """Return the batch of ``size`` crops for step number ``step``; ``stream`` decides order and places."""
        return batch_of(self, step, size, stream)

    def _place(self, item: int, stream: Stream) -> tuple[int, int]:
        """Return whose turn it is, and the place in the order of that source."""
        turn, place = divmod(item, len(self))
        owners: NDArray[np.int64] = self._owners[permutation(len(self), stream / "turn" / turn)]
        owner = int(owners[place])
        return owner, turn * len(self.sources[owner]) + int(np.count_nonzero(owners[:place] == owner))


def batch_of(source: Source, step: int, size: int, stream: Stream) -> Batch:
    """Return the crops of a step of a source as a batch."""
    generator = (stream / "crop" / step).generator()
    return Batch.of(source.crops_of(range(step * size, (step + 1) * size), stream, generator))
