"""The structure itself: checked, selected, written, shown."""

import subprocess
import sys

import ase.io
import numpy as np
import pytest

from exitwave.core import StructureError
from exitwave.structure import Amorphous, Box, Crystal, Scene, Sphere, Structure, Volume, read
from exitwave.structure.rendering import element_colour, render


@pytest.fixture(scope="module")
def made():
    film = Volume(Amorphous("C"), Box(20, 24, 8), name="film", role="support")
    ball = Volume(Crystal("Au"), Sphere(6), name="ball", role="particle").resting_on(film, depth=1)
    return Scene([ball, film], (20, 24, 22)).build(seed=1)


def test_selection_by_role_and_name(made):
    ball = made.of(role="particle")
    assert set(ball.numbers) == {79}
    assert len(ball) + len(made.of(name="film")) == len(made)
    assert len(made.of(role="other")) == 0
    assert ball.names == made.names
    assert np.array_equal(ball.cell, made.cell)
    with pytest.raises(StructureError, match="the objects are ball, film"):
        made.of(name="balls")
    with pytest.raises(StructureError, match="particle, support, other"):
        made.of(role="film")


def test_ase_round_trip_keeps_objects_grains_and_names(made):
    back = Structure.from_ase(made.to_ase())
    for name in ("positions", "numbers", "cell", "objects", "grains"):
        assert np.array_equal(getattr(back, name), getattr(made, name))
    assert (back.names, back.roles, back.pbc) == (made.names, made.roles, made.pbc)
    bare = made.to_ase()
    del bare.arrays["objects"]
    assert Structure.from_ase(bare, name="all", role="particle").roles == ("particle",)


@pytest.mark.parametrize("ending", ["xyz", "cif", "vasp", "pdb", "json", "traj", "lammps-data"])
def test_files_hold_every_atom(made, tmp_path, ending):
    path = made.write(tmp_path / f"atoms.{ending}", format="lammps-data" if ending == "lammps-data" else None)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    if ending != "lammps-data":
        atoms = ase.io.read(path)
        assert len(atoms) == len(made)
        order = np.argsort(atoms.numbers, kind="stable"), np.argsort(made.numbers, kind="stable")
        assert np.allclose(atoms.positions[order[0]], made.positions[order[1]], atol=2e-3)


def test_extended_xyz_brings_everything_back(made, tmp_path):
    back = read(made.write(tmp_path / "atoms.xyz"))
    assert (back.names, back.roles) == (made.names, made.roles)
    assert np.array_equal(back.objects, made.objects)
    assert np.allclose(back.positions, made.positions)


def test_prismatic_file(made, tmp_path):
    path = made.write(tmp_path / "atoms.xyz", format="prismatic", thermal={"Au": 0.0886, "C": 0.09})
    lines = path.read_text().splitlines()
    assert [float(x) for x in lines[1].split()] == [20, 24, 22]
    assert lines[-1] == "-1"
    table = np.array([line.split() for line in lines[2:-1]], dtype=float)
    assert np.array_equal(table[:, 0], made.numbers)
    assert np.allclose(table[:, 1:4], made.positions, atol=1e-6)
    assert set(table[table[:, 0] == 79, 5]) == {0.0886}
    with pytest.raises(StructureError, match="thermal amplitude for C;"):
        made.write(path, format="prismatic", thermal={"Au": 0.09})


@pytest.mark.parametrize(("name", "format"), [("atoms.xyy", None), ("atoms", None), ("atoms.xyz", "nonsense")])
def test_unknown_formats_raise_and_leave_nothing(made, tmp_path, name, format):
    words = "cannot be written" if "." in name else r"has no ending, which names the format; add one .*\.xyz"
    with pytest.raises(StructureError, match=words):
        made.write(tmp_path / name, format=format)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there_raises(made, tmp_path):
    with pytest.raises(StructureError, match="its folder is not there"):
        made.write(tmp_path / "nowhere" / "atoms.xyz")
    with pytest.raises(StructureError, match="is no file"):
        read(tmp_path / "none.xyz")


