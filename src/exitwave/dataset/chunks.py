"""Packed pieces of arrays, read past HDF5: it tells once where they are, the rest is one read of a file."""

from __future__ import annotations

import os
import zlib
from dataclasses import dataclass
from typing import Any, Self

import h5py
import numpy as np
from numpy.typing import NDArray

__all__ = ["Chunks", "fletcher32"]

_PACKED = (h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_FLETCHER32)
_SUM = 4  # bytes of a chunk's checksum
_BLOCK = 1 << 16  # words that are summed at once: their weighted sum stays below 2⁶⁴
_WEIGHTS = np.arange(_BLOCK, 0, -1, dtype=np.uint64)


@dataclass(frozen=True)
class Chunks:
    """Where the items of one array are in their file: each is a chunk of its own, or the whole array is one chunk.

    Parameters
    ----------
    shape
        Of the array.
    kind
        Of its numbers, as numpy writes it.
    whole
        Whether the array is one chunk.
    places
        Offset and size of each chunk, bytes.
    """

    shape: tuple[int, ...]
    kind: str
    whole: bool
    places: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, dataset: h5py.h5d.DatasetID, properties: h5py.h5p.PropDCID, kind: str) -> Self | None:
        """Return the chunks of an HDF5 data set, or None where HDF5 has to read it."""
        filters = tuple(properties.get_filter(number)[0] for number in range(properties.get_nfilters()))
        if filters != _PACKED or not hasattr(os, "pread") or not hasattr(dataset, "chunk_iter"):
            return None
        shape, chunk = dataset.shape, properties.get_chunk()
        whole = chunk == shape
        if not whole and chunk != (1, *shape[1:]):
            return None
        found: dict[int, tuple[int, int]] = {}
        masks: set[int] = set()

        def keep(info: Any) -> None:
            found[0 if whole else int(info.chunk_offset[0])] = int(info.byte_offset), int(info.size)
            masks.add(int(info.filter_mask))

        dataset.chunk_iter(keep)
        count = 1 if whole else shape[0]
        if masks - {0} or sorted(found) != list(range(count)):  # a chunk that was not packed, or never written
            return None
        return cls(shape, kind, whole, tuple(found[number] for number in range(count)))

    def read(self, file: int, item: int | None = None) -> NDArray[Any]:
        """Return the array, or one item of it, from an open file.

        Raises
        ------
        ValueError
            If its bytes do not match their checksum or its shape.
        """
        if item is not None and not 0 <= item < self.shape[0]:
            raise ValueError(f"it has no item {item}")
        if self.whole:
            values = self._unpacked(file, *self.places[0]).reshape(self.shape)
            return values if item is None else values[item]
        if item is not None:
            return self._unpacked(file, *self.places[item]).reshape(self.shape[1:])
        out = np.empty(self.shape, self.kind)
        for number, place in enumerate(self.places):
            out[number] = self._unpacked(file, *place).reshape(self.shape[1:])
        return out

    def _unpacked(self, file: int, offset: int, size: int) -> NDArray[Any]:
        packed = os.pread(file, size, offset)
        if len(packed) != size or size <= _SUM:
            raise ValueError("it is truncated")
        body = memoryview(packed)[:-_SUM]
        if fletcher32(body) != int.from_bytes(packed[-_SUM:], "little"):
            raise ValueError("its bytes do not match their checksum")
        kind = np.dtype(self.kind)
        shape = self.shape if self.whole else self.shape[1:]
        wanted = kind.itemsize * int(np.prod(shape))
        unpacker = zlib.decompressobj()
        try:
            raw = unpacker.decompress(body, wanted)
        except zlib.error as error:
            raise ValueError(f"it cannot be unpacked: {error}") from None
        if len(raw) != wanted or unpacker.decompress(unpacker.unconsumed_tail, 1) or not unpacker.eof:
            raise ValueError("its bytes do not match its shape")
        return _ordered(np.frombuffer(raw, np.uint8).reshape(kind.itemsize, -1), kind)


def fletcher32(data: bytes | memoryview) -> int:
    """Return the Fletcher checksum of HDF5: two sums of big-endian 16-bit words, each modulo 65 535.

    Examples
    --------
    >>> hex(fletcher32(b"abcdef"))
    '0x50562a2d'
    """
    even = len(data) & ~1
    words = np.frombuffer(data[:even], ">u2").astype(np.uint64)
    if len(data) > even:
        words = np.append(words, np.uint64(data[even] << 8))
    plain = weighted = 0
    for start in range(0, len(words), _BLOCK):
        block = words[start : start + _BLOCK]
        weighted += plain * len(block) + int(np.dot(block, _WEIGHTS[-len(block) :]))
        plain += int(block.sum())
    return _folded(weighted) << 16 | _folded(plain)


def _folded(total: int) -> int:
    """Return a sum modulo 65 535 as HDF5 writes it: zero only for nothing but zeros."""
    return (total - 1) % 65535 + 1 if total else 0


def _ordered(planes: NDArray[np.uint8], kind: np.dtype[Any]) -> NDArray[Any]:
    """Return numbers whose first bytes, second bytes … stand together (little-endian), as an array of its own."""
    if kind.itemsize == 1:
        return np.array(planes[0])
    out: NDArray[Any] = np.left_shift(planes[-1], 8 * (kind.itemsize - 1), dtype=f"<u{kind.itemsize}")
    for number, plane in enumerate(planes[:-1]):
        out |= np.left_shift(plane, 8 * number, dtype=out.dtype) if number else plane
    return out.view(kind)
