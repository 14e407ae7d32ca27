"""What families share: the film, and the numbers that occur in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import model_validator

from exitwave.core import (
    Choice,
    Distribution,
    Number,
    Spec,
    SpecError,
    Stream,
    StructureError,
    Word,
    integer,
    number,
    word,
)
from exitwave.structure.families.terrain import film_region
from exitwave.structure.generators import Amorphous, Generator, NetworkCarbon
from exitwave.structure.generators.amorphous import AMORPHOUS
from exitwave.structure.materials import amorphous_composition, materials
from exitwave.structure.volumes import Volume

__all__ = ["CrystalName", "Film", "Length", "lower", "upper", "words"]

CrystalName = Annotated[str | Distribution, Word("a material", options=materials)]
Length = Annotated[float, Number("a length", "Å", above=0, fixed=True)]


class Film(Spec):
    """An amorphous film across the whole field of view.

    Parameters
    ----------
    material
        A formula, as in a-C, SiO2, Si3N4.
    thickness
        Å.
    density, minimum_distance
        g/cm³ and Å; defaults for the materials that :class:`~exitwave.structure.Amorphous` knows.
    inhomogeneity, correlation
        Relative standard deviation of the mass per area beyond that of the packing, and its correlation length, Å.
    kind
        packed: atoms at random, kept apart; network: carbon with the bonds of the real one, some three times slower
        to build (only a-C).
    roughness, roughness_correlation
        Standard deviation of the height of both faces and its correlation length, Å.
    wedge
        How much the thickness varies across the field, as a share of it: at 1 from half of it at the border to
        one and a half in the middle. The face away from the particles slants.
    holes, hole_radius
        How many holes there are, and their mean radius, Å; their edges taper. They keep clear of the middles of
        particles; one that finds no place is left out.

    Examples
    --------
    >>> Film(thickness={"uniform": [20, 80]}).draw(Stream(3)).drawn
    True
    """

    material: Annotated[str, Word("a film's material", accepts=amorphous_composition, fixed=True)] = "a-C"
    thickness: Annotated[float | Distribution, Number("a film's thickness", "Å", above=0, at_most=5000)] = 50.0
    density: Annotated[float | Distribution, Number("a film's density", "g/cm³", above=0, at_most=25)]
    minimum_distance: Annotated[
        float | Distribution, Number("the least distance of atoms in a film", "Å", at_least=0, at_most=5)
    ]
    kind: Annotated[str | Distribution, Word("a kind of film", options=("packed", "network"))] = "packed"
    inhomogeneity: Annotated[float | Distribution, Number("a film's inhomogeneity", at_least=0, at_most=0.3)] = 0.0
    correlation: Annotated[float | Distribution, Number("a correlation length", "Å", at_least=2, at_most=500)] = 15.0
    roughness: Annotated[float | Distribution, Number("a roughness", "Å", at_least=0, at_most=50)] = 0.0
    roughness_correlation: Annotated[
        float | Distribution, Number("a correlation length", "Å", at_least=2, at_most=500)
    ] = 25.0
    wedge: Annotated[float | Distribution, Number("a wedge", at_least=0, at_most=1.8)] = 0.0
    holes: Annotated[int | Distribution, Number("a count of holes", at_least=0, at_most=100, whole=True)] = 0
    hole_radius: Annotated[float | Distribution, Number("a hole's radius", "Å", above=0, at_most=2000)] = 20.0

    @model_validator(mode="before")
    @classmethod
    def _defaults_of_the_material(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        name = str(data.get("material", "a-C")).removeprefix("a-")
        if name in AMORPHOUS:
            density, distance = AMORPHOUS[name]
            return {"density": density, "minimum_distance": distance} | dict(data)
        return data

    @model_validator(mode="after")
    def _can_be_made(self) -> Film:
        try:
            Amorphous(
                self.material,
                upper(self.density),
                upper(self.minimum_distance),
                inhomogeneity=upper(self.inhomogeneity),
            )
            if "network" in words(self.kind):
                if self.material.removeprefix("a-") != "C":
                    raise StructureError(f"its kind is network and its material {self.material}; only a-C is one.")
                for density in (lower(self.density), upper(self.density)):
                    NetworkCarbon(density, upper(self.inhomogeneity))
        except StructureError as error:
            raise SpecError(f"film cannot be made: {error}") from None
        thinnest = lower(self.thickness) * (1 - upper(self.wedge) / 2)
        if upper(self.roughness) > 0 and 6 * upper(self.roughness) > thinnest:
            raise SpecError(
                f"film.roughness can be {upper(self.roughness):g} Å in a film of {thinnest:g} Å; it is at most a"
                " sixth of the thickness, so that no hole opens."
            )
        return self

    def volume(
        self,
        field: tuple[float, float],
        z: float,
        stream: Stream,
        side: str = "entrance",
        clear: Sequence[tuple[float, float]] = (),
    ) -> Volume:
        """Return the film over a field (x, y), its upper face at ``z``, Å.

        Parameters
        ----------
        field
            Lengths (x, y), Å.
        z
            Of its mean upper face, Å.
        stream
            Where the roughness and the places of holes come from.
        side
            The face where the particles are.
        clear
            Places (x, y) that no hole may reach, Å.
        """
        region = film_region(
            field,
            z,
            number(self.thickness),
            roughness=number(self.roughness),
            correlation=number(self.roughness_correlation),
            wedge=number(self.wedge),
            holes=integer(self.holes),
            hole_radius=number(self.hole_radius),
            side=side,
            clear=clear,
            stream=stream,
        )
        return Volume(self._generator(), region, name="film", role="support")

    def _generator(self) -> Generator:
        uneven = {"inhomogeneity": number(self.inhomogeneity), "correlation": number(self.correlation)}
        if word(self.kind) == "network":
            return NetworkCarbon(number(self.density), **uneven)
        return Amorphous(word(self.material), number(self.density), number(self.minimum_distance), **uneven)

    @property
    def pad(self) -> float:
        """How far the faces may stand out of the mean thickness, Å."""
        return 3 * number(self.roughness) + number(self.wedge) * number(self.thickness) / 2

    def summary(self) -> dict[str, float | int | str]:
        """Return the catalog columns of a drawn film."""
        return {
            "film_material": word(self.material),
            "film_kind": word(self.kind),
            "film_thickness": number(self.thickness),
            "film_density": number(self.density),
        }


def words(value: str | Distribution) -> tuple[str, ...]:
    """Return the words that a field can hold."""
    if isinstance(value, str):
        return (value,)
    values = value.values if isinstance(value, Choice) else (value.support[0],)
    return tuple(str(one) for one in values)


def upper(value: float | Distribution) -> float:
    """Return the greatest number that a field can hold."""
    return float(value.support[1]) if isinstance(value, Distribution) else float(value)


def lower(value: float | Distribution) -> float:
    """Return the least number that a field can hold."""
    return float(value.support[0]) if isinstance(value, Distribution) else float(value)
