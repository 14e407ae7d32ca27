"""The doctor passes a sound data set and its tests have the false alarms they state; it mends what can be mended.

False-alarm rate of the statistical checks: 1e-6 for each data set, seeds fixed.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from exitwave.core import DatasetError, Stream, distribution
from exitwave.dataset import Dataset, Recipe, doctor, generate
from exitwave.dataset.distributions import drawn_tests, orientation_tests, p_value, quadrant_test
from exitwave.dataset.records import draw_image, draw_structure

RECIPE: dict[str, Any] = {
    "seed": 21,
    "structures": {
        "count": 4,
        "family": "supported_particles",
        "field": 28,
        "particles": {"material": "Au", "radius": {"uniform": [7, 9]}, "defects": {"integers": [0, 2]}},
        "film": {"material": "a-C", "thickness": {"uniform": [4, 8]}},
        "wrap": True,
    },
    "scattering": {"sampling": 0.35, "potential_sampling": None, "configurations": 2},
    "images": {"per_structure": 2, "dose": {"uniform": [100, 900]}},
    "labels": [{"rule": "phase"}, {"rule": "instances"}],
    "store": {"waves": True, "structures_per_shard": 2},
}


def made(folder: Path, recipe: dict[str, Any] = RECIPE) -> Path:
    generate(recipe, folder / "set").close()
    return folder / "set"


def test_a_sound_data_set_is_healthy(tmp_path: Path) -> None:
    diagnosis = doctor(made(tmp_path))
    assert diagnosis.healthy, str(diagnosis)
    names = [verdict.name for verdict in diagnosis.verdicts]
    assert names[:4] == ["checksums", "completeness", "orphans", "catalog"]
    assert diagnosis["thermal configurations"].passed
    assert diagnosis["contact"].passed
    assert diagnosis["labels"].passed
    assert diagnosis["films"].passed


@cache
def drawn_text(count: int) -> str:
    recipe = Recipe.parse(RECIPE)
    drawn = [draw_structure(recipe, index) for index in range(count)]
    images = [draw_image(recipe.images.spec, item.stream, 0).to_dict()["imaging"] for item in drawn]
    return json.dumps([[item.to_dict() for item in drawn], images])


def many(count: int = 400) -> tuple[Recipe, list[dict[str, Any]], list[dict[str, Any]]]:
    structures, images = json.loads(drawn_text(count))
    return Recipe.parse(RECIPE), structures, images


def test_draws_of_a_recipe_follow_it() -> None:
    recipe, structures, images = many()
    results = dict(drawn_tests(recipe, structures, images))
    assert set(results) == {"structures.particles.radius", "structures.film.thickness", "images.dose"}
    assert min(results.values()) > 1e-6
    assert min(p for _, p in orientation_tests(structures)) > 1e-6
    assert min(p for _, p in quadrant_test(structures)) > 1e-6


@pytest.mark.parametrize(
    "spec",
    [
        {"normal": [40, 10], "within": [30, 50]},
        {"loguniform": [100, 1200]},
        {"integers": [0, 3]},
        {"choice": ["Au", "Ag", "Cu"], "weights": [3, 1, 1]},
        {"mixture": [{"uniform": [0, 1]}, {"uniform": [3, 4]}], "weights": [1, 2]},
        {"mixture": [0, {"uniform": [5, 20]}], "weights": [3, 1]},
    ],
)
def test_every_distribution_passes_its_own_test(spec: dict[str, Any]) -> None:
    kind = distribution(spec)
    for seed in range(20):
        values = [kind.draw(Stream(seed) / index) for index in range(300)]
        assert p_value(kind, values) > 1e-6


def test_files_are_checked_and_repaired(tmp_path: Path) -> None:
    folder = made(tmp_path)
    content = Dataset(folder).content
    damaged = bytearray((folder / "shards" / "000000.h5").read_bytes())
    damaged[len(damaged) // 2] ^= 255
    (folder / "shards" / "000000.h5").write_bytes(damaged)
    (folder / "shards" / "000001.h5").unlink()
    (folder / "shards" / ".000001.h5.1-a.tmp").write_bytes(b"x")
    diagnosis = doctor(folder)
    assert diagnosis["checksums"].passed is False
    assert "000000.h5" in diagnosis["checksums"].text
    assert diagnosis["completeness"].passed is False
    assert diagnosis["orphans"].passed is False
    assert not diagnosis.healthy
    repaired = doctor(folder, repair=True)
    assert repaired.healthy, str(repaired)
    assert repaired["checksums"].repaired
    assert Dataset(folder).content == content


def test_selections_and_new_images_are_mended_from_their_parents(tmp_path: Path) -> None:
    data = Dataset(made(tmp_path))
    saved = data.take([5, 0, 1, 3]).save(tmp_path / "saved")
    new = data.reimage({"per_structure": 1, "dose": 900}, tmp_path / "new", seed=3)
    contents = saved.content, new.content
    for opened in (data, saved, new):
        opened.close()
    for folder, content in zip((tmp_path / "saved", tmp_path / "new"), contents, strict=True):
        shard = folder / "shards" / "000000.h5"
        whole = shard.read_bytes()
        shard.write_bytes(whole[:-50])
        found = doctor(folder, repair=True, structures=0)  # without them
        assert not found.healthy
        assert f"repair it with --parent {data.stores[0].folder}" in found["checksums"].text
        assert shard.read_bytes() == whole[:-50]  # what cannot be made anew is not thrown away
        shard.unlink()
        assert doctor(folder, structures=0)["completeness"].passed is False
        assert doctor(folder, repair=True, parents=[data.stores[0].folder], structures=0)["completeness"].repaired
        assert Dataset(folder).content == content
    shard.unlink()
    with pytest.raises(DatasetError, match="is not what these images were formed from"):
        doctor(tmp_path / "new", repair=True, parents=[tmp_path / "saved"])
    (tmp_path / "saved" / "shards" / "000000.h5").unlink()
    with pytest.raises(DatasetError, match="4 of 4 lost images are in none of the parents"):
        doctor(tmp_path / "saved", repair=True, parents=[tmp_path / "saved"])
