"""Scenes: who wins, how near atoms come, what happens at the border."""

import os
import subprocess
import sys
from itertools import product

import numpy as np
import pytest
from scipy.spatial import cKDTree

from exitwave.core import Stream, StructureError
from exitwave.structure import (
    Amorphous,
    Atoms,
    Box,
    Crystal,
    Empty,
    EmptyObjectWarning,
    Generator,
    Molecule,
    Scene,
    Sphere,
    Union,
    Volume,
)


class Points(Generator):
    """Atoms where it is told."""

    def __init__(self, positions, number=6):
        self.positions, self.number = np.array(positions, dtype=float), number

    def atoms(self, bounds, stream):
        return Atoms(self.positions, np.full(len(self.positions), self.number))


def shortest(structure, pairs=None, reach=1):
    """Return the least distance between atoms (of two sets, if asked), images included."""
    p = structure.positions
    one, other = (p, p) if pairs is None else (p[pairs[0]], p[pairs[1]])
    least = np.inf
    for n in product(*[range(-reach, reach + 1) if repeats else (0,) for repeats in structure.pbc]):
        itself = pairs is None and not any(n)
        found = cKDTree(other + np.array(n) @ structure.cell).query(one, k=2 if itself else 1)[0]
        least = min(least, found[:, 1].min() if itself else found.min())
    return least


def test_earlier_objects_win():
    ball = Volume(Crystal("Au"), Sphere(8, centre=(15, 15, 15)), name="ball")
    film = Volume(Amorphous("C"), Box(30, 30, 15), name="film")
    both = Scene([ball, film], (30, 30, 30), minimum_distance=None).build(seed=1)
    assert len(both.of(name="ball")) == len(Scene([ball], (30, 30, 30)).build(seed=1))
    carbon = both.of(name="film").positions
    assert not ball.region.contains(carbon).any()
    assert np.array_equal(np.unique(both.grains), [0, 1])
    other = Scene([film, ball], (30, 30, 30), minimum_distance=None).build(seed=1)
    assert not film.region.contains(other.of(name="ball").positions).any()


def test_empty_generator_carves_a_void():
    hole = Volume(Empty(), Sphere(6, centre=(10, 10, 5)), name="hole")
    made = Scene([hole, Volume(Amorphous("C"), Box(20, 20, 10))], (20, 20, 10), minimum_distance=None).build(seed=2)
    assert len(made.of(name="hole")) == 0
    assert np.linalg.norm(made.positions - (10, 10, 5), axis=1).min() > 6


@pytest.mark.parametrize("cell", [(24.0, 24.0, 20.0), ((24.0, 0, 0), (-9.0, 22.0, 0), (3.0, 2.0, 20.0))])
@pytest.mark.parametrize("outside", ["wrap", "cut", "keep"])
def test_minimum_distance_holds_for_all_pairs_and_images(cell, outside):
    objects = [
        Volume(Crystal("Au").oriented((1, 2, 3)), Sphere(7, centre=(2, 3, 10))),
        Volume(Amorphous("C"), Box(40, 40, 20, origin=(-10, -10, 0))),
    ]
    made = Scene(objects, cell, minimum_distance={"Au-C": 2.4, "C-C": 1.4}, outside=outside).build(seed=3)
    if outside == "keep":
        made = Scene(objects, cell, minimum_distance={"Au-C": 2.4}, outside=outside).build(seed=3)
    gold, carbon = made.numbers == 79, made.numbers == 6
    assert gold.sum() > 20
    assert carbon.sum() > 100
    assert shortest(made, (gold, carbon), reach=2) >= 2.4
    if outside == "wrap":
        assert shortest(made) >= 1.4 - 1e-9
        fractional = made.positions @ np.linalg.inv(made.cell)
        assert (fractional[:, :2] >= -1e-9).all()
        assert (fractional[:, :2] < 1).all()


@pytest.mark.filterwarnings("ignore::exitwave.structure.EmptyObjectWarning")
def test_rule_is_one_number_for_all_or_per_pair_or_covalent():
    pair = [Volume(Points([[5, 5, 5.0]], 79), Sphere(1e-3, (5, 5, 5)), name="a")]
    for gap, rule, stays in [
        (2.0, 1.9, True),
        (2.0, 2.1, False),
        (1.7, "contact", False),  # 0.85 × (1.36 + 0.76) Å = 1.80 Å
        (1.9, "contact", True),
        (0.5, None, True),
        (0.05, None, False),
        (1.9, {"Au-C": 1.8}, True),
        (1.9, {("C", "Au"): 2.0}, False),
        (1.9, {"Au-Au": 5.0}, True),
    ]:
        other = Volume(Points([[5 + gap, 5, 5]]), Sphere(1e-3, (5 + gap, 5, 5)), name="b")
        made = Scene([*pair, other], (10, 10, 10), minimum_distance=rule).build(seed=0)
        assert (len(made.of(name="b")) == 1) is stays, (gap, rule)


