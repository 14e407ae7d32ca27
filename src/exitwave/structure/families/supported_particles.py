"""Particles on an amorphous film, apart from each other: the family of most training sets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Self

import numpy as np
from pydantic import model_validator
from typing_extensions import override

from exitwave.core import (
    Distribution,
    Members,
    Number,
    One,
    PopulationOrMembers,
    SpecError,
    Stream,
    number,
    word,
)
from exitwave.structure.families.on_film import OnFilm
from exitwave.structure.families.particles import Particle, Particles, can_be, grain_summary
from exitwave.structure.families.parts import lower, upper, words
from exitwave.structure.families.placement import placed, until_placed
from exitwave.structure.families.shapes import reach_of
from exitwave.structure.regions import Polyhedron
from exitwave.structure.scenes import Scene
from exitwave.structure.volumes import Body

__all__ = ["SupportedParticles"]

DENSEST = float(np.pi / np.sqrt(12))  # equal discs in the plane


class SupportedParticles(OnFilm):
    """Crystalline particles, apart from each other, that rest in an amorphous film and win where they meet it.

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
        Least distance between the balls around two particles, Å; below 0 they may grow into each other.
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
    gap: Annotated[float | Distribution, Number("a gap between particles", "Å", at_least=-100, at_most=1000)] = 2.0

    @model_validator(mode="after")
    def _fits(self) -> Self:
        given = self.particles
        each_one: Sequence[Particle | Particles] = [given] if isinstance(given, Particles) else given
        radii = [one.radius for one in each_one]
        count = upper(given.count) if isinstance(given, Particles) else len(given)
        y, x = self.field
        for i, one in enumerate(each_one):
            radius, reach = one.radius, max(reach_of(shape) for shape in words(one.shape))
            if 2 * reach * upper(radius) > min(self.field):
                key = "particles.radius" if isinstance(given, Particles) else f"particles.{i}.radius"
                wide = 2 * reach * upper(radius)
                raise SpecError(
                    f"{key} {can_be(radius)} {upper(radius):g} Å, and a particle of {wide:g} Å does not fit in a"
                    f" field of {y:g} × {x:g} Å; a radius is at most {min(self.field) / 2 / reach:g} Å, or enlarge"
                    " the field."
                )
        if radii:
            least = min(lower(radius) for radius in radii)
            each = np.pi * max(least + lower(self.gap) / 2, 1.0) ** 2 / DENSEST
            room = x * y if self.wrap else (x + 2 * least) * (y + 2 * least)
            if count > 1 and count * each > room:
                key = "particles.count" if isinstance(given, Particles) else "particles"
                what = can_be(given.count) if isinstance(given, Particles) else "holds"
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
    @until_placed
    def draw(self, stream: Stream) -> Self:
        drawn = super().draw(stream)
        members = drawn._members
        if all(p.position is not None for p in members):
            return drawn
        solids = [p.solid() for p in members]
        where = placed(
            members,
            [_radius(p, solid) for p, solid in zip(members, solids, strict=True)],
            [drawn._level(p, solid) for p, solid in zip(members, solids, strict=True)],
            self._size,
            number(drawn.gap),
            stream / "places",
            periodic=drawn.wrap,
        )
        return drawn.replace(particles=where)

    def scene(self, stream: Stream) -> Scene:
        """Return the scene; chance is left only in the faces of the film."""
        bodies = [p.body(self._level(p, p.solid()), f"particle-{i}") for i, p in enumerate(self._members)]
        return self._staged(bodies, stream)

    def summary(self) -> dict[str, float | int | str]:
        """Return the catalog columns of a drawn spec."""
        return grain_summary(self._members) | self._film_summary()

    @property
    def _members(self) -> tuple[Particle, ...]:
        return self.particles if isinstance(self.particles, tuple) else ()

    def _level(self, particle: Particle, solid: Body) -> float:
        """Return z of a particle's centre when the film's upper face is at 0, Å."""
        low, high = solid.bounds()[:, 2]
        return self._height(float(low), float(high), number(self.sink) * number(particle.radius))


def _radius(particle: Particle, solid: Body) -> float:
    """Return the radius of the ball about a particle's centre that holds it, Å."""
    if word(particle.shape) == "sphere":
        return number(particle.radius)
    corners = [part.region.bounds() for part in solid.parts]
    if all(isinstance(part.region, Polyhedron) for part in solid.parts):
        return max(float(np.linalg.norm(part.region.vertices, axis=1).max()) for part in solid.parts)  # type: ignore[attr-defined]
    return min(
        float(np.linalg.norm(np.abs(corners).max(axis=(0, 1)))),
        number(particle.radius) * reach_of(word(particle.shape)),
    )
