"""Whether particles rest on the film, or on others that do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["at_border", "count_floating", "wraps"]

_BOND = 4.5  # Å; atoms of bodies that touch are nearer than this


def wraps(structure: Any) -> bool:
    """Return whether the record of a structure says that what crosses the border comes in at the opposite one."""
    if isinstance(structure, Mapping):
        return bool(structure.get("wrap")) or any(map(wraps, structure.values()))
    return isinstance(structure, list | tuple) and any(map(wraps, structure))


def at_border(particles: Sequence[NDArray[Any]], cell: NDArray[Any]) -> list[int]:
    """Return which particles end at the border of the field: what they rest on may be cut off.

    ``particles`` are positions (atoms, 3) and ``cell`` three vectors (3, 3), Å.
    """
    size = cell.diagonal()[:2]
    return [
        number
        for number, body in enumerate(particles)
        if (body[:, :2] < _BOND).any() or (body[:, :2] > size - _BOND).any()
    ]


def count_floating(
    particles: Sequence[NDArray[Any]], film: NDArray[Any], cell: NDArray[Any], held: Sequence[int] = ()
) -> int:
    """Return how many particles touch neither the film nor one that rests on it.

    ``particles`` and ``film`` are positions (atoms, 3) and ``cell`` three vectors (3, 3), Å; the field repeats along
    x and y. Those whose numbers are ``held`` rest on something whatever they touch.
    """
    found, left = [film, *(particles[number] for number in held)], [n for n in range(len(particles)) if n not in held]
    while found and left:
        touching = [n for n in left if any(_touches(particles[n], body, cell) for body in found)]
        left = [n for n in left if n not in touching]
        found = [particles[n] for n in touching]
    return len(left)


def _touches(particle: NDArray[Any], film: NDArray[Any], cell: NDArray[Any]) -> bool:
    from scipy.spatial import cKDTree

    images = [particle + i * cell[0] + j * cell[1] for i in (-1, 0, 1) for j in (-1, 0, 1)]
    tree = cKDTree(film)
    return any(np.isfinite(tree.query(image, distance_upper_bound=_BOND)[0]).any() for image in images)
