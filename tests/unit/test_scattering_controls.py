"""What a user chooses: objects, guises of structures, depths, potentials, banks of film waves, other packages."""

from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk

from exitwave.core import ScatteringError, SpecError, Stream
from exitwave.scattering import (
    ExitWave,
    FilmBank,
    Scattering,
    parametrization,
    project,
    scatter,
    scatter_many,
    thickness_series,
)
from exitwave.scattering.batched import BatchedMultislice
from exitwave.scattering.electron import SCATTERING_CONSTANT
from exitwave.scattering.multislice import Beam
from exitwave.scattering.session import Session
from exitwave.scattering.thermal import amplitudes
from exitwave.structure.structure import Structure

FAST = {"sampling": 0.2, "potential_sampling": 0.2}
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


def scene(cell=(12.0, 10.0, 24.0), carbon=120, gold=12, seed=0):
    """Carbon up to 10 Å, a lump of gold at 9 to 15 Å, carbon near it left out."""
    rng = np.random.default_rng(seed)
    film = rng.random((carbon, 3)) * [cell[0], cell[1], 10.0]
    lump = rng.random((gold, 3)) * [4.0, 4.0, 6.0] + [4.0, 3.0, 9.0]
    return Structure(
        positions=np.vstack([lump, film]),
        numbers=np.array([79] * gold + [6] * carbon, np.int32),
        cell=np.diag(cell),
        objects=np.array([0] * gold + [1] * carbon, np.int32),
        grains=np.zeros(gold + carbon, np.int32),
        thermal=np.full(gold + carbon, np.nan),
        names=("lump", "film"),
        roles=("particle", "support"),
    )


def test_ase_atoms_and_files_are_structures_too(tmp_path):
    gold = bulk("Au", cubic=True).repeat((2, 2, 2))
    wave = scatter(gold, thermal=False, **FAST)
    assert torch.equal(wave.array, scatter(Structure.from_ase(gold), thermal=False, **FAST).array)
    gold.write(tmp_path / "gold.cif")
    torch.testing.assert_close(
        scatter(tmp_path / "gold.cif", thermal=False, **FAST).array, wave.array, atol=1e-4, rtol=0
    )
    with pytest.raises(ScatteringError, match="a list is given; give a Structure, ASE atoms or the path"):
        scatter([1, 2, 3], thermal=False)
    with pytest.raises(ValueError, match="no three-dimensional cell"):
        scatter(Atoms("Au"), thermal=False)


def test_chosen_objects_scatter_alone_and_move_as_with_all():
    both = scene()
    whole = scatter(both, seed=5, configurations=2, **FAST)
    alone = scatter(both, seed=5, configurations=2, objects="particle", **FAST)
    assert torch.equal(alone.array, whole.particle)
    assert torch.equal(scatter(both, seed=5, configurations=2, objects=["lump"], **FAST).array, whole.particle)
    film = scatter(both, seed=5, configurations=2, objects="film", **FAST)
    assert not torch.equal(film.array, whole.array)
    assert torch.equal(film.particle, torch.ones_like(film.array))
    everything = scatter(both, seed=5, configurations=2, objects=["film", "particle"], **FAST)
    assert torch.equal(everything.array, whole.array)
    with pytest.raises(ScatteringError, match=r"objects holds 'ball'; the structure has objects lump, film"):
        scatter(both, seed=5, objects="ball", **FAST)
    with pytest.raises(SpecError, match="a name or role of objects"):
        Scattering(objects=[])


