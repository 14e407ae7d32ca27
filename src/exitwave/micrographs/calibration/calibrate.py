"""Which of a recipe's images look like a user's micrographs."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from exitwave.core import Reporter, Stream, identity
from exitwave.core.errors import MicrographError
from exitwave.dataset import Dataset, Recipe
from exitwave.imaging.micrograph import Micrograph, checked_micrograph
from exitwave.micrographs.calibration import measure, spacings
from exitwave.micrographs.calibration.features import common_grid, energy_distance, tiles, too_small
from exitwave.micrographs.calibration.parameters import Parameter, narrowed, parameters, truncated
from exitwave.micrographs.calibration.quantiles import QuantileRegression
from exitwave.micrographs.calibration.result import TOLD, Calibration, write_result
from exitwave.micrographs.calibration.simulate import (
    Look,
    Simulated,
    described,
    failed_note,
    place_of,
    simulate,
    sized,
    stored,
)
from exitwave.micrographs.noise import linear_counts

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["calibrate"]

_OTHER_PIXELS = 0.1  # relative difference from which a camera's numbers mean another camera
_ALIKE = 0.999  # share of the simulated images that are as near to others as a familiar micrograph is


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
    left_out: Mapping[str, str] | None = None,
    workers: int = 1,
    device: str | None = None,
    progress: Reporter | None = None,
) -> Calibration:
    """Return the recipe whose images look like unlabelled micrographs, and how well each number is known.

    The recipe given is the prior: every number that it draws for an image or a structure is estimated, defocus,
    astigmatism, drift, focal spread, dose, gain, transfer function and noise of the camera, film thickness, whatever
    it leaves open, and nothing else; of directions and choices the prior stays.
    Images of it are simulated, their :func:`~exitwave.micrographs.calibration.features` compared with what was drawn
    (:class:`~exitwave.micrographs.calibration.QuantileRegression`), and the same applied to the micrographs. Numbers
    that the micrographs tell are drawn from what they say, all others from the prior as before. No label is used.
    Priors cut to what is possible make a second round sharper (truncated sequential estimation; Deistler et al.,
    2022).

    Mean and variance of the micrographs are compared only where nothing speaks against their being counts
    (:func:`~exitwave.micrographs.linear_counts`): gain and read-out noise cannot be told from grey values, which
    ``notes`` says then. Beside the estimates, what the micrographs show without any simulation is measured: Thon
    rings, noise, and lattice spacings. A choice of the particles' material is cut to those that explain the spacings.

    Parameters
    ----------
    micrographs
        Real ones, with pixel sizes.
    recipe
        The prior: wide distributions for what is unknown.
    folder
        For the simulated data sets, ``recipe.yaml``, ``report.html``, and tables as CSV. Run again, what is there is
        used: images, features and intervals.
    seed
        Decides everything simulated.
    structures, images
        How many structures are built in each round, eight or more, and images of each.
    rounds
        After the first, priors are cut to what the micrographs allow, simulated anew, and estimated more sharply.
    materials
        Candidates for lattice spacings; by default the recipe's crystals.
    left_out
        Files that could not be read, and why, for the report.
    workers, device, progress
        As in :func:`~exitwave.dataset.generate`.

    Returns
    -------
    Calibration
        The recipe, the estimates behind it, and what was measured without simulation.

    Raises
    ------
    MicrographError
        If there are no micrographs, one has no pixel size, all fields are too small (single small ones are left
        out), a number is impossible, or the recipe draws nothing.
    StructureError
        If one of the materials is no known crystal.

    Source
    ------
    M. Deistler, P. J. Goncalves & J. H. Macke, Advances in Neural Information Processing Systems 35 (2022).

    Examples
    --------
    >>> from exitwave.micrographs import labelled_pairs
    >>> micrographs, prior = [pair.micrograph for pair in labelled_pairs()], Recipe.read("gold-on-carbon")
    >>> found = calibrate(micrographs, prior, "calibration", seed=1)  # doctest: +SKIP
    >>> calibrate(micrographs, prior, "calibration", seed=1, structures=4)
    Traceback (most recent call last):
    exitwave.core.errors.MicrographError: structures is 4; calibration needs 8 or more.
    """
    if not micrographs:
        raise MicrographError("there are no micrographs to calibrate with; give one or more.")
    for micrograph in micrographs:
        checked_micrograph(micrograph).known_pixel_size()
    for name, given, least in (("structures", structures, 8), ("images", images, 1), ("rounds", rounds, 1)):
        if given < least:
            raise MicrographError(f"{name} is {given}; calibration needs {least} or more.")
    candidates = spacings.checked_crystals(materials)
    found = parameters(recipe)
    if not found:
        raise MicrographError(
            "the recipe draws no numbers, so there is nothing to estimate; write distributions for what is unknown, "
            "as in images: {dose: {loguniform: [50, 2000]}}."
        )
    home, stream = Path(folder), Stream(seed) / "calibration"
    how: dict[str, Any] = {"workers": workers, "device": device, "progress": progress}
    first_recipe = sized(recipe, structures, images, (stream / "prior").integer())
    prior, _ = simulate(first_recipe, home, "prior", found, None, **how)
    kept, out = _usable(micrographs, prior)
    raw = {micrograph.name: linear_counts(micrograph) for micrograph in kept}
    pixel, side = common_grid(kept, _pixel_size(prior), prior.images([0]).shape[1:])
    lens = measure.Lens.of(recipe)
    look = Look(pixel, side, lens.energy, not any(raw.values()), lens.spherical)
    real = [look.of(tiles(micrograph, pixel, side, clean=True)) for micrograph in kept]
    first = described(prior, first_recipe, place_of(home, "prior", first_recipe), found, look, progress)
    ends, seen = np.tile([0.0, 1.0], (len(found), 1)), first
    intervals, made = np.zeros((len(real), 3, len(found))), [prior]
    for turn in range(rounds):
        if turn:
            ends = _possible(intervals, ends)
            ranges = {p.name: (float(low), float(high)) for p, (low, high) in zip(found, ends, strict=True)}
            cut = sized(truncated(recipe, found, ranges, 0), structures, images, (stream / "round" / turn).integer())
            data, new_seen = simulate(cut, home, f"round-{turn}", found, look, **how)
            assert new_seen is not None
            seen = new_seen
            made.append(data)
        intervals = _intervals(home, look, seen, real, ends, stream / "regression" / turn)
    peaks, sizes = spacings.peaks_of(kept), [micrograph.known_pixel_size() for micrograph in kept]
    estimates = _table(kept, found, intervals)
    width = np.median(intervals[:, 2] - intervals[:, 0], axis=0)
    told = {p.name: intervals[:, :, index] for index, p in enumerate(found) if width[index] < TOLD}
    calibrated = spacings.with_material(narrowed(recipe, found, told, seed), peaks)
    last = sized(calibrated, max(8, structures // 4), images, (stream / "after").integer())
    after, new = simulate(last, home, "calibrated", [], look, **how)
    assert new is not None
    mean, scale = first.seen.mean(axis=0), first.seen.std(axis=0) + 1e-9
    scaled = [(part - mean) / scale for part in (np.concatenate(real), first.seen, new.seen)]
    distances = _distances(scaled[0], scaled[1], scaled[2], [len(part) for part in real])
    notes = _notes(found, raw, width, sizes, _pixel_size(prior), distances)
    notes += failed_note([*made, after])
    names = candidates or spacings.crystals(calibrated)
    notes += tuple(filter(None, [spacings.pixel_note(peaks, names), spacings.size_note(peaks, sizes, names)]))
    fits = measure.fitted_rings(kept, lens)
    result = Calibration(
        calibrated,
        estimates,
        distances,
        measure.rings_table(fits),
        measure.measured_noise(kept),
        peaks,
        spacings.measured_spacings(peaks, names),
        _strange(kept, [(part - mean) / scale for part in real], scaled[1], prior.column("structure_id")),
        home,
        notes,
        {**(left_out or {}), **out},
    )
    write_result(result, kept, prior, after, (pixel, side), fits)
    return result


def _usable(micrographs: Sequence[Micrograph], prior: Dataset) -> tuple[list[Micrograph], dict[str, str]]:
    """Return the micrographs that are large enough, and why the others are not."""
    pixel = _pixel_size(prior)
    problems = [(micrograph, too_small(micrograph, pixel)) for micrograph in micrographs]
    kept = [micrograph for micrograph, problem in problems if not problem]
    if not kept:
        raise MicrographError(f"all micrographs are too small: of {problems[0][0].name} {problems[0][1]}.")
    return kept, {micrograph.name: problem for micrograph, problem in problems if problem}


def _pixel_size(data: Dataset) -> float:
    return float(data[0].image.known_pixel_size())


def _intervals(
    home: Path,
    look: Look,
    seen: Simulated,
    real: Sequence[NDArray[np.float64]],
    ends: NDArray[np.float64],
    stream: Stream,
) -> NDArray[np.float64]:
    """Return low, median and high of every parameter of every micrograph, in shares of the prior; kept in a file."""
    key = look.key(
        stream=str(stream),
        data=identity({"seen": seen.seen.round(6).tolist(), "drawn": seen.drawn.round(6).tolist()}),
        real=identity([part.round(6).tolist() for part in real]),
        ends=ends.tolist(),
    )

    def compute() -> Mapping[str, NDArray[Any]]:
        inside = (seen.drawn - ends[:, 0]) / (ends[:, 1] - ends[:, 0])
        regression = QuantileRegression(seen.seen, inside.clip(0, 1), seen.groups, stream)
        shares = np.stack([_of_tiles(regression, each) for each in real])
        return {"intervals": ends[:, 0] + shares * (ends[:, 1] - ends[:, 0])}

    return np.asarray(stored(home / f"intervals-{key[:8]}.npz", key, compute)["intervals"], np.float64)


def _notes(
    found: Sequence[Parameter],
    raw: Mapping[str, str],
    width: NDArray[np.float64],
    sizes: Sequence[float],
    pixel: float,
    distances: Mapping[str, float],
) -> tuple[str, ...]:
    """Return what these micrographs cannot tell, and why."""
    notes = []
    if distances["after"] >= distances["before"]:
        notes.append(
            f"The distance has not fallen ({distances['before']:.2f} before, {distances['after']:.2f} after): the "
            "recipe was as near before, or lacks what these micrographs show. Look at the images below."
        )
    off = [size for size in sizes if abs(size / pixel - 1) > _OTHER_PIXELS]
    if off:
        theirs = " to ".join(dict.fromkeys(f"{size:.3g}" for size in (min(off), max(off))))
        notes.append(
            f"The recipe's pixels are {pixel:.3g} Å and the micrographs' {theirs} Å: the camera's numbers hold "
            "for pixels of the recipe's size. Give scattering.sampling that of the micrographs to learn of theirs."
        )
    reasons = {name: reason for name, reason in raw.items() if reason}
    if reasons:
        name, reason = next(iter(reasons.items()))
        more = f", and {len(reasons) - 1} more" if len(reasons) > 1 else ""
        notes.append(
            f"Values are not counts of electrons ({name}: {reason}{more}): gain and read-out noise cannot be told, "
            "and the dose from its share in the noise alone."
        )
    silent = [parameter.name for parameter, one in zip(found, width, strict=True) if one >= TOLD]
    if silent:
        notes.append(f"These micrographs do not tell {', '.join(silent)}; the prior stays.")
    return tuple(notes)


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
            low, value, high = (parameter.value(float(share)) for share in each[:, index])
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
