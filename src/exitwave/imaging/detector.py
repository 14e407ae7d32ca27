"""The camera: from expected intensity to counts."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import ValidationInfo, field_validator

from exitwave.core import Distribution, Number, Stream, number
from exitwave.imaging.gaussian import normal
from exitwave.imaging.named import Named
from exitwave.imaging.poisson import poisson
from exitwave.imaging.presets import DETECTORS

__all__ = ["Detector", "detect", "spread", "transfer"]

_XRAY = 50.0  # electrons whose light an X-ray's resembles

_Part = Annotated[float | Distribution, Number("a part of the transfer function", at_least=0, at_most=1)]


class Detector(Named):
    r"""A camera: transfer functions, gain, noise and range.

    An exposure is made in this order. With :math:`\bar n` the expected electrons per pixel and n the electrons that
    are detected,

    .. math:: n \sim \mathrm{Poisson}\Bigl(\frac{\mathrm{MTF}}{\mathrm{NTF}} \otimes \bar n\Bigr), \qquad
              s = \mathrm{NTF} \otimes n,

    .. math:: \text{counts} = \mathrm{clip}\bigl(\mathrm{round}(g\,s + \text{offset} + \text{X-rays}
              + r\,\mathcal N(0, 1) + \text{hot}),\ 0,\ \text{saturation}\bigr)

    The transfer function of one sensor pixel is, with :math:`q_N` the sensor's Nyquist frequency, one of

    .. math:: \mathrm{MTF}(q) = c_2 + (c_1 - c_2)\begin{cases}
              1/[1 + (q / 2 c_3 q_N)^{c_4}] & \text{rational}\\
              \exp[-(q / 2 c_3 q_N)^{c_4}] & \text{exponential}\\
              [1 + (q / 2 c_3 q_N)^2]^{-c_4/2} & \text{lorentzian}\end{cases}, \qquad \mathrm{MTF}(0) = 1,

    times :math:`\mathrm{sinc}(a q_x)\,\mathrm{sinc}(a q_y)` of the pixel's own aperture. The stretched exponential is
    an exponential for c₄ = 1 (a point spread function with long tails, :math:`(1 + r^2)^{-3/2}`) and a Gaussian for
    c₄ = 2; the lorentzian with c₄ = 3 is that of an exponential point spread function.

    .. math:: \mathrm{NTF} = (1 - f)\,\mathrm{MTF} + f

    so that the signal is spread by the MTF and its noise by the NTF. Where both pass through the same spread (f = 0,
    the default) :math:`s = \mathrm{MTF} \otimes n`. Stochastic scattering in a scintillator spreads noise less than
    signal, f > 0; a counting camera, f = 1, counts electrons in wrong pixels. The noise power is
    :math:`g^2\,\bar n\,\mathrm{NTF}^2 + r^2` (+ 1/12 from rounding).

    With binning b an image pixel adds up b × b pixels of the sensor: the image keeps its size, and the sensor's
    pixels are b times smaller than the image's. Signal is damped by the sum, noise beyond the image's Nyquist
    frequency folds back,

    .. math:: \mathrm{MTF}_b(q) = \mathrm{MTF}(q) D(q), \quad
              \mathrm{NTF}_b^2(q) = \sum_{k} \mathrm{NTF}^2(q + k) D^2(q + k), \quad
              D = \prod_{x,y} \frac{\sin \pi b q}{b \sin \pi q}

    with q in cycles per sensor pixel and k over its multiples of 1/b. Read-out noise, X-rays and hot pixels count per
    image pixel.

    First of all, :math:`\bar n` is multiplied by what flat-field correction left of the sensor's pattern; last, dead
    pixels show the offset only. The counts are whole numbers that end at the saturation and never wrap.

    A preset may be named instead of a mapping wherever a detector is expected; ``Detector.presets`` lists them.

    Parameters
    ----------
    form
        Which form the transfer function has.
    c1, c2, c3, c4
        The transfer function; the default is 1 at all frequencies.
    aperture
        a, side of the square over which a sensor pixel collects, in pixels; 0 where the curve holds it already.
    noise_flatness
        f from 0 (noise is spread like signal) to 1 (white noise, as of a counting camera).
    binning
        b, sensor pixels that make one pixel of the image, along each side; fixed.
    flat_field
        Standard deviation of the pattern that flat-field correction left, relative. The pattern belongs to the
        image's stream.
    xrays
        Hits per pixel and exposure; each adds 50 electrons' counts on average to one pixel.
    gain
        Counts per electron.
    read_noise
        Standard deviation of the read-out noise, counts.
    offset
        Dark level, counts.
    hot_pixels, dead_pixels
        Shares of pixels that are hot, and that are dead, 0 to 1.
    hot_level
        Mean of the exponentially distributed counts that a hot pixel adds.
    saturation
        Greatest count that the camera gives.

    Source
    ------
    The role of the MTF in quantitative contrast: A. Thust, Phys. Rev. Lett. 102, 220801 (2009). Signal and noise
    transfer of scintillators: R. R. Meyer and A. I. Kirkland, Microsc. Res. Tech. 49, 269 (2000). Transfer functions
    drawn in training for scintillator cameras: M. H. L. Larsen et al., arXiv:2302.12629 (2023). The numbers of the
    presets are chosen for training; they are no measurement of a product.

    Examples
    --------
    >>> Detector.named("scintillator").gain
    10.0
    """

    presets: ClassVar[Mapping[str, dict[str, Any]]] = DETECTORS

    form: Literal["rational", "exponential", "lorentzian"] = "rational"
    c1: _Part = 1.0
    c2: _Part = 1.0
    c3: Annotated[float | Distribution, Number("c3", above=0)] = 0.5
    c4: Annotated[float | Distribution, Number("c4", above=0)] = 2.0
    aperture: Annotated[float | Distribution, Number("a pixel's aperture", "px", at_least=0, at_most=2)] = 0.0
    noise_flatness: Annotated[float | Distribution, Number("a noise flatness", at_least=0, at_most=1)] = 0.0
    binning: Annotated[int, Number("a binning", "px", at_least=1, at_most=8, whole=True, fixed=True)] = 1
    flat_field: Annotated[float | Distribution, Number("a flat-field residue", at_least=0, at_most=1)] = 0.0
    xrays: Annotated[float | Distribution, Number("a number of X-ray hits", "per pixel", at_least=0)] = 0.0
    gain: Annotated[float | Distribution, Number("a gain", "counts per electron", above=0)] = 1.0
    read_noise: Annotated[float | Distribution, Number("a read-out noise", "counts", at_least=0)] = 0.0
    offset: Annotated[float | Distribution, Number("an offset", "counts", at_least=0)] = 0.0
    hot_pixels: Annotated[float | Distribution, Number("a share of hot pixels", at_least=0, at_most=1)] = 0.0
    hot_level: Annotated[float | Distribution, Number("a level of hot pixels", "counts", above=0)] = 1000.0
    dead_pixels: Annotated[float | Distribution, Number("a share of dead pixels", at_least=0, at_most=1)] = 0.0
    saturation: Annotated[float | Distribution, Number("a saturation", "counts", above=0)] = 65535.0

    @field_validator("c2")
    @classmethod
    def _falls(cls, value: Any, info: ValidationInfo) -> Any:
        c1 = info.data.get("c1")
        if c1 is None:
            return value
        low = c1.support[0] if isinstance(c1, Distribution) else c1
        high = value.support[1] if isinstance(value, Distribution) else value
        if high > low:
            raise ValueError(
                f"c2 is up to {high:g} and c1 down to {low:g}; the transfer function falls from c1 to c2, "
                "so give c2 no larger than c1 (c1 = c2 = 1 is a perfect camera)."
            )
        return value


def transfer(frequency: torch.Tensor, c1: Any, c2: Any, c3: Any, c4: Any, form: str = "rational") -> torch.Tensor:
    """Return the modulation transfer function of :class:`Detector`; parameters may be tensors with gradients.

    Parameters
    ----------
    frequency
        Cycles per sensor pixel (½ is the Nyquist frequency), any shape.
    c1, c2, c3, c4
        Numbers, or tensors that broadcast against ``frequency``.
    form
        As in :class:`Detector`.
    """
    inside = frequency > 0
    q = torch.where(inside, frequency, torch.ones_like(frequency)) / c3
    if form == "exponential":
        fall = torch.exp(-(q**c4))
    elif form == "lorentzian":
        fall = (1.0 + q**2) ** (-c4 / 2)
    else:
        fall = 1.0 / (1.0 + q**c4)
    return torch.where(inside, (c1 - c2) * fall + c2, torch.ones_like(q))


def detect(electrons: torch.Tensor, detector: Detector, stream: Stream) -> torch.Tensor:
    """Expose the camera once.

    Parameters
    ----------
    electrons
        Expected electrons per pixel, (y, x).
    detector
        Drawn: numbers only.
    stream
        Decides every count.

    Returns
    -------
    counts
        Whole numbers as float32, (y, x).
    """
    value = {name: number(field) for name, field in detector if not isinstance(field, str)}
    shape = tuple(electrons.shape)
    if value["flat_field"] > 0:
        pattern = normal(shape, stream / "flat", electrons.device)
        electrons = electrons * pattern.mul_(value["flat_field"]).add_(1.0).clamp_(min=0)
    curve = tuple(value[name] for name in ("c1", "c2", "c3", "c4", "aperture", "noise_flatness"))
    if curve[:2] != (1.0, 1.0) or value["aperture"] > 0 or value["binning"] > 1:
        before, after = _transfers(shape, detector.form, *curve, int(value["binning"]))
        expected = electrons if before is None else _filtered(electrons, before).clamp_(min=0)
        counts = poisson(expected, stream / "shot")
        counts = counts if after is None else _filtered(counts, after)
    else:
        counts = poisson(electrons, stream / "shot")
    if value["gain"] != 1.0 or value["offset"] > 0:
        counts = counts.mul_(value["gain"]).add_(value["offset"])
    if value["xrays"] > 0:
        generator = (stream / "xrays").generator()
        places = generator.integers(counts.numel(), size=generator.poisson(value["xrays"] * counts.numel()))
        _add(counts, places, generator.gamma(1.0, _XRAY * value["gain"], len(places)))
    if value["read_noise"] > 0:
        counts = counts.add_(normal(shape, stream / "read", counts.device), alpha=value["read_noise"])
    if value["hot_pixels"] > 0:
        generator = (stream / "hot").generator()
        places = _some(generator, counts.numel(), value["hot_pixels"])
        _add(counts, places, generator.exponential(value["hot_level"], len(places)))
    if value["dead_pixels"] > 0:
        dead = torch.from_numpy(_some((stream / "dead").generator(), counts.numel(), value["dead_pixels"]))
        counts.view(-1)[dead.to(counts.device)] = value["offset"]
    return counts.round_().clamp_(0.0, float(np.floor(value["saturation"])))


def _filtered(image: torch.Tensor, transfer: torch.Tensor) -> torch.Tensor:
    result: torch.Tensor = torch.fft.irfft2(torch.fft.rfft2(image) * transfer.to(image), s=tuple(image.shape))
    return result


def _some(generator: np.random.Generator, pixels: int, share: float) -> NDArray[np.int64]:
    """Return the pixels that an event of probability ``share`` meets."""
    return generator.choice(pixels, int(generator.binomial(pixels, share)), replace=False, shuffle=False)


def _add(counts: torch.Tensor, places: NDArray[np.int64], levels: NDArray[np.float64]) -> None:
    """Add levels to the pixels at flat places, of which some may be given more than once."""
    at = torch.from_numpy(places).to(counts.device)
    counts.view(-1).index_add_(0, at, torch.from_numpy(levels).to(counts))


@lru_cache(maxsize=8)
def _transfers(
    shape: tuple[int, int],
    form: str,
    c1: float,
    c2: float,
    c3: float,
    c4: float,
    aperture: float,
    flatness: float,
    binning: int,
) -> tuple[torch.Tensor | None, torch.Tensor | None]:
    """Return the transfers before and after electrons are drawn, on the half plane of ``rfft2``, or None."""
    rows, columns = (torch.fft.fftfreq(n, dtype=torch.float64) / binning for n in shape)
    columns = columns[: shape[1] // 2 + 1].abs()

    def sensor(y: torch.Tensor, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        y, x = y - y.round(), x - x.round()  # a sampled sensor knows frequencies up to its own Nyquist frequency
        signal = transfer(torch.hypot(y[:, None], x.expand(len(y), -1)), c1, c2, c3, c4, form)
        signal = signal * torch.sinc(aperture * y)[:, None] * torch.sinc(aperture * x)
        return signal, (1 - flatness) * signal + flatness

    signal, noise = sensor(rows, columns)
    if binning == 1:
        if flatness in (0.0, 1.0):
            return (signal.float(), None) if flatness else (None, signal.float())
        return (signal / noise).float(), noise.float()
    summed = _dirichlet(rows, binning)[:, None] * _dirichlet(columns, binning)
    power = torch.zeros_like(signal)
    for i in range(binning):
        for j in range(binning):
            y, x = rows + i / binning, columns + j / binning
            share = _dirichlet(y, binning)[:, None] * _dirichlet(x, binning)
            power += (sensor(y, x)[1] * share) ** 2
    noise = power.sqrt()
    return (signal * summed / noise.clamp(min=1e-12)).float(), noise.float()


def _dirichlet(q: torch.Tensor, binning: int) -> torch.Tensor:
    whole = (q - q.round()).abs() < 1e-12
    safe = torch.where(whole, torch.full_like(q, 0.5), q)
    return torch.where(
        whole, torch.ones_like(q), torch.sin(torch.pi * binning * safe) / (binning * torch.sin(torch.pi * safe))
    )


def spread(image: torch.Tensor, c1: Any, c2: Any, c3: Any, c4: Any, form: str = "rational") -> torch.Tensor:
    """Return an image (..., y, x) after the modulation transfer function; gradients flow through all arguments.

    Parameters
    ----------
    image
        Expected intensity or electrons, on any device.
    c1, c2, c3, c4, form
        As in :class:`Detector`; numbers, or tensors whose gradients are wanted.

    Examples
    --------
    >>> softness = torch.tensor(0.5, requires_grad=True)
    >>> image = torch.zeros(16, 16)
    >>> image[8, 8] = 1.0
    >>> spread(image, 1.0, 0.1, softness, 2.0).max().backward()
    >>> bool(softness.grad > 0)
    True
    """
    rows, columns = image.shape[-2:]
    fy = torch.fft.fftfreq(rows, dtype=image.dtype, device=image.device)
    fx = torch.fft.rfftfreq(columns, dtype=image.dtype, device=image.device)
    mtf = transfer((fy[:, None] ** 2 + fx**2).sqrt(), c1, c2, c3, c4, form)
    result: torch.Tensor = torch.fft.irfft2(torch.fft.rfft2(image) * mtf, s=(rows, columns))
    return result
