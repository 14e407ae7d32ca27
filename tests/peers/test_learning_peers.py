"""Scores against scikit-learn, the loss against monai."""

import numpy as np
import pytest
import torch

from exitwave.learning import iou, mean_image_f1, particle_f1, soft_macro_f1
from exitwave.learning.losses import cross_entropy_dice

RANDOM = np.random.default_rng(7)
MASKS = [RANDOM.random((40, 40)) < share for share in (0.1, 0.4, 0.7)]
MAPS = [np.clip(mask * 0.4 + RANDOM.random(mask.shape) * 0.6, 0, 1) for mask in MASKS]


def flat(arrays):
    return np.concatenate([np.asarray(array).ravel() for array in arrays])


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.8])
def test_scores_against_scikit_learn(threshold):
    metrics = pytest.importorskip("sklearn.metrics")
    hard = [np.float32(probability) >= threshold for probability in MAPS]
    assert particle_f1(MAPS, MASKS, threshold) == pytest.approx(metrics.f1_score(flat(MASKS), flat(hard)))
    assert iou(MAPS, MASKS, threshold) == pytest.approx(metrics.jaccard_score(flat(MASKS), flat(hard)))
    single = [metrics.f1_score(m.ravel(), h.ravel()) for m, h in zip(MASKS, hard, strict=True)]
    assert mean_image_f1(MAPS, MASKS, threshold, least_pixels=400) == pytest.approx(np.mean(single[1:]))


def test_soft_macro_f1_of_hard_maps_is_the_macro_f1_of_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    hard = [(probability >= 0.5).astype(float) for probability in MAPS]
    expected = metrics.f1_score(flat(MASKS), flat(hard), average="macro")
    assert soft_macro_f1(hard, MASKS) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("classes", [2, 4])
def test_loss_and_gradient_against_monai(classes):
    losses = pytest.importorskip("monai.losses")
    logits = torch.randn(3, classes, 17, 19, requires_grad=True)
    labels = torch.randint(0, classes, (3, 17, 19))
    theirs = losses.DiceCELoss(to_onehot_y=True, softmax=True, batch=True, include_background=True)
    expected = theirs(logits, labels[:, None])
    (wanted,) = torch.autograd.grad(expected, logits)
    found = cross_entropy_dice(logits, labels)
    (gradient,) = torch.autograd.grad(found, logits)
    assert float(found.detach()) == pytest.approx(float(expected.detach()), abs=1e-5)
    assert torch.allclose(gradient, wanted, atol=1e-6)
