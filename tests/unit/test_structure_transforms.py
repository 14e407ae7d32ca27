"""Transforms: exact where they must be, and refused where they make no sense."""

import numpy as np
import pytest

from exitwave.core import StructureError
from exitwave.structure import (
    Transform,
    affine,
    align,
    best_fit,
    euler,
    inversion,
    quaternion,
    reflection,
    rotation,
    rotation_between,
    translation,
)

X, Y, Z = np.eye(3)


@pytest.mark.parametrize(
    "target", [Z, -Z, X, (1e-9, 0, 1), (1e-9, 0, -1), (1e-14, 1e-15, -1), (1, 2, 3), (-1, -2, -3)]
)
@pytest.mark.parametrize("source", [Z, (1, 2, 3), (0, -1, 0)])
def test_turn_of_one_direction_into_another_is_exact(source, target):
    turn = rotation_between(source, target)
    goal = np.array(target) / np.linalg.norm(target)
    assert np.abs(turn.directions(np.array(source) / np.linalg.norm(source)) - goal).max() < 1e-14
    assert np.abs(turn.matrix @ turn.matrix.T - np.eye(3)).max() < 1e-14
    assert turn.determinant == pytest.approx(1, abs=1e-14)


def test_turn_between_directions_is_the_smallest():
    for angle in (10, 80, 100, 170, 179.9):
        turn = rotation_between(X, rotation(Z, angle)(X))
        assert np.allclose(turn.matrix, rotation(Z, angle).matrix, atol=1e-12)


def test_rotation_by_quarters_is_exact():
    assert np.array_equal(rotation(Z, 90).matrix.round(15) + 0, np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1.0]]))
    assert np.array_equal(rotation((0, 0, 7), -270).matrix, rotation(Z, 90).matrix)
    assert np.allclose(rotation(Z, 33, about=(1, 2, 3))([1, 2, 99]), [1, 2, 99])


def test_euler_angles_turn_about_turning_axes_and_about_axes_of_space():
    a, b, c = 20.0, 35.0, -70.0
    intrinsic = rotation(Z, a) @ rotation(X, b) @ rotation(Z, c)
    assert np.allclose(euler((a, b, c), "ZXZ").matrix, intrinsic.matrix)
    extrinsic = rotation(Z, c) @ rotation(Y, b) @ rotation(X, a)
    assert np.allclose(euler((a, b, c), "xyz").matrix, extrinsic.matrix)


@pytest.mark.parametrize("axes", ["ZZX", "xyZ", "zx", "abc"])
def test_impossible_euler_axes_are_refused(axes):
    with pytest.raises(StructureError, match="three letters"):
        euler((1, 2, 3), axes)


def test_quaternion_is_a_rotation_about_its_axis():
    half = np.radians(40) / 2
    axis = np.array([1, -2, 0.5]) / np.linalg.norm([1, -2, 0.5])
    turn = quaternion([np.cos(half), *(np.sin(half) * axis)])
    assert np.allclose(turn.matrix, rotation(axis, 40).matrix)


def test_mirrors_inversions_and_affine_maps_keep_their_point():
    point = (3.0, -1.0, 2.0)
    for map_ in (reflection((1, 1, 0), point), inversion(point), affine(np.diag([2, 1, 0.5]), point)):
        assert np.allclose(map_(point), point)
    assert np.allclose(reflection(X)([1, 2, 3]), [-1, 2, 3])
    assert reflection(X).determinant == pytest.approx(-1)
    assert inversion().determinant == pytest.approx(-1)


def test_best_fit_finds_the_motion_and_never_a_mirror():
    rng = np.random.default_rng(1)
    points = rng.normal(size=(9, 3))
    motion = translation((1, 2, 3)) @ rotation((1, 2, 2), 77)
    found = best_fit(points, motion(points))
    assert np.allclose(found.matrix, motion.matrix)
    assert np.allclose(found.vector, motion.vector)
    assert best_fit(points, reflection(X)(points)).determinant == pytest.approx(1)
    with pytest.raises(StructureError, match="on a line"):
        best_fit([[0, 0, 0], [1, 0, 0], [2, 0, 0]], [[0, 0, 0], [0, 1, 0], [0, 2, 0]])


def test_align_lays_surface_on_surface_and_changes_nothing_it_is_given():
    normal, point = np.array([1.0, 1, 1]), np.array([5.0, 0, 0])
    motion = align(normal, point, Z, (0, 0, 10))
    assert np.allclose(motion(point), [0, 0, 10])
    assert np.allclose(motion.directions(normal / 3**0.5), -Z)
    assert np.array_equal(normal, [1, 1, 1])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Transform(np.zeros((3, 3))), "singular"),
        (lambda: Transform(np.ones((2, 2))), "3 × 3"),
        (lambda: rotation((0, 0, 0), 10), "length above 0"),
        (lambda: rotation(X, np.nan), "finite number of degrees"),
        (lambda: quaternion((0, 0, 0, 0)), "not all 0"),
        (lambda: translation((1, 2)), "three finite numbers"),
    ],
)
def test_impossible_transforms_are_refused(make, words):
    with pytest.raises(StructureError, match=words):
        make()


def test_transforms_do_not_change():
    turn = rotation(X, 20)
    with pytest.raises(ValueError, match="read-only"):
        turn.matrix[0, 0] = 2
