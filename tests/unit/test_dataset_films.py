"""Films that structures share: exact waves, records that suffice, the same bytes by every way, no hidden leakage."""

from __future__ import annotations

import copy
import gc
import json
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree
from typer.testing import CliRunner

from exitwave.cli.app import app
from exitwave.core import SpecError, StructureError
from exitwave.dataset import Dataset, Recipe, doctor, films, generate, kept_films, leakage, plan, render
from exitwave.dataset.catalog import Catalog
from exitwave.dataset.distributions import drawn_values
from exitwave.dataset.doctor import _tried
from exitwave.dataset.executors import Job
from exitwave.dataset.feeding import FedExecutor
from exitwave.dataset.rebuilt import geometry
from exitwave.dataset.records import StructureRecord, draw_structure, geometry_identity
from exitwave.dataset.samples import one_thread, render_structure, render_wave
from exitwave.dataset.schema import recipe_schema
from exitwave.dataset.verdict import Verdict
from exitwave.scattering import scatter
from exitwave.scattering.memory import ScatteringMemoryError
from exitwave.scattering.session import make_grids
from exitwave.scattering.shifts import moved_positions
from exitwave.scattering.thermal import amplitudes, displacements

RECIPE: dict[str, Any] = {
    "seed": 3,
    "structures": {
        "count": 7,
        "family": "supported_particles",
        "per_film": 3,
        "side": "exit",
        "field": [24, 30],
        "particles": {"material": "Au", "radius": {"uniform": [6, 9]}},
        "film": {"material": "a-C", "thickness": {"uniform": [5, 9]}},
    },
    "scattering": {"sampling": 0.25, "potential_sampling": None, "configurations": 2},
    "images": {"per_structure": 2, "dose": {"loguniform": [100, 1200]}},
    "store": {"waves": True, "structures_per_shard": 2},
}


def changed(section: str, **values: Any) -> dict[str, Any]:
    data = copy.deepcopy(RECIPE)
    data[section] = data[section] | values
    return data


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("films") / "set"
    generate(RECIPE, place).close()
    return place


@pytest.fixture
def data(folder: Path) -> Iterator[Dataset]:
    opened = Dataset(folder)
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("section", "values", "said"),
    [
        (
            "structures",
            {"side": "entrance"},
            "structures.per_film shares .* side is entrance; .* set side: exit",
        ),
        ("structures", {"side": {"choice": ["entrance", "exit"]}}, "side is entrance or exit"),
        ("structures", {"film": None}, "supported_particles has none here"),
        ("structures", {"film": {"holes": 1}}, "film.holes is above 0"),
        ("structures", {"vacuum": {"uniform": [4, 6]}}, "vacuum is drawn"),
        ("structures", {"per_film": 0}, "structures.per_film is 0"),
        ("structures", {"per_film": {"integers": [2, 4]}}, "structures.per_film is"),
        ("scattering", {"energy": {"choice": [80e3, 300e3]}}, "scattering.energy is drawn .* leave per_film out"),
        ("scattering", {"objects": ["particle"]}, r"scattering.objects is \['particle'\]"),
    ],
)
def test_what_cannot_share_a_film_is_refused_in_one_sentence(section: str, values: Any, said: str) -> None:
    with pytest.raises(SpecError, match=said) as caught:
        Recipe.parse(changed(section, **values))
    assert "\n" not in str(caught.value)


def test_families_without_a_film_of_their_own_are_refused() -> None:
    parts = [{key: value for key, value in RECIPE["structures"].items() if key not in ("count", "per_film")}]
    data = RECIPE | {"structures": {"count": 4, "family": "mixture", "per_film": 2, "parts": parts}}
    with pytest.raises(SpecError, match=r"structures.per_film shares films, but mixture has none here"):
        Recipe.parse(data)


def test_one_structure_for_each_film_is_what_it_was() -> None:
    alone = {key: value for key, value in RECIPE["structures"].items() if key != "per_film"}
    one, other = Recipe.parse(changed("structures", per_film=1)), Recipe.parse(RECIPE | {"structures": alone})
    assert one.identity == other.identity
    assert draw_structure(one, 5).to_dict() == draw_structure(other, 5).to_dict()
    assert "film" not in draw_structure(one, 5).to_dict()
    assert other.films == 0
    assert Recipe.parse(Recipe.parse(RECIPE).to_dict()).films == 3


def test_the_schema_knows_where_films_can_be_shared() -> None:
    kinds = [kind["properties"] for kind in recipe_schema()["properties"]["structures"]["oneOf"]]
    able = {kind["family"]["const"] for kind in kinds if "per_film" in kind}
    assert able >= {"supported_particles", "agglomerates", "core_shell", "from_files", "layers"}
    assert "mixture" not in able


