"""Phases of planes on a CPU, two at a time, and the memory layout that they share with waves."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import ceil, floor

import numpy as np
from numpy.typing import NDArray

from exitwave.scattering import kernels
from exitwave.scattering.fourier import Plan, plan
from exitwave.scattering.grid import Grid, fast_size
from exitwave.scattering.potential import BETA, WIDTH, phase_filter
from exitwave.scattering.slicing import SlicedAtoms, occupied_planes
from exitwave.scattering.unresolved import loss_filter

__all__ = ["Box", "Layout", "PackedPlanes", "SpreadAtoms", "can_pack"]

_MARGIN = 6.0
"""Å about atoms within which their potential is kept. Beyond, at 300 kV, it is below 4e-5 rad for every element
(caesium), 1e-6 for most. Waves differ by less than 1e-4 at 0.1 Å/px and 5e-4 at 0.2 Å/px, whose band ends sooner."""

_BOX = 32
_SMALL = 0.6

_Floats = NDArray[np.float32]
_Indices = NDArray[np.int64]


def can_pack(grid: Grid) -> bool:
    """Whether the transforms of the CPU engine go with the sizes of a grid."""
    return all(plan(size) is not None for size in grid.shape)


@dataclass(frozen=True, eq=False)
class Layout:
    """Where the numbers of a grid are: in blocks of 16 rows, and in tiles of 16 frequencies along x.

    Parameters
    ----------
    grid
        The grid.
    y, x
        Plans of the transforms along both axes.
    lines
        Places of points along y within a tile, for whole blocks, (16 · blocks,).
    frequencies
        Indices along x of the frequencies of all tiles, (16 · tiles,); −1 where a tile holds no more.
    along
        Places of these frequencies within a row, (16 · tiles,).
    """

    grid: Grid
    y: Plan
    x: Plan
    lines: _Indices
    frequencies: _Indices
    along: _Indices

    @classmethod
    def of(cls, grid: Grid, reach: int | None = None) -> Layout:
        """Return the layout of a grid; its tiles hold ``reach`` frequencies on either side of zero, or all."""
        y, x = plan(grid.shape[0]), plan(grid.shape[1])
        assert y is not None
        assert x is not None
        extra = np.arange(-y.length % 16)
        lines = np.concatenate([y.places, y.span + 32 * extra])
        signed = np.where(x.order > x.length // 2, x.order - x.length, x.order)
        kept = np.flatnonzero(np.abs(signed) <= reach) if reach is not None else np.arange(x.length)
        missing = -len(kept) % 16
        frequencies = np.concatenate([x.order[kept], np.full(missing, -1)])
        along = np.concatenate([x.places[kept], np.full(missing, x.span)])
        return cls(grid, y, x, lines, frequencies, along)

    @property
    def blocks(self) -> int:
        """Number of blocks of rows."""
        return len(self.lines) // 16

    def tiles(self) -> _Floats:
        """Return empty tiles."""
        return np.zeros(
            (len(self.frequencies) // 16, self.y.span + 32 * (len(self.lines) - self.y.length)), np.float32
        )

    def rows(self, *blocks: int) -> _Floats:
        """Return empty blocks of rows; the last place of each stays zero."""
        return np.zeros((*blocks, self.x.span + 32), np.float32)

    def along_tiles(self, values: NDArray[np.floating]) -> _Floats:
        """Return a function of the frequencies (ny, nx) in the order of tiles, (tiles, 16 · ny)."""
        ordered = np.zeros((self.y.length, len(self.frequencies)), np.float32)
        ordered[:, self.frequencies >= 0] = values[self.y.order][:, self.frequencies[self.frequencies >= 0]]
        tiles = ordered.reshape(self.y.length, -1, 16).swapaxes(0, 1)
        return np.ascontiguousarray(tiles).reshape(tiles.shape[0], -1)

    def fill(self, tiles: _Floats, lines: NDArray[np.complex64]) -> None:
        """Fill tiles with lines (ny, nx): points along y in their order, frequencies along x in the usual one."""
        held = self.frequencies >= 0
        values = np.zeros((self.y.length, len(self.frequencies)), np.complex64)
        values[:, held] = lines[:, self.frequencies[held]]
        for part, numbers in enumerate((values.real, values.imag)):
            blocks = numbers.reshape(self.y.length, -1, 16).swapaxes(0, 1)
            tiles[:, self.y.places[:, None] + np.arange(16 * part, 16 * part + 16)] = blocks

    def lines_of(self, tiles: _Floats) -> NDArray[np.complex64]:
        """Return what ``fill`` took: lines (ny, nx), zero at frequencies that the tiles do not hold."""
        held = self.frequencies >= 0
        places = self.y.places[:, None] + np.arange(16)
        values = tiles[:, places] + np.complex64(1j) * tiles[:, places + 16]
        lines = np.zeros((self.y.length, self.x.length), np.complex64)
        lines[:, self.frequencies[held]] = values.swapaxes(0, 1).reshape(self.y.length, -1)[:, held]
        return lines

    def image(self, blocks: _Floats) -> _Floats:
        """Return real blocks (…, blocks, 16 · nx) as arrays (…, ny, nx)."""
        width = self.x.length
        lines = blocks.reshape(*blocks.shape[:-1], width, 16).swapaxes(-1, -2)
        return lines.reshape(*blocks.shape[:-2], -1, width)[..., : self.y.length, :]


@dataclass(frozen=True, eq=False)
class SpreadAtoms:
    """The sliced atoms of a configuration with the values of their spreading kernels.

    Parameters
    ----------
    groups
        Atoms by element; for each: the first point and the 6 values of every atom along y, and along x.
    planes
        Planes on which any of them acts.
    """

    groups: list[tuple[SlicedAtoms, tuple[_Indices, _Indices], tuple[_Floats, _Floats]]]
    planes: list[int]

    def boxes(self, grid: Grid) -> tuple[Box | None, set[int]]:
        """Return a box and the pairs of planes whose atoms are all within it; None where atoms fill the grid."""
        small: dict[int, tuple[NDArray[np.float64], NDArray[np.float64]]] = {}
        spans: dict[int, NDArray[np.float64]] = {}
        for atoms, _, _ in self.groups:
            kinds, starts = np.unique(atoms.base, return_index=True)
            for ufunc, part in ((np.minimum, 0), (np.maximum, 1)):
                y, x = ufunc.reduceat(atoms.y, starts), ufunc.reduceat(atoms.x, starts)
                for base, *edge in zip(kinds.tolist(), y.tolist(), x.tolist(), strict=True):
                    span = spans.setdefault(base, np.array([[np.inf, np.inf], [-np.inf, -np.inf]]))
                    span[part] = ufunc(span[part], edge)
        for pair in {plane // 2 for plane in self.planes}:
            near = [spans[base] for base in range(2 * pair - 2, 2 * pair + 3) if base in spans]
            if near:
                low, high = np.min([s[0] for s in near], axis=0), np.max([s[1] for s in near], axis=0)
                if Box.around(tuple(low), tuple(high), grid) is not None:
                    small[pair] = low, high
        if not small:
            return None, set()
        low = np.min([span[0] for span in small.values()], axis=0)
        high = np.max([span[1] for span in small.values()], axis=0)
        box = Box.around(tuple(low), tuple(high), grid)
        return box, set(small) if box is not None else set()

    @classmethod
    def of(cls, sliced: list[SlicedAtoms]) -> SpreadAtoms:
        """Return sliced atoms with their kernels."""
        groups = []
        for atoms in sliced:
            count = len(atoms.base)
            first = (np.empty(count, np.int64), np.empty(count, np.int64))
            values = (np.empty((count, WIDTH), np.float32), np.empty((count, WIDTH), np.float32))
            for axis, position in enumerate((atoms.y, atoms.x)):
                kernels.spread_values(position, BETA, first[axis], values[axis])
            groups.append((atoms, first, values))
        return cls(groups, occupied_planes(sliced))


@dataclass(frozen=True)
class Box:
    """A part of a grid: where it begins (y, x) and its pixels (y, x)."""

    origin: tuple[int, int]
    shape: tuple[int, int]

    @classmethod
    def around(cls, low: tuple[float, float], high: tuple[float, float], grid: Grid) -> Box | None:
        """Return the box that holds points from ``low`` to ``high`` (y, x) with a margin; None if it is large.

        Whole blocks of rows and a few sizes alone occur, so that filters serve again.
        """
        origin, shape = [], []
        for start, end, size, step in zip(low, high, grid.shape, grid.sampling, strict=True):
            margin = _MARGIN / step
            first = max(0, floor((start - margin) / _BOX) * _BOX)
            length = fast_multiple(ceil(end + margin) - first, _BOX)
            if start - margin < 0 or first + length > size:
                return None
            origin.append(first)
            shape.append(length)
        if shape[0] * shape[1] > _SMALL * grid.pixels:
            return None
        return cls((origin[0], origin[1]), (shape[0], shape[1]))

    def part_of(self, grid: Grid) -> Grid:
        """Return the grid of the box."""
        dy, dx = grid.sampling
        return Grid(self.shape, (self.shape[0] * dy, self.shape[1] * dx))


def fast_multiple(least: int, step: int) -> int:
    """Return the smallest multiple of ``step``, at least ``least``, that is quick to transform."""
    size = max(step, -(-least // step) * step)
    while fast_size(size) != size:
        size += step
    return size


class PackedPlanes:
    """Phases of pairs of planes on a CPU: one plane in the real part, the other in the imaginary part.

    The filter is real and even, so one complex transform there and back serves two planes. With ``lossy``, the
    losses of ``unresolved`` come from one more transform back. ``phases`` and ``losses`` hold a pair in blocks of
    rows, (2, blocks, 16 · nx). The grid may be a box of the wave's, which begins at the point ``origin`` (y, x).
    """

    def __init__(
        self,
        grid: Grid,
        numbers: list[int],
        name: str,
        sigma: float,
        lossy: bool,
        origin: tuple[int, int] = (0, 0),
    ) -> None:
        self.lossy, self.origin = lossy, origin
        self.layout = layout = Layout.of(grid)
        self._source = grid, name, sigma
        self._filters: dict[int, tuple[_Floats, _Floats]] = {}
        for kind in numbers:
            self._filter(kind)
        self._rows, self._row = layout.rows(layout.blocks), layout.rows(1)[0]
        self._filled = np.zeros(layout.blocks, np.bool_)
        self._tiles, self._phase = layout.tiles(), layout.tiles()
        self._loss = layout.tiles() if lossy else self._phase
        self._atoms = SpreadAtoms([], [])
        self._pair: int | None = None
        self.phases = np.zeros((2, layout.blocks, 16 * grid.shape[1]), np.float32)
        self.losses = np.zeros_like(self.phases) if lossy else self.phases

    def take(self, atoms: SpreadAtoms) -> None:
        """Take the atoms of a configuration."""
        self._atoms = atoms
        self._pair = None

    def _filter(self, number: int) -> tuple[_Floats, _Floats]:
        if number not in self._filters:
            self._filters[number] = _tiled_filters(number, *self._source, self.lossy)
        return self._filters[number]

    def load(self, plane: int) -> int:
        """Compute the pair that holds a plane, unless it is there already; return which of the two it is."""
        pair = plane // 2
        if pair != self._pair:
            self._compute(2 * pair)
            self._pair = pair
        return plane - 2 * pair

    def _compute(self, plane: int) -> None:
        layout, lossy = self.layout, self.lossy
        acting = [(*group, *group[0].near(plane, plane + 1)) for group in self._atoms.groups]
        acting = [item for item in acting if item[3] < item[4]]
        if not acting:
            self.phases.fill(0.0)
            self.losses.fill(0.0)
            return
        y, x = layout.y.steps, layout.x.steps
        for index, (atoms, points, values, first, last) in enumerate(acting):
            kernels.spread_pair(
                self._rows,
                self._filled,
                layout.x.places,
                layout.y.length,
                *self.origin,
                *points,
                *values,
                atoms.base,
                atoms.weights,
                first,
                last,
                plane,
            )
            kernels.tiles_of_rows(self._rows, self._filled, self._tiles, layout.along, layout.lines, *x)
            weight, loss = self._filter(atoms.number)
            ends = index == 0, index + 1 == len(acting)
            kernels.filter_tiles(
                self._tiles, *ends, weight, self._phase, lossy, loss, self._loss, layout.y.places, *y
            )
        kernels.phases_of_tiles(self._phase, self.phases, self._row, layout.along, layout.lines, layout.x.places, *x)
        if lossy:
            kernels.phases_of_tiles(
                self._loss, self.losses, self._row, layout.along, layout.lines, layout.x.places, *x
            )


@lru_cache(maxsize=16)
def _tiled_filters(number: int, grid: Grid, name: str, sigma: float, lossy: bool) -> tuple[_Floats, _Floats]:
    """Return the filters of phase and loss of one element in the order of tiles."""
    layout = Layout.of(grid)
    weight = layout.along_tiles(phase_filter(grid, number, name, sigma))
    return weight, layout.along_tiles(loss_filter(grid, number, name, sigma)) if lossy else weight
