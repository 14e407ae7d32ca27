"""The trained network: weights, and the record of how they came to be."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from exitwave.core import TrainingError, canonical_json, identity
from exitwave.core.files import write_whole
from exitwave.learning.environment import usable_device
from exitwave.learning.familiarity import unfamiliar
from exitwave.learning.inference import probabilities
from exitwave.learning.networks import Net, build, channels_last
from exitwave.learning.normalisation import Normalisation
from exitwave.learning.references import reference_file

__all__ = ["Network"]

FORMAT = "exitwave network 1"
MOST_PIXELS = 16384**2  # of an image resampled to the network's pixels; each map of it takes 1 GiB


class Network:
    """A trained segmentation network with all that is needed to use it, and to make it again.

    Parameters
    ----------
    net
        What it is.
    weights
        Its numbers by name.
    pixel_size
        Å per pixel of the images that it learnt from; others are resampled to it.
    normalisation
        How images are normalised.
    record
        How it came to be: training spec, seed, data, history, environment.

    Examples
    --------
    >>> net = Net(width=0.125)
    >>> network = Network(net, build(net).state_dict(), 0.4, Normalisation())
    >>> network.predict(np.ones((50, 70)), pixel_size=0.2).shape
    (50, 70)
    """

    def __init__(
        self,
        net: Net,
        weights: Mapping[str, torch.Tensor],
        pixel_size: float,
        normalisation: Normalisation,
        record: Mapping[str, Any] | None = None,
    ) -> None:
        self.net, self.pixel_size, self.normalisation = net, float(pixel_size), normalisation
        self.record: Mapping[str, Any] = dict(record or {})
        with torch.random.fork_rng(devices=[]):
            self.module = build(net)
        _load(self.module, weights)
        channels_last(self.module).eval().requires_grad_(False)

    def __repr__(self) -> str:
        size = sum(value.numel() for value in self.module.parameters()) / 1e6
        return f"Network({self.net.name}, width {self.net.width:g}, {size:.2f} M, {self.pixel_size:g} Å/px)"

    @property
    def history(self) -> list[dict[str, float]]:
        """One row for each epoch: loss, validation_loss, validation_f1, learning_rate, seconds."""
        return list(self.record.get("history", []))

    @cached_property
    def identity(self) -> str:
        """The hash of weights, architecture, normalisation and pixel size: of all that decides what it says."""
        digest = hashlib.blake2b(digest_size=16)
        for name, value in sorted(self.module.state_dict().items()):
            digest.update(name.encode() + value.contiguous().cpu().numpy().tobytes())
        spec = {
            "net": self.net.to_dict(),
            "normalisation": self.normalisation.to_dict(),
            "pixel_size": self.pixel_size,
        }
        return identity(spec | {"weights": digest.hexdigest()})

    def to(self, device: str | torch.device) -> Self:
        """Move the network to a device and return it; a device that is not there is refused."""
        self.module.to(usable_device(device))
        return self

    @property
    def device(self) -> torch.device:
        """Where the network computes."""
        return next(self.module.parameters()).device

    def predict(
        self, array: ArrayLike, pixel_size: float, *, tile: int = 512, overlap: float = 0.25, symmetries: int = 1
    ) -> NDArray[np.float32]:
        """Return the probability of particle for every pixel of an image.

        Parameters
        ----------
        array
            The image, (y, x), any units.
        pixel_size
            Å per pixel.
        tile
            Greatest side in the network's pixels of what it sees at once.
        overlap
            Share of a tile that the next one sees too.
        symmetries
            1; 4 or 8 average over the symmetries of the square, at as many times the cost.

        Returns
        -------
        probability
            Float32 (y, x), in [0, 1].

        Raises
        ------
        TrainingError
            If the image is not two-dimensional or has missing pixels, or an option is impossible.
        """
        return _inverted(_predict(self, array, pixel_size, tile, overlap, symmetries, [0])[0])

    def predict_classes(
        self, array: ArrayLike, pixel_size: float, *, tile: int = 512, overlap: float = 0.25, symmetries: int = 1
    ) -> NDArray[np.float32]:
        """Return the probability of every class, float32 (classes, y, x); see :meth:`predict`."""
        return _predict(self, array, pixel_size, tile, overlap, symmetries, list(range(self.net.classes)))

    def predict_maps(
        self, array: ArrayLike, pixel_size: float, *, tile: int = 512, overlap: float = 0.25, symmetries: int = 1
    ) -> dict[str, NDArray[np.float32]]:
        """Return all that the network says, by name, each float32 (y, x).

        "probability" of particle, and the map of every head: "boundary" (a probability), "distance", "depth"
        and "thickness" (Å). See :meth:`predict`.

        Examples
        --------
        >>> net = Net(width=0.125, heads=("boundary",))
        >>> network = Network(net, build(net).state_dict(), 0.4, Normalisation())
        >>> sorted(network.predict_maps(np.ones((40, 40)), pixel_size=0.4))
        ['boundary', 'probability']
        """
        heads = [self.net.classes + number for number in range(len(self.net.heads))]
        background, *maps = _predict(self, array, pixel_size, tile, overlap, symmetries, [0, *heads])
        return {"probability": _inverted(background), **dict(zip(self.net.heads, maps, strict=True))}

    def unfamiliar(self, array: ArrayLike, pixel_size: float) -> list[str]:
        """Return in what an image lies outside of what the network learnt from, one sentence each.

        Compared are the pixel size and the spectrum at the network's pixel size, whose upper end tells the dose.
        Empty where nothing is unusual, and for networks without a record of what they saw.

        Examples
        --------
        >>> net = Net(width=0.125)
        >>> Network(net, build(net).state_dict(), 0.4, Normalisation()).unfamiliar(np.ones((50, 70)), 0.2)
        []
        """
        known = self.record.get("familiar")
        if not known:
            return []
        image = torch.from_numpy(np.array(array, dtype=np.float32))
        return unfamiliar(known, image, pixel_size, self.pixel_size)

    def save(self, path: str | os.PathLike[str], *, half: bool = False) -> Path:
        """Write weights and record into one safetensors file, whole or not at all.

        Parameters
        ----------
        path
            Where.
        half
            Whether weights are kept in 16 bits: half the size, and probabilities that differ by some 0.001.

        Examples
        --------
        >>> import tempfile
        >>> net = Net(width=0.125)
        >>> network = Network(net, build(net).state_dict(), 0.4, Normalisation())
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Network.load(network.save(f"{folder}/network.safetensors")).identity == network.identity
        True
        """
        from safetensors.torch import save

        path = Path(path)
        tensors = {name: value.cpu().contiguous() for name, value in self.module.state_dict().items()}
        if half:
            tensors = {name: value.half() if value.is_floating_point() else value for name, value in tensors.items()}
        metadata = {
            "format": FORMAT,
            "net": canonical_json(self.net.to_dict()),
            "normalisation": canonical_json(self.normalisation.to_dict()),
            "pixel_size": repr(self.pixel_size),
            "record": json.dumps(_plain(self.record), ensure_ascii=False, sort_keys=True),
        }
        data = save(tensors, metadata)
        return write_whole(path, data, error=TrainingError, parents=True)

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, device: str | torch.device = "cpu") -> Network:
        """Return the network in a file that ``save`` wrote, or the shipped one of that name.

        Nothing in the file is run.

        Raises
        ------
        TrainingError
            If the file is missing, damaged, or no network, or the device is not there.
        """
        from safetensors import SafetensorError, safe_open

        path = Path(path)
        if not path.is_file():
            if path.suffix == ".safetensors" or path.name != str(path):
                raise TrainingError(f"{path} is not there; give the .safetensors file of a trained network.")
            path = reference_file(str(path))
        try:
            with safe_open(path, framework="pt") as file:
                metadata = file.metadata() or {}
                weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (SafetensorError, OSError) as error:
            raise TrainingError(f"{path} cannot be read as safetensors ({error}); train it again.") from None
        if metadata.get("format") != FORMAT:
            raise TrainingError(f"{path} was not written by exitwave; its format is {metadata.get('format')!r}.")
        try:
            parts = {name: json.loads(metadata[name]) for name in ("net", "normalisation", "pixel_size", "record")}
            network = cls(
                Net.parse(parts["net"], where="net"),
                weights,
                float(parts["pixel_size"]),
                Normalisation.parse(parts["normalisation"], where="normalisation"),
                parts["record"],
            )
        except (KeyError, ValueError, TypeError) as error:
            raise TrainingError(f"{path} holds a damaged record ({error}); train it again.") from None
        return network.to(device)


def _predict(
    network: Network,
    array: ArrayLike,
    pixel_size: float,
    tile: int,
    overlap: float,
    symmetries: int,
    channels: list[int],
) -> NDArray[np.float32]:
    image = np.asarray(array, dtype=np.float32)
    if image.ndim != 2 or image.size == 0:
        raise TrainingError(f"the image has the shape {image.shape}; predict takes one image, (y, x).")
    if not np.isfinite(image).all():
        raise TrainingError(f"{int((~np.isfinite(image)).sum())} pixels of the image are missing; fill them first.")
    if not (math.isfinite(pixel_size) and pixel_size > 0):
        raise TrainingError(f"pixel_size is {pixel_size}; it is above 0, in Å.")
    if tile < 64 or tile % 32:
        raise TrainingError(f"tile is {tile}; it is a multiple of 32 from 64 on.")
    if not 0 <= overlap < 1:
        raise TrainingError(f"overlap is {overlap}; it is a share from 0 to below 1.")
    if symmetries not in (1, 4, 8):
        raise TrainingError(f"symmetries is {symmetries}; it is 1, 4 or 8.")
    scale = pixel_size / network.pixel_size
    if min(image.shape) * scale < 16:
        raise TrainingError(
            f"the image spans {min(image.shape) * pixel_size:.3g} Å, which is {min(image.shape) * scale:.1f} px of "
            f"the network's {network.pixel_size:g} Å; 16 are needed: is pixel_size in Å?"
        )
    if image.size * scale**2 > MOST_PIXELS:
        height, width = (round(side * scale) for side in image.shape)
        raise TrainingError(
            f"pixels of {pixel_size:g} Å are too coarse: the image would be resampled to {height} × {width} px of "
            f"the network's {network.pixel_size:g} Å, and at most {MOST_PIXELS:,} px are; cut a part out, or is the "
            "pixel size wrong?"
        )
    found = probabilities(
        [network.module],
        torch.from_numpy(np.ascontiguousarray(image)).to(network.device),
        network.normalisation,
        network.net,
        scale=scale,
        tile=tile,
        overlap=overlap,
        symmetries=symmetries,
        channels=channels,
    )
    return np.asarray(found.cpu().numpy(), np.float32)


def _inverted(probability: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return one less a probability, in its own memory."""
    return np.subtract(1, probability, out=probability)


def _load(module: torch.nn.Module, weights: Mapping[str, torch.Tensor]) -> None:
    wanted = module.state_dict()
    for name, value in wanted.items():
        if name not in weights:
            raise TrainingError(f"the weights lack {name}; they belong to another network.")
        if weights[name].shape != value.shape:
            raise TrainingError(
                f"the weights {name} have the shape {tuple(weights[name].shape)}, but the network needs "
                f"{tuple(value.shape)}; they belong to another width."
            )
    extra = sorted(set(weights) - set(wanted))
    if extra:
        raise TrainingError(f"the weights hold {extra[0]}, unknown to the network; they belong to another network.")
    module.load_state_dict(dict(weights))


def _plain(value: Any) -> Any:
    """Return plain data, with numbers that JSON has not as text."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    return value
