"""New images from stored waves: other lenses, doses and cameras without scattering again."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from exitwave.core import DatasetError, Progress, Reporter, ShardCorruptError, Stream
from exitwave.core.files import write_whole
from exitwave.dataset.catalog import Catalog
from exitwave.dataset.curate import ORIGIN_NAME
from exitwave.dataset.generate import clear_unfinished, make_folder
from exitwave.dataset.kept_files import copy_files
from exitwave.dataset.locks import FolderLock
from exitwave.dataset.recipe import ImagesSection
from exitwave.dataset.records import StructureRecord
from exitwave.dataset.samples import one_thread
from exitwave.dataset.shards import Shard, ShardWriter, shard_name
from exitwave.dataset.work import Stages, make_images, software, stack_images
from exitwave.dataset.yamlfiles import read_yaml, yaml_text

if TYPE_CHECKING:
    from exitwave.dataset.dataset import Dataset

__all__ = ["reimage"]


def reimage(
    data: Dataset,
    images: Mapping[str, Any],
    folder: str | os.PathLike[str],
    *,
    seed: int,
    device: str | None = None,
    progress: Reporter | None = None,
) -> Dataset:
    """Form new images from the stored waves of a whole data set, into a new one that knows its parent.

    The structures and labels are the parent's; only what hangs on the lens, the dose and the camera is new.
    Interrupted and called again, it goes on.

    Parameters
    ----------
    data
        A data set generated with ``store: {waves: true}``.
    images
        As the section ``images`` of a recipe: ``{"per_structure": 10, "dose": {"loguniform": [50, 1000]}}``.
    folder
        Where the new data set is or will be.
    seed
        Decides all that is drawn.
    device
        Where to form images.
    progress
        Called with a ``Progress`` (in structures).

    Raises
    ------
    SpecError
        If ``images`` is not as in a recipe.
    DatasetError
        If there are no waves, or the folder holds something else.
    OpticsError
        If the images name a microscope of another energy than the waves have.
    """
    from exitwave.dataset.dataset import Dataset

    section = ImagesSection.parse(dict(images), where="images")
    if len(data._stores) != 1 or not data._whole:
        raise DatasetError("new images are formed for a whole data set; save a selection as one first.")
    store = data._stores[0]
    for energy in np.unique(data.column("energy")) if "energy" in data.columns else ():
        section.spec.check_energy(float(energy))
    where = Path(folder)
    make_folder(where / "shards")
    origin = {
        "reimaged_from": {"folder": str(store.folder), "content": store.content()},
        "images": section.to_dict(),
        "seed": seed,
        "shards": len(store.numbers()),
    }
    with FolderLock(where):
        _claim(where, origin)
        clear_unfinished(where)
        copy_files(store.folder, where)
        began = time.monotonic()
        numbers = store.numbers()
        total = sum(len(store.shard(number).entries) for number in numbers)
        done = resumed = failures = 0
        for number in numbers:
            parent = store.shard(number)
            target = where / "shards" / shard_name(number)
            if _is_whole(target):
                done, resumed = done + len(parent.entries), resumed + len(parent.entries)
                continue
            with one_thread(), ShardWriter(target) as writer:
                for entry in parent.entries:
                    new, arrays = _entry(data, number, entry, section, seed, device)
                    writer.add(new, arrays)
                    done, failures = done + 1, failures + len(new["failures"])
                    if progress is not None:
                        progress(Progress("reimage", done, total, time.monotonic() - began, resumed, failures))
                writer.commit(software=software())
        Catalog(where).close()
    return Dataset(where)


def _entry(
    data: Dataset, number: int, entry: dict[str, Any], section: ImagesSection, seed: int, device: str | None
) -> tuple[dict[str, Any], dict[str, Any]]:
    from exitwave.dataset.dataset import stored_wave

    store = data._stores[0]
    kept = {name: value for name, value in entry.items() if name not in ("arrays", "images", "failures")}
    if not entry.get("record") or not entry["arrays"]:
        return kept | {"images": [], "failures": []}, {}
    index = int(entry["index"])
    wave = stored_wave(store, number, index)
    if device is not None:
        wave = wave.to(device)
    drawn = StructureRecord.from_dict(entry["record"], allow_code=False)
    stages = Stages(index)
    stages.record = entry["record"]
    stream = Stream(seed) / "structure" / entry["id"]
    made = make_images(section.spec, section.per_structure, drawn, wave, stages, stream)
    arrays = stack_images([array for _, array in made])
    shard = store.shard(number)
    arrays |= {name: shard.read(index, name) for name in entry["arrays"] if name.startswith("labels/")}
    failures = [failure.to_dict() for failure in stages.failures]
    return kept | {"images": [item for item, _ in made], "failures": failures}, arrays


def _claim(folder: Path, origin: dict[str, Any]) -> None:
    path = folder / ORIGIN_NAME
    if path.is_file():
        if _essence(read_yaml(path, "the origin of a data set")) != _essence(origin):
            raise DatasetError(f"{folder} holds images made otherwise ({ORIGIN_NAME} says how); give another folder.")
        return
    if any((folder / "shards").iterdir()):
        raise DatasetError(f"{folder} holds another data set; give a new folder.")
    write_whole(path, yaml_text(origin).encode())


def _essence(origin: Mapping[str, Any]) -> dict[str, Any]:
    """Return what decides the images: the parent's content, wherever it is, and how they are drawn."""
    parent = origin.get("reimaged_from")
    content = parent.get("content") if isinstance(parent, Mapping) else None
    return {"content": content, "images": origin.get("images"), "seed": origin.get("seed")}


def _is_whole(path: Path) -> bool:
    if not path.exists():
        return False
    try:
        with Shard(path) as shard:
            return bool(shard.positions is not None)
    except ShardCorruptError:
        return False
