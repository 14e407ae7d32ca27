"""Calibration: hidden numbers of simulated "experiments" are found again, within intervals that cover."""

import sys
from dataclasses import replace
from math import ceil
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.stats import betabinom

from exitwave.core import Stream
from exitwave.core.errors import MicrographError
from exitwave.dataset import Recipe, generate
from exitwave.imaging import image
from exitwave.micrographs.calibration import QuantileRegression, calibrate, energy_distance, features
from exitwave.micrographs.calibration.calibrate import _intervals, _notes, _strange
from exitwave.micrographs.calibration.directions import directions
from exitwave.micrographs.calibration.features import common_grid, tiles
from exitwave.micrographs.calibration.parameters import narrowed, parameters
from exitwave.micrographs.calibration.quantiles import margin
from exitwave.micrographs.calibration.simulate import Look, failed_note, simulate, sized
from exitwave.micrographs.calibration.spacings import telling
from exitwave.scattering import ExitWave

MODULE = sys.modules[calibrate.__module__]
PRIOR = """
seed: 1
structures:
  count: 1
  family: supported_particles
  field: 48
  particles: {material: Au, count: 1, radius: {uniform: [7, 11]}}
  film: {material: a-C, thickness: {uniform: [10, 40]}}
scattering: {energy: 300e3, sampling: 0.5, slice_thickness: 8, configurations: 1}
images:
  defocus: {uniform: [50, 1500]}
  focal_spread: {uniform: [5, 60]}
  focal_nodes: 9
  drift: {uniform: [0, 4]}
  drift_angle: {uniform: [-90, 90]}
  dose: {loguniform: [50, 4000]}
  detector:
    {c1: 1, c2: 0, c3: {uniform: [0.15, 0.8]}, c4: 2, gain: {loguniform: [1, 30]}, read_noise: {uniform: [0, 40]}}
"""
HIDDEN = {
    "defocus": {"normal": [400, 20]},
    "dose": 2000,
    "focal_spread": 10,
    "drift": 0.5,
    "detector": {"c1": 1, "c2": 0, "c3": 0.6, "c4": 2, "gain": 5, "read_noise": 5},
}
MICROGRAPHS, STRUCTURES, IMAGES = 12, 12, 8
FALSE_ALARM = 1e-4
HOW = {"seed": 5, "structures": STRUCTURES, "images": IMAGES}


def experiment(folder, count, hidden, sampling=0.5):
    """Return micrographs whose numbers the calibration is not told, each of a structure of its own, and records."""
    data = Recipe.from_yaml(PRIOR).to_dict()
    data["images"] |= hidden
    data["structures"] |= {"count": count}
    data["scattering"] |= {"sampling": sampling}
    samples = list(generate(Recipe.parse(data | {"seed": 77}), folder))
    return [replace(s.image, name=f"e{i}") for i, s in enumerate(samples)], [s.record for s in samples]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("calibration")


@pytest.fixture(scope="module")
def images(home):
    """Micrographs of one session, whose numbers hardly differ."""
    return experiment(home / "session", 6, HIDDEN, 0.25)[0]


@pytest.fixture(scope="module")
def session(home, images):
    """Return what calibration says of the session's micrographs."""
    return calibrate(images, Recipe.from_yaml(PRIOR), home / "result", **HOW, left_out={"torn.dm4": "is torn"})


@pytest.mark.usefixtures("session")  # whose simulations of the prior are taken again
def test_hidden_numbers_are_found_within_their_intervals(home):
    """Stated in advance: 90 % intervals of new structures cover as often as conformal prediction promises.

    The numbers of every micrograph were drawn from the prior. With G structures the coverage of one calibration is
    itself drawn from Beta(k, G + 1 − k), k = ⌈0.9 (G + 1)⌉, so that the hits among n micrographs of structures that
    had no part in learning are beta-binomial, whatever the networks. Fewer than the bound happen once in 10⁴ for each
    number.
    """
    images, records = experiment(home / "blind", MICROGRAPHS, {})
    found = parameters(Recipe.from_yaml(PRIOR))
    first = sized(Recipe.from_yaml(PRIOR), STRUCTURES, IMAGES, (Stream(5) / "calibration" / "prior").integer())
    pixel, side = common_grid(images, 0.5, (96, 96))
    look = Look(pixel, side, 300e3, counts=True)
    _, seen = simulate(first, home / "result", "prior", found, look, workers=1, device=None, progress=None)
    real = [look.of(tiles(image, pixel, side, clean=True)) for image in images]
    intervals = _intervals(home, look, seen, real, np.tile([0.0, 1.0], (len(found), 1)), Stream(5))
    k = ceil(0.9 * (STRUCTURES + 1))
    least = int(betabinom(MICROGRAPHS, k, STRUCTURES + 1 - k).ppf(FALSE_ALARM))
    truth = np.array([[parameter.share(parameter.of(record)) for parameter in found] for record in records])
    hits = ((intervals[:, 0] <= truth) & (truth <= intervals[:, 2])).sum(axis=0)
    errors = dict(zip((p.name for p in found), np.sqrt(((intervals[:, 1] - truth) ** 2).mean(axis=0)), strict=True))
    assert hits.min() >= least, hits
    # the prior's own median is off by 0.29 of the prior
    assert errors["images.defocus"] < 0.2, errors
    assert errors["images.dose"] < 0.26, errors