@pytest.mark.parametrize("precision", ["single", "double"])
def test_a_thickness_series_is_the_waves_of_cut_structures(precision):
    both = scene()
    fields = {"thermal": False, "slice_thickness": 2.0, "precision": precision} | FAST
    series = thickness_series(both, [4.0, 10.0, 12.0, 24.0], **fields)
    assert [wave.record["depth"] for wave in series] == [4.0, 10.0, 12.0, 24.0]
    for wave in series:
        depth = wave.record["depth"]
        cut = both.select(both.positions[:, 2] < depth)
        cut = replace(cut, cell=np.diag([12.0, 10.0, depth]))
        expected = scatter(cut, particle_wave=False, **fields).array
        torch.testing.assert_close(wave.array, expected, atol=1e-5, rtol=0)
    vibrating = thickness_series(both, 12.0, seed=3, configurations=2, **FAST)
    full = scatter(both, seed=3, configurations=2, particle_wave=False, **FAST)
    torch.testing.assert_close(vibrating[-1].array, full.array, atol=1e-5, rtol=0)


@pytest.mark.parametrize("depths", [[], [5.0, 5.0], [8.0, 3.0], [-1.0], [25.0], 30.0, 0.0])
def test_depths_that_cannot_be(depths):
    with pytest.raises(ScatteringError, match=r"depths is .* at most .*24 Å"):
        thickness_series(scene(), depths, thermal=False, **FAST)


@pytest.mark.parametrize("precision", ["single", "double"])
def test_potentials_alone_hold_the_mean_of_their_atoms(precision):
    both = scene()
    potential = project(both, seed=2, precision=precision, **FAST)
    factors = {z: float(parametrization("lobato").scattering_factor(z, 0.0)) for z in (6, 79)}
    expected = SCATTERING_CONSTANT * sum(factors[int(z)] for z in both.numbers) / 120.0
    assert float(potential.projected.mean()) == pytest.approx(expected, rel=1e-5)
    np.testing.assert_allclose(np.diff(potential.depths), 2.0)
    assert potential.depths[0] < 2.0
    figure = potential.show()
    assert [axis.get_title() for axis in figure.axes[:2]] == ["projected potential", "mean along y"]
    with pytest.raises(ScatteringError, match="configurations 0 to 7"):
        project(both, seed=2, configuration=8, **FAST)
    empty = both.select(np.zeros(len(both), dtype=bool))
    assert project(empty, thermal=False, **FAST).array.shape == (0, 50, 60)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("precision", ["single", "double"])
@pytest.mark.parametrize(("shift", "mirror"), [((0, 0), ""), ((7, -23), "x"), ((70, 5), "xy")])
def test_the_bank_of_film_waves_is_exact(shift, mirror, precision, device):
    """The wave that goes on from the film's is that of all planes, to 1e-5."""
    both = scene()
    bank = FilmBank(
        both.of(role="support"), seed=1, configurations=2, precision=precision, every=2, device=device, **FAST
    )
    placed = bank.scene(both.of(role="particle"), shift, mirror, minimum_distance=2.2)
    assert (placed.numbers == 6).sum() < 120
    wave = bank.scatter(placed, seed=4, shift=shift, mirror=mirror)
    owner = bank._owners(placed, shift, mirror)
    rms = amplitudes(placed.numbers[owner < 0], placed.thermal[owner < 0])
    moved = [
        bank._places(i, bank._session.positions(i), placed, owner, rms, Stream(4), shift, mirror) for i in range(2)
    ]
    whole = bank._session.engine(device).run(np.stack(moved), placed.numbers)
    torch.testing.assert_close(wave.array, whole, atol=1e-5, rtol=0)
    alone = placed.of(role="particle")
    expected = scatter(
        alone, seed=4, configurations=2, precision=precision, particle_wave=False, device=device, **FAST
    )
    torch.testing.assert_close(wave.particle, expected.array, atol=1e-5, rtol=0)
    assert torch.equal(bank.scatter(placed, seed=4, shift=shift, mirror=mirror).array, wave.array)
    assert wave.record["film"] == {"stream": "1", "shift": list(shift), "mirror": mirror}


