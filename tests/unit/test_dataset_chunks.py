"""Arrays read past HDF5 are those that HDF5 reads, and damage is seen."""

from __future__ import annotations

import os
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from exitwave.dataset.chunks import Chunks

KINDS = ["u1", "<u2", "<u4", "<f4"]


def chunks_of(dataset: h5py.Dataset) -> Chunks | None:
    return Chunks.of(dataset.id, dataset.id.get_create_plist(), dataset.dtype.str)


@settings(max_examples=40)
@given(st.data(), st.sampled_from(KINDS), array_shapes(min_dims=1, max_dims=4, max_side=6), st.booleans())
def test_what_hdf5_wrote_is_read(data: st.DataObject, kind: str, shape: tuple[int, ...], whole: bool) -> None:
    values = data.draw(arrays(np.dtype(kind), shape))
    with h5py.File("memory", "w", driver="core", backing_store=False, libver=("v110", "v110")) as file:
        chunk = shape if whole else (1, *shape[1:])
        packed = file.create_dataset("x", data=values, chunks=chunk, shuffle=True, fletcher32=True, compression=1)
        file.flush()
        found = chunks_of(packed)
        image = file.id.get_file_image()
    assert found is not None
    handle = os.memfd_create("file")
    try:
        os.write(handle, image)
        assert found.read(handle).tobytes() == values.tobytes()
        assert found.read(handle).shape == shape
        assert found.read(handle, shape[0] - 1).tobytes() == values[-1].tobytes()
    finally:
        os.close(handle)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "x.h5"
    counts = np.random.default_rng(1).poisson(9, (3, 200, 300)).astype(np.uint16)  # more words than one block of sums
    with h5py.File(path, "w") as out:
        out.create_dataset("x", data=counts, chunks=(1, 200, 300), shuffle=True, fletcher32=True, compression=1)
        out.create_dataset("plain", data=counts, chunks=(1, 200, 300))
        out.create_dataset("tiles", data=counts, chunks=(1, 100, 300), shuffle=True, fletcher32=True, compression=1)
        out.create_dataset("empty", (3, 8, 8), "u1", chunks=(1, 8, 8), shuffle=True, fletcher32=True, compression=1)
    return path


def test_any_bit_that_differs_is_seen(file: Path) -> None:
    with h5py.File(file) as source:
        found, values = chunks_of(source["x"]), source["x"][()]
    assert found is not None
    whole = bytearray(file.read_bytes())
    offset, size = found.places[1]
    for place in (offset, offset + size // 2, offset + size - 5, offset + size - 1):
        damaged = whole.copy()
        damaged[place] ^= 4
        file.write_bytes(damaged)
        with file.open("rb") as handle:
            assert np.array_equal(found.read(handle.fileno(), 2), values[2])
            with pytest.raises(ValueError, match="do not match their checksum"):
                found.read(handle.fileno(), 1)
    file.write_bytes(whole[: offset + 10])
    with file.open("rb") as handle, pytest.raises(ValueError, match="truncated"):
        found.read(handle.fileno(), 1)


@pytest.mark.parametrize("shape", [(3, 200, 299), (3, 200, 301)])
def test_more_or_less_than_the_shape_is_refused(file: Path, shape: tuple[int, ...]) -> None:
    with h5py.File(file) as source:
        found = chunks_of(source["x"])
    assert found is not None
    false = Chunks(shape, found.kind, found.whole, found.places)
    with file.open("rb") as handle, pytest.raises(ValueError, match="do not match its shape"):
        false.read(handle.fileno(), 0)
    with file.open("rb") as handle, pytest.raises(ValueError, match="no item 3"):
        found.read(handle.fileno(), 3)


def test_what_is_stored_otherwise_is_left_to_hdf5(file: Path) -> None:
    with h5py.File(file) as source:
        assert [chunks_of(source[name]) for name in ("plain", "tiles", "empty")] == [None] * 3
