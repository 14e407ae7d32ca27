"""What labels say of crystals: columns, planes, fringes, orientations, layers and hulls, against known structures."""

from __future__ import annotations

import sys
from dataclasses import replace
from importlib.metadata import EntryPoint, EntryPoints
from math import pi, sqrt
from types import ModuleType
from typing import Literal

import numpy as np
import pytest
import torch

from exitwave.core import LabelError, SpecError
from exitwave.labels import (
    RULES,
    Hull,
    Instances,
    Labels,
    Overlap,
    PhaseThickness,
    Rule,
    atom_columns,
    base,
    bias_report,
    fringes,
    label,
    orientation,
    planar_faults,
    rule,
)
from exitwave.scattering import ExitWave, Scattering, scatter
from exitwave.structure import Body, Crystal, Scene, Sphere, Structure, Volume
from exitwave.structure.prefabs import decahedron, faulted

SIDE = 40.0
GOLD = 4.0782


def wave_of(*bodies: Body, side: float = SIDE, outside: str = "cut") -> ExitWave:
    atoms = Scene(list(bodies), (side, side, SIDE), 1.5, outside=outside).build(seed=1)
    pixels = round(side / 0.2)
    return ExitWave(torch.ones(1, pixels, pixels, dtype=torch.complex64), (0.2, 0.2), 3e5, structure=atoms)


def ball(crystal: Crystal, radius: float, centre: tuple[float, float, float] = (20, 20, 20)) -> Volume:
    return Volume(crystal, Sphere(radius, centre=centre), role="particle")


def grain(wave: ExitWave) -> Structure:
    assert wave.structure is not None
    return wave.structure


def nearest_distances(points: np.ndarray) -> np.ndarray:
    apart = np.linalg.norm(points[:, None] - points[None], axis=-1)
    np.fill_diagonal(apart, np.inf)
    return apart.min(1)


@pytest.mark.parametrize(
    ("zone", "spacing", "repeat"),
    [((1, 0, 0), GOLD / 2, GOLD), ((1, 1, 0), GOLD * sqrt(3) / (2 * sqrt(2)), GOLD / sqrt(2)),
     ((1, 1, 1), GOLD / sqrt(6), GOLD * sqrt(3))],
)  # fmt: skip
def test_columns_of_gold_stand_where_the_lattice_says(
    zone: tuple[int, int, int], spacing: float, repeat: float
) -> None:
    wave = wave_of(ball(Crystal("Au").oriented(zone, spin=12), 12))
    columns = atom_columns(wave, atoms=2)
    np.testing.assert_allclose(np.median(nearest_distances(columns.positions)), spacing, atol=1e-6)
    # [100] columns with atoms at 0 and at 1/2 are apart, so every column repeats with the translation along it
    np.testing.assert_allclose((columns.top - columns.bottom) / (columns.atoms - 1), repeat, atol=1e-6)
    height = columns.top - columns.bottom
    r = np.linalg.norm(columns.positions - 20, axis=1)
    assert (height <= 2 * np.sqrt(144 - r**2) + 1e-6).all()
    assert set(columns.species) == {"Au"}
    frame = columns.table()
    assert len(frame) == len(columns)
    assert frame["lean"].max() < 1e-6


def test_columns_know_their_elements_and_grains() -> None:
    wave = wave_of(ball(Crystal("CdSe").oriented((1, 1, 0)), 11))
    columns = atom_columns(wave)
    assert set(columns.species) == {"Cd", "Se"}
    assert set(columns.numbers) == {34, 48}
    maps = label(wave, ["columns", "column_atoms", "column_species", "column_peaks"])
    iy, ix = np.round(columns.positions[:, ::-1] / 0.2).astype(int).T
    assert np.array_equal(maps["columns"][iy, ix], np.arange(1, len(columns) + 1))
    assert np.array_equal(maps["column_atoms"][iy, ix], columns.atoms)
    assert np.array_equal(maps["column_species"][iy, ix], columns.numbers)
    assert maps["column_peaks"][iy, ix].min() > 0.9
    assert maps["column_peaks"].max() <= 1
    disc = np.count_nonzero(maps["columns"] == 1) * 0.04
    assert disc == pytest.approx(pi * 0.36, rel=0.2)


