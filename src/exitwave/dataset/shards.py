"""The shard: one HDF5 file with a run of structures, written whole by one writer, checked when read."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import secrets
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import h5py
import numpy as np
from numpy.typing import NDArray

from exitwave.core import DatasetError, ShardCorruptError, canonical_json
from exitwave.core.files import write_whole
from exitwave.dataset.chunks import Chunks

__all__ = ["Shard", "ShardWriter", "shard_name", "shard_number"]

FORMAT = "exitwave shard"
VERSION = 1
_LARGEST_ARRAY = 8 << 30  # bytes of one array
_LARGEST_RECORDS = 256 << 20  # bytes of the records of one shard
_EXPANSION = 1100  # deflate packs at most 1032 : 1, so a larger promise is false
_KINDS = {"|u1", "<u2", "<u4", "<f4"}
_FILTERS = {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32, h5py.h5z.FILTER_LZF}


def shard_name(number: int) -> str:
    """Return the file name of shard ``number``.

    Examples
    --------
    >>> shard_name(17), shard_number("000017.h5")
    ('000017.h5', 17)
    """
    return f"{number:06d}.h5"


def shard_number(name: str) -> int | None:
    """Return the number of the shard called ``name``, or None if it is not a shard's name."""
    stem, _, suffix = name.partition(".")
    return int(stem) if suffix == "h5" and stem.isdecimal() and len(stem) >= 6 else None


