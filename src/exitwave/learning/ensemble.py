"""Several networks that vote."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from exitwave.core import TrainingError, identity
from exitwave.learning.network import Network

__all__ = ["Ensemble", "combined"]


class Ensemble:
    """Several networks that vote with their probabilities.

    Parameters
    ----------
    networks
        Networks, of any kinds; of maps beside the mask they give those that all of them have.

    Examples
    --------
    >>> from exitwave.learning import Net, Normalisation, build
    >>> net = Net(width=0.125)
    >>> network = Network(net, build(net).state_dict(), 0.4, Normalisation())
    >>> Ensemble([network, network]).predict(np.ones((40, 40)), pixel_size=0.4).shape
    (40, 40)
    """

    def __init__(self, networks: Sequence[Network]) -> None:
        if not networks:
            raise TrainingError("there are no networks; an ensemble has one or more.")
        self.networks = tuple(networks)

    @property
    def identity(self) -> str:
        """The hash of the networks."""
        return identity({"ensemble": [network.identity for network in self.networks]})

    def predict(self, array: ArrayLike, pixel_size: float, **options: Any) -> NDArray[np.float32]:
        """Return the mean of the networks' probabilities; options as in :meth:`Network.predict`."""
        return self.predict_maps(array, pixel_size, **options)["probability"]

    def predict_maps(self, array: ArrayLike, pixel_size: float, **options: Any) -> dict[str, NDArray[np.float32]]:
        """Return the means of the networks' maps, by name; options as in :meth:`Network.predict`.

        "spread" is the standard deviation of their probabilities: where they disagree.
        """
        return combined(network.predict_maps(array, pixel_size, **options) for network in self.networks)

    def spread(self, array: ArrayLike, pixel_size: float) -> NDArray[np.float32]:
        """Return the standard deviation of the networks' probabilities, (y, x): where they disagree."""
        return self.predict_maps(array, pixel_size)["spread"]

    def unfamiliar(self, array: ArrayLike, pixel_size: float) -> list[str]:
        """Return in what an image lies outside of what every one of the networks learnt from."""
        said = [network.unfamiliar(array, pixel_size) for network in self.networks]
        return said[0] if all(said) else []

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, device: str | torch.device = "cpu") -> Network | Ensemble:
        """Return the network in a file or of a name, or all networks in a folder, to vote.

        Raises
        ------
        TrainingError
            If the folder holds no networks, or one cannot be loaded: see :meth:`Network.load`.

        Examples
        --------
        >>> Ensemble.load("general")
        Network(resnet_unet, width 0.25, 0.90 M, 0.4 Å/px)
        """
        folder = Path(path)
        if not folder.is_dir():
            return Network.load(path, device=device)
        files = sorted(folder.glob("*.safetensors"))
        if not files:
            raise TrainingError(f"{folder} holds no networks; give a folder with .safetensors files, or one file.")
        networks = [Network.load(file, device=device) for file in files]
        return networks[0] if len(networks) == 1 else cls(networks)


def combined(said: Iterable[dict[str, NDArray[np.float32]]]) -> dict[str, NDArray[np.float32]]:
    """Return the means of several networks' maps, of those that all have, and "spread"; see :class:`Ensemble`."""
    means: dict[str, NDArray[np.float32]] = {}
    squares: Any = 0.0  # of the distances from the mean (Welford), so that 32 bits do
    count = 0
    for found in said:
        count += 1
        if count == 1:
            means = {name: np.array(values, np.float32) for name, values in found.items()}
            continue
        means = {name: mean for name, mean in means.items() if name in found}
        for name, mean in means.items():
            off = found[name] - mean
            mean += off / count
            if name == "probability":
                squares = squares + off * (found[name] - mean)
    spread = np.sqrt(squares / max(count, 1)) + np.zeros_like(means["probability"])
    return means | {"spread": np.asarray(spread, np.float32)}
