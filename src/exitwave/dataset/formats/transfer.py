"""Writing a data set in another format, and making a data set from files of another format."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from exitwave.core import DatasetError, ExitwaveError, Progress, Reporter, SpecError, identity
from exitwave.core.files import write_whole
from exitwave.dataset.catalog import Catalog
from exitwave.dataset.curate import ORIGIN_NAME
from exitwave.dataset.films import film_columns
from exitwave.dataset.formats.base import file_format, whole_folder
from exitwave.dataset.records import StructureRecord, columns_of, geometry_identity
from exitwave.dataset.samples import Sample, compact_counts
from exitwave.dataset.shards import ShardWriter, shard_name
from exitwave.dataset.work import image_statistics, label_columns, software, stack_images
from exitwave.dataset.yamlfiles import yaml_text

if TYPE_CHECKING:
    from exitwave.dataset.dataset import Dataset

__all__ = ["export", "import_images"]


def export(
    data: Dataset, path: str | os.PathLike[str], format: str, *, progress: Reporter | None = None, **options: Any
) -> Path:
    """Write a data set or selection in a format that other programs read.

    Parameters
    ----------
    data
        The images.
    path
        A file or folder that is not there yet, by the format.
    format
        "coco", "hdf5", "huggingface", "hyperspy", "prismatic" (atoms), "tiff", "webdataset", "zarr", or one that a
        package offers by an entry point in the group ``exitwave.formats``.
    progress
        Called with a ``Progress`` after each image.
    options
        The format's own, such as ``rule="instances"``.

    Returns
    -------
    Path
        The file or folder.

    Raises
    ------
    SpecError
        If the format or an option is not known.
    DatasetError
        If there are no images or they do not fit the format, or it cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from exitwave.dataset import Recipe, generate
    >>> gold = Recipe.from_yaml('''
    ... seed: 1
    ... structures: {count: 2, family: supported_particles, field: 20,
    ...   particles: {material: Au, radius: 6}, film: null}
    ... scattering: {sampling: 0.5, configurations: 1}
    ... images: {per_structure: 2, dose: 400}
    ... ''')
    >>> data = generate(gold, tempfile.mkdtemp())
    >>> file = export(data.where("dose > 300"), Path(tempfile.mkdtemp()) / "gold.h5", "hdf5")
    >>> import h5py
    >>> with h5py.File(file) as written:
    ...     written["images"].shape, written["maps"].shape
    ((4, 40, 40), (4, 40, 40))
    """
    target = Path(path)
    chosen = file_format(format, **options)
    if not len(data):
        raise DatasetError("there are no images to export; choose a larger data set or a weaker condition.")
    began = time.monotonic()
    for done in chosen.write(data, target):
        if progress is not None:
            total = max(done, len(data.structures) if format == "prismatic" else len(data))
            progress(Progress("export", done, total, time.monotonic() - began))
    return target


def import_images(
    path: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    format: str,
    *,
    pixel_size: float | None = None,
    progress: Reporter | None = None,
    **options: Any,
) -> Dataset:
    """Make a data set of the labelled images in files of another format: simulated ones, or real ones.

    What ``export`` wrote comes back with its records and identities. Other images have no record of physics; each
    is a structure of its own, known by its content, so that repetitions are found and splits do not leak.

    Parameters
    ----------
    path
        The file or folder.
    folder
        Where the data set will be; not there yet.
    format
        As in ``export``.
    pixel_size
        Å, for files that do not tell it.
    progress
        Called with a ``Progress`` after each image; how many there are is not known before the end.
    options
        The format's own.

    Returns
    -------
    Dataset
        The new data set.

    Raises
    ------
    SpecError
        If the format or an option is not known, or ``pixel_size`` is no length.
    DatasetError
        If the files cannot be read as that format, or ``folder`` is there already.

    Examples
    --------
    >>> import h5py, tempfile
    >>> home = Path(tempfile.mkdtemp())
    >>> counts = np.random.default_rng(1).poisson(100, (3, 64, 64))
    >>> with h5py.File(home / "benchmark.h5", "w") as file:
    ...     file["images"], file["maps"] = counts, counts > 110
    >>> data = import_images(home / "benchmark.h5", home / "data", "hdf5", pixel_size=0.2)
    >>> len(data), data[0].image.pixel_size, bool((data.images() == counts).all())
    (3, 0.2, True)
    """
    from exitwave.dataset.dataset import Dataset

    if pixel_size is not None and not 0 < pixel_size < 1e6:
        raise SpecError(f"pixel_size is {pixel_size}; it is a length above 0 in Å.")
    source = Path(path)
    samples = file_format(format, **options).read(source, pixel_size)
    with whole_folder(Path(folder)) as place:
        (place / "shards").mkdir()
        origin = {"imported_from": {"path": str(source), "format": format, "options": dict(options)}}
        count = _write(place, samples, progress)
        if not count:
            raise DatasetError(f"{source} holds no images.")
        write_whole(place / ORIGIN_NAME, yaml_text(origin).encode())
        Catalog(place).close()
    return Dataset(folder)


def _write(place: Path, samples: Iterable[Sample], progress: Reporter | None, per_shard: int = 16) -> int:
    """Write samples as shards and return how many there were."""
    began = time.monotonic()
    done = 0
    numbered = enumerate(groupby(samples, key=_structure))
    for number, chunk in groupby(numbered, key=lambda item: item[0] // per_shard):
        with ShardWriter(place / "shards" / shard_name(number)) as writer:
            for index, (name, group) in chunk:
                entry, arrays = _entry(index, name, group)
                writer.add(entry, arrays)
                done += len(entry["images"])
                if progress is not None:
                    progress(Progress("import", done, done + 1, time.monotonic() - began))
            writer.commit(software=software())
    if progress is not None:
        progress(Progress("import", done, done, time.monotonic() - began))
    return done


def _structure(sample: Sample) -> str:
    """Return the identity of the atoms where the record tells them, else of the image."""
    record = sample.record
    streams = record.get("streams")
    if isinstance(record.get("structure"), Mapping) and isinstance(streams, Mapping) and "structure" in streams:
        return geometry_identity(record)
    return _image_identity(sample)


def _image_identity(sample: Sample) -> str:
    if "imaging" in sample.record:
        return identity(dict(sample.record))
    content = np.ascontiguousarray(sample.image.array)
    return hashlib.blake2b(
        content.tobytes() + repr((content.shape, sample.labels.pixel_size)).encode(), digest_size=16
    ).hexdigest()


def _entry(index: int, name: str, group: Iterator[Sample]) -> tuple[dict[str, Any], dict[str, Any]]:
    listed = list(group)
    first = listed[0]
    record = dict(first.record)
    images = []
    for number, item in enumerate(listed):
        array = item.image.array
        own = {key: item.record[key] for key in ("imaging",) if key in item.record}
        if "image" in (streams := item.record.get("streams") or {}):
            own["streams"] = {"image": streams["image"]}
        if "imaging" not in own:
            own = dict(item.record)
        columns = columns_of(item.record.get("imaging", {})) | image_statistics(array)
        images.append({"index": number, "id": _image_identity(item), "record": own, "columns": columns})
    shared = {key: value for key, value in record.items() if key not in ("imaging", "source")}
    if isinstance(shared.get("streams"), Mapping):
        shared["streams"] = {key: value for key, value in shared["streams"].items() if key != "image"}
    size = first.labels.pixel_size
    entry = {
        "index": index,
        "id": name,
        "record": shared,
        "images": images,
        "columns": _columns(shared, first) | label_columns(first.labels, first.image.array.shape),
        "failures": [],
        "sampling": [size, size],
        "pixel_size": size,
        "rules": list(first.labels.maps),
    }
    arrays = stack_images([compact_counts(item.image.array) for item in listed])
    return entry, arrays | {f"labels/{rule}": values for rule, values in first.labels.maps.items()}


def _columns(record: Mapping[str, Any], sample: Sample) -> dict[str, Any]:
    """Return the catalog's columns of a structure: all of the drawn numbers where a record tells them."""
    columns: dict[str, Any] = {"file": sample.image.name}
    try:
        drawn = StructureRecord.from_dict(record)
    except (ExitwaveError, KeyError, TypeError):
        return columns
    columns |= {"family": drawn.family}
    columns |= {name: value for name, value in columns_of(drawn.scattering).items() if value is not None}
    columns |= film_columns(drawn)
    return columns | {name: value for name, value in drawn.spec.summary().items() if value is not None}
