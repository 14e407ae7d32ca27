"""The data layer without physics: records and images per second, questions to a large catalog, memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import psutil
import pyarrow as pa
import pytest
import torch

from exitwave.dataset import Dataset, Recipe, generate
from exitwave.dataset import work as work_module
from exitwave.dataset.catalog import write_catalog
from exitwave.dataset.records import draw_image, draw_structure
from exitwave.dataset.shards import ShardWriter, shard_name
from exitwave.labels import Labels
from exitwave.scattering import ExitWave

IMAGES = int(os.environ.get("EXITWAVE_BENCH_IMAGES", "512"))  # the goals are for 10 000
PER_STRUCTURE, SIDE = 4, 256


def seconds(function: Callable[[], Any], rounds: int = 3, clock: Callable[[], float] = time.perf_counter) -> float:
    best = float("inf")
    for _ in range(rounds):
        began = clock()
        function()
        best = min(best, clock() - began)
    return best


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of made-up counts with the statistics of real ones."""
    place = tmp_path_factory.mktemp("bench") / "set"
    (place / "shards").mkdir(parents=True)
    generator = np.random.default_rng(1)
    mask = (np.hypot(*np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]) < 0.5).astype(np.uint8)
    counts = generator.poisson(16, (16, PER_STRUCTURE, SIDE, SIDE)).astype(np.uint16)
    structures = IMAGES // PER_STRUCTURE
    began = time.perf_counter()
    for number in range(structures // 16):
        with ShardWriter(place / "shards" / shard_name(number)) as writer:
            for index in range(16 * number, 16 * (number + 1)):
                entry = {
                    "index": index,
                    "id": f"{index:032x}",
                    "record": {"labels": [{"rule": "phase"}]},
                    "columns": {"material": "Au"},
                    "failures": [],
                    "pixel_size": 0.2,
                    "rules": ["phase"],
                    "images": [
                        {"index": j, "id": f"{index:016x}{j:016x}", "record": {}, "columns": {"dose": 100.0 + j}}
                        for j in range(PER_STRUCTURE)
                    ],
                }
                writer.add(entry, {"images": np.roll(counts[index % 16], index, axis=-1), "labels/phase": mask})
            writer.commit()
    rate = structures * PER_STRUCTURE / (time.perf_counter() - began)
    print(f"\nwrite: {rate:.0f} images of {SIDE} × {SIDE} per second, checksums and fsync included")
    return place


def test_random_images(folder: Path) -> None:
    data = Dataset(folder)
    order = np.random.default_rng(2).permutation(len(data))[:256]
    store = data._stores[0]

    def read() -> None:
        for index in order:
            store.image(int(index))
            store.label(int(index), "phase")

    ours = seconds(read)
    with h5py.File(folder.parent / "plain.h5", "w") as file:
        file.create_dataset("images", data=data.images(np.arange(256)), chunks=(1, SIDE, SIDE))
    with h5py.File(folder.parent / "plain.h5") as file:
        images = file["images"]
        plain = seconds(lambda: [images[int(index) % 256] for index in order])
    print(f"\nread: {len(order) / ours:.0f} random images with labels per second out of {len(data)}, one process;")
    print(f"{ours / plain:.2f} × one plain file without checksums and packing")
    data.close()
    assert ours < 20 * plain


def test_a_loader_with_two_workers(folder: Path) -> None:
    """Two processes, batches of 16, in random order, after the workers have started."""
    data = Dataset(folder)
    loader = torch.utils.data.DataLoader(
        data.torch("phase"), batch_size=16, shuffle=True, num_workers=2, multiprocessing_context="spawn"
    )
    batches = iter(loader)
    workers = [psutil.Process(worker.pid) for worker in batches._workers]  # type: ignore[attr-defined]
    for _ in range(4):  # both workers are at it
        next(batches)
    began, before, count = time.perf_counter(), processor(workers), 0
    for images, _ in batches:
        count += len(images)
        spent, used = time.perf_counter() - began, processor(workers) - before
    rate = 2 * count / used
    print(
        f"\nloader: {count / spent:.0f} random images with labels per second out of {len(data)} with two workers now,"
    )
    print(f"{rate:.0f} where both have a core of their own ({1e3 * used / count:.2f} ms of processor time each)")
    data.close()
    assert rate > 400


def processor(processes: list[psutil.Process]) -> float:
    """Return the processor time that processes have used, s."""
    return sum(sum(process.cpu_times()[:2]) for process in processes)


def test_drawing_records() -> None:
    recipe = Recipe.parse(
        Recipe.read("paper-baseline").to_dict()
        | {
            "structures": {
                "count": 512,
                "family": "supported_particles",
                "particles": {"material": "Au", "radius": 40},
                "film": {"material": "a-C", "thickness": 50},
            }
        }
    )
    draw_structure(recipe, 0)

    def draw() -> None:
        for index in range(50):
            drawn = draw_structure(recipe, index)
            draw_image(recipe.images.spec, drawn.stream, 0).to_dict()
            drawn.to_dict()

    spent = seconds(draw, 2)
    print(f"\ndraw: {50 / spent:.0f} records per second")
    assert spent < 60


def test_generate_without_physics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Draws, records, identities, checksums, files and catalog: what a sample costs beside its physics."""
    vacuum = ExitWave(torch.ones(1, 8, 8, dtype=torch.complex64), (0.5, 0.5), 300e3, None, record={})
    labels = Labels({"phase": np.zeros((8, 8), np.uint8)}, 0.5)
    counts = np.ones((8, 8), np.uint16)
    monkeypatch.setattr(work_module, "render_structure", lambda drawn: drawn)
    monkeypatch.setattr(work_module, "render_wave", lambda *given: vacuum)
    monkeypatch.setattr(work_module, "render_labels", lambda *given: labels)
    monkeypatch.setattr(work_module, "expected_images", lambda records, wave: [None] * len(records))
    monkeypatch.setattr(work_module, "render_image", lambda *given: counts)
    recipe = Recipe.read("gold-on-carbon").to_dict()
    recipe["structures"] |= {
        "count": 48,
        "particles": {"material": "Au", "radius": 20},
    }  # faults cost crystallography
    began = time.perf_counter()
    data = generate(recipe, tmp_path / "set")
    spent = time.perf_counter() - began
    print(f"\ngenerate without physics: {len(data) / spent:.0f} images/s, {1e3 * spent / len(data):.1f} ms each")
    assert len(data) == 48 * PER_STRUCTURE
    data.close()


def test_questions_to_a_million_images(tmp_path: Path) -> None:
    """Through the catalog's own file, 30 columns of numbers."""
    count = 1_000_000
    generator = np.random.default_rng(3)
    (tmp_path / "shards").mkdir()
    columns: dict[str, Any] = {f"number_{index}": generator.random(count) for index in range(28)}
    columns |= {"row": np.arange(count), "dose": generator.random(count), "defocus": generator.random(count)}
    for name in ("shard", "structure", "position"):
        columns[name] = np.arange(count)
    write_catalog(tmp_path / "catalog.parquet", pa.table(columns), {})
    data = Dataset(tmp_path)
    spent = seconds(lambda: data.where("dose < 0.2 AND defocus BETWEEN 0.2 AND 0.5"), clock=time.process_time)
    array = columns["dose"]

    def scanned() -> Any:
        return np.flatnonzero((array < 0.2) & (columns["defocus"] >= 0.2) & (columns["defocus"] <= 0.5))

    scan = seconds(scanned, clock=time.process_time)
    print(f"\nquery: {1e3 * spent:.0f} ms of processor time over a million images, {spent / scan:.0f} × a scan")
    data.close()
    assert spent < 0.2


MEMORY = """
import json, resource, sys
import numpy as np, torch
from pathlib import Path
from exitwave.dataset import Recipe, generate
from exitwave.dataset import work
from exitwave.labels import Labels
from exitwave.scattering import ExitWave
vacuum = ExitWave(torch.ones(1, 64, 64, dtype=torch.complex64), (0.5, 0.5), 300e3, None, record={})
labels = Labels({"phase": np.zeros((64, 64), np.uint8)}, 0.5)
counts = np.ones((64, 64), np.uint16)
work.render_structure = lambda drawn: drawn
work.render_wave = lambda *given: vacuum
work.render_labels = lambda *given: labels
work.expected_images = lambda records, wave: [None] * len(records)
work.render_image = lambda *given: counts
recipe = Recipe.read("gold-on-carbon").to_dict()
recipe["structures"] |= {"count": int(sys.argv[2]), "particles": {"material": "Au", "radius": 20}}
peaks = []
generate(recipe, sys.argv[1], progress=lambda s: peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))
print(json.dumps([peaks[len(peaks) // 3], peaks[-1]]))
"""


def test_memory_is_flat_in_the_number_of_samples(tmp_path: Path) -> None:
    """From a third of the way to the end, the greatest memory of a generator hardly grows."""
    command = [sys.executable, "-c", MEMORY, str(tmp_path / "set"), "96"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    early, late = json.loads(done.stdout.splitlines()[-1])
    grown = (late - early) / 64 / PER_STRUCTURE
    print(f"\nmemory: {late / 1024:.0f} MiB after 384 images, {grown:.1f} KiB more for each of the last 256")
    assert late < 1.05 * early
