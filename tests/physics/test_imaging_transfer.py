"""Published numbers and exact relations of phase-contrast transfer."""

from __future__ import annotations

from dataclasses import replace
from math import pi, sqrt
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from exitwave.core import Stream
from exitwave.imaging import (
    Aberrations,
    Conditions,
    Detector,
    Imaging,
    expose,
    intensities,
    spread,
    transfer_function,
)
from exitwave.imaging.aberrations import ORDERS, angles, chi, coefficients
from exitwave.imaging.coherence import temporal_envelope
from exitwave.imaging.modes import focal_grid
from exitwave.imaging.transfer import lens_planes
from exitwave.scattering import ExitWave, scatter
from exitwave.scattering.electron import wavelength
from exitwave.structure import Structure

MM = 1e7


def along_x(spec: Aberrations, defocus: float, energy: float, q: np.ndarray) -> np.ndarray:
    columns = torch.from_numpy(q) * wavelength(energy)
    return chi(coefficients(spec, defocus), torch.zeros(1, dtype=torch.float64), columns, energy)[0].numpy()


@pytest.mark.parametrize(
    ("energy", "cs", "scherzer", "extended", "zero"),
    [
        (300e3, 1.2, 583, 595, 0.5059),
        (300e3, 0.6, 412, 421, 0.6017),
        (200e3, 1.0, 601, 613, 0.4416),
        (200e3, 1.3, 685, 699, 0.4136),
    ],
)
def test_scherzer(energy: float, cs: float, scherzer: float, extended: float, zero: float) -> None:
    length = cs * MM * wavelength(energy)
    assert 1.2 * sqrt(length) == pytest.approx(scherzer, abs=0.6)
    defocus = sqrt(1.5 * length)
    assert defocus == pytest.approx(extended, abs=0.6)
    q = np.linspace(0.05, 0.8, 75001)
    phase = along_x(Aberrations(C30=cs * MM), defocus, energy, q)
    assert phase.min() == pytest.approx(-0.75 * pi, abs=1e-3)  # the passband of extended Scherzer focus
    contrast = np.sin(phase)
    first = q[1:][np.diff(np.sign(contrast)) != 0]
    assert first[0] == pytest.approx(zero, abs=2e-4)


@pytest.mark.parametrize(
    ("defocus", "zeros"), [(100.0, [0.7127, 1.0079, 1.2344, 1.4254]), (500.0, [0.3187, 0.4507, 0.5521, 0.6375])]
)
def test_zeros_of_defocus_alone(defocus: float, zeros: list[float]) -> None:
    phase = along_x(Aberrations(), defocus, 300e3, np.array(zeros))
    np.testing.assert_allclose(np.sin(phase), 0, atol=2e-3)
    np.testing.assert_allclose(-phase / pi, [1, 2, 3, 4], atol=1e-3)


def test_free_space_widens_beams_and_images_gratings_again() -> None:
    """A Gaussian beam of 1.5 Å after 200 Å at 300 kV, and Talbot's distance 2 d²/λ of gold 200."""
    x = (np.arange(512) - 256) * 0.1
    beam = torch.from_numpy(np.exp(-(x[:, None] ** 2 + x**2) / 1.5**2)).to(torch.complex128)[None]
    far = ExitWave(beam, (0.1, 0.1), 300e3).propagate(200.0).array[0].abs().square().numpy()
    width = 2 * np.sqrt((far * x**2).sum() / far.sum())  # 1/e of the amplitude
    assert width == pytest.approx(1.717022, abs=2e-6)
    length = 16 * 2.0391
    phase = 0.4 * np.cos(2 * np.pi * 16 * np.arange(256) / 256)
    grating = torch.polar(torch.ones(1, 8, 256, dtype=torch.float64), torch.from_numpy(phase).expand(1, 8, 256))
    wave = ExitWave(grating, (length / 256, length / 256), 300e3)
    talbot = 2 * 2.0391**2 / wavelength(300e3)
    assert talbot == pytest.approx(422.4, abs=0.05)
    torch.testing.assert_close(wave.propagate(talbot).array, grating, rtol=1e-6, atol=1e-6)
    assert float(wave.propagate(talbot / 4).intensity.std()) > 0.3  # phase has become amplitude