def test_tilted_columns_lean_and_random_crystals_have_none() -> None:
    turn = Crystal("Au").oriented((1, 1, 0)).transform
    from exitwave.structure import rotation

    tilted = Crystal("Au", rotation((0, 1, 0), 2.0) @ turn)
    wave = wave_of(ball(tilted, 12))
    columns = atom_columns(wave, lean=5.0)
    np.testing.assert_allclose(columns.lean, np.tan(np.radians(2)) * (columns.top - columns.bottom), atol=1e-6)
    few = atom_columns(wave, lean=0.5)
    assert 0 < len(few) < len(columns)
    assert len(atom_columns(wave_of(ball(Crystal("Au").oriented((7, 3, 1)), 12)))) == 0


def test_columns_of_a_particle_at_the_border_are_those_of_one_in_the_middle() -> None:
    crystal = Crystal("Au").oriented((1, 1, 0), spin=5)
    inside = atom_columns(wave_of(ball(crystal, 10), outside="wrap"))
    moved = wave_of(ball(crystal, 10).translated((20, 20, 0)), outside="wrap")
    shifted = (atom_columns(moved).positions - 20) % SIDE
    assert np.allclose(
        shifted[np.lexsort(shifted.round(3).T)], inside.positions[np.lexsort(inside.positions.round(3).T)]
    )
    hulls = [Hull().compute(wave) for wave in (wave_of(ball(crystal, 10), outside="wrap"), moved)]
    assert np.mean(np.roll(hulls[0], (100, 100), (0, 1)) != hulls[1]) < 1e-3


@pytest.mark.parametrize(
    ("material", "faults", "expected"),
    [
        ("Au", [("twin", 0)], [("twin", 1)]),
        ("Au", [("intrinsic", -4), ("extrinsic", 3)], [("fault", 2), ("fault", 2)]),
        ("Si", [("twin", 0)], [("twin", 1)]),
        ("GaAs", [("intrinsic", 0)], [("fault", 2)]),
        ("CdSe", [("I1", 0)], [("fault", 1)]),
        ("CdSe", [("I2", 0)], [("fault", 2)]),
        ("Au", [], []),
        ("CdSe", [], []),
    ],
)
def test_planar_faults_are_found_as_built(
    material: str, faults: list[tuple[str, int]], expected: list[tuple[str, int]]
) -> None:
    body = ball(Crystal(material).oriented((1, 1, 0)), 15)
    wave = wave_of(faulted(body, faults) if faults else body)
    found = planar_faults(grain(wave))
    assert sorted((fault.kind, fault.layers) for fault in found) == sorted(expected)


def test_planes_seen_edge_on_are_drawn_and_inclined_ones_not() -> None:
    edge_on = faulted(ball(Crystal("Au").oriented((1, -1, 0)), 15), [("twin", 0)])
    wave = wave_of(edge_on)
    (fault,) = planar_faults(grain(wave))
    assert fault.inclination == pytest.approx(0, abs=1e-6)
    drawn = label(wave, "planes")["planes"]
    assert set(np.unique(drawn)) == {0, 1}
    y, x = np.nonzero(drawn)
    off = (np.stack([x, y], axis=1) * 0.2 - fault.point[:2]) @ fault.normal[:2]
    assert np.abs(off).max() < 2.5
    along = (np.stack([x, y], axis=1) * 0.2 - fault.point[:2]) @ [-fault.normal[1], fault.normal[0]]
    assert np.ptp(along) > 22  # up to the surface, or nearly
    flat = wave_of(faulted(ball(Crystal("Au").oriented((1, 1, 1)), 15), [("twin", 0)]))
    assert planar_faults(grain(flat))[0].inclination == pytest.approx(90)
    assert not label(flat, "planes")["planes"].any()