@pytest.mark.parametrize(("index", "finer"), [(0, None), (1, None), (4, 0.125)])
def test_the_wave_is_that_of_all_planes_and_all_atoms(index: int, finer: float | None) -> None:
    """Scattered at once, atoms where they are in each configuration, the same to 1e-5."""
    film = {"material": "a-C", "thickness": {"uniform": [9, 14]}, "roughness": 1.0}
    scattering = changed("scattering", potential_sampling=finer)["scattering"]
    recipe = Recipe.parse(changed("structures", film=film, sink=0.9) | {"scattering": scattering})
    drawn = draw_structure(recipe, index)
    assert drawn.film is not None
    structure = render_structure(drawn)
    wave = render_wave(drawn, structure)
    whole = kept_films._film(drawn)
    shape = make_grids((24.0, 30.0), recipe.scattering)[1].shape
    lying = moved_positions(whole.positions, (30.0, 24.0), shape, drawn.film.shift, drawn.film.mirror)
    carbon = np.asarray(structure.numbers) == 6
    distance, owner = cKDTree(lying).query(structure.positions[carbon])
    assert 0.5 * len(whole) < carbon.sum() < len(whole)
    assert distance.max() < 1e-9
    for configuration in range(2):
        moved = np.array(structure.positions)
        rms = amplitudes(whole.numbers, None)
        there = whole.positions + displacements(rms, drawn.film.stream / "thermal" / configuration)
        moved[carbon] = moved_positions(there, (30.0, 24.0), shape, drawn.film.shift, drawn.film.mirror)[owner]
        gold = amplitudes(structure.numbers[~carbon], None)
        moved[~carbon] += displacements(gold, drawn.stream / "thermal" / configuration)
        moved[:, :2] %= np.diag(structure.cell)[:2]
        still = recipe.scattering.replace(thermal=False, beyond_band="absorbed")
        expected = scatter(replace(structure, positions=moved), spec=still)
        torch.testing.assert_close(wave.array[configuration], expected.array[0], atol=1e-5, rtol=0)
        assert wave.particle is not None
        assert expected.particle is not None
        torch.testing.assert_close(wave.particle[configuration], expected.particle[0], atol=1e-5, rtol=0)


def test_particles_are_their_own_and_the_film_gives_way_to_them() -> None:
    shared, alone = Recipe.parse(RECIPE), Recipe.parse(changed("structures", per_film=1))
    built = [render_structure(draw_structure(recipe, 1)) for recipe in (shared, alone)]
    particles = [structure.of(role="particle").positions for structure in built]
    low = [positions[:, :2] for positions in particles]
    assert np.allclose(*low)  # in height, they follow the thickness of their film
    for structure in built:
        apart = cKDTree(structure.of(role="particle").positions).query(structure.of(role="support").positions)[0]
        assert apart.min() > 2.0
    assert built[0].cell[2, 2] % 2.0 == pytest.approx(0.0)


def test_particles_that_reach_through_a_film_need_room_before_it() -> None:
    deep = {"sink": 2.0, "film": {"thickness": 6}, "particles": {"radius": 9}}
    with pytest.raises(StructureError, match=r"12 Å beyond, but there are 5 Å of vacuum .* give more vacuum"):
        render_structure(draw_structure(Recipe.parse(changed("structures", **deep)), 0))
    roomy = render_structure(draw_structure(Recipe.parse(changed("structures", **deep, vacuum=13.0)), 0))
    assert 0 < roomy.positions[:, 2].min() < 2


def test_structures_take_films_in_turn_each_in_its_own_way(data: Dataset) -> None:
    assert data.failures == []
    table = data.table().drop_duplicates("structure")
    assert table["film"].tolist() == [0, 0, 0, 1, 1, 1, 2]
    assert table["film_id"].nunique() == table["film_thickness"].nunique() == 3
    assert len({json.dumps(sample.record["film"]) for sample in data}) == 7
    for sample in data:
        (y, x), grid = sample.record["film"]["shift"], sample.image.array.shape
        assert 0 <= y < grid[0]
        assert 0 <= x < grid[1]
    tilted = draw_structure(Recipe.parse(changed("scattering", tilt_x=2.0)), 0)
    assert tilted.film is not None
    assert tilted.film.mirror == ""


def test_a_record_alone_makes_the_same_sample_bit_for_bit(data: Dataset) -> None:
    for index in (13, 3, 7):
        kept_films.forget_films()
        sample = data[index]
        again = render(json.loads(json.dumps(dict(sample.record))))
        assert np.array_equal(again.image.array, sample.image.array)
        assert np.array_equal(again.labels["phase"], sample.labels["phase"])
        assert again.identity == sample.identity == data.column("id")[index]
    record = StructureRecord.from_dict(data[2].record)
    assert record.to_dict()["film"] == data[2].record["film"]
    with one_thread():
        assert torch.equal(render_wave(record, render_structure(record)).array, data.waves(1).array)
    other = data[2].record | {"film": {"shift": [0, 0], "mirror": ""}}
    assert geometry_identity(other) != geometry_identity(data[2].record)


