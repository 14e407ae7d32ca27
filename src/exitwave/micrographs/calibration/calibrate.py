"""Which of a recipe's images look like a user's micrographs."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from exitwave.core import Progress, Reporter, Stream
from exitwave.core.errors import MicrographError
from exitwave.dataset import Dataset, Recipe, generate
from exitwave.imaging.micrograph import Micrograph
from exitwave.micrographs.calibration.features import common_grid, energy_distance, features, tiles
from exitwave.micrographs.calibration.parameters import Parameter, narrowed, parameters, truncated
from exitwave.micrographs.calibration.quantiles import QuantileRegression
from exitwave.micrographs.lattice import lattice_peaks

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Calibration", "calibrate"]

_TOLD = 0.7  # an interval wider than this share of the prior says too little to change it
_ALIKE = 0.999  # share of the simulated images that are as near to others as a familiar micrograph is


@dataclass(frozen=True, eq=False)
class Calibration:
    """What unlabelled micrographs say of how they were taken.

    Parameters
    ----------
    recipe
        The recipe whose images match them.
    estimates
        One row per micrograph and number of the prior recipe: micrograph, parameter, low, value, high (the ends of
        the 90 % interval and the median), and share, the interval's width as a share of the prior: near 1 says
        nothing.
    distances
        Energy distance of the micrographs' features from those of images of the prior recipe ("before") and of the
        calibrated one ("after"), and of two halves of the micrographs from each other ("between micrographs").
    lattice
        Lattice spacings that stand out of the micrographs' spectra, with candidates among the recipe's materials.
    strange
        Micrographs that no image of the prior recipe resembles; the recipe should be widened for these.
    folder
        Where the data sets and the report are.
    """

    recipe: Recipe
    estimates: pd.DataFrame
    distances: dict[str, float]
    lattice: pd.DataFrame
    strange: tuple[str, ...]
    folder: Path

    def __repr__(self) -> str:
        told = int((self.estimates.groupby("parameter")["share"].median() < _TOLD).sum())
        before, after = self.distances["before"], self.distances["after"]
        return f"Calibration({told} numbers, distance {before:.2f} before and {after:.2f} after)"


def calibrate(
    micrographs: Sequence[Micrograph],
    recipe: Recipe,
    folder: str | os.PathLike[str],
    *,
    seed: int,
    structures: int = 48,
    images: int = 24,
    rounds: int = 2,
    materials: Sequence[str] = (),
    workers: int = 1,
    device: str | None = None,
    progress: Reporter | None = None,
) -> Calibration:
    """Return the recipe whose images look like unlabelled micrographs, and how well each number is known.

    The recipe given is the prior: every number that it draws is estimated, defocus, focal spread, dose, transfer
    function and noise of the camera, film thickness, or whatever else it leaves open, and nothing else. Images of it
    are simulated, their :func:`~exitwave.micrographs.calibration.features` compared with what was drawn
    (:class:`~exitwave.micrographs.calibration.QuantileRegression`), and the same applied to the micrographs. Numbers
    that the micrographs tell are drawn from what they say, all others from the prior as before. No label is used.
    Priors cut to what is possible make a second round sharper (truncated sequential estimation; Deistler et al.,
    2022).

    Parameters
    ----------
    micrographs
        Real ones, with pixel sizes.
    recipe
        The prior: wide distributions for what is unknown.
    folder
        For the simulated data sets, ``recipe.yaml``, ``estimates.csv`` and ``report.html``. Run again, what is there
        is used.
    seed
        Decides everything simulated.
    structures, images
        How many structures are built in each round, eight or more, and images of each.
    rounds
        After the first, priors are cut to what the micrographs allow, simulated anew, and estimated more sharply.
    materials
        Candidates for lattice spacings.
    workers, device, progress
        As in :func:`~exitwave.dataset.generate`.

    Raises
    ------
    MicrographError
        If there are no micrographs, one has no pixel size, fields are too small, a number is impossible, or the
        recipe draws nothing.
    """
    if not micrographs:
        raise MicrographError("there are no micrographs to calibrate with; give one or more.")
    for micrograph in micrographs:
        micrograph.known_pixel_size()
    for name, number, least in (("structures", structures, 8), ("images", images, 1), ("rounds", rounds, 1)):
        if number < least:
            raise MicrographError(f"{name} is {number}; calibration needs {least} or more.")
    found = parameters(recipe)
    if not found:
        raise MicrographError(
            "the recipe draws no numbers, so there is nothing to estimate; write distributions for what is unknown, "
            "as in images: {dose: {loguniform: [50, 2000]}}."
        )
    home, stream = Path(folder), Stream(seed) / "calibration"
    how: dict[str, Any] = {"workers": workers, "device": device, "progress": progress}
    prior = generate(_sized(recipe, structures, images, (stream / "prior").integer()), home / "prior", **how)
    if not len(prior):
        error = prior.failures[0]["error"] if prior.failures else "it has no structures"
        raise MicrographError(f"no image of the prior recipe could be made ({error}); mend the recipe.")
    pixel, side = common_grid(micrographs, _pixel_size(prior), prior.images([0]).shape[1:])
    real = [features(tiles(micrograph, pixel, side, clean=True)) for micrograph in micrographs]
    first, drawn, groups = _simulated(prior, found, pixel, side, progress)
    ends, data, seen = np.tile([0.0, 1.0], (len(found), 1)), prior, first
    intervals = np.zeros((len(real), 3, len(found)))
    for turn in range(rounds):
        if turn:
            ends = _possible(intervals, ends)
            ranges = {p.name: (float(low), float(high)) for p, (low, high) in zip(found, ends, strict=True)}
            cut = truncated(recipe, found, ranges, 0)
            data = generate(
                _sized(cut, structures, images, (stream / "round" / turn).integer()), home / f"round-{turn}", **how
            )
            seen, drawn, groups = _simulated(data, found, pixel, side, progress)
        inside = (drawn - ends[:, 0]) / (ends[:, 1] - ends[:, 0])
        regression = QuantileRegression(seen, inside.clip(0, 1), groups, stream / "regression" / turn)
        shares = np.stack([_of_tiles(regression, each) for each in real])
        intervals = ends[:, 0] + shares * (ends[:, 1] - ends[:, 0])
    estimates = _table(micrographs, found, intervals)
    width = np.median(intervals[:, 2] - intervals[:, 0], axis=0)
    told = {p.name: intervals[:, :, index] for index, p in enumerate(found) if width[index] < _TOLD}
    calibrated = narrowed(recipe, found, told, seed)
    after = generate(
        _sized(calibrated, max(8, structures // 4), images, (stream / "after").integer()), home / "calibrated", **how
    )
    new, _, _ = _simulated(after, [], pixel, side, progress)
    mean, scale = first.mean(axis=0), first.std(axis=0) + 1e-9
    scaled = [(part - mean) / scale for part in (np.concatenate(real), first, new)]
    result = Calibration(
        calibrated,
        estimates,
        _distances(scaled[0], scaled[1], scaled[2], [len(part) for part in real]),
        _spacings(micrographs, materials),
        _strange(micrographs, [(part - mean) / scale for part in real], scaled[1], prior.column("structure_id")),
        home,
    )
    _write(result, micrographs, prior, after, pixel, side)
    return result


def _sized(recipe: Recipe, structures: int, images: int, seed: int) -> Recipe:
    data = recipe.model_dump(mode="json", exclude_unset=True)
    data["structures"]["count"] = structures
    data["images"]["per_structure"] = images
    return Recipe.parse(data | {"seed": seed % 2**32})


def _pixel_size(data: Dataset) -> float:
    return float(data[0].image.known_pixel_size())


def _simulated(
    data: Dataset, found: Sequence[Parameter], pixel: float, side: int, progress: Reporter | None
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.generic]]:
    """Return the features of one tile of every simulated image, what was drawn in shares of the prior, and groups."""
    start, rows, shares = time.perf_counter(), [], []
    for index, sample in enumerate(data):
        stack = tiles(sample.image, pixel, side, clean=True)
        rows.append(features(stack[index % len(stack)][None])[0])
        shares.append([parameter.prior.cdf(parameter.of(sample.record)) for parameter in found])
        if progress is not None and (index % 16 == 15 or index + 1 == len(data)):
            progress(Progress("features", index + 1, len(data), time.perf_counter() - start))
    return np.stack(rows), np.array(shares, float).reshape(len(rows), len(found)), data.column("structure_id")


def _possible(intervals: NDArray[np.float64], ends: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the range of every parameter that no micrograph rules out, with room: (parameters, 2), in shares."""
    low, high = intervals[:, 0].min(axis=0), intervals[:, 2].max(axis=0)
    room = 0.15 * (high - low) + 0.02
    return np.stack([np.maximum(low - room, ends[:, 0]), np.minimum(high + room, ends[:, 1])], axis=1)


