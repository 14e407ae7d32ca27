"""The commands as a user types them, on things small enough to be quick."""

import contextlib
import io
import shlex
import subprocess
import sys
import warnings

import numpy as np
import pytest
import tifffile
import yaml

from exitwave.cli.app import main
from exitwave.learning import Network
from exitwave.micrographs import example_files

RECIPE = """
seed: 3
structures:
  count: 4
  family: supported_particles
  field: 38.4
  particles: {material: Au, count: 1, radius: {uniform: [7, 10]}}
  film: {material: a-C, thickness: 12}
scattering: {sampling: 0.4, potential_sampling: 0.2, slice_thickness: 4, configurations: 1}
images: {per_structure: 2, dose: 800}
"""


def exitwave(*arguments, code=0, cwd=None):
    """Run the command line in this process, as its entry point does, and return all that it printed."""
    printed = io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(printed),
        contextlib.chdir(cwd or "."),
    ):
        patch.setattr(sys, "argv", ["exitwave", *map(str, arguments)])
        patch.setenv("COLUMNS", "200")
        try:
            main()
            ended = 0
        except SystemExit as end:
            ended = end.code or 0
    assert ended == code, printed.getvalue()
    return printed.getvalue()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli")
    (folder / "recipe.yaml").write_text(RECIPE)
    exitwave("generate", "recipe.yaml", "data", "--workers", "1", cwd=folder)
    short = ["--seed", "1", "--epochs", "1", "--crop", "64", "--width", "0.25"]
    exitwave("train", "data", *short, "-o", "net.safetensors", cwd=folder)
    return folder


def test_from_recipe_to_particles(made):
    assert (made / "data" / "catalog.parquet").exists()
    text = exitwave("evaluate", "net.safetensors", "-o", "scores.csv", "--report", "scores.html", cwd=made)
    assert "particle_f1 0." in text
    page = (made / "scores.html").read_text()
    assert page.count("<img") == 12
    assert "On 10 labelled images, with 95 % intervals: particle F1 0." in page
    assert "Evaluation(" not in page
    assert "soft_macro_f1" in exitwave("evaluate", "net.safetensors", "data", cwd=made)
    for arguments, sentence in (
        (["--threshold", "2"], "threshold is 2; it is a probability"),
        (["--rule", "foo"], "rule is foo, but the shipped micrographs are no data set"),
        (["data", "--rule", "foo"], "rule is foo, but data has the labels phase"),
    ):
        assert sentence in exitwave("evaluate", "net.safetensors", *arguments, code=2, cwd=made)
    assert len((made / "scores.csv").read_text().splitlines()) == 11
    np.save(made / "image.npy", np.random.default_rng(1).poisson(40, (96, 128)).astype(np.float32))
    (made / "bad.dm4").write_bytes(b"no micrograph")
    text = exitwave(
        "segment",
        "image.npy",
        "bad.dm4",
        "--network",
        "net.safetensors",
        "--pixel-size",
        "0.4",
        "-o",
        "out",
        code=1,
        cwd=made,
    )
    assert "bad.dm4" in text
    assert (made / "out" / "particles.csv").exists()