@pytest.mark.parametrize(
    ("film", "stream", "said"),
    [
        ({"shift": [1.5, 2], "mirror": ""}, "3/film/0", r"film.shift is \[1.5, 2\]"),
        ({"shift": [1, 2], "mirror": "z"}, "3/film/0", "film.mirror is 'z'"),
        ({"shift": [1, 2], "mirror": ""}, "3/film", "streams.film is 3/film; it ends with the number"),
        (3, "3/film/0", "film.shift is None"),
    ],
)
def test_records_of_films_are_checked(data: Dataset, film: Any, stream: str, said: str) -> None:
    record = dict(data[0].record)
    with pytest.raises(SpecError, match=said):
        StructureRecord.from_dict(record | {"film": film, "streams": record["streams"] | {"film": stream}})
    entrance = record["structure"] | {"side": "entrance"}
    with pytest.raises(SpecError, match="side is entrance"):
        StructureRecord.from_dict(record | {"structure": entrance})


def test_processes_and_interrupted_runs_make_the_same_bytes(tmp_path: Path, data: Dataset) -> None:
    other = generate(RECIPE, tmp_path / "set", workers=2)
    assert other.content == data.content
    other.close()
    for number in (1, 3):  # the runs that made them were ended; films begin and end within them
        (tmp_path / "set" / "shards" / f"00000{number}.h5").unlink()
        kept_films.forget_films()
    again = generate(RECIPE, tmp_path / "set")
    assert again.content == data.content
    again.close()


def test_atoms_built_ahead_of_a_device_lie_on_the_same_films(tmp_path: Path, data: Dataset) -> None:
    (tmp_path / "shards").mkdir()
    list(FedExecutor(2).run(Job(Recipe.parse(RECIPE), tmp_path), range(4)))
    fed = Dataset(tmp_path)
    assert fed.content == data.content
    fed.close()


def test_threads_keep_films_of_their_own(data: Dataset) -> None:
    records = [StructureRecord.from_dict(data.where(f"film = {film}")[0].record) for film in (0, 1)]

    def waves(record: StructureRecord) -> list[torch.Tensor]:
        return [render_wave(record, render_structure(record)).array for _ in range(3)]

    kept_films.forget_films()
    with one_thread(), ThreadPoolExecutor(2) as pool:
        found = list(pool.map(waves, records))
        assert kept_films.kept_bytes() > 0
    gc.collect()
    assert kept_films.kept_bytes() == 0  # threads that ended keep nothing
    for index, made in zip((0, 3), found, strict=True):
        assert all(torch.equal(wave, data.waves(index, atoms=False).array) for wave in made)
    with one_thread():
        waves(records[0])
    assert kept_films.kept_bytes() > 0
    with ThreadPoolExecutor(1) as pool:
        pool.submit(kept_films.forget_films).result()
    assert kept_films.kept_bytes() == 0  # in no thread


@pytest.mark.filterwarnings("default::DeprecationWarning", "default::ResourceWarning", "default::UserWarning")
def test_a_dask_cluster_makes_the_same_bytes(tmp_path: Path, data: Dataset) -> None:
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        other = generate(RECIPE, tmp_path / "set", scheduler=client)
    assert other.content == data.content
    other.close()


def test_a_film_is_scattered_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    made = []
    real = kept_films.FilmBank
    monkeypatch.setattr(kept_films, "FilmBank", lambda *given, **more: made.append(1) or real(*given, **more))
    kept_films.forget_films()
    generate(RECIPE, tmp_path / "set").close()
    assert len(made) == 3
    recipe = Recipe.parse(RECIPE)
    assert films.times_made(recipe, 1) == 3
    assert films.times_made(recipe, 9) == 9  # 3 of 2 to a shard may be in 3 shards
    assert films.times_made(Recipe.parse(changed("store", structures_per_shard=3)), 9) == 3


@pytest.mark.parametrize("module", ["film_waves", "engines"])
def test_a_shortage_of_memory_ends_the_run_and_is_no_failed_sample(
    module: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, data: Dataset
) -> None:
    with monkeypatch.context() as short:
        short.setattr(f"exitwave.scattering.{module}.available_memory", lambda place: 1e5)
        with pytest.raises(MemoryError, match=r"GB are free; .* fewer configurations, (or )?fewer workers") as caught:
            generate(RECIPE, tmp_path / "set")
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "set" / "shards").glob("*.h5"))
    again = generate(RECIPE, tmp_path / "set")
    assert again.failures == []
    assert again.content == data.content
    again.close()


