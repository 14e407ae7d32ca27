"""Springs that relax the seams of a network: bonds, angles, and a repulsion of what is not bonded."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from exitwave.structure.arrays import Array, Ints
from exitwave.structure.compiled import compiled
from exitwave.structure.generators.network.bonds import Near, Network, gap, is_bonded, square, squared

__all__ = ["relax", "springs"]

BOND, ANGLE, REPULSION = 0, 1, 2  # stiffness 1, STIFF, SOFT
STIFF, SOFT, HARD = 0.35, 0.2, 1.5  # HARD: what second neighbours nearer than NEAREST add
NEAREST, APART = 2.35, 2.75  # Å; APART: where the repulsion ends
WATCHED = 2.95  # Å; farther atoms do not come so near while the springs pull
SIGMA, RISE = 1.39, 0.04  # Å; length of a bond, and how much each atom with four bonds adds
SECOND = (2.60, 2.51, 2.49)  # Å; distance of two neighbours of an atom with two, three, four bonds


@compiled
def springs(net: Network, around: Near, active: NDArray[np.bool_]) -> tuple[Ints, Array, NDArray[np.int8]]:
    """Return the springs that pull on active atoms: their ends, rest lengths and kinds."""
    most = 4096
    ends, rest, kind = np.empty((most, 2), dtype=np.int32), np.empty(most), np.empty(most, dtype=np.int8)
    number = 0
    for a in range(len(around.starts) - 1):
        if not net.alive[a]:
            continue
        if number + 64 + around.starts[a + 1] - around.starts[a] > most:
            more_ends, more_rest = np.empty((2 * most, 2), dtype=np.int32), np.empty(2 * most)
            more_kind = np.empty(2 * most, dtype=np.int8)
            more_ends[:number], more_rest[:number] = ends[:number], rest[:number]
            more_kind[:number] = kind[:number]
            ends, rest, kind, most = more_ends, more_rest, more_kind, 2 * most
        second = SECOND[min(max(net.degree[a] - 2, 0), 2)]
        for n in range(net.degree[a]):
            b = net.bonds[a, n]
            if b > a and (active[a] or active[b]):
                four = (1 if net.degree[a] > 3 else 0) + (1 if net.degree[b] > 3 else 0)
                ends[number, 0], ends[number, 1], rest[number], kind[number] = a, b, SIGMA + RISE * four, BOND
                number += 1
            for m in range(n):
                c = net.bonds[a, m]
                if active[b] or active[c]:
                    ends[number, 0], ends[number, 1], rest[number], kind[number] = b, c, second, ANGLE
                    number += 1
        for m in range(around.starts[a], around.starts[a + 1]):
            b = around.others[m]
            if b < a or not net.alive[b] or not (active[a] or active[b]):
                continue
            if square(net.positions, a, b, net.period, net.shear) > WATCHED * WATCHED or is_bonded(net, a, b):
                continue
            shared = False
            for n in range(net.degree[a]):
                shared = shared or is_bonded(net, net.bonds[a, n], b)
            if not shared:
                ends[number, 0], ends[number, 1], rest[number], kind[number] = a, b, APART, REPULSION
                number += 1
    return ends[:number].copy(), rest[:number].copy(), kind[:number].copy()


@compiled
def relax(
    net: Network, active: NDArray[np.bool_], ends: Ints, rest: Array, kind: NDArray[np.int8], steps: int
) -> None:
    """Let springs pull active atoms together, in place: descent with momentum."""
    atoms = len(active)
    velocity, force = np.zeros((atoms, 3)), np.zeros((atoms, 3))
    positions, period, shear = net.positions, net.period, net.shear
    px, py, pz = period[0], period[1], period[2]
    for _ in range(steps):
        force[:] = 0.0
        for s in range(len(ends)):
            a, b = ends[s, 0], ends[s, 1]
            x = gap(positions[b, 0] - positions[a, 0], px)
            y = gap(positions[b, 1] - positions[a, 1], py)
            z = gap(positions[b, 2] - positions[a, 2], pz)
            distance = squared(x, y, z, shear)
            if kind[s] == REPULSION:
                if distance >= APART * APART:
                    continue
                pull = SOFT * (1 - APART / np.sqrt(max(distance, 1e-4)))
            else:
                size = np.sqrt(max(distance, 1e-4))
                pull = 1 - rest[s] / size
                if kind[s] == ANGLE:
                    pull *= STIFF
                    if size < NEAREST:
                        pull += HARD * (1 - NEAREST / size)
            x, y, z = pull * x, pull * y, pull * z
            force[a, 0] += x
            force[a, 1] += y
            force[a, 2] += z
            force[b, 0] -= x
            force[b, 1] -= y
            force[b, 2] -= z
        for a in range(atoms):
            if not active[a]:
                continue
            for axis in range(3):
                velocity[a, axis] = 0.8 * velocity[a, axis] + 0.15 * force[a, axis]
                moved = positions[a, axis] + min(max(velocity[a, axis], -0.15), 0.15)
                if period[axis] > 0:
                    if moved < 0:
                        moved += period[axis]
                    elif moved >= period[axis]:
                        moved -= period[axis]
                positions[a, axis] = moved
