"""Surfaces: the atoms that a probe reaches from outside, their normals, edges, steps and the layers beneath them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from exitwave.core import StructureError
from exitwave.structure.analysis.neighbourhoods import Neighbours, nearest_distance, neighbours
from exitwave.structure.arrays import Array, Ints, Mask, frozen
from exitwave.structure.structure import Structure

__all__ = ["Surface", "neighbour_steps", "surface", "surface_atoms"]

SPARE = 1.1  # how much wider than the holes of a material the probe is
SAMPLE = 80  # atoms of each element that the holes are looked for at
FIRST_SHELL = 1.25  # nearest distances
EVEN, THIN, BENDS = 0.15, 0.35, 0.02  # what counts as a sheet, by its moments, and as bent
WIDEST = 2.0  # nearest distances; what has wider holes is all surface


@dataclass(frozen=True, eq=False)
class Surface:
    """The surface of a structure.

    Parameters
    ----------
    structure
        Whose surface it is.
    atoms
        Indices of the surface atoms in the structure, shape (n,).
    normals
        Unit vectors out of the material, shape (n, 3).
    probe_radius
        Of the ball that found it, Å.

    Examples
    --------
    >>> from exitwave.structure import Box, Crystal, Scene, Volume
    >>> a = 4.0782
    >>> film = Scene([Volume(Crystal("Au"), Box(4 * a, 4 * a, 2 * a))], (4 * a, 4 * a, 2 * a)).build(seed=1)
    >>> skin = surface(film)  # of a film of five layers, 32 atoms each
    >>> len(film), len(skin), sorted(set(skin.depth.tolist()))
    (160, 64, [0, 1, 2])
    >>> bool(np.allclose(np.abs(skin.normals), [0, 0, 1], atol=1e-6))
    True
    """

    structure: Structure
    atoms: NDArray[np.int64]
    normals: Array
    probe_radius: float

    def __len__(self) -> int:
        return len(self.atoms)

    @property
    def mask(self) -> Mask:
        """Which atoms of the structure are at the surface, shape (atoms,)."""
        result: Mask = np.zeros(len(self.structure), dtype=np.bool_)
        result[self.atoms] = True
        return result

    @cached_property
    def convexity(self) -> Array:
        r"""How the surface bends at each of its atoms, shape (n,).

        The mean of :math:`-\hat d \cdot n` over the surface atoms at :math:`d` within 1.25 nearest distances: 0 on
        a flat terrace, above 0 at edges, corners and the rim of a step, below 0 at the foot of a step.
        """
        own = self.structure.select(self.atoms)
        if len(own) < 2:
            return np.zeros(len(own))
        found = neighbours(own, 1.25 * nearest_distance(self.structure))
        along = -np.einsum("ij,ij->i", found.vectors, self.normals[found.centres]) / found.distances
        total = np.bincount(found.centres, along, minlength=len(own))
        result: Array = total / np.maximum(found.counts, 1)
        return result

    @property
    def edges(self) -> NDArray[np.int64]:
        """Indices in the structure of the atoms at edges, corners and rims of steps."""
        return self.atoms[self.convexity > BENT]

    @property
    def feet(self) -> NDArray[np.int64]:
        """Indices in the structure of the atoms at the feet of steps."""
        return self.atoms[self.convexity < -BENT]

    @cached_property
    def depth(self) -> Ints:
        """How many neighbours lead from the surface to each atom, shape (atoms,), and -1 where none do."""
        return neighbour_steps(self.structure, self.atoms)


BENT = 0.1  # convexity of an edge


def surface(structure: Structure, probe_radius: float | None = None) -> Surface:
    """Return the surface of a structure: its alpha shape.

    An atom is at the surface if a ball of the probe's radius fits somewhere with the atom on it and no atom inside.
    Walls of closed voids wider than the probe count, periodic images are heeded, and faces of the cell without
    repetition are open.

    Parameters
    ----------
    structure
        The atoms; select one object first for the surface that it has alone.
    probe_radius
        Å. A probe narrower than the nearest-neighbour distance and wider than the holes of the lattice finds exactly
        the under-coordinated atoms of a close-packed metal. Default: 1.1 × the widest hole within the material,
        found from the atoms themselves.

    Raises
    ------
    StructureError
        If the radius is not above 0.

    Source: H. Edelsbrunner & E. P. Mücke, Three-dimensional alpha shapes, ACM Trans. Graph. 13, 43 (1994).

    Examples
    --------
    >>> from exitwave.structure import Crystal, Scene, Sphere, Volume
    >>> from exitwave.structure.analysis import coordination
    >>> ball = Scene([Volume(Crystal("Au"), Sphere(10, (12, 12, 12)))], (24, 24, 24)).build(seed=1)
    >>> skin = surface(ball)
    >>> bool((skin.mask == (coordination(ball, 3.4) < 12)).all())
    True
    """
    mask, radius = _exposed(structure, probe_radius)
    atoms = np.flatnonzero(mask)
    return Surface(structure, frozen(atoms, np.int64), frozen(_normals(structure, atoms)), radius)


def surface_atoms(structure: Structure, probe_radius: float | None = None) -> Mask:
    """Return which atoms are at the surface.

    Parameters
    ----------
    structure, probe_radius
        As for :func:`surface`.

    Returns
    -------
    mask
        Whether each atom is at the surface, shape (atoms,).

    Raises
    ------
    StructureError
        If the radius is not above 0.

    Examples
    --------
    >>> from exitwave.structure import Box, Crystal, Scene, Volume
    >>> a = 4.0782
    >>> film = Scene([Volume(Crystal("Au"), Box(4 * a, 4 * a, 2 * a))], (4 * a, 4 * a, 2 * a)).build(seed=1)
    >>> int(surface_atoms(film).sum()), len(film)  # two of five layers
    (64, 160)
    """
    return _exposed(structure, probe_radius)[0]


def neighbour_steps(structure: Structure, start: NDArray[np.int64] | Mask, cutoff: float | None = None) -> Ints:
    """Return how many neighbours lead from the atoms ``start`` to each atom: 0 for themselves, -1 for none.

    Parameters
    ----------
    structure
        The atoms.
    start
        Indices or a mask.
    cutoff
        How near neighbours are, Å; default: 1.25 nearest distances.
    """
    steps: Ints = np.full(len(structure), -1, dtype=np.int32)
    steps[start] = 0
    if not len(structure):
        return steps
    found = neighbours(structure, 1.25 * nearest_distance(structure) if cutoff is None else cutoff)
    centres, step = found.centres, 0
    while (front := steps == step).any():
        reached = found.others[front[centres]]
        step += 1
        steps[reached[steps[reached] < 0]] = step
    return steps


def _exposed(structure: Structure, probe_radius: float | None) -> tuple[Mask, float]:
    """Return which atoms a probe reaches, and its radius, Å."""
    from exitwave.structure.probing import exposed

    if probe_radius is not None and (isinstance(probe_radius, bool) or not 0 < probe_radius < np.inf):
        raise StructureError(f"probe_radius is {probe_radius!r}; it is a number above 0 in Å, or None.")
    if len(structure) < 2:
        return np.ones(len(structure), dtype=np.bool_), float(probe_radius or 0.0)
    nearest = nearest_distance(structure)
    radius = _probe(structure, nearest) if probe_radius is None else float(probe_radius)
    if not np.isfinite(radius):
        return np.ones(len(structure), dtype=np.bool_), radius
    # atoms that their first shell encloses need no look at more: in a metal all but the surface
    first = neighbours(structure, min(FIRST_SHELL * nearest, 2 * radius))
    mask = exposed(first.starts, first.vectors, radius)
    rest = np.flatnonzero(mask)
    if not len(rest):
        return mask, radius
    if len(rest) > len(structure) // 2:
        found = neighbours(structure, 2 * radius)
        return exposed(found.starts, found.vectors, radius), radius
    found = _around(structure, rest, 2 * radius)
    mask[rest] = exposed(found.starts, found.vectors, radius)
    return mask, radius


def _probe(structure: Structure, nearest: float) -> float:
    """Return the radius of a probe that does not enter the material; inf where there is no inside."""
    from exitwave.structure.probing import widest_probe

    chosen = []
    for number in np.unique(structure.numbers):
        own = np.flatnonzero(structure.numbers == number)
        chosen.append(own[np.unique(np.linspace(0, len(own) - 1, SAMPLE).astype(np.int64))])
    sample = np.concatenate(chosen)
    found = _around(structure, sample, 2 * WIDEST * nearest)
    radii = widest_probe(found.starts, found.vectors, 0.5 * nearest, WIDEST * nearest)
    inner = [radii[structure.numbers[sample] == number].min() for number in np.unique(structure.numbers)]
    inner = [radius for radius in inner if radius < WIDEST * nearest]
    return SPARE * max(inner) if inner else np.inf


def _around(structure: Structure, sample: NDArray[np.int64], cutoff: float) -> Neighbours:
    """Return the neighbours of some atoms only."""
    from scipy.spatial import cKDTree

    from exitwave.structure.periodic import with_images

    places, owners = with_images(structure.positions, structure.cell, structure.pbc, cutoff)
    pairs = cKDTree(structure.positions[sample]).sparse_distance_matrix(
        cKDTree(places), cutoff, output_type="ndarray"
    )
    pairs = pairs[pairs["v"] > 1e-6]
    pairs = pairs[np.argsort(pairs["i"], kind="stable")]
    vectors = places[pairs["j"]] - structure.positions[sample[pairs["i"]]]
    starts = np.concatenate([[0], np.cumsum(np.bincount(pairs["i"], minlength=len(sample)))]).astype(np.int64)
    return Neighbours(starts, owners[pairs["j"]], np.ascontiguousarray(vectors))


def _normals(structure: Structure, atoms: NDArray[np.int64]) -> Array:
    """Return unit vectors away from the neighbours within 2.5 nearest distances, the near ones weighing most."""
    if not len(atoms):
        return np.zeros((0, 3))
    if len(structure) < 2:
        return np.tile([0.0, 0.0, 1.0], (len(atoms), 1))
    reach = 2.5 * nearest_distance(structure)
    found = _around(structure, atoms, reach)
    weights = 1 - found.distances / reach
    away = np.stack(
        [-np.bincount(found.centres, weights * found.vectors[:, axis], minlength=len(atoms)) for axis in range(3)],
        axis=1,
    )
    total = np.bincount(found.centres, weights * found.distances, minlength=len(atoms))
    # in a thin sheet, with as much on all sides, the normal is that of the plane of the neighbours
    even = np.flatnonzero(np.linalg.norm(away, axis=1) <= EVEN * total)
    spread = np.zeros((len(atoms), 3, 3))
    for i in range(3):
        for j in range(3):
            products = weights * found.vectors[:, i] * found.vectors[:, j]
            spread[:, i, j] = np.bincount(found.centres, products, minlength=len(atoms))
    sizes, ways = np.linalg.eigh(spread[even])
    flat = sizes[:, 0] < THIN * sizes[:, 1]
    across, which = ways[flat][:, :, 0], even[flat]
    along = (across * away[which]).sum(axis=1)
    # outwards where it bends, else up
    sense = np.where(np.abs(along) > BENDS * total[which], along, across[:, 2])
    away[which] = across * np.where(sense < 0, -1.0, 1.0)[:, None]
    away[np.linalg.norm(away, axis=1) < 1e-6] = (0.0, 0.0, 1.0)
    result: Array = away / np.linalg.norm(away, axis=1)[:, None]
    return result
