"""What a region of space is, the Boolean algebra of regions, and regions moved by a transform."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from typing_extensions import override

from exitwave.core import StructureError
from exitwave.structure.arrays import Array, points3
from exitwave.structure.transforms import Transform, rotation, translation

__all__ = ["AllOf", "AnyOf", "Moved", "Not", "Region"]

AXES = np.vstack([-np.eye(3), np.eye(3)])


class Region(ABC):
    """A set of points in space; combine regions with ``&``, ``|``, ``-`` and ``~``.

    Examples
    --------
    >>> from exitwave.structure import HalfSpace, Sphere
    >>> dome = Sphere(radius=10) - HalfSpace(normal=(0, 0, 1), point=(0, 0, 0))
    >>> dome.contains([[0, 0, 5], [0, 0, -5]])
    array([ True, False])
    """

    @abstractmethod
    def contains(self, points: ArrayLike, tolerance: float = 0.0) -> NDArray[np.bool_]:
        """Return for each of ``points`` (points, 3) whether it is inside, or outside by at most ``tolerance`` Å.

        A negative tolerance asks for points that are that deep inside. The region belongs to itself with its
        surface; its complement is open.
        """

    @abstractmethod
    def extent(self, directions: ArrayLike) -> Array:
        """Return how far the region reaches, at most, along each of ``directions`` (n, 3); inf where open."""

    def planes(self) -> tuple[Array, Array]:
        """Return normals (n, 3) and offsets (n,) of half-spaces n·x ≤ offset that hold the whole region."""
        return np.empty((0, 3)), np.empty(0)

    def bounds(self) -> Array:
        """Return the low and the high corner of a box that holds the region, shape (2, 3), Å."""
        reach = self.extent(AXES)
        low, high = 0.0 - reach[:3], reach[3:]
        if (low > high).any():  # nothing is in the region
            middle = np.where(np.isfinite(low) & np.isfinite(high), (low + high) / 2, 0.0)
            low = high = middle
        return np.stack([low, high])

    @property
    def bounded(self) -> bool:
        """Whether the region is known to end in every direction."""
        return bool(np.isfinite(self.bounds()).all())

    def transformed(self, transform: Transform) -> Region:
        """Return the region moved by ``transform``."""
        return Moved(self, transform)

    def translated(self, vector: ArrayLike) -> Region:
        """Return the region shifted by ``vector``, Å."""
        return self.transformed(translation(vector))

    def rotated(self, axis: ArrayLike, angle: float, about: ArrayLike = (0.0, 0.0, 0.0)) -> Region:
        """Return the region turned by ``angle`` degrees about ``axis`` through ``about``."""
        return self.transformed(rotation(axis, angle, about))

    def __and__(self, other: Region) -> Region:
        return AllOf((*_parts(self, AllOf), *_parts(other, AllOf)))

    def __or__(self, other: Region) -> Region:
        return AnyOf((*_parts(self, AnyOf), *_parts(other, AnyOf)))

    def __sub__(self, other: Region) -> Region:
        return self & ~other

    def __invert__(self) -> Region:
        return Not(self)


@dataclass(frozen=True, eq=False)
class AllOf(Region):
    """The points that are in every one of ``regions``: what ``&`` and ``-`` make.

    Parameters
    ----------
    regions
        One or more regions.

    Examples
    --------
    >>> from exitwave.structure import Box, Sphere
    >>> octant = Sphere(10) & Box(20, 20, 20)
    >>> type(octant).__name__, len(octant.regions)
    ('AllOf', 2)
    >>> octant.contains([[1, 1, 1], [-1, 1, 1], [9, 9, 9]])
    array([ True, False, False])
    """

    regions: tuple[Region, ...]

    @override
    def contains(self, points: ArrayLike, tolerance: float = 0.0) -> NDArray[np.bool_]:
        points = points3(points)
        inside = np.ones(len(points), dtype=bool)
        for region in self.regions:
            # only points that are still in need testing
            inside[inside] = region.contains(points[inside], tolerance)
        return inside

    @override
    def extent(self, directions: ArrayLike) -> Array:
        directions = points3(directions, "directions")
        reach: Array = np.min([region.extent(directions) for region in self.regions], axis=0)
        if not np.isfinite(reach).all():
            reach = np.minimum(reach, _reach_within(*self.planes(), directions))
        return reach

    @override
    def planes(self) -> tuple[Array, Array]:
        both = [region.planes() for region in self.regions]
        return np.concatenate([b[0] for b in both]), np.concatenate([b[1] for b in both])


@dataclass(frozen=True, eq=False)
class AnyOf(Region):
    """The points that are in at least one of ``regions``: what ``|`` makes.

    Parameters
    ----------
    regions
        One or more regions.

    Examples
    --------
    >>> from exitwave.structure import Sphere
    >>> dumbbell = Sphere(10) | Sphere(10, centre=(15, 0, 0))
    >>> type(dumbbell).__name__
    'AnyOf'
    >>> dumbbell.bounds()
    array([[-10., -10., -10.],
           [ 25.,  10.,  10.]])
    """

    regions: tuple[Region, ...]

    @override
    def contains(self, points: ArrayLike, tolerance: float = 0.0) -> NDArray[np.bool_]:
        points = points3(points)
        inside = np.zeros(len(points), dtype=bool)
        for region in self.regions:
            inside[~inside] = region.contains(points[~inside], tolerance)
        return inside

    @override
    def extent(self, directions: ArrayLike) -> Array:
        directions = points3(directions, "directions")
        reach: Array = np.max([region.extent(directions) for region in self.regions], axis=0)
        return reach


@dataclass(frozen=True, eq=False)
class Not(Region):
    """The points that are not in ``region``: what ``~`` makes.

    Parameters
    ----------
    region
        The region that is left out.

    Examples
    --------
    >>> from exitwave.structure import Sphere
    >>> outside = ~Sphere(10)
    >>> type(outside).__name__, outside.bounded
    ('Not', False)
    >>> outside.contains([[0, 0, 0], [0, 0, 11]])
    array([False,  True])
    """

    region: Region

    @override
    def contains(self, points: ArrayLike, tolerance: float = 0.0) -> NDArray[np.bool_]:
        return ~self.region.contains(points, -tolerance)

    @override
    def extent(self, directions: ArrayLike) -> Array:
        directions = points3(directions, "directions")
        normals, offsets = self.planes()
        if len(normals) == 0:
            return np.full(len(directions), np.inf)
        along = directions @ normals[0]
        across = np.linalg.norm(directions - along[:, None] * normals[0], axis=1)
        return np.where((across <= 1e-12 * np.abs(along)) & (along > 0), along * offsets[0], np.inf)

    @override
    def planes(self) -> tuple[Array, Array]:
        # the outside of one half-space is a half-space
        normals, offsets = self.region.planes()
        if len(normals) == 1 and getattr(self.region, "flat", False):
            return -normals, -offsets
        return super().planes()

    def __invert__(self) -> Region:
        return self.region


@dataclass(frozen=True, eq=False)
class Moved(Region):
    """A region carried along by a transform: what ``translated``, ``rotated`` and ``transformed`` make.

    Parameters
    ----------
    region
        The region where it was.
    transform
        Carries its points to where they are now.

    Examples
    --------
    >>> from exitwave.structure import Cylinder
    >>> lying = Cylinder(radius=5, length=40).rotated(axis=(0, 1, 0), angle=90)
    >>> type(lying).__name__, lying.bounds().round(6).tolist()
    ('Moved', [[-20.0, -5.0, -5.0], [20.0, 5.0, 5.0]])
    """

    region: Region
    transform: Transform

    @cached_property
    def flat(self) -> bool:
        """Whether the region is one half-space."""
        return bool(getattr(self.region, "flat", False))

    @cached_property
    def _shrink(self) -> float:
        # how much shorter a tolerance is in the region's own frame; exact for rigid motions
        return float(abs(self.transform.determinant) ** (-1 / 3))

    @override
    def contains(self, points: ArrayLike, tolerance: float = 0.0) -> NDArray[np.bool_]:
        return self.region.contains(self.transform.inverse(points3(points)), tolerance * self._shrink)

    @override
    def extent(self, directions: ArrayLike) -> Array:
        directions = points3(directions, "directions")
        reach: Array = self.region.extent(directions @ self.transform.matrix) + directions @ self.transform.vector
        return reach

    @override
    def planes(self) -> tuple[Array, Array]:
        normals, offsets = self.region.planes()
        normals = normals @ self.transform.inverse.matrix
        lengths = np.linalg.norm(normals, axis=1)
        return normals / lengths[:, None], (offsets + normals @ self.transform.vector) / lengths

    @override
    def transformed(self, transform: Transform) -> Region:
        return Moved(self.region, transform @ self.transform)


def _parts(region: Region, kind: type[AllOf] | type[AnyOf]) -> tuple[Region, ...]:
    if not isinstance(region, Region):
        raise StructureError(f"{region!r} is no region; only regions combine with regions by &, |, - and ~.")
    return region.regions if isinstance(region, kind) else (region,)


def _reach_within(normals: Array, offsets: Array, directions: Array) -> Array:
    r"""Return the reach of the convex body cut out by half-spaces; inf where it is open.

    By duality :math:`\max_x \{d \cdot x : n_i \cdot x \le o_i\}` is
    :math:`\min_y \{o \cdot y : \sum_i y_i n_i = d, y \ge 0\}`, and a smallest :math:`y` has at most three entries
    above 0. Every such :math:`y` gives a bound that holds, of an empty body too.
    """
    reach = np.full(len(directions), np.inf)
    for size in range(1, min(3, len(normals)) + 1):
        chosen = np.array(list(combinations(range(len(normals)), size)))
        spanning = normals[chosen].transpose(0, 2, 1)  # (subsets, 3, size)
        weights = np.einsum("sik,dk->sdi", np.linalg.pinv(spanning, rcond=1e-9), directions)
        weights = np.maximum(weights, 0.0)
        missed = np.abs(np.einsum("ski,sdi->sdk", spanning, weights) - directions).max(axis=2)
        bound = np.einsum("sdi,si->sd", weights, offsets[chosen])
        usable = (missed <= 1e-11) & (weights.max(axis=2) < 1e7)
        reach = np.minimum(reach, np.where(usable, bound, np.inf).min(axis=0))
    return reach
