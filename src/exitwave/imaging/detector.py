"""The camera: from expected intensity to counts."""

from __future__ import annotations

from typing import Annotated, Any, Self

import numpy as np
import torch
from pydantic import model_validator

from exitwave.core import Distribution, Number, Spec, SpecError, Stream, number
from exitwave.imaging.poisson import poisson
from exitwave.imaging.presets import DETECTORS, preset

__all__ = ["Detector", "detect", "transfer"]

_XRAY = 50.0  # electrons whose light an X-ray's resembles

_Part = Annotated[float | Distribution, Number("a part of the transfer function", at_least=0, at_most=1)]


class Detector(Spec):
    r"""A camera: transfer functions, gain, noise and range.

    An exposure is made in this order. With :math:`\bar n` the expected electrons per pixel and n the electrons that
    arrived, :math:`n \sim \mathrm{Poisson}(\bar n)`,

    .. math:: s = \mathrm{MTF} \otimes \bar n + \mathrm{NTF} \otimes (n - \bar n), \qquad
              \text{counts} = \mathrm{clip}\bigl(\mathrm{round}(g\,s + \text{offset} + r\,\mathcal N(0, 1)
              + \text{hot}),\ 0,\ \text{saturation}\bigr)

    .. math:: \mathrm{MTF}(q) = \frac{c_1 - c_2}{1 + (q / 2 c_3 q_N)^{c_4}} + c_2, \qquad \mathrm{MTF}(0) = 1

    .. math:: \mathrm{NTF} = (1 - f)\,\mathrm{MTF} + f

    with :math:`q_N` the Nyquist frequency of the camera. Where noise passes through the same spread as signal
    (f = 0, the default) this is :math:`s = \mathrm{MTF} \otimes n`. The noise power is
    :math:`g^2\,\bar n\,\mathrm{NTF}^2 + r^2` (+ 1/12 from rounding). First of all, :math:`\bar n` is multiplied
    by what flat-field correction left of the sensor's pattern; last, X-rays and hot pixels add counts. The counts fit
    16 bits and never wrap.

    Parameters
    ----------
    c1, c2, c3, c4
        The transfer function; the default is 1 at all frequencies.
    noise_flatness
        f from 0 (noise is spread like signal) to 1 (white noise, as of a counting camera).
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
    hot_pixels
        Share of pixels that are hot, 0 to 1.
    hot_level
        Mean of the exponentially distributed counts that a hot pixel adds.
    saturation
        Greatest count that the camera gives.

    A preset may be named instead of a mapping wherever a detector is expected; ``Detector.named`` lists them.

    Source
    ------
    A. Thust, Phys. Rev. Lett. 102, 220801 (2009), for the role of the MTF in quantitative contrast.

    Examples
    --------
    >>> Detector.named("scintillator").gain
    10.0
    """

    c1: _Part = 1.0
    c2: _Part = 1.0
    c3: Annotated[float | Distribution, Number("c3", above=0)] = 0.5
    c4: Annotated[float | Distribution, Number("c4", above=0)] = 2.0
    noise_flatness: Annotated[float | Distribution, Number("a noise flatness", at_least=0, at_most=1)] = 0.0
    flat_field: Annotated[float | Distribution, Number("a flat-field residue", at_least=0, at_most=1)] = 0.0
    xrays: Annotated[float | Distribution, Number("a number of X-ray hits", "per pixel", at_least=0)] = 0.0
    gain: Annotated[float | Distribution, Number("a gain", "counts per electron", above=0)] = 1.0
    read_noise: Annotated[float | Distribution, Number("a read-out noise", "counts", at_least=0)] = 0.0
    offset: Annotated[float | Distribution, Number("an offset", "counts", at_least=0)] = 0.0
    hot_pixels: Annotated[float | Distribution, Number("a share of hot pixels", at_least=0, at_most=1)] = 0.0
    hot_level: Annotated[float | Distribution, Number("a level of hot pixels", "counts", above=0)] = 1000.0
    saturation: Annotated[float | Distribution, Number("a saturation", "counts", above=0)] = 65535.0

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, data: Any) -> Any:
        return preset(data, DETECTORS) if isinstance(data, str) else data

    @classmethod
    def named(cls, name: str) -> Detector:
        """Return a preset of :data:`exitwave.imaging.presets.DETECTORS`.

        Raises
        ------
        SpecError
            If there is no preset of that name.
        """
        return cls.parse(name)

    @model_validator(mode="after")
    def _falls(self) -> Self:
        low = self.c1.support[0] if isinstance(self.c1, Distribution) else self.c1
        high = self.c2.support[1] if isinstance(self.c2, Distribution) else self.c2
        if high > low:
            raise SpecError(
                f"c2 is up to {high:g} and c1 down to {low:g}; the transfer function falls from c1 to c2, "
                "so give c2 no larger than c1 (c1 = c2 = 1 is a perfect camera)."
            )
        return self


