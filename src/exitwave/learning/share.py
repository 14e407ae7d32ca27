"""Several devices that share every step of a training."""

from __future__ import annotations

import os
import queue
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.multiprocessing.spawn import ProcessExitedException, ProcessRaisedException, start_processes

from exitwave.core import Progress, Reporter, Stream, TrainingError
from exitwave.learning.batches import Batch, Source

if TYPE_CHECKING:
    from exitwave.learning.training import Training

__all__ = ["Share", "run_shared"]

_RESULT = "shared.pt"


@dataclass(frozen=True)
class Share:
    """Which part of every batch a process learns from.

    Parameters
    ----------
    rank
        Number of the process, from 0.
    count
        Number of processes.

    Examples
    --------
    >>> Share(1, 2).place(10), Share().place(10)
    (21, 10)
    """

    rank: int = 0
    count: int = 1

    def place(self, step: int) -> int:
        """Return the number of this process's part among all parts of all steps."""
        return step * self.count + self.rank

    def stream(self, stream: Stream) -> Stream:
        """Return the stream of this process's part of a step."""
        return stream if self.count == 1 else stream / self.rank

    def enter(self, device: torch.device) -> None:
        """Make this process's GPU the one that the calling thread works on."""
        if device.type == "cuda":
            torch.cuda.set_device(self.rank if self.count > 1 else device.index or 0)

    def trainer(self, device: torch.device) -> dict[str, Any]:
        """Return lightning's options for these devices."""
        if self.count == 1:
            return {"devices": [device.index or 0] if device.type == "cuda" else 1}
        from lightning.pytorch.strategies import DDPStrategy

        backend = "nccl" if device.type == "cuda" else "gloo"
        return {"devices": self.count, "strategy": DDPStrategy(process_group_backend=backend)}


def run_shared(
    count: int,
    source: Source,
    validation: Mapping[str, Batch],
    spec: Training,
    stream: Stream,
    home: Path,
    key: str,
    device: torch.device,
    report: Reporter | None,
    start: dict[str, torch.Tensor] | None,
    *,
    checkpoints: bool,
) -> tuple[dict[str, torch.Tensor], list[dict[str, float]], dict[str, Any]]:
    """Train as :func:`~exitwave.learning.runs.run` does, with ``count`` processes that average their gradients.

    Every process learns from its own part of each batch, so a step sees as many crops as with one device.

    Raises
    ------
    TrainingError
        If the batch cannot be parted, there are fewer GPUs, or a process ends early.
    """
    if spec.batch % count:
        raise TrainingError(f"batch is {spec.batch}; shared by {count} devices it is a multiple of {count}.")
    if device.type == "cuda" and torch.cuda.device_count() < count:
        raise TrainingError(f"devices is {count}, but torch sees {torch.cuda.device_count()} GPUs; give as many.")
    context = torch.multiprocessing.get_context("spawn")
    told = context.Queue()
    arguments = (source, dict(validation), spec, stream, home, key, device, start, checkpoints)
    start_all: Any = start_processes
    processes = start_all(
        _work, args=(count, _free_port(), told, report is not None, arguments), nprocs=count, join=False
    )
    failure: TrainingError | None = None
    running = True
    try:
        while running:
            try:
                running = not processes.join(timeout=0.2)
            except (ProcessRaisedException, ProcessExitedException) as end:
                failure = failure or TrainingError(f"a process of the training ended early: {_last_line(end)}.")
                running = False
            for message in _messages(told):
                if isinstance(message, str):
                    failure = TrainingError(message)
                elif report is not None:
                    report(message)
    finally:
        for process in processes.processes:
            if process.is_alive():
                process.terminate()
    if failure is not None:
        raise failure
    result = torch.load(home / _RESULT, map_location="cpu", weights_only=True)
    (home / _RESULT).unlink()
    return result["weights"], result["history"], result["facts"] | {"devices": count}


def _work(rank: int, count: int, port: int, told: Any, report: bool, arguments: tuple[Any, ...]) -> None:
    """Be one of the processes; number 0 reports and writes the result."""
    from exitwave.learning.runs import run

    # what lightning asks of a process that somebody else has started
    os.environ |= {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "WORLD_SIZE": str(count),
        "NODE_RANK": "0",
        "LOCAL_RANK": str(rank),
    }
    source, validation, spec, stream, home, key, device, start, checkpoints = arguments
    share = Share(rank, count)
    share.enter(device)
    if device.type == "cpu":
        torch.set_num_threads(max(1, torch.get_num_threads() // count))
    reporter = told.put if report and rank == 0 else None
    try:
        weights, history, facts = run(
            source, validation, spec, stream, home, key, device, reporter, start, checkpoints=checkpoints, share=share
        )
    except TrainingError as error:
        if rank == 0:
            told.put(str(error))
        raise
    if rank == 0:
        torch.save({"weights": weights, "history": history, "facts": facts}, home / _RESULT)


def _messages(told: Any) -> list[Progress | str]:
    found = []
    while True:
        try:
            found.append(told.get(timeout=0.01))
        except queue.Empty:
            return found


def _free_port() -> int:
    with socket.socket() as end:
        end.bind(("127.0.0.1", 0))
        return int(end.getsockname()[1])


def _last_line(error: Exception) -> str:
    return str(error).strip().splitlines()[-1]