@pytest.mark.filterwarnings("ignore::exitwave.structure.EmptyObjectWarning")
def test_distance_rule_sees_the_periodic_image():
    a = Volume(Points([[0.2, 5, 5]]), Sphere(1e-3, (0.2, 5, 5)))
    b = Volume(Points([[9.8, 5, 5]]), Sphere(1e-3, (9.8, 5, 5)))
    assert len(Scene([a, b], (10, 10, 10), minimum_distance=1.0).build(seed=0)) == 1
    assert len(Scene([a, b], (10, 10, 10), minimum_distance=1.0, pbc=(False, True, True)).build(seed=0)) == 2


def test_atoms_of_one_grain_are_as_near_as_their_generator_says():
    dense = Volume(Crystal("C-diamond"), Sphere(4, (6, 6, 6)))
    made = Scene([dense], (12, 12, 12), minimum_distance=3.0).build(seed=0)
    assert len(made) == len(dense.atoms(Stream(0)))


def test_crystal_as_long_as_the_cell_has_no_doubled_faces():
    a = 4.0782
    made = Scene([Volume(Crystal("Au"), Box(4 * a, 4 * a, 3 * a))], (4 * a, 4 * a, 3 * a), pbc=(True,) * 3).build(
        seed=0
    )
    assert len(made) == 4 * 4 * 4 * 3
    assert shortest(made) == pytest.approx(a / 2**0.5)


def test_wrap_cut_and_keep():
    ball = Volume(Crystal("Au"), Sphere(6, centre=(1, 10, 10)), name="ball")
    made = {o: Scene([ball], (20, 20, 20), outside=o).build(seed=0) for o in ("wrap", "cut", "keep")}
    assert len(made["wrap"]) == len(made["keep"]) > len(made["cut"])
    assert made["keep"].positions[:, 0].min() < -1
    assert 0 <= made["cut"].positions[:, 0].min() <= made["wrap"].positions[:, 0].max() < 20


def test_wrapped_particle_pushes_the_film_aside_at_the_opposite_border():
    ball = Volume(Crystal("Au"), Sphere(6, centre=(1, 10, 5)), name="ball")
    film = Volume(Amorphous("C"), Box(20, 20, 10), name="film")
    carbon = (
        Scene([ball, film], (20, 20, 11.1), minimum_distance=None, pbc=(True, True, True))
        .build(seed=0)
        .of(name="film")
    )
    apart = carbon.positions - (1, 10, 5)
    apart -= np.round(apart / carbon.extent) * carbon.extent
    assert np.linalg.norm(apart, axis=1).min() > 6


def test_unions_are_one_object_of_several_grains_and_move_as_one():
    left = Volume(Crystal("Au"), Box(8, 8, 8, origin=(0, 0, 0)))
    right = Volume(Crystal("Au").oriented((1, 1, 1)), Box(8, 8, 8, origin=(6, 0, 0)))
    pair = Union([left, right], name="pair", role="particle")
    made = Scene([pair], (30, 30, 30)).build(seed=0)
    assert made.names == ("pair",)
    assert len(np.unique(made.grains)) == 2
    assert not left.region.contains(made.positions[made.grains == 1]).any()
    moved = Scene([pair.translated((3, 4, 5))], (30, 30, 30)).build(seed=0)
    assert np.allclose(moved.positions, np.array([3, 4, 5]) + made.positions)
    turned = pair.rotated((0, 0, 1), 90)
    assert np.allclose(turned.centre, pair.centre)


def test_resting_on_a_film():
    film = Volume(Amorphous("C"), Box(40, 60, 20, origin=(0, 0, 30)))
    ball = Volume(Crystal("Au"), Sphere(8, centre=(99, 99, 99)))
    assert np.allclose(ball.resting_on(film, depth=3).centre, (20, 30, 50 - 3 + 8))
    assert np.allclose(ball.resting_on(film, depth=3, side="entrance", at=(1, 2)).centre, (1, 2, 30 + 3 - 8))
    with pytest.raises(StructureError, match="entrance or exit"):
        ball.resting_on(film, side="top")


def test_molecules_keep_their_shape_under_rotation():
    water = Molecule.from_ase("H2O")
    volume = Volume(water, Sphere(3)).rotated((1, 2, 3), 70).translated((5, 5, 5))
    made = Scene([volume], (10, 10, 10)).build(seed=0)
    assert made.formula == "H 66.7 % O 33.3 %"
    before, after = water.positions, made.positions
    assert np.allclose(np.linalg.norm(before[0] - before[1]), np.linalg.norm(after[0] - after[1]))


