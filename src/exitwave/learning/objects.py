"""Scores of outlines, of whole particles and of stated probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from exitwave.core import TrainingError

__all__ = [
    "ParticleScores",
    "SizeErrors",
    "average_precision",
    "boundary_f1",
    "calibration_error",
    "panoptic_quality",
    "particle_scores",
    "size_errors",
]


def boundary_f1(
    found: Sequence[ArrayLike], masks: Sequence[ArrayLike], tolerance: float | Sequence[float] = 2.0
) -> float:
    r"""Return the F1 of outlines: the share of outline pixels within a tolerance of the other outline.

    Precision is the share of found outline pixels no further than ``tolerance`` from a true one, recall the share of
    true ones no further from a found one; both are pooled over all images (Csurka et al., 2013).

    Parameters
    ----------
    found, masks
        n arrays (y, x), bool.
    tolerance
        Pixels; one number, or one for each image.

    Examples
    --------
    >>> mask = np.zeros((32, 32), bool)
    >>> mask[8:24, 8:24] = True
    >>> boundary_f1([np.roll(mask, 1, axis=0)], [mask], tolerance=1.0)
    1.0
    """
    pairs = _pairs(found, masks)
    reaches = np.broadcast_to(tolerance, len(pairs)).tolist()
    sums = sum(outline_sums(one, other, reach) for (one, other), reach in zip(pairs, reaches, strict=True))
    return float(outline_f1(np.asarray(sums)))


def outline_sums(found: NDArray[Any], mask: NDArray[Any], reach: float) -> NDArray[np.float64]:
    """Return the number of found outline pixels near a true one, of all found ones, and the same of true ones."""
    from scipy.ndimage import distance_transform_edt

    a, b = _outline(found), _outline(mask)
    if not (a.any() and b.any()):
        return np.array([0.0, a.sum(), 0.0, b.sum()])
    near = np.count_nonzero(distance_transform_edt(~b)[a] <= reach)
    met = np.count_nonzero(distance_transform_edt(~a)[b] <= reach)
    return np.array([near, a.sum(), met, b.sum()], np.float64)


def outline_f1(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the F1 (…) of sums (…, 4) as ``outline_sums`` gives them; 1 where there is no outline at all."""
    near, found, met, true = np.moveaxis(sums, -1, 0)
    precision, recall = near / np.maximum(found, 1), met / np.maximum(true, 1)
    value = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    return np.asarray(np.where((found == 0) & (true == 0), 1.0, value))


@dataclass(frozen=True)
class ParticleScores:
    """How many particles were found, at one threshold of overlap.

    Parameters
    ----------
    threshold
        Least IoU of a found with a true particle.
    hits, false, missed
        Particles found, invented and not found.
    overlap
        Sum of the IoU of the hits.
    """

    threshold: float
    hits: int
    false: int
    missed: int
    overlap: float

    @property
    def precision(self) -> float:
        """Share of found particles that are true (1 where none is found)."""
        return self.hits / (self.hits + self.false) if self.hits + self.false else 1.0

    @property
    def recall(self) -> float:
        """Share of true particles that are found (1 where there is none)."""
        return self.hits / (self.hits + self.missed) if self.hits + self.missed else 1.0

    @property
    def average_precision(self) -> float:
        """Hits over hits, false and missed together."""
        total = self.hits + self.false + self.missed
        return self.hits / total if total else 1.0

    @property
    def panoptic_quality(self) -> float:
        """Sum of IoU over hits and half of the errors (Kirillov et al., 2019)."""
        total = self.hits + (self.false + self.missed) / 2
        return self.overlap / total if total else 1.0


def particle_scores(found: Sequence[ArrayLike], true: Sequence[ArrayLike], threshold: float = 0.5) -> ParticleScores:
    """Return how many particles of label maps match, each at most once, so that the number of matches is greatest.

    Parameters
    ----------
    found, true
        n label maps (y, x): 0 is background, every particle has a number of its own.
    threshold
        Least IoU of a match.

    Examples
    --------
    >>> true = np.zeros((20, 20), int)
    >>> true[2:8, 2:8], true[12:18, 12:18] = 1, 2
    >>> scores = particle_scores([np.where(true == 1, 7, 0)], [true])
    >>> scores.hits, scores.false, scores.missed, scores.panoptic_quality
    (1, 0, 1, 0.6666666666666666)
    """
    return matched([overlaps(one, other) for one, other in _pairs(found, true)], threshold)


