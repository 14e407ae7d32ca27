"""Whether a ball can touch an atom without holding another: the sphere of its directions and the caps on it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from exitwave.structure.arrays import Array, Mask
from exitwave.structure.compiled import compiled

__all__ = ["exposed", "widest_probe"]

HAIR = 1e-9  # in cosines: a ball that only touches a further atom still fits


@compiled
def exposed(starts: NDArray[np.int64], vectors: Array, radius: float) -> Mask:
    r"""Return for each atom whether a ball of ``radius`` fits that touches it and holds no neighbour.

    With its centre in the direction :math:`u` the ball holds the neighbour at :math:`d` if
    :math:`u \cdot \hat d > |d|/2r`: a cap of directions. The ball fits if the caps leave a direction free, and if
    they do, one of the points where two of their rims cross is free, or the whole rim of one.

    Parameters
    ----------
    starts, vectors
        Neighbours of atom i: ``vectors[starts[i]:starts[i + 1]]``, Å.
    radius
        Å.
    """
    atoms = len(starts) - 1
    result = np.zeros(atoms, dtype=np.bool_)
    caps = _room(starts)
    for a in range(atoms):
        result[a] = _fits(vectors, starts[a], starts[a + 1], radius, caps)
    return result


@compiled
def widest_probe(starts: NDArray[np.int64], vectors: Array, low: float, high: float) -> Array:
    """Return for each atom the radius of the widest ball that fits, between two limits, Å."""
    atoms = len(starts) - 1
    result = np.full(atoms, high)
    caps = _room(starts)
    for a in range(atoms):
        begin, end = starts[a], starts[a + 1]
        # upwards, since few neighbours count for a narrow ball
        small, large = low, low
        while large < high and _fits(vectors, begin, end, large, caps):
            small, large = large, min(1.1 * large, high)
        for _ in range(6):
            middle = 0.5 * (small + large)
            if _fits(vectors, begin, end, middle, caps):
                small = middle
            else:
                large = middle
        result[a] = large
    return result


@compiled
def _room(starts: NDArray[np.int64]) -> Array:
    """Return space for the caps of any atom: direction x, y, z, cosine and sine of the half angle."""
    most = 1
    for a in range(len(starts) - 1):
        most = max(most, starts[a + 1] - starts[a])
    return np.empty((most, 5))


@compiled
def _fits(vectors: Array, begin: int, end: int, radius: float, caps: Array) -> bool:
    """Return whether the caps of the neighbours leave a direction free."""
    count = 0
    u = v = w = 0.0
    for m in range(begin, end):
        x, y, z = vectors[m, 0], vectors[m, 1], vectors[m, 2]
        length = np.sqrt(x * x + y * y + z * z)
        if length >= 2 * radius or length < 1e-9:
            continue
        # in order of distance: near neighbours have wide caps, which decide soonest
        cosine, place = length / (2 * radius), count
        while place > 0 and caps[place - 1, 3] > cosine:
            for k in range(4):
                caps[place, k] = caps[place - 1, k]
            place -= 1
        caps[place, 0], caps[place, 1], caps[place, 2], caps[place, 3] = x / length, y / length, z / length, cosine
        u, v, w = u - x / length, v - y / length, w - z / length
        count += 1
    # most often the way out is away from all neighbours
    scale = np.sqrt(u * u + v * v + w * w)
    if count == 0 or (scale > 1e-6 and _free(u / scale, v / scale, w / scale, caps, count, -1, -1)):
        return True
    return _leave_free(caps, count)


@compiled
def _leave_free(caps: Array, count: int) -> bool:
    """Return whether some caps leave a direction free."""
    for i in range(count):
        x, y, z, cosine = caps[i, 0], caps[i, 1], caps[i, 2], caps[i, 3]
        caps[i, 4] = sine = np.sqrt(1 - cosine * cosine)
        crossed = False
        for j in range(i):
            between = x * caps[j, 0] + y * caps[j, 1] + z * caps[j, 2]
            both, aside = cosine * caps[j, 3], sine * caps[j, 4]
            if not both - aside < between < both + aside:  # one within the other, or apart
                continue
            crossed = True
            square = 1 - between * between
            along = (cosine - caps[j, 3] * between) / square
            across = (caps[j, 3] - cosine * between) / square
            up = np.sqrt(max(1 - along * cosine - across * caps[j, 3], 0.0) / square)
            u = along * x + across * caps[j, 0]
            v = along * y + across * caps[j, 1]
            w = along * z + across * caps[j, 2]
            p = up * (y * caps[j, 2] - z * caps[j, 1])
            q = up * (z * caps[j, 0] - x * caps[j, 2])
            r = up * (x * caps[j, 1] - y * caps[j, 0])
            if _free(u + p, v + q, w + r, caps, count, i, j) or _free(u - p, v - q, w - r, caps, count, i, j):
                return True
        if crossed:
            continue
        # a rim that crosses no other is free or covered as a whole
        if abs(x) < 0.6:
            p, q, r = 0.0, z, -y
        else:
            p, q, r = -z, 0.0, x
        scale = sine / np.sqrt(p * p + q * q + r * r)
        if _free(cosine * x + scale * p, cosine * y + scale * q, cosine * z + scale * r, caps, count, i, i):
            return True
    return False


@compiled
def _free(u: float, v: float, w: float, caps: Array, count: int, skip: int, other: int) -> bool:
    """Return whether a direction is in no cap but, at most, those whose rims it is on."""
    for m in range(count):
        inside = u * caps[m, 0] + v * caps[m, 1] + w * caps[m, 2] > caps[m, 3] + HAIR
        if inside and m != skip and m != other:
            return False
    return True
