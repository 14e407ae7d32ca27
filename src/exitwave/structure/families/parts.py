"""Specs that families share: the film, and the numbers that occur in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from pydantic import model_validator

from exitwave.core import Distribution, Number, Spec, SpecError, Stream, StructureError, Word, number, word
from exitwave.structure.fields import gaussian_field
from exitwave.structure.generators.amorphous import AMORPHOUS, Amorphous
from exitwave.structure.materials import amorphous_composition, materials
from exitwave.structure.regions import Box, Region, Terrain
from exitwave.structure.volumes import Volume

__all__ = ["CrystalName", "Film", "Length", "lower", "upper"]

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
    roughness, roughness_correlation
        Standard deviation of the height of both faces and its correlation length, Å.

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
    inhomogeneity: Annotated[float | Distribution, Number("a film's inhomogeneity", at_least=0, at_most=0.3)] = 0.0
    correlation: Annotated[float | Distribution, Number("a correlation length", "Å", at_least=2, at_most=500)] = 15.0
    roughness: Annotated[float | Distribution, Number("a roughness", "Å", at_least=0, at_most=50)] = 0.0
    roughness_correlation: Annotated[
        float | Distribution, Number("a correlation length", "Å", at_least=2, at_most=500)
    ] = 25.0

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
    def _can_be_packed(self) -> Film:
        try:
            Amorphous(
                self.material,
                upper(self.density),
                upper(self.minimum_distance),
                inhomogeneity=upper(self.inhomogeneity),
            )
        except StructureError as error:
            raise SpecError(f"film cannot be packed: {error}") from None
        if upper(self.roughness) > 0 and 6 * upper(self.roughness) > lower(self.thickness):
            raise SpecError(
                f"film.roughness can be {upper(self.roughness):g} Å in a film of {lower(self.thickness):g} Å; it is"
                " at most a sixth of the thickness, so that no hole opens."
            )
        return self

    def volume(self, field: tuple[float, float], z: float, stream: Stream) -> Volume:
        """Return the film over a field (x, y), its upper face at ``z``, Å."""
        thickness, rough = number(self.thickness), number(self.roughness)
        region: Region = Box(*field, thickness, origin=(0.0, 0.0, z))
        if rough > 0:
            period = (float(field[0]), float(field[1]))
            correlation = number(self.roughness_correlation)
            upper_face, lower_face = (
                rough * np.clip(gaussian_field(period, correlation, stream / name), -3, 3)
                for name in ("upper", "lower")
            )
            pad = 3 * rough
            region = Box(*field, thickness + 2 * pad, origin=(0.0, 0.0, z - pad))
            region = region & Terrain(lower_face + z + thickness, period) - Terrain(upper_face + z, period)
        generator = Amorphous(
            word(self.material),
            number(self.density),
            number(self.minimum_distance),
            inhomogeneity=number(self.inhomogeneity),
            correlation=number(self.correlation),
        )
        return Volume(generator, region, name="film", role="support")

    @property
    def pad(self) -> float:
        """How far the faces may stand out of the mean thickness, Å."""
        return 3 * number(self.roughness)


def upper(value: float | Distribution) -> float:
    """Return the greatest number that a field can hold."""
    return float(value.support[1]) if isinstance(value, Distribution) else float(value)


def lower(value: float | Distribution) -> float:
    """Return the least number that a field can hold."""
    return float(value.support[0]) if isinstance(value, Distribution) else float(value)