def test_waves_are_kept_from_where_they_are_asked_with_the_same_bits():
    film = scene().of(role="support")
    late, whole, early = (FilmBank(film, seed=1, configurations=2, every=1, **FAST) for _ in range(3))
    late.prepare(8.0)
    whole.prepare()
    assert 0 < late.nbytes < 0.8 * whole.nbytes
    for depth in (8.0, 3.0, float("inf")):
        early.prepare(depth)
    late.prepare(0.0)
    assert late.nbytes == whole.nbytes > early.nbytes
    for bank in (late, early):
        for key, wave in bank._waves._kept.items():
            assert torch.equal(wave, whole._waves._kept[key])


def test_waves_that_are_kept_need_no_more_memory(monkeypatch):
    film = scene().of(role="support")
    bank, whole = (FilmBank(film, seed=1, configurations=3, every=1, **FAST) for _ in range(2))
    whole.prepare()
    bank.prepare(8.0)
    rest = whole.nbytes - bank.nbytes
    asked = []

    def free(place):
        asked.append(bank.nbytes)
        return 1.3 * (whole.nbytes - bank.nbytes)

    monkeypatch.setattr("exitwave.scattering.film_waves.available_memory", free)
    bank.prepare()
    assert bank.nbytes == whole.nbytes
    assert len(asked) == 3
    late = FilmBank(film, seed=1, configurations=3, every=1, **FAST)
    monkeypatch.setattr("exitwave.scattering.film_waves.available_memory", lambda place: 1.3 * whole.nbytes)
    late.prepare(8.0)
    monkeypatch.setattr("exitwave.scattering.film_waves.available_memory", lambda place: 1.2 * rest)
    with pytest.raises(ScatteringError, match="are free"):
        late.prepare()


def test_scenes_on_one_film_differ_in_height_by_whole_slices():
    both = scene()
    bank = FilmBank(both.of(role="support"), thermal=False, particle_wave=True, **FAST)
    for height in (24.0, 30.0):
        placed = replace(both, cell=np.diag([12.0, 10.0, height]))
        wave = bank.scatter(placed, seed=1)
        expected = scatter(placed, thermal=False, **FAST)
        torch.testing.assert_close(wave.array, expected.array, atol=1e-5, rtol=0)
        torch.testing.assert_close(wave.particle, expected.particle, atol=1e-5, rtol=0)


def test_particles_may_cover_all_of_a_film():
    both = scene()
    film = both.of(role="support")
    bank = FilmBank(film, thermal=False, particle_wave=True, **FAST)
    covered = bank.scene(both.of(role="particle"), minimum_distance=100.0)
    assert "film" in " ".join(film.names)
    assert len(covered) == len(both.of(role="particle"))
    expected = scatter(covered, thermal=False, **FAST)
    wave = bank.scatter(covered, seed=1)
    torch.testing.assert_close(wave.array, expected.array, atol=1e-5, rtol=0)
    torch.testing.assert_close(wave.particle, expected.particle, atol=1e-5, rtol=0)


def test_the_wave_is_the_same_however_many_configurations_fit_into_memory():
    both = scene()
    waves, depths = [], []
    for batch in (1, 3, 8):
        bank = FilmBank(both.of(role="support"), seed=1, configurations=8, every=1, precision="double", **FAST)
        placed = bank.scene(both.of(role="particle"), (7, 3), "x")
        bank._engine.batch = batch
        waves.append(bank.scatter(placed, seed=4, shift=(7, 3), mirror="x").array)
        depths.append(bank.nbytes)
    assert len(set(depths)) == 1  # all begin at the same plane
    torch.testing.assert_close(waves[0], waves[1], atol=1e-12, rtol=0)
    torch.testing.assert_close(waves[0], waves[2], atol=1e-12, rtol=0)


