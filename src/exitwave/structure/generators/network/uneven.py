"""Uneven density: a film pulled together here and apart there, in x and y."""

from __future__ import annotations

import numpy as np

from exitwave.core import Stream
from exitwave.structure.arrays import Array
from exitwave.structure.fields import gaussian_field
from exitwave.structure.regions.terrain import Terrain

__all__ = ["warped"]


def warped(
    positions: Array, lengths: Array, amount: float, correlation: float, stream: Stream, shear: float
) -> Array:
    r"""Return the positions moved so that their density in x and y varies by the relative amount.

    The displacement is :math:`u = \nabla\phi` with :math:`\nabla^2\phi = -\delta`, where :math:`\delta` is a Gaussian
    field, so that the density becomes :math:`\rho(1 + \delta)` to first order.

    Parameters
    ----------
    positions
        Shape (atoms, 3), Å, in the coordinates of a Domain.
    lengths
        Of the box from the origin, after which the field repeats, Å.
    amount, correlation
        Standard deviation of the relative density, and its correlation length, Å.
    stream
        Where the randomness comes from.
    shear
        Of x by y.
    """
    period = (float(lengths[0]), float(lengths[1]))
    field = amount * gaussian_field(period, correlation, stream, shear)
    ny, nx = field.shape
    qx = 2 * np.pi * np.fft.rfftfreq(nx, period[0] / nx)
    qy = 2 * np.pi * np.fft.fftfreq(ny, period[1] / ny)[:, None] - shear * qx
    square = qx**2 + qy**2
    square[0, 0] = 1.0
    potential = np.fft.rfft2(field) / square
    moved = positions.copy()
    for axis, q in ((0, qx - shear * qy), (1, qy)):
        shift = np.fft.irfft2(1j * q * potential, s=field.shape)
        moved[:, axis] += Terrain(shift, period).height(positions[:, 0], positions[:, 1])
    return moved
