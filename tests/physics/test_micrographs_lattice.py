"""Lattice spacings of known crystals, in the table of planes and in images."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from exitwave.core import MicrographError
from exitwave.imaging import Micrograph
from exitwave.micrographs import bragg_filter, fringe_field, labelled_pairs, lattice_peaks, plane_spacings


def fringes(
    spacings: list[tuple[float, float]], pixel_size: float = 0.25, size: int = 256, depth: float = 0.15
) -> NDArray[np.float64]:
    y, x = np.mgrid[:size, :size] * pixel_size
    waves = [np.cos(2 * np.pi * (x * np.cos(a) + y * np.sin(a)) / d) for d, a in spacings]
    return 1 + depth * np.sum(waves, axis=0)


def test_planes_of_fcc_and_diamond_and_hexagonal_cells() -> None:
    assert [plane for plane, _ in plane_spacings("Au", 1.1)] == ["111", "200", "220", "311", "222"]
    assert [plane for plane, _ in plane_spacings("Si", 1.2)] == ["111", "220", "311", "400", "331"]
    cdse = dict(plane_spacings("CdSe", 1.8))
    assert max(cdse.values()) == pytest.approx(3.72, abs=0.03)
    assert all(d > 1.8 for d in cdse.values())


def test_three_fringe_systems_are_found_where_they_are() -> None:
    wanted = [(2.355, 0.3), (2.039, 1.2), (1.442, 2.5)]
    counts = np.random.default_rng(0).poisson(20 * fringes(wanted)).astype(np.float32)
    table = lattice_peaks(Micrograph(counts, 0.25), materials=["Au"]).sort_values("spacing_angstrom", ascending=False)
    np.testing.assert_allclose(table["spacing_angstrom"], [d for d, _ in wanted], rtol=2e-3)
    np.testing.assert_allclose(table["angle_deg"], np.degrees([a for _, a in wanted]), atol=0.3)
    np.testing.assert_allclose(table["spacing_px"], table["spacing_angstrom"] / 0.25)
    assert [text.split(" (")[0] for text in table["candidates"]] == ["Au 111", "Au 200", "Au 220"]


@pytest.mark.parametrize("angle", [0.0, np.pi / 2, 0.001, np.pi - 0.001, np.pi / 4])
def test_a_peak_on_an_axis_is_one_peak(angle: float) -> None:
    for size in (200, 201):
        counts = np.random.default_rng(1).poisson(30 * fringes([(2.1, angle)], size=size)).astype(np.float32)
        table = lattice_peaks(Micrograph(counts, 0.25))
        assert len(table) == 1
        assert table["spacing_angstrom"][0] == pytest.approx(2.1, rel=2e-3)


def test_a_mask_sees_its_own_particle_alone() -> None:
    y, x = np.mgrid[:256, :256]
    left, right = np.hypot(y - 128, x - 60) < 40, np.hypot(y - 128, x - 190) < 40
    rate = 30 * np.where(
        left, fringes([(2.355, 0.5)], depth=0.3), np.where(right, fringes([(2.039, 2.0)], depth=0.3), 1)
    )
    image = Micrograph(np.random.default_rng(2).poisson(rate), 0.25)
    for mask, spacing in ((left, 2.355), (right, 2.039)):
        table = lattice_peaks(image, mask=mask)
        assert table["spacing_angstrom"][0] == pytest.approx(spacing, rel=0.01)
        assert len(table) <= 2


def test_the_bragg_filter_brings_back_the_fringes_of_one_peak() -> None:
    rate = 20 * fringes([(2.355, 0.3), (2.039, 1.9)])
    image = Micrograph(np.random.default_rng(3).poisson(rate), 0.25)
    peaks = lattice_peaks(image)
    one = peaks[np.isclose(peaks["spacing_angstrom"], 2.355, rtol=0.01)]
    inner = (slice(40, -40), slice(40, -40))
    wanted = (20 * fringes([(2.355, 0.3)]) - 20)[inner]
    got = bragg_filter(image, one, background=False).array[inner]
    assert np.corrcoef(wanted.ravel(), got.ravel())[0, 1] > 0.98
    assert bragg_filter(image, peaks).array.mean() == pytest.approx(image.array.mean(), rel=1e-3)


def test_the_geometric_phase_is_the_displacement() -> None:
    x = np.mgrid[:256, :256][1] * 0.25
    shift = 0.3 / (1 + np.exp(-(x - 32) / 2.0))  # 0.3 Å between left and right
    image = Micrograph(20 + 4 * np.cos(2 * np.pi * (x - shift) / 2.0), 0.25)
    peak = lattice_peaks(Micrograph(20 + 4 * np.cos(2 * np.pi * x / 2.0), 0.25)).iloc[0]
    field = fringe_field(image, peak, radius=0.04)
    step = np.angle(np.exp(1j * (field.phase[128, 40] - field.phase[128, 210])))
    assert step == pytest.approx(2 * np.pi * 0.3 / 2.0, rel=0.05)


def test_the_shipped_images_have_the_fringes_that_their_pixel_size_assumes() -> None:
    strong = []
    for image, mask in labelled_pairs():
        table = lattice_peaks(image, mask=mask, materials=["Au"], between=(1.3, 4.5))
        strong += table[table["strength"] > 40]["candidates"].tolist()
    assert len(strong) >= 2
    assert all("Au 111" in text for text in strong)


def test_what_is_refused() -> None:
    image = Micrograph(np.random.default_rng(0).poisson(20, (64, 64)), 0.25)
    with pytest.raises(MicrographError, match="has no pixel size"):
        lattice_peaks(Micrograph(image.array, None))
    with pytest.raises(MicrographError, match="between is"):
        lattice_peaks(image, between=(3, 2))
    with pytest.raises(MicrographError, match="tolerance is 2"):
        lattice_peaks(image, tolerance=2)
    with pytest.raises(MicrographError, match="the mask has the shape"):
        lattice_peaks(image, mask=np.zeros((64, 64), bool))
    with pytest.raises(MicrographError, match="no lattice peaks"):
        bragg_filter(image, lattice_peaks(image))
    with pytest.raises(MicrographError, match="minimum is 0"):
        plane_spacings("Au", 0)
