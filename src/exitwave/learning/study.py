"""A study: conditions times seeds, and what came of each."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

import numpy as np
from pydantic import field_validator, model_validator

from exitwave.core import Number, Spec, SpecError, Stream
from exitwave.learning.training import Training

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["Condition", "Study", "StudyResult"]

Seed = Annotated[int, Number("a seed", whole=True, fixed=True)]


class Condition(Spec):
    """What is different in one condition of a study.

    Parameters
    ----------
    data
        Folder of its data set; the study's if None.
    where
        SQL condition on the catalog.
    images
        Number of images, drawn anew for every seed; all if None.
    training
        Fields of :class:`Training` that differ from the study's.

    Examples
    --------
    >>> Condition(where="dose > 300", images=512).images
    512
    """

    data: str | None = None
    where: str | None = None
    images: Annotated[int, Number("a number of images", at_least=2, whole=True, fixed=True)] | None = None
    training: dict[str, Any] = {}  # noqa: RUF012


class Study(Spec):
    """Networks trained under several conditions with several seeds each.

    Parameters
    ----------
    data
        Folder of the data set.
    seeds
        One network per condition and seed; five or more tell a difference from luck.
    conditions
        What is compared, by name.
    training
        Fields of :class:`Training` that all have.

    Examples
    --------
    >>> study = Study(data="data/gold", seeds=(1, 2, 3), conditions={"all": {}, "few": {"images": 128}})
    >>> len(study.runs)
    6
    """

    data: str
    seeds: tuple[Seed, ...]
    conditions: dict[str, Condition]
    training: dict[str, Any] = {}  # noqa: RUF012

    @field_validator("seeds", mode="before")
    @classmethod
    def _distinct(cls, value: Any) -> Any:
        if not isinstance(value, list | tuple) or not value or len(set(map(repr, value))) != len(value):
            raise SpecError(f"seeds is {value!r}; it is a list of different whole numbers, as in seeds: [1, 2, 3].")
        return tuple(value)

    @model_validator(mode="after")
    def _trainings(self) -> Self:
        if not self.conditions:
            raise SpecError("conditions is empty; name one condition or more.")
        for name in self.conditions:
            if "/" in name or not name.strip():
                raise SpecError(f"conditions has the name {name!r}; a name is text without slashes.")
            self.training_of(name)
        return self

    @property
    def runs(self) -> list[tuple[str, int]]:
        """Condition and seed of every network; all conditions with the first seed come first."""
        return [(name, seed) for seed in self.seeds for name in self.conditions]

    def training_of(self, name: str) -> Training:
        """Return how the networks of a condition are trained."""
        fields = self.training | self.conditions[name].training
        return Training.parse(fields, where=f"conditions.{name}.training")

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Study:
        """Return the study that a YAML file describes."""
        from exitwave.dataset.yamlfiles import read_yaml

        return cls.parse(read_yaml(Path(path), "a study"))


@dataclass(frozen=True, eq=False)
class StudyResult:
    """What came of a study.

    Parameters
    ----------
    table
        One row per network and set of real images: condition, seed, images, particle_f1, mean_image_f1,
        soft_macro_f1, validation_loss, seconds, failed, error. The scores of a failed run are 0.
    """

    table: pd.DataFrame

    def __repr__(self) -> str:
        runs = self.table.drop_duplicates(["condition", "seed"])
        return f"StudyResult({len(runs)} networks, {int(runs['failed'].sum())} failed)"

    def summary(self, score: str = "particle_f1", *, resamples: int = 2000) -> pd.DataFrame:
        """Return one row per condition and set of images, failed runs counted as scores of 0.

        Columns: runs, failed, median, mean, sd, worst, best, and low and high, the 95 % bootstrap interval of the
        median over seeds.
        """
        import pandas as pd

        rows = []
        for (condition, images), group in self.table.groupby(["condition", "images"], sort=False):
            values = group[score].fillna(0.0).to_numpy(float)
            stream = Stream(len(values)) / "bootstrap" / str(condition).replace("/", "|")
            draws = stream.generator().integers(len(values), size=(resamples, len(values)))
            low, high = np.quantile(np.median(values[draws], axis=1), [0.025, 0.975])
            rows.append(
                {
                    "condition": condition,
                    "images": images,
                    "runs": len(values),
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
        """Return a figure: every network a dot, every condition a column with its median, a panel for each set."""
        from matplotlib.figure import Figure

        sets = list(dict.fromkeys(self.table["images"]))
        names = list(dict.fromkeys(self.table["condition"]))
        figure = Figure(figsize=(1.6 + max(2.4, 0.9 * len(names)) * len(sets), 3.6), layout="constrained")
        for axes, images in zip(figure.subplots(1, len(sets), sharey=True, squeeze=False)[0], sets, strict=True):
            for place, name in enumerate(names):
                rows = self.table[(self.table["images"] == images) & (self.table["condition"] == name)]
                values = rows[score].fillna(0.0).to_numpy(float)
                spread = np.linspace(-0.15, 0.15, len(values)) if len(values) > 1 else np.zeros(1)
                failed = rows["failed"].to_numpy(bool)
                axes.plot(place + spread[~failed], values[~failed], "o", ms=5, color="#0072B2", alpha=0.8)
                axes.plot(place + spread[failed], values[failed], "x", ms=6, color="#D55E00")
                axes.hlines(np.median(values), place - 0.28, place + 0.28, color="black", lw=1.5)
            axes.set_xticks(range(len(names)), names, rotation=25, ha="right")
            axes.set_xlim(-0.6, len(names) - 0.4)
            axes.set_title(str(images), fontsize=10)
            axes.grid(axis="y", alpha=0.3)
        figure.axes[0].set_ylabel(score.replace("_", " ").replace("f1", "F1"))
        return figure
