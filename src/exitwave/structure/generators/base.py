"""What a generator is: something that gives the atoms in a box."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from typing_extensions import override

from exitwave.core import Stream, StructureError
from exitwave.structure.arrays import Array, Ints, points3, unknown, vector3
from exitwave.structure.transforms import Transform

__all__ = ["Atoms", "Bounds", "Generator", "Placed"]


@dataclass(frozen=True, eq=False)
class Atoms:
    """Atoms without a cell.

    Parameters
    ----------
    positions
        Shape (atoms, 3), Å.
    numbers
        Atomic numbers, shape (atoms,).
    thermal
        Root-mean-square displacement per axis, shape (atoms,), Å; NaN: the scatterer's own value.

    Raises
    ------
    StructureError
        If shapes do not fit.

    Examples
    --------
    >>> pair = Atoms([[0, 0, 0], [0, 0, 1.13]], [6, 8])
    >>> len(pair), len(pair.select(pair.numbers == 8))
    (2, 1)
    """

    positions: Array
    numbers: Ints
    thermal: Array = field(default_factory=unknown)

    def __post_init__(self) -> None:
        positions = points3(self.positions, "positions")
        numbers = np.asarray(self.numbers, dtype=np.int32)
        thermal = np.asarray(self.thermal, dtype=np.float64)
        if thermal.size == 0:
            thermal = np.full(len(positions), np.nan)
        if numbers.shape != (len(positions),) or thermal.shape != (len(positions),):
            raise StructureError(
                f"positions, numbers and thermal have shapes {positions.shape}, {numbers.shape} and"
                f" {thermal.shape}; they are (atoms, 3), (atoms,) and (atoms,)."
            )
        object.__setattr__(self, "positions", positions)
        object.__setattr__(self, "numbers", numbers)
        object.__setattr__(self, "thermal", thermal)

    def __len__(self) -> int:
        return len(self.positions)

    def select(self, mask: NDArray[np.bool_] | NDArray[np.intp]) -> Atoms:
        """Return the atoms that a mask or an array of indices picks."""
        rows = np.flatnonzero(mask) if mask.dtype == np.bool_ else mask  # quicker than picking by a mask
        return Atoms(self.positions.take(rows, axis=0), self.numbers.take(rows), self.thermal.take(rows))

    def moved(self, transform: Transform) -> Atoms:
        """Return the atoms carried along by a transform."""
        return Atoms(transform(self.positions), self.numbers, self.thermal)

    @classmethod
    def none(cls) -> Atoms:
        """Return no atoms."""
        return cls(np.empty((0, 3)), np.empty(0, dtype=np.int32))


@dataclass(frozen=True, eq=False)
class Bounds:
    """A box to fill with atoms.

    Parameters
    ----------
    low, high
        Its corners, Å.
    periodic
        For x, y, z: whether the scene repeats with exactly the length of the box along this axis. With ``cell``,
        for each of its rows: whether the scene repeats along it.
    planes
        Normals (n, 3) and offsets (n,), Å, of half-spaces n·x ≤ offset beyond which no atoms are asked for; a
        generator may leave them out, to save time. None: there are none.
    cell
        Rows are the vectors of a cell of any shape, Å; only for generators with ``any_cell``. They give each atom
        once, in any one of its images along the periodic rows, and fill the box with all images together. None:
        the box is as long as the cell where it is periodic.

    Raises
    ------
    StructureError
        If a corner is not three finite numbers, or ``low`` is above ``high``.

    Examples
    --------
    >>> from exitwave.core import Stream
    >>> from exitwave.structure import Amorphous
    >>> box = Bounds((0, 0, 0), (20, 20, 10), periodic=(True, True, False))
    >>> box.lengths
    array([20., 20., 10.])
    >>> 350 < len(Amorphous("C").atoms(box, Stream(1))) < 450
    True
    """

    low: ArrayLike
    high: ArrayLike
    periodic: tuple[bool, bool, bool] = (False, False, False)
    planes: tuple[Array, Array] | None = None
    cell: ArrayLike | None = None

    def __post_init__(self) -> None:
        low, high = vector3(self.low, "low"), vector3(self.high, "high")
        if (high < low).any():
            raise StructureError(f"the box goes from {low.tolist()} to {high.tolist()}; low is at most high.")
        object.__setattr__(self, "low", low)
        object.__setattr__(self, "high", high)

    @property
    def lengths(self) -> Array:
        """Edge lengths, Å."""
        result: Array = np.asarray(self.high) - np.asarray(self.low)
        return result

    @property
    def corners(self) -> Array:
        """The eight corners, shape (8, 3), Å."""
        low, lengths = np.asarray(self.low), self.lengths
        result: Array = low + lengths * np.indices((2, 2, 2)).reshape(3, -1).T
        return result


class Generator(ABC):
    """Something that gives the atoms in a box; subclass it with the one method ``atoms``.

    Examples
    --------
    >>> import numpy as np
    >>> from exitwave.core import Stream
    >>> class Gas(Generator):
    ...     '''Argon at random.'''
    ...     def atoms(self, bounds, stream):
    ...         positions = stream.generator().uniform(bounds.low, bounds.high, (5, 3))
    ...         return Atoms(positions, np.full(5, 18))
    >>> len(Gas().atoms(Bounds((0, 0, 0), (10, 10, 10)), Stream(1)))
    5
    """

    seamless: ClassVar[bool] = False
    """Whether ``atoms`` heeds ``bounds.periodic``, so that a film has no seam at the border of the scene."""

    any_cell: ClassVar[bool] = False
    """Whether ``atoms`` heeds ``bounds.cell``, so that this holds in cells of any shape."""

    @property
    def least_distance(self) -> float:
        """How near two of the atoms may come, Å; 0 where the generator does not say."""
        return 0.0

    @abstractmethod
    def atoms(self, bounds: Bounds, stream: Stream) -> Atoms:
        """Return the atoms in a box (more may be returned: the volume cuts them off)."""

    def transformed(self, transform: Transform) -> Generator:
        """Return the generator of the same atoms, moved by ``transform``."""
        return Placed(self, transform)


@dataclass(frozen=True, eq=False)
class Placed(Generator):
    """A generator with all its atoms moved by a transform: what ``transformed`` makes of most generators.

    Parameters
    ----------
    generator
        Gives the atoms where they were.
    transform
        Carries them to where they are now.

    Examples
    --------
    >>> from exitwave.core import Stream
    >>> from exitwave.structure import Amorphous, translation
    >>> moved = Amorphous("C").transformed(translation((0, 0, 50)))
    >>> type(moved).__name__
    'Placed'
    >>> atoms = moved.atoms(Bounds((0, 0, 50), (10, 10, 60)), Stream(1))
    >>> bool(atoms.positions[:, 2].min() >= 50)
    True
    """

    generator: Generator
    transform: Transform

    @property
    def seamless(self) -> bool:  # type: ignore[override]
        """Whether a periodic box is filled without a seam."""
        return self.generator.seamless and self.transform.is_translation

    @property
    def any_cell(self) -> bool:  # type: ignore[override]
        """Whether a cell of any shape is filled without a seam."""
        return self.generator.any_cell

    @property
    @override
    def least_distance(self) -> float:
        return self.generator.least_distance * float(np.linalg.norm(self.transform.matrix, 2))

    @override
    def atoms(self, bounds: Bounds, stream: Stream) -> Atoms:
        corners = self.transform.inverse(bounds.corners)
        periodic = bounds.periodic if self.seamless else (False, False, False)
        inner = Bounds(corners.min(axis=0), corners.max(axis=0), periodic)
        if bounds.cell is not None:
            cell = np.asarray(bounds.cell) @ self.transform.inverse.matrix.T
            inner = replace(inner, periodic=bounds.periodic, cell=cell)
        return self.generator.atoms(inner, stream).moved(self.transform)

    @override
    def transformed(self, transform: Transform) -> Generator:
        return Placed(self.generator, transform @ self.transform)
