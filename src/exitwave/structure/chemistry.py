"""Changes of the atoms of a volume: substitution, alloys, vacancies and gradients; they go into its modifiers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from exitwave.core import Stream, StructureError
from exitwave.structure.arrays import Array, unit, vector3
from exitwave.structure.generators.base import Atoms
from exitwave.structure.materials import Material, atomic_number, symbols
from exitwave.structure.transforms import Transform

__all__ = ["Carried", "Graded", "Planar", "Radial", "Substituted", "Vacancies", "check_changes"]


@dataclass(frozen=True)
class Substituted:
    """Replaces a share of the atoms of one element, chosen at random, by another.

    Parameters
    ----------
    element
        Which atoms: a symbol or an atomic number; None: all.
    by
        What they become.
    share
        Which share of them, 0 to 1; the number is exact to one atom.

    Examples
    --------
    >>> from exitwave.structure import Crystal, Sphere, Volume
    >>> alloy = Volume(Crystal("Au"), Sphere(20)).modified(Substituted("Au", by="Cu", share=0.25))
    >>> atoms = alloy.atoms(Stream(1))
    >>> round(float((atoms.numbers == 29).mean()), 3)
    0.25
    """

    element: str | int | None
    by: str | int
    share: float

    def __post_init__(self) -> None:
        _check_share(self.share)
        _check_elements(self.element, self.by)

    def __call__(self, atoms: Atoms, stream: Stream) -> Atoms:
        """Return the atoms with some of them replaced."""
        numbers = np.array(atoms.numbers)
        numbers[_chosen(_of(atoms, self.element), self.share, stream)] = atomic_number(self.by)
        return replace(atoms, numbers=numbers)


@dataclass(frozen=True)
class Vacancies:
    """Takes a share of the atoms of one element (None: of all) away, chosen at random.

    Parameters
    ----------
    share
        Which share of them, 0 to 1; the number is exact to one atom.
    element
        Which atoms: a symbol or an atomic number; None: all.

    Raises
    ------
    StructureError
        If the share is not from 0 to 1, or the element unknown.

    Examples
    --------
    >>> from exitwave.structure import Crystal, Sphere, Volume
    >>> perfect = Volume(Crystal("CeO2"), Sphere(15))
    >>> poor = perfect.modified(Vacancies(0.1, element="O"))
    >>> oxygens = [int((one.atoms(Stream(1)).numbers == 8).sum()) for one in (perfect, poor)]
    >>> oxygens[1] == oxygens[0] - round(0.1 * oxygens[0])
    True
    """

    share: float
    element: str | int | None = None

    def __post_init__(self) -> None:
        _check_share(self.share)
        _check_elements(self.element)

    def __call__(self, atoms: Atoms, stream: Stream) -> Atoms:
        """Return the atoms that are left."""
        kept = np.ones(len(atoms), dtype=bool)
        kept[_chosen(_of(atoms, self.element), self.share, stream)] = False
        return atoms.select(kept)


@dataclass(frozen=True, eq=False)
class Graded:
    """Replaces atoms with a probability that depends on their place, as from core to shell.

    Parameters
    ----------
    element, by
        Which atoms (None: all), and what they become.
    share
        A function of positions (atoms, 3), Å, that returns the probabilities, 0 to 1, shape (atoms,).

    Examples
    --------
    >>> from exitwave.structure import Crystal, Sphere, Volume
    >>> rich_shell = Graded.radial("Au", by="Ag", centre=(0, 0, 0), radii=(10, 20))
    >>> atoms = Volume(Crystal("Au"), Sphere(22)).modified(rich_shell).atoms(Stream(1))
    >>> distance = np.linalg.norm(atoms.positions, axis=1)
    >>> set(atoms.numbers[distance < 10].tolist()), set(atoms.numbers[distance > 20].tolist())
    ({79}, {47})
    """

    element: str | int | None
    by: str | int
    share: Callable[[Array], ArrayLike]

    def __post_init__(self) -> None:
        if not callable(self.share):
            raise StructureError(f"share is {self.share!r}; it is a function of positions (atoms, 3).")
        _check_elements(self.element, self.by)

    def __call__(self, atoms: Atoms, stream: Stream) -> Atoms:
        """Return the atoms with some of them replaced."""
        given = np.asarray(self.share(atoms.positions))
        if given.shape not in ((), (len(atoms),)) or given.dtype.kind not in "fiub":
            raise StructureError(
                f"share gives {given.dtype} of shape {given.shape} for {len(atoms)} atoms; it gives one probability"
                f" for each, shape ({len(atoms)},)."
            )
        probability = np.broadcast_to(given.astype(np.float64), (len(atoms),))
        if not ((probability >= 0) & (probability <= 1)).all():
            raise StructureError("share gives probabilities outside 0 to 1; clip them.")
        chosen = (stream.generator().random(len(atoms)) < probability) & _of(atoms, self.element)
        return replace(atoms, numbers=np.where(chosen, atomic_number(self.by), atoms.numbers).astype(np.int32))

    def transformed(self, transform: Transform) -> Graded:
        """Return the gradient carried along with a volume that is moved."""
        if isinstance(self.share, Carried):
            return replace(self, share=Carried(self.share.share, transform @ self.share.transform))
        return replace(self, share=Carried(self.share, transform))

    @classmethod
    def radial(
        cls, element: str | int | None, by: str | int, centre: ArrayLike, radii: tuple[float, float]
    ) -> Graded:
        """Return the gradient from no replacement within the first radius to all beyond the second, Å."""
        return cls(element, by, Radial(centre, radii))

    @classmethod
    def planar(
        cls,
        element: str | int | None,
        by: str | int,
        direction: ArrayLike,
        point: ArrayLike,
        depths: tuple[float, float],
    ) -> Graded:
        """Return the gradient along a direction: none before the first depth beyond a point, all after the second."""
        return cls(element, by, Planar(direction, point, depths))


@dataclass(frozen=True, eq=False)
class Radial:
    """A share that rises from 0 within the first of two distances from a centre to 1 beyond the second, Å."""

    centre: ArrayLike
    radii: tuple[float, float]

    def __post_init__(self) -> None:
        object.__setattr__(self, "centre", vector3(self.centre, "centre"))
        if not 0 <= self.radii[0] < self.radii[1]:
            raise StructureError(f"radii is {self.radii!r}; the first is 0 or more and less than the second.")

    def __call__(self, positions: Array) -> Array:
        """Return the share at positions (atoms, 3)."""
        return _ramp(np.linalg.norm(positions - np.asarray(self.centre), axis=1), self.radii)


@dataclass(frozen=True, eq=False)
class Planar:
    """A share that rises from 0 to 1 between two depths along a direction, measured from a point, Å."""

    direction: ArrayLike
    point: ArrayLike
    depths: tuple[float, float]

    def __post_init__(self) -> None:
        object.__setattr__(self, "direction", unit(self.direction, "direction"))
        object.__setattr__(self, "point", vector3(self.point, "point"))
        if not self.depths[0] < self.depths[1]:
            raise StructureError(f"depths is {self.depths!r}; the first is less than the second.")

    def __call__(self, positions: Array) -> Array:
        """Return the share at positions (atoms, 3)."""
        return _ramp((positions - np.asarray(self.point)) @ np.asarray(self.direction), self.depths)


@dataclass(frozen=True, eq=False)
class Carried:
    """A share that was given before the volume was moved by ``transform``."""

    share: Callable[[Array], ArrayLike]
    transform: Transform

    def __call__(self, positions: Array) -> ArrayLike:
        """Return the share at positions (atoms, 3)."""
        return self.share(self.transform.inverse(positions))


def _ramp(values: Array, ends: tuple[float, float]) -> Array:
    result: Array = np.clip((values - ends[0]) / (ends[1] - ends[0]), 0, 1)
    return result


def _of(atoms: Atoms, element: str | int | None) -> NDArray[np.bool_]:
    if element is None:
        return np.ones(len(atoms), dtype=bool)
    return np.asarray(atoms.numbers == atomic_number(element), dtype=bool)


def _chosen(mask: NDArray[np.bool_], share: float, stream: Stream) -> NDArray[np.intp]:
    candidates = np.flatnonzero(mask)
    count = round(share * len(candidates))
    return np.sort(stream.generator().choice(candidates, count, replace=False)) if count else candidates[:0]


def check_changes(material: Material, modifiers: Sequence[object]) -> None:
    """Raise StructureError if a change is of an element that neither a crystal nor an earlier change has."""
    present = set(material.numbers.tolist())
    for one in modifiers:
        if not isinstance(one, Substituted | Vacancies | Graded):
            return  # anybody's own, which may bring any element
        if one.element is not None and atomic_number(one.element) not in present:
            raise StructureError(
                f"{type(one).__name__} is of {symbols()[atomic_number(one.element)]}, of which {material.formula} has"
                f" none; it is one of {', '.join(symbols()[z] for z in sorted(present))}, or None for all."
            )
        if not isinstance(one, Vacancies):
            present.add(atomic_number(one.by))


def _check_elements(element: str | int | None, *others: str | int) -> None:
    for one in (*(() if element is None else (element,)), *others):
        atomic_number(one)


def _check_share(share: float) -> None:
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
        raise StructureError(f"share is {share!r}; a share is a number from 0 to 1.")
