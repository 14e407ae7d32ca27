"""Where training images come from: stored ones, and live ones that are formed anew for every step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from exitwave.core import Stream, TrainingError
from exitwave.learning.crops import Crops
from exitwave.learning.data import ImageData, default_rule, pixel_sizes

__all__ = ["Batch", "Live", "Source", "Stored", "WaveLike"]


@dataclass(frozen=True, eq=False)
class Batch:
    """Images and labels of one training step, on the CPU or where the source made them.

    Parameters
    ----------
    images
        (n, 1, y, x), float32, in units of each image's mean.
    labels
        (n, y, x), uint8.
    """

    images: torch.Tensor
    labels: torch.Tensor


class Source(Protocol):
    """Gives the batch of any step; the same step, the same batch, whatever was asked before."""

    def __len__(self) -> int:
        """Return the number of images that one epoch sees."""

    def batch(self, step: int, size: int, stream: Stream) -> Batch:
        """Return the batch of ``size`` crops for step number ``step``; ``stream`` decides order and places."""


class Stored:
    """Images and labels kept in memory, at two and one bytes per pixel.

    Parameters
    ----------
    images
        (n, y, x), any units; kept as float16 in units of each image's mean.
    labels
        (n, y, x), classes.
    pixel_size
        Å, one number or one for each image.
    crops
        What is cut from them.
    classes
        Number of classes.

    Examples
    --------
    >>> source = Stored(np.ones((4, 64, 64)), np.zeros((4, 64, 64)), 0.4, Crops(size=32, pixel_size=0.4))
    >>> source.batch(0, 3, Stream(1)).images.shape
    torch.Size([3, 1, 32, 32])
    """

    def __init__(
        self, images: ArrayLike, labels: ArrayLike, pixel_size: float | ArrayLike, crops: Crops, classes: int = 2
    ) -> None:
        self.images = _compact(torch.as_tensor(np.asarray(images)))
        self.labels = torch.as_tensor(np.asarray(labels).astype(np.uint8))
        if self.images.shape != self.labels.shape or self.images.ndim != 3:
            raise TrainingError(
                f"images have the shape {tuple(self.images.shape)} and labels {tuple(self.labels.shape)}; "
                "both are (images, y, x)."
            )
        if len(self.images) == 0:
            raise TrainingError("there are no images to train on; choose a larger data set or a weaker condition.")
        if int(self.labels.max()) >= classes:
            raise TrainingError(
                f"labels reach {int(self.labels.max())}; with {classes} classes they are below {classes}."
            )
        self.pixel_sizes = np.broadcast_to(np.asarray(pixel_size, np.float64), (len(self.images),))
        self.crops, self.classes = crops, classes
        crops.check((self.images.shape[1], self.images.shape[2]), float(self.pixel_sizes.min()))

    @classmethod
    def read(
        cls, data: ImageData, indices: Sequence[int] | NDArray[np.integer], crops: Crops,
        rule: str | None = None, classes: int = 2,
    ) -> Stored:  # fmt: skip
        """Return the source of some images of a data set, read a hundred at a time."""
        chosen = np.asarray(indices)
        parts = [chosen[start : start + 128] for start in range(0, len(chosen), 128)]
        if not parts:
            raise TrainingError("there are no images to train on; choose a larger data set or a weaker condition.")
        images = torch.cat([_compact(torch.as_tensor(np.asarray(data.images(part)))) for part in parts])
        name = rule or default_rule(data)
        labels = np.concatenate([_classes(data.masks(name, part), classes) for part in parts])
        return cls(images, labels, pixel_sizes(data)[chosen], crops, classes)

    def __len__(self) -> int:
        return len(self.images)

    def batch(self, step: int, size: int, stream: Stream) -> Batch:
        """Return ``size`` crops; every image is seen once before any is seen again."""
        chosen = [_position(item, len(self), stream) for item in range(step * size, (step + 1) * size)]
        generator = (stream / "crop" / step).generator()
        crops = [
            self.crops.cut(self.images[i], self.labels[i], float(self.pixel_sizes[i]), generator, self.classes)
            for i in chosen
        ]
        return Batch(torch.stack([crop for crop, _ in crops]), torch.stack([labels for _, labels in crops]))


class WaveLike(Protocol):
    """What the live source asks of an exit wave."""

    @property
    def sampling(self) -> tuple[float, float]:
        """Å/px."""


class Live:
    """Exit waves kept in memory, imaged anew: no two steps see the same image.

    Every image gives ``reuse`` crops, shuffled among those of a window of ``window`` images, and is then forgotten.

    Parameters
    ----------
    waves
        Exit waves.
    labels
        Their labels, (waves, y, x).
    imaging
        A spec with distributions, drawn anew for every image.
    crops
        What is cut from the images.
    stream
        Decides imaging conditions and noise.
    images_per_epoch
        What counts as one epoch; four images of every wave if None.
    reuse
        Crops from each image. One is the ideal; more where forming images is slower than learning from them.
    window
        Images among which crops are shuffled.
    form
        How n images are formed of one wave, given n drawn specs and n streams; the camera's counts by default.
    """

    def __init__(
        self,
        waves: Sequence[WaveLike],
        labels: ArrayLike,
        imaging: Any,
        crops: Crops,
        stream: Stream,
        *,
        images_per_epoch: int | None = None,
        reuse: int = 1,
        window: int = 64,
        classes: int = 2,
        form: Callable[[Any, Sequence[Any], Sequence[Stream]], torch.Tensor] | None = None,
    ) -> None:
        if len(waves) == 0:
            raise TrainingError("there are no waves to train on; store them with store: {waves: true} in the recipe.")
        self.waves, self.imaging, self.crops, self.stream = waves, imaging, crops, stream
        self.labels = torch.as_tensor(np.asarray(labels).astype(np.uint8))
        if len(self.labels) != len(self.waves):
            raise TrainingError(f"there are {len(waves)} waves and {len(self.labels)} labels; give one for each.")
        self.classes, self.reuse, self.window = classes, max(1, reuse), max(1, window)
        self.images_per_epoch = images_per_epoch or 4 * len(self.waves)
        self.form = form or counts
        self._formed: dict[int, torch.Tensor] = {}
        shape = (self.labels.shape[-2], self.labels.shape[-1])
        crops.check(shape, self._pixel_size(0))

    def __len__(self) -> int:
        return self.images_per_epoch

    def batch(self, step: int, size: int, stream: Stream) -> Batch:
        """Return ``size`` crops of images that no other window has."""
        generator = (stream / "crop" / step).generator()
        numbers = [self._image(item) for item in range(step * size, (step + 1) * size)]
        self._form(numbers)
        images, labels = [], []
        for number in numbers:
            wave, image = self._wave(number), self._formed[number]
            label = self.labels[wave].to(image.device)
            crop, label = self.crops.cut(image, label, self._pixel_size(wave), generator, self.classes)
            images.append(crop)
            labels.append(label)
        return Batch(torch.stack(images), torch.stack(labels))

    def _image(self, item: int) -> int:
        """Return the number of the image that crop number ``item`` is cut from."""
        block, place = divmod(item, self.window * self.reuse)
        shuffled = _permutation(self.window * self.reuse, self.stream / "shuffle" / block)
        return block * self.window + int(shuffled[place]) % self.window

    def _wave(self, image: int) -> int:
        return _position(image, len(self.waves), self.stream / "waves")

    def _pixel_size(self, wave: int) -> float:
        return float(self.waves[wave].sampling[0])

    def _form(self, numbers: Sequence[int]) -> None:
        """Form the images that are not there yet, those of one wave together, and forget those of earlier windows."""
        oldest = min(numbers) // self.window * self.window
        self._formed = {number: image for number, image in self._formed.items() if number >= oldest}
        by_wave: dict[int, list[int]] = {}
        for number in dict.fromkeys(numbers):
            if number not in self._formed:
                by_wave.setdefault(self._wave(number), []).append(number)
        for wave, members in by_wave.items():
            streams = [self.stream / "image" / number for number in members]
            specs = [self.imaging.draw(stream / "draw") for stream in streams]
            images = self.form(self.waves[wave], specs, [stream / "noise" for stream in streams])
            self._formed |= dict(zip(members, _compact(images), strict=True))


def counts(wave: Any, specs: Sequence[Any], streams: Sequence[Stream]) -> torch.Tensor:
    """Return what a camera counts of a wave under n imaging conditions, (n, y, x)."""
    from exitwave.imaging import expose, intensities

    with torch.no_grad():
        return expose(intensities(wave, specs), specs, streams, wave.sampling[0] * wave.sampling[1])


def _position(item: int, count: int, stream: Stream) -> int:
    """Return which of ``count`` things comes at place ``item`` when all are shuffled again and again."""
    turn, place = divmod(item, count)
    return int(_permutation(count, stream / "order" / turn)[place])


_PERMUTATIONS: dict[tuple[int, Stream], NDArray[np.int64]] = {}


def _permutation(count: int, stream: Stream) -> NDArray[np.int64]:
    key = (count, stream)
    if key not in _PERMUTATIONS:
        if len(_PERMUTATIONS) >= 8:
            _PERMUTATIONS.pop(next(iter(_PERMUTATIONS)))
        _PERMUTATIONS[key] = stream.generator().permutation(count)
    return _PERMUTATIONS[key]


def _compact(images: torch.Tensor) -> torch.Tensor:
    """Return images (n, y, x) as float16 in units of their means, which no normalisation here can tell apart."""
    images = images.float()
    mean = images.abs().mean(dim=(-2, -1), keepdim=True)
    return (images / torch.where(mean > 0, mean, torch.ones_like(mean))).clamp(-60000, 60000).half()


def _classes(masks: NDArray[Any], classes: int) -> NDArray[np.uint8]:
    """Return class maps of label maps; where there are two classes, everything above zero is the second."""
    masks = np.asarray(masks)
    return (masks > 0).astype(np.uint8) if classes == 2 else masks.astype(np.uint8)
