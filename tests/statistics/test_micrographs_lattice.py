"""Chance alone makes as many lattice peaks as the caller allows."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

from exitwave.imaging import Micrograph
from exitwave.micrographs import lattice_peaks


def test_noise_has_no_lattice() -> None:
    """60 images of coloured noise, one false alarm expected in each: between 20 and 120 in all (p < 1e-6)."""
    count = 0
    for seed in range(60):
        noise = np.random.default_rng(seed).normal(size=(128, 128))
        film = 3 * (gaussian_filter(noise, 1.0) - gaussian_filter(noise, 2.0)) + 0.1 * noise[::-1]
        count += len(lattice_peaks(Micrograph(film, 0.25), false_alarms=1.0))
    assert 20 <= count <= 120
