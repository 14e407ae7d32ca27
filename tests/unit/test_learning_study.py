"""Small studies: conditions and seeds, one of them bound to fail; data made once; shipped studies."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from exitwave.core import SpecError, Stream, TrainingError, canonical_json
from exitwave.dataset.recipe import shipped_text
from exitwave.dataset.yamlfiles import yaml_mapping
from exitwave.learning import Condition, Study, StudyResult, run_study, shipped_studies
from exitwave.learning.study_data import GENERATION, Makers
from exitwave.learning.study_files import merged
from exitwave.learning.study_scores import difference_interval, mean_interval

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
store: {waves: true, structures_per_shard: 4}
"""
TRAINING = {"epochs": 1, "net": {"width": 0.125}, "crops": {"size": 32}, "batch": 2}
STUDY = {
    "sets": {"gold": {"recipe": "gold.yaml"}},
    "data": "gold",
    "seeds": [1, 2],
    "conditions": {"all": {}, "none": {"where": "dose > 1e9"}},
    "training": TRAINING,
    "judges": {"simulated": "gold", "dim": {"data": "gold", "changes": {"images": {"dose": 50}}}},
    "shown": 1,
}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Return the folder that the tests share: what one of them has trained, none trains again."""
    home = tmp_path_factory.mktemp("studies")
    (home / "gold.yaml").write_text(RECIPE)
    (home / "study.yaml").write_text(json.dumps(STUDY))
    return home


def run(home, study=None, **fields):
    seen = []
    study = study or Study.read(home / "study.yaml")
    result = run_study(study, home / "out", progress=lambda state: seen.append(state), **fields)
    return result, [(state.done, state.resumed) for state in seen if state.stage == "study"]


def times(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.suffix in (".h5", ".safetensors")}


def test_failed_runs_are_counted_and_finished_ones_are_not_done_again(home):
    result, seen = run(home)
    assert seen == [(0, 0), (1, 0), (2, 0), (3, 0), (4, 0)]
    first = result.table[result.table["images"] == "simulated"]
    assert list(first["condition"]) == ["all", "none"] * 2
    assert list(first["failed"]) == [False, True] * 2
    assert list(first["trained_on"]) == [8, 0] * 2
    assert "no images to train on" in first["error"].iloc[1]
    summary = result.summary().set_index(["images", "condition"])
    assert summary["failed"]["dim"].to_dict() == {"all": 0, "none": 2}
    assert summary["mean"]["dim", "none"] == 0.0
    low, mean, high = (summary[name]["simulated", "all"] for name in ("low", "mean", "high"))
    assert low <= mean <= high
    assert low < high
    before = times(home)
    again, seen = run(home)
    assert seen == [(4, 4)]
    assert again.table.equals(result.table)
    assert times(home) == before
    pages = result.save(home / "shown")
    names = ["table.csv", "summary.csv", "differences.csv", "stages.csv", "scores.png", "segmentations.png"]
    assert [path.name for path in pages] == [*names, "report.html"]
    assert "no images to train on" in pages[-1].read_text()
    # one data set was scattered; the dim benchmark was formed of its waves
    stages = result.stages.set_index("stage")
    assert stages["made"].to_dict() == {
        "structures": 1, "waves": 1, "labels": 1, "images": 2, "training": 2, "judging": 2
    }  # fmt: skip
    assert (stages["seconds"] > 0).all()
    assert stages["share"].sum() == pytest.approx(1)


def test_an_interrupted_study_goes_on(home):
    whole, _ = run(home)
    place = whole.networks["all", 1]
    (place / "network.safetensors").unlink()
    (place / "about.json").unlink()
    next(whole.networks["all", 2].glob("scores-*.json")).unlink()
    kept = times(whole.networks["all", 2])
    parts, seen = run(home)
    assert seen[0] == (2, 2)
    assert np.allclose(parts.table["soft_macro_f1"], whole.table["soft_macro_f1"])
    assert times(whole.networks["all", 2]) == kept  # judged again, not trained again


def test_studies_of_one_folder_share_networks_and_data(home):
    run(home)
    before = times(home)
    longer = {"few": {"images": 4, "structures": 2}, "as before": {}}
    study = Study.read(home / "study.yaml").replace(conditions=longer, seeds=[1], judges={"simulated": "gold"})
    result, seen = run(home, study)
    assert seen == [(1, 1), (2, 1)]
    assert list(result.table["trained_on"]) == [4, 8]
    assert {path: time for path, time in times(home).items() if path in before} == before
    assert len(set(times(home)) - set(before)) == 1
    makers = Makers(study, home / "out" / "data")
    dim = makers.make("gold", {"images": {"dose": 50}})
    assert list(dim.seconds) == ["images"]
    assert [list(one.seconds) for one in makers.made.values()] == [list(GENERATION), ["images"]]  # with its waves


def test_a_process_that_trains_alone_keeps_its_failure(home):
    study = Study.read(home / "study.yaml").replace(seeds=[3], conditions={"none": {"where": "dose < 0"}})
    result, seen = run(home, study, workers=2)
    assert seen[-1] == (1, 0)
    assert "no images to train on" in result.table["error"][0]


def test_a_study_without_its_micrographs_is_refused(home):
    study = Study.read(home / "study.yaml")
    with pytest.raises(TrainingError, match="no labelled micrographs to judge the networks with;"):
        run_study(study.replace(judges={}), home / "out")
    with pytest.raises(TrainingError, match="no labelled micrographs to judge the networks with for real;"):
        run_study(study.with_judges({"real": "somewhere"}), home / "out")


def test_epochs_follow_from_the_number_of_crops(home):
    study = Study.read(home / "study.yaml").replace(crops=30, conditions={"all": {}, "few": {"images": 4}})
    from exitwave.learning.study_runs import _measured

    spec = study.training_of("all")  # batches of two
    assert _measured(spec, 8, 30).epochs == 5  # 7 images are learnt: 3 steps
    assert _measured(spec, 4, 30).epochs == 15
    assert _measured(spec, 8, None).epochs == 1


@pytest.mark.parametrize("name", shipped_studies())
def test_shipped_studies_can_be_run_at_both_scales(name, tmp_path):
    whole = Study.read(name)
    assert whole.training_of(whole.compared_with).net.width == 1
    assert whole.title
    assert whole.question
    small = whole.at("small")
    assert len(small.seeds) >= 3
    makers = Makers(small, tmp_path)
    needed = [(judge.data, judge.changes) for judge in small.judges.values() if judge.data != "shipped"]
    for label, condition in small.conditions.items():
        small.training_of(label)
        names = condition.data or small.data
        needed += [(name, merged({"images": small.sets[name].images}, condition.changes)) for name in names]
    for data, changes in map(json.loads, {canonical_json(one) for one in needed}):
        makers._recipe(data, changes)
    assert small.training_of(small.compared_with).net.width == 0.25
    assert sum(one.images or 0 for one in small.conditions.values()) <= sum(
        (one.images or 0) / 8 + 1 for one in whole.conditions.values()
    )


def test_numbers_of_images_and_structures_follow_the_scale_in_figures():
    small = Study.read("fig6ef-structures").at("small")
    assert [one.place for one in small.conditions.values()] == [16, 32, 64]
    assert [one.place for one in Study.read("fig4a-size").at("small").conditions.values()] == [64, 256, 1024, 4000]
    with pytest.raises(SpecError, match="at is images, which the condition does not limit; give its images"):
        Condition(at="images")
    with pytest.raises(SpecError, match="at is imgs; a place on the axis is a number, or images or structures"):
        Condition(at="imgs")


def test_the_paper_uses_37376_images_in_all():
    study = Study.read("fig4a-size")
    makers = Makers(study, Path())
    pools = [makers._recipe(name, {"images": study.sets[name].images}) for name in study.data]
    assert sum(pool.structures.count * pool.images.per_structure for pool in pools) == 37376


def test_the_ablation_of_agglomerates_leaves_nothing_else_out():
    parts = yaml_mapping(shipped_text("reference-general"), "reference-general", "a recipe")["structures"]["parts"]
    left = Study.read("ablations").conditions["no agglomerates"].changes["structures"]["parts"]
    assert left == [part for part in parts if part["family"] != "agglomerates"]


def test_a_study_is_checked_before_anything_runs(tmp_path):
    fields = {"data": "d", "seeds": [1], "conditions": {"a": {"training": {"epochs": 0}}}}
    with pytest.raises(SpecError, match=r"conditions\.a\.training\.epochs is 0"):
        Study.parse(fields)
    with pytest.raises(SpecError, match=r"seeds is \[1, 1\]"):
        Study.parse(fields | {"seeds": [1, 1], "conditions": {"a": {}}})
    with pytest.raises(SpecError, match="reference is 'b'; it is one of a"):
        Study.parse(fields | {"conditions": {"a": {}}, "reference": "b"})
    with pytest.raises(SpecError, match=r"conditions\.a\.data is missing"):
        Study.parse({"seeds": [1], "conditions": {"a": {}}})
    with pytest.raises(SpecError, match=r"scales.small.skip has 'b'"):
        Study.parse(fields | {"conditions": {"a": {}}, "scales": {"small": {"skip": ["b"]}}})
    with pytest.raises(SpecError, match=r"scale is 'tiny'; the scales of this study are: small"):
        Study.read("table1").at("tiny")
    with pytest.raises(SpecError, match="did you mean table1"):
        Study.read("tabel1")
    (tmp_path / "a.yaml").write_text(json.dumps(fields | {"conditions": {"a": {"images": 8}, "b": {"where": "x"}}}))
    (tmp_path / "b.yaml").write_text(json.dumps({"extends": "a", "conditions": {"b": None, "c": {"at": 1}}}))
    assert list(Study.read(tmp_path / "b.yaml").conditions) == ["a", "c"]
    (tmp_path / "a.yaml").write_text(json.dumps({"extends": "b.yaml"}))
    with pytest.raises(SpecError, match="extends itself"):
        Study.read(tmp_path / "b.yaml")


def sums(rates, seed, images=24):
    """Return the sums of a network that finds a share of every image's 1000 particle pixels."""
    found = np.clip(np.random.default_rng(seed).normal(rates, 0.02, images), 0, 1) * 1000
    out = np.zeros((images, 9))
    out[:, 0], out[:, 2], out[:, 5] = found, 1000 - found, 1000
    return out


