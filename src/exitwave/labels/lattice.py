"""The lattice of a grain, from nothing but its atoms: translations, and the orientation that they have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from exitwave.structure.materials import Material, material, materials

if TYPE_CHECKING:
    from exitwave.structure import Structure

__all__ = ["Orientation", "orientation", "translations"]

_Array = NDArray[np.float64]

_MATCH = 0.3  # Å: how far an atom may be from where a translation puts it
_SHARE = 0.6  # of the atoms in the middle of a grain must be met by a translation
_SAMPLE = 40


@dataclass(frozen=True, eq=False)
class Orientation:
    """How a crystal lies in the scene.

    Parameters
    ----------
    material
        Name of the material whose lattice the grain has.
    matrix
        Rotation (3, 3) from the material's own frame to the scene, one of those that the symmetry of the lattice
        makes alike.
    zone_axis
        The lattice direction [u v w], none beyond ±3, that is nearest to the beam.
    tilt
        Angle between it and the beam, degrees.
    strain
        Largest misfit of a translation of the lattice, relative.

    Examples
    --------
    >>> from exitwave.structure import Crystal, Scene, Sphere, Volume
    >>> gold = Crystal("Au").oriented((1, 1, 1)).strained(0.01)
    >>> ball = Volume(gold, Sphere(10, centre=(15, 15, 15)), role="particle")
    >>> found = orientation(Scene([ball], (30, 30, 30)).build(seed=1))
    >>> found.material, [abs(index) for index in found.zone_axis], round(found.strain, 3)
    ('Au', [1, 1, 1], 0.01)
    >>> bool(np.allclose(found.matrix @ found.matrix.T, np.eye(3)))
    True
    """

    material: str
    matrix: _Array
    zone_axis: tuple[int, int, int]
    tilt: float
    strain: float


def translations(positions: _Array, numbers: NDArray[np.int32], reach: float, cone: float = 180.0) -> _Array:
    """Return the vectors up to ``reach`` that carry the lattice of a grain onto itself, (n, 3) in Å, shortest first.

    Only atoms near the middle are asked, and their mean says where a translation leads, so that surfaces, vacancies
    and mild strain do no harm. Vectors farther than ``cone`` degrees from the beam are left out.

    Examples
    --------
    >>> lattice = np.stack(np.meshgrid(*[np.arange(7) * 3.0] * 3), axis=-1).reshape(-1, 3)
    >>> len(translations(lattice, np.full(343, 29, np.int32), 3.5))
    6
    """
    if len(positions) < 2:
        return np.zeros((0, 3))
    kind = np.bincount(numbers).argmax()
    own = positions[numbers == kind]
    tree = cKDTree(own)
    middle = own[np.argsort(np.linalg.norm(own - own.mean(0), axis=1))[:_SAMPLE]]
    near = np.concatenate([own[tree.query_ball_point(seed, reach)] - seed for seed in middle[:5]])
    length = np.linalg.norm(near, axis=1)
    kept, found = [], np.zeros((0, 3))
    for vector in near[(length > _MATCH) & (near[:, 2] >= np.cos(np.radians(cone)) * length)]:
        if not (np.linalg.norm(found - vector, axis=1) < 2 * _MATCH).any():
            found = np.append(found, vector[None], axis=0)
    for vector in found:
        ahead, there = tree.query(middle + vector, distance_upper_bound=_MATCH)
        met = np.isfinite(ahead)
        back = np.isfinite(tree.query(middle - vector, distance_upper_bound=_MATCH)[0])
        if met.any() and max(met.mean(), back.mean()) >= _SHARE:  # thin grains are met one way only
            kept.append((own[there[met]] - middle[met]).mean(0))
    result = np.array(kept).reshape(-1, 3)
    return result[np.argsort(np.linalg.norm(result, axis=1), kind="stable")]


def orientation(grain: Structure, candidates: Sequence[str | Material] | None = None) -> Orientation | None:
    """Return how the crystal of a grain lies in the scene, or None if it is none of the candidates.

    Parameters
    ----------
    grain
        The atoms of one grain.
    candidates
        Materials that it may be; default: all that have its elements.

    Examples
    --------
    >>> from exitwave.structure import Crystal, Scene, Sphere, Volume
    >>> ball = Volume(Crystal("Au").oriented((1, 1, 0), spin=20), Sphere(12, centre=(20, 20, 20)), role="particle")
    >>> found = orientation(Scene([ball], (40, 40, 40)).build(seed=1))
    >>> found.material, sorted(map(abs, found.zone_axis)), round(found.tilt, 3)
    ('Au', [0, 1, 1], 0.0)
    """
    kinds = frozenset(grain.numbers.tolist())
    names = candidates if candidates is not None else _of_elements(kinds)
    best: tuple[float, _Array, Material, float] | None = None
    measured: dict[float, _Array] = {}
    for one in (material(name) if isinstance(name, str) else name for name in names):
        reference, reach = _reference(one)
        if reach not in measured:
            measured[reach] = translations(grain.positions, grain.numbers, reach)
        fit = _rotation(reference, measured[reach])
        if fit is not None and (best is None or fit[1] < best[0]):
            best = (fit[1], fit[0], one, fit[2])
    if best is None:
        return None
    _, matrix, found, strain = best
    zone, tilt = _zone(found.lattice @ matrix.T)
    return Orientation(found.name, matrix, zone, tilt, strain)


@cache
def _of_elements(kinds: frozenset[int]) -> tuple[str, ...]:
    return tuple(name for name in materials() if set(material(name).numbers.tolist()) == kinds)


def _reference(cell: Material) -> tuple[_Array, float]:
    """Return the shortest translations of a material that span space, (n, 3), and the length of the longest, Å."""
    near = np.array(list(product(range(-2, 3), repeat=3)))
    centred = [np.zeros(3)]
    for site in cell.basis[1:]:
        shift = site - cell.basis[0]
        moved = cell.basis + shift
        apart = moved[:, None] - cell.basis[None]
        apart = np.abs(apart - np.round(apart)).max(-1)
        apart[cell.numbers[:, None] != cell.numbers[None]] = 1.0
        if (apart.min(1) < 1e-3).all():
            centred.append(shift)
    vectors = np.concatenate([(near + shift) @ cell.lattice for shift in centred])
    length = np.linalg.norm(vectors, axis=1)
    order = np.argsort(length, kind="stable")
    vectors, length = vectors[order][1:], length[order][1:]
    count = next(n for n in range(3, len(vectors)) if np.linalg.matrix_rank(vectors[:n], tol=0.1) == 3)
    reach = float(length[count - 1]) * 1.06
    return vectors[length < reach], reach


def _rotation(reference: _Array, found: _Array) -> tuple[_Array, float, float] | None:
    """Return the rotation that carries the reference translations onto those found, the misfit in Å and strain."""
    if len(found) < 3 or np.linalg.matrix_rank(found, tol=0.3) < 3:
        return None
    lengths = np.linalg.norm(reference, axis=1)
    first = found[0]
    second = next(v for v in found if np.linalg.norm(np.cross(first, v)) > 0.3 * np.linalg.norm(first) ** 2)
    best: tuple[_Array, float, float] | None = None
    pairs = [np.flatnonzero(np.abs(lengths / np.linalg.norm(v) - 1) < 0.06) for v in (first, second)]
    frame = _frame(first, second)
    for i, j in product(*pairs):
        one, other = reference[i], reference[j]
        if abs(one @ other - first @ second) > 0.1 * abs(first @ first) or i == j:
            continue
        turn = frame @ _frame(one, other).T
        near, where = cKDTree(found).query(reference @ turn.T)
        if (near < 0.12 * lengths + 0.1).mean() < 0.95:
            continue
        u, _, v = np.linalg.svd(reference.T @ found[where])
        turn = v.T @ np.diag([1, 1, np.sign(np.linalg.det(v.T @ u.T))]) @ u.T
        misfit = np.linalg.norm(reference @ turn.T - found[where], axis=1)
        if best is None or misfit.mean() < best[1] - 1e-9:
            best = (turn, float(misfit.mean()), float((misfit / lengths).max()))
    return best


def _frame(first: _Array, second: _Array) -> _Array:
    one = first / np.linalg.norm(first)
    across = np.cross(first, second)
    three = across / np.linalg.norm(across)
    return np.stack([one, np.cross(three, one), three], axis=1)


def _zone(lattice: _Array) -> tuple[tuple[int, int, int], float]:
    """Return the low-index direction nearest to the beam and its angle to it, degrees; rows are lattice vectors."""
    indices = np.array([t for t in product(range(-3, 4), repeat=3) if np.gcd.reduce(t) == 1])
    directions = indices @ lattice
    cosine = directions[:, 2] / np.linalg.norm(directions, axis=1)
    best = int(cosine.argmax())
    u, v, w = (int(value) for value in indices[best])
    return (u, v, w), float(np.degrees(np.arccos(np.clip(cosine[best], -1, 1))))
