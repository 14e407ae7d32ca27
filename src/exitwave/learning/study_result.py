"""What came of a study: every network's scores, their summary and their figure."""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import yaml
from numpy.typing import NDArray

from exitwave.core import Stream, TrainingError
from exitwave.core.files import write_whole
from exitwave.core.pages import Section, write_page
from exitwave.learning.study import Study

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["StudyResult"]

_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9")  # Okabe & Ito
_BLUE, _RED = "#0072B2", "#D55E00"


@dataclass(frozen=True, eq=False)
class StudyResult:
    """What came of a study.

    Parameters
    ----------
    table
        One row per network and set of real images: condition, seed, images, particle_f1, mean_image_f1,
        soft_macro_f1, validation_loss, seconds, failed, error. The scores of a failed run are 0.
    study
        What was compared.
    """

    table: pd.DataFrame
    study: Study

    def __repr__(self) -> str:
        runs = self.table.drop_duplicates(["condition", "seed"])
        return f"StudyResult({len(runs)} networks, {int(runs['failed'].sum())} failed)"

    def summary(self, score: str = "particle_f1", *, resamples: int = 2000) -> pd.DataFrame:
        """Return one row per condition and set of images, failed runs counted as scores of 0.

        Columns: runs, failed, median, mean, sd, worst, best, and low and high, the 95 % bootstrap interval of the
        median over seeds. Scores that no image counts for are left out.
        """
        import pandas as pd

        rows = []
        for (condition, images), group in self.table.groupby(["condition", "images"], sort=False):
            values = group[score].dropna().to_numpy(float)
            if not values.size:  # no image counts for this score
                values = np.array([np.nan])
            stream = Stream(len(values)) / "bootstrap" / str(condition).replace("/", "|")
            draws = stream.generator().integers(len(values), size=(resamples, len(values)))
            low, high = np.quantile(np.median(values[draws], axis=1), [0.025, 0.975])
            rows.append(
                {
                    "condition": condition,
                    "images": images,
                    "runs": len(group),
                    "failed": int(group["failed"].sum()),
                    "median": float(np.median(values)),
                    "mean": float(values.mean()),
                    "sd": float(values.std(ddof=1)) if len(values) > 1 else float("nan"),
                    "worst": float(values.min()),
                    "best": float(values.max()),
                    "low": float(low),
                    "high": float(high),
                }
            )
        return pd.DataFrame(rows)

    def show(self, score: str = "particle_f1") -> Figure:
        """Return a figure with a panel for each set of images: every network a dot, failed ones crosses.

        Where all conditions have a place on an axis, medians of a series are joined by a line in a band from worst to
        best; otherwise every condition is a column with its median.
        """
        from matplotlib.figure import Figure

        sets = list(dict.fromkeys(self.table["images"]))
        conditions = self.study.conditions
        placed = all(condition.at is not None for condition in conditions.values())
        wide = 3.6 if placed else max(2.4, 0.9 * len(conditions))
        figure = Figure(figsize=(1.6 + wide * len(sets), 3.6), layout="constrained")
        for axes, images in zip(figure.subplots(1, len(sets), sharey=True, squeeze=False)[0], sets, strict=True):
            rows = self.table[self.table["images"] == images]
            self._lines(axes, rows, score) if placed else self._columns(axes, rows, score)
            axes.set_title(str(images), fontsize=10)
            axes.grid(axis="y", alpha=0.3)
        figure.axes[0].set_ylabel(score.replace("_", " ").replace("f1", "F1"))
        return figure

    def save(self, folder: str | os.PathLike[str]) -> list[Path]:
        """Write ``table.csv``, ``summary.csv``, ``scores.png`` and ``report.html`` into a folder."""
        home, summary = Path(folder), self.summary()
        figures = {f"{name}, every network a dot": self.show(name) for name in ("particle_f1", "mean_image_f1")}
        errors = self.table[self.table["failed"]].drop_duplicates(["condition", "seed"])
        sections = [
            Section(
                "Scores",
                "low and high are the ends of the 95 % interval that resampled seeds give the median of particle F1. "
                "Failed networks count with a score of 0.",
                figures=figures,
                rows=summary.to_dict("records"),
            ),
            Section("Networks", rows=self.table.drop(columns="error").to_dict("records")),
            Section("Failures", rows=errors[["condition", "seed", "error"]].to_dict("records")),
            Section("The study", code=yaml.safe_dump(self.study.to_dict(), sort_keys=False, allow_unicode=True)),
        ]
        picture = figures["particle_f1, every network a dot"]
        write = partial(write_whole, error=TrainingError, parents=True)
        return [
            write(home / "table.csv", lambda path: self.table.to_csv(path, index=False)),
            write(home / "summary.csv", lambda path: summary.to_csv(path, index=False)),
            write(home / "scores.png", lambda path: picture.savefig(path, format="png", dpi=150)),
            write_page(home / "report.html", "Study", repr(self), sections, error=TrainingError),
        ]

    def _columns(self, axes: Axes, rows: pd.DataFrame, score: str) -> None:
        for place, name in enumerate(self.study.conditions):
            values, failed = _values(rows, name, score)
            spread = np.linspace(-0.15, 0.15, len(values)) if len(values) > 1 else np.zeros(len(values))
            _dots(axes, place + spread, values, failed, _BLUE)
            if not values.size:
                continue
            axes.hlines(np.median(values), place - 0.28, place + 0.28, color="black", lw=1.5)
        axes.set_xticks(range(len(self.study.conditions)), list(self.study.conditions), rotation=25, ha="right")
        axes.set_xlim(-0.6, len(self.study.conditions) - 0.4)

    def _lines(self, axes: Axes, rows: pd.DataFrame, score: str) -> None:
        conditions = self.study.conditions
        series = list(dict.fromkeys(condition.series for condition in conditions.values()))
        for colour, line in zip(itertools.cycle(_COLOURS), series, strict=False):
            names = sorted(
                (n for n in conditions if conditions[n].series == line), key=lambda n: conditions[n].at or 0
            )
            where = np.array([conditions[name].at for name in names], dtype=float)
            found = [_values(rows, name, score) for name in names]
            for place, (values, failed) in zip(where, found, strict=True):
                _dots(axes, np.full(len(values), place), values, failed, colour)
            known = np.array([values.size > 0 for values, _ in found])
            scores, where = [values for values, _ in found if values.size], where[known]
            axes.fill_between(where, [v.min() for v in scores], [v.max() for v in scores], color=colour, alpha=0.15)
            axes.plot(where, [np.median(v) for v in scores], color=colour, lw=1.5, label=line or None)
        places = [condition.at for condition in conditions.values() if condition.at is not None]
        if min(places) > 0 and max(places) >= 10 * min(places):
            axes.set_xscale("log")
        axes.set_xlabel(self.study.axis)
        if len(series) > 1:
            axes.legend(frameon=False, fontsize=8)


def _values(rows: pd.DataFrame, condition: str, score: str) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    mine = rows[rows["condition"] == condition]
    mine = mine[mine[score].notna()]
    return mine[score].to_numpy(float), mine["failed"].to_numpy(bool)


def _dots(
    axes: Axes, where: NDArray[np.float64], values: NDArray[np.float64], failed: NDArray[np.bool_], colour: str
) -> None:
    axes.plot(where[~failed], values[~failed], "o", ms=5, color=colour, alpha=0.8)
    axes.plot(where[failed], values[failed], "x", ms=6, color=_RED)
