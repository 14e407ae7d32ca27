"""The figures of studies."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from exitwave.learning.study import Study

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["scores_figure", "segmentations_figure"]

_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9")  # Okabe & Ito
_BLUE, _ORANGE, _RED = "#0072B2", "#E69F00", "#D55E00"


def scores_figure(study: Study, table: pd.DataFrame, summary: pd.DataFrame, score: str) -> Figure:
    """Return a panel for each set of images: every network a dot, failed ones crosses, means with their intervals."""
    from matplotlib.figure import Figure

    sets = list(dict.fromkeys(table["images"]))
    placed = _is_line(study)
    wide = 3.0 if placed else max(2.2, 0.55 * len(study.conditions))
    columns = min(len(sets), 3)
    rows = -(-len(sets) // columns)
    figure = Figure(figsize=(1.2 + wide * columns, 0.6 + 3.0 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, sharey=True, sharex=True, squeeze=False)
    for axes in panels.ravel()[len(sets) :]:
        axes.axis("off")
    for axes in panels.ravel()[: len(sets)][-columns:]:  # the lowest of each column
        axes.tick_params(labelbottom=True)
    for axes, images in zip(panels.ravel(), sets, strict=False):
        mine, means = table[table["images"] == images], summary[summary["images"] == images].set_index("condition")
        (_lines if placed else _columns)(study, axes, mine, means, score)
        axes.set_title(str(images), fontsize=10)
        axes.grid(axis="y", alpha=0.3)
    if placed and len({condition.series for condition in study.conditions.values()}) > 1:
        panels[0, 0].legend(frameon=False, fontsize=8)
    for axes in panels[:, 0]:
        axes.set_ylabel(score.replace("_", " ").replace("f1", "F1"))
    return figure


def _is_line(study: Study) -> bool:
    """Return whether the conditions lie on an axis, at two places or more."""
    places = {condition.place for condition in study.conditions.values()}
    return None not in places and len(places) > 1


def segmentations_figure(networks: Mapping[str, Path | None], pairs: Mapping[str, Sequence[Any]]) -> Figure:
    """Return a row for each network and a column for each image, after a row of the images themselves."""
    from matplotlib.figure import Figure

    from exitwave.learning.network import Network

    shown = [(judge, image, mask) for judge, some in pairs.items() for image, mask in some]
    figure = Figure(figsize=(1.7 * len(shown) + 0.3, 1.75 * (1 + len(networks)) + 0.2), layout="constrained")
    panels = figure.subplots(1 + len(networks), len(shown), squeeze=False)
    for axes, (judge, (array, _), mask) in zip(panels[0], shown, strict=True):
        _picture(axes, array, np.zeros_like(mask), mask)
        axes.set_title(judge, fontsize=8)
    for row, (name, place) in zip(panels[1:], networks.items(), strict=True):
        row[0].set_ylabel(name, fontsize=8)
        network = None if place is None else Network.load(place / "network.safetensors")
        for axes, (_, (array, size), mask) in zip(row, shown, strict=True):
            found = np.zeros_like(mask) if network is None else network.predict(array, size) >= 0.5
            _picture(axes, array, found, mask)
    panels[0][0].set_ylabel("label", fontsize=8)
    return figure


def _picture(axes: Axes, array: NDArray[Any], found: NDArray[np.bool_], mask: NDArray[np.bool_]) -> None:
    from matplotlib.colors import to_rgb

    low, high = np.percentile(array, [0.5, 99.5])
    grey = np.clip((array - low) / max(high - low, 1e-9), 0, 1)
    picture = np.repeat(grey[..., None], 3, axis=-1)
    for where, colour in ((found & mask, _BLUE), (found & ~mask, _ORANGE), (mask & ~found, _RED)):
        picture[where] = 0.55 * picture[where] + 0.45 * np.asarray(to_rgb(colour))
    axes.imshow(picture, interpolation="antialiased")
    axes.set(xticks=[], yticks=[])


def _columns(study: Study, axes: Axes, rows: pd.DataFrame, means: pd.DataFrame, score: str) -> None:
    for place, name in enumerate(study.conditions):
        values, failed = _values(rows, name, score)
        spread = np.linspace(-0.15, 0.15, len(values)) if len(values) > 1 else np.zeros(len(values))
        _dots(axes, place + spread, values, failed, _BLUE)
        if values.size:
            axes.hlines(values.mean(), place - 0.28, place + 0.28, color="black", lw=1.5)
            _bar(axes, place + 0.33, means, name, "black")
    axes.set_xticks(range(len(study.conditions)), list(study.conditions), rotation=35, ha="right", fontsize=8)
    axes.set_xlim(-0.6, len(study.conditions) - 0.4)


def _lines(study: Study, axes: Axes, rows: pd.DataFrame, means: pd.DataFrame, score: str) -> None:
    conditions = study.conditions
    series = list(dict.fromkeys(condition.series for condition in conditions.values()))
    for colour, line in zip(itertools.cycle(_COLOURS), series, strict=False):
        names = sorted(
            (n for n in conditions if conditions[n].series == line), key=lambda n: conditions[n].place or 0
        )
        where = np.array([conditions[name].place for name in names], dtype=float)
        found = [_values(rows, name, score) for name in names]
        for place, name, (values, failed) in zip(where, names, found, strict=True):
            _dots(axes, np.full(len(values), place), values, failed, colour)
            if values.size:
                _bar(axes, place, means, name, colour)
        known = np.array([values.size > 0 for values, _ in found])
        scores, where = [values for values, _ in found if values.size], where[known]
        axes.fill_between(where, [v.min() for v in scores], [v.max() for v in scores], color=colour, alpha=0.15)
        axes.plot(where, [v.mean() for v in scores], color=colour, lw=1.5, label=line or None)
    places = sorted({condition.place for condition in conditions.values() if condition.place is not None})
    if min(places) > 0 and max(places) >= 10 * min(places):
        axes.set_xscale("log")
    shown = places if len(places) <= 7 else places[::2]
    axes.set_xticks(shown, [f"{place:g}" for place in shown], fontsize=8)
    axes.set_xticks([], minor=True)
    axes.set_xlabel(study.axis)


def _bar(axes: Axes, place: float, means: pd.DataFrame, name: str, colour: str) -> None:
    low, high = (float(means[end][name]) for end in ("low", "high"))
    if np.isfinite(low) and np.isfinite(high):
        axes.vlines(place, low, high, color=colour, lw=1)


def _values(rows: pd.DataFrame, condition: str, score: str) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    mine = rows[rows["condition"] == condition]
    mine = mine[mine[score].notna()]
    return mine[score].to_numpy(float), mine["failed"].to_numpy(bool)


def _dots(
    axes: Axes, where: NDArray[np.float64], values: NDArray[np.float64], failed: NDArray[np.bool_], colour: str
) -> None:
    axes.plot(where[~failed], values[~failed], "o", ms=4, color=colour, alpha=0.7)
    axes.plot(where[failed], values[failed], "x", ms=6, color=_RED)
