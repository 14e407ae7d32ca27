"""A report on a data set: one HTML file with everything in it."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Iterable, Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from exitwave.core import DatasetError, Distribution, ExitwaveError
from exitwave.core.files import write_whole
from exitwave.dataset.distributions import drawn_values, p_value
from exitwave.dataset.units import recipe_unit

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from exitwave.dataset.dataset import Dataset
    from exitwave.dataset.doctor import Diagnosis
    from exitwave.dataset.recipe import Recipe

__all__ = ["report"]

_BLUE, _RED, _GREY = "#0072b2", "#d55e00", "#5d6878"
_LOOKED_AT = 20_000  # images whose records are read for the distributions
_SPECTRA = 240  # images whose power spectra are computed
_INDEX = ("row", "shard", "structure", "image", "position")
_STATISTICS = ("image_mean", "image_std", "image_max", "atoms")


def report(
    data: Dataset,
    path: str | os.PathLike[str],
    *,
    images: int = 24,
    diagnosis: Diagnosis | None = None,
) -> Path:
    """Write a report on a data set: samples, every drawn number, statistics of the images, power spectra.

    Parameters
    ----------
    data
        A data set or selection.
    path
        The HTML file; it needs no other file and no network.
    images
        Images on the contact sheet.
    diagnosis
        What the doctor found, to be shown first.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    DatasetError
        If a selection has no images, or the report cannot be written.
    """
    from jinja2 import Environment, StrictUndefined

    if not len(data) and not data._whole:  # a whole data set without images has failures to tell
        raise DatasetError("there are no images to report on; choose a weaker condition.")
    drawn = _drawn(data)
    context = {
        "title": " + ".join(store.folder.name for store in data._stores),
        "headline": _headline(data),
        "verdicts": diagnosis.verdicts if diagnosis is not None else (),
        "sheet": _encoded(data.show(images), 80) if len(data) else "",
        "drawn": _encoded(_drawn_figure(drawn, data.recipe), 90) if drawn else "",
        "drawn_count": len(drawn),
        "statistics": _encoded(_statistics_figure(data), 90) if len(data) else "",
        "words": _words(data),
        "spectra": _encoded(_spectra_figure(data), 100) if len(data) else "",
        "spectra_count": min(len(data), _SPECTRA),
        "failures": [f"structure {f['structure']}, {f['stage']}: {f['error']}" for f in data.failures[:20]],
        "recipe": _recipe_text(data),
    }
    source = (resources.files("exitwave.dataset") / "report.html.j2").read_text("utf-8")
    html = Environment(autoescape=True, undefined=StrictUndefined).from_string(source).render(context)
    return write_whole(Path(path), html.encode(), parents=True)


def _headline(data: Dataset) -> list[tuple[str, str]]:
    from exitwave.dataset.plan import size

    bytes_ = sum(file.stat().st_size for store in data._stores for file in (store.folder / "shards").iterdir())
    facts = [(f"{len(data)}", "images"), (f"{len(data.structures)}", "structures")]
    if len(data):
        shapes = sorted(set(zip(data.column("height").tolist(), data.column("width").tolist(), strict=True)))
        others = " and other shapes" if len(shapes) > 1 else ""
        facts.append((f"{shapes[0][0]} × {shapes[0][1]}", f"pixels{others}"))
    facts += [(", ".join(data.rules) or "none", "labels"), (size(bytes_), "on disk")]
    return [*facts, (f"{len(data.failures)}", "samples failed")]


def _drawn(data: Dataset) -> list[tuple[str, Distribution, list[Any]]]:
    """Return key, distribution and drawn values of everything that the recipe leaves to chance."""
    from exitwave.dataset.checks import image_records, structure_records

    try:
        recipe = data.recipe
    except ExitwaveError:
        return []
    some = data if len(data) <= _LOOKED_AT else data.take(np.linspace(0, len(data) - 1, _LOOKED_AT).astype(int))
    return [found for found in drawn_values(recipe, structure_records(some), image_records(some)) if found[2]]


def _drawn_figure(drawn: Sequence[tuple[str, Distribution, list[Any]]], recipe: Recipe) -> Figure:
    figure, axes = _panels(len(drawn))
    for ax, (key, distribution, values) in zip(axes, drawn, strict=False):
        unit = recipe_unit(recipe, key)
        title = key.removeprefix("structures.").removeprefix("images.") + (f", {unit}" if unit else "")
        if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
            _histogram(ax, np.asarray(values, float), distribution)
        else:
            _bars(ax, [str(value) for value in values])
        p = p_value(distribution, values)
        ax.set_title(f"{title}   p = {p:.2g}", fontsize=9, color=_RED if p < 1e-6 else "black")
    return figure


def _histogram(ax: Any, values: NDArray[Any], distribution: Distribution | None = None) -> None:
    from matplotlib.ticker import MaxNLocator, NullFormatter

    low, high = float(values.min()), float(values.max())
    few = len(np.unique(values)) <= 12 and high - low <= 40 and bool((values == np.rint(values)).all())
    if few and low < high:
        kinds, counts = np.unique(values, return_counts=True)
        ax.bar(kinds, counts, width=0.7 * np.diff(kinds).min(), color=_BLUE, alpha=0.8)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        return
    logarithmic = low > 0 and high / low > 8 and np.median(values) < (low * high) ** 0.5 * 1.6
    span = (low, high) if low < high else (low - 0.5, high + 0.5)
    bins = int(np.clip(np.sqrt(len(values)) * 1.5, 8, 40))
    edges = np.geomspace(*span, bins + 1) if logarithmic else np.linspace(*span, bins + 1)
    ax.hist(values, edges, color=_BLUE, alpha=0.8)
    if logarithmic:
        ax.set_xscale("log")
        ax.xaxis.set_minor_formatter(NullFormatter())
    if distribution is not None:
        shares = np.diff([distribution.cdf(float(edge)) for edge in edges])
        ax.stairs(shares * len(values), edges, color=_RED, linewidth=1.4)


def _bars(ax: Any, words: Sequence[str]) -> None:
    kinds, counts = np.unique(words, return_counts=True)
    order = np.argsort(-counts)[:12]
    ax.bar([str(kind)[:14] for kind in kinds[order]], counts[order], color=_BLUE, alpha=0.8)
    if len(order) > 4:
        ax.tick_params(axis="x", rotation=45)


def _statistics_figure(data: Dataset) -> Figure:
    names = [name for name in data.columns if name in _STATISTICS or name.endswith(("_fraction", "_count"))]
    columns = {name: data.column(name) for name in names}
    shown = {name: values for name, values in columns.items() if values.dtype.kind in "fiu" and np.ptp(values) > 0}
    figure, axes = _panels(len(shown) + 1)
    for ax, (name, values) in zip(axes, shown.items(), strict=False):
        _histogram(ax, values[np.isfinite(values)].astype(float))
        ax.set_title(name, fontsize=9)
    ax = axes[len(shown)]
    from matplotlib.ticker import NullFormatter

    dose, mean = data.column("dose") if "dose" in data.columns else None, data.column("image_mean")
    if dose is not None:
        expected = dose * data.column("pixel_size") ** 2
        ax.plot(expected, mean, ".", markersize=2, color=_BLUE, alpha=0.5)
        ax.axline((expected.min(), expected.min()), slope=1, color=_RED, linewidth=0.8)
        ax.set(xscale="log", yscale="log", xlabel="electrons per pixel", ylabel="mean count")
        ax.set_title("counts against dose", fontsize=9)
        ax.xaxis.set_minor_formatter(NullFormatter())
        ax.yaxis.set_minor_formatter(NullFormatter())
    else:
        ax.set_axis_off()
    return figure


def _spectra_figure(data: Dataset) -> Figure:
    from matplotlib.figure import Figure

    chosen = np.unique(np.linspace(0, len(data) - 1, min(len(data), _SPECTRA)).round().astype(int))
    some = data.take(chosen)
    groups = _groups(some)
    figure = Figure(figsize=(9.5, 4.2), layout="constrained")
    ax = figure.subplots()
    limit = 1 / (2 * float(some.column("pixel_size").max()))
    grid = np.linspace(0.02, limit, 160)
    for (title, members), colour in zip(groups, (_BLUE, "#009e73", _RED), strict=False):
        curves = np.array([_radial(some, int(index), grid) for index in members])
        low, middle, high = np.percentile(curves, [10, 50, 90], axis=0)
        ax.fill_between(grid, low, high, color=colour, alpha=0.15, linewidth=0)
        ax.plot(grid, middle, color=colour, label=f"{title} ({len(members)})")
    ax.axhline(1, color=_GREY, linewidth=0.8, linestyle=":")
    ax.set(yscale="log", xlabel="spatial frequency, 1/Å", ylabel="power / power of shot noise", xlim=(0, limit))
    ax.legend(frameon=False, title="median and 10–90 %", fontsize=8)
    return figure


def _groups(data: Dataset) -> list[tuple[str, NDArray[Any]]]:
    """Return images by thirds of their dose, where it varies."""
    if "dose" not in data.columns or np.ptp(data.column("dose")) == 0 or len(data) < 6:
        return [("all images", np.arange(len(data)))]
    dose = data.column("dose")
    edges = np.quantile(dose, [0, 1 / 3, 2 / 3, 1])
    which = np.clip(np.searchsorted(edges, dose, side="right") - 1, 0, 2)
    found = [(f"{edges[i]:.0f}–{edges[i + 1]:.0f} e/Å²", np.flatnonzero(which == i)) for i in range(3)]
    return [group for group in found if len(group[1])]


def _radial(data: Dataset, index: int, grid: NDArray[Any]) -> NDArray[Any]:
    """Return the radial mean of an image's power spectrum in units of its shot noise, at frequencies in 1/Å."""
    sample = data[index]
    array = sample.image.array.astype(np.float64)
    step = sample.labels.pixel_size
    window = np.outer(np.hanning(array.shape[0]), np.hanning(array.shape[1]))
    spectrum = np.abs(np.fft.rfft2((array - array.mean()) * window)) ** 2
    spectrum /= (window**2).sum() * max(array.mean(), 1e-12)
    frequency = np.hypot(np.fft.fftfreq(array.shape[0], step)[:, None], np.fft.rfftfreq(array.shape[1], step))
    width = grid[1] - grid[0]
    bins = np.rint((frequency - grid[0]) / width).astype(int)
    inside = (bins >= 0) & (bins < len(grid))
    total = np.bincount(bins[inside], spectrum[inside], len(grid))
    count = np.bincount(bins[inside], minlength=len(grid))
    there = count > 0
    return np.asarray(np.interp(grid, grid[there], np.maximum(total[there] / count[there], 1e-6)))


