"""Zarr: one array of images and one of each label map, an image in a chunk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from exitwave.core import DatasetError
from exitwave.dataset.formats.base import (
    LARGEST_IMAGE,
    Format,
    only_shape,
    optional,
    read_records,
    record_text,
    sample,
)
from exitwave.dataset.formats.base import whole_folder as _whole_folder
from exitwave.dataset.formats.kinds import map_kind
from exitwave.dataset.samples import Sample
from exitwave.imaging.calibrations import positive

if TYPE_CHECKING:
    from exitwave.dataset.dataset import Dataset

__all__ = ["Zarr"]


class Zarr(Format):
    """A Zarr group: ``images`` (n, y, x), ``labels/RULE``, ``pixel_sizes`` in Å, ``records`` as lines of JSON.

    Examples
    --------
    >>> Zarr().name
    'zarr'
    """

    name: ClassVar[str] = "zarr"

    def write(self, data: Dataset, path: Path) -> Iterator[int]:
        """Write the group."""
        zarr = optional("zarr", "zarr", "Zarr")
        height, width = only_shape(data)
        shape, chunks = (len(data), height, width), (1, height, width)
        with _whole_folder(path) as folder:
            group = zarr.create_group(store=str(folder))
            images = group.create_array("images", shape=shape, chunks=chunks, dtype="float32")
            labels = {
                rule: group.create_array(f"labels/{rule}", shape=shape, chunks=chunks, dtype=map_kind(data, rule))
                for rule in data.rules
            }
            sizes = np.asarray(data.column("pixel_size"), float)
            group.create_array("pixel_sizes", shape=sizes.shape, chunks=sizes.shape, dtype="float64")[:] = sizes
            lines = []
            for index, item in enumerate(data):
                images[index] = item.image.array
                for rule, target in labels.items():
                    target[index] = item.labels[rule]
                lines.append(record_text(item))
                yield index + 1
            text = np.frombuffer("\n".join(lines).encode(), np.uint8)
            group.create_array("records", shape=text.shape, chunks=text.shape, dtype="uint8")[:] = text
            group.attrs["made_by"] = "exitwave"

    def read(self, path: Path, pixel_size: float | None) -> Iterator[Sample]:
        """Yield the images of the group."""
        zarr = optional("zarr", "zarr", "Zarr")
        if not path.is_dir():
            raise DatasetError(f"{path} is no folder; give that of a Zarr group.")
        try:
            group = zarr.open_group(store=str(path), mode="r")
            images = group["images"]
            labels = dict(group["labels"].arrays()) if "labels" in group else {}
            sizes = group["pixel_sizes"][:].tolist() if "pixel_sizes" in group else []
            text = group["records"][:].tobytes().decode() if "records" in group else ""
            for array in [images, *labels.values()]:
                _check(array, images.shape[0], path)
            records = read_records(text)
            for index in range(images.shape[0]):
                yield sample(
                    images[index],
                    {rule: values[index] for rule, values in labels.items()},
                    (positive(sizes[index]) if index < len(sizes) else None) or pixel_size,
                    records[index] if index < len(records) else {},
                    path,
                    str(index),
                )
        except DatasetError:
            raise
        except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise DatasetError(f"{path} cannot be read as Zarr ({reason}).") from None


def _check(array: Any, count: int, path: Path) -> None:
    """Refuse what is not a stack of images, or whose pieces are larger than images are."""
    pieces = int(np.prod(array.chunks, dtype=object))
    if array.ndim != 3 or array.shape[0] != count or array.dtype.kind not in "uifb":
        raise DatasetError(f"{path} holds {array.dtype} of shape {array.shape}; images and maps are (n, y, x).")
    if pieces > 8 * LARGEST_IMAGE or int(np.prod(array.shape[1:], dtype=object)) > LARGEST_IMAGE:
        raise DatasetError(f"{path} claims images of {array.shape[1:]} pixels in chunks of {array.chunks}.")
