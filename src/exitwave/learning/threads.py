"""How a training on a processor and the preparation of its batches share the cores."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

__all__ = ["parted_threads"]


@contextmanager
def parted_threads(device: torch.device) -> Iterator[Callable[[], None]]:
    """Yield what the thread that prepares batches calls first, so that it leaves the cores to the network.

    On a processor it keeps a quarter of torch's threads, at least one. With as many as the network has, each of the
    network's operations waits for cores that the other occupies: on two cores a live training then makes 2.7 steps a
    second, which is less than with one thread (3.5), and parted 3.4, or 3.9 where idle threads do not spin
    (``OMP_WAIT_POLICY=passive``, as the command line has it). Threads that first use torch while the training runs
    get as few.

    Parameters
    ----------
    device
        What the network trains on.

    Examples
    --------
    >>> from exitwave.learning.feed import Feed
    >>> with parted_threads(torch.device("cpu")) as prepare:
    ...     with Feed(lambda step: torch.get_num_threads(), last=1, prepare=prepare) as feed:
    ...         feed.get(0) <= max(1, torch.get_num_threads() // 4)
    True
    """
    count = torch.get_num_threads()

    def prepare() -> None:
        if device.type == "cpu":
            torch.set_num_threads(max(1, count // 4))

    try:
        yield prepare
    finally:
        if device.type == "cpu":
            torch.set_num_threads(count)  # of this thread, which kept them, and of those that start after it
