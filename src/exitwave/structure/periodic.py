"""Periodic images: of atoms near the cell, for searches in plain space, and of regions that meet their own."""

from __future__ import annotations

from itertools import product

import numpy as np

from exitwave.structure.arrays import Array, Ints
from exitwave.structure.regions.base import Region

__all__ = ["is_upright", "meets_itself", "with_images"]


def with_images(positions: Array, cell: Array, pbc: tuple[bool, bool, bool], reach: float) -> tuple[Array, Ints]:
    """Return positions with all images that lie within ``reach`` of the box of the originals, and whose they are.

    Parameters
    ----------
    positions
        Shape (atoms, 3), Å; anywhere.
    cell, pbc
        Rows are the cell vectors, Å, and whether the scene repeats along each.
    reach
        Å.

    Returns
    -------
    places, owners
        Shapes (places, 3) and (places,); the originals come first.

    Examples
    --------
    >>> import numpy as np
    >>> with_images(np.array([[1.0, 5, 5]]), 10 * np.eye(3), (True, False, False), 3.0)[0].tolist()
    [[1.0, 5.0, 5.0]]
    >>> len(with_images(np.array([[1.0, 5, 5], [9.0, 5, 5]]), 10 * np.eye(3), (True, False, False), 3.0)[0])
    4
    """
    owners: Ints = np.arange(len(positions), dtype=np.int32)
    if not len(positions) or not any(pbc):
        return positions, owners
    inverse = np.linalg.inv(cell)
    fractional = positions @ inverse
    margin = reach * np.linalg.norm(inverse, axis=0)
    low, high = fractional.min(axis=0) - margin, fractional.max(axis=0) + margin
    span = np.ptp(fractional, axis=0)
    counts = np.where(pbc, np.floor(span + margin + 1e-9), 0).astype(int)
    places, whose = [positions], [owners]
    for shift in product(*(range(-n, n + 1) for n in counts)):
        if not any(shift):
            continue
        moved = fractional + np.array(shift)
        near = ((moved >= low) & (moved <= high)).all(axis=1)
        if near.any():
            places.append(positions[near] + np.array(shift) @ cell)
            whose.append(owners[near])
    return np.concatenate(places), np.concatenate(whose)


def is_upright(cell: Array, pbc: tuple[bool, bool, bool]) -> bool:
    """Return whether each vector along which a scene repeats lies along its axis, and no other vector leans on it.

    Examples
    --------
    >>> import numpy as np
    >>> is_upright(np.diag([3.0, 4, 5]), (True, True, True)), is_upright(np.eye(3) + np.eye(3, k=1), (True,) * 3)
    (True, False)
    """
    filled = cell != 0
    along = [filled[i, i] and filled[i].sum() == 1 == filled[:, i].sum() for i in range(3)]
    return all(upright or not repeats for upright, repeats in zip(along, pbc, strict=True))


def meets_itself(region: Region, cell: Array, pbc: tuple[bool, bool, bool], reach: float) -> tuple[bool, bool, bool]:
    """Return along which cell vectors a bounded region may come within ``reach`` of a periodic image of its own.

    An image is far off if some direction parts it from the region: x, y or z, the normals of the faces of the cell
    and of the region, or the way to the image.

    Examples
    --------
    >>> import numpy as np
    >>> from exitwave.structure import Box
    >>> meets_itself(Box(40, 20, 10), np.array([[40.0, 0, 0], [-20, 35, 0], [0, 0, 30]]), (True, True, False), 1.0)
    (True, False, False)
    """
    inverse = np.linalg.inv(cell)
    low, high = region.bounds()
    most = np.ceil((high - low + reach) @ np.abs(inverse) + 1e-9)
    ranges = [range(-int(n), int(n) + 1) if p else (0,) for n, p in zip(most, pbc, strict=True)]
    shifts = np.array([shift for shift in product(*ranges) if any(shift)]).reshape(-1, 3)
    images = shifts @ cell
    widths = high - low
    near = (np.abs(images) <= widths + reach + 1e-9).all(axis=1)
    normals = np.concatenate([inverse.T, region.planes()[0]])
    normals = normals / np.linalg.norm(normals, axis=1)[:, None]
    spans = region.extent(normals) + region.extent(-normals)
    near[near] = (np.abs(images[near] @ normals.T) <= spans + reach + 1e-9).all(axis=1)
    away = np.linalg.norm(images[near], axis=1)
    ways = images[near] / away[:, None]
    near[near] = away <= region.extent(ways) + region.extent(-ways) + reach + 1e-9
    met = (shifts[near] != 0).any(axis=0)
    return bool(met[0]), bool(met[1]), bool(met[2])
