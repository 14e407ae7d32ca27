"""Everything that a GPU would compute, on a device that refuses what a GPU refuses, against the processor."""

import numpy as np
import pytest
import torch

from exitwave.core import Stream
from exitwave.dataset import Recipe
from exitwave.dataset.work import make_structure
from exitwave.imaging import Conditions, Imaging, image, intensities
from exitwave.labels import label
from exitwave.learning import Augmentation, Crops, Live, Net, Network, Normalisation
from exitwave.learning.augment import augment
from exitwave.learning.heads import head_loss
from exitwave.learning.losses import cross_entropy_dice
from exitwave.learning.networks import build
from exitwave.scattering import FilmBank, scatter, scatter_many, thickness_series
from exitwave.structure import Amorphous, Box, Crystal, Scene, Sphere, Volume

CELL = (16, 16, 30)
BALL = Volume(Crystal("Au"), Sphere(6, centre=(8, 8, 18)), name="ball", role="particle")
FILM = Volume(Amorphous("C"), Box(16, 16, 10), name="film", role="support")
FIELDS = {"seed": 1, "sampling": 0.25, "configurations": 2}


@pytest.fixture(scope="module")
def structure():
    return Scene([FILM, BALL], cell=CELL).build(seed=3)


@pytest.fixture(scope="module")
def wave(structure):
    return scatter(structure, **FIELDS)


def differ(first, second):
    return float((first.cpu() - second).abs().max())


def test_what_a_gpu_refuses_is_refused(pretending):
    with pretending() as device:
        there = torch.ones(3, device=device)
        assert differ(there * 2, torch.full((3,), 2.0)) == 0
        with pytest.raises(RuntimeError, match="two devices"):
            there + torch.ones(3)
        with pytest.raises((RuntimeError, TypeError), match="numpy"):
            there.numpy()


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"method": "exact"},
        {"precision": "double"},
        {"tilt_x": 10.0, "absorption": 0.1},
        {"thermal": False},
        {"fidelity": "draft", "parametrization": "kirkland"},
        {"potential_sampling": 0.125},
    ],
    ids=str,
)
def test_scattering(structure, fields, pretending):
    expected = scatter(structure, **FIELDS | fields)
    with pretending() as device:
        found = scatter(structure, device=device, **FIELDS | fields)
        assert found.array.device.type == device
        assert differ(found.array, expected.array) < 1e-5
        assert differ(found.particle, expected.particle) < 1e-5


def test_many_structures_and_depths(structure, pretending):
    several = [structure, Scene([FILM, BALL], cell=CELL).build(seed=4)]
    expected = list(scatter_many(several, **FIELDS))
    depths = thickness_series(structure, (10, 20), **FIELDS)
    with pretending() as device:
        for one, other in zip(scatter_many(several, device=device, **FIELDS), expected, strict=True):
            assert differ(one.array, other.array) < 1e-5
        there = thickness_series(structure, (10, 20), device=device, **FIELDS)
        for one, other in zip(there, depths, strict=True):
            assert differ(one.array, other.array) < 1e-5


def test_film_bank(pretending):
    film, ball = Scene([FILM], cell=CELL).build(seed=1), Scene([BALL], cell=CELL).build(seed=3)
    fields = {"sampling": 0.25, "configurations": 2}

    def banked(**where):
        bank = FilmBank(film, seed=2, **fields, **where)
        return bank.scatter(bank.scene(ball, shift=(5, 9), mirror="x"), seed=4, shift=(5, 9), mirror="x")

    expected = banked()
    with pretending() as device:
        assert differ(banked(device=device).array, expected.array) < 1e-5


@pytest.mark.parametrize(
    "fields",
    [
        {"focal_nodes": 5, "focal_spread": 30, "aberrations": {"C30": 1e5, "C12": 20}},
        {"focal_nodes": 1, "aperture": 10, "convergence": 0.3},
        {"drift": 1.0, "vibration": 0.5, "contrast": 0.7},
        {"plasmons": {"chromatic": 1.0}},
    ],
    ids=str,
)
def test_imaging(wave, fields, pretending):
    specs = [Imaging(defocus=100 * index, **fields) for index in range(3)]
    expected = intensities(wave, specs)
    with pretending() as device:
        found = intensities(wave.to(device), specs)
        assert found.device.type == device
        assert differ(found, expected) < 2e-6


