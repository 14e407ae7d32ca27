"""The camera's statistics, at fixed seeds; thresholds have a false-alarm rate of 1e-6 unless said otherwise."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from exitwave.core import OpticsError, Stream
from exitwave.imaging import Detector, Imaging, expose
from exitwave.imaging.detector import _transfers, spread, transfer
from exitwave.imaging.gaussian import normal
from exitwave.imaging.poisson import poisson


@pytest.mark.parametrize("mean", [0.05, 0.5, 0.999, 4.0, 16.3, 127.9, 200.0, 511.9, 700.0, 5000.0])
def test_counts_are_poisson_by_chi_square(mean: float) -> None:
    counts = poisson(torch.full((400_000,), mean), Stream(11) / "chi").numpy()
    law = stats.poisson(mean)
    low, high = int(law.ppf(2e-5)), int(law.ppf(1 - 2e-5))
    edges = np.arange(low, high + 2) - 0.5
    if len(edges) > 300:
        edges = edges[:: len(edges) // 100]
    observed = np.histogram(counts, np.concatenate([[-1], edges[1:-1], [1e9]]))[0]
    share = np.diff(np.concatenate([[0], law.cdf(edges[1:-1]), [1]]))
    assert stats.chisquare(observed, share / share.sum() * len(counts)).pvalue > 1e-6


def test_counts_of_varying_means_are_uniform_under_their_distribution() -> None:
    means = torch.linspace(0.01, 600.0, 200_000)
    counts = poisson(means, Stream(12)).numpy().astype(float)
    law = stats.poisson(means.numpy().astype(np.float64))
    rank = law.cdf(counts - 1) + np.random.default_rng(1).random(len(counts)) * law.pmf(counts)
    assert stats.kstest(rank, "uniform").pvalue > 1e-6


def test_read_out_noise_is_normal_by_kolmogorov() -> None:
    numbers = normal((2, 500_000), Stream(7)).numpy()
    assert stats.kstest(numbers.ravel(), "norm").pvalue > 1e-6
    assert np.array_equal(numbers, normal((2, 500_000), Stream(7)).numpy())
    assert abs(np.mean(numbers[0] * normal((500_000,), Stream(8)).numpy())) < 5 / 500_000**0.5
    tail = stats.norm.sf(3.5) * 2 * numbers.size
    assert abs((np.abs(numbers) > 3.5).sum() - tail) < 5 * tail**0.5


def test_pixels_and_streams_are_independent() -> None:
    first, second = (poisson(torch.full((512, 512), 9.0), Stream(1) / i).numpy() - 9 for i in range(2))
    for a, b in ((first, second), (first[:, 1:], first[:, :-1]), (first[1:], first[:-1]), (first[::2], second[1::2])):
        assert abs(np.mean(a * b)) / 9 < 5 / np.sqrt(a.size)
    again = poisson(torch.full((512, 512), 9.0), Stream(1) / 0).numpy() - 9
    assert np.array_equal(first, again)


def test_counts_do_not_depend_on_their_neighbours() -> None:
    means = torch.rand(64, 64) * 40
    changed = means.clone()
    changed[:32] = 300.0
    assert torch.equal(poisson(means, Stream(4))[32:], poisson(changed, Stream(4))[32:])


def test_means_at_and_below_zero_count_nothing_and_nan_is_refused() -> None:
    assert float(poisson(torch.tensor([-3.0, 0.0]), Stream(1)).sum()) == 0
    with pytest.raises(OpticsError, match="not finite"):
        poisson(torch.tensor([1.0, float("nan")]), Stream(1))


def test_fano_factor_and_contrast_of_a_plain_exposure() -> None:
    counts = expose(torch.ones(1, 1024, 1024), [Imaging(dose=400.0)], [Stream(2)], 0.04)[0].numpy()
    assert counts.mean() == pytest.approx(16, abs=5 * 4 / 1024)
    assert counts.var() / counts.mean() == pytest.approx(1, abs=5 * np.sqrt(2) / 1024)
    assert counts.std() / counts.mean() == pytest.approx(0.25, abs=0.002)
    assert counts.dtype == np.float32
    assert np.array_equal(counts, np.round(counts))


def test_the_mean_of_many_exposures_is_the_expected_image() -> None:
    generator = torch.Generator().manual_seed(3)
    intensity = (1 + 0.3 * torch.randn(24, 24, generator=generator)).clamp(min=0.1)[None]
    detector = Detector(c1=1.0, c2=0.05, c3=0.5, c4=2.5, gain=20.0, read_noise=3.0, offset=50.0)
    spec = Imaging(dose=100.0, detector=detector)
    many = 800
    mean = sum(expose(intensity, [spec], [Stream(8) / i], 0.04)[0].double() for i in range(many)) / many
    expected = spread(intensity[0] * 4.0, 1.0, 0.05, 0.5, 2.5) * 20 + 50
    error = (mean - expected).abs().max()
    assert float(error) < 6 * np.sqrt(20**2 * 4 * 1.8 + 9) / np.sqrt(many)


def test_noise_power_follows_the_transfer_function() -> None:
    detector = Detector(c1=0.98, c2=0.1, c3=0.5, c4=2.5, gain=10.0, read_noise=5.0)
    flat = expose(torch.ones(1, 1024, 1024), [Imaging(dose=400.0, detector=detector)], [Stream(5)], 0.04)[0].numpy()
    power = np.abs(np.fft.fft2(flat - flat.mean())) ** 2 / flat.size
    f = torch.fft.fftfreq(1024, dtype=torch.float64)
    q = torch.hypot(f[:, None], f)
    expected = 100 * 16 * transfer(q, 0.98, 0.1, 0.5, 2.5).numpy() ** 2 + 25 + 1 / 12
    for low in np.arange(0.02, 0.5, 0.04):
        ring = (q.numpy() > low) & (q.numpy() <= low + 0.04)
        ratio = power[ring] / expected[ring]
        assert ratio.mean() == pytest.approx(1, abs=5 / np.sqrt(ring.sum() / 2))


def test_a_knife_edge_recovers_the_transfer_function() -> None:
    detector = Detector(c1=1.0, c2=0.05, c3=0.4, c4=2.5, gain=1.0)
    edge = torch.zeros(1, 256, 512)
    edge[:, :, 128:384] = 1.0
    spec = Imaging(dose=1e7, detector=detector.replace(gain=1e-3, offset=1e5, saturation=1e9))
    seen = expose(edge, [spec], [Stream(6)], 0.04)[0].double().numpy().mean(axis=0) / (1e7 * 0.04 * 1e-3)
    lines = np.abs(np.fft.rfft(np.diff(np.append(seen, seen[0]))))
    ideal = np.abs(np.fft.rfft(np.diff(np.append(edge[0, 0], edge[0, 0, 0]))))
    odd = ideal > 1.0  # two edges half a field apart show odd frequencies only
    found = lines[odd] / ideal[odd]
    frequency = torch.fft.rfftfreq(512)[torch.from_numpy(odd)]
    np.testing.assert_allclose(found, transfer(frequency, 1.0, 0.05, 0.4, 2.5).numpy(), atol=0.02)


@pytest.mark.parametrize("name", sorted(Detector.presets))
def test_every_preset_spreads_waves_as_its_transfer_function_says(name: str) -> None:
    """Whole counts must not swallow the spread, least of all where an electron is one count."""
    drawn = Detector.named(name).draw(Stream(2))
    camera = drawn.replace(flat_field=0, xrays=0, hot_pixels=0, dead_pixels=0, saturation=1e9)
    number, x = 512, np.arange(512)
    cycles = 180
    wave = torch.from_numpy(1 + 0.4 * np.cos(2 * np.pi * cycles * x / number)).float().expand(1, number, number)
    spec = Imaging(dose=1000.0, detector=camera)
    counts = expose(wave.contiguous(), [spec], [Stream(8)], 0.016)[0].double().numpy()
    seen = np.abs(np.fft.rfft(counts.mean(0)))[cycles] / np.abs(np.fft.rfft(wave[0, 0].numpy()))[cycles]
    before, after = _transfers(
        (number, number), camera.form, *(float(v) for v in (camera.c1, camera.c2, camera.c3, camera.c4)),
        float(camera.aperture), float(camera.noise_flatness), camera.binning,
    )  # fmt: skip
    stated = np.prod([float(part[0, cycles]) for part in (before, after) if part is not None])
    noise = (2 * 16) ** 0.5 / number / 16 * 6 / 0.2  # of 512 rows, five deviations and some
    assert seen / (16 * float(camera.gain)) == pytest.approx(stated, abs=noise)
    assert counts.mean() == pytest.approx(16 * float(camera.gain) + float(camera.offset), rel=0.01)


def test_counts_saturate_and_never_wrap() -> None:
    bright = expose(torch.ones(1, 32, 32), [Imaging(dose=1e9)], [Stream(1)], 1.0)
    assert float(bright.min()) == 65535
    dark = Detector(read_noise=50.0)
    assert float(expose(torch.zeros(1, 32, 32), [Imaging(detector=dark)], [Stream(1)], 1.0).min()) == 0


def test_binning_is_what_adding_up_sensor_pixels_gives() -> None:
    """Image pixels of two by two sensor pixels, beside an exposure of the sensor whose pixels are then added."""
    curve = {"c1": 1.0, "c2": 0.1, "c3": 0.35, "c4": 2.2, "form": "lorentzian", "noise_flatness": 0.4}
    sensor = expose(torch.ones(1, 1024, 1024), [Imaging(dose=400.0, detector=curve)], [Stream(3)], 0.04)[0].double()
    added = sensor.reshape(512, 2, 512, 2).sum((1, 3)).numpy()
    gained = Detector(**curve, binning=2, gain=1.0)
    binned = expose(torch.ones(1, 512, 512), [Imaging(dose=400.0, detector=gained)], [Stream(4)], 0.16)[0].numpy()
    spectra = [np.abs(np.fft.fft2(image - image.mean())) ** 2 / image.size for image in (added, binned)]
    q = np.hypot(np.fft.fftfreq(512)[:, None], np.fft.fftfreq(512))
    assert binned.mean() == pytest.approx(added.mean(), rel=1e-3)
    for low in np.arange(0.05, 0.5, 0.09):
        ring = (q > low) & (q <= low + 0.09)
        # sensor pixels are rounded one by one: four twelfths to one
        ratio = (spectra[1][ring].mean() - 1 / 12) / (spectra[0][ring].mean() - 4 / 12)
        assert ratio == pytest.approx(1, abs=6 * (2 / ring.sum() * 2) ** 0.5)
    # and of the signal
    x = np.arange(1024)
    for cycles in (64, 200, 400):  # per 1024 sensor pixels
        wave = torch.from_numpy(1 + 0.5 * np.cos(2 * np.pi * cycles * x / 1024)).float()
        fine = spread(wave.expand(4, 1024), 1.0, 0.1, 0.35, 2.2, form="lorentzian")[0].numpy()
        expected = np.abs(np.fft.rfft(fine.reshape(512, 2).sum(1)))
        before, after = _transfers((64, 512), "lorentzian", 1.0, 0.1, 0.35, 2.2, 0.0, 0.4, 2)
        assert before is not None
        assert after is not None
        damping = float(before[0, cycles // 2] * after[0, cycles // 2])
        ideal = np.abs(np.fft.rfft(wave[::2].numpy()))[cycles // 2] * 2
        assert expected[cycles // 2] == pytest.approx(damping * ideal, rel=2e-3)


def test_hot_pixels_are_as_many_as_asked_and_the_median_removes_them() -> None:
    detector = Detector(hot_pixels=0.002, hot_level=5000.0)
    spec = Imaging(dose=400.0, detector=detector)
    counts = expose(torch.ones(1, 512, 512), [spec], [Stream(9)], 0.04)[0]
    hot = int((counts > 100).sum())
    expected = 0.002 * 512**2 * np.exp(-84 / 5000)
    assert abs(hot - expected) < 5 * np.sqrt(expected)
    filtered = expose(torch.ones(1, 512, 512), [spec.replace(median=3)], [Stream(9)], 0.04)[0]
    assert int((filtered > 100).sum()) == 0


@pytest.mark.parametrize("form", ["rational", "exponential", "lorentzian"])
def test_every_form_of_the_transfer_function_is_its_formula(form: str) -> None:
    q = torch.tensor([0.0, 0.1, 0.25, 0.5], dtype=torch.float64)
    u = q.numpy()[1:] / 0.4
    fall = {"rational": 1 / (1 + u**1.5), "exponential": np.exp(-(u**1.5)), "lorentzian": (1 + u**2) ** -0.75}[form]
    np.testing.assert_allclose(transfer(q, 0.9, 0.1, 0.4, 1.5, form).numpy(), [1.0, *(0.8 * fall + 0.1)], rtol=1e-12)
    flat = Detector(form=form, c1=0.95, c2=0.05, c3=0.4, c4=1.5, aperture=1.0, gain=10.0)
    counts = expose(torch.ones(1, 512, 512), [Imaging(dose=400.0, detector=flat)], [Stream(5)], 0.04)[0].numpy()
    power = np.abs(np.fft.fft2(counts - counts.mean())) ** 2 / counts.size
    f = torch.fft.fftfreq(512, dtype=torch.float64)
    mtf = transfer(torch.hypot(f[:, None], f), 0.95, 0.05, 0.4, 1.5, form) * torch.sinc(f)[:, None] * torch.sinc(f)
    expected = 100 * 16 * mtf.numpy() ** 2 + 1 / 12
    assert (power / expected).mean() == pytest.approx(1, abs=6 * 2**0.5 / 512)


def test_dead_pixels_show_the_offset() -> None:
    dead = Detector(dead_pixels=0.01, offset=7.0, gain=10.0)
    counts = expose(torch.ones(1, 512, 512), [Imaging(dose=2000.0, detector=dead)], [Stream(9)], 0.04)[0]
    found = int((counts == 7).sum())
    assert abs(found - 0.01 * 512**2) < 5 * (0.01 * 512**2) ** 0.5
    assert float(counts.max()) < 65536


def test_the_median_is_scipys() -> None:
    from scipy.ndimage import median_filter

    from exitwave.imaging.filters import median3

    image = torch.rand(2, 17, 23)
    for found, given in zip(median3(image), image, strict=True):
        assert np.array_equal(found.numpy(), median_filter(given.numpy(), 3, mode="nearest"))
