"""Pictures of segmented micrographs."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from exitwave.core.words import counted
from exitwave.imaging.micrograph import scale_bar
from exitwave.micrographs.segmentation import Segmentation
from exitwave.micrographs.wholes import Shape, whole_shapes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_outlines", "overlay"]

_MORE = 1.02  # times its own pixels; a shape that is no larger is not drawn twice
_COLOURS = ("#ff7f50", "#40c4ff", "#ffd54f", "#69f0ae", "#ea80fc", "#ff5252")


def overlay(segmentation: Segmentation) -> Figure:
    """Return a figure of the micrograph with one outline per particle and a scale bar.

    Neighbouring particles have different colours, so that cuts between touching ones show. Where particles lie over
    each other and the network says how deep they reach, the outlines of the particles whole are dashed.

    Parameters
    ----------
    segmentation
        What to draw.

    Returns
    -------
    Figure
        Of matplotlib, 7 inches along the longer side.

    Examples
    --------
    >>> from exitwave.imaging import Micrograph
    >>> y, x = np.mgrid[:100, :100]
    >>> disc = np.hypot(y - 50, x - 40) <= 30
    >>> found = Segmentation(disc, disc.astype(np.float32), disc.astype(np.int32), Micrograph(1.0 - disc, 2.0))
    >>> overlay(found).axes[0].get_title()
    'micrograph: 1 particle'
    """
    from matplotlib.figure import Figure

    array = segmentation.micrograph.array
    height, width = array.shape
    scale = 7.0 / max(height, width)
    figure = Figure(figsize=(max(width * scale, 2.0), max(height * scale, 2.0) + 0.3), layout="constrained")
    axes = figure.add_subplot()
    low, high = np.nanpercentile(array[np.isfinite(array)], [0.2, 99.8]) if np.isfinite(array).any() else (0, 1)
    axes.imshow(array, cmap="gray", vmin=low, vmax=max(high, low + 1e-6), interpolation="nearest")
    pixel_size = segmentation.micrograph.pixel_size or 1.0
    shapes = whole_shapes(segmentation.instances, segmentation.maps.get("depth"), pixel_size)
    draw_outlines(axes, segmentation.instances, shapes=shapes)
    if segmentation.micrograph.pixel_size is not None:
        scale_bar(axes, segmentation.micrograph.shape, segmentation.micrograph.pixel_size)
    axes.set_title(
        f"{segmentation.micrograph.name or 'micrograph'}: {counted(len(segmentation), 'particle')}", fontsize=10
    )
    axes.set_axis_off()
    return figure


def draw_outlines(
    axes: Axes, instances: NDArray[np.int32], linewidth: float = 1.2, shapes: Mapping[int, Shape] | None = None
) -> None:
    """Draw the outline of every particle of an instance map into axes in pixels; dashed what overlaps with others.

    ``shapes`` are those of :func:`~exitwave.micrographs.whole_shapes`.
    """
    for number, (rows, columns, own) in whole_shapes(instances, None, 1.0).items():
        colour = _COLOURS[(number - 1) % len(_COLOURS)]
        _contour(axes, rows, columns, own, color=colour, linewidth=linewidth)
        if shapes is not None and shapes[number][2].sum() > _MORE * own.sum():
            _contour(axes, *shapes[number], color=colour, linewidth=0.75 * linewidth, linestyle=(0, (2, 2)))
    axes.set_xlim(-0.5, instances.shape[1] - 0.5)
    axes.set_ylim(instances.shape[0] - 0.5, -0.5)


def _contour(axes: Axes, rows: slice, columns: slice, shape: NDArray[np.bool_], **style: Any) -> None:
    measure: Any = import_module("skimage.measure")
    for contour in measure.find_contours(np.pad(shape, 1).astype(np.float32), 0.5):
        axes.plot(contour[:, 1] + columns.start - 1, contour[:, 0] + rows.start - 1, **style)
