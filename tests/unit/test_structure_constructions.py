"""Constructions written to files and read again: the same atoms, readable text, and what cannot be written."""

import json
from dataclasses import dataclass

import numpy as np
import pytest
import yaml

from exitwave.core import StructureError
from exitwave.structure import (
    Amorphous,
    Atoms,
    Box,
    Cone,
    ConvexHull,
    Crystal,
    Cylinder,
    Ellipsoid,
    Empty,
    Generator,
    Graded,
    Mesh,
    Molecule,
    NetworkCarbon,
    Polyhedron,
    Scene,
    Sphere,
    Strained,
    Substituted,
    Terrain,
    Union,
    Vacancies,
    Volume,
    euler,
    translation,
)
from exitwave.structure.prefabs import decahedron, icosahedron, twinned, wulff

FACES = ((0, 2, 1), (0, 1, 3), (1, 2, 3), (2, 0, 3))
CORNERS = np.array([[0, 0, 0], [9, 0, 0], [0, 9, 0], [0, 0, 9.0]])


def wave(positions):
    """A displacement that can be imported."""
    return np.stack([0 * positions[:, 0], 0 * positions[:, 0], 0.5 * np.sin(positions[:, 0] / 5)], axis=1)


@dataclass(frozen=True)
class Gas(Generator):
    """A generator of a user's own."""

    count: int = 5

    def atoms(self, bounds, stream):
        positions = stream.generator().uniform(bounds.low, bounds.high, (self.count, 3))
        return Atoms(positions, np.full(self.count, 18))


def rich() -> Scene:
    """A scene with nearly everything."""
    turn = euler((10, 20, 30), "ZXZ")
    gold = Crystal("Au").oriented((1, 1, 0), spin=12.3).strained((0.01, 0, -0.02)).strained(0.005, axes="lab")
    alloy = Volume(gold, Sphere(9, (12, 12, 40)), "alloy", "particle").modified(
        Substituted("Au", by="Cu", share=0.3),
        Vacancies(0.05),
        Graded.radial("Cu", by="Ag", centre=(12, 12, 40), radii=(3, 9)),
        Graded.planar(None, by="Pt", direction=(1, 2, 2), point=(12, 12, 40), depths=(4, 8)),
    )
    own = Crystal.from_cell((3.2, 3.2, 5.1, 90, 90, 120), [(0, 0, 0), (1 / 3, 2 / 3, 0.5)], ["Zn", "O"], "mine")
    several = [
        Volume(own.transformed(turn), (Box(9, 9, 9) - Cylinder(2, 20, (1, 1, 3), (4, 4, 4))).translated((25, 3, 36))),
        Volume(Crystal("Si"), ConvexHull(CORNERS).transformed(translation((3, 25, 36)) @ turn)),
        Volume(Crystal("MgO"), Mesh(CORNERS, FACES).translated((15, 26, 36)) & ~Sphere(2, (16, 27, 37))),
        Volume(Strained(Crystal("Ag"), wave, 0.5), Cone(5, 8, 2, (0, 1, 1), (32, 32, 36)) | Sphere(2, (32, 32, 44))),
        Volume(Crystal("CdSe").transformed(turn), Ellipsoid((3, 4, 5), (33, 20, 42)), tolerance=0.1),
        Volume(
            Molecule(["C", "O"], [[0, 0, 0], [0, 0, 1.13]]).transformed(translation((20, 20, 55))),
            Box(4, 4, 5, (18, 18, 53)),
        ),
        Volume(Empty(), Sphere(6, (20, 20, 15)), "void"),
        Volume(Gas(7), Box(4, 4, 4, (20, 20, 61))),
    ]
    ball = twinned(Volume(Crystal("Cu"), Sphere(6, (22, 12, 50))), count=1)
    pair = Union([ball, ball.translated((0, 0, 14)).rotated((1, 0, 0), 33)], "pair", "particle")
    heights = 24 + np.sin(np.arange(40)).reshape(5, 8)
    film = Volume(Amorphous("SiO2"), Terrain(heights, (40, 40)) & Box(40, 40, 40), "film", "support")
    low = Volume(NetworkCarbon(2.0, 0.02), Box(40, 40, 8, (0, 0, 72)), role="support")
    high = Volume(Amorphous("C", 2.0, {"C-C": 1.35}), Polyhedron(np.vstack([np.eye(3), -np.eye(3)]), 5, (30, 10, 62)))
    cell = [[40, 0, 0], [0, 40, 0], [0, 0, 90]]
    return Scene([alloy, *several, pair, film, low, high], cell, {"Au-C": 2.0, ("Si", "O"): 1.5}, outside="wrap")


