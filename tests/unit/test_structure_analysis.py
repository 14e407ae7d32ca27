"""Orientations drawn and named, and the thickness of what is there."""

import numpy as np
import pytest

from exitwave.core import Stream, StructureError
from exitwave.structure import Amorphous, Box, Crystal, Graded, Scene, Sphere, Volume, orientations, zone_axis
from exitwave.structure.analysis import thickness_map


def test_orientations_of_a_zone_axis_and_a_cone():
    crystal = Crystal("CdSe")
    exact = orientations(crystal, 4, seed=1, zone_axis=(1, 1, 0), spin=25)
    assert all(
        np.allclose(one.transform.matrix, crystal.oriented((1, 1, 0), spin=25).transform.matrix) for one in exact
    )
    drawn = orientations(crystal, 400, stream=Stream(3), zone_axis=(0, 0, 1), cone=20)
    ways = np.array([one.direction((0, 0, 1)) for one in drawn])
    assert np.degrees(np.arccos(ways[:, 2])).max() <= 20 + 1e-9
    # evenly over the cap: the cosine is uniform, with a mean half way; five standard errors
    share = (1 - ways[:, 2]) / (1 - np.cos(np.radians(20)))
    assert abs(share.mean() - 0.5) < 5 * 12**-0.5 / 400**0.5
    assert np.abs(ways[:, :2].mean(axis=0)).max() < 5 * np.sin(np.radians(20)) / 400**0.5
    spins = [np.arctan2(*one.direction((1, 0, 0))[1::-1]) for one in drawn]
    assert abs(np.exp(1j * np.array(spins)).mean()) < 5 / 400**0.5


def test_all_orientations_are_uniform():
    turns = np.array([one.transform.matrix for one in orientations(Crystal("Au"), 600, seed=2)])
    assert np.abs(turns.mean(axis=0)).max() < 5 * 3**-0.5 / 600**0.5
    assert np.abs(turns.var(axis=0) - 1 / 3).max() < 0.07
    assert np.array_equal(turns, [one.transform.matrix for one in orientations(Crystal("Au"), 600, seed=2)])


def test_a_zone_axis_is_named():
    for uvw in [(0, 0, 1), (1, 1, 0), (-1, 1, 2), (3, -2, 1)]:
        assert zone_axis(Crystal("CdSe").oriented(uvw, spin=7))[0] == uvw
    tilted = orientations(Crystal("Au"), 1, seed=5, zone_axis=(1, 1, 1), cone=4)[0]
    name, tilt = zone_axis(tilted, largest=1)
    assert name == (1, 1, 1)
    assert tilt == pytest.approx(np.degrees(np.arccos(tilted.direction((1, 1, 1))[2])), abs=1e-6)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "give one of the two"),
        ({"seed": 1, "cone": 200}, "cone is 200"),
        ({"seed": 1, "cone": 5}, "about a zone axis"),
        ({"seed": 1, "zone_axis": (0, 0, 1), "spin": np.nan}, "spin is nan"),
        ({"seed": 1, "count": -2}, "count is -2"),
    ],
)
def test_orientations_that_make_no_sense(fields, said):
    with pytest.raises(StructureError, match=said):
        orientations(Crystal("Au"), **({"count": 1} | fields))


@pytest.mark.parametrize(("material", "radius"), [("Au", 18.0), ("CdSe", 15.0), ("MgO", 8.0)])
def test_the_thickness_of_a_ball_is_its_chord_and_its_integral_the_volume(material, radius):
    ball = Scene([Volume(Crystal(material), Sphere(radius, (25, 30, 20)))], (50, 60, 40)).build(seed=1)
    thickness = thickness_map(ball, 0.5, blur=1.5)
    assert thickness.shape == (120, 100)
    crystal = Crystal(material)
    per_atom = abs(np.linalg.det(crystal.lattice)) / len(crystal.sites)
    assert thickness.mean() * 3000 == pytest.approx(len(ball) * per_atom, rel=0.03)
    # beside the rim, where the blur is felt; the last planes lie up to half a spacing within
    y, x = np.mgrid[:120, :100] * 0.5
    chord = 2 * np.sqrt(np.maximum(radius**2 - (x - 25) ** 2 - (y - 30) ** 2, 0))
    inside = chord > 1.4 * radius
    assert np.abs(thickness - chord)[inside].mean() < max(0.09 * radius, 1.0)
    away = np.hypot(x - 25, y - 30) > radius + 6
    assert thickness[away].max() < 0.1


def test_thickness_adds_up_over_objects_and_ends_at_open_borders():
    film = Volume(Amorphous("C"), Box(40, 40, 25), role="support")
    ball = Volume(Crystal("Au"), Sphere(8), role="particle").resting_on(film)
    made = Scene([ball, film], (40, 40, 45)).build(seed=1)
    parts = [thickness_map(made.of(role=role)) for role in ("particle", "support")]
    assert np.allclose(thickness_map(made), sum(parts))
    assert parts[1].mean() == pytest.approx(25, rel=0.04)
    alone = Scene([film], (40, 40, 25), pbc=(False,) * 3).build(seed=1)
    assert thickness_map(alone).mean() < parts[1].mean() - 0.5
    with pytest.raises(StructureError, match="sampling is 0"):
        thickness_map(made, 0)
    slanted = Scene([film], [[40, 0, 0], [10, 40, 0], [0, 0, 25]], outside="cut").build(seed=1)
    with pytest.raises(StructureError, match="slanted"):
        thickness_map(slanted)


def test_gradients_of_composition_move_with_their_volume():
    ball = Volume(Crystal("Au"), Sphere(12)).modified(Graded.radial("Au", by="Ag", centre=(0, 0, 0), radii=(5, 9)))
    here, moved = ball, ball.rotated((1, 2, 3), 40).translated((30, 5, -7)).translated((1, 1, 1))
    a, b = here.atoms(Stream(1)), moved.atoms(Stream(1))
    distance = np.linalg.norm(b.positions - [31, 6, -6], axis=1)
    assert set(b.numbers[distance < 5].tolist()) == {79}
    assert set(b.numbers[distance > 9].tolist()) == {47}
    assert abs(len(a) - len(b)) < 30
