"""Twin planes and stacking faults, found from the surroundings of the atoms."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from exitwave.imaging.projection import atomic_volume, projected_density, unwrapped
from exitwave.labels.base import Blur, Covering, Minimum, field_box, particles
from exitwave.structure.analysis import CLASSES, common_neighbour_classes
from exitwave.structure.analysis import neighbours as find_neighbours

if TYPE_CHECKING:
    from exitwave.scattering import ExitWave
    from exitwave.structure import Structure

__all__ = ["PlanarFault", "Planes", "planar_faults"]

_LEAST = 4  # atoms of a layer with full surroundings
_FCC, _HCP, _ICOSAHEDRAL = (CLASSES.index(name) for name in ("fcc", "hcp", "icosahedral"))
_CUTOFF = (1 + 2**0.5) / 2  # of the nearest distance: between the first two shells of close packings


@dataclass(frozen=True, eq=False)
class PlanarFault:
    """One twin plane or stacking fault.

    Parameters
    ----------
    kind
        "twin" (one layer of hexagonal surroundings in a cubic crystal) or "fault" (anything else).
    normal
        Unit normal, (3,).
    point
        A point of the plane, (3,), Å.
    layers
        Number of layers whose surroundings differ from the crystal's.
    atoms
        Indices of the atoms in these layers, up to the surface.
    inclination
        Angle between plane and beam, degrees: 0 where it is seen edge on.

    Examples
    --------
    >>> from exitwave.structure import Crystal, Scene, Sphere, Volume
    >>> from exitwave.structure.prefabs import twinned
    >>> ball = Volume(Crystal("Au").oriented((1, -1, 0)), Sphere(12, centre=(15, 15, 15)), role="particle")
    >>> fault, = planar_faults(Scene([twinned(ball, plane=(1, 1, 1))], (30, 30, 30)).build(seed=1))
    >>> fault.kind, fault.layers, round(abs(fault.inclination), 3)
    ('twin', 1, 0.0)
    """

    kind: Literal["twin", "fault"]
    normal: NDArray[np.float64]
    point: NDArray[np.float64]
    layers: int
    atoms: NDArray[np.int64]
    inclination: float


def planar_faults(particle: Structure) -> list[PlanarFault]:
    """Return the twin planes and stacking faults of a close-packed crystal (fcc, hcp, diamond, zincblende, wurtzite).

    The atoms of one sublattice whose surroundings (by common-neighbour analysis) are hexagonal in a cubic crystal,
    or cubic in a hexagonal one, are put together to layers; parallel layers at most two spacings apart are one
    fault. Layers are then extended to the surface, whose atoms lack neighbours.

    Parameters
    ----------
    particle
        The atoms of one particle with all its grains.

    Examples
    --------
    >>> from exitwave.structure import Crystal, Scene, Sphere, Volume
    >>> from exitwave.structure.prefabs import faulted
    >>> ball = Volume(Crystal("Au"), Sphere(14, centre=(20, 20, 20)), role="particle")
    >>> atoms = Scene([faulted(ball, [("twin", -3), ("intrinsic", 3)])], (40, 40, 40)).build(seed=1)
    >>> sorted((fault.kind, fault.layers) for fault in planar_faults(atoms))
    [('fault', 2), ('twin', 1)]
    """
    if all(particle.pbc[:2]):  # in one piece, where it goes over the border of the field
        particle = replace(particle, positions=unwrapped(particle.positions, np.diag(particle.cell)[:2]))
    chosen = _sublattice(particle)
    if len(chosen) < 13:
        return []
    part = particle.select(chosen)
    nearest = float(np.median(cKDTree(part.positions).query(part.positions, k=2)[0][:, 1]))
    cutoff = _CUTOFF * nearest
    classes = common_neighbour_classes(part, cutoff)
    count = np.bincount(classes, minlength=len(CLASSES))
    found = find_neighbours(part, cutoff)

    def normals_of(atoms: NDArray[np.int64]) -> NDArray[np.float64]:
        around = (found.vectors[found.starts[i] : found.starts[i + 1]] for i in atoms)
        return np.array([_hexagonal_normal(vectors) for vectors in around]).reshape(-1, 3)

    hexagonal = np.flatnonzero(classes == _HCP)
    hcp_normals = normals_of(hexagonal)
    axis = np.linalg.svd(hcp_normals)[2][0] if len(hexagonal) else np.zeros(3)
    # in a hexagonal crystal all layers are parallel; twins of a small cubic one may hold more atoms than the rest
    parallel = float(np.mean((hcp_normals @ axis) ** 2)) if len(hexagonal) else 0.0
    cubic = count[_ICOSAHEDRAL] > 0 or count[_FCC] >= count[_HCP] or parallel < 0.9
    odd = hexagonal if cubic else np.flatnonzero(classes == _FCC)
    if len(odd) < _LEAST:
        return []
    around = [found.vectors[found.starts[i] : found.starts[i + 1]] for i in odd]
    normals = hcp_normals if cubic else np.tile(axis, (len(odd), 1))
    place = np.full(len(part), -1)
    place[odd] = np.arange(len(odd))
    centre = np.repeat(np.arange(len(odd)), [len(vectors) for vectors in around])
    other = np.concatenate([place[found.others[found.starts[i] : found.starts[i + 1]]] for i in odd])
    vectors = np.concatenate(around)
    flat = np.abs((vectors * normals[centre]).sum(1)) < 0.25 * nearest
    known = (other >= 0) & flat
    known[known] = np.abs((normals[centre[known]] * normals[other[known]]).sum(1)) > 0.94
    _, layer = connected_components(
        coo_array((np.ones(known.sum()), (centre[known], other[known])), shape=(len(odd),) * 2), directed=False
    )
    layers = [odd[layer == i] for i in range(layer.max() + 1) if (layer == i).sum() >= _LEAST]
    return _faults(part.positions, layers, nearest, cubic, chosen)


def _faults(
    positions: NDArray[np.float64],
    layers: list[NDArray[np.int64]],
    nearest: float,
    cubic: bool,
    chosen: NDArray[np.int64],
) -> list[PlanarFault]:
    """Return the faults that layers of atoms make: parallel ones that lie over each other are one."""
    spacing = nearest * (2 / 3) ** 0.5
    planes = []
    for members in layers:
        points = positions[members]
        normal = np.linalg.svd(points - points.mean(0))[2][2]
        planes.append((points.mean(0), normal * np.sign(normal[np.abs(normal).argmax()])))
    trees = [cKDTree(positions[members]) for members in layers]
    together = [
        (i, j)
        for i in range(len(layers))
        for j in range(i)
        if abs(planes[i][1] @ planes[j][1]) > 0.97 and trees[i].count_neighbors(trees[j], 2.15 * spacing) > 0
    ]
    one, two = np.array(together, dtype=int).reshape(-1, 2).T
    number, group = connected_components(
        coo_array((np.ones(len(one)), (one, two)), shape=(len(layers),) * 2), directed=False
    )
    result = []
    for index in range(number):
        members = np.flatnonzero(group == index)
        largest = max(members, key=lambda i: len(layers[i]))
        normal = planes[largest][1]
        inner = np.concatenate([layers[i] for i in members])
        # up to the surface: atoms of the same layers that are near to those with full surroundings
        near = cKDTree(positions[inner]).query(positions, distance_upper_bound=2.2 * nearest)[0]
        heights = np.unique(np.round([planes[i][0] @ normal for i in members], 6))
        off = np.abs((positions @ normal)[:, None] - heights).min(1)
        atoms = np.flatnonzero(np.isfinite(near) & (off < 0.4 * spacing))
        result.append(
            PlanarFault(
                kind="twin" if cubic and len(members) == 1 else "fault",
                normal=normal,
                point=positions[inner].mean(0),
                layers=len(members),
                atoms=chosen[atoms],
                inclination=float(np.degrees(np.arcsin(min(abs(normal[2]), 1.0)))),
            )
        )
    return result


def _sublattice(particle: Structure) -> NDArray[np.int64]:
    """Return the atoms of one close-packed sublattice: of the heaviest element, and of every other one in diamond."""
    if not len(particle):
        return np.zeros(0, dtype=np.int64)
    heaviest = np.flatnonzero(particle.numbers == particle.numbers.max())
    part = particle.select(heaviest)
    if len(part) < 13:
        return heaviest
    nearest = float(np.median(cKDTree(part.positions).query(part.positions, k=2)[0][:, 1]))
    bonds = find_neighbours(part, 1.2 * nearest)
    if np.median(bonds.counts) > 4:
        return heaviest
    side = np.full(len(part), -1)  # diamond: bonds lead from one sublattice to the other
    for start in range(len(part)):
        if side[start] >= 0:
            continue
        side[start], queue = 0, [start]
        while queue:
            here = queue.pop()
            for other in bonds.others[bonds.starts[here] : bonds.starts[here + 1]].tolist():
                if side[other] < 0:
                    side[other] = 1 - side[here]
                    queue.append(other)
    result: NDArray[np.int64] = heaviest[side == 0]
    return result


def _hexagonal_normal(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the normal of the layer in hexagonal surroundings: that of the six neighbours with an opposite one."""
    opposite = np.linalg.norm(vectors[:, None] + vectors[None], axis=-1).min(1)
    flat = vectors[np.argsort(opposite)[:6]]
    normal: NDArray[np.float64] = np.linalg.svd(flat)[2][2]
    return normal