def transfer(frequency: torch.Tensor, c1: Any, c2: Any, c3: Any, c4: Any) -> torch.Tensor:
    """Return the modulation transfer function of :class:`Detector`; parameters may be tensors with gradients.

    Parameters
    ----------
    frequency
        Cycles per pixel (½ is the Nyquist frequency), any shape.
    c1, c2, c3, c4
        Numbers, or tensors that broadcast against ``frequency``.
    """
    inside = frequency > 0
    q = torch.where(inside, frequency, torch.ones_like(frequency))
    return torch.where(inside, (c1 - c2) / (1.0 + (q / c3) ** c4) + c2, torch.ones_like(q))


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
    value = {name: number(getattr(detector, name)) for name in type(detector).model_fields}
    shape = tuple(electrons.shape)
    if value["flat_field"] > 0:
        pattern = (stream / "flat").generator().standard_normal(shape, dtype=np.float32)
        electrons = electrons * (1 + value["flat_field"] * torch.from_numpy(pattern).to(electrons)).clamp(min=0)
    counts = poisson(electrons, stream / "shot")
    if value["c1"] != 1.0 or value["c2"] != 1.0:
        flat = value["noise_flatness"]
        white = flat * (counts - electrons)
        counts = spread(counts - white, value["c1"], value["c2"], value["c3"], value["c4"]) + white
    counts = counts * value["gain"] + value["offset"]
    if value["xrays"] > 0:
        generator = (stream / "xrays").generator()
        hits = generator.poisson(value["xrays"], shape)
        level = np.where(hits > 0, generator.gamma(np.maximum(hits, 1), _XRAY * value["gain"]), 0.0)
        counts = counts + torch.from_numpy(level).to(counts)
    if value["read_noise"] > 0:
        noise = (stream / "read").generator().standard_normal(shape, dtype=np.float32)
        counts = counts + value["read_noise"] * torch.from_numpy(noise).to(counts)
    if value["hot_pixels"] > 0:
        generator = (stream / "hot").generator()
        hot = generator.random(shape) < value["hot_pixels"]
        level = np.where(hot, generator.exponential(value["hot_level"], shape), 0.0)
        counts = counts + torch.from_numpy(level).to(counts)
    return counts.round().clamp(0.0, float(np.floor(value["saturation"])))


def spread(image: torch.Tensor, c1: Any, c2: Any, c3: Any, c4: Any) -> torch.Tensor:
    """Return an image (..., y, x) after the modulation transfer function; gradients flow through all arguments."""
    rows, columns = image.shape[-2:]
    fy = torch.fft.fftfreq(rows, dtype=image.dtype, device=image.device)
    fx = torch.fft.rfftfreq(columns, dtype=image.dtype, device=image.device)
    mtf = transfer((fy[:, None] ** 2 + fx**2).sqrt(), c1, c2, c3, c4)
    result: torch.Tensor = torch.fft.irfft2(torch.fft.rfft2(image) * mtf, s=(rows, columns))
    return result
