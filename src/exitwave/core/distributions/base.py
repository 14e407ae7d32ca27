"""What every distribution is, and how a recipe's mapping becomes one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from math import inf, isfinite, nan
from numbers import Real
from typing import Any, ClassVar

from exitwave.core.streams import Stream

__all__ = ["Distribution", "distribution", "finite", "finites", "is_distribution", "is_whole", "near_miss"]

_REGISTRY: dict[str, type[Distribution]] = {}


class Distribution(ABC):
    """A distribution of numbers (or, for choices, of words) that a stream draws from.

    A subclass has the name that stands in recipes, the quantile function, the cumulative distribution function, the
    support and ``to_dict``; a draw is the quantile at one uniform number of the stream.

    Examples
    --------
    >>> from exitwave.core import Stream
    >>> dose = distribution({"uniform": [200, 600]})
    >>> isinstance(dose, Distribution), dose.support, dose.quantile(0.25), dose.cdf(500)
    (True, (200.0, 600.0), 300.0, 0.75)
    >>> dose.draw(Stream(1) / "dose") == dose.draw(Stream(1) / "dose")
    True
    """

    name: ClassVar[str]
    options: ClassVar[tuple[str, ...]] = ()
    integral: bool = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        _REGISTRY[cls.name] = cls

    @abstractmethod
    def quantile(self, u: float) -> Any:
        """Return the value below which a share ``u`` in (0, 1) of all draws lies."""

    @abstractmethod
    def cdf(self, x: float) -> float:
        """Return the probability of a draw of at most ``x``."""

    @property
    @abstractmethod
    def support(self) -> tuple[float, float]:
        """The least and the greatest value that can be drawn."""

    @property
    def reached(self) -> tuple[bool, bool]:
        """Whether the ends of the support can themselves be drawn; those of a continuous range cannot."""
        return (False, False)

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Return the mapping that a recipe writes for this distribution."""

    def draw(self, stream: Stream) -> Any:
        """Return one value, decided by ``stream`` alone."""
        return self.quantile(stream.uniform())

    def map(self, convert: Callable[[Any], Any]) -> Distribution:
        """Return the distribution with ``convert`` applied to every number written in it."""
        return distribution(self.to_dict(), convert)

    def __str__(self) -> str:
        return str(self.to_dict())


def is_distribution(value: Any) -> bool:
    """Return whether ``value`` is a distribution or a mapping that writes one.

    Parameters
    ----------
    value
        Anything.

    Returns
    -------
    bool
        Whether it is one by its key; its numbers may still be impossible, which :func:`distribution` tells.

    Examples
    --------
    >>> radius = distribution({"uniform": [20, 80]})
    >>> is_distribution(radius), is_distribution({"uniform": [20, 80]}), is_distribution(50.0)
    (True, True, False)
    """
    if isinstance(value, Distribution):
        return True
    return isinstance(value, Mapping) and any(key in _REGISTRY for key in value)


def distribution(value: Any, convert: Callable[[Any], Any] | None = None) -> Distribution:
    """Return the distribution that a mapping such as ``{"uniform": [20, 80]}`` writes.

    Parameters
    ----------
    value
        The mapping, or a distribution.
    convert
        Applied to every value written in it (weights excepted), to check them or to change their units.

    Returns
    -------
    Distribution
        Of the class that the mapping's key names.

    Raises
    ------
    ValueError
        If the mapping has an unknown key or impossible numbers.

    Examples
    --------
    >>> distribution({"normal": [40, 10], "within": [30, 50]}).support
    (30.0, 50.0)
    """
    if isinstance(value, Distribution):
        return value if convert is None else value.map(convert)
    if convert is not None and isinstance(value, Mapping):
        value = _map_numbers(dict(value), convert)
    known = ", ".join(_REGISTRY)
    names = [key for key in value if key in _REGISTRY] if isinstance(value, Mapping) else []
    if len(names) != 1:
        raise ValueError(f"{value!r} is no distribution; a distribution has exactly one of the keys {known}")
    kind = _REGISTRY[names[0]]
    extra = {key: item for key, item in value.items() if key != names[0]}
    for key in extra:
        if key not in kind.options:
            allowed = " and ".join(kind.options) if kind.options else "no other key"
            raise ValueError(f"{key!r} does not go with {kind.name}, which takes {allowed}")
    parsed: Distribution = kind._parse(value[names[0]], **extra)  # type: ignore[attr-defined]
    return parsed


def near_miss(value: Any) -> str:
    """Return a hint for a mapping that was meant to write a distribution, and nothing for anything else.

    Examples
    --------
    >>> near_miss({"unifrom": [1, 2]})
    ' Did you mean uniform?'
    """
    keys = [str(key) for key in value] if isinstance(value, Mapping) else []
    near = [name for key in keys for name in get_close_matches(key, _REGISTRY, n=1)]
    return f" Did you mean {near[0]}?" if near else ""


def finite(name: str, value: Any) -> float:
    """Return ``value`` as a finite number, or raise ValueError naming the key ``name``."""
    if isinstance(value, str):
        value = float(value)
    try:
        result = nan if isinstance(value, bool) or not isinstance(value, Real) else float(value)
    except OverflowError:
        result = inf
    if not isfinite(result):
        raise ValueError(f"{name} holds {value!r:.60}, which is not a finite number")
    return result


def finites(name: str, value: Any, count: int) -> tuple[float, ...]:
    """Return ``value`` as ``count`` finite numbers, or raise ValueError naming the key ``name``."""
    if not isinstance(value, list | tuple) or len(value) != count:
        raise ValueError(f"{name} is {value!r}; it is {count} numbers, as in {name}: [1, 2]")
    return tuple(finite(name, item) for item in value)


def is_whole(value: Any) -> bool:
    """Return whether ``value`` is a whole number."""
    return not isinstance(value, bool) and isinstance(value, int | float) and float(value).is_integer()


def _map_numbers(data: Any, convert: Callable[[Any], Any]) -> Any:
    if isinstance(data, Distribution):
        return data.map(convert)
    if isinstance(data, Mapping):
        return {k: v if k == "weights" else _map_numbers(v, convert) for k, v in data.items()}
    if isinstance(data, list | tuple):
        return [_map_numbers(v, convert) for v in data]
    return data if data is None else convert(data)