class Planes(Covering):
    """Twin planes (1) and stacking faults (2) that are seen nearly edge on; 0 elsewhere.

    Where the layers of a fault are thicker than ``minimum`` along the beam. A layer of spacing d that is inclined by
    an angle to the beam is d/sin(angle) thick, so that 8 Å show planes of gold up to 17° from edge on.

    Parameters
    ----------
    minimum
        Least thickness of the layers of a fault along the beam, Å.
    blur
        Standard deviation in Å of the Gaussian that merges columns of atoms.

    Examples
    --------
    >>> Planes().minimum
    8.0
    """

    rule: Literal["planes"] = "planes"
    version: Literal[1] = 1
    minimum: Minimum = 8.0
    blur: Blur = 1.0

    def compute(self, wave: ExitWave) -> NDArray[Any]:
        """Return 0, 1 and 2, uint8 (y, x)."""
        shape = tuple(wave.array.shape[1:])
        result = np.zeros(shape, dtype=np.uint8)
        for particle in particles(wave):
            faults = planar_faults(particle)
            if not faults:
                continue
            kind = particle.numbers.max()
            share = float((particle.numbers == kind).mean())
            if len(_sublattice(particle)) < 0.75 * (particle.numbers == kind).sum():
                share /= 2  # every other atom of diamond
            volume = atomic_volume(particle.positions, field_box(wave)) / share
            for fault in sorted(faults, key=lambda fault: fault.kind):  # twins are drawn over faults
                density = projected_density(particle.positions[fault.atoms], shape, wave.sampling, self.blur)
                result[volume * density > self.minimum] = 1 if fault.kind == "twin" else 2
        return result
