"""Real micrographs, segmented and scored, each once: what is on disk already is not computed again."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from exitwave.core import MicrographError, Progress, Reporter
from exitwave.learning import Network, Scores, score
from exitwave.micrographs import LabelledPair, Predictor, Segmentation, labelled_pairs, segment, write_table

__all__ = ["Group", "segmented"]

SHIPPED = "Bright-field TEM"
_TEXTS = {
    SHIPPED: "Ten labelled micrographs that come with exitwave (msa-em/microscopy-seg-track, CC-BY-4.0).",
}


@dataclass(frozen=True)
class Group:
    """Real micrographs from one place, segmented.

    Parameters
    ----------
    name
        What they are.
    pairs
        The micrographs with their hand-drawn masks (None where there is none).
    segmentations
        What the network found, in the same order.
    """

    name: str
    pairs: tuple[LabelledPair, ...]
    segmentations: tuple[Segmentation, ...]

    @property
    def text(self) -> str:
        """A sentence on where they are from."""
        labelled = sum(pair.mask is not None for pair in self.pairs)
        return _TEXTS.get(self.name, f"{len(self.pairs)} micrographs, {labelled} of them labelled by hand.")

    @property
    def scores(self) -> Scores | None:
        """The three F1 over all labelled micrographs together; None if none is labelled."""
        labelled = [(s, p.mask) for s, p in zip(self.segmentations, self.pairs, strict=True) if p.mask is not None]
        if not labelled:
            return None
        return score([found.probability for found, _ in labelled], [mask for _, mask in labelled])

    @staticmethod
    def score_of(pair: LabelledPair, found: Segmentation) -> Scores:
        """Return the scores of one labelled micrograph."""
        if pair.mask is None:
            raise MicrographError(f"{pair.micrograph.name} has no mask; only labelled micrographs have scores.")
        return score([found.probability], [pair.mask])


def segmented(
    network: Network, folders: Sequence[Path], output: Path, progress: Reporter | None = None
) -> tuple[Group, ...]:
    """Segment the shipped micrographs and those of ``folders``; write masks, outlines and particle tables.

    Parameters
    ----------
    network
        What segments.
    folders
        Folders with an index.csv.
    output
        Where everything is written; probabilities that an earlier run of the same network left are used again.
    progress
        Called after each micrograph.

    Raises
    ------
    MicrographError
        If a file cannot be read.
    """
    import pandas as pd

    start = time.perf_counter()
    listed = [(SHIPPED, tuple(labelled_pairs()))]
    listed += [(_name(folder), tuple(labelled_pairs(folder, labelled_only=False))) for folder in folders]
    total, done = sum(len(pairs) for _, pairs in listed), 0
    groups, tables = [], []
    for name, pairs in listed:
        found = []
        for pair in pairs:
            title = Path(pair.micrograph.name).stem
            place = output / name.replace(" ", "-").lower()
            stored = _Stored(network, place / f"{title}.probability.npz")
            found.append(segment(pair.micrograph, stored))
            if stored.fresh:
                found[-1].save(place, title)
            tables.append(found[-1].particles().assign(group=name))
            done += 1
            if progress is not None:
                progress(Progress("segment", done, total, time.perf_counter() - start, note=title))
        groups.append(Group(name, pairs, tuple(found)))
    write_table(pd.concat(tables, ignore_index=True), output / "particles.csv")
    return tuple(groups)


def _name(folder: Path) -> str:
    return {"hrtem": "HRTEM"}.get(folder.name, folder.name)


class _Stored(Predictor):
    """A network whose answer for one micrograph is kept in a file."""

    def __init__(self, network: Network, path: Path) -> None:
        self._network, self._path = network, path
        self.fresh = False

    def predict(self, array: np.ndarray, pixel_size: float) -> np.ndarray:
        """Return the stored probabilities, if they are this network's, else the network's answer, and store it."""
        if self._path.exists():
            try:
                with np.load(self._path, allow_pickle=False) as file:
                    if str(file["network"]) == self._network.identity and file["probability"].shape == array.shape:
                        return np.asarray(file["probability"], np.float32)
            except (OSError, ValueError, KeyError):
                pass  # half written: compute it again
        probability = np.asarray(self._network.predict(array, pixel_size), np.float32)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._path.with_name(f".{self._path.name}")
        with temporary.open("wb") as file:
            np.savez_compressed(file, probability=probability, network=np.array(self._network.identity))
        temporary.replace(self._path)
        self.fresh = True
        return probability
