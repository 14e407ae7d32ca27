"""The radial distribution function, per pair of elements."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from exitwave.core import StructureError
from exitwave.structure.arrays import Array, Mask
from exitwave.structure.grids import Grid
from exitwave.structure.materials import symbols
from exitwave.structure.structure import Structure

__all__ = ["RadialDistribution", "radial_distribution"]


@dataclass(frozen=True, eq=False)
class RadialDistribution:
    """How many atoms are at a distance from an atom, relative to even spreading.

    Parameters
    ----------
    distance
        Middles of the bins, shape (bins,), Å.
    total
        g(r) over all pairs, shape (bins,).
    pairs
        g(r) of each pair of elements, by names such as "Au-C" and "C-Au" (the same values).
    coordination
        Mean number of the second element within each distance of an atom of the first, by pair, shape (bins,).

    Examples
    --------
    >>> from exitwave.structure import Box, Crystal, Scene, Volume
    >>> a = 4.0782
    >>> gold = Scene([Volume(Crystal("Au"), Box(2 * a, 2 * a, 2 * a))], (2 * a,) * 3, pbc=(True,) * 3).build(seed=1)
    >>> found = radial_distribution(gold, cutoff=5.0, bins=100)
    >>> bool(abs(found.distance[found.total.argmax()] - a / 2**0.5) < 0.05)
    True
    >>> float(found.coordination["Au-Au"][found.distance < 3.5][-1])  # atoms in the first shell
    12.0
    """

    distance: Array
    total: Array
    pairs: dict[str, Array]
    coordination: dict[str, Array]


def radial_distribution(structure: Structure, cutoff: float = 10.0, bins: int = 200) -> RadialDistribution:
    r"""Return the radial distribution function of a structure, normalised to 1 at large distance.

    .. math:: g_{ab}(r) = \frac{\langle \text{pairs } ab \text{ at } r \rangle}{N_a\,\rho_b\,4\pi r^2 \Delta r}

    For scenes that do not repeat in all directions the shell is the part of it that lies within the slab or box
    that the atoms fill, averaged over the atoms' places (exact for atoms spread evenly), so that g → 1 in films
    too.

    Parameters
    ----------
    structure
        The atoms.
    cutoff
        Largest distance, Å.
    bins
        Number of bins.

    Examples
    --------
    >>> from exitwave.structure import Amorphous, Box, Scene, Volume
    >>> film = Scene([Volume(Amorphous("C"), Box(25, 25, 25))], (25, 25, 25), pbc=(True,) * 3).build(seed=1)
    >>> found = radial_distribution(film, cutoff=8)
    >>> float(found.total[found.distance < 1.4].max()), bool(abs(found.total[-50:].mean() - 1) < 0.02)
    (0.0, True)
    """
    from exitwave.structure.neighbours import pair_histogram

    if not 0 < cutoff < np.inf or isinstance(bins, bool) or bins < 1:
        raise StructureError(f"cutoff is {cutoff!r} and bins is {bins!r}; a cutoff is above 0 in Å, bins 1 or more.")
    if len(structure) < 2:
        raise StructureError(f"the structure has {len(structure)} atoms; a distribution needs two or more.")
    elements, kinds = np.unique(structure.numbers, return_inverse=True)
    edges = np.linspace(0, cutoff, bins + 1)
    # cells of a third of the cutoff sort out far pairs before their distance is computed
    grid = Grid.of(structure.positions, structure.cell, structure.pbc, cutoff / 3)
    reach = np.minimum(3 * np.maximum(grid.reach, 1), np.where(grid.pbc, 10**6, np.maximum(grid.shape - 1, 0)))
    counts = pair_histogram(
        grid.fractional,
        kinds.astype(np.int32),
        grid.cell,
        grid.pbc,
        float(cutoff),
        grid.shape,
        reach,
        len(elements),
        bins,
    )
    lengths: Array = 1 / np.linalg.norm(np.linalg.inv(grid.cell), axis=0)
    middles: Array = (edges[1:] + edges[:-1]) / 2
    shells = np.diff(4 / 3 * np.pi * edges**3) * _share_within(lengths, grid.pbc, middles)
    volume = abs(float(np.linalg.det(grid.cell)))
    numbers = np.bincount(kinds)
    names = [symbols()[z] for z in elements]
    pairs, around = {}, {}
    for i, a in enumerate(names):
        for j, b in enumerate(names):
            pairs[f"{a}-{b}"] = counts[i, j] / (numbers[i] * numbers[j] / volume * shells)
            around[f"{a}-{b}"] = np.cumsum(counts[i, j]) / numbers[i]
    total = counts.sum(axis=(0, 1)) / (len(structure) ** 2 / volume * shells)
    return RadialDistribution(middles, total, pairs, around)


def _share_within(lengths: Array, pbc: Mask, radii: Array) -> Array:
    """Return the mean share of a sphere about a point of a box that lies in the box, for each radius.

    For one open direction of length L it is 1 − r/2L (r ≤ L); for several, the product is averaged over directions.
    """
    open_ways = [float(length) for length, repeats in zip(lengths, pbc, strict=True) if not repeats]
    if not open_ways:
        return np.ones(len(radii))
    n = 2000
    height = (np.arange(n) + 0.5) / n
    turn = np.pi * (1 + 5**0.5) * np.arange(n)
    ring = np.sqrt(1 - height**2)
    ways = np.abs(np.stack([height, ring * np.cos(turn), ring * np.sin(turn)][: len(open_ways)]))
    share = np.ones((len(radii), n))
    for length, way in zip(open_ways, ways, strict=True):
        share *= np.clip(1 - radii[:, None] * way / length, 0, 1)
    result: Array = share.mean(axis=1)
    return np.maximum(result, 1e-12)
