"""What cleaning removes, and what it leaves alone."""

from __future__ import annotations

import numpy as np
import pytest

from exitwave.core import MicrographError
from exitwave.imaging import Micrograph
from exitwave.micrographs import fill_missing, flatten, illumination, labelled_pairs, remove_outliers


@pytest.mark.parametrize("mean", [0.2, 1.0, 3.0, 30.0, 1000.0])
def test_poisson_noise_stays(mean: float) -> None:
    counts = np.random.default_rng(0).poisson(mean, (256, 256)).astype(np.float32)
    np.testing.assert_array_equal(remove_outliers(Micrograph(counts, 0.2)).array, counts)


def test_lattice_fringes_stay() -> None:
    y, x = np.mgrid[:256, :256]
    fringes = 1 + 0.5 * np.cos(2 * np.pi * x / 4.0) * (np.hypot(y - 128, x - 128) < 60)
    counts = np.random.default_rng(0).poisson(20 * fringes).astype(np.float32)
    np.testing.assert_array_equal(remove_outliers(Micrograph(counts, 0.2)).array, counts)


def test_hits_go_with_their_halo_and_dead_pixels_too() -> None:
    counts = np.random.default_rng(0).poisson(50, (128, 128)).astype(np.float32)
    hit = counts.copy()
    hit[20, 30], hit[20, 31], hit[21, 30], hit[90, 90] = 4000, 900, 110, 60000
    hit[100:102, 5] = -2000
    clean = remove_outliers(Micrograph(hit, 0.2)).array
    changed = clean != counts
    assert changed.sum() <= 8
    assert clean.max() < 100
    assert clean.min() > 10


def test_real_micrographs_stay() -> None:
    for image, _ in labelled_pairs():
        assert (remove_outliers(image).array != image.array).sum() < 30


def test_a_constant_image_stays() -> None:
    image = Micrograph(np.full((32, 32), 7, np.float32), 0.2)
    assert remove_outliers(image) is image


def test_missing_pixels_take_the_nearest() -> None:
    array = np.arange(100, dtype=np.float32).reshape(10, 10)
    array[4, 4], array[0, 0] = np.nan, np.inf
    filled = fill_missing(Micrograph(array, 0.2)).array
    assert filled[4, 4] in (34, 54, 43, 45)
    assert filled[0, 0] in (1, 10)
    with pytest.raises(MicrographError, match="has 100% pixels without a number"):
        fill_missing(Micrograph(np.full((4, 4), np.nan), 0.2))
    with pytest.raises(MicrographError, match="threshold is 2"):
        remove_outliers(Micrograph(array, 0.2), threshold=2)


def test_illumination_is_recovered_beside_dark_particles() -> None:
    y, x = np.mgrid[:256, :320] / 256.0
    light = 100 * (1 + 0.3 * (x - 0.6) - 0.2 * (y - 0.5) ** 2)
    dark = np.where(np.hypot(y - 0.4, x - 0.4) < 0.2, 0.7, 1.0)
    counts = np.random.default_rng(0).poisson(light * dark).astype(np.float32)
    image = Micrograph(counts, 0.2)
    np.testing.assert_allclose(illumination(image) / light, 1, atol=0.02)
    flat = flatten(image).array
    assert flat[dark == 1].mean() == pytest.approx(light.mean(), rel=0.02)
    assert abs(np.polyfit(x[dark == 1], flat[dark == 1], 1)[0]) < 2


def test_what_cannot_be_flattened() -> None:
    x = np.mgrid[:64, :64][1]
    with pytest.raises(MicrographError, match="runs from -"):
        flatten(Micrograph((x - 32).astype(np.float32), 0.2))
    with pytest.raises(MicrographError, match="order is 9"):
        illumination(Micrograph(x, 0.2), order=9)
    with pytest.raises(MicrographError, match="at least 16 pixels"):
        illumination(Micrograph(x[:8], 0.2))
