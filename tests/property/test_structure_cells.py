"""Amorphous solids repeat with periodic cells of any shape, at their density and least distance."""

import numpy as np
import pytest
from ase.neighborlist import neighbor_list
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from exitwave.core import Stream, StructureError
from exitwave.structure import Amorphous, Box, ConvexHull, NetworkCarbon, Scene, Sphere, Volume, rotation
from exitwave.structure.generators.amorphous import number_density
from exitwave.structure.generators.base import Bounds
from exitwave.structure.generators.domains import Domain, reduced, unsheared
from exitwave.structure.periodic import is_upright, meets_itself

HEXAGONAL = np.array([[40, 0, 0], [-20, 20 * 3**0.5, 0], [0, 0, 30.0]])
SKEW = np.array([[40, 0, 0], [15, 35, 0], [0, 0, 30.0]])
LEANING = np.array([[30, 0, 0], [0, 32, 0], [9, -7, 30.0]])
FILM = (5.0, 15.0)
CARBON = number_density("C", 2.2)


def prism(cell, low=FILM[0], high=FILM[1], size=1.0):
    corners = [u * cell[0, :2] + v * cell[1, :2] for u in (0, size) for v in (0, size)]
    return ConvexHull([[*corner, z] for corner in corners for z in (low, high)])


def wide(cell, low=FILM[0], high=FILM[1]):
    return Box(200, 200, high - low, origin=(-60, -60, low))


def nearest(structure):
    distances = neighbor_list("d", structure.to_ase(), 2.0)
    return distances.min() if len(distances) else np.inf


def close_pairs(made, reach=2.0):
    """Return the sums of atomic numbers and the distances of all pairs of atoms and images: ASE's lists take minutes
    where atoms stand outside a cell."""
    inverse = np.linalg.inv(made.cell)
    places = made.positions - np.where(made.pbc, np.floor(made.positions @ inverse), 0) @ made.cell
    most = np.where(made.pbc, np.ceil(reach * np.linalg.norm(inverse, axis=0)), 0).astype(int)
    tree, sums, distances = cKDTree(places), [], []
    for shift in np.indices(2 * most + 1).reshape(3, -1).T - most:
        found = tree.sparse_distance_matrix(cKDTree(places + shift @ made.cell), reach, output_type="coo_matrix")
        other = (found.row != found.col) | shift.any()
        sums.append((made.numbers[found.row] + made.numbers[found.col])[other])
        distances.append(found.data[other])
    return np.concatenate(sums), np.concatenate(distances)


def area(cell):
    return np.linalg.norm(np.cross(cell[0], cell[1]))


@pytest.mark.parametrize("outside", ["wrap", "cut"])
@pytest.mark.parametrize("shape", [prism, wide])
@pytest.mark.parametrize("cell", [HEXAGONAL, SKEW], ids=["hexagonal", "skew"])
@pytest.mark.parametrize("film", [Amorphous("C"), NetworkCarbon(2.2)], ids=["packed", "network"])
def test_films_fill_a_skew_cell_as_an_upright_one(film, cell, shape, outside):
    made = Scene([Volume(film, shape(cell))], cell, outside=outside).build(seed=1)
    assert len(made) == pytest.approx(CARBON * area(cell) * (FILM[1] - FILM[0]), abs=1)
    assert nearest(made) >= {"Amorphous": 1.4, "NetworkCarbon": 1.2}[type(film).__name__] - 1e-9
    fractional = made.positions @ np.linalg.inv(cell)
    assert np.abs(fractional[:, :2] - 0.5).max() < 0.5 + 1e-6


lengths = st.floats(9, 24)


@st.composite
def skew_cells(draw):
    tilt = st.floats(-20, 20)
    rows = np.diag([draw(lengths), draw(lengths), draw(st.floats(20, 30))])
    rows[1, 0], rows[2, 0], rows[2, 1] = draw(tilt), draw(st.floats(-9, 9)), draw(st.floats(-9, 9))
    turned = rotation((0, 0, 1), draw(st.floats(0, 360))).matrix
    cell = rows @ turned.T
    assume(not is_upright(cell, (True, True, True)))
    return cell


