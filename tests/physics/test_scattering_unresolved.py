"""The loss to waves beyond the band: its formula, and what it does to errors."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from exitwave.scattering import Grid, parametrization, scatter
from exitwave.scattering.electron import SCATTERING_CONSTANT, interaction_parameter
from exitwave.scattering.multislice import crop_spectrum
from exitwave.scattering.unresolved import loss_factor

GOLD = 4.0782
FCC = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])


def atoms(positions, numbers, cell):
    n = len(positions)
    return SimpleNamespace(
        positions=positions,
        numbers=np.array(numbers, np.int32),
        cell=np.diag(cell),
        objects=np.zeros(n, np.int32),
        thermal=np.full(n, np.nan),
        roles=("other",),
    )


def gold_110(layers):
    """Gold along [110], moved as it vibrates at 300 K."""
    b = GOLD / np.sqrt(2)
    steps = np.stack(np.meshgrid(range(2), range(2), range(layers), indexing="ij"), -1).reshape(-1, 1, 3)
    places = ((steps + np.array([[0, 0, 0], [0.5, 0.5, 0.5]])) * [b, GOLD, b]).reshape(-1, 3) + np.array([0, 0, 0.7])
    places += np.random.default_rng(1).normal(size=places.shape) * 0.0896
    cell = np.array([2 * b, 2 * GOLD, layers * b + 1.4])
    places[:, :2] %= cell[:2]
    return atoms(places, [79] * len(places), cell)


def sphere_in_film():
    """A gold sphere of 12 Å sunk into 8 Å of amorphous carbon."""
    rng = np.random.default_rng(0)
    cell, centre = np.array([16.0, 16.0, 22.0]), np.array([8.0, 8.0, 13.0])
    steps = np.stack(np.meshgrid(*[range(-5, 5)] * 3, indexing="ij"), -1).reshape(-1, 1, 3)
    ball = ((steps + FCC) * GOLD).reshape(-1, 3)
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    ball = ball[np.linalg.norm(ball, axis=1) < 6.0] @ turn + centre
    film = rng.random((int(16 * 16 * 8 * 0.1103), 3)) * [16, 16, 8] + [0, 0, 2]
    film = film[np.linalg.norm(film - centre, axis=1) > 7.0]
    places = np.vstack([ball, film])
    places += rng.normal(size=places.shape) * 0.08
    places[:, :2] %= 16.0
    return atoms(places, [79] * len(ball) + [6] * len(film), cell)


def error(wave, reference):
    """Relative error of the scattered wave below 1.25 1/Å."""
    shape = (min(wave.shape[1], reference.shape[1]), min(wave.shape[2], reference.shape[2]))
    spectra = [
        crop_spectrum(torch.fft.fft2(w.array[0].to(torch.complex128)) / (w.shape[1] * w.shape[2]), shape)
        for w in (wave, reference)
    ]
    inside = torch.as_tensor(Grid(shape, wave.extent).wavenumbers() < 1.25)
    scattered = spectra[1].clone()
    scattered[0, 0] -= 1
    return float(((spectra[0] - spectra[1]) * inside).norm() / (scattered * inside).norm())


def test_loss_at_zero_is_the_intensity_beyond_the_cutoff():
    """A(0) = ½ ∫_{k>K} |φ(k)|² d²k, by Parseval."""
    sigma = interaction_parameter(300e3)
    for number, cutoff in ((79, 5.0), (6, 2.5)):
        k = np.geomspace(cutoff, 2000.0, 20000)
        spectrum = sigma * SCATTERING_CONSTANT * parametrization("lobato").scattering_factor(number, k)
        expected = np.trapezoid(2 * np.pi * k * spectrum**2, k) / 2
        assert loss_factor(number, "lobato", sigma, cutoff)[1][0] == pytest.approx(expected, rel=0.03)


def static(structure, sampling, **fields):
    fields = {"thermal": False, "particle_wave": False, "potential_sampling": None} | fields
    return scatter(structure, sampling=sampling, **fields)


@pytest.mark.parametrize(
    ("structure", "sampling", "plain_limit", "limit"),
    [
        (sphere_in_film(), 0.1, 0.03, 0.011),
        (sphere_in_film(), 0.2, 0.055, 0.020),
        (gold_110(3), 0.1, 0.06, 0.021),
    ],
)
def test_accuracy_with_slices_of_two_angstroms(structure, sampling, plain_limit, limit):
    reference = static(structure, 0.05, slice_thickness=0.25, method="exact", beyond_band="absorbed")
    plain = error(static(structure, sampling, beyond_band="ignored"), reference)
    better = error(static(structure, sampling, beyond_band="absorbed"), reference)
    assert plain < plain_limit
    assert better < limit
    assert better < 0.6 * plain


def test_the_fate_of_waves_beyond_the_band_follows_vibration():
    structure = gold_110(1)
    fields = {"seed": 1, "sampling": 0.2, "configurations": 1, "particle_wave": False, "potential_sampling": None}
    auto, absorbed, ignored = (
        scatter(structure, beyond_band=fate, **fields).array for fate in ("auto", "absorbed", "ignored")
    )
    assert torch.equal(auto, absorbed)
    assert not torch.equal(auto, ignored)
    auto, ignored = (scatter(structure, thermal=False, beyond_band=f, **fields).array for f in ("auto", "ignored"))
    assert torch.equal(auto, ignored)
