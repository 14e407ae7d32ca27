"""From expected intensities to what the camera counts."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from exitwave.core import OpticsError, Stream, number
from exitwave.imaging.detector import detect
from exitwave.imaging.filters import median3
from exitwave.imaging.spec import Imaging

__all__ = ["expose"]


def expose(
    intensity: torch.Tensor, specs: Sequence[Imaging], streams: Sequence[Stream], pixel_area: float
) -> torch.Tensor:
    """Return what the camera counts: dose, Poisson, transfer function, gain, noise, range, then the median filter.

    Parameters
    ----------
    intensity
        Expected intensity per unit of incident intensity, (n, y, x).
    specs
        n drawn specs, for their dose, detector and median filter.
    streams
        n streams, one per image.
    pixel_area
        Å².

    Returns
    -------
    counts
        Whole numbers as float32, (n, y, x).

    Raises
    ------
    OpticsError
        If the numbers of images, specs and streams differ, or the intensity is negative or not finite.

    Examples
    --------
    >>> vacuum = torch.ones(2, 64, 64)
    >>> specs = [Imaging(dose=100.0), Imaging(dose=1000.0)]
    >>> counts = expose(vacuum, specs, [Stream(1) / "noise" / i for i in range(2)], pixel_area=0.04)
    >>> [round(float(one.mean())) for one in counts], round(float(counts[1].var() / counts[1].mean()))
    ([4, 40], 1)
    """
    if not len(intensity) == len(specs) == len(streams):
        raise OpticsError(
            f"there are {len(intensity)} images, {len(specs)} specs and {len(streams)} streams; give one of each."
        )
    if intensity.numel() and float(intensity.min()) < -1e-3:  # rounding may leave some below 0
        raise OpticsError(f"the intensity goes down to {float(intensity.min()):.3g}; it is 0 or more everywhere.")
    counts = []
    for image, spec, stream in zip(intensity, specs, streams, strict=True):
        seen = detect(image * (number(spec.dose) * pixel_area), spec.detector, stream)
        counts.append(median3(seen) if number(spec.median) == 3 else seen)
    return torch.stack(counts) if counts else intensity
