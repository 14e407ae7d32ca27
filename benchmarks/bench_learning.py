"""What training and prediction cost, as ratios to the bare arithmetic in the same run."""

import os
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from exitwave.core import Stream
from exitwave.imaging import Imaging
from exitwave.learning import Crops, Live, Net, Network, Normalisation, Stored, Training, build
from exitwave.learning.losses import cross_entropy_dice
from exitwave.learning.memory import keep_memory
from exitwave.learning.networks import channels_last
from exitwave.learning.runs import run
from exitwave.scattering import scatter
from exitwave.structure.families import family

STEPS, BATCH, SIZE = 6, 8, 128
NET = Net(width=0.25)


@pytest.fixture(scope="module")
def source():
    keep_memory()
    random = np.random.default_rng(1)
    images = random.poisson(40, (BATCH * STEPS, 2 * SIZE, 2 * SIZE))
    return Stored(images, images > 50, 0.2, Crops(size=SIZE))


def bare_loop(source):
    network = channels_last(build(NET))
    optimizer = torch.optim.AdamW(network.parameters(), foreach=True)
    batch = source.batch(0, BATCH, Stream(1))
    images = Normalisation()(batch.images).contiguous(memory_format=torch.channels_last)
    seconds = []
    for _ in range(STEPS):
        start = time.process_time()
        optimizer.zero_grad()
        cross_entropy_dice(network(images), batch.labels).backward()
        optimizer.step()
        seconds.append(time.process_time() - start)
    return seconds


def test_a_training_step_against_a_bare_loop(source, tmp_path, capsys):
    spec = Training(net=NET, crops=source.crops, batch=BATCH, epochs=1)
    validation = {"held out": source.batch(0, 2, Stream(2))}
    bare = min(bare_loop(source))
    times = []
    run(
        source, validation, spec, Stream(1), tmp_path, "key", torch.device("cpu"),
        lambda _: times.append(time.process_time()), None, checkpoints=False,
    )  # fmt: skip
    ours = min(np.diff(times))
    with capsys.disabled():
        print(f"\ntraining step: {ours / bare:.2f} × a bare loop with fixed data ({BATCH / bare:.1f} crops/s bare)")
    assert ours < 1.6 * bare  # 1.2 on a quiet machine; crops, augmentation and averaging included


def test_waiting_for_data(source, tmp_path, capsys):
    spec = Training(net=NET, crops=source.crops, batch=BATCH, epochs=1)
    validation = {"held out": source.batch(0, 2, Stream(2))}
    _, _, facts = run(
        source, validation, spec, Stream(1), tmp_path, "key", torch.device("cpu"), None, None, checkpoints=False
    )
    with capsys.disabled():
        print(f"\ntraining waited for data {facts['waited_for_data']:.1%} of the time")
    assert facts["waited_for_data"] < 0.25


@pytest.mark.parametrize("device", ["cpu", *(["cuda"] if torch.cuda.is_available() else [])])
def test_waiting_for_live_images(tmp_path, capsys, device):
    """Every crop from an image of its own, formed in this step of waves of 256²; one thread for each of the two."""
    atoms = family("supported_particles").parse(
        {"field": 64, "film": {"thickness": 20}, "particles": {"material": "Au", "count": 1, "radius": 12}}
    )
    structures = [atoms.draw(Stream(seed)).build(Stream(seed)) for seed in range(4)]
    waves = [
        scatter(one, seed=1, sampling=0.25, configurations=1, particle_wave=False, device=device)
        for one in structures
    ]
    crops = Crops(size=SIZE, pixel_size=0.4)
    imaging = Imaging.parse({"defocus": {"uniform": [-300, 300]}, "dose": {"loguniform": [100, 2000]}})
    labels = np.zeros((len(waves), *waves[0].array.shape[-2:]))
    live = Live(waves, labels, imaging, crops, Stream(2), images_per_epoch=BATCH * STEPS)
    spec = Training(net=NET, crops=crops, batch=BATCH, epochs=1)
    validation = {"held out": live.batch(0, 2, Stream(3)).to("cpu")}
    where = torch.device(device)
    _, _, facts = run(live, validation, spec, Stream(1), tmp_path, "key", where, None, None, checkpoints=False)
    with capsys.disabled():
        print(f"\nlive training on {device} waited for images {facts['waited_for_data']:.1%} of the time")
    assert facts["waited_for_data"] < 0.5