def test_banks_refuse_what_is_not_on_their_film(monkeypatch):
    both = scene()
    film = both.of(role="support")
    bank = FilmBank(film, seed=1, configurations=1, **FAST)
    with pytest.raises(ScatteringError, match=r"no atom of the scene is one of the film's"):
        bank.scatter(bank.scene(both.of(role="particle"), (3, 3)), seed=1)
    with pytest.raises(ScatteringError, match=r"build the scene in the film's cell"):
        bank.scatter(replace(both, cell=np.diag([12.0, 11.0, 24.0])), seed=1)
    with pytest.raises(ScatteringError, match=r"25 Å high, has slices of .* give cells of one height, or of whole"):
        bank.scatter(replace(both, cell=np.diag([12.0, 10.0, 25.0])), seed=1)
    with pytest.raises(ScatteringError, match=r"mirror is 'z'"):
        bank.scatter(both, seed=1, mirror="z")
    with pytest.raises(ScatteringError, match=r"no mirror image"):
        FilmBank(film, seed=1, tilt_x=5.0, **FAST).scatter(both, seed=1, mirror="x")
    with pytest.raises(ScatteringError, match=r"every is 0"):
        FilmBank(film, seed=1, every=0)
    monkeypatch.setattr("exitwave.scattering.film_waves.available_memory", lambda place: 1e5)
    with pytest.raises(ScatteringError, match=r"the bank would keep .* GB are free; every=\d+ fits"):
        FilmBank(film, seed=1, every=1, **FAST).prepare()
    with pytest.raises(ScatteringError, match=r"objects are chosen"):
        FilmBank(film, seed=1, objects="film")


def test_many_structures_are_scattered_as_one_by_one():
    structures = [scene(seed=i) for i in range(3)] + [scene(cell=(10.0, 10.0, 24.0))]
    for device in DEVICES:
        waves = list(scatter_many(iter(structures), seed=6, configurations=2, device=device, **FAST))
        for index, (structure, wave) in enumerate(zip(structures, waves, strict=True)):
            expected = scatter(structure, stream=Stream(6) / index, configurations=2, **FAST)
            torch.testing.assert_close(wave.array.cpu(), expected.array, atol=3e-5, rtol=0)
            torch.testing.assert_close(wave.particle.cpu(), expected.particle, atol=3e-5, rtol=0)


def test_batches_of_structures_on_any_device(monkeypatch):
    """The way a GPU takes: many structures in one batch of the torch engine."""

    def engine(self, device, waves=None):
        height = float(self.structure.cell[2, 2])
        beam = Beam(300e3, lossy=self.lossy)
        return BatchedMultislice(
            self.inner, self.output, "lobato", beam, 2.0, height, torch.device("cpu"), torch.float32, 5
        )

    structures = [scene(seed=i) for i in range(3)]
    expected = [scatter(s, stream=Stream(6) / i, configurations=2, **FAST) for i, s in enumerate(structures)]
    monkeypatch.setattr(Session, "engine", engine)
    waves = list(scatter_many(structures, seed=6, configurations=2, **FAST))
    for wave, other in zip(waves, expected, strict=True):
        torch.testing.assert_close(wave.array, other.array, atol=3e-5, rtol=0)
        torch.testing.assert_close(wave.particle, other.particle, atol=3e-5, rtol=0)


def test_cells_that_do_not_tile_are_refused_when_asked_for():
    good = bulk("Au", cubic=True).repeat((3, 3, 2))
    scatter(good, thermal=False, periodic=True, **FAST)
    cut = good.copy()
    cut.cell[0, 0] -= 1.3
    scatter(cut[cut.positions[:, 0] <= cut.cell[0, 0]], thermal=False, **FAST)
    with pytest.raises(ScatteringError, match=r"does not tile: across its border along x atoms come within 2\.17 Å"):
        scatter(cut[cut.positions[:, 0] <= cut.cell[0, 0]], thermal=False, periodic=True, **FAST)
    cut = good.copy()
    cut.cell[1, 1] -= 1.3
    with pytest.raises(ScatteringError, match=r"along y"):
        scatter(cut[cut.positions[:, 1] <= cut.cell[1, 1]], thermal=False, periodic=True, **FAST)
    gap = good.copy()
    gap.center(5.0)
    scatter(gap, thermal=False, periodic=True, **FAST)


