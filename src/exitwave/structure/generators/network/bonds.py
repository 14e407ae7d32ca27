"""Neighbours and bonds of a covalent network: lists of them, and how the seams of its tiles are closed."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from exitwave.structure.arrays import Array, Ints
from exitwave.structure.compiled import compiled

__all__ = [
    "MOST",
    "Near",
    "Network",
    "add_fourth_bonds",
    "close_bonds",
    "closes_small_ring",
    "cut",
    "drop",
    "gap",
    "inner_bonds",
    "is_bonded",
    "join",
    "merge",
    "near",
    "open_pairs",
    "square",
    "squared",
]

MOST = 6  # bonds of one atom while seams are mended
Longs = NDArray[np.int64]


class Network(NamedTuple):
    """Atoms and their bonds; the arrays have spare rows for atoms to come.

    Parameters
    ----------
    positions
        Shape (atoms, 3), Å.
    alive
        Which rows are atoms, shape (atoms,).
    bonds, degree
        Bonded atoms of each, shape (atoms, MOST), and how many.
    wanted
        How many bonds each should have, shape (atoms,).
    period
        Length of the box along each axis, Å; negative where it does not repeat.
    shear
        Of the coordinates, shape (3,): all positions here are in those of a Domain. Neighbours are found while the
        box is twice as wide as they are far apart.
    """

    positions: Array
    alive: NDArray[np.bool_]
    bonds: Ints
    degree: Ints
    wanted: Ints
    period: Array
    shear: Array


class Near(NamedTuple):
    """Neighbours: those of atom i are ``others[starts[i]:starts[i + 1]]``."""

    starts: Ints
    others: Ints


@compiled
def gap(difference: float, period: float) -> float:
    """Return a difference of coordinates to the nearest image."""
    if period > 0:
        if difference > 0.5 * period:
            return difference - period
        if difference < -0.5 * period:
            return difference + period
    return difference


@compiled
def squared(x: float, y: float, z: float, shear: Array) -> float:
    """Return the squared length of a vector in sheared coordinates."""
    x += shear[0] * y + shear[1] * z
    y += shear[2] * z
    return x * x + y * y + z * z


@compiled
def square(positions: Array, a: int, b: int, period: Array, shear: Array) -> float:
    """Return the squared distance of two atoms, to the nearest image."""
    x = gap(positions[b, 0] - positions[a, 0], period[0])
    y = gap(positions[b, 1] - positions[a, 1], period[1])
    z = gap(positions[b, 2] - positions[a, 2], period[2])
    return squared(x, y, z, shear)


@compiled
def near(
    positions: Array, alive: NDArray[np.bool_], period: Array, cutoff: float, shear: Array, heights: Array
) -> Near:
    """Return the neighbours within ``cutoff`` of every atom, on a grid of cells.

    A periodic box is at least three times as wide as the cutoff, so that the images of a cell are told apart; its
    ``heights`` are the distances between opposite faces.
    """
    atoms = len(positions)
    shape = np.empty(3, dtype=np.int64)
    for axis in range(3):
        shape[axis] = min(max(int(heights[axis] / cutoff), 1), 1000)
    slots = np.empty(atoms, dtype=np.int32)
    first = np.zeros(shape[0] * shape[1] * shape[2] + 1, dtype=np.int32)
    for a in range(atoms):
        slots[a] = -1
        if alive[a]:
            slot = 0
            for axis in range(3):
                c = int(positions[a, axis] / abs(period[axis]) * shape[axis])
                slot = slot * shape[axis] + min(max(c, 0), shape[axis] - 1)
            slots[a] = slot
            first[slot + 1] += 1
    for slot in range(1, len(first)):
        first[slot] += first[slot - 1]
    filled = first.copy()
    members, places = np.empty(first[-1], dtype=np.int32), np.empty((first[-1], 3))
    for a in range(atoms):
        if slots[a] >= 0:
            m = filled[slots[a]]
            members[m] = a
            x, y, z = positions[a, 0], positions[a, 1], positions[a, 2]
            places[m, 0], places[m, 1], places[m, 2] = x + (shear[0] * y + shear[1] * z), y + shear[2] * z, z
            filled[slots[a]] += 1
    pairs = np.empty((8 * atoms + 64, 2), dtype=np.int32)
    used, limit = 0, cutoff * cutoff
    runs, shifts = np.empty((16, 2), dtype=np.int32), np.empty((16, 3))
    for i0 in range(shape[0]):
        for j0 in range(shape[1]):
            for k0 in range(shape[2]):
                slot = (i0 * shape[1] + j0) * shape[2] + k0
                begin, end = first[slot], first[slot + 1]
                if begin == end:
                    continue
                # every pair once: the cells that come after this one, those side by side in memory as one run
                count, crowd = 0, end - begin
                for row in range(5):
                    i, x0 = _image(i0 + (1 if row > 1 else 0), shape[0], period[0])
                    j, y0 = _image(j0 + (row if row < 2 else row - 3), shape[1], period[1])
                    if i < 0 or j < 0:
                        continue
                    base = (i * shape[1] + j) * shape[2]
                    for part in range(-1, 2):
                        if part == 0:
                            bottom, top, z0 = k0 if row == 0 else max(k0 - 1, 0), min(k0 + 1, shape[2] - 1), 0.0
                            if row == 0:
                                bottom += 1
                        elif row == 0 and part < 0:
                            continue
                        else:
                            bottom, z0 = _image(k0 + part, shape[2], period[2])
                            top = bottom
                            if z0 == 0.0:
                                continue
                        if bottom <= top and first[base + top + 1] > first[base + bottom]:
                            runs[count, 0], runs[count, 1] = first[base + bottom], first[base + top + 1]
                            shifts[count, 0] = x0 + (shear[0] * y0 + shear[1] * z0)
                            shifts[count, 1], shifts[count, 2] = y0 + shear[2] * z0, z0
                            crowd += runs[count, 1] - runs[count, 0]
                            count += 1
                if used + (end - begin) * crowd > len(pairs):
                    longer = np.empty((2 * len(pairs) + (end - begin) * crowd, 2), dtype=np.int32)
                    longer[:used] = pairs[:used]
                    pairs = longer
                for m in range(begin, end):
                    px, py, pz = places[m, 0], places[m, 1], places[m, 2]
                    for n in range(m + 1, end):
                        x, y, z = places[n, 0] - px, places[n, 1] - py, places[n, 2] - pz
                        pairs[used, 0], pairs[used, 1] = members[m], members[n]
                        used += 1 if x * x + y * y + z * z < limit else 0
                    for r in range(count):
                        x0, y0, z0 = shifts[r, 0] - px, shifts[r, 1] - py, shifts[r, 2] - pz
                        for n in range(runs[r, 0], runs[r, 1]):
                            x, y, z = places[n, 0] + x0, places[n, 1] + y0, places[n, 2] + z0
                            pairs[used, 0], pairs[used, 1] = members[m], members[n]
                            used += 1 if x * x + y * y + z * z < limit else 0
    starts = np.zeros(atoms + 1, dtype=np.int32)
    for p in range(used):
        starts[pairs[p, 0] + 1] += 1
        starts[pairs[p, 1] + 1] += 1
    for a in range(atoms):
        starts[a + 1] += starts[a]
    others, at = np.empty(2 * used, dtype=np.int32), starts.copy()
    for p in range(used):
        a, b = pairs[p, 0], pairs[p, 1]
        others[at[a]], others[at[b]] = b, a
        at[a] += 1
        at[b] += 1
    return Near(starts, others)


@compiled
def _image(index: int, size: int, period: float) -> tuple[int, float]:
    """Return a cell's index within the grid and the shift of its image, or -1 and 0 where there is none."""
    if 0 <= index < size:
        return index, 0.0
    if period < 0:
        return -1, 0.0
    if index < 0:
        return index + size, -period
    return index - size, period