# Imports once; each way is then measured in a child of its own.
_MEMORY = """
import os, time, torch
from exitwave.learning import Net, build
from exitwave.learning.memory import keep_memory
torch.set_num_threads(1)
for how in ("keep", "return"):
    child = os.fork()
    if child == 0:
        if how == "keep":
            keep_memory()
        network, images = build(Net()), torch.rand(8, 1, 192, 192)
        network(images).sum().backward()
        start = time.process_time()
        for _ in range(2):
            network(images).sum().backward()
        print(how, time.process_time() - start, flush=True)
        os._exit(0)
    os.waitpid(child, 0)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc only")
def test_keeping_memory(capsys):
    told = subprocess.run([sys.executable, "-c", _MEMORY], capture_output=True, check=True, text=True).stdout
    seconds = {how: float(value) for how, value in (line.split() for line in told.splitlines())}
    with capsys.disabled():
        print(f"\nsteps without keep_memory cost {seconds['return'] / seconds['keep']:.2f} × those with it")
    assert seconds["keep"] < 1.6 * seconds["return"]  # two steps each, beside whatever else runs


def test_prediction_of_large_images(capsys):
    network = Network(NET, build(NET).state_dict(), 0.4, Normalisation())
    image = np.random.default_rng(1).random((1024, 1024), dtype=np.float32)
    network.predict(image[:512, :512], 0.4)
    start = time.process_time()
    network.predict(image[:512, :512], 0.4)
    one = time.process_time() - start
    start = time.process_time()
    network.predict(image, 0.4)
    tiled = time.process_time() - start
    with capsys.disabled():
        print(f"\n1024² px in tiles: {tiled / one:.1f} × 512² px in one piece ({one:.2f} CPU-s); 9 tiles")
    assert tiled < 14 * one


# The imports and a small image come first, so that what is left is the image's own. A child inherits ru_maxrss.
_LARGE = """
import sys, time
from pathlib import Path
import numpy as np
import torch
from exitwave.learning import Network

def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))

network, side = Network.load("general"), int(sys.argv[1])
torch.set_num_threads(int(sys.argv[2]))
image = np.random.default_rng(1).random((side, side), dtype=np.float32)
network.predict_maps(image[:128, :128], 0.4)
before, start, used = peak(), time.perf_counter(), time.process_time()
network.predict_maps(image, 0.4)
print((peak() - before) / side**2, peak(), time.perf_counter() - start, time.process_time() - used)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize(
    ("side", "most"),  # bytes for a pixel: four maps and the tiles' own, which weigh less in a larger image
    [
        (2048, 45),
        pytest.param(
            4096, 32, marks=pytest.mark.skipif("EXITWAVE_BENCH_LARGE" not in os.environ, reason="takes a minute")
        ),
    ],
)
def test_memory_of_large_images(capsys, side, most):
    """Of the shipped network with all of its maps; asked for are 12 s on two cores and 1 GB for 4096²."""
    done = subprocess.run([sys.executable, "-c", _LARGE, str(side), "2"], capture_output=True, check=True, text=True)
    bytes_per_pixel, peak, seconds, cpu = map(float, done.stdout.split())
    with capsys.disabled():
        print(f"\n{side}² px: {bytes_per_pixel:.0f} bytes a pixel, {peak / 1e9:.2f} GB in all, "
              f"{seconds:.0f} s ({cpu:.0f} CPU-s)")  # fmt: skip
    assert bytes_per_pixel < most
    assert peak < 1e9
