"""What a check of a data set comes to."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

__all__ = ["Verdict", "spread"]


@dataclass(frozen=True)
class Verdict:
    """The outcome of one check.

    Parameters
    ----------
    name
        What was checked.
    passed
        Whether it is right; None where the check does not apply.
    text
        The numbers behind it.
    repaired
        Whether it was looked at after a repair.
    """

    name: str
    passed: bool | None
    text: str
    repaired: bool = False

    def after_repair(self) -> Verdict:
        """Return the verdict marked as one after a repair."""
        return replace(self, repaired=True)

    def __str__(self) -> str:
        word = {True: "ok  ", False: "FAIL", None: "  – "}[self.passed]
        return f"{word} {self.name}: {self.text}{' (after repair)' if self.repaired else ''}"


def spread(length: int, count: int) -> list[int]:
    """Return ``count`` indices spread over 0 … length − 1."""
    return np.unique(np.linspace(0, length - 1, min(count, length)).round().astype(int)).tolist() if length else []
