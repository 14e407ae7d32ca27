"""Amorphous solids: hard spheres packed at random, to an exact density and an exact least distance."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from exitwave.core import Stream, StructureError
from exitwave.structure.arrays import Array, Ints, Mask
from exitwave.structure.contacts import MinimumDistance, pair_limits
from exitwave.structure.fields import gaussian_field
from exitwave.structure.generators.base import Atoms, Bounds, Generator
from exitwave.structure.generators.domains import Domain
from exitwave.structure.materials import DALTON_PER_CUBIC_ANGSTROM, amorphous_composition, masses
from exitwave.structure.regions.terrain import Terrain

__all__ = ["AMORPHOUS", "Amorphous", "number_density"]

# name -> (density g/cm³, least distance Å); sources in the docstring of Amorphous
AMORPHOUS: dict[str, tuple[float, float]] = {
    "C": (2.2, 1.4),
    "Si": (2.29, 2.2),
    "Ge": (5.33, 2.3),
    "SiO2": (2.2, 1.5),
    "Si3N4": (3.0, 1.55),
}

TRIES = 2000  # per atom, before a packing is called too dense


@dataclass(frozen=True, eq=False)
class Amorphous(Generator):
    """An amorphous solid: atoms at random, none nearer to another than a least distance.

    Random sequential addition, so that g(r) is flat beyond the least distance: a packing, not a network.
    Where a film goes on across the border of a periodic scene, in a cell of any shape, the least distance holds
    there too.

    Parameters
    ----------
    material
        A formula such as C (a-C is the same), SiO2, Si3N4.
    density
        g/cm³. Default: 2.2 for carbon (its films are 1.8–2.3), 2.29 for silicon, 5.33 for germanium, 2.2 for
        silica, 3.0 for nitride.
    minimum_distance
        Å: one number, or a mapping such as ``{"Si-O": 1.5, "O-O": 2.2}``. Default: 1.4 for carbon, 2.2 for
        silicon, 2.3 for germanium, 1.5 for silica, 1.55 for nitride, just below the bond lengths.
    inhomogeneity
        Relative standard deviation, 0 to 0.3, of the density averaged along z; the mean stays.
    correlation
        Correlation length of that unevenness, Å.

    Raises
    ------
    StructureError
        If no packing is that dense, or a number is impossible.

    Source: the packing of the films in L. Rangel DaCosta et al., npj Comput. Mater. 10, 165 (2024).

    Examples
    --------
    >>> from exitwave.core import Stream
    >>> film = Amorphous("C", density=2.2, minimum_distance=1.4)
    >>> len(film.atoms(Bounds((0, 0, 0), (30, 30, 20), (True, True, False)), Stream(1)))
    1985
    """

    material: str = "C"
    density: float | None = None
    minimum_distance: MinimumDistance = None
    inhomogeneity: float = 0.0
    correlation: float = 15.0

    seamless: ClassVar[bool] = True
    any_cell: ClassVar[bool] = True

    def __post_init__(self) -> None:
        name = self.material.removeprefix("a-") if isinstance(self.material, str) else self.material
        amorphous_composition(name)
        density, usual = AMORPHOUS.get(name, (None, None))
        density = density if self.density is None else self.density
        distance: MinimumDistance = usual if self.minimum_distance is None else self.minimum_distance
        if density is None or distance is None:
            missing = "density" if density is None else "minimum_distance"
            raise StructureError(
                f"{missing} of amorphous {name} is not given; say it, as only {', '.join(AMORPHOUS)} have a default."
            )
        if isinstance(density, bool) or not (isfinite(density) and density > 0):
            raise StructureError(f"density is {density!r}; a density is a number above 0 in g/cm³.")
        if not 0 <= self.inhomogeneity <= 0.3:
            raise StructureError(f"inhomogeneity is {self.inhomogeneity!r}; it is a number from 0 to 0.3.")
        object.__setattr__(self, "material", name)
        object.__setattr__(self, "density", float(density))
        object.__setattr__(self, "minimum_distance", distance)
        limits, shares = self._limits(), np.array(list(amorphous_composition(name).values()))
        filled = float(np.pi / 6 * number_density(name, float(density)) * (shares @ limits**3 @ shares))
        if filled * (1 + 3 * self.inhomogeneity) > 0.37:
            raise StructureError(
                f"amorphous {name} of {density:g} g/cm³ with a least distance of {limits.max():g} Å fills"
                f" {filled:.2f} of space with spheres; random addition reaches 0.37, so lower the density or the"
                " distance."
            )

    def _limits(self) -> Array:
        numbers = np.array(list(amorphous_composition(self.material)), dtype=np.int32)
        return pair_limits(self.minimum_distance, numbers)

    @property
    @override
    def least_distance(self) -> float:
        return float(self._limits().max())

    @override
    def atoms(self, bounds: Bounds, stream: Stream) -> Atoms:
        assert self.density is not None
        domain = Domain.of(bounds)
        if self.inhomogeneity > 0:
            domain.refuse_uneven()
        composition, lengths = amorphous_composition(self.material), domain.lengths
        numbers, shares = np.array(list(composition), dtype=np.int32), list(composition.values())
        total = number_density(self.material, self.density) * float(np.prod(lengths))
        wanted = _apportion(shares, round(total))
        # uneven films are packed denser and thinned, which keeps the least distance
        dense = _apportion(shares, round(total * (1 + 3 * self.inhomogeneity)))
        positions, kinds = _pack(dense, self._limits(), domain, stream / "packing")
        if self.inhomogeneity > 0:
            period = (float(lengths[0]), float(lengths[1]))
            field = Terrain(gaussian_field(period, self.correlation, stream / "field", domain.shear[0]), period)
            weights = 1 + self.inhomogeneity * field.height(positions[:, 0], positions[:, 1])
            # the smallest keys are a sample of fixed size, each atom as likely as its weight says
            keys = (stream / "thinning").generator().random(len(positions)) / np.maximum(weights, 1e-9)
            kept = [np.flatnonzero(kinds == k)[np.argsort(keys[kinds == k])[:n]] for k, n in enumerate(wanted)]
            chosen = np.sort(np.concatenate(kept))
            positions, kinds = positions[chosen], kinds[chosen]
        return Atoms(domain.in_space(positions), numbers[kinds])


def number_density(material: str, density: float) -> float:
    """Return the atoms per Å³ in an amorphous ``material`` of ``density`` g/cm³.

    Examples
    --------
    >>> round(number_density("C", 2.2), 4)
    0.1103
    """
    composition = amorphous_composition(material)
    mass = sum(share * float(masses()[number]) for number, share in composition.items())
    return density / DALTON_PER_CUBIC_ANGSTROM / mass


def _apportion(shares: list[float], total: int) -> list[int]:
    """Return whole numbers in the given shares that add up to the total."""
    edges = np.round(np.cumsum(shares) * total).astype(int)
    return [int(count) for count in np.diff(edges, prepend=0)]


def _pack(counts: list[int], limits: Array, domain: Domain, stream: Stream) -> tuple[Array, Ints]:
    """Return places and kinds of exactly ``counts`` spheres of each kind in a box."""
    from exitwave.structure.generators.packing import add_spheres

    largest = max(float(limits.max()), 0.5)
    lengths, heights, periodic = domain.lengths, domain.heights, domain.periodic
    if (periodic & (heights < largest)).any():
        raise StructureError(
            f"the periodic box is {heights[periodic].min():g} Å wide, less than the least distance of {largest:g} Å;"
            " widen it."
        )
    # spheres crowd at a free face, so that open sides are packed further out and cut
    pad = np.where(periodic, 0.0, 2 * largest)
    room = lengths + 2 * pad
    around = [round(count * float(np.prod(room) / np.prod(lengths))) for count in counts]
    capacity = sum(around) + sum(counts)
    positions, kinds = np.empty((capacity, 3)), np.empty(capacity, dtype=np.int32)
    shape = tuple(int(n) for n in np.clip((heights + 2 * pad) // largest, 1, 1000))
    heads, following = np.full(shape, -1, dtype=np.int32), np.full(capacity, -1, dtype=np.int32)
    generator = stream.generator()
    placed = 0

    def add(kind: int, count: int, low: Array, size: Array) -> None:
        nonlocal placed
        goal, tries = placed + count, 0
        while placed < goal:
            if tries > TRIES * count + 100_000:
                raise StructureError(
                    f"{count} atoms of a packing do not fit with a least distance of {limits[kind].max():g} Å;"
                    " lower the density or the distance."
                )
            batch = low + generator.random((max(4096, 2 * (goal - placed)), 3)) * size
            tries += len(batch)
            placed = add_spheres(
                batch,
                kind,
                goal,
                limits,
                room,
                periodic,
                positions,
                kinds,
                placed,
                heads,
                following,
                domain.shear,
            )

    for kind, count in enumerate(around):
        add(kind, count, np.zeros(3), room)
    surplus: list[NDArray[np.intp]] = []
    for kind, count in enumerate(counts):
        inside = np.flatnonzero(_within(positions[:placed], pad, lengths) & (kinds[:placed] == kind))
        if len(inside) > count:
            surplus.append(generator.choice(inside, len(inside) - count, replace=False))
        else:
            add(kind, count - len(inside), pad, lengths)
    kept = _within(positions[:placed], pad, lengths)
    kept[np.concatenate([np.empty(0, np.intp), *surplus])] = False
    return positions[:placed][kept] - pad, kinds[:placed][kept]


def _within(positions: Array, low: Array, lengths: Array) -> Mask:
    return np.asarray(((positions >= low) & (positions <= low + lengths)).all(axis=1), dtype=bool)
