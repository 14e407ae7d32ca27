"""A network's scores on labelled micrographs."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from exitwave.core import Progress, Reporter, Stream, TrainingError
from exitwave.learning.data import parts_of
from exitwave.learning.ensemble import Ensemble, combined
from exitwave.learning.intervals import STATISTICS, Interval, bootstrap, image_sums
from exitwave.learning.metrics import LEAST_PIXELS, Scores
from exitwave.learning.parting import particles_of
from exitwave.learning.tallies import TALLIES, image_tallies

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Evaluation", "evaluate"]

TOLERANCE = 4.0  # Å between outlines that count as the same; hand-drawn ones scatter by as much
SPECK = 1.0  # nm²; smaller parts are no particles
_PIXELS = ("particle_f1", "mean_image_f1", "soft_macro_f1")
_ROW = ("particle_f1", "soft_macro_f1", "iou", "boundary_f1", "average_precision", "panoptic_quality",
        "calibration_error")  # fmt: skip


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
    found, true
        The particles of both, by number, (y, x).
    """

    name: str
    array: NDArray[np.float32]
    pixel_size: float
    probability: NDArray[np.float32]
    mask: NDArray[np.bool_]
    found: NDArray[np.int32]
    true: NDArray[np.int32]


def _nothing() -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame()


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
        By name of score: value and bootstrap interval over images; the three F1, "iou", and those of ``objects``.
    objects
        All images together: boundary_f1 (within 4 Å, or a pixel where that is more), average_precision and
        panoptic_quality of particles, count (found over true particles), diameter (relative error of the mean)
        and calibration_error.
    images
        What was scored: images, probabilities, masks and particles.
    single
        For an ensemble the scores of pixels of its networks one by one, in their order; empty for a network.

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
    single: pd.DataFrame = field(default_factory=_nothing)

    def report(self, path: str | os.PathLike[str], *, title: str = "Scores on labelled micrographs") -> Path:
        """Write one HTML page with tables, outlines and curves, whole or not at all, and return its path."""
        from exitwave.learning.report import write_report

        return write_report(self, Path(path), title)

    def __repr__(self) -> str:
        listed = ", ".join(f"{name} {interval}" for name, interval in self.intervals.items() if name in _PIXELS)
        return f"Evaluation({self.scores.images} images: {listed})"


def evaluate(
    network: Predictor,
    pairs: Iterable[tuple[Any, ArrayLike] | tuple[Any, ArrayLike, ArrayLike]],
    *,
    threshold: float = 0.5,
    resamples: int = 2000,
    progress: Reporter | None = None,
) -> Evaluation:
    """Return a network's scores on labelled micrographs.

    Its particles are those that segmenting a micrograph finds: touching ones are parted by its heads, or at their
    necks. The true ones are numbered by the mask or beside it, or else the mask's connected parts; parts smaller than
    1 nm² are none.

    Parameters
    ----------
    network
        Anything with ``predict(array, pixel_size)``: a network, or an ensemble.
    pairs
        Pairs of a micrograph (or an image array and its pixel size in a tuple) and its mask (y, x); above zero is
        particle, and whole numbers number the particles (the classes, for a network of several). A third member
        numbers the particles of masks that do not, (y, x).
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
        If there are no pairs, a mask has another shape than its micrograph, or the threshold is no probability.

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

    if not 0 < threshold < 1:
        raise TrainingError(f"threshold is {threshold:g}; it is a probability between 0 and 1.")
    listed = list(pairs)
    if not listed:
        raise TrainingError("there are no labelled micrographs; give pairs of a micrograph and its mask.")
    start, rows, scored = time.perf_counter(), [], []
    tallies: dict[str, list[NDArray[np.float64]]] = {name: [] for name in TALLIES}
    votes: list[list[list[float]]] = []
    for index, (image, mask, *numbers) in enumerate(listed):
        one, voted = _scored(network, *_opened(image, index), np.asarray(mask), numbers, threshold)
        votes.append(voted)
        scored.append(one)
        sums = image_tallies(
            one.probability, one.mask, one.found, one.true, threshold=threshold,
            reach=max(1.0, TOLERANCE / one.pixel_size), pixel_size=one.pixel_size,
        )  # fmt: skip
        for name, values in sums.items():
            tallies[name].append(values)
        pixels = int(one.mask.sum())
        row = {"name": one.name, "pixel_size": one.pixel_size, "particle_pixels": pixels}
        row["counted"] = pixels > LEAST_PIXELS
        rows.append(row | {name: float(TALLIES[name](sums[name])) for name in _ROW})
        if progress is not None:
            progress(Progress("evaluate", index + 1, len(listed), time.perf_counter() - start, note=one.name))
    parts = {name: (np.array(tallies[name]), statistic) for name, statistic in TALLIES.items()}
    intervals = bootstrap(parts, Stream(len(listed)), resamples)
    pooled, per_image, soft = (intervals[name].value for name in _PIXELS)
    scores = Scores(pooled, per_image, soft, intervals["iou"].value, len(listed))
    together = {name: one.value for name, one in intervals.items() if name not in (*_PIXELS, "iou")}
    return Evaluation(pd.DataFrame(rows), scores, intervals, together, tuple(scored), _single(votes))


def _single(votes: list[list[list[float]]]) -> pd.DataFrame:
    """Return the scores of single networks, given the sums over every image's pixels of each."""
    import pandas as pd

    sums = np.array(votes).swapaxes(0, 1)  # (networks, images, 9)
    if not len(sums):
        return pd.DataFrame()
    found = pd.DataFrame({name: statistic(sums) for name, statistic in STATISTICS.items()})
    hit, false, missed = (sums[..., part].sum(axis=1) for part in range(3))
    found["iou"] = np.where(hit + false + missed > 0, hit / np.maximum(hit + false + missed, 1), 1.0)
    return found.rename(index=lambda number: f"network {number + 1}")


