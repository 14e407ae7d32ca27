"""Scores with the intervals that resampled micrographs give them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from exitwave.core import Stream
from exitwave.learning.metrics import LEAST_PIXELS

__all__ = ["STATISTICS", "Interval", "Statistic", "bootstrap", "image_sums"]

Statistic = Callable[[NDArray[np.float64]], NDArray[np.float64]]


@dataclass(frozen=True)
class Interval:
    """A score with the interval that resampled micrographs give it.

    Parameters
    ----------
    value, low, high
        The score, and the ends of the interval.
    level
        Share of the resampled scores that lie between them.

    Examples
    --------
    >>> print(Interval(0.9124, low=0.87, high=0.951))
    0.912 [0.870, 0.951]
    """

    value: float
    low: float
    high: float
    level: float = 0.95

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def bootstrap(
    sums: Mapping[str, tuple[NDArray[np.float64], Statistic]],
    stream: Stream,
    resamples: int = 2000,
    level: float = 0.95,
) -> dict[str, Interval]:
    """Return scores by name with percentile intervals over images drawn with replacement.

    Each image enters with its sums, so that a resample costs nothing: the sums of the images drawn are those of all,
    weighted with how often each was drawn.

    Parameters
    ----------
    sums
        By name the sums of every image (images, k), and the function that makes scores (…) of totals (…, k).
    stream
        Decides which are drawn.
    resamples, level
        How often, and the share of the resampled scores between the ends.

    Examples
    --------
    >>> share = (np.array([[1.0, 4.0], [3.0, 4.0]]), lambda totals: totals[..., 0] / totals[..., 1])
    >>> print(bootstrap({"share": share}, Stream(1))["share"])
    0.500 [0.250, 0.750]
    """
    images = len(next(iter(sums.values()))[0])
    draws = (stream / "bootstrap").generator().integers(images, size=(resamples, images))
    times = np.zeros((resamples, images))
    np.add.at(times, (np.arange(resamples)[:, None], draws), 1.0)
    out = {}
    for name, (parts, statistic) in sums.items():
        values = statistic(times @ parts)
        values = values[np.isfinite(values)]
        low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2]) if values.size else (np.nan, np.nan)
        out[name] = Interval(float(statistic(parts.sum(axis=0))), float(low), float(high), level)
    return out


def image_sums(found: NDArray[np.float32], truth: NDArray[np.bool_], threshold: float = 0.5) -> list[float]:
    """Return the nine sums over an image's pixels that ``STATISTICS`` make scores of."""
    hard, soft = found >= threshold, found.astype(np.float64)
    hit = float((hard & truth).sum())
    return [
        hit, float(hard.sum()) - hit, float(truth.sum()) - hit,
        soft[truth].sum(), soft.sum(), float(truth.sum()),
        (1 - soft[~truth]).sum(), (1 - soft).sum(), float((~truth).sum()),
    ]  # fmt: skip


def _pooled(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    hit, false, missed = (sums[..., index].sum(axis=-1) for index in range(3))
    total = 2 * hit + false + missed
    return np.asarray(np.where(total == 0, 1.0, 2 * hit / np.maximum(total, 1)))


def _mean(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    hit, false, missed, pixels = (sums[..., index] for index in (0, 1, 2, 5))
    total = 2 * hit + false + missed
    single = np.where(total == 0, 1.0, 2 * hit / np.maximum(total, 1))
    counted = pixels > LEAST_PIXELS
    number = counted.sum(axis=-1)
    mean = np.where(counted, single, 0.0).sum(axis=-1) / np.maximum(number, 1)
    return np.asarray(np.where(number > 0, mean, np.nan))


def _soft(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    s = [sums[..., index].sum(axis=-1) for index in range(3, 9)]
    particle = (2 * s[0] + 1e-7) / (s[1] + s[2] + 1e-7)
    background = (2 * s[3] + 1e-7) / (s[4] + s[5] + 1e-7)
    return np.asarray((particle + background) / 2)


# each a function of sums (…, images, 9) that returns the score (…) of these images
STATISTICS = {"particle_f1": _pooled, "mean_image_f1": _mean, "soft_macro_f1": _soft}
