"""Programs that the exported formats are for open them and see the same numbers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exitwave.dataset import Dataset, generate, import_images

pytestmark = pytest.mark.filterwarnings("default")  # the peers' own warnings are theirs

RECIPE: dict[str, Any] = {
    "seed": 9,
    "structures": {
        "count": 2,
        "family": "supported_particles",
        "field": [24, 32],
        "particles": {"material": "Au", "count": 2, "radius": 5},
        "film": {"material": "a-C", "thickness": 5},
    },
    "scattering": {"sampling": 0.4, "potential_sampling": None, "configurations": 1},
    "images": {"per_structure": 2, "dose": 9000},
    "labels": [{"rule": "phase"}, {"rule": "instances"}],
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dataset]:
    opened = generate(RECIPE, tmp_path_factory.mktemp("peers") / "set")
    yield opened
    opened.close()


def test_pycocotools_decodes_every_instance(tmp_path: Path, data: Dataset) -> None:
    coco = pytest.importorskip("pycocotools.coco")
    path = data.export(tmp_path / "out", "coco")
    theirs = coco.COCO(str(path / "annotations.json"))
    for index in range(len(data)):
        mask = np.zeros((60, 80), np.uint16)
        for number, item in enumerate(theirs.loadAnns(theirs.getAnnIds(imgIds=[index + 1])), start=1):
            found = theirs.annToMask(item)
            assert found.sum() == item["area"]
            mask[found > 0] = number
        assert np.array_equal(mask, data.masks("instances", [index])[0])


def test_zarr_opens_the_group(tmp_path: Path, data: Dataset) -> None:
    zarr = pytest.importorskip("zarr")
    path = data.export(tmp_path / "out.zarr", "zarr")
    group = zarr.open_group(str(path), mode="r")
    assert np.array_equal(group["images"][:], data.images())
    assert np.array_equal(group["labels/phase"][:], data.masks("phase"))
    back = import_images(path, tmp_path / "back", "zarr")
    assert back.column("id").tolist() == data.column("id").tolist()
    back.close()


def test_hyperspy_loads_the_stack_with_its_scale(tmp_path: Path, data: Dataset) -> None:
    hyperspy = pytest.importorskip("hyperspy.api")
    path = data.export(tmp_path / "out", "hyperspy")
    signal = hyperspy.load(path / "images.hspy")
    assert np.array_equal(signal.data, data.images())
    axes = signal.axes_manager.signal_axes
    assert [(axis.name, axis.units, round(axis.scale, 6)) for axis in axes] == [("x", "nm", 0.04), ("y", "nm", 0.04)]
    signal.save(tmp_path / "theirs.hspy")
    back = import_images(tmp_path / "theirs.hspy", tmp_path / "back", "hyperspy")
    assert np.array_equal(back.images(), data.images())
    assert back.column("pixel_size")[0] == pytest.approx(0.4)
    back.close()


def test_webdataset_streams_the_samples(tmp_path: Path, data: Dataset) -> None:
    webdataset = pytest.importorskip("webdataset")
    path = data.export(tmp_path / "out", "webdataset", images_per_file=3)
    files = sorted(str(file) for file in path.iterdir())
    assert len(files) == 2
    samples = list(webdataset.WebDataset(files, shardshuffle=False).decode())
    assert len(samples) == 4
    for index, sample in enumerate(samples):
        assert np.array_equal(sample["image.npy"], data[index].image.array)
        assert np.array_equal(sample["instances.npy"], data[index].labels["instances"])
        assert sample["json"]["record"] == dict(data[index].record)


def test_hugging_face_loads_the_folder(tmp_path: Path, data: Dataset) -> None:
    datasets = pytest.importorskip("datasets")
    path = data.export(tmp_path / "out", "huggingface", images_per_file=3)
    theirs = datasets.load_dataset(str(path), cache_dir=str(tmp_path / "cache"))["train"]
    assert len(theirs) == 4
    for index in range(4):
        row = theirs[index]
        assert np.array_equal(np.asarray(row["image"]), data[index].image.array)
        assert np.array_equal(np.asarray(row["label_phase"]), data[index].labels["phase"])
        assert row["dose"] == 9000
        assert json.loads(row["record"]) == dict(data[index].record)
