"""Published numbers of shells, magic counts, planar faults and packings."""

import numpy as np
import pytest

from exitwave.core import Stream, StructureError
from exitwave.structure import Amorphous, Box, Crystal, Scene, Sphere, Structure, Volume, quaternion, rotation
from exitwave.structure.analysis import (
    CLASSES,
    common_neighbour_classes,
    coordination,
    neighbours,
    radial_distribution,
)
from exitwave.structure.prefabs import faulted, randomly_faulted, twinned
from exitwave.structure.prefabs.faults import layers_of

A = 4.0782


def build(body, minimum_distance=None):
    low, high = body.bounds()
    moved = body.translated(5 - low)
    return Scene([moved], high - low + 10, minimum_distance=minimum_distance).build(seed=1)


def layers(structure, normal, spacing, kind):
    """Return how many layers along the normal hold atoms of a class."""
    found = common_neighbour_classes(structure) == CLASSES.index(kind)
    heights = np.round(structure.positions[found] @ normal / spacing, 2)
    return len(np.unique(np.round((heights - heights.min()) if len(heights) else heights)))


def test_gold_spheres_have_the_right_number_of_atoms():
    for radius, count in ((20, 1976), (40, 15810)):
        found = len(Volume(Crystal("Au"), Sphere(radius)).atoms(Stream(0)))
        assert found == pytest.approx(count, abs=3 * radius)


def test_shells_of_gold():
    gold = Scene([Volume(Crystal("Au"), Box(5 * A, 5 * A, 5 * A))], (5 * A,) * 3, pbc=(True,) * 3).build(seed=0)
    found = neighbours(gold, 8.2)
    distances = found.distances[found.centres == 0]
    shells, counts = np.unique(distances.round(3), return_counts=True)
    expected = [2.8837, 4.0782, 4.9948, 5.7675, 6.4482, 7.0637, 7.6296, 8.1564]
    assert shells == pytest.approx(expected, abs=1e-3)
    assert counts.tolist() == [12, 6, 24, 12, 24, 8, 48, 6]


@pytest.mark.parametrize("place", [(0, 0, 0), (123.4, -77.7, 41.1)])
@pytest.mark.parametrize("plane", [(1, 1, 1), (-1, 1, 1), (1, -1, 1), (-1, -1, 1), (-1, -1, -1)])
def test_faults_have_their_hcp_layers_anywhere(place, plane):
    crystal = Crystal("Au").rotated(quaternion((1, -2, 3, 0.5))).translated((0.4, 1.3, -0.8))
    ball = Volume(crystal, Sphere(17, centre=place))
    normal = crystal.normal(plane)
    for faults, hcp in (
        ([], 0),
        ([("twin", 0)], 1),
        ([("intrinsic", 1)], 2),
        ([("extrinsic", -1)], 2),
        ([("twin", -3), ("intrinsic", 2)], 3),
    ):
        made = build(faulted(ball, faults, plane=plane) if faults else ball)
        assert layers(made, normal, A / 3**0.5, "hcp") == hcp
        assert neighbours(made, 3.2).distances.min() == pytest.approx(A / 2**0.5)
        assert len(made) == pytest.approx(len(ball.atoms(Stream(0))), abs=25)


def test_twin_halves_mirror_each_other():
    made = build(twinned(Volume(Crystal("Au"), Sphere(15)), plane=(1, 1, 1)))
    assert len(np.unique(made.grains)) == 2
    normal = np.ones(3) / 3**0.5
    # the grain above is the one below, mirrored: the orientation of its bonds is turned by 180° about the normal
    found = neighbours(made, 3.0)
    bonds = [found.vectors[made.grains[found.centres] == g] for g in (0, 1)]
    inner = [np.unique(b[np.abs(b @ normal) > 1].round(2), axis=0) for b in bonds]
    turned = rotation(normal, 180).directions(inner[0]).round(2)
    shared = {tuple(v) for v in (turned + 0).tolist()} & {tuple(v) for v in (inner[1] + 0).tolist()}
    assert len(shared) == 6


