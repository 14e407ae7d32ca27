"""COCO instances: PNG images and one JSON file of run-length coded particles."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from exitwave.core import DatasetError
from exitwave.dataset.formats.base import (
    Format,
    chosen_rule,
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
from exitwave.imaging.calibrations import positive

if TYPE_CHECKING:
    from exitwave.dataset.dataset import Dataset

__all__ = ["Coco", "from_runs", "runs"]


class Coco(Format):
    """A folder with ``images/`` and ``annotations.json``: COCO instances of the one category ``particle``.

    Masks are compressed run lengths, as pycocotools reads them. Images are 16 bit PNG of counts (TIFF where they are
    no whole numbers). ``images[].pixel_size`` is in Å, ``images[].structure`` names the structure,
    ``annotations[].value`` is what the map holds there.

    Parameters
    ----------
    rule
        The rule whose regions are the instances; "instances", or the first one, if not given. Of a mask (a rule whose
        maps are 0 and 1), the connected regions are; of a map of numbers, all that has one number is one instance.

    Source
    ------
    https://cocodataset.org/#format-data
    """

    name: ClassVar[str] = "coco"
    rule: str | None = None

    def write(self, data: Dataset, path: Path) -> Iterator[int]:
        """Write the folder."""
        rule = chosen_rule(data, self.rule, "instances")
        numbers, kind = numbered(data, rule), map_kind(data, rule)
        structures = data.column("structure_id").tolist()
        images: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []
        with whole_folder(path) as folder:
            (folder / "images").mkdir()
            with (folder / "records.jsonl").open("w", encoding="utf-8") as records:
                for index, item in enumerate(data):
                    counts = compact_counts(item.image.array)
                    whole = counts.dtype == np.uint16
                    name = f"images/{index:06d}.{'png' if whole else 'tif'}"
                    (folder / name).write_bytes(png(counts) if whole else tiff(counts, item.labels.pixel_size))
                    height, width = counts.shape
                    head = {"id": index + 1, "file_name": name, "height": height, "width": width}
                    images.append(head | {"pixel_size": item.labels.pixel_size, "structure": structures[index]})
                    annotations += _annotations(item.labels[rule], numbers, index + 1, len(annotations) + 1)
                    records.write(record_text(item) + "\n")
                    yield index + 1
            content = {
                "info": {"description": "made by exitwave", "rule": rule, "dtype": str(kind)},
                "images": images,
                "annotations": annotations,
                "categories": [{"id": 1, "name": "particle"}],
            }
            (folder / "annotations.json").write_text(json.dumps(content), "utf-8")

    def read(self, path: Path, pixel_size: float | None) -> Iterator[Sample]:
        """Yield the images; regions have their values, else the numbers of their annotations, the last one on top."""
        file = path / "annotations.json" if path.is_dir() else path
        try:
            content = json.loads(read_text(file))
            images, annotations = list(content["images"]), list(content["annotations"])
            of_image: dict[Any, list[Mapping[str, Any]]] = {}
            for item in annotations:
                of_image.setdefault(item["image_id"], []).append(item)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise DatasetError(f"{file} is no COCO file ({error}); it holds images and annotations.") from None
        info = content["info"] if isinstance(content.get("info"), dict) else {}
        rule = self.rule or info.get("rule") or "instances"
        kind = np.uint8 if info.get("dtype") == "uint8" else np.uint16
        kept = file.parent / "records.jsonl"
        records = read_records(read_text(kept)) if kept.is_file() else []
        for index, head in enumerate(images):
            try:
                picture = inside(file.parent, head["file_name"])
                array = read_picture(picture)
                regions = of_image.get(head["id"], [])
                mask = _mask(regions, array.shape).astype(kind)
            except (KeyError, TypeError, ValueError) as error:
                raise DatasetError(f"{file} has an image or region that cannot be read ({error}).") from None
            size = positive(head.get("pixel_size")) or pixel_size or pixel_size_of(picture)
            yield sample(array, {rule: mask}, size, record_of(records, index), picture)


def runs(mask: NDArray[Any]) -> str:
    """Return COCO's compressed run lengths of a mask, columns first, beginning with zeros.

    Examples
    --------
    >>> text = runs(np.array([[0, 1], [1, 1]]))
    >>> from_runs(text, (2, 2)).tolist()
    [[0, 1], [1, 1]]
    """
    flat = np.concatenate([[0], (np.asarray(mask) > 0).ravel(order="F").astype(np.int8), [2]])
    edges = np.flatnonzero(np.diff(flat))
    counts = np.diff(np.concatenate([[0], edges])).tolist()
    out = bytearray()
    for index, count in enumerate(counts):
        rest = count - counts[index - 2] if index > 2 else count
        more = True
        while more:
            bits = rest & 0x1F
            rest >>= 5
            more = rest != (-1 if bits & 0x10 else 0)
            out.append((bits | (0x20 if more else 0)) + 48)
    return out.decode("ascii")


def from_runs(counts: str | Sequence[int], shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Return the mask that run lengths write, compressed or as numbers.

    Raises
    ------
    DatasetError
        If they do not add up to the pixels of the image.
    """
    lengths: list[int] = []
    if isinstance(counts, str):
        value = shift = 0
        for letter in counts.encode("ascii", "replace"):
            bits = letter - 48
            value |= (bits & 0x1F) << shift
            shift += 5
            if not bits & 0x20:
                if bits & 0x10:
                    value |= -1 << shift
                lengths.append(value + (lengths[-2] if len(lengths) > 2 else 0))
                value = shift = 0
            elif shift > 60:
                raise DatasetError("run lengths are damaged; they are those of COCO.")
    else:
        lengths = [int(count) for count in counts]
    if sum(lengths) != shape[0] * shape[1] or min(lengths, default=0) < 0:
        raise DatasetError(f"run lengths add up to {sum(lengths)} pixels, the image has {shape[0] * shape[1]}.")
    values = np.arange(len(lengths), dtype=np.int64) % 2
    return np.repeat(values, lengths).astype(np.uint8).reshape(shape, order="F")


