"""Neighbours, coordination and common-neighbour classes of the atoms of a structure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from exitwave.core import StructureError
from exitwave.structure.arrays import Array, Ints
from exitwave.structure.grids import Grid
from exitwave.structure.structure import Structure

__all__ = ["CLASSES", "Neighbours", "common_neighbour_classes", "coordination", "neighbours"]

CLASSES = ("other", "fcc", "hcp", "bcc", "icosahedral")
# midway between the first and the second shell of fcc, in units of the nearest-neighbour distance
FCC_CUTOFF = (1 + 2**0.5) / 2
# how much farther the next neighbour is where the first shell ends: less than the 2/√3 of bcc
SHELL_GAP = 1.12
SAMPLE = 2000


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The neighbours of every atom.

    Parameters
    ----------
    starts
        The neighbours of atom i are entries ``starts[i]`` to ``starts[i + 1]``, shape (atoms + 1,).
    others
        Index of the neighbour, shape (pairs,).
    vectors
        From the atom to the neighbour, periodic image included, shape (pairs, 3), Å.

    Examples
    --------
    >>> from exitwave.structure import Box, Crystal, Scene, Volume
    >>> a = 4.0782
    >>> gold = Scene([Volume(Crystal("Au"), Box(2 * a, 2 * a, 2 * a))], (2 * a,) * 3, pbc=(True,) * 3).build(seed=1)
    >>> found = neighbours(gold, 3.2)
    >>> own = found.vectors[found.starts[0] : found.starts[1]]  # from the first atom to its neighbours
    >>> own.shape, bool(np.allclose(found.distances, a / 2**0.5))
    ((12, 3), True)
    """

    starts: NDArray[np.int64]
    others: Ints
    vectors: Array

    @property
    def counts(self) -> NDArray[np.int64]:
        """Number of neighbours of every atom."""
        result: NDArray[np.int64] = np.diff(self.starts)
        return result

    @property
    def distances(self) -> Array:
        """Lengths of the vectors, Å."""
        result: Array = np.linalg.norm(self.vectors, axis=1)
        return result

    @property
    def centres(self) -> NDArray[np.int64]:
        """Index of the atom that each entry belongs to."""
        return np.repeat(np.arange(len(self.starts) - 1), self.counts)


def neighbours(structure: Structure, cutoff: float) -> Neighbours:
    """Return all neighbours within a distance, periodic images included.

    Parameters
    ----------
    structure
        The atoms.
    cutoff
        The distance, Å, above 0; it may be longer than the cell.

    Raises
    ------
    StructureError
        If the cutoff is not above 0.

    Examples
    --------
    >>> from exitwave.structure import Box, Crystal, Scene, Volume
    >>> a = 4.0782
    >>> gold = Scene([Volume(Crystal("Au"), Box(2 * a, 2 * a, 2 * a))], (2 * a,) * 3, pbc=(True,) * 3).build(seed=1)
    >>> set(neighbours(gold, 3.2).counts.tolist())
    {12}
    """
    from exitwave.structure.neighbours import neighbours as find

    _positive(cutoff)
    if not len(structure):
        return Neighbours(np.zeros(1, np.int64), np.empty(0, np.int32), np.empty((0, 3)))
    grid = Grid.of(structure.positions, structure.cell, structure.pbc, float(cutoff))
    return Neighbours(*find(grid.fractional, grid.cell, grid.pbc, float(cutoff), grid.shape, grid.reach))


