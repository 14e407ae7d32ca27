"""What reading, separating and measuring cost, next to the plain library calls that they rest on."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, median_filter

from exitwave.imaging import Micrograph
from exitwave.micrographs import (
    Segmentation,
    lattice_peaks,
    particle_table,
    read,
    remove_outliers,
    separate,
    write_tiff,
)


def seconds(task: Callable[[], object], repeats: int = 3) -> float:
    best = np.inf
    for _ in range(repeats):
        start = time.perf_counter()
        task()
        best = min(best, time.perf_counter() - start)
    return best


def crowd(size: int = 1024) -> NDArray[np.bool_]:
    draw = np.random.default_rng(0)
    y, x = np.mgrid[:size, :size]
    mask = np.zeros((size, size), bool)
    for _ in range(120):
        mask |= np.hypot(y - draw.uniform(0, size), x - draw.uniform(0, size)) < draw.uniform(15, 40)
    return mask


def test_particles_against_one_distance_transform() -> None:
    mask = crowd()
    reference = seconds(lambda: distance_transform_edt(mask))
    cut = seconds(lambda: separate(mask))
    instances = separate(mask)
    found = Segmentation(mask, mask.astype(np.float32), instances, Micrograph(np.ones(mask.shape), 0.2))
    table = seconds(lambda: particle_table(found))
    print(
        f"\n1024 × 1024, {instances.max()} particles, relative to one distance transform ({1e3 * reference:.0f} ms):"
    )
    print(f"  separate {cut / reference:.1f} ×, particle_table {table / reference:.1f} ×")
    assert cut < 60 * reference


def test_cleaning_and_spectra_against_a_median_filter() -> None:
    image = Micrograph(np.random.default_rng(0).poisson(20, (1024, 1024)), 0.2)
    reference = seconds(lambda: median_filter(image.array, size=5))
    clean = seconds(lambda: remove_outliers(image))
    peaks = seconds(lambda: lattice_peaks(image))
    print(f"\n1024 × 1024, relative to a 5 × 5 median ({1e3 * reference:.0f} ms):")
    print(f"  remove_outliers {clean / reference:.2f} ×, lattice_peaks {peaks / reference:.2f} ×")
    assert clean < 5 * reference


def test_reading_against_numpy(tmp_path: Path) -> None:
    array = np.random.default_rng(0).random((2048, 2048)).astype(np.float32)
    np.save(tmp_path / "image.npy", array)
    write_tiff(array, tmp_path / "image.tif", 0.2)
    reference = seconds(lambda: np.load(tmp_path / "image.npy"))
    npy = seconds(lambda: read(tmp_path / "image.npy"))
    tif = seconds(lambda: read(tmp_path / "image.tif"))
    print(f"\n2048 × 2048 float32, relative to numpy.load ({1e3 * reference:.0f} ms):")
    print(f"  read npy {npy / reference:.1f} ×, read tif {tif / reference:.1f} ×")
    assert npy < 50 * reference
