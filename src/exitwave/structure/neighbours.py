"""Neighbours within a distance in a periodic cell of any shape, on a grid of cells; memory linear in atoms."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from exitwave.structure.arrays import Array, Ints
from exitwave.structure.compiled import compiled

__all__ = ["first_come", "neighbours", "pair_histogram"]

NOBODY, SEVERAL = -1, -2


@compiled
def first_come(
    fractional: Array,
    images: Ints,
    numbers: Ints,
    kinds: Ints,
    grains: Ints,
    cell: Array,
    pbc: NDArray[np.bool_],
    limits: Array,
    shape: NDArray[np.int64],
    reach: NDArray[np.int64],
    seamless: NDArray[np.bool_],
    bodies: Ints,
    within: Array,
) -> NDArray[np.bool_]:
    """Return which atoms stay when each gives way to those before it that are too near.

    Parameters
    ----------
    fractional
        Positions in units of ``cell``, within [0, 1], shape (atoms, 3).
    images
        How many cells each atom was shifted back by, shape (atoms, 3).
    numbers, kinds
        Atomic numbers, shape (atoms,), and the row of ``limits`` of each.
    grains
        Grain indices, shape (atoms,).
    cell
        Rows are the vectors of the gridded cell, Å.
    pbc
        Whether it repeats along each, shape (3,).
    limits
        Least distances between kinds, Å.
    shape, reach
        Cells of the grid along each vector, and how many cells away an atom may still be too near.
    seamless
        Whether each grain continues in its own periodic images along each vector, shape (grains, 3); the images of
        its atoms are then 0 along it.
    bodies, within
        The object of each grain, and the least distances between grains of one object where these are smaller, Å.
    """
    cells = shape[0] * shape[1] * shape[2]
    # whose atoms a cell of the grid holds, a grain in one of its images, NOBODY or SEVERAL; then all within reach
    slots, around = np.empty(len(fractional), dtype=np.int32), np.full(cells, NOBODY, dtype=np.int64)
    for a in range(len(fractional)):
        slot = 0
        for axis in range(3):
            slot = slot * shape[axis] + min(max(int(fractional[a, axis] * shape[axis]), 0), shape[axis] - 1)
        slots[a] = slot
        around[slot] = _both(around[slot], _owner(grains[a], images[a, 0], images[a, 1], images[a, 2]))
    for axis in range(3):  # one type of axis, so that it is compiled once
        around = _spread(around, shape, axis, reach, pbc)
    # where all atoms within reach are of one grain, nobody is in another's way
    atoms = 0
    for a in range(len(fractional)):
        if around[slots[a]] != _owner(grains[a], images[a, 0], images[a, 1], images[a, 2]):
            atoms += 1
    met, own, places = np.empty(atoms, dtype=np.int64), np.empty(atoms, dtype=np.int64), np.empty((atoms, 3))
    sorts = np.empty(atoms, dtype=np.int64)
    atoms = 0
    for a in range(len(fractional)):
        whose = _owner(grains[a], images[a, 0], images[a, 1], images[a, 2])
        if around[slots[a]] != whose:
            met[atoms], own[atoms], sorts[atoms] = a, whose, kinds[numbers[a]]
            for axis in range(3):
                places[atoms, axis] = fractional[a, axis]
            atoms += 1
    owners, heads = np.full(cells, NOBODY, dtype=np.int64), np.full(cells, -1, dtype=np.int64)
    following = np.full(atoms, -1, dtype=np.int64)
    stays = np.ones(len(fractional), dtype=np.bool_)
    for m in range(atoms):
        a, home = met[m], np.int64(slots[met[m]])
        place_i, place_j, place_k = home // (shape[1] * shape[2]), home // shape[2] % shape[1], home % shape[2]
        grain, kind, free = grains[a], sorts[m], True
        for di in range(-reach[0], reach[0] + 1):
            i, u = _folded(place_i + di, shape[0])
            if (u != 0 and not pbc[0]) or not free:
                continue
            for dj in range(-reach[1], reach[1] + 1):
                j, v = _folded(place_j + dj, shape[1])
                if (v != 0 and not pbc[1]) or not free:
                    continue
                for dk in range(-reach[2], reach[2] + 1):
                    k, w = _folded(place_k + dk, shape[2])
                    slot = (i * shape[1] + j) * shape[2] + k
                    holder = owners[slot]
                    if holder == NOBODY or (w != 0 and not pbc[2]):
                        continue
                    # atoms of one grain as they were laid down are as far apart as their generator says
                    together = own[m]
                    if u != 0 or v != 0 or w != 0:
                        together = _owner(
                            grain,
                            images[a, 0] + (0 if seamless[grain, 0] else u),
                            images[a, 1] + (0 if seamless[grain, 1] else v),
                            images[a, 2] + (0 if seamless[grain, 2] else w),
                        )
                    if holder == together:
                        continue
                    n = heads[slot]
                    while n >= 0:
                        if own[n] != together:
                            f = places[n, 0] + u - places[m, 0]
                            g = places[n, 1] + v - places[m, 1]
                            h = places[n, 2] + w - places[m, 2]
                            square = 0.0
                            for axis in range(3):
                                x = f * cell[0, axis] + g * cell[1, axis] + h * cell[2, axis]
                                square += x * x
                            limit, other = limits[kind, sorts[n]], grains[met[n]]
                            if grain != other and bodies[grain] == bodies[other]:
                                limit = min(limit, within[kind, sorts[n]])
                            if square < limit * limit:
                                free = False
                                break
                        n = following[n]
                    if not free:
                        break
        stays[a] = free
        if free:
            following[m], heads[home] = heads[home], m
            owners[home] = _both(owners[home], own[m])
    return stays


@compiled
def _both(one: int, other: int) -> int:
    """Return whose atoms two cells hold together."""
    if one == NOBODY or one == other:  # noqa: SIM109
        return other
    return one if other == NOBODY else SEVERAL


@compiled
def _spread(
    held: NDArray[np.int64], shape: NDArray[np.int64], axis: int, reach: NDArray[np.int64], pbc: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Return for every cell whose atoms it and those within reach along one axis hold; SEVERAL over a border."""
    result = held.copy()
    before, after = 1, 1
    for other in range(3):
        if other < axis:
            before *= shape[other]
        elif other > axis:
            after *= shape[other]
    size, step = shape[axis], reach[axis]
    for outer in range(before):
        for index in range(size):
            base = (outer * size + index) * after
            low, high = index - step, index + step
            if pbc[axis] and (low < 0 or high >= size):
                result[base : base + after] = SEVERAL
                continue
            for k in range(max(low, 0), min(high, size - 1) + 1):
                there = (outer * size + k) * after
                for inner in range(after):
                    result[base + inner] = _both(result[base + inner], held[there + inner])
    return result


