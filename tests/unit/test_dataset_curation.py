"""Joining, mixing, balancing, saving, re-imaging, planning."""

from __future__ import annotations

import pickle
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from exitwave.core import DatasetError, OpticsError, SpecError
from exitwave.dataset import Dataset, Recipe, concat, generate, mix, plan, render


def recipe(**changes: Any) -> dict[str, Any]:
    data: dict[str, Any] = {
        "seed": 11,
        "structures": {
            "count": 4,
            "family": "supported_particles",
            "field": 24,
            "particles": {"material": "Au", "radius": {"uniform": [5, 8]}},
            "film": {"material": "a-C", "thickness": 5},
        },
        "scattering": {"sampling": 0.4, "potential_sampling": None, "configurations": 1},
        "images": {"per_structure": 3, "dose": {"uniform": [100, 900]}},
        "store": {"waves": True, "structures_per_shard": 2},
    }
    return data | changes


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    place = tmp_path_factory.mktemp("sets")
    generate(recipe(), place / "one").close()
    generate(recipe(seed=12), place / "two").close()
    return place / "one", place / "two"


@pytest.fixture
def one(folders: tuple[Path, Path]) -> Iterator[Dataset]:
    data = Dataset(folders[0])
    yield data
    data.close()


@pytest.fixture
def two(folders: tuple[Path, Path]) -> Iterator[Dataset]:
    data = Dataset(folders[1])
    yield data
    data.close()


def test_joined_data_sets_keep_their_images(one: Dataset, two: Dataset) -> None:
    both = concat([two.take([1, 2]), one, two.take([0])])
    expected = np.concatenate([two.images([1, 2]), one.images(), two.images([0])])
    assert np.array_equal(both.images(), expected)
    assert both[2].identity == one[0].identity
    assert both.column("id").tolist() == [*two.column("id")[[1, 2]], *one.column("id"), two.column("id")[0]]
    assert len(both.table()) == 15
    assert both.table()["id"].tolist() == both.column("id").tolist()
    assert len(both.where("dose > 500")) == int((both.column("dose") > 500).sum())
    assert len(both.structures) == 5
    train, rest = both.split((0.6, 0.4), seed=3)
    assert not set(train.column("structure_id")) & set(rest.column("structure_id"))
    wave = both.waves(0)
    assert np.array_equal(wave.array.numpy(), two.waves(0).array.numpy())
    assert one.concat(two).content != two.concat(one).content


def test_mixtures_have_exact_shares(one: Dataset, two: Dataset) -> None:
    mixed = mix([one, two], [1, 3], 12, seed=5)
    sources = set(one.column("id"))
    assert len(mixed) == len(set(mixed.column("id"))) == 12
    assert sum(name in sources for name in mixed.column("id")) == 3
    assert mixed.column("id").tolist() == mix([one, two], [1, 3], 12, seed=5).column("id").tolist()
    assert mixed.column("id").tolist() != mix([one, two], [1, 3], 12, seed=6).column("id").tolist()
    with pytest.raises(DatasetError, match="is to give 15 images"):
        mix([one, two], [1, 3], 20, seed=5)
    with pytest.raises(DatasetError, match="weights are"):
        mix([one, two], [1], 4, seed=5)


