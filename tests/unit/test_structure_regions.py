"""Regions: closed forms of their volumes, their reach, and what is refused."""

import itertools

import numpy as np
import pytest

from exitwave.core import StructureError
from exitwave.structure import (
    Amorphous,
    Box,
    Cone,
    ConvexHull,
    Cylinder,
    Ellipsoid,
    HalfSpace,
    Mesh,
    Polyhedron,
    Sphere,
    Terrain,
    Volume,
    affine,
    rotation,
    translation,
)

OCTAHEDRON = Polyhedron(list(itertools.product((-1, 1), repeat=3)), 5.0)
CUBE = np.array(list(itertools.product((0.0, 4.0), repeat=3)))
FACES = ((0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3))
SOLIDS = {
    "sphere": (Sphere(5, centre=(1, 2, 3)), 4 / 3 * np.pi * 125),
    "ellipsoid": (Ellipsoid((2, 3, 6)), 4 / 3 * np.pi * 36),
    "cylinder": (Cylinder(3, 8, axis=(1, 1, 0)), np.pi * 9 * 8),
    "cone": (Cone(4, 9, axis=(0, 1, 2)), np.pi * 16 * 9 / 3),
    "frustum": (Cone(4, 6, top_radius=2), np.pi * 6 / 3 * (16 + 8 + 4)),
    "box": (Box(3, 4, 5, origin=(-1, 0, 2)), 60),
    "octahedron": (OCTAHEDRON, OCTAHEDRON.volume),
    "hull": (ConvexHull(CUBE), 64),
    "mesh": (Mesh(CUBE, FACES), 64),
    "slanted box": (Box(3, 4, 5).transformed(affine([[1, 0.5, 0], [0, 1, 0.3], [0, 0, 2]])), 120),
    "turned cylinder": (Cylinder(3, 8).rotated((1, 0, 0), 40), np.pi * 72),
    "dome": (Sphere(6) - HalfSpace(point=(0, 0, 3)), np.pi * 9 * (18 - 3) / 3),
    "two balls": (Sphere(3) | Sphere(3, centre=(10, 0, 0)), 2 * 36 * np.pi),
}


@pytest.mark.parametrize("name", SOLIDS)
def test_volume_and_bounds(name):
    region, volume = SOLIDS[name]
    low, high = region.bounds()
    size = high - low
    # points of a golden-ratio lattice fill the box evenly
    n = np.arange(200_000)[:, None]
    g = 1.22074408460575947536
    points = low - 0.5 + (size + 1) * np.mod(0.5 + n / g ** np.arange(1, 4), 1)
    inside = region.contains(points)
    assert inside.mean() * np.prod(size + 1) == pytest.approx(volume, rel=0.012)
    within = points[inside]
    assert (within >= low).all()
    assert (within <= high).all()
    # and they are not wider than the region; those of a dome come from the whole ball
    slack = 1.0 if name == "dome" else 0.4
    assert np.abs(np.stack([within.min(axis=0), within.max(axis=0)]) - region.bounds()).max() < slack


@pytest.mark.parametrize("name", SOLIDS)
def test_tolerance_grows_and_shrinks_a_region(name):
    region, _ = SOLIDS[name]
    low, high = region.bounds()
    points = np.random.default_rng(2).uniform(low - 2, high + 2, (4000, 3))
    shrunk, plain, grown = (region.contains(points, t) for t in (-0.5, 0.0, 0.5))
    assert (shrunk <= plain).all()
    assert (plain <= grown).all()
    assert shrunk.sum() < plain.sum() < grown.sum()


def test_surface_belongs_to_a_region_and_not_to_its_complement():
    ball, point = Sphere(5), [[5.0, 0, 0]]
    assert ball.contains(point)
    assert not (~ball).contains(point)
    assert (~~ball).contains(point)
    assert not (Box(10, 10, 10) - ball).contains(point)
    mesh = Mesh(CUBE, FACES)
    assert mesh.contains([[0.0, 1, 1], [2, 2, 2], [4, 4, 4]]).all()
    assert not mesh.contains([[0.0, 1, 1]], -1e-3).any()


def test_slabs_of_half_spaces_have_bounds():
    planes = [((1, 1, 0), (3, 0, 0)), ((-1, 1, 0), (-3, 0, 0)), ((0, -1, 0), (0, -1, 0)), ((0, 0, 1), (0, 0, 2))]
    wedge = HalfSpace(*planes[0])
    for normal, point in planes[1:]:
        wedge = wedge & HalfSpace(normal, point)
    assert not wedge.bounded
    closed = wedge - HalfSpace((0, 0, 1), (0, 0, -1))
    assert np.allclose(closed.bounds(), [[-4, -1, -1], [4, 3, 2]])


