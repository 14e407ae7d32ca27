"""What an atom scatters beyond the grid's band, and how it is taken from the wave."""

from __future__ import annotations

from functools import lru_cache
from math import pi, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.special import j0

from exitwave.scattering.electron import SCATTERING_CONSTANT
from exitwave.scattering.grid import Grid
from exitwave.scattering.parametrization import parametrization
from exitwave.scattering.potential import kernel_transform

__all__ = ["loss_factor", "loss_filter"]

_LARGEST = 12.0


@lru_cache(maxsize=256)
def loss_factor(
    number: int, name: str, sigma: float, cutoff: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    r"""Second-order scattering of one atom through waves beyond a cutoff.

    The transmission of an atom, :math:`1 + i\varphi - \varphi^2/2 \ldots`, lacks on a grid that ends at K what goes
    through waves beyond K and comes back; its real, negative part is the intensity that leaves the band for good:

    .. math:: A(q) = \tfrac12\,\mathcal F[\varphi^2 - \varphi_K^2](q)

    with the atom's projected phase :math:`\varphi` and its part :math:`\varphi_K` below K.

    Parameters
    ----------
    number
        Atomic number.
    name
        Parametrization.
    sigma
        Interaction parameter, rad/(V·Å).
    cutoff
        K, 1/Å.

    Returns
    -------
    q, A
        Frequencies, 1/Å, and values there, Å².
    """
    atom = parametrization(name)
    r = np.concatenate([np.geomspace(1e-5, 0.3, 250), np.linspace(0.3, 4.0, 500)[1:]])
    k = np.linspace(0.0, cutoff, 500)
    spectrum = sigma * SCATTERING_CONSTANT * atom.scattering_factor(number, k)
    whole = sigma * atom.projected_potential(number, r)
    below = np.array([np.trapezoid(2 * pi * k * spectrum * j0(2 * pi * k * x), k) for x in r])
    difference = 2 * pi * r * (whole**2 - below**2)
    q = np.linspace(0.0, _LARGEST, 97)
    values = np.array([np.trapezoid(difference * j0(2 * pi * x * r), r) for x in q]) / 2
    return q, values


@lru_cache(maxsize=4)
def loss_filter(grid: Grid, number: int, name: str, sigma: float, spread: bool = True) -> NDArray[np.float64]:
    """What turns the spectrum of (spread) atoms of one element into the exponent of their loss.

    The potential fills the whole square of frequencies of the grid; its cutoff is the radius of the circle of the
    same area.

    Returns
    -------
    filter
        (ny, nx), per atom: the wave is multiplied by exp(−its inverse transform).
    """
    dy, dx = grid.sampling
    q, values = loss_factor(number, name, sigma, 1.0 / sqrt(pi * dy * dx))
    factor = np.interp(grid.wavenumbers(), q, values) / grid.area
    if spread:
        ky, kx = grid.frequencies()
        factor /= kernel_transform(ky * dy)[:, None] * kernel_transform(kx * dx)[None, :]
    factor.flags.writeable = False
    return factor
