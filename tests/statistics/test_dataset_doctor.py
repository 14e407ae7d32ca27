"""The doctor passes a sound data set and its tests have the false alarms they state; it mends what can be mended.

False-alarm rate of the statistical checks: 1e-6 for each data set, seeds fixed.
"""

from __future__ import annotations

import json
import tracemalloc
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exitwave.core import DatasetError, Stream, distribution
from exitwave.dataset import Dataset, Recipe, checks, doctor, generate
from exitwave.dataset.contact import at_border, count_floating
from exitwave.dataset.distributions import drawn_tests, orientation_tests, p_value
from exitwave.dataset.positions import places, position_tests, why_untested
from exitwave.dataset.records import draw_image, draw_structure
from exitwave.dataset.store import Store
from exitwave.structure.families.placement import place_spheres

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


def test_what_absorbs_and_what_lies_on_others_is_no_fault(tmp_path: Path) -> None:
    """Images of clumps that absorb have fewer counts than their dose says, and particles that touch no film."""
    clumps = RECIPE | {
        "structures": {
            "count": 8, "family": "agglomerates", "arrangement": "clump", "field": 64, "wrap": True,
            "particles": {"material": "Au", "count": 4, "radius": 8},
            "film": {"material": "a-C", "thickness": 15},
        },
        "scattering": {"sampling": 0.4, "configurations": 1, "absorption": 0.3},
        "labels": ["thickness", "territories", "depth", "instances", {"rule": "instances", "layer": 1}],
    }  # fmt: skip
    diagnosis = doctor(made(tmp_path, clumps))
    mean, dose = (Dataset(tmp_path / "set").column(name) for name in ("image_mean", "dose"))
    assert (mean < 0.93 * dose * 0.16).any()
    for name in ("dose", "mean intensity", "contact", "labels"):
        assert diagnosis[name].passed, str(diagnosis)


def test_what_floats_is_found() -> None:
    plate = np.stack(np.meshgrid(*[np.arange(4) * 2.0] * 2, [0.0]), axis=-1).reshape(-1, 3)
    film, cell = plate * (6, 6, 1), np.diag([40.0, 40.0, 60.0])
    higher, lower, apart, pair, edge = (
        plate + place for place in ((12, 12, 6), (12, 12, 3), (12, 12, 20), (12, 12, 22), (33, 12, 30))
    )
    assert count_floating([higher, lower, apart, pair], film, cell) == 2  # two that hold each other and nothing else
    assert count_floating([higher, lower], film, cell) == 0
    assert count_floating([higher], film, cell) == 1
    assert count_floating([edge, higher], film, cell) == 2
    assert at_border([higher, edge], cell) == [1]
    assert count_floating([edge, higher], film, cell, held=[0]) == 1


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
    draws = {"structures.particles.radius", "structures.film.thickness", "images.dose"}
    assert set(results) == draws | {"structures.particles.defects"}
    assert min(results.values()) > 1e-6
    assert min(p for _, p in orientation_tests(structures)) > 1e-6
    assert [name for name, _ in position_tests(structures)] == ["x", "y", "the quadrant of the field"]
    assert min(p for _, p in position_tests(structures)) > 1e-6


def grains(defects: Any, chance: np.random.Generator, *, shape: str = "sphere", count: int = 300) -> list[Any]:
    """Return records of particles whose numbers of defects a function of chance and of the drawn one tells."""
    out = []
    for _ in range(count):
        drawn = int(chance.integers(3))
        grain = {"material": "Au", "shape": shape, "radius": 8.0, "defects": int(defects(drawn, chance))}
        family = {"family": "supported_particles", "field": [28, 28], "particles": [grain]}
        out.append({"structure": family, "scattering": {}})
    return out


@pytest.mark.parametrize(
    ("shape", "defects", "sound"),
    [
        ("sphere", lambda drawn, chance: drawn, True),
        ("sphere", lambda drawn, chance: 0, False),  # there is room for two in a ball of 8 Å
        ("sphere", lambda drawn, chance: 1, False),
        ("sphere", lambda drawn, chance: 3, False),
        ("faceted", lambda drawn, chance: drawn, True),
        ("faceted", lambda drawn, chance: min(drawn, 1), True),  # there may have been no room for more
        ("faceted", lambda drawn, chance: 2, False),
        ("faceted", lambda drawn, chance: max(drawn, 1), False),
        ("faceted", lambda drawn, chance: 3, False),
    ],
)
def test_numbers_of_defects_are_tested_as_far_as_they_can_be(shape: str, defects: Any, sound: bool) -> None:
    recipe = Recipe.parse(RECIPE)
    for seed in range(10):
        structures = grains(defects, np.random.default_rng(seed), shape=shape)
        results = {key: p for key, p in drawn_tests(recipe, structures, []) if "defects" in key}
        assert set(results) == {"structures.particles.defects" + ", not more than drawn" * (shape != "sphere")}
        assert (min(results.values()) > 1e-4) == sound, (seed, results)


