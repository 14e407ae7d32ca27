"""The fourteen mistakes of the original pipeline, made again one by one.

Each is found by the doctor, or cannot be made with the public interface, which its test shows then.
False-alarm rate of the statistical checks: 1e-6 for each data set, seeds fixed.
"""

from __future__ import annotations

from dataclasses import replace
from math import radians
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from exitwave.core import DatasetError, SpecError, Stream
from exitwave.dataset import Dataset, Recipe, doctor, generate, leakage, render
from exitwave.dataset import samples as samples_module
from exitwave.dataset import work as work_module
from exitwave.labels import Labels
from exitwave.scattering import ExitWave
from exitwave.structure.families import SupportedParticles

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
    "images": {"per_structure": 2, "focal_spread": 20, "aberrations": "team", "dose": {"uniform": [3000, 9000]}},
    "labels": [{"rule": "phase"}, {"rule": "instances"}],
    "store": {"waves": True, "structures_per_shard": 2},
}


def with_changes(**sections: Any) -> dict[str, Any]:
    return RECIPE | {name: RECIPE[name] | values for name, values in sections.items()}


def verdict_of(folder: Path, name: str, recipe: dict[str, Any] = RECIPE, structures: int = 4) -> Any:
    generate(recipe, folder / "set").close()
    diagnosis = doctor(folder / "set", structures=structures)
    print(diagnosis)
    return diagnosis[name].passed


def patched_wave(monkeypatch: pytest.MonkeyPatch, change: Any) -> None:
    """Change every exit wave where it is made, also where the doctor makes it again."""
    real = work_module.render_wave

    def wave(*given: Any) -> Any:
        return change(real(*given))

    monkeypatch.setattr(work_module, "render_wave", wave)
    monkeypatch.setattr("exitwave.dataset.remade.render_wave", wave)


@pytest.fixture
def without_physics(monkeypatch: pytest.MonkeyPatch) -> None:
    """Records as usual, of many structures, with a wave of vacuum in place of the real one."""
    vacuum = ExitWave(torch.ones(1, 8, 8, dtype=torch.complex64), (0.5, 0.5), 300e3, None, record={})
    zeros = np.zeros((8, 8), np.uint8)
    nothing = Labels({"phase": zeros, "instances": zeros}, 0.5)
    monkeypatch.setattr(work_module, "render_structure", lambda drawn: drawn)
    monkeypatch.setattr(work_module, "render_wave", lambda *given: vacuum)
    monkeypatch.setattr(work_module, "render_labels", lambda *given: nothing)


MANY = with_changes(
    structures={"count": 120}, store={"waves": False, "structures_per_shard": 120}, images={"per_structure": 1}
)


@pytest.mark.parametrize("kept", [True, False])
def test_1_one_configuration_read_eight_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: bool) -> None:
    recipe = with_changes(store={"waves": kept}, structures={"count": 2})
    patched_wave(monkeypatch, lambda wave: replace(wave, array=wave.array[:1].repeat(len(wave.array), 1, 1)))
    assert verdict_of(tmp_path, "thermal configurations", recipe) is False


def test_2_angles_turned_into_radians_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exitwave.imaging.aberrations.radians", lambda angle: radians(radians(angle)))
    assert verdict_of(tmp_path, "optics") is False


