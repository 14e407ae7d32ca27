"""What the doctor finds by making structures again from their records: waves, images, labels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from exitwave.core import SpecError
from exitwave.dataset.optics import excess, expected_counts, plain
from exitwave.dataset.records import ImageRecord, StructureRecord
from exitwave.dataset.samples import one_thread, render_image, render_labels, render_structure, render_wave
from exitwave.dataset.verdict import Verdict, spread
from exitwave.dataset.work import software

if TYPE_CHECKING:
    from exitwave.dataset.dataset import Dataset
    from exitwave.scattering import ExitWave

__all__ = ["remade"]

_SCATTERED = 2  # structures that are scattered again; it is what takes long
_IMAGES = 2  # images of each that are made again
_SIGMAS = 6.0  # leftover above shot noise that no chance gives


@dataclass
class _Found:
    """What was seen so far."""

    structures: int = 0
    equal: int = 0
    worst: float = 0.0
    judged: int = 0
    strongest: float = -np.inf
    samples: int = 0
    differing: int = 0


def remade(data: Dataset, count: int, *, allow_code: bool = False) -> Iterator[Verdict]:
    """Check exit waves, the formation of images, and that records make their samples again.

    Where no waves are stored, or to compare them, up to two structures are scattered again.

    Parameters
    ----------
    data
        The data set.
    count
        Structures to look at.
    allow_code
        Whether a family given by import path may be imported.
    """
    found = _Found()
    reason = ""
    scattered = 0
    for index in spread(len(data.structures), count):
        store, number, structure = data._structure_place(index)
        shard = store.shard(number)
        entry = shard.entry(structure)
        if "structure" not in entry["record"]:
            reason = "images that were imported have no record of their making"
            continue
        try:
            drawn = StructureRecord.from_dict(entry["record"], allow_code=allow_code)
        except SpecError as error:
            reason = str(error)
            continue
        kept = data.waves(index, atoms=False) if shard.has(structure, "waves/array") else None
        made = None
        if scattered < min(_SCATTERED, count):
            with one_thread():
                made = render_wave(drawn, render_structure(drawn))
            scattered += 1
        wave = made if kept is None else kept
        if wave is None:
            continue
        _look_at_wave(found, wave, drawn)
        chosen = entry["images"][:_IMAGES]
        for position, image in enumerate(chosen):
            counts = shard.read(structure, "images", position)
            _look_at_image(found, wave, image["record"]["imaging"], counts)
        same_machine = shard.notes.get("software") == software() and shard.notes.get("device", "cpu") == "cpu"
        if made is not None and same_machine:
            _compare(found, data, index, drawn, made, kept)
    yield from _verdicts(found, reason or "no structure was looked at")


def _look_at_wave(found: _Found, wave: ExitWave, drawn: StructureRecord) -> None:
    array = wave.array.numpy()
    found.structures += 1
    if drawn.scattering.thermal and len(array) > 1:
        found.equal += len({configuration.tobytes() for configuration in array}) < len(array)
    more = (np.abs(array) ** 2).mean(axis=(1, 2)) - 1
    if drawn.scattering.absorption:  # what is absorbed is missing
        more = np.maximum(more, 0)
    found.worst = max(found.worst, float(np.abs(more).max()))


def _look_at_image(found: _Found, wave: ExitWave, imaging: dict[str, Any], counts: Any) -> None:
    detector = imaging.get("detector", {})
    if not plain(imaging) or counts.max(initial=0) >= 0.99 * detector.get("saturation", 65535.0):
        return
    electrons = expected_counts(wave.array.numpy(), wave.sampling, wave.energy, imaging)
    found.judged += 1
    found.strongest = max(found.strongest, excess(counts.astype(float), electrons, detector))


def _compare(
    found: _Found, data: Dataset, index: int, drawn: StructureRecord, made: ExitWave, kept: ExitWave | None
) -> None:
    store, number, structure = data._structure_place(index)
    shard = store.shard(number)
    entry = shard.entry(structure)
    with one_thread():
        same = kept is None or torch.equal(made.array, kept.array)
        labels = render_labels(drawn, made)
        for rule in entry["rules"]:
            same = same and np.array_equal(labels[rule], shard.read(structure, f"labels/{rule}"))
        for position, image in enumerate(entry["images"][:_IMAGES]):
            again = render_image(ImageRecord.from_dict(image["record"]), made)
            found.samples += 1
            found.differing += not (same and np.array_equal(again, shard.read(structure, "images", position)))


def _verdicts(found: _Found, reason: str) -> Iterator[Verdict]:
    if not found.structures:
        for name in ("thermal configurations", "mean intensity", "optics", "records"):
            yield Verdict(name, None, reason)
        return
    text = f"in {found.equal} of {found.structures} structures some are equal"
    if not found.equal:
        text = f"all differ in {found.structures} structures"
    yield Verdict("thermal configurations", not found.equal, text)
    worst = f"of the exit waves it is within {100 * found.worst:.2g} % of 1, or below it where they are absorbed"
    yield Verdict("mean intensity", found.worst < 0.15, worst)
    if found.judged:
        text = f"an independent image formation leaves at most {found.strongest:.1f} σ above shot noise"
        yield Verdict("optics", found.strongest < _SIGMAS, f"{text} in {found.judged} images")
    else:
        yield Verdict("optics", None, "no image without median filter, aperture, motion and camera flaws")
    if found.samples:
        text = f"{found.differing} of {found.samples} samples come out differently when made again from their record"
        yield Verdict("records", not found.differing, text)
    else:
        yield Verdict("records", None, "the samples were made by another version or on another kind of device")
