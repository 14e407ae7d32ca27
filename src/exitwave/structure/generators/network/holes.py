"""Where a network misses bonds: atoms put into holes and into bonds, and bonds led another way."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from exitwave.structure.arrays import Array
from exitwave.structure.compiled import compiled
from exitwave.structure.generators.network.bonds import (
    Near,
    Network,
    closes_small_ring,
    cut,
    gap,
    is_bonded,
    join,
    square,
    squared,
)

__all__ = ["fill_holes", "rewire", "wedge"]

Longs = NDArray[np.int64]
LENGTH, LEAST, REACH = 1.45, 1.3, 1.95  # Å: where a new atom goes, how much room it needs, what it bonds to
ALONG = 0.6  # of the way from an atom to the middle of the bond that takes up a new one


@compiled
def _square_to(place: Array, positions: Array, b: int, period: Array, shear: Array) -> float:
    x = gap(positions[b, 0] - place[0], period[0])
    y = gap(positions[b, 1] - place[1], period[1])
    z = gap(positions[b, 2] - place[2], period[2])
    return squared(x, y, z, shear)


@compiled
def fill_holes(net: Network, around: Near, asked: Longs, quota: int, partners: int, used: int) -> int:
    """Put atoms where bonds are missing, as far as there is room; return how many rows are used then.

    Parameters
    ----------
    net, around
        The network and its neighbours.
    asked
        Atoms beside which to look, in order.
    quota
        How many atoms at most.
    partners
        Bonds that a new atom must find.
    used
        Rows of the network that are used; new atoms come after them.
    """
    period = net.period
    shape = np.empty(3, dtype=np.int64)
    for axis in range(3):
        shape[axis] = max(int(abs(period[axis]) / 2.0), 1)
    taken = np.zeros((shape[0], shape[1], shape[2]), dtype=np.bool_)
    place, cell, found = np.empty(3), np.empty(3, dtype=np.int64), np.empty(8, dtype=np.int64)
    for a in asked:
        if quota <= 0 or used >= len(net.positions):
            break
        if not net.alive[a] or net.degree[a] >= net.wanted[a] or net.degree[a] == 0 or net.degree[a] > 2:
            continue
        place[:] = 0.0
        for n in range(net.degree[a]):
            b = net.bonds[a, n]
            norm = np.sqrt(square(net.positions, a, b, period, net.shear))
            for axis in range(3):
                place[axis] -= gap(net.positions[b, axis] - net.positions[a, axis], period[axis]) / norm
        size = squared(place[0], place[1], place[2], net.shear)
        if size < 0.2:
            continue
        inside = True
        for axis in range(3):
            place[axis] = net.positions[a, axis] + LENGTH * place[axis] / np.sqrt(size)
            if period[axis] > 0:
                place[axis] %= period[axis]
            elif place[axis] < 0 or place[axis] > -period[axis]:
                inside = False
            cell[axis] = min(max(int(place[axis] / abs(period[axis]) * shape[axis]), 0), shape[axis] - 1)
        if not inside:
            continue
        free, number = True, 1
        found[0] = a
        for m in range(around.starts[a], around.starts[a + 1]):
            b = around.others[m]
            if not net.alive[b]:
                continue
            distance = _square_to(place, net.positions, b, period, net.shear)
            if distance < LEAST * LEAST:
                free = False
                break
            if distance < REACH * REACH and net.degree[b] < net.wanted[b] and number < 4:
                found[number] = b
                number += 1
        if not free or number < partners:
            continue
        for i in range(-1, 2):  # one new atom in a neighbourhood: they do not see each other
            for j in range(-1, 2):
                for k in range(-1, 2):
                    if taken[(cell[0] + i) % shape[0], (cell[1] + j) % shape[1], (cell[2] + k) % shape[2]]:
                        free = False
        if not free:
            continue
        taken[cell[0], cell[1], cell[2]] = True
        for axis in range(3):
            net.positions[used, axis] = place[axis]
        net.alive[used], net.degree[used], net.wanted[used] = True, 0, 3
        for n in range(number):
            if net.degree[used] < 3 and not closes_small_ring(net, used, found[n]):
                join(net, used, found[n])
        used += 1
        quota -= 1
    return used


@compiled
def rewire(net: Network, around: Near, cutoff: float) -> None:
    """Give two atoms that miss bonds, but are too far from each other, the ends of a bond that lies between them."""
    limit = cutoff * cutoff
    starts, others = around.starts, around.others
    for a in range(len(starts) - 1):
        if not net.alive[a] or net.degree[a] >= net.wanted[a] or net.degree[a] == 0:
            continue
        best, best_j, best_k, best_b = 2 * limit, -1, -1, -1
        for m in range(starts[a], starts[a + 1]):
            j = others[m]
            if not net.alive[j] or is_bonded(net, a, j):
                continue
            first = square(net.positions, a, j, net.period, net.shear)
            for n in range(net.degree[j]):
                k = net.bonds[j, n]
                if k == a or k >= len(starts) - 1:
                    continue
                for p in range(starts[k], starts[k + 1]):
                    b = others[p]
                    if b == a or b == j:  # noqa: SIM109
                        continue
                    if net.degree[b] >= net.wanted[b] or net.degree[b] == 0 or not net.alive[b]:
                        continue
                    total = first + square(net.positions, k, b, net.period, net.shear)
                    if total >= best or is_bonded(net, k, b):
                        continue
                    if closes_small_ring(net, a, j) or closes_small_ring(net, k, b):
                        continue
                    best, best_j, best_k, best_b = total, j, k, b
        if best_j >= 0:
            cut(net, best_j, best_k)
            join(net, a, best_j)
            if closes_small_ring(net, best_k, best_b):  # through the bond just made
                cut(net, a, best_j)
                join(net, best_j, best_k)
            else:
                join(net, best_k, best_b)


@compiled
def wedge(net: Network, around: Near, asked: Longs, quota: int, least: float, used: int) -> int:
    """Put atoms into bonds beside atoms that miss one, to which they bond too; return how many rows are used then.

    Parameters are those of :func:`fill_holes`; ``least`` is the room that a new atom has at first, Å.
    """
    place, middle, away = np.empty(3), np.empty(3), np.empty(3)
    starts, others = around.starts, around.others
    old = len(starts) - 1
    for a in asked:
        if quota <= 0 or used >= len(net.positions):
            break
        if not net.alive[a] or net.degree[a] >= net.wanted[a] or net.degree[a] == 0:
            continue
        best, best_j, best_k = least * least, -1, -1
        for m in range(starts[a], starts[a + 1]):
            j = others[m]
            if not net.alive[j] or is_bonded(net, a, j):
                continue
            for n in range(net.degree[j]):
                k = net.bonds[j, n]
                if k >= old or k == a or closes_small_ring(net, a, j) or closes_small_ring(net, a, k):
                    continue
                for axis in range(3):
                    x = gap(net.positions[j, axis] - net.positions[a, axis], net.period[axis])
                    x += 0.5 * gap(net.positions[k, axis] - net.positions[j, axis], net.period[axis])
                    away[axis] = x
                    place[axis] = net.positions[a, axis] + ALONG * x
                if squared(away[0], away[1], away[2], net.shear) > 2.6 * 2.6:
                    continue
                room = 1e9
                for p in range(starts[a], starts[a + 1]):
                    c = others[p]
                    if net.alive[c] and c != j and c != k:
                        room = min(room, _square_to(place, net.positions, c, net.period, net.shear))
                if room > best:
                    best, best_j, best_k = room, j, k
                    middle[:] = place
        if best_j < 0:
            continue
        for axis in range(3):
            net.positions[used, axis] = middle[axis]
            if net.period[axis] > 0:
                net.positions[used, axis] %= net.period[axis]
        cut(net, best_j, best_k)
        net.alive[used], net.degree[used], net.wanted[used] = True, 0, 3
        join(net, used, a)
        join(net, used, best_j)
        join(net, used, best_k)
        used += 1
        quota -= 1
    return used
