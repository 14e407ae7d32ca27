"""Bringing images of any brightness and contrast to one range; a network remembers how it was done."""

from __future__ import annotations

from typing import Annotated

import torch

from exitwave.core import Number, Spec, SpecError, Word

__all__ = ["Normalisation"]

_SAMPLE = 2**17  # pixels that decide a percentile


class Normalisation(Spec):
    r"""How images are normalised, each by itself.

    "percentile": :math:`x \to 2 (x - P_l)/(P_h - P_l) - 1`, which survives hot pixels; "z-score":
    :math:`x \to (x-\bar x)/\sigma`; "min-max": to [0, 1], as in the paper.

    Parameters
    ----------
    kind
        One of these.
    low, high
        Percentiles l and h.

    Examples
    --------
    >>> image = torch.arange(10000.0).reshape(1, 1, 100, 100)
    >>> normalised = Normalisation(kind="min-max")(image)
    >>> float(normalised.min()), float(normalised.max())
    (0.0, 1.0)
    """

    kind: Annotated[str, Word("a normalisation", options=("percentile", "z-score", "min-max"), fixed=True)] = (
        "percentile"
    )
    low: Annotated[float, Number("a percentile", at_least=0, at_most=100, fixed=True)] = 1.0
    high: Annotated[float, Number("a percentile", at_least=0, at_most=100, fixed=True)] = 99.0

    def model_post_init(self, _context: object) -> None:
        """Refuse percentiles in the wrong order."""
        if not self.low < self.high:
            raise SpecError(f"normalisation.high is {self.high:g}; it is above normalisation.low, {self.low:g}.")

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Return normalised images; each image of (n, 1, y, x) by itself. Uniform images become zero."""
        images = images.float()
        if self.kind == "z-score":
            centre = images.mean(dim=(-2, -1), keepdim=True)
            scale = images.std(dim=(-2, -1), keepdim=True)
            return (images - centre) / _safe(scale)
        if self.kind == "min-max":
            low, high = images.amin(dim=(-2, -1), keepdim=True), images.amax(dim=(-2, -1), keepdim=True)
            return (images - low) / _safe(high - low)
        low, high = self._percentiles(images)
        # in the memory of the difference: large images are normalised whole
        return (images - low).mul_(2 / _safe(high - low)).sub_(1)

    def _percentiles(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        # a lattice of pixels, odd so that it does not follow the camera's even structures, decides as well as all
        step = max(1, int((images.shape[-2] * images.shape[-1] / _SAMPLE) ** 0.5))
        step += step % 2 == 0
        flat = images[..., ::step, ::step].flatten(-2)
        last = flat.shape[-1] - 1
        places = [round(last * q / 100) for q in (self.low, self.high)]
        if flat.device.type == "cpu":  # selecting is five times as fast as sorting there
            low, high = (flat.kthvalue(place + 1, dim=-1).values for place in places)
        else:
            ordered = flat.sort(dim=-1).values
            low, high = (ordered[..., place] for place in places)
        return low[..., None, None], high[..., None, None]


def _safe(scale: torch.Tensor) -> torch.Tensor:
    return torch.where(scale > 0, scale, torch.full_like(scale, torch.inf))
