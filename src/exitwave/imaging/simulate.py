"""One call from exit wave to micrograph."""

from __future__ import annotations

import warnings
from typing import Any

from exitwave.core import OpticsError, Stream, number
from exitwave.imaging.conditions import Wave
from exitwave.imaging.exposure import expose
from exitwave.imaging.formation import intensities
from exitwave.imaging.micrograph import Micrograph
from exitwave.imaging.spec import Imaging

__all__ = ["SaturationWarning", "image", "pixel_size"]


_FULL = 0.01  # share of the pixels beside hot ones


class SaturationWarning(UserWarning):
    """A camera has counted as far as it can in more than 1 % of an image."""


def image(
    wave: Wave, *, seed: int | None = None, stream: Stream | None = None, spec: Imaging | None = None, **fields: Any
) -> Micrograph:
    """Form one micrograph from an exit wave.

    Parameters
    ----------
    wave
        The exit wave.
    seed, stream
        One of the two decides all that is random: ``stream / "draw"`` the numbers of the spec,
        ``stream / "noise"`` the counts.
    spec
        How to form the image.
    fields
        Fields of :class:`Imaging`, in place of ``spec`` or on top of it.

    Returns
    -------
    micrograph
        Its record is the drawn spec and the stream.

    Raises
    ------
    OpticsError
        If no wave is given, neither or both of ``seed`` and ``stream`` are, or the pixels are not square.
    SpecError
        If a field is unknown or out of bounds.

    Warns
    -----
    SaturationWarning
        If more than 1 % of the pixels reach the camera's greatest count.

    Examples
    --------
    >>> import torch
    >>> from types import SimpleNamespace
    >>> vacuum = SimpleNamespace(array=torch.ones(1, 64, 64, dtype=torch.complex64), sampling=(0.2, 0.2), energy=3e5)
    >>> image(vacuum, defocus=80, dose=400, seed=7)
    Micrograph(64 × 64 px, 0.2 Å/px)
    """
    if not hasattr(wave, "sampling"):
        raise OpticsError(f"{type(wave).__name__} is given; give an exit wave, as scatter returns one.")
    if stream is None and seed is not None:
        stream = Stream(seed)
    elif stream is None or seed is not None:
        raise OpticsError("image needs either a seed, as in seed=7, or a stream, to make its noise repeatable.")
    chosen = (Imaging.parse(fields) if spec is None else spec.replace(**fields)).draw(stream / "draw")
    step = pixel_size(wave)
    counts = expose(intensities(wave, [chosen]), [chosen], [stream / "noise"], wave.sampling[0] * wave.sampling[1])
    most = int(number(chosen.detector.saturation))
    full = float((counts >= most).float().mean()) - number(chosen.detector.hot_pixels)
    if full > _FULL:
        warnings.warn(
            f"{full:.0%} of the pixels reach the camera's greatest count, {most}; lower the dose, or the detector's"
            " gain or offset, or raise its saturation.",
            SaturationWarning,
            stacklevel=2,
        )
    return Micrograph(counts[0].cpu().numpy(), step, record=chosen.to_dict() | {"stream": str(stream)})


def pixel_size(wave: Wave) -> float:
    """Return the side in Å of the wave's pixels, or raise OpticsError if they are not square within 2 %."""
    rows, columns = wave.sampling
    if abs(rows / columns - 1) > 0.02:
        raise OpticsError(
            f"the wave's pixels are {rows:.4g} × {columns:.4g} Å; a micrograph's are square, so resample the wave."
        )
    return float((rows * columns) ** 0.5)
