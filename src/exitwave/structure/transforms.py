"""Rotations, reflections, translations and general affine maps of points; values that never change."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from exitwave.core import Stream, StructureError
from exitwave.structure.arrays import Array, frozen, points3, unit, vector3

__all__ = [
    "Transform",
    "affine",
    "align",
    "best_fit",
    "euler",
    "inversion",
    "quaternion",
    "reflection",
    "rotation",
    "rotation_between",
    "translation",
    "uniform_quaternion",
]

ZERO = (0.0, 0.0, 0.0)


@dataclass(frozen=True, eq=False)
class Transform:
    r"""An affine map of space, :math:`x \mapsto M x + v`.

    Parameters
    ----------
    matrix
        :math:`M`, shape (3, 3), acting on column vectors.
    vector
        :math:`v`, shape (3,), Å.

    Raises
    ------
    StructureError
        If the matrix is singular or a shape is wrong.

    Examples
    --------
    >>> quarter = rotation((0, 0, 1), 90)
    >>> (translation((1, 0, 0)) @ quarter)([[1, 0, 0]]).round(6) + 0
    array([[1., 1., 0.]])
    """

    matrix: Array = field(default_factory=lambda: np.eye(3))
    vector: Array = field(default_factory=lambda: np.zeros(3))

    def __post_init__(self) -> None:
        matrix = frozen(self.matrix)
        if matrix.shape != (3, 3) or not np.isfinite(matrix).all():
            raise StructureError(f"matrix has shape {matrix.shape}; a transform's matrix is 3 × 3 finite numbers.")
        if not abs(np.linalg.det(matrix)) > 1e-12 * float(np.abs(matrix).max()) ** 3:
            raise StructureError("matrix is singular; a transform must be invertible, so its determinant is not 0.")
        object.__setattr__(self, "matrix", matrix)
        object.__setattr__(self, "vector", vector3(self.vector, "vector"))

    def __call__(self, points: ArrayLike) -> Array:
        """Return the images of ``points``, shape (points, 3) (or (3,) for one)."""
        array = np.asarray(points, dtype=np.float64)
        result: Array = array @ self.matrix.T + self.vector
        return result

    def directions(self, vectors: ArrayLike) -> Array:
        """Return the images of direction vectors, which do not feel the translation."""
        result: Array = np.asarray(vectors, dtype=np.float64) @ self.matrix.T
        return result

    def __matmul__(self, other: Transform) -> Transform:
        """Return the transform that applies ``other`` first and this one after it."""
        return Transform(self.matrix @ other.matrix, self.matrix @ other.vector + self.vector)

    def about(self, point: ArrayLike) -> Transform:
        """Return the same map with ``point`` in the place of the origin."""
        centre = vector3(point, "point")
        return Transform(self.matrix, self.vector + centre - self.matrix @ centre)

    @cached_property
    def inverse(self) -> Transform:
        """The map that undoes this one."""
        matrix: Array = self.matrix.T if self.rigid else np.asarray(np.linalg.inv(self.matrix), dtype=np.float64)
        return Transform(matrix, -matrix @ self.vector)

    @cached_property
    def rigid(self) -> bool:
        """Whether distances stay as they are."""
        return bool(np.abs(self.matrix @ self.matrix.T - np.eye(3)).max() < 1e-12)

    @cached_property
    def determinant(self) -> float:
        """The factor by which volumes grow; negative where handedness changes."""
        return float(np.linalg.det(self.matrix))

    @property
    def is_translation(self) -> bool:
        """Whether the map only shifts."""
        return bool(np.array_equal(self.matrix, np.eye(3)))

    def __repr__(self) -> str:
        return f"Transform({self.matrix.tolist()}, {self.vector.tolist()})"

    @classmethod
    def of(cls, value: Transform | ArrayLike) -> Transform:
        """Return ``value`` if it is a transform, or the one whose matrix it is."""
        return value if isinstance(value, Transform) else cls(np.asarray(value, dtype=np.float64))


def translation(vector: ArrayLike) -> Transform:
    r"""Shift by a vector, :math:`x \mapsto x + v`.

    Parameters
    ----------
    vector
        :math:`v` = (x, y, z), Å.

    Examples
    --------
    >>> translation((0, 0, 5))([[1, 2, 3]])
    array([[1., 2., 8.]])
    """
    return Transform(np.eye(3), vector3(vector, "vector"))


def rotation(axis: ArrayLike, angle: float, about: ArrayLike = ZERO) -> Transform:
    r"""Turn by ``angle`` about ``axis`` through the point ``about``, right-handed.

    Rodrigues' formula :math:`R = 1 + \sin\theta\,K + (1 - \cos\theta) K^2` with :math:`K x = n \times x`;
    exact for multiples of 90°.

    Parameters
    ----------
    axis
        Direction, any length above 0.
    angle
        Degrees.
    about
        A point on the axis, Å.

    Examples
    --------
    >>> rotation((0, 0, 1), 90).directions([1, 0, 0])
    array([0., 1., 0.])
    """
    if not np.isfinite(angle):
        raise StructureError(f"angle is {angle}; an angle is a finite number of degrees.")
    n = unit(axis, "axis")
    quarters, rest = divmod(float(angle), 90.0)
    if rest == 0:
        sine, cosine = ((0.0, 1.0), (1.0, 0.0), (0.0, -1.0), (-1.0, 0.0))[int(quarters) % 4]
    else:
        sine, cosine = float(np.sin(np.radians(angle))), float(np.cos(np.radians(angle)))
    k = np.array([[0, -n[2], n[1]], [n[2], 0, -n[0]], [-n[1], n[0], 0]])
    return Transform(np.eye(3) + sine * k + (1 - cosine) * k @ k).about(about)


def rotation_between(source: ArrayLike, target: ArrayLike) -> Transform:
    """Turn the direction ``source`` into the direction ``target`` by the smallest angle.

    Two reflections, so that it is exact for parallel vectors too; for antiparallel ones the half turn about
    some axis across them.

    Parameters
    ----------
    source, target
        Directions, any lengths above 0.

    Examples
    --------
    >>> rotation_between((0, 0, 1), (0, 0, -5)).directions([0, 0, 1]) + 0
    array([ 0.,  0., -1.])
    """
    a, b = unit(source, "source"), unit(target, "target")
    if a @ b >= 0:
        return Transform(_mirror(a + b) @ _mirror(a))
    normal = np.cross(a, b)
    if np.linalg.norm(normal) < 1e-12:
        normal = np.cross(b, np.eye(3)[np.argmin(np.abs(b))])
    normal = normal - (normal @ b) * b
    half_turn = _mirror(normal) * -1.0
    return Transform(half_turn @ _mirror(a - b) @ _mirror(a))


def euler(angles: ArrayLike, axes: str = "ZXZ") -> Transform:
    """Turn by three Euler angles in degrees.

    Parameters
    ----------
    angles
        Three angles, degrees, in the order of ``axes``.
    axes
        Three of X, Y, Z turn about the axes of the turning body (intrinsic); three of x, y, z about those of
        space (extrinsic).

    Examples
    --------
    >>> bool(np.allclose(euler((10, 20, 30), "XYZ").matrix, euler((30, 20, 10), "zyx").matrix))
    True
    """
    from scipy.spatial.transform import Rotation

    ok = len(axes) == 3 and (set(axes) <= set("xyz") or set(axes) <= set("XYZ"))
    if not ok or any(a == b for a, b in pairwise(axes)):
        raise StructureError(
            f"axes is {axes!r}; Euler axes are three letters, as in ZXZ (turning axes) or zxz (axes of space),"
            " no letter twice in a row."
        )
    return Transform(Rotation.from_euler(axes, vector3(angles, "angles"), degrees=True).as_matrix())


def quaternion(q: ArrayLike) -> Transform:
    """Turn by a quaternion.

    Parameters
    ----------
    q
        (w, x, y, z), any length above 0; q and −q are the same turn.

    Raises
    ------
    StructureError
        If it is not four finite numbers, or all are 0.

    Examples
    --------
    >>> quaternion((1, 0, 0, 1)).directions([1, 0, 0]).round(12) + 0
    array([0., 1., 0.])
    """
    array = np.asarray(q, dtype=np.float64)
    if array.shape != (4,) or not np.isfinite(array).all() or not (length := float(np.linalg.norm(array))):
        raise StructureError(f"quaternion is {q!r}; it is four finite numbers (w, x, y, z), not all 0.")
    w, x, y, z = array / length
    return Transform(
        np.array(
            [
                [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
                [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
                [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
            ]
        )
    )


def uniform_quaternion(stream: Stream) -> tuple[float, float, float, float]:
    r"""Return a unit quaternion (w, x, y, z), uniform over all rotations.

    The rotation angle :math:`\omega` has the density :math:`(1 - \cos\omega)/\pi` on :math:`[0, \pi]`.

    Parameters
    ----------
    stream
        Where the randomness comes from; the same stream gives the same quaternion.

    Source: K. Shoemake, Uniform random rotations, Graphics Gems III (1992).

    Examples
    --------
    >>> q = uniform_quaternion(Stream(1) / "turn")
    >>> round(sum(part**2 for part in q), 12), quaternion(q).rigid
    (1.0, True)
    """
    u, v, w = stream.generator().random(3)
    a, b = np.sqrt(1 - u), np.sqrt(u)
    angles = 2 * np.pi * v, 2 * np.pi * w
    q = (b * np.cos(angles[1]), a * np.sin(angles[0]), a * np.cos(angles[0]), b * np.sin(angles[1]))
    return (float(q[0]), float(q[1]), float(q[2]), float(q[3]))


def reflection(normal: ArrayLike, about: ArrayLike = ZERO) -> Transform:
    """Mirror in a plane.

    Parameters
    ----------
    normal
        Of the plane; any length above 0.
    about
        A point of the plane, Å.

    Examples
    --------
    >>> reflection((0, 0, 1), about=(0, 0, 5))([[1, 2, 3]])
    array([[1., 2., 7.]])
    """
    return Transform(_mirror(unit(normal, "normal"))).about(about)


def inversion(about: ArrayLike = ZERO) -> Transform:
    r"""Carry every point to the opposite side of a point, :math:`x \mapsto 2c - x`.

    Parameters
    ----------
    about
        The point :math:`c` that stays, Å.

    Examples
    --------
    >>> inversion(about=(1, 1, 1))([[1, 2, 3]])
    array([[ 1.,  0., -1.]])
    """
    return Transform(-np.eye(3)).about(about)


def affine(matrix: ArrayLike, about: ArrayLike = ZERO) -> Transform:
    r"""Apply a matrix with a point at rest, :math:`x \mapsto c + M (x - c)`.

    Parameters
    ----------
    matrix
        :math:`M`, shape (3, 3), acting on column vectors; its determinant is not 0.
    about
        :math:`c`, Å.

    Raises
    ------
    StructureError
        If the matrix is singular or not 3 × 3.

    Examples
    --------
    >>> stretch = affine(np.diag([1, 1, 1.5]), about=(0, 0, 10))
    >>> stretch([[3, 4, 10], [3, 4, 20]])
    array([[ 3.,  4., 10.],
           [ 3.,  4., 25.]])
    """
    return Transform(np.asarray(matrix, dtype=np.float64)).about(about)


def best_fit(source: ArrayLike, target: ArrayLike) -> Transform:
    """Return the rigid motion that carries points onto their partners with the least square error.

    Parameters
    ----------
    source, target
        Shapes (points, 3), Å; at least three points that are not on a line.

    Raises
    ------
    StructureError
        If the numbers of points differ or are below three, or the points are on a line.

    Source: W. Kabsch, Acta Cryst. A32, 922 (1976).

    Examples
    --------
    >>> points = np.array([[0, 0, 0], [3, 0, 0], [0, 4, 0], [0, 0, 5]])
    >>> motion = translation((1, 2, 3)) @ rotation((1, 1, 0), 30)
    >>> found = best_fit(points, motion(points))
    >>> bool(np.allclose(found.matrix, motion.matrix)), found.vector.round(6)
    (True, array([1., 2., 3.]))
    """
    a, b = points3(source, "source"), points3(target, "target")
    if a.shape != b.shape or len(a) < 3:
        raise StructureError(f"source has {len(a)} points and target {len(b)}; a fit needs as many, three or more.")
    u, sizes, v = np.linalg.svd((a - a.mean(0)).T @ (b - b.mean(0)))
    if sizes[1] <= 1e-12 * sizes[0]:
        raise StructureError("the points lie on a line, so the rotation is not decided; give points off the line.")
    matrix = v.T @ np.diag([1.0, 1.0, np.sign(np.linalg.det(v.T @ u.T))]) @ u.T
    return Transform(matrix, b.mean(0) - matrix @ a.mean(0))


def align(normal: ArrayLike, point: ArrayLike, to_normal: ArrayLike, to_point: ArrayLike) -> Transform:
    """Return the rigid motion that lays one surface against another, outward normals opposed.

    Parameters
    ----------
    normal, point
        Outward normal of the surface that moves, any length above 0, and a point of it, Å.
    to_normal, to_point
        The same of the surface that stays.

    Examples
    --------
    >>> motion = align((1, 0, 0), (5, 0, 0), to_normal=(0, 0, 1), to_point=(20, 20, 50))
    >>> motion((5, 0, 0)).round(6), motion.directions((1, 0, 0)).round(6) + 0
    (array([20., 20., 50.]), array([ 0.,  0., -1.]))
    """
    turn = rotation_between(normal, -unit(to_normal, "to_normal"))
    return translation(vector3(to_point, "to_point") - turn(vector3(point, "point"))) @ turn


def _mirror(normal: Array) -> Array:
    result: Array = np.eye(3) - 2 * np.outer(normal, normal) / (normal @ normal)
    return result
