"""Thermal vibration: amplitudes per element and temperature, and displacements of single configurations."""

from __future__ import annotations

from functools import cache
from math import exp, pi, sqrt

import numpy as np
from ase.data import atomic_masses
from numpy.typing import ArrayLike, NDArray
from scipy.integrate import quad
from scipy.optimize import brentq

from exitwave.core import Stream

__all__ = ["ASSUMED_AMPLITUDE", "amplitude_source", "debye_amplitude", "displacements", "rms_displacement"]

# B = 8π²⟨u²⟩ in Å² at 280 K: L.-M. Peng, G. Ren, S. L. Dudarev and M. J. Whelan, Acta Cryst. A52, 456 (1996),
# table 1, from measured phonon densities of states (carbon: diamond; calcium and iron: the form stable at 300 K).
# Scaled to room temperature they agree within 8 % with V. F. Sears and S. A. Shelley, Acta Cryst. A47, 441 (1991).
_PENG_280K = {
    3: 4.595, 4: 0.404, 6: 0.142, 11: 6.364, 12: 1.731, 13: 0.746, 14: 0.463, 19: 10.239, 20: 1.908, 21: 0.712,
    22: 0.491, 23: 0.546, 24: 0.239, 26: 0.310, 28: 0.340, 29: 0.526, 30: 1.091, 32: 0.573, 37: 12.604, 38: 3.622,
    39: 0.817, 40: 0.543, 41: 0.429, 42: 0.205, 46: 0.425, 47: 0.7017, 50: 1.0825, 55: 16.7698, 56: 2.9279,
    57: 1.7739, 65: 0.9660, 67: 0.8023, 73: 0.3078, 74: 0.1526, 78: 0.3557, 79: 0.5925, 82: 2.0341, 90: 0.6977,
}  # fmt: skip

# Debye temperatures in K for metals that are not in that table: C. Kittel, Introduction to Solid State Physics,
# 8th ed., Wiley (2005), chapter 5, table 1 (the values of the 7th ed., 1996, are the same).
_KITTEL = {
    25: 410.0, 27: 445.0, 31: 320.0, 44: 600.0, 45: 480.0, 48: 209.0, 49: 108.0, 51: 211.0, 64: 200.0, 66: 210.0,
    70: 120.0, 71: 210.0, 72: 252.0, 75: 430.0, 76: 500.0, 77: 420.0, 81: 78.5, 83: 119.0, 92: 207.0,
}  # fmt: skip

ASSUMED_AMPLITUDE = 0.1
"""Å at 300 K, for elements in neither table: the amplitude of arXiv:2309.06122 for every atom."""

_TABLE_TEMPERATURE = 280.0
_ROOM = 300.0
# ħ²/(u k_B) in Å²·K for atomic mass unit u (CODATA 2022)
_HBAR2_OVER_U_K = (1.054571817e-34**2 / (1.66053906892e-27 * 1.380649e-23)) * 1e20


def debye_amplitude(mass: float, debye_temperature: float, temperature: float) -> float:
    r"""Rms displacement per axis in the Debye model.

    .. math::

        \langle u^2\rangle = \frac{3\hbar^2 T}{m k_B\Theta^2}\left[\Phi\!\left(\tfrac{\Theta}{T}\right)
        + \frac{\Theta}{4T}\right], \qquad \Phi(x) = \frac1x\int_0^x\frac{t\,\mathrm dt}{e^t-1}

    Parameters
    ----------
    mass
        Atomic mass, u.
    debye_temperature
        Θ, K.
    temperature
        T, K; 0 gives the zero-point motion.

    Returns
    -------
    u
        Å.

    Source
    ------
    B. E. Warren, X-ray Diffraction, Addison-Wesley (1969), eq. 11.77.

    Examples
    --------
    >>> round(debye_amplitude(196.97, 165.0, 293.0), 3)  # gold
    0.09
    """
    scale = 3 * _HBAR2_OVER_U_K / (mass * debye_temperature)
    if temperature == 0:
        return sqrt(scale / 4)
    x = debye_temperature / temperature
    integral = quad(lambda t: t / np.expm1(t) if t > 0 else 1.0, 0.0, min(x, 60.0))[0]
    return sqrt(scale * (integral / x**2 + 0.25))


