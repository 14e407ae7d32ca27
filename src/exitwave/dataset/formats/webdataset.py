"""WebDataset: tar files of samples that PyTorch streams."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from exitwave.core import DatasetError, Number
from exitwave.dataset.formats.base import LARGEST_IMAGE, Format, from_npy, npy, sample, whole_folder
from exitwave.dataset.samples import Sample, compact_counts
from exitwave.imaging.calibrations import positive

if TYPE_CHECKING:
    from exitwave.dataset.dataset import Dataset

__all__ = ["WebDataset"]

_LARGEST_MEMBER = 8 * LARGEST_IMAGE + 4096


class WebDataset(Format):
    """A folder of tar files; a sample is ``KEY.image.npy``, ``KEY.RULE.npy`` for each rule, and ``KEY.json``.

    ``webdataset.WebDataset("folder/{000000..000003}.tar").decode()`` gives arrays and the record.

    Parameters
    ----------
    images_per_file
        Samples in one tar file.
    """

    name: ClassVar[str] = "webdataset"
    images_per_file: Annotated[
        int, Number("a number of images", at_least=1, at_most=1_000_000, whole=True, fixed=True)
    ] = 1000

    def write(self, data: Dataset, path: Path) -> Iterator[int]:
        """Write the folder."""
        with whole_folder(path) as folder:
            for start in range(0, len(data), self.images_per_file):
                with tarfile.open(folder / f"{start // self.images_per_file:06d}.tar", "w") as archive:
                    for index in range(start, min(start + self.images_per_file, len(data))):
                        item = data[index]
                        key = f"{index:09d}"
                        note = {"pixel_size": item.labels.pixel_size, "record": dict(item.record)}
                        _add(archive, f"{key}.image.npy", npy(compact_counts(item.image.array)))
                        for rule, values in item.labels.maps.items():
                            _add(archive, f"{key}.{rule}.npy", npy(values))
                        _add(archive, f"{key}.json", json.dumps(note, ensure_ascii=False).encode())
                        yield index + 1

    def read(self, path: Path, pixel_size: float | None) -> Iterator[Sample]:
        """Yield the samples of the tar files in a folder, or of one tar file."""
        files = sorted(path.glob("*.tar")) if path.is_dir() else [path]
        if not files or not files[0].is_file():
            raise DatasetError(f"{path} holds no tar files; give a WebDataset's folder or one of its files.")
        for file in files:
            try:
                # members are read, never unpacked: their names reach no file system
                with tarfile.open(file, "r:") as archive:
                    for key, parts in _grouped(archive, file):
                        yield _sample(parts, pixel_size, file, key)
            except (tarfile.TarError, OSError, ValueError) as error:
                if isinstance(error, DatasetError):
                    raise
                raise DatasetError(f"{file} cannot be read as tar ({error}).") from None


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


def _grouped(archive: tarfile.TarFile, file: Path) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Yield key and parts of each sample; its members stand together."""
    key, parts = "", dict[str, bytes]()
    for member in archive:
        if not member.isfile():
            continue
        if member.size > _LARGEST_MEMBER:
            raise DatasetError(f"{file} holds {member.name} of {member.size} bytes; that is too large.")
        stem, _, suffix = member.name.partition(".")
        if stem != key and parts:
            yield key, parts
            parts = {}
        key = stem
        content = archive.extractfile(member)
        parts[suffix] = content.read() if content is not None else b""
    if parts:
        yield key, parts


def _sample(parts: dict[str, bytes], pixel_size: float | None, file: Path, key: str) -> Sample:
    arrays = {
        name.removesuffix(".npy"): from_npy(content, f"{key}.{name} in {file}")
        for name, content in parts.items()
        if name.endswith(".npy")
    }
    if "image" not in arrays:
        raise DatasetError(f"{key} in {file} has no image.npy, which every sample needs.")
    note: Any = json.loads(parts.get("json", b"{}"))
    note = note if isinstance(note, dict) else {}
    record = note.get("record")
    image = arrays.pop("image")
    size = positive(note.get("pixel_size")) or pixel_size
    return sample(image, arrays, size, record if isinstance(record, dict) else {}, file, key)
