"""Hugging Face data sets: Parquet files with images inside, and a card."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from exitwave.core import DatasetError, Number
from exitwave.dataset.formats.base import Format, record_text, sample, whole_folder
from exitwave.dataset.formats.pictures import png, read_picture, tiff
from exitwave.dataset.samples import Sample, compact_counts
from exitwave.imaging.calibrations import positive

if TYPE_CHECKING:
    from exitwave.dataset.dataset import Dataset

__all__ = ["HuggingFace"]

_PICTURE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
_WORDS = {pa.float64(): "float64", pa.bool_(): "bool"}  # where the two name a type differently
_PER_GROUP = 32  # images held in memory


class HuggingFace(Format):
    """A folder that ``datasets.load_dataset(folder)`` opens: ``data/train-*.parquet`` and ``README.md``.

    Columns are ``image``, ``label_RULE`` (both pictures), ``record`` (JSON), ``pixel_size`` in Å and all of the
    catalog, with a column of the same name once only.

    Parameters
    ----------
    images_per_file
        Images in one Parquet file.
    """

    name: ClassVar[str] = "huggingface"
    images_per_file: Annotated[
        int, Number("a number of images", at_least=1, at_most=1_000_000, whole=True, fixed=True)
    ] = 2000

    def write(self, data: Dataset, path: Path) -> Iterator[int]:
        """Write the folder."""
        table: Any = data.table(arrow=True)
        pictures = ["image", *(f"label_{rule}" for rule in data.rules)]
        columns = [name for name in table.column_names if name not in (*pictures, "record")]
        fields = [(name, _PICTURE) for name in pictures] + [("record", pa.string())]
        fields += [(name, table.schema.field(name).type) for name in columns]
        features: dict[str, Any] = {name: {"_type": "Image"} for name in pictures}
        for name, kind in fields[len(pictures) :]:
            features[name] = {"dtype": _WORDS.get(kind, str(kind)), "_type": "Value"}
        schema = pa.schema(fields, metadata={"huggingface": json.dumps({"info": {"features": features}})})
        files = -(-len(data) // self.images_per_file)
        with whole_folder(path) as folder:
            (folder / "data").mkdir()
            for number in range(files):
                target = folder / "data" / f"train-{number:05d}-of-{files:05d}.parquet"
                first = number * self.images_per_file
                last = min(first + self.images_per_file, len(data))
                with pq.ParquetWriter(target, schema) as writer:
                    for start in range(first, last, _PER_GROUP):
                        stop = min(start + _PER_GROUP, last)
                        rows: dict[str, list[Any]] = {name: [] for name in [*pictures, "record"]}
                        for index in range(start, stop):
                            item = data[index]
                            rows["image"].append(_cell(compact_counts(item.image.array), item.labels.pixel_size))
                            for rule in data.rules:
                                cell = _cell(item.labels[rule], item.labels.pixel_size)
                                rows[f"label_{rule}"].append(cell)
                            rows["record"].append(record_text(item))
                            yield index + 1
                        part = table.slice(start, stop - start)
                        arrays = [pa.array(rows[name], kind) for name, kind in fields[: len(rows)]]
                        arrays += [part[name].combine_chunks() for name in columns]
                        writer.write_table(pa.table(arrays, schema=schema), row_group_size=_PER_GROUP)
            (folder / "README.md").write_text(_card(data), "utf-8")

    def read(self, path: Path, pixel_size: float | None) -> Iterator[Sample]:
        """Yield the images of the Parquet files in a folder, or of one file."""
        files = sorted(path.rglob("*.parquet")) if path.is_dir() else [path]
        if not files or not files[0].is_file():
            raise DatasetError(f"{path} holds no Parquet files; give the folder of a Hugging Face data set.")
        for file in files:
            try:
                batches = pq.ParquetFile(file).iter_batches(batch_size=_PER_GROUP)
                for number, batch in enumerate(batches):
                    for place, row in enumerate(batch.to_pylist()):
                        yield _sample(row, pixel_size, file, str(number * _PER_GROUP + place))
            except (OSError, KeyError, TypeError, ValueError, pa.ArrowException) as error:
                if isinstance(error, DatasetError):
                    raise
                raise DatasetError(f"{file} cannot be read as Parquet ({str(error).splitlines()[0]}).") from None


def _cell(values: Any, pixel_size: float) -> dict[str, Any]:
    whole = values.dtype in (np.uint8, np.uint16)
    return {"bytes": png(values) if whole else tiff(values, pixel_size), "path": None}


def _sample(row: dict[str, Any], pixel_size: float | None, file: Path, place: str) -> Sample:
    pictures = {
        name: read_picture(cell["bytes"], f"{name} {place} in {file}")
        for name, cell in row.items()
        if isinstance(cell, dict) and isinstance(cell.get("bytes"), bytes)
    }
    if "image" not in pictures:
        raise DatasetError(f"{file} has no column image with pictures inside.")
    image = pictures.pop("image")
    maps = {name.removeprefix("label_"): values for name, values in pictures.items()}
    record = json.loads(row.get("record") or "{}")
    size = positive(row.get("pixel_size")) or pixel_size
    return sample(image, maps, size, record if isinstance(record, dict) else {}, file, place)


def _card(data: Dataset) -> str:
    return f"""---
pretty_name: HRTEM images made by exitwave
task_categories: [image-segmentation]
configs: [{{config_name: default, data_files: data/train-*.parquet}}]
---

{len(data)} simulated HRTEM images of {len(data.structures)} structures with label maps {", ".join(data.rules)}.
Images hold counts; `pixel_size` is in Å; `record` is all that was drawn for the image.
"""
