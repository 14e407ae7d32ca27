"""Network carbon: its seams are like the rest, and nothing in it repeats."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import cKDTree

from exitwave.core import Stream
from exitwave.structure.generators.base import Bounds
from exitwave.structure.generators.network import NetworkCarbon, generator
from exitwave.structure.generators.network.cells import cells
from exitwave.structure.generators.network.tiles import tile_centres

LENGTHS = np.array([72.0, 72.0, 60.0])


def autocorrelation(positions: np.ndarray) -> np.ndarray:
    """Correlation of the atom density with itself, in standard deviations of the far part; short shifts are 0."""
    shape = (120, 120, 100)  # 0.6 Å, wide enough for what repeats to fall together
    cell = np.floor(positions / LENGTHS * shape).astype(int) % shape
    density = np.zeros(shape)
    np.add.at(density, tuple(cell.T), 1.0)
    spectrum = np.abs(np.fft.rfftn(density - density.mean())) ** 2
    result = np.fft.irfftn(spectrum, s=shape, axes=(0, 1, 2))
    shifts = np.meshgrid(
        *[np.fft.fftfreq(n, 1 / length) for n, length in zip(shape, LENGTHS, strict=True)], indexing="ij"
    )
    far = np.sqrt(sum(shift**2 for shift in shifts)) > 10
    return np.where(far, result, 0.0) / result[far].std()


@pytest.mark.parametrize("seed", [0, 1])
def test_nothing_repeats(seed):
    """The largest of 7e5 independent normal numbers is below 7 but in 2e-6 of all tests."""
    film = NetworkCarbon(2.0).atoms(Bounds((0, 0, 0), LENGTHS, (True,) * 3), Stream(seed))
    assert autocorrelation(film.positions).max() < 7


def test_a_repeated_cell_would_be_noticed():
    """What the test above is worth: one cell, side by side, stands out."""
    cell = cells()[0]
    images = np.indices((3, 3, 3)).reshape(3, -1).T * cell.edge
    repeated = (cell.positions[None] + images[:, None]).reshape(-1, 3)
    assert autocorrelation(repeated[(repeated < LENGTHS).all(axis=1)]).max() > 20


@pytest.mark.parametrize("density", [2.0, 2.2])
def test_seams_are_like_the_rest(density):
    """Bounds are some five standard errors of the 5000 atoms and more on either side of 2.5 Å from a wall."""
    stream = Stream(4)
    positions = NetworkCarbon(density).atoms(Bounds((0, 0, 0), LENGTHS, (True,) * 3), stream).positions
    edge = min(cell.edge for cell in generator._nearest(density)[0])
    centres, _ = tile_centres(
        LENGTHS, np.ones(3, dtype=bool), generator.SPACING * edge, (stream / "tiles").generator(), np.zeros(3)
    )
    distances, tiles = cKDTree(centres % LENGTHS, boxsize=LENGTHS).query(positions % LENGTHS, k=2)
    across = centres[tiles[:, 1]] - centres[tiles[:, 0]]
    across -= LENGTHS * np.round(across / LENGTHS)
    depth = (distances[:, 1] ** 2 - distances[:, 0] ** 2) / (2 * np.linalg.norm(across, axis=1))
    seam, bulk = depth < 2.0, depth > 4.5
    assert min(seam.sum(), bulk.sum()) > 4000

    pairs = cKDTree(positions % LENGTHS, boxsize=LENGTHS).query_pairs(3.5, output_type="ndarray")
    gaps = positions[pairs[:, 0]] - positions[pairs[:, 1]]
    gaps -= LENGTHS * np.round(gaps / LENGTHS)
    apart = np.linalg.norm(gaps, axis=1)
    neighbours = np.bincount(pairs[apart < 1.9].ravel(), minlength=len(positions))
    assert neighbours[seam].mean() == pytest.approx(neighbours[bulk].mean(), abs=0.05)
    for bonds in (2, 3, 4):
        assert (neighbours[seam] == bonds).mean() == pytest.approx((neighbours[bulk] == bonds).mean(), abs=0.06)

    def seen_from(mask, low, high):
        return np.concatenate([apart[mask[pairs[:, end]] & (apart > low) & (apart < high)] for end in (0, 1)])

    for low, high, tolerance in ((1.0, 1.9, 0.03), (2.2, 2.9, 0.03)):
        assert seen_from(seam, low, high).mean() == pytest.approx(seen_from(bulk, low, high).mean(), abs=tolerance)
    assert len(seen_from(seam, 0.0, 3.5)) / seam.sum() == pytest.approx(
        len(seen_from(bulk, 0.0, 3.5)) / bulk.sum(), rel=0.03
    )
    assert len(seen_from(seam, 1.95, 2.15)) / seam.sum() < 0.03
