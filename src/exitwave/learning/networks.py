"""Networks by name, at any width."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import contextmanager
from importlib import metadata
from math import gcd
from typing import TYPE_CHECKING, Annotated, Any

import torch
from pydantic import field_validator
from torch import nn

from exitwave.core import Number, Spec, SpecError, TrainingError, Word
from exitwave.learning.heads import HEADS
from exitwave.learning.models import ResNetUNet

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Net", "architectures", "build", "parameter_count"]

ENTRY_POINTS = "exitwave.networks"


class Net(Spec):
    """A segmentation network: what it is, how wide, for how many classes and further maps.

    Parameters
    ----------
    name
        An architecture: see :func:`architectures`. "unet" works on full resolution from its first convolution,
        "strided_unet" (monai's UNet of residual units) halves it at once and is twice as fast. Others are found by
        the entry point group "exitwave.networks", a function ``(net: Net) -> nn.Module`` from images (n, 1, y, x) to
        outputs (n, net.channels, y, x): the classes' logits, then one channel for every head.
    width
        Fraction of the architecture's full number of channels; for "resnet_unet" 1 is 14.3 million parameters, 0.5 is
        3.6 and 0.25 is 0.9 million.
    norm
        "group", "instance" or "batch". The first two beat batch normalisation on HRTEM (Kazimi & Sandfeld, 2024).
    classes
        Number of classes, background included.
    heads
        What it gives beside the mask: "boundary" (probability of an outline within 2 Å), "distance" (of a particle's
        pixel to its visible outline, Å), "depth" (to that of the particle whole, Å) and "thickness" (of the particles
        along the beam, Å).
    fine
        For "resnet_unet": whether the last convolutions work on full resolution.

    Examples
    --------
    >>> network = build(Net(name="resnet_unet", width=0.25))
    >>> round(parameter_count(network) / 1e6, 2)
    0.9
    """

    name: Annotated[str, Word("a network", options=lambda: architectures(), fixed=True)] = "resnet_unet"
    width: Annotated[float, Number("a width", at_least=0.125, at_most=4, fixed=True)] = 0.25
    norm: Annotated[str, Word("a normalisation", options=("group", "instance", "batch"), fixed=True)] = "group"
    classes: Annotated[int, Number("a number of classes", at_least=2, at_most=255, whole=True, fixed=True)] = 2
    heads: tuple[Annotated[str, Word("a head", options=tuple(HEADS), fixed=True)], ...] = ()
    fine: bool = True

    @field_validator("heads", mode="after")
    @classmethod
    def _distinct(cls, heads: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(heads)) < len(heads):
            raise SpecError(f"net.heads is {list(heads)}; it names every head once.")
        return heads

    @property
    def channels(self) -> int:
        """Number of maps that the network gives: classes and heads."""
        return self.classes + len(self.heads)


def architectures() -> tuple[str, ...]:
    """Return the names of the architectures, installed ones included.

    Examples
    --------
    >>> "unet" in architectures()
    True
    """
    return (*_BUILDERS, *sorted(point.name for point in metadata.entry_points(group=ENTRY_POINTS)))


def build(net: Net) -> nn.Module:
    """Return a new network with random weights from torch's generator.

    Parameters
    ----------
    net
        What it is, how wide, and what it gives.

    Returns
    -------
    torch.nn.Module
        From images (n, 1, y, x) to outputs (n, net.channels, y, x): the classes' logits, then the heads.

    Raises
    ------
    TrainingError
        If the library that has the architecture is not installed.

    Examples
    --------
    >>> network = build(Net(width=0.125, heads=("boundary",)))
    >>> network(torch.zeros(1, 1, 64, 64)).shape
    torch.Size([1, 3, 64, 64])
    """
    if net.name in _BUILDERS:
        return _BUILDERS[net.name](net)
    (point,) = metadata.entry_points(group=ENTRY_POINTS, name=net.name)
    module: nn.Module = point.load()(net)
    return module


def channels_last(network: nn.Module) -> nn.Module:
    """Return the network with its weights stored channels last, 1.3 to 1.7 times as fast on a CPU with AVX-512."""
    converted: nn.Module = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return converted


def parameter_count(network: nn.Module) -> int:
    """Return the number of trained numbers of a network."""
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)


@contextmanager
def _monai() -> Iterator[Any]:
    """Give monai's networks; what it warns of at import is about its own optional parts."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"(monai|ignite|torch\.jit)(\.|$)")
        warnings.filterwarnings("ignore", category=SyntaxWarning)
        try:
            from monai.networks import nets
        except ImportError as error:
            raise TrainingError(
                f"monai cannot be imported ({error}); install it with pip install exitwave[learn], "
                "or choose the network resnet_unet."
            ) from None
        yield nets


def groups(channels: int) -> int:
    """Return how many groups of so many channels a group normalisation has."""
    return gcd(8, channels) if channels > 8 else max(1, channels // 2)


def _norm(net: Net) -> Callable[[int], nn.Module]:
    if net.norm == "group":
        return lambda channels: nn.GroupNorm(groups(channels), channels)
    if net.norm == "instance":
        return lambda channels: nn.InstanceNorm2d(channels, affine=True)
    return nn.BatchNorm2d


def _monai_norm(net: Net) -> Any:
    return {
        "group": ("group", {"num_groups": 8}),
        "instance": ("instance", {"affine": True}),
        "batch": "batch",
    }[net.norm]


def _channels(net: Net, *full: int) -> tuple[int, ...]:
    return tuple(max(8, 8 * round(channels * net.width / 8)) for channels in full)


def _resnet_unet(net: Net) -> nn.Module:
    return ResNetUNet(net.channels, net.width, _norm(net), net.fine)


def _unet(net: Net) -> nn.Module:
    features = _channels(net, 64, 64, 128, 256, 512, 64)
    with _monai() as nets:
        network: nn.Module = nets.BasicUNet(2, 1, net.channels, features=features, norm=_monai_norm(net))
    return network


def _strided_unet(net: Net) -> nn.Module:
    channels = _channels(net, 64, 128, 256, 512, 1024)
    # its last normalisation acts on its outputs, which lengths must not go through
    outputs = 16 if net.heads else net.classes
    norm = ("group", {"num_groups": 2 - outputs % 2}) if net.norm == "group" else _monai_norm(net)
    with _monai() as nets:
        network: nn.Module = nets.UNet(2, 1, outputs, channels, (2, 2, 2, 2), num_res_units=1, norm=norm)
    return nn.Sequential(network, nn.ReLU(), nn.Conv2d(outputs, net.channels, 1)) if net.heads else network


def _residual_unet(net: Net) -> nn.Module:
    (filters,) = _channels(net, 32)
    with _monai() as nets:
        network: nn.Module = nets.SegResNet(
            2, filters, 1, net.channels, norm=_monai_norm(net), blocks_down=(1, 2, 2, 2, 4), blocks_up=(1, 1, 1, 1)
        )
    return network


def _dynamic_unet(net: Net) -> nn.Module:
    strides = [1, 2, 2, 2, 2, 2]
    with _monai() as nets:
        network: nn.Module = nets.DynUNet(
            2, 1, net.channels, [3] * 6, strides, strides[1:], _channels(net, 32, 64, 128, 256, 512, 512),
            norm_name=_monai_norm(net),
        )  # fmt: skip
    return network


def _nested_unet(net: Net) -> nn.Module:
    features = _channels(net, 32, 32, 64, 128, 256, 32)
    with _monai() as nets:
        inner: nn.Module = nets.BasicUNetPlusPlus(2, 1, net.channels, features=features, norm=_monai_norm(net))
    return _First(inner)


class _First(nn.Module):
    """Takes the first of a network's several outputs."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, image: Any) -> Any:
        return self.inner(image)[0]


_BUILDERS: dict[str, Callable[[Net], nn.Module]] = {
    "resnet_unet": _resnet_unet,
    "unet": _unet,
    "strided_unet": _strided_unet,
    "segresnet": _residual_unet,
    "dynunet": _dynamic_unet,
    "unet++": _nested_unet,
}