def _of_tiles(regression: QuantileRegression, rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return low, median and high of every parameter, the medians over a micrograph's tiles: (3, parameters)."""
    return np.stack([np.median(part, axis=0) for part in regression.predict(rows)])


def _table(
    micrographs: Sequence[Micrograph], found: Sequence[Parameter], intervals: NDArray[np.float64]
) -> pd.DataFrame:
    import pandas as pd

    rows = []
    for micrograph, each in zip(micrographs, intervals, strict=True):
        for index, parameter in enumerate(found):
            low, value, high = (
                float(parameter.prior.quantile(float(np.clip(share, 1e-6, 1 - 1e-6)))) for share in each[:, index]
            )
            share = float(each[2, index] - each[0, index])
            rows.append(
                {
                    "micrograph": micrograph.name, "parameter": parameter.name, "low": low, "value": value,
                    "high": high, "share": share,
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def _distances(
    real: NDArray[np.float64], before: NDArray[np.float64], after: NDArray[np.float64], counts: list[int]
) -> dict[str, float]:
    ends = np.cumsum(counts)
    halves = np.arange(len(real)) < ends[(len(counts) - 1) // 2]
    between = energy_distance(real[halves], real[~halves]) if 0 < halves.sum() < len(real) else float("nan")
    return {
        "before": energy_distance(real, before),
        "after": energy_distance(real, after),
        "between micrographs": between,
    }


def _strange(
    micrographs: Sequence[Micrograph],
    real: list[NDArray[np.float64]],
    seen: NDArray[np.float64],
    groups: NDArray[np.generic],
) -> tuple[str, ...]:
    """Return the micrographs that are further from all simulated images than these are from those of other groups."""
    from scipy.spatial import cKDTree

    tree = cKDTree(seen)
    nearest = np.empty(len(seen))
    for group in np.unique(groups):
        mine = groups == group
        nearest[mine] = cKDTree(seen[~mine]).query(seen[mine])[0]
    usual = np.quantile(nearest, _ALIKE)
    far = [float(np.median(tree.query(rows)[0])) > usual for rows in real]
    return tuple(micrograph.name for micrograph, is_far in zip(micrographs, far, strict=True) if is_far)


def _spacings(micrographs: Sequence[Micrograph], materials: Sequence[str]) -> pd.DataFrame:
    import pandas as pd

    tables = []
    for micrograph in micrographs:
        table = lattice_peaks(micrograph, materials=materials)
        tables.append(table.assign(micrograph=micrograph.name))
    return pd.concat(tables, ignore_index=True)


def _write(
    result: Calibration, micrographs: Sequence[Micrograph], before: Dataset, after: Dataset, pixel: float, side: int
) -> None:
    from exitwave.micrographs.calibration.report import write_report
    from exitwave.micrographs.outputs import write_table

    result.recipe.write(result.folder / "recipe.yaml")
    write_table(result.estimates, result.folder / "estimates.csv")
    write_table(result.lattice, result.folder / "lattice.csv")
    real = [replace(m, array=tiles(m, pixel, side)[0], pixel_size=pixel) for m in micrographs]
    write_report(result, real, before, after, pixel, side)
