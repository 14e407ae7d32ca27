"""Closed forms of the aberration function, coherence and losses."""

from __future__ import annotations

from math import exp, pi, radians
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from exitwave.core import OpticsError, SpecError, Stream
from exitwave.imaging import (
    Aberrations,
    Conditions,
    Imaging,
    SaturationWarning,
    contrast_factor,
    focal_spread_nodes,
    image,
    intensities,
    plasmon_contrast,
    transfer_function,
)
from exitwave.imaging.aberrations import ORDERS, angles, chi, chi_gradient_squared, coefficients
from exitwave.imaging.coherence import aperture, spatial_envelope, temporal_envelope
from exitwave.imaging.presets import ABERRATIONS
from exitwave.scattering.electron import wavelength

ENERGY = 300e3


def vacuum(shape: tuple[int, int] = (32, 48), configurations: int = 1) -> SimpleNamespace:
    array = torch.ones(configurations, *shape, dtype=torch.complex64)
    return SimpleNamespace(array=array, sampling=(0.2, 0.2), energy=ENERGY)


def speckle(shape: tuple[int, int] = (32, 48), configurations: int = 2, strength: float = 0.3) -> SimpleNamespace:
    generator = torch.Generator().manual_seed(1)
    phase = strength * torch.randn(configurations, *shape, generator=generator)
    return SimpleNamespace(array=torch.polar(torch.ones_like(phase), phase), sampling=(0.2, 0.25), energy=ENERGY)


@pytest.mark.parametrize(("n", "m"), ORDERS)
def test_every_term_of_chi_is_its_formula(n: int, m: int) -> None:
    size, azimuth = 3.0e4, 25.0
    fields = {f"C{n}{m}": size} | ({f"phi{n}{m}": azimuth} if m else {})
    spec, defocus = (Aberrations(), -size) if (n, m) == (1, 0) else (Aberrations(**fields), 0.0)
    rows, columns = angles((6, 10), (0.31, 0.2), ENERGY)
    found = chi(coefficients(spec, defocus), rows, columns, ENERGY)
    alpha = torch.hypot(rows[:, None], columns)
    phi = torch.atan2(rows[:, None].expand(6, 10), columns.expand(6, 10))
    turn = radians(azimuth) if m else 0.0
    expected = 2 * pi / wavelength(ENERGY) * alpha ** (n + 1) / (n + 1) * size * torch.cos(m * (phi - turn))
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10 * float(expected.abs().max()))


def test_the_gradient_of_chi_is_its_derivative() -> None:
    values = coefficients(Aberrations.named("team").replace(C30=1e7), 70.0)
    step = 1e-7
    rows, columns = (torch.tensor([0.004, 0.011], dtype=torch.float64), torch.tensor([-0.006], dtype=torch.float64))

    def value(dy: float, dx: float) -> torch.Tensor:
        return chi(values, rows + dy, columns + dx, ENERGY)

    along_y = (value(step, 0) - value(-step, 0)) / (2 * step)
    along_x = (value(0, step) - value(0, -step)) / (2 * step)
    torch.testing.assert_close(
        chi_gradient_squared(values, rows, columns, ENERGY), along_y**2 + along_x**2, rtol=1e-6, atol=0
    )


def test_focal_nodes_are_exact_for_polynomials() -> None:
    foci, weights = focal_spread_nodes(15.0, order=4)
    moments = [float((weights * foci**k).sum()) for k in range(8)]
    assert moments == pytest.approx([1, 0, 15**2, 0, 3 * 15**4, 0, 15 * 15**6, 0], abs=1e-4, rel=1e-10)


@pytest.mark.parametrize(("std", "order"), [(-1.0, 3), (float("nan"), 3), (1.0, 0)])
def test_impossible_focal_spreads_are_refused(std: float, order: int) -> None:
    with pytest.raises(OpticsError, match=r"it is .* or more\."):
        focal_spread_nodes(std, order)


def test_envelopes_are_their_formulas() -> None:
    rows, columns = angles((5, 8), (0.3, 0.3), ENERGY)
    wanted = 1.4419  # Å, gold 220
    k = torch.tensor([1 / wanted * wavelength(ENERGY)], dtype=torch.float64)
    assert float(temporal_envelope(k, k * 0, torch.tensor(15.0), ENERGY)) == pytest.approx(0.9052, abs=1e-4)
    slope = chi_gradient_squared(coefficients(Aberrations(), 500.0), rows, columns, ENERGY)
    alpha = float(columns[1])
    gradient = 2 * pi / wavelength(ENERGY) * 500 * alpha
    damped = spatial_envelope(slope, torch.tensor(0.4, dtype=torch.float64))
    assert float(damped[0, 1]) == pytest.approx(exp(-((0.2e-3 * gradient) ** 2)), rel=1e-9)


