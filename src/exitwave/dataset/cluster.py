"""Shards made on a Dask cluster; beside a worker that drives a device, processes build atoms ahead of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

from exitwave.core import DatasetError, ExitwaveError
from exitwave.dataset.executors import Event, Job, drives_device
from exitwave.dataset.feeding import FedExecutor, Feed
from exitwave.dataset.kept_films import forget_films
from exitwave.dataset.shards import Shard, shard_name
from exitwave.dataset.work import make_shard, structures_of_shard

__all__ = ["ClusterExecutor"]

_TOGETHER = 4  # shards of one task on a device, whose first structure it waits for
_FEEDS: dict[tuple[str, int], Feed] = {}  # of this Dask worker: its builders stay from task to task
_GUARD = threading.Lock()

Made = list[tuple[int, int, int]]
"""Shard, structure, failures."""


class ClusterExecutor:
    """Makes shards on a Dask cluster that shares the folder; what a worker that dies had begun is made again.

    Parameters
    ----------
    address
        The scheduler's address, or a ``distributed.Client`` or cluster.
    builders
        Where the job has a device: processes beside each Dask worker that build structures ahead of it.
    """

    def __init__(self, address: Any, builders: int = 1) -> None:
        self.address = address
        self.builders = builders

    def run(self, job: Job, shards: Sequence[int]) -> Iterator[Event]:
        """Make the shards on all workers of the cluster."""
        try:
            from distributed import Client, as_completed
        except ImportError:
            raise DatasetError(
                "a scheduler needs dask and distributed; pip install 'exitwave[cluster]' brings them."
            ) from None
        text = job.to_json()
        builders = self.builders if drives_device(job.device) else 0
        given = isinstance(self.address, Client)
        try:
            client = self.address if given else Client(self.address, timeout=30)  # type: ignore[no-untyped-call]
        except (OSError, ValueError, TypeError) as error:
            raise DatasetError(f"scheduler is {self.address!r}, which does not answer ({error}).") from None
        try:
            threads = sum(client.ncores().values())
            size = max(1, min(_TOGETHER, len(shards) // max(2 * threads, 1))) if builders else 1
            tasks = [list(shards[start : start + size]) for start in range(0, len(shards), size)]
            futures = {
                client.submit(
                    _on_worker, text, task, builders, key=f"exitwave-{job.recipe.identity}-{task[0]}", pure=False
                ): task
                for task in tasks
            }
            for future in as_completed(list(futures)):  # type: ignore[no-untyped-call]
                task = futures[future]
                try:
                    made: Made = future.result()
                except ExitwaveError:
                    raise
                except Exception as error:
                    raise DatasetError(f"shard {task[0]} failed on the cluster: {error}") from None
                for number, index, failed in made:
                    yield Event(number, index, failed)
                for number in task:
                    yield Event(number, None, sum(failed for shard, _, failed in made if shard == number))
                future.release()
        finally:
            with suppress(Exception):
                client.run(_release)
            if not given:
                client.close()


def _on_worker(text: str, numbers: list[int], builders: int) -> Made:
    """Make some shards on a Dask worker; those that a task that was cut short has committed are kept."""
    job = Job.from_json(text)
    made = {number: kept for number in numbers if (kept := _committed(job, number)) is not None}
    missing = [number for number in numbers if number not in made]
    if not builders:
        for number in missing:
            found = make_shard(job.recipe, job.folder, number, job.device)
            made[number] = [(number, index, failed) for index, failed in found]
    elif missing:
        feed = _feed(job, text, builders)
        try:
            for event in FedExecutor.fed(job, missing, feed):
                if event.structure is not None:
                    made.setdefault(event.shard, []).append((event.shard, event.structure, event.failures))
        except BaseException:
            _release()  # structures that nobody takes would fill it
            raise
    return [item for number in numbers for item in made[number]]


def _committed(job: Job, number: int) -> Made | None:
    try:
        with Shard(job.folder / "shards" / shard_name(number)) as shard:
            if list(shard.positions) == list(structures_of_shard(job.recipe, number)):
                return [(number, int(entry["index"]), len(entry["failures"])) for entry in shard.entries]
    except DatasetError:
        pass
    return None


def _feed(job: Job, text: str, builders: int) -> Feed:
    with _GUARD:
        if (text, builders) not in _FEEDS:
            _FEEDS[text, builders] = Feed(job, builders)
        return _FEEDS[text, builders]


def _release() -> None:
    """End the builders of this Dask worker, and free its films."""
    forget_films()
    with _GUARD:
        while _FEEDS:
            _FEEDS.popitem()[1].close()
