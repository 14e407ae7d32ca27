"""Many images together: mean size, spread and density of particles, with intervals over the images."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, ndtri, stdtrit

from exitwave.core.errors import MicrographError
from exitwave.core.streams import Stream
from exitwave.core.words import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

__all__ = ["FEWEST", "Estimate", "interval_note", "summarise", "summary_words"]

FEWEST = 4  # images, or particles of one image, for an interval: of fewer, Student's quantile makes it say nothing
LEVEL = 0.95  # of intervals


@dataclass(frozen=True)
class Estimate:
    """A number with its interval.

    Parameters
    ----------
    value
        The number.
    low, high
        Ends of the interval; NaN where there is nothing to tell a spread from.

    Examples
    --------
    >>> print(Estimate(4.1234, low=3.9, high=4.35))
    4.123 [3.9, 4.35]
    >>> print(Estimate(4.1234, low=math.nan, high=math.nan))
    4.123
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        if math.isnan(self.low):
            return f"{self.value:.4g}"
        return f"{self.value:.4g} [{self.low:.4g}, {self.high:.4g}]"


def summarise(
    particles: pd.DataFrame, images: pd.DataFrame, *, seed: int, level: float = LEVEL, resamples: int = 2000
) -> dict[str, Estimate]:
    r"""Return what the particles of several images say about the specimen.

    An image's edge cuts large particles more often than small ones, and sizes of whole particles alone would come
    out too small. So each whole particle of Feret diameter F in an image of W × H nm counts with the inverse of the
    area in which it fits, :math:`w = 1/((W - F)(H - F))`. With sums over all images of total area-weight n (their
    number), the density is :math:`\sum w/n` and the mean diameter :math:`\sum w d/\sum w`.

    Intervals come from resampling whole images, as particles of one image are more alike than those of two; the
    standard error is enlarged by :math:`\sqrt{n/(n-1)}` and taken times Student's quantile for n − 1 degrees of
    freedom, as percentiles are too narrow for few images. It is counted off on the logarithm of a size or density and
    on the logit of a coverage, which keeps the ends within what is possible. Of fewer than four images there is no
    interval (:func:`interval_note` says so), but where whole particles are in one image alone, these are resampled,
    if they are four or more, and for the density their number, whose spread is Poisson's. (Particles of two or three
    images are more alike within an image than between two: intervals of 95 % from them alone hold 86 to 92 %.)

    Parameters
    ----------
    particles
        Particle tables, concatenated, with a column ``image``.
    images
        One row per image, also of those without particles: ``image``, ``height_nm``, ``width_nm``, ``coverage``.
    seed
        Of the resampling.
    level
        Confidence of the intervals.
    resamples
        How many.

    Returns
    -------
    estimates
        ``mean_diameter_nm``, ``median_diameter_nm`` and ``sigma`` (of the log-normal law), ``density_per_um2`` and
        ``coverage`` (fraction of the area).

    Raises
    ------
    MicrographError
        If there are no images, or a parameter is impossible.

    Source
    ------
    R. E. Miles, in Stochastic Geometry (1974); C. Lantuéjoul, J. Microsc. 120 (1980), the edge correction.

    Examples
    --------
    >>> import pandas as pd
    >>> from exitwave.micrographs import particle_table, labelled_pairs, segment
    >>> class Drawn:
    ...     def __init__(self, mask):
    ...         self.mask = mask
    ...     def predict(self, array, pixel_size):
    ...         return self.mask
    >>> tables, rows = [], []
    >>> for image, mask in labelled_pairs():
    ...     tables.append(segment(image, Drawn(mask)).particles().assign(image=image.name))
    ...     rows.append((image.name, 29.7, 29.7, mask.mean()))
    >>> images = pd.DataFrame(rows, columns=["image", "height_nm", "width_nm", "coverage"])
    >>> found = summarise(pd.concat(tables), images, seed=1)
    >>> 3 < found["mean_diameter_nm"].low < found["mean_diameter_nm"].value < 4.5
    True
    """
    if not len(images):
        raise MicrographError("there are no images to summarise; segment at least one.")
    if not 0 < level < 1 or resamples < 100:
        raise MicrographError(
            f"level is {level} and resamples {resamples}; a level lies between 0 and 1, resamples are 100 or more."
        )
    draw = (Stream(seed) / "bootstrap").generator()
    sums = _image_sums(particles, images)
    value = _estimates(sums.sum(axis=0)[None])[0]
    count = len(sums)
    spread, factors = np.full((resamples, 5), math.nan), np.full(5, math.nan)
    # only images with whole particles say how sizes vary from image to image
    told = np.array([np.count_nonzero(sums[:, 1])] * 3 + [count] * 2)
    if count >= FEWEST:
        picks = draw.multinomial(count, np.full(count, 1 / count), size=resamples)
        spread = _estimates(picks @ sums)
        enough = np.maximum(told, 2)
        factors = np.sqrt(enough / (enough - 1)) * stdtrit(enough - 1, 0.5 + level / 2)
        spread[:, told < FEWEST] = math.nan
    rows = _particle_rows(particles, images)
    if told[0] == 1 and len(rows) >= FEWEST:
        total = draw.poisson(1.0, size=(resamples, len(rows))) @ rows
        alone = _estimates(np.column_stack([np.ones(resamples), total[:, :4], np.zeros(resamples)]))
        columns = slice(0, 4 if count == 1 else 3)  # one image says nothing about how the coverage varies
        spread[:, columns] = alone[:, columns]
        factors[columns] = stdtrit(len(rows) - 1, 0.5 + level / 2) * math.sqrt(len(rows) / (len(rows) - 1))
        if count == 1:
            factors[3] = ndtri(0.5 + level / 2)
    if len(rows) < 2:
        value[2] = math.nan  # one particle has no spread
    names = ("mean_diameter_nm", "median_diameter_nm", "sigma", "density_per_um2", "coverage")
    result = {}
    for index, name in enumerate(names):
        finite = spread[np.isfinite(spread[:, index]), index]
        error = float(factors[index] * finite.std(ddof=1)) if finite.size > resamples // 2 else math.nan
        result[name] = _within(float(value[index]), error, most=1.0 if name == "coverage" else math.inf)
    return result


