"""Dynamical scattering against theory: extinction, reciprocity, Friedel's law, thickness, the weak phase."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk

from exitwave.scattering import Grid, interaction_parameter, parametrization, scatter, thickness_series, wavelength
from exitwave.scattering.batched import BatchedMultislice
from exitwave.scattering.electron import lorentz_factor
from exitwave.scattering.multislice import Beam, Multislice
from exitwave.scattering.potential import phase_filter
from exitwave.scattering.slicing import slice_atoms

STILL = {"thermal": False, "particle_wave": False, "potential_sampling": None}


def structure_factor(number, lattice, basis, hkl):
    d = lattice / np.linalg.norm(hkl)
    phases = np.exp(-2j * np.pi * np.asarray(basis) @ np.asarray(hkl))
    return float(abs(phases.sum()) * parametrization("kirkland").scattering_factor(number, 1 / d))


FCC = [[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]
DIAMOND = FCC + [[x + 0.25, y + 0.25, z + 0.25] for x, y, z in FCC]


@pytest.mark.parametrize(
    ("number", "lattice", "basis", "hkl", "nanometres"),
    [
        (79, 4.0782, FCC, (1, 1, 1), (17.8, 25.3)),
        (79, 4.0782, FCC, (2, 0, 0), (19.7, 27.9)),
        (79, 4.0782, FCC, (2, 2, 0), (26.4, 37.3)),
        (29, 3.6149, FCC, (1, 1, 1), (29.0, 41.1)),
        (29, 3.6149, FCC, (2, 0, 0), (32.3, 45.8)),
        (14, 5.431, DIAMOND, (1, 1, 1), (61.6, 87.3)),
        (14, 5.431, DIAMOND, (2, 2, 0), (76.3, 108.1)),
        (14, 5.431, DIAMOND, (4, 0, 0), (124.0, 175.7)),
    ],
)
def test_extinction_distances(number, lattice, basis, hkl, nanometres):
    factor = structure_factor(number, lattice, basis, hkl)
    for energy, expected in zip((100e3, 300e3), nanometres, strict=True):
        distance = np.pi * lattice**3 / (wavelength(energy) * lorentz_factor(energy) * factor)
        assert distance / 10 == pytest.approx(expected, rel=3e-3)


@pytest.mark.parametrize(
    ("hkl", "factor"),
    [((1, 1, 1), 27.00), ((2, 0, 0), 24.48), ((2, 2, 0), 18.27), ((3, 1, 1), 15.54), ((4, 0, 0), 12.57)],
)
def test_structure_factors_of_gold(hkl, factor):
    assert structure_factor(79, 4.0782, FCC, hkl) == pytest.approx(factor, abs=6e-3)
    assert structure_factor(79, 4.0782, FCC, (hkl[0] + 1, hkl[1], hkl[2])) == pytest.approx(0, abs=1e-9) or all(
        (h - hkl[1]) % 2 == 0 for h in (hkl[0] + 1, hkl[2])
    )


def test_two_beams_swing_with_the_extinction_distance():
    """Silicon at the Bragg angle of 220, turned away from the zone axis: a full beam at half of 108 nm."""
    edge = 5.431 / np.sqrt(2)
    layer = [[0, 0, 0.125], [0.5, 0, 0.375], [0.5, 0.5, 0.625], [0, 0.5, 0.875]]
    cell = Atoms("Si4", scaled_positions=layer, cell=[edge, edge, 5.431])
    crystal = cell.repeat((1, 1, 120))
    bragg = wavelength(300e3) / edge * 1e3  # mrad: half of λ/d with d = edge/2
    fields = {"grid": (32, 32), "slice_thickness": 5.431 / 4, "parametrization": "kirkland"}
    series = thickness_series(crystal, 5.431 * 10, tilt_x=-bragg, tilt_y=70.0, **(STILL | fields))
    depths = np.array([wave.record["depth"] for wave in series])
    spectra = np.stack([np.abs(np.fft.fft2(wave.array[0].numpy()) / 1024) ** 2 for wave in series])
    straight, reflected = spectra[:, 0, 0], spectra[:, 0, 2]
    assert reflected.max() > 0.85
    assert (straight + reflected).min() > 0.8
    assert depths[reflected.argmax()] == pytest.approx(1081 / 2, rel=0.12)


def beam_of(grid, ky, kx):
    y, x = np.arange(grid.shape[0]) / grid.shape[0], np.arange(grid.shape[1]) / grid.shape[1]
    return torch.as_tensor(np.exp(2j * np.pi * (ky * y[:, None] + kx * x[None, :])))[None]


@pytest.mark.parametrize("lossy", [False, True])
def test_reciprocity(lossy):
    """From beam h to beam g through a specimen is as from −g to −h through it turned around."""
    rng = np.random.default_rng(3)
    grid, height = Grid((40, 48), (5.0, 6.0)), 12.0
    places = np.column_stack([rng.random(30) * 6, rng.random(30) * 5, rng.random(30) * 8 + 2])
    numbers = rng.choice([6, 79], 30).astype(np.int32)
    turned = places * [1, 1, -1] + [0, 0, height]
    engine = BatchedMultislice(
        grid, grid, "lobato", Beam(200e3, lossy=lossy), 1.0, height, torch.device("cpu"), torch.float64
    )

    def amplitude(positions, entering, leaving):
        atoms = engine.take(positions[None], numbers)
        planes = engine.planes(atoms)
        # from the first plane to the last, which are each other's images
        wave = engine.finish(atoms, planes[0], beam_of(grid, *entering), engine.depth(planes[-1]))
        return complex(torch.fft.fft2(wave[0])[leaving] / grid.pixels)

    for h, g in (((0, 0), (3, -4)), ((2, 1), (-5, 2))):
        there = amplitude(places, h, g)
        back = amplitude(turned, (-g[0], -g[1]), (-h[0], -h[1]))
        assert abs(there) > 1e-3
        assert abs(there - back) < 1e-10


def reflections(crystal, thickness, pairs, **fields):
    wave = scatter(crystal.repeat((1, 1, thickness)), **(STILL | fields)).array[0].numpy()
    intensity = np.abs(np.fft.fft2(wave) / wave.size) ** 2
    return [(intensity[ky, kx], intensity[-ky, -kx]) for ky, kx in pairs]


def test_friedels_law_holds_where_it_should_and_breaks_where_it_should():
    """g and −g are alike with a centre in projection and for thin crystals, unlike in thick wurtzite [11-20]."""
    gold = bulk("Au", cubic=True)
    gold.positions += 0.3
    for plus, minus in reflections(gold, 15, [(0, 2), (2, 2), (2, 4)], grid=(48, 48)):
        assert plus == pytest.approx(minus, rel=0.05)  # upper Laue zones see the third dimension
        assert plus > 1e-4
    # CdSe along [11-20]: y along the polar c axis
    a, c, u = 4.2985, 7.0152, 0.375
    wide = a * np.sqrt(3)
    sites = [(48, 0, 0, 0), (34, 0, u, 0), (48, 1 / 3, 0.5, 0.5), (34, 1 / 3, 0.5 + u, 0.5)]
    sites += [(z, (x + 0.5) % 1, y, (w + 0.5) % 1) for z, x, y, w in sites]
    places = [[x, y, (w + 0.125) % 1] for _, x, y, w in sites]
    polar = Atoms([z for z, *_ in sites], scaled_positions=places, cell=[wide, c, a])
    fields = {"grid": (64, 64), "slice_thickness": a / 2}
    thin = reflections(polar, 1, [(2, 0), (1, 2)], **fields)
    thick = reflections(polar, 25, [(2, 0), (1, 2)], **fields)
    lopsided = [max(abs(plus - minus) / (plus + minus) for plus, minus in pairs) for pairs in (thin, thick)]
    assert lopsided[0] < 0.15  # one cell is nearly kinematic
    assert lopsided[1] > 2 * lopsided[0]


@pytest.mark.parametrize("engine", [BatchedMultislice, Multislice])
def test_twice_the_thickness_is_two_passes(engine):
    rng = np.random.default_rng(1)
    grid, height = Grid((48, 60), (6.0, 7.5)), 8.0
    places = np.column_stack([rng.random(20) * 7.5, rng.random(20) * 6, rng.random(20) * 4 + 2])
    numbers = rng.choice([6, 79], 20).astype(np.int32)
    if engine is Multislice:
        one, two = (Multislice(grid, grid, [6, 79], "lobato", Beam(300e3), 1.0, h) for h in (height, 2 * height))
        tolerance = 1e-5
    else:
        place = torch.device("cpu")
        one, two = (
            BatchedMultislice(grid, grid, "lobato", Beam(300e3), 1.0, h, place, torch.float64)
            for h in (height, 2 * height)
        )
        tolerance = 1e-12
    first = one.run(places[None], numbers)
    atoms = one.take(places[None], numbers)
    # the first exit wave, taken back to the middle of the first plane
    half = Beam(300e3).propagator(grid, one.depth(0))
    forth = torch.as_tensor(half[0][:, None] * half[1][None, :]).to(first.dtype)
    entering = torch.fft.ifft2(torch.fft.fft2(first) * forth)
    again = one.finish(atoms, 0, entering)
    both = np.vstack([places, places + np.array([0, 0, height])])
    doubled = two.run(both[None], np.concatenate([numbers, numbers]))
    torch.testing.assert_close(again, doubled, atol=tolerance, rtol=0)


def test_single_precision_is_good_to_1e_4_in_thick_gold():
    gold = bulk("Au", cubic=True).repeat((2, 2, 12))
    fields = {"sampling": 0.1, "thermal": False, "particle_wave": False, "beyond_band": "absorbed"}
    single, double = scatter(gold, **fields).array, scatter(gold, precision="double", **fields).array
    assert float((single - double).abs().max()) < 1e-4


def test_the_weak_phase_limit_is_linear():
    """One carbon atom, 300 kV, 100 Å underfocus: the error of 1 + 2 F⁻¹[φ sin χ] falls as the potential."""
    grid = Grid((256, 256), (20.0, 20.0))
    k = grid.wavenumbers()
    aperture = k < 1.5
    chi = -np.pi * wavelength(300e3) * 100.0 * k**2
    phase = np.fft.ifft2(
        phase_filter(grid, 6, "lobato", interaction_parameter(300e3), spread=False), norm="forward"
    ).real
    errors = []
    for scale in (1.0, 0.1, 0.01):
        wave = np.fft.fft2(np.exp(1j * scale * phase)) * aperture * np.exp(-1j * chi)
        image = np.abs(np.fft.ifft2(wave)) ** 2
        linear = 1 + 2 * np.fft.ifft2(np.fft.fft2(scale * phase) * aperture * np.sin(chi)).real
        errors.append(np.abs(image - linear).max() / np.abs(linear - 1).max())
    np.testing.assert_allclose(errors, [2.88e-2, 2.88e-3, 2.88e-4], rtol=0.05)


def test_potentials_add_over_atoms():
    rng = np.random.default_rng(5)
    grid = Grid((60, 48), (6.0, 4.8))
    places, numbers = rng.random((8, 3)) * [4.8, 6.0, 4.0], rng.choice([6, 79], 8).astype(np.int32)
    engine = BatchedMultislice(grid, grid, "lobato", Beam(300e3), 2.0, 4.0, torch.device("cpu"), torch.float64)

    def phase(chosen):
        engine.enter(engine.take_groups([slice_atoms(places[chosen], numbers[chosen], grid, 2.0)]))
        return sum(engine.potential(plane)[0] for plane in range(-1, 4))

    torch.testing.assert_close(phase(np.arange(3)) + phase(np.arange(3, 8)), phase(np.arange(8)), atol=1e-9, rtol=0)
