"""The data layer without physics: shards per second, random images per second, questions to a large catalog."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pytest

from exitwave.dataset import Dataset, Recipe
from exitwave.dataset.catalog import write_catalog
from exitwave.dataset.records import draw_image, draw_structure
from exitwave.dataset.shards import ShardWriter, shard_name

STRUCTURES, IMAGES, SIDE = 64, 4, 256


def seconds(function: Callable[[], Any], rounds: int = 3) -> float:
    best = float("inf")
    for _ in range(rounds):
        began = time.perf_counter()
        function()
        best = min(best, time.perf_counter() - began)
    return best


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of made-up counts with the statistics of real ones."""
    place = tmp_path_factory.mktemp("bench") / "set"
    (place / "shards").mkdir(parents=True)
    generator = np.random.default_rng(1)
    mask = (np.hypot(*np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]) < 0.5).astype(np.uint8)
    counts = generator.poisson(16, (STRUCTURES, IMAGES, SIDE, SIDE)).astype(np.uint16)
    began = time.perf_counter()
    for number in range(STRUCTURES // 16):
        with ShardWriter(place / "shards" / shard_name(number)) as writer:
            for index in range(16 * number, 16 * (number + 1)):
                entry = {
                    "index": index,
                    "id": f"{index:032x}",
                    "record": {},
                    "columns": {"material": "Au"},
                    "failures": [],
                    "images": [
                        {"index": j, "id": f"{index:016x}{j:016x}", "record": {}, "columns": {"dose": 100.0 + j}}
                        for j in range(IMAGES)
                    ],
                }
                writer.add(entry, {"images": counts[index], "labels/phase": mask})
            writer.commit()
    rate = STRUCTURES * IMAGES / (time.perf_counter() - began)
    print(f"\nwrite: {rate:.0f} images of {SIDE} × {SIDE} per second, checksums and fsync included")
    return place


def test_random_images(folder: Path) -> None:
    data = Dataset(folder)
    order = np.random.default_rng(2).permutation(len(data))[:128]
    store = data._stores[0]

    def read() -> None:
        for index in order:
            store.image(int(index))
            store.label(int(index), "phase")

    ours = seconds(read)
    with h5py.File(folder.parent / "plain.h5", "w") as file:
        file.create_dataset("images", data=data.images(), chunks=(1, SIDE, SIDE))
    with h5py.File(folder.parent / "plain.h5") as file:
        images = file["images"]
        plain = seconds(lambda: [images[int(index)] for index in order])
    print(
        f"\nread: {len(order) / ours:.0f} random images with labels per second; {ours / plain:.2f} × one plain file"
    )
    data.close()
    assert ours < 20 * plain


def test_drawing_records() -> None:
    recipe = Recipe.read("paper-baseline")
    draw_structure(recipe, 0)

    def draw() -> None:
        for index in range(50):
            drawn = draw_structure(recipe, index)
            draw_image(recipe.images.spec, drawn.stream, 0).to_dict()
            drawn.to_dict()

    spent = seconds(draw, 2)
    print(f"\ndraw: {50 / spent:.0f} records per second")
    assert spent < 60


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
    spent = seconds(lambda: data.where("dose < 0.2 AND defocus BETWEEN 0.2 AND 0.5"))
    array = columns["dose"]
    scan = seconds(lambda: np.flatnonzero((array < 0.2) & (columns["defocus"] >= 0.2) & (columns["defocus"] <= 0.5)))
    print(f"\nquery: {1e3 * spent:.0f} ms over a million images, {spent / scan:.0f} × a scan of arrays in memory")
    data.close()
    assert spent < 10