def test_the_aperture_stops_what_is_outside() -> None:
    rows, columns = angles((64, 64), (0.2, 0.2), ENERGY)
    open_, closed = aperture(rows, columns, torch.tensor([0.0, 12.0], dtype=torch.float64))
    angle = torch.hypot(rows[:, None], columns) * 1e3
    width = 1e3 * float(columns[1])
    assert bool((open_ == 1).all())
    assert bool((closed[angle < 12 - width] == 1).all())
    assert bool((closed[angle > 12 + width] == 0).all())


def test_plasmon_contrast_keeps_the_mean_and_scales_the_contrast() -> None:
    wave = torch.rand(3, 16, 16, dtype=torch.float64) + 0.5
    factor = torch.tensor([1.0, 0.75, 0.0], dtype=torch.float64)
    found = plasmon_contrast(wave, factor)
    torch.testing.assert_close(found.mean((-2, -1)), wave.mean((-2, -1)), rtol=1e-12, atol=0)
    torch.testing.assert_close(found.std((-2, -1)), factor * wave.std((-2, -1)), rtol=1e-12, atol=1e-15)
    assert torch.equal(found[0], wave[0])
    share, background = 0.6, 0.3
    mean = wave.mean((-2, -1), keepdim=True)
    literal = (1 - share) * wave + share * (wave + background * mean) * mean / (mean + background * mean)
    torch.testing.assert_close(plasmon_contrast(wave, contrast_factor(share, background)), literal)


def test_vacuum_stays_vacuum() -> None:
    specs = [Imaging(defocus=d, aberrations="team", convergence=0.3, aperture=20.0) for d in (-500.0, 0.0, 300.0)]
    torch.testing.assert_close(intensities(vacuum(), specs), torch.ones(3, 32, 48))


def test_a_batch_equals_its_members_and_a_direct_sum() -> None:
    wave = speckle()
    specs = [
        Imaging(defocus=50.0, aberrations="team", focal_nodes=40),
        Imaging(defocus=-90.0, focal_spread=0.0, contrast=0.8, focal_nodes=40),
    ]
    batch = intensities(wave, specs)
    for spec, found in zip(specs, batch, strict=True):
        torch.testing.assert_close(intensities(wave, [spec])[0], found)
    spec = specs[0]
    foci, weights = focal_spread_nodes(15.0, 99)
    expected = torch.zeros(32, 48)
    for focus, weight in zip(foci, weights, strict=True):
        # more underfocus means a more negative C10
        lens = transfer_function(Conditions.of([spec.replace(defocus=50.0 + focus)]), (32, 48), wave.sampling, ENERGY)
        expected += weight * torch.fft.ifft2(torch.fft.fft2(wave.array) * lens).abs().square().mean(0)
    assert float((batch[0] - expected).std()) < 0.01 * float(expected.std())
    assert float(batch[0].mean()) == pytest.approx(float(expected.mean()), rel=1e-5)
    assert batch[1].std() == pytest.approx(
        0.8 * float(intensities(wave, [specs[1].replace(contrast=1.0)]).std()), rel=1e-4
    )


def test_specs_with_different_numbers_of_foci_may_be_mixed() -> None:
    wave = speckle()
    specs = [Imaging(defocus=50.0, focal_nodes=3), Imaging(defocus=50.0, focal_nodes=9)]
    mixed = intensities(wave, specs)
    torch.testing.assert_close(mixed[1], intensities(wave, specs[1:])[0])
    assert intensities(wave, []).shape == (0, 32, 48)


def test_presets_draw_and_are_within_their_bounds() -> None:
    for name in ABERRATIONS:
        drawn = Imaging(aberrations=name).draw(Stream(3))
        assert drawn.drawn
    twofold = [Imaging(aberrations="residual").draw(Stream(i)).aberrations.C12 for i in range(200)]
    assert min(twofold) >= 0
    assert max(twofold) <= 60
    assert np.mean(twofold) == pytest.approx(15 * (2 / pi) ** 0.5, rel=0.15)


def test_the_record_alone_makes_the_image_again() -> None:
    wave = speckle(configurations=1)
    wave.sampling = (0.2, 0.2)
    first = image(wave, seed=5, defocus={"uniform": [0, 100]}, aberrations="residual", detector="scintillator")
    record = dict(first.record)
    stream = Stream.parse(record.pop("stream"))
    again = image(wave, stream=stream, spec=Imaging.parse(record))
    assert np.array_equal(first.array, again.array)
    assert again.record == first.record
    assert not np.array_equal(first.array, image(wave, stream=stream / "other", spec=Imaging.parse(record)).array)


