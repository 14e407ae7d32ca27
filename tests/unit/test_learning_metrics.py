"""The three F1 on masks that can be counted by hand."""

import numpy as np
import pytest

from exitwave.core import Stream, TrainingError
from exitwave.learning import (
    Ensemble,
    Net,
    average_precision,
    boundary_f1,
    calibration_error,
    evaluate,
    iou,
    mean_image_f1,
    panoptic_quality,
    particle_f1,
    score,
    soft_macro_f1,
)
from exitwave.learning.evaluation import Scored
from exitwave.learning.heads import boundary_target
from exitwave.learning.objects import size_errors
from exitwave.learning.report import outlines


def square(side, size=64):
    mask = np.zeros((size, size))
    mask[:side, :side] = 1
    return mask


def test_particle_f1_by_hand():
    # 20×20 found, 30×30 true: TP 400, FP 0, FN 500
    assert particle_f1([square(20)], [square(30)]) == pytest.approx(800 / 1300)
    assert iou([square(20)], [square(30)]) == pytest.approx(400 / 900)


def test_pooling_differs_from_the_mean():
    found, true = [square(40), square(0)], [square(40), square(21)]
    assert particle_f1(found, true) == pytest.approx(2 * 1600 / (2 * 1600 + 441))
    assert mean_image_f1(found, true) == pytest.approx(0.5)


def test_images_with_400_particle_pixels_are_left_out_and_401_are_not():
    at, above = square(20), square(20)
    above[63, 63] = 1
    assert np.isnan(mean_image_f1([at], [at]))
    assert mean_image_f1([at, above], [at, above]) == 1.0
    assert mean_image_f1([1 - at, above], [at, above]) == 1.0


def test_the_threshold_itself_is_particle():
    assert particle_f1([np.full((2, 2), 0.5)], [np.ones((2, 2))]) == 1.0
    assert particle_f1([np.full((2, 2), 0.499)], [np.ones((2, 2))]) == 0.0


def test_empty_masks():
    nothing = np.zeros((8, 8))
    assert particle_f1([nothing], [nothing]) == 1.0
    assert iou([nothing], [nothing]) == 1.0
    assert particle_f1([nothing + 1], [nothing]) == 0.0


def test_soft_macro_f1_by_hand():
    probability = np.array([[0.75, 0.25], [0.5, 0.0]])
    mask = np.array([[1, 0], [1, 0]])
    particle = 2 * 1.25 / (1.5 + 2)
    background = 2 * (0.75 + 1.0) / (2.5 + 2)
    assert soft_macro_f1([probability], [mask]) == pytest.approx((particle + background) / 2, abs=1e-6)


def test_soft_macro_f1_of_a_collapsed_network_is_near_a_half():
    mask = square(20)
    assert 0.4 < soft_macro_f1([np.zeros((64, 64))], [mask]) < 0.5
    assert particle_f1([np.zeros((64, 64))], [mask]) == 0.0


def test_shapes_that_differ_are_refused():
    with pytest.raises(TrainingError, match=r"prediction 0 has the shape \(64, 64\)"):
        score([square(1)], [np.zeros((3, 3))])
    with pytest.raises(TrainingError, match="2 predictions and 1 masks"):
        score([square(1)] * 2, [square(1)])


class Shifted:
    def predict(self, array, pixel_size):
        return np.roll(array > 0, 4, axis=1).astype(np.float32)


def test_evaluate_gives_rows_scores_and_intervals():
    masks = [square(side) for side in (10, 20, 30, 40, 50)]
    result = evaluate(Shifted(), [((mask, 0.2), mask) for mask in masks])
    assert list(result.table["counted"]) == [False, False, True, True, True]
    assert result.table["particle_f1"][4] == pytest.approx(46 / 50)
    assert result.scores == score([Shifted().predict(mask, 0.2) for mask in masks], masks)
    for name, value in (("particle_f1", result.scores.pooled), ("mean_image_f1", result.scores.per_image),
                        ("soft_macro_f1", result.scores.soft_macro)):  # fmt: skip
        interval = result.intervals[name]
        assert interval.value == pytest.approx(value, abs=1e-6)
        assert interval.low <= interval.value <= interval.high
    assert result.intervals["particle_f1"].low < result.intervals["particle_f1"].high


def test_every_score_has_the_interval_that_resampled_images_give():
    masks = [square(side) for side in (10, 20, 30, 40, 50)]
    masks[0][40:60, 40:60] = 1
    pairs = [((mask, 1.0), mask) for mask in masks]
    result = evaluate(Shifted(), pairs, resamples=200)
    assert set(result.objects) | {"particle_f1", "mean_image_f1", "soft_macro_f1", "iou"} == set(result.intervals)
    draws = (Stream(5) / "bootstrap").generator().integers(5, size=(15, 5))
    drawn = [evaluate(Shifted(), [pairs[index] for index in draw], resamples=1) for draw in draws]
    few = evaluate(Shifted(), pairs, resamples=15)
    for name, interval in result.intervals.items():
        values = [one.intervals[name].value for one in drawn]
        ends = (few.intervals[name].low, few.intervals[name].high)
        assert ends == pytest.approx(tuple(np.quantile(values, [0.025, 0.975])), abs=1e-9)
        assert interval.low <= interval.value <= interval.high