def test_temporal_envelope_has_the_published_information_limits() -> None:
    none = torch.zeros(1, dtype=torch.float64)
    for std, q in ((10, 1.798), (15, 1.468), (20, 1.272), (30, 1.038)):
        k = torch.tensor([q * wavelength(300e3)], dtype=torch.float64)
        assert float(temporal_envelope(none, k, torch.tensor(float(std)), 300e3)) == pytest.approx(
            np.exp(-2), rel=5e-3
        )
    for q, value in ((1 / 2.3546, 0.9861), (1 / 2.0391, 0.9754), (1 / 1.4419, 0.9052), (1 / 1.2297, 0.8284)):
        k = torch.tensor([q * wavelength(300e3)], dtype=torch.float64)
        assert float(temporal_envelope(none, k, torch.tensor(15.0), 300e3)) == pytest.approx(value, abs=1e-4)


def weak(
    scale: float, shape: tuple[int, int] = (96, 128), sampling: tuple[float, float] = (0.25, 0.2)
) -> SimpleNamespace:
    """A weak phase object of blobs at random places, band-limited by their size."""
    sampling = (0.25, 0.2)
    rng = np.random.default_rng(4)
    y, x = (np.arange(n) * s for n, s in zip(shape, sampling, strict=True))
    phase = np.zeros(shape)
    for cy, cx in rng.random((12, 2)) * [y[-1], x[-1]]:
        phase += np.exp(-((y[:, None] - cy) ** 2 + (x - cx) ** 2) / (2 * 0.4**2))
    phase = torch.from_numpy(scale * phase)
    return SimpleNamespace(
        array=torch.polar(torch.ones_like(phase), phase)[None], sampling=sampling, energy=300e3, phase=phase
    )


def linear(wave: SimpleNamespace, lens: torch.Tensor) -> torch.Tensor:
    """First-order image 1 + 2 σv * F⁻¹[sin χ …] for a lens without odd aberrations."""
    return 1 + 2 * torch.fft.ifft2(torch.fft.fft2(wave.phase) * -lens.imag.double()).real


def test_the_weak_phase_limit_is_reached_linearly() -> None:
    spec = Imaging(defocus=100.0, focal_spread=0.0, aberrations={"C30": "0.01 mm", "C12": 20.0, "phi12": 30.0})
    errors = []
    for scale in (1.0, 0.25, 0.0625):
        wave = weak(scale)
        lens = transfer_function(Conditions.of([spec]), (96, 128), wave.sampling, wave.energy)[0]
        expected = linear(wave, lens)
        found = intensities(wave, [spec])[0].double()
        errors.append(float((found - expected).norm() / (expected - 1).norm()))
    assert errors[0] < 0.5
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.15)
    assert errors[1] / errors[2] == pytest.approx(4, rel=0.15)


def test_focal_averaging_equals_the_envelope_in_the_weak_limit_only() -> None:
    errors = []
    for scale in (0.002, 1.0):
        wave = weak(scale)
        specs = [Imaging(defocus=60.0, focal_spread=20.0, focal_nodes=nodes) for nodes in (30, 1)]
        summed, damped = intensities(wave, specs)
        errors.append(float((summed - damped).norm() / (damped - 1).norm()))
    assert errors[0] < 0.004
    assert errors[1] > 2 * errors[0]


def test_a_weak_object_shows_least_at_zero_and_opposite_contrast_at_opposite_focus() -> None:
    wave = weak(0.002)
    foci = (-80.0, 0.0, 80.0)
    over, zero, under = intensities(wave, [Imaging(defocus=f, focal_spread=0.0) for f in foci]).double()
    assert float(zero.std()) < 0.02 * float(under.std())
    assert float((over + under - 2).norm() / (under - 1).norm()) < 0.02
    # atoms are dark at underfocus
    dark = int(wave.phase.argmax())
    assert float(under.reshape(-1)[dark]) < 1 < float(over.reshape(-1)[dark])