def _annotations(regions: NDArray[Any], numbers: bool, image: int, first: int) -> list[dict[str, Any]]:
    from scipy.ndimage import label

    parts = regions if numbers else label(regions)[0]
    found: list[dict[str, Any]] = []
    for number in np.unique(parts[parts > 0]).tolist():
        mask = parts == number
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        top, left = int(rows[0]), int(columns[0])
        found.append(
            {
                "id": first + len(found),
                "image_id": image,
                "category_id": 1,
                "iscrowd": 0,
                "value": number if numbers else 1,
                "area": int(mask.sum()),
                "bbox": [left, top, int(columns[-1]) - left + 1, int(rows[-1]) - top + 1],
                "segmentation": {"size": list(mask.shape), "counts": runs(mask)},
            }
        )
    return found


def _mask(regions: Sequence[Mapping[str, Any]], shape: tuple[int, ...]) -> NDArray[np.uint16]:
    largest = np.iinfo(np.uint16).max
    if len(regions) > largest:
        raise DatasetError(f"an image has {len(regions)} regions; up to {largest} are read.")
    mask = np.zeros(shape, np.uint16)
    for number, region in enumerate(regions, start=1):
        told, item = region.get("value"), region["segmentation"]
        value = told if type(told) is int and 0 < told <= largest else number
        if isinstance(item, Mapping):
            mask[from_runs(item["counts"], (shape[0], shape[1])) > 0] = value
        else:
            for polygon in item:
                _fill(mask, np.asarray(polygon, float).reshape(-1, 2), value)
    return mask


def _fill(mask: NDArray[np.uint16], corners: NDArray[np.float64], number: int) -> None:
    """Give ``number`` to the pixels whose centres lie in a polygon; (0, 0) is the first pixel's corner."""
    from matplotlib.path import Path as Outline

    low = np.clip(np.floor(corners.min(axis=0)).astype(int), 0, mask.shape[::-1])
    high = np.clip(np.ceil(corners.max(axis=0)).astype(int), 0, mask.shape[::-1])
    x, y = np.meshgrid(np.arange(low[0], high[0]) + 0.5, np.arange(low[1], high[1]) + 0.5)
    within = Outline(corners).contains_points(np.column_stack([x.ravel(), y.ravel()])).reshape(x.shape)
    mask[low[1] : high[1], low[0] : high[0]][within] = number
