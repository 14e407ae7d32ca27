"""Network carbon: counts, seeds, boxes of any kind, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest

from exitwave.core import Stream, StructureError
from exitwave.structure.generators.amorphous import number_density
from exitwave.structure.generators.base import Bounds
from exitwave.structure.generators.network import NetworkCarbon
from exitwave.structure.generators.network.bonds import near
from exitwave.structure.generators.network.cells import cells
from exitwave.structure.generators.network.tiles import fill_tile, tile_centres, tile_rivals


@pytest.mark.parametrize("density", [1.8, 1.93, 2.2, 2.3])
@pytest.mark.parametrize("periodic", [(True, True, False), (True, True, True), (False, False, False)])
def test_the_count_is_that_of_the_density(density, periodic):
    bounds = Bounds((-5, 3, 40), (24, 31, 58), periodic)
    atoms = NetworkCarbon(density).atoms(bounds, Stream(3))
    assert len(atoms) == round(number_density("C", density) * float(np.prod(bounds.lengths)))
    assert (atoms.positions >= bounds.low).all()
    assert (atoms.positions <= bounds.high).all()
    assert set(atoms.numbers.tolist()) == {6}


def test_a_seed_gives_the_same_atoms_and_another_gives_others():
    bounds = Bounds((0, 0, 0), (25, 25, 15), (True, True, False))
    first, again, other = (NetworkCarbon(2.0).atoms(bounds, Stream(seed)).positions for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert first.shape == other.shape
    assert (np.abs(first - other) > 0.01).any(axis=1).mean() > 0.99


@pytest.mark.parametrize("thickness", [0.5, 3.0, 90.0])
def test_films_of_any_thickness(thickness):
    bounds = Bounds((0, 0, 0), (10, 30, thickness), (True, True, False))
    atoms = NetworkCarbon().atoms(bounds, Stream(0))
    assert len(atoms) == round(number_density("C", 2.2) * 300 * thickness)


def test_an_empty_box_is_empty():
    assert len(NetworkCarbon().atoms(Bounds((0, 0, 0), (50, 50, 0)), Stream(0))) == 0


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"density": 3.0}, "1.8 to 2.3"),
        ({"density": float("nan")}, "1.8 to 2.3"),
        ({"inhomogeneity": 0.2}, "0 to 0.1"),
        ({"correlation": 0.0}, "above 0"),
    ],
)
def test_impossible_numbers_are_refused(fields, said):
    with pytest.raises(StructureError, match=said):
        NetworkCarbon(**fields)


def test_a_box_that_sees_its_own_image_is_refused():
    with pytest.raises(StructureError, match="8 Å wide"):
        NetworkCarbon().atoms(Bounds((0, 0, 0), (8, 30, 10), (True, True, False)), Stream(0))


def test_unevenness_has_the_amount_asked_for():
    size, amount = 160.0, 0.1
    atoms = NetworkCarbon(2.0, inhomogeneity=amount, correlation=60.0).atoms(
        Bounds((0, 0, 0), (size, size, 12), (True, True, True)), Stream(5)
    )
    even = NetworkCarbon(2.0).atoms(Bounds((0, 0, 0), (size, size, 12), (True, True, True)), Stream(5))

    def spread(positions):
        counts = np.histogram2d(positions[:, 0], positions[:, 1], bins=8, range=[[0, size]] * 2)[0]
        return counts.std() / counts.mean()

    assert spread(even.positions) < 0.05
    assert 0.6 * amount < spread(atoms.positions) < 1.3 * amount


@pytest.mark.parametrize("periodic", [(True, True, True), (True, False, True), (False, False, False)])
def test_neighbours_are_those_of_every_pair(periodic):
    lengths = np.array([11.0, 12.0, 30.0])
    positions = Stream(2).generator().random((400, 3)) * lengths
    alive = np.arange(400) % 7 != 0
    around = near(positions, alive, np.where(periodic, lengths, -lengths), 3.1, np.zeros(3), lengths)
    gaps = positions[:, None] - positions[None]
    gaps -= np.where(periodic, lengths * np.round(gaps / lengths), 0.0)
    close = (np.linalg.norm(gaps, axis=-1) < 3.1) & alive[:, None] & alive & ~np.eye(400, dtype=bool)
    for atom in range(400):
        found = around.others[around.starts[atom] : around.starts[atom + 1]]
        assert sorted(found.tolist()) == np.flatnonzero(close[atom]).tolist()


@pytest.mark.parametrize("periodic", [(True, True, False), (True, True, True), (False, False, False)])
def test_tiles_cover_a_box_once(periodic):
    lengths, flags = np.array([40.0, 31.0, 25.0]), np.array(periodic)
    cell = cells()[0]
    centres, radius = tile_centres(lengths, flags, 18.0, Stream(1).generator(), np.zeros(3))
    count = 0
    for index, centre in enumerate(centres):
        rivals = tile_rivals(centres, radius, lengths, flags, index, np.zeros(3), lengths)
        # the same uncut cell everywhere, not turned, not shifted against the box: tiles that are cut out of one
        # crystal of such cells hold each of its atoms once
        positions, local, _, depth = fill_tile(
            cell.positions,
            cell.bonds,
            cell.edge,
            np.eye(3),
            centre % cell.edge,
            centre,
            rivals,
            radius,
            lengths,
            flags,
            np.zeros(3),
        )
        assert (np.linalg.norm(local, axis=1) <= radius).all()
        assert (depth >= 0).all()
        count += len(positions)
    if not any(periodic):
        edges = np.ceil(lengths / cell.edge).astype(int)
        images = np.indices(edges).reshape(3, -1).T * cell.edge
        whole = (cell.positions[None] + images[:, None]).reshape(-1, 3)
        assert count == (whole <= lengths).all(axis=1).sum()
    else:
        assert count == pytest.approx(len(cell.positions) / cell.edge**3 * np.prod(lengths), rel=0.02)


def test_the_shipped_cells_are_carbon():
    for cell in cells():
        assert len(cell.positions) / cell.edge**3 == pytest.approx(number_density("C", cell.density), rel=1e-4)
        assert 2.9 < cell.bonds.mean() < 3.15
        assert (cell.bonds <= 1).mean() < 0.01
