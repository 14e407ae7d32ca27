"""Regions of space and their Boolean algebra."""

from exitwave.structure.regions.base import AllOf, AnyOf, Moved, Not, Region
from exitwave.structure.regions.polyhedra import ConvexHull, Mesh, Polyhedron
from exitwave.structure.regions.solids import Box, Cone, Cylinder, Ellipsoid, HalfSpace, Sphere
from exitwave.structure.regions.terrain import Terrain

__all__ = [
    "AllOf",
    "AnyOf",
    "Box",
    "Cone",
    "ConvexHull",
    "Cylinder",
    "Ellipsoid",
    "HalfSpace",
    "Mesh",
    "Moved",
    "Not",
    "Polyhedron",
    "Region",
    "Sphere",
    "Terrain",
]
