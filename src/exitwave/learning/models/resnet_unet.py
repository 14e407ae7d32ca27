"""The UNet with a ResNet-18 encoder, at any width."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

__all__ = ["ResNetUNet"]

Norm = Callable[[int], nn.Module]
_ENCODER = (64, 64, 128, 256, 512)
_DECODER = (256, 128, 64, 32, 16)


class ResNetUNet(nn.Module):
    """A UNet whose encoder is ResNet-18 (He et al., 2016) and whose decoder has two convolutions at each scale.

    Five halvings. At full width it has 14.3 million parameters and is the network of the paper; widths scale with
    ``width`` (0.25: 0.9 million), but the decoder keeps 8 channels at least, and 4 for every output: with fewer,
    heads can say little but the mask again.

    Parameters
    ----------
    outputs
        Channels of the output.
    width
        Fraction of ResNet-18's channels.
    norm
        Makes the normalisation layer for a number of channels.
    fine
        Whether the decoder's last two convolutions work on full resolution, as in the paper. Otherwise logits are
        interpolated from half resolution, which saves a third of the time.

    Examples
    --------
    >>> network = ResNetUNet(outputs=2, width=0.25, norm=nn.BatchNorm2d)
    >>> network(torch.zeros(1, 1, 64, 64)).shape
    torch.Size([1, 2, 64, 64])
    """

    def __init__(self, outputs: int, width: float, norm: Norm, fine: bool = True) -> None:
        super().__init__()
        down = [max(2, round(channels * width)) for channels in _ENCODER]
        up = [max(8, 4 * outputs, round(channels * width)) for channels in _DECODER]
        if not fine:
            up = up[:-1]
        self.stem = nn.Sequential(nn.Conv2d(1, down[0], 7, 2, 3, bias=False), norm(down[0]), nn.ReLU(inplace=True))
        self.pool = nn.MaxPool2d(3, 2, 1)
        self.encoder = nn.ModuleList(
            nn.Sequential(_Residual(below, here, 1 if level == 0 else 2, norm), _Residual(here, here, 1, norm))
            for level, (below, here) in enumerate(pairwise(down))
        )
        skips = [*down[-2::-1], 0][: len(up)]
        self.decoder = nn.ModuleList(
            _Up(below + skip, here, norm) for below, skip, here in zip([down[-1], *up], skips, up, strict=False)
        )
        self.head = nn.Conv2d(up[-1], outputs, 3, padding=1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        nn.init.normal_(self.head.weight, std=0.01)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return logits (n, outputs, y, x) of images (n, 1, y, x), y and x multiples of 32."""
        here = self.stem(image)
        skips = [here]
        here = self.pool(here)
        for level in self.encoder:
            here = level(here)
            skips.append(here)
        skips.pop()
        for level in self.decoder:
            here = level(here, skips.pop() if skips else None)
        logits: torch.Tensor = self.head(here)
        if logits.shape[-2:] != image.shape[-2:]:
            logits = functional.interpolate(logits, size=image.shape[-2:], mode="bilinear", align_corners=False)
        return logits


class _Residual(nn.Module):
    def __init__(self, below: int, here: int, stride: int, norm: Norm) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(below, here, 3, stride, 1, bias=False),
            norm(here),
            nn.ReLU(inplace=True),
            nn.Conv2d(here, here, 3, 1, 1, bias=False),
            norm(here),
        )
        same = stride == 1 and below == here
        self.shortcut: nn.Module = (
            nn.Identity() if same else nn.Sequential(nn.Conv2d(below, here, 1, stride, bias=False), norm(here))
        )

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return functional.relu(self.body(image) + self.shortcut(image), inplace=True)


class _Up(nn.Module):
    def __init__(self, below: int, here: int, norm: Norm) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(below, here, 3, padding=1, bias=False),
            norm(here),
            nn.ReLU(inplace=True),
            nn.Conv2d(here, here, 3, padding=1, bias=False),
            norm(here),
            nn.ReLU(inplace=True),
        )

    def forward(self, image: torch.Tensor, skip: torch.Tensor | None) -> torch.Tensor:
        image = functional.interpolate(image, scale_factor=2.0, mode="nearest")
        result: torch.Tensor = self.body(image if skip is None else torch.cat([image, skip], dim=1))
        return result