class ShardWriter:
    """Gathers a shard in memory and commits it in one rename.

    HDF5 builds the file in memory and Python writes it, because HDF5 itself ends the process with a
    segmentation fault when a disk is full.

    Parameters
    ----------
    path
        Where the shard is to be.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = h5py.File(
            f"{path.name}-{secrets.token_hex(8)}",
            "w",
            driver="core",
            backing_store=False,
            block_size=1 << 22,
            libver=("v110", "v110"),
        )
        self._entries: list[dict[str, Any]] = []
        self._sum = _Checksum()

    def add(self, entry: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
        """Add one structure.

        Parameters
        ----------
        entry
            Plain data: the structure's "index", record, images, columns and failures.
        arrays
            Its arrays by name: "images" (n, y, x), "labels/…" (y, x), "waves/…" complex64 (configurations, y, x).
        """
        plain = dict(entry) | {"arrays": sorted(arrays)}
        self._sum.add_entry(plain)
        self._entries.append(plain)
        for name in sorted(arrays):
            values = _stored(arrays[name])
            self._sum.add_array(name, values)
            chunk = values.shape if name.startswith("labels/") else (1, *values.shape[1:])
            fast = name.startswith("waves/")
            self._file.create_dataset(
                f"structures/{plain['index']:09d}/{name}",
                data=values,
                chunks=chunk if values.size else None,
                shuffle=values.size > 0,
                fletcher32=values.size > 0,
                compression=("lzf" if fast else "gzip") if values.size else None,
                compression_opts=None if fast or not values.size else 1,
            )

    def commit(self, **notes: Any) -> str:
        """Write the shard and return its checksum; ``notes`` (timings, versions) are kept beside it, unsummed."""
        records = np.frombuffer(canonical_json(self._entries).encode(), np.uint8)
        self._file.create_dataset(
            "records", data=records, chunks=records.shape, shuffle=False, fletcher32=True, compression="gzip"
        )
        checksum = self._sum.hexdigest()
        attributes = self._file.attrs
        attributes["format"], attributes["version"], attributes["checksum"] = FORMAT, VERSION, checksum
        attributes["notes"] = canonical_json(notes)
        self._file.flush()
        image = self._file.id.get_file_image()
        self.close()
        write_whole(self.path, image)
        return checksum

    def close(self) -> None:
        """Let go of the memory; what is not committed is lost."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Shard:
    """A shard opened for reading; every array is checked before it is read.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    ShardCorruptError
        If the file is truncated, damaged or no shard; the sentence names the file.
    DatasetError
        If there is no such file or it may not be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._chunks: dict[str, Chunks | None] = {}
        with self._checked():
            # nothing is read twice from an open shard, so chunks that are kept would only cost memory
            self._file = h5py.File(path, "r", locking=False, rdcc_nbytes=0)
            try:
                attributes = self._file.attrs
                if attributes.get("format") != FORMAT:
                    raise ValueError("it is not an exitwave shard")
                if (version := int(attributes["version"])) > VERSION:
                    raise DatasetError(
                        f"{path} is of version {version}, this reads up to {VERSION}; update exitwave."
                    )
                self.checksum = str(attributes["checksum"])
                self._handle = int(self._file.id.get_vfd_handle())
                self._size = os.fstat(self._handle).st_size
            except BaseException:
                self._file.close()
                raise

    @cached_property
    def notes(self) -> dict[str, Any]:
        """What is kept beside the content: seconds by stage, the software, the kind of device."""
        with self._checked():
            notes: dict[str, Any] = _json(str(self._file.attrs["notes"]))
            return notes

    @cached_property
    def entries(self) -> list[dict[str, Any]]:
        """The structures: plain data, one mapping each."""
        with self._checked():
            _safe(self._file, "records", min(_LARGEST_RECORDS, self._size * _EXPANSION))
            data = _json(self._file["records"][()].tobytes().decode("utf-8"))
            if not isinstance(data, list) or not all(isinstance(item, dict) for item in data):
                raise ValueError("its records are not a list of structures")
            return data

    @cached_property
    def positions(self) -> dict[int, int]:
        """Where in ``entries`` each structure index stands."""
        with self._checked():
            return {int(entry["index"]): position for position, entry in enumerate(self.entries)}

    def entry(self, index: int) -> dict[str, Any]:
        """Return the entry of structure ``index``."""
        with self._checked():
            return self.entries[self.positions[index]]

    def read(self, index: int, name: str, row: int | None = None) -> NDArray[Any]:
        """Return an array of structure ``index`` (or its item ``row`` alone).

        Parameters
        ----------
        index
            Structure index.
        name
            "images", "labels/phase", "waves/array", …
        row
            Position along the first axis.
        """
        with self._checked():
            values = self._array(f"structures/{index:09d}/{name}", row)
        return values.view(np.complex64)[..., 0] if name.startswith("waves/") else values

    def has(self, index: int, name: str) -> bool:
        """Return whether structure ``index`` has the array ``name``."""
        return name in self.entry(index).get("arrays", ())

    def verify(self) -> None:
        """Read everything and compare it with the checksum.

        Raises
        ------
        ShardCorruptError
            If a bit differs.
        """
        total = _Checksum()
        with self._checked():
            for entry in self.entries:
                total.add_entry(entry)
                for name in entry["arrays"]:
                    total.add_array(name, self._array(f"structures/{entry['index']:09d}/{name}"))
            if total.hexdigest() != self.checksum:
                raise ValueError("its content does not match its checksum")

    def close(self) -> None:
        """Close the file."""
        self._chunks.clear()
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _array(self, path: str, row: int | None = None) -> NDArray[Any]:
        if path not in self._chunks:
            self._chunks[path] = Chunks.of(*_safe(self._file, path, min(_LARGEST_ARRAY, self._size * _EXPANSION)))
        chunks = self._chunks[path]
        if chunks is not None:
            return chunks.read(self._handle, row)
        values: NDArray[Any] = self._file[path][() if row is None else row]
        return values

    @contextlib.contextmanager
    def _checked(self) -> Iterator[None]:
        try:
            yield
        except DatasetError:
            raise
        except FileNotFoundError:
            raise DatasetError(
                f"{self.path} is missing; run the data set's generate again to make it anew."
            ) from None
        except PermissionError:
            raise DatasetError(f"{self.path} may not be read; change its permissions.") from None
        except (OSError, RuntimeError, ValueError, KeyError, TypeError, RecursionError, AttributeError) as error:
            reason = str(error).strip("'\"").split("\n")[0] or type(error).__name__
            raise ShardCorruptError(
                f"{self.path} is damaged ({reason}); run the data set's generate or doctor --repair to make it anew."
            ) from None


class _Checksum:
    """BLAKE2b over content in a fixed order, whatever the layout of the file."""

    def __init__(self) -> None:
        self._hash = hashlib.blake2b(FORMAT.encode(), digest_size=16)

    def add_entry(self, entry: Mapping[str, Any]) -> None:
        text = canonical_json(entry).encode()
        self._hash.update(f"entry {len(text)}\n".encode() + text)

    def add_array(self, name: str, values: NDArray[Any]) -> None:
        head = f"array {name} {values.dtype.str} {list(values.shape)}\n"
        self._hash.update(head.encode())
        self._hash.update(np.ascontiguousarray(values).data.cast("B") if values.size else b"")

    def hexdigest(self) -> str:
        return self._hash.hexdigest()


def _stored(values: NDArray[Any]) -> NDArray[Any]:
    """Return an array as it is stored: little-endian, complex numbers as pairs along a last axis."""
    values = np.ascontiguousarray(values)
    if values.dtype == np.complex64:
        values = values.view(np.float32).reshape(*values.shape, 2)
    if values.dtype.str not in _KINDS:
        raise TypeError(f"a shard stores uint8, uint16, uint32, float32 and complex64, not {values.dtype}.")
    return values


def _safe(file: h5py.File, path: str, limit: int) -> tuple[h5py.h5d.DatasetID, h5py.h5p.PropDCID, str]:
    """Return an array of this very file, as large as its bytes can be, how it is stored, its type."""
    place = ""
    for part in path.split("/"):
        # by the low-level interface, as this is most of what a random read costs beside its bytes
        place = f"{place}/{part}" if place else part
        try:
            kind = file.id.links.get_info(place.encode()).type
        except (KeyError, RuntimeError):
            kind = None
        if kind != h5py.h5l.TYPE_HARD:
            raise ValueError(f"{path} is missing")
    node = h5py.h5o.open(file.id, path.encode())
    if not isinstance(node, h5py.h5d.DatasetID):
        raise ValueError(f"{path} is not an array")
    properties = node.get_create_plist()
    if properties.get_layout() == h5py.h5d.VIRTUAL or properties.get_external_count():
        raise ValueError(f"{path} is not stored in this file")
    kind, shape = np.dtype(node.dtype), node.shape
    if kind.str not in _KINDS or len(shape) > 4:
        raise ValueError(f"{path} holds {kind} in {len(shape)} dimensions")
    size = kind.itemsize * math.prod(shape)
    filters = {properties.get_filter(number)[0] for number in range(properties.get_nfilters())}
    if not filters <= _FILTERS:
        raise ValueError(f"{path} is packed in an unknown way")
    if size > limit or size > _EXPANSION * (node.get_storage_size() + 1):
        raise ValueError(f"{path} claims {size} bytes, more than the file can hold")
    return node, properties, kind.str


def _json(text: str) -> Any:
    def refuse(constant: str) -> None:
        raise ValueError(f"its records hold {constant}")

    return json.loads(text, parse_constant=refuse)
