"""Inhomogeneous strain: a generator whose atoms are displaced by a function of their place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from typing_extensions import override

from exitwave.core import Stream, StructureError
from exitwave.structure.arrays import Array
from exitwave.structure.generators.base import Atoms, Bounds, Generator

__all__ = ["Strained"]


@dataclass(frozen=True, eq=False)
class Strained(Generator):
    """A generator with every atom at x displaced to x + u(x); regions are still filled to their surface.

    Parameters
    ----------
    generator
        What is strained.
    displacement
        u: takes positions (atoms, 3), Å, and returns displacements (atoms, 3), Å.
    largest
        No displacement is longer than this, Å; so far outside the region atoms are made before they are moved.

    Raises
    ------
    StructureError
        If a displacement is longer.

    Examples
    --------
    >>> import numpy as np
    >>> from exitwave.structure import Box, Crystal, Volume
    >>> bend = lambda x: np.stack([0 * x[:, 0], 0 * x[:, 0], 2 * np.sin(x[:, 0] / 20)], axis=1)
    >>> beam = Volume(Strained(Crystal("Au"), bend, largest=2.0), Box(60, 20, 20))
    >>> bool(abs(len(beam.atoms(Stream(1))) / (60 * 20 * 20 * 4 / 4.0782**3) - 1) < 0.15)
    True
    """

    generator: Generator
    displacement: Callable[[Array], ArrayLike]
    largest: float

    def __post_init__(self) -> None:
        if not (np.isfinite(self.largest) and self.largest >= 0):
            raise StructureError(f"largest is {self.largest!r}; it is a number of 0 or more in Å.")

    @override
    def atoms(self, bounds: Bounds, stream: Stream) -> Atoms:
        wider = Bounds(np.asarray(bounds.low) - self.largest, np.asarray(bounds.high) + self.largest)
        made = self.generator.atoms(wider, stream)
        moves = np.asarray(self.displacement(made.positions), dtype=np.float64)
        if moves.shape != made.positions.shape or not np.isfinite(moves).all():
            raise StructureError(
                f"displacement returns an array of shape {moves.shape}; it returns finite numbers (atoms, 3) in Å."
            )
        longest = float(np.linalg.norm(moves, axis=1).max(initial=0.0))
        if longest > self.largest * (1 + 1e-9):
            raise StructureError(
                f"a displacement is {longest:.4g} Å long and largest is {self.largest:g} Å; raise largest, so that"
                " the region is filled."
            )
        return Atoms(made.positions + moves, made.numbers, made.thermal)