def test_3_particles_that_float_above_thin_films(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = SupportedParticles.build

    def build(self: Any, stream: Any) -> Any:
        found = real(self, stream)
        cell = found.cell.copy()
        cell[2, 2] += 12
        support = np.array(found.roles)[found.objects] == "support"
        return replace(found, positions=found.positions + np.where(support[:, None], [0, 0, 12.0], 0.0), cell=cell)

    monkeypatch.setattr(SupportedParticles, "build", build)
    assert verdict_of(tmp_path, "contact") is False


def changed_draws(monkeypatch: pytest.MonkeyPatch, change: Any) -> None:
    real = work_module.draw_structure

    def draw(recipe: Any, index: int) -> Any:
        drawn = real(recipe, index)
        data = drawn.spec.to_dict()
        for particle in data["particles"]:
            change(particle)
        return replace(drawn, spec=type(drawn.spec).parse(data))

    monkeypatch.setattr(work_module, "draw_structure", draw)


@pytest.mark.usefixtures("without_physics")
def test_0_many_sound_draws_pass(tmp_path: Path) -> None:
    generate(MANY, tmp_path / "set").close()
    diagnosis = doctor(tmp_path / "set", structures=0)
    assert all(diagnosis[name].passed for name in ("draws", "orientations", "positions")), str(diagnosis)


@pytest.mark.usefixtures("without_physics")
def test_4_positions_in_one_quadrant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def change(particle: dict[str, Any]) -> None:
        particle["position"] = [coordinate / 2 for coordinate in particle["position"]]

    changed_draws(monkeypatch, change)
    assert verdict_of(tmp_path, "positions", MANY, structures=0) is False


@pytest.mark.usefixtures("without_physics")
def test_5_a_zone_axis_without_uniform_spin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def change(particle: dict[str, Any]) -> None:
        w, x, y, _ = particle["orientation"]
        norm = np.sqrt(w * w + x * x + y * y)
        particle["orientation"] = [w / norm, x / norm, y / norm, 0.0]

    changed_draws(monkeypatch, change)
    assert verdict_of(tmp_path, "orientations", MANY, structures=0) is False


def test_6_a_focal_spread_to_one_side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = samples_module.intensities

    def one_sided(wave: Any, specs: Any) -> Any:
        steps = np.linspace(0, 3, 7)
        weights = np.exp(-(steps**2) / 2) / np.exp(-(steps**2) / 2).sum()
        images = []
        for spec in specs:
            foci = [spec.replace(focal_spread=0.0, defocus=spec.defocus + step * spec.focal_spread) for step in steps]
            images.append((torch.from_numpy(weights)[:, None, None] * real(wave, foci)).sum(0).float())
        return torch.stack(images)

    monkeypatch.setattr(samples_module, "intensities", one_sided)
    assert verdict_of(tmp_path, "optics") is False


@pytest.mark.usefixtures("without_physics")
def test_7_a_filter_that_overwrites_what_it_filters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = generate(MANY, tmp_path / "set")
    # conditions in a loop, each assigned to the name of the last: the data set itself cannot be overwritten by them
    chosen = data
    seen = []
    for low in (3000, 5000, 7000):
        chosen = data.where(f"dose BETWEEN {low} AND {low + 2000}")
        assert low <= chosen.column("dose").min() <= chosen.column("dose").max() <= low + 2000
        seen += chosen.column("id").tolist()
    assert sorted(seen) == sorted(data.column("id"))
    with pytest.raises(ValueError, match="read-only"):
        chosen._rows[0] = 0
    data.close()
    # and a condition that reached the records of nobody is found in the draws
    narrow = Recipe.parse(with_changes(images={"dose": {"uniform": [3000, 4000]}}))
    for path in (tmp_path / "set").glob("*.yaml"):
        path.write_text(path.read_text().replace("uniform: [3000, 9000]", "uniform: [3000, 4000]"))
    assert "4000" in (tmp_path / "set" / "recipe.yaml").read_text()
    assert narrow.images.spec.dose != Recipe.parse(RECIPE).images.spec.dose
    assert doctor(tmp_path / "set", structures=0)["draws"].passed is False


def test_8_splits_by_image_and_masks_of_other_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = generate(RECIPE, tmp_path / "set")
    by_image = data.take([0, 2, 4, 6]), data.take([1, 3, 5, 7])
    assert leakage(*by_image).passed is False
    assert leakage(*data.split((0.5, 0.5), seed=1)).passed
    with pytest.raises(DatasetError, match="would leak"):
        data.split((0.5, 0.5), by="image", seed=1)
    one, other = (part.save(tmp_path / name) for part, name in zip(by_image, ("train", "validation"), strict=True))
    assert doctor(tmp_path / "train", tmp_path / "validation", structures=0)["leakage"].passed is False
    for part in (one, other, data):
        part.close()
    real = work_module.render_labels

    def rolled(drawn: Any, wave: Any) -> Any:
        found = real(drawn, wave)
        size = wave.array.shape[-1] // 2
        return replace(
            found, maps={name: np.roll(values, (size, size)).T.copy() for name, values in found.maps.items()}
        )

    monkeypatch.setattr(work_module, "render_labels", rolled)
    (tmp_path / "again").mkdir()
    assert verdict_of(tmp_path / "again", "labels") is False


def test_9_numbers_without_a_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SpecError, match="seed is missing"):
        Recipe.parse({name: value for name, value in RECIPE.items() if name != "seed"})
    real = work_module.render_image
    noise = np.random.default_rng(5)
    monkeypatch.setattr(
        work_module, "render_image", lambda *given: (real(*given) + noise.integers(0, 2, (80, 80))).astype(np.uint16)
    )
    recipe = with_changes(structures={"count": 1})
    assert verdict_of(tmp_path, "records", recipe) is False


