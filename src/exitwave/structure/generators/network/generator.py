"""Amorphous carbon as a network of bonds: tiles of melt-quenched cells, turned at random, with mended seams."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isfinite
from typing import ClassVar

import numpy as np
from typing_extensions import override

from exitwave.core import Stream, StructureError
from exitwave.structure.arrays import Array, Ints
from exitwave.structure.generators.amorphous import number_density
from exitwave.structure.generators.base import Atoms, Bounds, Generator
from exitwave.structure.generators.domains import Domain, unsheared
from exitwave.structure.generators.network.cells import Cell, cells
from exitwave.structure.generators.network.seams import Tiled, mend
from exitwave.structure.generators.network.uneven import warped
from exitwave.structure.periodic import with_images
from exitwave.structure.transforms import quaternion

__all__ = ["DENSITIES", "NetworkCarbon"]

DENSITIES = (1.8, 2.3)  # g/cm³
LEAST = 1.2  # Å, between any two atoms
NARROWEST = 10.0  # Å; a periodic box that is narrower would see its own image
MARGIN = 3.0  # Å of film beyond a face, cut off in the end, so that a face is a cut through a whole network
SPACING = 0.9  # of the tiles, in edges of a cell: a tile rarely holds an atom of the cell twice
STRETCH = 0.01  # of the bonds in a cell that is brought to another density; beyond, they are relaxed too
LOST, FULL = 0.08, 2.0  # share of atoms, per g/cm³ below FULL, that seams cost and no open bond can hold again
CARBON = 6


@dataclass(frozen=True, eq=False)
class NetworkCarbon(Generator):
    """Amorphous carbon with the shells, bonds and density of the real one, no two alike.

    Space is cut into Voronoi tiles of some 23 Å about jittered points. Each is filled from a periodic cell of
    melt-quenched carbon (LCBOP potential) by a random cut in a random orientation. At the seams doubled atoms are
    merged, open bonds closed, holes filled, and the atoms relaxed with springs for bonds and angles. The first two
    shells are at 1.47 and 2.5 Å, nine in ten atoms have three neighbours. No two atoms are nearer than 1.2 Å, across
    the border of a periodic cell of any shape neither. A face is a plain cut: its atoms miss bonds.

    Parameters
    ----------
    density
        g/cm³, 1.8 to 2.3.
    inhomogeneity
        Relative standard deviation, 0 to 0.1, of the density averaged along z; the mean stays. Bonds are stretched
        and shortened by half of it.
    correlation
        Correlation length of that unevenness, Å.

    Raises
    ------
    StructureError
        If a number is impossible, or a periodic cell is narrower than 10 Å.

    Source: J. H. Los, A. Fasolino, Phys. Rev. B 68, 024107 (2003) for the potential.

    Examples
    --------
    >>> from exitwave.core import Stream
    >>> film = NetworkCarbon(density=2.0)
    >>> len(film.atoms(Bounds((0, 0, 0), (30, 30, 20), (True, True, False)), Stream(1)))
    1805
    """

    density: float = 2.2
    inhomogeneity: float = 0.0
    correlation: float = 15.0

    seamless: ClassVar[bool] = True
    any_cell: ClassVar[bool] = True

    def __post_init__(self) -> None:
        low, high = DENSITIES
        if isinstance(self.density, bool) or not (isfinite(self.density) and low <= self.density <= high):
            raise StructureError(
                f"density is {self.density!r}; network carbon has {low:g} to {high:g} g/cm³ (Amorphous has any)."
            )
        if not 0 <= self.inhomogeneity <= 0.1:
            raise StructureError(f"inhomogeneity is {self.inhomogeneity!r}; it is a number from 0 to 0.1.")
        if not (isfinite(self.correlation) and self.correlation > 0):
            raise StructureError(f"correlation is {self.correlation!r}; a correlation length is above 0 Å.")

    @property
    @override
    def least_distance(self) -> float:
        return LEAST

    @override
    def atoms(self, bounds: Bounds, stream: Stream) -> Atoms:
        box = Domain.of(bounds)
        if self.inhomogeneity > 0:
            box.refuse_uneven()
        lengths, periodic = box.lengths, box.periodic
        per_volume = number_density("C", self.density)
        goal = round(per_volume * float(np.prod(lengths)))
        if goal == 0:
            return Atoms.none()
        if (periodic & (box.heights < NARROWEST)).any():
            raise StructureError(
                f"the periodic box is {box.heights[periodic].min():g} Å wide; network carbon needs {NARROWEST:g} Å."
            )
        wider = replace(box, lengths=np.where(periodic, lengths, lengths + 2 * MARGIN))
        low = np.where(periodic, 0.0, MARGIN)
        denser = self.density * (1 + LOST * max(FULL - self.density, 0.0))
        tiled = _tiled(wider, denser, stream / "tiles")
        positions, bonds = mend(tiled, low, low + lengths, goal, stream / "seams")
        if self.inhomogeneity > 0:
            field = stream / "field"
            positions = warped(
                positions, wider.lengths, self.inhomogeneity, self.correlation, field, float(box.shear[0])
            )
        kept = (periodic | ((positions >= low) & (positions <= low + lengths))).all(axis=1)
        positions, bonds = positions[kept] - low, bonds[kept]
        positions = np.where(periodic, positions % lengths % lengths, positions)  # % may round up to the length
        positions = _exactly(positions, bonds, box, goal, stream / "count")
        return Atoms(box.in_space(positions), np.full(goal, CARBON, dtype=np.int32))


def _tiled(domain: Domain, density: float, stream: Stream) -> Tiled:
    """Return a box filled with tiles."""
    from exitwave.structure.generators.network.tiles import fill_tile, tile_centres, tile_rivals

    generator = stream.generator()
    choice, weights = _nearest(density)
    lengths, periodic, shear, heights = domain.lengths, domain.periodic, domain.shear, domain.heights
    spacing = SPACING * min(cell.edge for cell in choice)
    centres, radius = tile_centres(lengths, periodic, spacing, generator, shear)
    parts: list[tuple[Array, Array, Ints, Array]] = []
    for index, centre in enumerate(centres):
        cell = choice[int(generator.choice(len(choice), p=weights))]
        scale = (cell.density / density) ** (1 / 3)
        edge = cell.edge * scale
        rivals = tile_rivals(centres, radius, lengths, periodic, index, shear, heights)
        turn, shift = quaternion(generator.standard_normal(4)).matrix, generator.random(3) * edge
        part = fill_tile(
            cell.positions * scale, cell.bonds, edge, turn, shift, centre, rivals, radius, lengths, periodic, shear
        )
        if abs(scale - 1) > STRETCH:
            part[3][:] = 0.0  # relaxed throughout, as if all were seam
        parts.append(part)
    positions, local, bonds, depth = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    tile = np.repeat(np.arange(len(parts), dtype=np.int32), [len(part[0]) for part in parts])
    return Tiled(positions, local, bonds, depth, tile, np.where(periodic, lengths, -lengths), shear, heights)


def _nearest(density: float) -> tuple[list[Cell], Array]:
    """Return the cells of the two densities next to one, and in which shares they fill tiles."""
    known = sorted({cell.density for cell in cells()})
    upper = int(np.clip(np.searchsorted(known, density), 1, len(known) - 1))
    share = float(np.clip((density - known[upper - 1]) / (known[upper] - known[upper - 1]), 0, 1))
    below = [cell for cell in cells() if cell.density == known[upper - 1]]
    above = [cell for cell in cells() if cell.density == known[upper]]
    weights = [(1 - share) / len(below)] * len(below) + [share / len(above)] * len(above)
    return below + above, np.array(weights)


def _exactly(positions: Array, bonds: Ints, box: Domain, goal: int, stream: Stream) -> Array:
    """Return the positions with atoms left out, or put into voids, so that they number ``goal`` and keep apart."""
    from exitwave.structure.generators.network.bonds import near

    generator = stream.generator()
    period = np.where(box.periodic, box.lengths, -box.lengths)
    around = near(positions, np.ones(len(positions), dtype=np.bool_), period, LEAST, box.shear, box.heights)
    kept = np.ones(len(positions), dtype=np.bool_)
    for atom in np.flatnonzero(np.diff(around.starts)):
        kept[atom] = not kept[around.others[around.starts[atom] : around.starts[atom + 1]]].any()
    positions, bonds = positions[kept], bonds[kept]
    if len(positions) > goal:
        # atoms with few bonds go first: they leave the least behind
        order = np.argsort(bonds + generator.random(len(bonds)))
        positions = np.delete(positions, order[: len(positions) - goal], axis=0)
    while (missing := goal - len(positions)) > 0:
        positions = np.concatenate([positions, _in_voids(positions, box, missing, generator)])
    return positions


def _in_voids(positions: Array, box: Domain, most: int, generator: np.random.Generator) -> Array:
    """Return up to ``most`` places with much room."""
    lengths, periodic = box.lengths, box.periodic
    trial = generator.random((2000 + 40 * most, 3)) * lengths
    room = _room(positions, trial, box)
    added: list[Array] = []
    for new in trial[np.argsort(-room)[: min(most, int((room > LEAST).sum()))]]:
        apart = np.array(added).reshape(-1, 3) - new
        apart -= np.where(periodic, lengths * np.round(apart / lengths), 0.0)
        if ((unsheared(apart, box.shear) ** 2).sum(axis=1) > LEAST**2).all():
            added.append(new)
    return np.array(added).reshape(-1, 3)


def _room(positions: Array, trial: Array, box: Domain) -> Array:
    """Return how far each trial place is from the nearest position or image of one, Å; at most 5 Å in a skew cell."""
    from scipy.spatial import cKDTree

    if not box.shear.any():
        period = np.where(box.periodic, box.lengths, 2 * box.lengths + 20.0)
        room: Array = cKDTree(positions, boxsize=period).query(trial)[0]
        return room
    flags = (bool(box.periodic[0]), bool(box.periodic[1]), bool(box.periodic[2]))
    places, _ = with_images(unsheared(positions, box.shear), box.cell, flags, 5.0)
    room = cKDTree(places).query(unsheared(trial, box.shear), distance_upper_bound=5.0)[0]
    return np.minimum(room, 5.0)
