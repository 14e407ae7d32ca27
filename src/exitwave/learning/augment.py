"""Changes that a label survives, on the batch and on its device."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from exitwave.core import Distribution, Number, Spec, Stream
from exitwave.learning.batches import Batch
from exitwave.learning.normalisation import Normalisation

__all__ = ["Augmentation", "Chance", "augment", "dihedral"]


class Chance(Spec):
    """How often a change is made, and how strongly.

    Parameters
    ----------
    probability
        Share of the images that are changed, each decided for itself.
    amount
        Strength; its meaning stands at the field.

    Examples
    --------
    >>> Chance(probability=0.5, amount={"uniform": [0, 1]}).probability
    0.5
    """

    probability: Annotated[float, Number("a probability", at_least=0, at_most=1, fixed=True)] = 0.5
    amount: Annotated[float | Distribution, Number("an amount", at_least=0)] = 1.0


def _chance(probability: float, low: float, high: float, kind: str = "uniform") -> Chance:
    return Chance.parse({"probability": probability, "amount": {kind: [low, high]}})


class Augmentation(Spec):
    """What happens to images before the network sees them, in this order.

    Parameters
    ----------
    symmetry
        One of the eight symmetries of the square, image and label alike.
    illumination
        Multiplies by 1 + a second-order polynomial of the position; amount: its greatest value.
    noise
        Adds Gaussian noise; amount: in standard deviations of the image.
    blur
        Gaussian blur; amount: its standard deviation in pixels.
    median
        3 × 3 median, as many microscopists apply; amount has no meaning.
    gamma
        Raises the normalised intensity to a power; amount: the power.
    contrast
        Stretches the normalised intensity; amount: the factor.
    brightness
        Shifts the normalised intensity; amount: the greatest shift, either way.

    Examples
    --------
    >>> Augmentation(noise={"probability": 0}).noise.probability
    0.0
    """

    symmetry: bool = True
    illumination: Chance = _chance(0.5, 0.0, 0.2)
    noise: Chance = _chance(0.3, 0.0, 0.5)
    blur: Chance = _chance(0.2, 0.3, 1.0)
    median: Chance = _chance(0.3, 0.0, 1.0)
    gamma: Chance = _chance(0.3, 0.7, 1.4, "loguniform")
    contrast: Chance = _chance(0.5, 0.7, 1.4, "loguniform")
    brightness: Chance = _chance(0.5, 0.0, 0.2)

    @classmethod
    def none(cls) -> Augmentation:
        """Return the augmentation that changes nothing.

        Examples
        --------
        >>> Augmentation.none().symmetry
        False
        """
        never = Chance(probability=0.0)
        names = [name for name in cls.model_fields if name != "symmetry"]
        return cls(symmetry=False, **dict.fromkeys(names, never))


def augment(
    batch: Batch,
    spec: Augmentation,
    normalisation: Normalisation,
    stream: Stream,
) -> Batch:
    """Return changed and normalised images with their labels.

    Parameters
    ----------
    batch
        Images in any units, square if the symmetries are used, with their labels and targets.
    spec, normalisation
        What is done.
    stream
        Decides everything.

    Examples
    --------
    >>> batch = Batch(torch.rand(2, 1, 32, 32), torch.zeros(2, 32, 32))
    >>> augment(batch, Augmentation(), Normalisation(), Stream(1)).images.shape
    torch.Size([2, 1, 32, 32])
    """
    count, device = len(batch.images), batch.images.device
    draws = _Draws(count, stream.generator())
    field = torch.Generator(device).manual_seed((stream / "field").integer())
    if spec.symmetry:
        batch = dihedral(batch, draws.generator.integers(8, size=count))
    images = batch.images.float().clone()
    # every draw is made whether it is used or not, so that no setting changes the others' numbers
    who, amount = draws(spec.illumination)
    polynomial = draws.generator.normal(size=(count, 5))
    if who.any():
        shade = 1 + torch.from_numpy(amount)[:, None, None] * _polynomials(polynomial, images.shape[-2:])
        images[who] = images[who] * shade[who][:, None].to(device, torch.float32)
    who, amount = draws(spec.noise)
    if who.any():
        some = images[who]
        scale = some.std(dim=(-2, -1), keepdim=True) * _column(amount[who], device)
        images[who] = some + scale * torch.randn(some.shape, generator=field, device=device)
    who, amount = draws(spec.blur)
    if who.any():
        images[who] = _blur(images[who], amount[who])
    who, _ = draws(spec.median)
    if who.any():
        images[who] = _median3(images[who])
    images = normalisation(images)
    who, amount = draws(spec.gamma)
    if who.any():
        images[who] = _gamma(images[who], _column(amount[who], device))
    who, amount = draws(spec.contrast)
    factor = np.where(who, amount, 1.0)
    who, amount = draws(spec.brightness)
    shift = np.where(who, amount * draws.generator.choice([-1.0, 1.0], size=count), 0.0)
    return replace(batch, images=images * _column(factor, device) + _column(shift, device))


def dihedral(batch: Batch, which: NDArray[np.integer]) -> Batch:
    """Return images and labels turned by ``which % 4`` quarters and, from 4 on, mirrored.

    Examples
    --------
    >>> image = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    >>> dihedral(Batch(image, image[:, 0]), np.array([4])).images.tolist()
    [[[[2.0, 1.0], [4.0, 3.0]]]]
    """

    def turned(stack: torch.Tensor) -> torch.Tensor:
        parts = []
        for one, kind in zip(stack, which.tolist(), strict=True):
            part = torch.rot90(one, kind % 4, dims=(-2, -1))
            parts.append(part.flip(-1) if kind >= 4 else part)
        return torch.stack(parts)

    targets = None if batch.targets is None else turned(batch.targets)
    return Batch(turned(batch.images), turned(batch.labels), targets)


class _Draws:
    def __init__(self, count: int, generator: np.random.Generator) -> None:
        self.count, self.generator = count, generator

    def __call__(self, chance: Chance) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
        who = self.generator.random(self.count) < chance.probability
        u = self.generator.random(self.count).clip(1e-12, 1 - 1e-12)
        amount = chance.amount
        if isinstance(amount, Distribution):
            return who, np.array([amount.quantile(float(value)) for value in u], dtype=np.float64)
        return who, np.full(self.count, float(amount))


def _column(values: NDArray[np.float64], device: torch.device) -> torch.Tensor:
    return torch.from_numpy(np.asarray(values, np.float32)).to(device)[:, None, None, None]


def _polynomials(coefficients: NDArray[np.float64], shape: torch.Size | tuple[int, ...]) -> torch.Tensor:
    y, x = torch.meshgrid(torch.linspace(-1, 1, shape[0]), torch.linspace(-1, 1, shape[1]), indexing="ij")
    terms = torch.stack([y, x, y * x, y * y - 1 / 3, x * x - 1 / 3]).double()
    fields = torch.einsum("nt,tyx->nyx", torch.from_numpy(coefficients), terms)
    return fields / fields.abs().amax(dim=(-2, -1), keepdim=True)


def _blur(images: torch.Tensor, sigma: NDArray[np.float64]) -> torch.Tensor:
    reach = max(1, int(np.ceil(3 * sigma.max())))
    offsets = torch.arange(-reach, reach + 1, dtype=torch.float32, device=images.device)
    kernel = torch.exp(-0.5 * (offsets / _column(sigma, images.device)[:, 0]) ** 2)
    kernel = kernel / kernel.sum(dim=-1, keepdim=True)  # (n, 1, taps)
    stack = images.transpose(0, 1)  # one group per image
    padded = functional.pad(stack, (reach, reach, reach, reach), mode="replicate")
    rows = functional.conv2d(padded, kernel[:, :, :, None], groups=len(images))
    return functional.conv2d(rows, kernel[:, :, None, :], groups=len(images)).transpose(0, 1)


def _median3(images: torch.Tensor) -> torch.Tensor:
    from exitwave.imaging.filters import median3

    return median3(images)


def _gamma(images: torch.Tensor, power: torch.Tensor) -> torch.Tensor:
    low = images.amin(dim=(-2, -1), keepdim=True)
    span = (images.amax(dim=(-2, -1), keepdim=True) - low).clamp_min(1e-12)
    return ((images - low) / span).pow(power) * span + low
