"""The coherent transfer function: one array, applied to waves and shown to people."""

from __future__ import annotations

from collections.abc import Sequence
from math import pi

import numpy as np
import torch
from numpy.typing import NDArray

from exitwave.imaging import kernels
from exitwave.imaging.aberrations import angles, chi, chi_gradient_squared, polynomial
from exitwave.imaging.coherence import aperture, aperture_edge, spatial_envelope, temporal_envelope
from exitwave.imaging.conditions import Conditions
from exitwave.scattering.electron import wavelength

__all__ = ["lens_planes", "positive", "transfer_function"]


def transfer_function(
    conditions: Conditions, shape: Sequence[int], sampling: Sequence[float], energy: float
) -> torch.Tensor:
    r"""Return the coherent transfer function :math:`A(k)\,E_s(k)\,\exp[-\mathrm i\chi(k)]`, complex64 (n, y, x).

    It is the very array that :func:`intensities` multiplies the wave's spectrum with at the middle of the focal
    spread; zero frequency comes first.

    Parameters
    ----------
    conditions
        n imaging conditions.
    shape, sampling
        Grid (y, x) and its steps, Å.
    energy
        eV.

    Examples
    --------
    >>> from exitwave.imaging import Imaging
    >>> transfer_function(Conditions.of([Imaging(defocus=80.0)]), (4, 6), (0.2, 0.2), 300e3).shape
    torch.Size([1, 4, 6])
    """
    rows, columns = angles(shape, sampling, energy, conditions.coefficients.device)
    if rows.device.type == "cpu" and not (torch.is_grad_enabled() and conditions.tracked):
        y, x, edge = rows.numpy(), columns.numpy(), aperture_edge(rows, columns)
        planes = [lens_planes(conditions, index, y, x, edge, energy) for index in range(len(conditions))]
        held = torch.from_numpy(np.stack(planes)) if planes else torch.empty(0, 2, len(rows), len(columns))
        return torch.complex(held[:, 0], held[:, 1])
    phase = chi(conditions.coefficients, rows, columns, energy).float()
    result = torch.complex(phase.cos(), -phase.sin())
    if positive(conditions.aperture):
        result = result * aperture(rows, columns, conditions.aperture).float()
    if positive(conditions.convergence):
        slope = chi_gradient_squared(conditions.coefficients, rows, columns, energy)
        result = result * spatial_envelope(slope, conditions.convergence).float()
    if conditions.focal_nodes == 1 and positive(conditions.focal_spread):
        result = result * temporal_envelope(rows, columns, conditions.focal_spread, energy).float()
    return result


def lens_planes(
    conditions: Conditions,
    index: int,
    rows: NDArray[np.float64],
    columns: NDArray[np.float64],
    edge: float,
    energy: float,
) -> NDArray[np.float32]:
    """Return the transfer function of one condition on a CPU, real and imaginary part, float32 (2, y, x).

    Parameters
    ----------
    conditions, index
        Which of them.
    rows, columns
        Angles in rad, in any order, (y,) and (x,).
    edge
        Width of the edge of the aperture, rad.
    energy
        eV.
    """
    turns = polynomial(conditions.coefficients[index].detach()).numpy() / wavelength(energy)
    slope = (2 * pi * float(conditions.convergence[index]) / 2e3) ** 2
    damped = float(conditions.focal_spread[index]) if conditions.focal_nodes == 1 else 0.0
    spread = 0.5 * (pi / wavelength(energy) * damped) ** 2
    planes = np.empty((2, len(rows), len(columns)), np.float32)
    kernels.lens(turns, rows, columns, slope, spread, float(conditions.aperture[index]) / 1e3, edge, planes)
    return planes


def positive(value: torch.Tensor) -> bool:
    """Whether any number is above zero, or may become so in an optimisation."""
    return value.requires_grad or bool((value > 0).any())