def test_10_one_film_for_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = SupportedParticles.build

    def build(self: Any, stream: Any) -> Any:
        return real(self.replace(film=self.film.replace(thickness=6.0)), Stream(0))

    monkeypatch.setattr(SupportedParticles, "build", build)
    assert verdict_of(tmp_path, "films") is False


def test_11_labels_that_hang_on_the_defocus(tmp_path: Path) -> None:
    """A structure has one label for all of its images, made before any lens is known."""
    recipe = with_changes(structures={"count": 1}, images={"per_structure": 3, "defocus": {"uniform": [-900, 900]}})
    data = generate(recipe, tmp_path / "one")
    other = generate(recipe | {"images": {"dose": 400, "defocus": 700}}, tmp_path / "two")
    assert np.ptp(data.column("defocus")) > 100
    for rule in data.rules:
        assert len({mask.tobytes() for mask in (*data.masks(rule), *other.masks(rule))}) == 1
    data.close()
    other.close()


def test_11_one_threshold_for_all_materials(tmp_path: Path) -> None:
    changes = {"particles": {"material": "CdSe", "radius": 10}, "count": 4, "field": 28}
    recipe = with_changes(structures=changes) | {"labels": [{"rule": "phase"}]}
    assert verdict_of(tmp_path, "labels", recipe) is False
    (tmp_path / "thickness").mkdir()
    assert verdict_of(tmp_path / "thickness", "labels", recipe | {"labels": [{"rule": "thickness"}]}) is True


def test_12_failures_that_vanish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = work_module.render_wave

    def wave(drawn: Any, *given: Any) -> Any:
        if str(drawn.stream).endswith("/2"):
            raise ValueError("the wave vanished.")
        return real(drawn, *given)

    monkeypatch.setattr(work_module, "render_wave", wave)
    assert verdict_of(tmp_path, "failures") is False
    data = Dataset(tmp_path / "set")
    assert [(item["structure"], item["error"]) for item in data.failures] == [(2, "ValueError: the wave vanished.")]
    data.close()


def test_13_counts_that_wrap_at_eight_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = samples_module.compact_counts
    monkeypatch.setattr(samples_module, "compact_counts", lambda array: real(array.astype(np.int64).astype(np.uint8)))
    assert verdict_of(tmp_path, "dose") is False
    monkeypatch.undo()
    bright = render(Dataset(tmp_path / "set")[0].record)
    assert bright.image.array.max() > 255


def test_14_softmax_applied_twice() -> None:
    """It would keep the probability of particle below e / (1 + e) = 0.731 however sure the network is."""
    from exitwave.learning import Net, Network, Normalisation, build

    net = Net(width=0.125)
    weights = build(net).state_dict()
    last = [name for name, value in weights.items() if name.endswith("bias") and value.shape == (2,)][-1]
    weights[last.replace("bias", "weight")].zero_()
    weights[last].copy_(torch.tensor([-20.0, 20.0]))
    network = Network(net, weights, 0.4, Normalisation())
    assert network.predict(np.random.default_rng(1).random((64, 64)), 0.4).min() > 0.99
