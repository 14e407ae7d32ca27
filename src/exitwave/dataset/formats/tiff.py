"""TIFF images with PNG masks and a table: what people look at, annotate and share."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from exitwave.core import DatasetError
from exitwave.dataset.formats.base import (
    Format,
    inside,
    read_records,
    read_text,
    record_of,
    record_text,
    sample,
    whole_folder,
)
from exitwave.dataset.formats.kinds import map_kind, numbered
from exitwave.dataset.formats.pictures import pixel_size_of, png, read_picture, tiff
from exitwave.dataset.samples import Sample, compact_counts
from exitwave.imaging.calibrations import tabled_size

if TYPE_CHECKING:
    from exitwave.dataset.dataset import Dataset

__all__ = ["Tiff"]

_SUFFIXES = (".tif", ".tiff", ".png", ".jpg", ".jpeg")


class Tiff(Format):
    """A folder of TIFF images (counts, calibrated as ImageJ reads it) with PNG masks, ``index.csv`` and records.

    ``index.csv`` has the columns ``image``, ``mask``, ``mask_RULE`` for further rules, ``pixel_size_nm`` and all of
    the catalog. Masks have 0 and 255, maps that number regions hold their numbers, and maps of measured values are
    TIFF files. It is also the layout of folders of labelled micrographs, which are read in the same way.
    """

    name: ClassVar[str] = "tiff"

    def write(self, data: Dataset, path: Path) -> Iterator[int]:
        """Write the folder."""
        table = data.table()
        rows: list[dict[str, Any]] = []
        masks = {rule for rule in data.rules if map_kind(data, rule) == np.uint8 and not numbered(data, rule)}
        with whole_folder(path) as folder:
            (folder / "images").mkdir()
            for rule in data.rules:
                (folder / "masks" / rule).mkdir(parents=True)
            with (folder / "records.jsonl").open("w", encoding="utf-8") as records:
                for index, item in enumerate(data):
                    size = item.labels.pixel_size
                    name = f"images/{index:06d}.tif"
                    (folder / name).write_bytes(tiff(compact_counts(item.image.array), size))
                    row: dict[str, Any] = {"image": name}
                    for rule, values in item.labels.maps.items():
                        column = "mask" if "mask" not in row else f"mask_{rule}"
                        shown = np.where(values > 0, np.uint8(255), np.uint8(0)) if rule in masks else values
                        row[column] = _write_map(folder, f"masks/{rule}/{index:06d}", shown, size)
                    records.write(record_text(item) + "\n")
                    rows.append(row | {"pixel_size_nm": size / 10})
                    yield index + 1
            _write_index(folder, rows, table)

    def read(self, path: Path, pixel_size: float | None) -> Iterator[Sample]:
        """Yield the images that ``index.csv`` lists, or without one, all images of the folder."""
        if not path.is_dir():
            raise DatasetError(f"{path} is no folder; give one with images, and index.csv if there are masks.")
        index = path / "index.csv"
        records = read_records(read_text(path / "records.jsonl")) if (path / "records.jsonl").is_file() else []
        rows = _rows(index) if index.is_file() else _listed(path)
        if not rows or "image" not in rows[0]:
            raise DatasetError(f"{path} lists no images; index.csv has the columns image, mask and pixel_size_nm.")
        for number, row in enumerate(rows):
            file = inside(path, row["image"])
            maps = {
                column.removeprefix("mask_") if column != "mask" else _rule_of(name): _mask(inside(path, name))
                for column, name in row.items()
                if column and (column == "mask" or column.startswith("mask_")) and name
            }
            size = tabled_size(row) or pixel_size or pixel_size_of(file)
            yield sample(read_picture(file), maps, size, record_of(records, number), file)


def _write_map(folder: Path, stem: str, values: NDArray[Any], size: float) -> str:
    whole = values.dtype in (np.uint8, np.uint16)
    name = f"{stem}.{'png' if whole else 'tif'}"
    (folder / name).write_bytes(png(values) if whole else tiff(values, size))
    return name


def _write_index(folder: Path, rows: list[dict[str, Any]], table: Any) -> None:
    with (folder / "index.csv").open("w", encoding="utf-8", newline="") as file:
        # columns of the catalog that tell of a rule called mask would be taken for masks
        table = table[[name for name in table.columns if name != "mask" and not name.startswith("mask_")]]
        names = list(dict.fromkeys([name for row in rows for name in row] + list(table.columns)))
        writer = csv.DictWriter(file, names, restval="")
        writer.writeheader()
        for row, columns in zip(rows, table.to_dict("records"), strict=True):
            writer.writerow(columns | row)


def _rows(index: Path) -> list[dict[str, Any]]:
    try:
        return list(csv.DictReader(io.StringIO(read_text(index))))
    except csv.Error as error:
        raise DatasetError(f"{index} cannot be read as a table ({error}).") from None


def _listed(folder: Path) -> list[dict[str, Any]]:
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES)
    return [{"image": path.name} for path in files]


def _rule_of(name: str) -> str:
    parts = Path(name).parts
    return parts[1] if len(parts) == 3 and parts[0] == "masks" else "mask"


def _mask(path: Path) -> NDArray[Any]:
    values = read_picture(path)
    if values.dtype == np.uint8 and set(np.unique(values).tolist()) <= {0, 255}:
        return (values > 0).astype(np.uint8)
    return values if values.dtype in (np.uint8, np.uint16) else values.astype(np.float32)
