"""Convex bodies from planes or from points, and closed meshes of triangles of any shape."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray
from typing_extensions import override

from exitwave.core import StructureError
from exitwave.structure.arrays import Array, frozen, points3, vector3
from exitwave.structure.regions.base import Region
from exitwave.structure.regions.solids import ORIGIN, Solid
from exitwave.structure.transforms import Transform

__all__ = ["ConvexHull", "Mesh", "Polyhedron"]


@dataclass(frozen=True, eq=False)
class Polyhedron(Solid):
    """A convex body bounded by planes: (x − centre) · normal ≤ distance for every facet.

    Parameters
    ----------
    normals
        Outward normals, shape (facets, 3), any lengths above 0.
    distances
        Distances of the facets from the centre along their unit normals, shape (facets,), Å.
    centre
        Å.

    Raises
    ------
    StructureError
        If the planes enclose nothing or leave a way out.

    Examples
    --------
    >>> import itertools
    >>> octahedron = Polyhedron(list(itertools.product((-1, 1), repeat=3)), [10] * 8)
    >>> round(octahedron.volume, 3), len(octahedron.vertices)
    (6928.203, 6)
    """

    normals: ArrayLike
    distances: ArrayLike
    centre: ArrayLike = ORIGIN

    def __post_init__(self) -> None:
        normals = points3(self.normals, "normals")
        lengths = np.linalg.norm(normals, axis=1)
        distances = np.broadcast_to(np.asarray(self.distances, dtype=np.float64), (len(normals),))
        if not (np.isfinite(normals).all() and (lengths > 0).all() and np.isfinite(distances).all()):
            raise StructureError("a facet's normal is 0 or not finite; each facet has a direction and a distance.")
        object.__setattr__(self, "normals", frozen(normals / lengths[:, None]))
        object.__setattr__(self, "distances", frozen(distances))
        object.__setattr__(self, "centre", vector3(self.centre, "centre"))
        _ = self.vertices

    @cached_property
    def vertices(self) -> Array:
        """Corners of the body, shape (vertices, 3), Å."""
        from scipy.spatial import HalfspaceIntersection, QhullError

        normals, offsets = self.planes()
        inside = np.asarray(self.centre)
        depths = offsets - normals @ inside
        if not depths.min() > 1e-6 * depths.max():
            inside = _deepest_point(normals, offsets)
        try:
            with np.errstate(divide="ignore", invalid="ignore"):  # corners at infinity are refused below
                found = HalfspaceIntersection(np.column_stack([normals, -offsets]), inside)
            # the planes close the body where the inside is within the hull of their duals
            closed = bool((found.dual_equations[:, -1] < 0).all())
            corners = found.intersections if closed else np.full((1, 3), np.inf)
        except QhullError:
            corners = np.full((1, 3), np.inf)
        if not np.isfinite(corners).all():
            raise StructureError(f"the {len(normals)} planes leave a way out; add facets until they close the body.")
        corners = corners[np.lexsort(corners.round(9).T)]
        distinct = np.ones(len(corners), dtype=bool)
        distinct[1:] = (np.abs(np.diff(corners, axis=0)) > 1e-7).any(axis=1)
        result: Array = frozen(corners[distinct])
        return result

    @cached_property
    def volume(self) -> float:
        """Volume, Å³."""
        from scipy.spatial import ConvexHull as Hull

        return float(Hull(self.vertices).volume)

    @cached_property
    def areas(self) -> Array:
        """Area of every facet, shape (facets,), Å²; 0 where a plane only touches the body or misses it."""
        from scipy.spatial import ConvexHull as Hull
        from scipy.spatial import QhullError

        normals, offsets = self.planes()
        areas = np.zeros(len(normals))
        for i, (normal, offset) in enumerate(zip(normals, offsets, strict=True)):
            on = self.vertices[np.abs(self.vertices @ normal - offset) < 1e-6]
            if len(on) < 3:
                continue
            across = np.linalg.svd(normal[None])[2][1:]
            try:
                areas[i] = Hull((on - on[0]) @ across.T).volume
            except QhullError:
                areas[i] = 0.0  # the plane touches an edge
        return areas

    @override
    def outside_by(self, points: Array) -> Array:
        normals, offsets = self.planes()
        worst = np.full(len(points), -np.inf)
        for normal, offset in zip(normals, offsets, strict=True):
            np.maximum(worst, points @ normal - offset, out=worst)
        return worst

    @override
    def contains(self, points: ArrayLike, tolerance: float = 0.0) -> NDArray[np.bool_]:
        from exitwave.structure.regions.inside import behind_planes

        normals, offsets = self.planes()
        return behind_planes(
            np.ascontiguousarray(points3(points)), np.ascontiguousarray(normals), offsets + tolerance
        )

    @override
    def transformed(self, transform: Transform) -> Polyhedron:
        # the corners are carried along, not found again
        normals = np.asarray(self.normals) @ transform.inverse.matrix
        lengths = np.linalg.norm(normals, axis=1)
        moved = object.__new__(Polyhedron)
        object.__setattr__(moved, "normals", frozen(normals / lengths[:, None]))
        object.__setattr__(moved, "distances", frozen(np.asarray(self.distances) / lengths))
        object.__setattr__(moved, "centre", frozen(transform(self.centre)))
        moved.__dict__["vertices"] = frozen(transform(self.vertices))
        return moved

    @override
    def planes(self) -> tuple[Array, Array]:
        normals = np.asarray(self.normals)
        return normals, np.asarray(self.distances) + normals @ np.asarray(self.centre)

    @override
    def extent(self, directions: ArrayLike) -> Array:
        result: Array = (points3(directions, "directions") @ self.vertices.T).max(axis=1)
        return result


class ConvexHull(Polyhedron):
    """The smallest convex body that holds all ``points``.

    Parameters
    ----------
    points
        Shape (points, 3), Å; at least four that are not in one plane.

    Raises
    ------
    StructureError
        If the points span no volume.

    Examples
    --------
    >>> pyramid = ConvexHull([[0, 0, 0], [10, 0, 0], [0, 10, 0], [10, 10, 0], [5, 5, 9]])
    >>> len(pyramid.normals), round(pyramid.volume, 6)
    (5, 300.0)
    """

    def __init__(self, points: ArrayLike) -> None:
        from scipy.spatial import ConvexHull as Hull
        from scipy.spatial import QhullError

        array = points3(points)
        try:
            hull = Hull(array)
        except (QhullError, ValueError):
            raise StructureError(
                f"the {len(array)} points of a convex hull lie in one plane or are not finite;"
                " give four or more that span a volume."
            ) from None
        # coplanar triangles of a face share their plane
        planes = np.unique(hull.equations.round(12), axis=0)
        super().__init__(planes[:, :3], -planes[:, 3])

    def __repr__(self) -> str:
        return f"ConvexHull({self.vertices.tolist()})"


@dataclass(frozen=True, eq=False)
class Mesh(Region):
    """The inside of a closed surface of triangles; it may have dents and holes.

    Parameters
    ----------
    vertices
        Shape (vertices, 3), Å.
    faces
        Three or more vertex indices per facet, in turn around it; all facets seen from outside in the same sense.

    Raises
    ------
    StructureError
        If the surface is not closed.

    Examples
    --------
    >>> corners = [[0, 0, 0], [10, 0, 0], [0, 10, 0], [0, 0, 10]]
    >>> tetrahedron = Mesh(corners, faces=((0, 2, 1), (0, 1, 3), (0, 3, 2), (1, 2, 3)))
    >>> tetrahedron.contains([[1, 1, 1], [9, 9, 9]])
    array([ True, False])
    """

    vertices: ArrayLike
    faces: tuple[tuple[int, ...], ...]

    def __post_init__(self) -> None:
        vertices = frozen(points3(self.vertices, "vertices"))
        faces = tuple(tuple(int(i) for i in face) for face in self.faces)
        if any(len(face) < 3 or min(face) < 0 or max(face) >= len(vertices) for face in faces):
            raise StructureError(f"a facet is three or more indices from 0 to {len(vertices) - 1} of its corners.")
        edges = Counter(edge for face in faces for edge in zip(face, face[1:] + face[:1], strict=True))
        if not edges or any(count != 1 or edges[(b, a)] != 1 for (a, b), count in edges.items()):
            raise StructureError(
                "the facets do not close a surface; every edge belongs to two facets that run along it in opposite"
                " directions."
            )
        object.__setattr__(self, "vertices", vertices)
        object.__setattr__(self, "faces", faces)

    @cached_property
    def triangles(self) -> Array:
        """Corners of the triangles, shape (triangles, 3, 3), Å."""
        fans = [(face[0], b, c) for face in self.faces for b, c in pairwise(face[1:])]
        result: Array = frozen(np.asarray(self.vertices)[np.array(fans)])
        return result

    @override
    def contains(self, points: ArrayLike, tolerance: float = 0.0) -> NDArray[np.bool_]:
        from exitwave.structure.regions.winding import inside_mesh

        return inside_mesh(np.ascontiguousarray(points3(points)), self.triangles, float(tolerance))

    @override
    def extent(self, directions: ArrayLike) -> Array:
        result: Array = (points3(directions, "directions") @ np.asarray(self.vertices).T).max(axis=1)
        return result


def _deepest_point(normals: Array, offsets: Array) -> Array:
    """Return the centre of the largest ball within half-spaces."""
    from scipy.optimize import linprog

    found = linprog(
        [0, 0, 0, -1.0], A_ub=np.column_stack([normals, np.ones(len(normals))]), b_ub=offsets, bounds=(None, None)
    )
    if found.status == 3:
        raise StructureError(f"the {len(normals)} planes leave a way out; add facets until they close the body.")
    if found.status != 0 or found.x[3] <= 1e-9:
        raise StructureError("no point lies behind all planes; move facets outwards until they enclose a volume.")
    result: Array = found.x[:3]
    return result