def test_an_asymmetric_lens_on_an_oblong_grid_equals_its_definition() -> None:
    """Every beam by hand: catches swapped axes, doubled radians, mirrored azimuths, wrong powers."""
    shape, sampling = (7, 12), (0.6, 0.35)
    generator = torch.Generator().manual_seed(2)
    wave = SimpleNamespace(
        array=torch.randn(1, *shape, dtype=torch.complex64, generator=generator), sampling=sampling, energy=200e3
    )
    rng = np.random.default_rng(5)
    sizes = {order: 10.0 ** (1.2 * order[0]) * rng.uniform(0.5, 2) for order in ORDERS}
    turns = {order: rng.uniform(-90, 90) for order in ORDERS}
    fields = {f"C{n}{m}": sizes[n, m] for n, m in ORDERS if (n, m) != (1, 0)}
    fields |= {f"phi{n}{m}": turns[n, m] for n, m in ORDERS if m}
    spec = Imaging(defocus=-sizes[1, 0], focal_spread=0.0, aberrations=fields)
    spectrum = np.fft.fft2(wave.array[0].numpy().astype(complex))
    lam = wavelength(200e3)
    for i, ky in enumerate(np.fft.fftfreq(shape[0], sampling[0])):
        for j, kx in enumerate(np.fft.fftfreq(shape[1], sampling[1])):
            alpha, phi = lam * np.hypot(kx, ky), np.arctan2(ky, kx)
            phase = sum(
                alpha ** (n + 1) / (n + 1) * sizes[n, m] * np.cos(m * (phi - np.deg2rad(turns[n, m] if m else 0)))
                for n, m in ORDERS
            )
            spectrum[i, j] *= np.exp(-2j * pi / lam * phase)
    expected = np.abs(np.fft.ifft2(spectrum)) ** 2
    np.testing.assert_allclose(intensities(wave, [spec])[0].numpy(), expected, rtol=1e-3, atol=1e-4)


def test_five_atoms_of_kirkland() -> None:
    """Kirkland, Advanced Computing in Electron Microscopy, figure 5.12: C, Si, Cu, Au, U in a row."""
    x = np.array([5.0, 15.0, 25.0, 35.0, 45.0])
    atoms = Structure(
        positions=np.stack([x, np.full(5, 25.0), np.full(5, 1.0)], axis=1),
        numbers=np.array([6, 14, 29, 79, 92], np.int32),
        cell=np.diag([50.0, 50.0, 2.0]),
        objects=np.zeros(5, np.int32),
        grains=np.zeros(5, np.int32),
        thermal=np.full(5, np.nan),
        names=("atoms",),
        roles=("particle",),
    )
    wave = scatter(
        atoms, energy=200e3, grid=(512, 512), potential_sampling=None, thermal=False, particle_wave=False,
        parametrization="kirkland", slice_thickness=2.0,
    )  # fmt: skip
    spec = Imaging(defocus=700.0, focal_spread=0.0, aperture=10.37, aberrations={"C30": "1.3 mm"})
    seen = intensities(wave, [spec])[0].numpy()
    assert seen.min() == pytest.approx(0.7243, abs=0.004)
    assert seen.max() == pytest.approx(1.0308, abs=0.002)
    columns = np.round(x / 50 * 512).astype(int)
    np.testing.assert_allclose(seen[256, columns], [0.9486, 0.8973, 0.8908, 0.8011, 0.7243], atol=0.004)