@compiled
def is_bonded(net: Network, a: int, b: int) -> bool:
    """Return whether two atoms are bonded."""
    found = False
    for n in range(net.degree[a]):
        found = found or net.bonds[a, n] == b
    return found


@compiled
def closes_small_ring(net: Network, a: int, b: int) -> bool:
    """Return whether a bond between two atoms would close a ring of three or four."""
    for n in range(net.degree[a]):
        c = net.bonds[a, n]
        for m in range(net.degree[c]):
            d = net.bonds[c, m]
            if d == b or (d != a and is_bonded(net, d, b)):
                return True
    return False


@compiled
def join(net: Network, a: int, b: int) -> None:
    """Bond two atoms."""
    net.bonds[a, net.degree[a]], net.bonds[b, net.degree[b]] = b, a
    net.degree[a] += 1
    net.degree[b] += 1


@compiled
def _forget(net: Network, a: int, b: int) -> None:
    for n in range(net.degree[a]):
        if net.bonds[a, n] == b:
            net.degree[a] -= 1
            net.bonds[a, n] = net.bonds[a, net.degree[a]]
            return


@compiled
def cut(net: Network, a: int, b: int) -> None:
    """Take the bond of two atoms away."""
    _forget(net, a, b)
    _forget(net, b, a)


@compiled
def drop(net: Network, atoms: Longs) -> None:
    """Take atoms out of the network."""
    for a in atoms:
        for n in range(net.degree[a]):
            _forget(net, net.bonds[a, n], a)
        net.degree[a] = 0
        net.alive[a] = False


