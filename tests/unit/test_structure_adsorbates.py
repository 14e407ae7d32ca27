"""Adsorbates: how many, where, how they stand, and that nothing touches."""

import numpy as np
import pytest
from ase.data import covalent_radii
from scipy.spatial import cKDTree

from exitwave.core import Stream, StructureError
from exitwave.structure import Box, Crystal, HalfSpace, Molecule, Scene, Sphere, Volume, adsorbed, surface

A = 4.0782
CO = Molecule(["C", "O"], [[0, 0, 0], [0, 0, 1.13]])


@pytest.fixture(scope="module")
def ball():
    return Scene([Volume(Crystal("Au"), Sphere(20, (30, 30, 30)), name="ball", role="particle")], (60,) * 3).build(
        seed=1
    )


@pytest.fixture(scope="module")
def film():
    return Scene([Volume(Crystal("MgO"), Box(29.4784, 29.4784, 12))], (29.4784, 29.4784, 40)).build(seed=1)


def contacts(made, before):
    """Return distance minus sum of radii of all pairs with an atom of a molecule, not of one molecule."""
    reach = 4.0
    images = [made.positions + i * made.cell[0] + j * made.cell[1] for i in (-1, 0, 1) for j in (-1, 0, 1)]
    index = np.tile(np.arange(len(made)), 9)
    pairs = cKDTree(made.positions[before:]).sparse_distance_matrix(
        cKDTree(np.concatenate(images)), reach, output_type="ndarray"
    )
    a, b = pairs["i"] + before, index[pairs["j"]]
    apart = made.grains[a] != made.grains[b]
    radii = covalent_radii[made.numbers]
    return (pairs["v"] - radii[a] - radii[b])[apart], a[apart], b[apart]


def test_a_hundred_molecules_touch_nothing_but_their_site(ball):
    made = adsorbed(ball, CO, 100, seed=3)
    assert len(made) == len(ball) + 200
    assert np.array_equal(made.positions[: len(ball)], ball.positions)
    gaps, a, b = contacts(made, len(ball))
    bonds = np.abs(gaps) < 1e-6
    assert bonds.sum() == 100
    assert set(made.numbers[a[bonds]].tolist()) == {6}
    assert len(set(b[bonds].tolist())) == 100
    assert (gaps[~bonds] > 0).all()
    skin = surface(ball)
    normals = dict(zip(skin.atoms.tolist(), skin.normals, strict=True))
    for carbon, site in zip(a[bonds], b[bonds], strict=True):
        assert np.allclose(made.positions[carbon + 1] - made.positions[carbon], 1.13 * normals[site])
    assert made.names == ("ball", "CO")
    assert len(set(made.grains[len(ball) :].tolist())) == 100
    assert made.of(name="ball").positions.shape == ball.positions.shape


def test_filters_say_where(film):
    on_magnesium = adsorbed(film, "H2O", 5, seed=1, elements="Mg", bond_length=2.1)
    water = on_magnesium.positions[len(film) :: 3]
    nearest = cKDTree(film.positions).query(water)
    assert np.allclose(nearest[0], 2.1)
    assert set(film.numbers[nearest[1]].tolist()) == {12}
    above = HalfSpace((0, 0, -1), (0, 0, 6))
    assert (adsorbed(film, CO, 9, seed=1, region=above).positions[len(film) :, 2] > 11).all()
    top = np.flatnonzero(film.positions[:, 2] > 10)[:3]
    picked = adsorbed(film, CO, 2, seed=1, sites=top)
    assert set(cKDTree(film.positions).query(picked.positions[len(film) :: 2])[1].tolist()) <= set(top.tolist())
    mask = np.isin(np.arange(len(film)), top)
    assert np.array_equal(adsorbed(film, CO, 2, seed=1, sites=mask).positions, picked.positions)


