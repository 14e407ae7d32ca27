"""The engines against each other and against the exact oracle, and exact solutions."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.linalg import expm

from exitwave.core import ScatteringError
from exitwave.scattering import Grid, parametrization, scatter
from exitwave.scattering.batched import BatchedMultislice, ExactMultislice
from exitwave.scattering.electron import SCATTERING_CONSTANT, interaction_parameter, wavelength
from exitwave.scattering.multislice import Beam, Multislice
from exitwave.scattering.potential import BETA, kernel_transform, phase_filter

CPU = torch.device("cpu")
RNG = np.random.default_rng(0)


def atoms(count=60, cell=(9.0, 7.5, 11.0)):
    rng = np.random.default_rng(count)
    return SimpleNamespace(
        positions=rng.random((count, 3)) * cell,
        numbers=rng.choice([6, 14, 79], count).astype(np.int32),
        cell=np.diag(cell),
        objects=np.zeros(count, np.int32),
        thermal=np.full(count, np.nan),
        roles=("particle",),
    )


@pytest.mark.parametrize("shape", [(64, 80), (67, 83), (75, 64)])
@pytest.mark.parametrize("absorption", [0.0, 0.05])
def test_single_precision_on_the_cpu_agrees_with_double(shape, absorption):
    fields = {"seed": 1, "configurations": 2, "grid": shape, "potential_sampling": None, "absorption": absorption}
    single = scatter(atoms(), **fields)
    double = scatter(atoms(), precision="double", **fields)
    assert double.array.dtype == torch.complex128
    torch.testing.assert_close(single.array, double.array.to(torch.complex64), atol=3e-5, rtol=0)


def test_batches_equal_single_configurations():
    structure = atoms()
    moved = structure.positions + RNG.normal(0, 0.1, (3, *structure.positions.shape))
    grid = Grid((60, 72), (7.5, 9.0))
    for dtype, tolerance in ((torch.float32, 5e-6), (torch.float64, 1e-13)):
        engine = BatchedMultislice(grid, grid, "lobato", Beam(300e3), 2.0, 11.0, CPU, dtype, 3)
        together = engine.run(moved, structure.numbers)
        apart = torch.cat([engine.run(one[None], structure.numbers) for one in moved])
        torch.testing.assert_close(together, apart, atol=tolerance, rtol=0)
    reference = Multislice(grid, grid, [6, 14, 79], "lobato", Beam(300e3), 2.0, 11.0).run(moved, structure.numbers)
    single = BatchedMultislice(grid, grid, "lobato", Beam(300e3), 2.0, 11.0, CPU, torch.float32, 3)
    torch.testing.assert_close(single.run(moved, structure.numbers), reference, atol=3e-5, rtol=0)


def test_the_order_of_atoms_changes_no_bit_of_the_torch_engine():
    structure = atoms(200, (8.0, 8.0, 6.0))
    grid = Grid((64, 64), (8.0, 8.0))
    engine = BatchedMultislice(grid, grid, "lobato", Beam(300e3), 2.0, 6.0, CPU)
    order = RNG.permutation(200)
    one = engine.run(structure.positions[None], structure.numbers)
    other = engine.run(structure.positions[None, order], structure.numbers[order])
    assert torch.equal(one, other)


def test_spread_potentials_are_the_exact_ones_within_the_band():
    """Within two thirds of Nyquist the spread structure factors are right to 1e-3 of an atom's scattering."""
    grid = Grid((60, 72), (6.0, 7.2))
    place = np.array([[3.3137, 2.7718, 1.0]])
    engine = BatchedMultislice(grid, grid, "lobato", Beam(300e3), 2.0, 2.0, CPU, torch.float64)
    oracle = ExactMultislice(grid, grid, "lobato", Beam(300e3), 2.0, 2.0, CPU, torch.float64)
    fast, exact = (
        torch.fft.fft2(e.run(place[None], np.array([79], np.int32)) - 1) / grid.pixels for e in (engine, oracle)
    )
    inside = torch.as_tensor(grid.wavenumbers() < 0.6 * 5.0)
    assert float((fast - exact)[0, inside].abs().max() / exact[0, inside].abs().max()) < 4e-3


