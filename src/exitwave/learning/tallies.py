"""What every image adds to a score of many images, and the scores that the totals make."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from exitwave.learning.intervals import STATISTICS, Statistic, image_sums
from exitwave.learning.objects import (
    calibration_gap,
    calibration_sums,
    diameters,
    matched,
    outline_f1,
    outline_sums,
    overlaps,
)

__all__ = ["TALLIES", "image_tallies"]

THRESHOLDS = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)


def image_tallies(
    probability: NDArray[np.float32],
    mask: NDArray[np.bool_],
    found: NDArray[np.int32],
    true: NDArray[np.int32],
    *,
    threshold: float,
    reach: float,
    pixel_size: float,
) -> dict[str, NDArray[np.float64]]:
    """Return what an image adds to every score, by name, each (k,).

    Parameters
    ----------
    probability, mask
        What is said and what is true of every pixel, (y, x).
    found, true
        Particles by number, (y, x).
    threshold
        Pixels at or above this probability are particle.
    reach
        Distance of outlines that count as the same, px.
    pixel_size
        Å.
    """
    pixels = np.array(image_sums(probability, mask, threshold))
    hit, false, missed, counted = pixels[0], pixels[1], pixels[2], float(STATISTICS["mean_image_f1"](pixels[None]))
    table = overlaps(found, true)
    scores = [matched([table], value) for value in THRESHOLDS]
    matches = np.array([[one.hits, one.false, one.missed] for one in scores], np.float64).ravel()
    sizes, sizes_true = diameters(found) * pixel_size, diameters(true) * pixel_size
    return {
        "particle_f1": pixels,
        "mean_image_f1": np.array([0.0, 0.0] if np.isnan(counted) else [counted, 1.0]),
        "soft_macro_f1": pixels,
        "iou": np.array([hit, hit + false + missed]),
        "boundary_f1": outline_sums(probability >= threshold, mask, reach),
        "average_precision": matches,
        "panoptic_quality": np.array([scores[0].overlap, *matches[:3]]),
        "count": np.array([sizes.size, sizes_true.size], np.float64),
        "diameter": np.array([sizes.sum(), sizes.size, sizes_true.sum(), sizes_true.size]),
        "calibration_error": calibration_sums(probability, mask),
    }


def _share(totals: NDArray[np.float64], nothing: float) -> NDArray[np.float64]:
    """Return the first over the second of totals (…, 2)."""
    return np.asarray(np.where(totals[..., 1] > 0, totals[..., 0] / np.maximum(totals[..., 1], 1e-12), nothing))


def _precision(totals: NDArray[np.float64]) -> NDArray[np.float64]:
    counts = totals.reshape(*totals.shape[:-1], len(THRESHOLDS), 3)
    return np.asarray(_share(np.stack([counts[..., 0], counts.sum(axis=-1)], axis=-1), 1.0).mean(axis=-1))


def _quality(totals: NDArray[np.float64]) -> NDArray[np.float64]:
    overlap, hits, false, missed = np.moveaxis(totals, -1, 0)
    return _share(np.stack([overlap, hits + (false + missed) / 2], axis=-1), 1.0)


def _diameter(totals: NDArray[np.float64]) -> NDArray[np.float64]:
    return _share(totals[..., :2], np.nan) / _share(totals[..., 2:], np.nan) - 1


TALLIES: Mapping[str, Statistic] = {
    "particle_f1": lambda totals: STATISTICS["particle_f1"](totals[..., None, :]),
    "mean_image_f1": lambda totals: _share(totals, np.nan),
    "soft_macro_f1": lambda totals: STATISTICS["soft_macro_f1"](totals[..., None, :]),
    "iou": lambda totals: _share(totals, 1.0),
    "boundary_f1": outline_f1,
    "average_precision": _precision,
    "panoptic_quality": _quality,
    "count": lambda totals: _share(totals, np.nan),
    "diameter": _diameter,
    "calibration_error": calibration_gap,
}
"""By name, what makes scores (…) of totals (…, k) over images of what ``image_tallies`` returns."""
