"""Adsorbates: molecules set onto the surface of a structure, any number in one call, none in contact with another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from exitwave.core import Stream, StructureError
from exitwave.structure.arrays import Array, Mask, unit
from exitwave.structure.generators.molecule import Molecule
from exitwave.structure.materials import atomic_number, symbols
from exitwave.structure.periodic import with_images
from exitwave.structure.regions.base import Region
from exitwave.structure.structure import ROLES, Structure
from exitwave.structure.surfaces import surface
from exitwave.structure.transforms import rotation_between

__all__ = ["adsorbed"]

UPRIGHT = "normal"
RANDOM = "random"
BATCH = 256  # the least number of sites that are tried together
SKIN = 1e-6  # Å


def adsorbed(
    structure: Structure,
    molecule: Molecule | str | Any,
    count: int,
    *,
    seed: int | None = None,
    stream: Stream | None = None,
    elements: Sequence[str | int] | str | int | None = None,
    sites: NDArray[np.bool_] | Sequence[int] | None = None,
    region: Region | None = None,
    anchor: int = 0,
    axis: ArrayLike | None = None,
    bond_length: float | None = None,
    orientation: str | ArrayLike = UPRIGHT,
    spin: float | None = None,
    probe_radius: float | None = None,
    clearance: float = 1.0,
    name: str = "",
    role: str = "other",
) -> Structure:
    r"""Return a structure with molecules bonded on top of atoms of its surface.

    Each molecule stands on a surface atom, chosen at random among those that pass the filters, with its anchor at
    ``bond_length`` along the surface normal. It is left out, and another site tried, where an atom of it would be
    nearer than :math:`c\,(r_a + r_b)` to any atom of the structure or of another molecule, periodic images
    included, with :math:`r` the covalent radii and :math:`c` the clearance; the bond itself is exempt.

    Parameters
    ----------
    structure
        What is adsorbed on.
    molecule
        A :class:`~exitwave.structure.Molecule`, a name that ``ase.build.molecule`` knows, or ``ase.Atoms``.
    count
        How many.
    seed, stream
        Where the randomness comes from: one of the two.
    elements, sites, region
        Filters of the atoms to stand on: symbols; a mask or indices of atoms of the structure; a region of space.
    anchor
        Index of the atom of the molecule that binds.
    axis
        Direction in the frame of the molecule that is turned along the surface normal; default: from the anchor to
        the middle of the molecule.
    bond_length
        Å; default: the sum of the covalent radii of the two atoms.
    orientation
        "normal": the axis along the surface normal; "random": any way round; or a direction in the scene.
    spin
        Turn about the axis, degrees; None: at random.
    probe_radius
        Of the probe that finds the surface, Å; see :func:`~exitwave.structure.surface`.
    clearance
        Share of the sum of the covalent radii that is kept clear.
    name, role
        Of the new object; default name: the formula of the molecule. Every molecule is a grain of it.

    Raises
    ------
    StructureError
        If no site passes the filters, or fewer molecules fit than are asked for.

    Examples
    --------
    >>> from exitwave.structure import Crystal, Scene, Sphere, Volume
    >>> ball = Scene([Volume(Crystal("Pt"), Sphere(10, (15, 15, 15)))], (30, 30, 30)).build(seed=1)
    >>> covered = adsorbed(ball, "CO", 20, seed=2, anchor=1)
    >>> len(covered) - len(ball), covered.names
    (40, ('object-0', 'CO'))
    """
    if (seed is None) == (stream is None):
        raise StructureError("molecules are placed from a seed or from a stream; give one of the two.")
    if isinstance(count, bool) or not isinstance(count, int | np.integer) or count < 0:
        raise StructureError(f"count is {count!r}; it is a whole number of 0 or more.")
    if role not in ROLES:
        raise StructureError(f"role is {role!r}; a role is one of {', '.join(ROLES)}.")
    if not (np.isfinite(clearance) and clearance >= 0):
        raise StructureError(f"clearance is {clearance!r}; it is a share of 0 or more of the sum of the radii.")
    source = Stream(seed) if seed is not None else stream
    assert source is not None
    kind = _Kind.of(molecule, anchor, axis, clearance)
    skin = surface(structure, probe_radius)
    open_sites = _filtered(structure, elements, sites, region)[skin.atoms]
    atoms, normals = skin.atoms[open_sites], skin.normals[open_sites]
    if count and not len(atoms):
        raise StructureError(
            f"none of the {len(skin)} surface atoms passes the filters; widen elements, sites or region."
        )
    order = (source / "sites").generator().permutation(len(atoms))
    atoms, normals = atoms[order], normals[order]
    turns = _turns(kind, normals, orientation, spin, source / "turns")
    lengths = _lengths(structure, kind, atoms, bond_length)
    places = structure.positions[atoms] + lengths[:, None] * normals
    made = places[:, None, :] + np.einsum("sij,mj->smi", turns, kind.positions)
    chosen = _placed(structure, kind, atoms, made, int(count))
    if len(chosen) < count:
        raise StructureError(
            f"{len(chosen)} of {count} molecules fit on {len(atoms)} sites; ask for fewer, allow more sites, or lower"
            " the clearance."
        )
    return _joined(structure, kind, made[chosen], name, role)


@dataclass(frozen=True, eq=False)
class _Kind:
    """A molecule with its anchor at the origin and its axis along z, and the room that its atoms need."""

    positions: Array
    numbers: NDArray[np.int32]
    anchor: int
    clearance: float

    @classmethod
    def of(cls, molecule: Any, anchor: int, axis: ArrayLike | None, clearance: float) -> _Kind:
        molecule = molecule if isinstance(molecule, Molecule) else Molecule.from_ase(molecule)
        positions = np.asarray(molecule.positions)
        if isinstance(anchor, bool) or not 0 <= anchor < len(positions):
            raise StructureError(
                f"anchor is {anchor!r}; the molecule has {len(positions)} atoms, from 0 to {len(positions) - 1}."
            )
        if axis is None:
            away = positions.mean(axis=0) - positions[anchor]
            axis = away if np.linalg.norm(away) > SKIN else (0.0, 0.0, 1.0)
        turn = rotation_between(unit(axis, "axis"), (0, 0, 1))
        return cls(
            turn(positions - positions[anchor]), np.asarray(molecule.species, dtype=np.int32), int(anchor), clearance
        )

    def limits(self, numbers: ArrayLike) -> Array:
        """Return the least distances of its atoms to elements, shape (atoms, elements), Å."""
        from ase.data import covalent_radii

        radii = np.asarray(covalent_radii)
        result: Array = self.clearance * (radii[self.numbers][:, None] + radii[np.asarray(numbers)][None])
        return result


def _filtered(
    structure: Structure,
    elements: Sequence[str | int] | str | int | None,
    sites: NDArray[np.bool_] | Sequence[int] | None,
    region: Region | None,
) -> Mask:
    mask: Mask = np.ones(len(structure), dtype=np.bool_)
    if elements is not None:
        several = (elements,) if isinstance(elements, str | int) else elements
        mask &= np.isin(structure.numbers, [atomic_number(element) for element in several])
    if sites is not None:
        chosen = np.asarray(sites)
        if chosen.dtype == np.bool_ and chosen.shape == mask.shape:
            mask &= chosen
        elif chosen.ndim == 1 and chosen.dtype.kind in "iu" and np.isin(chosen, np.arange(len(mask))).all():
            mask &= np.isin(np.arange(len(mask)), chosen)
        else:
            raise StructureError(
                f"sites has shape {chosen.shape} and type {chosen.dtype}; it is a mask of {len(mask)} truth values,"
                f" or indices from 0 to {len(mask) - 1}."
            )
    if region is not None:
        mask &= region.contains(structure.positions, SKIN)
    return mask


def _lengths(structure: Structure, kind: _Kind, atoms: NDArray[np.int64], bond_length: float | None) -> Array:
    if bond_length is None:
        from ase.data import covalent_radii

        radii = np.asarray(covalent_radii)
        result: Array = radii[structure.numbers[atoms]] + radii[kind.numbers[kind.anchor]]
        return result
    if isinstance(bond_length, bool) or not 0 < bond_length < np.inf:
        raise StructureError(f"bond_length is {bond_length!r}; it is a number above 0 in Å.")
    return np.full(len(atoms), float(bond_length))


def _turns(kind: _Kind, normals: Array, orientation: str | ArrayLike, spin: float | None, stream: Stream) -> Array:
    """Return a rotation matrix for every site, shape (sites, 3, 3)."""
    from scipy.spatial.transform import Rotation

    if isinstance(orientation, str) and orientation not in (UPRIGHT, RANDOM):
        raise StructureError(f"orientation is {orientation!r}; it is normal, random or a direction in the scene.")
    if isinstance(orientation, str) and orientation == RANDOM:
        q = stream.generator().standard_normal((len(normals), 4))
        anyhow: Array = Rotation.from_quat(q).as_matrix()
        return anyhow
    if spin is not None and not np.isfinite(spin):
        raise StructureError(f"spin is {spin!r}; it is an angle in degrees, or None.")
    count = len(normals)
    ways = normals if isinstance(orientation, str) else np.tile(unit(orientation, "orientation"), (count, 1))
    angles = 2 * np.pi * stream.generator().random(count) if spin is None else np.full(count, np.radians(spin))
    cosine, sine, zero = np.cos(angles), np.sin(angles), np.zeros(count)
    about = np.array([[cosine, -sine, zero], [sine, cosine, zero], [zero, zero, zero + 1]]).transpose(2, 0, 1)
    turns: Array = _from_up(ways) @ about
    return turns


def _from_up(ways: Array) -> Array:
    """Return the smallest turns of +z into unit vectors, shape (ways, 3, 3); for -z the half turn about x."""
    x, y, z = ways.T
    share = np.divide(1.0, 1.0 + z, out=np.zeros(len(ways)), where=z > -1 + 1e-12)
    columns = [[1 - x * x * share, -x * y * share, x], [-x * y * share, 1 - y * y * share, y], [-x, -y, z]]
    turns: Array = np.array(columns).transpose(2, 0, 1)
    turns[z <= -1 + 1e-12] = np.diag([1.0, -1.0, -1.0])
    return turns


def _placed(structure: Structure, kind: _Kind, atoms: NDArray[np.int64], made: Array, count: int) -> NDArray[np.intp]:
    """Return which of the molecules ``made`` (sites, atoms, 3) stay, in order, ``count`` at most."""
    from scipy.spatial import cKDTree

    size = len(kind.numbers)
    elements = np.unique(structure.numbers)
    reach = float(kind.limits(elements).max(initial=0.0)) + SKIN
    beyond = reach + float(np.ptp(kind.positions)) + 6.0  # what a molecule can reach over a face
    around, owners = with_images(structure.positions, structure.cell, structure.pbc, beyond)
    solid = cKDTree(around)
    taken: list[int] = []
    placed = np.empty((0, 3))
    for start in range(0, len(made), max(BATCH, 2 * count)):
        if len(taken) >= count:
            break
        batch = np.arange(start, min(start + max(BATCH, 2 * count), len(made)))
        batch = batch[_within(structure, made[batch])]
        flat = made[batch].reshape(-1, 3)
        pairs = cKDTree(flat).sparse_distance_matrix(solid, reach, output_type="ndarray")
        atom, other = pairs["i"] % size, owners[pairs["j"]]
        limit = kind.clearance * _radii_sum(kind.numbers[atom], structure.numbers[other])
        bond = (atom == kind.anchor) & (other == atoms[batch[pairs["i"] // size]])
        clash = (pairs["v"] < limit - SKIN) & ~bond
        free = np.ones(len(batch), dtype=np.bool_)
        free[pairs["i"][clash] // size] = False
        batch = batch[free]
        taken, placed = _apart(structure, kind, made, batch, taken, placed, count)
    return np.array(taken, dtype=np.intp)


def _apart(
    structure: Structure,
    kind: _Kind,
    made: Array,
    batch: NDArray[np.intp],
    taken: list[int],
    placed: Array,
    count: int,
) -> tuple[list[int], Array]:
    """Return the molecules that stay, those of a batch included that keep from each other and from the earlier."""
    from scipy.spatial import cKDTree

    size, before = len(kind.numbers), len(taken)
    everything = np.concatenate([placed, made[batch].reshape(-1, 3)])
    reach = float(kind.limits(kind.numbers).max()) + SKIN
    images, owners = with_images(everything, structure.cell, structure.pbc, reach)
    pairs = cKDTree(everything).sparse_distance_matrix(cKDTree(images), reach, output_type="ndarray")
    first, second = pairs["i"], owners[pairs["j"]]
    limit = kind.clearance * _radii_sum(kind.numbers[first % size], kind.numbers[second % size])
    # two molecules, or one and its own image
    other = (first // size != second // size) | (pairs["j"] >= len(everything))
    clash = (pairs["v"] < limit - SKIN) & other
    rivals: dict[int, set[int]] = {}
    for a, b in np.unique(np.stack([first[clash] // size, second[clash] // size], axis=1), axis=0).tolist():
        rivals.setdefault(a, set()).add(b)
    kept = set(range(before))
    result = list(taken)
    for index, molecule in enumerate(batch.tolist(), start=before):
        if len(result) >= count:
            break
        near = rivals.get(index, set())
        if index not in near and not near & kept:
            kept.add(index)
            result.append(molecule)
    return result, made[np.array(result, dtype=np.intp)].reshape(-1, 3)


def _radii_sum(a: NDArray[np.int32], b: NDArray[np.int32]) -> Array:
    from ase.data import covalent_radii

    radii = np.asarray(covalent_radii)
    result: Array = radii[a] + radii[b]
    return result


def _within(structure: Structure, made: Array) -> Mask:
    """Return which molecules do not stick out of a face of the cell without repetition."""
    fractional = made @ np.linalg.inv(structure.cell)
    outside = ((fractional < 0) | (fractional > 1)) & ~np.array(structure.pbc)
    result: Mask = ~outside.any(axis=(1, 2))
    return result


def _joined(structure: Structure, kind: _Kind, made: Array, name: str, role: str) -> Structure:
    molecules, size = made.shape[:2]
    flat = made.reshape(-1, 3)
    shift = np.where(structure.pbc, np.floor(flat @ np.linalg.inv(structure.cell) + 1e-9), 0.0)
    grains = int(structure.grains.max(initial=-1)) + 1 + np.repeat(np.arange(molecules, dtype=np.int32), size)
    return Structure(
        positions=np.concatenate([structure.positions, flat - shift @ structure.cell]),
        numbers=np.concatenate([structure.numbers, np.tile(kind.numbers, molecules)]),
        cell=structure.cell,
        objects=np.concatenate([structure.objects, np.full(len(flat), len(structure.names), dtype=np.int32)]),
        grains=np.concatenate([structure.grains, grains]),
        thermal=np.concatenate([structure.thermal, np.full(len(flat), np.nan)]),
        names=(*structure.names, _new_name(structure, kind, name)),
        roles=(*structure.roles, role),
        pbc=structure.pbc,
    )


def _new_name(structure: Structure, kind: _Kind, name: str) -> str:
    from ase.formula import Formula

    wanted = name or str(Formula.from_list([symbols()[z] for z in kind.numbers]).format("hill"))
    if name and name in structure.names:
        raise StructureError(f"an object is called {name!r} already; give the molecules another name.")
    trial, number = wanted, 1
    while trial in structure.names:
        number += 1
        trial = f"{wanted}-{number}"
    return trial
