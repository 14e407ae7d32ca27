"""Training images that are stored: read once, cut anew in every step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from exitwave.core import Stream, TrainingError
from exitwave.learning.batches import Batch, Crop, batch_of
from exitwave.learning.crops import Crops
from exitwave.learning.data import ImageData, label_maps, pixel_sizes
from exitwave.learning.networks import Net
from exitwave.learning.packed import Packed
from exitwave.learning.shuffling import position

__all__ = ["Stored"]


class Stored:
    """Images and labels kept in memory, at two and one bytes per pixel.

    Parameters
    ----------
    images
        (n, y, x), any units.
    labels
        (n, y, x), classes.
    pixel_size
        Å, one number or one for each image.
    crops
        What is cut from them.
    net
        The network that they are for, which decides classes and heads.
    targets
        What its heads are to say: (n, heads, y, x), as :func:`~exitwave.learning.heads.head_targets` makes them.

    Examples
    --------
    >>> source = Stored(np.ones((4, 64, 64)), np.zeros((4, 64, 64)), 0.4, Crops(size=32, pixel_size=0.4))
    >>> source.batch(0, 3, Stream(1)).images.shape
    torch.Size([3, 1, 32, 32])
    """

    def __init__(
        self,
        images: ArrayLike | Packed,
        labels: ArrayLike,
        pixel_size: float | ArrayLike,
        crops: Crops,
        net: Net | None = None,
        targets: ArrayLike | None = None,
    ) -> None:
        net = net or Net()
        self.images = images if isinstance(images, Packed) else Packed.of(torch.tensor(np.asarray(images)))
        self.labels = torch.as_tensor(np.asarray(labels).astype(np.uint8))
        if self.images.shape != self.labels.shape or self.labels.ndim != 3:
            raise TrainingError(
                f"images have the shape {tuple(self.images.shape)} and labels {tuple(self.labels.shape)}; "
                "both are (images, y, x)."
            )
        if len(self.images) == 0:
            raise TrainingError("there are no images to train on; choose a larger data set or a weaker condition.")
        if int(self.labels.max()) >= net.classes:
            raise TrainingError(
                f"labels reach {int(self.labels.max())}; with {net.classes} classes they are below {net.classes}."
            )
        self.targets = _checked(targets, net, self.labels)
        self.pixel_sizes = np.broadcast_to(np.asarray(pixel_size, np.float64), (len(self.images),))
        self.crops, self.net = crops, net
        crops.check((self.images.shape[1], self.images.shape[2]), float(self.pixel_sizes.min()))

    @classmethod
    def read(
        cls,
        data: ImageData,
        indices: Sequence[int] | NDArray[np.integer],
        crops: Crops,
        rule: str | None = None,
        net: Net | None = None,
    ) -> Stored:
        """Return the source of some images of a data set, read a hundred at a time."""
        chosen, net = np.asarray(indices), net or Net()
        parts = [chosen[start : start + 128] for start in range(0, len(chosen), 128)]
        if not parts:
            raise TrainingError("there are no images to train on; choose a larger data set or a weaker condition.")
        images = Packed.joined([Packed.of(torch.tensor(np.asarray(data.images(part)))) for part in parts])
        maps = [label_maps(data, part, rule, net) for part in parts]
        targets = np.concatenate([targets for _, targets in maps if targets is not None]) if net.heads else None
        labels = np.concatenate([labels for labels, _ in maps])
        return cls(images, labels, pixel_sizes(data)[chosen], crops, net, targets)

    def __len__(self) -> int:
        return len(self.images)

    @property
    def pixel_size_range(self) -> tuple[float, float]:
        """Least and greatest pixel size of its images, Å."""
        return float(self.pixel_sizes.min()), float(self.pixel_sizes.max())

    def crops_of(self, items: Sequence[int], stream: Stream, generator: np.random.Generator) -> list[Crop]:
        """Return the crops at some places of the order of ``stream``: every image once before any is seen again."""
        shape = (self.images.shape[1], self.images.shape[2])
        crops = []
        for item in items:
            index = position(item, len(self), stream)
            place = self.crops.place(shape, float(self.pixel_sizes[index]), generator)
            crops.append(self._crop(index, place.window, place.magnification))
        return crops

    def batch(self, step: int, size: int, stream: Stream) -> Batch:
        """Return ``size`` crops; every image is seen once before any is seen again."""
        return batch_of(self, step, size, stream)

    def _crop(self, index: int, window: tuple[slice, slice], magnification: float) -> Crop:
        image = self.crops.image(self.images[index, *window])
        labels = self.crops.labels(self.labels[index][window], self.net.classes)
        if self.targets is None:
            return image, labels, None
        return image, labels, self.crops.targets(self.targets[index][:, *window], magnification, self.net.heads)


def _checked(targets: ArrayLike | None, net: Net, labels: torch.Tensor) -> torch.Tensor | None:
    """Return the heads' targets, which there are if and only if the network has heads."""
    if not net.heads:
        return None
    wanted = (len(labels), len(net.heads), *labels.shape[1:])
    given = None if targets is None else torch.as_tensor(np.asarray(targets))
    if given is None or tuple(given.shape) != wanted:
        shape = "missing" if given is None else f"of the shape {tuple(given.shape)}"
        raise TrainingError(f"the targets of the heads {', '.join(net.heads)} are {shape}; they have {wanted}.")
    return given.half()
