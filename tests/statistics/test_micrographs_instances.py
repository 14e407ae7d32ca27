"""Counts and sizes of many overlapping discs whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from exitwave.micrographs import separate


def test_touching_particles_are_counted_and_sized() -> None:
    """One to three discs, overlapping by up to a quarter of a radius: count within 5 %, diameter within 3 %."""
    draw = np.random.default_rng(7)
    y, x = np.mgrid[:160, :160]
    true_count = found_count = 0
    true_sizes: list[float] = []
    found_sizes: list[float] = []
    for _ in range(60):
        mask = np.zeros((160, 160), bool)
        centre, angle = np.array([80.0, 60.0]), draw.uniform(0, 2 * np.pi)
        radius = draw.uniform(10, 20)
        for number in range(draw.integers(1, 4)):
            if number:
                following = draw.uniform(10, 20)
                step = radius + following - draw.uniform(0, 0.25) * min(radius, following)
                angle += draw.uniform(-1, 1)
                centre, radius = centre + step * np.array([np.sin(angle), np.cos(angle)]), following
            if not ((centre > radius + 1) & (centre < 158 - radius)).all():
                break
            mask |= np.hypot(y - centre[0], x - centre[1]) <= radius
            true_count += 1
            true_sizes.append(2 * radius)
        areas = np.bincount(separate(mask).ravel())[1:]
        found_count += len(areas)
        found_sizes += list(2 * np.sqrt(areas / np.pi))
    assert found_count == pytest.approx(true_count, rel=0.05)
    assert np.mean(found_sizes) == pytest.approx(np.mean(true_sizes), rel=0.03)
