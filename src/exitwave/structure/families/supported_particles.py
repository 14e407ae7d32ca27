"""Crystalline spheres on an amorphous film, as in the paper that this software grew from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Self

import numpy as np
from pydantic import field_validator, model_validator
from typing_extensions import override

from exitwave.core import (
    Distribution,
    Members,
    Number,
    One,
    Population,
    PopulationOrMembers,
    Spec,
    SpecError,
    Stream,
    Word,
    integer,
    number,
    word,
)
from exitwave.structure.families.base import Family
from exitwave.structure.families.parts import CrystalName, Film, Length, lower, upper
from exitwave.structure.families.placement import place_spheres
from exitwave.structure.generators.crystal import Crystal
from exitwave.structure.prefabs.faults import draw_layers, faulted
from exitwave.structure.regions import Sphere
from exitwave.structure.scenes import Scene
from exitwave.structure.stacking import KINDS, default_plane, fault_kinds, stack_of
from exitwave.structure.transforms import quaternion, translation, uniform_quaternion
from exitwave.structure.volumes import Body, Volume

__all__ = ["Fault", "Particle", "Particles", "SupportedParticles"]

Radius = Annotated[float | Distribution, Number("a particle's radius", "Å", above=0, at_most=2000)]
Coordinate = Annotated[float, Number("a coordinate", "Å", fixed=True)]
Component = Annotated[float, Number("a quaternion's component", at_least=-1, at_most=1, fixed=True)]
Share = Annotated[float, Number("a share of the cell", at_least=0, below=1, fixed=True)]
Defects = Annotated[int | Distribution, Number("a count of planar defects", at_least=0, at_most=100, whole=True)]
SEPARATION = 3  # layers between planar defects
DENSEST = float(np.pi / np.sqrt(12))  # equal discs in the plane


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


class Particle(Spec):
    """One sphere. What is not given is drawn: where it is, how it is turned, where its lattice begins.

    Parameters
    ----------
    material
        A crystal of the table of materials.
    radius
        Å.
    position
        (x, y) of the centre, Å.
    orientation
        Quaternion (w, x, y, z) that turns the crystal from its own frame into the scene.
    origin
        Where the corner of the crystal's cell is from the centre, in shares of the cell.
    defects
        How many planar defects, at least three layers apart; fewer where there is no room for so many.
    faults
        The defects one by one, instead of their number.
    """

    material: CrystalName = "Au"
    radius: Radius
    position: tuple[Coordinate, Coordinate] | None = None
    orientation: tuple[Component, Component, Component, Component] | None = None
    origin: tuple[Share, Share, Share] | None = None
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
        faults = drawn._draw_faults(stream / "faults") if drawn.faults is None else drawn.faults
        changes |= {"faults": faults, "defects": len(faults)}
        return drawn.replace(**changes) if changes else drawn

    @property
    def drawn(self) -> bool:
        """Whether nothing is left to chance."""
        return super().drawn and None not in (self.position, self.orientation, self.origin, self.faults)

    @model_validator(mode="after")
    def _can_have_defects(self) -> Self:
        check_defects(self.material, self.defects)
        return self

    @field_validator("orientation")
    @classmethod
    def _is_a_turn(cls, value: tuple[float, ...] | None) -> tuple[float, ...] | None:
        if value is not None and not any(value):
            raise ValueError("an orientation is a quaternion (w, x, y, z) that is not all 0.")
        return value

    def _draw_faults(self, stream: Stream) -> tuple[Fault, ...]:
        """Return the planar defects: as many as asked for, or as many as there is room for."""
        count = integer(self.defects)
        if count == 0:
            return ()
        crystal = Crystal(word(self.material))
        stack = stack_of(crystal, default_plane(crystal))
        kinds = ("I1", "I2") if stack.hexagonal else ("twin", "intrinsic")
        # the layer nearest to the centre may be half a spacing away from it
        last = int(number(self.radius) / stack.spacing - 0.5)
        layers = draw_layers(-last, last, min(count, 2 * last // SEPARATION + 1), SEPARATION, stream / "layers")
        chosen = (stream / "kinds").generator().integers(2, size=len(layers))
        return tuple(Fault(kind=kinds[k], layer=layer) for k, layer in zip(chosen, layers, strict=True))

    def body(self, z: float, name: str) -> Body:
        """Return the drawn particle with its centre at height ``z``, Å."""
        assert self.position is not None
        assert self.orientation is not None
        assert self.origin is not None
        crystal = Crystal(word(self.material))
        crystal = crystal.translated(np.asarray(self.origin) @ crystal.lattice)
        place = translation((*self.position, z)) @ quaternion(self.orientation)
        ball = Volume(crystal, Sphere(number(self.radius)), name=name, role="particle")
        faults = [(fault.kind, fault.layer) for fault in self.faults or ()]
        return (faulted(ball, faults, separation=1) if faults else ball).transformed(place)


class Particles(Population):
    """Several spheres that are drawn one by one.

    Parameters
    ----------
    material, radius
        Of each, as for :class:`Particle`.
    count
        How many.
    defects
        Planar defects of each: twins and intrinsic faults with equal probability (I1 and I2 in wurtzite).
    """

    material: CrystalName = "Au"
    count: Annotated[int | Distribution, Number("a count of particles", at_least=0, at_most=10_000, whole=True)] = 1
    radius: Radius
    defects: Defects = 0

    @model_validator(mode="after")
    def _can_have_defects(self) -> Self:
        check_defects(self.material, self.defects)
        return self

    @override
    def member(self) -> Particle:
        return Particle(material=self.material, radius=self.radius, defects=self.defects)


class SupportedParticles(Family):
    """Crystalline spheres that rest in an amorphous film and win where they meet it.

    Parameters
    ----------
    particles
        A population, or a list of particles.
    film
        The film; null: none, the particles float side by side in vacuum.
    field
        Field of view, Å: one number, or [y, x]. The scene repeats in x and y.
    sink
        How deep each particle is sunk into the film, as a share of its radius.
    gap
        Least distance between the surfaces of two particles, Å.
    minimum_distance
        Least distance between an atom of a particle and one of the film or of another particle, Å.
    side
        Face of the film where the particles are: entrance (the beam meets them first) or exit.
    wrap
        Whether a particle that sticks out of the field comes in at the opposite border; else it is cut there.
    vacuum
        Empty space before and behind, Å.

    Raises
    ------
    SpecError
        If a particle is larger than the field or so many never fit.
    StructureError
        If a draw finds no place for all particles.

    Examples
    --------
    >>> spec = SupportedParticles(particles={"count": {"integers": [1, 3]}, "radius": {"uniform": [8, 14]}})
    >>> drawn = spec.draw(Stream(5))
    >>> drawn.drawn, [round(p.radius, 2) for p in drawn.particles], len(drawn.build(Stream(6)).names)
    (True, [9.67, 12.82, 13.06], 4)
    """

    particles: Annotated[Annotated[Particles, One] | Annotated[tuple[Particle, ...], Members], PopulationOrMembers]
    film: Film | None = Film()  # type: ignore[call-arg]  # what it lacks follows from the material
    field: tuple[Length, Length] = (102.4, 102.4)
    sink: Annotated[float | Distribution, Number("a share of the radius", at_least=0, at_most=2)] = 0.2
    gap: Annotated[float | Distribution, Number("a gap between particles", "Å", at_least=0, at_most=1000)] = 2.0
    minimum_distance: Annotated[
        float | Distribution, Number("the least distance between atoms", "Å", at_least=0, at_most=10)
    ] = 2.0
    side: Annotated[str | Distribution, Word("a side of the film", options=("entrance", "exit"))] = "entrance"
    wrap: bool = False
    vacuum: Annotated[float | Distribution, Number("a thickness of vacuum", "Å", at_least=0, at_most=1000)] = 5.0

    @field_validator("field", mode="before")
    @classmethod
    def _square(cls, value: Any) -> Any:
        if isinstance(value, Sequence) and not isinstance(value, str):
            return tuple(value)
        return (value, value)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        given = self.particles
        radii = [given.radius] if isinstance(given, Particles) else [p.radius for p in given]
        count = upper(given.count) if isinstance(given, Particles) else len(given)
        y, x = self.field
        for i, radius in enumerate(radii):
            if 2 * upper(radius) > min(self.field):
                key = "particles.radius" if isinstance(given, Particles) else f"particles.{i}.radius"
                raise SpecError(
                    f"{key} {_can_be(radius)} {upper(radius):g} Å, and a particle of {2 * upper(radius):g} Å does"
                    f" not fit in a field of {y:g} × {x:g} Å; a radius is at most {min(self.field) / 2:g} Å, or"
                    " enlarge the field."
                )
        if radii:
            least = min(lower(radius) for radius in radii)
            each = np.pi * (least + lower(self.gap) / 2) ** 2 / DENSEST
            room = x * y if self.wrap else (x + 2 * least) * (y + 2 * least)
            if count > 1 and count * each > room:
                key = "particles.count" if isinstance(given, Particles) else "particles"
                what = _can_be(given.count) if isinstance(given, Particles) else "holds"
                raise SpecError(
                    f"{key} {what} {count:g}; in a field of {y:g} × {x:g} Å at most {int(room / each)} particles"
                    f" with a radius of {least:g} Å fit, so ask for fewer or enlarge the field."
                )
        return self

    @property
    def drawn(self) -> bool:
        """Whether nothing is left to chance."""
        return super().drawn and all(p.drawn for p in self._members)

    @override
    def draw(self, stream: Stream) -> Self:
        drawn = super().draw(stream)
        members = drawn._members
        if all(p.position is not None for p in members):
            return drawn
        places = place_spheres(
            [number(p.radius) for p in members],
            [drawn._height(p) for p in members],
            (self.field[1], self.field[0]),
            number(drawn.gap),
            stream / "places",
            fixed=[p.position for p in members],
            periodic=drawn.wrap,
        )
        placed = tuple(p.replace(position=place) for p, place in zip(members, places, strict=True))
        return drawn.replace(particles=placed)

    def scene(self, stream: Stream) -> Scene:
        """Return the scene; chance is left only in the roughness of the film."""
        x, y = self.field[1], self.field[0]
        thickness = number(self.film.thickness) if self.film else 0.0
        heights = [self._height(p) for p in self._members]
        ends = [(h - number(p.radius), h + number(p.radius)) for h, p in zip(heights, self._members, strict=True)]
        if self.film:
            ends.append((-self.film.pad, thickness + self.film.pad))
        low, high = min((e[0] for e in ends), default=0.0), max((e[1] for e in ends), default=1.0)
        shift = number(self.vacuum) - low
        objects: list[Body] = [
            p.body(h + shift, f"particle-{i}") for i, (p, h) in enumerate(zip(self._members, heights, strict=True))
        ]
        if self.film:
            objects.append(self.film.volume((x, y), shift, stream / "film"))
        height = high - low + 2 * number(self.vacuum)
        outside = "wrap" if self.wrap else "cut"
        return Scene(objects, (x, y, height), number(self.minimum_distance), outside=outside)

    def summary(self) -> dict[str, float | int | str]:
        """Return the catalog columns of a drawn spec."""
        radii = [number(p.radius) for p in self._members]
        film = self.film
        return {
            "material": "+".join(sorted({word(p.material) for p in self._members})),
            "particle_count": len(radii),
            "particle_radius": float(np.mean(radii)) if radii else 0.0,
            "particle_radius_min": min(radii, default=0.0),
            "particle_radius_max": max(radii, default=0.0),
            "defect_count": sum(len(p.faults or ()) for p in self._members),
            "film_material": film.material if film else "",
            "film_thickness": number(film.thickness) if film else 0.0,
            "film_density": number(film.density) if film else 0.0,
            "side": word(self.side),
        }

    @property
    def _members(self) -> tuple[Particle, ...]:
        return self.particles if isinstance(self.particles, tuple) else ()

    def _height(self, particle: Particle) -> float:
        """Return z of a particle's centre when the film's upper face is at 0, Å."""
        radius = number(particle.radius)
        if self.film is None:
            return 0.0
        out = radius * (1 - number(self.sink))
        return -out if word(self.side) == "entrance" else number(self.film.thickness) + out


def check_defects(material: str | Distribution, defects: int | Distribution) -> None:
    """Raise SpecError if planar defects are asked of a crystal that has none."""
    if upper(defects) == 0:
        return
    for name in material.values if isinstance(material, Distribution) else (material,):  # type: ignore[attr-defined]
        if not fault_kinds(Crystal(name)):
            raise SpecError(
                f"particles.defects {_can_be(defects)} {upper(defects):g} in {name}, whose planar defects are not"
                " known; they are for fcc, diamond, zincblende and wurtzite crystals, so set it to 0."
            )


def _can_be(value: Any) -> str:
    return "can be" if isinstance(value, Distribution) else "is"
