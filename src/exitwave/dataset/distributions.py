"""Do the numbers in the records follow what the recipe says? Tests with exact null distributions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from math import pi
from typing import Any

import numpy as np
from numpy.typing import NDArray

from exitwave.core import Choice, Distribution, Population, Spec
from exitwave.dataset.recipe import Recipe
from exitwave.structure.families import Grain, MixedFamilies
from exitwave.structure.families.particles import SEPARATION
from exitwave.structure.generators.crystal import Crystal
from exitwave.structure.stacking import default_plane, stack_of

__all__ = ["LEAST", "drawn_tests", "drawn_values", "found", "kolmogorov_smirnov", "orientation_tests"]

# key, distribution, values, and whether these are as drawn; else they may be smaller
Values = tuple[str, Distribution, list[Any], bool]
LEAST = 20  # draws below which a test says nothing


def drawn_tests(
    recipe: Recipe, structures: Sequence[dict[str, Any]], images: Sequence[dict[str, Any]]
) -> Iterator[tuple[str, float]]:
    """Yield key and p-value for every distribution of a recipe: how likely draws are to be that far from it."""
    for name, distribution, values, exact in _all_values(recipe, structures, images):
        if len(values) >= LEAST:
            test = p_value if exact else p_value_at_most
            yield name if exact else f"{name}, not more than drawn", test(distribution, values)


def drawn_values(
    recipe: Recipe, structures: Sequence[dict[str, Any]], images: Sequence[dict[str, Any]]
) -> Iterator[tuple[str, Distribution, list[Any]]]:
    """Yield key, distribution and drawn values for every distribution of a recipe.

    Of planar defects, only those of particles that have room for as many as can be drawn: others may have fewer.
    """
    for name, distribution, values, exact in _all_values(recipe, structures, images):
        if exact:
            yield name, distribution, values


def _all_values(
    recipe: Recipe, structures: Sequence[dict[str, Any]], images: Sequence[dict[str, Any]]
) -> Iterator[Values]:
    sections = [
        ("structures", recipe.structures.spec, list(_own_parts(structures))),
        ("scattering", recipe.scattering, [record["scattering"] for record in structures]),
        ("images", recipe.images.spec.independent(), list(images)),
    ]
    for key, spec, records in sections:
        if isinstance(spec, MixedFamilies):
            yield from _of_parts(spec, records, key)
        else:
            yield from _collect(spec, records, key)


def _own_parts(records: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield what was drawn for each structure; a film that several share, with the first of them."""
    seen = set()
    for record in records:
        film = record["streams"]["film"] if "film" in record else None
        yield {key: value for key, value in record["structure"].items() if key != "film" or film not in seen}
        seen |= {film} - {None}


def p_value(distribution: Distribution, values: Sequence[Any]) -> float:
    """Return the probability of draws at least as far from a distribution: chi-square for few values, else KS.

    Examples
    --------
    >>> from exitwave.core import Stream, distribution
    >>> even = distribution({"uniform": [0, 1]})
    >>> draws = [even.draw(Stream(1) / i) for i in range(100)]
    >>> p_value(even, draws) > 0.01, p_value(even, [x**2 for x in draws]) < 0.01
    (True, True)
    """
    from scipy.special import gammaincc

    shares = _shares(distribution)
    if shares is not None:
        kinds, probabilities = shares
        counts = np.array([sum(value == kind for value in values) for kind in kinds], float)
        if counts.sum() < len(values):
            return 0.0  # something was drawn that cannot be
        expected = probabilities * len(values)
        possible = expected > 0
        if possible.sum() < 2:
            return 1.0
        statistic = float((((counts - expected) ** 2)[possible] / expected[possible]).sum())
        return float(gammaincc((possible.sum() - 1) / 2, statistic / 2))
    numbers = [float(value) for value in values]
    upto = np.array([distribution.cdf(value) for value in numbers])
    below = np.array([distribution.cdf(float(np.nextafter(value, -np.inf))) for value in numbers])
    return kolmogorov_smirnov(upto, below)


def p_value_at_most(distribution: Distribution, values: Sequence[float]) -> float:
    """Return the probability of counts at least as large as these, each of which is at most what was drawn.

    Examples
    --------
    >>> from exitwave.core import distribution
    >>> upto = distribution({"integers": [0, 2]})
    >>> p_value_at_most(upto, [0] * 50), p_value_at_most(upto, [2] * 50) < 1e-20, p_value_at_most(upto, [3, 0])
    (1.0, True, 0.0)
    """
    from scipy.stats import binom

    counts = np.asarray(values, float)
    least, shares = 1.0, _shares(distribution)
    if counts.max(initial=0.0) > distribution.support[1]:
        return 0.0
    levels = range(1, int(distribution.support[1]) + 1)
    for level in levels:
        if shares is not None:
            probability = float(sum(share for kind, share in zip(*shares, strict=True) if kind >= level))
        else:
            probability = 1 - float(distribution.cdf(level - 0.5))
        reached = int((counts >= level).sum())
        least = min(least, float(binom.sf(reached - 1, len(counts), min(max(probability, 0.0), 1.0))))
    return min(least * max(len(levels), 1), 1.0)


def has_room(grain: dict[str, Any], defects: float) -> bool:
    """Return whether a drawn particle surely has room for so many planar defects: said of balls only.

    Examples
    --------
    >>> has_room({"material": "Au", "shape": "sphere", "radius": 20.0}, 3)
    True
    >>> has_room({"material": "Au", "shape": "sphere", "radius": 4.0}, 3)
    False
    """
    if defects <= 0 or grain.get("shape") != "sphere":
        return defects <= 0
    layers = int(float(grain["radius"]) / _layer_spacing(str(grain["material"])) - 0.5)
    return 2 * layers // SEPARATION + 1 >= defects


