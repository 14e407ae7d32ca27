"""One unit of work: a recipe and a shard number in, a committed shard out."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from exitwave.core import DatasetError, ExitwaveError, Stream, identity
from exitwave.dataset.films import film_columns
from exitwave.dataset.kept_films import prepare_film
from exitwave.dataset.recipe import Recipe
from exitwave.dataset.records import (
    ImageRecord,
    StructureRecord,
    columns_of,
    draw_image,
    draw_structure,
    geometry_identity,
)
from exitwave.dataset.samples import (
    expected_images,
    one_thread,
    render_image,
    render_labels,
    render_structure,
    render_wave,
)
from exitwave.dataset.shards import ShardWriter, shard_name
from exitwave.imaging import Imaging
from exitwave.labels import Labels
from exitwave.scattering import ExitWave
from exitwave.structure import Structure

__all__ = [
    "Failure",
    "Result",
    "Stages",
    "image_statistics",
    "label_columns",
    "make_images",
    "make_shard",
    "make_structure",
    "shard_notes",
    "software",
    "stack_images",
    "structures_of_shard",
]

# What is wrong with this machine now rather than with this sample: not recorded, the run stops instead.
_NOT_THE_SAMPLE = (MemoryError, torch.OutOfMemoryError, DatasetError)


@dataclass(frozen=True)
class Failure:
    """A sample that could not be made.

    Parameters
    ----------
    structure
        Structure index.
    image
        Image index, or None where the structure itself failed.
    stage
        "draw", "film", "build", "scatter", "label" or "image".
    error
        The class of the error and its sentence.
    record
        What had been drawn.
    """

    structure: int
    image: int | None
    stage: str
    error: str
    record: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Return the failure as plain data."""
        return {
            "structure": self.structure,
            "image": self.image,
            "stage": self.stage,
            "error": self.error,
            "record": dict(self.record),
        }


@dataclass(frozen=True)
class Result:
    """What one structure gave: its entry, its arrays, and seconds per stage."""

    entry: dict[str, Any]
    arrays: dict[str, NDArray[Any]]
    seconds: dict[str, float]


def structures_of_shard(recipe: Recipe, number: int) -> range:
    """Return the structure indices of shard ``number``."""
    size = recipe.store.structures_per_shard
    return range(number * size, min((number + 1) * size, recipe.structures.count))


def make_shard(recipe: Recipe, folder: Path, number: int, device: str | None = None) -> Iterator[tuple[int, int]]:
    """Make shard ``number`` of a data set and commit it at the end.

    Yields
    ------
    index, failures
        Each structure made, and how many of its samples failed.
    """
    seconds: dict[str, float] = {}
    with one_thread(), ShardWriter(folder / "shards" / shard_name(number)) as writer:
        for index in structures_of_shard(recipe, number):
            result = make_structure(recipe, index, device)
            writer.add(result.entry, result.arrays)
            for stage, spent in result.seconds.items():
                seconds[stage] = seconds.get(stage, 0.0) + spent
            yield index, len(result.entry["failures"])
        writer.commit(**shard_notes(seconds, device))


def shard_notes(seconds: Mapping[str, float], device: str | None) -> dict[str, Any]:
    """Return what is kept beside a shard: seconds by stage, the software and the kind of device."""
    return {"seconds": dict(seconds), "software": software(), "device": device or "cpu"}


def make_structure(recipe: Recipe, index: int, device: str | None = None, atoms: Structure | None = None) -> Result:
    """Make structure ``index`` with its labels and images.

    Parameters
    ----------
    recipe
        The recipe.
    index
        Structure index.
    device
        Where to compute.
    atoms
        The structure, where it has been built already.
    """
    stages = Stages(index)
    drawn = structure = wave = labels = None
    with stages("draw"):
        drawn = draw_structure(recipe, index)
        stages.record = drawn.to_dict()
    if drawn is not None and drawn.film is not None:
        with stages("film"):
            prepare_film(drawn, device=device)
    if drawn is not None and not stages.failures:
        with stages("build"):
            structure = atoms if atoms is not None else render_structure(drawn)
    if drawn is not None and drawn.film is not None and structure is not None:
        with stages("film"):
            prepare_film(drawn, structure, device)
    if drawn is not None and structure is not None and not stages.failures:
        with stages("scatter"):
            wave = checked_wave(render_wave(drawn, structure, device))
    if drawn is not None and wave is not None:
        with stages("label"):
            labels = render_labels(drawn, wave)
    if drawn is None or wave is None or labels is None:
        return Result(_entry(index, stages, drawn, None, None, []), {}, stages.seconds)
    images = make_images(recipe.images.spec, recipe.images.per_structure, drawn, wave, stages)
    arrays = stack_images([array for _, array in images])
    arrays |= {f"labels/{name}": values for name, values in labels.maps.items()}
    if recipe.store.waves:
        arrays |= wave_arrays(wave)
    entry = _entry(index, stages, drawn, wave, labels, [item for item, _ in images])
    return Result(entry, arrays, stages.seconds)


def make_images(
    imaging: Imaging,
    count: int,
    drawn: StructureRecord,
    wave: ExitWave,
    stages: Stages,
    stream: Stream | None = None,
) -> list[tuple[dict[str, Any], NDArray[Any]]]:
    """Return the entries and arrays of ``count`` images of one wave; those that fail are left out and recorded.

    Images are drawn from ``stream``, which is the structure's own unless another is given.
    """
    records: dict[int, ImageRecord] = {}
    for number in range(count):
        with stages("image", number):
            records[number] = draw_image(imaging, drawn.stream if stream is None else stream, number)
    with stages("image"):
        expected = expected_images(list(records.values()), wave)
    made = []
    for (number, record), intensity in zip(records.items(), expected, strict=True):
        stages.image_record = record.to_dict()
        with stages("image", number):
            array = render_image(record, wave, intensity)
            made.append((image_entry(number, drawn, record, array), array))
    return made