def _scored(
    network: Predictor,
    array: NDArray[np.float32],
    pixel_size: float,
    name: str,
    mask: NDArray[Any],
    numbers: list[ArrayLike],
    threshold: float,
) -> tuple[Scored, list[list[float]]]:
    """Return an image with what the network says of it and what is true, and an ensemble's networks' sums."""
    for given in (mask, *map(np.asarray, numbers)):
        if given.shape != array.shape:
            raise TrainingError(f"{name} has the shape {array.shape} and its mask {given.shape}; they are the same.")
    talkative: Any = network
    voted: list[list[float]] = []
    if isinstance(network, Ensemble):
        said = [member.predict_maps(array, pixel_size) for member in network.networks]
        maps = combined(said)
        voted = [image_sums(one["probability"], mask > 0, threshold) for one in said]
    elif hasattr(network, "predict_maps"):
        maps = dict(talkative.predict_maps(array, pixel_size))
    else:
        maps = {"probability": network.predict(array, pixel_size)}
    probability = np.asarray(maps.pop("probability"), np.float32)
    found = particles_of(probability, maps, pixel_size, threshold=threshold, minimum_area=SPECK)
    alike = network.networks[0] if isinstance(network, Ensemble) else network
    classes = getattr(getattr(alike, "net", None), "classes", 2)
    truth = _numbered(mask, np.asarray(numbers[0]) if numbers else None, classes, pixel_size)
    return Scored(name, array, pixel_size, probability, mask > 0, found, truth), voted


def _numbered(mask: NDArray[Any], numbers: NDArray[Any] | None, classes: int, pixel_size: float) -> NDArray[np.int32]:
    """Return the true particles, numbered from 1, without those that are smaller than specks."""
    if numbers is not None:
        labels = np.where(mask > 0, numbers, 0)
    elif classes > 2 or mask.dtype.kind not in "iu" or len(np.unique(mask[mask > 0])) < 2:
        labels = parts_of(mask if classes > 2 else mask > 0)
    else:
        labels = np.where(mask > 0, mask, 0)
    names, index, areas = np.unique(labels, return_inverse=True, return_counts=True)
    kept = (names != 0) & (areas * (pixel_size / 10) ** 2 >= SPECK)
    return np.where(kept, np.cumsum(kept), 0).astype(np.int32)[index.reshape(labels.shape)]


def _opened(image: Any, index: int) -> tuple[NDArray[np.float32], float, str]:
    if isinstance(image, tuple):
        array, pixel_size = image
        return np.asarray(array, np.float32), float(pixel_size), f"image {index}"
    return image.array, float(image.known_pixel_size()), image.name or f"image {index}"
