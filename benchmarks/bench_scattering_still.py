"""Error of still, perfect crystals along their zone axes, the hardest case of a band-limited potential.

The reference is one cell of exact structure factors, so fine (0.0125 Å/px, slices of ⅛ Å) that all of the potential
is within its band; it is uncertain by 1 to 2 %.

EXITWAVE_BENCH_STILL=1 pytest -s benchmarks/bench_scattering_still.py      # thicker ones, too
"""

import os
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from exitwave.scattering import ExitWave, scatter

GOLD = 4.0782
REPEAT = {"001": (4, 4), "110": (6, 4)}  # cells along x and y that fidelities see
CASES = [("001", 3), ("110", 4)]
if "EXITWAVE_BENCH_STILL" in os.environ:
    CASES += [("001", 7), ("001", 10), ("110", 10), ("110", 20)]
FINE = {"potential_sampling": 0.025, "slice_thickness": 0.25}
KINDS: dict[str, dict[str, Any]] = {
    "draft": {"fidelity": "draft"},
    "standard": {"fidelity": "standard"},
    "reference": {"fidelity": "reference"},
    "0.025 Å/px, ¼ Å": FINE,
}


def crystal(zone: str, cells: int) -> Atoms:
    """One cell of gold along the beam, half a layer from the entrance."""
    if zone == "001":
        atoms, layer = bulk("Au", cubic=True, a=GOLD), GOLD / 2
    else:
        side = GOLD / 2**0.5
        atoms = Atoms("Au2", positions=[[0, 0, 0], [side / 2, GOLD / 2, side / 2]], cell=[side, GOLD, side])
        layer = side / 2
    atoms = atoms.repeat((1, 1, cells))
    atoms.positions[:, 2] += layer / 2
    atoms.wrap()
    return atoms


def beams(wave: ExitWave, repeat: tuple[int, int] = (1, 1)) -> dict[tuple[int, int], complex]:
    """Amplitudes of the beams (k, h) of one cell below 1.25 1/Å."""
    spectrum = np.fft.fft2(wave.array[0].numpy().astype(complex), norm="forward")
    assert wave.structure is not None
    lengths = np.diag(wave.structure.cell)
    found = {}
    for k in range(-8, 9):
        for h in range(-8, 9):
            if np.hypot(h * repeat[0] / lengths[0], k * repeat[1] / lengths[1]) < 1.25:
                found[k, h] = complex(spectrum[k * repeat[1], h * repeat[0]])
    return found


def error(wave: ExitWave, repeat: tuple[int, int], exact: ExitWave) -> float:
    """Of the scattered wave, relative, root mean square."""
    ours, theirs = beams(wave, repeat), beams(exact)
    apart = sum(abs(ours[beam] - value) ** 2 for beam, value in theirs.items())
    scattered = sum(abs(value - (beam == (0, 0))) ** 2 for beam, value in theirs.items())
    return float(np.sqrt(apart / scattered))


@pytest.mark.parametrize(("zone", "cells"), CASES)
def test_still_crystals(zone: str, cells: int) -> None:
    atoms = crystal(zone, cells)
    still: dict[str, Any] = {"thermal": False, "particle_wave": False}
    exact = scatter(
        atoms, method="exact", sampling=0.1, potential_sampling=0.0125, slice_thickness=0.125, precision="double",
        beyond_band="ignored", **still,
    )  # fmt: skip
    print(f"\ngold [{zone}], {atoms.cell[2, 2]:.1f} Å: error of the scattered wave, ignored / absorbed / auto")
    found: dict[str, list[float]] = {}
    for name, kind in KINDS.items():
        repeat = (1, 1) if kind is FINE else REPEAT[zone]
        given = atoms.repeat((*repeat, 1))
        found[name] = [
            error(scatter(given, beyond_band=band, **kind, **still), repeat, exact)
            for band in ("ignored", "absorbed", "auto")
        ]
        print(f"{name:18s}" + "".join(f"{100 * value:8.1f} %" for value in found[name]))
    assert found["0.025 Å/px, ¼ Å"][2] < 0.025  # of which 0.02 are the reference's own
    assert found["reference"][2] < 0.1
    assert found["standard"][2] < 0.2
