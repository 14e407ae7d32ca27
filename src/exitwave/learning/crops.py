"""Which part of an image a training step sees, at which magnification."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, NamedTuple

import numpy as np
import torch

from exitwave.core import Distribution, LogUniform, Number, Spec, TrainingError
from exitwave.learning.heads import HEADS
from exitwave.learning.resample import resample_images, resample_labels

__all__ = ["Crops", "Place"]


class Place(NamedTuple):
    """Where a crop is cut, as rows and columns of the image, and how much larger it makes what is seen."""

    window: tuple[slice, slice]
    magnification: float


class Crops(Spec):
    """Square parts of images, resampled to the network's pixels.

    Parameters
    ----------
    size
        Pixels on a side, a multiple of 32.
    pixel_size
        What one of them is in Å.
    scale
        Factor on the pixel size, drawn for each crop, so that the network forgives calibrations that are a little
        off. Scales at which a crop would not fit the image are not drawn.

    Examples
    --------
    >>> crops = Crops(size=192, pixel_size=0.4, scale=1.0)
    >>> place = crops.place((512, 512), 0.2, np.random.default_rng(1))
    >>> crops.image(torch.rand(512, 512)[place.window]).shape
    torch.Size([1, 192, 192])
    """

    size: Annotated[int, Number("a crop size", "px", at_least=32, at_most=4096, whole=True, fixed=True)] = 192
    pixel_size: Annotated[float, Number("a pixel size", "Å", above=0, fixed=True)] = 0.4
    scale: Annotated[float | Distribution, Number("a scale", above=0)] = LogUniform(0.8, 1.25)

    def check(self, shape: tuple[int, int], pixel_size: float) -> None:
        """Refuse images of ``shape`` and ``pixel_size`` (Å) that no crop fits into."""
        least = self.scale.support[0] if isinstance(self.scale, Distribution) else self.scale
        if least > self._limit(shape, pixel_size):
            field = min(shape) * pixel_size
            raise TrainingError(
                f"crops of {self.size} px at {self.pixel_size:g} Å span {self.size * self.pixel_size * least:.4g} Å "
                f"or more, but the images only {field:.4g} Å; give a smaller crop size or pixel size."
            )

    def place(self, shape: tuple[int, int], pixel_size: float, generator: np.random.Generator) -> Place:
        """Return where a crop is cut from an image of ``shape`` and ``pixel_size`` (Å); three numbers decide."""
        u, down, right = generator.random(3)
        rows, columns = shape
        side = min(self._window(pixel_size, self._scale(u, (rows, columns), pixel_size)), rows, columns)
        top, left = int(down * (rows - side + 1)), int(right * (columns - side + 1))
        magnification = self.size * self.pixel_size / (side * pixel_size)
        return Place((slice(top, top + side), slice(left, left + side)), magnification)

    def image(self, part: torch.Tensor) -> torch.Tensor:
        """Return the crop (1, size, size), float32, of the part (y, x) of an image."""
        return resample_images(part[None, None].float(), (self.size, self.size))[0]

    def labels(self, part: torch.Tensor, classes: int = 2) -> torch.Tensor:
        """Return the crop (size, size), uint8, of the part (y, x) of a label map of so many classes."""
        return resample_labels(part[None], (self.size, self.size), classes)[0]

    def targets(self, part: torch.Tensor, magnification: float, heads: Sequence[str]) -> torch.Tensor:
        """Return the crop (heads, size, size), float32, of the part of the heads' targets.

        Distances and depths grow with the image, thicknesses do not.
        """
        crop = resample_images(part[None].float(), (self.size, self.size))[0]
        grow = [magnification if HEADS[name].grows else 1.0 for name in heads]
        return crop * torch.tensor(grow, device=crop.device)[:, None, None]

    def _limit(self, shape: tuple[int, int], pixel_size: float) -> float:
        return (min(shape) + 0.5) * pixel_size / (self.size * self.pixel_size)

    def _scale(self, u: float, shape: tuple[int, int], pixel_size: float) -> float:
        if not isinstance(self.scale, Distribution):
            return float(self.scale)
        share = self.scale.cdf(self._limit(shape, pixel_size))
        return float(self.scale.quantile(float(np.clip(u * share, 1e-12, 1 - 1e-12))))

    def _window(self, pixel_size: float, scale: float) -> int:
        return max(1, round(self.size * self.pixel_size * scale / pixel_size))
