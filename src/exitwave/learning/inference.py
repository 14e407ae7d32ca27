"""A network on an image of any size: tiles, symmetries, and back to the image's own pixels."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional

from exitwave.learning.heads import head_maps
from exitwave.learning.networks import Net
from exitwave.learning.normalisation import Normalisation
from exitwave.learning.resample import resample_images

__all__ = ["probabilities", "tile_starts"]

STRIDE = 32  # every architecture here halves at most five times


def probabilities(
    networks: Sequence[torch.nn.Module],
    image: torch.Tensor,
    normalisation: Normalisation,
    net: Net,
    *,
    scale: float,
    tile: int = 512,
    overlap: float = 0.25,
    symmetries: int = 1,
    channels: Sequence[int] | None = None,
) -> torch.Tensor:
    """Return the mean maps (channels, y, x) of some networks on the pixels of ``image`` (y, x).

    First the probability of every class, then the map of every head. Only those that are wanted are kept: of a large
    image each takes as much memory as the image.

    Parameters
    ----------
    networks
        Networks of one kind, in evaluation mode.
    image
        (y, x), float32.
    normalisation
        How the networks want it.
    net
        What the networks are.
    scale
        Factor on the number of pixels that gives the networks' pixel size.
    tile
        Greatest side of what a network sees at once, px.
    overlap
        Share of a tile that the next one sees too; they are blended by a Gaussian.
    symmetries
        1, or 4 or 8 to average over quarter turns, or over these and the mirror.
    channels
        Which maps, in their order; all if None.
    """
    kept = list(range(net.classes + len(net.heads)) if channels is None else channels)
    shape = (image.shape[0], image.shape[1])
    inner = (max(1, round(shape[0] * scale)), max(1, round(shape[1] * scale)))
    small = normalisation(resample_images(image[None, None].float(), inner))
    padded, (top, left) = _padded(small)
    total = torch.zeros(0)
    with torch.inference_mode():
        for kind in range(symmetries):
            turned = _turned(padded, kind)
            for network in networks:
                part = _tiled(network, net, turned, tile, overlap, kept)
                if total.numel() == 0:  # the first one, which is not turned
                    total = part
                    continue
                for channel in range(len(kept)):
                    total[:, channel].add_(_back(part[:, channel], kind))
        total = total[:, :, top : top + inner[0], left : left + inner[1]].div_(symmetries * len(networks))
        maps = resample_images(total, shape)[0]
        for place, channel in enumerate(kept):
            if channel < net.classes:
                maps[place].clamp_(0, 1)
    return maps


def tile_starts(length: int, tile: int, overlap: float) -> list[int]:
    """Return where tiles begin so that they cover ``length`` evenly and share at least ``overlap`` of themselves.

    Examples
    --------
    >>> tile_starts(1024, 512, 0.25)
    [0, 256, 512]
    """
    if length <= tile:
        return [0]
    count = -(-(length - tile) // max(1, int(tile * (1 - overlap)))) + 1
    last = (length - tile) // STRIDE * STRIDE
    starts = [round(last * index / (count - 1) / STRIDE) * STRIDE for index in range(count - 1)]
    return [*starts, length - tile]


def _tiled(
    network: torch.nn.Module, net: Net, image: torch.Tensor, tile: int, overlap: float, kept: list[int]
) -> torch.Tensor:
    rows, columns = image.shape[-2:]
    high, wide = min(tile, rows), min(tile, columns)
    if (high, wide) == (rows, columns):
        return _maps(network, net, image)[:, kept]
    bells = _bell(high, image.device), _bell(wide, image.device)
    weight = bells[0][:, None] * bells[1]
    tops, lefts = tile_starts(rows, tile, overlap), tile_starts(columns, tile, overlap)
    total = torch.zeros(1, len(kept), rows, columns, device=image.device)
    for top in tops:
        for left in lefts:
            part = (..., slice(top, top + high), slice(left, left + wide))
            total[part] += _maps(network, net, image[part])[:, kept] * weight
    # tiles lie on a grid, so that the sum of their weights is a product of one for rows and one for columns
    for axis, (bell, starts) in enumerate(zip(bells, (tops, lefts), strict=True)):
        sums = torch.zeros((rows, columns)[axis], device=image.device)
        for start in starts:
            sums[start : start + len(bell)] += bell
        total.div_(sums[:, None] if axis == 0 else sums)
    return total


def _maps(network: torch.nn.Module, net: Net, image: torch.Tensor) -> torch.Tensor:
    outputs: torch.Tensor = network(image.contiguous(memory_format=torch.channels_last)).float()
    classes = outputs[:, : net.classes].softmax(dim=1)
    if not net.heads:
        return classes
    return torch.cat([classes, head_maps(outputs[:, net.classes :], net.heads)], dim=1)


def _bell(size: int, device: torch.device) -> torch.Tensor:
    place = torch.arange(size, device=device) - (size - 1) / 2
    return torch.exp(-0.5 * (place / (0.2 * size)) ** 2)


def _padded(image: torch.Tensor) -> tuple[torch.Tensor, tuple[int, int]]:
    """Return the image mirrored outward to whole multiples of the stride, and where it begins."""
    rows, columns = image.shape[-2:]
    down, right = -rows % STRIDE, -columns % STRIDE
    top, left = down // 2, right // 2
    edges = (left, right - left, top, down - top)
    if not any(edges):
        return image, (0, 0)
    mode = "reflect" if max(edges[:2]) < columns and max(edges[2:]) < rows else "replicate"
    return functional.pad(image, edges, mode=mode), (top, left)


def _turned(image: torch.Tensor, kind: int) -> torch.Tensor:
    image = torch.rot90(image, kind % 4, dims=(-2, -1))
    return image.flip(-1) if kind >= 4 else image


def _back(image: torch.Tensor, kind: int) -> torch.Tensor:
    image = image.flip(-1) if kind >= 4 else image
    return torch.rot90(image, -(kind % 4), dims=(-2, -1))
