"""Fast electrons: relativistic wavelength and interaction parameter."""

from __future__ import annotations

from math import pi, sqrt

__all__ = ["COULOMB", "SCATTERING_CONSTANT", "interaction_parameter", "lorentz_factor", "wavelength"]

# CODATA 2022 (NIST SP 961), in SI; Å and eV come in below
_PLANCK = 6.62607015e-34
_ELECTRON_MASS = 9.1093837139e-31
_CHARGE = 1.602176634e-19
_LIGHT = 299792458.0
_VACUUM_PERMITTIVITY = 8.8541878188e-12

REST_ENERGY = _ELECTRON_MASS * _LIGHT**2 / _CHARGE
"""Rest energy of the electron, eV."""

SCATTERING_CONSTANT = _PLANCK**2 / (2 * pi * _ELECTRON_MASS * _CHARGE) * 1e20
"""h²/(2π m₀ e) = 2π a₀ e, V·Å²: turns a scattering factor in Å into the Fourier transform of a potential."""

COULOMB = _CHARGE / (4 * pi * _VACUUM_PERMITTIVITY) * 1e10
"""e/(4π ε₀), V·Å: the potential of one elementary charge at 1 Å."""

BOHR_RADIUS = SCATTERING_CONSTANT / (2 * pi * COULOMB)
"""a₀, Å."""


def lorentz_factor(energy: float) -> float:
    r"""Relativistic mass over rest mass, :math:`\gamma = 1 + eU/(m_0c^2)`.

    Parameters
    ----------
    energy
        Kinetic energy, eV.
    """
    return 1.0 + energy / REST_ENERGY


def wavelength(energy: float) -> float:
    r"""Relativistic de Broglie wavelength, :math:`\lambda = hc/\sqrt{eU\,(2m_0c^2 + eU)}`.

    Parameters
    ----------
    energy
        Kinetic energy, eV.

    Returns
    -------
    wavelength
        Å.

    Source
    ------
    E. J. Kirkland, Advanced Computing in Electron Microscopy (2010), eq. 2.5; constants of CODATA 2022.

    Examples
    --------
    >>> round(wavelength(300e3), 7)
    0.0196875
    """
    return _PLANCK * _LIGHT / _CHARGE / sqrt(energy * (2.0 * REST_ENERGY + energy)) * 1e10


def interaction_parameter(energy: float) -> float:
    r"""Phase per projected potential, :math:`\sigma = 2\pi\gamma m_0 e\lambda/h^2`.

    Parameters
    ----------
    energy
        Kinetic energy, eV.

    Returns
    -------
    sigma
        rad/(V·Å).

    Source
    ------
    E. J. Kirkland, Advanced Computing in Electron Microscopy (2010), eq. 5.6; constants of CODATA 2022.

    Examples
    --------
    >>> round(interaction_parameter(300e3), 9)
    0.000652616
    """
    return lorentz_factor(energy) * wavelength(energy) / SCATTERING_CONSTANT
