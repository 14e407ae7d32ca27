"""Who makes the shards: this process or local processes; all give the same bytes."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from exitwave.core import DatasetError
from exitwave.dataset.recipe import Recipe
from exitwave.dataset.work import make_shard
from exitwave.structure.families.atom_files import open_copies

__all__ = [
    "Event",
    "Executor",
    "InlineExecutor",
    "Job",
    "ProcessExecutor",
    "drives_device",
    "one_thread_environment",
]

_ATTEMPTS = 3
_COMMAND = (sys.executable, "-m", "exitwave.dataset.worker")


@dataclass(frozen=True)
class Job:
    """What is the same for every shard of a run."""

    recipe: Recipe
    folder: Path
    device: str | None = None
    allow_code: bool = False

    def to_json(self) -> str:
        """Return the job as text that a worker reads."""
        data = {
            "recipe": self.recipe.to_dict(),
            "folder": str(self.folder.resolve()),
            "device": self.device,
            "allow_code": self.allow_code,
        }
        return json.dumps(data)

    @classmethod
    def from_json(cls, text: str) -> Job:
        """Return the job that ``to_json`` wrote."""
        from exitwave.dataset.recipe import code_allowed

        data = json.loads(text)
        open_copies(Path(data["folder"]))
        with code_allowed(bool(data["allow_code"])):
            recipe = Recipe.parse(data["recipe"])
        return cls(recipe, Path(data["folder"]), data["device"], bool(data["allow_code"]))


@dataclass(frozen=True)
class Event:
    """A structure was made, or a shard was committed (``structure`` is then None)."""

    shard: int
    structure: int | None
    failures: int


class Executor(Protocol):
    """Makes shards of a job in any order."""

    def run(self, job: Job, shards: Sequence[int]) -> Iterator[Event]:
        """Make the shards, telling of each structure and of each commit."""
        ...


class InlineExecutor:
    """Makes every shard in this process: the oracle for all others."""

    def run(self, job: Job, shards: Sequence[int]) -> Iterator[Event]:
        """Make the shards one after the other."""
        for number in shards:
            failures = 0
            for index, failed in make_shard(job.recipe, job.folder, number, job.device):
                failures += failed
                yield Event(number, index, failed)
            yield Event(number, None, failures)


class ProcessExecutor:
    """Makes shards in local processes with one thread each; a shard whose process dies is made again.

    The processes are new interpreters that read JSON, so nothing of the calling program runs in them.

    Parameters
    ----------
    workers
        Number of processes.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers

    def run(self, job: Job, shards: Sequence[int]) -> Iterator[Event]:
        """Make the shards, as many at a time as there are workers."""
        waiting = deque(shards)
        attempts: dict[int, int] = {}
        inbox: queue.Queue[tuple[_Worker, dict[str, Any] | None]] = queue.Queue()
        crew: list[_Worker] = []
        try:
            for _ in range(min(self.workers, len(waiting))):
                crew.append(_Worker(job, inbox))  # noqa: PERF401 (so that finally sees each one started)
            while waiting or any(worker.shard is not None for worker in crew):
                for worker in crew:
                    if worker.shard is None and waiting:
                        worker.start(waiting.popleft())
                worker, message = inbox.get()
                if worker not in crew:
                    continue
                number = worker.shard
                if message is None:
                    crew.remove(worker)
                    worker.stop()
                    if number is not None:
                        attempts[number] = attempts.get(number, 0) + 1
                        if attempts[number] >= _ATTEMPTS:
                            raise DatasetError(
                                f"shard {number} ended its process {_ATTEMPTS} times ({worker.end()}); "
                                "if memory is short, use fewer workers or fewer structures_per_shard."
                            )
                        waiting.appendleft(number)
                    crew.append(_Worker(job, inbox))
                elif "error" in message:
                    raise DatasetError(message["error"])
                elif message.get("done") and number is not None:
                    worker.shard = None
                    yield Event(number, None, int(message["failures"]))
                elif number is not None:
                    yield Event(number, int(message["structure"]), int(message["failures"]))
        finally:
            for worker in crew:
                worker.stop()


def drives_device(device: str | None) -> bool:
    """Return whether a device is another than the processor, so that processes may build atoms ahead of it."""
    return device is not None and not device.startswith("cpu")


def one_thread_environment() -> dict[str, str]:
    """Return this process's environment with every library pinned to one thread."""
    names = ("OMP", "MKL", "OPENBLAS", "NUMBA", "VECLIB_MAXIMUM", "NUMEXPR")
    # glibc otherwise hands the large blocks of every image back to the kernel and fetches them again
    allocator = {"MALLOC_MMAP_THRESHOLD_": "4000000000", "MALLOC_TRIM_THRESHOLD_": "8000000000"}
    return dict(os.environ) | allocator | {f"{name}_NUM_THREADS": "1" for name in names}


class _Worker:
    """A local process that makes one shard at a time."""

    def __init__(self, job: Job, inbox: queue.Queue[tuple[_Worker, dict[str, Any] | None]]) -> None:
        self.shard: int | None = None
        self._process = subprocess.Popen(
            _COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=one_thread_environment(),
            text=True,
            encoding="utf-8",
        )
        self._send(job.to_json())
        self._listener = threading.Thread(target=self._listen, args=(inbox,), daemon=True)
        self._listener.start()

    def start(self, shard: int) -> None:
        """Begin a shard."""
        self.shard = shard
        self._send(json.dumps(shard))

    def stop(self) -> None:
        """End the process; a shard it has not committed leaves nothing behind."""
        self._process.kill()
        self._process.wait()
        self._listener.join()  # it sees the end of the pipe
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()

    def end(self) -> str:
        """Return how the process ended."""
        code = self._process.wait()
        return f"signal {-code}" if code < 0 else f"exit code {code}"

    def _send(self, text: str) -> None:
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # it has died; the listener says so
            self._process.stdin.write(text + "\n")
            self._process.stdin.flush()

    def _listen(self, inbox: queue.Queue[tuple[_Worker, dict[str, Any] | None]]) -> None:
        assert self._process.stdout is not None
        try:
            for line in self._process.stdout:
                inbox.put((self, json.loads(line)))
        except ValueError:
            pass  # closed, or cut in the middle of a line
        inbox.put((self, None))
