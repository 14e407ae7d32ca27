"""Lenses and cameras by name: what a user may write in place of a table of numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["ABERRATIONS", "DETECTORS", "preset"]

_ANY = {"uniform": [-180.0, 180.0]}


def _half_normal(std: float) -> dict[str, Any]:
    return {"normal": [0.0, std], "within": [0.0, 4 * std]}


ABERRATIONS: dict[str, dict[str, Any]] = {
    "none": {},
    # One measured state of TEAM 0.5 as tabulated with Rangel DaCosta et al. (npj Comput. Mater. 10, 165, 2024).
    # The multiples are those of that table; a strict conversion multiplies B4 and D4 by 5 instead of 4, which
    # changes chi by less than 0.02 rad within 20 mrad.
    "team": {
        "C12": 16.02, "phi12": -68.5,
        "C23": 179.8, "phi23": -170.7,
        "C21": 3 * 239.0, "phi21": 29.2,
        "C30": -19130.0,
        "C34": 1583.0, "phi34": 89.2,
        "C32": 4 * 426.4, "phi32": -34.5,
        "C45": 31170.0, "phi45": -6.3,
        "C43": 4 * 5287.0, "phi43": -12.7,
        "C41": 4 * 16780.0, "phi41": 104.5,
        "C50": 1.048e7,
        "C56": 48210.0, "phi56": 60.2,
    },
    # What a corrector leaves from one alignment to the next: sizes half-normal, azimuths uniform.
    "residual": {
        "C12": _half_normal(15.0), "phi12": _ANY,
        "C23": _half_normal(200.0), "phi23": _ANY,
        "C21": _half_normal(3 * 250.0), "phi21": _ANY,
        "C30": {"normal": [0.0, 5e4]},
        "C50": {"normal": [1e7, 1e7]},
    },
    # An uncorrected 200 kV objective lens.
    "uncorrected": {"C30": 1.2e7, "C12": _half_normal(30.0), "phi12": _ANY},
}  # fmt: skip
"""Presets of :class:`~exitwave.imaging.Aberrations`: ``none``, ``team``, ``residual``, ``uncorrected``."""

DETECTORS: dict[str, dict[str, Any]] = {
    # Counts every electron in the pixel it hits.
    "ideal": {},
    # A scintillator on a fibre-coupled CCD or CMOS sensor, as method.md proposes it for training.
    "scintillator": {
        "c1": {"uniform": [0.95, 1.0]}, "c2": {"uniform": [0.0, 0.1]},
        "c3": {"uniform": [0.5, 0.6]}, "c4": {"uniform": [2.0, 3.0]},
        "gain": 10.0, "read_noise": 5.0, "offset": 100.0,
    },
}  # fmt: skip
"""Presets of :class:`~exitwave.imaging.Detector`: ``ideal``, ``scintillator``."""


def preset(name: str, table: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the fields that ``name`` stands for, or raise ValueError with the names there are."""
    if name not in table:
        raise ValueError(f"the presets are {', '.join(table)}, or give the numbers one by one.")
    return dict(table[name])