def test_images_are_differentiable_there(wave, pretending):
    spec = Imaging(defocus=120, focal_nodes=3, focal_spread=20, contrast=0.8)

    def slopes(where):
        conditions = Conditions.of([spec], torch.device(where))
        kept = (conditions.coefficients, conditions.focal_spread, conditions.contrast)
        for values in kept:
            values.requires_grad_(True)
        intensities(wave.to(where), conditions).square().sum().backward()
        return [values.grad.cpu() for values in kept]

    expected = slopes("cpu")
    with pretending() as device:
        for found, known in zip(slopes(device), expected, strict=True):
            assert float((found - known).abs().max()) <= 1e-3 * float(known.abs().max())


def test_camera(wave, pretending):
    defects = {"hot_pixels": 1e-3, "dead_pixels": 1e-3, "xrays": 1e-3, "flat_field": 0.02, "aperture": 1}
    detector = defects | {"gain": 2, "read_noise": 3, "offset": 10, "saturation": 40000, "binning": 2, "c2": 0.1}
    expected = image(wave, seed=1, dose=1e4, detector=detector, median=3).array
    with pretending() as device:
        found = image(wave.to(device), seed=1, dose=1e4, detector=detector, median=3).array
    assert found.shape == expected.shape
    assert found.mean() == pytest.approx(expected.mean(), rel=0.02)  # other random numbers


@pytest.mark.parametrize(
    "rule", ["phase", "thickness", "hull", "soft", "instances", "columns", "lattice", "distance"]
)
def test_labels(wave, rule, pretending):
    expected = label(wave, rule)
    with pretending() as device:
        found = label(wave.to(device), rule)
    for name, values in expected.maps.items():
        assert np.array_equal(found.maps[name], values)


RECIPE = """
seed: 1
structures:
  count: 1
  family: supported_particles
  field: 26
  particles: {material: Au, count: 1, radius: 6}
  film: {material: a-C, thickness: 12}
scattering: {energy: 300e3, sampling: 0.4, slice_thickness: 4, configurations: 2}
images: {per_structure: 3, defocus: {uniform: [-300, 300]}, vibration: 0.3, dose: 1e5}
"""


def test_samples_of_a_recipe(pretending):
    expected = make_structure(Recipe.from_yaml(RECIPE), 0)
    with pretending() as device:
        found = make_structure(Recipe.from_yaml(RECIPE), 0, device)
    assert not found.entry["failures"]
    assert found.entry["record"] == expected.entry["record"]
    for name, values in expected.arrays.items():
        if name.startswith("labels/"):
            assert np.array_equal(found.arrays[name], values)
        else:
            assert np.abs(found.arrays[name].astype(float) - values).mean() < 0.02 * np.mean(
                values
            )  # other random numbers


def test_learning_and_predicting(wave, pretending):
    labels = np.stack([label(wave, "phase")["phase"]] * 2)
    spec = Imaging.parse({"defocus": {"uniform": [-300, 300]}, "dose": 2000})
    net, crops = Net(width=0.125, heads=("distance",)), Crops(size=32, pixel_size=0.4)
    targets = np.ones((2, 1, *labels.shape[1:]), np.float32)
    with pretending() as device:
        live = Live([wave.to(device)] * 2, labels, spec, crops, Stream(1), net=net, targets=targets)
        batch = live.batch(0, 4, Stream(2)).to(torch.device(device))
        network = Network(net, build(net).state_dict(), 0.4, Normalisation()).to(device)
        batch = augment(batch, Augmentation(), Normalisation(), Stream(3))
        network.module.requires_grad_(True)
        outputs = network.module(batch.images)
        loss = cross_entropy_dice(outputs[:, :2], batch.labels) + head_loss(outputs[:, 2:], batch.targets, net.heads)
        loss.backward()
        optimizer = torch.optim.AdamW(network.module.parameters(), lr=1e-3, foreach=True)
        optimizer.step()
        assert np.isfinite(float(loss.detach()))
        assert all(value.grad.device.type == device for value in network.module.parameters())
        picture = image(wave, seed=1, dose=2000).array
        assert network.predict(picture, 0.25, tile=64).shape == picture.shape
