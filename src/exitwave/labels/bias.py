"""How large the areas of label rules are, beside the spheres that they label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import pi
from time import monotonic
from typing import TYPE_CHECKING, Any

import numpy as np

from exitwave.core import LabelError, Progress, Reporter, Stream
from exitwave.labels.base import Rule
from exitwave.labels.base import rule as parse_rule
from exitwave.scattering import Scattering, scatter
from exitwave.structure import Crystal, Scene, Sphere, Volume, quaternion, uniform_quaternion

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["BiasReport", "bias_report"]

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_MARGIN = 8.0  # Å of vacuum around a sphere
_PAPER = ("phase", {"rule": "phase", "threshold": pi / 16}, "phase_thickness", "thickness", "hull")


@dataclass(frozen=True, eq=False)
class BiasReport:
    """Areas of label rules beside the projected spheres.

    Parameters
    ----------
    rows
        One mapping for each rule, material, radius and draw: rule, material, radius (Å), draw, area (Å²), true_area
        (π R², Å²), ratio (area over true area) and excess (radius of the circle of the same area, less R, Å).

    Examples
    --------
    >>> report = bias_report(["hull"], seed=1, materials=("Au",), radii=(6.0,), draws=1)
    >>> report
    BiasReport(1 rules × 1 materials × 1 radii)
    >>> list(report.table().columns)
    ['rule', 'material', 'radius', 'ratio', 'excess', 'ratio_std', 'excess_std']
    """

    rows: tuple[Mapping[str, Any], ...]

    def __repr__(self) -> str:
        kinds = [len({row[name] for row in self.rows}) for name in ("rule", "material", "radius")]
        return f"BiasReport({kinds[0]} rules × {kinds[1]} materials × {kinds[2]} radii)"

    def table(self) -> pd.DataFrame:
        """Return the mean and the standard deviation of ratio and excess, by rule, material and radius."""
        import pandas as pd

        frame = pd.DataFrame(list(self.rows))
        groups = frame.groupby(["rule", "material", "radius"], sort=False)
        means = groups[["ratio", "excess"]].mean()
        spread = groups[["ratio", "excess"]].std().fillna(0.0)
        return means.assign(ratio_std=spread["ratio"], excess_std=spread["excess"]).reset_index()

    def show(self) -> Figure:
        """Return a figure of the excess of every rule over the radius, one panel for each material."""
        from matplotlib.figure import Figure

        table = self.table()
        names = list(dict.fromkeys(table["material"]))
        figure = Figure(figsize=(4.6 * len(names) + 1.5, 3.8), layout="constrained")
        panels = figure.subplots(1, len(names), sharey=True, squeeze=False)[0]
        for axes, name in zip(panels, names, strict=True):
            for index, (kind, part) in enumerate(table[table["material"] == name].groupby("rule", sort=False)):
                style = {"color": _COLOURS[index % len(_COLOURS)], "marker": "osD^vP*"[index % 7]}
                axes.errorbar(part["radius"], part["excess"], part["excess_std"], label=kind, capsize=2, **style)
            axes.axhline(0, color="0.6", lw=0.8)
            axes.set(title=name, xlabel="radius of the sphere (Å)")
        panels[0].set_ylabel("radius of the label − radius of the sphere (Å)")
        panels[-1].legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
        return figure


def bias_report(
    rules: Sequence[str | Mapping[str, Any] | Rule] = _PAPER,
    *,
    seed: int,
    materials: Sequence[str] = ("Au", "CdSe"),
    radii: Sequence[float] = (10.0, 20.0, 30.0),
    draws: int = 2,
    scattering: Scattering | None = None,
    progress: Reporter | None = None,
) -> BiasReport:
    """Label spheres of several materials and sizes in random orientations, and compare areas with π R².

    Parameters
    ----------
    rules
        Rules of particle pixels, as :func:`label` takes them; what is not 0 counts as particle.
    seed
        Decides orientations, positions within a pixel and thermal configurations.
    materials, radii
        Crystals by name, and radii in Å.
    draws
        Spheres of each material and radius.
    scattering
        How to scatter; default: 0.2 Å/px and two thermal configurations at 300 kV.
    progress
        Told after every sphere.

    Examples
    --------
    >>> report = bias_report(["thickness", "hull"], seed=1, materials=("Au",), radii=(8.0,), draws=1)
    >>> report
    BiasReport(2 rules × 1 materials × 1 radii)
    >>> [bool(abs(row["excess"]) < 1) for row in report.rows]
    [True, True]
    """
    if draws < 1 or not rules or min(radii, default=0) <= 0:
        raise LabelError(f"there are {len(rules)} rules, radii {tuple(radii)} and {draws} draws; give some above 0.")
    parsed = [parse_rule(one) for one in rules]
    spec = scattering or Scattering(sampling=0.2, configurations=2)
    rows: list[dict[str, Any]] = []
    start, done = monotonic(), 0
    total = len(materials) * len(radii) * draws
    for material in materials:
        for radius in radii:
            for draw in range(draws):
                stream = Stream(seed) / material / f"{radius:g}" / draw
                size = 2 * (radius + _MARGIN)
                centre = size / 2 + 0.2 * ((stream / "place").generator().random(3) - 0.5)
                crystal = Crystal(material).rotated(quaternion(uniform_quaternion(stream / "turn")))
                ball = Volume(crystal, Sphere(radius, centre=tuple(centre)), name="sphere", role="particle")
                atoms = Scene([ball], (size, size, size)).build(stream=stream / "atoms")
                wave = scatter(atoms, stream=stream / "thermal", spec=spec)
                pixel = float(np.prod(wave.sampling))
                for one in parsed:
                    area = float(np.count_nonzero(one.compute(wave)) * pixel)
                    rows.append(
                        {
                            "rule": _called(one),
                            "material": material,
                            "radius": float(radius),
                            "draw": draw,
                            "area": area,
                            "true_area": pi * radius**2,
                            "ratio": area / (pi * radius**2),
                            "excess": (area / pi) ** 0.5 - radius,
                        }
                    )
                done += 1
                if progress is not None:
                    progress(Progress("spheres", done, total, monotonic() - start))
    return BiasReport(tuple(rows))


def _called(rule: Rule) -> str:
    """Return the name of a rule with what differs from its defaults, as in "phase, threshold 0.196"."""
    changed = [
        f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in rule
        if value != type(rule).model_fields[name].default
    ]
    return ", ".join([rule.rule, *changed])
