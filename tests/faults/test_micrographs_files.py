"""Bad files: one sentence each, never a traceback of a reader and never half an image."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from exitwave.core import MicrographError
from exitwave.micrographs import frames, read

SHARED = Path(__file__).parents[2].parent / "shared" / "microscope-files"
FILES = sorted(SHARED.iterdir()) if SHARED.is_dir() else []
IMAGE = (np.random.default_rng(3).random((48, 64)) * 4000).astype(np.uint16)


def sentence(error: pytest.ExceptionInfo[MicrographError]) -> str:
    text = str(error.value)
    assert "\n" not in text
    assert text.endswith((".", ").")), text
    assert ";" in text, f"nothing says how to mend it: {text}"
    return text


@pytest.mark.skipif(not FILES, reason="the microscopes' files are not in ../shared")
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
@pytest.mark.filterwarnings("ignore::exitwave.micrographs.files.CalibrationWarning")
def test_a_truncated_file_is_refused_or_whole(file: Path, tmp_path: Path) -> None:
    content = file.read_bytes()
    try:
        whole = list(frames(file))
    except MicrographError:
        whole = []
    copy = tmp_path / file.name
    for part in (0.001, 0.1, 0.9, 0.999):
        copy.write_bytes(content[: int(len(content) * part)])
        try:
            got = list(frames(copy))
        except MicrographError:
            continue
        assert len(got) == len(whole)
        for one, other in zip(got, whole, strict=True):
            np.testing.assert_array_equal(one.array, other.array)
            assert one.pixel_size == other.pixel_size


@pytest.mark.skipif(not FILES, reason="the microscopes' files are not in ../shared")
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
@pytest.mark.filterwarnings("ignore::exitwave.micrographs.files.CalibrationWarning")
def test_a_damaged_header_is_refused_or_read(file: Path, tmp_path: Path) -> None:
    content = np.frombuffer(file.read_bytes(), np.uint8)
    draw = np.random.default_rng(5)
    copy = tmp_path / file.name
    for _ in range(4):
        bad = content.copy()
        bad[draw.integers(8, min(bad.size, 3000), 12)] = draw.integers(0, 256, 12)
        copy.write_bytes(bad.tobytes())
        try:
            images = list(frames(copy))
        except MicrographError:
            continue
        assert all(image.array.ndim == 2 for image in images)


@pytest.mark.parametrize(
    "name", ["image.dm4", "image.dm3", "image.tif", "image.emd", "image.png", "image.xyz", "image"]
)
def test_garbage(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.write_bytes(np.random.default_rng(0).bytes(5000))
    with pytest.raises(MicrographError) as error:
        read(file)
    assert f"{name} is no micrograph by its content" in sentence(error)


@pytest.mark.parametrize("name", ["image.dm4", "image.mrc", "image.npy"])
def test_zero_bytes(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(MicrographError) as error:
        read(tmp_path / name)
    assert f"{name} is empty" in sentence(error)


def test_no_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(MicrographError) as error:
        read(tmp_path / "nowhere.dm4")
    assert "cannot be opened: No such file" in sentence(error)
    with pytest.raises(MicrographError) as error:
        read(tmp_path)
    assert "is a folder" in sentence(error)


@pytest.mark.parametrize("name", ["short.png", "short.npy", "short.jpg"])
def test_truncated_pictures(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    if name.endswith("npy"):
        np.save(file, IMAGE)
    else:
        Image.fromarray((IMAGE >> 4).astype(np.uint8)).save(file)
    file.write_bytes(file.read_bytes()[:-900])
    with pytest.raises(MicrographError) as error:
        read(file)
    assert "it is truncated or damaged" in sentence(error)


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.zeros((5, 6, 7)), "holds 5 images"),
        (np.zeros(100), "spectra or profiles"),
        (np.float64(3.0), "single numbers"),
        (np.zeros((4, 0)), "its array is empty"),
        (np.ones((8, 8), complex), "its numbers are complex"),
        (np.array([["a", "b"], ["c", "d"]]), "its values are no numbers"),
    ],
)
def test_arrays_that_are_no_image(tmp_path: Path, array: np.ndarray, reason: str) -> None:
    np.save(tmp_path / "array.npy", array)
    with pytest.raises(MicrographError) as error:
        read(tmp_path / "array.npy")
    assert reason in sentence(error)


def test_pickled_objects_are_not_loaded(tmp_path: Path) -> None:
    np.save(tmp_path / "array.npy", np.array([{"a": 1}], object), allow_pickle=True)
    with pytest.raises(MicrographError) as error:
        read(tmp_path / "array.npy")
    sentence(error)


def test_an_hdf5_file_of_something_else(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "other.emd", "w") as file:
        file["numbers"] = np.arange(10)
    with pytest.raises(MicrographError) as error:
        read(tmp_path / "other.emd")
    sentence(error)


@pytest.mark.parametrize("pixel_size", [0, -0.2, float("nan"), float("inf"), "0.2 nm", True])
def test_an_impossible_pixel_size(tmp_path: Path, pixel_size: object) -> None:
    np.save(tmp_path / "image.npy", IMAGE)
    with pytest.raises(MicrographError) as error:
        read(tmp_path / "image.npy", pixel_size=pixel_size)  # type: ignore[arg-type]
    assert "a number above 0 in Å/px" in sentence(error)


@pytest.mark.parametrize("frame", [-1, 1, True, 0.5, "first"])
def test_an_impossible_frame(tmp_path: Path, frame: object) -> None:
    np.save(tmp_path / "image.npy", IMAGE)
    with pytest.raises(MicrographError) as error:
        read(tmp_path / "image.npy", frame=frame)  # type: ignore[arg-type]
    assert "holds one image, which is frame 0" in sentence(error)
