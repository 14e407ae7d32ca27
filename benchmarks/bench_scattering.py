"""Speed of scattering: against the bare cost of its Fourier transforms, and against abTEM in the same run.

Times on a CPU are those of the processor in this thread, so that a busy machine changes them little.
"""

import time
import warnings
from importlib.util import find_spec

import numpy as np
import pytest
import torch

from exitwave.scattering import FilmBank, Grid, scatter
from exitwave.scattering.multislice import Beam, Multislice, single_thread
from exitwave.scattering.slicing import occupied_planes, slice_atoms
from exitwave.structure.structure import Structure

GOLD = 4.0782
FCC = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
CELL = np.array([102.4, 102.4, 110.0])
PLAIN = {"potential_sampling": None, "slice_thickness": 2.0}


def film_and_sphere() -> Structure:
    """A gold sphere of 50 Å on 50 Å of amorphous carbon, in a cell of 102.4 × 102.4 × 110 Å."""
    rng = np.random.default_rng(0)
    centre = np.array([51.2, 51.2, 72.0])
    steps = np.stack(np.meshgrid(*[range(-13, 14)] * 3, indexing="ij"), -1).reshape(-1, 1, 3)
    ball = ((steps + FCC) * GOLD).reshape(-1, 3)
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    ball = ball[np.linalg.norm(ball, axis=1) < 25.0] @ turn + centre
    film = rng.random((int(102.4**2 * 50 * 0.1103), 3)) * [102.4, 102.4, 50.0] + [0, 0, 2.0]
    film = film[np.linalg.norm(film - centre, axis=1) > 26.0]
    count = len(ball) + len(film)
    return Structure(
        positions=np.vstack([ball, film]),
        numbers=np.array([79] * len(ball) + [6] * len(film), np.int32),
        cell=np.diag(CELL),
        objects=np.array([0] * len(ball) + [1] * len(film), np.int32),
        grains=np.zeros(count, np.int32),
        thermal=np.full(count, np.nan),
        names=("ball", "film"),
        roles=("particle", "support"),
    )


def seconds(function, repeats=3):
    function()
    times = []
    for _ in range(repeats):
        start = time.thread_time()
        function()
        times.append(time.thread_time() - start)
    return min(times)


