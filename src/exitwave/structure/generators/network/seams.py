"""Tiles of a network joined: doubled atoms merged, open bonds closed, holes filled, the seams relaxed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from exitwave.core import Stream
from exitwave.structure.arrays import Array, Ints
from exitwave.structure.generators.network.cells import BOND

__all__ = ["Tiled", "mend"]

REACH = 3.1  # Å; how far neighbours are looked for
DOUBLED = 0.9  # Å; nearer atoms of different tiles become one
CLOSING = 2.8  # Å; how far atoms that miss bonds may stand apart to be bonded
FOURTH = 2.9  # Å; the same for a fourth bond
CLEAR = 1.6  # Å; least distance of two atoms that are to bond to a third one
ROOM = 1.2  # Å; room for an atom that is put into a bond
ACTIVE = 3.5  # Å; how deep in a tile atoms are relaxed
STEPS = (5, 5, 16)  # of relaxation, in each round
BLOCK = 6.2  # Å; atoms are sorted by blocks, so that neighbours are near in memory


@dataclass(frozen=True, eq=False)
class Tiled:
    """Atoms of tiles side by side, not joined yet.

    Parameters
    ----------
    positions, local
        In the box, and as seen from the centre of the tile, shape (atoms, 3), Å.
    bonds
        How many each atom had in its periodic cell.
    depth
        Distance from the wall of the tile, Å.
    tile
        Which tile each atom is of.
    period
        Length of the box along each axis, Å; negative where it does not repeat.
    shear, heights
        Of the coordinates of the box, and distances between its opposite faces, Å.
    """

    positions: Array
    local: Array
    bonds: Ints
    depth: Array
    tile: Ints
    period: Array
    shear: Array
    heights: Array

    def sorted(self) -> Tiled:
        """Return the same atoms in the order of blocks of space."""
        block = np.floor((self.positions - self.positions.min(axis=0)) / BLOCK).astype(np.int64)
        shape = block.max(axis=0) + 1
        order = np.argsort((block[:, 0] * shape[1] + block[:, 1]) * shape[2] + block[:, 2], kind="stable")
        return Tiled(
            self.positions[order],
            self.local[order],
            self.bonds[order],
            self.depth[order],
            self.tile[order],
            self.period,
            self.shear,
            self.heights,
        )


def mend(tiled: Tiled, low: Array, high: Array, goal: int, stream: Stream) -> tuple[Array, Ints]:
    """Return the positions of one network made of tiles, and the bonds of each atom.

    Parameters
    ----------
    tiled
        The tiles.
    low, high, goal
        How many atoms shall be between these corners; met to a few in a thousand.
    stream
        Where the randomness comes from.
    """
    from exitwave.structure.generators.network import bonds as b
    from exitwave.structure.generators.network.holes import fill_holes, rewire, wedge
    from exitwave.structure.generators.network.springs import relax, springs

    generator = stream.generator()
    tiled = tiled.sorted()
    used, spare = len(tiled.positions), len(tiled.positions) // 20 + 64
    net = b.Network(
        np.concatenate([tiled.positions, np.zeros((spare, 3))]),
        np.concatenate([np.ones(used, dtype=np.bool_), np.zeros(spare, dtype=np.bool_)]),
        np.zeros((used + spare, b.MOST), dtype=np.int32),
        np.zeros(used + spare, dtype=np.int32),
        np.concatenate([tiled.bonds, np.zeros(spare, dtype=np.int32)]).astype(np.int32),
        np.asarray(tiled.period, dtype=np.float64),
        np.asarray(tiled.shear, dtype=np.float64),
    )
    active = np.concatenate([tiled.depth < ACTIVE, np.ones(spare, dtype=np.bool_)])
    open_sides = np.flatnonzero(net.period < 0)

    def neighbours() -> b.Near:
        return b.near(net.positions[:used], net.alive[:used], net.period, REACH, net.shear, tiled.heights)

    def pairs(around: b.Near, cutoff: float, missing: int) -> NDArray[np.int64]:
        found, squares = b.open_pairs(net, around, cutoff, missing)
        return found[np.argsort(squares, kind="stable")]

    def within(margin: float) -> NDArray[np.bool_]:
        inside: NDArray[np.bool_] = net.alive[:used].copy()
        for axis in open_sides:
            place = net.positions[:used, axis]
            inside &= (place >= low[axis] - margin) & (place <= high[axis] + margin)
        return inside

    around = neighbours()
    for turn, steps in enumerate(STEPS):
        if turn == 0:
            b.inner_bonds(net, around, tiled.local, tiled.tile, BOND)
            b.merge(net, pairs(around, DOUBLED, 0))
        b.close_bonds(net, pairs(around, CLOSING, 2), CLEAR)
        for _ in range(3):  # whoever loses a partner may be left with one bond
            b.drop(net, np.flatnonzero(within(2.0) & (net.degree[:used] <= 1)))
        if turn > 0:
            inside = within(0.0)
            asked = generator.permutation(np.flatnonzero(inside & (net.degree[:used] < net.wanted[:used])))
            quota = goal - int(inside.sum())
            before = used
            for partners in (3, 2):
                used = fill_holes(net, around, asked, quota - (used - before), partners, used)
            used = wedge(net, around, asked, quota - (used - before), ROOM, used)
            around = neighbours()
            for _ in range(2):
                rewire(net, around, REACH)
        if turn == len(STEPS) - 1:
            missing = int((within(0.0) & active[:used] & (net.degree[:used] < net.wanted[:used])).sum())
            b.add_fourth_bonds(net, pairs(around, FOURTH, 1), missing // 2)
        pulled = active[:used] & net.alive[:used]
        relax(net, pulled, *springs(net, around, pulled), steps)
    last = net.alive[:used]
    return net.positions[:used][last], net.degree[:used][last]
