"""Atoms together with their periodic images near the cell, for searches in plain space."""

from __future__ import annotations

from itertools import product

import numpy as np

from exitwave.structure.arrays import Array, Ints

__all__ = ["with_images"]


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