@compiled
def _owner(grain: int, i: int, j: int, k: int) -> int:
    """Return one number for a grain in one of its periodic images."""
    return int(((np.int64(grain) * 1024 + (i + 512)) * 1024 + (j + 512)) * 1024 + (k + 512))


@compiled
def _folded(index: int, size: int) -> tuple[int, int]:
    """Return an index brought within the grid, and how many periods it was outside."""
    periods = 0
    while index < 0:
        index += size
        periods -= 1
    while index >= size:
        index -= size
        periods += 1
    return index, periods


@compiled
def neighbours(
    fractional: Array,
    cell: Array,
    pbc: NDArray[np.bool_],
    cutoff: float,
    shape: NDArray[np.int64],
    reach: NDArray[np.int64],
) -> tuple[NDArray[np.int64], Ints, Array]:
    """Return all neighbours within ``cutoff``: those of atom i are entries ``starts[i]`` to ``starts[i + 1]``.

    Returns
    -------
    starts, others, vectors
        Shapes (atoms + 1,), (pairs,) and (pairs, 3); vectors lead from the atom to its neighbour, Å.
    """
    atoms = len(fractional)
    slots, first, members = _sorted(fractional, shape)
    # places side by side in memory, in the order of the grid
    places = np.empty((atoms, 3))
    for m in range(atoms):
        for axis in range(3):
            place = 0.0
            for k in range(3):
                place += fractional[members[m], k] * cell[k, axis]
            places[m, axis] = place
    at = np.empty(atoms, dtype=np.int64)
    for m in range(atoms):
        at[members[m]] = m
    starts = np.zeros(atoms + 1, dtype=np.int64)
    capacity = 16 * atoms + 64
    others, vectors = np.empty(capacity, dtype=np.int32), np.empty((capacity, 3))
    count, limit = 0, cutoff * cutoff
    for a in range(atoms):
        slot, here = slots[a], at[a]
        place_i, place_j, place_k = slot // (shape[1] * shape[2]), slot // shape[2] % shape[1], slot % shape[2]
        for di in range(-reach[0], reach[0] + 1):
            i, u = _folded(place_i + di, shape[0])
            if u != 0 and not pbc[0]:
                continue
            for dj in range(-reach[1], reach[1] + 1):
                j, v = _folded(place_j + dj, shape[1])
                if v != 0 and not pbc[1]:
                    continue
                row = (i * shape[1] + j) * shape[2]
                for dk in range(-reach[2], reach[2] + 1):
                    k, w = _folded(place_k + dk, shape[2])
                    # cells above one another lie side by side in memory: one run of them, and each image alone
                    bottom, top = row + k, row + k + 1
                    if w == 0:
                        if dk != 0:
                            continue
                        bottom, top = row + max(k - reach[2], 0), row + min(k + reach[2], shape[2] - 1) + 1
                    elif not pbc[2]:
                        continue
                    x0 = u * cell[0, 0] + v * cell[1, 0] + w * cell[2, 0] - places[here, 0]
                    y0 = u * cell[0, 1] + v * cell[1, 1] + w * cell[2, 1] - places[here, 1]
                    z0 = u * cell[0, 2] + v * cell[1, 2] + w * cell[2, 2] - places[here, 2]
                    for m in range(first[bottom], first[top]):
                        x, y, z = places[m, 0] + x0, places[m, 1] + y0, places[m, 2] + z0
                        square = x * x + y * y + z * z
                        if square > limit or (m == here and u == 0 and v == 0 and w == 0):
                            continue
                        if count == capacity:
                            capacity *= 2
                            more, longer = np.empty(capacity, dtype=np.int32), np.empty((capacity, 3))
                            more[:count], longer[:count] = others, vectors
                            others, vectors = more, longer
                        others[count] = members[m]
                        vectors[count, 0], vectors[count, 1], vectors[count, 2] = x, y, z
                        count += 1
        starts[a + 1] = count
    return starts, others[:count].copy(), vectors[:count].copy()