def test_kernel_transform():
    x = np.linspace(-3, 3, 60001)
    kernel = np.exp(BETA * (np.sqrt(1 - (x / 3) ** 2) - 1))
    for nu in (0.0, 0.2, 0.5):
        numeric = np.trapezoid(kernel * np.cos(2 * np.pi * nu * x), x)
        assert kernel_transform(np.array([nu]))[0] == pytest.approx(numeric, rel=1e-5)


def test_a_projected_atom_has_the_closed_form_potential():
    """Far enough from the core, the phase of one exact plane is σ times the projected potential of one atom."""
    grid = Grid((512, 512), (25.6, 25.6))
    sigma = interaction_parameter(300e3)
    centre = np.array([12.8, 12.8])
    ky, kx = grid.frequencies()
    factor = np.exp(-2j * np.pi * (ky[:, None] * centre[0] + kx[None, :] * centre[1]))
    phase = np.fft.ifft2(phase_filter(grid, 79, "kirkland", sigma, spread=False) * factor, norm="forward").real
    for pixels in (10, 20):
        expected = sigma * parametrization("kirkland").projected_potential(79, pixels * 0.05)
        assert phase[256, 256 + pixels] == pytest.approx(float(expected), rel=3e-2)


def test_gradients_agree_with_finite_differences():
    grid = Grid((24, 20), (4.8, 4.0))
    engine = ExactMultislice(grid, grid, "lobato", Beam(200e3), 1.0, 4.0, CPU, torch.float64)
    numbers = np.array([6, 14], np.int32)
    target = torch.randn(24, 20, dtype=torch.float64, generator=torch.Generator().manual_seed(0))

    def loss(positions):
        wave = engine.run(positions[None], numbers)[0]
        return ((wave.real**2 + wave.imag**2) * target).sum()

    positions = torch.tensor([[1.3, 2.1, 1.35], [2.9, 3.3, 2.15]], dtype=torch.float64, requires_grad=True)
    loss(positions).backward()
    assert positions.grad is not None
    step = 1e-5
    with torch.no_grad():
        for atom in range(2):
            for axis in range(3):
                shift = torch.zeros(2, 3, dtype=torch.float64)
                shift[atom, axis] = step
                numeric = (loss(positions + shift) - loss(positions - shift)) / (2 * step)
                assert float(positions.grad[atom, axis]) == pytest.approx(float(numeric), rel=2e-6, abs=1e-7)


def test_order_of_convergence_in_the_slice_thickness():
    """Against the matrix exponential of z-averaged gold [001]: planes in mid-slice are of second order."""
    cell, thickness, energy = 4.0782, 40.782, 300e3
    n = 16
    grid = Grid((n, n), (cell, cell))
    ky, kx = grid.frequencies()
    wavenumber2 = (ky[:, None] ** 2 + kx[None, :] ** 2).ravel()
    sites = np.array([[0, 0], [0, 0.5], [0.5, 0], [0.5, 0.5]]) * cell
    phases = np.exp(-2j * np.pi * (np.outer(ky, sites[:, 0])[:, None] + np.outer(kx, sites[:, 1])[None, :])).sum(-1)
    factor = parametrization("kirkland").scattering_factor(79, np.sqrt(wavenumber2)).reshape(n, n)
    potential = np.fft.ifft2(SCATTERING_CONSTANT * factor * phases / cell**3, norm="forward").real
    dft = np.fft.fft(np.eye(n)) / np.sqrt(n)
    transform = np.kron(dft, dft)
    kinetic = transform.conj().T @ np.diag(-1j * np.pi * wavelength(energy) * wavenumber2) @ transform
    hamiltonian = kinetic + np.diag(1j * interaction_parameter(energy) * potential.ravel())
    exact = (expm(hamiltonian * thickness) @ np.ones(n * n)).reshape(n, n)

    plain, symmetric = [], []
    for slices in (10, 20, 40, 80):
        dz = thickness / slices
        half = np.exp(-1j * np.pi * wavelength(energy) * wavenumber2.reshape(n, n) * dz / 2)
        transmission = np.exp(1j * interaction_parameter(energy) * potential * dz)
        front = middle = np.ones((n, n), complex)
        for _ in range(slices):
            front = np.fft.ifft2(np.fft.fft2(front * transmission) * half**2)
            middle = np.fft.ifft2(np.fft.fft2(np.fft.ifft2(np.fft.fft2(middle) * half) * transmission) * half)
        assert abs((np.abs(middle) ** 2).mean() - 1) < 1e-13
        plain.append(np.abs(front - exact).max())
        symmetric.append(np.abs(middle - exact).max())
    np.testing.assert_allclose(plain, [0.401, 0.190, 0.094, 0.047], rtol=0.01)
    np.testing.assert_allclose(np.divide(symmetric[:-1], symmetric[1:]), 4.0, rtol=0.03)
    assert symmetric[0] < plain[0] / 2


