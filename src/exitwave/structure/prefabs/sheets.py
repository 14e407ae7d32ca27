"""Sheets of layered crystals: stacked as in the bulk or twisted, flat or rippled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from typing_extensions import override

from exitwave.core import Stream, StructureError
from exitwave.structure.arrays import Array
from exitwave.structure.fields import gaussian_field
from exitwave.structure.generators.base import Atoms, Bounds, Generator
from exitwave.structure.generators.crystal import Crystal
from exitwave.structure.materials import Material, material
from exitwave.structure.prefabs.fitting import fitted, turned
from exitwave.structure.regions import Box, Terrain
from exitwave.structure.strain import Strained
from exitwave.structure.transforms import rotation, translation
from exitwave.structure.volumes import Union, Volume

__all__ = ["layered", "sheets", "twisted_bilayer"]

FACE = 1e-7  # Å
GAP = 1.9  # Å: layers are parted by more than this
WIDEST = 8.0  # Å: and by less, if they touch
SLACK = 0.01  # Å beyond the outermost atoms of a sheet that still belong to it
UP = (0.0, 0.0, 1.0)


def sheets(layers: str | Material) -> list[tuple[Crystal, float, float]]:
    """Return each sheet in the cell of a layered crystal, its height and its thickness.

    Parameters
    ----------
    layers
        A material whose sheets lie across its c axis, as in MoS2, graphite or h-BN.

    Returns
    -------
    sheets
        For each the crystal of this sheet alone (its atoms at their height), the height of its middle and the
        distance of its outermost atoms, Å; from the lowest on.

    Raises
    ------
    StructureError
        If the crystal has no sheets.

    Examples
    --------
    >>> [(round(height, 2), round(thickness, 2)) for _, height, thickness in sheets("MoS2")]
    [(3.07, 3.17), (9.22, 3.17)]
    """
    cell = material(layers)
    c = float(np.linalg.norm(cell.lattice[2]))
    upright = np.abs(cell.lattice[2] - np.array([0, 0, c])).max() < 1e-6 * c
    heights = (cell.basis[:, 2] % 1.0) * c
    order = np.argsort(heights)
    gaps = np.diff(heights[order], append=heights[order[0]] + c)
    ends = np.flatnonzero(gaps > GAP)
    if not upright or len(ends) == 0 or not _parted(cell, heights, order, ends):
        raise StructureError(
            f"{cell.name or 'the crystal'} is no layered crystal; its sheets lie across c, further apart than bonds."
        )
    found = []
    for first, last in zip(np.roll(ends, 1), ends, strict=True):
        count = (last - first) % len(order) or len(order)
        members = order[(first + 1 + np.arange(count)) % len(order)]
        start = heights[members[0]]
        rise = (heights[members] - start) % c
        basis = np.array(cell.basis[members])
        middle = float((start + rise.max() / 2) % c)
        basis[:, 2] = (middle + rise - rise.max() / 2) / c
        sheet = Material(cell.name, cell.lattice, basis, cell.numbers[members], cell.thermal[members], cell.source)
        found.append((Crystal(sheet), middle, float(rise.max())))
    return sorted(found, key=lambda one: one[1])


def _parted(cell: Material, heights: Array, order: NDArray[np.intp], ends: NDArray[np.intp]) -> bool:
    """Return whether atoms of different sheets are clearly further apart than those of one sheet."""
    c = float(np.linalg.norm(cell.lattice[2]))
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    own = np.searchsorted(ends, rank)  # sheets within the cell, the one across its top counted twice
    shifts = np.indices((3, 3, 3)).reshape(3, -1).T - 1
    flat = np.column_stack([cell.basis[:, :2], heights / c])
    within, between = np.inf, np.inf
    for shift in shifts:
        apart = np.linalg.norm((flat[None] + shift - flat[:, None]) @ cell.lattice, axis=-1)
        sheet = (own[None] + shift[2] * len(ends)) - own[:, None]
        real = apart > 1e-6
        within = min(within, float(apart[real & (sheet == 0)].min(initial=np.inf)))
        between = min(between, float(apart[real & (sheet != 0)].min(initial=np.inf)))
    return between > 1.2 * within


def layered(
    layers: str | Material,
    field: tuple[float, float],
    count: int = 1,
    *,
    twists: float | Sequence[float] = 0.0,
    spin: float = 0.0,
    origin: ArrayLike = (0.0, 0.0),
    periodic: bool = True,
    ripple: float = 0.0,
    correlation: float = 40.0,
    stream: Stream | None = None,
    name: str = "",
    role: str = "support",
) -> Union:
    """Return sheets of a layered crystal, stacked as in the bulk, across a field; each sheet is a grain.

    The lowest atoms are at z = 0.

    Parameters
    ----------
    layers
        A layered material.
    field
        Lengths (x, y), Å.
    count
        How many sheets.
    twists
        Turn of each sheet about the beam, degrees; one number: each by so much more than the one before. A periodic
        sheet takes the nearest turn that its field allows (see :func:`turned`).
    spin
        Turn of the whole stack, degrees.
    origin
        Where the corner of a cell is, (x, y) in Å; twists are about this point.
    periodic
        Whether each sheet is strained so that it repeats with the field (see :func:`fitted`).
    ripple, correlation, stream
        Standard deviation of the height of the whole stack and its correlation length, Å, and where the
        randomness comes from (needed for ripples).
    name, role
        As for a volume.

    Examples
    --------
    >>> stack = layered("h-BN", (60, 50), 3)
    >>> [round(float(part.region.bounds().mean(axis=0)[2]), 2) for part in stack.parts]
    [0.0, 3.33, 6.66]
    """
    if isinstance(count, bool) or not isinstance(count, int | np.integer) or count < 1:
        raise StructureError(f"count is {count!r}; a number of sheets is a whole number of 1 or more.")
    turns = [twists * i for i in range(count)] if isinstance(twists, int | float) else [float(t) for t in twists]
    if len(turns) != count:
        raise StructureError(f"there are {len(turns)} twists and {count} sheets; give one for each.")
    known = sheets(layers)
    c = float(np.linalg.norm(material(layers).lattice[2]))
    if count > 1 and (empty := c / len(known) - known[0][2]) > WIDEST:
        raise StructureError(
            f"{material(layers).name} has {empty:.3g} Å between its sheets, which is vacuum; name the bulk crystal,"
            " such as graphite for graphene, to stack several."
        )
    if ripple > 0 and stream is None:
        raise StructureError("ripples are random; give the stream that they come from.")
    waves = _Waves.drawn(field, ripple, correlation, stream) if ripple > 0 and stream is not None else None
    bottom = known[0][1] - known[0][2] / 2
    x0, y0 = (float(v) for v in np.asarray(origin, dtype=np.float64))
    members = []
    for i, turn in enumerate(turns):
        crystal, height, thickness = known[i % len(known)]
        up = (i // len(known)) * c - bottom
        crystal = crystal.transformed(translation((x0, y0, up)) @ rotation(UP, spin + turn))
        if periodic:
            crystal = fitted(crystal, field)
        low, high = height + up - thickness / 2 - SLACK, height + up + thickness / 2 + SLACK
        if waves is None:
            flat = _Repeating(crystal) if periodic else crystal
            members.append(Volume(flat, Box(*field, high - low, origin=(0.0, 0.0, low))))
            continue
        box = Box(*field, high - low + 2 * waves.largest, origin=(0.0, 0.0, low - waves.largest))
        between = Terrain(waves.heights + high, waves.period) - Terrain(waves.heights + low, waves.period)
        rippled = Strained(crystal, waves, waves.largest)
        members.append(Volume(_Repeating(rippled) if periodic else rippled, box & between))
    return Union(members, name=name, role=role)


def twisted_bilayer(
    layers: str | Material,
    field: tuple[float, float],
    angle: float,
    *,
    within: float = 0.2,
    periodic: bool = True,
    name: str = "",
    role: str = "support",
) -> Union:
    """Return two sheets of a layered crystal across a field, turned by ``angle`` degrees against each other.

    Parameters
    ----------
    layers
        A layered material.
    field
        Lengths (x, y), Å; :func:`coincident_field` names one that suits the angle.
    angle
        Degrees.
    within
        How much the twist may be off, because both sheets repeat with the field, degrees.
    periodic
        Whether they do; else the twist is exact and there is a seam at the border.
    name, role
        As for a volume.

    Raises
    ------
    StructureError
        If the sheets cannot repeat with the field at such a twist.

    Examples
    --------
    >>> from exitwave.structure import Scene
    >>> from exitwave.structure.prefabs import coincident_field
    >>> field = coincident_field("graphite", 7.3)
    >>> pair = twisted_bilayer("graphite", field, 7.3)
    >>> made = Scene([pair.translated((0, 0, 3))], (*field, 10)).build(seed=1)
    """
    if periodic:
        real = turned(layers, field, angle / 2) - turned(layers, field, -angle / 2)
        if not abs(real - angle) <= within:
            raise StructureError(
                f"the angle is {angle:g}°, and in a field of {field[0]:g} × {field[1]:g} Å sheets that repeat are"
                f" turned by {real:.2f}°; take the field that coincident_field names, raise within, or set"
                " periodic=False."
            )
    return layered(layers, field, 2, twists=(-angle / 2, angle / 2), periodic=periodic, name=name, role=role)


@dataclass(frozen=True, eq=False)
class _Repeating(Generator):
    """A generator of atoms that repeat with the field, so that a sheet goes on in its own periodic images."""

    generator: Generator
    seamless: ClassVar[bool] = True

    @override
    def atoms(self, bounds: Bounds, stream: Stream) -> Atoms:
        made = self.generator.atoms(bounds, stream)
        low, high = np.asarray(bounds.low), np.asarray(bounds.high)
        # of two images at opposite faces, one
        inside = (made.positions >= low - FACE) & (made.positions < high - FACE)
        return made.select((inside | ~np.array(bounds.periodic)).all(axis=1))


@dataclass(frozen=True, eq=False)
class _Waves:
    """Displacements along z by a smooth surface that repeats with the field."""

    heights: Array
    period: tuple[float, float]

    @classmethod
    def drawn(cls, field: tuple[float, float], ripple: float, correlation: float, stream: Stream) -> _Waves:
        period = (float(field[0]), float(field[1]))
        return cls(ripple * np.clip(gaussian_field(period, correlation, stream), -3, 3), period)

    @property
    def largest(self) -> float:
        return float(np.abs(self.heights).max())

    def __call__(self, positions: Array) -> Array:
        moves = np.zeros_like(positions)
        moves[:, 2] = Terrain(self.heights, self.period).height(positions[:, 0], positions[:, 1])
        return moves
