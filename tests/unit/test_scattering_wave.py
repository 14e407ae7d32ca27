"""The exit wave and the calls that make it: values, files, pictures, refusals."""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
import torch

from exitwave.core import ScatteringError, SpecError, Stream
from exitwave.scattering import ExitWave, Grid, Scattering, scatter
from exitwave.scattering.grid import fast_size
from exitwave.scattering.multislice import crop_spectrum
from exitwave.scattering.slicing import plane_weights


@dataclass(frozen=True)
class Atoms:
    """The fields of a Structure that scattering reads."""

    positions: np.ndarray
    numbers: np.ndarray
    cell: np.ndarray
    objects: np.ndarray
    thermal: np.ndarray
    roles: tuple[str, ...] = ("support", "particle")
    names: tuple[str, ...] = ("film", "ball")
    pbc: tuple[bool, bool, bool] = (True, True, False)
    grains: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int32))


def atoms(positions, numbers, cell, objects=None):
    n = len(positions)
    return Atoms(
        np.array(positions, float).reshape(n, 3),
        np.array(numbers, np.int32),
        np.diag(cell).astype(float),
        np.array([1] * n if objects is None else objects, np.int32),
        np.full(n, np.nan),
    )


PAIR = atoms([[4.0, 3.0, 2.0], [2.0, 6.0, 4.0]], [79, 6], (8.0, 10.0, 6.0), [1, 0])
FAST = {"sampling": 0.25, "potential_sampling": 0.25}


def test_a_wave_per_configuration_with_the_particle_alone():
    wave = scatter(PAIR, seed=1, configurations=3, **FAST)
    assert wave.shape == (3, 40, 32)
    assert wave.sampling == (0.25, 0.25)
    assert wave.array.dtype == torch.complex64
    assert wave.extent == (10.0, 8.0)
    flat = wave.array.reshape(3, -1)
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert (flat[a] - flat[b]).abs().max() > 1e-3
    first = {name: getattr(PAIR, name)[:1] for name in ("positions", "numbers", "objects", "thermal")}
    gold = replace(PAIR, **first)
    still = {"thermal": False} | FAST
    alone = scatter(gold, **still).array
    torch.testing.assert_close(scatter(PAIR, **still).particle, alone, atol=1e-6, rtol=0)


def test_the_particle_alone_moves_as_in_the_scene():
    only = replace(PAIR, objects=np.array([1, 1], np.int32))
    wave = scatter(only, seed=5, configurations=2, **FAST)
    torch.testing.assert_close(wave.particle, wave.array, atol=0, rtol=0)


def test_results_are_repeatable_and_follow_the_stream():
    first = scatter(PAIR, seed=4, configurations=2, **FAST).array
    assert torch.equal(first, scatter(PAIR, stream=Stream(4), configurations=2, **FAST).array)
    assert torch.equal(first[:1], scatter(PAIR, seed=4, configurations=1, **FAST).array)
    assert not torch.equal(first, scatter(PAIR, seed=5, configurations=2, **FAST).array)


def test_no_atoms_and_no_particle_give_exactly_one():
    empty = atoms([], [], (8.0, 10.0, 6.0))
    wave = scatter(empty, seed=1, configurations=2, **FAST)
    assert torch.equal(wave.array, torch.ones(2, 40, 32, dtype=torch.complex64))
    assert torch.equal(wave.particle, wave.array)
    film = replace(PAIR, objects=np.zeros(2, np.int32))
    assert torch.equal(scatter(film, seed=1, configurations=1, **FAST).particle, torch.ones(1, 40, 32) + 0j)
    assert scatter(film, seed=1, configurations=1, particle_wave=False, **FAST).particle is None


def test_zero_amplitude_equals_no_vibration():
    still = replace(PAIR, thermal=np.zeros(2))
    moved = scatter(still, seed=9, configurations=2, **FAST).array
    torch.testing.assert_close(moved[0], scatter(PAIR, thermal=False, **FAST).array[0], atol=0, rtol=0)
    assert scatter(PAIR, thermal=False, **FAST).shape[0] == 1


