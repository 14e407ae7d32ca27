"""Images kept in memory at two bytes per pixel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

__all__ = ["Packed"]


@dataclass(frozen=True, eq=False)
class Packed:
    r"""Images as float16 deviations from their means, in units of their standard deviations.

    .. math:: x / \overline{|x|} = c + s\,z, \qquad z = (x - \bar x) / \sigma

    so that a weak contrast on a large pedestal keeps its levels; what comes back is in units of each image's mean
    absolute value, which no normalisation here can tell from the original.

    Parameters
    ----------
    values
        z, (n, y, x), float16.
    centre, scale
        c and s, (n,), float32.

    Examples
    --------
    >>> images = 1e4 + torch.arange(4.0).reshape(1, 2, 2)
    >>> part = Packed.of(images)[0, :, 1]
    >>> round(float((part[1] - part[0]) * 1e4), 1)
    2.0
    """

    values: torch.Tensor
    centre: torch.Tensor
    scale: torch.Tensor

    @classmethod
    def of(cls, images: torch.Tensor) -> Packed:
        """Return images (n, y, x) packed."""
        precise = images.dtype == torch.float64 or not images.is_floating_point()
        images = images.double() if precise else images.float()
        unit = images.abs().mean(dim=(-2, -1))
        unit = torch.where(unit > 0, unit, torch.ones_like(unit))
        centre = images.mean(dim=(-2, -1), keepdim=True)
        spread = (images - centre).square().mean(dim=(-2, -1), keepdim=True).sqrt()
        spread = torch.where(spread > 0, spread, torch.ones_like(spread))
        values = ((images - centre) / spread).clamp(-60000, 60000).half()
        return cls(values, (centre[:, 0, 0] / unit).float(), (spread[:, 0, 0] / unit).float())

    @classmethod
    def joined(cls, parts: list[Packed]) -> Packed:
        """Return several packs as one."""
        names = ("values", "centre", "scale")
        return cls(*(torch.cat([getattr(part, name) for part in parts]) for name in names))

    def __len__(self) -> int:
        return len(self.values)

    @property
    def shape(self) -> torch.Size:
        """(n, y, x)."""
        return self.values.shape

    @property
    def device(self) -> torch.device:
        """Where the images are."""
        return self.values.device

    def __getitem__(self, place: tuple[int, Any, Any]) -> torch.Tensor:
        """Return a part (y, x) of one image, float32."""
        index, rows, columns = place
        return self.values[index, rows, columns].float() * self.scale[index] + self.centre[index]
