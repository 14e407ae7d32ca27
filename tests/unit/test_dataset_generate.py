"""Generation and the data set: the same content by every way, records that suffice, selections that are values."""

from __future__ import annotations

import dataclasses
import io
import json
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from exitwave.core import DatasetError, Progress, ScatteringError, SpecError
from exitwave.dataset import Dataset, Recipe, doctor, generate, plan, render
from exitwave.dataset import catalog as catalog_module
from exitwave.dataset import work as work_module
from exitwave.dataset.catalog import CATALOG_NAME
from exitwave.dataset.curate import MEMBERS_NAME, read_members
from exitwave.dataset.executors import InlineExecutor, Job
from exitwave.dataset.feeding import receive, send
from exitwave.dataset.generate import as_recipe, executor_for, never_compiled, run
from exitwave.scattering import kernels

RECIPE: dict[str, Any] = {
    "seed": 3,
    "structures": {
        "count": 5,
        "family": "supported_particles",
        "field": [24, 30],
        "particles": {"material": "Au", "radius": {"uniform": [6, 9]}},
        "film": {"material": "a-C", "thickness": {"uniform": [5, 9]}},
    },
    "scattering": {"sampling": 0.25, "potential_sampling": None, "configurations": 2},
    "images": {"per_structure": 3, "dose": {"loguniform": [100, 1200]}, "defocus": {"uniform": [-300, 300]}},
    "labels": [{"rule": "phase"}, {"rule": "instances"}],
    "store": {"waves": True, "structures_per_shard": 2},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("data") / "set"
    generate(RECIPE, place).close()
    return place


@pytest.fixture
def data(folder: Path) -> Iterator[Dataset]:
    opened = Dataset(folder)
    yield opened
    opened.close()


def test_the_folder_is_as_designed(folder: Path, data: Dataset) -> None:
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    shards = [f"shards/00000{number}.h5" for number in range(3)]
    assert names == sorted([CATALOG_NAME, "generate.lock", "recipe.yaml", *shards])
    assert data.recipe.identity == Recipe.parse(RECIPE).identity
    assert len(data) == 15
    assert len(data.structures) == 5
    assert data.rules == ("phase", "instances")  # in the order of the recipe
    assert data.failures == []
    data.verify()


def test_a_record_alone_makes_the_same_sample_bit_for_bit(data: Dataset) -> None:
    torch.set_num_threads(2)
    for index in (0, 7, 14):
        sample = data[index]
        again = render(json.loads(json.dumps(dict(sample.record))))
        assert np.array_equal(again.image.array, sample.image.array)
        assert again.image.pixel_size == sample.image.pixel_size
        for name in data.rules:
            assert np.array_equal(again.labels[name], sample.labels[name])
        assert again.identity == sample.identity == data.column("id")[index]
    assert torch.get_num_threads() == 2


def test_a_device_that_is_not_here_is_told_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(ScatteringError, match="device is xla; here there is cpu"):
        generate(RECIPE, tmp_path / "set", device="xla")
    assert not (tmp_path / "set").exists()


def test_processes_make_the_same_bytes_as_this_one(tmp_path: Path, data: Dataset) -> None:
    other = generate(RECIPE, tmp_path / "set", workers=2)
    assert other.content == data.content
    other.close()


def test_images_are_counts_near_the_dose_and_differ(data: Dataset) -> None:
    images = data.images()
    assert images.shape == (15, 96, 120)
    assert images.dtype == np.float32
    assert not (images % 1).any()
    expected = data.column("dose") * data.column("pixel_size") ** 2
    assert np.allclose(images.mean(axis=(1, 2)), expected, rtol=0.03)
    assert len({image.tobytes() for image in images}) == 15
    assert np.array_equal(images[4], data[4].image.array)
    assert np.array_equal(data.images([4, -1]), images[[4, -1]])


def test_masks_belong_to_their_images(data: Dataset) -> None:
    masks = data.masks("phase")
    assert masks.dtype == np.uint8
    assert np.allclose((masks > 0).mean(axis=(1, 2)), data.column("phase_fraction"))
    assert np.array_equal(masks[0], masks[2])  # one structure, one label
    assert np.array_equal(data.masks("instances", 3)[0], data[3].labels["instances"])
    with pytest.raises(DatasetError, match="this data set has phase, instances"):
        data.masks("fase")


def test_waves_come_back_with_their_atoms(data: Dataset) -> None:
    wave = data.waves(1)
    sample = data[3]
    assert wave.array.shape == (2, 96, 120)
    assert wave.structure is not None
    assert len(wave.structure) == data.column("atoms")[3]
    assert wave.particle is not None
    from exitwave.labels import label

    assert np.array_equal(label(wave, "phase")["phase"], sample.labels["phase"])
    # configurations differ: mistake 1 of the original pipeline
    assert not torch.equal(wave.array[0], wave.array[1])
    with pytest.raises(IndexError, match="structure is 5"):
        data.waves(5)


def test_questions_in_sql(data: Dataset) -> None:
    dose = data.column("dose")
    found = data.where("dose > 300 AND film_thickness < 8")
    assert len(found) == int(((dose > 300) & (data.column("film_thickness") < 8)).sum())
    assert np.array_equal(np.sort(data.where("dose > 300").column("dose")), np.sort(dose[dose > 300]))
    assert len(found.where("dose <= 300")) == 0
    assert len(data.where("material = 'Au'")) == 15
    assert len(data.where("false")) == 0
    assert data.where("false").images().shape == (0, 0, 0)


@pytest.mark.parametrize(
    ("condition", "part"),
    [
        ("dosis > 3", "did you mean dose?"),
        ("dose >", "not an SQL expression"),
        ("dose > 3; DROP TABLE images", "not an SQL expression"),
        ("true) UNION SELECT 1 --", "not an SQL expression"),
        ("(SELECT count(*) FROM read_csv('/etc/passwd')) > 0", "not an SQL expression"),
        ("(SELECT count(*) FROM '/etc/passwd') > 0", "not an SQL expression"),
        ("(SELECT count(*) FROM table_in_python) > 0", "not an SQL expression"),
        ("dose", ""),
    ],
)
def test_questions_that_are_refused(data: Dataset, condition: str, part: str) -> None:
    if not part:  # a number is true where it is not zero, as in SQL
        assert len(data.where(condition)) == 15
        return
    with pytest.raises(DatasetError) as caught:
        data.where(condition)
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_catalog_is_only_an_index(folder: Path, data: Dataset) -> None:
    table = data.table()
    content = (folder / CATALOG_NAME).read_bytes()
    (folder / CATALOG_NAME).unlink()
    again = Dataset(folder)
    assert again.table().equals(table)
    again.close()
    (folder / CATALOG_NAME).write_bytes(content[: len(content) // 2])
    again = Dataset(folder)
    assert again.table().equals(table)
    again.close()


def test_tables_that_promise_more_rows_than_they_hold_are_not_read(folder: Path, data: Dataset) -> None:
    table = data.table()
    rows = 200_000
    bomb = pa.table({"shard": pa.repeat(0, rows), "structure": pa.repeat(0, rows), "id": pa.repeat("a", rows)})
    catalog_module.write_catalog(folder / CATALOG_NAME, bomb, catalog_module._present(folder))
    again = Dataset(folder)
    assert again.table().equals(table)
    again.close()
    catalog_module.write_catalog(folder / MEMBERS_NAME, bomb, {})
    with pytest.raises(DatasetError, match="promises more images than it can hold"):
        read_members(folder)
    (folder / MEMBERS_NAME).unlink()


def test_the_catalog_reads_only_the_shards_that_changed(
    folder: Path, data: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = data.table()
    shard = folder / "shards" / "000001.h5"
    shard.write_bytes(shard.read_bytes())  # another time of change
    read: list[str] = []
    real = catalog_module.Shard
    monkeypatch.setattr(catalog_module, "Shard", lambda path: read.append(path.name) or real(path))
    again = Dataset(folder)
    assert read == ["000001.h5"]
    assert again.table().equals(table)
    again.close()


@pytest.mark.parametrize(
    ("first", "second", "together"),
    [
        ([1, 2], [0.5], [1.0, 2.0, 0.5]),
        ([True], [3], ["true", "3"]),
        ([None], ["Au"], [None, "Au"]),
        ([7], [None], [7, None]),
    ],
)
def test_columns_of_different_shards_find_a_common_kind(
    first: list[Any], second: list[Any], together: list[Any]
) -> None:
    fixed = dict.fromkeys(catalog_module.FIXED, 0) | {"id": "a", "structure_id": "b"}
    tables = [
        catalog_module._table(
            [fixed | {"shard": shard, "position": place, "x": value} for place, value in enumerate(part)]
        )
        for shard, part in ((1, second), (0, first))
    ]
    joined = catalog_module._joined(tables)
    assert joined["x"].to_pylist() == together
    assert joined["row"].to_pylist() == list(range(len(together)))


def test_the_catalog_works_where_nothing_can_be_written(
    folder: Path, data: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = data.where("dose > 300").column("id").tolist()
    (folder / CATALOG_NAME).unlink()

    def refuse(path: Path, *parts: Any) -> None:
        raise DatasetError("read-only")

    monkeypatch.setattr("exitwave.dataset.catalog.write_whole", refuse)
    again = Dataset(folder)
    assert again.where("dose > 300").column("id").tolist() == expected
    again.close()
    assert not (folder / CATALOG_NAME).exists()


def test_samples_are_repeatable_and_without_repetition(data: Dataset) -> None:
    one, same, other = data.sample(8, seed=1), data.sample(8, seed=1), data.sample(8, seed=2)
    assert one.column("id").tolist() == same.column("id").tolist() != other.column("id").tolist()
    assert len(set(one.column("id"))) == 8
    with pytest.raises(DatasetError, match="n is 16"):
        data.sample(16, seed=1)


def test_stratified_samples_keep_the_shares(data: Dataset) -> None:
    some = data.sample(10, seed=4, stratify="structure")
    assert sorted(np.bincount(some.column("structure")).tolist()) == [2] * 5


@pytest.mark.parametrize("seed", range(5))
def test_splits_share_no_structure(data: Dataset, seed: int) -> None:
    train, validation = data.split((0.6, 0.4), seed=seed)
    assert len(train) == 9
    assert len(validation) == 6
    assert not set(train.column("structure_id")) & set(validation.column("structure_id"))


def test_splits_that_would_leak_are_refused(data: Dataset) -> None:
    with pytest.raises(DatasetError, match="structures would leak"):
        data.split((0.5, 0.5), by="dose", seed=1)
    with pytest.raises(DatasetError, match="add up to at most 1"):
        data.split((0.8, 0.5), seed=1)
    one, other = data.split((0.5, 0.5), by="film_thickness", seed=1)
    assert not set(one.column("film_thickness")) & set(other.column("film_thickness"))


def test_splits_leave_no_part_empty(data: Dataset) -> None:
    with pytest.raises(DatasetError, match="of 5 structures, which leave part 2 empty"):
        data.split((0.999, 0.001), seed=1)
    with pytest.raises(DatasetError, match="film_thickness groups, which leave part 1 empty"):
        data.split({"few": 0.01, "many": 0.99}, by="film_thickness", seed=1)
    with pytest.raises(DatasetError, match="of no structures"):
        data.where("dose > 1e9").split((0.5, 0.5), seed=1)


def test_selections_are_values(data: Dataset) -> None:
    some = data.take([5, 3, 3])
    assert [some[i].identity for i in range(3)] == data.column("id")[[5, 3, 3]].tolist()
    assert len(data) == 15
    assert pickle.loads(pickle.dumps(some)).column("id").tolist() == some.column("id").tolist()
    with pytest.raises(IndexError, match="index is 3"):
        some[3]
    with pytest.raises(IndexError):
        data.take([15])


def test_the_contact_sheet_draws(data: Dataset) -> None:
    figure = data.show(5)
    figure.canvas.draw()
    assert len([axes for axes in figure.axes if axes.images]) == 5
    data.where("false").show()


def test_running_again_makes_nothing_anew(folder: Path, data: Dataset) -> None:
    before = {path: path.stat().st_mtime_ns for path in (folder / "shards").iterdir()}
    seen: list[Progress] = []
    generate(RECIPE, folder, progress=seen.append).close()
    assert {path: path.stat().st_mtime_ns for path in (folder / "shards").iterdir()} == before
    assert [(state.done, state.total, state.resumed) for state in seen] == [(5, 5, 5)]


def test_damaged_and_missing_shards_are_made_again(folder: Path, data: Dataset) -> None:
    content = data.content
    data.close()
    (folder / "shards" / "000001.h5").write_bytes(b"damaged")
    (folder / "shards" / "000002.h5").unlink()
    (folder / "shards" / ".000000.h5.99-ab.tmp").write_bytes(b"left behind")
    seen: list[Progress] = []
    again = generate(RECIPE, folder, progress=seen.append)
    assert again.content == content
    assert seen[0].done == 2
    assert seen[-1].done == 5
    assert not list((folder / "shards").glob(".*"))
    again.close()


def test_a_data_set_grows_into_that_of_more_structures(data: Dataset, tmp_path: Path) -> None:
    def of(count: int) -> dict[str, Any]:
        return RECIPE | {"structures": RECIPE["structures"] | {"count": count}}

    generate(of(3), tmp_path).close()  # a shard and a half
    first = tmp_path / "shards" / "000000.h5"
    before, seen = first.stat().st_mtime_ns, list[Progress]()
    again = generate(RECIPE, tmp_path, progress=seen.append)
    assert (again.content, len(again)) == (data.content, len(data))
    assert again.origin == data.origin
    again.close()
    assert first.stat().st_mtime_ns == before
    assert seen[0].done == 2
    assert doctor(tmp_path, structures=1).healthy
    with pytest.raises(DatasetError, match="has 5 structures and 3 are asked for; a data set grows"):
        generate(of(3), tmp_path)
    with pytest.raises(DatasetError, match=r"another recipe \(seed is 3 there and 4 here\)"):  # more, but others
        generate(of(6) | {"seed": 4}, tmp_path)
    with pytest.raises(DatasetError):  # said by mistake, and stopped before anything was made
        generate(of(100_000), tmp_path, scheduler="tcp://127.0.0.1:1")
    back = generate(RECIPE, tmp_path)
    assert back.content == data.content
    back.close()


def test_another_recipe_is_refused(folder: Path) -> None:
    other = RECIPE | {"seed": 4}
    with pytest.raises(DatasetError, match=r"another recipe \(seed is 3 there and 4 here\)"):
        generate(other, folder)


def test_a_folder_with_other_things_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(DatasetError, match=r"holds thesis\.tex"):
        generate(RECIPE, tmp_path)
    with pytest.raises(DatasetError, match="no data set"):
        Dataset(tmp_path / "nowhere")


@pytest.mark.parametrize("workers", [0, -1, 1.5, True])
def test_workers_are_counted_from_one(tmp_path: Path, workers: Any) -> None:
    with pytest.raises(SpecError, match="workers is"):
        generate(RECIPE, tmp_path / "set", workers=workers)


def test_what_fails_is_recorded_and_the_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real_wave, real_image = work_module.render_wave, work_module.render_image

    def wave(drawn: Any, *rest: Any) -> Any:
        found = real_wave(drawn, *rest)
        if str(drawn.stream).endswith("/1"):
            found.array[0, 3, 4] = float("nan")
        return found

    def image(record: Any, *rest: Any) -> Any:
        if str(record.stream).endswith("structure/3/image/2"):
            raise ValueError("the shutter is stuck.")
        return real_image(record, *rest)

    monkeypatch.setattr(work_module, "render_wave", wave)
    monkeypatch.setattr(work_module, "render_image", image)
    seen: list[Progress] = []
    data = generate(RECIPE, tmp_path / "set", progress=seen.append)
    assert len(data) == 15 - 3 - 1
    assert seen[-1].failures == 2
    failures = data.failures
    assert [(f["structure"], f["image"], f["stage"]) for f in failures] == [(1, None, "scatter"), (3, 2, "image")]
    assert "not finite" in failures[0]["error"]
    assert "shutter" in failures[1]["error"]
    assert failures[1]["record"]["image"]["streams"]["image"] == "3/structure/3/image/2"
    assert set(data.where("structure = 3").column("image")) == {0, 1}
    data.verify()
    data.close()


def test_what_is_wrong_with_the_machine_stops_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(*_: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr(work_module, "render_structure", exhausted)
    with pytest.raises(MemoryError):
        generate(RECIPE, tmp_path / "set")
    assert not list((tmp_path / "set" / "shards").iterdir())


def test_custom_families_need_a_flag(tmp_path: Path) -> None:
    path = "exitwave.structure.families.supported_particles:SupportedParticles"
    recipe = RECIPE | {"structures": RECIPE["structures"] | {"family": path, "count": 1}}
    with pytest.raises(SpecError, match="allow_code"):
        generate(recipe, tmp_path / "set")
    data = generate(recipe, tmp_path / "set", allow_code=True)
    assert len(data) == 3
    with pytest.raises(SpecError, match="allow_code"):
        render(data[0].record)
    assert np.array_equal(render(data[0].record, allow_code=True).image.array, data[0].image.array)
    data.close()


def test_that_loops_are_compiled_is_told_once(tmp_path: Path, data: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not never_compiled()
    caches = [loop for loop in vars(kernels).values() if hasattr(loop, "_cache")]
    for loop in caches:
        monkeypatch.setattr(loop, "_cache", SimpleNamespace(cache_path=str(tmp_path)))
    assert never_compiled()
    notes: list[str] = []
    small = as_recipe(RECIPE | {"structures": RECIPE["structures"] | {"count": 1}})
    (tmp_path / "shards").mkdir()
    run(InlineExecutor(), Job(small, tmp_path), [0], 1, lambda state: notes.append(state.note))
    assert notes == ["compiling, once: the first structure takes a minute longer", ""]


def test_atoms_travel_between_processes_as_they_are(data: Dataset) -> None:
    pipe = io.BytesIO()
    atoms = data.atoms(0)
    send(pipe, 7, atoms)
    send(pipe, 8, None)
    whole = pipe.getvalue()
    pipe.seek(0)
    index, again = receive(pipe) or (0, None)
    assert index == 7
    assert again is not None
    for field in dataclasses.fields(atoms):
        mine, theirs = getattr(atoms, field.name), getattr(again, field.name)
        assert np.array_equal(mine, theirs, equal_nan=field.name == "thermal"), field.name
        assert type(mine) is type(theirs)
    assert receive(pipe) == (8, None)
    assert receive(pipe) is None
    assert receive(io.BytesIO(whole[: len(whole) // 2])) is None  # a builder that died while it told


def test_a_device_is_fed_by_the_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["exitwave.dataset.plan"], "_import_seconds", lambda: 1.0)
    kinds = {
        (2, "cuda", None): "FedExecutor",
        (1, "cuda", None): "InlineExecutor",
        (2, "cpu", None): "ProcessExecutor",
        (2, None, None): "ProcessExecutor",
        (2, "cuda", "tcp://far"): "ClusterExecutor",
    }
    for (workers, device, scheduler), name in kinds.items():
        assert type(executor_for(workers, device, scheduler, 4)).__name__ == name
    cost = plan(Recipe.parse(RECIPE), workers=3, samples=1)
    fed = dataclasses.replace(cost, fed=True, seconds={"build": 9.0, "scatter": 2.0, "write": 1.0}, start_seconds=0.0)
    assert fed.total_seconds == 5 * 3.0