def test_fields_may_be_distributions():
    wave = scatter(PAIR, seed=2, configurations=1, sampling=0.25, energy={"uniform": [80e3, 300e3]})
    assert 80e3 < wave.energy < 300e3
    assert wave.record["energy"] == wave.energy
    assert wave.record["stream"] == "2"
    again = {k: v for k, v in wave.record.items() if k != "stream"}
    assert torch.equal(scatter(PAIR, stream=Stream.parse(wave.record["stream"]), **again).array, wave.array)


@pytest.mark.parametrize("suffix", [".npz", ".h5"])
def test_saved_waves_come_back_whole(tmp_path, suffix):
    wave = replace(scatter(PAIR, seed=1, configurations=2, **FAST), structure=None)
    path = wave.save(tmp_path / f"wave{suffix}")
    back = ExitWave.load(path)
    assert torch.equal(back.array, wave.array)
    assert torch.equal(back.particle, wave.particle)
    assert (back.sampling, back.energy, back.record) == (wave.sampling, wave.energy, wave.record)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_files_that_are_no_waves_are_refused(tmp_path):
    wave = replace(scatter(PAIR, thermal=False, **FAST), structure=None)
    for name in ("a.npz", "a.h5"):
        path = wave.save(tmp_path / name)
        path.write_bytes(path.read_bytes()[:200])
        with pytest.raises(ScatteringError, match=r"cannot be read as a saved wave"):
            ExitWave.load(path)
    np.savez(tmp_path / "b.npz", array=np.ones(3))
    with pytest.raises(ScatteringError, match="no saved wave"):
        ExitWave.load(tmp_path / "b.npz")
    with pytest.raises(ScatteringError, match="no file"):
        ExitWave.load(tmp_path / "c.npz")
    with pytest.raises(ScatteringError, match=r"\.npz, \.h5"):
        wave.save(tmp_path / "wave.png")


def test_resampling_keeps_a_band_limited_wave():
    wave = scatter(PAIR, thermal=False, sampling=0.1, potential_sampling=0.1)
    coarse = wave.resample(0.2)
    assert coarse.shape == (1, 50, 40)
    assert coarse.sampling == (0.2, 0.2)
    direct = scatter(PAIR, thermal=False, sampling=0.2, potential_sampling=0.1)
    torch.testing.assert_close(coarse.array, direct.array, atol=2e-6, rtol=0)
    torch.testing.assert_close(coarse.resample(0.1).resample(0.2).array, coarse.array, atol=2e-6, rtol=0)
    with pytest.raises(ScatteringError, match="above 0"):
        wave.resample(-1)


def test_cropping_spectra_of_any_size():
    wave = torch.randn(2, 7, 12, dtype=torch.complex128)
    for shape in ((5, 9), (9, 12), (7, 16), (11, 17)):
        out = crop_spectrum(wave, shape)
        assert out.shape == (2, *shape)
        assert torch.equal(out[:, 0, 0], wave[:, 0, 0])
        assert torch.equal(out[:, -1, -1], wave[:, -1, -1])
    assert crop_spectrum(wave, (7, 12)) is wave


def test_propagation_there_and_back():
    wave = scatter(PAIR, thermal=False, **FAST)
    assert (wave.propagate(50.0).array - wave.array).abs().max() > 0.01
    torch.testing.assert_close(wave.propagate(50.0).propagate(-50.0).array, wave.array, atol=2e-6, rtol=0)


def test_pictures():
    figure = scatter(PAIR, thermal=False, **FAST).show()
    titles = [axis.get_title() for axis in figure.axes]
    assert titles[:3] == ["amplitude |ψ|", "phase arg ψ", "phase, particle alone"]
    assert figure.axes[0].get_xlabel() == "x / Å"
    with pytest.raises(ScatteringError, match="configurations 0 to 0"):
        scatter(PAIR, thermal=False, **FAST).show(3)


def test_sampling_is_an_upper_bound_at_fast_sizes():
    assert Grid.covering((100.0, 61.8), 0.2).shape == (500, 320)
    assert [fast_size(n) for n in (1, 11, 13, 17, 509, 1023)] == [1, 12, 14, 18, 512, 1024]
    wave = scatter(PAIR, thermal=False, grid=[41, 37], potential_sampling=None)
    assert wave.shape == (1, 41, 37)
    assert max(scatter(PAIR, thermal=False, sampling=0.21).sampling) <= 0.21


