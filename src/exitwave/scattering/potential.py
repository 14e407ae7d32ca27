"""Projected potentials of planes of atoms, by structure factors."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from exitwave.scattering.electron import SCATTERING_CONSTANT
from exitwave.scattering.grid import Grid
from exitwave.scattering.parametrization import parametrization

__all__ = ["BETA", "WIDTH", "kernel_transform", "phase_filter"]

WIDTH = 6
"""Points per axis onto which an atom is spread."""

BETA = 12.0
"""Shape of the spreading kernel exp(β(√(1 − (2u/WIDTH)²) − 1)), chosen for a band of two thirds of Nyquist."""


def kernel_transform(frequencies: NDArray[np.float64]) -> NDArray[np.float64]:
    r"""Fourier transform of the spreading kernel at ``frequencies`` in cycles per pixel.

    .. math:: \hat\varphi(\nu) = \int_{-w/2}^{w/2} e^{\beta(\sqrt{1-(2u/w)^2}-1)}\cos(2\pi\nu u)\,\mathrm du

    Source
    ------
    A. H. Barnett, J. Magland and L. af Klinteberg, SIAM J. Sci. Comput. 41, C479 (2019).
    """
    nodes, weights = np.polynomial.legendre.leggauss(64)
    values = weights * np.exp(BETA * (np.sqrt(1 - nodes**2) - 1)) * WIDTH / 2
    transform: NDArray[np.float64] = np.cos(np.pi * WIDTH * np.multiply.outer(frequencies, nodes)) @ values
    return transform


@lru_cache(maxsize=4)
def phase_filter(grid: Grid, number: int, name: str, sigma: float, spread: bool = True) -> NDArray[np.float64]:
    r"""What turns the spectrum of spread atoms of one element into that of their phase, radians.

    .. math:: F(k) = \frac{\sigma}{A}\,\frac{h^2}{2\pi m_0e}\,\frac{f_e(k)}{\hat\varphi(k_y)\hat\varphi(k_x)}

    for the area A of the cell and an inverse transform without normalisation.

    Parameters
    ----------
    grid
        The grid of the potential.
    number
        Atomic number.
    name
        Parametrization.
    sigma
        Interaction parameter, rad/(V·Å).
    spread
        Whether the spectrum is that of spread atoms; if not, of points.

    Returns
    -------
    filter
        (ny, nx), radians per atom.
    """
    ky, kx = grid.frequencies()
    dy, dx = grid.sampling
    factor = parametrization(name).scattering_factor(number, grid.wavenumbers())
    factor *= sigma * SCATTERING_CONSTANT / grid.area
    if spread:
        factor /= kernel_transform(ky * dy)[:, None] * kernel_transform(kx * dx)[None, :]
    factor.flags.writeable = False
    return factor
