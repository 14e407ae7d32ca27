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
        """Return a figure with the outlines of every map on the image (on the map itself without one)."""
        from matplotlib.figure import Figure

        array = np.asarray(getattr(image, "array", image)) if image is not None else None
        count = max(len(self.maps), 1)
        figure = Figure(figsize=(5 * count, 5), layout="constrained")
        for axes, (name, values) in zip(np.ravel(figure.subplots(1, count)), self.maps.items(), strict=False):
            if array is not None:
                low, high = np.percentile(array, [0.5, 99.5])
                axes.imshow(array, cmap="gray", vmin=low, vmax=max(high, low + 1e-6))
            else:
                axes.imshow(values, cmap="gray", interpolation="nearest")
            outline(axes, values)
            axes.set_title(name)
            axes.set_axis_off()
        return figure


def outline(axes: Any, values: NDArray[Any]) -> None:
    """Draw the border of every region of a map of whole numbers, each region in its own colour."""
    if values.dtype.kind == "f":
        return
    for index in np.unique(values[values > 0]):
        colour = _COLOURS[(int(index) - 1) % len(_COLOURS)]
        if (values == index).all():
            continue
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
        If the wave lacks what a rule needs.
    SpecError
        If a rule is not known.
    """
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