def test_open_regions_are_refused_by_volumes():
    with pytest.raises(StructureError, match=r"open towards -x, \+x, -y, \+y, -z;") as caught:
        Volume(Amorphous("C"), HalfSpace())
    assert "\n" not in str(caught.value)
    with pytest.raises(StructureError, match="open"):
        Volume(Amorphous("C"), ~Sphere(4))


def test_polyhedron_of_planes():
    side = 5 * 3**0.5
    assert OCTAHEDRON.volume == pytest.approx(4 / 3 * side**3)
    assert len(OCTAHEDRON.vertices) == 6
    assert OCTAHEDRON.areas == pytest.approx([OCTAHEDRON.volume * 3 / 5 / 8] * 8)
    with pytest.raises(StructureError, match="way out"):
        Polyhedron(np.vstack([np.eye(3), -np.eye(3)[:2]]), 1.0)
    with pytest.raises(StructureError, match="no point"):
        Polyhedron(np.vstack([np.eye(3), -np.eye(3)]), -1.0)


def test_off_centre_polyhedron_needs_no_inner_origin():
    box = Polyhedron(np.vstack([np.eye(3), -np.eye(3)]), [12, 13, 14, -10, -10, -10])
    assert np.allclose(box.bounds(), [[10, 10, 10], [12, 13, 14]])
    assert box.volume == pytest.approx(24)


def test_mesh_with_a_dent():
    vertices = np.array(
        [[0, 0, 0], [4, 0, 0], [4, 4, 0], [0, 4, 0], [0, 0, 4], [4, 0, 4], [4, 4, 4], [0, 4, 4], [2, 2, 1]]
    )
    faces = (
        (0, 3, 2, 1),
        (0, 1, 5, 4),
        (1, 2, 6, 5),
        (2, 3, 7, 6),
        (3, 0, 4, 7),
        (4, 5, 8),
        (5, 6, 8),
        (6, 7, 8),
        (7, 4, 8),
    )
    dented = Mesh(vertices, faces)
    assert dented.contains([[2, 2, 0.5], [0.2, 0.2, 3.5]]).all()
    assert not dented.contains([[2, 2, 3]]).any()
    with pytest.raises(StructureError, match="do not close"):
        Mesh(vertices, faces[1:])
    with pytest.raises(StructureError, match="opposite directions"):
        Mesh(vertices, (faces[0][::-1], *faces[1:]))


def test_terrain_repeats():
    hills = Terrain([[0.0, 1.0], [2.0, 3.0]], (10, 20))
    assert hills.height(np.array([0.0, 5, 10, -5]), np.array([0.0, 0, 20, 10])) == pytest.approx([0, 1, 0, 3])
    assert hills.height(np.array([2.5]), np.array([5.0])) == pytest.approx([1.5])
    assert hills.contains([[0, 0, 0], [0, 0, 0.1]]).tolist() == [True, False]


def test_moving_a_region_twice_is_moving_it_once():
    first, second = rotation((1, 2, 3), 50, about=(1, 1, 1)), translation((4, 5, 6))
    points = np.random.default_rng(0).uniform(-10, 15, (1000, 3))
    twice = Box(3, 4, 5).transformed(first).transformed(second)
    assert np.array_equal(twice.contains(points), Box(3, 4, 5).transformed(second @ first).contains(points))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Sphere(-1), "radius is -1; a sphere's radius is a number above 0 in Å."),
        (lambda: Sphere(np.nan), "above 0"),
        (lambda: Sphere(True), "above 0"),
        (lambda: Box(1, 0, 1), "y is 0; a box's y"),
        (lambda: Cone(1, 2, top_radius=-1), "top_radius"),
        (lambda: Ellipsoid((1, -2, 3)), "half axes"),
        (lambda: HalfSpace((0, 0, 0)), "length above 0"),
        (lambda: ConvexHull([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0]]), "one plane"),
        (lambda: Sphere(1) & 3, "no region"),
        (lambda: Terrain([1.0], (1, 1)), "shape"),
        (lambda: Sphere(1).contains([1, 2, 3]), "shape"),
    ],
)
def test_impossible_regions_are_refused(make, words):
    with pytest.raises(StructureError, match=words):
        make()
