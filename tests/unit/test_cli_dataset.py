"""The commands around data sets, in this process: what they write, what they say, how they end."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from exitwave.cli.app import app
from exitwave.core import DatasetError, ExitwaveError, SpecError
from exitwave.dataset import Dataset
from exitwave.dataset import work as work_module
from exitwave.dataset.formats import formats

RECIPE = """
seed: 3
structures:
  count: 2
  family: supported_particles
  field: 24
  particles: {material: Au, count: 1, radius: {uniform: [5, 7]}}
  film: {material: a-C, thickness: 5}
scattering: {sampling: 0.4, potential_sampling: null, configurations: 1}
images: {per_structure: 2, dose: {uniform: [400, 800]}}
store: {waves: true, structures_per_shard: 1}
"""


def exitwave(*arguments: object, code: int = 0) -> str:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if code == 0 and done.exception is not None:
        raise done.exception
    assert done.exit_code == code, done.output
    return " ".join(done.output.split())  # lines are as long as the terminal


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli")
    (folder / "recipe.yaml").write_text(RECIPE)
    text = exitwave("generate", folder / "recipe.yaml", folder / "data", "--workers", 1)
    assert "4 images of 2 structures" in text
    return folder


def test_a_dry_run_makes_nothing(made: Path) -> None:
    text = exitwave("generate", made / "recipe.yaml", made / "dry", "--dry-run")
    assert "2 structures (supported_particles), 4 images, 2 shards; 2 to make." in text
    assert "2 images of each structure, 60 × 60 px at 0.4 Å/px (24 × 24 Å); 300 keV; 1 thermal conf" in text
    assert "Drawn structure 0 structure 1 from particles.radius, Å 6." in text
    assert "uniform: [5, 7] dose, e/Å² " in text
    assert not (made / "dry").exists()
    assert "none to make." in exitwave("generate", made / "recipe.yaml", made / "data", "--dry-run")
    recipe = yaml.safe_load(RECIPE)
    recipe["images"] |= {"microscope": "team-0.5", "session": {}}
    (made / "session.yaml").write_text(yaml.safe_dump(recipe))
    text = exitwave("generate", made / "session.yaml", made / "dry", "--dry-run")
    assert "2 images of each structure in one session, 60 × 60 px" in text
    (made / "other.yaml").write_text(RECIPE.replace("seed: 3", "seed: 4"))
    assert exitwave("generate", made / "other.yaml", made / "data", "--dry-run", code=1) == ""  # main() says it


def test_a_few_structures_of_a_recipe_are_its_first(made: Path) -> None:
    text = exitwave("generate", made / "recipe.yaml", made / "few", "--count", 1, "--workers", 1)
    assert "2 images of 1 structure." in text
    few, whole = Dataset(made / "few"), Dataset(made / "data")
    assert len(few) == 2
    assert np.array_equal(few.images(), whole.images()[:2])
    plan = exitwave("plan", made / "recipe.yaml", "--count", 1, "--samples", 1, "--workers", 1)
    assert "1 structure, 2 images" in plan
    assert "from one structure" in plan
    assert "±" not in plan


def test_a_recipe_that_was_edited_is_not_written_over(tmp_path: Path) -> None:
    place = tmp_path / "mine.yaml"
    exitwave("recipe", "demo", "-o", place)
    exitwave("recipe", "demo", "-o", place)
    place.write_text(place.read_text() + "# mine\n")
    with pytest.raises(SpecError, match="there already"):
        exitwave("recipe", "demo", "-o", place)
    assert place.read_text().endswith("# mine\n")


def test_files_are_what_their_endings_say(tmp_path: Path) -> None:
    for said in (["-o", tmp_path / "a.png"], ["--wave", tmp_path / "a.hdr"]):
        with pytest.raises(ExitwaveError, match=r"is kept in a \."):
            exitwave("simulate", "nothing.xyz", "--seed", 1, *said)


def test_commands_are_told_in_whole_sentences() -> None:
    text = exitwave("--help")
    assert text == exitwave("-h")
    assert "..." not in text
    assert "Usage: exitwave generate [OPTIONS]" in exitwave("generate", "-h")
    assert "doctor Check a data set as files, as physics and as statistics; ends with code 1 if something is" in text


def test_a_scheduler_that_does_not_answer_is_named(made: Path) -> None:
    done = CliRunner().invoke(
        app, ["generate", str(made / "recipe.yaml"), str(made / "far"), "--scheduler", "no address"]
    )
    assert "does not answer" in str(done.exception)


def test_failed_samples_are_told_and_the_exit_code_says_so(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = work_module.render_wave

    def wave(drawn: object, *given: object) -> object:
        if str(getattr(drawn, "stream", "")).endswith("/1"):
            raise ValueError("the gun is empty.")
        return real(drawn, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(work_module, "render_wave", wave)
    text = exitwave("generate", made / "recipe.yaml", tmp_path / "data", "--workers", 1, code=1)
    assert "2 images of 2 structures" in text
    assert "structure 1, scatter: ValueError: the gun is empty." in text


def test_a_plan_tells_time_memory_and_disk(made: Path) -> None:
    text = exitwave("plan", made / "recipe.yaml", "--workers", 1, "--samples", 1)
    assert "2 structures, 4 images of 60 × 60 px, 2 shards" in text
    assert "memory" in text


def test_the_doctor_says_how_often_it_is_wrong() -> None:
    told = " ".join(CliRunner().invoke(app, ["doctor", "--help"], env={"COLUMNS": "300"}).output.split())
    assert "Probability that a sound data set fails any of the statistical checks" in told
    assert "1e-06" in told


def test_the_doctor_finds_and_mends(made: Path) -> None:
    shard = made / "data" / "shards" / "000001.h5"
    good = shard.read_bytes()
    shard.write_bytes(good[:-100])
    text = exitwave("doctor", made / "data", code=1)
    assert "FAIL checksums" in text
    text = exitwave(
        "doctor", made / "data", "--repair", "--against", made / "data", "--report", made / "d.html", code=1
    )
    assert "ok checksums: 2 shards match their checksums (after repair)" in text
    assert "FAIL leakage" in text
    assert "WRONG" in (made / "d.html").read_text()
    exitwave("doctor", made / "data", "--structures", 1)
    for impossible in (-1, 0, 1):
        refused = CliRunner().invoke(app, ["doctor", str(made / "data"), f"--false-alarm={impossible}"])
        assert "false_alarm is" in str(refused.exception) + refused.output


def test_a_report_needs_nothing_else(made: Path) -> None:
    exitwave("report", made / "data", "-o", made / "report.html", "--where", "dose > 0", "--images", 2)
    html = (made / "report.html").read_text()
    assert html.count("data:image/png;base64,") == 4
    assert "http" not in html
    assert "particles.radius" not in html  # drawn as a picture
    assert "supported_particles" in html


def test_a_condition_that_no_image_meets_is_refused(made: Path, tmp_path: Path) -> None:
    for told in [("report", made / "data", "-o"), *(("export", made / "data", "-f", name) for name in formats())]:
        with pytest.raises(DatasetError, match="there are no images to"):
            exitwave(*told, tmp_path / "out", "--where", "dose > 1e9")
        assert not list(tmp_path.iterdir())


def test_to_another_format_and_back(made: Path) -> None:
    assert "4 images" in exitwave("export", made / "data", made / "coco", "-f", "coco", "--rule", "phase")
    text = exitwave("import", made / "coco", made / "back", "-f", "coco")
    assert "4 images with the label maps phase" in text
    one, other = Dataset(made / "data"), Dataset(made / "back")
    assert one.column("id").tolist() == other.column("id").tolist()
    one.close()
    other.close()


def test_the_formats_of_import_are_those_that_can_be_read(tmp_path: Path) -> None:
    told = CliRunner().invoke(app, ["import", "--help"], env={"COLUMNS": "300"}).output
    assert all(name in told for name in formats())
    assert "prismatic holds atoms without images" in " ".join(told.replace("│", " ").split())
    with pytest.raises(DatasetError, match="prismatic, which holds atoms and no images"):
        exitwave("import", tmp_path, tmp_path / "set", "-f", "prismatic")


def test_new_images_of_old_waves(made: Path) -> None:
    (made / "images.yaml").write_text("{per_structure: 3, dose: 5000}")
    text = exitwave("reimage", made / "data", made / "new", "--images", made / "images.yaml", "--seed", 5)
    assert "6 images of 2 structures" in text
    exitwave("reimage", made / "data", made / "newer", "--images", made / "recipe.yaml", "--seed", 5)


def test_shipped_recipes_and_their_schema(tmp_path: Path) -> None:
    listed = exitwave("recipe")
    assert "paper-baseline" in listed
    assert all(line.endswith(".") for line in listed.splitlines())  # whole sentences, though some go over two lines
    exitwave("recipe", "paper-baseline", "-o", tmp_path / "mine.yaml")
    assert (tmp_path / "mine.yaml").read_text().startswith("# Gold particles")
    assert json.loads(exitwave("recipe", "--schema"))["title"] == "exitwave recipe"
