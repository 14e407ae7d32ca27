"""The fourteen things that Construction Zone gets wrong, each with its right value."""

import time
import tracemalloc

import numpy as np
import pytest
from ase.data import covalent_radii
from ase.io import read as read_ase
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from exitwave.core import Stream, StructureError
from exitwave.structure import (
    Amorphous,
    Box,
    Crystal,
    Molecule,
    NetworkCarbon,
    Scene,
    Sphere,
    Strained,
    Volume,
    adsorbed,
    align,
    euler,
    quaternion,
    rotation_between,
    surface_atoms,
    translation,
)
from exitwave.structure.analysis import (
    CLASSES,
    common_neighbour_classes,
    coordination,
    neighbours,
    radial_distribution,
)
from exitwave.structure.prefabs import decahedron, faulted, icosahedron, twinned, wulff

A = 4.0782
GOLD = Crystal("Au")


def alone(body, pad=5.0):
    low, high = body.bounds()
    return Scene([body.translated(pad - low)], high - low + 2 * pad).build(seed=1)


def test_1_rows_of_the_lattice_are_its_vectors():
    layer = [(1 / 3, 2 / 3, 0.25), (1 / 3, 2 / 3, 0.135), (1 / 3, 2 / 3, 0.365)]
    sheet = Crystal.from_cell((3.19, 3.19, 14.88, 90, 90, 120), layer, ["Mo", "S", "S"])
    made = alone(Volume(sheet, Box(30, 30, 10)))
    molybdenum = made.select(made.numbers == 42)
    assert neighbours(molybdenum, 3.4).distances == pytest.approx(3.190)
    assert neighbours(molybdenum, 3.4).counts.max() == 6


@pytest.mark.parametrize("limits", [{"Au-C": 2.0}, {"Au-C": 2.6, "C-C": 1.4}])
def test_2_atoms_of_two_objects_keep_their_distance(limits):
    film = Volume(Amorphous("C"), Box(30, 30, 15), role="support")
    ball = Volume(GOLD, Sphere(9), role="particle").resting_on(film, depth=8, at=(1.0, 29.0))
    made = Scene([ball, film], (30, 30, 40), minimum_distance=limits).build(seed=3)
    gold, carbon = (made.positions[made.numbers == z] for z in (79, 6))
    images = [carbon + np.array([i * 30, j * 30, 0]) for i in (-1, 0, 1) for j in (-1, 0, 1)]
    nearest = cKDTree(np.concatenate(images)).query(gold)[0].min()
    assert limits["Au-C"] <= nearest < limits["Au-C"] + 0.2


@pytest.mark.parametrize("origin", [(0, 0, 0), (7.3, -4.1, 22.0)])
@pytest.mark.parametrize("density", [1.9, 2.2])
def test_3_films_are_exact_seeded_and_have_the_shells_of_carbon(origin, density):
    size = np.array([31.0, 28.0, 20.0])
    made = [
        Scene([Volume(kind, Box(*size, origin=origin))], (31, 28, 80), minimum_distance=None, outside="keep").build(
            seed=s
        )
        for kind, s in ((Amorphous("C", density), 1), (Amorphous("C", density), 2), (NetworkCarbon(density), 1))
    ]
    for film, least in zip(made, (1.4, 1.4, 1.2), strict=True):
        assert len(film) * 12.011 * 1.66053907 / size.prod() == pytest.approx(density, rel=0.005)
        assert (film.positions >= np.array(origin) - 1e-9).all()
        assert (film.positions <= np.array(origin) + size + 1e-9).all()
        shifted = np.column_stack(
            [(film.positions[:, :2] - origin[:2]) % size[:2] % size[:2], film.positions[:, 2] + 50]
        )
        assert cKDTree(shifted, boxsize=[31, 28, 500]).query(shifted, k=2)[0][:, 1].min() >= least - 1e-9
    assert not np.intersect1d(made[0].positions[:, 0], made[1].positions[:, 0]).size
    found = radial_distribution(made[2], 4.0, 80)
    first, second = found.distance < 1.9, found.distance > 2.2
    assert found.distance[first][np.argmax(found.total[first])] == pytest.approx(1.47, abs=0.06)
    assert found.distance[second][np.argmax(found.total[second])] == pytest.approx(2.52, abs=0.1)