def interval_note(particles: pd.DataFrame, images: pd.DataFrame) -> str:
    """Return what is to be said of the intervals that :func:`summarise` gives, or nothing where they are complete.

    Examples
    --------
    >>> import pandas as pd
    >>> images = pd.DataFrame({"image": ["one", "two"]})
    >>> interval_note(pd.DataFrame({"image": ["one", "two"], "touches_border": [False, False]}), images)
    'of 2 images with whole particles there are no intervals, which take 4 images or one'
    """
    whole = particles[~particles["touches_border"].astype(bool)] if len(particles) else particles
    told = whole["image"].nunique() if len(whole) else 0
    enough = len(images) >= FEWEST  # for densities and coverages, which images without particles tell, too
    none = "no intervals of sizes" if enough else "no intervals"
    if told == 0:
        return f"there are no whole particles, and so {none}"
    if told >= FEWEST:
        return ""
    if told == 1 and len(whole) < FEWEST:
        return f"of {counted(len(whole), 'whole particle')} there are {none}, which take {FEWEST} or more"
    if told == 1:
        return "intervals are of the particles of one image, and how images differ is not in them"
    return f"of {counted(told, 'image')} with whole particles there are {none}, which take {FEWEST} images or one"


def summary_words(summary: Mapping[str, Estimate], whole: int, note: str = "") -> list[str]:
    """Return a summary of so many whole particles as lines for people: edges that cut particles are made up for.

    Examples
    --------
    >>> four = Estimate(4.1234, low=3.9, high=4.35)
    >>> names = ("mean_diameter_nm", "median_diameter_nm", "sigma", "density_per_um2", "coverage")
    >>> for line in summary_words(dict.fromkeys(names, four), 12):
    ...     print(line)
    mean diameter 4.123 [3.9, 4.35] nm, median 4.123 [3.9, 4.35] nm, σ 4.123 [3.9, 4.35] of ln d
    (from 12 whole particles, corrected for those that edges cut; 95% intervals)
    4.123 [3.9, 4.35] particles per µm², coverage 4.123 [3.9, 4.35]
    >>> none, unknown = Estimate(0.0, 0.0, 0.0), Estimate(math.nan, math.nan, math.nan)
    >>> summary_words(dict.fromkeys(names, none) | {"mean_diameter_nm": unknown}, 0)
    ['no whole particle, so that sizes and density cannot be told, coverage 0 [0, 0]']
    """
    mean, median, sigma, density, coverage = (
        summary[name] for name in ("mean_diameter_nm", "median_diameter_nm", "sigma", "density_per_um2", "coverage")
    )
    found = f"{density} particles per µm²" if whole else "no whole particle, so that sizes and density cannot be told"
    lines = [f"{found}, coverage {coverage}"]
    if math.isfinite(mean.value):
        lines = [
            f"mean diameter {mean} nm, median {median} nm"
            + ("" if math.isnan(sigma.value) else f", σ {sigma} of ln d"),
            f"(from {counted(whole, 'whole particle')}, corrected for those that edges cut; {LEVEL:.0%} intervals)",
            *lines,
        ]
    return [*lines, note] if note else lines


