"""What a data set will cost, told before anything is generated: from a short timing of the real stages."""

from __future__ import annotations

import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from exitwave.core import DatasetError, SpecError, counted
from exitwave.dataset.executors import drives_device, one_thread_environment
from exitwave.dataset.films import times_made
from exitwave.dataset.kept_films import forget_films, kept_bytes
from exitwave.dataset.recipe import Recipe
from exitwave.dataset.samples import one_thread
from exitwave.dataset.shards import ShardWriter, shard_name
from exitwave.dataset.work import Result, make_structure

__all__ = ["Plan", "plan"]


@dataclass(frozen=True)
class Plan:
    """The cost of a data set.

    Parameters
    ----------
    structures, images, shards
        Numbers.
    seconds
        Time of one worker for one structure with all its images, by stage; of "film", its share of films.
    spread
        Relative standard error of the sum, from the structures that were timed; NaN if it was one.
    workers
        Processes that share the work.
    start_seconds
        From the start of a worker to its first structure at full speed.
    structure_bytes
        On disk, for one structure with its images, labels and waves.
    memory
        Peak bytes of one worker for the arrays of a shard and of a structure, and the most waves of a film.
    shape
        Pixels (y, x) of an image.
    failures
        What went wrong in the structures that were timed.
    fed
        Whether the workers only build structures, for a device that does the rest.
    films
        Films that structures share; 0 if each has its own.

    Examples
    --------
    >>> cost = Plan(
    ...     structures=1000, images=4000, shards=50, seconds={"build": 0.5, "scatter": 1.5}, spread=0.1, workers=2,
    ...     start_seconds=0.0, structure_bytes=2_000_000, memory=200_000_000, shape=(512, 512))
    >>> cost.core_seconds, cost.total_seconds, cost.disk_bytes
    (2000.0, 1000.0, 2000000000)
    >>> print(cost)
    1,000 structures, 4,000 images of 512 × 512 px, 50 shards
    per structure on one core: 2 s (build 0.5 s, scatter 1.5 s), ± 10 %
    time with 2 workers: 17 min
    disk: 2 GB; memory per worker beyond the program's own: 200 MB
    """

    structures: int
    images: int
    shards: int
    seconds: dict[str, float]
    spread: float
    workers: int
    start_seconds: float
    structure_bytes: int
    memory: int
    shape: tuple[int, int]
    failures: tuple[str, ...] = field(default=())
    fed: bool = False
    films: int = 0

    @property
    def total_seconds(self) -> float:
        """Seconds from start to end with all workers, whole shards each."""
        if self.fed:  # the slower of all builders together and the device
            build = self.seconds["build"] / self.workers
            device = sum(spent for name, spent in self.seconds.items() if name not in ("build", "write"))
            return self.start_seconds + max(build, device) * self.structures
        each = sum(self.seconds.values()) * self.structures / self.shards
        rounds = -(-self.shards // self.workers)
        return self.start_seconds + each * rounds

    @property
    def core_seconds(self) -> float:
        """Seconds of one worker that did everything."""
        return sum(self.seconds.values()) * self.structures

    @property
    def disk_bytes(self) -> int:
        """Bytes of the whole data set."""
        return self.structure_bytes * self.structures

    def __str__(self) -> str:
        stages = ", ".join(f"{name} {spent:.2g} s" for name, spent in self.seconds.items())
        shared = f" on {counted(self.films, 'film')}" if self.films else ""
        sure = "from one structure" if math.isnan(self.spread) else f"± {100 * self.spread:.0f} %"
        lines = [
            f"{counted(self.structures, 'structure')}{shared}, {counted(self.images, 'image')} of {self.shape[0]} × "
            f"{self.shape[1]} px, {counted(self.shards, 'shard')}",
            f"per structure on one core: {sum(self.seconds.values()):.3g} s ({stages}), {sure}",
            f"time with {counted(self.workers, 'worker')}: {duration(self.total_seconds)}",
            f"disk: {size(self.disk_bytes)}; memory per worker beyond the program's own: {size(self.memory)}",
        ]
        return "\n".join(lines + [f"failed: {text}" for text in self.failures])


def plan(recipe: Recipe, *, workers: int = 1, device: str | None = None, samples: int = 4) -> Plan:
    """Return what a recipe will cost, from making a few of its structures.

    The first and the last structure are made before, as the first use of every stage compiles and loads; what they
    take longer than others is told as the start of each worker. Films that structures share are made for each, and
    their time is shared as it will be.

    Parameters
    ----------
    recipe
        The recipe.
    workers
        Processes that will share the work.
    device
        Where they will compute.
    samples
        Structures to time, spread over the recipe's.

    Returns
    -------
    Plan
        Times, sizes and memory; nothing is left on the disk.

    Raises
    ------
    SpecError
        If ``samples`` is below 1.
    DatasetError
        If every structure that was tried failed.

    Examples
    --------
    >>> small = Recipe.from_yaml('''
    ... seed: 1
    ... structures: {count: 100, family: supported_particles,
    ...   field: 24, particles: {material: Au, radius: 6}, film: {material: a-C, thickness: 6}}
    ... scattering: {sampling: 0.4, potential_sampling: null, configurations: 1}
    ... images: {per_structure: 2, dose: 400}
    ... ''')
    >>> plan(small, samples=1).images
    200
    """
    if samples < 1:
        raise SpecError(f"samples is {samples}; it is a number of structures, 1 or more.")
    count = recipe.structures.count
    indices = np.unique(np.linspace(0, count - 1, samples + 2).round().astype(int)[1:-1] if count > 2 else [0])
    times: list[dict[str, float]] = []
    sizes: list[tuple[int, int]] = []
    failures: list[str] = []
    shape = (0, 0)
    kept = 0
    with tempfile.TemporaryDirectory() as folder, one_thread(), _films_forgotten():
        began = time.perf_counter()
        for index in {0, count - 1}:
            forget_films()
            make_structure(recipe, index, device)
            kept = max(kept, kept_bytes())
        first = time.perf_counter() - began
        for index in (int(value) for value in indices):
            forget_films()
            result = make_structure(recipe, index, device)
            kept = max(kept, kept_bytes())
            failures += [f"{item['stage']}: {item['error']}" for item in result.entry["failures"]]
            if not result.arrays:
                continue
            began = time.perf_counter()
            stored = _stored_bytes(result, Path(folder), index)
            times.append(result.seconds | {"write": time.perf_counter() - began})
            sizes.append((stored, sum(array.nbytes for array in result.arrays.values())))
            shape = next(iter(result.arrays.values())).shape[-2:]
    if not times:
        reason = failures[0] if failures else "no images were made"
        raise DatasetError(f"every structure that was tried failed ({reason}); mend the recipe.")
    fed = workers > 1 and drives_device(device)
    crew = workers if fed else min(workers, recipe.shards)
    alone = float(np.mean([sum(item.values()) for item in times]))
    share = times_made(recipe, 1 if fed else crew) / count
    times = [item | ({"film": item["film"] * share} if "film" in item else {}) for item in times]
    totals = np.array([sum(item.values()) for item in times])
    spread = float(totals.std(ddof=1) / np.sqrt(len(totals)) / totals.mean()) if len(totals) > 1 else math.nan
    stored, in_memory = (int(np.mean([item[k] for item in sizes])) for k in (0, 1))
    return Plan(
        structures=count,
        images=count * recipe.images.per_structure,
        shards=recipe.shards,
        seconds={name: float(np.mean([item.get(name, 0.0) for item in times])) for name in times[0]},
        spread=spread,
        workers=crew,
        fed=fed,
        films=recipe.films,
        start_seconds=max(first - 2 * alone, 0.0) + (_import_seconds() if workers > 1 else 0.0),
        structure_bytes=stored,
        # the file's image is copied once when the shard is committed
        memory=2 * stored * recipe.store.structures_per_shard + 2 * in_memory + kept,
        shape=(int(shape[0]), int(shape[1])),
        failures=tuple(failures),
    )


def duration(seconds: float) -> str:
    """Return a time span as people say it.

    Examples
    --------
    >>> duration(45), duration(600), duration(9000), duration(200_000)
    ('45 s', '10 min', '2.5 h', '2.3 days')
    """
    for limit, unit, name in ((90, 1, "s"), (5400, 60, "min"), (129_600, 3600, "h")):
        if seconds < limit:
            return f"{seconds / unit:.2g} {name}" if seconds / unit < 100 else f"{seconds / unit:.0f} {name}"
    return f"{seconds / 86400:.2g} days" if seconds < 86400 * 100 else f"{seconds / 86400:.0f} days"


def size(count: float) -> str:
    """Return a number of bytes as people say it.

    Examples
    --------
    >>> size(2_500_000), size(3e12)
    ('2.5 MB', '3 TB')
    """
    for power, name in ((12, "TB"), (9, "GB"), (6, "MB"), (3, "kB")):
        if count >= 10**power:
            return f"{count / 10**power:.3g} {name}"
    return f"{count:.0f} B"


@contextmanager
def _films_forgotten() -> Iterator[None]:
    try:
        yield
    finally:
        forget_films()


def _import_seconds() -> float:
    began = time.perf_counter()
    command = (sys.executable, "-c", "import exitwave.dataset.work")
    subprocess.run(command, env=one_thread_environment(), check=False)
    return time.perf_counter() - began


def _stored_bytes(result: Result, folder: Path, index: int) -> int:
    path = folder / shard_name(index)
    with ShardWriter(path) as writer:
        writer.add(result.entry, result.arrays)
        writer.commit()
    stored = path.stat().st_size
    path.unlink()
    return stored