def test_4_the_radial_distribution_counts_every_pair():
    size = (5 * A, 5 * A, 5 * A)
    gold = Scene([Volume(GOLD, Box(*size))], size, pbc=(True,) * 3).build(seed=1)
    found = radial_distribution(gold, 10.0, 400)
    for radius, count in ((3.5, 12), (4.5, 18), (5.4, 42), (6.1, 54), (6.75, 78), (7.3, 86), (7.9, 134), (8.3, 140)):
        assert found.coordination["Au-Au"][np.searchsorted(found.distance, radius)] == pytest.approx(count)


lattices = st.sampled_from(["Au", "Fe", "Si", "CdSe", "MoS2", "TiO2-anatase", "Mn3O4", "SrTiO3", "graphite"])
index = st.integers(-3, 3)
number = st.floats(-9, 9)
small = st.floats(-0.1, 0.1)


@settings(max_examples=50, deadline=None)
@given(
    lattices,
    st.tuples(index, index, index).filter(any),
    st.tuples(number, number, number),
    st.tuples(number, number, number),
    st.lists(small, min_size=9, max_size=9),
    st.tuples(number, number, number, st.floats(0.5, 9)),
)
@example(
    "MoS2", (3, 3, 1), (0.0, 0.0, 0.0), (6.0, 5.75, -2.25), [0.0] * 5 + [0.09375] + [0.0] * 3, (8.0, -3.0, 3.0, 8.0)
)
def test_5_planes_are_snapped_exactly(name, hkl, origin, point, strain, turn):
    crystal = Crystal(name).strained(np.reshape(strain, (3, 3))).rotated(quaternion(turn)).translated(origin)
    normal, spacing = crystal.normal(hkl), crystal.spacing(np.array(hkl) // np.gcd.reduce(hkl))
    # a block around the point holds every atom of the cell; their planes repeat, also where the block misses some
    atoms = crystal.atoms(_around(point, 14.0)).positions
    phases = np.unique((((atoms - np.array(point)) @ normal) % spacing).round(6))
    heights = np.concatenate([phases - 2 * spacing, phases - spacing, phases, phases + spacing])
    planes = {side: crystal.snapped(hkl, point, side) for side in ("nearest", "toward", "away")}
    at = {side: float((plane.point - np.array(point)) @ normal) for side, plane in planes.items()}
    assert all(np.allclose(plane.normal, normal) for plane in planes.values())
    assert (
        at["nearest"] == pytest.approx(heights[np.argmin(np.abs(heights))], abs=2e-6)
        or abs(abs(at["nearest"]) - np.abs(heights).min()) < 2e-6
    )
    assert at["toward"] == pytest.approx(heights[heights <= 2e-6].max(), abs=4e-6)
    assert at["away"] == pytest.approx(heights[heights >= -2e-6].min(), abs=4e-6)
    assert abs(at["nearest"]) <= spacing / 2 + 1e-6


def _around(point, radius):
    from exitwave.structure import Bounds

    return Bounds(np.array(point) - radius, np.array(point) + radius)


def test_5_planes_of_one_element_and_planes_that_are_none():
    crystal = Crystal("CdSe").translated((0.3, 0.7, 1.1))
    for species, z in (("Cd", 48), ("Se", 34)):
        plane = crystal.snapped((0, 0, 1), (0, 0, 9.0), species=species)
        slab = Volume(crystal, Box(20, 20, 20) & plane).atoms(Stream(1))
        assert set(slab.numbers[slab.positions[:, 2] > slab.positions[:, 2].max() - 0.1].tolist()) == {z}
    for arguments, said in (
        (((0, 0, 0), (0, 0, 0)), "not all 0"),
        (((1, 0.5, 0), (0, 0, 0)), "whole numbers"),
        (((1, 0, 0), (0, 0, 0), "up"), "nearest, toward, away"),
        (((1, 0, 0), (0, 0, 0), "nearest", "Au"), "crystal is CdSe"),
    ):
        with pytest.raises(StructureError, match=said):
            crystal.snapped(*arguments)


@pytest.mark.parametrize("origin", [(0, 0, 0), (131.0, -57.0, 23.0)])
@pytest.mark.parametrize("strain", [0.08, (-0.1, 0.05, 0.1), [[0.05, 0.1, 0], [0, -0.05, 0.08], [0.1, 0, 0.02]]])
def test_6_strained_crystals_fill_their_volume(origin, strain):
    crystal = GOLD.translated((1, 2, 3)).strained(strain)
    gradient = np.asarray(strain, dtype=float)
    gradient = gradient if gradient.ndim == 2 else np.diag(np.broadcast_to(gradient, 3))
    made = Volume(crystal, Box(40, 40, 40, origin=origin)).atoms(Stream(1))
    assert len(made) == pytest.approx(4 / A**3 / np.linalg.det(np.eye(3) + gradient) * 40**3, rel=0.04)
    probes = np.random.default_rng(0).uniform(3, 37, (500, 3)) + origin
    assert cKDTree(made.positions).query(probes)[0].max() < 0.75 * A * 1.2


def test_6_inhomogeneous_strain_fills_its_volume():
    bent = Strained(GOLD, lambda x: np.stack([0 * x[:, 0], 0 * x[:, 0], 2 * np.sin(x[:, 0] / 15)], axis=1), 2.0)
    made = Volume(bent, Box(40, 40, 40)).atoms(Stream(1))
    assert len(made) == pytest.approx(4 / A**3 * 40**3, rel=0.05)
    assert cKDTree(made.positions).query(np.random.default_rng(0).uniform(3, 37, (500, 3)))[0].max() < 0.8 * A


def test_7_magic_numbers_and_wulff_areas():
    for shells, count in enumerate((13, 55, 147, 309, 561, 923), start=1):
        assert len(alone(icosahedron("Au", shells))) == count
    assert len(alone(decahedron("Au", 2))) > 0
    for ratio, share in ((0.8660, 0.6340), (1.0, 0.4000), (1.1547, 0.2240)):
        body = wulff("Au", {(1, 1, 1): 1.0, (1, 0, 0): ratio}, radius=30.0)
        normals = np.abs(np.asarray(body.region.normals)).round(6)
        areas = body.region.areas
        cube = (np.sort(normals, axis=1)[:, :2] < 1e-3).all(axis=1)
        assert areas[cube].sum() / areas.sum() == pytest.approx(share, abs=2e-3)


def test_8_every_under_coordinated_atom_is_found():
    gold = alone(Volume(GOLD, Sphere(25)))
    under = coordination(gold, 3.4) < 12
    assert 1000 < under.sum() < 1250
    assert np.array_equal(surface_atoms(gold), under)


def test_9_rotations_of_parallel_vectors_and_extrinsic_angles():
    for vector in np.vstack([np.eye(3), [[1, 2, 3], [-1, 1e-9, 0]]]):
        same, opposite = rotation_between(vector, 2 * vector), rotation_between(vector, -vector)
        assert np.allclose(same.matrix, np.eye(3), atol=1e-12)
        assert np.allclose(opposite.directions(vector), -vector, atol=1e-12)
        assert opposite.determinant == pytest.approx(1)
    x, y, z = (
        quaternion((np.cos(a / 2), *(np.sin(a / 2) * e))) for a, e in zip((0.3, 0.5, 0.7), np.eye(3), strict=True)
    )
    degrees = np.degrees((0.3, 0.5, 0.7))
    assert np.allclose(euler(degrees, "xyz").matrix, (z @ y @ x).matrix)
    assert np.allclose(euler(degrees, "XYZ").matrix, (x @ y @ z).matrix)
    ball = Volume(GOLD, Sphere(5))
    before = ball.centre.copy()
    ball.transformed(align((0, 0, -1), (0, 0, -5), (0, 0, 1), (9, 9, 20)))
    assert np.array_equal(ball.centre, before)
    with pytest.raises(ValueError, match="read-only"):
        translation((1, 2, 3)).vector[0] = 5.0


def test_10_twins_anywhere_and_a_clear_word_where_they_do_not_fit():
    ball = Volume(GOLD.translated((0.7, 0.1, 0.3)), Sphere(16, centre=(310, -250, 97)))
    for made, planes in ((twinned(ball), 1), (faulted(ball, [("intrinsic", 0)]), 2)):
        built = alone(made)
        hcp = built.positions[common_neighbour_classes(built) == CLASSES.index("hcp")] @ np.ones(3) / 3**0.5
        assert len(np.unique((hcp / (A / 3**0.5) - (hcp / (A / 3**0.5)).min()).round(2))) == planes
    start = time.monotonic()
    with pytest.raises(StructureError, match="do not fit"):
        twinned(ball, count=40)
    assert time.monotonic() - start < 5


def test_11_adsorbates_in_linear_memory_without_contact():
    gold = alone(Volume(GOLD, Sphere(25)), pad=8)
    oxide = Molecule(["C", "O"], [[0, 0, 0], [0, 0, 1.13]])
    tracemalloc.start()
    made = adsorbed(gold, oxide, 60, seed=1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8000 * len(gold)  # a table of all pairs would take 8 bytes × 3800 for each
    pairs = cKDTree(made.positions).query_pairs(3.0, output_type="ndarray")
    a, b = pairs[(made.grains[pairs[:, 0]] != made.grains[pairs[:, 1]])].T
    gaps = np.linalg.norm(made.positions[a] - made.positions[b], axis=1)
    gaps -= covalent_radii[made.numbers[a]] + covalent_radii[made.numbers[b]]
    assert (gaps > -1e-6).all()
    assert (gaps < 1e-6).sum() == 60


def test_12_every_atom_knows_its_object_grain_and_element():
    film = Volume(Amorphous("C"), Box(40, 40, 10), name="film", role="support")
    ball = twinned(Volume(GOLD, Sphere(8), name="ball", role="particle")).resting_on(film)
    made = Scene([ball, film], (40, 40, 30)).build(seed=1)
    assert set(made.numbers[made.objects == 0].tolist()) == {79}
    assert set(made.numbers[made.objects == 1].tolist()) == {6}
    assert made.names == ("ball", "film")
    assert [len(np.unique(made.of(name=name).grains)) for name in made.names] == [2, 1]


def test_13_randomness_comes_from_the_seed_alone():
    scene = Scene([Volume(Amorphous("C"), Box(20, 20, 10))], (20, 20, 10))
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    first, again, other = (scene.build(seed=s).positions for s in (5, 5, 6))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert np.array_equal(np.random.get_state()[1], before)  # noqa: NPY002
    with pytest.raises(StructureError, match="give one of the two"):
        scene.build()


def test_14_a_file_is_written_or_an_error_raised(tmp_path):
    gold = alone(Volume(GOLD, Sphere(6)))
    for name in ("a.xyz", "a.cif", "a.pdb", "a.vasp"):
        assert len(read_ase(gold.write(tmp_path / name))) == len(gold)
    for name in ("a.nothing", "a.docx"):
        with pytest.raises(StructureError, match="cannot be written"):
            gold.write(tmp_path / name)
        assert not (tmp_path / name).exists()
