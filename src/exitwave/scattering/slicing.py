"""Atoms to planes: every atom is shared among the four planes nearest to it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from exitwave.scattering.grid import Grid

__all__ = ["SlicedAtoms", "elements", "occupied_planes", "plane_weights", "slice_atoms"]


@dataclass(frozen=True, eq=False)
class SlicedAtoms:
    """The atoms of one element in the order in which the beam meets them.

    Parameters
    ----------
    number
        Atomic number.
    y, x
        Positions in pixels, within the grid, (atoms,).
    base
        Plane at or just before each atom, ascending, (atoms,); the atom acts on planes base − 1 … base + 2.
    weights
        Shares of each atom in those four planes, (atoms, 4).
    """

    number: int
    y: NDArray[np.float64]
    x: NDArray[np.float64]
    base: NDArray[np.int32]
    weights: NDArray[np.float64]

    def near(self, first: int, last: int) -> tuple[int, int]:
        """Return the range of atoms that act on any of the planes ``first`` … ``last``."""
        low, high = np.searchsorted(self.base, (first - 2, last + 2))
        return int(low), int(high)


def elements(numbers: ArrayLike) -> list[int]:
    """Return the different ones of many atomic numbers, ascending.

    Examples
    --------
    >>> elements([79, 6, 6])
    [6, 79]
    """
    numbers = np.asarray(numbers, dtype=np.int64).ravel()
    if numbers.size and numbers.min() < 0:
        return [int(number) for number in np.unique(numbers)]
    return [int(number) for number in np.flatnonzero(np.bincount(numbers))]


def plane_weights(fraction: NDArray[np.float64]) -> NDArray[np.float64]:
    r"""Cubic Lagrange weights of the planes at −1, 0, 1, 2 for atoms at ``fraction`` in [0, 1) between two planes.

    They keep an atom's mass and the first three moments of its height exactly, so that the phase which the
    Fresnel propagator gives between planes is right to fourth order in the distance of the planes.

    Examples
    --------
    >>> plane_weights(np.array([0.0, 0.5])).tolist()
    [[0.0, 1.0, 0.0, 0.0], [-0.0625, 0.5625, 0.5625, -0.0625]]
    """
    t = np.asarray(fraction, dtype=np.float64)
    return (
        np.stack(
            [
                -t * (t - 1) * (t - 2) / 6,
                (t + 1) * (t - 1) * (t - 2) / 2,
                -(t + 1) * t * (t - 2) / 2,
                (t + 1) * t * (t - 1) / 6,
            ],
            axis=-1,
        )
        + 0.0  # no negative zeros
    )


def slice_atoms(
    positions: NDArray[np.float64], numbers: NDArray[np.int32], grid: Grid, thickness: float
) -> list[SlicedAtoms]:
    """Return the atoms of every element, shared among planes at heights (k + ½) · ``thickness``.

    Planes have any index, negative too: atoms near the entrance or exit face act on planes beyond it.
    """
    (ny, nx), (dy, dx) = grid.shape, grid.sampling
    height = positions[:, 2] / thickness - 0.5
    base = np.floor(height)
    weights = plane_weights(height - base)
    y, x = np.mod(positions[:, 1] / dy, ny), np.mod(positions[:, 0] / dx, nx)
    planes = base.astype(np.int32)
    groups = []
    for number in elements(numbers):
        chosen = np.flatnonzero(numbers == number)
        chosen = chosen[np.argsort(planes[chosen], kind="stable")]
        groups.append(SlicedAtoms(int(number), y[chosen], x[chosen], planes[chosen], weights[chosen]))
    return groups


def occupied_planes(groups: list[SlicedAtoms]) -> list[int]:
    """Return the planes on which any atom acts, ascending; between them there is only vacuum."""
    bases = np.unique(np.concatenate([group.base for group in groups])) if groups else np.zeros(0, np.int32)
    return [int(k) for k in np.unique(bases[:, None] + np.arange(-1, 3)[None, :])]
