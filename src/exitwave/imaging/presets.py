"""Lenses and cameras by name: what a user may write in place of a table of numbers."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

__all__ = ["ABERRATIONS", "DETECTORS", "MICROSCOPES", "preset"]

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
    # A scintillator coupled to a CCD or CMOS sensor. A transfer function with ranges of its parameters, for training:
    # M. H. L. Larsen et al., arXiv:2302.12629 (2023).
    "scintillator": {
        "c1": {"uniform": [0.95, 1.0]}, "c2": {"uniform": [0.0, 0.1]},
        "c3": {"uniform": [0.5, 0.6]}, "c4": {"uniform": [2.0, 3.0]},
        "gain": 10.0, "read_noise": 5.0, "offset": 100.0,
    },
    # The same with a thick scintillator and fibre optics: softer, with X-ray hits and a flat-field residue.
    "ccd": {
        "c1": {"uniform": [0.9, 1.0]}, "c2": {"uniform": [0.05, 0.15]},
        "c3": {"uniform": [0.2, 0.35]}, "c4": {"uniform": [1.5, 2.5]},
        "gain": {"uniform": [5.0, 20.0]}, "read_noise": {"uniform": [3.0, 10.0]}, "offset": 100.0,
        "flat_field": {"uniform": [0.0, 0.01]}, "xrays": {"loguniform": [1e-6, 1e-4]},
    },
    # A thin scintillator on fibre optics and CMOS: an exponential with long tails, noise spread less than signal.
    "cmos": {
        "form": "exponential", "c1": 1.0, "c2": {"uniform": [0.02, 0.1]}, "c3": {"uniform": [0.25, 0.45]},
        "c4": {"uniform": [0.8, 1.3]}, "noise_flatness": {"uniform": [0.0, 0.3]},
        "gain": {"uniform": [10.0, 30.0]}, "read_noise": {"uniform": [1.0, 4.0]}, "offset": 100.0,
        "flat_field": {"uniform": [0.0, 0.005]}, "hot_pixels": {"loguniform": [1e-6, 1e-4]},
        "dead_pixels": {"loguniform": [1e-6, 1e-5]},
    },
    # A sensor that integrates the charge of every electron: sharper, and its noise is spread less than its signal.
    "direct": {
        "c1": 1.0, "c2": {"uniform": [0.1, 0.3]}, "c3": {"uniform": [0.55, 0.8]}, "c4": {"uniform": [1.8, 2.5]},
        "noise_flatness": {"uniform": [0.0, 0.5]}, "gain": {"uniform": [20.0, 60.0]}, "offset": 100.0,
        "flat_field": {"uniform": [0.0, 0.01]},
    },
    # A sensor that localises and counts single electrons.
    "counting": {"c1": 1.0, "c2": {"uniform": [0.4, 0.6]}, "c3": 0.7, "c4": 2.0, "noise_flatness": 1.0},
}  # fmt: skip
"""Kinds of cameras: ``ideal``, ``scintillator``, ``ccd``, ``cmos``, ``direct``, ``counting``.

Their numbers are round and chosen for training: none is a measurement of a product. Where the camera is known, give
what was measured on it (a knife edge gives c1 to c4, a flat exposure gain and noise)."""

MICROSCOPES: dict[str, dict[str, Any]] = {
    # Corrected for spherical aberration (TEAM I is for the chromatic one too), with a monochromator; numbers chosen
    # for a focal spread of 9 to 15 Å, as published training sets have it.
    "team-0.5": {
        "energy": 300e3, "chromatic": 1.5e7, "energy_spread": [0.1, 0.3], "instability": [5.5e-7, 8.5e-7],
        "aberrations": "residual", "convergence": [0.05, 0.2], "vibration": [0.1, 0.3], "detector": "scintillator",
    },
    # With image corrector: C_c near 1.5 mm and a field-emission gun.
    "corrected-300": {
        "energy": 300e3, "chromatic": [1.3e7, 1.7e7], "energy_spread": [0.6, 1.0], "instability": [4e-7, 1e-6],
        "aberrations": "residual", "convergence": [0.05, 0.3], "vibration": [0.1, 0.4], "detector": "ccd",
    },
    # Without corrector, LaB6: C_s and C_c above 1 mm, 1.5 eV, a convergence that shows.
    "lab6-200": {
        "energy": 200e3, "chromatic": [1.1e7, 1.5e7], "energy_spread": [1.2, 2.0], "instability": [1e-6, 2e-6],
        "aberrations": "uncorrected", "convergence": [0.3, 0.8], "vibration": [0.1, 0.5], "detector": "ccd",
        "contrast": [0.7, 1.0],
    },
}  # fmt: skip
"""Instruments by what their makers say of them (:class:`~exitwave.imaging.Microscope`): ``team-0.5``,
``corrected-300``, ``lab6-200``. Focus and dose are the operator's and stay as given."""


def preset(name: str, table: Mapping[str, dict[str, Any]], noun: str = "") -> dict[str, Any]:
    """Return the fields that ``name`` stands for, or raise ValueError with the names there are."""
    if name not in table:
        given = f"{noun} is {name}; " if noun else ""
        near = get_close_matches(name, table, n=1)
        hint = f"; did you mean {near[0]}?" if near else ", or give the numbers one by one."
        raise ValueError(f"{given}the presets are {', '.join(table)}{hint}")
    return dict(table[name])
