"""Distributions of any number in a range: uniform, log-uniform, normal with bounds, empirical."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from math import exp, inf, isfinite, log
from statistics import NormalDist
from typing import Any

from exitwave.core.distributions.base import Distribution, finite, finites

__all__ = ["Empirical", "LogUniform", "Normal", "Uniform"]


@dataclass(frozen=True, slots=True)
class Uniform(Distribution):
    """Every number from ``low`` to ``high`` alike: ``{uniform: [20, 80]}``.

    Parameters
    ----------
    low, high
        Ends of the range.

    Raises
    ------
    ValueError
        If ``low`` is not below ``high``.

    Examples
    --------
    >>> from exitwave.core import Stream
    >>> radius = Uniform(20, 80)
    >>> radius.quantile(0.5), radius.cdf(35), 20 < radius.draw(Stream(1)) < 80
    (50.0, 0.25, True)
    """

    name = "uniform"
    low: float
    high: float

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ValueError(f"uniform needs low < high, not [{self.low}, {self.high}]")

    def quantile(self, u: float) -> float:
        return self.low + (self.high - self.low) * u

    def cdf(self, x: float) -> float:
        return min(max((x - self.low) / (self.high - self.low), 0.0), 1.0)

    @property
    def support(self) -> tuple[float, float]:
        return (self.low, self.high)

    def to_dict(self) -> dict[str, Any]:
        return {"uniform": [self.low, self.high]}

    @classmethod
    def _parse(cls, value: Any) -> Uniform:
        return cls(*finites("uniform", value, 2))


@dataclass(frozen=True, slots=True)
class LogUniform(Distribution):
    """Every factor alike: the logarithm is uniform, ``{loguniform: [100, 1200]}``.

    Parameters
    ----------
    low, high
        Ends of the range, above 0.

    Raises
    ------
    ValueError
        If not 0 < ``low`` < ``high``.

    Examples
    --------
    >>> dose = LogUniform(100, 1600)
    >>> round(dose.quantile(0.5)), round(dose.cdf(200), 2)
    (400, 0.25)
    """

    name = "loguniform"
    low: float
    high: float

    def __post_init__(self) -> None:
        if not 0 < self.low < self.high:
            raise ValueError(f"loguniform needs 0 < low < high, not [{self.low}, {self.high}]")

    def quantile(self, u: float) -> float:
        value = exp(log(self.low) + log(self.high / self.low) * u)
        return min(max(value, self.low), self.high)

    def cdf(self, x: float) -> float:
        return 0.0 if x <= self.low else min(log(x / self.low) / log(self.high / self.low), 1.0)

    @property
    def support(self) -> tuple[float, float]:
        return (self.low, self.high)

    def to_dict(self) -> dict[str, Any]:
        return {"loguniform": [self.low, self.high]}

    @classmethod
    def _parse(cls, value: Any) -> LogUniform:
        return cls(*finites("loguniform", value, 2))


@dataclass(frozen=True, slots=True)
class Normal(Distribution):
    """Gaussian, cut (not clipped) to bounds: ``{normal: [40, 10], within: [30, 50]}``.

    Parameters
    ----------
    mean, std
        Of the Gaussian before it is cut.
    low, high
        Bounds; infinite if there is none.

    Raises
    ------
    ValueError
        If ``std`` is not above 0, ``low`` not below ``high``, or next to nothing of the Gaussian lies between them.

    Examples
    --------
    >>> radius = Normal(40, 10, low=30, high=50)
    >>> radius.quantile(0.5), radius.cdf(30), radius.cdf(50)
    (40.0, 0.0, 1.0)
    >>> radius.to_dict()
    {'normal': [40, 10], 'within': [30, 50]}
    """

    name = "normal"
    options = ("within",)
    mean: float
    std: float
    low: float = -inf
    high: float = inf

    def __post_init__(self) -> None:
        if not (self.std > 0 and isfinite(self.std)):
            raise ValueError(f"normal needs a standard deviation above 0, not {self.std}")
        if not self.low < self.high:
            raise ValueError(f"within needs low < high, not [{self.low}, {self.high}]")
        if self._share()[1] - self._share()[0] < 1e-9:
            raise ValueError(f"within [{self.low}, {self.high}] holds nothing of normal [{self.mean}, {self.std}]")

    def _share(self) -> tuple[float, float]:
        gauss = NormalDist(self.mean, self.std)
        return (
            0.0 if self.low == -inf else gauss.cdf(self.low),
            1.0 if self.high == inf else gauss.cdf(self.high),
        )

    def quantile(self, u: float) -> float:
        first, last = self._share()
        share = min(max(first + (last - first) * u, 5e-17), 1 - 1e-16)
        return min(max(NormalDist(self.mean, self.std).inv_cdf(share), self.low), self.high)

    def cdf(self, x: float) -> float:
        first, last = self._share()
        return min(max((NormalDist(self.mean, self.std).cdf(x) - first) / (last - first), 0.0), 1.0)

    @property
    def support(self) -> tuple[float, float]:
        return (self.low, self.high)

    def to_dict(self) -> dict[str, Any]:
        out: dict[str, Any] = {"normal": [self.mean, self.std]}
        if (self.low, self.high) != (-inf, inf):
            out["within"] = [None if not isfinite(b) else b for b in (self.low, self.high)]
        return out

    @classmethod
    def _parse(cls, value: Any, within: Any = (None, None)) -> Normal:
        mean, std = finites("normal", value, 2)
        if not isinstance(within, list | tuple) or len(within) != 2:
            raise ValueError(f"within is {within!r}; it is two numbers, [low, high]")
        low = -inf if within[0] is None else finite("within", within[0])
        high = inf if within[1] is None else finite("within", within[1])
        return cls(mean, std, low, high)


@dataclass(frozen=True, slots=True)
class Empirical(Distribution):
    """Like a list of measured numbers, interpolated between them: ``{empirical: [21.0, 24.5, 30.2]}``.

    The quantile function is linear between the sorted values (Hazen's positions (i − ½)/n would leave the
    range, so the first value stands at 0 and the last at 1).

    Parameters
    ----------
    values
        Two or more numbers in rising order.

    Raises
    ------
    ValueError
        If there are fewer, or they do not rise.

    Examples
    --------
    >>> radius = Empirical((21.0, 24.5, 30.0))
    >>> radius.quantile(0.5), radius.quantile(0.75), radius.support
    (24.5, 27.25, (21.0, 30.0))
    """

    name = "empirical"
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.values) < 2 or list(self.values) != sorted(self.values):
            raise ValueError("empirical needs two or more numbers in rising order")

    def quantile(self, u: float) -> float:
        position = u * (len(self.values) - 1)
        index = min(int(position), len(self.values) - 2)
        low, high = self.values[index], self.values[index + 1]
        return low + (high - low) * (position - index)

    def cdf(self, x: float) -> float:
        if x < self.values[0]:
            return 0.0
        if x >= self.values[-1]:
            return 1.0
        index = bisect_right(self.values, x) - 1
        low, high = self.values[index], self.values[index + 1]
        return (index + (x - low) / (high - low)) / (len(self.values) - 1)

    @property
    def support(self) -> tuple[float, float]:
        return (self.values[0], self.values[-1])

    def to_dict(self) -> dict[str, Any]:
        return {"empirical": list(self.values)}

    @classmethod
    def _parse(cls, value: Any) -> Empirical:
        if not isinstance(value, list | tuple):
            raise ValueError(f"empirical is {value!r}; it is a list of two or more numbers")
        return cls(tuple(sorted(finite("empirical", v) for v in value)))
