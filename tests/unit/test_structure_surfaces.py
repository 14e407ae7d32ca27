"""Surface atoms, their normals, edges and steps, and the layers beneath them."""

import numpy as np
import pytest

from exitwave.core import Stream, StructureError
from exitwave.structure import Box, Crystal, Scene, Sphere, Volume, surface, surface_atoms
from exitwave.structure.analysis import coordination
from exitwave.structure.periodic import with_images
from exitwave.structure.prefabs import layered
from exitwave.structure.surfaces import neighbour_steps

A = 4.0782


def ball(material: str, radius: float):
    volume = Volume(Crystal(material), Sphere(radius, (radius + 1,) * 3))
    return Scene([volume], (2 * radius + 2,) * 3, pbc=(False,) * 3).build(seed=1)


def slab(layers: int, steps: int = 0):
    """A (001) film of gold, periodic in its plane, with ``steps`` more layers on half of it."""
    low = Box(8 * A, 6 * A, layers * A / 2 - 0.1)
    volumes = [Volume(Crystal("Au"), low)]
    if steps:
        high = Box(4 * A, 6 * A, steps * A / 2, origin=(0, 0, layers * A / 2 - 0.1))
        volumes.append(Volume(Crystal("Au"), high))
    return Scene(volumes, (8 * A, 6 * A, 60)).build(seed=1)


@pytest.mark.parametrize("radius", [15.0, 25.0])
def test_the_surface_of_gold_is_its_under_coordinated_atoms(radius):
    gold = ball("Au", radius)
    assert np.array_equal(surface_atoms(gold), coordination(gold, 3.4) < 12)


@pytest.mark.parametrize(("material", "bond"), [("MgO", 2.4), ("Si", 2.6), ("CdSe", 2.9), ("Fe", 3.1)])
def test_compounds_have_a_skin_and_no_inside(material, bond):
    made = ball(material, 18.0)
    count = coordination(made, bond)
    found = surface_atoms(made)
    full = np.bincount(count).argmax()
    assert found[count < full].all()
    assert not found[np.linalg.norm(made.positions - 19.0, axis=1) < 12.0].any()


def test_a_probe_of_another_size_and_none_that_is_impossible():
    gold = ball("Au", 12.0)
    assert surface_atoms(gold, 1.5).all()  # enters the octahedral holes
    assert surface_atoms(gold, 50.0).sum() < surface_atoms(gold).sum()
    for radius in (0.0, -1.0, np.nan, True):
        with pytest.raises(StructureError, match="probe_radius is"):
            surface_atoms(gold, radius)


def test_the_walls_of_a_vacancy_are_found():
    gold = Scene([Volume(Crystal("Au"), Box(*(4 * A - 0.1,) * 3))], (4 * A,) * 3, pbc=(True,) * 3).build(seed=1)
    assert not surface_atoms(gold).any()
    assert surface_atoms(gold.select(np.arange(len(gold)) != 100)).sum() == 12


def test_normals_of_a_film_and_of_a_ball():
    film = slab(6)
    skin = surface(film)
    assert len(skin) == 2 * 96
    assert np.allclose(np.abs(skin.normals[:, 2]), 1.0, atol=1e-6)
    assert np.array_equal(skin.normals[:, 2] > 0, film.positions[skin.atoms, 2] > 3)
    gold = ball("Au", 25.0)
    skin = surface(gold)
    outward = gold.positions[skin.atoms] - 26.0
    outward /= np.linalg.norm(outward, axis=1)[:, None]
    assert np.degrees(np.arccos((outward * skin.normals).sum(axis=1).clip(-1, 1))).mean() < 6


def test_steps_have_a_rim_and_a_foot():
    assert len(surface(slab(6)).edges) == 0
    stepped = slab(6, steps=2)
    skin = surface(stepped)
    rim, foot = stepped.positions[skin.edges], stepped.positions[skin.feet]
    near_a_step = [np.abs((p[:, 0] + 0.6) % (4 * A)) for p in (rim, foot)]
    assert all(len(p) and (d < 3.2).any() for p, d in zip((rim, foot), near_a_step, strict=True))
    assert rim[:, 2].min() > foot[:, 2].max()
    assert (rim[:, 2] > 6 * A / 2).all()


def test_depth_counts_layers():
    film = slab(7)
    depth = surface(film).depth
    layer = np.round(film.positions[:, 2] / (A / 2)).astype(int)
    assert np.array_equal(depth, np.minimum(layer, 6 - layer))
    assert np.array_equal(neighbour_steps(film, np.flatnonzero(layer == 0)), layer)


def test_few_atoms_are_all_surface():
    gold = ball("Au", 12.0)
    for count in (1, 2, 3):
        assert surface_atoms(gold.select(np.arange(count))).all()
    assert len(surface(gold.select(np.zeros(len(gold), dtype=bool)))) == 0


@pytest.mark.parametrize("pbc", [(True, True, True), (True, False, True), (False, False, False)])
def test_images_are_those_of_a_slanted_cell(pbc):
    cell = np.array([[9.0, 0, 0], [3, 8, 0], [1, -2, 7]])
    positions = np.random.default_rng(1).random((20, 3)) @ cell
    places, owners = with_images(positions, cell, pbc, 10.0)
    shifts = np.stack(np.meshgrid(*[np.arange(-4, 5) if p else [0] for p in pbc], indexing="ij"), -1).reshape(-1, 3)
    for point in positions[:4]:
        every = (positions[None] + (shifts @ cell)[:, None]).reshape(-1, 3)
        wanted = np.sort(np.linalg.norm(every - point, axis=1))
        found = np.sort(np.linalg.norm(places - point, axis=1))
        count = (wanted < 10).sum()
        assert np.allclose(found[:count], wanted[:count])
    assert np.allclose(((places - positions[owners]) @ np.linalg.inv(cell)) % 1 % (1 - 1e-9), 0, atol=1e-6)


@pytest.mark.parametrize("ripple", [0.0, 1.0])
def test_normals_of_a_sheet_stand_on_it(ripple):
    sheet = layered("graphite", (30, 32), 1, spin=7, ripple=ripple, stream=Stream(1))
    made = Scene([sheet.translated((0, 0, 10))], (30, 32, 20)).build(seed=1)
    normals = surface(made).normals
    assert len(normals) == len(made)
    assert np.abs(normals[:, 2]).min() > (1 - 1e-6 if ripple == 0 else 0.8)
    if ripple == 0:
        assert (normals[:, 2] > 0).all()
