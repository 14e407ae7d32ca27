"""Many files: a bad one, an interruption, changed options, a folder that is empty."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from exitwave.core import MicrographError
from exitwave.core.progress import Progress
from exitwave.micrographs import find_micrographs, read, read_all, segment_folder, write_tiff
from exitwave.micrographs.calibration.features import too_small
from exitwave.micrographs.index import listed_pixel_sizes


class Dark:
    def __init__(self, identity: str = "dark", stop_after: int | None = None) -> None:
        self.identity = identity
        self.calls = 0
        self.stop_after = stop_after

    def predict(self, array: NDArray[np.float32], pixel_size: float) -> NDArray[np.float32]:
        if self.stop_after is not None and self.calls >= self.stop_after:
            raise KeyboardInterrupt
        self.calls += 1
        return (array < 50).astype(np.float32)


@pytest.fixture
def night(tmp_path: Path) -> Path:
    place = tmp_path / "night"
    (place / "more").mkdir(parents=True)
    y, x = np.mgrid[:96, :96]
    for index in range(4):
        radius = 10 + 3 * index
        np.save(place / f"image{index}.npy", np.where(np.hypot(y - 48, x - 48) < radius, 10.0, 100.0))
    np.save(place / "more" / "image0.npy", 100.0 + np.eye(96) * np.ones((2, 1, 1)))  # the same stem, a stack, empty
    (place / "broken.dm4").write_bytes(b"\0\0\0\4" + bytes(100))
    (place / "notes.txt").write_text("not a micrograph")
    return place


def test_a_bad_file_is_named_and_the_others_are_done(night: Path, tmp_path: Path) -> None:
    told: list[Progress] = []
    batch = segment_folder(night, Dark(), tmp_path / "out", seed=1, pixel_size=1.0, progress=told.append)
    assert list(batch.failures) == [str(night / "broken.dm4")]
    assert "truncated or damaged" in batch.failures[str(night / "broken.dm4")]
    assert len(batch.images) == 6
    assert len(batch.particles) == 4
    assert batch.images["image"].is_unique
    assert batch.images["particles"].sum() == 4
    assert set(batch.particles["image"]) <= set(batch.images["image"])
    assert [t.done for t in told] == [1, 2, 3, 4, 5, 6]
    assert (told[-1].total, told[-1].failures) == (6, 1)
    out = tmp_path / "out"
    pd.testing.assert_frame_equal(pd.read_parquet(out / "particles.parquet"), batch.particles)
    assert len(pd.read_csv(out / "images.csv")) == 6
    assert pd.read_csv(out / "failures.csv")["file"].tolist() == [str(night / "broken.dm4")]
    summary = json.loads((out / "summary.json").read_text())
    assert summary["mean_diameter_nm"]["low"] < summary["mean_diameter_nm"]["value"]
    assert "intervals" not in summary
    assert (out / "sizes.png").stat().st_size > 1000
    assert repr(batch) == "Batch(out: 4 particles on 6 images, 1 failed)"


def test_what_is_unlike_the_training_is_told_as_it_comes(night: Path, tmp_path: Path) -> None:
    class Learnt(Dark):
        def unfamiliar(self, array: NDArray[np.float32], pixel_size: float) -> list[str]:
            return ["it is large"] if (array < 50).sum() > 900 else []

    for _ in range(2):  # the second time from the record
        told: list[str] = []
        segment_folder(night, Learnt(), tmp_path / "out", seed=1, pixel_size=1.0, warn=told.append, overlay=False)
        assert told == ["image3 is unlike the training images: it is large."]
    others = [night / name for name in ("image0.npy", "image1.npy", "image2.npy", "more")]
    batch = segment_folder(night, Learnt(), tmp_path / "out", seed=1, pixel_size=1.0, overlay=False)
    rest = segment_folder(others, Learnt(), tmp_path / "rest", seed=1, pixel_size=1.0, overlay=False)
    assert dict(batch.familiar) == dict(rest.summary)
    assert batch.familiar["mean_diameter_nm"].value < batch.summary["mean_diameter_nm"].value
    assert batch.summed_up[-1].startswith("(without 1 image unlike the training images: mean diameter ")
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["familiar"]["images"] == 5
    assert not rest.familiar

    class Measured(Dark):
        def unfamiliar(self, array: NDArray[np.float32], pixel_size: float) -> list[str]:
            return [f"it holds {array.mean():.3g} times more"]

    told = []
    segment_folder(night, Measured(), tmp_path / "measured", seed=1, pixel_size=1.0, warn=told.append, overlay=False)
    assert told[0].endswith(" times more.")
    assert told[1] == "5 further images for reasons of the same kind: see unfamiliar in images.csv."
    assert len(told) == 2


def test_a_blank_image_is_a_failure_of_its_file(night: Path, tmp_path: Path) -> None:
    np.save(night / "image2.npy", np.ones((300, 300), np.float32))
    batch = segment_folder(night, Dark(), tmp_path / "out", seed=1, pixel_size=0.2, overlay=False)
    assert "image2 has no contrast" in batch.failures[str(night / "image2.npy")]
    assert len(batch.images) == 5


@pytest.mark.parametrize(("name", "value"), [("threshold", 1.5), ("neck", -1), ("symmetries", 3), ("outline", 0)])
def test_an_impossible_option_is_no_failure_of_a_file(night: Path, tmp_path: Path, name: str, value: float) -> None:
    network = Dark()
    with pytest.raises(MicrographError, match=f"{name} is {value};"):
        segment_folder(night, network, tmp_path / "out", seed=1, pixel_size=1.0, **{name: value})
    assert network.calls == 0
    assert not (tmp_path / "out").exists()


def test_pixel_sizes_come_from_an_index(night: Path, tmp_path: Path) -> None:
    write_tiff(np.load(night / "image3.npy").astype(np.float32), night / "calibrated.tif", 0.5)
    rows = ["image0.npy,0.1", "image1.npy,about 0.1", "more/image0.npy,0.2", "calibrated.tif,0.1"]
    (night / "index.csv").write_text("\n".join(["image,pixel_size_nm", *rows]))
    sources = [night, tmp_path / "night" / "image0.npy"]  # given twice, counted once
    batch = segment_folder(sources, Dark(), tmp_path / "out", seed=1, overlay=False)
    found = {Path(row.file).relative_to(night).as_posix(): row.pixel_size_nm for row in batch.images.itertuples()}
    assert found == pytest.approx({"image0.npy": 0.1, "calibrated.tif": 0.05, "more/image0.npy": 0.2})
    assert "image1 has no pixel size" in batch.failures[str(night / "image1.npy")]
    again = Dark()
    (night / "index.csv").write_text("image,pixel_size_nm\nimage0.npy,0.3\nmore/image0.npy,0.2\ncalibrated.tif,0.1")
    batch = segment_folder(night, again, tmp_path / "out", seed=1, overlay=False)
    assert (again.calls, batch.images["pixel_size_nm"].max()) == (1, pytest.approx(0.3))
    given = segment_folder(night, Dark(), tmp_path / "given", seed=1, pixel_size=4.0, overlay=False)
    assert set(given.images["pixel_size_nm"]) == {0.4}
    images, _ = read_all(night / "image0.npy")
    assert images[0].pixel_size == read(night / "image0.npy").pixel_size == pytest.approx(3.0)
    (night / "index.csv").write_bytes(b"\xff\xfe no table of images")
    assert listed_pixel_sizes([night / "image0.npy"]) == {}


@pytest.mark.parametrize(
    ("separator", "size", "encoding"),
    [(",", "0.02", "utf-8-sig"), (";", "0,02", "utf-8"), ("\t", "0.02 nm", "utf-16"), (", ", '"0,02"', "utf-8")],
)
def test_an_index_as_spreadsheets_write_it_counts_by_any_way_to_the_file(
    night: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, separator: str, size: str, encoding: str
) -> None:
    cells = [("Image", "Pixel_size_nm"), ("more\\image0.npy", size), ("more\\image0.npy", "")]
    table = "\r\n".join(separator.join(row) for row in cells)
    (night / "index.csv").write_bytes(table.encode(encoding))
    (tmp_path / "link").symlink_to(night / "more")
    (night / "more" / "deeper").mkdir()
    monkeypatch.chdir(night / "more" / "deeper")
    for path in (night / "more" / "image0.npy", tmp_path / "link" / "image0.npy", Path("../image0.npy")):
        found = read(path, frame=0)
        assert (found.pixel_size, found.metadata["pixel_size_from"]) == (pytest.approx(0.2), "index.csv")
    assert "pixel_size_from" not in read(night / "image0.npy", pixel_size=0.2).metadata


def test_what_was_found_is_said_in_words(night: Path, tmp_path: Path) -> None:
    batch = segment_folder(night / "image1.npy", Dark(), tmp_path / "one", seed=1, pixel_size=1.0, overlay=False)
    assert batch.found == "1 particle on 1 image"
    assert batch.summed_up[1] == "(from 1 whole particle, corrected for those that edges cut; 95% intervals)"
    empty = segment_folder(night / "more", Dark(), tmp_path / "none", seed=1, pixel_size=1.0, overlay=False)
    assert empty.found == "no particles on 2 images"
    failed = segment_folder(night / "broken.dm4", Dark(), tmp_path / "bad", seed=1, overlay=False)
    assert failed.found == "no image could be segmented"
    assert failed.summed_up == []
    assert batch.summed_up[0].startswith("mean diameter 2.")
    assert "no intervals" in empty.summed_up[-1]


def test_an_interrupted_run_goes_on_where_it_was(night: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        segment_folder(night, Dark(stop_after=2), tmp_path / "out", seed=1, pixel_size=1.0, overlay=False)
    for text in (tmp_path / "out").glob("*.csv"):
        text.write_text("rounded for people: nothing is read from here")
    again = Dark()
    batch = segment_folder(night, again, tmp_path / "out", seed=1, pixel_size=1.0, overlay=False)
    assert again.calls == 4
    whole = segment_folder(night, Dark(), tmp_path / "other", seed=1, pixel_size=1.0, overlay=False)
    pd.testing.assert_frame_equal(batch.images, whole.images)
    pd.testing.assert_frame_equal(batch.particles, whole.particles)
    assert batch.summary == whole.summary
    assert not [p for p in (tmp_path / "out").iterdir() if p.name.endswith(".tmp")]


def test_what_has_changed_is_done_again(night: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    options = {"seed": 1, "pixel_size": 1.0, "overlay": False}
    segment_folder(night, Dark(), out, **options)
    for network, extra, calls in (
        (Dark(), {}, 0),
        (Dark(), {"threshold": 0.4}, 6),
        (Dark("another"), {"threshold": 0.4}, 6),
    ):
        segment_folder(night, network, out, **options, **extra)
        assert network.calls == calls
    np.save(night / "image1.npy", 100.0 + np.eye(64))
    (out / "image2-particles.parquet").unlink()
    (out / "image3.json").write_text("{ half a rec")
    network = Dark("another")
    segment_folder(night, network, out, **options, threshold=0.4)
    assert network.calls == 3


def test_no_pixel_size_is_a_failure_of_each_file(night: Path, tmp_path: Path) -> None:
    batch = segment_folder(night, Dark(), tmp_path / "out", seed=1)
    assert len(batch.failures) == 6
    assert len(batch.images) == 0
    assert "has no pixel size" in batch.failures[str(night / "image1.npy")]


def test_results_and_masks_in_the_source_folder_are_no_micrographs(night: Path) -> None:
    (night / "more" / "image0.npy").unlink()
    first = segment_folder(night, Dark(), night / "out", seed=1, pixel_size=1.0, overlay=False)
    second = segment_folder(night, Dark(), night / "out", seed=1, pixel_size=1.0, overlay=False)
    assert first.images["image"].tolist() == second.images["image"].tolist()
    # of another run of results, of one into which a micrograph was moved, and of labelled pairs
    assert len(find_micrographs(night)) == 5
    with pytest.raises(MicrographError, match="but results of segmentation; give the folder of the micrographs"):
        find_micrographs(night / "out")
    np.save(night / "out" / "image7.npy", np.ones((96, 96)))
    assert find_micrographs(night / "out") == [night / "out" / "image7.npy"]
    (night / "out" / "image7.npy").unlink()
    np.save(night / "image1_mask.npy", np.ones((96, 96)))
    np.save(night / "carbon_mask.npy", np.ones((96, 96)))
    assert {file.name for file in find_micrographs(night)} == {
        "broken.dm4", "carbon_mask.npy", *(f"image{index}.npy" for index in range(4))
    }  # fmt: skip


def test_sources(night: Path, tmp_path: Path) -> None:
    assert len(find_micrographs(night)) == 6
    assert find_micrographs([night / "notes.txt", night / "image0.npy", night / "image0.npy"]) == [
        night / "notes.txt",
        night / "image0.npy",
    ]
    (tmp_path / "empty").mkdir()
    with pytest.raises(MicrographError, match="there are no micrographs in"):
        find_micrographs(tmp_path / "empty")
    with pytest.raises(MicrographError, match="does not exist"):
        find_micrographs([tmp_path / "nowhere"])
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(MicrographError, match="file is a file; the results need a folder"):
        segment_folder(night, Dark(), tmp_path / "file", seed=1, pixel_size=1.0)


def test_a_long_movie_gives_some_frames_where_all_are_held_in_memory(tmp_path: Path) -> None:
    movie = np.arange(100)[:, None, None] * np.ones((1, 64, 64))
    np.save(tmp_path / "movie.npy", movie)
    images, _ = read_all(tmp_path / "movie.npy", pixel_size=0.2)
    shown = [int(image.array[0, 0]) for image in images]
    assert len(shown) == 16
    assert (shown[0], shown[-1]) == (0, 99)
    assert images[-1].name == "movie-99"


def test_a_bad_file_does_not_stop_calibration_and_is_named(night: Path, tmp_path: Path) -> None:
    images, failures = read_all(night, pixel_size=1.0, without=tmp_path / "night" / "more")
    assert len(images) == 4
    assert list(failures) == [str(night / "broken.dm4")]
    images, failures = read_all([night / "image0.npy", night / "broken.dm4"], pixel_size=1.0)
    assert (len(images), len(failures)) == (1, 1)
    with pytest.raises(MicrographError, match="none of 6 files is a micrograph that can be used; broken"):
        read_all(night)
    assert too_small(images[0], 0.5) == ""
    assert "its field spans 48 px of 2 Å" in too_small(images[0], 2.0)