def test_a_network_goes_on_from_another_at_the_learning_rate_given(made):
    line = (
        "train data --seed 2 --start net.safetensors --epochs 1 --crop 64 --learning-rate 3e-4 -o tuned.safetensors"
    )
    exitwave(*line.split(), cwd=made)
    first, tuned = (Network.load(made / f"{name}.safetensors") for name in ("net", "tuned"))
    assert tuned.record["training"]["learning_rate"] == 3e-4
    assert tuned.record["start"]["identity"] == first.identity != tuned.identity


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("segment image.npy -n net.safetensors --threshold 1.5", "threshold is 1.5"),
        ("segment image.npy -n net.safetensors --outline -1", "outline is -1"),
        ("segment image.npy -n net.safetensors --minimum-area -1", "minimum_area is -1"),
        ("segment image.npy -n net.safetensors --neck -1", "neck is -1"),
        ("segment image.npy -n net.safetensors --symmetries 3", "symmetries is 3"),
        ("segment image.npy -n net.safetensors --extra imagej2", "imagej2 is no kind of output"),
        ("segment image.npy -n net.safetensors --device gpu", "gpu"),
        ("segment image.npy -n nonet", "nonet"),
        ("segment nothere.npy -n net.safetensors", "nothere.npy does not exist"),
        ("segment net.safetensors", "is a network"),
        (
            "segment image.npy -n net.safetensors --pixel-size -0.2",
            "pixel_size is -0.2; a pixel size is a number",
        ),
        ("segment image.npy -n net.safetensors --pixel-size 0", "pixel_size is 0"),
        ("segment image.npy -n net.safetensors --pixel-size nan", "pixel_size is nan"),
        ("segment image.npy -n net.safetensors -o recipe.yaml", "recipe.yaml is a file; the results need a folder"),
        ("evaluate net.safetensors --pixel-size 0", "pixel_size is 0"),
        ("evaluate net.safetensors image.h5 --pixel-size -1", "pixel_size is -1"),
        ("evaluate net.safetensors data --pixel-size 0.3", "data is a data set, which tells it; leave it out"),
        (
            "calibrate image.npy -r recipe.yaml --pixel-size -0.2",
            "pixel_size is -0.2; a pixel size is a number",
        ),
        ("adapt image.npy -r recipe.yaml --pixel-size 0", "pixel_size is 0"),
        ("calibrate image.npy -r recipe.yaml --pixel-size 0.4 --material Xx", "material is 'Xx'; known crystals are"),
        ("adapt image.npy -r recipe.yaml --pixel-size 0.4 --material Xx", "material is 'Xx'; known crystals are"),
        (
            "train data/nothere --seed 1",
            "data/nothere is neither the folder of a data set nor a YAML file nor",
        ),
        ("train data --seed 1 --learning-rate -1", "learning_rate is -1"),
        ("generate recipe.yaml recipe.yaml", "a part of the path is a file; choose another folder."),
        ("doctor data --against data/nothere", "data/nothere is no data set"),
        ("doctor data --repair --parent nothere", "nothere is no data set"),
        ('train data --seed 1 --where "dose >"', "dose >"),
        ("doctor nothere", "nothere is no data set"),
        ("simulate nope.xyz --seed 1", "nope.xyz"),
        ("build recipe.yaml -o s3.foo", "s3.foo"),
        ("export data out -f coco --rule phse", "phse"),
    ],
)
def test_what_is_refused_ends_with_code_2_and_writes_nothing(made, line, sentence):
    np.save(made / "image.npy", np.random.default_rng(1).poisson(40, (96, 128)).astype(np.float32))
    before = set(made.iterdir())
    text = exitwave(*shlex.split(line), code=2, cwd=made)
    assert sentence in text
    assert len(text.strip().splitlines()) == 1
    assert set(made.iterdir()) == before


def test_a_study_of_two_networks(made):
    study = {
        "data": "data", "seeds": [1], "conditions": {"all": {}, "none": {"where": "dose > 1e9"}},
        "training": {"epochs": 1, "net": {"width": 0.125}, "crops": {"size": 32}, "batch": 2},
        "judges": {"simulated": "data"},
    }  # fmt: skip
    (made / "study.yaml").write_text(yaml.safe_dump(study))
    text = exitwave("study", "study.yaml", "-o", "study", code=1, cwd=made)
    assert "none, seed 1" in text
    assert "2 networks, 1 failed." in (made / "study" / "study" / "report.html").read_text()


def test_a_network_for_some_micrographs(made):
    (made / "night").mkdir()
    for number in range(2):
        noise = np.random.default_rng(number).poisson(100, (100, 110)).astype(np.float32)
        np.save(made / "night" / f"{number}.npy", noise)
    wide = yaml.safe_load(RECIPE)
    wide["images"]["dose"] = {"loguniform": [50, 5000]}
    (made / "wide.yaml").write_text(yaml.safe_dump(wide))
    (made / "short.yaml").write_text(yaml.safe_dump({"epochs": 1, "net": {"width": 0.125}, "crops": {"size": 32}}))
    text = exitwave(
        "adapt", "night", "-r", "wide.yaml", "--training", "short.yaml", "--pixel-size", "0.4", "--structures", "8",
        "--images", "2", "-o", "adapted", cwd=made,
    )  # fmt: skip
    assert "on 2 images" in text
    page = (made / "adapted" / "calibration" / "report.html").read_text()
    for said in (text, page):
        assert "of the recipe; its distance from them is" in said
        assert "Calibration(" not in said
    assert (made / "adapted" / "segmented" / "particles.csv").exists()
    text = exitwave(
        "calibrate", "night", "-r", "wide.yaml", "--pixel-size", "0.4", "--structures", "8", "--images", "2",
        "--rounds", "1", "-o", "again", cwd=made,
    )  # fmt: skip
    assert "images.dose" in text


