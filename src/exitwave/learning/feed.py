"""Batches prepared ahead, so that the network does not wait for them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

from exitwave.learning.batches import Batch

__all__ = ["Feed"]


class Feed:
    """Prepares the batches of the next steps in a thread while the network works on this one.

    Parameters
    ----------
    make
        Returns the batch of a step.
    last
        The first step that there is not.
    ahead
        Batches kept ready; 0 makes each one when it is asked for.
    prepare
        Called once in the thread before anything is made.

    Examples
    --------
    >>> with Feed(lambda step: step, last=3) as feed:
    ...     [feed.get(step) for step in range(3)]
    [0, 1, 2]
    """

    def __init__(
        self, make: Callable[[int], Batch], last: int, ahead: int = 2, prepare: Callable[[], None] | None = None
    ) -> None:
        self._make, self._last, self._ahead = make, last, ahead
        self._pool = ThreadPoolExecutor(1, "exitwave-feed", initializer=prepare) if ahead else None
        self._ready: dict[int, Future[Batch]] = {}
        self._lock = threading.Lock()
        self.waited = 0.0
        """Seconds that ``get`` has waited so far."""

    def get(self, step: int) -> Batch:
        """Return the batch of a step."""
        start = time.perf_counter()
        try:
            if self._pool is None:
                return self._make(step)
            with self._lock:
                self._ready = {key: future for key, future in self._ready.items() if key >= step}
                for ahead in range(step, min(step + 1 + self._ahead, self._last)):
                    if ahead not in self._ready:
                        self._ready[ahead] = self._pool.submit(self._make, ahead)
                future = self._ready.pop(step)
            return future.result()
        finally:
            self.waited += time.perf_counter() - start

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