def test_intervals_hold_for_other_images_and_differences_do_not_widen_by_hard_ones():
    hard = np.linspace(0.2, 1, 24)  # images differ more than networks do
    one = [sums(hard * 0.9, seed) for seed in (1, 2, 3)]
    other = [sums(hard * 0.8, seed) for seed in (4, 5, 6)]
    low, high = mean_interval(one, "particle_f1", Stream(1))
    assert high - low > 0.1
    least, most = difference_interval(one, other, "particle_f1", Stream(1))
    assert 0 < least < most
    assert most - least < (high - low) / 2
    same = difference_interval(one, one, "particle_f1", Stream(1))
    assert same[0] <= 0 <= same[1]
    failed = mean_interval([*one, None], "particle_f1", Stream(1))
    assert failed[0] < low - 0.1


def test_scores_that_no_image_counts_for_are_no_zeros():
    study = Study(data="x", seeds=[1, 2], conditions={"a": {}, "b": {}})
    scores = {("a", 1): 0.5, ("a", 2): None, ("b", 1): None, ("b", 2): None}
    table = pd.DataFrame(
        {
            "condition": name,
            "seed": seed,
            "images": "real",
            "mean_image_f1": value,
            "particle_f1": value,
            "failed": False,
        }
        for (name, seed), value in scores.items()
    )
    result = StudyResult(table, study)
    summary = result.summary("mean_image_f1").set_index("condition")
    assert summary["median"]["a"] == 0.5
    assert summary["runs"]["a"] == 2
    for score in ("mean_image_f1", "particle_f1"):  # nothing is known of single images
        assert result.summary(score)[["low", "high"]].isna().all().all()
    assert np.isnan(summary["median"]["b"])
    result.show("mean_image_f1")


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
    means = table.groupby("condition")["particle_f1"].mean()
    lines = [line for line in axes.lines if len(line.get_xdata()) == 3 and line.get_linestyle() == "-"]
    assert np.allclose(lines[0].get_ydata(), [means[f"{n} one"] for n in (128, 1024, 8192)])