def test_atoms_to_image(made):
    exitwave("build", "recipe.yaml", "-o", "atoms.xyz", "--index", "1", "--picture", "atoms.png", cwd=made)
    assert (made / "atoms.png").stat().st_size > 10_000
    options = ["--sampling", "0.4", "--configurations", "1", "--seed", "1", "-o", "image.tif"]
    assert "pixels of 0.4 Å" in exitwave("simulate", "atoms.xyz", *options, cwd=made)
    from exitwave.micrographs import read

    image = read(made / "image.tif")
    assert image.array.shape == (96, 96)
    assert image.pixel_size == pytest.approx(0.4, rel=1e-3)
    assert image.array.mean() == pytest.approx(400 * 0.4**2, rel=0.05)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("images: {dose: -400}", "images.dose is -400; a dose is a number above 0 in e/Å², or a distribution"),
        ("images: {doze: 400}", "images.doze is not a known key; did you mean dose?"),
        ("images: {contrast: 1.5}", "images.contrast is 1.5; a contrast factor is a number from 0 to 1"),
        ("images: {detector: {hot_pixels: {uniform: [0, 2]}}}", "images.detector.hot_pixels is"),
        ("structures: {particles: {material: Xy, radius: 9}}", "structures.particles.material is Xy;"),
        ("structures: {particles: {material: false, radius: 9}}", "YAML reads no, off"),
        ("structures: {particles: {material: Au, radius: 90}}", "does not fit in a field of 38.4 × 38.4 Å"),
        ("scattering: {energy: 3e3}", "scattering.energy is 3e3; an energy is a number from 30000 to 1e+06 in eV"),
        ("labels: [{rule: phaze}]", "labels.0"),
        ("seed: yes", "seed is True; a seed is a whole number"),
    ],
)
def test_a_wrong_recipe_is_refused_before_anything_runs(tmp_path, change, sentence):
    def merged(old, new):
        if isinstance(old, dict) and isinstance(new, dict):
            return old | {key: merged(old.get(key), value) for key, value in new.items()}
        return new

    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(merged(yaml.safe_load(RECIPE), yaml.safe_load(change))))
    text = exitwave("generate", "recipe.yaml", "data", code=2, cwd=tmp_path)
    assert sentence in text
    assert len(text.strip().splitlines()) == 1
    assert not (tmp_path / "data").exists()


