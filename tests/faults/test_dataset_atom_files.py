"""Recipes and data sets from strangers that name files of atoms: none outside of their folder, none too large."""

from __future__ import annotations

import json
import os
import re
import shutil
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from ase.build import bulk
from typer.testing import CliRunner

from exitwave.cli.app import app
from exitwave.core import SpecError, Stream, StructureError
from exitwave.dataset import Dataset, Recipe, doctor, generate, render
from exitwave.dataset.generate import as_recipe
from exitwave.dataset.records import StructureRecord, draw_structure
from exitwave.structure.families import FromFiles
from exitwave.structure.families import atom_files as atom_files_module
from exitwave.structure.families.atom_files import LARGEST_FILE, atoms_of

TEXT = """
seed: 5
structures: {{count: 2, family: from_files, field: 24, particles: {{file: {file}, radius: 6}}, film: null}}
scattering: {{sampling: 0.5, configurations: 1}}
images: {{per_structure: 2, dose: 400}}
store: {{structures_per_shard: 1, waves: true}}
"""


@pytest.fixture(autouse=True)
def nothing_open(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Begin each test as a new process does, which has opened no data set."""
    monkeypatch.setattr(atom_files_module, "_COPIES", {})
    atom_files_module._read.cache_clear()
    yield
    atom_files_module._read.cache_clear()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "recipes" / "cells").mkdir(parents=True)
    bulk("Pt", cubic=True).write(tmp_path / "recipes" / "cells" / "Pt.cif")
    bulk("Au", cubic=True).write(tmp_path / "secret.cif")
    return tmp_path


def written(folder: Path, file: str) -> Path:
    path = folder / "recipes" / "mine.yaml"
    path.write_text(TEXT.format(file=json.dumps(file) if file[0] != "{" else file))
    return path


def refused(folder: Path, file: str) -> str:
    with pytest.raises(SpecError) as caught:
        Recipe.read(written(folder, file))
    return re.sub(r"file is .*?; ", "file is FILE; ", str(caught.value))  # long names are shortened


def test_a_recipe_names_files_of_its_folder_only_and_is_told_nothing_of_others(folder: Path) -> None:
    (folder / "recipes" / "link.cif").symlink_to(folder / "secret.cif")
    (folder / "recipes" / "broken.cif").symlink_to(folder / "nowhere.cif")
    (folder / "recipes" / "round.cif").symlink_to(folder / "recipes" / "round.cif")
    # behind a link, ".." is the folder above what it leads to, where there is a file that may be named
    (folder / "recipes" / "cells" / "inner").mkdir()
    (folder / "recipes" / "down").symlink_to(folder / "recipes" / "cells" / "inner")
    (folder / "recipes" / "Pt.cif").symlink_to(folder / "secret.cif")
    (folder / "recipes" / "files").mkdir()
    copy = f"files/Au-{'0' * 32}.cif"
    (folder / "recipes" / copy).symlink_to(folder / "secret.cif")
    strange = [
        str(folder / "secret.cif"),
        str(folder / "not-there.cif"),
        "../secret.cif",
        "../not-there.cif",
        "/etc/passwd",
        "/etc/no-such-file",
        "link.cif",
        "broken.cif",
        "round.cif",
        "down/../Pt.cif",
        "a\0b.cif",
        copy,
    ]
    said = {refused(folder, file) for file in strange if "\0" not in file}
    assert len(said) == 1, said
    assert "outside of the folder of the recipe" in next(iter(said))
    assert "allow_files=True (--allow-files)" in next(iter(said))
    assert "outside of the folder" in refused(folder, "a\0b.cif")
    assert "outside of the folder" in refused(folder, "{choice: [cells/Pt.cif, ../secret.cif]}")
    for file in ("../secret.cif", str(folder / "secret.cif"), "link.cif"):
        recipe = Recipe.read(written(folder, file), allow_files=True)
        assert draw_structure(recipe, 0).spec.build(Stream(1)).formula == "Au"


def test_text_names_no_file_and_a_program_any(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for file in (str(folder / "secret.cif"), str(folder / "not-there.cif"), "secret.cif"):
        with pytest.raises(SpecError, match=r"in no folder of a recipe.*allow_files"):
            Recipe.from_yaml(TEXT.format(file=file))
    monkeypatch.chdir(folder)
    assert Recipe.from_yaml(TEXT.format(file="secret.cif"), allow_files=True).structures.count == 2
    assert FromFiles(particles={"file": "secret.cif", "radius": 6}, field=24).particles.file == "secret.cif"  # type: ignore[arg-type,union-attr,unused-ignore]


def test_a_relative_path_is_one_from_the_recipe(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = Recipe.read(written(folder, "cells/Pt.cif"))
    monkeypatch.chdir(folder / "recipes")
    assert Recipe.read("mine.yaml") == recipe
    monkeypatch.chdir(folder / "recipes" / "cells")
    assert Recipe.parse(recipe.to_dict()) == recipe == Recipe.read("../mine.yaml")
    assert "is no file" in refused(folder, "cells/Au.cif")


def test_the_command_refuses_and_allows(folder: Path) -> None:
    path = written(folder, "../secret.cif")
    for command in (["generate", str(path), str(folder / "set"), "--dry-run"], ["build", str(path)]):
        told = CliRunner().invoke(app, command)
        assert told.exit_code == 2 or told.exit_code == 1
        assert "--allow-files" in str(told.exception or told.output)
    spec = folder / "recipes" / "family.yaml"
    spec.write_text("family: from_files\nfield: 24\nfilm: null\nparticles: {file: ../secret.cif, radius: 6}\n")
    assert CliRunner().invoke(app, ["build", str(spec)]).exit_code != 0
    made = [str(spec), "-o", str(folder / "a.xyz"), "--no-picture", "--allow-files"]
    assert CliRunner().invoke(app, ["build", *made]).exit_code == 0
    allowed = CliRunner().invoke(app, ["generate", str(path), str(folder / "set"), "--dry-run", "--allow-files"])
    assert allowed.exit_code == 0, allowed.output


def test_commands_that_simulate_on_the_way_refuse_and_allow(folder: Path) -> None:
    path = str(written(folder, "../secret.cif"))
    (folder / "empty").mkdir()
    one_more = [str(folder / "empty"), "--recipe", path, "-o", str(folder / "out")]
    train = ["train", path, "--seed", "1", "--device", "nowhere", "-o", str(folder / "net.safetensors")]
    for command in (["calibrate", *one_more], ["adapt", *one_more], train):
        told = CliRunner().invoke(app, command)
        assert "--allow-files" in str(told.exception or told.output), command
        later = CliRunner().invoke(app, [*command, "--allow-files"])
        assert later.exit_code != 0, command  # for want of micrographs, or of such a device
        assert "--allow-files" not in str(later.exception or later.output), command


def test_a_data_set_keeps_its_files_and_needs_nothing_else(folder: Path) -> None:
    path = written(folder, "{choice: [cells/Pt.cif, ../secret.cif]}")
    data = generate(path, folder / "set", workers=2, allow_files=True)
    content, identity = data.content, data.recipe.identity
    assert set(data.column("material")) <= {"Pt", "secret"}
    assert not data.failures
    assert str(folder) not in json.dumps(data[0].record)
    data.save(folder / "saved").close()
    data.reimage({"dose": 900}, folder / "anew", seed=1).close()
    data.close()
    # elsewhere, without what it was made of, in a process that knows nothing of it
    shutil.rmtree(folder / "recipes")
    (folder / "secret.cif").unlink()
    shutil.move(folder / "set", folder / "moved")
    for place in ("moved", "saved", "anew"):
        atom_files_module._COPIES.clear()
        with Dataset(folder / place).stores[0].shard(0):
            opened = Dataset(folder / place)
            assert len(opened.atoms(0)) > 10
            assert doctor(folder / place).healthy
    atom_files_module._COPIES.clear()
    assert Recipe.read(folder / "saved" / "parents" / "0" / "recipe.yaml").identity == identity
    opened = Dataset(folder / "moved")
    assert (render(opened[0].record).image.array == opened[0].image.array).all()
    opened.close()
    atom_files_module._COPIES.clear()
    (folder / "moved" / "shards" / "000001.h5").unlink()
    assert (
        CliRunner().invoke(app, ["generate", str(folder / "moved/recipe.yaml"), str(folder / "moved")]).exit_code == 0
    )
    again = generate(folder / "moved" / "recipe.yaml", folder / "again")
    assert again.content == content == Dataset(folder / "moved").content
    assert again.recipe.identity == identity


def test_a_file_that_was_changed_is_found(folder: Path) -> None:
    generate(written(folder, "cells/Pt.cif"), folder / "set").close()
    copy = next((folder / "set" / "files").iterdir())
    copy.write_text(copy.read_text().replace("3.92", "4.92"))
    atom_files_module._COPIES.clear()
    assert "is not the file that its name tells of" in doctor(folder / "set")["files"].text
    assert not doctor(folder / "set").healthy
    with pytest.raises(SpecError, match="not the file that its name tells of"):
        Recipe.read(folder / "set" / "recipe.yaml")


def test_a_shard_names_files_of_its_data_set_only(folder: Path) -> None:
    recipe = as_recipe(written(folder, "../secret.cif"), allow_files=True)
    record = draw_structure(recipe, 0).to_dict()
    for file in (str(folder / "secret.cif"), "/etc/passwd", f"files/Au-{'0' * 32}.cif"):
        record["structure"]["particles"][0]["file"] = file
        with pytest.raises(SpecError, match="which may only be named with"):
            StructureRecord.from_dict(record)


def test_a_mixture_of_families_keeps_the_files_of_all(folder: Path) -> None:
    path = folder / "recipes" / "mix.yaml"
    path.write_text(
        "seed: 1\n"
        "structures: {count: 2, family: mixture, shared: {field: 24, film: null}, parts: ["
        "{family: from_files, particles: {file: cells/Pt.cif, radius: 6}},"
        "{family: from_files, particles: [{file: cells/Pt.cif, radius: 5}]}]}\n"
        "scattering: {sampling: 0.5, configurations: 1}\nimages: {dose: 400}\n"
    )
    data = generate(path, folder / "set")
    assert [item.name[:3] for item in (folder / "set" / "files").iterdir()] == ["Pt-"]
    assert set(data.column("material")) == {"Pt"}
    data.close()


def test_files_are_small_regular_and_of_few_formats(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    with Path("big.xyz").open("wb") as file:
        file.truncate(500_000_000)
    tracemalloc.start()
    with pytest.raises(StructureError, match=f"larger than {LARGEST_FILE // 1_000_000} MB; give a file"):
        atoms_of("big.xyz")
    assert tracemalloc.get_traced_memory()[1] < 2 * LARGEST_FILE
    tracemalloc.stop()
    os.mkfifo("pipe.xyz")  # which would wait for ever
    Path("folder.cif").mkdir()
    for name in ("pipe.xyz", "folder.cif", "nothing.cif"):
        with pytest.raises(StructureError, match="is no file"):
            atoms_of(name)
    for name in ("atoms.traj", "atoms.json", "passwd", "atoms.xyz.gz", "atoms.cif@0"):
        Path(name).write_bytes(Path("secret.cif").read_bytes())
        with pytest.raises(StructureError, match="an ending that is not read here"):
            atoms_of(name)
    Path("noise.cif").write_bytes(bytes(range(256)))
    with pytest.raises(StructureError, match=r"noise\.cif cannot be read"):
        atoms_of("noise.cif")


COLUMNS = '1\nLattice="9 0 0 0 9 0 0 0 9" Properties=species:S:1:pos:R:3:{}\nAu 1 1 1\n'
HEAD = "x\n1.0\n9 0 0\n0 9 0\n0 0 9\n"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.xyz", "1000000000000\nx\nAu 1 1 1\n"),  # would be counted to the end
        ("b.xyz", "1\nx\nAu 1 1 1\n999999999999\nx\nAu 1 1 1\n"),
        ("a.vasp", HEAD + "Au\n1000000000000\nCartesian\n1 1 1\n"),  # would be allocated
        ("POSCAR", HEAD + "900000000000 900000000000\nCartesian\n1 1 1\n"),
        ("POSCAR", HEAD + "900000000000\n1\n1 1 1\n"),
        ("POSCAR", HEAD + "Au\n+900_000_000_000\nCartesian\n1 1 1\n"),
        ("a.xyz", "+1_000_000_000_000\nx\nAu 1 1 1\n"),
        ("a.xyz", COLUMNS.format("x:R:999999999")),
        ("a.xyz", COLUMNS.format(r'"x:R\:+999_999_999"')),
    ],
)
def test_more_atoms_or_columns_than_there_are_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).write_text(text)
    with pytest.raises(StructureError, match=r"promises .* (atoms in .* lines|columns more)"):
        atoms_of(name)


@pytest.mark.parametrize("name", ["a.cif", "a.xyz", "A.XYZ", "a.extxyz", "a.vasp", "POSCAR", "CONTCAR", "a.pdb"])
def test_every_format_that_is_named_is_read(tmp_path: Path, name: str) -> None:
    kinds = {"POSCAR": "vasp", "CONTCAR": "vasp", "A.XYZ": "extxyz"}
    bulk("Pt", cubic=True).write(tmp_path / name, format=kinds.get(name))
    assert atoms_of(str(tmp_path / name)).get_chemical_formula() == "Pt4"


def test_what_follows_the_columns_is_none_of_them(tmp_path: Path) -> None:
    (tmp_path / "a.xyz").write_text(COLUMNS.format(" 999 times:R:2").replace(":3: ", ":3 "))
    assert len(atoms_of(str(tmp_path / "a.xyz"))) == 1
    (tmp_path / "a.cif").write_text("data_a\n_cell_length_a 0\n")
    with pytest.raises(StructureError, match=r"cannot be read \(\w"):
        atoms_of(str(tmp_path / "a.cif"))
