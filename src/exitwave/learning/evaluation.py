"""A network's scores on labelled micrographs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from exitwave.core import Progress, Reporter, Stream, TrainingError
from exitwave.learning.metrics import LEAST_PIXELS, Scores, iou, particle_f1, score, soft_macro_f1

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Evaluation", "Interval", "bootstrap", "evaluate"]


class Predictor(Protocol):
    """What is judged: a network, an ensemble, or anything that gives every pixel a probability."""

    def predict(self, array: NDArray[np.float32], pixel_size: float) -> NDArray[np.floating]:
        """Return probabilities (y, x)."""


@dataclass(frozen=True)
class Interval:
    """A score with the interval that resampled micrographs give it.

    Parameters
    ----------
    value, low, high
        The score, and the ends of the interval.
    level
        Share of the resampled scores that lie between them.
    """

    value: float
    low: float
    high: float
    level: float = 0.95

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What ``evaluate`` returns.

    Parameters
    ----------
    table
        One row per image: name, pixel_size, particle_pixels, counted (whether the mean over images counts it),
        particle_f1, soft_macro_f1, iou.
    scores
        All images together.
    intervals
        For "particle_f1", "mean_image_f1" and "soft_macro_f1": value and bootstrap interval over images.
    """

    table: pd.DataFrame
    scores: Scores
    intervals: dict[str, Interval] = field(default_factory=dict)

    def __repr__(self) -> str:
        listed = ", ".join(f"{name} {interval}" for name, interval in self.intervals.items())
        return f"Evaluation({self.scores.images} images: {listed})"


def evaluate(
    network: Predictor,
    pairs: Iterable[tuple[Any, ArrayLike]],
    *,
    threshold: float = 0.5,
    resamples: int = 2000,
    progress: Reporter | None = None,
) -> Evaluation:
    """Return a network's scores on labelled micrographs.

    Parameters
    ----------
    network
        Anything with ``predict(array, pixel_size)``.
    pairs
        Pairs of a micrograph (or an image array and its pixel size in a tuple) and its mask (y, x).
    threshold
        Pixels at or above this probability are particle.
    resamples
        Number of times that micrographs are drawn with replacement; which ones hangs on their number alone.
    progress
        Called after every micrograph.

    Raises
    ------
    TrainingError
        If there are no pairs, or a mask has another shape than its micrograph.

    Examples
    --------
    >>> class Bright:
    ...     def predict(self, array, pixel_size):
    ...         return (array > 0).astype(np.float32)
    >>> mask = np.zeros((64, 64)); mask[10:40, 10:40] = 1
    >>> evaluate(Bright(), [((mask, 0.2), mask)]).scores.pooled
    1.0
    """
    import time

    import pandas as pd

    listed = list(pairs)
    if not listed:
        raise TrainingError("there are no labelled micrographs; give pairs of a micrograph and its mask.")
    start, rows, maps, masks = time.perf_counter(), [], [], []
    for index, (image, mask) in enumerate(listed):
        array, pixel_size, name = _opened(image, index)
        truth = np.asarray(mask) > 0
        if truth.shape != array.shape:
            raise TrainingError(f"{name} has the shape {array.shape} and its mask {truth.shape}; they are the same.")
        found = np.asarray(network.predict(array, pixel_size), np.float32)
        maps.append(found)
        masks.append(truth)
        rows.append(
            {
                "name": name,
                "pixel_size": pixel_size,
                "particle_pixels": int(truth.sum()),
                "counted": bool(truth.sum() > LEAST_PIXELS),
                "particle_f1": particle_f1([found], [truth], threshold),
                "soft_macro_f1": soft_macro_f1([found], [truth]),
                "iou": iou([found], [truth], threshold),
            }
        )
        if progress is not None:
            progress(Progress("evaluate", index + 1, len(listed), time.perf_counter() - start, note=name))
    intervals = bootstrap(maps, masks, threshold, Stream(len(listed)), resamples)
    return Evaluation(pd.DataFrame(rows), score(maps, masks, threshold), intervals)


def bootstrap(
    maps: list[NDArray[np.float32]],
    masks: list[NDArray[np.bool_]],
    threshold: float,
    stream: Stream,
    resamples: int = 2000,
    level: float = 0.95,
) -> dict[str, Interval]:
    """Return the three F1 with percentile intervals over images drawn with replacement.

    Each image enters with its sums over pixels, so that a resample costs nothing.
    """
    sums = np.array([_sums(found, truth, threshold) for found, truth in zip(maps, masks, strict=True)])
    draws = (stream / "bootstrap").generator().integers(len(sums), size=(resamples, len(sums)))
    out = {}
    for name, statistic in _STATISTICS.items():
        values = statistic(sums[draws])
        values = values[np.isfinite(values)]
        here = float(statistic(sums[None])[0])
        low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2]) if values.size else (np.nan, np.nan)
        out[name] = Interval(here, float(low), float(high), level)
    return out


def _opened(image: Any, index: int) -> tuple[NDArray[np.float32], float, str]:
    if isinstance(image, tuple):
        array, pixel_size = image
        return np.asarray(array, np.float32), float(pixel_size), f"image {index}"
    return image.array, float(image.known_pixel_size()), image.name or f"image {index}"


def _sums(found: NDArray[np.float32], truth: NDArray[np.bool_], threshold: float) -> list[float]:
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
    return np.asarray(np.where(total > 0, 2 * hit / np.maximum(total, 1), 1.0))


def _mean(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    hit, false, missed, pixels = (sums[..., index] for index in (0, 1, 2, 5))
    total = 2 * hit + false + missed
    single = np.where(total > 0, 2 * hit / np.maximum(total, 1), 1.0)
    counted = pixels > LEAST_PIXELS
    number = counted.sum(axis=-1)
    mean = np.where(counted, single, 0.0).sum(axis=-1) / np.maximum(number, 1)
    return np.asarray(np.where(number > 0, mean, np.nan))


def _soft(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    s = [sums[..., index].sum(axis=-1) for index in range(3, 9)]
    particle = (2 * s[0] + 1e-7) / (s[1] + s[2] + 1e-7)
    background = (2 * s[3] + 1e-7) / (s[4] + s[5] + 1e-7)
    return np.asarray((particle + background) / 2)


_STATISTICS = {"particle_f1": _pooled, "mean_image_f1": _mean, "soft_macro_f1": _soft}