@pytest.mark.parametrize("shape", [(32, 48), (37, 41)])  # the second has no transform in tiles
def test_an_image_has_the_same_bits_in_any_company(shape: tuple[int, int]) -> None:
    wave = speckle(shape)
    specs = [
        Imaging(defocus=80.0, focal_spread=20.0),
        Imaging(defocus=-50.0, focal_spread=20.0, vibration=0.5),
        Imaging(focal_spread=30.0, drift=0.8, drift_angle=20.0, contrast=0.7, convergence=0.2),
        Imaging(contrast=0.8, aperture=15.0, focal_nodes=1),
    ]
    together = intensities(wave, specs)
    for number, spec in enumerate(specs):
        assert torch.equal(together[number], intensities(wave, [spec])[0]), number


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        (
            {"dose": -400},
            "images.dose is -400; a dose is a number above 0 in e/Å², or a distribution of such numbers.",
        ),
        ({"contrast": 1.2}, "images.contrast is 1.2; a contrast factor is a number from 0 to 1"),
        ({"detector": {"hot_pixels": -0.1}}, "images.detector.hot_pixels is -0.1; a share of hot pixels"),
        ({"detector": {"c1": 0.2, "c2": 0.5}}, r"images\.detector\.c2 is 0\.5; c2 is up to 0\.5 and c1 down to 0\.2"),
        ({"detector": "camera"}, "images.detector is camera; the presets are ideal, scintillator"),
        ({"aberrations": "best"}, "images.aberrations is best; the presets are none, team"),
        ({"aberrations": {"Cs": 1.0}}, "images.aberrations.Cs is not a known key; "),
        ({"defocuss": 3}, "images.defocuss is not a known key; did you mean defocus?"),
        ({"focal_spread": {"normal": [15, 5]}}, "images.focal_spread is .*cut it with within"),
        (
            {"focal_nodes": {"choice": [3, 5]}},
            "images.focal_nodes is .*; a number of foci is a whole number from 1 to 99",
        ),
        ({"median": 2}, "images.median is 2; a median filter is 1"),
    ],
)
def test_bad_keys_and_numbers_are_one_sentence(fields: dict[str, object], sentence: str) -> None:
    with pytest.raises(SpecError, match=sentence) as caught:
        Imaging.parse(fields, "images")
    assert "\n" not in str(caught.value)


def test_an_image_needs_one_source_of_randomness() -> None:
    with pytest.raises(OpticsError, match="seed=7"):
        image(vacuum())
    with pytest.raises(OpticsError, match="seed=7"):
        image(vacuum(), seed=1, stream=Stream(2))


def test_a_camera_that_is_full_is_told_of() -> None:
    with pytest.warns(SaturationWarning, match="100% of the pixels reach the camera's greatest count, 65535; lower"):
        image(vacuum(), seed=1, dose=1e8)
    image(vacuum(), seed=1, dose=1e8, detector={"saturation": 1e9})
    image(vacuum(), seed=1, detector={"hot_pixels": 0.05, "hot_level": 1e7})
    area = float(np.prod(vacuum().sampling))
    image(vacuum(), seed=1, dose=(65535 - 2.6 * 256) / area)  # 0.5 % of a normal law lie above 2.6 σ
    with pytest.warns(SaturationWarning, match="^[234]% of"):
        image(vacuum(), seed=1, dose=(65535 - 1.9 * 256) / area)  # 2.9 % above 1.9 σ


@pytest.mark.parametrize("drift", [0.3, 0.9])
def test_drift_on_coarse_pixels_leaves_no_negative_intensity(drift: float) -> None:
    """A wave with detail up to the Nyquist frequency, whose intensity 0.4 Å do not resolve."""
    phase = 1.2 * np.random.default_rng(3).normal(size=(1, 96, 96))
    wave = SimpleNamespace(
        array=torch.from_numpy(np.exp(1j * phase).astype(np.complex64)), sampling=(0.4, 0.4), energy=3e5
    )
    found = intensities(wave, [Imaging(drift=drift, defocus=400, focal_spread=5)])
    assert found.min() == 0
    assert float(found.mean()) == pytest.approx(1, abs=2e-5)
    image(wave, seed=1, drift=drift, defocus=400, focal_spread=5)


def test_pixels_must_be_square() -> None:
    wave = vacuum()
    wave.sampling = (0.2, 0.25)
    with pytest.raises(OpticsError, match="resample"):
        image(wave, seed=1)


def test_azimuths_turn_from_columns_to_rows() -> None:
    # astigmatism at azimuth 0 adds to C10 along x and takes off along y
    rows, columns = angles((8, 8), (0.5, 0.5), ENERGY)
    found = chi(coefficients(Aberrations(C12=40.0, phi12=0.0), 0.0), rows, columns, ENERGY)
    assert float(found[0, 1]) > 0 > float(found[1, 0])
    diagonal = chi(coefficients(Aberrations(C12=40.0, phi12=45.0), 0.0), rows, columns, ENERGY)
    assert float(diagonal[1, 1]) > 0 > float(diagonal[1, -1])


@pytest.mark.parametrize("value", [0.0, float("nan")])
@pytest.mark.parametrize("foci", [1, 7])
def test_waves_of_nothing_and_of_nan_are_told(value: float, foci: int) -> None:
    wave = vacuum()
    wave.array = wave.array * value
    with pytest.raises(OpticsError, match="zero everywhere or not finite; look for NaN"):
        intensities(wave, [Imaging(focal_nodes=foci)])
