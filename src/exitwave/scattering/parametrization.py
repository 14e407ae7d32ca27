"""Scattering factors of neutral atoms and the potentials that belong to them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import k0, k1

from exitwave.core import ScatteringError
from exitwave.scattering.electron import BOHR_RADIUS, SCATTERING_CONSTANT
from exitwave.scattering.slicing import elements

__all__ = ["PARAMETRIZATIONS", "Parametrization", "parametrization"]

PARAMETRIZATIONS = ("lobato", "kirkland", "peng")

_Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Parametrization:
    r"""Electron scattering factors of neutral, spherical atoms: a published fit.

    With :math:`q = 1/d` the three fits are

    .. math::

        f_e^\text{Kirkland} = \sum_i \frac{a_i}{q^2+b_i} + c_i e^{-d_i q^2}, \quad
        f_e^\text{Lobato} = \sum_i a_i\frac{2+b_i q^2}{(1+b_i q^2)^2}, \quad
        f_e^\text{Peng} = \sum_i a_i e^{-b_i q^2/4}

    and the potential of an atom is :math:`V(q) = h^2/(2\pi m_0 e)\, f_e(q)` in reciprocal space.

    Parameters
    ----------
    name
        "lobato", "kirkland" or "peng".
    source
        The publication.
    coefficients
        By atomic number: an array with one row per kind of coefficient (a, b and, for Kirkland, c, d).

    Examples
    --------
    >>> gold = parametrization("lobato").scattering_factor(79, [0.0, 1.0])
    >>> [round(float(f), 3) for f in gold]
    [10.576, 3.065]
    """

    name: str
    source: str
    coefficients: dict[int, _Floats]

    @property
    def elements(self) -> tuple[int, ...]:
        """Atomic numbers that the fit covers."""
        return tuple(sorted(self.coefficients))

    def scattering_factor(self, number: int, q: ArrayLike) -> _Floats:
        r"""Electron scattering factor :math:`f_e(q)` for electrons of rest mass.

        Parameters
        ----------
        number
            Atomic number.
        q
            Spatial frequency 1/d = 2 sin θ/λ, 1/Å, any shape.

        Returns
        -------
        f_e
            Å, shape of ``q``.

        Raises
        ------
        ScatteringError
            If the fit does not cover the element.
        """
        q2 = np.asarray(q, dtype=np.float64) ** 2
        rows = self._rows(number)
        total = np.zeros_like(q2)
        for a, b, *gauss in rows.T:
            if self.name == "kirkland":
                c, d = gauss
                total += a / (q2 + b) + c * np.exp(-d * q2)
            elif self.name == "lobato":
                total += a * (2 + b * q2) / (1 + b * q2) ** 2
            else:
                total += a * np.exp(-b * q2 / 4)
        return total

    def xray_factor(self, number: int, q: ArrayLike) -> _Floats:
        r"""X-ray scattering factor by the Mott–Bethe relation, :math:`f_x = Z - 2\pi^2 a_0 q^2 f_e`.

        Lobato's fit obeys :math:`f_x(0) = Z` and the Coulomb limit by construction, the others nearly.
        """
        q = np.asarray(q, dtype=np.float64)
        return number - 2 * np.pi**2 * BOHR_RADIUS * q**2 * self.scattering_factor(number, q)

    def potential(self, number: int, r: ArrayLike) -> _Floats:
        """Potential of one atom at distance ``r`` (Å, above 0) from its nucleus, V."""
        return self._real_space(number, r, _SPHERICAL[self.name])

    def projected_potential(self, number: int, r: ArrayLike) -> _Floats:
        """Potential of one atom integrated along the beam at distance ``r`` (Å, above 0) from its axis, V·Å."""
        return self._real_space(number, r, _PROJECTED[self.name])

    def mean_inner_potential(self, numbers: ArrayLike, volume: float) -> float:
        r"""Mean potential of atoms in a volume, :math:`V_0 = h^2/(2\pi m_0 e)\,\sum f_e(0)/\Omega`.

        Parameters
        ----------
        numbers
            Atomic numbers of the atoms in the volume.
        volume
            Å³.

        Returns
        -------
        V0
            V. Independent atoms overestimate it by 5–20 % in bonded solids.

        Examples
        --------
        >>> round(parametrization("lobato").mean_inner_potential([79] * 4, 4.0782**3), 1)
        29.9
        """
        kinds, counts = np.unique(np.asarray(numbers, dtype=np.int64), return_counts=True)
        factors = [float(self.scattering_factor(int(kind), 0.0)) for kind in kinds]
        return float(SCATTERING_CONSTANT * np.dot(factors, counts) / volume)

    def check(self, numbers: ArrayLike) -> None:
        """Raise ScatteringError if the fit does not cover one of the atomic numbers."""
        for number in elements(numbers):
            self._rows(int(number))

    def _rows(self, number: int) -> _Floats:
        if number not in self.coefficients:
            others = [n for n in PARAMETRIZATIONS if number in parametrization(n).coefficients]
            mend = f"use parametrization {others[0]}" if others else "replace those atoms"
            raise ScatteringError(
                f"the structure holds atomic number {number}; the parametrization {self.name} covers "
                f"{self.elements[0]} to {self.elements[-1]}: {mend}."
            )
        return self.coefficients[number]

    def _real_space(self, number: int, r: ArrayLike, term: Callable[..., _Floats]) -> _Floats:
        r = np.asarray(r, dtype=np.float64)
        return SCATTERING_CONSTANT * sum((term(r, *row) for row in self._rows(number).T), np.zeros_like(r))


# Fourier transforms of one term of each fit, in three dimensions and (projected) in two
_SPHERICAL: dict[str, Any] = {
    "kirkland": lambda r, a, b, c, d: (
        np.pi * a / r * np.exp(-2 * np.pi * r * np.sqrt(b)) + c * (np.pi / d) ** 1.5 * np.exp(-((np.pi * r) ** 2) / d)
    ),
    "lobato": lambda r, a, b: np.pi**2 * a * (1 / (np.pi * b * r) + b**-1.5) * np.exp(-2 * np.pi * r / np.sqrt(b)),
    "peng": lambda r, a, b: a * (4 * np.pi / b) ** 1.5 * np.exp(-((2 * np.pi * r) ** 2) / b),
}
_PROJECTED: dict[str, Any] = {
    "kirkland": lambda r, a, b, c, d: (
        2 * np.pi * a * k0(2 * np.pi * r * np.sqrt(b)) + np.pi * c / d * np.exp(-((np.pi * r) ** 2) / d)
    ),
    "lobato": lambda r, a, b: (
        2 * np.pi * a / b * (k0(2 * np.pi * r / np.sqrt(b)) + np.pi * r / np.sqrt(b) * k1(2 * np.pi * r / np.sqrt(b)))
    ),
    "peng": lambda r, a, b: 4 * np.pi * a / b * np.exp(-((2 * np.pi * r) ** 2) / b),
}


@cache
def parametrization(name: str = "lobato") -> Parametrization:
    """Return the parametrization called ``name``.

    Raises
    ------
    ScatteringError
        If there is none of that name.

    Examples
    --------
    >>> len(parametrization("kirkland").elements)
    103
    """
    tables = _tables()
    if name not in PARAMETRIZATIONS:
        raise ScatteringError(f"parametrization is {name!r}; it is one of {', '.join(PARAMETRIZATIONS)}.")
    coefficients = {int(z): np.array(rows, dtype=np.float64) for z, rows in tables[name].items()}
    for rows in coefficients.values():
        rows.flags.writeable = False
    return Parametrization(name, tables["sources"][name], coefficients)


@cache
def _tables() -> dict[str, Any]:
    text = (files("exitwave.scattering") / "tables" / "scattering_factors.json").read_text(encoding="utf-8")
    tables: dict[str, Any] = json.loads(text)
    return tables