@compiled
def pair_histogram(
    fractional: Array,
    kinds: Ints,
    cell: Array,
    pbc: NDArray[np.bool_],
    cutoff: float,
    shape: NDArray[np.int64],
    reach: NDArray[np.int64],
    elements: int,
    bins: int,
) -> NDArray[np.int64]:
    """Return the counts of ordered pairs by kinds and distance, shape (elements, elements, bins)."""
    counts = np.zeros((elements, elements, bins), dtype=np.int64)
    _, first, members = _sorted(fractional, shape)
    points = np.zeros((len(members), 3))
    sort = np.empty(len(members), dtype=np.int64)
    for m in range(len(members)):
        sort[m] = kinds[members[m]]
        for axis in range(3):
            for row in range(3):
                points[m, axis] += fractional[members[m], row] * cell[row, axis]
    limit, scale = cutoff * cutoff, bins / cutoff
    shift = np.empty(3)
    for here in range(shape[0] * shape[1] * shape[2]):
        if first[here] == first[here + 1]:
            continue
        place = (here // (shape[1] * shape[2]), here // shape[2] % shape[1], here % shape[2])
        # each pair of cells once: only neighbours that come later in the order of (di, dj, dk)
        for di in range(reach[0] + 1):
            i, u = _folded(place[0] + di, shape[0])
            if u != 0 and not pbc[0]:
                continue
            for dj in range(-reach[1] if di > 0 else 0, reach[1] + 1):
                j, v = _folded(place[1] + dj, shape[1])
                if v != 0 and not pbc[1]:
                    continue
                for dk in range(-reach[2] if di > 0 or dj > 0 else 0, reach[2] + 1):
                    k, w = _folded(place[2] + dk, shape[2])
                    if w != 0 and not pbc[2]:
                        continue
                    there = (i * shape[1] + j) * shape[2] + k
                    same = di == 0 and dj == 0 and dk == 0
                    for axis in range(3):
                        shift[axis] = u * cell[0, axis] + v * cell[1, axis] + w * cell[2, axis]
                    for n in range(first[here], first[here + 1]):
                        p, q, r = points[n, 0] - shift[0], points[n, 1] - shift[1], points[n, 2] - shift[2]
                        for m in range(n + 1 if same else first[there], first[there + 1]):
                            x, y, z = points[m, 0] - p, points[m, 1] - q, points[m, 2] - r
                            square = x * x + y * y + z * z
                            if square < limit:
                                slot = min(int(np.sqrt(square) * scale), bins - 1)
                                counts[sort[n], sort[m], slot] += 1
    for a in range(elements):
        for b in range(a + 1):
            for slot in range(bins):
                both = counts[a, b, slot] + counts[b, a, slot]
                counts[a, b, slot] = counts[b, a, slot] = both
    return counts


@compiled
def _sorted(
    fractional: Array, shape: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the grid cell of every atom, and the atoms of cell c as ``members[first[c]:first[c + 1]]``."""
    atoms = len(fractional)
    slots = np.empty(atoms, dtype=np.int64)
    first = np.zeros(shape[0] * shape[1] * shape[2] + 1, dtype=np.int64)
    for a in range(atoms):
        slot = 0
        for axis in range(3):
            slot = slot * shape[axis] + min(max(int(fractional[a, axis] * shape[axis]), 0), shape[axis] - 1)
        slots[a] = slot
        first[slot + 1] += 1
    for c in range(1, len(first)):
        first[c] += first[c - 1]
    members = np.empty(atoms, dtype=np.int64)
    filled = first[:-1].copy()
    for a in range(atoms):
        members[filled[slots[a]]] = a
        filled[slots[a]] += 1
    return slots, first, members
