"""Plasmon losses by thickness, and the few waves that stand for a focal spread."""

from __future__ import annotations

from math import exp

import numpy as np
import pytest
import torch

from exitwave.core import OpticsError, Stream
from exitwave.imaging import Imaging, Plasmons, expected_losses, focal_spread_nodes, intensities, mean_free_path
from exitwave.imaging.modes import RadialPower, focal_grid, focal_modes
from exitwave.scattering import ExitWave
from exitwave.structure import Amorphous, Box, Crystal, Scene, Sphere, Structure, Volume


@pytest.fixture(scope="module")
def atoms() -> Structure:
    ball = Volume(Crystal("Au"), Sphere(12, centre=(20, 20, 14)), name="ball", role="particle")
    film = Volume(Amorphous("C", density=2.0), Box(40, 40, 40, origin=(0, 0, 26)), name="film", role="support")
    return Scene([ball, film], (40, 40, 70), 1.0).build(seed=1)


def wave_of(atoms: Structure | None, strength: float = 0.3) -> ExitWave:
    generator = torch.Generator().manual_seed(1)
    phase = strength * torch.randn(1, 100, 100, generator=generator)
    return ExitWave(torch.polar(torch.ones_like(phase), phase), (0.4, 0.4), 300e3, structure=atoms)


def test_mean_free_paths_are_those_of_the_published_fit() -> None:
    """Equation 9 of Iakoubovskii et al. (2008) as it is printed, with its own roundings."""
    for density, energy in ((2.33, 200.0), (19.3, 200.0), (2.0, 80.0), (5.66, 300.0)):
        factor = (1 + energy / 1022) / (1 + energy / 511) ** 2
        ratio = (20 / (5.5 * density**0.3 / (factor * energy))) ** 2
        nanometres = 200 * factor * energy / (11 * density**0.3 * np.log(ratio))
        assert mean_free_path(density, 1e3 * energy) / 10 == pytest.approx(nanometres, rel=1e-3)
    assert mean_free_path(2.0, 300e3) > mean_free_path(2.0, 200e3) > mean_free_path(4.0, 200e3)
    for density, energy in ((0.0, 2e5), (2.0, -1.0), (2.0, 100.0)):
        with pytest.raises(OpticsError):
            mean_free_path(density, energy)


def test_expected_losses_are_thickness_over_mean_free_path(atoms: Structure) -> None:
    losses = expected_losses(atoms, (100, 100), (0.4, 0.4), 300e3)
    film = 40 / mean_free_path(2.0, 300e3)
    assert losses[0, 0] == pytest.approx(film, rel=0.12)
    assert losses[50, 50] - losses[0, 0] == pytest.approx(24 / mean_free_path(19.3, 300e3), rel=0.3)


def test_losses_are_poisson_and_a_filter_stops_them() -> None:
    mean = np.array([[0.0, 0.3, 2.0]])
    shares = Plasmons(orders=2).probabilities(mean)
    np.testing.assert_allclose(sum(shares), 1.0, rtol=1e-6)
    np.testing.assert_allclose(shares[1], mean * np.exp(-mean), rtol=1e-6)
    filtered = Plasmons(orders=2, slit=10.0).probabilities(mean)
    np.testing.assert_allclose(filtered[0], np.exp(-mean), rtol=1e-6)
    assert not filtered[1].any()
    assert not filtered[2].any()
    wide = Plasmons(orders=2, slit=50.0, energy=22.0).probabilities(mean)
    assert wide[1].any()
    assert not wide[2].any()


def test_a_loss_is_focused_more_strongly() -> None:
    lossy = Plasmons(chromatic="1.2 mm", energy=20.0, width=8.0)
    defocus, spread = lossy.refocused(100.0, 15.0, 2, 300e3)
    per_volt = 1.2e7 * (1 + 300e3 / 510998.95) / (1 + 300e3 / 1021997.9) / 300e3
    assert defocus == pytest.approx(100.0 - 40.0 * per_volt, rel=1e-6)
    assert spread == pytest.approx(np.hypot(15.0, 2**0.5 * 8 / 2.35482 * per_volt), rel=1e-5)


