"""Memory over long runs of structures."""

import gc
import os

import numpy as np
import psutil

from exitwave.scattering import scatter
from exitwave.structure.structure import Structure


def structure(index):
    rng = np.random.default_rng(index)
    cell = (12.0 + index % 3, 12.0, 14.0)  # some grids come again, as in a data set
    count = 60
    return Structure(
        positions=rng.random((count, 3)) * cell,
        numbers=rng.choice([6, 79], count).astype(np.int32),
        cell=np.diag(cell),
        objects=np.zeros(count, np.int32),
        grains=np.zeros(count, np.int32),
        thermal=np.full(count, np.nan),
        names=("lump",),
        roles=("particle",),
    )


def test_memory_is_flat_over_many_structures():
    """What a run keeps does not grow with the number of structures: under 8 MB over 200 of them."""
    process = psutil.Process(os.getpid())

    def run(first, last):
        for index in range(first, last):
            scatter(structure(index), seed=index, configurations=1, sampling=0.2, potential_sampling=0.2)
        gc.collect()
        return process.memory_info().rss

    before = run(0, 40)
    assert run(40, 240) - before < 8e6
