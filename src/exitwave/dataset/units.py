"""The units of a recipe's numbers, from the specs that hold them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin

from exitwave.core import Number, Spec

if TYPE_CHECKING:
    from exitwave.dataset.recipe import Recipe

__all__ = ["recipe_unit", "units"]

_DEEPEST = 4  # some specs hold themselves


def units(model: type[Spec], prefix: str = "") -> dict[str, str]:
    """Return the unit of every number of a spec that has one, nested keys joined by dots.

    Examples
    --------
    >>> from exitwave.imaging import Imaging
    >>> found = units(Imaging)
    >>> found["dose"], found["defocus"], found["aberrations.phi12"]
    ('e/Å²', 'Å', '°')
    """
    out: dict[str, str] = {}
    for name, field in model.model_fields.items():
        for part in _parts((*field.metadata, field.annotation)):
            if isinstance(part, Number):
                if part.unit:
                    out.setdefault(f"{prefix}{name}", part.unit)
            elif isinstance(part, type) and issubclass(part, Spec) and prefix.count(".") < _DEEPEST:
                out |= units(part, f"{prefix}{name}.")
    return out


def recipe_unit(recipe: Recipe, key: str) -> str:
    """Return the unit of a number of a recipe, such as that of ``images.dose``; nothing where it has none.

    Examples
    --------
    >>> from exitwave.dataset import Recipe
    >>> recipe_unit(Recipe.read("gold-on-carbon"), "structures.particles.radius")
    'Å'
    """
    section, _, rest = key.partition(".")
    spec = {"structures": recipe.structures.spec, "scattering": recipe.scattering, "images": recipe.images.spec}
    names = [name for name in rest.split(".") if not name.isdecimal()]
    found = units(type(spec[section])) if section in spec else {}
    if names[:1] == ["parts"] and section == "structures":  # of a mixture: which family it is does not matter
        found = {}
        for part in getattr(spec[section], "parts", ()):
            found |= {f"parts.{name}": unit for name, unit in units(type(part.spec)).items()}
    return found.get(".".join(names), "")


def _parts(given: Any) -> Iterator[Any]:
    """Yield the rules and types that an annotation is made of."""
    for item in given:
        if isinstance(item, Number | type):
            yield item
        elif get_origin(item) is Annotated:
            yield from _parts((*item.__metadata__, item.__origin__))
        else:
            yield from _parts(get_args(item))