def test_the_distance_falls_and_the_recipe_is_narrower(session):
    assert session.distances["after"] < 0.95 * session.distances["before"]
    low, high = session.recipe.images.spec.defocus.support
    assert 50 <= low < 400 < high
    assert high - low < 0.8 * 1450


def test_what_is_written_can_be_used(session):
    text = (session.folder / "recipe.yaml").read_text()
    assert Recipe.read(session.folder / "recipe.yaml") == session.recipe
    seen = telling(session.spacings)  # what may be chance is not in the recipe
    assert text.count("# Au ") == len(seen) >= 3
    assert seen["deviation"].abs().max() < 0.06
    assert seen["scale"].iloc[0] == pytest.approx(1, abs=0.04)
    page = (session.folder / "report.html").read_text()
    assert page.count("<img") == 4 + bool(session.rings["rings"].any())
    assert "images.detector.c3" in page
    assert "torn.dm4: is torn" in page
    assert {"rings", "noise", "spacings"} <= {file.stem for file in session.folder.glob("*.csv")}


def test_run_again_it_computes_nothing_anew(session, images, home, monkeypatch):
    def never(*_, **__):
        raise AssertionError("computed again")

    monkeypatch.setattr(MODULE, "QuantileRegression", never)
    monkeypatch.setattr("exitwave.dataset.work.make_structure", never)
    monkeypatch.setattr(MODULE, "write_result", lambda *_: None)
    again = calibrate(images, Recipe.from_yaml(PRIOR), home / "result", **HOW)
    assert again.recipe == session.recipe
    assert again.estimates.equals(session.estimates)
    with pytest.raises(AssertionError, match="computed again"):  # of other micrographs the intervals are others
        calibrate(images[:5], Recipe.from_yaml(PRIOR), home / "result", **HOW)


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


def test_a_strange_micrograph_is_named(images):
    seen = np.random.default_rng(1).normal(size=(500, 39))
    groups = np.arange(500) // 5
    assert _strange(images[:2], [seen[:3] + 0.01, seen[:3] + 5], seen, groups) == (images[1].name,)
    # images of one structure are alike; a micrograph is of a structure that was not simulated
    twins = np.repeat(seen[::5], 5, axis=0)
    assert _strange(images[:2], [seen[:3] * 0.7, seen[:3] + 5], twins, groups) == (images[1].name,)


def test_unknown_numbers_keep_their_prior():
    recipe = Recipe.from_yaml(PRIOR)
    found = parameters(recipe)
    same = narrowed(recipe, found, {}, seed=3)
    assert same.images.spec == recipe.images.spec
    tight = narrowed(recipe, found, {"images.dose": np.array([[0.5, 0.51, 0.52]])}, seed=3)
    assert tight.images.spec.dose.support[0] > 200
    assert tight.structures.spec.film == recipe.structures.spec.film


@pytest.mark.parametrize(
    ("fields", "kind", "least"),
    [({"drift": 3.0, "drift_angle": 30.0}, 0, 0.95), ({"aberrations": {"C12": 80.0}}, 1, 0.9)],
)
def test_drift_and_astigmatism_show_in_the_directions_of_the_power(fields, kind, least):
    """In the band where they show best, that share of the films is above the greatest of as many without.

    If nothing showed, that would happen once in 10⁹.
    """
    found = {}
    for name, what in (("still", {}), ("moved", fields)):
        seen = []
        for seed in range(20):
            random = np.random.default_rng([seed, len(what)])
            film = np.exp(0.1j * random.normal(size=(1, 192, 192))).astype(np.complex64)
            wave = ExitWave(torch.from_numpy(film), (0.4, 0.4), 300e3)
            seen.append(image(wave, seed=seed, defocus=600, dose=4000, **what).array)
        found[name] = directions(np.stack(seen).astype(float))[:, kind::2]
    above = (found["moved"] > found["still"].max(axis=0)).mean(axis=0)
    assert above.max() >= least, above


