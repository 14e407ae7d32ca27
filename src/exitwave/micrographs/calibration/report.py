"""The page that shows micrographs beside simulated images, before and after calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from exitwave.core.errors import MicrographError
from exitwave.core.pages import Section, write_page
from exitwave.core.words import counted
from exitwave.dataset.units import recipe_unit
from exitwave.imaging.micrograph import Micrograph
from exitwave.learning.familiarity import band_powers, edges
from exitwave.micrographs.calibration.features import BANDS, tiles
from exitwave.micrographs.rings import CTFFit

if TYPE_CHECKING:
    import pandas as pd

    from exitwave.dataset import Dataset, Recipe
    from exitwave.micrographs.calibration.result import Calibration

__all__ = ["write_report"]

_REAL, _BEFORE, _AFTER = "#000000", "#E69F00", "#0072B2"  # Okabe & Ito
_SHOWN = 6


def write_report(
    result: Calibration,
    micrographs: Sequence[Micrograph],
    before: Dataset,
    after: Dataset,
    pixel: float,
    side: int,
    fits: Mapping[str, CTFFit | None],
) -> Path:
    """Write ``report.html`` into the calibration's folder."""
    groups = {
        "micrographs": [micrograph.array for micrograph in micrographs],
        "before": _images(before, pixel, side),
        "after": _images(after, pixel, side),
    }
    strange = f" No simulated image resembles {', '.join(result.strange)}." if result.strange else ""
    sections = [
        Section(
            "Images",
            f"Each row: micrographs, images of the prior recipe, images of the calibrated recipe; {side} px of "
            f"{pixel:.3g} Å, grey values from the 1st to the 99th percentile of each image.{strange}",
            figures={"Micrographs and simulated images": _contact_sheet(groups)},
        ),
        Section(
            "Spectra and intensities",
            "Lines are medians, bands hold 80 % of the images. Left: share of power in bands of spatial frequency. "
            "Right: histogram of the intensity in units of its standard deviation.",
            figures={"Spectra": _spectra(groups, pixel, side), "Histograms": _histograms(groups)},
        ),
        Section("Distances", rows=[{"from the micrographs": k, "distance": v} for k, v in result.distances.items()]),
        Section(
            "Numbers",
            "Medians with 90 % intervals. The share is the width of the interval in shares of the prior; what is "
            "near 1 the micrographs do not tell, and its prior stays.",
            figures={"Estimates": _estimates(result.estimates, result.recipe)},
            rows=result.estimates.to_dict("records"),
        ),
        Section(
            "Thon rings",
            "Defocus and astigmatism (Å, degrees) with standard errors, fitted to the rings of each micrograph where "
            "these are visible. They count from the middle of the film, the recipe's defocus from the exit face.",
            figures=_rings(fits),
            rows=result.rings.to_dict("records"),
        ),
        Section(
            "Noise",
            "Gain (counts per electron) and dose (e/Å²) from variance against mean, with 90 % intervals over all "
            "transfer functions that fit, or why they cannot be told.",
            rows=result.noise.to_dict("records"),
        ),
        Section(
            "Lattice spacings",
            "Medians over the peaks of tiles of all micrographs (Å). A deviation that all planes share is the pixel "
            "size's (scale). The probability is that of the material among the candidates and chance.",
            rows=result.spacings.to_dict("records"),
        ),
        Section("Lattice peaks", rows=result.lattice.iloc[:40, :2].to_dict("records")),
        Section("The calibrated recipe", code=result.recipe.to_yaml()),
    ]
    without = "; ".join(f"{name}: {reason}" for name, reason in result.left_out.items())
    lead = f"{counted(len(micrographs), 'micrograph')} without labels: {result.found}."
    if without:
        lead += f" Left out: {without}."
    if result.notes:
        sections.insert(0, Section("What to know", "\n\n".join(result.notes)))
    return write_page(result.folder / "report.html", "Calibration", lead, sections, error=MicrographError)


