"""Scores of outlines, particles, sizes and probabilities, and the benchmark files' layout."""

import h5py
import numpy as np
import pytest

from exitwave.core import TrainingError
from exitwave.learning import (
    average_precision,
    benchmark_pairs,
    boundary_f1,
    calibration_error,
    panoptic_quality,
    particle_scores,
    size_errors,
)


def boxes(*places, size=64):
    labels = np.zeros((size, size), int)
    for number, (top, left, side) in enumerate(places, start=1):
        labels[top : top + side, left : left + side] = number
    return labels


TRUE = boxes((2, 2, 10), (30, 30, 20))


def test_outlines_within_the_tolerance_count_in_full():
    true = boxes((20, 20, 20)) > 0
    assert boundary_f1([np.roll(true, 2, axis=1)], [true], tolerance=2.0) == 1.0
    assert boundary_f1([np.roll(true, 8, axis=(0, 1))], [true], tolerance=1.0) < 0.2
    # 20 × 20 in a 24 × 24 box around it: no outline pixel is nearer than 2
    grown = boxes((18, 18, 24)) > 0
    assert boundary_f1([grown], [true], tolerance=1.9) == 0.0


def test_the_borders_of_the_image_are_no_outline():
    half = np.zeros((32, 32), bool)
    half[:, :16] = True
    shifted = np.zeros_like(half)
    shifted[:, :20] = True
    assert boundary_f1([shifted], [half], tolerance=4) == 1.0
    assert boundary_f1([shifted], [half], tolerance=3) == 0.0


def test_particles_by_hand():
    # one hit of IoU 400/576, one invented, one missed
    found = boxes((28, 28, 24), (50, 2, 10))
    scores = particle_scores([found], [TRUE], 0.5)
    assert (scores.hits, scores.false, scores.missed) == (1, 1, 1)
    assert scores.average_precision == pytest.approx(1 / 3)
    assert panoptic_quality([found], [TRUE]) == pytest.approx(400 / 576 / 2)
    assert average_precision([found], [TRUE], [0.5, 0.7]) == pytest.approx((1 / 3 + 0) / 2)


def test_numbers_of_particles_mean_nothing():
    swapped = np.where(TRUE == 1, 9, np.where(TRUE == 2, 4, 0))
    assert average_precision([swapped], [TRUE]) == panoptic_quality([swapped], [TRUE]) == 1.0


def test_merged_particles_are_one_hit_at_most():
    true = boxes((10, 10, 10), (10, 20, 10))
    merged = (true > 0).astype(int)
    assert particle_scores([merged], [true], 0.5).hits == 1  # IoU is exactly a half with either
    assert particle_scores([merged], [true], 0.51).hits == 0


def test_low_thresholds_match_as_many_as_can_be():
    # greedy by overlap would give the large found one to the true one that the small found one needs
    true = np.zeros((1, 12), int)
    true[0, 0:6], true[0, 6:12] = 1, 2
    found = np.zeros((1, 12), int)
    found[0, 2:10] = 1
    found[0, 10:12] = 2
    scores = particle_scores([found], [true], 0.3)
    assert (scores.hits, scores.false, scores.missed) == (2, 0, 0)


def test_size_errors():
    true = boxes((2, 2, 10), (30, 30, 10))
    found = boxes((2, 2, 11), (30, 30, 11))
    errors = size_errors([found], [true], pixel_size=2.0)
    assert errors.count == 1.0
    assert errors.mean == pytest.approx(0.1)
    assert errors.distance == pytest.approx(2 * 2 / np.sqrt(np.pi))
    assert np.isnan(size_errors([true * 0], [true]).mean)
    assert size_errors([true * 0], [true]).count == 0.0


def test_calibration():
    random = np.random.default_rng(1)
    stated = random.random((400, 400))
    honest = random.random((400, 400)) < stated
    assert calibration_error([stated], [honest]) < 0.01
    assert calibration_error([np.ones((4, 4))], [np.zeros((4, 4))]) == 1.0
    # overconfident by 0.2 everywhere
    assert calibration_error([np.full(10, 0.9)], [np.arange(10) < 7]) == pytest.approx(0.2)


def test_shapes_that_differ_are_refused():
    with pytest.raises(TrainingError, match="and its mask"):
        boundary_f1([TRUE], [TRUE[1:]])


# --- the benchmark files ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", ["plain", "channels", "one-hot"])
def test_benchmark_files_of_every_layout(tmp_path, layout):
    random = np.random.default_rng(1)
    images = random.random((3, 16, 16)).astype(np.float32)
    maps = (images > 0.5).astype(np.uint8)
    stored = {
        "plain": (images, maps),
        "channels": (images[..., None], maps[..., None]),
        "one-hot": (images[..., None], np.stack([1 - maps, maps], axis=-1)),
    }[layout]
    path = tmp_path / "Au_Bal_MedFilt_cutimages_20190726.h5"
    with h5py.File(path, "w") as file:
        file["images"], file["maps"] = stored
    pairs = list(benchmark_pairs(path))
    assert len(pairs) == 3
    (image, pixel_size), mask = pairs[1]
    assert pixel_size == 0.2152
    assert np.array_equal(image, images[1])
    assert np.array_equal(mask, maps[1] > 0)


def test_benchmark_files_that_are_not_there_or_not_that(tmp_path):
    with pytest.raises(TrainingError, match=r"zenodo\.org/records/3755011"):
        list(benchmark_pairs(tmp_path / "none.h5", pixel_size=0.2))
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["data"] = np.zeros((2, 2, 2))
    with pytest.raises(TrainingError, match="holds data; name its data sets"):
        list(benchmark_pairs(tmp_path / "other.h5", pixel_size=0.2))
    with pytest.raises(TrainingError, match=r"pixel size of other\.h5 is not known"):
        list(benchmark_pairs(tmp_path / "other.h5"))
    (tmp_path / "text.h5").write_text("no")
    with pytest.raises(TrainingError, match="cannot be read as HDF5"):
        list(benchmark_pairs(tmp_path / "text.h5", pixel_size=0.2))