@settings(deadline=None, max_examples=10)
@given(skew_cells(), st.sampled_from([prism, wide]), st.sampled_from([(True, True, False), (True, True, True)]))
def test_films_in_any_cell_are_dense_and_apart(cell, shape, pbc):
    film = Volume(Amorphous("C"), shape(cell, 4.0, 12.0))
    made = Scene([film], cell, pbc=pbc).build(seed=5)
    assert len(made) == pytest.approx(CARBON * area(cell) * 8, rel=0.02, abs=1)
    assert nearest(made) >= 1.4 - 1e-9


@settings(deadline=None, max_examples=10)
@given(
    skew_cells(),
    st.tuples(*[st.booleans()] * 3),
    st.tuples(*[st.floats(4, 30)] * 3),
    st.floats(0, 90),
    st.booleans(),
)
def test_least_distances_hold_wherever_a_region_meets_its_images(cell, pbc, size, angle, ball):
    region = Sphere(size[0] / 2) if ball else Box(*size)
    part = Volume(Amorphous("SiO2", minimum_distance={"Si-Si": 1.9, "Si-O": 1.5, "O-O": 1.7}), region)
    part = part.rotated((1, 2, 3), angle)
    made = Scene([part], cell, pbc=pbc, outside="keep", minimum_distance=None).build(seed=2)
    kinds, distances = close_pairs(made)
    for kind, least in ((28, 1.9), (22, 1.5), (16, 1.7)):
        assert (distances[kinds == kind] >= least - 1e-9).all()


@settings(deadline=None, max_examples=8)
@given(skew_cells(), st.floats(4, 14), st.tuples(*[st.floats(0, 20)] * 3))
def test_a_ball_is_full_at_the_stated_density_whatever_its_images_cover(cell, radius, centre):
    made = Scene([Volume(Amorphous("C"), Sphere(radius, centre))], cell, pbc=(True,) * 3).build(seed=3)
    inverse, volume = np.linalg.inv(cell), abs(np.linalg.det(cell))
    points = Stream(1).generator().random((4000, 3)) @ cell
    reach = np.ceil(radius * np.linalg.norm(inverse, axis=0)).astype(int) + 1
    shifts = (np.indices(2 * reach + 1).reshape(3, -1).T - reach) @ cell
    images = cKDTree(np.asarray(centre) - np.floor(centre @ inverse) @ cell + shifts)
    expected = CARBON * volume * np.mean(images.query(points)[0] <= radius)
    # Poisson at most, and the scatter of the 4000 points
    assert abs(len(made) - expected) < 5 * np.sqrt(expected * (1 + CARBON * volume / 4000))
    assert close_pairs(made)[1].min(initial=2.0) >= 1.4 - 1e-9


@pytest.mark.parametrize("film", [Amorphous("C"), NetworkCarbon(2.0)], ids=["packed", "network"])
def test_a_cell_that_repeats_in_three_ways_is_full(film):
    cell = np.array([[30, 0, 0], [11, 28, 0], [-8, 9, 26.0]])
    made = Scene([Volume(film, Box(90, 90, 26, origin=(-20, -20, 0)))], cell, pbc=(True, True, True)).build(seed=1)
    assert len(made) == pytest.approx(number_density("C", film.density) * np.linalg.det(cell), abs=1)
    assert nearest(made) >= film.least_distance - 1e-9


def test_upright_cells_with_a_leaning_third_vector_hold_a_periodic_film():
    made = Scene([Volume(Amorphous("C"), prism(LEANING))], LEANING).build(seed=1)
    assert len(made) == pytest.approx(CARBON * 30 * 32 * 10, abs=1)
    assert nearest(made) >= 1.4 - 1e-9


@pytest.mark.parametrize("film", [Amorphous("C"), NetworkCarbon(2.2)], ids=["packed", "network"])
def test_what_does_not_meet_its_images_is_as_in_an_upright_cell(film):
    part = Volume(film, Box(16, 16, 10, origin=(12, 8, 5)))
    skew, upright = (Scene([part], cell).build(seed=1) for cell in (SKEW, (60, 60, 30)))
    assert np.array_equal(skew.positions, upright.positions)
    assert not any(meets_itself(part.region, SKEW, (True, True, False), 1.4))
    assert meets_itself(prism(SKEW), SKEW, (True, True, False), 1.4) == (True, True, False)
    assert meets_itself(Sphere(19.9), HEXAGONAL, (True, True, False), 0.1) == (False, False, False)
    assert meets_itself(Sphere(19.9), HEXAGONAL, (True, True, False), 0.3) == (True, True, False)


