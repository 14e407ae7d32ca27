"""Space cut into tiles: Voronoi cells about jittered points, each filled from a periodic cell turned at random."""

from __future__ import annotations

from math import ceil

import numpy as np
from numpy.typing import NDArray

from exitwave.structure.arrays import Array, Ints
from exitwave.structure.compiled import compiled
from exitwave.structure.generators.domains import unsheared

__all__ = ["fill_tile", "tile_centres", "tile_rivals"]

JITTER = 0.2  # of the spacing of the centres


def tile_centres(
    lengths: Array, periodic: NDArray[np.bool_], spacing: float, generator: np.random.Generator, shear: Array
) -> tuple[Array, float]:
    """Return points of a box, about ``spacing`` apart and irregular, and how far from all of them a point can be.

    They are in sheared coordinates, those of a Domain.

    Returns
    -------
    centres, radius
        Shape (tiles, 3), Å, and a radius that no tile passes, Å.
    """
    counts = np.maximum(np.round(lengths / spacing).astype(int), 1)
    grid = np.stack(np.meshgrid(*[np.arange(n) for n in counts], indexing="ij"), axis=-1).reshape(-1, 3)
    jitter = generator.uniform(-JITTER, JITTER, grid.shape)
    start = np.where(periodic, generator.random(3), 0.5)
    centres: Array = (grid + start + jitter) * (lengths / counts)
    # a point is at most so far from the centre that belongs to its own cell of the grid
    diagonals = unsheared(lengths / counts * [[1, 1, 1], [-1, 1, 1], [1, -1, 1], [1, 1, -1]], shear)
    return centres, float((0.5 + JITTER) * np.linalg.norm(diagonals, axis=1).max())


def tile_rivals(
    centres: Array,
    radius: float,
    lengths: Array,
    periodic: NDArray[np.bool_],
    index: int,
    shear: Array,
    heights: Array,
) -> Array:
    """Return where the other centres lie in space as seen from one, nearest first, if they can bound its tile."""
    reach = np.where(periodic, np.ceil(2 * radius / heights).astype(int), 0)
    images = np.stack(np.meshgrid(*[np.arange(-n, n + 1) for n in reach], indexing="ij"), axis=-1).reshape(-1, 3)
    away = (centres[None, :, :] + (images * lengths)[:, None, :] - centres[index]).reshape(-1, 3)
    away = unsheared(away, shear)
    square = (away**2).sum(axis=1)
    near = np.flatnonzero((square < 4 * radius**2) & (square > 0))
    rivals: Array = np.ascontiguousarray(away[near[np.argsort(square[near])]])
    return rivals


@compiled
def fill_tile(
    motif: Array,
    wanted: Ints,
    edge: float,
    turn: Array,
    shift: Array,
    centre: Array,
    rivals: Array,
    radius: float,
    lengths: Array,
    periodic: NDArray[np.bool_],
    shear: Array,
) -> tuple[Array, Array, Ints, Array]:
    """Return the atoms of one tile.

    Parameters
    ----------
    motif, wanted, edge
        Periodic cell: positions, shape (atoms, 3), bonds of each atom, and edge, Å.
    turn, shift
        Rotation matrix, and which point of the cell comes to the centre, Å.
    centre, rivals, radius
        Place of the tile, of its neighbours as seen from it, and a radius the tile does not pass, Å.
    lengths, periodic
        Box from the origin; atoms outside it are dropped, or wrapped where it repeats.
    shear
        Of the coordinates of the box and the centre.

    Returns
    -------
    positions, local, wanted, depth
        Within the box; in space as seen from the centre; bonds each atom had; distance from the wall of the tile, Å.
    """
    reach = ceil(radius / edge) + 1
    most = int(len(motif) * min((2 * reach + 1) ** 3, ceil(4.5 * (radius / edge + 0.1) ** 3 + 1)))
    positions, local = np.empty((most, 3)), np.empty((most, 3))
    bonds, depth = np.empty(most, dtype=np.int32), np.empty(most)
    lengths_squared = np.empty(len(rivals))
    for r in range(len(rivals)):
        lengths_squared[r] = rivals[r, 0] ** 2 + rivals[r, 1] ** 2 + rivals[r, 2] ** 2
    base, point, place = np.empty(3), np.empty(3), np.empty(3)
    count = 0
    for a in range(len(motif)):
        for axis in range(3):
            base[axis] = (motif[a, axis] - shift[axis]) % edge
        for i in range(-reach, reach + 1):
            x = base[0] + i * edge
            if abs(x) > radius:
                continue
            for j in range(-reach, reach + 1):
                y = base[1] + j * edge
                if x * x + y * y > radius * radius:
                    continue
                for k in range(-reach, reach + 1):
                    z = base[2] + k * edge
                    if x * x + y * y + z * z > radius * radius:
                        continue
                    inside = True
                    for axis in range(3):
                        point[axis] = turn[axis, 0] * x + turn[axis, 1] * y + turn[axis, 2] * z
                    along_y = point[1] - shear[2] * point[2]
                    place[0] = centre[0] + (point[0] - shear[0] * along_y - shear[1] * point[2])
                    place[1], place[2] = centre[1] + along_y, centre[2] + point[2]
                    for axis in range(3):
                        if periodic[axis]:
                            place[axis] %= lengths[axis]
                        elif place[axis] < 0 or place[axis] > lengths[axis]:
                            inside = False
                    if not inside:
                        continue
                    nearest = 1e9
                    for r in range(len(rivals)):
                        along = point[0] * rivals[r, 0] + point[1] * rivals[r, 1] + point[2] * rivals[r, 2]
                        excess = 0.5 * lengths_squared[r] - along
                        if excess < 0:
                            inside = False
                            break
                        nearest = min(nearest, excess / np.sqrt(lengths_squared[r]))
                    if inside and count < most:
                        positions[count], local[count] = place, point
                        bonds[count], depth[count] = wanted[a], nearest
                        count += 1
    return positions[:count], local[:count], bonds[:count], depth[:count]