def test_zincblende_and_diamond_faults_keep_every_bond():
    for name, length in (("Si", 2.3517), ("GaAs", 2.448)):
        for plane in ((1, 1, 1), (-1, -1, -1), (1, -1, 1)):
            for kind in ("twin", "intrinsic", "extrinsic"):
                ball = Volume(Crystal(name).rotated(quaternion((3, 1, 0, 2))), Sphere(13, centre=(4, 5, 6)))
                made = build(faulted(ball, [(kind, 0)], plane=plane))
                found = neighbours(made, 2.6)
                assert found.distances.min() == pytest.approx(length, abs=1e-3)
                centre = made.positions.mean(axis=0)
                deep = np.linalg.norm(made.positions - centre, axis=1) < 8
                assert (found.counts[deep] == 4).all()


@pytest.mark.parametrize(("kind", "cubic_layers"), [("I1", 1), ("I2", 2), ("E", 3)])
@pytest.mark.parametrize("plane", [(0, 0, 1), (0, 0, -1)])
def test_wurtzite_faults_have_their_cubic_layers(kind, cubic_layers, plane):
    crystal = Crystal("CdSe").rotated(quaternion((1, 2, 3, 4)))
    made = build(faulted(Volume(crystal, Sphere(18, centre=(9, 9, 9))), [(kind, 0)], plane=plane))
    cations = made.select(made.numbers == 48)
    assert layers(cations, crystal.normal(plane), 7.0152 / 2, "fcc") == cubic_layers
    assert neighbours(made, 3.0).distances.min() == pytest.approx(2.6307, abs=1e-3)


def test_random_faults_keep_their_separation_and_their_number():
    ball = Volume(Crystal("Au"), Sphere(30))
    for seed in range(5):
        union = randomly_faulted(ball, 4, Stream(seed), kinds=("twin",), separation=4)
        assert len(union.parts) == 5
        made = build(union)
        assert layers(made, np.ones(3) / 3**0.5, A / 3**0.5, "hcp") == 4
    assert randomly_faulted(ball, 0, Stream(1)) is ball


def test_faults_that_do_not_fit_are_refused():
    ball = Volume(Crystal("Au"), Sphere(6))
    for make, words in (
        (lambda: randomly_faulted(ball, 9, Stream(1)), "9 planar defects at least 3 layers apart do not fit into"),
        (lambda: faulted(ball, [("twin", 0), ("twin", 1)]), "nearer than 3 layers"),
        (lambda: faulted(ball, [("twin", 40)]), r"layers go from -\d to \d"),
        (lambda: faulted(ball, [("kink", 0)]), "one of twin, intrinsic, extrinsic"),
        (lambda: faulted(ball, [("twin", 0)], plane=(1, 1, 0)), r"planar faults are made on \{111\} of fcc"),
        (lambda: faulted(Volume(Crystal("MgO"), Sphere(6)), [("twin", 0)]), "planar faults are made on"),
        (lambda: faulted(Volume(Amorphous("C"), Sphere(6)), [("twin", 0)]), "planar faults are made in a Crystal"),
        (lambda: twinned(ball, count=0), "1 or more"),
        (lambda: twinned(ball, count=9), "do not fit"),
    ):
        with pytest.raises(StructureError, match=words):
            make()
    first, last = layers_of(ball)
    assert (first, last) == (-2, 2)


def test_common_neighbour_classes_of_perfect_crystals():
    for name, kind, size in (("Au", "fcc", (4.0782,) * 3), ("Fe", "bcc", (2.8665,) * 3)):
        made = Scene(
            [Volume(Crystal(name), Box(*[4 * s for s in size]))], [4 * s for s in size], pbc=(True,) * 3
        ).build(seed=0)
        cutoff = 1.207 * 2.8665 if name == "Fe" else None
        assert {CLASSES[c] for c in common_neighbour_classes(made, cutoff)} == {kind}