def test_turned_films_repeat_with_a_skew_cell():
    part = Volume(Amorphous("C"), Box(200, 200, 10, origin=(-100, -100, 5))).rotated((0, 0, 1), 20)
    made = Scene([part], HEXAGONAL).build(seed=1)
    assert len(made) == pytest.approx(CARBON * area(HEXAGONAL) * 10, rel=0.01)
    assert nearest(made) >= 1.4 - 1e-9


@pytest.mark.parametrize("kind", [Amorphous, NetworkCarbon])
def test_uneven_films_repeat_with_a_skew_cell(kind):
    film = kind(density=2.0, inhomogeneity=0.1, correlation=12.0)
    made = Scene([Volume(film, prism(HEXAGONAL, 0, 30))], HEXAGONAL).build(seed=1)
    assert len(made) == pytest.approx(number_density("C", 2.0) * area(HEXAGONAL) * 30, abs=1)
    assert nearest(made) >= film.least_distance - 1e-9
    bins = np.histogram2d(*(made.positions @ np.linalg.inv(HEXAGONAL))[:, :2].T % 1, bins=8)[0]
    assert 0.05 < bins.std() / bins.mean() < 0.15
    with pytest.raises(StructureError, match="oblique to z"):
        Scene([Volume(film, wide(LEANING, 0, 30))], LEANING, pbc=(True, True, True)).build(seed=1)


@pytest.mark.parametrize("film", [Amorphous("C"), NetworkCarbon(2.2)], ids=["packed", "network"])
def test_cells_too_narrow_are_refused(film):
    cell = np.array([[40, 0, 0], [39.9, 1.0, 0], [0, 0, 30.0]])
    with pytest.raises(StructureError, match=r"periodic box is 1.* Å wide"):
        Scene([Volume(film, wide(cell))], cell).build(seed=1)


@settings(deadline=None, max_examples=30)
@given(skew_cells(), st.tuples(*[st.booleans()] * 3))
def test_domains_are_one_period_of_the_cell(cell, periodic):
    if not any(periodic):
        return
    box = Domain.of(Bounds((0, 0, 0), (10, 11, 12), periodic, cell=cell))
    rows = cell[np.array(periodic)]
    own = box.cell[box.periodic] @ box.axes
    # whole numbers of each other's vectors
    for one, other in ((rows, own), (own, rows)):
        times = one @ np.linalg.pinv(other)
        assert np.allclose(times, times.round(), atol=1e-6)
        assert np.allclose(times.round() @ other, one, atol=1e-6)
    assert np.allclose(box.axes @ box.axes.T, np.eye(3), atol=1e-9)
    places = np.eye(3)
    moved = box.in_space(places + box.lengths * box.periodic) - box.in_space(places)
    assert np.allclose(moved, unsheared((box.lengths * box.periodic)[None], box.shear) @ box.axes)
    assert np.linalg.norm(reduced(rows), axis=1).max() <= np.linalg.norm(rows, axis=1).max() + 1e-9


def test_network_carbon_bonds_across_the_border_of_a_triclinic_cell_as_inside():
    cell = np.array([[60, 0, 0], [-30, 30 * 3**0.5, 0], [4, -6, 40.0]])
    film = Volume(NetworkCarbon(2.1), Box(300, 300, 60, origin=(-100, -100, 0)))
    made = Scene([film], cell, pbc=(True, True, True)).build(seed=1)
    bonds = np.bincount(neighbor_list("i", made.to_ase(), 1.85), minlength=len(made))
    inverse = np.linalg.inv(cell)
    fractional = made.positions @ inverse
    depth = (np.minimum(fractional, 1 - fractional) / np.linalg.norm(inverse, axis=0)).min(axis=1)
    border, inside = (np.mean(bonds[chosen] == 3) for chosen in (depth < 1.5, depth > 5))
    # five standard errors of the 3000 atoms at the border
    assert border == pytest.approx(inside, abs=0.03)
    assert inside > 0.85
