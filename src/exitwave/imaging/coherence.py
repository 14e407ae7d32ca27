"""Partial coherence: focal spread, convergence of the illumination, and the objective aperture."""

from __future__ import annotations

from math import pi, sqrt

import numpy as np
import torch
from numpy.typing import NDArray

from exitwave.core import OpticsError
from exitwave.scattering.electron import lorentz_factor, wavelength

__all__ = [
    "aperture",
    "aperture_edge",
    "focal_spread",
    "focal_spread_nodes",
    "relativistic_chromatism",
    "spatial_envelope",
    "temporal_envelope",
    "transmission",
]


def focal_spread_nodes(std: float, order: int = 7) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    r"""Foci and weights that average an image over a Gaussian focal spread.

    Gauss–Hermite quadrature of :math:`\int I(f)\,\mathcal N(f; 0, \sigma^2)\,\mathrm df`, exact for
    intensities that are polynomial in focus up to degree ``2 * order - 1``.

    Parameters
    ----------
    std
        Standard deviation of the focus, Å (abTEM's ``focal_spread`` is √2 larger).
    order
        Number of foci.

    Returns
    -------
    foci, weights
        Shapes (order,) and (order,); foci in Å about zero, weights sum to one.

    Raises
    ------
    OpticsError
        If ``std`` is negative or ``order`` is below 1.

    Source
    ------
    M. Abramowitz, I. A. Stegun, Handbook of Mathematical Functions, 25.4.46.

    Examples
    --------
    >>> foci, weights = focal_spread_nodes(15.0, order=3)
    >>> [round(float(f), 2) for f in foci], [round(float(w), 4) for w in weights]
    ([-25.98, 0.0, 25.98], [0.1667, 0.6667, 0.1667])
    """
    if not std >= 0:
        raise OpticsError(f"the focal spread is {std}; it is a standard deviation of 0 Å or more.")
    if order < 1:
        raise OpticsError(f"the number of foci is {order}; it is 1 or more.")
    nodes, weights = np.polynomial.hermite.hermgauss(order)
    return nodes * sqrt(2.0) * std, weights / weights.sum()


def temporal_envelope(rows: torch.Tensor, columns: torch.Tensor, std: torch.Tensor, energy: float) -> torch.Tensor:
    r"""Damping of the linear contrast by a focal spread, :math:`\exp[-(\pi\lambda\Delta k^2)^2/2]`.

    Right for weak objects only; strong ones want the incoherent sum over :func:`focal_spread_nodes`.

    Parameters
    ----------
    rows, columns
        Angles in rad, (y,) and (x,).
    std
        Δ, standard deviation of the focus in Å, of any shape.
    energy
        eV.

    Returns
    -------
    envelope
        (..., y, x).
    """
    square = rows[:, None] ** 2 + columns**2
    return torch.exp(-0.5 * (pi / wavelength(energy) * std[..., None, None] * square) ** 2)


def spatial_envelope(gradient_squared: torch.Tensor, convergence: torch.Tensor) -> torch.Tensor:
    r"""Damping by the convergence of the illumination, :math:`\exp[-(\theta_c/2)^2\,|\nabla_\alpha\chi|^2]`.

    Parameters
    ----------
    gradient_squared
        From :func:`~exitwave.imaging.aberrations.chi_gradient_squared`, (..., y, x).
    convergence
        θ_c in mrad: half angle at which the illumination has fallen to 1/e, shape (...).

    Source
    ------
    J. Frank, Optik 38, 519 (1973), for Gaussian sources.
    """
    return torch.exp(-((convergence[..., None, None] / 2e3) ** 2) * gradient_squared)


def aperture(rows: torch.Tensor, columns: torch.Tensor, semiangle: torch.Tensor) -> torch.Tensor:
    """Transmission of a round objective aperture whose edge is one pixel of the diffraction pattern wide.

    Parameters
    ----------
    rows, columns
        Angles in rad, (y,) and (x,).
    semiangle
        mrad, shape (...); zero means no aperture.

    Returns
    -------
    transmission
        0 to 1, (..., y, x).
    """
    angle = (rows[:, None] ** 2 + columns**2).sqrt()
    return transmission(angle, semiangle[..., None, None], aperture_edge(rows, columns))


def transmission(angle: torch.Tensor, semiangle: torch.Tensor, edge: float) -> torch.Tensor:
    """Return the transmission, 0 to 1, of apertures of a semi-angle in mrad at angles in rad; the edge is in rad."""
    inside = ((semiangle / 1e3 - angle) / edge + 0.5).clamp(0.0, 1.0)
    return torch.where(semiangle > 0, inside, torch.ones_like(inside))


def aperture_edge(rows: torch.Tensor, columns: torch.Tensor) -> float:
    """Return the width in rad of the edge of an aperture: the wider side of a pixel of the diffraction pattern."""
    return max((float(axis[1]) for axis in (rows, columns) if len(axis) > 1), default=1.0)


def focal_spread(
    chromatic: float,
    energy_spread: float,
    energy: float,
    voltage_instability: float = 0.0,
    current_instability: float = 0.0,
) -> float:
    r"""Standard deviation of the focus from the instrument's specification.

    .. math:: \Delta = C_c \sqrt{\left(\kappa\frac{\sigma_E}{E}\right)^2 + \left(\kappa\frac{\sigma_U}{U}\right)^2
              + \left(2\frac{\sigma_I}{I}\right)^2}, \qquad \kappa = \frac{1 + E/m_0c^2}{1 + E/2m_0c^2}

    Parameters
    ----------
    chromatic
        C_c, Å.
    energy_spread
        Full width at half maximum of the energy distribution, eV (2.355 σ_E).
    energy
        E, eV.
    voltage_instability, current_instability
        σ_U/U and σ_I/I (standard deviations, 1e-7 and the like).

    Returns
    -------
    std
        Å.

    Raises
    ------
    OpticsError
        If a number is negative.

    Source
    ------
    L. Reimer, H. Kohl, Transmission Electron Microscopy (2008), section 6.4.

    Examples
    --------
    >>> round(focal_spread(1.2e7, 0.7, 300e3), 1)
    14.6
    """
    given = (chromatic, energy_spread, voltage_instability, current_instability)
    if not all(value >= 0 for value in given) or not energy > 0:
        raise OpticsError(f"{given} at {energy} eV holds a negative number; all are 0 or more, the energy above 0.")
    relativity = relativistic_chromatism(energy)
    parts = (relativity * energy_spread / 2.3548200450309493 / energy, relativity * voltage_instability)
    return chromatic * sqrt(parts[0] ** 2 + parts[1] ** 2 + (2 * current_instability) ** 2)


def relativistic_chromatism(energy: float) -> float:
    r"""Return :math:`\kappa = (1 + E/m_0c^2)/(1 + E/2m_0c^2)`, the dependence of focus on energy.

    Examples
    --------
    >>> round(relativistic_chromatism(300e3), 3)
    1.227
    """
    return lorentz_factor(energy) / (0.5 + 0.5 * lorentz_factor(energy))