def test_the_command_is_installed():
    done = subprocess.run([sys.executable, "-m", "exitwave", "--help"], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0
    assert "demo" in done.stdout


def test_warnings_are_sentences(tmp_path):
    """Pixels that are not square are told once, in a sentence without the place in our code; the network is ours."""
    image = np.random.default_rng(1).poisson(40, (96, 64)).astype(np.float32)
    per_nm = (1 / 0.06, 1 / 0.04)  # x, y
    tifffile.imwrite(tmp_path / "wide.tif", image, imagej=True, resolution=per_nm, metadata={"unit": "nm"})
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        text = exitwave("segment", "wide.tif", cwd=tmp_path)
    assert text.count("square pixels") == 1
    assert any(line.startswith("wide.tif has pixels of 0.4 Å in y and 0.6 Å in x; it") for line in text.splitlines())


def test_options_are_checked(tmp_path):
    assert exitwave("--version").startswith("exitwave ")
    exitwave("demo", "--epochs", "0", code=2, cwd=tmp_path)
    text = exitwave("demo", "--micrographs", "nowhere", "--structures", "2", code=2, cwd=tmp_path)
    assert "nowhere" in text
    assert not (tmp_path / "exitwave-demo").exists()
    assert "neither a YAML file nor" in exitwave("generate", "nope", "data", code=2, cwd=tmp_path)
    assert "is not there" in exitwave("evaluate", "nope.safetensors", code=2, cwd=tmp_path)


def test_a_package_that_is_not_installed_is_one_sentence_and_before_any_work(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "monai", None)  # as if it were not there
    monkeypatch.setattr("sys.argv", ["exitwave", "demo", "-o", "made"])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    assert 'pip install "exitwave[all]" brings it' in " ".join("".join(capsys.readouterr()).split())
    assert not list(tmp_path.iterdir())


def test_an_interruption_that_python_wraps_is_one(monkeypatch, capsys):
    def interrupted(**_):
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt as error:  # as Python 3.11 does in __set_name__, while modules are imported
            raise RuntimeError("Error calling __set_name__") from error

    monkeypatch.setattr("exitwave.cli.app.app", interrupted)
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 130
    assert "the same command goes on" in " ".join("".join(capsys.readouterr()).split())


def test_pixel_sizes_from_fringes(tmp_path):
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:256, :256] * 0.3
    rate = 40 + 8 * np.cos(2 * np.pi * x / 2.355) + 8 * np.cos(2 * np.pi * y / 2.039)
    for name in ("one", "two"):
        tifffile.imwrite(tmp_path / f"{name}.tif", rng.poisson(rate).astype(np.uint16))
    tifffile.imwrite(tmp_path / "small.tif", rng.poisson(40, (64, 64)).astype(np.uint16))
    (tmp_path / "index.csv").write_text("image,pixel_size_nm\none.tif,0.02\n")
    printed = exitwave("pixel-size", tmp_path, "--material", "Au", "-m", "Ag", code=1)
    stated, unknown = printed.split("1 image with no pixel size stated: 2 lattice peaks")
    for part in (stated.split("1 image with 0.2 Å stated: 2 lattice peaks")[1], unknown):
        first = next(line for line in part.splitlines() if "Au:" in line)
        assert float(first.split()[1]) == pytest.approx(0.3, rel=0.01)
        assert "2 peaks: 111 (1), 200 (1)" in first
        advised = [size for size in part.split("--pixel-size ")[1:] if "if they are Au" in size]
        sure = float(first.split("probability ")[1].split(";")[0]) > 0.5
        assert [float(size.split()[0]) for size in advised] == [pytest.approx(0.3, rel=0.01)] * sure
    assert "%), probability" in stated
    several = ["pixel-size", *example_files(), "-m", "Au", "-m", "Pd"]
    assert "--pixel-size 0.5" in exitwave(*several).split(" if they are Au, --pixel-size 0.5")[0]
    assert "small.tif: small has 64 × 64 px" in printed
    assert "its planes fit at no size" in exitwave(
        "pixel-size", tmp_path / "one.tif", "-m", "Au", "--between", "1.5", "1.6"
    )
    assert "material is 'Gold'" in exitwave("pixel-size", tmp_path, "-m", "Gold", code=2)
    assert "the smaller first" in exitwave("pixel-size", tmp_path, "-m", "Au", "--between", "2", "1", code=2)


def test_generate_says_where_the_camera_is_full(tmp_path):
    for saturation, told in ((20, True), (20.7, True), (60000, False)):
        recipe = yaml.safe_load(RECIPE)
        recipe["images"]["detector"] = {"saturation": saturation}
        (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
        printed = exitwave(
            "generate", tmp_path / "recipe.yaml", tmp_path / f"data-{saturation}", "--count", "1", "--workers", "1"
        )
        assert ("2 of 2 images reach the camera's greatest count" in printed) == told


def test_generate_names_what_failed_where_nothing_is_left(tmp_path, monkeypatch):
    import exitwave.dataset.work as work

    def fail(*arguments, **options):
        raise ValueError("the lens fell out")

    monkeypatch.setattr(work, "render_image", fail)
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    printed = exitwave(
        "generate", tmp_path / "recipe.yaml", tmp_path / "data", "--count", "1", "--workers", "1", code=1
    )
    assert "no images of 1 structure" in printed
    assert "the lens fell out" in printed