def coordination(structure: Structure, cutoff: float | None = None) -> NDArray[np.int64]:
    """Return the number of neighbours of every atom.

    Parameters
    ----------
    structure
        The atoms.
    cutoff
        Å; default: the neighbours nearer than 1.2 × the sum of the covalent radii, up to the first that is more than
        1.12 times as far as the one before it, which ends the first shell: 12 in fcc, 8 in bcc (the next six are
        1.155 times as far), 6 in MgO, 4 in ZnO.

    Examples
    --------
    >>> from exitwave.structure import Box, Crystal, Scene, Volume
    >>> a = 4.2112
    >>> oxide = Scene([Volume(Crystal("MgO"), Box(2 * a, 2 * a, 2 * a))], (2 * a,) * 3, pbc=(True,) * 3).build(seed=1)
    >>> set(coordination(oxide).tolist())
    {6}
    """
    if cutoff is not None:
        return neighbours(structure, cutoff).counts
    from ase.data import covalent_radii

    if not len(structure):
        return np.zeros(0, np.int64)
    radii = 1.2 * np.asarray(covalent_radii)[structure.numbers]
    found = neighbours(structure, 2 * float(radii.max()))
    centres, distances = found.centres, found.distances
    bonded = distances <= radii[centres] + radii[found.others]
    centres, distances = centres[bonded], distances[bonded]
    order = np.lexsort((distances, centres))
    centres, distances = centres[order], distances[order]
    begins, gaps = np.ones(len(centres), dtype=bool), np.zeros(len(centres), dtype=np.int64)
    begins[1:] = centres[1:] != centres[:-1]
    gaps[1:] = (distances[1:] > SHELL_GAP * distances[:-1]) & ~begins[1:]
    passed = np.cumsum(gaps)
    first = passed == np.repeat(passed[begins], np.diff(np.append(np.flatnonzero(begins), len(begins))))
    return np.bincount(centres[first], minlength=len(structure)).astype(np.int64)


def common_neighbour_classes(structure: Structure, cutoff: float | None = None) -> NDArray[np.int8]:
    """Return the class of every atom's surroundings by common-neighbour analysis: an index into ``CLASSES``.

    For every pair of neighbours: how many neighbours they have in common, how many bonds are between those, and
    how long the longest chain of these bonds is. Twelve pairs 421 are fcc, six 421 with six 422 hcp, twelve 555
    icosahedral, eight 666 with six 444 bcc.

    Parameters
    ----------
    structure
        The atoms; of one kind (select the cations of a compound first).
    cutoff
        Å; default: 1.2071 × the median distance to the nearest neighbour, between the first two shells of fcc.
        For bcc give about 1.207 lattice constants.

    Source: J. D. Honeycutt & H. C. Andersen, J. Phys. Chem. 91, 4950 (1987); D. Faken & H. Jónsson, Comput.
    Mater. Sci. 2, 279 (1994).

    Examples
    --------
    >>> from exitwave.structure import Box, Crystal, Scene, Volume
    >>> a = 4.0782
    >>> gold = Scene([Volume(Crystal("Au"), Box(2 * a, 2 * a, 2 * a))], (2 * a,) * 3, pbc=(True,) * 3).build(seed=1)
    >>> {CLASSES[c] for c in common_neighbour_classes(gold)}
    {'fcc'}
    """
    from exitwave.structure.analysis.signatures import classify

    if len(structure) < 2:
        return np.zeros(len(structure), np.int8)
    if cutoff is None:
        cutoff = FCC_CUTOFF * nearest_distance(structure)
    found = neighbours(structure, cutoff)
    result: NDArray[np.int8] = classify(found.starts, found.vectors, float(cutoff))
    return result


def nearest_distance(structure: Structure) -> float:
    """Return the median distance to the nearest neighbour, over up to 2000 atoms spread through the list, Å."""
    from scipy.spatial import cKDTree

    from exitwave.structure.periodic import with_images

    if not len(structure):
        raise StructureError("the structure has no atoms, so no distances; give a cutoff.")
    sample = structure.positions[np.unique(np.linspace(0, len(structure) - 1, SAMPLE).astype(np.int64))]
    density = len(structure) / abs(float(np.linalg.det(structure.cell)))
    reach = min(2.5 * density ** (-1 / 3), float(np.linalg.norm(structure.cell, axis=1).min()))
    longest = float(np.linalg.norm(structure.cell.sum(axis=0))) + reach
    while True:
        places, _ = with_images(structure.positions, structure.cell, structure.pbc, reach)
        nearest = cKDTree(places).query(sample, k=2)[0][:, 1]
        median = float(np.median(nearest))
        if median <= reach:
            return median
        if reach > longest:
            break
        reach *= 2
    if np.isfinite(median):
        return median
    raise StructureError("the atoms are too far apart to have neighbours; give a cutoff.")


def _positive(cutoff: float) -> None:
    if isinstance(cutoff, bool) or not 0 < cutoff < np.inf:
        raise StructureError(f"cutoff is {cutoff!r}; it is a number above 0 in Å.")
