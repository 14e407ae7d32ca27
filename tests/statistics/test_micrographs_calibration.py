"""Calibration: hidden numbers of simulated "experiments" are found again, within intervals that cover."""

from dataclasses import replace

import numpy as np
import pytest

from exitwave.core import Stream
from exitwave.core.errors import MicrographError
from exitwave.dataset import Recipe, generate
from exitwave.micrographs.calibration import QuantileRegression, calibrate, energy_distance, features
from exitwave.micrographs.calibration.calibrate import _strange
from exitwave.micrographs.calibration.parameters import narrowed, parameters
from exitwave.micrographs.calibration.quantiles import margin

PRIOR = """
seed: 1
structures:
  count: 1
  family: supported_particles
  field: 44.8
  particles: {material: Au, count: 1, radius: {uniform: [8, 14]}}
  film: {material: a-C, thickness: {uniform: [10, 60]}}
scattering: {energy: 300e3, sampling: 0.4, slice_thickness: 4, configurations: 1}
images:
  defocus: {uniform: [0, 1500]}
  dose: {loguniform: [20, 4000]}
  detector: {c1: 1, c2: 0, c3: {uniform: [0.15, 0.8]}, c4: 2}
"""
HIDDEN = {"defocus": {"normal": [700, 40]}, "dose": 300, "detector": {"c1": 1, "c2": 0, "c3": 0.3, "c4": 2}}


@pytest.fixture(scope="module")
def calibration(tmp_path_factory):
    """Twelve micrographs taken under conditions that the calibration is not told."""
    home = tmp_path_factory.mktemp("calibration")
    prior = Recipe.from_yaml(PRIOR)
    data = prior.to_dict()
    data["images"] |= HIDDEN
    data["structures"] |= {"count": 12}
    experiment = generate(Recipe.parse(data | {"seed": 77}), home / "experiment")
    micrographs = [sample.image for sample in experiment]
    return calibrate(micrographs, prior, home / "result", seed=5, structures=16, images=20), experiment


def test_hidden_numbers_are_found_within_their_intervals(calibration):
    result, experiment = calibration
    table = result.estimates
    hits = []
    for index, sample in enumerate(experiment):
        name = sample.image.name
        rows = table.iloc[index * 4 : index * 4 + 4].set_index("parameter")
        assert set(rows["micrograph"]) == {name}
        truth = {
            "structures.film.thickness": sample.record["structure"]["film"]["thickness"],
            "images.defocus": sample.record["imaging"]["defocus"],
            "images.dose": 300.0,
            "images.detector.c3": 0.3,
        }
        hits += [rows.loc[key, "low"] <= value <= rows.loc[key, "high"] for key, value in truth.items()]
    assert sum(hits) >= 37  # of 48 at 90 %; fewer once in 300 calibrations, were they independent
    dose = table[table["parameter"] == "images.dose"]
    assert 100 < dose["value"].median() < 900  # of a prior from 20 to 4000
    assert dose["share"].median() < 0.7
    focus = table[table["parameter"] == "images.defocus"]
    assert abs(focus["value"].median() - 700) < 100
    assert focus["share"].median() < 0.25


def test_the_distance_falls_and_the_recipe_is_narrower(calibration):
    result, _ = calibration
    assert result.distances["after"] < 0.85 * result.distances["before"]
    images = result.recipe.images.spec
    low, high = images.dose.support
    assert 20 < low < 300 < high < 4000
    assert result.strange == ()


def test_what_is_written_can_be_used(calibration):
    result, _ = calibration
    assert Recipe.read(result.folder / "recipe.yaml") == result.recipe
    page = (result.folder / "report.html").read_text()
    assert page.count("<img") == 4
    assert "images.detector.c3" in page