def test_balanced_draws_fill_every_bin(one: Dataset) -> None:
    even = one.balanced("dose", 60, seed=1, bins=[100, 400, 700, 900])
    counts = np.histogram(even.column("dose"), [100, 400, 700, 900])[0]
    present = np.histogram(one.column("dose"), [100, 400, 700, 900])[0] > 0
    assert set(counts[present]) == {60 // present.sum()}
    assert len(one.balanced("structure", 8, seed=1).structures) == 4
    with pytest.raises(DatasetError, match="no image falls"):
        one.balanced("dose", 6, seed=1, bins=[5000, 6000])


def test_repetitions_are_found(one: Dataset) -> None:
    assert one.concat(one).unique().column("id").tolist() == one.column("id").tolist()


def test_a_saved_selection_is_a_data_set_that_knows_its_parents(tmp_path: Path, one: Dataset, two: Dataset) -> None:
    selection = concat([one.where("dose > 300"), two.take([4, 4, 5])])
    saved = selection.save(tmp_path / "saved")
    assert sorted(saved.column("id")) == sorted(set(selection.column("id")))
    for index in range(len(saved)):
        where = int(np.flatnonzero(selection.column("id") == saved.column("id")[index])[0])
        assert np.array_equal(saved[index].image.array, selection[where].image.array)
        assert np.array_equal(saved[index].labels["phase"], selection[where].labels["phase"])
        assert saved[index].identity == saved.column("id")[index]
    saved.verify()
    assert saved.waves(0).array.shape == one.waves(0).array.shape
    text = (tmp_path / "saved" / "origin.yaml").read_text()
    assert one._stores[0].content() in text
    assert (tmp_path / "saved" / "parents" / "1" / "recipe.yaml").is_file()
    with pytest.raises(DatasetError, match="not generated from one recipe"):
        assert saved.recipe
    with pytest.raises(DatasetError, match="not empty"):
        selection.save(tmp_path / "saved")
    saved.close()


def test_new_images_from_stored_waves(tmp_path: Path, one: Dataset) -> None:
    images = {"per_structure": 2, "dose": {"loguniform": [2000, 4000]}, "defocus": 200}
    new = one.reimage(images, tmp_path / "new", seed=9)
    assert len(new) == 8
    assert new.column("dose").min() >= 2000
    assert new.structures == one.structures
    assert np.array_equal(new.masks("phase", [0]), one.masks("phase", [0]))
    assert not set(new.column("id")) & set(one.column("id"))
    sample = new[5]
    again = render(sample.record)
    assert np.array_equal(again.image.array, sample.image.array)
    assert again.identity == sample.identity
    (tmp_path / "new" / "shards" / "000001.h5").unlink()
    resumed = one.reimage(images, tmp_path / "new", seed=9)
    assert resumed.content == new.content
    with pytest.raises(DatasetError, match="made otherwise"):
        one.reimage(images, tmp_path / "new", seed=10)
    with pytest.raises(SpecError, match=r"images\.dosis"):
        one.reimage({"dosis": 3}, tmp_path / "other", seed=1)
    with pytest.raises(DatasetError, match="for a whole data set"):
        one.take([1]).reimage(images, tmp_path / "other", seed=1)
    new.close()
    resumed.close()
    with pytest.raises(OpticsError, match="one of 200 keV and the electrons have 300 keV"):
        one.reimage({"microscope": "lab6-200"}, tmp_path / "other", seed=1)
    assert not (tmp_path / "other").exists()


def test_without_waves_there_are_no_new_images(tmp_path: Path) -> None:
    data = generate(
        recipe(store={"waves": False}, structures=recipe()["structures"] | {"count": 1}), tmp_path / "set"
    )
    with pytest.raises(DatasetError, match="holds no waves"):
        data.reimage({"dose": 3}, tmp_path / "new", seed=1)
    data.close()


def test_a_plan_knows_the_cost() -> None:
    cost = plan(Recipe.parse(recipe()), workers=8, samples=2)
    assert (cost.structures, cost.images, cost.shards, cost.workers) == (4, 12, 2, 2)
    assert cost.shape == (60, 60)
    assert set(cost.seconds) == {"draw", "build", "scatter", "label", "image", "write"}
    assert cost.total_seconds == pytest.approx(cost.start_seconds + cost.core_seconds / 2)
    assert cost.start_seconds > 0
    assert 60 * 60 * 8 < cost.structure_bytes < 60 * 60 * 40
    assert "4 structures, 12 images of 60 × 60 px" in str(cost)
    assert cost.failures == ()


def test_a_plan_tells_what_cannot_work(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise ValueError("the gun is empty.")

    monkeypatch.setattr("exitwave.dataset.work.render_wave", refuse)
    with pytest.raises(DatasetError, match=r"every structure that was tried failed .*the gun is empty"):
        plan(Recipe.parse(recipe()), samples=1)


def test_a_plan_is_within_a_quarter_of_the_cost(
    tmp_path: Path, one: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In processor time, so that what else runs on the machine does not matter."""
    monkeypatch.setattr(time, "perf_counter", time.process_time)
    structures = recipe()["structures"] | {"count": 8, "field": 52}
    scattering = {"sampling": 0.2, "configurations": 1}
    store = {"waves": True, "structures_per_shard": 4}
    whole = Recipe.parse(recipe(structures=structures, scattering=scattering, store=store))
    told = plan(whole, samples=2)
    began = time.process_time()
    generate(whole, tmp_path / "set").close()
    spent = time.process_time() - began
    assert told.core_seconds == pytest.approx(spent, rel=0.25)
    stored = sum(path.stat().st_size for path in (tmp_path / "set" / "shards").iterdir())
    assert told.disk_bytes == pytest.approx(stored, rel=0.25)


def test_a_loader_of_torch_is_given_images_and_masks(one: Dataset, two: Dataset) -> None:
    both = concat([two.take([4, 1]), one.take([5, 0, 5])])
    pairs = pickle.loads(pickle.dumps(both.torch("phase")))  # as it travels to a worker
    both.close()
    found = pairs.__getitems__([3, 0, 4, 1, 2])
    images, masks = both.images([3, 0, 4, 1, 2]), both.masks("phase", [3, 0, 4, 1, 2])
    assert np.array_equal(torch.cat([image for image, _ in found]).numpy(), images)
    assert np.array_equal(torch.stack([mask for _, mask in found]).numpy(), masks)
    assert (found[0][0].dtype, found[0][1].dtype) == (torch.float32, torch.uint8)
    assert torch.equal(pairs[-1][0], found[2][0])
    loader = torch.utils.data.DataLoader(both.torch(), batch_size=2)
    assert [tuple(images.shape) for images, _ in loader] == [(2, 1, 60, 60), (2, 1, 60, 60), (1, 1, 60, 60)]
    with pytest.raises(DatasetError, match="rule is none; this data set has phase"):
        both.torch("none")
    with pytest.raises(IndexError, match="index is 5"):
        pairs[5]
