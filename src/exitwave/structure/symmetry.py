"""The point group of a crystal, found from its cell and its sites."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from exitwave.structure.materials import Material

__all__ = ["point_group"]

TOLERANCE = 1e-3  # of lengths, relative, and of fractional coordinates


def point_group(material: Material) -> list[NDArray[np.int64]]:
    """Return the rotations and mirrors of a crystal, each a 3 × 3 matrix of whole numbers.

    A matrix R carries the fractional coordinates x of a site to R x + t, with some translation t, where there is
    a site of the same kind. The cell is taken to be reduced so far that no entry is beyond -1, 0, 1.

    Examples
    --------
    >>> from exitwave.structure import material
    >>> [len(point_group(material(name))) for name in ("Au", "GaAs", "CdSe", "TiO2-rutile", "MoS2")]
    [48, 24, 12, 16, 24]
    """
    entries = np.indices((3,) * 9).reshape(9, -1).T.reshape(-1, 3, 3) - 1
    metric = material.lattice @ material.lattice.T
    # fractional columns x have the length xᵀ G x, so that a symmetry keeps G
    kept = np.abs(np.einsum("nji,jk,nkl->nil", entries, metric, entries) - metric).max(axis=(1, 2))
    candidates = entries[kept < TOLERANCE * metric.max()]
    return [turn for turn in candidates if _carries_sites(material, turn)]


def _carries_sites(material: Material, turn: NDArray[np.int64]) -> bool:
    """Return whether some translation after the turn brings every site onto one of its kind."""
    basis, numbers = material.basis, material.numbers
    moved = basis @ turn.T
    rarest = np.flatnonzero(numbers == min(set(numbers.tolist()), key=lambda z: (numbers == z).sum()))
    for target in rarest:
        shifted = moved + (basis[target] - moved[rarest[0]])
        apart = shifted[:, None] - basis[None]
        apart = np.abs(apart - np.round(apart)).max(axis=-1)
        apart[numbers[:, None] != numbers[None]] = np.inf
        if (apart.min(axis=1) < TOLERANCE).all():
            return True
    return False
