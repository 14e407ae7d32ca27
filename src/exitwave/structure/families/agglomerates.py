"""Agglomerates of touching particles on a film."""

from __future__ import annotations

from typing import Annotated, Any, Self

from typing_extensions import override

from exitwave.core import Distribution, Members, Number, One, PopulationOrMembers, Stream, Word, number, word
from exitwave.structure.families.on_film import OnFilm
from exitwave.structure.families.particles import Coordinate, Grain, Grains, grain_summary
from exitwave.structure.prefabs.agglomerates import ARRANGEMENTS, agglomerate
from exitwave.structure.scenes import Scene
from exitwave.structure.transforms import rotation
from exitwave.structure.volumes import Union

__all__ = ["Agglomerates"]


class Agglomerates(OnFilm):
    """Particles that touch: a raft side by side on the film, a clump, or a chain; each is an object of its own.

    Parameters
    ----------
    particles
        A population, or a list of particles.
    arrangement
        raft, clump or chain; as for :func:`~exitwave.structure.prefabs.agglomerate`.
    gap
        Distance between the outermost layers of atoms of two that touch, Å; below 0 they grow into each other, with
        a grain boundary between.
    facets
        Whether particles meet facet to facet, and lie on a facet in a raft, where they have facets.
    position
        (x, y) of the middle of the agglomerate, Å; where it is not given, it is drawn, uniform over the field.
    film, field, sink, minimum_distance, side, wrap, vacuum
        As for :class:`OnFilm`; the lowest particle is sunk into the film.

    Examples
    --------
    >>> spec = Agglomerates(particles={"count": 4, "radius": {"uniform": [7, 9]}, "shape": "faceted"}, film=None)
    >>> drawn = spec.draw(Stream(5))
    >>> drawn.drawn, len(drawn.build(Stream(6)).names)
    (True, 4)
    """

    particles: Annotated[Annotated[Grains, One] | Annotated[tuple[Grain, ...], Members], PopulationOrMembers]
    arrangement: Annotated[str | Distribution, Word("an arrangement", options=ARRANGEMENTS)] = "raft"
    gap: Annotated[float | Distribution, Number("a gap between particles", "Å", at_least=-50, at_most=100)] = 2.5
    facets: bool = True
    position: tuple[Coordinate, Coordinate] | None = None

    @property
    def drawn(self) -> bool:
        """Whether nothing is left to chance."""
        return super().drawn and self.position is not None

    @override
    def draw(self, stream: Stream) -> Self:
        drawn = super().draw(stream)
        if drawn.position is not None:
            return drawn
        x, y = (stream / "position").generator().random(2) * self._size
        return drawn.replace(position=(float(x), float(y)))

    def scene(self, stream: Stream) -> Scene:
        """Return the scene; who touches whom, and the faces of the film, come from ``stream``."""
        members = self._members
        if not members or self.position is None:
            return self._staged([], stream)
        solids = [grain.solid(f"particle-{i}") for i, grain in enumerate(members)]
        made = agglomerate(
            solids,
            stream / "contacts",
            arrangement=word(self.arrangement),
            gap=number(self.gap),
            facets=self.facets,
        )
        if word(self.side) == "entrance":  # a raft's lowest points lie in one plane: turned towards the film
            made = tuple(body.transformed(rotation((1, 0, 0), 180)) for body in made)
        low, high = Union(made).bounds()
        depth = number(self.sink) * number(members[0].radius)
        middle = (low + high) / 2
        shift = (
            self.position[0] - middle[0],
            self.position[1] - middle[1],
            self._height(float(low[2]), float(high[2]), depth),
        )
        return self._staged([body.translated(shift) for body in made], stream)

    def summary(self) -> dict[str, float | int | str]:
        """Return the catalog columns of a drawn spec."""
        own: dict[str, Any] = {"arrangement": word(self.arrangement)}
        return grain_summary(self._members) | own | self._film_summary()

    @property
    def _members(self) -> tuple[Grain, ...]:
        return self.particles if isinstance(self.particles, tuple) else ()
