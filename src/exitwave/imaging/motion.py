"""What moves during the exposure: drift and vibration."""

from __future__ import annotations

from collections.abc import Sequence
from math import pi

import torch

__all__ = ["motion_envelope", "moved"]


def motion_envelope(
    rows: torch.Tensor, columns: torch.Tensor, drift: torch.Tensor, angle: torch.Tensor, vibration: torch.Tensor
) -> torch.Tensor:
    r"""Damping of an image by drift and vibration, :math:`\mathrm{sinc}(\mathbf k\cdot\mathbf d)\,e^{-2\pi^2u^2k^2}`.

    Drift d is straight and even over the exposure; vibration is Gaussian and alike in all directions.

    Parameters
    ----------
    rows, columns
        Spatial frequencies in 1/Å, (y,) and (x,).
    drift, angle, vibration
        |d| in Å, its direction in degrees from the columns' axis towards the rows', and u, the rms displacement
        per axis in Å; of shape (...).

    Returns
    -------
    envelope
        (..., y, x).

    Examples
    --------
    >>> k, none = torch.tensor([0.5]), torch.tensor(0.0)
    >>> float(motion_envelope(k * 0, k, torch.tensor(2.0), none, none).abs()) < 1e-7
    True
    """
    turn = torch.deg2rad(angle)[..., None, None]
    along = drift[..., None, None] * (columns * turn.cos() + rows[:, None] * turn.sin())
    square = rows[:, None] ** 2 + columns**2
    return torch.sinc(along) * torch.exp(-2 * pi**2 * vibration[..., None, None] ** 2 * square)


def moved(
    image: torch.Tensor, sampling: Sequence[float], drift: torch.Tensor, angle: torch.Tensor, vibration: torch.Tensor
) -> torch.Tensor:
    """Return images (n, y, x) smeared by drift and vibration (n,); gradients flow.

    An intensity that its pixels do not resolve (it reaches twice the frequencies of the wave) rings below zero where
    it is smeared by less than a pixel or two; nothing is detected there.
    """
    height, width = image.shape[-2:]
    rows = torch.fft.fftfreq(height, sampling[0], dtype=torch.float64, device=image.device)
    columns = torch.fft.rfftfreq(width, sampling[1], dtype=torch.float64, device=image.device)
    envelope = motion_envelope(rows, columns, drift, angle, vibration).to(image.dtype)
    result: torch.Tensor = torch.fft.irfft2(torch.fft.rfft2(image) * envelope, s=(height, width))
    return result.clamp(min=0.0)
