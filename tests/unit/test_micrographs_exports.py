"""Outlines in the formats of other programs, read back byte by byte or by those programs' libraries."""

from __future__ import annotations

import json
import struct
import zipfile
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from exitwave.core import MicrographError
from exitwave.imaging import Micrograph
from exitwave.micrographs import Segmentation, save, write_coco, write_hyperspy, write_rois


def made() -> Segmentation:
    y, x = np.mgrid[:80, :100]
    instances = np.zeros((80, 100), np.int32)
    instances[np.hypot(y - 30, x - 40) <= 12] = 1
    instances[np.hypot(y - 30, x - 40) < 3] = 0  # a hole
    instances[50:60, 60:80] = 2
    instances[70:75, 0:8] = 3  # at the edge
    probability = np.where(instances > 0, 0.75, 0.1).astype(np.float32)
    return Segmentation(instances > 0, probability, instances, Micrograph(np.ones((80, 100)), 0.2, name="made"))


def area(points: NDArray[np.float64]) -> float:
    x, y = points.T
    return abs(float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))) / 2


def test_rois(tmp_path: Path) -> None:
    file = write_rois(made(), tmp_path / "made.zip")
    with zipfile.ZipFile(file) as archive:
        assert archive.namelist() == ["particle-0001.roi", "particle-0002.roi", "particle-0003.roi"]
        content = archive.read("particle-0002.roi")
    assert content[:4] == b"Iout"
    version, kind = struct.unpack(">hB", content[4:7])
    top, left, bottom, right, count = struct.unpack(">5h", content[8:18])
    assert (version, kind, struct.unpack(">h", content[50:52])[0]) == (227, 8, 128)
    assert (top, left, bottom, right) == (50, 60, 60, 80)
    points = np.frombuffer(content, ">f4", 2 * count, 64 + 4 * count).reshape(2, count).T
    assert area(points) == pytest.approx(200, rel=0.02)
    assert points.min(axis=0).tolist() == [60, 50]
    assert points.max(axis=0).tolist() == [80, 60]
    with pytest.raises(MicrographError, match=r"is a \.zip file"):
        write_rois(made(), tmp_path / "made.roi")


def test_coco(tmp_path: Path) -> None:
    content = json.loads(write_coco([made(), made()], tmp_path / "coco.json").read_text())
    assert [image["file_name"] for image in content["images"]] == ["made", "made"]
    assert [note["id"] for note in content["annotations"]] == [1, 2, 3, 4, 5, 6]
    assert [note["image_id"] for note in content["annotations"]] == [1, 1, 1, 2, 2, 2]
    disc, block, edge = content["annotations"][:3]
    assert block["bbox"] == [60, 50, 20, 10]
    assert block["area"] == 200
    assert edge["bbox"] == [0, 70, 8, 5]
    assert disc["score"] == pytest.approx(0.75)
    assert len(disc["segmentation"]) == 1  # the outer outline, without the hole
    assert area(np.reshape(disc["segmentation"][0], (-1, 2))) == pytest.approx(np.pi * 144, rel=0.03)


def test_hyperspy(tmp_path: Path) -> None:
    found = made()
    file = write_hyperspy(found, tmp_path / "made.hspy")
    (signal,) = import_module("rsciio.hspy").file_reader(str(file))
    assert signal["data"].shape == (3, 80, 100)
    assert np.array_equal(signal["data"][2], found.instances)
    assert [(axis["name"], axis["units"]) for axis in signal["axes"]] == [("map", ""), ("y", "nm"), ("x", "nm")]
    assert signal["axes"][2]["scale"] == pytest.approx(0.02)
    assert list(signal["metadata"]["exitwave"]["maps"]) == ["micrograph", "probability", "instances"]
    assert [path.name for path in tmp_path.iterdir()] == ["made.hspy"]
    with pytest.raises(MicrographError, match=r"ends in \.hspy"):
        write_hyperspy(found, tmp_path / "made.h5")


def test_extras_are_written_beside_the_usual_files(tmp_path: Path) -> None:
    usual = save(made(), tmp_path / "one", overlay=False)
    more = save(made(), tmp_path / "two", overlay=False, extras=["imagej", "coco", "hyperspy"])
    names = {path.name for path in more} - {path.name for path in usual}
    assert names == {"made-rois.zip", "made-coco.json", "made-maps.hspy"}
    assert all(path.stat().st_size for path in more)
    with pytest.raises(MicrographError, match="there are imagej, coco, hyperspy"):
        save(made(), tmp_path, extras=["fiji"])
