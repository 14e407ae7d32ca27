"""Scores of segmentations, each named by how it is pooled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from exitwave.core import TrainingError

__all__ = ["Scores", "iou", "mean_image_f1", "particle_f1", "score", "soft_macro_f1"]

LEAST_PIXELS = 400
"""Images with no more particle pixels than this are left out of the mean over images."""

Maps = Sequence[ArrayLike] | NDArray[np.floating] | NDArray[np.bool_]


@dataclass(frozen=True)
class Scores:
    """The three F1 and the IoU of some images.

    Parameters
    ----------
    pooled
        Particle F1 at the threshold, pooled over all pixels: :func:`particle_f1`.
    per_image
        Mean over images: :func:`mean_image_f1`; NaN where every image is left out.
    soft_macro
        :func:`soft_macro_f1`.
    iou
        Intersection over union of the particle class, pooled over all pixels.
    images
        Number of images.

    Examples
    --------
    >>> found, mask = np.zeros((40, 40)), np.zeros((40, 40), bool)
    >>> found[:20], mask[:30] = 0.9, True
    >>> scores = score([found], [mask])
    >>> scores.pooled, round(scores.iou, 3), scores.images
    (0.8, 0.667, 1)
    """

    pooled: float
    per_image: float
    soft_macro: float
    iou: float
    images: int


def score(probabilities: Maps, masks: Maps, threshold: float = 0.5) -> Scores:
    """Return all scores of probabilities against masks, both n times (y, x).

    Parameters
    ----------
    probabilities
        n arrays (y, x); pixels at or above the threshold are particle. Bool arrays are taken as they are.
    masks
        n arrays (y, x); above zero is particle.
    threshold
        Probability.

    Returns
    -------
    Scores
        Of all images together.

    Raises
    ------
    TrainingError
        If there are no images, or masks differ from the predictions in number or shape.

    Examples
    --------
    >>> mask = np.zeros((64, 64), bool)
    >>> mask[:32] = True
    >>> result = score([mask.astype(float)], [mask])
    >>> result.pooled, result.per_image, result.soft_macro, result.iou
    (1.0, 1.0, 1.0, 1.0)
    """
    maps, truths = _checked(probabilities, masks)
    return Scores(
        particle_f1(maps, truths, threshold),
        mean_image_f1(maps, truths, threshold),
        soft_macro_f1(maps, truths),
        iou(maps, truths, threshold),
        len(maps),
    )


def particle_f1(probabilities: Maps, masks: Maps, threshold: float = 0.5) -> float:
    r"""Return the F1 of the particle class, pooled over the pixels of all images.

    .. math:: F_1 = \frac{2\,TP}{2\,TP + FP + FN}

    One where there is no particle and none is predicted.

    Parameters
    ----------
    probabilities
        n arrays (y, x); pixels at or above the threshold are particle. Bool arrays are taken as they are.
    masks
        n arrays (y, x); above zero is particle.
    threshold
        Probability.

    Returns
    -------
    float
        From 0 to 1.

    Raises
    ------
    TrainingError
        If there are no images, or masks differ from the predictions in number or shape.

    Examples
    --------
    >>> particle_f1([np.array([[0.9, 0.9, 0.1]])], [np.array([[1, 0, 0]])])
    0.6666666666666666
    """
    counts = _counts(*_checked(probabilities, masks), threshold)
    return _f1(counts.sum(axis=0))


def mean_image_f1(
    probabilities: Maps, masks: Maps, threshold: float = 0.5, least_pixels: int = LEAST_PIXELS
) -> float:
    """Return the mean of the particle F1 of single images, those with few particle pixels left out.

    The protocol of K. Sytwu et al. (2024): an image counts if its mask has more than ``least_pixels`` particle
    pixels. NaN if none does.

    Parameters
    ----------
    probabilities
        n arrays (y, x); pixels at or above the threshold are particle. Bool arrays are taken as they are.
    masks
        n arrays (y, x); above zero is particle.
    threshold
        Probability.
    least_pixels
        Images with no more particle pixels than these do not count.

    Returns
    -------
    float
        From 0 to 1, or NaN.

    Raises
    ------
    TrainingError
        If there are no images, or masks differ from the predictions in number or shape.

    Examples
    --------
    >>> mask = np.ones((30, 30))
    >>> mean_image_f1([mask, mask], [mask, 0 * mask])
    1.0
    """
    maps, truths = _checked(probabilities, masks)
    values = [_f1(row) for row, mask in zip(_counts(maps, truths, threshold), truths, strict=True)
              if mask.sum() > least_pixels]  # fmt: skip
    return float(np.mean(values)) if values else float("nan")


def soft_macro_f1(probabilities: Maps, masks: Maps, smooth: float = 1e-7) -> float:
    r"""Return the soft Dice of both classes, each pooled over all images, and then their mean.

    .. math:: \frac12\sum_{c\in\{0,1\}} \frac{2\sum p_c y_c}{\sum p_c + \sum y_c}

    This is what the published code of the paper computes; a network that sees no particle scores 0.4 to 0.5.

    Parameters
    ----------
    probabilities
        n arrays (y, x) of the particle class, from 0 to 1.
    masks
        n arrays (y, x); above zero is particle.
    smooth
        Added to numerator and denominator, so that there is a score where a class is nowhere.

    Returns
    -------
    float
        From 0 to 1.

    Raises
    ------
    TrainingError
        If there are no images, or masks differ from the predictions in number or shape.

    Examples
    --------
    >>> round(soft_macro_f1([np.array([[0.8, 0.2]])], [np.array([[1, 0]])]), 3)
    0.8
    """
    maps, truths = _checked(probabilities, masks)
    overlap, total = np.zeros(2), np.zeros(2)
    for map_, mask in zip(maps, truths, strict=True):
        probability = map_.astype(np.float64)
        for index, (p, y) in enumerate(((1 - probability, ~mask), (probability, mask))):
            overlap[index] += p[y].sum()
            total[index] += p.sum() + y.sum()
    return float(np.mean((2 * overlap + smooth) / (total + smooth)))


def iou(probabilities: Maps, masks: Maps, threshold: float = 0.5) -> float:
    r"""Return intersection over union of the particle class, pooled over the pixels of all images.

    .. math:: \mathrm{IoU} = \frac{TP}{TP + FP + FN}

    One where there is no particle and none is predicted.

    Parameters
    ----------
    probabilities
        n arrays (y, x); pixels at or above the threshold are particle. Bool arrays are taken as they are.
    masks
        n arrays (y, x); above zero is particle.
    threshold
        Probability.

    Returns
    -------
    float
        From 0 to 1.

    Raises
    ------
    TrainingError
        If there are no images, or masks differ from the predictions in number or shape.

    Examples
    --------
    >>> iou([np.array([[0.9, 0.9, 0.1]])], [np.array([[1, 0, 0]])])
    0.5
    """
    hit, false, missed = _counts(*_checked(probabilities, masks), threshold).sum(axis=0)
    union = hit + false + missed
    return float(hit / union) if union else 1.0


def _checked(probabilities: Maps, masks: Maps) -> tuple[list[NDArray[np.float64]], list[NDArray[np.bool_]]]:
    maps = [np.asarray(item, dtype=np.float32) for item in probabilities]
    truths = [np.asarray(item) > 0 for item in masks]
    if not maps or len(maps) != len(truths):
        raise TrainingError(f"there are {len(maps)} predictions and {len(truths)} masks; give one mask for each.")
    for index, (map_, mask) in enumerate(zip(maps, truths, strict=True)):
        if map_.shape != mask.shape:
            raise TrainingError(
                f"prediction {index} has the shape {map_.shape} and its mask {mask.shape}; they are the same."
            )
    return maps, truths  # type: ignore[return-value]


def _counts(maps: list[NDArray[np.float64]], truths: list[NDArray[np.bool_]], threshold: float) -> NDArray[np.int64]:
    """Return true positives, false positives and false negatives, (n, 3)."""
    rows = []
    for map_, mask in zip(maps, truths, strict=True):
        found = map_ >= threshold
        hit = int(np.count_nonzero(found & mask))
        rows.append((hit, int(found.sum()) - hit, int(mask.sum()) - hit))
    return np.array(rows, dtype=np.int64).reshape(-1, 3)


def _f1(counts: NDArray[np.int64]) -> float:
    hit, false, missed = (int(value) for value in counts)
    total = 2 * hit + false + missed
    return 2 * hit / total if total else 1.0
