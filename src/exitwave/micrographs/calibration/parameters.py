"""The numbers of a recipe that calibration estimates: everything that it draws once for an image or a structure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from exitwave.core import Distribution, Population, Spec
from exitwave.dataset import Recipe

__all__ = ["Parameter", "narrowed", "parameters", "truncated"]

_NOT = {"drift_angle"}  # directions have no order
_QUANTILES = 9


@dataclass(frozen=True)
class Parameter:
    """A number that a recipe draws.

    Parameters
    ----------
    path
        Its keys in the recipe: ("images", "detector", "c3").
    prior
        What it is drawn from.
    """

    path: tuple[str, ...]
    prior: Distribution

    @property
    def name(self) -> str:
        """The path as recipes' errors write it: "images.detector.c3"."""
        return ".".join(self.path)

    def of(self, record: Mapping[str, Any]) -> float:
        """Return its value in a sample's record."""
        section = {"structures": "structure", "images": "imaging", "scattering": "scattering"}[self.path[0]]
        value: Any = record[section]
        for key in self.path[1:]:
            value = value[key]
        return float(value)


def parameters(recipe: Recipe) -> list[Parameter]:
    """Return every continuous distribution of a recipe that is drawn once for a structure or an image.

    Numbers of single particles are not among them.

    Examples
    --------
    >>> [parameter.name for parameter in parameters(Recipe.read("gold-on-carbon"))]
    ['structures.film.thickness', 'images.defocus', 'images.dose']
    """
    sections = {"structures": recipe.structures.spec, "scattering": recipe.scattering, "images": recipe.images.spec}
    return [found for name, spec in sections.items() for found in _walk(spec, (name,))]


def _walk(spec: Spec, path: tuple[str, ...]) -> list[Parameter]:
    found = []
    for name, value in spec:
        if isinstance(value, Distribution) and not value.integral and name not in _NOT and _numeric(value):
            found.append(Parameter((*path, name), value))
        elif isinstance(value, Spec) and not isinstance(value, Population):
            found += _walk(value, (*path, name))
    return found


def _numeric(distribution: Distribution) -> bool:
    return type(distribution).name in {"uniform", "loguniform", "normal", "lognormal", "empirical"}


def truncated(
    recipe: Recipe, found: Sequence[Parameter], ranges: Mapping[str, tuple[float, float]], seed: int
) -> Recipe:
    """Return the recipe with priors cut to a range of their shares, as evenly within it as before.

    Parameters
    ----------
    recipe, found
        The prior and its parameters.
    ranges
        By name, the shares of the prior between which is drawn.
    seed
        Seed of the new recipe.
    """
    data = recipe.to_dict()
    for parameter in found:
        low, high = ranges[parameter.name]
        if (low, high) != (0.0, 1.0):
            shares = np.linspace(low, high, 33).clip(1e-6, 1 - 1e-6)
            _put(data, parameter, {"empirical": [float(parameter.prior.quantile(float(s))) for s in shares]})
    return Recipe.parse(data | {"seed": seed})


def _put(data: dict[str, Any], parameter: Parameter, value: Any) -> None:
    place: Any = data
    for key in parameter.path[:-1]:
        place = place[key]
    place[parameter.path[-1]] = value


def narrowed(
    recipe: Recipe, found: Sequence[Parameter], intervals: Mapping[str, NDArray[np.float64]], seed: int
) -> Recipe:
    """Return the recipe with the priors of some parameters replaced by what all micrographs together say of them.

    Every micrograph gives a distribution with 5 %, 45 %, 45 % and 5 % of its probability below the low end, up to the
    median, up to the high end and above it; their mean becomes an "empirical" distribution of nine quantiles.

    Parameters
    ----------
    recipe
        The prior.
    found
        Its parameters.
    intervals
        For the parameters to change, by name: low, median and high for every micrograph, (n, 3), in shares of the
        prior.
    seed
        Seed of the new recipe.
    """
    data = recipe.to_dict()
    for parameter in found:
        if parameter.name not in intervals:
            continue
        shares = np.concatenate([_sample(*row) for row in intervals[parameter.name]])
        wanted = np.quantile(shares, np.linspace(0.025, 0.975, _QUANTILES)).clip(1e-6, 1 - 1e-6)
        values = sorted({float(f"{parameter.prior.quantile(float(share)):.4g}") for share in wanted})
        _put(data, parameter, {"empirical": values} if len(values) > 1 else values[0])
    return Recipe.parse(data | {"seed": seed})


def _sample(low: float, middle: float, high: float, count: int = 200) -> NDArray[np.float64]:
    levels = (np.arange(count) + 0.5) / count
    ends = (low - 0.1 * low, high + 0.1 * (1 - high))
    return np.interp(levels, [0.0, 0.05, 0.5, 0.95, 1.0], [ends[0], low, middle, high, ends[1]])