def test_intervals_cover_as_they_say():
    random = np.random.default_rng(1)
    truth = random.random((600, 2))
    seen = np.column_stack([truth[:, 0] + random.normal(scale=0.1, size=600), random.normal(size=600)])
    regression = QuantileRegression(seen[:400], truth[:400], np.arange(400) // 4, Stream(1))
    low, _, high = regression.predict(seen[400:])
    covered = ((low <= truth[400:]) & (truth[400:] <= high)).mean(axis=0)
    assert np.all((covered > 0.8) & (covered < 0.98))
    width = (high - low).mean(axis=0)
    assert width[0] < 0.5
    assert width[1] > 0.8  # nothing is known of the second


def test_many_images_of_few_structures_do_not_feign_certainty():
    groups, random, covered = 9, np.random.default_rng(9), []
    for _ in range(600):
        name = np.repeat(np.arange(groups), 20)
        scores = random.normal(size=groups)[name] + 0.2 * random.normal(size=len(name))
        new = random.normal(size=100) + 0.2 * random.normal(size=100)
        covered.append((new <= margin(scores[:, None], name, 0.9)[0]).mean())
    # three standard errors; were every image a group of its own, 88 % would be covered
    assert np.mean(covered) > 0.9 - 3 * np.std(covered) / np.sqrt(len(covered))


def test_a_strange_micrograph_is_named(calibration):
    _, experiment = calibration
    images = [sample.image for sample in experiment][:2]
    seen = np.random.default_rng(1).normal(size=(500, 29))
    groups = np.arange(500) // 5
    assert _strange(images, [seen[:3] + 0.01, seen[:3] + 5], seen, groups) == (images[1].name,)
    # images of one structure are alike; a micrograph is of a structure that was not simulated
    twins = np.repeat(seen[::5], 5, axis=0)
    assert _strange(images, [seen[:3] * 0.7, seen[:3] + 5], twins, groups) == (images[1].name,)


def test_unknown_numbers_keep_their_prior():
    recipe = Recipe.from_yaml(PRIOR)
    found = parameters(recipe)
    same = narrowed(recipe, found, {}, seed=3)
    assert same.images.spec == recipe.images.spec
    tight = narrowed(recipe, found, {"images.dose": np.array([[0.5, 0.51, 0.52]])}, seed=3)
    assert tight.images.spec.dose.support[0] > 200
    assert tight.structures.spec.film == recipe.structures.spec.film


def test_features_see_what_matters_and_nothing_else():
    random = np.random.default_rng(1)
    noise = random.normal(size=(4, 96, 96)).astype(np.float32)
    assert np.allclose(features(noise), features(noise * 3 - 7), atol=1e-4)
    smooth = noise + np.roll(noise, 1, axis=1) + np.roll(noise, 1, axis=2)
    assert np.abs(features(smooth) - features(noise)).max() > 0.3
    assert energy_distance(features(noise), features(noise)) < energy_distance(features(noise), features(smooth))


def test_what_cannot_be_calibrated_is_refused(calibration, tmp_path):
    _, experiment = calibration
    images = [sample.image for sample in experiment]
    with pytest.raises(MicrographError, match="structures is 4; calibration needs 8"):
        calibrate(images, Recipe.from_yaml(PRIOR), tmp_path, seed=1, structures=4)
    with pytest.raises(MicrographError, match="pixel size"):
        calibrate([replace(images[0], pixel_size=None)], Recipe.from_yaml(PRIOR), tmp_path, seed=1)
    assert not list(tmp_path.iterdir())
    with pytest.raises(MicrographError, match="no micrographs"):
        calibrate([], Recipe.from_yaml(PRIOR), tmp_path, seed=1)
    fixed = Recipe.from_yaml(PRIOR).to_dict()
    fixed["images"] |= {"defocus": 100, "dose": 100, "detector": {}}
    fixed["structures"]["film"]["thickness"] = 20
    with pytest.raises(MicrographError, match="nothing to estimate"):
        calibrate(images, Recipe.parse(fixed), tmp_path, seed=1)
