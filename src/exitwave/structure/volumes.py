"""Volumes: a generator cut out by a region; and unions of volumes that move as one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from typing_extensions import override

from exitwave.core import Stream, StructureError
from exitwave.structure.arrays import Array
from exitwave.structure.chemistry import check_changes
from exitwave.structure.generators.base import Atoms, Bounds, Generator
from exitwave.structure.generators.crystal import Crystal
from exitwave.structure.regions.base import Region
from exitwave.structure.structure import ROLES
from exitwave.structure.transforms import Transform, rotation, translation

__all__ = ["Body", "Modifier", "Union", "Volume"]

Modifier = Callable[[Atoms, Stream], Atoms]
SIDES = {"exit": 1.0, "entrance": -1.0}


class Body(ABC):
    """An object of a scene: a volume, or a union of volumes.

    Examples
    --------
    >>> from exitwave.structure import Crystal, Sphere
    >>> ball = Volume(Crystal("Au"), Sphere(10))
    >>> pair = Union([ball, ball.translated((20, 0, 0))])
    >>> [isinstance(one, Body) for one in (ball, pair)], len(pair.parts)
    ([True, True], 2)
    >>> pair.rotated((0, 0, 1), 90).bounds().round(6)  # about its middle
    array([[  0., -20., -10.],
           [ 20.,  20.,  10.]])
    """

    name: str
    role: str

    @property
    @abstractmethod
    def parts(self) -> tuple[Volume, ...]:
        """The volumes that it is made of, in order of precedence."""

    @abstractmethod
    def transformed(self, transform: Transform) -> Self:
        """Return the object, atoms and all, moved by ``transform``."""

    def translated(self, vector: ArrayLike) -> Self:
        """Return the object shifted by ``vector``, Å."""
        return self.transformed(translation(vector))

    def rotated(self, axis: ArrayLike, angle: float, about: ArrayLike | None = None) -> Self:
        """Return the object turned by ``angle`` degrees about ``axis`` through ``about`` (default: its middle)."""
        return self.transformed(rotation(axis, angle, self.centre if about is None else about))

    def named(self, name: str, role: str | None = None) -> Self:
        """Return the object with another name and role."""
        return replace(self, name=name, role=self.role if role is None else role)  # type: ignore[type-var]

    def bounds(self) -> Array:
        """Return the low and the high corner of a box around the object, shape (2, 3), Å."""
        boxes = np.array([part.region.bounds() for part in self.parts])
        result: Array = np.stack([boxes[:, 0].min(axis=0), boxes[:, 1].max(axis=0)])
        return result

    @property
    def centre(self) -> Array:
        """Middle of the box around the object, Å."""
        result: Array = self.bounds().mean(axis=0)
        return result

    def resting_on(
        self, film: Body, *, depth: float = 0.0, side: str = "exit", at: tuple[float, float] | None = None
    ) -> Self:
        """Return the object moved so that it rests on a film.

        Parameters
        ----------
        film
            Another object; its box counts.
        depth
            How deep it is sunk in, Å.
        side
            "exit": on the face where the beam leaves (high z); "entrance": where it enters.
        at
            x and y of the middle of the object, Å; default: over the middle of the film.
        """
        if side not in SIDES:
            raise StructureError(f"side is {side!r}; it is entrance or exit.")
        if not np.isfinite(depth):
            raise StructureError(f"depth is {depth}; it is a finite number in Å.")
        own, under = self.bounds(), film.bounds()
        target = under.mean(axis=0)[:2] if at is None else np.asarray(at, dtype=np.float64)
        down = under[1, 2] - depth - own[0, 2] if side == "exit" else under[0, 2] + depth - own[1, 2]
        return self.translated([*(target - own.mean(axis=0)[:2]), down])


@dataclass(frozen=True, eq=False)
class Volume(Body):
    """The atoms of a generator within a region.

    Parameters
    ----------
    generator
        Gives the atoms.
    region
        Says which of them belong; it must be bounded.
    name, role
        What the object is called, and "particle", "support" or "other".
    modifiers
        Functions (atoms, stream) → atoms, applied in order to the atoms within the region. What has a method
        ``transformed`` moves along with the volume.
    tolerance
        Atoms this far outside the surface still belong, Å.

    Raises
    ------
    StructureError
        If the region is open, or a modifier is of an element that the crystal does not have.

    Examples
    --------
    >>> from exitwave.structure import Amorphous, Box, Crystal, Sphere
    >>> film = Volume(Amorphous("C"), Box(100, 100, 50), role="support")
    >>> ball = Volume(Crystal("Au"), Sphere(radius=25), role="particle").resting_on(film, depth=5)
    >>> ball.centre
    array([50., 50., 70.])
    """

    generator: Generator
    region: Region
    name: str = ""
    role: str = "other"
    modifiers: tuple[Modifier, ...] = ()
    tolerance: float = 1e-6

    def __post_init__(self) -> None:
        if not isinstance(self.generator, Generator):
            raise StructureError(
                f"generator is {self.generator!r}; it is a Crystal, an Amorphous or another Generator."
            )
        if not isinstance(self.region, Region):
            raise StructureError(f"region is {self.region!r}; it is a Sphere, a Box or another region.")
        check_role(self.role)
        if self.modifiers and isinstance(self.generator, Crystal):
            check_changes(self.generator.material, self.modifiers)
        bounds = self.region.bounds()
        if not np.isfinite(bounds).all():
            open_ways = [
                f"{'-+'[i]}{'xyz'[axis]}" for axis in range(3) for i in (0, 1) if not np.isfinite(bounds[i, axis])
            ]
            raise StructureError(
                f"the region of the volume is open towards {', '.join(open_ways)}; cut it with & and a bounded"
                " region such as a Box."
            )

    @property
    def parts(self) -> tuple[Volume, ...]:
        """The volume alone."""
        return (self,)

    @override
    def transformed(self, transform: Transform) -> Volume:
        # gradients of composition move along
        modifiers = tuple(
            modifier.transformed(transform) if hasattr(modifier, "transformed") else modifier
            for modifier in self.modifiers
        )
        return replace(
            self,
            generator=self.generator.transformed(transform),
            region=self.region.transformed(transform),
            modifiers=modifiers,
        )

    def within(self, region: Region) -> Volume:
        """Return the part of the volume that is within another region too."""
        return replace(self, region=self.region & region)

    def modified(self, *modifiers: Modifier) -> Volume:
        """Return the volume with more modifiers."""
        return replace(self, modifiers=(*self.modifiers, *modifiers))

    def atoms(self, stream: Stream, box: Bounds | None = None) -> Atoms:
        """Return the atoms of the volume.

        Parameters
        ----------
        stream
            Where the randomness comes from.
        box
            What part of space to fill, and along which axes it repeats; default: the bounds of the region.
        """
        if box is None:
            box = Bounds(*self.region.bounds())
        if box.cell is None:
            normals, offsets = self.region.planes()
            box = replace(box, planes=(np.ascontiguousarray(normals), offsets + max(self.tolerance, 0.0)))
            made = self.generator.atoms(box, stream / "atoms")
            inside = self.region.contains(made.positions, self.tolerance)
            made = made if inside.all() else made.select(inside)
        else:
            made = self._images_inside(self.generator.atoms(box, stream / "atoms"), box)
        for index, modifier in enumerate(self.modifiers):
            made = modifier(made, stream / "modifier" / index)
        return made

    def _images_inside(self, made: Atoms, box: Bounds) -> Atoms:
        """Return the atoms of which an image is in the region, each once: there, and within the cell if it can be."""
        cell = np.asarray(box.cell)
        inverse = np.linalg.inv(cell)
        periods = np.where(box.periodic, np.floor(made.positions @ inverse + 1e-9), 0.0)
        positions = made.positions - periods @ cell
        corners, fractional = box.corners @ inverse, positions @ inverse
        if not len(positions):
            return made
        first = np.floor(corners.min(axis=0) - fractional.max(axis=0))
        last = np.ceil(corners.max(axis=0) - fractional.min(axis=0))
        ranges = [range(int(a), int(b) + 1) if p else (0,) for a, b, p in zip(first, last, box.periodic, strict=True)]
        shifts = np.array(sorted(product(*ranges), key=lambda shift: sum(abs(n) for n in shift))) @ cell
        found = np.zeros(len(positions), dtype=np.bool_)
        for shift in shifts:
            rest = np.flatnonzero(~found)
            moved = positions[rest] + shift
            inside = self.region.contains(moved, self.tolerance)
            positions[rest[inside]], found[rest[inside]] = moved[inside], True
        return Atoms(positions, made.numbers, made.thermal).select(found)


@dataclass(frozen=True, eq=False)
class Union(Body):
    """Volumes, each a grain, that are one object and move as one; where they overlap, the earlier wins.

    Parameters
    ----------
    members
        Volumes or unions, one or more.
    name, role
        As for a volume.

    Raises
    ------
    StructureError
        If a member is no volume or union, there is none, or the role does not exist.

    Examples
    --------
    >>> from exitwave.structure import Crystal, Scene, Sphere
    >>> ball = Volume(Crystal("Au"), Sphere(6, centre=(10, 10, 10)))
    >>> pair = Union([ball, ball.translated((10, 0, 0))], name="pair", role="particle")
    >>> atoms = Scene([pair], cell=(30, 20, 20)).build(seed=1)
    >>> atoms.names, len(set(atoms.grains.tolist()))
    (('pair',), 2)
    """

    members: Sequence[Body]
    name: str = ""
    role: str = "other"

    def __post_init__(self) -> None:
        members = tuple(self.members)
        if not members or not all(isinstance(member, Body) for member in members):
            raise StructureError(f"members is {self.members!r}; a union has one or more volumes or unions.")
        check_role(self.role)
        object.__setattr__(self, "members", members)

    @property
    def parts(self) -> tuple[Volume, ...]:
        """All volumes, in order of precedence."""
        return tuple(part for member in self.members for part in member.parts)

    @override
    def transformed(self, transform: Transform) -> Union:
        return replace(self, members=tuple(member.transformed(transform) for member in self.members))


def check_role(role: str) -> None:
    """Raise StructureError if there is no such role."""
    if role not in ROLES:
        raise StructureError(f"role is {role!r}; a role is one of {', '.join(ROLES)}.")