def equal(a, b):
    assert a.names == b.names
    assert a.roles == b.roles
    for name in ("positions", "numbers", "cell", "objects", "grains", "thermal"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


@pytest.mark.parametrize("name", ["scene.yaml", "scene.json"])
def test_the_same_seed_gives_the_same_atoms(tmp_path, name):
    scene = rich()
    path = scene.write(tmp_path / name)
    again = Scene.read(path, allow_code=True)
    equal(scene.build(seed=4), again.build(seed=4))
    assert again.write(tmp_path / f"again-{name}").read_text() == path.read_text()


def test_prefabs_are_written(tmp_path):
    energies = {(1, 1, 1): 1.0, (1, 0, 0): 1.15}
    bodies = [decahedron("Au", 4), icosahedron("Au", 4), wulff("Au", energies, radius=12.0)]
    for body in bodies:
        scene = Scene([body.translated((20, 20, 20))], (60, 60, 60), outside="keep")
        equal(scene.build(seed=1), Scene.read(scene.write(tmp_path / "a.yaml")).build(seed=1))


def test_the_text_is_readable(tmp_path):
    film = Volume(Amorphous("C"), Box(40, 40, 20), name="film", role="support")
    ball = Volume(Crystal("Au"), Sphere(10.0), name="ball", role="particle").resting_on(film, depth=3)
    text = Scene([ball, film], (40, 40, 40), {"Au-C": 2.0}).write(tmp_path / "a.yaml").read_text()
    data = yaml.safe_load(text)["Scene"]
    assert data["minimum_distance"] == {"Au-C": 2.0}
    assert data["objects"][1] == {
        "Volume": {
            "generator": {"Amorphous": {"density": 2.2, "minimum_distance": 1.4}},
            "region": {"Box": {"x": 40, "y": 40, "z": 20}},
            "name": "film",
            "role": "support",
        }
    }
    assert len(text.splitlines()) < 40


def test_code_is_imported_with_leave_only(tmp_path):
    scene = Scene([Volume(Gas(), Box(9, 9, 9))], (9, 9, 9))
    path = scene.write(tmp_path / "a.yaml")
    with pytest.raises(StructureError, match="allow_code=True"):
        Scene.read(path)
    equal(scene.build(seed=1), Scene.read(path, allow_code=True).build(seed=1))


class Nameless(Generator):
    """No dataclass: what is in it cannot be known."""

    def atoms(self, bounds, stream):
        return Atoms.none()


@pytest.mark.parametrize(
    ("volume", "said"),
    [
        (lambda: Volume(Strained(Crystal("Au"), lambda x: 0 * x, 0.0), Box(9, 9, 9)), "put it at the top level"),
        (lambda: Volume(Nameless(), Box(9, 9, 9)), "make it a frozen dataclass"),
        (lambda: Volume(Crystal("Au"), Box(9, 9, 9), modifiers=(lambda a, s: a,)), "put it at the top level"),
    ],
)
def test_what_cannot_be_named_is_said(tmp_path, volume, said):
    with pytest.raises(StructureError, match=said):
        Scene([volume()], (9, 9, 9)).write(tmp_path / "a.yaml")
    assert list(tmp_path.iterdir()) == []


HEAD = "exitwave construction: 1\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "begins with"),
        ("a: [", "is no YAML"),
        ("exitwave construction: 2\nScene: {}", "begins with"),
        (HEAD + "Sphere: {radius: 3}", "holds a Sphere"),
        (HEAD + "Scene: [1]", "its arguments by name"),
        (HEAD + "Scene: {objects: []}", "Scene takes objects, cell"),
        (HEAD + "Scene: {objects: [], cell: [1, 2, 3], size: 4}", "Scene takes objects, cell"),
        (HEAD + "Scene: {objects: [], cell: [0, 2, 3]}", "cell is"),
        (HEAD + "Scene: {objects: [{Ball: {radius: 3}}], cell: [1, 2, 3]}", "'Ball' is not known"),
        (HEAD + "Scene: {objects: [{'os:system': {command: ls}}], cell: [1, 2, 3]}", "allow_code"),
        (HEAD + "Scene: {objects: [{'exitwave.core:Stream': {seed: 1}}], cell: [1, 2, 3]}", "no part of"),
        (HEAD + "Scene: {objects: [{'exitwave.none:A': {}}], cell: [1, 2, 3]}", "cannot be imported"),
        (
            HEAD + "Scene: {objects: [{Volume: {generator: {Crystal: {material: Xq}}}}], cell: [1, 2, 3]}",
            "known crystals",
        ),
    ],
)
def test_files_that_are_none_are_refused(tmp_path, text, said):
    path = tmp_path / "a.yaml"
    path.write_text(text)
    with pytest.raises(StructureError, match=said):
        Scene.read(path)


def test_json_and_missing_files(tmp_path):
    with pytest.raises(StructureError, match="cannot be read"):
        Scene.read(tmp_path / "none.yaml")
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(StructureError, match="is no JSON"):
        Scene.read(tmp_path / "a.json")
    path = Scene([Volume(Crystal("Au"), Sphere(3))], (9, 9, 9)).write(tmp_path / "b.json")
    assert json.loads(path.read_text())["Scene"]["cell"][0] == [9.0, 0.0, 0.0]
    with pytest.raises(StructureError, match="cannot be written"):
        Scene([], (9, 9, 9)).write(tmp_path / "folder" / "a.yaml")
