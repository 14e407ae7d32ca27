"""Label rules against closed forms."""

from __future__ import annotations

from math import pi

import numpy as np
import pytest
import torch

from exitwave.core import LabelError, SpecError
from exitwave.imaging import Micrograph
from exitwave.labels import Instances, Labels, Phase, Projected, Thickness, atomic_volume, label, rule
from exitwave.scattering import ExitWave
from exitwave.structure import Structure

FCC = np.array([[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]])


def crystal(radius: float, centre: tuple[float, float, float], a: float = 4.0782, seed: int = 1) -> np.ndarray:
    """A gold sphere, turned at random."""
    rng = np.random.default_rng(seed)
    n = int(1.8 * (radius + 4) / a) + 1
    cells = np.stack(np.meshgrid(*[np.arange(-n, n + 1)] * 3), axis=-1).reshape(-1, 1, 3)
    points = (cells + FCC).reshape(-1, 3) * a
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    points = points @ turn.T + rng.uniform(-1, 1, 3)
    return points[np.linalg.norm(points, axis=1) < radius] + np.asarray(centre)


def structure(*spheres: np.ndarray, role: str = "particle") -> Structure:
    count = [len(sphere) for sphere in spheres]
    objects = np.repeat(np.arange(len(spheres)), count).astype(np.int32)
    positions = np.concatenate([*spheres, np.zeros((0, 3))])
    return Structure(
        positions=positions,
        numbers=np.full(len(positions), 79, np.int32),
        cell=np.diag([80.0, 60.0, 100.0]),
        objects=objects,
        grains=objects,
        thermal=np.full(len(positions), np.nan),
        names=tuple(f"{role}-{i}" for i in range(len(spheres))),
        roles=(role,) * len(spheres),
    )


def wave_of(atoms: Structure | None, sampling: float = 0.2) -> ExitWave:
    columns, rows = (round(atoms.cell[i, i] / sampling) for i in (0, 1)) if atoms is not None else (64, 64)
    return ExitWave(torch.ones(1, rows, columns, dtype=torch.complex64), (sampling, sampling), 3e5, structure=atoms)


def phase_wave(phase: np.ndarray, sampling: float = 0.2) -> ExitWave:
    particle = torch.polar(torch.ones(phase.shape), torch.from_numpy(phase).float())
    return ExitWave(particle, (sampling, sampling), 3e5, particle=particle)


def sphere_phase(radius: float, per_length: float = 0.01945, size: int = 640, sampling: float = 0.2) -> np.ndarray:
    x = (np.arange(size) - size / 2) * sampling
    return per_length * 2 * np.sqrt(np.maximum(radius**2 - x[:, None] ** 2 - x**2, 0))


def radius_of(mask: np.ndarray, sampling: float = 0.2) -> float:
    return float(np.sqrt(mask.sum() * sampling**2 / pi))


@pytest.mark.parametrize(
    ("radius", "threshold", "per_length", "expected"),
    [
        (10.0, pi / 12, 0.01945, 7.4), (20.0, pi / 12, 0.01945, 18.8), (40.0, pi / 12, 0.01945, 39.4),
        (10.0, pi / 16, 0.01945, 8.6), (20.0, pi / 16, 0.01945, 19.4), (40.0, pi / 16, 0.01945, 39.7),
        (12.5, pi / 16, 0.00915, 6.4), (20.0, pi / 16, 0.00915, 16.9), (25.0, pi / 16, 0.00915, 22.6),
    ],
)  # fmt: skip
def test_phase_labels_have_the_published_radii(
    radius: float, threshold: float, per_length: float, expected: float
) -> None:
    mask = Phase(threshold=threshold).compute(phase_wave(sphere_phase(radius, per_length)[None]))
    assert radius_of(mask) == pytest.approx(expected + 1.2, abs=0.15)


@pytest.mark.parametrize("radius", [50.0, 100.0])
def test_a_thick_sphere_has_no_hole_where_its_phase_wraps(radius: float) -> None:
    size = 1100
    phase = sphere_phase(radius, size=size, per_length=0.0195)
    mask = Phase().compute(phase_wave(phase[None]))
    x = (np.arange(size) - size / 2) * 0.2
    assert mask[np.hypot(x[:, None], x) < radius - 2].all()
    assert not mask[np.hypot(x[:, None], x) > radius + 2].any()


