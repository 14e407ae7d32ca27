"""HDF5 in the layout of the public benchmarks: one file with ``images`` and ``maps``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import h5py
import numpy as np
from numpy.typing import NDArray

from exitwave.core import DatasetError
from exitwave.core.files import TEMPORARY, cannot_write
from exitwave.dataset.formats.base import (
    LARGEST_IMAGE,
    Format,
    chosen_rule,
    only_shape,
    read_records,
    record_text,
    sample,
)
from exitwave.dataset.formats.kinds import map_kind
from exitwave.dataset.samples import Sample
from exitwave.imaging.calibrations import positive

if TYPE_CHECKING:
    from exitwave.dataset.dataset import Dataset

__all__ = ["Hdf5"]


class Hdf5(Format):
    """One HDF5 file with ``images`` and ``maps``, both (n, y, x), as the public benchmarks are.

    Beside them are all maps as ``labels/RULE``, the records as lines of JSON, and the pixel size as an attribute, Å.

    Parameters
    ----------
    rule
        The rule whose maps are ``maps``; "phase", or the first one, if not given.
    images, maps
        Names of the data sets.

    Source
    ------
    C. K. Groschner et al., Zenodo 3755011 (2020).
    """

    name: ClassVar[str] = "hdf5"
    rule: str | None = None
    images: str = "images"
    maps: str = "maps"

    def write(self, data: Dataset, path: Path) -> Iterator[int]:
        """Write the file."""
        height, width = only_shape(data)
        rule = chosen_rule(data, self.rule, "phase")
        sizes = set(data.column("pixel_size").tolist())
        temporary = path.with_name(f".{path.name}{TEMPORARY}")
        count = len(data)
        try:
            with h5py.File(temporary, "w") as file:
                if len(sizes) == 1:
                    file.attrs["pixel_size"] = sizes.pop()
                options: dict[str, Any] = {"chunks": (1, height, width), "compression": "gzip", "compression_opts": 1}
                file.create_dataset("pixel_sizes", data=data.column("pixel_size"))
                images = file.create_dataset(self.images, (count, height, width), np.float32, **options)
                kinds = {name: map_kind(data, name) for name in data.rules}
                labels = {
                    name: file.create_dataset(f"labels/{name}", (count, height, width), kind, **options)
                    for name, kind in kinds.items()
                }
                labels[rule].attrs["maps"] = True
                file[self.maps] = labels[rule]  # a second name for the same data
                records = file.create_dataset("records", (count,), h5py.string_dtype())
                for index, item in enumerate(data):
                    images[index] = item.image.array
                    for name, values in item.labels.maps.items():
                        if name in labels:
                            labels[name][index] = values
                    records[index] = record_text(item)
                    yield index + 1
            temporary.replace(path)
        except OSError as error:
            raise error if isinstance(error, DatasetError) else cannot_write(path, error) from None
        finally:
            temporary.unlink(missing_ok=True)

    def read(self, path: Path, pixel_size: float | None) -> Iterator[Sample]:
        """Yield the images; maps may have a last axis of one channel, or of two: background and particle."""
        try:
            with h5py.File(path, "r", locking=False) as file:
                yield from self._samples(file, path, pixel_size)
        except DatasetError:
            raise
        except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
            raise DatasetError(f"{path} cannot be read as HDF5 ({str(error).splitlines()[0]}).") from None

    def _samples(self, file: Any, path: Path, pixel_size: float | None) -> Iterator[Sample]:
        images = _local(file, self.images, path)
        names = [name for name in file["labels"] if _is_local(file, f"labels/{name}")] if "labels" in file else []
        maps = {name: _local(file, f"labels/{name}", path) for name in names}
        if not maps and self.maps in file:
            maps = {"maps": _local(file, self.maps, path)}
        records: list[dict[str, Any]] = []
        if "records" in file and _is_local(file, "records"):
            records = read_records("\n".join(line.decode() for line in file["records"][()]))
        sizes = file["pixel_sizes"][()].tolist() if _is_local(file, "pixel_sizes") else []
        told = positive(file.attrs.get("pixel_size")) or pixel_size
        for found in maps.values():
            if len(found) != len(images):
                raise DatasetError(f"{path} holds {len(images)} images and {len(found)} maps.")
        for index in range(len(images)):
            image = images[index]
            yield sample(
                image[..., 0] if image.ndim == 3 else image,
                {name: _map(values[index]) for name, values in maps.items()},
                (positive(sizes[index]) if index < len(sizes) else None) or told,
                records[index] if index < len(records) else {},
                path,
                str(index),
            )


def _map(values: NDArray[Any]) -> NDArray[Any]:
    if values.ndim == 3:
        values = values[..., 0] if values.shape[-1] == 1 else values.argmax(axis=-1)
    if values.dtype in (np.uint8, np.uint16, np.float32):
        return values
    whole = bool((values == np.rint(values)).all()) and 0 <= values.min(initial=0) <= values.max(initial=0) < 65536
    largest = values.max(initial=0)
    return values.astype((np.uint8 if largest < 256 else np.uint16) if whole else np.float32)


def _is_local(file: Any, name: str) -> bool:
    node = file
    for part in name.split("/"):
        if not isinstance(node, h5py.Group) or not isinstance(node.get(part, getlink=True), h5py.HardLink):
            return False
        node = node[part]
    return isinstance(node, h5py.Dataset) and not node.is_virtual and not node.external


def _local(file: Any, name: str, path: Path) -> Any:
    """Return a data set of images that lives in this very file and holds no more than its bytes can."""
    if not _is_local(file, name):
        listed = ", ".join(sorted(file)) or "nothing"
        raise DatasetError(f"{path} holds {listed} and no {name} of its own; name its data sets.")
    found = file[name]
    if found.ndim not in (3, 4) or found.dtype.kind not in "uifb":
        raise DatasetError(f"{name} in {path} is {found.dtype} of shape {found.shape}; it is (n, y, x) and numbers.")
    if int(np.prod(found.shape[1:], dtype=object)) > LARGEST_IMAGE:
        raise DatasetError(f"{name} in {path} claims images of {found.shape[1:]} pixels; that is too many.")
    return found