def matched(tables: Sequence[NDArray[np.float64]], threshold: float) -> ParticleScores:
    """Return how many particles match, given the IoU of found (rows) with true ones (columns) of every image."""
    from scipy.optimize import linear_sum_assignment

    hits, false, missed, overlap = 0, 0, 0, 0.0
    for table in tables:
        usable = np.where(table >= threshold, 1 + table, 0.0)  # more matches first, then more overlap
        rows, columns = linear_sum_assignment(-usable)
        matched = table[rows, columns][usable[rows, columns] > 0]
        hits += len(matched)
        overlap += float(matched.sum())
        false += table.shape[0] - len(matched)
        missed += table.shape[1] - len(matched)
    return ParticleScores(threshold, hits, false, missed, overlap)


def average_precision(
    found: Sequence[ArrayLike],
    true: Sequence[ArrayLike],
    thresholds: Sequence[float] = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95),
) -> float:
    r"""Return hits over hits, false and missed particles together, averaged over thresholds of IoU.

    .. math:: \mathrm{AP} = \Bigl\langle \frac{TP_t}{TP_t + FP_t + FN_t} \Bigr\rangle_t

    Parameters
    ----------
    found, true
        n label maps (y, x): 0 is background, every particle has a number of its own.
    thresholds
        Least IoU of a match.

    Returns
    -------
    float
        From 0 to 1; 1 where there is no particle and none is found.

    Raises
    ------
    TrainingError
        If there are no images, or masks differ from the predictions in number or shape.

    Source
    ------
    U. Schmidt et al., MICCAI 2018, LNCS 11071, 265.

    Examples
    --------
    >>> true = np.zeros((20, 20), int)
    >>> true[2:8, 2:8] = 1
    >>> average_precision([true], [true])
    1.0
    """
    tables = [overlaps(one, other) for one, other in _pairs(found, true)]
    return float(np.mean([matched(tables, value).average_precision for value in thresholds]))


def panoptic_quality(found: Sequence[ArrayLike], true: Sequence[ArrayLike]) -> float:
    r"""Return the panoptic quality of particles: sum of IoU over hits and half of the errors, at IoU 0.5.

    .. math:: \mathrm{PQ} = \frac{\sum_{TP} \mathrm{IoU}}{TP + \tfrac12 FP + \tfrac12 FN}

    Parameters
    ----------
    found, true
        n label maps (y, x): 0 is background, every particle has a number of its own.

    Returns
    -------
    float
        From 0 to 1; 1 where there is no particle and none is found.

    Raises
    ------
    TrainingError
        If there are no images, or masks differ from the predictions in number or shape.

    Source
    ------
    A. Kirillov et al., CVPR 2019, 9396.

    Examples
    --------
    >>> true = np.zeros((20, 20), int)
    >>> true[2:8, 2:8], true[12:18, 12:18] = 1, 2
    >>> round(panoptic_quality([np.where(true == 1, 7, 0)], [true]), 4)
    0.6667
    >>> panoptic_quality([np.zeros((4, 4), int)], [np.zeros((4, 4), int)])
    1.0
    """
    return particle_scores(found, true, 0.5).panoptic_quality


@dataclass(frozen=True)
class SizeErrors:
    """How far the sizes of found particles are from the true ones.

    Parameters
    ----------
    count
        Particles found over particles there are; NaN if there are none.
    mean
        Relative error of the mean diameter.
    distance
        First Wasserstein distance of the two distributions of diameters, in units of the pixel size.
    """

    count: float
    mean: float
    distance: float


def size_errors(
    found: Sequence[ArrayLike], true: Sequence[ArrayLike], pixel_size: float | Sequence[float] = 1.0
) -> SizeErrors:
    """Return errors of the distribution of equivalent diameters, all images together.

    Parameters
    ----------
    found, true
        n label maps (y, x).
    pixel_size
        Length of a pixel, in whatever unit the distance is wanted; one number, or one for each image.

    Examples
    --------
    >>> true = np.zeros((20, 20), int)
    >>> true[2:12, 2:12] = 1
    >>> size_errors([true], [true])
    SizeErrors(count=1.0, mean=0.0, distance=0.0)
    """
    from scipy.stats import wasserstein_distance

    a, b = [], []
    pairs = _pairs(found, true)
    for (one, other), length in zip(pairs, np.broadcast_to(pixel_size, len(pairs)).tolist(), strict=True):
        a.append(diameters(one) * length)
        b.append(diameters(other) * length)
    mine, theirs = np.concatenate(a), np.concatenate(b)
    if not mine.size or not theirs.size:
        return SizeErrors(float(mine.size / theirs.size) if theirs.size else float("nan"), float("nan"), float("nan"))
    return SizeErrors(
        float(mine.size / theirs.size),
        float(mine.mean() / theirs.mean() - 1),
        float(wasserstein_distance(mine, theirs)),
    )


