"""Wider networks that say what a narrower one says, to train on from."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from exitwave.core import Stream, TrainingError
from exitwave.learning.network import Network
from exitwave.learning.networks import build, groups

__all__ = ["widened"]

_Indices = NDArray[np.int_]


def widened(network: Network, width: float, *, seed: int | Stream) -> Network:
    r"""Return a wider network that says the same, to go on training with more weights than it had.

    Channels are copied, :math:`y_j = y'_{f(j)}`, and weights on copies share what the weight on the channel was,

    .. math:: W_{ij} = s_{ij} W'_{f(i) f(j)}, \qquad \sum_{j:\, f(j) = k} s_{ij} = 1,

    by random shares s, so that copies learn different things. Channels of one group of a normalisation stay in one
    group. What is said stays the same to rounding where all numbers of channels are multiples, as those of widths
    0.25, 0.5 and 1 without heads are, else nearly so.

    Parameters
    ----------
    network
        A ``resnet_unet``.
    width
        Fraction of the full width, above the network's own.
    seed
        Decides the shares.

    Raises
    ------
    TrainingError
        If it is another architecture, or ``width`` is not above its own.

    Source
    ------
    T. Chen, I. Goodfellow & J. Shlens, Net2Net, Int. Conf. on Learning Representations (2016), arXiv:1511.05641.

    Examples
    --------
    >>> from exitwave.learning import Net, Normalisation
    >>> net = Net(width=0.25)
    >>> narrow = Network(net, build(net).state_dict(), 0.4, Normalisation())
    >>> wide = widened(narrow, 0.5, seed=1)
    >>> image = np.random.default_rng(1).normal(size=(64, 64))
    >>> wide.net.width, bool(np.abs(wide.predict(image, 0.4) - narrow.predict(image, 0.4)).max() < 1e-5)
    (0.5, True)
    """
    if network.net.name != "resnet_unet":
        raise TrainingError(f"a {network.net.name} cannot be widened; give a resnet_unet, or leave the width.")
    if not width > network.net.width:
        raise TrainingError(f"width is {width}; it is above {network.net.width:g}, the width of the network given.")
    net = network.net.replace(width=width)
    old = {name: value.cpu() for name, value in network.module.state_dict().items()}
    rng = (seed if isinstance(seed, Stream) else Stream(seed)).generator()
    with torch.random.fork_rng(devices=[]):
        wanted = build(net).state_dict()
    copies = {name: _copies(name, old, wanted) for name in wanted}
    weights = {name: _spread(old[name], *copies[name], rng) for name in wanted}
    return Network(net, weights, network.pixel_size, network.normalisation, network.record)


def _copies(
    name: str, old: Mapping[str, torch.Tensor], wanted: Mapping[str, torch.Tensor]
) -> tuple[_Indices, _Indices | None]:
    """Return which channels of the narrower network a tensor's outputs and inputs are copies of."""
    few, many = old[name], wanted[name]
    if few.ndim == 0:
        return np.array([], int), None
    outputs = _copied(len(few), len(many))
    if few.ndim == 1:
        return outputs, None
    level = name.split(".")
    if level[0] != "decoder" or level[2:] != ["body", "0", "weight"]:
        return outputs, _copied(few.shape[1], many.shape[1])
    # the channels of the level below come first, then those of the encoder
    below = f"decoder.{int(level[1]) - 1}.body.3.weight" if level[1] != "0" else _last_of_encoder(old)
    first, second = len(old[below]), len(wanted[below])
    beside = first + _copied(few.shape[1] - first, many.shape[1] - second)
    return outputs, np.concatenate([_copied(first, second), beside])


def _last_of_encoder(old: Mapping[str, torch.Tensor]) -> str:
    return [name for name in old if name.startswith("encoder.") and name.endswith("body.3.weight")][-1]


def _copied(few: int, many: int) -> _Indices:
    """Return which of the few channels each of the many is a copy of, group by group."""
    if not many:
        return np.array([], int)
    group, place = np.divmod(np.arange(many), many // groups(many))
    old = few // groups(few)
    copied: _Indices = group * groups(few) // groups(many) * old + place * old * groups(many) // many
    return copied


def _spread(
    weights: torch.Tensor, outputs: _Indices, inputs: _Indices | None, rng: np.random.Generator
) -> torch.Tensor:
    """Return weights on copies of channels, which share what the weight on the channel was."""
    if weights.ndim == 0:
        return weights.clone()
    if inputs is None:
        return weights[outputs].clone()
    shares = rng.uniform(0.5, 1.5, (len(outputs), len(inputs)))
    shares /= shares @ (inputs[:, None] == inputs)
    shared = torch.from_numpy(shares).to(weights.dtype)
    return weights[outputs][:, inputs] * shared[:, :, None, None]
