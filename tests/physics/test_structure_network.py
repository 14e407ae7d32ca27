"""Network carbon against what is known of amorphous carbon: shells, neighbours, density, contacts."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import cKDTree

from exitwave.core import Stream
from exitwave.structure.generators.base import Bounds
from exitwave.structure.generators.network import NetworkCarbon

EDGE = 45.0
LEAST = 1.2


@pytest.fixture(scope="module", params=[1.8, 2.0, 2.3])
def network(request):
    atoms = NetworkCarbon(request.param).atoms(Bounds((0, 0, 0), (EDGE,) * 3, (True,) * 3), Stream(11))
    tree = cKDTree(atoms.positions % EDGE, boxsize=EDGE)
    pairs = tree.query_pairs(10.0, output_type="ndarray")
    gaps = atoms.positions[pairs[:, 0]] - atoms.positions[pairs[:, 1]]
    gaps -= EDGE * np.round(gaps / EDGE)
    return request.param, len(atoms), pairs, np.linalg.norm(gaps, axis=1)


def test_shells(network):
    _, count, _, distances = network
    width = 0.02
    edges = np.arange(1.0, 10.0, width)
    radii = (edges[1:] + edges[:-1]) / 2
    pairs = np.histogram(distances, edges)[0]
    g = 2 * pairs / (4 * np.pi * radii**2 * width * count**2 / EDGE**3)
    smooth = np.convolve(g, np.ones(5) / 5, mode="same")
    first = radii[np.argmax(np.where(radii < 1.9, smooth, 0))]
    second = radii[np.argmax(np.where((radii > 2.2) & (radii < 3), smooth, 0))]
    assert first == pytest.approx(1.47, abs=0.05)
    assert second == pytest.approx(2.54, abs=0.06)
    # nothing piles up between the shells, and far away there is no order
    assert smooth[(radii > 1.95) & (radii < 2.15)].max() < 0.1
    far = (radii > 8) & (radii < 9.9)
    assert abs(g[far].mean() - 1) < 0.01
    assert np.abs(smooth[far] - 1).max() < 0.03


def test_neighbours(network):
    _, count, pairs, distances = network
    neighbours = np.bincount(pairs[distances < 1.9].ravel(), minlength=count)
    shares = np.bincount(neighbours, minlength=7) / count
    assert neighbours.mean() == pytest.approx(3.0, abs=0.09)
    assert shares[0] + shares[1] < 0.01
    assert shares[3] > 0.82
    assert shares[5:].sum() < 0.005
    assert shares[4] < 0.12


def test_density_and_contacts(network):
    density, count, _, distances = network
    assert count * 12.011 * 1.66053906892 / EDGE**3 == pytest.approx(density, rel=0.005)
    assert distances.min() >= LEAST


@pytest.mark.parametrize("lengths", [(30.0, 47.0, 20.0), (10.0, 24.0, 12.0)])
def test_no_contact_across_the_border(lengths):
    for seed in range(3):
        atoms = NetworkCarbon(2.2, inhomogeneity=0.03).atoms(
            Bounds((0, 0, 0), lengths, (True, True, False)), Stream(seed)
        )
        x, y, _ = lengths
        images = [atoms.positions + np.array([i * x, j * y, 0]) for i in (-1, 0, 1) for j in (-1, 0, 1)]
        nearest = cKDTree(np.concatenate(images)).query(atoms.positions, k=2)[0][:, 1]
        assert nearest.min() >= LEAST
        # the border is no seam: its atoms have as many neighbours as all
        inner = (atoms.positions[:, 2] > 4) & (atoms.positions[:, 2] < lengths[2] - 4)
        bonds = cKDTree(np.concatenate(images)).query_ball_point(atoms.positions, 1.9, return_length=True) - 1
        assert bonds[inner].mean() > 2.85