def test_directions_are_no_numbers_to_estimate():
    data = Recipe.from_yaml(PRIOR).to_dict()
    data["images"]["aberrations"] = {"C12": {"uniform": [0, 50]}, "phi12": {"uniform": [-90, 90]}}
    names = [parameter.name for parameter in parameters(Recipe.parse(data))]
    assert "images.aberrations.C12" in names
    assert "images.aberrations.phi12" not in names


def test_what_a_reader_should_know_is_noted():
    found = parameters(Recipe.from_yaml(PRIOR))
    width = np.full(len(found), 0.5)
    assert _notes(found, {}, width, [0.5, 0.52], 0.5, {"before": 3.0, "after": 1.0}) == ()
    rose, other = _notes(found, {}, width, [0.2, 0.5], 0.5, {"before": 1.0, "after": 1.2})
    assert "has not fallen (1.00 before, 1.20 after)" in rose
    assert "pixels are 0.5 Å and the micrographs' 0.2 Å" in other


def test_samples_that_failed_are_told_of(session):
    whole = SimpleNamespace(failures=[])
    assert failed_note([whole]) == ()
    (note,) = failed_note([whole, SimpleNamespace(failures=[{"error": "it is dark"}] * 2)])
    assert note == "2 simulated samples could not be made (it is dark): the prior lacks them."
    assert not any("could not be made" in note for note in session.notes)


def test_a_defocus_on_both_sides_is_estimated_by_its_size():
    data = Recipe.from_yaml(PRIOR).to_dict()
    data["images"]["defocus"] = {"uniform": [-900, 900]}
    recipe = Recipe.parse(data)
    defocus = next(p for p in parameters(recipe) if p.path == ("images", "defocus"))
    assert defocus.name == "|images.defocus|"
    assert defocus.of({"imaging": {"defocus": -450.0}}) == 450
    assert defocus.share(450) == pytest.approx(0.5)
    assert defocus.value(0.5) == pytest.approx(450)
    tight = narrowed(recipe, parameters(recipe), {defocus.name: np.array([[0.5, 0.51, 0.52]])}, seed=3)
    drawn = [tight.images.spec.draw(Stream(i)).defocus for i in range(60)]
    assert 20 < sum(value < 0 for value in drawn) < 40
    assert all(300 < abs(value) < 600 for value in drawn)
    data["images"]["aberrations"] = {"C12": {"normal": [0, 40]}, "phi12": {"uniform": [-90, 90]}}
    blurred = next(p for p in parameters(Recipe.parse(data)) if p.name == "|images.aberrations.C12|")
    assert blurred.value(0.6827) == pytest.approx(40, rel=1e-3)
    assert blurred.share(blurred.value(0.99)) == pytest.approx(0.99)
    # the recipe that was written can be the next prior
    assert "|images.defocus|" in [p.name for p in parameters(tight)]


def test_features_see_what_matters_and_nothing_else():
    random = np.random.default_rng(1)
    noise = random.normal(size=(4, 96, 96)).astype(np.float32)
    assert np.allclose(features(noise), features(noise * 3 - 7), atol=1e-4)
    smooth = noise + np.roll(noise, 1, axis=1) + np.roll(noise, 1, axis=2)
    assert np.abs(features(smooth) - features(noise)).max() > 0.3
    assert energy_distance(features(noise), features(noise)) < energy_distance(features(noise), features(smooth))
    counts = random.poisson(20, (2, 96, 96)).astype(np.float32)
    one, five = (features(scale * counts, pixel_size=0.4, counts=True) for scale in (1, 5))
    assert np.allclose(one[:, :-2], five[:, :-2], atol=1e-4)
    assert np.allclose(five[:, -2:] - one[:, -2:], np.log10(5), atol=1e-3)


def test_what_cannot_be_calibrated_is_refused_before_anything_is_made(images, tmp_path):
    with pytest.raises(MicrographError, match="structures is 4; calibration needs 8"):
        calibrate(images, Recipe.from_yaml(PRIOR), tmp_path, seed=1, structures=4)
    with pytest.raises(MicrographError, match="pixel size"):
        calibrate([replace(images[0], pixel_size=None)], Recipe.from_yaml(PRIOR), tmp_path, seed=1)
    with pytest.raises(MicrographError, match="no micrographs"):
        calibrate([], Recipe.from_yaml(PRIOR), tmp_path, seed=1)
    fixed = Recipe.from_yaml(PRIOR).to_dict()
    fixed["images"] |= {"defocus": 100, "drift": 0, "focal_spread": 10, "dose": 100, "detector": {}}
    fixed["structures"]["film"]["thickness"] = 20
    with pytest.raises(MicrographError, match="nothing to estimate"):
        calibrate(images, Recipe.parse(fixed), tmp_path, seed=1)
    assert not list(tmp_path.iterdir())
