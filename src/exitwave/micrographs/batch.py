"""What came of many micrographs: their tables, and the summary of all of them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from exitwave.core.errors import MicrographError
from exitwave.core.files import write_whole
from exitwave.core.words import counted
from exitwave.micrographs.outputs import write_table
from exitwave.micrographs.sizes import size_histogram
from exitwave.micrographs.summary import Estimate, interval_note, summarise, summary_words

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["Batch", "gathered", "write_json"]

_COLUMNS = (
    "image", "file", "frame", "pixel_size_nm", "height_nm", "width_nm", "particles", "coverage", "unfamiliar",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Batch:
    """What came of many micrographs.

    Parameters
    ----------
    folder
        Where the results are.
    images
        One row per image: ``image``, ``file``, ``frame``, ``pixel_size_nm``, ``height_nm``, ``width_nm``,
        ``particles``, ``coverage``, ``unfamiliar`` (in what it is unlike the training images, empty if in nothing).
    particles
        Every image's particle table, with the column ``image`` in front.
    failures
        The files that could not be segmented, and why.
    summary
        Sizes and densities over all images: see :func:`~exitwave.micrographs.summarise`.
    familiar
        The same over the images that are like the training images, where some are and some are not.

    Examples
    --------
    >>> import pandas as pd
    >>> images = pd.DataFrame({"image": ["one", "two"], "particles": [2, 1]})
    >>> sizes = {"image": ["one", "one", "two"], "equivalent_diameter_nm": [4.0, 5.0, 4.5]}
    >>> batch = Batch(Path("results"), images, pd.DataFrame(sizes), {"torn.dm4": "it is cut off"}, {})
    >>> batch
    Batch(results: 3 particles on 2 images, 1 failed)
    >>> batch.particles.groupby("image")["equivalent_diameter_nm"].mean().tolist()
    [4.5, 4.5]
    """

    folder: Path
    images: pd.DataFrame
    particles: pd.DataFrame
    failures: Mapping[str, str]
    summary: Mapping[str, Estimate]
    familiar: Mapping[str, Estimate] = field(default_factory=dict)

    def __repr__(self) -> str:
        bad = f", {len(self.failures)} failed" if self.failures else ""
        return f"Batch({self.folder.name}: {self.found}{bad})"

    @property
    def found(self) -> str:
        """How much was found, in words."""
        if not len(self.images):
            return "no image could be segmented"
        return f"{counted(len(self.particles), 'particle')} on {counted(len(self.images), 'image')}"

    def show(self) -> Figure:
        """Return the histogram of all whole particles, with the summary's mean and median."""
        return size_histogram(self.particles, title=counted(len(self.images), "image"), summary=self.summary)

    @property
    def summed_up(self) -> list[str]:
        """The summary as lines for people; nothing where no image could be segmented."""
        if not self.summary:
            return []
        lines = summary_words(self.summary, self.whole, interval_note(self.particles, self.images))
        if self.familiar:
            unlike = int((self.images["unfamiliar"] != "").sum())
            mean, density = self.familiar["mean_diameter_nm"], self.familiar["density_per_um2"]
            found = f"mean diameter {mean} nm, " if math.isfinite(mean.value) else ""
            found += f"{density} particles per µm²"
            lines.append(f"(without {counted(unlike, 'image')} unlike the training images: {found})")
        return lines

    @property
    def whole(self) -> int:
        """How many particles no edge of an image cuts, from which sizes and densities come."""
        return int((~self.particles["touches_border"].astype(bool)).sum()) if len(self.particles) else 0


def gathered(target: Path, rows: Sequence[Mapping[str, Any]], failures: Mapping[str, str], seed: int) -> Batch:
    """Return what came of all images, and write the tables, the summary and the histogram of all of them.

    Parameters
    ----------
    target
        Where the results of single images are.
    rows
        What is known of each image, by the columns of ``Batch.images``.
    failures
        Why files could not be segmented.
    seed
        Decides the resampling behind the intervals.
    """
    import pandas as pd

    from exitwave.micrographs.particles import COLUMNS

    images = pd.DataFrame(list(rows), columns=list(_COLUMNS))
    filled = [table for row in rows if len(table := _table(target, str(row["image"])))]
    particles = pd.concat(filled, ignore_index=True) if filled else pd.DataFrame(columns=["image", *COLUMNS])
    summary = summarise(particles, images, seed=seed) if rows else {}
    like = images[images["unfamiliar"] == ""]
    familiar = {}
    if 0 < len(like) < len(images):
        familiar = summarise(particles[particles["image"].isin(like["image"])], like, seed=seed)
    batch = Batch(target, images, particles, failures, summary, familiar)
    write_table(images, target / "images.csv")
    write_table(particles, target / "particles.csv")
    write_table(particles, target / "particles.parquet")
    write_table(pd.DataFrame(list(failures.items()), columns=["file", "reason"]), target / "failures.csv")
    numbers = _numbers(summary) | ({"familiar": {"images": len(like), **_numbers(familiar)}} if familiar else {})
    note = {"intervals": said} if (said := interval_note(particles, images)) and rows else {}
    counts = {"images": len(images), "particles": len(particles), "whole_particles": batch.whole}
    write_json(target / "summary.json", {**counts, **numbers, **note})
    write_whole(
        target / "sizes.png",
        lambda path: batch.show().savefig(path, format="png", dpi=150),
        error=MicrographError,
        parents=True,
    )
    return batch


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write numbers by name; infinities are refused."""
    text = json.dumps(content, indent=1, allow_nan=False)
    write_whole(path, text.encode(), error=MicrographError, parents=True)


def _table(target: Path, image: str) -> pd.DataFrame:
    import pandas as pd

    table = pd.read_parquet(target / f"{image}-particles.parquet")
    table.insert(0, "image", image)
    return table


def _numbers(summary: Mapping[str, Estimate]) -> dict[str, Any]:
    def known(number: float) -> float | None:
        return number if math.isfinite(number) else None

    return {
        name: {"value": known(estimate.value), "low": known(estimate.low), "high": known(estimate.high)}
        for name, estimate in summary.items()
    }
