"""What a long task tells of itself while it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Progress", "Reporter"]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a task has come.

    Parameters
    ----------
    stage
        What is being done: "generate", "train".
    done, total
        Steps done, and steps in all.
    elapsed
        Seconds since this run began.
    resumed
        Steps that an earlier run had done already; they say nothing about the rate.
    failures
        Steps that failed and were recorded.
    note
        A few words on the state, such as the latest loss.

    Examples
    --------
    >>> Progress("train", done=30, total=90, elapsed=10.0, resumed=10).remaining
    30.0
    """

    stage: str
    done: int
    total: int
    elapsed: float
    resumed: int = 0
    failures: int = 0
    note: str = ""

    @property
    def rate(self) -> float:
        """Steps per second in this run (0 before the first step)."""
        return (self.done - self.resumed) / self.elapsed if self.elapsed > 0 else 0.0

    @property
    def remaining(self) -> float | None:
        """Seconds left at the present rate, or None while there is none: a first step alone may have compiled."""
        known = self.rate > 0 and (self.done - self.resumed > 1 or self.done >= self.total)
        return (self.total - self.done) / self.rate if known else None


Reporter = Callable[[Progress], None]
