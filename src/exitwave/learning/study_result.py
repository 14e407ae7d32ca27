"""What came of a study: every network's scores, their summary, their differences and what they cost."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from exitwave.core import Stream, TrainingError, counted
from exitwave.core.files import write_whole
from exitwave.core.pages import Section, write_page
from exitwave.learning.intervals import STATISTICS
from exitwave.learning.study import Study
from exitwave.learning.study_data import GENERATION, Made
from exitwave.learning.study_figures import scores_figure, segmentations_figure
from exitwave.learning.study_scores import SCORES, Sums, difference_interval, mean_interval

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["StudyResult", "Trained"]


@dataclass(frozen=True)
class Trained:
    """What came of one network.

    Parameters
    ----------
    place
        Its folder.
    images
        How many it had to learn and to validate from.
    error
        Why it failed; empty if it did not.
    validation_loss
        Its least.
    training_seconds, judging_seconds
        What it cost.
    sums
        For every judge the sums over its images, see :func:`~exitwave.learning.intervals.image_sums`.
    """

    place: Path
    images: int
    error: str
    validation_loss: float | None
    training_seconds: float
    judging_seconds: float
    sums: Mapping[str, Sums]


@dataclass(frozen=True, eq=False)
class StudyResult:
    """What came of a study.

    Parameters
    ----------
    table
        One row per network and set of labelled images: condition, seed, images, particle_f1, mean_image_f1,
        soft_macro_f1, trained_on (number of images), validation_loss, seconds, failed, error. The scores of a failed
        run are 0.
    study
        What was compared.
    sums
        Sums over pixels of every judge's images, by condition, seed and judge: what intervals are made of.
    stages
        One row per stage: stage, made (data sets or networks), seconds, share.
    networks
        Folder of every network that did not fail, by condition and seed.
    pairs
        The judges' labelled images.

    Examples
    --------
    >>> import pandas as pd
    >>> study = Study(data="data/gold", seeds=(1, 2), conditions={"all": {}, "few": {"images": 128}})
    >>> runs = pd.DataFrame(study.runs, columns=["condition", "seed"])
    >>> table = runs.assign(images="real", particle_f1=[0.9, 0.7, 0.8, 0.0], failed=[False, False, False, True])
    >>> result = StudyResult(table, study)
    >>> result
    StudyResult(4 networks, 1 failed)
    >>> result.summary()[["condition", "runs", "failed", "mean"]].round(3).values.tolist()
    [['all', 2, 0, 0.85], ['few', 2, 1, 0.35]]
    """

    table: pd.DataFrame
    study: Study
    sums: Mapping[tuple[str, int, str], Sums] = field(default_factory=dict)
    stages: pd.DataFrame | None = None
    networks: Mapping[tuple[str, int], Path] = field(default_factory=dict)
    pairs: Mapping[str, Sequence[Any]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        study: Study,
        found: Mapping[tuple[str, int], Trained],
        pairs: Mapping[str, Sequence[Any]],
        made: Sequence[Made],
    ) -> StudyResult:
        """Return the result of networks by condition and seed."""
        import pandas as pd

        rows, sums = [], {}
        for (name, seed), one in found.items():
            for judge, values in one.sums.items():
                sums[name, seed, judge] = values
                rows.append(
                    {"condition": name, "seed": seed, "images": judge, **_scores(values)}
                    | {"trained_on": one.images, "validation_loss": one.validation_loss}
                    | {"seconds": one.training_seconds, "failed": bool(one.error), "error": one.error}
                )
        networks = {run: one.place for run, one in found.items() if not one.error}
        return cls(pd.DataFrame(rows), study, sums, _stages(found, made), networks, pairs)

    def __repr__(self) -> str:
        return f"StudyResult({self._ran})"

    @property
    def _ran(self) -> str:
        runs = self.table.drop_duplicates(["condition", "seed"])
        return f"{counted(len(runs), 'network')}, {int(runs['failed'].sum())} failed"

    def summary(self, score: str = "particle_f1", *, resamples: int = 2000) -> pd.DataFrame:
        """Return one row per condition and set of images, failed runs counted as scores of 0.

        Columns: condition, images, runs, failed, trained_on (images), median, mean, sd, worst, best, and low and
        high, the 95 % interval of the mean over seeds and images drawn with replacement. Scores that no image counts
        for are left out.
        """
        import pandas as pd

        rows = []
        for (condition, images), group in self.table.groupby(["condition", "images"], sort=False):
            values = group[score].dropna().to_numpy(float)
            if not values.size:  # no image counts for this score
                values = np.array([np.nan])
            low, high = mean_interval(self._sums(str(condition), str(images)), score, _stream(images), resamples)
            trained = group["trained_on"].median() if "trained_on" in group else np.nan
            rows.append(
                {
                    "condition": condition,
                    "images": images,
                    "runs": len(group),
                    "failed": int(group["failed"].sum()),
                    "trained_on": None if np.isnan(trained) else int(trained),
                    "median": float(np.median(values)),
                    "mean": float(values.mean()),
                    "sd": float(values.std(ddof=1)) if len(values) > 1 else float("nan"),
                    "worst": float(values.min()),
                    "best": float(values.max()),
                    "low": low,
                    "high": high,
                }
            )
        return pd.DataFrame(rows)

    def differences(self, score: str = "particle_f1", *, resamples: int = 2000) -> pd.DataFrame:
        """Return by how much every condition differs from the study's reference, one row per set of images.

        Columns: condition, reference, images, difference of the means, low and high (its 95 % interval over seeds and
        images), and verdict: "higher", "lower", or "not told apart" where the interval holds 0.
        """
        import pandas as pd

        reference = self.study.compared_with
        means = self.table.groupby(["condition", "images"])[score].mean()
        rows = []
        for images in dict.fromkeys(self.table["images"]):
            for name in self.study.conditions:
                if name == reference:
                    continue
                one, other = self._sums(name, images), self._sums(reference, images)
                low, high = difference_interval(one, other, score, _stream(images), resamples)
                verdict = "higher" if low > 0 else "lower" if high < 0 else "not told apart"
                rows.append(
                    {
                        "condition": name,
                        "reference": reference,
                        "images": images,
                        "difference": float(means[name, images] - means[reference, images]),
                        "low": low,
                        "high": high,
                        "verdict": verdict,
                    }
                )
        return pd.DataFrame(rows)

    def show(self, score: str = "particle_f1") -> Figure:
        """Return a figure with a panel for each set of images: every network a dot, failed ones crosses.

        Where all conditions have a place on an axis, means of a series are joined by a line in a band from worst to
        best; otherwise every condition is a column with its mean. Bars are the 95 % intervals of the means.
        """
        return scores_figure(self.study, self.table, self.summary(score), score)

    def segmentations(self) -> Figure | None:
        """Return a figure of what each condition's median network finds on the first images of every judge.

        Found and labelled is blue, found alone is orange, labelled alone is red. None where the study asks for none.
        """
        if not self.study.shown or not self.networks:
            return None
        pairs = {name: list(self.pairs[name])[: self.study.shown] for name in self.study.judges if name in self.pairs}
        return segmentations_figure({name: self._median_network(name) for name in self.study.conditions}, pairs)

    def save(self, folder: str | os.PathLike[str]) -> list[Path]:
        """Write tables, figures and a page into a folder, and return their paths.

        ``table.csv``, ``summary.csv``, ``differences.csv``, ``stages.csv``, ``scores.png``, ``report.html``, and
        ``segmentations.png`` where the study asks for them.
        """
        home, study = Path(folder), self.study
        tables = {"table": self.table, "summary": self.summary(), "differences": self.differences()}
        if self.stages is not None:
            tables["stages"] = self.stages
        figures = {"scores": self.show(), "segmentations": self.segmentations()}
        drawn = {name: figure for name, figure in figures.items() if figure is not None}
        write = partial(write_whole, error=TrainingError, parents=True)
        written = [
            write(home / f"{name}.csv", partial(one.to_csv, index=False, float_format="%.6g"))
            for name, one in tables.items()
        ]
        written += [
            write(home / f"{name}.png", partial(figure.savefig, format="png", dpi=130))
            for name, figure in drawn.items()
        ]
        sections = self._sections(tables, drawn)
        title = study.title or "Study"
        return [*written, write_page(home / "report.html", title, f"{self._ran}.", sections, error=TrainingError)]

    def _sections(self, tables: Mapping[str, pd.DataFrame], drawn: Mapping[str, Figure]) -> list[Section]:
        errors = self.table[self.table["failed"]].drop_duplicates(["condition", "seed"])
        asked = "\n\n".join(text for text in (self.study.question, self.study.reported) if text)
        figures = {"Particle F1, every network a dot": drawn["scores"]}
        figures["Mean F1 of images, every network a dot"] = self.show("mean_image_f1")
        if "segmentations" in drawn:
            figures["Blue: found and labelled; orange: found alone; red: labelled alone"] = drawn["segmentations"]
        records = {name: one.to_dict("records") for name, one in tables.items()}
        return [
            *([Section("What it asks", asked)] if asked else []),
            Section(
                "Scores",
                "low and high are the ends of the 95 % interval of the mean particle F1 over seeds and images drawn "
                "with replacement. Failed networks count with a score of 0.",
                figures=figures,
                rows=records["summary"],
            ),
            *([Section("Differences", rows=records["differences"])] if records["differences"] else []),
            *([Section("Time", rows=records["stages"])] if "stages" in records else []),
            Section("Networks", rows=self.table.drop(columns="error").to_dict("records")),
            Section("Failures", rows=errors[["condition", "seed", "error"]].to_dict("records")),
            Section("The study", code=yaml.safe_dump(self.study.to_dict(), sort_keys=False, allow_unicode=True)),
        ]

    def _sums(self, condition: str, images: str) -> list[Sums]:
        """Return the sums of every seed's network; NaN, and so no interval, where those of one are not known."""
        rows = self.table[(self.table["condition"] == condition) & (self.table["images"] == images)]
        worked = rows.loc[~rows["failed"].astype(bool), "seed"].tolist()
        if any((condition, seed, images) not in self.sums for seed in worked):
            return [np.full((1, 9), np.nan)]
        return [self.sums[condition, seed, images] if seed in worked else None for seed in rows["seed"].tolist()]

    def _median_network(self, condition: str) -> Path | None:
        means = self.table[self.table["condition"] == condition].groupby("seed")["particle_f1"].mean().sort_values()
        there = [seed for seed in means.index if (condition, seed) in self.networks]
        return self.networks[condition, there[(len(there) - 1) // 2]] if there else None


def _scores(sums: Sums) -> dict[str, float | None]:
    if sums is None:
        return dict.fromkeys(SCORES, 0.0)
    found = {name: float(statistic(sums)) for name, statistic in STATISTICS.items()}
    return {name: None if np.isnan(value) else value for name, value in found.items()}


def _stages(found: Mapping[tuple[str, int], Trained], made: Sequence[Made]) -> pd.DataFrame:
    """Return what the study's data and networks cost when they were made, each counted once."""
    import pandas as pd

    networks = [one for one in {one.place: one for one in found.values()}.values() if not one.error]
    stages = dict.fromkeys([*GENERATION, *(stage for one in made for stage in one.seconds)])
    costs = {stage: [one.seconds[stage] for one in made if stage in one.seconds] for stage in stages}
    costs["training"] = [one.training_seconds for one in networks]
    costs["judging"] = [one.judging_seconds for one in networks]
    total = sum(map(sum, costs.values())) or 1.0
    return pd.DataFrame(
        [
            {"stage": stage, "made": len(each), "seconds": sum(each), "share": sum(each) / total}
            for stage, each in costs.items()
        ]
    )


def _stream(images: object) -> Stream:
    return Stream(1) / "bootstrap" / str(images).replace("/", "|")
