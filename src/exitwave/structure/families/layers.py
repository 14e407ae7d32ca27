"""Sheets of layered crystals: few-layer graphene, MoS2 and their twisted stacks."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import field_validator, model_validator
from typing_extensions import override

from exitwave.core import (
    Distribution,
    Number,
    SpecError,
    Stream,
    StructureError,
    Uniform,
    Word,
    integer,
    number,
    word,
)
from exitwave.structure.chemistry import Vacancies
from exitwave.structure.families.base import Family
from exitwave.structure.families.on_film import height_on, squared, staged
from exitwave.structure.families.particles import Share
from exitwave.structure.families.parts import CrystalName, Film, Length, words
from exitwave.structure.prefabs.fitting import turned
from exitwave.structure.prefabs.sheets import layered
from exitwave.structure.prefabs.sheets import sheets as sheets_of
from exitwave.structure.scenes import Scene
from exitwave.structure.volumes import Body, Union

__all__ = ["LayeredName", "Layers", "check_layered"]

Angle = Annotated[float | Distribution, Number("an angle", "°", at_least=-360, at_most=360)]
LayeredName = CrystalName


class Layers(Family):
    """Sheets of a layered crystal across the field, stacked as in the bulk or twisted, flat or rippled.

    Each sheet is strained a little, so that it repeats with the field (by some 1 % at most at 150 Å), unless told
    not to.

    Parameters
    ----------
    material
        A layered crystal of the table: graphite, graphene, h-BN, MoS2, WS2.
    sheets
        How many.
    twist
        Turn of each sheet against the one before, degrees; 0: stacked as in the bulk. Periodic sheets take the
        nearest turn that the field allows, off by up to 1° at 100 Å; ``summary`` says which.
    spin
        Turn of the first sheet, degrees.
    ripple, correlation
        Standard deviation of the height of the stack and its correlation length, Å.
    vacancies
        Share of atoms that are missing.
    origin
        Where the corner of a cell is, in shares of the field; where it is not given, it is drawn.
    periodic
        Whether sheets are strained to repeat with the field; else there is a seam at its border.
    film
        An amorphous film behind the stack (before it, for side entrance); null: none.
    field, minimum_distance, vacuum
        As for :class:`OnFilm`.
    side
        Face of the film where the stack is.

    Examples
    --------
    >>> drawn = Layers(material="graphite", sheets=2, twist={"uniform": [1, 30]}, field=60).draw(Stream(1))
    >>> drawn.drawn, len(drawn.build(Stream(2)))
    (True, 2696)
    """

    material: LayeredName = "graphite"
    sheets: Annotated[int | Distribution, Number("a count of sheets", at_least=1, at_most=500, whole=True)] = 2
    twist: Angle = 0.0
    spin: Angle = Uniform(0.0, 360.0)
    ripple: Annotated[float | Distribution, Number("a ripple", "Å", at_least=0, at_most=20)] = 0.0
    correlation: Annotated[float | Distribution, Number("a correlation length", "Å", at_least=10, at_most=1000)] = (
        40.0
    )
    vacancies: Annotated[float | Distribution, Number("a share of vacancies", at_least=0, at_most=0.5)] = 0.0
    origin: tuple[Share, Share] | None = None
    periodic: bool = True
    film: Film | None = None
    field: tuple[Length, Length] = (102.4, 102.4)
    side: Annotated[str | Distribution, Word("a side of the film", options=("entrance", "exit"))] = "entrance"
    minimum_distance: Annotated[
        float | Distribution, Number("the least distance between atoms", "Å", at_least=0, at_most=10)
    ] = 2.5
    vacuum: Annotated[float | Distribution, Number("a thickness of vacuum", "Å", at_least=0, at_most=1000)] = 5.0

    _square = field_validator("field", mode="before")(squared)

    @model_validator(mode="after")
    def _is_layered(self) -> Self:
        check_layered(self.material)
        return self

    @property
    def drawn(self) -> bool:
        """Whether nothing is left to chance."""
        return super().drawn and self.origin is not None

    @override
    def draw(self, stream: Stream) -> Self:
        drawn = super().draw(stream)
        if drawn.origin is None:
            u, v = (stream / "origin").generator().random(2)
            drawn = drawn.replace(origin=(float(u), float(v)))
        return drawn

    def scene(self, stream: Stream) -> Scene:
        """Return the scene; ripples, vacancies and the faces of the film come from ``stream``."""
        stack = self.stack(stream / "stack").named("sheets", "particle" if self.film else "support")
        low, high = (float(end) for end in stack.bounds()[:, 2])
        side, apart = word(self.side), number(self.minimum_distance)
        stack = stack.translated((0.0, 0.0, height_on(self.film, side, low, high, -apart)))
        return staged(
            [stack],
            self.film,
            (self.field[1], self.field[0]),
            stream,
            side=side,
            vacuum=number(self.vacuum),
            minimum_distance=apart,
            wrap=True,
        )

    def stack(self, stream: Stream) -> Body:
        """Return the sheets, the lowest atoms at z = 0."""
        assert self.origin is not None
        field = (self.field[1], self.field[0])
        made = layered(
            word(self.material),
            field,
            integer(self.sheets),
            twists=number(self.twist),
            spin=number(self.spin),
            origin=(self.origin[0] * field[0], self.origin[1] * field[1]),
            periodic=self.periodic,
            ripple=number(self.ripple),
            correlation=number(self.correlation),
            stream=stream / "ripples",
        )
        if number(self.vacancies) == 0:
            return made
        return Union([part.modified(Vacancies(number(self.vacancies))) for part in made.parts])

    def _turn(self, index: int) -> float:
        """Return by how many degrees a sheet is really turned."""
        spin = number(self.spin) + number(self.twist) * index
        return turned(word(self.material), (self.field[1], self.field[0]), spin) if self.periodic else spin

    def summary(self) -> dict[str, float | int | str]:
        """Return the catalog columns of a drawn spec."""
        count = integer(self.sheets)
        first, last = self._turn(0), self._turn(count - 1)
        own: dict[str, Any] = {
            "material": word(self.material),
            "sheet_count": count,
            "twist": (last - first) / (count - 1) if count > 1 else number(self.twist),
            "spin": first,
            "ripple": number(self.ripple),
        }
        return own | (self.film.summary() if self.film else {})


def check_layered(material: str | Distribution) -> None:
    """Raise SpecError if a material has no sheets."""
    for name in words(material):
        try:
            sheets_of(name)
        except StructureError as error:
            raise SpecError(f"material is {name}: {error}") from None