def _rings(fits: Mapping[str, CTFFit | None]) -> dict[str, Figure]:
    """Return measured and fitted rings of the micrographs that have some, the clearest first."""
    seen = [(name, fit) for name, fit in fits.items() if fit is not None and fit.visible]
    chosen = sorted(seen, key=lambda one: -one[1].significance)[:_SHOWN]
    if not chosen:
        return {}
    rows = -(-len(chosen) // 3)
    figure = Figure(figsize=(12.6, 2.6 * rows), layout="constrained")
    grid = figure.subplots(rows, 3, squeeze=False, sharex=True).ravel()
    for axes, (name, fit) in zip(grid, chosen, strict=False):
        frequency, measured, fitted = fit.curves
        axes.plot(frequency, measured, color=_REAL, lw=0.8, label="measured")
        axes.plot(frequency, fitted, color=_AFTER, lw=1.5, label="fit")
        axes.set_title(f"{name}: {fit.defocus:.0f} ± {fit.defocus_error:.0f} Å", fontsize=9)
    for axes in grid[len(chosen) :]:
        axes.set_axis_off()
    grid[0].legend(frameon=False, fontsize=8)
    grid[0].set_ylabel("ln power, less its slow part", fontsize=8)
    figure.supxlabel("spatial frequency, 1/Å", fontsize=9)
    return {"Thon rings, astigmatism taken out": figure}


def _images(data: Dataset, pixel: float, side: int, most: int = 96) -> list[NDArray[np.float32]]:
    chosen = np.unique(np.linspace(0, len(data) - 1, min(most, len(data))).round().astype(int))
    return [tiles(data[int(index)].image, pixel, side)[0] for index in chosen]


def _contact_sheet(groups: dict[str, list[NDArray[np.float32]]]) -> Figure:
    figure = Figure(figsize=(2.1 * _SHOWN, 6.6), layout="constrained")
    grid = figure.subplots(len(groups), _SHOWN, squeeze=False)
    for row, (name, images) in zip(grid, groups.items(), strict=True):
        chosen = np.linspace(0, len(images) - 1, _SHOWN).round().astype(int)
        for place, axes in enumerate(row):
            axes.set_axis_off()
            if place < len(images):
                image = images[int(chosen[place])] if len(images) >= _SHOWN else images[place]
                low, high = np.percentile(image, [1, 99])
                axes.imshow(image, cmap="gray", vmin=low, vmax=max(high, low + 1e-6))
        row[0].set_title(name, loc="left", fontsize=10)
    return figure


def _spectra(groups: dict[str, list[NDArray[np.float32]]], pixel: float, side: int) -> Figure:
    figure = Figure(figsize=(5.5, 4), layout="constrained")
    axes = figure.add_subplot()
    ends = edges(side, BANDS) / pixel
    centres = np.sqrt(ends[:-1] * ends[1:])
    for (name, images), colour in zip(groups.items(), (_REAL, _BEFORE, _AFTER), strict=True):
        powers = band_powers(torch.from_numpy(np.stack(images)[:, None]), BANDS)
        there = powers.max(axis=0) > -20  # small tiles have no frequency in some bands
        low, middle, high = np.quantile(powers[:, there], [0.1, 0.5, 0.9], axis=0)
        axes.fill_between(centres[there], low, high, color=colour, alpha=0.15, lw=0)
        axes.plot(centres[there], middle, color=colour, label=name)
    axes.set_xscale("log")
    axes.set(xlabel="spatial frequency, 1/Å", ylabel="power, decades")
    axes.legend(frameon=False)
    return figure


def _histograms(groups: dict[str, list[NDArray[np.float32]]]) -> Figure:
    figure = Figure(figsize=(5.5, 4), layout="constrained")
    axes = figure.add_subplot()
    bins = np.linspace(-4, 4, 81)
    middle = (bins[1:] + bins[:-1]) / 2
    for (name, images), colour in zip(groups.items(), (_REAL, _BEFORE, _AFTER), strict=True):
        scaled = [(image - image.mean()) / (image.std() + 1e-12) for image in images]
        # whole counts of few electrons leave bins empty
        shares = np.stack([gaussian_filter1d(np.histogram(image, bins, density=True)[0], 2.0) for image in scaled])
        low, central, high = np.quantile(shares, [0.1, 0.5, 0.9], axis=0)
        axes.fill_between(middle, low, high, color=colour, alpha=0.15, lw=0)
        axes.plot(middle, central, color=colour, label=name)
    axes.set(xlabel="intensity, standard deviations from the mean", ylabel="density", yscale="log", ylim=(1e-4, 2))
    axes.legend(frameon=False)
    return figure


def _estimates(table: pd.DataFrame, recipe: Recipe) -> Figure:
    names = list(dict.fromkeys(table["parameter"]))
    figure = Figure(figsize=(6.5, 1.6 + 1.5 * len(names)), layout="constrained")
    for axes, name in zip(figure.subplots(len(names), 1, squeeze=False)[:, 0], names, strict=True):
        rows = table[table["parameter"] == name]
        places = np.arange(len(rows))
        colour = _AFTER if float(rows["share"].median()) < 0.85 else "0.6"
        axes.vlines(places, rows["low"], rows["high"], color=colour, lw=2)
        axes.plot(places, rows["value"], "o", color=colour)
        bare, unit = name.strip("|").rpartition(".")[2], recipe_unit(recipe, name.strip("|"))
        axes.set_ylabel((f"|{bare}|" if name.startswith("|") else bare) + (f", {unit}" if unit else ""))
        labels = [str(text) for text in rows["micrograph"]] if name == names[-1] else [""] * len(rows)
        axes.set_xticks(places, labels, rotation=40, ha="right", fontsize=8)
        axes.grid(axis="y", alpha=0.3)
    return figure