def at(*places: Any, **keys: Any) -> dict[str, Any]:
    particles = [{"position": [float(x), float(y)], "radius": 8.0, "shape": "sphere"} for x, y in places]
    family = {"family": "supported_particles", "field": [100.0, 100.0], "wrap": False, "gap": 2.0}
    return {"structure": family | {"particles": particles} | keys}


def anywhere(index: int, *, count: int = 1, wrap: bool = False, radius: float = 8.0) -> dict[str, Any]:
    stream = Stream(17) / index
    found = place_spheres([radius] * count, [0.0] * count, (100, 100), 2.0, stream, periodic=wrap)
    return at(*found, wrap=wrap)


UNEVEN: dict[str, Any] = {
    "four points": lambda i, chance: at((25 + 50 * (i % 2), 25 + 50 * (i // 2 % 2))),
    "about the middle": lambda i, chance: at(50 + 5 * chance.standard_normal(2)),
    "the second at one point": lambda i, chance: at(100 * chance.random(2), (10, 10)),
    "the second in the middle": lambda i, chance: at(100 * chance.random(2), (50, 50)),
    "in a stripe": lambda i, chance: at((100 * chance.random(), 30 + 40 * chance.random())),
    "in one part of a mixture": lambda i, chance: {
        "structure": {"family": "mixture", "parts": [at((20, 20))["structure"]]}
    },
    "agglomerates in a corner": lambda i, chance: at(family="agglomerates", position=[9.0, 9.0]),
    "crowded, in one half": lambda i, chance: at(*[(100 * chance.random(), 40 * chance.random()) for _ in range(30)]),
}


@pytest.mark.parametrize("name", UNEVEN)
def test_particles_that_are_not_everywhere_are_found(name: str) -> None:
    chance = np.random.default_rng(3)
    structures = [UNEVEN[name](index, chance) for index in range(400)]
    assert min(p for _, p in position_tests(structures)) < 1e-6 / 20


@pytest.mark.parametrize(("count", "wrap"), [(1, False), (3, True), (3, False), (12, False)])
def test_particles_that_keep_apart_raise_no_alarm(count: int, wrap: bool) -> None:
    # 40 data sets of 60 structures: p below 0.01 is a matter of chance in one data set of a hundred
    low = {"x": 0, "y": 0, "the quadrant of the field": 0}
    for repeat in range(40):
        structures = [anywhere(60 * repeat + index, count=count, wrap=wrap) for index in range(60)]
        for name, p in position_tests(structures):
            low[name] += p < 0.01
    assert max(low.values()) <= 4  # probability of more: 5e-5
    barred = places([anywhere(index, count=count, wrap=wrap) for index in range(9)])[1]
    assert (barred == 0).all() == (wrap or count == 1)


def test_places_of_which_nothing_is_known_are_not_tested() -> None:
    strange = [at((5, 5), family="mine") for _ in range(50)]
    assert not list(position_tests(strange))
    assert why_untested(strange) == "nothing is known of the places in structures of mine"
    assert "fewer than 20 structures" in why_untested([at((5, 5))])
    assert "fewer than 20 structures" in why_untested([])


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


def test_all_images_are_compared_in_little_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(Dataset(made(tmp_path))) as data:
        assert {verdict.name: verdict for verdict in checks.images(data)}[
            "pixels"
        ].text == "no two of 8 images are equal"
        real = Store.image
        monkeypatch.setattr(Store, "image", lambda self, row: real(self, 2 if row == 7 else row))
        found = {verdict.name: verdict for verdict in checks.images(data)}["pixels"]
        assert found.passed is False
        assert found.text == "1 of 8 images are there before, pixel for pixel"
        # the last of many, too, and what is kept of each is small
        monkeypatch.setattr(data, "_rows", np.arange(5000))
        monkeypatch.setattr(Store, "image", lambda self, row: np.full((64, 64), row % 4999, np.uint16))
        tracemalloc.start()
        assert checks._different(data) == 4999
        assert tracemalloc.get_traced_memory()[1] < 5000 * 100
        tracemalloc.stop()


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
