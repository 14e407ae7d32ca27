"""Real micrographs, segmented and scored, each once: what is on disk already is not computed again."""

from __future__ import annotations

import hashlib
import io
import time
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from exitwave.core import MicrographError, Progress, Reporter, counted, identity
from exitwave.core.files import write_whole
from exitwave.learning import Network, Scores, score
from exitwave.micrographs import LabelledPair, Predictor, Segmentation, labelled_pairs, segment, write_table

__all__ = ["Group", "load", "segmented"]

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
        return _TEXTS.get(
            self.name, f"{counted(len(self.pairs), 'micrograph')}, {labelled or 'none'} of them labelled by hand."
        )

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


def load(folders: Sequence[Path]) -> tuple[tuple[str, tuple[LabelledPair, ...]], ...]:
    """Read the shipped micrographs and those of ``folders``, so that what is wrong with them shows at once.

    Parameters
    ----------
    folders
        Folders with an index.csv.

    Raises
    ------
    MicrographError
        If one cannot be read or does not say its pixel size.
    """
    groups = [(SHIPPED, tuple(labelled_pairs()))]
    for folder in folders:
        pairs = tuple(labelled_pairs(folder, labelled_only=False))
        for pair in pairs:
            pair.micrograph.known_pixel_size()
        names = [name for name, _ in groups]
        name = {"hrtem": "HRTEM"}.get(folder.name, folder.resolve().name)
        groups.append((name if name not in names else f"{name} {len(groups)}", pairs))
    return tuple(groups)


def segmented(
    network: Network,
    loaded: Sequence[tuple[str, tuple[LabelledPair, ...]]],
    output: Path,
    progress: Reporter | None = None,
) -> tuple[Group, ...]:
    """Segment micrographs; write masks, outlines and particle tables.

    Parameters
    ----------
    network
        What segments.
    loaded
        The micrographs, by group.
    output
        Where everything is written; what an earlier run of the same network finished for the same image is used
        again.
    progress
        Called after each micrograph.
    """
    import pandas as pd

    start = time.perf_counter()
    total, done = sum(len(pairs) for _, pairs in loaded), 0
    groups, tables = [], []
    for name, pairs in loaded:
        found = []
        for number, pair in enumerate(pairs):
            title = f"{number:02d}-{Path(pair.micrograph.name).name}"
            found.append(_once(pair, network, output / name.replace(" ", "-").lower(), title))
            tables.append(found[-1].particles().assign(group=name, image=pair.micrograph.name))
            done += 1
            if progress is not None:
                note = pair.micrograph.name
                progress(Progress("segment", done, total, time.perf_counter() - start, note=note))
        groups.append(Group(name, pairs, tuple(found)))
    write_table(pd.concat(tables, ignore_index=True), output / "particles.csv")
    return tuple(groups)


def _once(pair: LabelledPair, network: Network, place: Path, title: str) -> Segmentation:
    """Segment a micrograph and write the results, the probabilities last: where they lie, all is done."""
    micrograph = pair.micrograph
    path = place / f"{title}.probability.npz"
    digest = hashlib.blake2b(np.ascontiguousarray(micrograph.array).tobytes(), digest_size=16).hexdigest()
    key = identity({"network": network.identity, "image": digest, "pixel_size": micrograph.pixel_size})
    known = _read(path, key)
    if known is not None:
        return segment(micrograph, _Known(known))
    found = segment(micrograph, network)
    found.save(place, title)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, probability=found.probability, key=np.array(key))
    write_whole(path, buffer.getvalue())
    return found


def _read(path: Path, key: str) -> NDArray[np.float32] | None:
    """Return the probabilities in a file if they are those of ``key``."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return np.asarray(file["probability"], np.float32) if str(file["key"]) == key else None
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return None  # not there, or not whole: it is computed again


class _Known(Predictor):
    """A network that has given its answer already."""

    def __init__(self, probability: NDArray[np.float32]) -> None:
        self._probability = probability

    def predict(self, array: NDArray[np.float32], pixel_size: float) -> NDArray[np.float32]:
        """Return the answer."""
        return self._probability
