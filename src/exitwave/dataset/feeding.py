"""Structures built by CPU processes ahead of the one process that drives a device, which so never waits for atoms."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import fields
from queue import Queue
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from exitwave.core import DatasetError
from exitwave.dataset.executors import Event, Job, one_thread_environment
from exitwave.dataset.samples import one_thread
from exitwave.dataset.shards import ShardWriter, shard_name
from exitwave.dataset.work import Result, make_structure, shard_notes, structures_of_shard
from exitwave.structure import Structure

__all__ = ["FedExecutor", "Feed", "receive", "send"]

_COMMAND = (sys.executable, "-m", "exitwave.dataset.builder")
_AHEAD = 3  # structures per builder that are built or waiting
_ATTEMPTS = 3


def send(stream: IO[bytes], index: int, structure: Structure | None) -> None:
    """Write a structure as one line of JSON and the bytes of its arrays; None says that it could not be built."""
    head: dict[str, Any] = {"index": index, "built": structure is not None}
    blobs: list[bytes] = []
    for field in fields(structure) if structure is not None else ():
        value = getattr(structure, field.name)
        if isinstance(value, np.ndarray):
            blobs.append(np.ascontiguousarray(value).tobytes())
            head[field.name] = {"dtype": value.dtype.str, "shape": value.shape, "bytes": len(blobs[-1])}
        else:
            head[field.name] = list(value)
    stream.write(json.dumps(head).encode() + b"\n")
    stream.writelines(blobs)
    stream.flush()


def receive(stream: IO[bytes]) -> tuple[int, Structure | None] | None:
    """Return what ``send`` wrote, or None at the end of the stream."""
    line = stream.readline()
    if not line.endswith(b"\n"):
        return None
    head = json.loads(line)
    if not head["built"]:
        return int(head["index"]), None
    values: dict[str, Any] = {}
    for field in fields(Structure):
        value = head[field.name]
        if isinstance(value, dict):
            content = stream.read(value["bytes"])
            if len(content) < value["bytes"]:
                return None
            array: NDArray[Any] = np.frombuffer(content, value["dtype"]).reshape(value["shape"])
            values[field.name] = array.copy()
        else:
            values[field.name] = tuple(value)
    return int(head["index"]), Structure(**values)


class Feed:
    """Structures in the order of their indices, built by processes of one thread each, a few ahead.

    Parameters
    ----------
    job
        The recipe and where its families may come from.
    workers
        Processes; they start with the first structure.
    """

    def __init__(self, job: Job, workers: int) -> None:
        self.waited = 0.0
        self._text = job.to_json()
        self._indices: list[int] = []
        self._next = 0  # place in the list that is given to a builder next
        self._taken = 0
        self._ready: dict[int, Structure | None] = {}
        self._attempts: dict[int, int] = {}
        self._changed = threading.Condition()
        self._error: str = ""
        self._closed = False
        self._room = _AHEAD * workers
        self._processes: set[subprocess.Popen[bytes]] = set()
        self._threads = [threading.Thread(target=self._serve, daemon=True) for _ in range(workers)]
        for thread in self._threads:
            thread.start()

    def add(self, indices: Iterable[int]) -> None:
        """Have more structures built; every one of them will be taken, in this order."""
        with self._changed:
            self._indices += indices
            self._changed.notify_all()

    def take(self, index: int) -> Structure | None:
        """Return the structure that is next in order; None if it could not be built, so that the caller finds why."""
        began = time.perf_counter()
        with self._changed:
            while index not in self._ready and not self._error:
                self._changed.wait(1.0)
            self.waited += time.perf_counter() - began
            if self._error:
                raise DatasetError(self._error)
            self._taken += 1
            self._changed.notify_all()
            return self._ready.pop(index)

    def close(self) -> None:
        """End the builders."""
        with self._changed:
            self._closed = True
            for process in self._processes:
                process.kill()
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _claim(self) -> int | None:
        with self._changed:
            while not self._closed and (self._next >= len(self._indices) or self._next - self._taken >= self._room):
                self._changed.wait()
            if self._closed:
                return None
            self._next += 1
            return self._indices[self._next - 1]

    def _serve(self) -> None:
        """Give one builder one structure after the other; a builder that dies is replaced."""
        process: subprocess.Popen[bytes] | None = None
        index = self._claim()
        while index is not None:
            process = process or self._start()
            found = self._build(process, index) if process is not None else None
            if found is not None:
                with self._changed:
                    self._ready[index] = found[1]
                    self._changed.notify_all()
                index = self._claim()
                continue
            self._end(process)
            process = None
            with self._changed:
                self._attempts[index] = self._attempts.get(index, 0) + 1
                if self._closed or self._error:
                    break
                if self._attempts[index] >= _ATTEMPTS:
                    self._error = f"structure {index} ended its builder {_ATTEMPTS} times; if memory is short, use "
                    self._error += "fewer workers."
                    self._changed.notify_all()
                    break
        self._end(process)

    def _start(self) -> subprocess.Popen[bytes] | None:
        pipe = subprocess.PIPE
        with self._changed:
            if self._closed:
                return None
            process = subprocess.Popen(_COMMAND, stdin=pipe, stdout=pipe, env=one_thread_environment())
            self._processes.add(process)
        assert process.stdin is not None
        with suppress(OSError):
            process.stdin.write(self._text.encode() + b"\n")
        return process

    def _build(self, process: subprocess.Popen[bytes], index: int) -> tuple[int, Structure | None] | None:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(f"{index}\n".encode())
            process.stdin.flush()
            return receive(process.stdout)
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _end(self, process: subprocess.Popen[bytes] | None) -> None:
        if process is None:
            return
        with self._changed:
            self._processes.discard(process)
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()


class FedExecutor:
    """Makes shards in this process on a device, with atoms from CPU processes; a thread packs and writes.

    The same bytes come out as without it, on the same type of device.

    Parameters
    ----------
    workers
        Processes that build structures.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers

    def run(self, job: Job, shards: Sequence[int]) -> Iterator[Event]:
        """Make the shards one after the other."""
        with closing(Feed(job, self.workers)) as feed:
            yield from self.fed(job, shards, feed)

    @classmethod
    def fed(cls, job: Job, shards: Sequence[int], feed: Feed) -> Iterator[Event]:
        """Make the shards one after the other with atoms from a feed that others may go on with."""
        feed.add(index for number in shards for index in structures_of_shard(job.recipe, number))
        for number in shards:
            yield from cls._shard(job, number, feed)

    @staticmethod
    def _shard(job: Job, number: int, feed: Feed) -> Iterator[Event]:
        seconds: dict[str, float] = {}
        failures = 0
        before = feed.waited
        path = job.folder / "shards" / shard_name(number)
        with one_thread(), ShardWriter(path) as writer, _Packer(writer) as packer:
            for index in structures_of_shard(job.recipe, number):
                result = make_structure(job.recipe, index, job.device, feed.take(index))
                for stage, spent in result.seconds.items():
                    seconds[stage] = seconds.get(stage, 0.0) + spent
                packer.add(result)
                failed = len(result.entry["failures"])
                failures += failed
                yield Event(number, index, failed)
            packer.finish()
            writer.commit(**shard_notes(seconds | {"wait": feed.waited - before}, job.device))
        yield Event(number, None, failures)


class _Packer:
    """A thread that compresses and adds results to a shard while the device goes on."""

    def __init__(self, writer: ShardWriter) -> None:
        self._writer = writer
        self._queue: Queue[Result | None] = Queue(maxsize=2)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def add(self, result: Result) -> None:
        self._queue.put(result)
        self._raise()

    def finish(self) -> None:
        self._queue.put(None)
        self._thread.join()
        self._raise()

    def __enter__(self) -> _Packer:
        return self

    def __exit__(self, *_: object) -> None:
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        while (result := self._queue.get()) is not None:
            if self._error is None:
                try:
                    self._writer.add(result.entry, result.arrays)
                except BaseException as error:
                    self._error = error
