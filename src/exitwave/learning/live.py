"""Training images that are formed for the step that sees them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import ArrayLike

from exitwave.core import Stream, TrainingError
from exitwave.learning.batches import Batch, Crop, batch_of
from exitwave.learning.crops import Crops
from exitwave.learning.networks import Net
from exitwave.learning.packed import Packed
from exitwave.learning.shuffling import permutation, position

__all__ = ["Live", "WaveLike"]


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
    net
        The network that they are for, which decides classes and heads.
    targets
        What its heads are to say: (waves, heads, y, x).
    form
        How n images are formed of one wave, given n drawn specs and n streams; the camera's counts by default.

    Raises
    ------
    TrainingError
        If there are no waves, not one label map for each, or the targets of heads are missing.

    Examples
    --------
    >>> from exitwave.imaging import Imaging
    >>> from exitwave.scattering import ExitWave
    >>> waves = [ExitWave(torch.ones(1, 64, 64, dtype=torch.complex64), (0.4, 0.4), 300e3) for _ in range(2)]
    >>> imaging, crops = Imaging(dose={"uniform": [100, 400]}), Crops(size=32, pixel_size=0.4)
    >>> live = Live(waves, np.zeros((2, 64, 64)), imaging, crops, Stream(1))
    >>> len(live), live.batch(0, 4, Stream(1)).images.shape
    (8, torch.Size([4, 1, 32, 32]))
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
        net: Net | None = None,
        targets: ArrayLike | None = None,
        form: Callable[[Any, Sequence[Any], Sequence[Stream]], torch.Tensor] | None = None,
    ) -> None:
        if len(waves) == 0:
            raise TrainingError("there are no waves to train on; store them with store: {waves: true} in the recipe.")
        self.waves, self.imaging, self.crops, self.stream = waves, imaging, crops, stream
        self.net = net or Net()
        self.labels = torch.as_tensor(np.asarray(labels).astype(np.uint8))
        self.targets = None if targets is None or not self.net.heads else torch.as_tensor(np.asarray(targets)).half()
        if len(self.labels) != len(self.waves):
            raise TrainingError(f"there are {len(waves)} waves and {len(self.labels)} labels; give one for each.")
        if self.net.heads and self.targets is None:
            raise TrainingError(f"the targets of the heads {', '.join(self.net.heads)} are missing; give them.")
        self.reuse, self.window = max(1, reuse), max(1, window)
        self.images_per_epoch = images_per_epoch or 4 * len(self.waves)
        self.form = form or counts
        self._formed: dict[int, Packed] = {}
        self._shape = (self.labels.shape[-2], self.labels.shape[-1])
        crops.check(self._shape, self._pixel_size(0))

    def __len__(self) -> int:
        return self.images_per_epoch

    @property
    def pixel_size_range(self) -> tuple[float, float]:
        """Least and greatest pixel size of its images, Å; a data set's waves have one sampling."""
        return self._pixel_size(0), self._pixel_size(0)

    def batch(self, step: int, size: int, stream: Stream) -> Batch:
        """Return ``size`` crops of images that no other window has."""
        return batch_of(self, step, size, stream)

    def crops_of(self, items: Sequence[int], stream: Stream, generator: np.random.Generator) -> list[Crop]:
        """Return the crops at some places of its own order; ``stream`` has no part in it."""
        numbers = [self._image(item) for item in items]
        self._form(numbers)
        crops: list[Crop] = []
        for number in numbers:
            wave, image = self._wave(number), self._formed[number]
            window, magnification = self.crops.place(self._shape, self._pixel_size(wave), generator)
            labels = self.crops.labels(self.labels[wave][window].to(image.device), self.net.classes)
            targets = None
            if self.targets is not None:
                part = self.targets[wave][:, *window].to(image.device)
                targets = self.crops.targets(part, magnification, self.net.heads)
            crops.append((self.crops.image(image[0, *window]), labels, targets))
        return crops

    def _image(self, item: int) -> int:
        """Return the number of the image that crop number ``item`` is cut from."""
        block, place = divmod(item, self.window * self.reuse)
        shuffled = permutation(self.window * self.reuse, self.stream / "shuffle" / block)
        return block * self.window + int(shuffled[place]) % self.window

    def _wave(self, image: int) -> int:
        return position(image, len(self.waves), self.stream / "waves")

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
            self._formed |= {number: Packed.of(image[None]) for number, image in zip(members, images, strict=True)}


def counts(wave: Any, specs: Sequence[Any], streams: Sequence[Stream]) -> torch.Tensor:
    """Return what a camera counts of a wave under n imaging conditions, (n, y, x)."""
    from exitwave.imaging import expose, intensities

    with torch.no_grad():
        return expose(intensities(wave, specs), specs, streams, wave.sampling[0] * wave.sampling[1])
