"""What films that structures share save: the same recipe with and without, processor time in one run.

EXITWAVE_BENCH_FILMS=1 pytest -s benchmarks/bench_dataset_films.py      # large particles and thick films, too
"""

from __future__ import annotations

import os
import time
from typing import Any

import pytest
from _pytest.capture import CaptureFixture

from exitwave.dataset import Recipe
from exitwave.dataset.kept_films import forget_films
from exitwave.dataset.samples import one_thread
from exitwave.dataset.work import make_structure

PER_FILM = 64
CASES = [(12.5, 50.0), (25.0, 50.0), (12.5, 100.0)]
if "EXITWAVE_BENCH_FILMS" not in os.environ:
    del CASES[1:]


def recipe(per_film: int, radius: float, thickness: float) -> Recipe:
    data: dict[str, Any] = {
        "seed": 1,
        "structures": {
            "count": PER_FILM,
            "family": "supported_particles",
            "per_film": per_film,
            "side": "exit",
            "particles": {"material": "Au", "count": 1, "radius": radius},
            "film": {"material": "a-C", "thickness": thickness},
        },
        "scattering": {"sampling": 0.2, "potential_sampling": None, "configurations": 2},
        "images": {"per_structure": 1, "dose": 400},
    }
    return Recipe.parse(data)


def spent(given: Recipe, index: int) -> float:
    began = time.process_time()
    assert not make_structure(given, index).entry["failures"]
    return time.process_time() - began


@pytest.mark.parametrize(("radius", "thickness"), CASES)
def test_films_that_structures_share(radius: float, thickness: float, capsys: CaptureFixture[str]) -> None:
    """Whole samples at 512²: atoms, waves of scene and particle, labels and an image."""
    shared, own = recipe(PER_FILM, radius, thickness), recipe(1, radius, thickness)
    with one_thread():
        spent(own, 0)  # compiles
        forget_films()
        first = spent(shared, 0)
        times = [(spent(shared, index), spent(own, index)) for index in (1, 2, 3)]
    each, alone = (min(column) for column in zip(*times, strict=True))
    whole = each + max(first - each, 0.0) / PER_FILM
    what = f"particles of {2 * radius:g} Å on {thickness:g} Å of carbon, {PER_FILM} on a film"
    with capsys.disabled():
        print(
            f"\n{what}: {alone / whole:.2f} × as fast as with films of their own "
            f"(a film takes as long as {first / each - 1:.1f} structures)"
        )
    assert alone > 1.05 * whole
