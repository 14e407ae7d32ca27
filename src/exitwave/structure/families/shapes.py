"""The shapes that a family's particle can have, by name, each as large as a sphere of its radius."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

import numpy as np

from exitwave.core import SpecError, StructureError
from exitwave.structure.generators.crystal import Crystal
from exitwave.structure.materials import Material, material
from exitwave.structure.prefabs.multitwins import decahedron, icosahedron
from exitwave.structure.prefabs.polyhedra import (
    cube,
    cuboctahedron,
    faceted,
    octahedron,
    rhombic_dodecahedron,
    tetrahedron,
    truncated,
    truncated_octahedron,
)
from exitwave.structure.prefabs.rods import platelet, rod
from exitwave.structure.prefabs.shapes import of_volume
from exitwave.structure.regions import Polyhedron, Sphere
from exitwave.structure.volumes import Body, Volume

__all__ = ["SHAPES", "TWINNED", "check_shape", "reach_of", "shaped"]

CUBIC: dict[str, Callable[[Crystal, float], Volume]] = {
    "cube": cube,
    "octahedron": octahedron,
    "cuboctahedron": cuboctahedron,
    "truncated_octahedron": truncated_octahedron,
    "truncated_cube": lambda crystal, radius: truncated(cube(crystal, 1.03 * radius), {(1, 1, 1): 0.8}),
    "rhombic_dodecahedron": rhombic_dodecahedron,
    "tetrahedron": lambda crystal, radius: truncated(tetrahedron(crystal, 1.05 * radius), {(-1, -1, -1): 0.75}),
}
TWINNED = ("decahedron", "marks_decahedron", "icosahedron")
SHAPES = ("sphere", "faceted", *CUBIC, "rod", "platelet", *TWINNED)
# radius of the ball around each, in units of the radius of the sphere as large
REACH = {"sphere": 1.0, "icosahedron": 1.2, "decahedron": 1.6, "rod": 2.0, "platelet": 2.0, "tetrahedron": 1.7}
REACH_OF_OTHERS = 1.5
NOTCH, TRUNCATION = 0.2, 0.33  # of the edge of a decahedron


def reach_of(shape: str) -> float:
    """Return the radius of the ball around a shape, in units of that of the sphere as large (or a little more)."""
    return REACH.get(shape, REACH_OF_OTHERS)


@lru_cache(maxsize=256)
def check_shape(materials: tuple[str, ...], shapes: tuple[str, ...]) -> None:
    """Raise SpecError if some material has no such shape."""
    for shape in shapes:
        for name in materials:
            cell = material(name)
            if shape in CUBIC and not cell.cubic:
                raise SpecError(
                    f"shape is {shape} for {name}, which is not cubic; its shapes are sphere, faceted, rod and"
                    " platelet."
                )
            if shape in TWINNED:
                try:
                    icosahedron(cell, 1)
                except StructureError:
                    raise SpecError(
                        f"shape is {shape} for {name}, which is no fcc metal; multiply twinned particles are made of"
                        " one."
                    ) from None


@lru_cache(maxsize=64)
def _icosahedron(metal: Material, shells: int) -> Body:
    return icosahedron(metal, shells)


@lru_cache(maxsize=64)
def _decahedron(metal: Material, edge: int, truncation: int, notch: int) -> Body:
    return decahedron(metal, edge, truncation, notch)


def shaped(crystal: Crystal, shape: str, radius: float, aspect: float) -> Body:
    """Return a particle about the origin in the crystal's frame.

    Parameters
    ----------
    crystal
        Its material and the place of its lattice (multiply twinned particles have a lattice of their own).
    shape
        One of ``SHAPES``.
    radius
        Of the sphere as large, Å.
    aspect
        Length to width of a rod, width to thickness of a platelet.
    """
    if shape == "sphere":
        return Volume(crystal, Sphere(radius))
    if shape in CUBIC:
        return CUBIC[shape](crystal, radius)
    if shape == "faceted":
        return faceted(crystal, radius)
    if shape == "icosahedron":
        return _icosahedron(crystal.material, _shells(_count(crystal.material, radius)))
    if shape in TWINNED:
        return _decahedron(crystal.material, *_edges(_count(crystal.material, radius), shape == "marks_decahedron"))
    volume = 4 / 3 * np.pi * radius**3
    cubic = crystal.material.cubic
    if shape == "rod":
        # half balls at the ends of a cubic one: π r² (2 a r) less what they round off
        share = 2 * np.pi * aspect - 2 / 3 * np.pi if cubic else 4 * np.sqrt(3) * aspect
        width = float((volume / share) ** (1 / 3))
        if cubic:
            return rod(crystal, width, 2 * aspect * width, axis=(1, 1, 0), ends="round")
        return _as_large(rod(crystal, width, 2 * aspect * width, sides=(1, 0, 0)), volume)
    width = float((volume * aspect / (4 * np.sqrt(3))) ** (1 / 3))
    plane, sides = ((1, 1, 1), (1, 1, 1)) if cubic else ((0, 0, 1), (1, 0, 0))
    return _as_large(platelet(crystal, width, 2 * width / aspect, plane=plane, sides=sides), volume)


def _as_large(body: Volume, volume: float) -> Volume:
    """Return a prism with the volume asked for: with four sides it is larger than with six."""
    assert isinstance(body.region, Polyhedron)
    return replace(body, region=of_volume(body.region, volume))


def _count(cell: Material, radius: float) -> float:
    return 4 / 3 * np.pi * radius**3 * len(cell.numbers) / cell.volume


def _shells(atoms: float) -> int:
    """Return the shells of the icosahedron that comes nearest to a number of atoms."""
    shells = np.arange(1, 200)
    return int(shells[np.argmin(np.abs((10 * shells**3 + 15 * shells**2 + 11 * shells + 3) / 3 - atoms))])


def _edges(atoms: float, notched: bool) -> tuple[int, int, int]:
    """Return edge, truncation and notch of the decahedron that comes nearest to a number of atoms."""
    best, least = (1, 0, 0), np.inf
    for edge in range(1, 150):
        truncation = int(TRUNCATION * edge)
        notch = max(1, round(NOTCH * (edge - truncation))) if notched and edge - truncation > 2 else 0
        rows = np.arange(1, edge - truncation + 1)
        extra = np.maximum(rows - (edge - truncation - notch), 0)
        # rings of rows along the axis, less those cut off beside the corners
        per_ring = 5 * (rows - np.maximum(2 * extra - 1, 0))
        count = edge + 1 + float((per_ring * (edge - rows + 1)).sum())
        if abs(count - atoms) < least:
            best, least = (edge, truncation, notch), abs(count - atoms)
    return best
