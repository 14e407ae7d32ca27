"""Scenes: objects in a cell, who wins where they meet, and how near their atoms may come."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from exitwave.core import Stream, StructureError
from exitwave.structure.arrays import Array, Ints, Mask, frozen
from exitwave.structure.contacts import MinimumDistance, drop_contacts, pair_limits
from exitwave.structure.generators.base import Atoms, Bounds
from exitwave.structure.periodic import is_upright, meets_itself
from exitwave.structure.structure import Structure
from exitwave.structure.volumes import Body, Volume

__all__ = ["EmptyObjectWarning", "Scene"]

OUTSIDE = ("wrap", "cut", "keep")
EDGE = 1e-9  # in units of the cell: rounding at its faces


class EmptyObjectWarning(UserWarning):
    """An object of a scene lost all its atoms to earlier objects."""


@dataclass(frozen=True, eq=False)
class Scene:
    """Objects in a periodic cell.

    Where two objects overlap, the one earlier in the list wins: atoms of later objects are left out within its
    region, and where they would come nearer to its atoms than the minimum distance, periodic images included. An
    object that loses all its atoms so is told in an :class:`EmptyObjectWarning`.

    Parameters
    ----------
    objects
        Volumes and unions in order of precedence.
    cell
        Edge lengths (a, b, c), Å, or three rows of cell vectors, shape (3, 3).
    minimum_distance
        Least distance between atoms of different grains: one number, Å; a mapping such as ``{"Au-C": 2.0}``;
        "contact": 0.85 of the sum of the covalent radii; or None: only atoms in one place are refused.
    pbc
        Whether the scene repeats along each cell vector.
    outside
        What becomes of atoms beyond a face through which the scene repeats: "wrap" brings them in at the
        opposite face, "cut" leaves them out, "keep" leaves them where they are.

    Raises
    ------
    StructureError
        If objects, cell or rules make no sense, or atoms stick out of a face without repetition.

    Examples
    --------
    >>> from exitwave.structure import Amorphous, Box, Crystal, Sphere
    >>> film = Volume(Amorphous("C"), Box(40, 40, 20), name="film", role="support")
    >>> ball = Volume(Crystal("Au"), Sphere(radius=10), name="ball", role="particle").resting_on(film, depth=3)
    >>> scene = Scene([ball, film], cell=(40, 40, 40), minimum_distance={"Au-C": 2.0})
    >>> scene.build(seed=7).of(name="ball")
    Structure: 249 atoms (Au) in 2 objects (ball, film), cell 40 × 40 × 40 Å
    """

    objects: Sequence[Body]
    cell: ArrayLike
    minimum_distance: MinimumDistance = "contact"
    pbc: tuple[bool, bool, bool] = (True, True, False)
    outside: str = "wrap"

    def __post_init__(self) -> None:
        objects = tuple(self.objects)
        for item in objects:
            if not isinstance(item, Body):
                raise StructureError(f"objects holds {item!r}; an object is a Volume or a Union.")
        cell = np.asarray(self.cell, dtype=np.float64)
        if cell.shape == (3,):
            cell = np.diag(cell)
        if cell.shape != (3, 3) or not np.isfinite(cell).all() or np.linalg.det(cell) < 1e-9:
            raise StructureError(
                f"cell is {np.asarray(self.cell).tolist()}; it is three lengths above 0 in Å, or three right-handed"
                " rows that span a volume."
            )
        if self.outside not in OUTSIDE:
            raise StructureError(f"outside is {self.outside!r}; it is one of {', '.join(OUTSIDE)}.")
        pair_limits(self.minimum_distance, np.array([6], dtype=np.int32))
        given = Counter(item.name for item in objects if item.name)
        if given and max(given.values()) > 1:
            raise StructureError(f"two objects are called {given.most_common(1)[0][0]!r}; names are given once.")
        for index, item in enumerate(objects):
            if any(item is other for other in objects[:index]):
                raise StructureError(
                    f"object {index} is given twice, so that the second would lose all its atoms to the first; move"
                    " it elsewhere with translated, or leave it out."
                )
        object.__setattr__(self, "objects", objects)
        object.__setattr__(self, "cell", frozen(cell))
        object.__setattr__(self, "pbc", tuple(bool(p) for p in self.pbc))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the objects; those without one are called after their role: particle-0, particle-1, …."""
        taken, counts, names = {item.name for item in self.objects}, Counter[str](), []
        for item in self.objects:
            name = item.name
            while not name:
                kind = "object" if item.role == "other" else item.role
                trial = f"{kind}-{counts[kind]}"
                counts[kind] += 1
                name = "" if trial in taken else trial
            names.append(name)
        return tuple(names)

    def build(self, *, seed: int | None = None, stream: Stream | None = None) -> Structure:
        """Return the atoms of the scene.

        Parameters
        ----------
        seed, stream
            Where the randomness comes from: one of the two.
        """
        if (seed is None) == (stream is None):
            raise StructureError("a scene is built from a seed or from a stream; give one of the two.")
        source = Stream(seed) if seed is not None else stream
        assert source is not None
        made: list[Atoms] = []
        owners: list[int] = []
        seamless: list[tuple[bool, bool, bool]] = []
        earlier: list[tuple[Volume, Array]] = []
        for index, item in enumerate(self.objects):
            for number, part in enumerate(item.parts):
                box = self._box(part)
                atoms = part.atoms(source / index / number, box)
                if earlier and len(atoms):
                    reach, covered = _box_around(atoms.positions), np.zeros(len(atoms), dtype=np.bool_)
                    for other, bounds in earlier:
                        covered[self._covered(other, bounds, atoms.positions, reach)] = True
                    if covered.any():
                        atoms = atoms.select(~covered)
                made.append(atoms)
                owners.append(index)
                seamless.append(box.periodic)
                earlier.append((part, part.region.bounds()))
        structure = self._assemble(made, owners, np.array(seamless, dtype=np.bool_).reshape(-1, 3))
        left = np.bincount(structure.objects, minlength=len(self.objects))
        for lost in np.flatnonzero(left == 0).tolist():
            parts = enumerate(self.objects[lost].parts)
            own = [part.atoms(source / lost / i, self._box(part)).positions for i, part in parts]
            if not any(self._within(positions @ np.linalg.inv(np.asarray(self.cell))).any() for positions in own):
                continue  # a void, or out of the field of view
            warnings.warn(
                f"{self.names[lost]} has no atoms left: all are within earlier objects, or nearer to their atoms than"
                " minimum_distance; move it, put it earlier or lower minimum_distance.",
                EmptyObjectWarning,
                stacklevel=2,
            )
        return structure

    def write(self, path: str | Path) -> Path:
        """Write the whole construction to a readable file: YAML, or JSON if the name ends in .json.

        Generators, regions, motions, strain, chemistry, precedence and distances are all in it, so that the scene
        that :meth:`read` makes of it builds the same atoms from the same seed.

        Raises
        ------
        StructureError
            If something cannot be named in a file, such as a lambda, or the file cannot be written.

        Examples
        --------
        >>> import tempfile
        >>> from pathlib import Path
        >>> from exitwave.structure import Crystal, Sphere
        >>> scene = Scene([Volume(Crystal("Au"), Sphere(8, (10, 10, 10)))], (20, 20, 20))
        >>> path = scene.write(Path(tempfile.mkdtemp()) / "ball.yaml")
        >>> (Scene.read(path).build(seed=1).positions == scene.build(seed=1).positions).all()
        np.True_
        """
        from exitwave.structure.constructions import write_scene

        return write_scene(self, path)

    @classmethod
    def read(cls, path: str | Path, *, allow_code: bool = False) -> Scene:
        """Return the construction in a file.

        Parameters
        ----------
        path
            A file that :meth:`write` wrote, or one written by hand in this form.
        allow_code
            Whether it may import classes and functions from outside exitwave: only if you trust it.

        Raises
        ------
        StructureError
            If the file is no construction.
        """
        from exitwave.structure.constructions import read_scene

        return read_scene(path, allow_code=allow_code)

    def _assemble(self, made: list[Atoms], owners: list[int], seamless: Mask) -> Structure:
        from exitwave.structure.regions.inside import reach_in

        counts = [len(atoms) for atoms in made]
        positions = np.concatenate([np.empty((0, 3)), *(atoms.positions for atoms in made)])
        numbers = np.concatenate([np.empty(0, np.int32), *(atoms.numbers for atoms in made)])
        thermal = np.concatenate([np.empty(0), *(atoms.thermal for atoms in made)])
        objects = np.repeat(np.array(owners, dtype=np.int32), counts)
        grains = np.repeat(np.arange(len(made), dtype=np.int32), counts)
        cell = np.asarray(self.cell)
        kept = self._inside(positions, objects)
        if not kept.all():
            positions, numbers, thermal = positions[kept], numbers[kept], thermal[kept]
            objects, grains = objects[kept], grains[kept]
        bodies = np.array(owners, dtype=np.int32)
        kept = drop_contacts(positions, numbers, grains, cell, self.pbc, self.minimum_distance, seamless, bodies)
        if self.outside == "wrap":
            inverse = np.linalg.inv(cell)
            reach = reach_in(positions, inverse)
            for axis in range(3):
                if self.pbc[axis] and (reach[0, axis] < -EDGE or reach[1, axis] + EDGE >= 1):
                    periods = np.floor(positions @ inverse[:, axis] + EDGE)
                    positions = positions - periods[:, None] * cell[axis]
        stay = np.flatnonzero(kept)
        return Structure(
            positions=positions.take(stay, axis=0),
            numbers=numbers.take(stay),
            cell=cell,
            objects=objects.take(stay),
            grains=grains.take(stay),
            thermal=thermal.take(stay),
            names=self.names,
            roles=tuple(item.role for item in self.objects),
            pbc=self.pbc,
        )

    def _box(self, part: Volume) -> Bounds:
        """Return the box to fill for a volume: where it reaches through a periodic cell, exactly one period."""
        low, high = part.region.bounds()
        cell = np.asarray(self.cell)
        if part.generator.any_cell and not is_upright(cell, self.pbc):
            met = meets_itself(part.region, cell, self.pbc, part.generator.least_distance)
            return Bounds(low, high, met, cell=cell) if any(met) else Bounds(low, high)
        periodic = [False, False, False]
        if part.generator.seamless:
            for axis in range(3):
                length = cell[axis, axis]
                square = np.count_nonzero(cell[axis]) == 1 == np.count_nonzero(cell[:, axis])
                if self.pbc[axis] and square and high[axis] - low[axis] >= length * (1 - EDGE):
                    high[axis], periodic[axis] = low[axis] + length, True
        return Bounds(low, high, (periodic[0], periodic[1], periodic[2]))

    def _covered(self, other: Volume, bounds: Array, positions: Array, reach: Bounds) -> NDArray[np.int64]:
        """Return the positions (in ``reach``) in the region of another volume (in ``bounds``) or its images."""
        from exitwave.structure.regions.inside import candidates

        cell = np.asarray(self.cell)
        low, high = bounds
        shifts = [np.zeros(3)]
        if self.outside == "wrap":
            corners = Bounds(low, high).corners @ np.linalg.inv(cell)
            fractional = reach.corners @ np.linalg.inv(cell)
            first = np.ceil(fractional.min(axis=0) - corners.max(axis=0) - EDGE)
            last = np.floor(fractional.max(axis=0) - corners.min(axis=0) + EDGE)
            ranges = [range(int(a), int(b) + 1) if p else (0,) for a, b, p in zip(first, last, self.pbc, strict=True)]
            shifts = [np.array(shift) @ cell for shift in product(*ranges)]
        normals, offsets = other.region.planes()
        normals, offsets = np.ascontiguousarray(normals), offsets + max(other.tolerance, 0.0) + 1e-3
        covered = [np.empty(0, dtype=np.int64)]
        for shift in shifts:
            near = candidates(positions, low - 1e-3 + shift, high + 1e-3 + shift, normals, offsets + normals @ shift)
            if len(near):
                covered.append(near[other.region.contains(positions.take(near, axis=0) - shift, other.tolerance)])
        return np.concatenate(covered)

    def _inside(self, positions: Array, objects: Ints) -> Mask:
        """Return which atoms are not cut off; raise if some stick out of a face without repetition."""
        from exitwave.structure.regions.inside import reach_in

        inverse = np.linalg.inv(np.asarray(self.cell))
        if self.outside == "keep" or np.abs(reach_in(positions, inverse) - 0.5).max() < 0.5 - EDGE:
            return np.ones(len(positions), dtype=bool)
        fractional = positions @ inverse
        beyond = (fractional < -EDGE) | (fractional > 1 + EDGE)
        for axis in range(3):
            if not self.pbc[axis] and beyond[:, axis].any():
                name = self.names[int(objects[beyond[:, axis]][0])]
                length = float(np.linalg.norm(np.asarray(self.cell)[axis]))
                low, high = length * fractional[:, axis].min(), length * fractional[:, axis].max()
                raise StructureError(
                    f"{name} sticks out of the cell along its {'abc'[axis]} vector, which does not repeat: atoms"
                    f" reach from {low:.2f} to {high:.2f} Å, the cell from 0 to {length:g} Å; enlarge the cell,"
                    " move the object, or set outside='keep'."
                )
        return self._within(fractional)

    def _within(self, fractional: Array) -> Mask:
        """Return which atoms, in units of the cell, the rule for those outside it does not cut off."""
        if self.outside != "cut":
            return np.ones(len(fractional), dtype=bool)
        below = fractional < np.where(self.pbc, 1 - EDGE, 1 + EDGE)
        return np.asarray(((fractional >= -EDGE) & below).all(axis=1), dtype=bool)


def _box_around(positions: Array) -> Bounds:
    from exitwave.structure.regions.inside import reach_in

    if not len(positions):
        return Bounds(np.zeros(3), np.zeros(3))
    return Bounds(*reach_in(positions, np.eye(3)))
