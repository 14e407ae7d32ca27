"""Territories: what a projection tells of particles that lie over each other."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import distance_transform_edt

from exitwave.labels import Depth, Instances, Territories
from exitwave.labels.territories import _depth
from exitwave.scattering import ExitWave
from exitwave.structure import Crystal, Scene, Sphere, Structure, Volume

STEP = 0.5


def spheres(*bodies: tuple[float, tuple[float, float, float]]) -> Structure:
    """Gold spheres (radius, centre) in a periodic field of 60 by 50 Å, whole where they overlap."""
    parts = []
    for index, (radius, centre) in enumerate(bodies):
        middle = np.array((30.0, 30.0, 30.0))
        ball = Volume(Crystal("Au"), Sphere(radius, centre=tuple(middle)), role="particle")
        built = Scene([ball], (60, 60, 60)).build(seed=index)
        parts.append(built.positions - middle + np.asarray(centre))
    numbers = np.repeat(np.arange(len(parts)), [len(part) for part in parts]).astype(np.int32)
    positions = np.concatenate(parts) % np.array((60.0, 50.0, 1e9))
    return Structure(
        positions=positions,
        numbers=np.full(len(positions), 79, np.int32),
        cell=np.diag([60.0, 50.0, 120.0]),
        objects=numbers,
        grains=numbers,
        thermal=np.full(len(positions), np.nan),
        names=tuple(f"particle-{i}" for i in range(len(parts))),
        roles=("particle",) * len(parts),
    )


def territories(atoms: Structure, rule: type = Territories) -> np.ndarray:
    array = torch.ones(1, 100, 120, dtype=torch.complex64)
    return rule().compute(ExitWave(array, (STEP, STEP), 3e5, structure=atoms))


@pytest.mark.parametrize("middle", [(30.0, 25.0), (58.0, 3.0)])
def test_two_equal_spheres_are_parted_half_way_wherever_they_lie(middle: tuple[float, float]) -> None:
    apart = 12.0
    x, y = middle
    low, high = (10.0, (x - apart / 2, y, 20.0)), (10.0, (x + apart / 2, y, 60.0))
    found = territories(spheres(low, high))
    columns = ((np.arange(120) * STEP - x + 30) % 60) - 30
    inside = np.abs(columns) > 1.0  # not within a pixel or two of the line
    expected = np.where(columns < 0, 1, 2)[None, :].repeat(100, axis=0)
    covered = (found > 0) & inside[None, :]
    assert covered.sum() > 1500
    assert np.mean(found[covered] == expected[covered]) == 1


@settings(max_examples=12, deadline=None)
@given(
    radii=st.tuples(st.floats(7, 12), st.floats(7, 12)),
    apart=st.floats(2, 22),
    angle=st.floats(0, 6.28),
)
def test_turning_the_structure_over_changes_nothing(radii: tuple[float, float], apart: float, angle: float) -> None:
    x, y = 30 + apart * np.cos(angle), 25 + apart * np.sin(angle)
    bodies = ((radii[0], (30.0, 25.0, 20.0)), (radii[1], (x, y, 70.0)))
    atoms = spheres(*bodies)
    turned = atoms.positions.copy()
    turned[:, 2] = 90 - turned[:, 2]
    over = Structure(
        positions=turned, numbers=atoms.numbers, cell=atoms.cell, objects=atoms.objects, grains=atoms.grains,
        thermal=atoms.thermal, names=atoms.names, roles=atoms.roles,
    )  # fmt: skip
    found = territories(atoms)
    assert np.array_equal(found, territories(over))
    # they share out exactly what instances cover
    assert np.array_equal(found > 0, territories(atoms, Instances) > 0)


def test_a_small_one_before_a_wide_one_keeps_its_middle_unless_it_lies_before_the_very_middle() -> None:
    beside = territories(spheres((20.0, (30.0, 25.0, 30.0)), (7.0, (42.0, 25.0, 70.0))))
    assert beside[50, 84] == 2
    assert beside[50, 60] == 1
    before = territories(spheres((20.0, (30.0, 25.0, 30.0)), (7.0, (30.0, 25.0, 70.0))))
    assert np.mean(before[before > 0] == 1) > 0.99


@pytest.mark.parametrize("shift", [(0.0, 0.0), (27.0, 24.0)])
def test_discs_of_the_depths_are_the_whole_outlines(shift: tuple[float, float]) -> None:
    x, y = 24.0 + shift[0], 25.0 + shift[1]
    bodies = ((11.0, (x, y, 30.0)), (9.0, (x + 8.0, y + 3.0, 70.0)))
    atoms = spheres(*bodies)
    number, depth = territories(atoms), territories(atoms, Depth)
    assert np.array_equal(number > 0, depth > 0)
    rows, columns = np.mgrid[:100, :120] * STEP
    for index in (1, 2):
        alone = territories(atoms.select(atoms.objects == index - 1)) > 0
        whole = np.zeros_like(alone)
        for row, column in np.argwhere(number == index):
            dy = (rows - row * STEP + 25) % 50 - 25
            dx = (columns - column * STEP + 30) % 60 - 30
            whole |= np.hypot(dy, dx) < depth[row, column]
        assert not (whole & ~alone).any()
        assert whole.sum() > 0.93 * alone.sum()
        assert (number == index).sum() < 0.85 * alone.sum()


def test_the_border_of_a_field_that_does_not_wrap_is_no_outline() -> None:
    atoms = spheres((15.0, (55.0, 25.0, 40.0)))
    wrapped = territories(atoms, Depth)
    kept = atoms.select(atoms.positions[:, 0] > 30)  # what came in at the opposite border is cut off
    cut = territories(kept, Depth)
    assert wrapped[50, 110] == pytest.approx(15, abs=1.0)
    assert cut[50, 110] == pytest.approx(15, abs=1.0)
    assert cut[50, 119] > 12
    inside = slice(30, 70), slice(96, 112)
    assert np.abs(cut - wrapped)[inside].max() < 1.5


def test_depth_of_what_fills_the_field_is_periodic() -> None:
    yes = np.hypot(*np.mgrid[-40:40, -50:50]) < 48
    mask = np.roll(yes, (13, 31), (0, 1))
    tiled = distance_transform_edt(np.tile(mask, (3, 3)), sampling=(0.5, 0.5))[80:160, 100:200]
    everywhere = np.stack(np.meshgrid(np.arange(0, 40, 2.0), np.arange(0, 50, 2.0)), axis=-1).reshape(-1, 2)
    places, depth = _depth(mask, (0.5, 0.5), everywhere, np.array([40.0, 50.0]))
    found = np.zeros(mask.shape)
    found[places] = depth
    assert np.abs(found - np.maximum(tiled - 0.25, 0)).max() < 1e-9


def test_nothing_and_everything() -> None:
    empty = spheres((10.0, (30.0, 25.0, 30.0))).select(np.zeros(0, int))
    assert not territories(empty).any()
    cells = np.stack(np.meshgrid(*[np.arange(n) * 2.5 for n in (24, 20, 6)], indexing="ij"), axis=-1).reshape(-1, 3)
    full = Structure(
        positions=cells, numbers=np.full(len(cells), 79, np.int32), cell=np.diag([60.0, 50.0, 120.0]),
        objects=np.zeros(len(cells), np.int32), grains=np.zeros(len(cells), np.int32),
        thermal=np.full(len(cells), np.nan), names=("particle-0",), roles=("particle",),
    )  # fmt: skip
    assert (territories(full) == 1).all()
    assert not territories(empty, Depth).any()
    assert (territories(full, Depth) >= 50).all()
