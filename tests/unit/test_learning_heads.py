"""Heads: their targets, their losses, and that a network learns them."""

import numpy as np
import pytest
import torch

from exitwave.core import SpecError, Stream, TrainingError
from exitwave.learning import ArrayData, Crops, Net, Network, Normalisation, Stored, build, train
from exitwave.learning.heads import HEADS, head_loss, head_targets
from exitwave.learning.networks import architectures

ALL = ("boundary", "distance", "thickness", "depth")


def discs(size=96, pixel_size=0.5):
    """Two touching particles of 10 Å radius and their thickness."""
    y, x = np.mgrid[:size, :size] * pixel_size
    inside = [np.clip(10 - np.hypot(y - 24, x - centre), 0, None) for centre in (14, 34)]
    thickness = sum(2 * np.sqrt(100 - (10 - depth) ** 2) for depth in inside)
    instances = np.where(inside[0] > 0, 1, np.where(inside[1] > 0, 2, 0))
    return {"instances": instances, "projected": thickness, "mask": instances > 0, "depth": np.maximum(*inside)}


def test_targets_are_physical():
    maps = discs()
    boundary, distance, thickness, depth = head_targets(ALL, maps, 0.5).astype(float)
    assert np.abs(depth - distance)[maps["mask"]].max() * 10 < 0.8  # nothing lies over anything
    assert distance[48, 28] * HEADS["distance"].unit == pytest.approx(10, abs=0.6)  # a disc's centre
    assert thickness.max() * HEADS["thickness"].unit == pytest.approx(20, abs=0.1)
    assert boundary[48, 48] == 1  # where the two touch, though both are particle
    assert distance[48, 48] * 10 < 0.6
    assert not boundary[48, 28]
    assert not boundary[0, 0]
    ring = boundary.astype(bool) & (maps["instances"] == 1)
    radius = np.hypot(*(np.argwhere(ring) * 0.5 - (24, 14)).T)
    assert radius.min() > 10 - 2 - 0.6


def test_heads_learn_what_a_projection_tells_where_the_data_say_it():
    on_top = discs()
    behind = on_top["instances"].copy()
    behind[:, 40:48] = np.where(behind[:, 40:48] > 0, 2, 0)
    maps = on_top | {"territories": behind, "depth": np.full(behind.shape, 7.0)}
    boundary, _, _, depth = head_targets(ALL, maps, 0.5).astype(float)
    assert np.array_equal(boundary, head_targets(["boundary"], {"instances": behind}, 0.5)[0])
    assert not np.array_equal(boundary, head_targets(["boundary"], on_top, 0.5)[0])
    assert np.allclose(depth, 0.7, atol=1e-3)


def test_distance_grows_with_the_crop_and_thickness_does_not():
    maps = discs()
    targets = head_targets(ALL, maps, 0.5)[None]
    net = Net(width=0.125, heads=ALL)
    for scale in (0.8, 1.0, 1.25):
        crops = Crops(size=32, pixel_size=1.0, scale=scale)
        batch = Stored(maps["mask"][None] * 1.0, maps["mask"][None], 0.5, crops, net, targets).batch(0, 16, Stream(1))
        for head in (1, 3):
            inner = batch.targets[:, head].flatten(1).amax(dim=1)
            assert float(inner.max()) * 10 == pytest.approx(10 / scale, rel=0.12)
        assert float(batch.targets[:, 2].max()) * 50 == pytest.approx(20, rel=0.05)


def test_the_loss_is_least_at_the_truth_and_passes_over_what_is_unknown():
    true = torch.from_numpy(head_targets(ALL, discs(), 0.5)).float()[None]
    right = torch.cat([(true[:, :1] * 2 - 1) * 30, true[:, 1:]], dim=1)
    assert float(head_loss(right, true, ALL)) < 1e-3
    assert float(head_loss(-right, true, ALL)) > 1
    unknown = true.clone()
    unknown[:, 1:] = torch.nan
    wrong = right.clone()
    wrong[:, 1:] += 5
    assert float(head_loss(wrong, unknown, ALL)) < 1e-3


@pytest.mark.parametrize("name", sorted(architectures()))
def test_every_architecture_has_heads(name):
    net = Net(name=name, width=0.125, heads=ALL)
    network = Network(net, build(net).state_dict(), 0.4, Normalisation())
    image = np.random.default_rng(1).random((32, 48))
    maps = network.predict_maps(image, 0.4)
    assert set(maps) == {"probability", *ALL}
    assert all(value.shape == (32, 48) for value in maps.values())
    assert maps["distance"].min() >= 0
    assert 0 <= maps["boundary"].min() <= maps["boundary"].max() <= 1
    assert np.allclose(maps["probability"], network.predict(image, 0.4), atol=1e-6)


class Simulated(ArrayData):
    """Discs whose brightness is their thickness, with the maps of a simulated data set."""

    rules = ("phase", "instances", "projected", "depth")
    partial = False

    def __init__(self, count):
        random = np.random.default_rng(1)
        maps = [discs() for _ in range(count)]
        thickness = np.stack([one["projected"] for one in maps])
        super().__init__(thickness + random.normal(size=thickness.shape), thickness > 3, 0.5)
        self.maps = {name: np.stack([one[name] for one in maps]) for name in ("instances", "projected", "depth")}

    def masks(self, rule, indices):
        return self.maps[rule][indices] if rule in self.maps else super().masks(rule, indices)


def test_a_network_learns_its_heads_and_keeps_them(tmp_path):
    data = Simulated(8)
    network = train(
        data, seed=1, epochs=20, batch=4, net=Net(width=0.25, heads=ALL), crops={"size": 64, "pixel_size": 0.5},
        learning_rate=5e-3, average=0, keep="last", normalisation={"kind": "min-max"},
    )  # fmt: skip
    maps = network.predict_maps(data.images([0])[0], 0.5)
    truth = discs()
    for name, true in (("thickness", truth["projected"]), ("distance", head_targets(ALL, truth, 0.5)[1] * 10.0)):
        assert np.corrcoef(maps[name].ravel(), true.ravel())[0, 1] > 0.8, name
    again = Network.load(network.save(tmp_path / "network.safetensors"))
    assert again.identity == network.identity
    tuned = train(
        ArrayData(data.images(range(4)), data.masks("phase", range(4)), 0.5), seed=2, epochs=1, start=again,
        crops={"size": 32, "pixel_size": 0.5}, batch=2,
    )  # fmt: skip
    assert tuned.net.heads == ALL


def test_what_is_missing_is_named():
    images = np.random.default_rng(1).normal(size=(4, 64, 64))
    data = ArrayData(images, images > 0, 0.4)
    data.partial, data.rules = False, ("phase",)
    with pytest.raises(TrainingError, match=r"add \{rule: projected\} to the recipe's labels"):
        train(data, seed=1, epochs=1, net=Net(width=0.125, heads=("thickness",)), crops={"size": 32})
    with pytest.raises(SpecError, match="every head once"):
        Net(heads=("boundary", "boundary"))
    with pytest.raises(SpecError, match="heads"):
        Net(heads=("height",))