def test_molecules_keep_apart_across_the_border(film):
    top = film.positions[:, 2] > 10
    made = adsorbed(film, CO, 60, seed=5, sites=top, clearance=1.1)
    gaps, _, b = contacts(made, len(film))
    others = b >= len(film)
    assert (gaps[others] > 0).all()
    fractional = made.positions @ np.linalg.inv(made.cell)
    assert (fractional[:, :2] >= -1e-8).all()
    assert (fractional[:, :2] < 1 + 1e-8).all()


def test_orientation_axis_anchor_and_spin(film):
    top = film.positions[:, 2] > 10
    bent = Molecule(["O", "C"], [[0, 0, 0], [1.13, 0, 0]])
    made = adsorbed(film, bent, 4, seed=1, sites=top, anchor=1, axis=(-1, 0, 0))
    oxygen, carbon = made.positions[len(film) :: 2], made.positions[len(film) + 1 :: 2]
    assert np.allclose(oxygen - carbon, [0, 0, 1.13])
    tilted = adsorbed(film, CO, 4, seed=1, sites=top, orientation=(0, 1, 1))
    way = tilted.positions[len(film) + 1 :: 2] - tilted.positions[len(film) :: 2]
    assert np.allclose(way / 1.13, np.array([0, 1, 1]) / 2**0.5)
    flat = Molecule(["N", "H", "H"], [[0, 0, 0], [1, 0, 0.3], [-1, 0, 0.3]])
    for spin in (0.0, 90.0):
        made = adsorbed(film, flat, 1, seed=1, sites=top, spin=spin)
        across = np.diff(made.positions[len(film) + 1 :], axis=0)[0]
        assert abs(across @ [np.sin(np.radians(spin)), -np.cos(np.radians(spin)), 0]) < 1e-9
    anyhow = [adsorbed(film, CO, 8, seed=s, sites=top, orientation="random", clearance=0.7) for s in (1, 1, 2)]
    assert np.array_equal(anyhow[0].positions, anyhow[1].positions)
    assert not np.array_equal(anyhow[0].positions, anyhow[2].positions)
    ways = anyhow[0].positions[len(film) + 1 :: 2] - anyhow[0].positions[len(film) :: 2]
    assert np.ptp(np.linalg.norm(ways - np.round(ways @ np.linalg.inv(film.cell)) @ film.cell, axis=1)) < 1e-9


def test_a_second_kind_keeps_from_the_first(ball):
    both = adsorbed(adsorbed(ball, CO, 50, seed=1), "NH3", 50, stream=Stream(2), sites=np.arange(len(ball)))
    assert both.names == ("ball", "CO", "H3N")
    gaps, _, b = contacts(both, len(ball) + 100)
    assert (gaps[b >= len(ball)] > 0).all()
    assert adsorbed(both, CO, 0, seed=1).names[-1] == "CO-2"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"count": 100_000}, "of 100000 molecules fit"),
        ({"count": -1}, "count is -1"),
        ({"elements": "Cu"}, "passes the filters"),
        ({"elements": "Xx"}, "species is 'Xx'"),
        ({"sites": np.array([1.5])}, "sites has shape"),
        ({"sites": [10**6]}, "sites has shape"),
        ({"anchor": 5}, "anchor is 5"),
        ({"bond_length": 0.0}, "bond_length is 0.0"),
        ({"orientation": "up"}, "orientation is 'up'"),
        ({"spin": np.nan}, "spin is nan"),
        ({"clearance": -1}, "clearance is -1"),
        ({"role": "cover"}, "role is 'cover'"),
        ({"name": "ball"}, "already"),
        ({"stream": Stream(1)}, "one of the two"),
        ({"molecule": "unobtainium"}, "ase.build.molecule does not know"),
        ({"axis": (0, 0, 0)}, "axis is"),
    ],
)
def test_what_makes_no_sense_is_said(ball, fields, said):
    arguments = {"molecule": CO, "count": 2, "seed": 1} | fields
    with pytest.raises(StructureError, match=said):
        adsorbed(ball, **arguments)