def test_the_blur_is_in_angstrom() -> None:
    fine = Phase().compute(phase_wave(sphere_phase(20.0, size=640, sampling=0.1)[None], 0.1))
    coarse = Phase().compute(phase_wave(sphere_phase(20.0, size=160, sampling=0.4)[None], 0.4))
    assert radius_of(fine, 0.1) == pytest.approx(radius_of(coarse, 0.4), abs=0.1)


def test_the_majority_of_configurations_decides() -> None:
    on, off = sphere_phase(10.0, size=160), np.zeros((160, 160))
    assert Phase().compute(phase_wave(np.stack([on, on, off]))).any()
    assert not Phase().compute(phase_wave(np.stack([on, off, off]))).any()
    assert not Phase().compute(phase_wave(np.stack([on, off]))).any()


def test_an_empty_scene_has_empty_labels() -> None:
    film = structure(crystal(10.0, (30.0, 30.0, 30.0)), role="support")
    wave = wave_of(film)
    for one in ("phase", "thickness", "instances", "projected"):
        assert not label(wave, one)[one].any()
    assert not Phase().compute(ExitWave(wave.array, wave.sampling, 3e5, particle=wave.array, structure=film)).any()


def test_the_volume_per_atom_of_gold_and_of_a_small_cluster() -> None:
    exact = 4.0782**3 / 4
    assert atomic_volume(crystal(20.0, (0, 0, 0))) == pytest.approx(exact, rel=2e-3)
    assert atomic_volume(crystal(7.5, (0, 0, 0))) == pytest.approx(exact, rel=0.03)
    wrapped = crystal(7.5, (0, 0, 50)) % [80.0, 60.0, 100.0]
    assert atomic_volume(wrapped, (80.0, 60.0)) == pytest.approx(exact, rel=0.03)


@pytest.mark.parametrize("radius", [10.0, 20.0])
def test_projected_thickness_is_that_of_the_sphere(radius: float) -> None:
    wave = wave_of(structure(crystal(radius, (40.0, 30.0, 50.0))))
    thickness = Projected().compute(wave)
    volume = thickness.sum(dtype=float) * 0.04
    assert volume == pytest.approx(4 / 3 * pi * radius**3, rel=0.03)
    y, x = np.arange(300)[:, None] * 0.2 - 30, np.arange(400) * 0.2 - 40
    r = np.hypot(x, y)
    inside = r < radius - 4
    closed = 2 * np.sqrt(radius**2 - r[inside] ** 2)
    assert np.abs(thickness[inside] - closed).max() < 3.0
    mask = Thickness(minimum=5.0).compute(wave)
    assert radius_of(mask) == pytest.approx(np.sqrt(radius**2 - 2.5**2) + 0.5, abs=0.6)


def test_thickness_labels_do_not_depend_on_the_material() -> None:
    gold = structure(crystal(15.0, (40.0, 30.0, 50.0)))
    light = structure(crystal(15.0, (40.0, 30.0, 50.0), a=6.08))  # the density of a much lighter crystal
    sizes = [radius_of(Thickness().compute(wave_of(atoms))) for atoms in (gold, light)]
    assert sizes[0] == pytest.approx(sizes[1], abs=0.5)


def test_instances_count_overlap_and_wrap_around() -> None:
    low, high = crystal(10.0, (30.0, 30.0, 20.0)), crystal(10.0, (40.0, 30.0, 60.0), seed=2)
    edge = crystal(8.0, (0.0, 0.0, 40.0), seed=3) % [80.0, 60.0, 100.0]
    wave = wave_of(structure(low, high, edge))
    map_ = Instances().compute(wave)
    assert map_.dtype == np.uint16
    assert set(np.unique(map_)) == {0, 1, 2, 3}
    assert map_[150, 150] == 1
    assert map_[150, 175] == 2  # both are there; the one nearer to the exit side is on top
    assert map_[150, 200] == 2
    assert map_[0, 0] == map_[-1, 0] == map_[0, -1] == map_[-1, -1] == 3
    swapped = Instances().compute(wave_of(structure(high, low, edge)))
    assert swapped[150, 175] == 1
    assert np.array_equal(map_ > 0, Instances().compute(wave_of(structure(edge, low, high))) > 0)


