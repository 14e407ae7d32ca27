"""Labels move, turn and ignore focus as the scene does; areas of a scattered particle."""

from __future__ import annotations

from dataclasses import replace
from math import pi

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from exitwave.imaging import Imaging, image
from exitwave.labels import RULES, label, rule
from exitwave.scattering import ExitWave, scatter
from exitwave.structure import Structure

NAMES = sorted(set(RULES) - {"phase", "phase_thickness"})  # which need the particle's wave
CELL = 40.0


def ball(radius: float, centre: tuple[float, float, float], seed: int, a: float = 4.0782) -> np.ndarray:
    rng = np.random.default_rng(seed)
    n = int(1.8 * (radius + 4) / a) + 1
    fcc = np.array([[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]])
    cells = np.stack(np.meshgrid(*[np.arange(-n, n + 1)] * 3), axis=-1).reshape(-1, 1, 3)
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    points = (cells + fcc).reshape(-1, 3) * a @ turn.T + rng.uniform(-1, 1, 3)
    return points[np.linalg.norm(points, axis=1) < radius] + np.asarray(centre)


def scene(positions: list[np.ndarray]) -> Structure:
    index = np.repeat(np.arange(len(positions)), [len(p) for p in positions]).astype(np.int32)
    atoms = np.concatenate([*positions, np.zeros((0, 3))])
    atoms[:, :2] %= CELL
    return Structure(
        positions=atoms,
        numbers=np.full(len(atoms), 79, np.int32),
        cell=np.diag([CELL, CELL, 40.0]),
        objects=index,
        grains=index,
        thermal=np.full(len(atoms), np.nan),
        names=tuple(f"particle-{i}" for i in range(len(positions))),
        roles=("particle",) * len(positions),
    )


def wave_of(structure: Structure) -> ExitWave:
    return ExitWave(torch.ones(1, 200, 200, dtype=torch.complex64), (0.2, 0.2), 300e3, structure=structure)


BALLS = [ball(9.0, (18.0, 22.0, 15.0), 1), ball(7.0, (27.0, 14.0, 25.0), 2)]


@settings(deadline=None, max_examples=6)
@given(st.integers(-120, 120), st.integers(-120, 120))
def test_labels_move_with_the_atoms(dy: int, dx: int) -> None:
    here = label(wave_of(scene(BALLS)), NAMES)
    there = label(wave_of(scene([p + np.array([dx * 0.2, dy * 0.2, 0.0]) for p in BALLS])), NAMES)
    for name in NAMES:
        moved = np.roll(here[name], (dy, dx), (0, 1))
        if moved.dtype.kind == "f":
            np.testing.assert_allclose(there[name], moved, atol=0.25)
        else:
            assert np.mean(there[name] != moved) < 1e-3


def test_labels_turn_with_the_atoms() -> None:
    here = label(wave_of(scene(BALLS)), NAMES)
    turned = label(wave_of(scene([np.column_stack([p[:, 1], -p[:, 0], p[:, 2]]) for p in BALLS])), NAMES)
    for name in NAMES:
        expected = np.roll(np.flip(here[name].T, 0), 1, 0)  # x -> -y about pixel (0, 0)
        if name == "orientation":
            expected = np.where(expected < 0, expected, (expected - 90) % 180)
        if expected.dtype.kind == "f":
            np.testing.assert_allclose(turned[name], expected, atol=0.25)
        else:
            assert np.mean(turned[name] != expected) < 1e-3


@pytest.fixture(scope="module")
def scattered() -> ExitWave:
    structure = scene([ball(12.0, (20.0, 20.0, 20.0), 5)])
    return scatter(structure, seed=1, sampling=0.2, potential_sampling=None, configurations=3)


def test_areas_of_a_scattered_particle(scattered: ExitWave) -> None:
    """Section 3 of the reference numbers: 11.2 Å where the phase passes π/16 and 11.4 Å at 5 Å of gold, plus blur."""
    for name, expected in (({"rule": "phase", "threshold": pi / 16}, 11.0 + 1.2), ("thickness", 11.7 + 0.3)):
        mask = rule(name).compute(scattered)
        assert np.sqrt(mask.sum() * 0.04 / pi) == pytest.approx(expected, abs=0.5)
        y, x = np.arange(200)[:, None] * 0.2 - 20, np.arange(200) * 0.2 - 20
        assert mask[np.hypot(x, y) < 9].all()


def test_phase_labels_turn_with_the_wave(scattered: ExitWave) -> None:
    assert scattered.particle is not None
    plain = replace(scattered, structure=None)
    turned = replace(plain, array=plain.array.rot90(1, (1, 2)), particle=scattered.particle.rot90(1, (1, 2)))
    here, there = (rule("phase").compute(wave) for wave in (plain, turned))
    assert np.mean(np.rot90(here) != there) < 1e-4


def test_labels_know_nothing_of_focus_and_dose(scattered: ExitWave) -> None:
    before = label(scattered, [*NAMES, "phase", "phase_thickness"])
    for defocus, dose in ((-500.0, 50.0), (500.0, 2000.0)):
        image(scattered, seed=1, spec=Imaging(defocus=defocus, dose=dose))
    after = label(scattered, [*NAMES, "phase", "phase_thickness"])
    assert all(np.array_equal(before[name], after[name]) for name in before.maps)
    bare = replace(scattered, array=torch.ones_like(scattered.array))
    assert all(np.array_equal(before[name], label(bare, name)[name]) for name in before.maps)


def test_moving_the_film_below_moves_no_label(scattered: ExitWave) -> None:
    """The particle's wave is taken back to the particle, so vacuum below it changes nothing."""
    structure = scattered.structure
    assert structure is not None
    far = replace(scattered, structure=replace(structure, cell=np.diag([CELL, CELL, 140.0]))).propagate(100.0)
    same = rule("phase").compute(far) == rule("phase").compute(scattered)
    assert np.mean(~same) < 1e-3