def test_images_with_losses(atoms: Structure) -> None:
    wave = wave_of(atoms)
    plain, corrected, lossy, filtered, double = intensities(
        wave,
        [
            Imaging(defocus=60.0, plasmons=plasmons)
            for plasmons in (
                None, Plasmons(chromatic=0.0), Plasmons(), Plasmons(slit=10.0), Plasmons(scale=2.0),
            )
        ],
    )  # fmt: skip
    torch.testing.assert_close(corrected, plain)  # a lens without chromatic aberration sees no difference
    assert float(lossy.mean()) == pytest.approx(float(plain.mean()), rel=1e-3)
    assert float(double.std()) < float(lossy.std()) < float(plain.std())
    share = torch.from_numpy(np.exp(-expected_losses(atoms, (100, 100), (0.4, 0.4), 300e3)))
    torch.testing.assert_close(filtered, plain * share)
    # where the contrast of the loss image is small, that of the whole falls by the share of losses
    assert float(lossy.std() / plain.std()) == pytest.approx(float(share.mean()), abs=0.04)
    drawn = Imaging(plasmons={"scale": {"uniform": [0.5, 1.5]}}).draw(Stream(1))
    assert drawn.drawn
    assert Imaging.parse(drawn.to_dict()) == drawn
    with pytest.raises(OpticsError, match="no structure"):
        intensities(wave_of(None), [Imaging(plasmons=Plasmons())])


@pytest.mark.parametrize("phase", [0.0, 3.0, 12.0])
def test_the_grid_of_foci_damps_as_a_gaussian(phase: float) -> None:
    foci, weights = focal_grid(phase)
    for turn in np.linspace(0, phase, 5):
        assert float(weights @ np.cos(turn * foci)) == pytest.approx(exp(-(turn**2) / 2), abs=1e-6)


def test_few_waves_are_nearer_to_the_truth_than_as_many_foci() -> None:
    wave = wave_of(None)

    def image(nodes: int) -> torch.Tensor:
        return intensities(wave, [Imaging(defocus=60.0, focal_spread=20.0, focal_nodes=nodes)])[0]

    foci, weights = focal_spread_nodes(20.0, 99)
    by_definition = torch.zeros(100, 100)
    seven = torch.zeros(100, 100)
    for target, order in ((by_definition, 99), (seven, 7)):
        foci, weights = focal_spread_nodes(20.0, order)
        keep = weights > 1e-9
        specs = [Imaging(defocus=60.0 + f, focal_spread=0.0) for f in foci[keep]]
        target += torch.einsum("n,nyx->yx", torch.from_numpy(weights[keep]).float(), intensities(wave, specs))
    errors = {n: float((image(n) - by_definition).std()) for n in (3, 7, 30)}
    assert errors[30] <= errors[7] < errors[3]
    assert errors[30] < 0.02 * float(by_definition.std())
    assert errors[7] < 0.3 * float((seven - by_definition).std())


def test_waves_keep_the_intensity_and_are_orthogonal() -> None:
    power = np.exp(-np.arange(4096) / 600.0)
    power[0] = 4000.0
    table = focal_modes(15.0, 7, 300e3, RadialPower(power, 5e-7)).table.astype(np.float64)
    products = (table * power) @ table.T
    assert np.trace(products) == pytest.approx(power.sum(), rel=1e-5)
    assert np.abs(products - np.diag(np.diag(products))).max() < 1e-4 * power.sum()
    assert len(focal_modes(0.0, 7, 300e3, RadialPower(power, 5e-7)).table) == 1
    with pytest.raises(OpticsError, match="NaN"):
        focal_modes(15.0, 7, 300e3, RadialPower(np.zeros(4096), 5e-7))