def ball(energy: float) -> ExitWave:
    """Gold, 12 Å in radius, turned at random."""
    corners = np.stack(np.meshgrid(*[np.arange(-8, 9)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    places = 2.039 * corners[corners.sum(axis=1) % 2 == 0]
    turn, _ = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))
    places = places[np.linalg.norm(places, axis=1) < 12] @ turn + (24, 24, 13)
    atoms = Structure(
        positions=places,
        numbers=np.full(len(places), 79, np.int32),
        cell=np.diag([48.0, 48.0, 26.0]),
        objects=np.zeros(len(places), np.int32),
        grains=np.zeros(len(places), np.int32),
        thermal=np.full(len(places), np.nan),
        names=("ball",),
        roles=("particle",),
    )
    return scatter(atoms, energy=energy, grid=(192, 192), potential_sampling=None, thermal=False, particle_wave=False)


@pytest.mark.parametrize(
    ("energy", "spec", "most"),
    [
        (300e3, Imaging(defocus=600.0, convergence=0.1, aberrations={"C30": "1.2 mm"}), 0.05),
        (300e3, Imaging(defocus=1500.0, convergence=0.5), 0.08),
        (80e3, Imaging(defocus=600.0, convergence=0.1, aberrations={"C30": "1.2 mm"}, aperture=40.0), 0.04),
    ],
)
def test_convergence_stops_no_electrons(energy: float, spec: Imaging, most: float) -> None:
    """Against the incoherent sum over the directions of the illumination, each of which shifts the aberrations."""
    wave, spec = ball(energy), spec.replace(focal_spread=0.0)
    lam, theta = wavelength(energy), float(spec.convergence) * 1e-3
    spectrum = np.fft.fft2(wave.array[0].numpy())
    y, x = np.meshgrid(*[np.fft.fftfreq(192, 0.25) * lam] * 2, indexing="ij")
    stopped = Imaging(aperture=spec.aperture, focal_spread=0.0)
    spectrum *= transfer_function(Conditions.of([stopped]), (192, 192), (0.25, 0.25), energy)[0].abs().numpy()
    nodes, weights = np.polynomial.hermite.hermgauss(25)
    summed = np.zeros((192, 192))
    for i, j in np.argwhere(np.outer(weights, weights) > 1e-7):
        square = (y + theta * nodes[i]) ** 2 + (x + theta * nodes[j]) ** 2
        phase = 2 * pi / lam * (-float(spec.defocus) * square / 2 + float(spec.aberrations.C30) * square**2 / 4)
        summed += weights[i] * weights[j] / pi * np.abs(np.fft.ifft2(spectrum * np.exp(-1j * phase))) ** 2
    lens = transfer_function(Conditions.of([spec]), (192, 192), (0.25, 0.25), energy)[0].numpy()
    damped = np.abs(np.fft.ifft2(np.fft.fft2(wave.array[0].numpy()) * lens)) ** 2
    found = intensities(wave, [spec])[0].double().numpy()
    assert found.mean() == pytest.approx(summed.mean(), abs=1e-4)
    assert damped.mean() < summed.mean() - 0.002
    wrong, lossy = (float(np.std(image - summed) + abs((image - summed).mean())) for image in (found, damped))
    assert wrong < most * summed.std()
    assert wrong < 0.5 * lossy


def test_beams_on_the_rim_of_an_aperture_pass_in_part_whatever_the_convergence() -> None:
    """A grating whose first beams lie on the rim, in two configurations, alone and in the company of others."""
    phase = 0.6 * torch.cos(2 * pi * torch.arange(400) / 10).expand(400, 400)
    grating = ExitWave(
        torch.polar(torch.ones(2, 400, 400), torch.stack([phase, 1.1 * phase])), (0.2355, 0.2355), 300e3
    )
    rim = wavelength(300e3) / 2.355 * 1e3
    still = Imaging(defocus=300.0, focal_spread=0.0, aperture=rim + 0.02)
    alone = [intensities(grating, [still.replace(convergence=mrad)])[0] for mrad in (0.0, 1e-6, 0.3)]
    assert 0.7 < float(alone[0].mean()) < 0.99
    for image in alone[1:]:
        assert float(image.mean()) == pytest.approx(float(alone[0].mean()), abs=2e-5)
    conditions = Conditions.of([still, still.replace(convergence=0.3)])
    conditions.contrast.requires_grad_(True)  # by another way, as a GPU has it
    for one, other in zip(intensities(grating, conditions).detach(), (alone[0], alone[2]), strict=True):
        assert float((one - other).abs().max()) < 1e-5


@pytest.mark.parametrize("nodes", [5, 25])
def test_a_focal_spread_behind_an_aperture_makes_no_electrons(nodes: int) -> None:
    wave = ball(300e3)
    means = [
        float(intensities(wave, [Imaging(defocus=100.0, aperture=10.0, focal_spread=std, focal_nodes=nodes)]).mean())
        for std in (0.0, 15.0, 50.0)
    ]
    assert means[0] < 0.99
    assert means[1:] == pytest.approx([means[0]] * 2, abs=5e-4)


DEVICES = [
    "cpu",
    pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no GPU")),
]


@pytest.mark.parametrize("device", DEVICES)
def test_images_and_gradients_of_a_device_are_those_of_the_definition(device: str) -> None:
    """By every way to sum on the device: fused without gradients, waves with them, foci with one to the spread."""
    wave = weak(0.6, (48, 64))
    spec = Imaging(defocus=60.0, focal_spread=12.0, aberrations="team", convergence=0.3, contrast=0.9, aperture=30.0)
    rows = torch.zeros(48, 64)
    foci, weights = focal_grid(12.0)
    for focus, weight in zip(foci, weights, strict=True):
        shifted = spec.replace(defocus=60.0 + 12.0 * float(focus), focal_spread=0.0, convergence=0.0)
        rows += float(weight) * intensities(wave, [shifted])[0]
    still = spec.replace(convergence=0.0)
    wave.array = wave.array.to(device)
    found = [intensities(wave, [still])[0]]
    for name in ("coefficients", "focal_spread", "contrast"):
        conditions = Conditions.of([still], device)
        getattr(conditions, name).requires_grad_(True)
        found.append(intensities(wave, conditions)[0])
        found[-1].square().sum().backward()
        gradient = getattr(conditions, name).grad
        assert gradient.device.type == device
        assert bool(torch.isfinite(torch.view_as_real(gradient) if gradient.is_complex() else gradient).all())
        assert bool((gradient != 0).any())
    for one in found:
        assert one.device.type == device
        assert one.dtype == torch.float32
        assert float((one.detach().cpu() - rows).std()) < 0.01 * float(rows.std())


@pytest.mark.parametrize("device", DEVICES)
def test_cameras_expose_on_a_device(device: str) -> None:
    camera = Detector(c1=1.0, c2=0.1, gain=10.0, read_noise=3.0, offset=50.0, flat_field=0.01, xrays=1e-3,
                      hot_pixels=1e-3, dead_pixels=1e-3)  # fmt: skip
    spec = Imaging(dose=400.0, detector=camera, median=3)
    flat = torch.ones(2, 256, 256, device=device)
    first, again = (expose(flat, [spec] * 2, [Stream(1) / "a", Stream(1) / "b"], 0.04) for _ in range(2))
    assert first.device.type == device
    assert torch.equal(first, again)
    assert not torch.equal(first[0], first[1])
    assert float(first.mean()) == pytest.approx(210.0, rel=0.01)
    curve = torch.tensor([0.97, 0.08, 0.5, 2.3], device=device, requires_grad=True)
    (spread(first[0], *curve) ** 2).mean().backward()
    assert curve.grad is not None
    assert curve.grad.dtype == torch.float32
    assert bool((curve.grad != 0).all())
    assert bool(torch.isfinite(curve.grad).all())


@pytest.mark.parametrize("name", ["defocus", "C12", "C30", "focal_spread", "convergence", "contrast"])
def test_gradients_are_those_of_finite_differences(name: str) -> None:
    wave = weak(0.4, (24, 32))
    spec = Imaging(
        defocus=70.0, focal_spread=12.0, focal_nodes=40, convergence=0.5, contrast=0.8,
        aberrations={"C12": 30.0, "phi12": 20.0, "C30": 2e5},
    )  # fmt: skip
    target = torch.rand(24, 32, generator=torch.Generator().manual_seed(1))
    base = Conditions.of([spec])
    steps = {"defocus": 0.5, "C12": 0.5, "C30": 3e3, "focal_spread": 0.2, "convergence": 0.02, "contrast": 0.01}

    def loss(change: torch.Tensor) -> torch.Tensor:
        if name in ("focal_spread", "convergence", "contrast"):
            conditions = replace(base, **{name: getattr(base, name) + change})
        else:
            direction = torch.zeros(1, len(ORDERS), dtype=torch.complex128)
            order = {"defocus": (1, 0), "C12": (1, 2), "C30": (3, 0)}[name]
            direction[0, ORDERS.index(order)] = -1 if name == "defocus" else 1
            conditions = replace(base, coefficients=base.coefficients + direction * change)
        return ((intensities(wave, conditions)[0] - target) ** 2).sum().double()

    change = torch.zeros((), dtype=torch.float64, requires_grad=True)
    loss(change).backward()
    step = steps[name]
    ahead, behind = (loss(torch.tensor(sign * step, requires_grad=True)).detach() for sign in (1, -1))
    numeric = float(ahead - behind) / (2 * step)
    assert change.grad is not None
    assert float(change.grad) == pytest.approx(numeric, rel=0.02)


def test_the_camera_passes_gradients() -> None:
    image = torch.rand(8, 8, dtype=torch.float64, requires_grad=True)
    c = [torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (0.97, 0.08, 0.5, 2.3)]
    weights = torch.rand(8, 8, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda *given: (spread(*given) * weights).sum(), (image, *c))


@pytest.mark.parametrize("shape", [(96, 128), (45, 34)])  # the compiled transforms take the first, not the second
@pytest.mark.parametrize(
    "fields",
    [{"convergence": 0.2}, {"aperture": 12.0, "convergence": 0.4, "drift": 1.0}, {"focal_nodes": 1, "contrast": 0.7}],
)
def test_with_and_without_gradients_images_are_the_same(shape: tuple[int, int], fields: dict[str, float]) -> None:
    wave = weak(0.8, shape)
    wave.array = torch.cat([wave.array, wave.array.flip(1) ** 1.2])
    specs = [Imaging(defocus=d, focal_spread=30.0, aberrations="team", **fields) for d in (-400.0, 70.0)]
    plain = intensities(wave, specs)
    conditions = Conditions.of(specs)
    conditions.coefficients.requires_grad_(True)
    torch.testing.assert_close(intensities(wave, conditions).detach(), plain, rtol=2e-4, atol=2e-5)


def test_the_lens_is_the_same_array_in_every_order() -> None:
    """What the compiled sum multiplies beams with, in the order of its transforms, is the transfer function."""
    conditions = Conditions.of([Imaging(defocus=80.0, aberrations="team", convergence=0.3, aperture=25.0)])
    rows, columns = angles((24, 40), (0.2, 0.25), 300e3)
    natural = transfer_function(conditions, (24, 40), (0.2, 0.25), 300e3)[0]
    y, x = torch.randperm(24), torch.randperm(40)
    edge = max(float(rows[1]), float(columns[1]))
    planes = lens_planes(conditions, 0, rows[y].numpy(), columns[x].numpy(), edge, 300e3)
    assert np.array_equal(planes[0] + 1j * planes[1], natural[y][:, x].numpy())
    conditions.coefficients.requires_grad_(True)
    by_torch = transfer_function(conditions, (24, 40), (0.2, 0.25), 300e3)[0].detach()
    torch.testing.assert_close(by_torch, natural, rtol=0, atol=5e-6)