def _words(data: Dataset) -> list[tuple[str, str]]:
    """Return what is the same for all images, and the shares of words."""
    out = []
    for name in data.columns:
        if name in (*_INDEX, "id", "structure_id", "film_id", "file"):
            continue
        values = data.column(name)
        kinds, counts = np.unique(values.astype(str), return_counts=True)
        if len(kinds) == 1:
            text = f"{float(values[0]):.6g}" if values.dtype.kind == "f" else str(kinds[0])
            out.append((name, text))
        elif values.dtype.kind == "O" and len(kinds) <= 12:
            out.append((name, ", ".join(f"{kind} {count}" for kind, count in zip(kinds, counts, strict=True))))
    return out


def _recipe_text(data: Dataset) -> str:
    try:
        return data.recipe.to_yaml()
    except ExitwaveError as error:
        return str(error)


def _panels(count: int) -> tuple[Figure, list[Any]]:
    from matplotlib.figure import Figure

    rows = -(-max(count, 1) // 4)
    figure = Figure(figsize=(12, 2.35 * rows), layout="constrained")
    axes = figure.subplots(rows, 4, squeeze=False).ravel().tolist()
    for ax in axes:
        ax.tick_params(labelsize=7)
        ax.spines[["top", "right"]].set_visible(False)
    _hide(axes[count:])
    return figure, axes


def _hide(axes: Iterable[Any]) -> None:
    for ax in axes:
        ax.set_axis_off()


def _encoded(figure: Figure, dpi: int) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
