"""Shards: what goes in comes out, and what is damaged or hostile is refused by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from exitwave.core import DatasetError, ShardCorruptError
from exitwave.dataset.shards import Shard, ShardWriter, shard_name, shard_number

GENERATOR = np.random.default_rng(5)
ARRAYS: dict[str, Any] = {
    "images": GENERATOR.poisson(16, (3, 20, 24)).astype(np.uint16),
    "labels/phase": (GENERATOR.random((20, 24)) > 0.5).astype(np.uint8),
    "labels/projected": GENERATOR.random((20, 24)).astype(np.float32),
    "waves/array": (GENERATOR.random((2, 20, 24)) + 1j * GENERATOR.random((2, 20, 24))).astype(np.complex64),
}


def write(path: Path, structures: int = 2, arrays: dict[str, Any] = ARRAYS) -> str:
    with ShardWriter(path) as writer:
        for index in range(structures):
            writer.add({"index": index, "record": {"x": 0.1 * index}, "images": [], "failures": []}, arrays)
        return writer.commit(seconds={"scatter": 1.5})


def test_names_and_numbers() -> None:
    assert shard_name(3) == "000003.h5"
    assert shard_number("1234567.h5") == 1234567
    for name in ("3.h5", ".000003.h5.12.tmp", "000003.h5.tmp", "recipe.yaml", "-00003.h5"):
        assert shard_number(name) is None


def test_what_goes_in_comes_out_bit_for_bit(tmp_path: Path) -> None:
    path = tmp_path / "000000.h5"
    checksum = write(path)
    assert [item.name for item in tmp_path.iterdir()] == ["000000.h5"]
    with Shard(path) as shard:
        shard.verify()
        assert shard.checksum == checksum
        assert shard.notes["seconds"] == {"scatter": 1.5}
        assert shard.entry(1)["record"] == {"x": 0.1}
        for name, values in ARRAYS.items():
            found = shard.read(1, name)
            assert found.dtype == values.dtype
            assert np.array_equal(found, values)
        assert np.array_equal(shard.read(0, "images", 2), ARRAYS["images"][2])


def test_equal_content_has_an_equal_checksum_whatever_the_layout(tmp_path: Path) -> None:
    checksum = write(tmp_path / "000000.h5")
    with h5py.File(tmp_path / "000000.h5") as old, h5py.File(tmp_path / "000001.h5", "w") as new:
        for index in (1, 0):  # another order, no compression
            for name in reversed(ARRAYS):
                key = f"structures/{index:09d}/{name}"
                new[key] = old[key][()]
        new["records"] = old["records"][()]
        new.attrs.update(old.attrs)
    assert (tmp_path / "000000.h5").stat().st_size != (tmp_path / "000001.h5").stat().st_size
    with Shard(tmp_path / "000001.h5") as shard:
        shard.verify()
        assert shard.checksum == checksum
    assert write(tmp_path / "000002.h5", 1) != checksum


def test_empty_structures_and_empty_shards(tmp_path: Path) -> None:
    write(tmp_path / "000000.h5", arrays={})
    write(tmp_path / "000001.h5", structures=0)
    for number in range(2):
        with Shard(tmp_path / shard_name(number)) as shard:
            shard.verify()


def test_floats_are_refused_where_they_are_not_exact(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="float64"):
        write(tmp_path / "000000.h5", arrays={"images": np.zeros((1, 2, 2))})
    assert not list(tmp_path.iterdir())


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"000007\.h5 is missing"):
        Shard(tmp_path / "000007.h5")


def outside(file: h5py.File) -> None:
    del file["structures/000000000/images"]
    file["structures/000000000/images"] = h5py.ExternalLink("other.h5", "/secret")


def soft(file: h5py.File) -> None:
    del file["structures/000000000/images"]
    file["structures/000000000/images"] = h5py.SoftLink("/records")


def raw(file: h5py.File) -> None:
    del file["structures/000000000/images"]
    file.create_dataset(
        "structures/000000000/images", (3, 20, 24), np.uint8, external=[("/etc/passwd", 0, h5py.h5f.UNLIMITED)]
    )


def virtual(file: h5py.File) -> None:
    del file["structures/000000000/images"]
    layout = h5py.VirtualLayout((3, 20, 24), np.uint16)
    layout[:] = h5py.VirtualSource("other.h5", "secret", (3, 20, 24))
    file.create_virtual_dataset("structures/000000000/images", layout)


def bomb(file: h5py.File) -> None:
    del file["structures/000000000/images"]
    file.create_dataset("structures/000000000/images", (1, 10**6, 10**6), np.uint16, chunks=(1, 1000, 1000))


def objects(file: h5py.File) -> None:
    del file["structures/000000000/images"]
    file.create_dataset("structures/000000000/images", data=["text"], dtype=h5py.string_dtype())


def records_of(text: str) -> Callable[[h5py.File], None]:
    def attack(file: h5py.File) -> None:
        del file["records"]
        file["records"] = np.frombuffer(text.encode(), np.uint8)

    return attack


@pytest.mark.parametrize("attack", [outside, soft, raw, virtual, bomb, objects])
def test_hostile_arrays_are_refused(tmp_path: Path, attack: Callable[[h5py.File], None]) -> None:
    path = tmp_path / "000000.h5"
    write(path)
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["secret"] = np.ones((3, 20, 24), np.uint16)
    with h5py.File(path, "a") as file:
        attack(file)
    with Shard(path) as shard, pytest.raises(ShardCorruptError, match=r"000000\.h5 is damaged"):
        shard.read(0, "images")


@pytest.mark.parametrize("text", ["{}", "[1]", "[" * 100_000, "nonsense", '[{"index": NaN}]', '[{"no": 1}]'])
def test_hostile_records_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "000000.h5"
    write(path)
    with h5py.File(path, "a") as file:
        records_of(text)(file)
    with Shard(path) as shard, pytest.raises(ShardCorruptError, match=r"000000\.h5 is damaged"):
        shard.entry(0)


def test_another_hdf5_file_is_no_shard(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "000000.h5", "w") as file:
        file["x"] = 1
    with pytest.raises(ShardCorruptError, match="not an exitwave shard"):
        Shard(tmp_path / "000000.h5")


def test_a_newer_version_is_refused_kindly(tmp_path: Path) -> None:
    write(tmp_path / "000000.h5")
    with h5py.File(tmp_path / "000000.h5", "a") as file:
        file.attrs["version"] = 2
    with pytest.raises(DatasetError, match="update exitwave"):
        Shard(tmp_path / "000000.h5")


def test_truncation_at_any_length_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "000000.h5"
    write(path)
    whole = path.read_bytes()
    for length in [*range(0, 200, 7), *range(200, len(whole), 997), len(whole) - 1]:
        path.write_bytes(whole[:length])
        with pytest.raises(ShardCorruptError, match=r"000000\.h5"), Shard(path) as shard:
            shard.verify()


def test_a_flipped_byte_is_noticed_or_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "000000.h5"
    write(path)
    whole = path.read_bytes()
    noticed = 0
    positions = GENERATOR.choice(len(whole), 250, replace=False)
    for position in positions:
        damaged = bytearray(whole)
        damaged[position] ^= 1 << int(GENERATOR.integers(8))
        path.write_bytes(damaged)
        try:
            with Shard(path) as shard:
                shard.verify()
                assert all(np.array_equal(shard.read(1, name), values) for name, values in ARRAYS.items())
        except ShardCorruptError as error:
            noticed += "000000.h5" in str(error)
    assert noticed > 100  # the rest is HDF5's unused space
