"""Shifts by whole pixels and mirror images, of atoms and of waves alike."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

__all__ = ["MIRRORS", "moved_positions", "moved_wave"]

MIRRORS = ("", "x", "y", "xy")
"""Axes along which a periodic film may be mirrored."""


def moved_positions(
    positions: NDArray[np.float64],
    lengths: tuple[float, float],
    shape: tuple[int, int],
    shift: tuple[int, int] = (0, 0),
    mirror: str = "",
) -> NDArray[np.float64]:
    """Return atoms of a periodic cell mirrored along the axes named in ``mirror``, then shifted.

    Parameters
    ----------
    positions
        (atoms, 3), Å.
    lengths
        Of the cell along x and y, Å.
    shape
        Pixels (y, x) of the grid.
    shift
        Pixels (y, x).
    mirror
        "", "x", "y" or "xy".

    Examples
    --------
    >>> moved_positions(np.array([[1.0, 2.0, 5.0]]), (10.0, 10.0), (100, 100), (5, -20), "y").tolist()
    [[9.0, 8.5, 5.0]]
    """
    moved = np.array(positions, dtype=np.float64)
    for axis, letter in enumerate("xy"):
        if letter in mirror:
            moved[:, axis] = lengths[axis] - moved[:, axis]
        step = lengths[axis] / shape[1 - axis]
        moved[:, axis] = np.mod(moved[:, axis] + shift[1 - axis] * step, lengths[axis])
    return moved


def moved_wave(wave: torch.Tensor, shift: tuple[int, int], mirror: str) -> torch.Tensor:
    """Return a wave (…, y, x) of a mirrored and shifted film: pixel i of a mirrored axis is −i."""
    for axis, letter in ((-2, "y"), (-1, "x")):
        if letter in mirror:
            wave = torch.roll(torch.flip(wave, (axis,)), 1, axis)
    return torch.roll(wave, shift, (-2, -1))
