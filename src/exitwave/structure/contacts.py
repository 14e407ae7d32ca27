"""Least distances between atoms: how they are given, and which atoms go where they are not kept."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from exitwave.core import StructureError
from exitwave.structure.arrays import Array, Ints
from exitwave.structure.grids import Grid
from exitwave.structure.materials import atomic_number

__all__ = ["MinimumDistance", "drop_contacts", "pair_limits"]

MinimumDistance = float | Mapping[Any, float] | str | None

COINCIDENT = 0.1  # Å: atoms closer than this are one atom, whatever the rule
COVALENT_SHARE = 0.85


def pair_limits(minimum_distance: MinimumDistance, numbers: NDArray[np.int32]) -> Array:
    """Return the least distances between the elements ``numbers``, shape (elements, elements), Å.

    Parameters
    ----------
    minimum_distance
        One number for all pairs, Å; a mapping such as ``{"Au-C": 2.0}`` (other pairs: "contact"); "contact":
        0.85 of the sum of the covalent radii; or None: atoms may be anywhere but in one place.
    numbers
        Atomic numbers, shape (elements,).

    Examples
    --------
    >>> import numpy as np
    >>> pair_limits({"Au-C": 2.0}, np.array([6, 79], dtype=np.int32)).round(3)
    array([[1.292, 2.   ],
           [2.   , 2.312]])
    """
    count = len(numbers)
    if minimum_distance is None:
        return np.full((count, count), COINCIDENT)
    if isinstance(minimum_distance, int | float | np.number) and not isinstance(minimum_distance, bool):
        return np.full((count, count), max(_distance(minimum_distance), COINCIDENT))
    if minimum_distance != "contact" and not isinstance(minimum_distance, Mapping):
        raise StructureError(
            f"minimum_distance is {minimum_distance!r}; it is a number in Å, a mapping such as {{'Au-C': 2.0}},"
            " 'contact' or None."
        )
    from ase.data import covalent_radii

    radii = np.asarray(covalent_radii)[numbers]
    limits: Array = COVALENT_SHARE * (radii[:, None] + radii[None])
    if isinstance(minimum_distance, Mapping):
        for pair, value in minimum_distance.items():
            a, b = _pair(pair)
            for i, j in ((a, b), (b, a)):
                limits[np.ix_(numbers == i, numbers == j)] = max(_distance(value), COINCIDENT)
    return limits


def drop_contacts(
    positions: Array,
    numbers: Ints,
    grains: Ints,
    cell: Array,
    pbc: tuple[bool, bool, bool],
    minimum_distance: MinimumDistance,
    seamless: NDArray[np.bool_] | None = None,
    bodies: Ints | None = None,
) -> NDArray[np.bool_]:
    """Return which atoms stay when each gives way to those before it that are too near.

    Atoms of one grain do not give way to each other, except across a periodic border where the grain ends.

    Parameters
    ----------
    positions
        Shape (atoms, 3), Å, in order of precedence; they may lie outside the cell.
    numbers, grains
        Atomic numbers and grain indices, shape (atoms,).
    cell, pbc
        Rows are the cell vectors, Å, and whether the scene repeats along each.
    minimum_distance
        As in :func:`pair_limits`.
    seamless
        Whether each grain goes on in its own periodic images along each cell vector, shape (grains, 3): a film that
        was packed periodically, say. None: no grain does.
    bodies
        The object of each grain: grains of one object, as on the two sides of a planar defect, come as near as the
        rule of contact allows, whatever is asked for between objects. None: every grain is an object.
    """
    from exitwave.structure.neighbours import first_come

    elements = np.flatnonzero(np.bincount(numbers, minlength=1))
    kinds = np.zeros(int(elements[-1]) + 1 if len(elements) else 1, dtype=np.int32)
    kinds[elements] = np.arange(len(elements))
    limits = pair_limits(minimum_distance, elements.astype(np.int32))
    if len(positions) == 0:
        return np.ones(0, dtype=bool)
    grid = Grid.of(positions, cell, pbc, max(float(limits.max()), 0.5))
    count = int(grains.max()) + 1
    joined = np.zeros((count, 3), dtype=np.bool_) if seamless is None else seamless
    owners = np.arange(count) if bodies is None else bodies
    return first_come(
        grid.fractional,
        np.where(joined[grains], 0, grid.images).astype(grid.images.dtype) if joined.any() else grid.images,
        np.ascontiguousarray(numbers, dtype=np.int32),
        kinds,
        np.ascontiguousarray(grains, dtype=np.int32),
        grid.cell,
        grid.pbc,
        limits,
        grid.shape,
        grid.reach,
        np.ascontiguousarray(joined),
        np.ascontiguousarray(owners, dtype=np.int32),
        pair_limits("contact", elements.astype(np.int32)),
    )


def _distance(value: Any) -> float:
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float | np.number)
        or not (isfinite(value) and value >= 0)
    ):
        raise StructureError(f"minimum_distance holds {value!r}; a distance is a number of 0 or more in Å.")
    return float(value)


def _pair(pair: Any) -> tuple[int, int]:
    parts = pair.split("-") if isinstance(pair, str) else pair
    try:
        a, b = parts
    except (TypeError, ValueError):
        raise StructureError(
            f"minimum_distance has the key {pair!r}; a pair of elements is written 'Au-C' or ('Au', 'C')."
        ) from None
    return atomic_number(a.strip() if isinstance(a, str) else a), atomic_number(
        b.strip() if isinstance(b, str) else b
    )
