"""Equilibrium shapes and multiply twinned particles against closed forms and magic numbers."""

import numpy as np
import pytest

from exitwave.core import Stream, StructureError
from exitwave.structure import Crystal, Cylinder, Scene, Volume, quaternion
from exitwave.structure.analysis import CLASSES, common_neighbour_classes, neighbours
from exitwave.structure.prefabs import (
    cube,
    decahedron,
    five_fold,
    icosahedron,
    octahedron,
    rounded,
    truncated_octahedron,
    winterbottom,
    wulff,
)
from exitwave.structure.prefabs.shapes import equivalent_planes, facets

# γ100 / γ111: volume, area of {111}, area of {100}, for γ111 = 1
WULFF = {
    0.5: (1.0, 0.0, 6.0),
    0.75**0.5: (4.3301, 5.1962, 9.0),
    1.0: (5.3590, 9.6462, 6.4308),
    2 / 3**0.5: (6.1584, 13.8564, 4.0),
    1.2: (6.3258, 14.9009, 3.3969),
    1.8: (6.9282, 20.7846, 0.0),
}


def build(body):
    low, high = body.bounds()
    return Scene([body.translated(5 - low)], high - low + 10, minimum_distance=None).build(seed=1)


@pytest.mark.parametrize("ratio", WULFF)
def test_wulff_volumes_and_areas(ratio):
    crystal = Crystal("Au").rotated(quaternion((1, 2, -1, 3)))
    shape = facets(crystal, {(1, 1, 1): 1.0, (1, 0, 0): ratio})
    volume, octahedral, cubic = WULFF[ratio]
    assert shape.volume == pytest.approx(volume, abs=6e-5)
    assert shape.areas[:8].sum() == pytest.approx(octahedral, abs=6e-5)
    assert shape.areas[8:].sum() == pytest.approx(cubic, abs=6e-5)
    assert 3 * shape.volume == pytest.approx((shape.areas * shape.distances).sum(), rel=1e-9)


def test_equivalent_planes_follow_the_symmetry():
    for name, plane, count in (
        ("Au", (1, 0, 0), 6), ("Au", (1, 1, 0), 12), ("Au", (2, 1, 1), 24), ("Au", (3, 2, 1), 48),
        ("CdSe", (1, 0, 0), 6), ("CdSe", (0, 0, 1), 1), ("CdSe", (0, 0, -1), 1), ("TiO2-rutile", (1, 1, 0), 4),
        ("GaAs", (1, 1, 1), 4),
    ):  # fmt: skip
        assert len(equivalent_planes(Crystal(name).material, plane)) == count, (name, plane)


def test_size_by_radius_and_by_atoms():
    ball = wulff("Au", {(1, 1, 1): 1.0, (1, 0, 0): 1.1}, atoms=4000)
    assert len(ball.atoms(Stream(0))) == pytest.approx(4000, rel=0.08)
    shapes = cube("Pt", 20), octahedron("Pt", 20), truncated_octahedron("Pt", 20)
    for shape in shapes:
        assert shape.region.volume == pytest.approx(4 / 3 * np.pi * 8000)
    assert len(rounded(shapes[0], 0.5).atoms(Stream(0))) < len(shapes[0].atoms(Stream(0)))


def test_faceted_surface_is_made_of_its_planes():
    made = build(octahedron("Au", 15))
    counts = neighbours(made, 3.2).counts
    # atoms in a {111} face have nine neighbours
    assert (counts == 9).sum() > (counts == 8).sum()


def test_winterbottom_cuts_the_wulff_shape():
    energies = {(1, 1, 1): 1.0, (1, 0, 0): 1.15}
    whole = wulff("Au", energies, radius=20)
    half = winterbottom("Au", energies, interface=(-1, -1, -1), interface_energy=0.0, radius=20)
    # the plane of atoms at the middle belongs to both halves
    layer = (np.abs(whole.atoms(Stream(0)).positions @ np.ones(3)) < 1e-6).sum()
    assert len(half.atoms(Stream(0))) == (len(whole.atoms(Stream(0))) + layer) / 2
    uncut = winterbottom("Au", energies, interface=(-1, -1, -1), interface_energy=1.0, radius=20)
    assert len(uncut.atoms(Stream(0))) == len(whole.atoms(Stream(0)))
    with pytest.raises(StructureError, match="wets the substrate"):
        winterbottom("Au", energies, interface=(-1, -1, -1), interface_energy=-1.0, radius=20)


@pytest.mark.parametrize(("shells", "count"), [(1, 13), (2, 55), (3, 147), (4, 309), (5, 561), (6, 923)])
def test_icosahedra_have_magic_numbers(shells, count):
    made = build(icosahedron("Au", shells).rotated((1, 2, 3), 40))
    assert len(made) == count
    bonds = neighbours(made, 3.3).distances
    assert np.unique(bonds.round(3)).size == 2
    assert bonds.max() / bonds.min() == pytest.approx(1.0515, abs=1e-3)
    assert (bonds.min() + bonds.max()) / 2 == pytest.approx(2.8837, abs=1e-3)


def test_icosahedron_has_one_five_fold_centre_and_twin_planes():
    made = build(icosahedron("Au", 5))
    found = common_neighbour_classes(made)
    assert (found == CLASSES.index("icosahedral")).sum() >= 1
    assert (found == CLASSES.index("hcp")).sum() > 30
    assert len(np.unique(made.grains)) == 20


@pytest.mark.parametrize(("edge", "count"), [(1, 7), (2, 23), (3, 54), (4, 105)])
def test_pentagonal_bipyramids_have_magic_numbers(edge, count):
    made = build(decahedron("Au", edge).rotated((3, 2, 1), 70))
    assert len(made) == count
    assert neighbours(made, 3.3).distances.min() > 2.8


def test_five_fold_rod_has_twin_planes_and_no_gap():
    made = build(five_fold("Au", Cylinder(20, 60)))
    assert len(made) == pytest.approx(np.pi * 400 * 60 * 4 / 4.0782**3, rel=0.05)
    found = common_neighbour_classes(made)
    assert (found == CLASSES.index("hcp")).sum() > 200
    assert (found == CLASSES.index("fcc")).sum() > 1000
    assert len(build(decahedron("Au", 8, truncation=2))) < len(build(decahedron("Au", 8)))


def test_impossible_shapes_are_refused():
    for make, words in (
        (lambda: wulff("Au", {}, radius=5), "energies is empty"),
        (lambda: wulff("Au", {(1, 1, 1): -1.0}, radius=5), "a surface energy is a number above 0"),
        (lambda: wulff("Au", {(1, 1, 1): 1.0}), "give one of the two"),
        (lambda: wulff("Au", {(1, 1, 1): 1.0}, radius=-4), "above 0"),
        (lambda: wulff("Au", {(0, 0, 0): 1.0}, radius=4), "not all 0"),
        (lambda: wulff("CdSe", {(0, 0, 1): 1.0}, radius=4), "way out"),
        (lambda: icosahedron("Fe", 2), "no fcc metal"),
        (lambda: icosahedron("Au", 0), "1 or more"),
        (lambda: decahedron("Au", 3, truncation=3), "less than the edge"),
        (lambda: rounded(Volume(Crystal("Au"), Cylinder(3, 3)), 0.5), "Polyhedron"),
    ):
        with pytest.raises(StructureError, match=words):
            make()