@pytest.mark.parametrize("edge", [6, 8])  # in the small one, more atoms are on the twins than between them
def test_a_decahedron_has_five_twins(edge: int) -> None:
    wave = wave_of(decahedron("Au", edge, 2).translated((20, 20, 20)))
    found = planar_faults(grain(wave))
    assert [fault.kind for fault in found] == ["twin"] * 5
    angles = np.sort([np.degrees(np.arctan2(f.normal[1], f.normal[0])) % 180 for f in found])
    np.testing.assert_allclose(np.diff(angles), 36, atol=0.5)


def test_fringes_are_the_planes_of_the_lattice() -> None:
    zone = Crystal("Au").oriented((1, 1, 0), spin=31)
    found = fringes(wave_of(ball(zone, 14)))[0]
    assert found.spacing == pytest.approx(GOLD / sqrt(3), rel=0.02)
    directions = [np.degrees(np.arctan2(n[1], n[0])) % 180 for n in map(zone.normal, ((1, -1, 1), (-1, 1, 1)))]
    assert min(abs(found.azimuth - d) for d in directions) < 1.5
    assert found.area == pytest.approx(pi * 14**2, rel=0.1)
    # kinematic amplitude of a plane set seen edge on: twice the phase of V_111 = 19.06 V over the mean chord
    damping = np.exp(-2 * pi**2 * 0.0896**2 / 2.3546**2)
    assert found.amplitude == pytest.approx(2 * 6.52616e-4 * 19.06 * damping * 4 / 3 * 14, rel=0.12)
    assert fringes(wave_of(ball(zone, 14)), finest=2.5)[0].amplitude < 0.1


def test_fringes_fade_as_atoms_vibrate() -> None:
    wave = wave_of(ball(Crystal("Au").oriented((1, 1, 0)), 12))
    still = fringes(replace(wave, record={"thermal": False}))[0]
    atoms = grain(wave)
    wide = replace(wave, structure=replace(atoms, thermal=np.full(len(atoms), 0.2)))
    assert fringes(wide)[0].amplitude == pytest.approx(
        still.amplitude * np.exp(-2 * pi**2 * 0.04 / still.spacing**2), rel=1e-6
    )
    warm, hot = (fringes(replace(wave, record={"temperature": t}))[0].amplitude for t in (300.0, 900.0))
    assert warm == pytest.approx(fringes(wave)[0].amplitude)
    assert hot < warm < still.amplitude


def test_labels_stand_where_particles_are_under_a_tilted_beam() -> None:
    atoms = Scene([ball(Crystal("Au"), 8, (20, 20, 10))], (40, 40, 60), 1.5).build(seed=1)
    wave = scatter(atoms, sampling=0.25, thermal=False, tilt_x=60.0)
    y, x = np.nonzero(label(wave, "phase")["phase"])
    assert (y.mean() * 0.25, x.mean() * 0.25) == pytest.approx((20.0, 20.0), abs=0.5)  # not 50 Å · 0.06 = 3 Å aside


def test_lattice_and_orientation_maps() -> None:
    on = ball(Crystal("Au").oriented((1, 1, 0)), 9, (10, 20, 12))
    off = ball(Crystal("Au").oriented((7, 4, 2), spin=50), 9, (30, 20, 28))
    wave = wave_of(on, off)
    strong, weak = (one.amplitude for one in fringes(wave))
    assert strong > 1.2 * weak
    between = {"threshold": (strong + weak) / 2}
    visible = label(wave, {"rule": "lattice"} | between)["lattice"]
    assert visible[100, 50] == 2
    assert visible[100, 150] == 1
    assert set(np.unique(visible)) == {0, 1, 2}
    azimuth = label(wave, {"rule": "orientation"} | between)["orientation"]
    assert azimuth[100, 150] == azimuth[0, 0] == -1
    assert azimuth[100, 50] == pytest.approx(fringes(wave)[0].azimuth)


