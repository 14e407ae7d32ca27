"""Crystalline particles of families: what they are made of, their shape, their defects, and how they are turned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Self

import numpy as np
from pydantic import field_validator, model_validator
from typing_extensions import override

from exitwave.core import (
    Distribution,
    Number,
    Population,
    Spec,
    SpecError,
    Stream,
    Word,
    integer,
    number,
    word,
)
from exitwave.structure.families.parts import CrystalName, upper, words
from exitwave.structure.families.shapes import SHAPES, check_shape, shaped
from exitwave.structure.generators.crystal import Crystal
from exitwave.structure.prefabs.faults import draw_layers, faulted, layers_of
from exitwave.structure.prefabs.polyhedra import rounded, uneven
from exitwave.structure.regions import Polyhedron
from exitwave.structure.stacking import KINDS, default_plane, fault_kinds, stack_of
from exitwave.structure.transforms import quaternion, uniform_quaternion
from exitwave.structure.volumes import Body, Volume

__all__ = ["Fault", "Grain", "Grains", "Particle", "Particles", "can_be", "check_defects", "grain_summary"]

Radius = Annotated[float | Distribution, Number("a particle's radius", "Å", above=0, at_most=2000)]
Coordinate = Annotated[float, Number("a coordinate", "Å", fixed=True)]
Component = Annotated[float, Number("a quaternion's component", at_least=-1, at_most=1, fixed=True)]
ShapeName = Annotated[str | Distribution, Word("a particle's shape", options=SHAPES)]
Aspect = Annotated[float | Distribution, Number("an aspect ratio", at_least=1, at_most=20)]
Rounding = Annotated[float | Distribution, Number("a rounding", at_least=0, at_most=1)]
Unevenness = Annotated[float | Distribution, Number("an unevenness", at_least=0, at_most=0.3)]
Move = Annotated[float, Number("a share of a facet's distance", above=-1, below=1, fixed=True)]
Count = Annotated[int | Distribution, Number("a count of particles", at_least=0, at_most=10_000, whole=True)]
Share = Annotated[float, Number("a share of the cell", at_least=0, below=1, fixed=True)]
Defects = Annotated[int | Distribution, Number("a count of planar defects", at_least=0, at_most=100, whole=True)]
SEPARATION = 3  # layers between planar defects


class Fault(Spec):
    """One planar defect.

    Parameters
    ----------
    kind
        twin, intrinsic or extrinsic in cubic crystals; I1, I2 or E in hexagonal ones.
    layer
        Close-packed layer along (1 1 1) or (0 0 1), counted from the one nearest to the centre.
    """

    kind: Annotated[str, Word("a planar defect", options=[k for kinds in KINDS.values() for k in kinds], fixed=True)]
    layer: Annotated[int, Number("a layer", whole=True, fixed=True)]


class Grain(Spec):
    """One crystalline particle. What is not given is drawn: how it is turned, where its lattice begins.

    Parameters
    ----------
    material
        A crystal of the table of materials.
    radius
        Of the sphere that is as large, Å.
    shape
        sphere; faceted (the habit of any crystal); cube, octahedron, cuboctahedron, truncated_octahedron,
        truncated_cube, rhombic_dodecahedron, tetrahedron (cut at its corners) of cubic crystals; rod, platelet;
        decahedron, marks_decahedron, icosahedron of fcc metals.
    aspect
        Length to width of a rod, width to thickness of a platelet.
    rounding
        How far corners are cut off by a ball: 0 not at all, 1 leaves the ball that fits within.
    unevenness
        Standard deviation of the distances of the facets from the middle, as a share of them.
    orientation
        Quaternion (w, x, y, z) that turns the crystal from its own frame into the scene.
    origin
        Where the corner of the crystal's cell is from the centre, in shares of the cell.
    facets
        By how much each facet is moved, as a share of its distance; drawn from ``unevenness``.
    defects
        How many planar defects, at least three layers apart; fewer where there is no room for so many, none in
        multiply twinned particles.
    faults
        The defects one by one, instead of their number.
    """

    material: CrystalName = "Au"
    radius: Radius
    shape: ShapeName = "sphere"
    aspect: Aspect = 2.0
    rounding: Rounding = 0.0
    unevenness: Unevenness = 0.0
    orientation: tuple[Component, Component, Component, Component] | None = None
    origin: tuple[Share, Share, Share] | None = None
    facets: tuple[Move, ...] | None = None
    defects: Defects = 0
    faults: tuple[Fault, ...] | None = None

    @override
    def draw(self, stream: Stream) -> Self:
        drawn = super().draw(stream)
        changes: dict[str, Any] = {}
        if drawn.orientation is None:
            changes["orientation"] = uniform_quaternion(stream / "orientation")
        if drawn.origin is None:
            changes["origin"] = tuple(float(x) for x in (stream / "origin").generator().random(3))
        drawn = drawn.replace(**changes) if changes else drawn
        if drawn.facets is None and number(drawn.unevenness) > 0:
            drawn = drawn.replace(facets=drawn._draw_facets(stream / "facets"))
        faults = drawn._draw_faults(stream / "faults") if drawn.faults is None else drawn.faults
        return drawn.replace(faults=faults, defects=len(faults))

    @property
    def drawn(self) -> bool:
        """Whether nothing is left to chance."""
        return super().drawn and None not in (self.orientation, self.origin, self.faults)

    @model_validator(mode="after")
    def _can_exist(self) -> Self:
        check_grain(self.material, self.shape, self.defects)
        return self

    @field_validator("orientation")
    @classmethod
    def _is_a_turn(cls, value: tuple[float, ...] | None) -> tuple[float, ...] | None:
        if value is not None and not any(value):
            raise ValueError("an orientation is a quaternion (w, x, y, z) that is not all 0.")
        return value

    def _draw_facets(self, stream: Stream) -> tuple[float, ...] | None:
        """Return by how much each facet is moved; None where there are no facets."""
        shape = shaped(self._crystal(), word(self.shape), number(self.radius), number(self.aspect))
        if not (isinstance(shape, Volume) and isinstance(shape.region, Polyhedron)):
            return None
        count = len(np.asarray(shape.region.distances))
        moves = np.clip(stream.generator().standard_normal(count), -2.5, 2.5)
        return tuple(float(number(self.unevenness) * move) for move in moves)

    def _draw_faults(self, stream: Stream) -> tuple[Fault, ...]:
        """Return the planar defects: as many as asked for, or as many as there is room for."""
        count = integer(self.defects)
        whole = self._whole() if count else None
        if not isinstance(whole, Volume):
            return ()
        crystal = Crystal(word(self.material))
        stack = stack_of(crystal, default_plane(crystal))
        kinds = ("I1", "I2") if stack.hexagonal else ("twin", "intrinsic")
        # the layer nearest to the centre may be half a spacing away from it
        last = int(number(self.radius) / stack.spacing - 0.5)
        first = -last
        if word(self.shape) != "sphere":
            outer = layers_of(whole)
            first, last = outer[0] + 1, outer[1] - 1
        room = max((last - first) // SEPARATION + 1, 0)
        layers = draw_layers(first, last, min(count, room), SEPARATION, stream / "layers")
        chosen = (stream / "kinds").generator().integers(2, size=len(layers))
        return tuple(Fault(kind=kinds[k], layer=layer) for k, layer in zip(chosen, layers, strict=True))

    def _crystal(self) -> Crystal:
        assert self.origin is not None
        crystal = Crystal(word(self.material))
        return crystal.translated(np.asarray(self.origin) @ crystal.lattice)

    def _whole(self) -> Body:
        """Return the particle without its defects, in the crystal's frame."""
        body = shaped(self._crystal(), word(self.shape), number(self.radius), number(self.aspect))
        if isinstance(body, Volume) and isinstance(body.region, Polyhedron):
            if self.facets is not None:
                body = uneven(body, self.facets)
            body = rounded(body, number(self.rounding))
        return body

    def solid(self, name: str = "") -> Body:
        """Return the drawn particle about the origin of the scene."""
        assert self.orientation is not None
        body = self._whole().named(name, "particle")
        faults = [(fault.kind, fault.layer) for fault in self.faults or ()]
        if faults and isinstance(body, Volume):
            body = faulted(body, faults, separation=1)
        return body.transformed(quaternion(self.orientation))