@compiled
def inner_bonds(net: Network, around: Near, local: Array, tile: Ints, length: float) -> None:
    """Bond atoms that were neighbours within ``length`` in the same tile, where they stood at ``local``."""
    for a in range(len(local)):
        for m in range(around.starts[a], around.starts[a + 1]):
            b = around.others[m]
            if b > a and tile[a] == tile[b] and net.degree[a] < MOST - 1 and net.degree[b] < MOST - 1:
                x, y, z = local[a, 0] - local[b, 0], local[a, 1] - local[b, 1], local[a, 2] - local[b, 2]
                if x * x + y * y + z * z < length * length:
                    join(net, a, b)


@compiled
def open_pairs(net: Network, around: Near, cutoff: float, missing: int) -> tuple[Longs, Array]:
    """Return the pairs nearer than ``cutoff`` that are not bonded, and their squared distances.

    Of those, the pairs of which at least ``missing`` atoms miss a bond.
    """
    most = 1024
    pairs, squares = np.empty((most, 2), dtype=np.int64), np.empty(most)
    number = 0
    for a in range(len(around.starts) - 1):
        lack = 1 if net.degree[a] < net.wanted[a] else 0
        if not net.alive[a] or lack + 1 < missing:
            continue
        for m in range(around.starts[a], around.starts[a + 1]):
            b = around.others[m]
            if b <= a or not net.alive[b] or lack + (1 if net.degree[b] < net.wanted[b] else 0) < missing:
                continue
            distance = square(net.positions, a, b, net.period, net.shear)
            if distance < cutoff * cutoff and not is_bonded(net, a, b):
                if number == most:
                    more_pairs, more_squares = np.empty((2 * most, 2), dtype=np.int64), np.empty(2 * most)
                    more_pairs[:most], more_squares[:most] = pairs, squares
                    pairs, squares, most = more_pairs, more_squares, 2 * most
                pairs[number, 0], pairs[number, 1], squares[number] = a, b, distance
                number += 1
    return pairs[:number].copy(), squares[:number].copy()


@compiled
def merge(net: Network, pairs: Longs) -> None:
    """Make one atom of each pair: halfway, with the bonds of both."""
    for row in range(len(pairs)):
        a, b = pairs[row, 0], pairs[row, 1]
        if not (net.alive[a] and net.alive[b]):
            continue
        for axis in range(3):
            period = net.period[axis]
            net.positions[a, axis] += 0.5 * gap(net.positions[b, axis] - net.positions[a, axis], period)
            if period > 0:
                net.positions[a, axis] %= period
        net.wanted[a] = max(net.wanted[a], net.wanted[b])
        while net.degree[b] > 0:
            c = net.bonds[b, 0]
            cut(net, b, c)
            new = c != a and net.degree[a] < net.wanted[a] and not is_bonded(net, a, c)
            if new and not closes_small_ring(net, a, c):
                join(net, a, c)
        net.alive[b] = False


@compiled
def close_bonds(net: Network, pairs: Longs, clear: float) -> None:
    """Bond the pairs that miss bonds, in order, unless that closes a ring of three or four.

    A new partner stands at least ``clear`` from the partners that an atom has.
    """
    for row in range(len(pairs)):
        a, b = pairs[row, 0], pairs[row, 1]
        if net.degree[a] >= net.wanted[a] or net.degree[b] >= net.wanted[b] or closes_small_ring(net, a, b):
            continue
        free = True
        for n in range(net.degree[a]):
            free = free and square(net.positions, net.bonds[a, n], b, net.period, net.shear) > clear * clear
        for n in range(net.degree[b]):
            free = free and square(net.positions, net.bonds[b, n], a, net.period, net.shear) > clear * clear
        if free:
            join(net, a, b)


@compiled
def add_fourth_bonds(net: Network, pairs: Longs, quota: int) -> None:
    """Bond atoms that miss one to atoms with three, which then have four, ``quota`` times at most."""
    for row in range(len(pairs)):
        a, b = pairs[row, 0], pairs[row, 1]
        if quota <= 0:
            break
        lacking = net.degree[a] < net.wanted[a] or net.degree[b] < net.wanted[b]
        if lacking and net.degree[a] < 4 and net.degree[b] < 4 and not closes_small_ring(net, a, b):
            join(net, a, b)
            net.wanted[a] = max(net.wanted[a], net.degree[a])
            net.wanted[b] = max(net.wanted[b], net.degree[b])
            quota -= 1