@pytest.mark.parametrize(("package", "module"), [("abTEM", "abtem"), ("HyperSpy", "hyperspy")])
def test_conversions_name_what_is_not_installed(package, module):
    if find_spec(module) is not None:
        pytest.skip(f"{package} is installed")
    wave = ExitWave(torch.ones(1, 4, 4) + 0j, (0.2, 0.2), 3e5)
    with pytest.raises(ScatteringError, match=rf"{package} is not installed; install it \(pip install {module}\)\.$"):
        getattr(wave, f"to_{module}")()


def test_abtem_sees_the_same_wave():
    pytest.importorskip("abtem")
    wave = scatter(scene(), seed=1, configurations=2, **FAST)
    waves = wave.to_abtem()
    assert waves.sampling == pytest.approx(wave.sampling[::-1])
    assert waves.energy == wave.energy
    np.testing.assert_array_equal(waves.array, wave.array.numpy().swapaxes(1, 2))


def test_hyperspy_sees_the_same_wave():
    pytest.importorskip("hyperspy")
    wave = scatter(scene(), seed=1, configurations=2, **FAST)
    signal = wave.to_hyperspy()
    np.testing.assert_array_equal(signal.data, wave.array.numpy())
    assert [axis.scale for axis in signal.axes_manager.signal_axes] == pytest.approx(wave.sampling[::-1])
    assert signal.metadata.Acquisition_instrument.TEM.beam_energy == 300


def test_a_plane_of_atoms_on_both_borders_does_not_tile():
    good = bulk("Au", cubic=True).repeat((2, 2, 2))
    for axis, letter in enumerate("xy"):
        doubled = good[np.abs(good.positions[:, axis]) < 1e-6]
        doubled.positions[:, axis] = good.cell[axis, axis]
        with pytest.raises(ScatteringError, match=rf"along {letter} atoms come within 0\.00 Å"):
            scatter(good + doubled, thermal=False, periodic=True, **FAST)


def test_series_hold_atoms_that_moved_above_the_first_depth():
    """Of two layers that vibrate past each other the deeper one may come first."""
    rng = np.random.default_rng(0)
    heights = np.repeat([1.0, 1.1], 20)
    atoms = Atoms("Au40", positions=np.column_stack([rng.random((40, 2)) * 8, heights]), cell=[8, 8, 8])
    fields = {"configurations": 1, "temperature": 1000.0, "precision": "double"} | FAST
    for seed in range(3):
        last = thickness_series(atoms[[0, *range(20, 40)]], [1.05, 8.0], seed=seed, **fields)[-1]
        whole = scatter(atoms[[0, *range(20, 40)]], seed=seed, particle_wave=False, **fields)
        torch.testing.assert_close(last.array, whole.array, atol=1e-9, rtol=0)


def test_moves_that_no_film_and_no_wave_can_make_are_refused():
    gold = bulk("Au", cubic=True).repeat((2, 2, 2))
    bank = FilmBank(gold, seed=1, configurations=1, **FAST)
    with pytest.raises(ScatteringError, match="mirror is 'q'; it is"):
        bank.film(mirror="q")
    with pytest.raises(ScatteringError, match=r"shift is \(1\.5, 0\); it is two whole numbers"):
        bank.film(shift=(1.5, 0))
    with pytest.raises(ScatteringError, match="distance is nan; it is a finite number"):
        scatter(gold, thermal=False, **FAST).propagate(float("nan"))
    with pytest.raises(ScatteringError, match="depths is '20 Å'; give numbers in Å"):
        thickness_series(gold, "20 Å", thermal=False, **FAST)
    assert len(thickness_series(gold, np.float32(4), thermal=False, **FAST)) == 2
