"""Scores of several networks on the same images, with intervals that hold for other seeds and other images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from exitwave.core import Stream
from exitwave.learning.intervals import STATISTICS

__all__ = ["SCORES", "Sums", "difference_interval", "mean_interval"]

SCORES = tuple(STATISTICS)
Sums = NDArray[np.float64] | None
"""Sums over the pixels of every image, (images, 9); None for a network that failed."""
_LEVEL = 0.95


def mean_interval(networks: Sequence[Sums], score: str, stream: Stream, resamples: int = 2000) -> tuple[float, float]:
    """Return the 95 % interval of the mean score of networks, over seeds and images drawn with replacement.

    A network that failed has the score 0 on all images.

    Parameters
    ----------
    networks
        The sums of every seed's network, all on the same images.
    score
        "particle_f1", "mean_image_f1" or "soft_macro_f1".
    stream
        Decides which are drawn.
    resamples
        How often.
    """
    seeds, images = _streams(stream)
    return _ends(_means(networks, score, seeds, images, resamples))


def difference_interval(
    networks: Sequence[Sums], others: Sequence[Sums], score: str, stream: Stream, resamples: int = 2000
) -> tuple[float, float]:
    """Return the 95 % interval of the difference of the mean scores of two groups of networks on the same images.

    Both are judged on the same draw of images, so that images that are hard for all networks do not widen it.
    """
    seeds, images = _streams(stream)
    one = _means(networks, score, seeds / "a", images, resamples)
    return _ends(one - _means(others, score, seeds / "b", images, resamples))


def _streams(stream: Stream) -> tuple[Stream, Stream]:
    return stream / "seeds", stream / "images"


def _means(
    networks: Sequence[Sums], score: str, seeds: Stream, images: Stream, resamples: int
) -> NDArray[np.float64]:
    """Return the mean over drawn networks of the score on drawn images, (resamples,)."""
    count = next((len(sums) for sums in networks if sums is not None), 1)
    draws = images.generator().integers(count, size=(resamples, count))
    scores = np.stack([np.zeros(resamples) if sums is None else STATISTICS[score](sums[draws]) for sums in networks])
    which = seeds.generator().integers(len(networks), size=(len(networks), resamples))
    return np.asarray(scores[which, np.arange(resamples)].mean(axis=0))


def _ends(values: NDArray[np.float64]) -> tuple[float, float]:
    values = values[np.isfinite(values)]
    if not values.size:
        return float("nan"), float("nan")
    low, high = np.quantile(values, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    return float(low), float(high)