class Particle(Grain):
    """One particle and its place.

    Parameters
    ----------
    position
        (x, y) of the centre, Å; where it is not given, it is drawn.
    """

    position: tuple[Coordinate, Coordinate] | None = None

    @property
    def drawn(self) -> bool:
        """Whether nothing is left to chance."""
        return super().drawn and self.position is not None

    def body(self, z: float, name: str) -> Body:
        """Return the drawn particle with its centre at height ``z``, Å."""
        assert self.position is not None
        return self.solid(name).translated((*self.position, z))


class Grains(Population):
    """Several crystalline particles that are drawn one by one.

    Parameters
    ----------
    material, radius, shape, aspect, rounding, unevenness
        Of each, as for :class:`Grain`.
    count
        How many.
    defects
        Planar defects of each: twins and intrinsic faults with equal probability (I1 and I2 in wurtzite).
    """

    material: CrystalName = "Au"
    count: Count = 1
    radius: Radius
    shape: ShapeName = "sphere"
    aspect: Aspect = 2.0
    rounding: Rounding = 0.0
    unevenness: Unevenness = 0.0
    defects: Defects = 0

    @model_validator(mode="after")
    def _can_exist(self) -> Self:
        check_grain(self.material, self.shape, self.defects)
        return self

    @override
    def member(self) -> Grain:
        return Grain(**self._shared())

    def _shared(self) -> dict[str, Any]:
        return {name: value for name, value in self if name != "count"}


class Particles(Grains):
    """Several particles, each with a place of its own."""

    @override
    def member(self) -> Particle:
        return Particle(**self._shared())


def check_grain(material: str | Distribution, shape: str | Distribution, defects: int | Distribution) -> None:
    """Raise SpecError if a material has no such shape or no such defects."""
    check_shape(words(material), words(shape))
    check_defects(material, defects)


def grain_summary(grains: Sequence[Grain]) -> dict[str, float | int | str]:
    """Return the catalog columns of drawn particles."""
    radii = [number(grain.radius) for grain in grains]
    return {
        "material": "+".join(sorted({word(grain.material) for grain in grains})),
        "particle_count": len(radii),
        "particle_radius": float(np.mean(radii)) if radii else 0.0,
        "particle_radius_min": min(radii, default=0.0),
        "particle_radius_max": max(radii, default=0.0),
        "particle_shape": "+".join(sorted({word(grain.shape) for grain in grains})),
        "defect_count": sum(len(grain.faults or ()) for grain in grains),
    }


def check_defects(material: str | Distribution, defects: int | Distribution) -> None:
    """Raise SpecError if planar defects are asked of a crystal that has none."""
    if upper(defects) == 0:
        return
    for name in words(material):
        if not fault_kinds(Crystal(name)):
            raise SpecError(
                f"particles.defects {can_be(defects)} {upper(defects):g} in {name}, whose planar defects are not"
                " known; they are for fcc, diamond, zincblende and wurtzite crystals, so set it to 0."
            )


def can_be(value: Any) -> str:
    """Return "is" for a number and "can be" for a distribution."""
    return "can be" if isinstance(value, Distribution) else "is"