def test_plane_weights_keep_moments():
    t = np.random.default_rng(0).random(100)
    weights = plane_weights(t)
    for power in range(4):
        np.testing.assert_allclose(weights @ np.arange(-1.0, 3.0) ** power, t**power, atol=1e-14)


def test_fidelity_sets_what_is_not_said():
    draft = Scattering(fidelity="draft", configurations=5)
    assert (draft.slice_thickness, draft.configurations, draft.potential_sampling) == (4.0, 5, None)
    reference = draft.replace(fidelity="reference")
    assert (reference.slice_thickness, reference.configurations, reference.potential_sampling) == (0.5, 5, 0.05)
    assert Scattering() == Scattering(fidelity="standard")
    assert Scattering.parse(draft.to_dict()) == draft
    assert draft.replace(energy=80e3).slice_thickness == 4.0


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"energy": 300}, "energy is 300; an energy is a number from 30000 to 1e+06 in eV"),
        ({"sampling": 0}, "sampling is 0; a sampling is a number above 0"),
        ({"grid": [512, 0]}, "grid is [512, 0]; a grid is two whole numbers of pixels"),
        ({"grid": "big"}, "grid is big; a grid is two whole numbers of pixels"),
        ({"parametrization": "lobatto"}, "did you mean lobato?"),
        ({"fidelity": "best"}, "one of draft, standard, reference"),
        ({"configurations": 2.5}, "a whole number from 1 to 10000"),
        ({"potential_sampling": -0.1}, "a potential sampling is a number above 0"),
        ({"samping": 0.1}, "samping is not a known key; did you mean sampling?"),
    ],
)
def test_specs_that_cannot_be(fields, sentence):
    with pytest.raises(SpecError) as error:
        Scattering(**fields)
    assert sentence in str(error.value)


def bad(**changes):
    return replace(PAIR, **changes)


@pytest.mark.parametrize(
    ("structure", "fields", "sentence"),
    [
        (bad(positions=np.array([[4, 3, 2], [2, np.nan, 4]])), {}, r"atom 1 is at .*nan.*finite"),
        (
            bad(positions=np.array([[4, 3, 2], [2, 10.5, 4]])),
            {},
            r"1 atoms are outside .*enlarge the cell\.$",
        ),
        (bad(positions=np.array([[4, 3, -0.5], [2, 6, 4]])), {}, "outside the cell"),
        (bad(numbers=np.array([79, 0], np.int32)), {}, "atomic number 0"),
        (bad(cell=np.array([[8, 0, 0], [2, 10, 0], [0, 0, 6.0]])), {}, "orthogonal"),
        (bad(cell=np.diag([8.0, 10.0, np.inf])), {}, "not finite"),
        (bad(cell=np.diag([8.0, 10.0, 0.0])), {}, "orthogonal"),
        (bad(thermal=np.array([-0.1, 0.1])), {}, "thermal holds negative"),
        (PAIR, {"sampling": 1.0, "potential_sampling": None}, "set potential_sampling to at most 0.5"),
        (PAIR, {"grid": [60000, 60000]}, r"need [\d.]+ GB, but [\d.]+ GB are free; a sampling"),
        (PAIR, {"sampling": 1e-6}, "pixels along one axis"),
    ],
)
def test_structures_that_cannot_be_scattered(structure, fields, sentence):
    with pytest.raises(ScatteringError, match=sentence) as error:
        scatter(structure, seed=1, **fields)
    assert str(error.value).endswith(".")
    assert "\n" not in str(error.value)


def test_randomness_is_always_asked_for():
    with pytest.raises(ScatteringError, match="give seed"):
        scatter(PAIR)
    with pytest.raises(ScatteringError, match="both seed and stream"):
        scatter(PAIR, seed=1, stream=Stream(1))
    with pytest.raises(ScatteringError, match="both spec and energy"):
        scatter(PAIR, seed=1, spec=Scattering(), energy=80e3)


def test_waves_of_wrong_shape_are_refused():
    with pytest.raises(ScatteringError, match=r"complex \(configurations, y, x\)"):
        ExitWave(torch.ones(4, 4), (1.0, 1.0), 3e5)
    with pytest.raises(ScatteringError, match="has that of array"):
        ExitWave(torch.ones(1, 4, 4) + 0j, (1.0, 1.0), 3e5, particle=torch.ones(1, 4, 3) + 0j)
