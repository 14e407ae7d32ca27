"""The periodic cells of amorphous carbon that the package ships, made by ``scripts/melt_quench_carbon.py``."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np

from exitwave.structure.arrays import Array, Ints, frozen

__all__ = ["BOND", "Cell", "cells"]

BOND = 1.9  # Å; nearer atoms are bonded: between the first and the second shell of carbon


@dataclass(frozen=True, eq=False)
class Cell:
    """A periodic cube of amorphous carbon.

    Parameters
    ----------
    density
        g/cm³.
    edge
        Å.
    positions
        Shape (atoms, 3), Å.
    bonds
        How many each atom has, shape (atoms,).
    """

    density: float
    edge: float
    positions: Array
    bonds: Ints


@cache
def cells() -> tuple[Cell, ...]:
    """Return the cells in order of density."""
    from scipy.spatial import cKDTree

    result = []
    resource = files("exitwave.structure.generators.network") / "amorphous_carbon.npz"
    with resource.open("rb") as file, np.load(file, allow_pickle=False) as data:
        for index, (density, edge) in enumerate(zip(data["densities"], data["edges"], strict=True)):
            positions = data[f"positions_{index}"] * (float(edge) / 65536)
            tree = cKDTree(positions, boxsize=float(edge))
            pairs = tree.query_pairs(BOND, output_type="ndarray")
            bonds = np.bincount(pairs.ravel(), minlength=len(positions))
            result.append(Cell(float(density), float(edge), frozen(positions), frozen(bonds, np.int32)))
    return tuple(sorted(result, key=lambda cell: cell.density))
