"""Crops, resampling, augmentation, normalisation and sources."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from exitwave.core import SpecError, Stream, TrainingError
from exitwave.learning import Augmentation, Crops, Live, Normalisation, Stored
from exitwave.learning.augment import augment, dihedral
from exitwave.learning.batches import Batch
from exitwave.learning.resample import resample_images, resample_labels

EXACT = Crops(size=32, pixel_size=0.4, scale=1.0)


def discs(count=6, size=96):
    y, x = np.mgrid[:size, :size]
    labels = np.stack([np.hypot(y - 30 - 5 * i, x - 40) < 12 + i for i in range(count)])
    return 100.0 - 40 * labels, labels.astype(np.uint8)


# --- resampling ---------------------------------------------------------------------------------------------------


def test_coarser_pixels_average_and_do_not_alias():
    fine = torch.zeros(1, 1, 256, 256)
    fine[..., ::2] = 1.0  # a stripe per two pixels would alias into a broad pattern
    coarse = resample_images(fine, (90, 90))
    inside = coarse[..., 4:-4, 4:-4]
    assert float(inside.mean()) == pytest.approx(0.5, abs=0.01)
    assert float(inside.std()) < 0.06


def test_labels_go_to_the_majority():
    labels = torch.zeros(1, 8, 8, dtype=torch.uint8)
    labels[:, :, 3:] = 1
    assert resample_labels(labels, (2, 2)).tolist() == [[[0, 1], [0, 1]]]
    labels[:, :4, 5:] = 2
    assert set(resample_labels(labels, (4, 4), classes=3).unique().tolist()) == {0, 1, 2}


# --- crops --------------------------------------------------------------------------------------------------------


def test_image_and_labels_of_a_crop_match():
    images, labels = discs()
    source = Stored(images, labels, 0.2, Crops(size=32, pixel_size=0.4))
    batch = source.batch(3, 12, Stream(1))
    dark = batch.images[:, 0] < batch.images.amax(dim=(1, 2, 3))[:, None, None] * 0.8
    agree = (dark == (batch.labels > 0)).float().mean()
    assert float(agree) > 0.97


def test_scale_changes_the_size_of_things():
    labels = np.zeros((1, 200, 200), np.uint8)
    labels[0, 75:125, 75:125] = 1
    areas = []
    for scale in (0.8, 1.25):
        crops = Crops(size=128, pixel_size=0.25, scale=scale)
        areas.append(int(Stored(labels * 1.0, labels, 0.2, crops).batch(0, 1, Stream(1)).labels.sum()))
    assert areas[0] / areas[1] == pytest.approx((1.25 / 0.8) ** 2, rel=0.1)


def test_scales_that_do_not_fit_are_not_drawn():
    images, labels = discs(size=80)
    crops = Crops(size=64, pixel_size=0.25)  # 80 px of 0.2 Å are 64 px of 0.25 Å: only 0.8 … 1 fits
    assert Stored(images, labels, 0.2, crops).batch(0, 8, Stream(1)).images.shape == (8, 1, 64, 64)
    with pytest.raises(TrainingError, match="give a smaller crop size or pixel size"):
        Stored(images, labels, 0.2, Crops(size=96, pixel_size=0.25))


def test_crop_that_is_the_whole_image_is_the_image():
    images, labels = discs(size=64)
    batch = Stored(images, labels, 0.4, Crops(size=64, pixel_size=0.4, scale=1.0)).batch(0, 6, Stream(1))
    sums = sorted(batch.labels.sum(dim=(1, 2)).tolist())
    assert sums == sorted(labels.sum(axis=(1, 2)).tolist())


# --- stored -------------------------------------------------------------------------------------------------------


def test_batches_hang_on_step_and_stream_only():
    images, labels = discs()
    source, other = (Stored(images, labels, 0.4, EXACT) for _ in range(2))
    late = source.batch(7, 4, Stream(1))
    for step in range(7):
        other.batch(step, 4, Stream(1))
    assert torch.equal(late.images, other.batch(7, 4, Stream(1)).images)
    assert not torch.equal(late.images, source.batch(7, 4, Stream(2)).images)
    assert not torch.equal(late.images, source.batch(8, 4, Stream(1)).images)


def test_every_image_once_before_any_again():
    images = np.arange(1, 8)[:, None, None] * np.ones((7, 40, 40))
    source = Stored(images, np.zeros_like(images), 0.4, EXACT)
    ones = torch.arange(1.0, 8.0)  # so that an image can be told by its value
    source.images = replace(source.images, centre=ones)
    seen = torch.cat([source.batch(step, 4, Stream(1)).images[:, 0, 0, 0] for step in range(7)])
    for turn in seen.reshape(4, 7):
        assert sorted(turn.tolist()) == [1, 2, 3, 4, 5, 6, 7]


def test_bright_images_do_not_overflow_in_memory():
    images = np.full((2, 40, 40), 3e8)
    images[:, 5, 5] = 1e12
    assert torch.isfinite(Stored(images, np.zeros_like(images), 0.4, EXACT).images[0, :, :]).all()


def test_weak_contrast_on_a_large_pedestal_keeps_its_levels():
    fringes = 1e5 + 20 * np.sin(np.arange(64) / 3) * np.ones((1, 64, 1))
    images = np.broadcast_to(fringes, (1, 64, 64))
    kept = Stored(images, np.zeros_like(images), 0.4, EXACT).images[0, :, :].numpy()
    assert np.allclose((kept - kept.mean()) * 1e5, images[0] - images[0].mean(), atol=0.1)


def test_stored_refuses_nothing_and_unknown_classes():
    with pytest.raises(TrainingError, match="no images to train on"):
        Stored(np.zeros((0, 40, 40)), np.zeros((0, 40, 40)), 0.4, EXACT)
    with pytest.raises(TrainingError, match="labels reach 3; with 2 classes"):
        Stored(np.zeros((1, 40, 40)), np.full((1, 40, 40), 3), 0.4, EXACT)


# --- live ---------------------------------------------------------------------------------------------------------


class Wave:
    sampling = (0.4, 0.4)

    def __init__(self, value):
        self.value = value


class Conditions:
    def draw(self, stream):
        return stream.uniform()


def formed(wave, specs, streams):
    return torch.stack([torch.full((40, 40), 1.0) + torch.eye(40) * (wave.value + spec) for spec in specs])


def live(**options):
    waves = [Wave(10.0 * index) for index in range(3)]
    labels = np.zeros((3, 40, 40))
    crops = Crops(size=40, pixel_size=0.4, scale=1.0)
    return Live(waves, labels, Conditions(), crops, Stream(5), form=formed, window=6, **options)


def test_live_images_are_never_seen_twice_and_resume_exactly():
    source = live()
    seen = [source.batch(step, 4, Stream(1)).images for step in range(9)]
    diagonals = [round(float(image[0, 0, 0] / image[0, 0, 1]), 2) for batch in seen for image in batch]
    assert len(set(diagonals)) == len(diagonals)
    assert torch.equal(live().batch(5, 4, Stream(1)).images, seen[5])


def test_live_reuse_shows_each_image_that_often():
    source = live(reuse=3)
    seen = [source.batch(step, 6, Stream(1)).images for step in range(3)]
    diagonals = [round(float(image[0, 0, 0] / image[0, 0, 1]), 2) for batch in seen for image in batch]
    assert sorted(diagonals.count(value) for value in set(diagonals)) == [3] * 6


# --- normalisation ------------------------------------------------------------------------------------------------


def test_percentiles_survive_hot_pixels_and_min_max_does_not():
    image = torch.from_numpy(np.random.default_rng(1).normal(100, 10, (1, 1, 200, 200)).astype(np.float32))
    hot = image.clone()
    hot[..., 7, 7] = 1e6
    assert (
        torch.allclose(Normalisation()(image), Normalisation()(hot).clamp(-5, 5), atol=0.02)
        or float((Normalisation()(image) - Normalisation()(hot)).abs().median()) < 1e-3
    )
    low = Normalisation(kind="min-max")
    assert float((low(image) - low(hot)).abs().median()) > 0.3


@pytest.mark.parametrize("kind", ["percentile", "z-score", "min-max"])
def test_normalisation_forgets_gain_and_offset_and_knows_flat_images(kind):
    image = torch.rand(2, 1, 64, 64)
    spec = Normalisation(kind=kind)
    assert torch.allclose(spec(image), spec(37 * image + 500), atol=2e-3)
    flat = spec(torch.full((1, 1, 8, 8), 3.0))
    assert torch.isfinite(flat).all()


def test_percentiles_in_the_wrong_order_are_refused():
    with pytest.raises(SpecError, match=r"above normalisation\.low"):
        Normalisation(low=90, high=10)


# --- augmentation -------------------------------------------------------------------------------------------------


def test_nothing_is_only_normalised():
    images, labels = torch.rand(3, 1, 32, 32), torch.zeros(3, 32, 32)
    out = augment(Batch(images, labels), Augmentation.none(), Normalisation(), Stream(1))
    assert torch.allclose(out.images, Normalisation()(images), atol=1e-6)
    assert out.labels is labels


def test_the_eight_symmetries_are_eight_and_labels_follow():
    image = torch.arange(16.0).reshape(1, 1, 4, 4).repeat(8, 1, 1, 1)
    turned = dihedral(Batch(image, image[:, 0], image.repeat(1, 2, 1, 1)), np.arange(8))
    assert len({tuple(item.flatten().tolist()) for item in turned.images}) == 8
    assert torch.equal(turned.images[:, 0], turned.labels)
    assert torch.equal(turned.images.repeat(1, 2, 1, 1), turned.targets)


def test_augmentation_is_decided_by_its_stream():
    images, labels = torch.rand(8, 1, 32, 32), torch.zeros(8, 32, 32)
    one, again, other = (
        augment(Batch(images, labels), Augmentation(), Normalisation(), Stream(seed)).images for seed in (1, 1, 2)
    )
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_augmentation_leaves_its_input_alone():
    images, labels = torch.rand(8, 1, 32, 32), torch.zeros(8, 32, 32)
    before = images.clone()
    augment(Batch(images, labels), Augmentation(symmetry=False), Normalisation(), Stream(1))
    assert torch.equal(images, before)


@pytest.mark.parametrize("name", ["illumination", "noise", "blur", "median", "gamma"])
def test_each_change_happens_as_often_as_said(name):
    images = torch.rand(400, 1, 16, 16)
    spec = Augmentation.none().replace(**{name: {"probability": 0.25, "amount": 0.5}})
    out = augment(Batch(images, torch.zeros(400, 16, 16)), spec, Normalisation(), Stream(3)).images
    changed = ((out - Normalisation()(images)).abs().amax(dim=(1, 2, 3)) > 1e-4).float().mean()
    assert abs(float(changed) - 0.25) < 0.09  # four standard deviations


def test_blur_and_noise_have_the_strength_that_is_said():
    spec = Augmentation.none().replace(blur={"probability": 1, "amount": 1.0})
    point = torch.zeros(1, 1, 33, 33)
    point[..., 16, 16] = 1.0
    out = augment(Batch(point, point[:, 0]), spec, Normalisation(kind="min-max"), Stream(1)).images
    profile = out[0, 0, 16] / out[0, 0, 16].sum()
    offsets = torch.arange(33.0) - 16
    assert float((profile * offsets**2).sum()) == pytest.approx(1.0, rel=0.05)