@cache
def effective_debye_temperature(number: int) -> float:
    """Debye temperature (K) that gives the tabulated amplitude of the element; exact for those in Kittel's table."""
    if number in _KITTEL:
        return _KITTEL[number]
    if number in _PENG_280K:
        target, at = sqrt(_PENG_280K[number] / (8 * pi**2)), _TABLE_TEMPERATURE
    else:
        target, at = ASSUMED_AMPLITUDE, _ROOM
    mass = float(atomic_masses[number])

    def excess(log_theta: float) -> float:
        return debye_amplitude(mass, exp(log_theta), at) - target

    return float(exp(brentq(excess, np.log(10.0), np.log(5000.0), xtol=1e-12)))


@cache
def rms_displacement(number: int, temperature: float = _ROOM) -> float:
    """Rms thermal displacement per axis of an element at a temperature, Å.

    Amplitudes of 38 elements are those of Peng et al. (1996), carried to other temperatures by the Debye model;
    19 further metals have the Debye temperature of Kittel's table; all others are assumed to move by 0.1 Å at
    300 K. Compounds differ from elements: give the amplitude of each atom in ``Structure.thermal`` where it matters.
    Carbon is diamond, 0.043 Å; graphite, and with it the mostly threefold bonds of amorphous carbon, moves by
    0.087 Å (B = 0.6 Å²: P. Trucano and R. Chen, Nature 258, 136 (1975)).

    Parameters
    ----------
    number
        Atomic number.
    temperature
        K.

    Examples
    --------
    >>> round(rms_displacement(79), 4)  # gold at 300 K
    0.0896
    >>> rms_displacement(79, 100.0) < rms_displacement(79)
    True
    """
    mass = float(atomic_masses[number])
    return debye_amplitude(mass, effective_debye_temperature(number), temperature)


def amplitude_source(number: int) -> str:
    """Where the amplitude of an element comes from: "Peng 1996", "Kittel 2005" or "assumed"."""
    if number in _PENG_280K:
        return "Peng 1996"
    return "Kittel 2005" if number in _KITTEL else "assumed"


def amplitudes(numbers: ArrayLike, thermal: ArrayLike | None, temperature: float = _ROOM) -> NDArray[np.float64]:
    """Rms displacement per axis of every atom, Å: its own where given, the element's where NaN.

    Parameters
    ----------
    numbers
        Atomic numbers, (atoms,).
    thermal
        Rms displacements, (atoms,), Å, NaN for "take the table's", or None.
    temperature
        K, for the table's values.
    """
    numbers = np.asarray(numbers, dtype=np.int64)
    table = np.zeros(int(numbers.max(initial=0)) + 1)
    for kind in np.flatnonzero(np.bincount(numbers)):
        table[kind] = rms_displacement(int(kind), temperature)
    values: NDArray[np.float64] = table[numbers]
    if thermal is None:
        return values
    own = np.asarray(thermal, dtype=np.float64)
    return np.where(np.isnan(own), values, own)


def displacements(rms: ArrayLike, stream: Stream) -> NDArray[np.float64]:
    """Thermal displacements of independent atoms in one configuration, in all three dimensions.

    Parameters
    ----------
    rms
        Rms displacement per axis of every atom, (atoms,), Å.
    stream
        Source of randomness of this configuration.

    Returns
    -------
    displacements
        (atoms, 3), Å.

    Examples
    --------
    >>> displacements([0.1, 0.1], Stream(1) / 0).shape
    (2, 3)
    """
    rms = np.asarray(rms, dtype=np.float64)
    moved: NDArray[np.float64] = stream.generator().standard_normal((len(rms), 3)) * rms[:, None]
    return moved
