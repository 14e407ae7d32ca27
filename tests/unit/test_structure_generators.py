"""Generators: crystals that fill any box, packings that keep their density and their distance."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.spatial import cKDTree

from exitwave.core import Stream, StructureError
from exitwave.structure import Amorphous, Bounds, Box, Crystal, Material, Molecule, Sphere, Transform, Volume, affine
from exitwave.structure.generators.amorphous import number_density
from exitwave.structure.prefabs.shapes import equivalent_planes
from exitwave.structure.transforms import quaternion, rotation, translation, uniform_quaternion

STREAM = Stream(1)


def brute_force(crystal, low, high, reach=40):
    """Return the atoms of a crystal in a box from all cells of a large block."""
    cells = np.indices((2 * reach + 1,) * 3).reshape(3, -1).T - reach
    points = (cells @ crystal.lattice)[:, None] + crystal.sites
    inside = ((points >= low) & (points <= high)).all(axis=-1)
    return points[inside]


@pytest.mark.parametrize("seed", range(4))
def test_crystal_fills_a_box_exactly(seed):
    rng = np.random.default_rng(seed)
    cell = np.array([4, 5, 6, 75, 100, 115.0])
    crystal = Crystal.from_cell(cell, rng.random((3, 3)), ["Au", "Cu", "C"])
    crystal = crystal.transformed(translation(rng.uniform(-50, 50, 3)) @ quaternion(uniform_quaternion(Stream(seed))))
    crystal = crystal.strained(rng.uniform(-0.1, 0.1, (3, 3)), axes="lab")
    low = crystal.origin + rng.uniform(-15, -5, 3)
    high = low + rng.uniform(10, 22, 3)
    found = crystal.atoms(Bounds(low, high)).positions
    expected = brute_force(crystal, low, high, reach=14)
    assert len(found) == len(expected)
    assert cKDTree(found).query(expected)[0].max() < 1e-9


def test_strained_crystal_fills_its_volume_anywhere():
    for origin in ((0, 0, 0), (500.3, -321.7, 88.1)):
        crystal = Crystal("Au").translated(origin).strained([0.08, -0.05, 0.1])
        made = Volume(crystal, Box(40, 40, 40, origin=(-7, 11, 3))).atoms(STREAM)
        assert len(made) == pytest.approx(64000 * 4 / 4.0782**3 / (1.08 * 0.95 * 1.1), rel=0.06)
        assert np.allclose(
            [made.positions.min(axis=0), made.positions.max(axis=0)], [(-7, 11, 3), (33, 51, 43)], atol=2.3
        )


def test_strain_in_crystal_and_in_lab_axes():
    gold = Crystal("Au").rotated(rotation((0, 0, 1), 90))
    assert np.allclose(np.linalg.norm(gold.strained([0.1, 0, 0]).lattice, axis=1), 4.0782 * np.array([1.1, 1, 1]))
    assert np.allclose(
        np.linalg.norm(gold.strained([0.1, 0, 0], axes="lab").lattice, axis=1), 4.0782 * np.array([1, 1.1, 1])
    )
    moved = Crystal("Au").translated((3, 4, 5))
    assert np.allclose(moved.strained(0.1, axes="lab").origin, (3, 4, 5))


@pytest.mark.parametrize("zone", [(1, 0, 0), (1, 1, 0), (1, 1, 1), (2, 1, -3), (0, 0, -1)])
def test_zone_axis_points_along_the_beam(zone):
    for name in ("Au", "CdSe"):
        crystal = Crystal(name).rotated(quaternion((1, 2, 3, 4))).oriented(zone, spin=17)
        assert np.allclose(crystal.direction(zone), (0, 0, 1))
        assert np.allclose(np.linalg.norm(crystal.lattice, axis=1), np.linalg.norm(Crystal(name).lattice, axis=1))
    across = Crystal("Au").oriented((1, 1, 1), x=(1, -1, 0))
    assert np.allclose(across.direction((1, -1, 0)), (1, 0, 0))


def test_planes_have_their_spacing_and_normal():
    gold, cadmium = Crystal("Au"), Crystal("CdSe")
    assert gold.spacing((1, 1, 1)) == pytest.approx(2.3546, abs=1e-4)
    assert [cadmium.spacing(p) for p in ((1, 0, 0), (0, 0, 2), (1, 0, 1), (1, 1, 2))] == pytest.approx(
        [3.7226, 3.5076, 3.2883, 1.8326], abs=1e-4
    )
    assert np.allclose(gold.normal((1, 1, 1)), np.ones(3) / 3**0.5)
    assert np.dot(cadmium.normal((1, 0, 0)), cadmium.direction((0, 1, 0))) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("density", [1.8, 2.0, 2.2, 2.3])
def test_packing_has_its_density_and_its_distance_under_periodic_images(density):
    lengths = np.array([40.0, 35.0, 25.0])
    for periodic in ((True, True, False), (True, True, True), (False, False, False)):
        film = Amorphous("C", density=density, minimum_distance=1.4)
        made = film.atoms(Bounds((3, -4, 5), np.array([3, -4, 5]) + lengths, periodic), STREAM)
        assert len(made) / np.prod(lengths) == pytest.approx(number_density("C", density), rel=1e-3)
        low = made.positions.min(axis=0)
        assert (low >= (3, -4, 5)).all()
        box = np.where(periodic, lengths, 1000)
        tree = cKDTree(np.mod(made.positions - (3, -4, 5), box), boxsize=box)
        assert tree.query(tree.data, k=2)[0][:, 1].min() >= 1.4


def test_films_of_several_elements_keep_composition_and_pair_distances():
    silica = Amorphous("SiO2", minimum_distance={"Si-O": 1.5, "O-O": 2.1, "Si-Si": 2.6})
    made = silica.atoms(Bounds((0, 0, 0), (30, 30, 30), (True,) * 3), STREAM)
    assert (made.numbers == 8).sum() == pytest.approx(2 * (made.numbers == 14).sum(), abs=2)
    mass = 28.085 * (made.numbers == 14).sum() + 15.999 * (made.numbers == 8).sum()
    assert mass * 1.66053907 / 27000 == pytest.approx(2.2, rel=2e-3)
    trees = {z: cKDTree(made.positions[made.numbers == z] % 30, boxsize=30) for z in (8, 14)}
    assert trees[8].query(trees[8].data, k=2)[0][:, 1].min() >= 2.1
    assert trees[14].query(trees[14].data, k=2)[0][:, 1].min() >= 2.6
    assert trees[14].query(trees[8].data)[0].min() >= 1.5


def test_film_within_another_shape_is_as_dense():
    made = Volume(Amorphous("a-C"), Sphere(20, centre=(5, 6, 7))).atoms(STREAM)
    assert len(made) == pytest.approx(0.11032 * 4 / 3 * np.pi * 8000, rel=0.02)


def test_uneven_film_has_the_asked_mass_and_the_asked_unevenness():
    period = (240.0, 240.0)
    plain, uneven = (
        Amorphous("C", inhomogeneity=s, correlation=40).atoms(
            Bounds((0, 0, 0), (*period, 40), (True, True, False)), STREAM
        )
        for s in (0.0, 0.1)
    )
    assert len(plain) == len(uneven)
    spread = []
    for made in (plain, uneven):
        counts = np.histogram2d(*made.positions[:, :2].T, bins=24, range=[(0, 240)] * 2)[0]
        spread.append(counts.var() / counts.mean() ** 2)
    # 10 Å boxes average a field of 40 Å correlation by little
    assert (spread[1] - spread[0]) ** 0.5 == pytest.approx(0.1, rel=0.15)
    tree = cKDTree(uneven.positions)
    assert tree.query(tree.data, k=2)[0][:, 1].min() >= 1.4


def test_a_moved_film_is_the_same_film():
    film = Volume(Amorphous("C"), Box(10, 10, 10))
    here, there = film.atoms(STREAM), film.rotated((1, 1, 0), 30).translated((5, 5, 5)).atoms(STREAM)
    assert len(there) == pytest.approx(len(here), rel=0.15)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Amorphous("C", density=-2), "density is -2; a density is a number above 0 in g/cm³."),
        (lambda: Amorphous("C", density=9), "lower the density"),
        (lambda: Amorphous("Al2O3"), "density of amorphous Al2O3 is not given"),
        (lambda: Amorphous("carbon"), "a formula such as"),
        (lambda: Amorphous("Xx2"), "species is 'Xx'"),
        (lambda: Amorphous("C", inhomogeneity=2), "from 0 to 0.3"),
        (lambda: Crystal("Aluminium"), "material is 'Aluminium';"),
        (lambda: Crystal("CdS"), "did you mean CdSe?"),
        (lambda: Crystal.from_cell(np.zeros((3, 3)), [[0, 0, 0]], ["Au"]), "singular"),
        (lambda: Crystal.from_cell([4, 4, 4, 90, 90, 200], [[0, 0, 0]], ["Au"]), "no cell has these angles"),
        (lambda: Crystal.from_cell(np.eye(3), [[0, 0, 0], [1, 1, 1]], ["Au", "Cu"]), "two sites in one place"),
        (lambda: Crystal.from_cell(np.eye(3), [[0, 0, 0]], ["Au", "Cu"]), "one species per position"),
        (lambda: Crystal.from_spacegroup(999, [4, 4, 4, 90, 90, 90], ["Au"], [[0, 0, 0]]), "1 to 230"),
        (lambda: Crystal.from_pymatgen("x"), "it is a pymatgen.core.Structure"),
        (lambda: Crystal("Au").normal((1, 1, -2, 0)), "no hexagonal cell"),
        (lambda: Crystal("CdSe").normal(("a", 0, 0, 1)), "three finite numbers"),
        (lambda: Crystal("CdSe").normal((0, 1, 0, 1)), "is -h - k, here -1"),
        (lambda: Crystal("CdSe").normal((0, 1)), "three finite numbers"),
        (lambda: Crystal("Au").rotated(np.diag([1, 1, -1])), "no rotation"),
        (lambda: Crystal("Au").strained(np.ones(2)), "a strain is"),
        (lambda: Crystal("Au").oriented((0, 0, 0)), "length above 0"),
        (lambda: Crystal("Au").oriented((1, 1, 1), x=(1, 1, 1)), "across"),
        (lambda: Molecule([], []), "no atoms"),
        (lambda: Molecule.from_ase("unobtainium"), "does not know"),
        (lambda: Bounds((1, 0, 0), (0, 1, 1)), "low is at most high"),
    ],
)
def test_impossible_generators_are_refused(make, words):
    with pytest.raises(StructureError, match=words):
        make()


@pytest.mark.parametrize(
    ("group", "right", "wrong", "words"),
    [
        (225, (4, 4, 4, 90, 90, 90), (4, 5, 6, 90, 90, 90), "225 is cubic and its cell has a = b = c"),
        (194, (3, 3, 5, 90, 90, 120), (3, 3, 5, 90, 90, 90), "194 is hexagonal"),
        (194, (3, 3, 5, 90, 90, 120), (3, 3, 5, 90, 90, 60), "194 is hexagonal"),
        (166, (3, 3, 5, 90, 90, 120), (3, 3.1, 5, 90, 90, 120), "166 is trigonal"),
        ((166, 2), (4.7, 4.7, 4.7, 57, 57, 57), (4.7, 4.7, 5, 90, 90, 120), "three of each alike in setting 2"),
        (136, (4.6, 4.6, 3, 90, 90, 90), (3, 4.6, 4.6, 90, 90, 90), "136 is tetragonal"),
        (62, (5, 6, 7, 90, 90, 90), (5, 6, 7, 90, 91, 90), "62 is orthorhombic"),
        (14, (5, 6, 7, 90, 99, 90), (5, 6, 7, 90, 90, 99), "14 is monoclinic"),
        (2, (5, 6, 7, 80, 99, 95), None, ""),
    ],
)
def test_cells_have_the_symmetry_of_their_space_group(group, right, wrong, words):
    group, setting = group if isinstance(group, tuple) else (group, 1)
    site = [[0.2, 0.2, 0.2]] if setting == 2 else [[0.0, 0.0, 0.0]]
    assert len(Crystal.from_spacegroup(group, right, ["Au"], site, setting=setting).sites)
    if wrong:
        with pytest.raises(StructureError, match=words):
            Crystal.from_spacegroup(group, wrong, ["Au"], site, setting=setting)


def test_planes_of_hexagonal_crystals_have_three_indices_or_four():
    crystal = Crystal("CdSe").rotated(quaternion((1, 2, 3, 4)))
    for plane in ((1, 0, 1), (1, 1, 0), (2, -1, 3)):
        h, k, m = plane
        four = (h, k, -h - k, m)
        assert np.array_equal(crystal.normal(plane), crystal.normal(four))
        assert crystal.spacing(plane) == crystal.spacing(four)
        assert np.array_equal(crystal.snapped(plane, (1, 2, 3)).point, crystal.snapped(four, (1, 2, 3)).point)
        assert equivalent_planes(crystal.material, plane) == equivalent_planes(crystal.material, four)


def test_partly_occupied_cif_is_refused(tmp_path):
    text = """data_alloy