def test_pictures_show_what_is_there(made):
    picture, size = render(made, view="beam", pixels=300)
    assert size == (20, 24)
    assert picture.shape == (300, 250, 4)
    assert (picture >= 0).all()
    assert (picture <= 1).all()
    assert (picture[..., 3] == 1).mean() > 0.85
    side, size = render(made, view="side", pixels=300)
    assert size == (20, 22)
    # the film is below z = 8 Å, so at the top of the picture; the gold is under it
    golden = (side[..., 0] > side[..., 2] + 0.15) & (side[..., 3] > 0)
    rows = np.flatnonzero(golden.any(axis=1))
    assert rows.mean() > 100
    figure = made.show()
    assert len(figure.axes) == 2
    assert element_colour(79) != element_colour(47)


def test_atoms_far_in_front_cast_no_shadow():
    wall = Volume(Crystal("Au"), Box(80, 80, 10), name="wall").translated((0, 0, 70))
    few = Volume(Crystal("Au"), Sphere(3.5), name="few").translated((40, 40, 4))  # 60 Å nearer than the wall
    picture, _ = render(Scene([wall, few], (80, 80, 80)).build(seed=1), view="beam", pixels=400)
    y, x = (np.indices(picture.shape[:2]) + 0.5) / 5
    distance = np.hypot(y - 40, x - 40)
    around, away = ((distance > low) & (distance < low + 4) for low in (6, 24))
    assert picture[around, :3].mean() > 0.95 * picture[away, :3].mean()


def test_an_empty_structure_can_be_shown():
    empty = Scene([], (10, 10, 10)).build(seed=0)
    assert len(empty) == 0
    assert empty.show() is not None
    assert repr(empty).startswith("Structure: 0 atoms")


GOOD = {
    "positions": np.zeros((2, 3)),
    "numbers": [6, 79],
    "cell": np.eye(3),
    "objects": [0, 0],
    "grains": [0, 1],
    "thermal": [np.nan, 0.1],
    "names": ("a",),
    "roles": ("other",),
}


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("positions", np.zeros((2, 2)), "positions has shape"),
        ("positions", np.full((2, 3), np.nan), "finite place"),
        ("numbers", [6], "numbers has shape"),
        ("numbers", [0, 6], "atom 0 has the atomic number 0; known elements are 1"),
        ("cell", np.zeros((3, 3)), "span a volume"),
        ("objects", [0, 1], "indices into them"),
        ("thermal", [np.nan, -0.1], "below 0"),
        ("roles", ("hero",), "a role is one of"),
        ("names", ("a", "b"), "2 names and 1 roles"),
    ],
)
def test_impossible_structures_are_refused(field, value, words):
    Structure(**GOOD)
    with pytest.raises(StructureError, match=words):
        Structure(**(GOOD | {field: value}))


def test_arrays_cannot_be_written_to(made):
    with pytest.raises(ValueError, match="read-only"):
        made.positions[0, 0] = 1


WITHOUT_TORCH = """
import sys, tempfile
sys.modules["torch"] = None  # import torch would raise
from exitwave.structure import *
from exitwave.structure.analysis import common_neighbour_classes, radial_distribution, thickness_map
from exitwave.structure.prefabs import twinned
film = Volume(Amorphous("C"), Box(20, 20, 6), role="support")
ball = twinned(Volume(Crystal("Au"), Sphere(6), role="particle")).resting_on(film)
scene = Scene([ball, film], (20, 20, 30))
made = adsorbed(Scene.read(scene.write(tempfile.mkdtemp() + "/a.yaml")).build(seed=1), "CO", 2, seed=1, elements="Au")
surface(made), radial_distribution(made, 5.0), thickness_map(made), common_neighbour_classes(made)
print(len(made))
"""


def test_everything_is_done_without_torch():
    done = subprocess.run([sys.executable, "-c", WITHOUT_TORCH], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 200