def fourier_floor(structure: Structure, grid: Grid, lossy: bool, device: str = "cpu", batch: int = 1) -> float:
    """Bare time of the two-dimensional transforms of torch that one configuration needs.

    Two for every plane; and for each pair of planes one for every element and one (two with loss) back.
    """
    groups = slice_atoms(structure.positions, structure.numbers, grid, 2.0)
    planes = occupied_planes(groups)
    count = 2 * len(planes)
    for pair in sorted({plane // 2 for plane in planes}):
        acting = sum(low < high for low, high in (group.near(2 * pair, 2 * pair + 1) for group in groups))
        count += acting + 1 + lossy
    shape = (batch, *grid.shape)
    here, there = (torch.zeros(shape, dtype=torch.complex64, device=device) for _ in range(2))

    def pair_of_transforms():
        torch.fft.fft2(here, out=there)
        torch.fft.ifft2(there, norm="forward", out=here)

    if device == "cpu":
        with single_thread():
            return count * seconds(pair_of_transforms, 5) / 2
    return count * wall(lambda: [pair_of_transforms() for _ in range(10)]) / 20 / batch


def wall(function):
    function()
    torch.cuda.synchronize()
    start = time.perf_counter()
    function()
    torch.cuda.synchronize()
    return time.perf_counter() - start


@pytest.fixture(scope="module")
def workload() -> Structure:
    return film_and_sphere()


@pytest.mark.parametrize(("pixels", "limit"), [(512, 2.0), (1024, 1.3)])
@pytest.mark.parametrize("lossy", [False, True], ids=["band-limited", "with loss"])
def test_one_configuration_against_its_fourier_transforms(workload, pixels, limit, lossy, capsys):
    grid = Grid((pixels, pixels), (102.4, 102.4))
    engine = Multislice(grid, grid, [6, 79], "lobato", Beam(300e3, lossy=lossy), 2.0, 110.0)
    times = []
    for _ in range(2):  # in turn, since the machine may be busy
        ours = seconds(lambda: engine.run(workload.positions[None], workload.numbers), 1)
        times.append((ours, fourier_floor(workload, grid, lossy)))
    ours, floor = min(t[0] for t in times), min(t[1] for t in times)
    with capsys.disabled():
        print(
            f"\n{len(workload)} atoms, {pixels}², loss {lossy}: {1 / ours:.2f} waves/s, {ours:.2f} s, "
            f"{ours / floor:.2f} × the bare cost of its Fourier transforms ({floor:.2f} s)"
        )
    assert ours < 1.3 * limit * floor  # room for a busy machine


def abtem_seconds(structure, pixels):
    import abtem

    abtem.config.set({"num_workers": 1, "threads": 1, "fft_threads": 1, "local_diagnostics.progress_bar": False})
    cell = structure.to_ase()

    def wave():
        potential = abtem.Potential(cell, gpts=pixels, slice_thickness=2.0, projection="infinite")
        return abtem.PlaneWave(energy=300e3).multislice(potential).compute(scheduler="single-threaded")

    return seconds(wave, 1)


@pytest.mark.skipif(find_spec("abtem") is None, reason="abTEM is not installed")
@pytest.mark.parametrize("pixels", [512, 1024])
def test_one_configuration_against_abtem(workload, pixels, capsys):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = abtem_seconds(workload, pixels)
    fields = {"grid": (pixels, pixels), "particle_wave": False, "thermal": False, "beyond_band": "absorbed"}
    ours = seconds(lambda: scatter(workload, **fields, **PLAIN), 2)
    with capsys.disabled():
        print(f"\none exit wave at {pixels}²: {ours:.2f} s, abTEM {theirs:.2f} s: {theirs / ours:.1f} ×")
    assert theirs > 3 * ours


@pytest.mark.skipif(find_spec("abtem") is None, reason="abTEM is not installed")
def test_a_whole_sample_against_abtem(workload, capsys):
    """Scene and particle alone, from a bank of film waves: what a data set needs of each sample."""
    from dataclasses import replace

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = abtem_seconds(workload, 512)
        # the particle alone, in abTEM's best way: only as high as it is
        ball = workload.of(role="particle")
        low = ball.positions[:, 2].min() - 1
        moved = replace(ball, positions=ball.positions - [0, 0, low], cell=np.diag([102.4, 102.4, 52.0]))
        theirs += abtem_seconds(moved, 512)
    rng = np.random.default_rng(0)
    film = workload.of(role="support")
    whole = rng.random((int(102.4**2 * 50 * 0.1103), 3)) * [102.4, 102.4, 50.0] + [0, 0, 2.0]
    film = replace(
        film,
        positions=whole,
        numbers=np.full(len(whole), 6, np.int32),
        objects=np.full(len(whole), 1, np.int32),
        grains=np.zeros(len(whole), np.int32),
        thermal=np.full(len(whole), np.nan),
    )
    bank = FilmBank(film, seed=1, grid=(512, 512), **PLAIN)
    scene = bank.scene(ball, (40, 99))
    ours = seconds(lambda: bank.scatter(scene, seed=2, shift=(40, 99)), 1) / 8
    with capsys.disabled():
        print(
            f"\nscene and particle alone at 512², each configuration: {ours:.2f} s, abTEM {theirs:.2f} s: "
            f"{theirs / ours:.1f} ×"
        )
    assert theirs > 5 * ours


def test_waves_per_second_on_a_gpu(workload, capsys):
    if not torch.cuda.is_available():
        with capsys.disabled():
            print("\nthere is no GPU here: no waves per second on one")
        pytest.skip("there is no GPU here")
    for pixels in (512, 1024, 2048):
        grid = Grid((pixels, pixels), (102.4, 102.4))
        for batch in (1, 4, 16, 64):
            fields = {"grid": (pixels, pixels), "particle_wave": False, "device": "cuda"} | PLAIN
            torch.cuda.reset_peak_memory_stats()
            spent = wall(lambda n=batch, f=fields: scatter(workload, seed=1, configurations=n, **f)) / batch
            peak = torch.cuda.max_memory_allocated() / 1e9
            share = fourier_floor(workload, grid, True, "cuda", min(batch, 4)) / spent
            with capsys.disabled():
                print(
                    f"\n{pixels}², batch {batch}: {1 / spent:.1f} waves/s, {share:.0%} of the bare Fourier "
                    f"transforms' speed, peak memory {peak:.2f} GB"
                )
