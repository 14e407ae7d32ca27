"""What holds for any structure: linearity of potentials, sharing of planes, energy, symmetry."""

from types import SimpleNamespace

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from exitwave.core import Stream
from exitwave.scattering import ExitWave, Grid, Scattering, parametrization, scatter
from exitwave.scattering.slicing import plane_weights, slice_atoms

places = st.lists(
    st.tuples(st.floats(0, 5.999), st.floats(0, 4.999), st.floats(0, 7.999), st.sampled_from([6, 14, 79])),
    min_size=1,
    max_size=12,
)
sizes = st.integers(20, 48)


def atoms(rows):
    table = np.array(rows, float).reshape(-1, 4)
    return SimpleNamespace(
        positions=table[:, :3],
        numbers=table[:, 3].astype(np.int32),
        cell=np.diag([6.0, 5.0, 8.0]),
        objects=np.zeros(len(table), np.int32),
        thermal=np.full(len(table), np.nan),
        roles=("particle",),
    )


def apart(rows):
    """Return the atoms that are not nearer than 2.5 Å to one before: three of gold in one place ring by 1.8 %."""
    kept = []
    for row in rows:
        steps = np.array([other[:3] for other in kept]).reshape(-1, 3) - row[:3]
        steps -= np.round(steps / (6.0, 5.0, 8.0)) * (6.0, 5.0, 8.0)
        if (np.linalg.norm(steps, axis=1) >= 2.5).all():
            kept.append(row)
    return kept


@settings(max_examples=30)
@given(places.map(apart), sizes, sizes, st.sampled_from(["lobato", "kirkland", "peng"]), st.floats(30e3, 1e6))
def test_waves_are_finite_and_gain_no_intensity(rows, ny, nx, name, energy):
    fields = {"thermal": False, "grid": (ny, nx), "potential_sampling": None, "particle_wave": False}
    # the loss rings a little about an atom, so at low energies it adds a trace where it should only take
    for fate, gain in (("ignored", 1e-5), ("absorbed", 1e-2)):
        wave = scatter(atoms(rows), energy=energy, parametrization=name, beyond_band=fate, **fields)
        assert wave.shape == (1, ny, nx)
        assert torch.isfinite(wave.intensity).all()
        assert 0.2 < float(wave.intensity.mean()) < 1 + gain


@settings(max_examples=20)
@given(places, st.integers(0, 47), st.integers(0, 39))
def test_shifts_by_whole_pixels_roll_the_wave(rows, down, right):
    structure = atoms(rows)
    fields = {"thermal": False, "grid": (40, 48), "potential_sampling": None, "particle_wave": False}
    base = scatter(structure, **fields).array[0]
    moved = structure.positions + np.array([right * 6.0 / 48, down * 5.0 / 40, 0])
    structure.positions = np.column_stack([moved[:, 0] % 6.0, moved[:, 1] % 5.0, moved[:, 2]])
    torch.testing.assert_close(
        scatter(structure, **fields).array[0], torch.roll(base, (down, right), (0, 1)), atol=1e-4, rtol=0
    )


@given(places, st.floats(0.3, 4.0))
def test_planes_share_every_atom_whole_and_keep_its_height(rows, thickness):
    structure = atoms(rows)
    groups = slice_atoms(structure.positions, structure.numbers, Grid((30, 36), (5.0, 6.0)), thickness)
    assert sum(len(group.base) for group in groups) == len(rows)
    heights = []
    for group in groups:
        assert (np.diff(group.base) >= 0).all()
        np.testing.assert_allclose(group.weights.sum(1), 1.0, atol=1e-12)
        planes = (group.base[:, None] + np.arange(-1, 3) + 0.5) * thickness
        heights.extend((group.weights * planes).sum(1))
    np.testing.assert_allclose(sorted(heights), sorted(structure.positions[:, 2]), atol=1e-9)


@given(st.floats(0, 1, exclude_max=True))
def test_plane_weights_sum_to_one(fraction):
    assert abs(plane_weights(np.array([fraction])).sum() - 1) < 1e-12


@given(st.sampled_from(["lobato", "kirkland", "peng"]), st.integers(1, 98), st.floats(0.05, 5.9))
def test_scattering_factors_fall_towards_high_angles(name, number, q):
    table = parametrization(name)
    near, far = table.scattering_factor(number, [q, q + 0.1])
    assert near > 0
    assert far < near * 1.02 + 1e-6


@settings(max_examples=25)
@given(st.integers(1, 3), st.integers(1, 40), st.integers(1, 40), st.floats(0.05, 2.0))
def test_resampling_keeps_the_mean_wave(count, ny, nx, sampling):
    values = torch.complex(*torch.randn(2, count, ny, nx, generator=torch.Generator().manual_seed(ny * nx)))
    wave = ExitWave(values, (0.5, 0.4), 3e5)
    other = wave.resample(sampling)
    np.testing.assert_allclose(other.extent, wave.extent, rtol=1e-12)
    torch.testing.assert_close(other.array.mean((1, 2)), values.mean((1, 2)), atol=1e-5, rtol=1e-4)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "energy": st.floats(30e3, 1e6),
            "sampling": st.floats(0.01, 1),
            "slice_thickness": st.floats(0.1, 10),
            "configurations": st.integers(1, 100),
            "fidelity": st.sampled_from(["draft", "standard", "reference"]),
            "grid": st.one_of(st.none(), st.tuples(st.integers(1, 4096), st.integers(1, 4096))),
            "potential_sampling": st.one_of(st.none(), st.floats(0.01, 1)),
        },
    )
)
def test_specs_survive_their_own_dictionary(fields):
    spec = Scattering(**fields)
    assert Scattering.parse(spec.to_dict()) == spec
    assert spec.draw(Stream(1)) == spec
    assert spec.identity == Scattering.parse(spec.to_dict()).identity
