"""The numbers of a recipe that calibration estimates: everything that it draws once for an image or a structure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from exitwave.core import Distribution, Population, Spec
from exitwave.dataset import Recipe

__all__ = ["Parameter", "narrowed", "parameters", "truncated"]

_DIRECTIONS = ("drift_angle", "phi")  # how names of angles begin, which have no order
_QUANTILES = 9
_FAR = 1e-9  # share of a prior without ends that is taken for its end
_BOTH = 0.1  # share of a prior on either side of zero from which only its size is estimated


@dataclass(frozen=True)
class Parameter:
    """A number that a recipe draws.

    Parameters
    ----------
    path
        Its keys in the recipe: ("images", "detector", "c3").
    prior
        What it is drawn from.
    folded
        Whether its size is estimated and its sign left as it was: thin film looks much the same at underfocus and at
        overfocus, and the sign of astigmatism is a matter of its direction.
    """

    path: tuple[str, ...]
    prior: Distribution
    folded: bool = False

    @property
    def name(self) -> str:
        """The path as recipes' errors write it: "images.detector.c3"; of a size, between bars."""
        name = ".".join(self.path)
        return f"|{name}|" if self.folded else name

    def of(self, record: Mapping[str, Any]) -> float:
        """Return its value in a sample's record."""
        section = {"structures": "structure", "images": "imaging", "scattering": "scattering"}[self.path[0]]
        value: Any = record[section]
        for key in self.path[1:]:
            value = value[key]
        return abs(float(value)) if self.folded else float(value)

    def share(self, value: float) -> float:
        """Return the share of the prior up to a value."""
        if not self.folded:
            return self.prior.cdf(value)
        return self.prior.cdf(value) - self.prior.cdf(float(np.nextafter(-value, -np.inf)))

    def value(self, share: float) -> float:
        """Return the value up to which a share of the prior lies, by bisection."""
        share = min(max(share, 1e-6), 1 - 1e-6)
        low, high = self.prior.support
        if not self.folded and not np.isfinite([low, high]).all():
            return float(self.prior.quantile(share))
        if self.folded:
            ends = (
                [self.prior.quantile(_FAR), self.prior.quantile(1 - _FAR)]
                if np.isinf([low, high]).any()
                else [low, high]
            )
            low, high = 0.0, max(abs(float(end)) for end in ends)
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if self.share(middle) < share else (low, middle)
        return (low + high) / 2

    def written(self, values: Sequence[float]) -> Any:
        """Return what a recipe says of draws like ``values``, on both sides of zero where it is folded."""
        kept = sorted({float(f"{value:.4g}") for value in values})
        if not self.folded:
            return {"empirical": kept} if len(kept) > 1 else kept[0]
        below = self.prior.cdf(0.0)
        if len(kept) == 1:
            return {"choice": [-kept[0], kept[0]], "weights": [below, 1 - below]}
        mirrored = [-value for value in reversed(kept) if self.prior.cdf(-value) > 0]
        if len(mirrored) < 2:  # beyond what the prior allows on that side
            return {"empirical": kept}
        below *= len(mirrored) / len(kept)
        return {"mixture": [{"empirical": mirrored}, {"empirical": kept}], "weights": [below, 1 - below]}


def parameters(recipe: Recipe) -> list[Parameter]:
    """Return every continuous distribution of a recipe that is drawn once for a structure or an image.

    Numbers of single particles are not among them. Of a defocus that may lie on both sides of
    focus, and of aberrations whose direction is drawn and whose sign is open, the size is estimated.

    Examples
    --------
    >>> [parameter.name for parameter in parameters(Recipe.read("gold-on-carbon"))]
    ['structures.film.thickness', '|images.defocus|', 'images.dose']
    """
    sections = {"structures": recipe.structures.spec, "scattering": recipe.scattering, "images": recipe.images.spec}
    return [found for name, spec in sections.items() for found in _walk(spec, (name,))]


def _walk(spec: Spec, path: tuple[str, ...]) -> list[Parameter]:
    found = []
    for name, value in spec:
        if isinstance(value, Distribution) and not value.integral and _ordered(name) and _numeric(value):
            signless = name == "defocus" or _turned(spec, name)
            folded = signless and _BOTH < value.cdf(0.0) < 1 - _BOTH
            found.append(Parameter((*path, name), value, folded))
        elif isinstance(value, Spec) and not isinstance(value, Population):
            found += _walk(value, (*path, name))
    return found


def _turned(spec: Spec, name: str) -> bool:
    """Whether a number is an aberration (C12, C21, …) whose direction is drawn: half a period changes its sign."""
    return re.fullmatch(r"C\d[1-9]", name) is not None and isinstance(getattr(spec, f"phi{name[1:]}"), Distribution)


def _ordered(name: str) -> bool:
    return not name.startswith(_DIRECTIONS)


def _numeric(distribution: Distribution) -> bool:
    if type(distribution).name == "mixture":
        return all(_numeric(part) for part in getattr(distribution, "parts", ()))
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
            _put(data, parameter, parameter.written([parameter.value(float(s)) for s in shares]))
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
        _put(data, parameter, parameter.written([parameter.value(float(share)) for share in wanted]))
    return Recipe.parse(data | {"seed": seed})


def _sample(low: float, middle: float, high: float, count: int = 200) -> NDArray[np.float64]:
    levels = (np.arange(count) + 0.5) / count
    ends = (low - 0.1 * low, high + 0.1 * (1 - high))
    return np.interp(levels, [0.0, 0.05, 0.5, 0.95, 1.0], [ends[0], low, middle, high, ends[1]])
