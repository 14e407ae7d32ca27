"""Published and exact properties of multislice: scattering factors, lattices, whole chains."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from exitwave.scattering import scatter, wavelength

GOLD = 4.0782
FCC = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])


def atoms(positions, numbers, cell):
    n = len(positions)
    return SimpleNamespace(
        positions=np.array(positions, float).reshape(n, 3),
        numbers=np.array(numbers, np.int32),
        cell=np.diag(cell).astype(float),
        objects=np.zeros(n, np.int32),
        thermal=np.full(n, np.nan),
        roles=("other",),
    )


def gold(nx, ny, nz):
    cells = np.stack(np.meshgrid(range(nx), range(ny), range(nz), indexing="ij"), -1).reshape(-1, 1, 3)
    positions = (cells + FCC + [0, 0, 0.25]).reshape(-1, 3) * GOLD
    return atoms(positions, [79] * len(positions), (nx * GOLD, ny * GOLD, nz * GOLD))


def static(structure, **fields):
    fields = {"thermal": False, "particle_wave": False, "potential_sampling": None} | fields
    return scatter(structure, **fields)


def image(wave, cs, underfocus, aperture):
    lam, k = wavelength(wave.energy), wave.grid.wavenumbers()
    chi = np.pi * lam * k**2 * (0.5 * cs * lam**2 * k**2 - underfocus)
    spectrum = np.fft.fft2(wave.array[0].numpy()) * np.exp(-1j * chi) * (lam * k < aperture)
    return np.abs(np.fft.ifft2(spectrum)) ** 2


def test_kirkland_figure_5_12():
    """Five atoms at 200 kV, Cs 1.3 mm, 700 Å underfocus, aperture 10.37 mrad; the book gives 0.72 and 1.03."""
    xs = (5, 15, 25, 35, 45)
    row = atoms([[x, 25, 0.5] for x in xs], [6, 14, 29, 79, 92], (50, 50, 1.0))
    wave = static(row, energy=200e3, grid=(512, 512), parametrization="kirkland")
    intensity = image(wave, 1.3e7, 700.0, 10.37e-3)
    assert intensity.min() == pytest.approx(0.7243, abs=1e-4)
    assert intensity.max() == pytest.approx(1.0308, abs=2e-4)
    assert intensity.mean() == pytest.approx(0.99989, abs=1e-5)
    at_atoms = [intensity[256, round(x / 50 * 512)] for x in xs]
    np.testing.assert_allclose(at_atoms, [0.9486, 0.8973, 0.8908, 0.8011, 0.7243], atol=1e-4)


@pytest.mark.parametrize("shape", [(64, 64), (60, 50), (53, 61)])
def test_shifts_rotations_and_mirrors_of_atoms_move_the_wave(shape):
    ny, nx = shape
    rng = np.random.default_rng(1)
    places = np.column_stack([rng.random((12, 2)) * [nx, ny], rng.random(12) * 10 + 1])
    numbers = rng.choice([6, 79], 12)

    def wave(points, size):
        points = points * [0.25, 0.25, 1]
        cell = (size[1] * 0.25, size[0] * 0.25, 12.0)
        return static(atoms(points, numbers, cell), grid=size).array[0].numpy()

    base = wave(places, shape)
    moved = places + np.array([5, 3, 0])
    moved[:, 0] %= nx
    moved[:, 1] %= ny
    np.testing.assert_allclose(wave(moved, shape), np.roll(base, (3, 5), (0, 1)), atol=3e-5)
    mirrored = places * [-1, 1, 1]
    mirrored[:, 0] %= nx
    np.testing.assert_allclose(wave(mirrored, shape), np.roll(base[:, ::-1], 1, 1), atol=3e-5)
    turned = places[:, [1, 0, 2]]
    np.testing.assert_allclose(wave(turned, (nx, ny)), base.T, atol=3e-5)


def test_order_of_atoms_and_tiling_do_not_matter():
    base = static(gold(1, 1, 3), grid=(32, 32)).array[0].numpy()
    tiled = static(gold(2, 3, 3), grid=(96, 64)).array[0].numpy()
    np.testing.assert_allclose(tiled, np.tile(base, (3, 2)), atol=2e-5)
    structure = gold(1, 1, 3)
    structure.positions = structure.positions[::-1].copy()
    np.testing.assert_allclose(static(structure, grid=(32, 32)).array[0].numpy(), base, atol=2e-6)


def test_forbidden_reflections_of_gold():
    wave = static(gold(1, 1, 4), grid=(64, 64), slice_thickness=GOLD / 2).array[0].numpy()
    intensity = np.abs(np.fft.fft2(wave) / wave.size) ** 2
    assert intensity[0, 1] < 1e-12
    assert intensity[1, 1] < 2e-6  # through the first-order Laue zone only
    assert intensity[0, 2] > 0.01


def test_band_limit_loss_falls_with_sampling():
    losses = []
    for pixels in (32, 64, 128):
        wave = static(gold(1, 1, 10), grid=(pixels, pixels), slice_thickness=GOLD / 2)
        losses.append(1 - float(wave.intensity.mean()))
    assert losses[0] > 2 * losses[1] > 4 * losses[2] > 0
    assert losses[2] < 0.02


def test_vacuum_before_and_behind_is_free_propagation():
    low = atoms([[4, 4, 3]], [79], (8, 8, 6))
    tall = atoms([[4, 4, 43]], [79], (8, 8, 106))
    near, far = static(low, grid=(64, 64)), static(tall, grid=(64, 64))
    torch.testing.assert_close(far.array, near.propagate(60.0).array, atol=3e-6, rtol=0)


def test_the_size_of_the_transform_trap():
    """At 2048 × 2048 some FFT libraries scale the inverse transform twice; the mean wave tells."""
    single = atoms([[2.0, 2.0, 1.0]], [6], (4.0, 4.0, 4.0))
    wave = static(single, grid=(2048, 2048), slice_thickness=2.0)
    small = static(single, grid=(64, 64), slice_thickness=2.0)
    assert float(wave.intensity.mean()) == pytest.approx(float(small.intensity.mean()), abs=1e-3)


def test_heavier_and_thicker_scatter_more():
    phases = [float(static(atoms([[4, 4, 1]], [z], (8, 8, 2)), grid=(80, 80)).phase.max()) for z in (6, 29, 79)]
    assert phases == sorted(phases)
    assert phases[0] > 0.05


def test_mean_phase_is_that_of_the_mean_inner_potential():
    """Gold off any zone axis (amorphous): phase 0.01945 rad/Å at 300 kV, here 0.0599 atoms/Å³."""
    rng = np.random.default_rng(0)
    cell = (20.4, 20.4, 12.0)
    count = round(0.05897 * np.prod(cell))
    wave = static(atoms(rng.random((count, 3)) * cell, [79] * count, cell), grid=(204, 204))
    mean = np.angle(np.exp(1j * wave.phase.numpy()).mean())
    assert mean == pytest.approx(0.01945 * 12, rel=0.12)


def test_mean_of_phonon_waves_is_the_damped_wave():
    """Kinematically the mean coherent wave loses exp(−2π²u²k²) at every frequency."""
    amplitude = 0.15
    structure = atoms([[4.0, 4.0, 2.0]], [6], (8.0, 8.0, 4.0))
    still = static(structure, grid=(64, 64))
    structure.thermal = np.array([amplitude])
    count = 400
    moved = scatter(
        structure, seed=3, configurations=count, particle_wave=False, grid=(64, 64), potential_sampling=None
    )
    k = still.grid.wavenumbers()
    flat = np.fft.fft2(still.array[0].numpy() - 1)
    mean = np.fft.fft2(moved.array.mean(0).numpy() - 1)
    for ring in (0.4, 0.8, 1.2):
        chosen = np.abs(k - ring) < 0.07
        ratio = (mean[chosen] * flat[chosen].conj()).sum().real / (np.abs(flat[chosen]) ** 2).sum()
        assert ratio == pytest.approx(np.exp(-2 * np.pi**2 * amplitude**2 * ring**2), abs=0.04)
    # vibration redistributes intensity but loses none
    assert float(moved.intensity.mean()) == pytest.approx(float(still.intensity.mean()), abs=1e-3)


def test_beam_tilt_shears_the_projection():
    """Through thin vacuum a tilted beam shifts the shadow of an atom by θ·z against the carrier."""
    high = atoms([[8.0, 8.0, 1.0]], [79], (16.0, 16.0, 101.0))
    straight = static(high, grid=(128, 128))
    tilted = static(high, grid=(128, 128), tilt_x=10.0)
    moved = np.roll(straight.array[0].numpy(), 8, axis=1)  # 100 Å · 10 mrad = 1 Å = 8 px
    np.testing.assert_allclose(tilted.array[0].numpy(), moved, atol=2e-5)


def test_absorption_takes_intensity_in_proportion_to_potential():
    structure = gold(1, 1, 2)
    plain = static(structure, grid=(64, 64))
    weak = static(structure, grid=(64, 64), absorption=0.02)
    strong = static(structure, grid=(64, 64), absorption=0.04)
    first, second = (float((plain.intensity - w.intensity).mean()) for w in (weak, strong))
    # exp(−2 α σ V₀ t): 2 · 0.02 · 0.01945 · 8.16 = 0.0063
    assert first == pytest.approx(0.0063, rel=0.1)
    assert second == pytest.approx(2 * first, rel=0.02)
