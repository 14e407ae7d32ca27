"""Pixel sizes as files of images tell them: units of length, what ImageJ writes, and tables beside the images."""

from __future__ import annotations

import math
from importlib import import_module
from pathlib import Path
from typing import Any

__all__ = ["NEARLY_SQUARE", "angstroms", "imagej_unit", "length_unit", "positive", "tabled_size"]

# Where the sizes in x and y differ by less, relative, their mean is the pixel size; above, pixels are not square.
NEARLY_SQUARE = 2e-2
# How programs write lengths -> Å.
_LENGTHS = {
    "m": 1e10, "meter": 1e10, "metre": 1e10,
    "mm": 1e7, "cm": 1e8,
    "um": 1e4, "\u00b5m": 1e4, "\u03bcm": 1e4, "micron": 1e4, "microns": 1e4, "micrometer": 1e4,
    "nm": 10.0, "nanometer": 10.0, "nanometers": 10.0, "nanometre": 10.0,
    "a": 1.0, "\u00e5": 1.0, "ang": 1.0, "angstrom": 1.0, "angstroms": 1.0, "\u00e5ngstr\u00f6m": 1.0,
    "pm": 1e-2, "picometer": 1e-2,
}  # fmt: skip


def angstroms(unit: str) -> float | None:
    """Return how many Å a unit is, however programs write it; None where it is no length, or one of a print.

    Examples
    --------
    >>> angstroms("nm"), angstroms("micron"), angstroms("inch"), angstroms("1/nm")
    (10.0, 10000.0, None, None)
    """
    return _LENGTHS.get(length_unit(unit), _LENGTHS.get(unit.replace(" ", "")))


def length_unit(unit: str) -> str:
    """Return a unit in plain signs: without spaces, in small letters.

    Examples
    --------
    >>> length_unit(" 1 / nm^-1 ")
    '1/nm-1'
    """
    return unit.replace(" ", "").replace("^", "").replace("⁻¹", "-1").replace("\u212b", "å").strip().casefold()


def imagej_unit(path: Path) -> str:
    """Return the unit of length that ImageJ wrote into a TIFF file, empty where it wrote none."""
    tifffile = import_module("tifffile")
    with tifffile.TiffFile(path) as file:
        unit = str((file.imagej_metadata or {}).get("unit", ""))
    return unit.encode("ascii", "replace").decode("unicode_escape") if "\\u" in unit else unit


def positive(told: Any) -> float | None:
    """Return a number above 0 that a file tells, or None where it tells none: words, gaps and zeros are no size.

    Examples
    --------
    >>> positive("0.25"), positive("not stated"), positive(None), positive(float("nan")), positive(0)
    (0.25, None, None, None, None)
    """
    try:
        number = float(told)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if 0 < number < math.inf else None


def tabled_size(row: dict[str, Any]) -> float | None:
    """Return the pixel size in Å that a row of ``index.csv`` has as ``pixel_size_nm``, or None where it is no number.

    Examples
    --------
    >>> tabled_size({"pixel_size_nm": "0.025"}), tabled_size({"pixel_size_nm": "not stated; about 0.06"})
    (0.25, None)
    >>> tabled_size({"pixel_size_nm": "0,025 nm"})
    0.25
    """
    told = row.get("pixel_size_nm")
    if isinstance(told, str):  # as in countries whose decimals follow a comma
        told = told.strip().removesuffix("nm").replace(",", ".")
    size = positive(told)
    return None if size is None else 10 * size