@pytest.mark.parametrize(
    ("material", "zone"),
    [("Au", (1, 1, 0)), ("Au", (1, 1, 2)), ("CdSe", (0, 0, 1)), ("CdSe", (2, 1, 0)), ("Si", (1, 0, 0))],
)
def test_orientations_are_those_of_the_crystal(material: str, zone: tuple[int, int, int]) -> None:
    crystal = Crystal(material).oriented(zone, spin=23)
    found = orientation(grain(wave_of(ball(crystal, 13))), [material])
    assert found is not None
    assert found.tilt < 0.05
    assert found.strain < 0.01
    wanted = np.linalg.norm(np.array(zone) @ crystal.material.lattice)
    assert np.linalg.norm(np.array(found.zone_axis) @ crystal.material.lattice) == pytest.approx(wanted, rel=1e-6)
    # the rotation carries lattice points of the crystal onto lattice points
    apart = crystal.material.lattice @ found.matrix.T @ np.linalg.inv(crystal.lattice)
    halves = 2 * apart if material in ("Au", "Si") else apart  # face-centred cells have translations of halves
    np.testing.assert_allclose(halves, np.round(halves), atol=0.02)


def test_other_crystals_have_no_orientation() -> None:
    atoms = grain(wave_of(ball(Crystal("Au"), 10)))
    assert orientation(atoms, ["Si"]) is None
    assert orientation(atoms, ["Cu"]) is None


def test_layers_hold_every_particle_whole() -> None:
    low, high = ball(Crystal("Au"), 8, (15, 20, 10)), ball(Crystal("Au"), 8, (24, 20, 29))
    wave = wave_of(low, high)
    top, below, third = (Instances(layer=i).compute(wave) for i in range(3))
    alone = [Instances().compute(wave_of(one)) > 0 for one in (low, high)]
    assert np.array_equal((top == 1) | (below == 1), alone[0])
    assert np.array_equal((top == 2) | (below == 2), alone[1])
    assert not third.any()
    assert (below[below > 0] == 1).all()  # the one nearer to the exit side is on top
    assert np.array_equal(Overlap().compute(wave), alone[0].astype(int) + alone[1])
    names = label(wave, ["instances", {"rule": "instances", "layer": 1}]).maps
    assert list(names) == ["instances", "instances-layer-1"]


def test_a_hull_is_that_of_its_points() -> None:
    wave = wave_of(ball(Crystal("Au"), 12))
    area = Hull(radius=0.0).compute(wave).sum() * 0.04
    wide = Hull(radius=1.0).compute(wave).sum() * 0.04
    assert area == pytest.approx(pi * 11.2**2, rel=0.05)
    assert sqrt(wide / pi) - sqrt(area / pi) == pytest.approx(1.0, abs=0.05)
    atom = Structure(
        positions=np.array([[20.0, 20.0, 20.0]]), numbers=np.array([79], np.int32), cell=np.diag([40.0] * 3),
        objects=np.zeros(1, np.int32), grains=np.zeros(1, np.int32), thermal=np.full(1, np.nan),
        names=("atom",), roles=("particle",),
    )  # fmt: skip
    one = ExitWave(torch.ones(1, 200, 200, dtype=torch.complex64), (0.2, 0.2), 3e5, structure=atom)
    assert Hull(radius=2.0).compute(one).sum() * 0.04 == pytest.approx(pi * 4, rel=0.05)
    assert not any(label(one, name)[name].any() for name in ("columns", "planes"))
    assert np.all(label(one, "orientation")["orientation"] == -1)


def test_the_bias_report_of_a_material_aware_rule() -> None:
    told = []
    report = bias_report(
        ["phase", "phase_thickness", "thickness"], seed=3, materials=("Au", "CdSe"), radii=(9.0,), draws=1,
        scattering=Scattering(sampling=0.25, configurations=1), progress=told.append,
    )  # fmt: skip
    table = report.table().set_index(["rule", "material"])["excess"]
    # at π/12 gold keeps its size and CdSe, below 28.6 Å of thickness, loses a good part of its own
    assert -1.5 < table["phase", "Au"] < 0
    assert table["phase", "CdSe"] < -2
    for name in ("phase_thickness", "thickness"):
        assert abs(table[name, "Au"]) < 0.9
        assert abs(table[name, "CdSe"]) < 0.9
    assert [step.done for step in told] == [1, 2]
    assert len(report.show().axes) == 2
    with pytest.raises(LabelError, match="give some above 0"):
        bias_report(seed=1, radii=(0.0,))