def test_parts_that_share_films_are_told_from_those_that_do_not(data: Dataset, tmp_path: Path) -> None:
    one, other = data.split((0.5, 0.5), by="film", seed=1)
    assert len(one) + len(other) == len(data)
    assert not set(one.column("film")) & set(other.column("film"))
    assert leakage(one, other).passed
    mixed = leakage(*data.split((0.5, 0.5), seed=1))
    assert not mixed.passed
    assert "none shared, but" in mixed.text
    assert "split by film" in mixed.text
    plain = generate(changed("structures", per_film=1, count=2), tmp_path / "plain")
    both = data.concat(plain)
    assert len(set(both.films_or_structures())) == 3 + 2
    assert leakage(*both.split((0.4, 0.6), by="film", seed=2)).passed
    plain.close()


def test_films_are_the_same_however_they_are_scattered(data: Dataset) -> None:
    ways: list[dict[str, Any]] = [{}, {"slice_thickness": 1.3}, {"sampling": 0.2}, {"energy": 80e3}]
    drawn = [draw_structure(Recipe.parse(changed("scattering", **way)), 4) for way in ways]
    found = {films.film_columns(record)["film_id"] for record in drawn}
    assert found == set(data.where("film = 1").column("film_id"))
    assert drawn[0].film != drawn[2].film  # in pixels of another grid
    heights = [render_structure(record).cell[2, 2] for record in drawn[:2]]
    assert heights[0] / 2.0 == pytest.approx(round(heights[0] / 2.0))
    assert heights[1] / 1.3 == pytest.approx(round(heights[1] / 1.3))
    assert geometry_identity(drawn[0].to_dict()) == geometry_identity(drawn[1].to_dict())


def test_the_doctor_follows_records_and_counts_a_film_once(
    folder: Path, data: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = doctor(folder, structures=3)
    assert all(verdict.passed is not False for verdict in found.verdicts), str(found)
    assert found["records"].passed
    assert "0 of 3 pairs of films" in found["films"].text  # of three films
    shared = next(item for item in geometry(data.where("film = 0"), 3) if item.name == "films")
    assert shared.passed is None
    monkeypatch.setattr("exitwave.dataset.rebuilt.film_columns", lambda record: {"film_id": str(record.stream)})
    copies = next(item for item in geometry(data.where("film = 0"), 3) if item.name == "films")
    assert copies.text == "3 of 3 pairs of films are copies"  # though shifted and mirrored
    records = [draw_structure(data.recipe, index).to_dict() for index in range(7)]
    drawn = {key: values for key, _, values in drawn_values(data.recipe, records, [])}
    assert len(drawn["structures.film.thickness"]) == 3
    assert len(drawn["structures.particles.radius"]) == 7


def test_saved_selections_keep_their_films(data: Dataset, tmp_path: Path) -> None:
    kept = data.where("film = 1").save(tmp_path / "one")
    assert set(kept.column("film_id")) == set(data.where("film = 1").column("film_id"))
    index = Catalog(tmp_path / "one")
    assert len(index) == 6
    index.close()
    atoms, before = kept.atoms(0), data.atoms(3)
    assert np.array_equal(atoms.positions, before.positions)
    kept.close()


def test_a_plan_shares_the_time_of_films(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[int] = []

    def watched() -> int:
        kept.append(kept_films.kept_bytes())
        return kept[-1]

    monkeypatch.setattr(sys.modules[plan.__module__], "kept_bytes", watched)
    found = plan(Recipe.parse(changed("structures", count=300, per_film=100)), samples=2)
    assert "300 structures on 3 films, 600 images" in str(found)
    assert 0 < found.seconds["film"] < 0.2 * found.seconds["scatter"]
    assert len(kept) == 4
    assert found.memory > max(kept) > 0
    assert kept_films.kept_bytes() == 0


def test_commands_tell_of_films(tmp_path: Path) -> None:
    recipe = Recipe.parse(RECIPE)
    recipe.write(tmp_path / "recipe.yaml")
    done = CliRunner().invoke(app, ["generate", str(tmp_path / "recipe.yaml"), str(tmp_path / "x"), "--dry-run"])
    assert "7 structures (supported_particles) on 3 films" in done.output
    out = tmp_path / "one.xyz"
    CliRunner().invoke(app, ["build", str(tmp_path / "recipe.yaml"), "-o", str(out), "--index", "4", "--no-picture"])
    expected = render_structure(draw_structure(recipe, 4))
    assert int(out.read_text().split("\n")[0]) == len(expected)


def test_a_shortage_of_memory_is_no_verdict_on_the_records():
    def check():
        yield Verdict("records", True, "so far")
        raise ScatteringMemoryError("there is too little memory.")

    found = _tried(check)
    assert next(found).passed
    with pytest.raises(MemoryError, match="too little"):
        next(found)