@lru_cache(maxsize=64)
def _layer_spacing(material: str) -> float:
    crystal = Crystal(material)
    return stack_of(crystal, default_plane(crystal)).spacing


def kolmogorov_smirnov(upto: NDArray[Any], below: NDArray[Any] | None = None, *, slack: float = 0.0) -> float:
    """Return the p-value of draws whose distribution function is ``upto`` at each draw and ``below`` just below it.

    Where the two differ, single values have a probability of their own, and the p-value is conservative.
    ``slack`` is how far the true distribution function may be from the stated one.
    """
    from scipy.special import kolmogorov

    upper = np.sort(upto)
    lower = upper if below is None else np.sort(below)
    n = len(upper)
    # shares of the draws up to each one and below it, ties counted together
    share_upto = np.searchsorted(upper, upper, side="right") / n
    share_below = np.searchsorted(upper, upper, side="left") / n
    distance = max(float(np.abs(share_upto - upper).max()), float(np.abs(share_below - lower).max()))
    distance = max(distance - slack, 0.0)
    # Stephens' finite-sample form of the limit distribution
    return float(kolmogorov(distance * (np.sqrt(n) + 0.12 + 0.11 / np.sqrt(n))))


def orientation_tests(structures: Sequence[dict[str, Any]]) -> Iterator[tuple[str, float]]:
    """Yield p-values of orientations being uniform on SO(3): the rotation angle, and all nine matrix elements."""
    turns = np.array([turn for record in structures for turn in found(record["structure"], "orientation")], float)
    if len(turns) < LEAST or turns.ndim != 2 or turns.shape[1] != 4:
        return
    w, x, y, z = (turns / np.linalg.norm(turns, axis=1, keepdims=True)).T
    angle = 2 * np.arccos(np.clip(np.abs(w), 0, 1))
    yield "the angle of rotation", kolmogorov_smirnov((angle - np.sin(angle)) / pi)
    elements = {
        "xx": 1 - 2 * (y * y + z * z),
        "xy": 2 * (x * y - w * z),
        "xz": 2 * (x * z + w * y),
        "yx": 2 * (x * y + w * z),
        "yy": 1 - 2 * (x * x + z * z),
        "yz": 2 * (y * z - w * x),
        "zx": 2 * (x * z - w * y),
        "zy": 2 * (y * z + w * x),
        "zz": 1 - 2 * (x * x + y * y),
    }
    for name, values in elements.items():
        yield f"the matrix element {name}", kolmogorov_smirnov((values + 1) / 2)


def _of_parts(spec: MixedFamilies, records: Sequence[Any], key: str) -> Iterator[Values]:
    """Yield what ``_collect`` does for each family of a mixture, and which of them was drawn how often."""
    kinds = list(range(len(spec.parts)))
    yield f"{key}.chosen", Choice(tuple(kinds), spec.shares), [record.get("chosen") for record in records], True
    for kind, part in zip(kinds, spec.parts, strict=True):
        drawn = [record["parts"][0] for record in records if record.get("chosen") == kind]
        yield from _collect(part.spec, drawn, f"{key}.parts.{kind}")


def _collect(spec: Spec, records: Sequence[Any], key: str) -> Iterator[Values]:
    """Yield every distribution in a spec with the values that the records hold in its place."""
    for name in type(spec).model_fields:
        value = getattr(spec, name)
        drawn = [record[name] for record in records if isinstance(record, dict) and record.get(name) is not None]
        where = f"{key}.{name}"
        if isinstance(value, Distribution) and isinstance(spec, Grain) and name == "defects":
            if spec.faults is not None:
                continue
            for exact in (True, False):
                there = [one for one in records if isinstance(one, dict) and has_room(one, value.support[1]) == exact]
                if there:
                    yield where, value, [one["defects"] for one in there if one.get("defects") is not None], exact
        elif isinstance(value, Distribution):
            yield where, value, drawn, True
        elif isinstance(value, Population):
            count = getattr(value, "count", None)
            lists = [item for item in drawn if isinstance(item, list)]
            if isinstance(count, Distribution):
                yield f"{where}.count", count, [len(item) for item in lists], True
            yield from _collect(value.member(), [member for item in lists for member in item], where)
        elif isinstance(value, Spec):
            yield from _collect(value, drawn, where)
        elif isinstance(value, tuple):
            for index, item in enumerate(value):
                inner = [part[index] for part in drawn if isinstance(part, list) and index < len(part)]
                if isinstance(item, Distribution):
                    yield f"{where}.{index}", item, inner, True
                elif isinstance(item, Spec):
                    yield from _collect(item, inner, f"{where}.{index}")


def _shares(distribution: Distribution) -> tuple[list[Any], NDArray[Any]] | None:
    """Return the values of a discrete distribution with their probabilities, or None for a continuous one."""
    values = getattr(distribution, "values", None)
    weights = getattr(distribution, "weights", None)
    if values is not None and weights is not None:
        kinds = list(dict.fromkeys(values))
        shares = [sum(w for v, w in zip(values, weights, strict=True) if v == kind) for kind in kinds]
        return kinds, np.array(shares) / sum(weights)
    if distribution.name == "integers":
        low, high = (int(bound) for bound in distribution.support)
        kinds = list(range(low, high + 1))
        return kinds, np.full(len(kinds), 1 / len(kinds))
    if distribution.name == "constant":
        return [distribution.support[0]], np.ones(1)
    return None


def found(data: Any, name: str) -> list[Any]:
    """Return every value called ``name`` anywhere in plain data."""
    if isinstance(data, dict):
        own = [data[name]] if data.get(name) is not None else []
        return own + [item for value in data.values() for item in found(value, name)]
    if isinstance(data, list):
        return [item for value in data for item in found(value, name)]
    return []
