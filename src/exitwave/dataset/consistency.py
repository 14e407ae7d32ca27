"""What no structure of a recipe could get through: found when the recipe is read, not hours later."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from exitwave.core import Distribution, SpecError
from exitwave.labels import Phase, PhaseThickness, Rule
from exitwave.scattering import Scattering
from exitwave.scattering.grid import COARSEST, Grid

__all__ = ["check_sections", "check_shared_films"]

_SQUARE = 0.02  # by how much the sides of a pixel may differ; images are refused beyond


def check_sections(field: Any, scattering: Scattering, labels: Sequence[Rule]) -> None:
    """Raise SpecError if sections of a recipe cannot work with each other.

    Parameters
    ----------
    field
        Field of view (y, x) of all structures, Å; None where it is not known before they are built.
    scattering, labels
        The recipe's sections.
    """
    needy = [rule for rule in labels if isinstance(rule, Phase | PhaseThickness)]
    if needy and not scattering.particle_wave:
        raise SpecError(
            f"scattering.particle_wave is false, but the label rule {needy[0].rule} needs the wave of the particles "
            "alone; leave it true, or choose another rule."
        )
    if not (isinstance(field, tuple) and len(field) == 2 and all(isinstance(side, int | float) for side in field)):
        return
    for sampling in _bounds(scattering.sampling):
        output = Grid(scattering.grid, field) if scattering.grid is not None else Grid.covering(field, sampling)
        rows, columns = output.sampling
        if abs(rows / columns - 1) > _SQUARE:
            given = f"grid {list(scattering.grid)}" if scattering.grid is not None else f"sampling {sampling:g} Å/px"
            raise SpecError(
                f"structures.field is {field[0]:g} × {field[1]:g} Å, which scattering.{given} divides into pixels of "
                f"{rows:.4g} × {columns:.4g} Å; images have square pixels, so give sides or a grid in one ratio."
            )
        finest = output.sampling
        for inner in _bounds(scattering.potential_sampling) if scattering.potential_sampling is not None else ():
            potential = Grid.covering(field, inner).sampling
            finest = min(finest[0], potential[0]), min(finest[1], potential[1])
        if max(finest) > COARSEST * (1 + 1e-9):
            raise SpecError(
                f"scattering.sampling is {sampling:g} Å/px, but atoms need a potential of {COARSEST:g} or finer; "
                f"set scattering.potential_sampling to at most {COARSEST:g}."
            )


def check_shared_films(scattering: Scattering) -> None:
    """Raise SpecError if structures that share a film would not be scattered alike."""
    drawn = [name for name, value in scattering if isinstance(value, Distribution)]
    if drawn:
        raise SpecError(
            f"scattering.{drawn[0]} is drawn for each structure, but structures.per_film shares the waves of films; "
            "give one number, or leave per_film out."
        )
    if scattering.objects is not None:
        raise SpecError(
            f"scattering.objects is {list(scattering.objects)}, but structures.per_film shares the waves of films "
            "with all that is on them; leave out one of the two."
        )


def _bounds(value: Any) -> tuple[float, ...]:
    """Return the least and the greatest value that can be drawn."""
    if isinstance(value, Distribution):
        return tuple(dict.fromkeys(float(end) for end in value.support))
    return (float(value),)