def calibration_error(probabilities: Sequence[ArrayLike], masks: Sequence[ArrayLike], bins: int = 15) -> float:
    r"""Return the expected calibration error of the particle probability, pooled over pixels.

    .. math:: \mathrm{ECE} = \sum_b \frac{n_b}{N}\,\bigl|\bar y_b - \bar p_b\bigr|

    over bins of equal width in p.

    Parameters
    ----------
    probabilities
        n arrays (y, x), from 0 to 1.
    masks
        n arrays (y, x); above zero is particle.
    bins
        Number of bins.

    Returns
    -------
    float
        From 0 (what is stated with p is true in a share p of the pixels) to 1.

    Raises
    ------
    TrainingError
        If there are no images, or masks differ from the predictions in number or shape.

    Source
    ------
    C. Guo et al., ICML 2017, PMLR 70, 1321.

    Examples
    --------
    >>> calibration_error([np.full((1, 4), 0.75)], [np.array([[1, 1, 1, 0]])])
    0.0
    """
    sums = sum(calibration_sums(one, mask, bins) for one, mask in _pairs(probabilities, masks))
    return float(calibration_gap(np.asarray(sums)))


def calibration_sums(probability: NDArray[Any], mask: NDArray[Any], bins: int = 15) -> NDArray[np.float64]:
    """Return for every bin of probability its pixels and their sums of probability and truth, (3 · bins,)."""
    p = probability.astype(np.float64).ravel()
    index = np.minimum((p * bins).astype(int), bins - 1)
    weights = (None, p, (mask.ravel() > 0).astype(float))
    return np.concatenate([np.bincount(index, weights=weight, minlength=bins) for weight in weights]).astype(float)


def calibration_gap(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the calibration error (…) of sums (…, 3 · bins) as ``calibration_sums`` gives them."""
    number, stated, true = np.moveaxis(sums.reshape(*sums.shape[:-1], 3, -1), -2, 0)
    return np.asarray(np.abs(true - stated).sum(axis=-1) / np.maximum(number.sum(axis=-1), 1))


def _pairs(first: Sequence[ArrayLike], second: Sequence[ArrayLike]) -> list[tuple[NDArray[Any], NDArray[Any]]]:
    if len(first) == 0 or len(first) != len(second):
        raise TrainingError(f"there are {len(first)} predictions and {len(second)} masks; give one mask for each.")
    pairs = [(np.asarray(a), np.asarray(b)) for a, b in zip(first, second, strict=True)]
    for index, (a, b) in enumerate(pairs):
        if a.shape != b.shape:
            raise TrainingError(
                f"prediction {index} has the shape {a.shape} and its mask {b.shape}; they are the same."
            )
    return pairs


def _outline(mask: NDArray[Any]) -> NDArray[np.bool_]:
    """Return the pixels of a mask that touch its outside; the image's own border is no outline."""
    from scipy.ndimage import binary_erosion

    inside = mask > 0
    return np.asarray(inside & ~binary_erosion(inside, border_value=1))


def overlaps(one: NDArray[Any], other: NDArray[Any]) -> NDArray[np.float64]:
    """Return the IoU of every found with every true particle."""
    names, a = np.unique(one, return_inverse=True)
    titles, b = np.unique(other, return_inverse=True)
    both = a.ravel() * len(titles) + b.ravel()
    shared = np.bincount(both, minlength=len(names) * len(titles)).reshape(len(names), len(titles)).astype(float)
    union = shared.sum(axis=1)[:, None] + shared.sum(axis=0)[None, :] - shared
    return np.asarray((shared / np.maximum(union, 1))[names != 0][:, titles != 0])


def diameters(labels: NDArray[Any]) -> NDArray[np.float64]:
    areas = np.unique(labels[labels > 0], return_counts=True)[1]
    return np.asarray(2 * np.sqrt(areas / np.pi))