def image_entry(number: int, drawn: StructureRecord, record: ImageRecord, array: NDArray[Any]) -> dict[str, Any]:
    """Return what a shard says of one image."""
    data = record.to_dict()
    structure = drawn.to_dict()
    whole = structure | {"imaging": data["imaging"], "streams": structure["streams"] | data["streams"]}
    return {
        "index": number,
        "id": identity(whole),
        "record": data,
        "columns": columns_of(record.imaging) | image_statistics(array),
    }


def image_statistics(array: NDArray[Any]) -> dict[str, float]:
    """Return the columns that tell of an image's counts."""
    mean, deviation = float(array.mean(dtype=np.float64)), float(array.std(dtype=np.float64))
    return {"image_mean": mean, "image_std": deviation, "image_max": float(array.max(initial=0))}


def stack_images(images: list[NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Return the images of one structure as one array, in the narrowest type that holds them all."""
    if not images:
        return {}
    kinds = {array.dtype for array in images}
    kind = np.dtype(np.float32) if np.dtype(np.float32) in kinds else max(kinds, key=lambda item: item.itemsize)
    return {"images": np.stack([array.astype(kind, copy=False) for array in images])}


def wave_arrays(wave: ExitWave) -> dict[str, NDArray[Any]]:
    """Return the arrays of a wave as a shard stores them."""
    arrays = {"waves/array": wave.array.detach().cpu().numpy()}
    if wave.particle is not None:
        arrays["waves/particle"] = wave.particle.detach().cpu().numpy()
    return arrays


def checked_wave(wave: ExitWave) -> ExitWave:
    """Return the wave, or raise ValueError if it holds a number that is not finite."""
    parts = [wave.array] if wave.particle is None else [wave.array, wave.particle]
    if not all(bool(torch.isfinite(torch.view_as_real(part)).all()) for part in parts):
        raise ValueError("the exit wave holds numbers that are not finite.")
    return wave


def software() -> str:
    """Return the name and version of this software."""
    try:
        return f"exitwave {version('exitwave')}"
    except PackageNotFoundError:
        return "exitwave"


class Stages:
    """Times the stages of one structure and turns what goes wrong in one into a recorded failure."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.seconds: dict[str, float] = {}
        self.failures: list[Failure] = []
        self.record: dict[str, Any] = {}
        self.image_record: dict[str, Any] = {}
        self._now: tuple[str, int | None, float] = ("", None, 0.0)

    def __call__(self, stage: str, image: int | None = None) -> Stages:
        """Begin a stage, or an image in it."""
        self._now = (stage, image, time.perf_counter())
        return self

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        stage, image, began = self._now
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - began
        if error is None:
            return False
        if not isinstance(error, Exception) or isinstance(error, _NOT_THE_SAMPLE):
            return False
        text = str(error).split("\n")[0] if isinstance(error, ExitwaveError) else f"{type(error).__name__}: {error}"
        record = self.record | ({"image": self.image_record} if image is not None else {})
        self.failures.append(Failure(self.index, image, stage, text, record))
        return True


def _entry(
    index: int,
    stages: Stages,
    drawn: StructureRecord | None,
    wave: ExitWave | None,
    labels: Labels | None,
    images: list[dict[str, Any]],
) -> dict[str, Any]:
    record = drawn.to_dict() if drawn is not None else {}
    entry: dict[str, Any] = {
        "index": index,
        "id": geometry_identity(record) if record else "",
        "record": record,
        "images": images,
        "columns": {},
        "failures": [failure.to_dict() for failure in stages.failures],
    }
    if drawn is not None and wave is not None and labels is not None:
        entry["columns"] = structure_columns(drawn, wave, labels)
        entry["sampling"] = [float(value) for value in wave.sampling]
        entry["pixel_size"] = float(labels.pixel_size)
        entry["rules"] = list(labels.maps)
    return entry


def structure_columns(drawn: StructureRecord, wave: ExitWave, labels: Labels) -> dict[str, Any]:
    """Return the catalog's columns that belong to a structure."""
    columns: dict[str, Any] = {"family": drawn.family}
    columns |= {name: value for name, value in columns_of(drawn.scattering).items() if value is not None}
    columns |= {name: _number(value) for name, value in drawn.spec.summary().items()} | film_columns(drawn)
    columns["atoms"] = len(wave.structure) if wave.structure is not None else None
    columns |= label_columns(labels, wave.array.shape[-2:])
    return {name: value for name, value in columns.items() if value is not None}


def label_columns(labels: Labels, shape: Sequence[int]) -> dict[str, Any]:
    """Return the columns that tell of the pixels and of the label maps."""
    columns: dict[str, Any] = {"height": int(shape[0]), "width": int(shape[1])}
    columns["pixel_size"] = float(labels.pixel_size)
    for name, values in labels.maps.items():
        columns[f"{name}_fraction"] = float(np.count_nonzero(values)) / max(values.size, 1)
        columns[f"{name}_max"] = values.max(initial=0).item()
    return columns


def _number(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not np.isfinite(value) else value
