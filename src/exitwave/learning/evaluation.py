"""A network's scores on labelled micrographs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import label as connected

from exitwave.core import Progress, Reporter, Stream, TrainingError
from exitwave.learning.intervals import Interval, bootstrap
from exitwave.learning.metrics import LEAST_PIXELS, Scores, iou, particle_f1, score, soft_macro_f1
from exitwave.learning.objects import (
    average_precision,
    boundary_f1,
    calibration_error,
    panoptic_quality,
    size_errors,
)

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Evaluation", "evaluate"]

TOLERANCE = 4.0  # Å between outlines that count as the same; hand-drawn ones scatter by as much
SPECK = 100.0  # Å²; smaller parts are no particles


class Predictor(Protocol):
    """What is judged: a network, an ensemble, or anything that gives every pixel a probability."""

    def predict(self, array: NDArray[np.float32], pixel_size: float) -> NDArray[np.floating]:
        """Return probabilities (y, x)."""


@dataclass(frozen=True, eq=False)
class Scored:
    """One image that was scored.

    Parameters
    ----------
    name
        Its name.
    array
        (y, x).
    pixel_size
        Å.
    probability
        What the network says, (y, x).
    mask
        What is true, bool (y, x).
    """

    name: str
    array: NDArray[np.float32]
    pixel_size: float
    probability: NDArray[np.float32]
    mask: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What ``evaluate`` returns.

    Parameters
    ----------
    table
        One row per image: name, pixel_size (Å), particle_pixels, counted (whether the mean over images counts it),
        and its scores: particle_f1, soft_macro_f1, iou, boundary_f1, average_precision, panoptic_quality,
        calibration_error.
    scores
        All images together.
    intervals
        For "particle_f1", "mean_image_f1" and "soft_macro_f1": value and bootstrap interval over images.
    objects
        All images together: boundary_f1 (within 4 Å, or a pixel where that is more), average_precision and
        panoptic_quality of connected parts, count (found over true particles), diameter (relative error of the mean)
        and calibration_error.
    images
        What was scored: images, probabilities and masks.

    Examples
    --------
    >>> class Bright:
    ...     def predict(self, array, pixel_size):
    ...         return (array > 0).astype(np.float32)
    >>> mask = np.zeros((64, 64))
    >>> mask[10:40, 10:40] = 1
    >>> found = evaluate(Bright(), [((mask, 0.2), mask), ((mask.T, 0.4), mask.T)])
    >>> print(found.intervals["particle_f1"])
    1.000 [1.000, 1.000]
    >>> found.table["pixel_size"].tolist(), found.objects["count"], len(found.images)
    ([0.2, 0.4], 1.0, 2)
    """

    table: pd.DataFrame
    scores: Scores
    intervals: dict[str, Interval] = field(default_factory=dict)
    objects: dict[str, float] = field(default_factory=dict)
    images: tuple[Scored, ...] = ()

    def report(self, path: str | os.PathLike[str], *, title: str = "Scores on labelled micrographs") -> Path:
        """Write one HTML page with tables, outlines and curves, whole or not at all, and return its path."""
        from exitwave.learning.report import write_report

        return write_report(self, Path(path), title)

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

    Returns
    -------
    Evaluation
        Scores of every image and of all, with intervals.

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
    start, rows, scored = time.perf_counter(), [], []
    for index, (image, mask) in enumerate(listed):
        array, pixel_size, name = _opened(image, index)
        truth = np.asarray(mask) > 0
        if truth.shape != array.shape:
            raise TrainingError(f"{name} has the shape {array.shape} and its mask {truth.shape}; they are the same.")
        found = np.asarray(network.predict(array, pixel_size), np.float32)
        one = Scored(name, array, pixel_size, found, truth)
        scored.append(one)
        rows.append(
            {
                "name": name,
                "pixel_size": pixel_size,
                "particle_pixels": int(truth.sum()),
                "counted": bool(truth.sum() > LEAST_PIXELS),
                "particle_f1": particle_f1([found], [truth], threshold),
                "soft_macro_f1": soft_macro_f1([found], [truth]),
                "iou": iou([found], [truth], threshold),
                **_objects([one], threshold),
            }
        )
        if progress is not None:
            progress(Progress("evaluate", index + 1, len(listed), time.perf_counter() - start, note=name))
    maps, masks = [one.probability for one in scored], [one.mask for one in scored]
    intervals = bootstrap(maps, masks, threshold, Stream(len(listed)), resamples)
    together = _objects(scored, threshold)
    sizes = size_errors(*_parts(scored, threshold), [one.pixel_size for one in scored])
    together |= {"count": sizes.count, "diameter": sizes.mean}
    return Evaluation(pd.DataFrame(rows), score(maps, masks, threshold), intervals, together, tuple(scored))


def _objects(scored: Sequence[Scored], threshold: float) -> dict[str, float]:
    """Return the scores of outlines, of connected parts and of probabilities, of some images together."""
    hard = [one.probability >= threshold for one in scored]
    masks = [one.mask for one in scored]
    tolerances = [max(1.0, TOLERANCE / one.pixel_size) for one in scored]
    found, true = _parts(scored, threshold)
    return {
        "boundary_f1": boundary_f1(hard, masks, tolerances),
        "average_precision": average_precision(found, true),
        "panoptic_quality": panoptic_quality(found, true),
        "calibration_error": calibration_error([one.probability for one in scored], masks),
    }


def _parts(scored: Sequence[Scored], threshold: float) -> tuple[list[NDArray[np.integer]], list[NDArray[np.integer]]]:
    """Return the connected parts of predictions and masks that are larger than specks of 1 nm²."""
    parts: tuple[list[NDArray[np.integer]], list[NDArray[np.integer]]] = ([], [])
    for one in scored:
        for maps, mask in zip(parts, (one.probability >= threshold, one.mask), strict=True):
            labels, count = connected(mask)
            area = np.bincount(labels.ravel(), minlength=count + 1) * one.pixel_size**2
            maps.append(np.where(area[labels] >= SPECK, labels, 0))
    return parts


def _opened(image: Any, index: int) -> tuple[NDArray[np.float32], float, str]:
    if isinstance(image, tuple):
        array, pixel_size = image
        return np.asarray(array, np.float32), float(pixel_size), f"image {index}"
    return image.array, float(image.known_pixel_size()), image.name or f"image {index}"
