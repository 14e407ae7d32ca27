"""Half-space, sphere, ellipsoid, cylinder, cone and box."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from math import isfinite
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from typing_extensions import override

from exitwave.core import StructureError
from exitwave.structure.arrays import Array, frozen, points3, unit, vector3
from exitwave.structure.regions.base import Region

__all__ = ["Box", "Cone", "Cylinder", "Ellipsoid", "HalfSpace", "Solid", "Sphere"]

ORIGIN = (0.0, 0.0, 0.0)
UP = (0.0, 0.0, 1.0)


class Solid(Region):
    """A region that knows how far a point is outside it (negative: inside)."""

    @abstractmethod
    def outside_by(self, points: Array) -> Array:
        """Return the signed distance of each point to the surface, Å; exact to first order at the surface."""

    @override
    def contains(self, points: ArrayLike, tolerance: float = 0.0) -> NDArray[np.bool_]:
        result: NDArray[np.bool_] = self.outside_by(points3(points)) <= tolerance
        return result


@dataclass(frozen=True, eq=False)
class HalfSpace(Solid):
    """The points behind a plane: (x − point) · normal ≤ 0.

    Parameters
    ----------
    normal
        Points out of the half-space; any length above 0.
    point
        A point of the plane, Å.

    Raises
    ------
    StructureError
        If the normal is 0, or a vector is not three finite numbers.

    Examples
    --------
    >>> below = HalfSpace(normal=(0, 0, 1), point=(0, 0, 20))
    >>> below.contains([[5, 5, 19], [5, 5, 21]])
    array([ True, False])
    """

    normal: ArrayLike = UP
    point: ArrayLike = ORIGIN
    flat: ClassVar[bool] = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "normal", unit(self.normal, "normal"))
        object.__setattr__(self, "point", vector3(self.point, "point"))

    @override
    def outside_by(self, points: Array) -> Array:
        result: Array = (points - np.asarray(self.point)) @ np.asarray(self.normal)
        return result

    @override
    def planes(self) -> tuple[Array, Array]:
        normal = np.asarray(self.normal)
        return normal[None], np.array([normal @ np.asarray(self.point)])

    @override
    def extent(self, directions: ArrayLike) -> Array:
        directions = points3(directions, "directions")
        normals, offsets = self.planes()
        along = directions @ normals[0]
        across = np.linalg.norm(directions - along[:, None] * normals[0], axis=1)
        return np.where((across <= 1e-12 * np.abs(along)) & (along > 0), along * offsets[0], np.inf)


@dataclass(frozen=True, eq=False)
class Sphere(Solid):
    """A ball: the points at most ``radius`` from ``centre``.

    Parameters
    ----------
    radius
        Å, above 0.
    centre
        (x, y, z), Å.

    Raises
    ------
    StructureError
        If the radius is not a number above 0.

    Examples
    --------
    >>> ball = Sphere(10, centre=(20, 20, 20))
    >>> ball.bounds()
    array([[10., 10., 10.],
           [30., 30., 30.]])
    >>> ball.contains([[20, 20, 30], [20, 20, 30.1]])
    array([ True, False])
    """

    radius: float
    centre: ArrayLike = ORIGIN

    def __post_init__(self) -> None:
        _positive(self, "radius")
        object.__setattr__(self, "centre", vector3(self.centre, "centre"))

    @override
    def outside_by(self, points: Array) -> Array:
        result: Array = np.linalg.norm(points - np.asarray(self.centre), axis=1) - self.radius
        return result

    @override
    def extent(self, directions: ArrayLike) -> Array:
        directions = points3(directions, "directions")
        result: Array = directions @ np.asarray(self.centre) + self.radius * np.linalg.norm(directions, axis=1)
        return result


@dataclass(frozen=True, eq=False)
class Ellipsoid(Solid):
    r"""A ball stretched along x, y and z: :math:`\sum_i (x_i - c_i)^2/r_i^2 \le 1`.

    Parameters
    ----------
    radii
        Half axes along x, y, z, Å, each above 0.
    centre
        (x, y, z), Å.

    Raises
    ------
    StructureError
        If a half axis is not above 0.

    Examples
    --------
    >>> lens = Ellipsoid((20, 20, 5))
    >>> lens.contains([[19, 0, 0], [0, 0, 6], [15, 0, 4]])
    array([ True, False, False])
    """

    radii: ArrayLike
    centre: ArrayLike = ORIGIN

    def __post_init__(self) -> None:
        radii = vector3(self.radii, "radii")
        if (radii <= 0).any():
            raise StructureError(f"radii is {self.radii!r}; half axes are numbers above 0 in Å.")
        object.__setattr__(self, "radii", radii)
        object.__setattr__(self, "centre", vector3(self.centre, "centre"))

    @override
    def outside_by(self, points: Array) -> Array:
        radii = np.asarray(self.radii)
        scaled = (points - np.asarray(self.centre)) / radii
        length = np.linalg.norm(scaled, axis=1)
        slope = np.linalg.norm(scaled / radii, axis=1)
        # to first order (value / gradient); at the centre the gradient vanishes
        deep = -radii.min()
        result: Array = np.divide(length * (length - 1), slope, out=np.full(len(points), deep), where=slope > 0)
        return result

    @override
    def extent(self, directions: ArrayLike) -> Array:
        directions = points3(directions, "directions")
        result: Array = directions @ np.asarray(self.centre) + np.linalg.norm(
            directions * np.asarray(self.radii), axis=1
        )
        return result


@dataclass(frozen=True, eq=False)
class Cylinder(Solid):
    """A round rod with flat ends.

    Parameters
    ----------
    radius, length
        Å, above 0.
    axis
        Direction of the rod; any length above 0.
    centre
        Middle of the rod, (x, y, z), Å.

    Raises
    ------
    StructureError
        If the radius or the length is not a number above 0, or the axis is 0.

    Examples
    --------
    >>> rod = Cylinder(radius=5, length=40, axis=(1, 0, 0))
    >>> rod.bounds()
    array([[-20.,  -5.,  -5.],
           [ 20.,   5.,   5.]])
    """

    radius: float
    length: float
    axis: ArrayLike = UP
    centre: ArrayLike = ORIGIN

    def __post_init__(self) -> None:
        _positive(self, "radius", "length")
        object.__setattr__(self, "axis", unit(self.axis, "axis"))
        object.__setattr__(self, "centre", vector3(self.centre, "centre"))

    @override
    def outside_by(self, points: Array) -> Array:
        along, across = _along_across(points - np.asarray(self.centre), np.asarray(self.axis))
        return np.maximum(across - self.radius, np.abs(along) - self.length / 2)

    @override
    def extent(self, directions: ArrayLike) -> Array:
        directions = points3(directions, "directions")
        along, across = _along_across(directions, np.asarray(self.axis))
        result: Array = directions @ np.asarray(self.centre) + self.length / 2 * np.abs(along) + self.radius * across
        return result


@dataclass(frozen=True, eq=False)
class Cone(Solid):
    """A round cone, or a frustum if its top has a radius.

    Parameters
    ----------
    radius, height
        Of the base and along the axis, Å, above 0.
    top_radius
        Å, 0 for a pointed cone.
    axis
        From the base to the top; any length above 0.
    base
        Centre of the base, (x, y, z), Å.

    Raises
    ------
    StructureError
        If a size is impossible or the axis is 0.

    Examples
    --------
    >>> tip = Cone(radius=10, height=20)
    >>> tip.contains([[4.9, 0, 10], [5.1, 0, 10]])  # half way up it is half as wide
    array([ True, False])
    """

    radius: float
    height: float
    top_radius: float = 0.0
    axis: ArrayLike = UP
    base: ArrayLike = ORIGIN

    def __post_init__(self) -> None:
        _positive(self, "radius", "height")
        if not 0 <= self.top_radius < np.inf:
            raise StructureError(f"top_radius is {self.top_radius}; it is a number of 0 or more in Å.")
        object.__setattr__(self, "axis", unit(self.axis, "axis"))
        object.__setattr__(self, "base", vector3(self.base, "base"))

    @override
    def outside_by(self, points: Array) -> Array:
        along, across = _along_across(points - np.asarray(self.base), np.asarray(self.axis))
        taper = (self.radius - self.top_radius) / self.height
        side = (across - self.radius + taper * along) / np.hypot(1.0, taper)
        result: Array = np.maximum(side, np.maximum(-along, along - self.height))
        return result

    @override
    def extent(self, directions: ArrayLike) -> Array:
        directions = points3(directions, "directions")
        along, across = _along_across(directions, np.asarray(self.axis))
        ends = np.maximum(self.radius * across, self.top_radius * across + self.height * along)
        result: Array = directions @ np.asarray(self.base) + ends
        return result


@dataclass(frozen=True, eq=False)
class Box(Solid):
    """A box with edges along x, y and z.

    Parameters
    ----------
    x, y, z
        Edge lengths, Å, above 0.
    origin
        The low corner, Å.

    Examples
    --------
    >>> Box(100, 100, 50).bounds()
    array([[  0.,   0.,   0.],
           [100., 100.,  50.]])
    """

    x: float
    y: float
    z: float
    origin: ArrayLike = ORIGIN

    def __post_init__(self) -> None:
        _positive(self, "x", "y", "z")
        object.__setattr__(self, "origin", vector3(self.origin, "origin"))

    @classmethod
    def centred(cls, x: float, y: float, z: float, centre: ArrayLike = ORIGIN) -> Box:
        """Return the box with ``centre`` in its middle."""
        return cls(x, y, z, vector3(centre, "centre") - np.array([x, y, z]) / 2)

    @property
    def corners(self) -> Array:
        """The low and the high corner, shape (2, 3), Å."""
        low = np.asarray(self.origin)
        result: Array = frozen([low, low + np.array([self.x, self.y, self.z])])
        return result

    @override
    def outside_by(self, points: Array) -> Array:
        low, high = self.corners
        result: Array = np.maximum(low - points, points - high).max(axis=1)
        return result

    @override
    def extent(self, directions: ArrayLike) -> Array:
        directions = points3(directions, "directions")
        low, high = self.corners
        result: Array = np.where(directions > 0, directions * high, directions * low).sum(axis=1)
        return result

    @override
    def planes(self) -> tuple[Array, Array]:
        low, high = self.corners
        return np.vstack([-np.eye(3), np.eye(3)]), np.concatenate([-low, high])


def _positive(solid: Solid, *names: str) -> None:
    for name in names:
        value = getattr(solid, name)
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float | np.number)
            or not (isfinite(value) and value > 0)
        ):
            raise StructureError(
                f"{name} is {value!r}; a {type(solid).__name__.lower()}'s {name} is a number above 0 in Å."
            )


def _along_across(vectors: Array, axis: Array) -> tuple[Array, Array]:
    along = vectors @ axis
    return along, np.linalg.norm(vectors - along[:, None] * axis, axis=1)
