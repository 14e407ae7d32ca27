"""Common-neighbour signatures of pairs of atoms and the classes that they make."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from exitwave.structure.arrays import Array
from exitwave.structure.compiled import compiled

__all__ = ["classify"]


@compiled
def classify(starts: NDArray[np.int64], vectors: Array, cutoff: float) -> NDArray[np.int8]:
    """Return 1 fcc, 2 hcp, 3 bcc, 4 icosahedral or 0 other for every atom, from its neighbours' vectors."""
    atoms = len(starts) - 1
    result = np.zeros(atoms, dtype=np.int8)
    limit = cutoff * cutoff
    bonded = np.zeros((14, 14), dtype=np.bool_)
    common = np.empty(14, dtype=np.int64)
    for a in range(atoms):
        begin = starts[a]
        count = starts[a + 1] - begin
        if count != 12 and count != 14:
            continue
        for m in range(count):
            bonded[m, m] = False
            for n in range(m):
                square = 0.0
                for axis in range(3):
                    square += (vectors[begin + m, axis] - vectors[begin + n, axis]) ** 2
                bonded[m, n] = bonded[n, m] = square <= limit
        n421 = n422 = n555 = n666 = n444 = 0
        for m in range(count):
            shared = 0
            for n in range(count):
                if bonded[m, n]:
                    common[shared] = n
                    shared += 1
            bonds = 0
            for p in range(shared):
                for q in range(p):
                    bonds += bonded[common[p], common[q]]
            chain = _longest_chain(bonded, common, shared)
            if shared == 4 and bonds == 2 and chain == 1:
                n421 += 1
            elif shared == 4 and bonds == 2 and chain == 2:
                n422 += 1
            elif shared == 5 and bonds == 5 and chain == 5:
                n555 += 1
            elif shared == 6 and bonds == 6 and chain == 6:
                n666 += 1
            elif shared == 4 and bonds == 4 and chain == 4:
                n444 += 1
        if count == 12 and n421 == 12:
            result[a] = 1
        elif count == 12 and n421 == 6 and n422 == 6:
            result[a] = 2
        elif count == 14 and n666 == 8 and n444 == 6:
            result[a] = 3
        elif count == 12 and n555 == 12:
            result[a] = 4
    return result


@compiled
def _longest_chain(bonded: NDArray[np.bool_], common: NDArray[np.int64], shared: int) -> int:
    """Return how many bonds the largest connected set of bonds among the common neighbours has."""
    longest = 0
    seen = np.zeros(14, dtype=np.bool_)
    queue = np.empty(14, dtype=np.int64)
    for start in range(shared):
        if seen[start]:
            continue
        seen[start] = True
        queue[0] = start
        head, tail, ends = 0, 1, 0
        while head < tail:
            here = queue[head]
            head += 1
            for other in range(shared):
                if bonded[common[here], common[other]]:
                    ends += 1
                    if not seen[other]:
                        seen[other] = True
                        queue[tail] = other
                        tail += 1
        longest = max(longest, ends // 2)
    return longest
