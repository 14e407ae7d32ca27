"""Orders that hang on a stream alone, so that any step can be asked for at any time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from exitwave.core import Stream

__all__ = ["permutation", "position"]

_PERMUTATIONS: dict[tuple[int, Stream], NDArray[np.int64]] = {}


def position(item: int, count: int, stream: Stream) -> int:
    """Return which of ``count`` things comes at place ``item`` when all are shuffled again and again.

    Examples
    --------
    >>> sorted(position(item, 3, Stream(1)) for item in range(3))
    [0, 1, 2]
    """
    turn, place = divmod(item, count)
    return int(permutation(count, stream / "order" / turn)[place])


def permutation(count: int, stream: Stream) -> NDArray[np.int64]:
    """Return the numbers below ``count`` in the stream's order; the last few are remembered."""
    key = (count, stream)
    if key not in _PERMUTATIONS:
        if len(_PERMUTATIONS) >= 64:
            _PERMUTATIONS.pop(next(iter(_PERMUTATIONS)), None)
        _PERMUTATIONS[key] = stream.generator().permutation(count)
    return _PERMUTATIONS[key]
