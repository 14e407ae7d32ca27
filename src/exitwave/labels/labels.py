"""Labels of one field: named maps, and the one call that makes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from exitwave.core import LabelError
from exitwave.imaging.simulate import pixel_size
from exitwave.labels.base import Rule
from exitwave.labels.base import rule as parse_rule

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from exitwave.imaging import Micrograph
    from exitwave.scattering import ExitWave

__all__ = ["Labels", "label"]

# Okabe & Ito: told apart with any colour vision
_COLOURS = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7")
_OUTLINES = 40  # regions that can be told apart by outlines


@dataclass(frozen=True, eq=False, repr=False)
class Labels:
    """Named label maps of one field.

    Parameters
    ----------
    maps
        Name to map (y, x).
    pixel_size
        Å.
    record
        Name to the rule that made the map.

    Examples
    --------
    >>> import numpy as np
    >>> labels = Labels({"phase": np.eye(4, dtype=np.uint8)}, pixel_size=0.2)
    >>> int(labels["phase"].sum())
    4
    """

    maps: Mapping[str, NDArray[Any]]
    pixel_size: float
    record: Mapping[str, Any] = field(default_factory=dict)

    def __getitem__(self, name: str) -> NDArray[Any]:
        if name not in self.maps:
            raise LabelError(f"there is no label map {name!r}; there are {', '.join(self.maps) or 'none'}.")
        return self.maps[name]

    def __repr__(self) -> str:
        return f"Labels({', '.join(self.maps)}; {self.pixel_size:.4g} Å/px)"

    def show(self, image: Micrograph | NDArray[Any] | None = None) -> Figure:
        """Return a figure of every map on the image (by itself without one).

        Regions are drawn as outlines, each in its own colour; maps of measured values, and maps of very many
        regions, as colours.
        """
        from matplotlib.figure import Figure

        array = np.asarray(getattr(image, "array", image)) if image is not None else None
        count = max(len(self.maps), 1)
        columns = min(count, 4)
        rows = -(-count // columns)
        figure = Figure(figsize=(min(5 * columns, 14), min(5, 14 / columns) * rows * 1.06), layout="constrained")
        for axes in figure.subplots(rows, columns, squeeze=False).ravel():
            axes.set_axis_off()
        for axes, (name, values) in zip(figure.axes, self.maps.items(), strict=False):
            if array is not None:
                low, high = np.percentile(array, [0.5, 99.5])
                axes.imshow(array, cmap="gray", vmin=low, vmax=max(high, low + 1e-6))
            draw(axes, values, alone=array is None)
            axes.set_title(name)
        return figure


def draw(axes: Any, values: NDArray[Any], alone: bool = True) -> None:
    """Draw a label map: outlines of few regions, colours for many regions and for measured values.

    Parameters
    ----------
    axes
        Where to.
    values
        The map.
    alone
        Whether there is no image below.
    """
    from matplotlib.colors import ListedColormap

    opacity = 1.0 if alone else 0.55
    if values.dtype.kind == "f":
        axes.imshow(values, cmap="cividis", alpha=opacity, interpolation="nearest")
        return
    regions = np.unique(values[values > 0])
    if len(regions) > _OUTLINES:
        shown = np.ma.masked_equal(np.where(values > 0, (values.astype(np.int64) - 1) % len(_COLOURS) + 1, 0), 0)
        if alone:
            axes.imshow(np.zeros_like(values), cmap="gray")
        colours = ListedColormap(_COLOURS)
        axes.imshow(shown, cmap=colours, vmin=1, vmax=len(_COLOURS), alpha=max(opacity, 0.8), interpolation="nearest")
        return
    if alone:
        axes.imshow(values, cmap="gray", interpolation="nearest")
    for index in regions:
        colour = _COLOURS[(int(index) - 1) % len(_COLOURS)]
        if not (values == index).all():
            axes.contour((values == index).astype(float), levels=[0.5], colors=[colour], linewidths=1.2)


def label(wave: ExitWave, rule: str | Mapping[str, Any] | Rule | Sequence[Any] = "phase") -> Labels:
    """Label every pixel of a wave by one rule or several.

    Parameters
    ----------
    wave
        The exit wave, with its particle wave or its structure, as the rules need.
    rule
        A rule, its name, a mapping that writes it, or a sequence of such.

    Returns
    -------
    labels
        One map per rule, named after it; a second map of one rule is called "phase-2", and so on.

    Raises
    ------
    LabelError
        If no wave is given, or it lacks what a rule needs.
    SpecError
        If a rule is not known.

    Examples
    --------
    >>> import torch
    >>> from exitwave.scattering import ExitWave
    >>> from exitwave.structure import Crystal, Scene, Sphere, Volume
    >>> ball = Volume(Crystal("Au"), Sphere(10, centre=(15, 15, 15)), role="particle")
    >>> atoms = Scene([ball], (30, 30, 30)).build(seed=1)
    >>> wave = ExitWave(torch.ones(1, 60, 60, dtype=torch.complex64), (0.5, 0.5), 300e3, structure=atoms)
    >>> labels = label(wave, [{"rule": "thickness", "minimum": 5.0}, "instances"])
    >>> labels
    Labels(thickness, instances; 0.5 Å/px)
    >>> area = 0.25 * float(labels["thickness"].sum())  # a ball is thicker than 5 Å over π (10² − 2.5²) Å²
    >>> abs(area / 294.5 - 1) < 0.05
    True
    """
    if not hasattr(wave, "sampling"):
        raise LabelError(f"{type(wave).__name__} is given; give an exit wave, as scatter returns one.")
    given = [rule] if isinstance(rule, str | Mapping | Rule) else list(rule)
    maps: dict[str, NDArray[Any]] = {}
    record: dict[str, Any] = {}
    for one in (parse_rule(data) for data in given):
        name, number = one.key, 1
        while name in maps:
            number += 1
            name = f"{one.key}-{number}"
        maps[name] = one.compute(wave)
        record[name] = one.to_dict()
    return Labels(maps, pixel_size(wave), record)
