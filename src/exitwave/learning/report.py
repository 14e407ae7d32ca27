"""The page that shows a network's scores."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from exitwave.core import TrainingError, counted
from exitwave.core.pages import Section, write_page
from exitwave.learning.metrics import particle_f1

if TYPE_CHECKING:
    from exitwave.learning.evaluation import Evaluation, Scored

__all__ = ["outlines", "reliability", "thresholds", "write_report"]

FOUND, TRUE = "#D55E00", "#0072B2"  # Okabe & Ito


def write_report(evaluation: Evaluation, path: Path, title: str) -> Path:
    """Write an evaluation as one HTML page."""
    scored = evaluation.images
    overall = [
        {"score": name, "value": interval.value, "from": interval.low, "to": interval.high}
        for name, interval in evaluation.intervals.items()
    ]
    sections = [
        Section(
            "All images together",
            "particle_f1 pools all pixels; mean_image_f1 is the mean over images with more than 400 particle pixels; "
            "soft_macro_f1 is the mean over both classes of the F1 of probabilities. From and to are the ends of the "
            "95 % interval that resampled images give. Particles are those that segmenting finds; count is found "
            "over true ones, diameter the relative error of their mean diameter.",
            rows=overall,
        ),
        *_single(evaluation),
        Section(
            "Image by image",
            f"Orange: the network. Blue, dashed: the mask. {counted(len(scored), 'image')}.",
            figures={one.name: outlines(one) for one in scored},
            rows=evaluation.table.to_dict("records"),
        ),
        Section(
            "Probabilities",
            "Left: share of true particle pixels among those with a stated probability. Right: particle F1 where "
            "another threshold is taken.",
            figures={"Reliability": reliability(scored), "Thresholds": thresholds(scored)},
        ),
    ]
    return write_page(path, title, _lead(evaluation), sections, error=TrainingError)


def _lead(evaluation: Evaluation) -> str:
    names = {
        "particle_f1": "particle F1",
        "mean_image_f1": "mean F1 of the images",
        "soft_macro_f1": "soft macro F1",
    }
    found = evaluation.intervals
    scores = ", ".join(f"{said} {found[name]}" for name, said in names.items() if name in found)
    images = f"On {counted(evaluation.scores.images, 'labelled image')}"
    return f"{images}, with 95 % intervals: {scores}." if scores else f"{images}."


def _single(evaluation: Evaluation) -> list[Section]:
    """Return the section of an ensemble's single networks, where it is one."""
    found = evaluation.single
    if found.empty:
        return []
    rows = [{"network": name, **row} for name, row in zip(found.index, found.to_dict("records"), strict=True)]
    spread = {"network": "standard deviation", **found.std(ddof=1).to_dict()}
    return [
        Section(
            "Network by network", "The networks that vote, each by itself, and their scatter.", rows=[*rows, spread]
        )
    ]


def outlines(one: Scored) -> Figure:
    """Return a figure of an image with the outlines of prediction and mask."""
    height, width = one.array.shape
    figure = Figure(figsize=(6, 6 * height / width), layout="constrained")
    axes = figure.add_subplot()
    low, high = np.percentile(one.array, [0.5, 99.5])
    extent = (0, width * one.pixel_size / 10, height * one.pixel_size / 10, 0)
    axes.imshow(one.array, cmap="gray", vmin=low, vmax=max(high, low + 1e-6), extent=extent)
    x, y = ((np.arange(side) + 0.5) * one.pixel_size / 10 for side in (width, height))
    for values, colour, style in ((one.probability - 0.5, FOUND, "solid"), (one.mask - 0.5, TRUE, "dashed")):
        if values.min() < 0 < values.max():
            axes.contour(x, y, values, [0], colors=colour, linestyles=style, linewidths=1.2)
    axes.set_xlabel("nm")
    axes.set_title(f"{one.name}: particle F1 {particle_f1([one.probability], [one.mask]):.3f}", fontsize=10)
    return figure


def reliability(scored: tuple[Scored, ...], bins: int = 15) -> Figure:
    """Return the share of particle pixels against the stated probability, all images together."""
    number, true, stated = np.zeros(bins), np.zeros(bins), np.zeros(bins)
    for one in scored:
        index = np.minimum((one.probability * bins).astype(int), bins - 1).ravel()
        number += np.bincount(index, minlength=bins)
        true += np.bincount(index, weights=one.mask.ravel().astype(float), minlength=bins)
        stated += np.bincount(index, weights=one.probability.ravel().astype(float), minlength=bins)
    there = number > 0
    figure = Figure(figsize=(4.5, 4), layout="constrained")
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color="0.6", lw=1)
    axes.plot(stated[there] / number[there], true[there] / number[there], "o-", color=TRUE)
    axes.set(xlabel="stated probability", ylabel="share of particle pixels", xlim=(0, 1), ylim=(0, 1))
    return figure


def thresholds(scored: tuple[Scored, ...]) -> Figure:
    """Return the pooled particle F1 against the threshold."""
    maps, masks = [one.probability for one in scored], [one.mask for one in scored]
    values = np.linspace(0.05, 0.95, 19)
    figure = Figure(figsize=(4.5, 4), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(values, [particle_f1(maps, masks, float(value)) for value in values], "o-", color=TRUE)
    axes.set(xlabel="threshold", ylabel="particle F1, pooled", xlim=(0, 1), ylim=(0, 1))
    axes.grid(alpha=0.3)
    return figure