def test_the_scores_of_many_images_are_those_of_the_functions():
    masks = [square(side) for side in (20, 30, 50)]
    result = evaluate(Shifted(), [((mask, 1.0), mask) for mask in masks])
    maps, found, true = zip(*((one.probability, one.found, one.true) for one in result.images), strict=True)
    assert result.objects["boundary_f1"] == pytest.approx(boundary_f1(maps, masks, 4.0))
    assert result.objects["average_precision"] == pytest.approx(average_precision(found, true))
    assert result.objects["panoptic_quality"] == pytest.approx(panoptic_quality(found, true))
    assert result.objects["calibration_error"] == pytest.approx(calibration_error(maps, masks))
    assert result.objects["diameter"] == pytest.approx(size_errors(found, true).mean)
    assert result.objects["count"] == size_errors(found, true).count


class Halved:
    """Finds a square, and says by a head that it is two particles, where it has one."""

    def __init__(self, head):
        self.head = head

    def predict_maps(self, array, pixel_size):
        boundary = boundary_target((array > 0) * (1 + (np.arange(64) > 31)), pixel_size)
        return {"probability": (array > 0).astype(np.float32)} | ({"boundary": boundary} if self.head else {})


def test_particles_are_parted_by_heads_and_numbered_by_masks():
    mask = np.zeros((64, 64), np.uint8)
    mask[12:52, 12:52] = 1
    numbers = mask * (1 + (np.arange(64) > 31)).astype(np.uint8)
    image = (mask, 1.0)

    def scores(head, *truth):
        found = evaluate(Halved(head), [(image, *truth)])
        return found.objects["panoptic_quality"], found.objects["count"]

    assert scores(False, mask) == (1.0, 1.0)
    assert scores(True, mask) == (
        pytest.approx(1 / 3),
        2.0,
    )  # one half hits, one is invented
    for truth in ((numbers,), (mask, numbers), (mask > 0, np.where(numbers == 2, 900, 7))):
        assert scores(True, *truth) == (pytest.approx(1.0, abs=0.05), 1.0)
        assert scores(False, *truth)[1] == 0.5
    # classes are no numbers of particles
    several = Halved(False)
    several.net = Net(classes=3)
    apart = np.where(numbers == 2, 0, numbers)
    apart[20:30, 40:50] = apart[40:50, 40:50] = 2
    for network in (several, Ensemble([several, several])):
        found = evaluate(network, [((apart, 1.0), apart)])
        assert found.images[0].true.max() == 3


def test_images_of_other_pixel_sizes_are_judged_by_their_own():
    mask = np.roll(square(20), (22, 22), axis=(0, 1))
    # 4 Å are 4 pixels of the one, which is the shift, and 1 of the other
    fine, coarse = ((mask, 1.0), mask), ((mask, 4.0), mask)
    single = [evaluate(Shifted(), [pair]).objects["boundary_f1"] for pair in (fine, coarse)]
    both = evaluate(Shifted(), [fine, coarse])
    assert single[0] == 1.0
    assert single[1] < 0.6
    assert list(both.table["boundary_f1"]) == single
    assert both.objects["boundary_f1"] == pytest.approx(sum(single) / 2)
    # the same pixels are a small particle of the one and a large one of the other
    swapped = size_errors([mask, 0 * mask], [0 * mask, mask], [1.0, 4.0])
    assert swapped.mean == pytest.approx(-0.75)


def test_evaluate_refuses_what_cannot_be_scored():
    with pytest.raises(TrainingError, match="no labelled micrographs"):
        evaluate(Shifted(), [])
    with pytest.raises(TrainingError, match="its mask"):
        evaluate(Shifted(), [((square(3), 0.2), np.zeros((2, 2)))])
    for threshold in (2, 0, -1, float("nan")):
        with pytest.raises(TrainingError, match=r"threshold is .*; it is a probability between 0 and 1"):
            evaluate(Shifted(), [((square(3), 0.2), square(3))], threshold=threshold)


def test_outlines_lie_on_what_they_outline():
    mask = np.zeros((60, 80))
    mask[10:20, 50:70] = 1
    sure, there = mask.astype(np.float32), mask > 0
    (axes,) = outlines(Scored("one", sure, 2.0, sure, there, there.astype(np.int32), there.astype(np.int32))).axes
    for drawn in axes.collections:
        x, y = np.concatenate([path.vertices for path in drawn.get_paths()]).T
        assert (x.min(), x.max(), y.min(), y.max()) == pytest.approx((10, 14, 2, 4), abs=0.2)
    assert axes.images[0].get_extent() == [0, 16, 12, 0]