def test_thick_planes_are_good_to_some_percent():
    structure = atoms(40, (8.0, 8.0, 16.0))
    fields = {"thermal": False, "particle_wave": False, "grid": (80, 80), "potential_sampling": None}

    def wave(thickness):
        return scatter(structure, slice_thickness=thickness, precision="double", **fields).array

    fine = wave(0.25)
    for thickness in (2.0, 1.0):
        assert float((wave(thickness) - fine).norm() / (fine - 1).norm()) < 0.03


def test_back_propagation_returns_the_plane_wave():
    """Conjugate, send back through the reversed potential, conjugate: a lossless medium gives 1 again."""
    grid = Grid((32, 32), (6.0, 6.0))
    rng = np.random.default_rng(2)
    phases = rng.normal(size=(12, 32, 32)) * 0.2
    along_y, along_x = Beam(300e3).propagator(grid, 2.0)
    propagator = along_y[:, None] * along_x[None, :]

    def passes(wave, order):
        for index in order:
            wave = np.fft.ifft2(np.fft.fft2(wave * np.exp(1j * phases[index])) * propagator)
        return wave

    def reversed_passes(wave, order):
        for index in order:
            wave = np.fft.ifft2(np.fft.fft2(wave) * propagator) * np.exp(1j * phases[index])
        return wave

    out = passes(np.ones((32, 32), complex), range(12))
    back = reversed_passes(out.conj(), reversed(range(12))).conj()
    np.testing.assert_allclose(back, 1.0, atol=1e-12)


def test_devices_that_are_not_there_are_refused():
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    for device in ("cuda", "cuda:7", "gpu"):
        with pytest.raises(ScatteringError, match=rf"device is {device}; here there is cpu\.$"):
            scatter(atoms(), thermal=False, device=device)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_gpu_agrees_with_the_cpu_and_repeats():
    fields = {"seed": 1, "configurations": 5, "sampling": 0.2}
    first, again = (scatter(atoms(), device="cuda", **fields) for _ in range(2))
    assert torch.equal(first.array, again.array)
    torch.testing.assert_close(first.array.cpu(), scatter(atoms(), **fields).array, atol=3e-5, rtol=0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_nothing_waits_for_the_gpu_between_planes():
    structure = atoms()
    grid = Grid((60, 72), (7.5, 9.0))
    beam = Beam(300e3, lossy=True)
    engine = BatchedMultislice(grid, grid, "lobato", beam, 2.0, 11.0, torch.device("cuda"), torch.float32, 3)
    taken = engine.take(np.stack([structure.positions] * 3), structure.numbers)
    engine.enter(taken)
    torch.cuda.set_sync_debug_mode("error")
    try:
        engine.advance(engine.planes(taken))
    finally:
        torch.cuda.set_sync_debug_mode("default")
