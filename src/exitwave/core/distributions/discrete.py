"""Distributions of single values: constant, integers, choice with weights, mixture of distributions."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from math import floor
from typing import Any

from exitwave.core.distributions.base import (
    Distribution,
    distribution,
    finite,
    finites,
    is_distribution,
    is_whole,
)

__all__ = ["Choice", "Constant", "Integers", "Mixture"]


@dataclass(frozen=True, slots=True)
class Constant(Distribution):
    """Always the same value: ``{constant: 5}``.

    Parameters
    ----------
    value
        A number or a word.

    Examples
    --------
    >>> from exitwave.core import Stream
    >>> Constant(5).draw(Stream(1)), Constant(5).support
    (5, (5, 5))
    """

    name = "constant"
    value: Any

    def quantile(self, u: float) -> Any:
        return self.value

    def cdf(self, x: float) -> float:
        return float(x >= self.value)

    @property
    def integral(self) -> bool:  # type: ignore[override]
        return is_whole(self.value)

    @property
    def support(self) -> tuple[float, float]:
        return (self.value, self.value)

    @property
    def reached(self) -> tuple[bool, bool]:
        return (True, True)

    def to_dict(self) -> dict[str, Any]:
        return {"constant": self.value}

    @classmethod
    def _parse(cls, value: Any) -> Constant:
        return cls(_single("constant", value))


@dataclass(frozen=True, slots=True)
class Integers(Distribution):
    """Every whole number from ``low`` to ``high``, both included: ``{integers: [0, 3]}``.

    Parameters
    ----------
    low, high
        Ends of the range.

    Raises
    ------
    ValueError
        If ``low`` is above ``high``.

    Examples
    --------
    >>> twins = Integers(0, 3)
    >>> [twins.quantile(u) for u in (0.1, 0.4, 0.6, 0.9)], twins.cdf(0)
    ([0, 1, 2, 3], 0.25)
    """

    name = "integers"
    low: int
    high: int

    def __post_init__(self) -> None:
        if not self.low <= self.high:
            raise ValueError(f"integers needs low <= high, not [{self.low}, {self.high}]")

    @property
    def integral(self) -> bool:  # type: ignore[override]
        return True

    def quantile(self, u: float) -> int:
        return min(self.low + floor((self.high - self.low + 1) * u), self.high)

    def cdf(self, x: float) -> float:
        if not self.low <= x < self.high:
            return float(x >= self.high)
        return (floor(x) - self.low + 1) / (self.high - self.low + 1)

    @property
    def support(self) -> tuple[float, float]:
        return (self.low, self.high)

    @property
    def reached(self) -> tuple[bool, bool]:
        return (True, True)

    def to_dict(self) -> dict[str, Any]:
        return {"integers": [self.low, self.high]}

    @classmethod
    def _parse(cls, value: Any) -> Integers:
        low, high = finites("integers", value, 2)
        if not (is_whole(low) and is_whole(high)):
            raise ValueError(f"integers needs two whole numbers, not {value!r}")
        return cls(int(low), int(high))


@dataclass(frozen=True, slots=True)
class Choice(Distribution):
    """One of the listed values: ``{choice: [Au, Ag], weights: [3, 1]}``.

    Parameters
    ----------
    values
        Numbers or words.
    weights
        A number of 0 or more for each; only their ratios count.

    Raises
    ------
    ValueError
        If there are no values, not one weight for each, or no weight above 0.

    Examples
    --------
    >>> material = Choice(("Au", "Ag"), weights=(3, 1))
    >>> material.quantile(0.7), material.quantile(0.8)
    ('Au', 'Ag')
    """

    name = "choice"
    options = ("weights",)
    values: tuple[Any, ...]
    weights: tuple[float, ...]

    def __post_init__(self) -> None:
        _check_weights("choice", len(self.values), self.weights)

    @property
    def integral(self) -> bool:  # type: ignore[override]
        return all(is_whole(v) for v in self.values)

    def quantile(self, u: float) -> Any:
        return self.values[_pick(self.weights, u)[0]]

    def cdf(self, x: float) -> float:
        return sum(w for v, w in zip(self.values, self.weights, strict=True) if v <= x) / sum(self.weights)

    @property
    def support(self) -> tuple[float, float]:
        return (min(self.values), max(self.values))

    @property
    def reached(self) -> tuple[bool, bool]:
        return (True, True)

    def to_dict(self) -> dict[str, Any]:
        out: dict[str, Any] = {"choice": list(self.values)}
        if len(set(self.weights)) > 1:
            out["weights"] = list(self.weights)
        return out

    @classmethod
    def _parse(cls, value: Any, weights: Any = None) -> Choice:
        if not isinstance(value, list | tuple) or not value:
            raise ValueError(f"choice is {value!r}; it is a list of one or more values")
        values = tuple(_single("choice", item) for item in value)
        return cls(values, _weights(weights, len(value)))


@dataclass(frozen=True, slots=True)
class Mixture(Distribution):
    """A draw from one of several distributions: ``{mixture: [{uniform: [0, 1]}, 5], weights: [1, 2]}``.

    Parameters
    ----------
    parts
        The distributions.
    weights
        A number of 0 or more for each; only their ratios count.

    Raises
    ------
    ValueError
        If there are no parts, not one weight for each, or no weight above 0.

    Examples
    --------
    >>> from exitwave.core import Uniform
    >>> thickness = Mixture((Uniform(0, 1), Constant(5)), weights=(1, 2))
    >>> thickness.support, round(thickness.cdf(1), 3), thickness.quantile(0.5)
    ((0, 5), 0.333, 5)
    """

    name = "mixture"
    options = ("weights",)
    parts: tuple[Distribution, ...]
    weights: tuple[float, ...]

    def __post_init__(self) -> None:
        _check_weights("mixture", len(self.parts), self.weights)

    @property
    def integral(self) -> bool:  # type: ignore[override]
        return all(part.integral for part in self.parts)

    def quantile(self, u: float) -> Any:
        # picks the part by u and reuses what is left of u inside the part: still one uniform number
        index, rest = _pick(self.weights, u)
        return self.parts[index].quantile(rest)

    def cdf(self, x: float) -> float:
        shares = (w * p.cdf(x) for p, w in zip(self.parts, self.weights, strict=True))
        return sum(shares) / sum(self.weights)

    @property
    def support(self) -> tuple[float, float]:
        return (min(p.support[0] for p in self.parts), max(p.support[1] for p in self.parts))

    @property
    def reached(self) -> tuple[bool, bool]:
        low, high = self.support
        return (
            any(p.reached[0] for p in self.parts if p.support[0] == low),
            any(p.reached[1] for p in self.parts if p.support[1] == high),
        )

    def to_dict(self) -> dict[str, Any]:
        out: dict[str, Any] = {"mixture": [p.to_dict() for p in self.parts]}
        if len(set(self.weights)) > 1:
            out["weights"] = list(self.weights)
        return out

    @classmethod
    def _parse(cls, value: Any, weights: Any = None) -> Mixture:
        if not isinstance(value, list | tuple) or not value:
            raise ValueError(f"mixture is {value!r}; it is a list of one or more distributions")
        parts = tuple(distribution(v) if is_distribution(v) else Constant(v) for v in value)
        return cls(parts, _weights(weights, len(parts)))


def _single(name: str, value: Any) -> Any:
    if is_distribution(value):
        raise ValueError(f"{name} holds the distribution {value}; it holds values, a mixture holds distributions")
    if isinstance(value, Mapping | list | tuple):
        raise ValueError(f"{name} holds {value!r}, which is not a single value")
    return value


def _weights(value: Any, count: int) -> tuple[float, ...]:
    if value is None:
        return (1.0,) * count
    if not isinstance(value, list | tuple):
        raise ValueError(f"weights is {value!r}; it is a list of numbers, one for each value")
    weights = tuple(finite("weights", item) for item in value)
    alike = len(weights) == count and min(weights) == max(weights) > 0
    return (1.0,) * count if alike else weights  # one distribution, one way to write it


def _check_weights(name: str, count: int, weights: tuple[float, ...]) -> None:
    if count < 1 or len(weights) != count:
        raise ValueError(f"{name} has {count} values but {len(weights)} weights")
    if min(weights) < 0 or sum(weights) <= 0:
        raise ValueError(f"weights of {name} are {list(weights)}; they are numbers of 0 or more, not all 0")


def _pick(weights: tuple[float, ...], u: float) -> tuple[int, float]:
    """Return the index at share ``u`` of the weights, and how far into that share ``u`` lies."""
    edges = list(accumulate(weights))
    target = u * edges[-1]
    index = min(bisect_right(edges, target), max(i for i, w in enumerate(weights) if w > 0))
    start = edges[index] - weights[index]
    rest = (target - start) / weights[index]
    return index, min(max(rest, 1e-16), 1 - 1e-16)
