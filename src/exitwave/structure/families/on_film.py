"""Families of objects that rest on an amorphous film, or float in vacuum."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import field_validator

from exitwave.core import Distribution, Number, Stream, Word, number, word
from exitwave.structure.families.base import Family
from exitwave.structure.families.parts import Film, Length
from exitwave.structure.scenes import Scene
from exitwave.structure.volumes import Body

__all__ = ["OnFilm", "height_on", "squared", "staged"]


def squared(value: Any) -> Any:
    """Return a field that is given as one number, or as [y, x], as a pair."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return tuple(value)
    return (value, value)


class OnFilm(Family):
    """What all families on a film have in common.

    Parameters
    ----------
    film
        The film; null: none, the objects are in vacuum.
    field
        Field of view, Å: one number, or [y, x]. The scene repeats in x and y.
    sink
        How deep each object is sunk into the film, as a share of its radius.
    minimum_distance
        Least distance between an atom of one object and one of another or of the film, Å.
    side
        Face of the film where the objects are: entrance (the beam meets them first) or exit.
    wrap
        Whether an object that sticks out of the field comes in at the opposite border; else it is cut there.
    vacuum
        Empty space before and behind, Å.
    """

    film: Film | None = Film()  # type: ignore[call-arg]  # what it lacks follows from the material
    field: tuple[Length, Length] = (102.4, 102.4)
    sink: Annotated[float | Distribution, Number("a share of the radius", at_least=0, at_most=2)] = 0.2
    minimum_distance: Annotated[
        float | Distribution, Number("the least distance between atoms", "Å", at_least=0, at_most=10)
    ] = 2.0
    side: Annotated[str | Distribution, Word("a side of the film", options=("entrance", "exit"))] = "entrance"
    wrap: bool = False
    vacuum: Annotated[float | Distribution, Number("a thickness of vacuum", "Å", at_least=0, at_most=1000)] = 5.0

    _square = field_validator("field", mode="before")(squared)

    @property
    def _size(self) -> tuple[float, float]:
        """Lengths (x, y) of the field, Å."""
        return (self.field[1], self.field[0])

    def _height(self, low: float, high: float, depth: float) -> float:
        """Return how far an object that reaches from low to high is shifted, so that it is sunk to a depth."""
        return height_on(self.film, word(self.side), low, high, depth)

    def _staged(self, bodies: Sequence[Body], stream: Stream) -> Scene:
        """Return the scene of objects on the film, whose upper face is at z = 0."""
        return staged(
            bodies,
            self.film,
            self._size,
            stream,
            side=word(self.side),
            vacuum=number(self.vacuum),
            minimum_distance=number(self.minimum_distance),
            wrap=self.wrap,
        )

    def _film_summary(self) -> dict[str, float | int | str]:
        """Return the catalog columns of the film."""
        none: dict[str, float | int | str] = {
            "film_material": "", "film_kind": "", "film_thickness": 0.0, "film_density": 0.0
        }  # fmt: skip
        return (self.film.summary() if self.film else none) | {"side": word(self.side)}


def height_on(film: Film | None, side: str, low: float, high: float, depth: float) -> float:
    """Return how far an object that reaches from low to high is shifted, so that it is sunk to a depth, Å.

    The film's upper face is at 0; without a film the shift is 0.
    """
    if film is None:
        return 0.0
    return depth - high if side == "entrance" else number(film.thickness) - depth - low


def staged(
    bodies: Sequence[Body],
    film: Film | None,
    field: tuple[float, float],
    stream: Stream,
    *,
    side: str,
    vacuum: float,
    minimum_distance: float,
    wrap: bool,
) -> Scene:
    """Return the scene of objects and a film whose upper face is at z = 0, all moved so that the cell holds them."""
    ends = [body.bounds()[:, 2] for body in bodies]
    low, high = min((e[0] for e in ends), default=0.0), max((e[1] for e in ends), default=1.0)
    if film:
        low, high = min(low, -film.pad), max(high, number(film.thickness) + film.pad)
    objects: list[Body] = [body.translated((0.0, 0.0, vacuum - low)) for body in bodies]
    if film:
        clear = [(float(body.centre[0]), float(body.centre[1])) for body in bodies]
        objects.append(film.volume(field, vacuum - low, stream / "film", side, clear))
    cell = (*field, float(high - low + 2 * vacuum))
    return Scene(objects, cell, minimum_distance, outside="wrap" if wrap else "cut")
