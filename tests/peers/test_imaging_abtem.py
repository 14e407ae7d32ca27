"""The aberration function beside abTEM's, name by name."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from exitwave.imaging import Conditions, Imaging, transfer_function
from exitwave.imaging.aberrations import ORDERS, angles

abtem = pytest.importorskip("abtem", reason="abTEM is not installed: pip install abtem==1.0.11")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("energy", [200e3, 300e3])
def test_names_and_signs_are_abtems(energy: float) -> None:
    rng = np.random.default_rng(3)
    sizes = {f"C{n}{m}": 10.0 ** (1.3 * n) * rng.uniform(0.5, 2) for n, m in ORDERS if (n, m) != (1, 0)}
    turns = {f"phi{n}{m}": rng.uniform(-170, 170) / m for n, m in ORDERS if m}
    rows, columns = angles((48, 64), (0.25, 0.2), energy)
    alpha = torch.hypot(rows[:, None], columns).numpy()
    azimuth = torch.atan2(rows[:, None].expand(48, 64), columns.expand(48, 64)).numpy()
    for fields in ({}, *({name: size} for name, size in sizes.items()), sizes):
        chosen = fields | {name: turn for name, turn in turns.items() if name.replace("phi", "C") in fields}
        ours = transfer_function(
            Conditions.of([Imaging(defocus=90.0, aberrations=chosen)]), (48, 64), (0.25, 0.2), energy
        )[0].numpy()
        given = {name: np.radians(value) if name.startswith("phi") else value for name, value in chosen.items()}
        theirs = abtem.CTF(energy=energy, defocus=90.0, **given)._evaluate_from_angular_grid(alpha, azimuth)
        inside = alpha < 0.03  # where phases are small enough for its single precision
        np.testing.assert_allclose(ours[inside], np.asarray(theirs)[inside], atol=2e-3)