def _within(value: float, error: float, most: float) -> Estimate:
    """Return a number from 0 to ``most`` with its interval, counted off where it has no bounds: by logarithms."""
    if math.isnan(error) or not 0 < value < most:
        return Estimate(value, math.nan, math.nan)
    if math.isinf(most):
        factor = math.exp(min(error / value, 700.0))
        return Estimate(value, value / factor, value * factor)
    odds, step = math.log(value / (1 - value)), error / (value * (1 - value))
    return Estimate(value, float(expit(odds - step)), float(expit(odds + step)))


def _particle_rows(particles: pd.DataFrame, images: pd.DataFrame) -> NDArray[np.float64]:
    """Return weight, weight × d, weight × ln d, weight × ln² d and the image's row of every whole particle."""
    order = {name: row for row, name in enumerate(images["image"])}
    if not len(particles):
        return np.zeros((0, 5))
    whole = particles[~particles["touches_border"].astype(bool)]
    unknown = set(whole["image"]) - set(order)
    if unknown:
        raise MicrographError(f"particles are from {min(unknown)}, which is not in the table of images; add its row.")
    row = whole["image"].map(order).to_numpy(np.int64)
    height = images["height_nm"].to_numpy(np.float64)[row]
    width = images["width_nm"].to_numpy(np.float64)[row]
    feret = whole["feret_diameter_nm"].to_numpy(np.float64)
    # A particle as long as the field would count without bounds; its area counts at least a tenth of the field.
    weight = 1 / np.maximum((width - feret).clip(0) * (height - feret).clip(0), 0.1 * width * height)
    size = whole["equivalent_diameter_nm"].to_numpy(np.float64)
    logs = np.log(size)
    return np.column_stack([weight, weight * size, weight * logs, weight * logs**2, row])


def _image_sums(particles: pd.DataFrame, images: pd.DataFrame) -> NDArray[np.float64]:
    """Return per image: one, the sums of its particles' rows, its coverage."""
    rows = _particle_rows(particles, images)
    sums = np.zeros((len(images), 6))
    sums[:, 0] = 1
    np.add.at(sums[:, 1:5], rows[:, 4].astype(np.int64), rows[:, :4])
    sums[:, 5] = images["coverage"].to_numpy(np.float64)
    return sums


def _estimates(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    count, weight, first, log, log2, coverage = sums.T
    with np.errstate(invalid="ignore", divide="ignore"):
        mean_log = log / weight
        sigma = np.sqrt(np.maximum(log2 / weight - mean_log**2, 0))
        return np.stack([first / weight, np.exp(mean_log), sigma, weight / count * 1e6, coverage / count], axis=1)