def test_default_names_follow_roles_and_do_not_collide():
    ball = Volume(Crystal("Au"), Sphere(2, (5, 5, 5)), role="particle")
    scene = Scene([ball, ball.named("particle-0"), ball.named(""), ball.named("", "other")], (10, 10, 10))
    assert scene.names == ("particle-1", "particle-0", "particle-2", "object-0")


CODE = """
import hashlib, numpy as np
from exitwave.structure import *
film = Volume(Amorphous("SiO2"), Box(20, 20, 10), role="support")
ball = Volume(Crystal("CdSe"), Sphere(6), role="particle").resting_on(film, depth=2)
made = Scene([ball, film], (20, 20, 24), minimum_distance={"Cd-O": 2.0, "Se-Si": 2.1}).build(seed=4)
print(hashlib.sha256(made.positions.tobytes() + made.numbers.tobytes()).hexdigest())
"""


def test_atoms_do_not_depend_on_the_hash_seed():
    runs = [
        subprocess.run(
            [sys.executable, "-c", CODE],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "77")
    ]
    assert runs[0] == runs[1]


BALL = Volume(Crystal("Au"), Sphere(5, (10, 10, 10)), name="ball")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Scene([BALL, BALL], (20, 20, 20)), "two objects are called 'ball'"),
        (lambda: Scene([Sphere(3)], (20, 20, 20)), "an object is a Volume or a Union"),
        (lambda: Scene([BALL], (20, 20)), "three lengths above 0"),
        (lambda: Scene([BALL], (20, 20, 0)), "three lengths above 0"),
        (lambda: Scene([BALL], ((1, 0, 0), (2, 0, 0), (0, 0, 1))), "span a volume"),
        (lambda: Scene([BALL], (20, 20, 20), outside="drop"), "one of wrap, cut, keep"),
        (lambda: Scene([BALL], (20, 20, 20), minimum_distance=-1), "0 or more"),
        (lambda: Scene([BALL], (20, 20, 20), minimum_distance={"AuC": 2}), "'Au-C'"),
        (lambda: Scene([BALL], (20, 20, 20), minimum_distance={"Au-Xx": 2}), "species is 'Xx'"),
        (lambda: Scene([BALL], (20, 20, 20), minimum_distance="near"), "'contact'"),
        (lambda: Scene([BALL], (20, 20, 20)).build(), "one of the two"),
        (lambda: Scene([BALL], (20, 20, 12)).build(seed=0), "ball sticks out of the cell along its c vector"),
        (lambda: Volume("Au", Sphere(3)), "generator is 'Au'"),
        (lambda: Volume(Crystal("Au"), "ball"), "region is 'ball'"),
        (lambda: Volume(Crystal("Au"), Sphere(3), role="thing"), "particle, support, other"),
        (lambda: Union([]), "one or more"),
    ],
)
def test_impossible_scenes_are_refused(make, words):
    with pytest.raises(StructureError, match=words):
        make()


@pytest.mark.parametrize("name", ["ZnO", "C-diamond", "Au"])
def test_a_rule_between_objects_takes_no_atoms_from_a_faulted_one(name):
    from exitwave.structure.prefabs import twinned

    ball = Volume(Crystal(name), Sphere(14, centre=(20, 20, 20)))
    counts = [
        len(Scene([twinned(ball)], (40, 40, 40), minimum_distance=rule).build(seed=1))
        for rule in (None, "contact", 2.0)
    ]
    assert counts[0] == counts[1] == counts[2]


def test_an_object_that_loses_all_its_atoms_is_told():
    gold = Volume(Crystal("Au"), Sphere(8, (15, 15, 15)), name="gold")
    silver = Volume(Crystal("Ag"), Sphere(7, (15, 15, 15)), name="silver")
    film = Volume(Amorphous("C"), Box(30, 30, 5), name="film")
    with pytest.warns(EmptyObjectWarning, match="silver has no atoms left"):
        made = Scene([gold, silver], (30, 30, 30)).build(seed=1)
    assert len(made.of(name="silver")) == 0
    with pytest.warns(EmptyObjectWarning, match="film has no atoms left"):
        Scene([gold, film], (30, 30, 30), minimum_distance=1000).build(seed=1)
    # voids and what is out of the field of view are no mistakes
    away = Volume(Crystal("Au"), Sphere(5, (60, 15, 15)))
    void = Volume(Empty(), Sphere(5, (15, 15, 15)))
    assert len(Scene([void, gold, away], (30, 30, 30), outside="cut").build(seed=1)) > 50


def test_an_object_in_two_places_of_precedence_is_refused():
    ball = Volume(Crystal("Au"), Sphere(5))
    with pytest.raises(StructureError, match="object 1 is given twice"):
        Scene([ball, ball], (20, 20, 20))