_cell_length_a 4
_cell_length_b 4
_cell_length_c 4
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_symmetry_space_group_name_H-M 'P 1'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
Au1 Au 0 0 0 0.5
Cu1 Cu 0 0 0 0.5
"""
    path = tmp_path / "alloy.cif"
    path.write_text(text)
    with pytest.raises(StructureError, match=r"partly occupied \(0.5 Au, 0.5 Cu\).*Substituted"):
        Crystal.from_cif(path)
    path.write_text(text.replace("0.5\nCu1 Cu 0 0 0 0.5", "1.0"))
    assert Crystal.from_cif(path).material.formula == "Au"
    path.write_text("nothing")
    with pytest.raises(StructureError, match="cannot be read as CIF"):
        Crystal.from_cif(path)
    with pytest.raises(StructureError, match="is no file"):
        Crystal.from_cif(tmp_path / "none.cif")


def test_material_round_trip_through_ase():
    here = Material.from_spacegroup(
        186, [4.2985, 4.2985, 7.0152, 90, 90, 120], ["Cd", "Se"], [[1 / 3, 2 / 3, 0], [1 / 3, 2 / 3, 0.375]]
    )
    there = Material.from_ase(here.to_ase())
    assert np.allclose(here.lattice, there.lattice)
    assert here.formula == there.formula == "CdSe"


def test_affine_volume_of_a_transformed_crystal():
    sheared = Crystal("Au").transformed(affine([[1, 0.2, 0], [0, 1, 0], [0, 0, 1]]))
    assert abs(np.linalg.det(sheared.lattice)) == pytest.approx(4.0782**3)
    assert isinstance(sheared.transform, Transform)


def test_crystals_and_molecules_of_pymatgen():
    """By objects that look like pymatgen's: the package itself is never needed."""

    def site(symbol):
        return SimpleNamespace(specie=SimpleNamespace(symbol=symbol))

    class Disordered(list):
        is_ordered = False

    class Ordered(list):
        is_ordered = True
        lattice = SimpleNamespace(matrix=np.diag([4.21, 4.21, 4.21]))
        frac_coords = np.array([[0, 0, 0], [0.5, 0.5, 0.5]])
        cart_coords = np.array([[0, 0, 0], [0, 0, 1.13]])

    crystal = Crystal.from_pymatgen(Ordered([site("Cs"), site("Cl")]), name="salt")
    assert crystal.material.numbers.tolist() == [55, 17]
    assert np.allclose(crystal.lattice, 4.21 * np.eye(3))
    molecule = Molecule.from_pymatgen(Ordered([site("C"), site("O")]))
    assert np.asarray(molecule.species).tolist() == [6, 8]
    with pytest.raises(StructureError, match="partly occupied"):
        Crystal.from_pymatgen(Disordered())
