"""Speed of scattering: against the bare cost of its Fourier transforms, and against abTEM in the same run.

Times are those of the processor in this thread, so that a busy machine changes them little.
"""

import time
from importlib.util import find_spec

import numpy as np
import pytest
import torch

from exitwave.scattering import Grid, scatter
from exitwave.scattering.multislice import Beam, Multislice, single_thread
from exitwave.scattering.slicing import occupied_planes, slice_atoms
from exitwave.structure.structure import Structure

GOLD = 4.0782
FCC = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
CELL = np.array([102.4, 102.4, 110.0])


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


def fourier_floor(structure: Structure, grid: Grid, lossy: bool) -> float:
    """Bare time of the transforms that one configuration runs."""
    groups = slice_atoms(structure.positions, structure.numbers, grid, 2.0)
    planes = occupied_planes(groups)
    count = 2 * len(planes)
    for first in range(0, len(planes), 2):
        pair = planes[first], planes[min(first + 1, len(planes) - 1)]
        acting = sum(low < high for low, high in (group.near(*pair) for group in groups))
        count += acting + 1 + lossy
    here, there = torch.zeros(grid.shape, dtype=torch.complex64), torch.zeros(grid.shape, dtype=torch.complex64)
    with single_thread():
        forward = seconds(lambda: torch.fft.fft2(here, out=there), 9)
        backward = seconds(lambda: torch.fft.ifft2(there, norm="forward", out=here), 9)
    return count * (forward + backward) / 2


@pytest.fixture(scope="module")
def workload() -> Structure:
    return film_and_sphere()


@pytest.mark.parametrize("lossy", [False, True], ids=["band-limited", "with loss"])
def test_one_configuration_against_its_fourier_transforms(workload, lossy, capsys):
    grid = Grid((512, 512), (102.4, 102.4))
    engine = Multislice(grid, grid, [6, 79], "lobato", Beam(300e3, lossy=lossy), 2.0, 110.0)
    ours = seconds(lambda: engine.run(workload.positions[None], workload.numbers))
    floor = fourier_floor(workload, grid, lossy)
    with capsys.disabled():
        print(
            f"\n{len(workload)} atoms, 512², loss {lossy}: {ours:.2f} s, {ours / floor:.2f} × the bare cost of its "
            f"Fourier transforms ({floor:.2f} s)"
        )
    assert ours < 3 * floor


def test_one_configuration_against_abtem(workload, capsys):
    if find_spec("abtem") is None:
        pytest.skip("abTEM is not installed")
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import abtem

        abtem.config.set({"num_workers": 1, "threads": 1, "fft_threads": 1})
        cell = workload.to_ase()

        def theirs():
            potential = abtem.Potential(cell, gpts=512, slice_thickness=2.0, projection="infinite")
            return abtem.PlaneWave(energy=300e3).multislice(potential).compute(scheduler="single-threaded")

        their_time = seconds(theirs, 2)
    fields = {"grid": (512, 512), "potential_sampling": None, "particle_wave": False, "thermal": False}
    our_time = seconds(lambda: scatter(workload, beyond_band="absorbed", **fields))
    with capsys.disabled():
        print(f"\none exit wave at 512²: {our_time:.2f} s, abTEM {their_time:.2f} s: {their_time / our_time:.1f} ×")
    assert their_time > our_time


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
def test_waves_per_second_on_a_gpu(workload, capsys):
    for pixels in (512, 1024, 2048):
        for batch in (1, 4, 16, 64):
            fields = {"grid": (pixels, pixels), "potential_sampling": None, "particle_wave": False}
            torch.cuda.reset_peak_memory_stats()
            scatter(workload, seed=1, configurations=batch, device="cuda", **fields)
            torch.cuda.synchronize()
            start = time.perf_counter()
            scatter(workload, seed=1, configurations=batch, device="cuda", **fields)
            torch.cuda.synchronize()
            spent = time.perf_counter() - start
            peak = torch.cuda.max_memory_allocated() / 1e9
            with capsys.disabled():
                print(f"\n{pixels}², batch {batch}: {batch / spent:.1f} waves/s, peak memory {peak:.2f} GB")