def test_phase_thickness_is_a_threshold_per_particle() -> None:
    wave = wave_of(ball(Crystal("Au"), 8, (10, 20, 20)), ball(Crystal("CdSe"), 8, (30, 20, 20)))
    from dataclasses import replace

    phase = torch.full((1, 200, 200), 0.15)
    flat = replace(wave, particle=torch.polar(torch.ones_like(phase), phase), structure=wave.structure)
    seen = PhaseThickness(minimum=9.0).compute(flat)
    assert seen[100, 150] == 1  # 9 Å of CdSe are 0.08 rad
    assert seen[100, 50] == 0  # and of gold 0.175


def test_rules_of_other_packages_are_found_by_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    class Everything(Rule):
        rule: Literal["everything"] = "everything"
        version: Literal[1] = 1

        def compute(self, wave: ExitWave) -> np.ndarray:
            return np.ones(wave.array.shape[1:], dtype=np.uint8)

    del RULES["everything"]
    module = ModuleType("labels_of_others")
    module.Everything, module.number = Everything, 7  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "labels_of_others", module)
    points = [
        EntryPoint(name, f"labels_of_others:{target}", "exitwave.labels")
        for name, target in (("everything", "Everything"), ("number", "number"), ("gone", "Gone"))
    ]

    def offered(**which: str) -> EntryPoints:
        return EntryPoints(points).select(**which)

    monkeypatch.setattr(base, "entry_points", offered)
    try:
        assert "everything" in base.rules()
        assert label(wave_of(), "everything")["everything"].all()
        with pytest.raises(SpecError, match="no subclass"):
            rule("number")
        with pytest.raises(SpecError, match="cannot be imported"):
            rule("gone")
        with pytest.raises(SpecError, match="did you mean everything"):
            rule("everythin")
    finally:
        RULES.pop("everything", None)


def test_maps_of_every_kind_are_shown() -> None:
    wave = wave_of(ball(Crystal("Au").oriented((1, 1, 0)), 12))
    maps = label(wave, ["columns", "column_peaks", "instances", "distance", "lattice"])
    for image in (None, np.ones((200, 200))):
        figure = maps.show(image)
        assert [axes.get_title() for axes in figure.axes[:5]] == list(maps.maps)
    assert Labels({"all": np.ones((4, 4), np.uint8)}, 0.2).show() is not None


def test_planes_go_over_the_border_of_the_field() -> None:
    areas = []
    for x, y in ((20.0, 20.0), (2.0, 3.0)):
        body = faulted(
            ball(Crystal("Au").oriented((1, -1, 0), spin=20), 14, (0, 0, 0)), [("twin", -3)], plane=(1, 1, 1)
        )
        wave = wave_of(body.translated((x, y, 20)), outside="wrap")
        (fault,) = planar_faults(grain(wave))
        assert fault.kind == "twin"
        areas.append((len(fault.atoms), int(np.count_nonzero(label(wave, "planes")["planes"]))))
    assert areas[0] == areas[1]


def test_particles_of_one_name_are_two() -> None:
    body = ball(Crystal("Au"), 8)
    atoms = grain(wave_of(body.translated((-9, 0, 0)), body.translated((9, 0, 0))))
    twice = replace(atoms, names=("ball", "ball"))
    blank = torch.ones(1, 200, 200, dtype=torch.complex64)
    waves = [ExitWave(blank, (0.2, 0.2), 3e5, structure=one) for one in (atoms, twice)]
    for name in ("instances", "projected"):
        apart, together = (label(wave, name)[name] for wave in waves)
        np.testing.assert_array_equal(apart, together)