COORDINATION = {  # of the elements in the order of their atomic numbers, every value that occurs
    "Au": [{12}],
    "Fe": [{8}],
    "Si": [{4}],
    "CdSe": [{4}, {4}],
    "ZnO": [{4}, {4}],
    "PbS": [{6}, {6}],
    "MgO": [{6}, {6}],
    "CeO2": [{4}, {8}],
    "TiO2-rutile": [{3}, {6}],
    "TiO2-anatase": [{3}, {6}],
    "Co3O4": [{4}, {4, 6}],
    "Mn3O4": [{4}, {4}],  # of the six around half of the Mn, two are 1.18 times as far
    "SrTiO3": [{2}, {6}, {12}],
    "MoS2": [{3}, {6}],
    "graphite": [{3}],
}


@pytest.mark.parametrize("name", COORDINATION)
def test_coordination_of_the_materials(name):
    row = Crystal(name).material
    count = len(row.numbers)
    made = Structure(
        positions=row.basis @ row.lattice,
        numbers=row.numbers,
        cell=row.lattice,
        objects=np.zeros(count, np.int32),
        grains=np.zeros(count, np.int32),
        thermal=row.thermal,
        names=("crystal",),
        roles=("other",),
        pbc=(True, True, True),
    )
    found = coordination(made)
    assert [set(found[made.numbers == z].tolist()) for z in np.unique(made.numbers)] == COORDINATION[name]


def test_coordination_inside_a_particle_and_of_lone_atoms():
    made = build(Volume(Crystal("CdSe"), Sphere(14)))
    deep = np.linalg.norm(made.positions - made.positions.mean(axis=0), axis=1) < 9
    assert set(coordination(made)[deep]) == {4}
    assert coordination(made.select(np.flatnonzero(deep)[:1])).tolist() == [0]
    assert coordination(made.select(np.zeros(len(made), dtype=bool))).tolist() == []


def test_radial_distribution_equals_brute_force_and_goes_to_one():
    film = Scene([Volume(Amorphous("SiO2"), Box(22, 20, 18))], (22, 20, 18)).build(seed=2)
    found = radial_distribution(film, cutoff=7, bins=70)
    counts = {}
    shifts = [np.array((i, j, 0)) * (22, 20, 18) for i in (-1, 0, 1) for j in (-1, 0, 1)]
    for a, za in (("Si", 14), ("O", 8)):
        for b, zb in (("Si", 14), ("O", 8)):
            p, q = film.positions[film.numbers == za], film.positions[film.numbers == zb]
            d = np.concatenate([np.linalg.norm(p[:, None] - q[None] - s, axis=-1).ravel() for s in shifts])
            counts[a, b] = np.cumsum(np.histogram(d[d > 0], bins=70, range=(0, 7))[0]) / len(p)
            assert np.allclose(found.coordination[f"{a}-{b}"], counts[a, b])
    assert np.allclose(found.pairs["Si-O"], found.pairs["O-Si"])
    assert found.total[-20:].mean() == pytest.approx(1, abs=0.02)
    assert found.total[: int(1.5 / 0.1)].max() == 0


def test_packed_carbon_is_dense_flat_and_different_each_time():
    film = Scene([Volume(Amorphous("C", density=2.2, minimum_distance=1.4), Box(50, 50, 30))], (50, 50, 30))
    made = film.build(seed=1)
    assert len(made) / 75000 == pytest.approx(0.1103, rel=0.005)
    found = radial_distribution(made, cutoff=10)
    assert found.total[found.distance < 1.4].max() == 0
    # a packing has no shells: beyond the contact it is flat
    assert np.abs(found.total[(found.distance > 3)] - 1).max() < 0.06
    assert len(np.intersect1d(made.positions[:, 0], film.build(seed=2).positions[:, 0])) == 0
    # and no skin: the faces are as dense as the inside
    slices = np.histogram(made.positions[:, 2], bins=15, range=(0, 30))[0]
    assert np.abs(slices / slices.mean() - 1).max() < 5 / slices.mean() ** 0.5
