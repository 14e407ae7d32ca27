"""``exitwave build`` with everything that a modeller may give it."""

import contextlib
import io
import sys

import ase.io
import pytest

from exitwave.cli.app import main
from exitwave.structure import Crystal, Scene, Sphere, Volume

FAMILY = """
family: agglomerates
field: 40
particles: {count: 2, radius: 7, shape: faceted}
film: null
"""
PREFAB = """
prefab: wulff
crystal: Au
energies: {1 1 1: 1.0, 1 0 0: 1.15}
radius: 10
"""


def build(*arguments, code=0):
    printed = io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(printed),
    ):
        patch.setattr(sys, "argv", ["exitwave", "build", *map(str, arguments)])
        patch.setenv("COLUMNS", "200")
        try:
            main()
            ended = 0
        except SystemExit as end:
            ended = end.code or 0
    assert ended == code, printed.getvalue()
    return printed.getvalue()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "family.yaml").write_text(FAMILY)
    (tmp_path / "prefab.yaml").write_text(PREFAB)
    ball = Volume(Crystal("Pt"), Sphere(8, centre=(12, 12, 12)), name="ball", role="particle")
    Scene([ball], cell=(24, 24, 24)).write(tmp_path / "scene.yaml")
    return tmp_path


@pytest.mark.parametrize(("source", "element"), [("family", "Au"), ("prefab", "Au"), ("scene", "Pt")])
def test_families_prefabs_and_constructions_are_built(folder, source, element):
    text = build(f"{source}.yaml", "-o", f"{source}.cif")
    atoms = ase.io.read(folder / f"{source}.cif")
    assert f"{len(atoms)} atoms" in text
    assert set(atoms.get_chemical_symbols()) == {element}
    assert (folder / f"{source}.png").stat().st_size > 10_000


def test_seed_and_index_choose_the_draw(folder):
    for seed, index, name in ((1, 0, "a"), (2, 0, "b"), (1, 1, "c"), (1, 0, "d")):
        build("family.yaml", "--seed", seed, "--index", index, "--no-picture", "-o", f"{name}.xyz")
    texts = [(folder / f"{name}.xyz").read_text() for name in "abcd"]
    assert texts[0] == texts[3]
    assert len(set(texts)) == 3
    assert not list(folder.glob("*.png"))


def test_mistakes_are_told_in_one_sentence(folder):
    for text, words in (
        ("family: aglomerates\n", "did you mean agglomerates?"),
        ("family: agglomerates\nparticles: {radius: -1}\n", "particles.radius is -1"),
        ("family: mine:Family\n", "--allow-code"),
        ("prefab: octahedrn\n", "did you mean octahedron?"),
        (
            "prefab: cube\nsize: 3\n",
            "size is not a known key of prefab cube; it needs crystal, radius and also takes",
        ),
        ("prefab: cube\ncrystal: Au\nradus: 9\n", "radus is not a known key of prefab cube; did you mean radius?"),
        ("prefab: decahedron\nedge: 3\n", "prefab decahedron lacks metal; it needs metal, edge and also takes"),
    ):
        (folder / "wrong.yaml").write_text(text)
        assert words in build("wrong.yaml", code=2).replace("\n", " ")
