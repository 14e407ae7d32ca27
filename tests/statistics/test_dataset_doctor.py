"""The doctor passes a sound data set, and finds each mistake of the original pipeline that can be made at all.

False-alarm rate of the statistical checks: 1e-6 for each data set, seeds fixed.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exitwave.core import Stream, distribution
from exitwave.dataset import Dataset, Recipe, doctor, generate, leakage
from exitwave.dataset import samples as samples_module
from exitwave.dataset import work as work_module
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


def frozen_phonons_that_are_one(monkeypatch: pytest.MonkeyPatch) -> str:
    real = work_module.render_wave

    def wave(*given: Any) -> Any:
        found = real(*given)
        return replace(found, array=found.array[:1].repeat(len(found.array), 1, 1))

    monkeypatch.setattr(work_module, "render_wave", wave)
    return "thermal configurations"


def floating_particles(monkeypatch: pytest.MonkeyPatch) -> str:
    from exitwave.structure.families import SupportedParticles

    real = SupportedParticles.build

    def build(self: Any, stream: Any) -> Any:
        found = real(self, stream)
        cell = found.cell.copy()
        cell[2, 2] += 12
        support = np.array(found.roles)[found.objects] == "support"
        moved = found.positions + np.where(support[:, None], [0, 0, 12.0], 0.0)
        return replace(found, positions=moved, cell=cell)

    monkeypatch.setattr(SupportedParticles, "build", build)
    return "contact"


def one_film_for_all(monkeypatch: pytest.MonkeyPatch) -> str:
    from exitwave.structure.families import SupportedParticles

    real = SupportedParticles.build

    def build(self: Any, stream: Any) -> Any:
        film = self.film.replace(thickness=6.0)
        return real(self.replace(film=film), Stream(0))

    monkeypatch.setattr(SupportedParticles, "build", build)
    return "films"


def counts_of_eight_bits(monkeypatch: pytest.MonkeyPatch) -> str:
    real = samples_module.compact_counts
    monkeypatch.setattr(
        samples_module, "compact_counts", lambda array: real((20 * array).astype(np.int64).astype(np.uint8))
    )
    return "dose"


def labels_of_another_structure(monkeypatch: pytest.MonkeyPatch) -> str:
    real = work_module.render_labels

    def labels(drawn: Any, wave: Any) -> Any:
        found = real(drawn, wave)
        rolled = {
            name: np.roll(values, (values.shape[0] // 2, values.shape[1] // 2)) for name, values in found.maps.items()
        }
        return replace(found, maps={name: rolled[name].T.copy() for name in rolled})

    monkeypatch.setattr(work_module, "render_labels", labels)
    return "labels"


def swallowed_failures(monkeypatch: pytest.MonkeyPatch) -> str:
    real = work_module.render_wave

    def wave(drawn: Any, *given: Any) -> Any:
        if str(drawn.stream).endswith("/2"):
            raise ValueError("the wave vanished.")
        return real(drawn, *given)

    monkeypatch.setattr(work_module, "render_wave", wave)
    return "failures"


def unseeded_images(monkeypatch: pytest.MonkeyPatch) -> str:
    real = work_module.draw_image
    monkeypatch.setattr(work_module, "draw_image", lambda spec, stream, number: real(spec, stream, 0))
    return "duplicates"


@pytest.mark.parametrize(
    "mistake",
    [
        frozen_phonons_that_are_one,
        floating_particles,
        one_film_for_all,
        counts_of_eight_bits,
        labels_of_another_structure,
        swallowed_failures,
        unseeded_images,
    ],
)
def test_mistakes_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mistake: Callable[[pytest.MonkeyPatch], str]
) -> None:
    name = mistake(monkeypatch)
    folder = made(tmp_path)
    diagnosis = doctor(folder)
    assert diagnosis[name].passed is False, str(diagnosis)


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


def test_particles_in_one_quadrant_are_found() -> None:
    _, structures, _ = many()
    for record in structures:
        for particle in record["structure"]["particles"]:
            particle["position"] = [coordinate / 2 for coordinate in particle["position"]]
    assert min(p for _, p in quadrant_test(structures)) < 1e-6


def test_a_zone_axis_without_spin_is_found() -> None:
    _, structures, _ = many()
    for record in structures:
        for particle in record["structure"]["particles"]:
            w, x, y, _ = particle["orientation"]
            norm = np.sqrt(w * w + x * x + y * y)
            particle["orientation"] = [w / norm, x / norm, y / norm, 0.0]
    assert min(p for _, p in orientation_tests(structures)) < 1e-6


def test_a_filter_that_does_nothing_is_found() -> None:
    recipe, structures, images = many()
    other = Recipe.parse(RECIPE | {"images": {"dose": {"uniform": [100, 500]}}})
    assert dict(drawn_tests(other, structures, images))["images.dose"] < 1e-6
    assert dict(drawn_tests(recipe, structures, images))["images.dose"] > 1e-6


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


def test_leakage_is_found(tmp_path: Path) -> None:
    data = Dataset(made(tmp_path))
    assert leakage(*data.split((0.5, 0.5), seed=1)).passed
    assert not leakage(data.take([0, 2]), data.take([1, 4])).passed
    data.close()


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