def test_labels_of_several_rules_have_names_and_records() -> None:
    wave = wave_of(structure(crystal(10.0, (40.0, 30.0, 50.0))))
    found = label(wave, ["thickness", {"rule": "thickness", "minimum": 8.0}, Instances()])
    assert list(found.maps) == ["thickness", "thickness-2", "instances"]
    assert found.record["thickness-2"] == {"rule": "thickness", "version": 1, "minimum": 8.0, "blur": 1.5}
    assert found["thickness"].sum() > found["thickness-2"].sum()
    assert rule(found.record["thickness-2"]) == Thickness(minimum=8.0)
    assert repr(found) == "Labels(thickness, thickness-2, instances; 0.2 Å/px)"
    for shown in (None, found["thickness"], Micrograph(found["thickness"], 0.2)):
        assert len(found.show(shown).axes) == 3
    with pytest.raises(LabelError, match="there are thickness, thickness-2, instances"):
        found["phase"]
    assert Labels({}, 0.2).show() is not None


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ("fase", "labels is 'fase'; a label rule has a name; did you mean phase?"),
        ({"threshold": 0.2}, "a label rule has a name, as in {rule: phase}"),
        ({"rule": "phase", "treshold": 0.2}, "labels.treshold is not a known key; did you mean threshold?"),
        ({"rule": "phase", "threshold": -0.2}, "labels.threshold is -0.2; a threshold is a number above 0 and below"),
        ({"rule": "phase", "level": 1.5}, "labels.level is 1.5; a level is a number above 0 and below 1."),
        (
            {"rule": "thickness", "minimum": {"uniform": [1, 2]}},
            "labels.minimum is .*; a minimum thickness is a number",
        ),
        (7, "labels is 7; a label rule has a name"),
    ],
)
def test_bad_rules_are_one_sentence(data: object, sentence: str) -> None:
    with pytest.raises(SpecError, match=sentence) as caught:
        rule(data, "labels")
    assert "\n" not in str(caught.value)


def test_what_a_rule_needs_is_said() -> None:
    with pytest.raises(LabelError, match="has no structure"):
        label(wave_of(None), "thickness")
    with pytest.raises(LabelError, match="has no particle wave"):
        label(wave_of(None), "phase")
    with pytest.raises(LabelError, match="has no particle wave"):
        label(wave_of(structure(crystal(8.0, (40.0, 30.0, 50.0)))), "phase")


def test_grains_divide_a_particle() -> None:
    ball = crystal(14.0, (40.0, 30.0, 50.0))
    whole = structure(ball)
    left = (ball[:, 0] < 40.0).astype(np.int32)
    halves = Structure(**{**vars(whole), "grains": left + 4})
    grains = label(wave_of(halves), "grains")["grains"]
    assert set(np.unique(grains)) == {0, 5, 6}
    assert grains[150, 180] == 6
    assert grains[150, 220] == 5
    assert np.array_equal(grains > 0, Thickness().compute(wave_of(whole)) > 0)


def test_distance_is_signed_and_periodic() -> None:
    inside = label(wave_of(structure(crystal(12.0, (40.0, 30.0, 50.0)))), "distance")["distance"]
    assert inside[150, 200] == pytest.approx(11.6, abs=0.8)
    assert inside[150, 200 + 110] == pytest.approx(-9.7, abs=0.8)
    assert inside[0, 0] == -20.0
    edge = crystal(12.0, (0.0, 0.0, 50.0)) % [80.0, 60.0, 100.0]
    wrapped = label(wave_of(structure(edge)), "distance")["distance"]
    np.testing.assert_allclose(wrapped, np.roll(inside, (-150, -200), (0, 1)), atol=1e-4)
    nothing = label(wave_of(structure(crystal(10.0, (40.0, 30.0, 50.0)), role="support")), "distance")["distance"]
    assert np.all(nothing == -20.0)


def test_a_soft_boundary_lies_between_two_hard_ones() -> None:
    wave = wave_of(structure(crystal(12.0, (40.0, 30.0, 50.0))))
    soft = label(wave, {"rule": "soft", "none": 2.0, "full": 8.0})["soft"]
    assert np.array_equal(soft > 0, Thickness(minimum=2.0).compute(wave) > 0)
    assert np.array_equal(soft >= 0.5, Thickness(minimum=5.0).compute(wave) > 0)
    assert (soft[Thickness(minimum=8.0).compute(wave) > 0] == 1).all()
    with pytest.raises(SpecError, match="full is 1 Å and none 2 Å"):  # before anything is computed
        rule({"rule": "soft", "full": 1.0})
