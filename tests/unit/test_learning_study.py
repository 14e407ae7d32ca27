"""A small study: two conditions, two seeds, one of them bound to fail."""

import json

import numpy as np
import pandas as pd
import pytest

from exitwave.core import SpecError, TrainingError
from exitwave.learning import Study, StudyResult, run_study

RECIPE = """
seed: 1
structures:
  count: 4
  family: supported_particles
  field: 26
  particles: {material: Au, count: 1, radius: 6}
  film: {material: a-C, thickness: 12}
scattering: {energy: 300e3, sampling: 0.4, slice_thickness: 4, configurations: 1}
images: {per_structure: 2, dose: {loguniform: [200, 2000]}}
"""
TRAINING = {"epochs": 1, "net": {"width": 0.125}, "crops": {"size": 32}, "batch": 2}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    from exitwave.dataset import Recipe, generate

    return generate(Recipe.from_yaml(RECIPE), tmp_path_factory.mktemp("data") / "small")


@pytest.fixture(scope="module")
def study(dataset):
    folder = str(dataset._stores[0].folder)
    conditions = {"all": {}, "none": {"where": "dose > 1e9"}}
    return Study(data=folder, seeds=[1, 2], conditions=conditions, training=TRAINING)


def judges(dataset):
    return {"simulated": [(sample.image, sample.labels["phase"]) for sample in dataset.take([0, 1])]}


@pytest.mark.parametrize("workers", [1, 2])
def test_failed_runs_are_counted_and_finished_ones_are_not_done_again(tmp_path, dataset, study, workers):
    seeds = [1, 2] if workers == 1 else [1]
    study = study.replace(seeds=seeds)
    result = run_study(study, tmp_path, judges(dataset), workers=workers)
    assert list(result.table["condition"]) == ["all", "none"] * len(seeds)
    assert list(result.table["failed"]) == [False, True] * len(seeds)
    assert "no images to train on" in result.table["error"][1]
    summary = result.summary().set_index("condition")
    assert summary["failed"].to_dict() == {"all": 0, "none": len(seeds)}
    assert summary["median"]["none"] == 0.0
    assert summary["low"]["all"] <= summary["median"]["all"] <= summary["high"]["all"]
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    again = run_study(study, tmp_path, judges(dataset))
    assert again.table.equals(result.table)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    assert len(result.show().axes) == 1
    pages = result.save(tmp_path / "shown")
    assert [path.name for path in pages] == ["table.csv", "summary.csv", "scores.png", "report.html"]
    assert "no images to train on" in pages[-1].read_text()


def test_an_interrupted_study_goes_on(tmp_path, dataset, study):
    whole = run_study(study, tmp_path / "whole", judges(dataset))
    run_study(study.replace(seeds=[1]), tmp_path / "parts", judges(dataset))
    (tmp_path / "parts" / "all-1" / "result.json").unlink()
    seen = []
    parts = run_study(study, tmp_path / "parts", judges(dataset), progress=lambda p: seen.append((p.done, p.resumed)))
    assert seen == [(2, 1), (3, 1), (4, 1)]
    assert np.allclose(parts.table["soft_macro_f1"], whole.table["soft_macro_f1"])


def test_other_settings_under_the_same_name_are_refused(tmp_path, dataset, study):
    run_study(study.replace(seeds=[1]), tmp_path, judges(dataset))
    other = study.replace(seeds=[1], training=TRAINING | {"epochs": 2})
    with pytest.raises(TrainingError, match="holds a network of other settings"):
        run_study(other, tmp_path, judges(dataset))
    with pytest.raises(TrainingError, match="holds a network of other settings"):
        run_study(study.replace(seeds=[1]), tmp_path, {"simulated": judges(dataset)["simulated"][:1]})
    with pytest.raises(TrainingError, match="no labelled micrographs"):
        run_study(study, tmp_path, {})


def test_conditions_of_like_names_do_not_share_a_folder(tmp_path, dataset, study):
    twins = {"dose > 1": {"where": "dose > 1e9"}, "dose < 1": {"where": "dose < 0"}}
    result = run_study(study.replace(seeds=[1], conditions=twins), tmp_path, judges(dataset))
    assert list(result.table["condition"]) == list(twins)


def test_scores_that_no_image_counts_for_are_no_zeros():
    study = Study(data="x", seeds=[1, 2], conditions={"a": {}, "b": {}})
    scores = {("a", 1): 0.5, ("a", 2): None, ("b", 1): None, ("b", 2): None}
    table = pd.DataFrame(
        {"condition": name, "seed": seed, "images": "real", "mean_image_f1": value, "failed": False}
        for (name, seed), value in scores.items()
    )
    result = StudyResult(table, study)
    summary = result.summary("mean_image_f1").set_index("condition")
    assert summary["median"]["a"] == 0.5
    assert summary["runs"]["a"] == 2
    assert np.isnan(summary["median"]["b"])
    result.show("mean_image_f1")


def test_a_study_is_checked_before_anything_runs(tmp_path):
    fields = {"data": "d", "seeds": [1], "conditions": {"a": {"training": {"epochs": 0}}}}
    with pytest.raises(SpecError, match=r"conditions\.a\.training\.epochs is 0"):
        Study.parse(fields)
    with pytest.raises(SpecError, match=r"seeds is \[1, 1\]"):
        Study.parse(fields | {"seeds": [1, 1], "conditions": {"a": {}}})
    (tmp_path / "s.yaml").write_text(json.dumps(fields | {"conditions": {"a": {"images": 8}}}))
    assert Study.read(tmp_path / "s.yaml").conditions["a"].images == 8


def test_conditions_with_places_are_drawn_along_an_axis():
    conditions = {f"{n} {name}": {"at": n, "series": name} for n in (128, 1024, 8192) for name in ("one", "many")}
    study = Study(data="x", seeds=[1, 2, 3], conditions=conditions, axis="images")
    random = np.random.default_rng(1)
    table = pd.DataFrame(
        {"condition": name, "seed": seed, "images": "real", "particle_f1": random.random(), "failed": seed == 3}
        for name, seed in study.runs
    )
    (axes,) = StudyResult(table, study).show().axes
    assert axes.get_xscale() == "log"
    assert axes.get_xlabel() == "images"
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["one", "many"]
    medians = table.groupby("condition")["particle_f1"].median()
    lines = [line for line in axes.lines if len(line.get_xdata()) == 3 and line.get_linestyle() == "-"]
    assert np.allclose(lines[0].get_ydata(), [medians[f"{n} one"] for n in (128, 1024, 8192)])
