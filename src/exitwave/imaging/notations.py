"""Aberrations in the notations of correctors and of other programs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import atan2, cos, degrees, hypot, pi, radians, sin

from exitwave.core import OpticsError, number
from exitwave.imaging.aberrations import ORDERS, Aberrations
from exitwave.scattering.electron import wavelength

__all__ = [
    "from_cartesian",
    "from_haider",
    "from_prismatic",
    "to_cartesian",
    "to_haider",
    "to_prismatic",
]

# Haider's name -> our order, and how many times his coefficient ours is
_HAIDER: dict[str, tuple[int, int, int]] = {
    "A1": (1, 2, 1),
    "B2": (2, 1, 3),
    "A2": (2, 3, 1),
    "C3": (3, 0, 1),
    "S3": (3, 2, 4),
    "A3": (3, 4, 1),
    "B4": (4, 1, 5),
    "D4": (4, 3, 5),
    "A4": (4, 5, 1),
    "C5": (5, 0, 1),
    "S5": (5, 2, 6),
    "D5": (5, 4, 6),
    "A5": (5, 6, 1),
}


def from_haider(coefficients: Mapping[str, float | tuple[float, float]]) -> tuple[Aberrations, float]:
    r"""Return aberrations and defocus from the notation of Haider, Uhlemann and the CEOS correctors.

    .. math:: \chi = \frac{2\pi}{\lambda} \mathrm{Re}\Bigl[\tfrac12 C_1 \omega\bar\omega + \tfrac12 A_1\bar\omega^2
              + B_2\,\omega\bar\omega^2 + \tfrac13 A_2\bar\omega^3 + \tfrac14 C_3(\omega\bar\omega)^2
              + S_3\,\omega\bar\omega^3 + \tfrac14 A_3\bar\omega^4 + B_4\,\omega^2\bar\omega^3
              + D_4\,\omega\bar\omega^4 + \tfrac15 A_4\bar\omega^5 + \tfrac16 C_5(\omega\bar\omega)^3
              + S_5\,\omega^2\bar\omega^4 + D_5\,\omega\bar\omega^5 + \tfrac16 A_5\bar\omega^6\Bigr]

    so that C21 = 3·B2, C32 = 4·S3, C41 = 5·B4, C43 = 5·D4, C52 = 6·S5, C54 = 6·D5, and the angle of a complex
    coefficient is m times our azimuth.

    Parameters
    ----------
    coefficients
        Name to length in Å, or to (length in Å, angle of the complex coefficient in degrees).

    Returns
    -------
    aberrations, defocus
        defocus = −C1, Å.

    Raises
    ------
    OpticsError
        If a name is not known.

    Source
    ------
    S. Uhlemann, M. Haider, Ultramicroscopy 72, 109 (1998).

    Examples
    --------
    >>> aberrations, defocus = from_haider({"C1": -80.0, "B2": (239.0, 29.2), "A2": (180.0, 90.0)})
    >>> defocus, aberrations.C21, aberrations.phi23
    (80.0, 717.0, 30.0)
    """
    fields: dict[str, float] = {}
    defocus = 0.0
    for name, value in coefficients.items():
        parts = value if isinstance(value, tuple | list) else (value, 0.0)
        if len(parts) != 2:
            raise OpticsError(f"{name} is {value}; it is a length in Å, or that and an angle in degrees.")
        size, angle = parts
        if name == "C1":
            defocus = -size
            continue
        if name not in _HAIDER:
            raise OpticsError(f"{name!r} is no aberration; Haider's names are C1, {', '.join(_HAIDER)}.")
        n, m, times = _HAIDER[name]
        fields[f"C{n}{m}"] = times * size
        if m:
            fields[f"phi{n}{m}"] = angle / m
    return Aberrations(**fields), defocus


def to_haider(aberrations: Aberrations, defocus: float = 0.0) -> dict[str, tuple[float, float]]:
    """Return drawn aberrations in Haider's notation, the inverse of :func:`from_haider`.

    Parameters
    ----------
    aberrations
        Drawn: numbers only.
    defocus
        Å, positive for underfocus.

    Returns
    -------
    coefficients
        Each of Haider's names, C1 = −defocus first, to (length in Å, angle of the complex coefficient in degrees).

    Examples
    --------
    >>> found = to_haider(Aberrations(C21=717.0, phi23=30.0, C23=180.0), defocus=80.0)
    >>> found["C1"], found["B2"], found["A2"]
    ((-80.0, 0.0), (239.0, 0.0), (180.0, 90.0))
    >>> from_haider(found) == (Aberrations(C21=717.0, phi23=30.0, C23=180.0), 80.0)
    True
    """
    found = {"C1": (-defocus, 0.0)}
    for name, (n, m, times) in _HAIDER.items():
        size, turn = _polar(aberrations, n, m)
        found[name] = (size / times, turn * m)
    return found


def from_cartesian(coefficients: Mapping[str, float]) -> tuple[Aberrations, float]:
    r"""Return aberrations and defocus from Krivanek's (Nion's) pairs C12a, C12b …

    :math:`C_{nm,a} = C_{nm}\cos m\varphi_{nm}` and :math:`C_{nm,b} = C_{nm}\sin m\varphi_{nm}`.

    Parameters
    ----------
    coefficients
        Name (C10, C12a, C12b, …, C30, …) to length in Å; those left out are 0.

    Returns
    -------
    aberrations, defocus
        defocus = −C10, Å.

    Raises
    ------
    OpticsError
        If a name is not known.

    Examples
    --------
    >>> aberrations, _ = from_cartesian({"C12a": 0.0, "C12b": 20.0})
    >>> aberrations.C12, aberrations.phi12
    (20.0, 45.0)
    """
    known = {f"C{n}{m}{part}" for n, m in ORDERS for part in (("a", "b") if m else ("",))}
    for name in coefficients:
        if name not in known:
            raise OpticsError(f"{name!r} is no aberration; the names are {', '.join(sorted(known))}.")
    fields: dict[str, float] = {}
    for n, m in ORDERS[1:]:
        if not m:
            fields[f"C{n}{m}"] = coefficients.get(f"C{n}{m}", 0.0)
            continue
        a, b = (coefficients.get(f"C{n}{m}{part}", 0.0) for part in "ab")
        fields[f"C{n}{m}"] = hypot(a, b)
        fields[f"phi{n}{m}"] = degrees(atan2(b, a)) / m
    return Aberrations(**fields), -coefficients.get("C10", 0.0)


def to_cartesian(aberrations: Aberrations, defocus: float = 0.0) -> dict[str, float]:
    """Return drawn aberrations as Krivanek's pairs, the inverse of :func:`from_cartesian`.

    Parameters
    ----------
    aberrations
        Drawn: numbers only.
    defocus
        Å, positive for underfocus.

    Returns
    -------
    coefficients
        C10 = −defocus, then C12a, C12b, …, to fifth order, Å.

    Examples
    --------
    >>> found = to_cartesian(Aberrations(C12=20.0, phi12=45.0, C30=-1e4), defocus=80.0)
    >>> found["C10"], round(found["C12a"], 9), found["C12b"], found["C30"]
    (-80.0, 0.0, 20.0, -10000.0)
    """
    found = {"C10": -defocus}
    for n, m in ORDERS[1:]:
        size, turn = _polar(aberrations, n, m)
        if m:
            found[f"C{n}{m}a"] = size * cos(m * radians(turn))
            found[f"C{n}{m}b"] = size * sin(m * radians(turn))
        else:
            found[f"C{n}{m}"] = size
    return found


def from_prismatic(rows: Iterable[tuple[int, int, float, float]], energy: float) -> tuple[Aberrations, float]:
    r"""Return aberrations and defocus from the rows (m, n, size, angle) of Prismatic's aberration files.

    :math:`\chi = \sum s_{mn} (\lambda q)^m \cos n(\varphi - \varphi_{mn})`: m is the power of the angle, one more
    than our order, n the symmetry, and :math:`s_{mn} = 2\pi C_{m-1,n}/m\lambda`.

    Parameters
    ----------
    rows
        m, n, size in rad, azimuth in degrees.
    energy
        Of the beam, eV, since sizes are phases.

    Returns
    -------
    aberrations, defocus
        defocus = −C10, Å.

    Raises
    ------
    OpticsError
        If a row is no aberration to fifth order.

    Source
    ------
    Prismatic 2.0, src/aberration.cpp, whose own C1 is the row (2, 0, π C1/λ, 0).

    Examples
    --------
    >>> aberrations, defocus = from_prismatic([(2, 0, -12766.0, 0.0), (3, 3, 19149.0, 12.0)], 300e3)
    >>> round(defocus, 1), round(aberrations.C23, 1), aberrations.phi23
    (80.0, 180.0, 12.0)
    """
    fields: dict[str, float] = {}
    defocus = 0.0
    for m, n, size, angle in rows:
        if (m - 1, n) not in ORDERS:
            raise OpticsError(f"({m}, {n}) is no aberration; m is 2 to 6 and n at most m, both even or both odd.")
        length = size * m * wavelength(energy) / (2 * pi)
        if (m, n) == (2, 0):
            defocus = -length
            continue
        fields[f"C{m - 1}{n}"] = length
        if n:
            fields[f"phi{m - 1}{n}"] = angle
    return Aberrations(**fields), defocus


def to_prismatic(
    aberrations: Aberrations, defocus: float = 0.0, *, energy: float
) -> list[tuple[int, int, float, float]]:
    """Return the drawn aberrations that are not zero as Prismatic's rows, the inverse of :func:`from_prismatic`.

    Parameters
    ----------
    aberrations
        Drawn: numbers only.
    defocus
        Å, positive for underfocus.
    energy
        Of the beam, eV.

    Returns
    -------
    rows
        m, n, size in rad, azimuth in degrees.

    Examples
    --------
    >>> rows = to_prismatic(Aberrations(C23=180.0, phi23=12.0, C30=-1e4), defocus=80.0, energy=300e3)
    >>> [(m, n, round(size), angle) for m, n, size, angle in rows]
    [(2, 0, -12766, 0.0), (3, 3, 19149, 12.0), (4, 0, -797865, 0.0)]
    """
    found = [(2, 0, -defocus, 0.0)] + [(n + 1, m, *_polar(aberrations, n, m)) for n, m in ORDERS[1:]]
    per_length = 2 * pi / wavelength(energy)
    return [(m, n, per_length / m * size, angle) for m, n, size, angle in found if size != 0.0]


def _polar(aberrations: Aberrations, n: int, m: int) -> tuple[float, float]:
    return number(getattr(aberrations, f"C{n}{m}")), number(getattr(aberrations, f"phi{n}{m}")) if m else 0.0
