"""Which micrographs a network calls unlike its training images."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter, zoom

from exitwave.learning import ArrayData, Net, train
from exitwave.learning.familiarity import band_powers, edges


def images(count, dose, seed, blur=1.0, size=128):
    """Grains of a film with shot noise."""
    random = np.random.default_rng(seed)
    film = np.stack([gaussian_filter(random.normal(size=(size, size)), 2.0, mode="wrap") for _ in range(count)])
    expected = 1 + 0.1 * film / film.std()
    counts = random.poisson(expected * dose).astype(float)
    return np.stack([gaussian_filter(one, blur, mode="wrap") for one in counts]) if blur else counts


@pytest.fixture(scope="module")
def network():
    learnt = np.concatenate([images(6, dose, seed) for seed, dose in enumerate((50, 100, 200))])
    data = ArrayData(learnt, learnt > np.median(learnt), 0.4)
    return train(data, seed=1, epochs=1, net=Net(width=0.125), crops={"size": 64}, batch=4)


@pytest.mark.parametrize("seed", range(100, 112))
def test_images_of_the_same_kind_are_familiar(network, seed):
    assert network.unfamiliar(images(1, 50 * 2 ** (seed % 3), seed)[0] * 7 + 3, 0.4) == []


def test_the_size_of_pixels_alone_does_not_matter_if_the_structure_is_the_same(network):
    fine = np.stack([zoom(one, 2, order=1, mode="grid-wrap", grid_mode=True) for one in images(2, 100, 50)])
    assert network.unfamiliar(fine[0], 0.2) == []
    assert "as where nm are given for Å" in network.unfamiliar(fine[0], 0.058)[0]


def test_strange_images_are_named_with_what_is_strange(network):
    assert any(
        "times more" in line and "dose" in line for line in network.unfamiliar(images(1, 1, 7, blur=0)[0], 0.4)
    )
    smooth = gaussian_filter(images(1, 100, 7)[0], 2.0)
    assert any("times less" in line for line in network.unfamiliar(smooth, 0.4))
    blots = gaussian_filter(np.random.default_rng(7).normal(size=(128, 128)), 8.0, mode="wrap")
    soiled = images(1, 100, 7)[0] * np.exp(blots / blots.std())
    assert any("contamination" in line for line in network.unfamiliar(soiled, 0.4))
    coarse = network.unfamiliar(images(1, 100, 7)[0], 0.9)
    assert any("0.9 Å are coarser" in line for line in coarse)


def test_the_record_survives_a_file(network, tmp_path):
    again = type(network).load(network.save(tmp_path / "n.safetensors"))
    assert again.record["familiar"] == network.record["familiar"]


def test_a_wave_lies_in_its_band():
    ends = edges(128)
    for band in (1, 4, 8):
        frequency = round(np.sqrt(ends[band] * ends[band + 1]) * 128) / 128
        wave = torch.cos(2 * np.pi * frequency * torch.arange(128.0)).expand(1, 1, 128, 128)
        assert band_powers(wave)[0].argmax() == band
