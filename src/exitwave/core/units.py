"""Units that people write and the units that exitwave computes in (Å, eV, mrad, e/Å², degrees)."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["ANGSTROM_PER_NM", "convert", "parse_number"]

ANGSTROM_PER_NM = 10.0

# unit -> (dimension, factor to the base unit of that dimension)
_UNITS: dict[str, tuple[str, float]] = {
    "Å": ("length", 1.0),
    "A": ("length", 1.0),
    "pm": ("length", 1e-2),
    "nm": ("length", 1e1),
    "um": ("length", 1e4),
    "μm": ("length", 1e4),
    "mm": ("length", 1e7),
    "m": ("length", 1e10),
    "eV": ("energy", 1.0),
    "keV": ("energy", 1e3),
    "kV": ("energy", 1e3),
    "MeV": ("energy", 1e6),
    "mrad": ("angle", 1.0),
    "rad": ("angle", 1e3),
    "urad": ("angle", 1e-3),
    "μrad": ("angle", 1e-3),
    "°": ("rotation", 1.0),
    "deg": ("rotation", 1.0),
    "e/Å²": ("dose", 1.0),
    "e/Å^2": ("dose", 1.0),
    "e/A^2": ("dose", 1.0),
    "e/nm²": ("dose", 1e-2),
    "e/nm^2": ("dose", 1e-2),
    "Å/px": ("sampling", 1.0),
    "nm/px": ("sampling", 1e1),
    "pm/px": ("sampling", 1e-2),
    "g/cm³": ("density", 1.0),
    "g/cm^3": ("density", 1.0),
    "K": ("temperature", 1.0),
}

_NUMBER = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(.*?)\s*")


def convert(value: float, unit: str, to: str) -> float:
    """Return ``value`` given in ``unit`` in the unit ``to``.

    Parameters
    ----------
    value
        A number.
    unit, to
        Units of one dimension: of length, energy, angle, rotation, dose, sampling, density or temperature.

    Returns
    -------
    float
        The number in the unit ``to``.

    Raises
    ------
    ValueError
        If a unit is unknown or the two measure different things.

    Examples
    --------
    >>> convert(2.5, "nm", "Å")
    25.0
    """
    unit, to = _same_signs(unit), _same_signs(to)
    for name in (unit, to):
        if name not in _UNITS:
            raise ValueError(f"unit is {name!r}; known units are {', '.join(_UNITS)}.")
    (dimension, factor), (wanted, divisor) = _UNITS[unit], _UNITS[to]
    if dimension != wanted:
        raise ValueError(f"{unit} is a unit of {dimension}; a {wanted} is needed, for example in {to}.")
    return value * factor / divisor


def parse_number(text: str, unit: str = "") -> float:
    """Return the number that ``text`` says, in ``unit``.

    Text without a unit is taken to be in ``unit`` already, as YAML 1.1 hands ``300e3`` over as text.

    Parameters
    ----------
    text
        A number, alone or with a unit.
    unit
        The unit wanted; a plain number if empty.

    Returns
    -------
    float
        The number in ``unit``.

    Raises
    ------
    ValueError
        If ``text`` is no number, or its unit does not fit.

    Examples
    --------
    >>> parse_number("300e3"), parse_number("30 nm", "Å"), parse_number("300 kV", "eV")
    (300000.0, 300.0, 300000.0)
    """
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a number")
    value, suffix = float(match[1]), match[2]
    if not suffix or _same_signs(suffix) == _same_signs(unit):
        return value
    if not unit:
        raise ValueError(f"{text!r} has a unit where a plain number is needed")
    return convert(value, suffix, unit)


def _same_signs(unit: str) -> str:
    """Write Å and μ in one of the two or three ways that Unicode has for each."""
    return unicodedata.normalize("NFC", unit).replace("µ", "μ")
