"""What each stage of a long run costs: wall time over all its attempts, and peak memory of all processes."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from exitwave.core import DatasetError
from exitwave.core.files import write_whole

__all__ = ["Ledger", "Stage"]


@dataclass(frozen=True)
class Stage:
    """The cost of one stage.

    Parameters
    ----------
    name
        What it is called.
    seconds
        Wall time, s, summed over the runs that were interrupted.
    peak_bytes
        Largest resident memory of the process and its children together, bytes.
    """

    name: str
    seconds: float
    peak_bytes: int


class Ledger:
    """Keeps the stages' costs in a file, so that they outlive an interruption.

    Parameters
    ----------
    path
        The JSON file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stages: dict[str, Stage] = {}
        if path.exists():
            try:
                entries = json.loads(path.read_text(encoding="utf-8"))
                self._stages = {entry["name"]: Stage(**entry) for entry in entries}
            except (ValueError, TypeError, KeyError):
                self._stages = {}  # only costs are lost: they are measured again

    @property
    def stages(self) -> tuple[Stage, ...]:
        """All stages so far, in the order of their first run."""
        return tuple(self._stages.values())

    @contextmanager
    def measure(self, name: str, fresh: bool = False) -> Iterator[None]:
        """Measure the block as (a further run of) stage ``name``; ``fresh`` forgets what it cost before."""
        before = Stage(name, 0.0, 0) if fresh else self._stages.get(name, Stage(name, 0.0, 0))
        start = time.perf_counter()
        with _peak_memory() as peak:
            try:
                yield
            finally:
                seconds = before.seconds + time.perf_counter() - start
                self._stages[name] = Stage(name, seconds, max(before.peak_bytes, peak[0]))
                self._write()

    def _write(self) -> None:
        with contextlib.suppress(DatasetError):  # a full disk is the stage's to report; only costs are lost here
            write_whole(self._path, json.dumps([asdict(stage) for stage in self.stages], indent=1).encode())


@contextmanager
def _peak_memory(interval: float = 0.25) -> Iterator[list[int]]:
    """Sample the resident memory of this process and its children; the list's one entry is the peak."""
    process = psutil.Process()
    peak = [_resident(process)]
    done = threading.Event()

    def sample() -> None:
        while not done.wait(interval):
            peak[0] = max(peak[0], _resident(process))

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        done.set()
        thread.join()
        peak[0] = max(peak[0], _resident(process))


def _resident(process: psutil.Process) -> int:
    total = 0
    for member in (process, *process.children(recursive=True)):
        try:
            total += member.memory_info().rss
        except psutil.Error:
            continue  # a child that has just ended holds nothing
    return total
