"""Contact sheets: many images of a data set on one page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from exitwave.dataset.dataset import Dataset

__all__ = ["contact_sheet"]

_COLOURS = ("#ff9f1c", "#2ec4b6", "#e71d36", "#7b2cbf", "#3a86ff", "#70e000")
# what a caption tells, where the catalog has it
_CAPTION = (
    ("dose", "{:.0f} e/Å²"),
    ("defocus", "Δf {:.0f} Å"),
    ("particle_radius", "R {:.0f} Å"),
    ("film_thickness", "film {:.0f} Å"),
)


def contact_sheet(data: Dataset, count: int = 12, rule: str | None = None) -> Figure:
    """Return a figure of ``count`` images spread evenly over a data set, with the outlines of one label rule.

    Parameters
    ----------
    data
        The data set.
    count
        Number of images.
    rule
        The label rule whose outlines are drawn; the first one if not given.
    """
    from matplotlib.figure import Figure

    count = min(count, len(data))
    columns = min(4, max(count, 1))
    rows = -(-count // columns) or 1
    figure = Figure(figsize=(3.1 * columns, 3.35 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for ax in axes:
        ax.set_axis_off()
    if not count:
        axes[0].text(0.5, 0.5, "no images", ha="center", va="center")
        return figure
    chosen = np.unique(np.linspace(0, len(data) - 1, count).round().astype(int))
    table = data.take(chosen).table()
    for ax, index, (_, row) in zip(axes, chosen, table.iterrows(), strict=False):
        sample = data[int(index)]
        _draw(ax, sample, rule or (data.rules[0] if data.rules else None))
        told = [text.format(row[name]) for name, text in _CAPTION if name in table and row[name] == row[name]]
        ax.set_title(", ".join(told), fontsize=8)
    return figure


def _draw(ax: Any, sample: Any, rule: str | None) -> None:
    from matplotlib.patheffects import withStroke

    array = sample.image.array
    low, high = np.percentile(array, [0.5, 99.5])
    ax.imshow(array, cmap="gray", vmin=low, vmax=max(high, low + 1e-6), interpolation="nearest")
    if rule is not None and rule in sample.labels.maps:
        mask = sample.labels[rule]
        for value in np.unique(mask[mask > 0])[:50]:
            colour = _COLOURS[(int(value) - 1) % len(_COLOURS)]
            ax.contour(mask == value, levels=[0.5], colors=[colour], linewidths=0.9)
    width = array.shape[1]
    length = _round_length(width * sample.image.pixel_size / 4)
    pixels = length / sample.image.pixel_size
    y = array.shape[0] * 0.955
    edge = [withStroke(linewidth=2, foreground="black")]
    ax.plot([0.04 * width, 0.04 * width + pixels], [y, y], color="white", linewidth=2.5, solid_capstyle="butt")
    text = f"{length / 10:g} nm" if length >= 10 else f"{length:g} Å"
    ax.text(
        0.04 * width + pixels / 2,
        y - 0.02 * array.shape[0],
        text,
        color="white",
        ha="center",
        va="bottom",
        fontsize=8,
        path_effects=edge,
    )


def _round_length(length: float) -> float:
    decade = 10 ** np.floor(np.log10(max(length, 1e-9)))
    return float(max(step * decade for step in (1, 2, 5) if step * decade <= length))
