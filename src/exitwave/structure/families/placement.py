"""Places for spheres in a field of view, none nearer to another than a gap."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from exitwave.core import Stream, StructureError

__all__ = ["NoPlaceError", "place_spheres", "placed", "until_placed"]

TRIES, RESTARTS = 500, 40
DRAWS = 5

FamilyT = TypeVar("FamilyT")


class NoPlaceError(StructureError):
    """Particles found no place beside each other."""


def place_spheres(
    radii: Sequence[float],
    heights: Sequence[float],
    field: tuple[float, float],
    gap: float,
    stream: Stream,
    *,
    fixed: Sequence[tuple[float, float] | None] | None = None,
    periodic: bool = False,
) -> list[tuple[float, float]]:
    """Return (x, y) of the centres of spheres, uniform over the field, surfaces at least ``gap`` apart.

    Parameters
    ----------
    radii, heights
        Radius and z of the centre of each sphere, Å.
    field
        Lengths (x, y) of the field, Å.
    gap
        Least distance between surfaces, Å.
    stream
        Where the randomness comes from.
    fixed
        Places that are given; None for those to be found.
    periodic
        Whether the gap holds across the border too.

    Raises
    ------
    NoPlaceError
        If no place is found for all.
    StructureError
        If given places break the rule.

    Examples
    --------
    >>> places = place_spheres([10, 10], [0, 0], (60, 60), 2.0, Stream(1))
    >>> ((places[0][0] - places[1][0]) ** 2 + (places[0][1] - places[1][1]) ** 2) ** 0.5 >= 22
    True
    """
    count = len(radii)
    given = list(fixed) if fixed is not None else [None] * count
    generator = stream.generator()
    size = np.array(field, dtype=np.float64)
    places = np.array([place if place is not None else (np.nan, np.nan) for place in given]).reshape(count, 2)
    r, z = np.asarray(radii, dtype=np.float64), np.asarray(heights, dtype=np.float64)

    def free(i: int, others: NDArray[np.intp]) -> bool:
        apart = places[others] - places[i]
        if periodic:
            apart -= size * np.round(apart / size)
        square = (apart**2).sum(axis=1) + (z[others] - z[i]) ** 2
        return bool((square >= np.maximum(r[others] + r[i] + gap, 0) ** 2 * (1 - 1e-12)).all())

    known = np.flatnonzero(~np.isnan(places[:, 0]))
    for n, first in enumerate(known):
        if not free(int(first), known[:n]):
            raise StructureError(
                f"particles.{first} is nearer to another particle than the gap of {gap:g} Å; move it or lower the"
                " gap."
            )
    # the largest first: a small one finds a place among large ones, not the other way round
    unknown = [int(i) for i in np.argsort(-r, kind="stable") if np.isnan(places[i, 0])]
    for _ in range(RESTARTS):
        places[unknown] = np.nan
        set_ = known
        for i in unknown:
            for _ in range(TRIES):
                places[i] = generator.random(2) * size
                if free(i, set_):
                    set_ = np.append(set_, i)
                    break
            else:
                break
        else:
            return [(float(x), float(y)) for x, y in places]
    raise NoPlaceError(
        f"{count} particles with radii of {r.min():.3g} to {r.max():.3g} Å and a gap of {gap:g} Å found no place in"
        f" a field of {field[0]:g} × {field[1]:g} Å; ask for fewer or smaller ones, a larger field or a smaller"
        " gap."
    )


def placed(
    members: Sequence[Any],
    radii: Sequence[float],
    heights: Sequence[float],
    field: tuple[float, float],
    gap: float,
    stream: Stream,
    *,
    periodic: bool,
) -> tuple[Any, ...]:
    """Return drawn members of a family with their ``position``; those that are given stay.

    Parameters
    ----------
    members
        Specs with a field ``position``, (x, y) in Å or None.
    radii, heights, field, gap, stream, periodic
        As in :func:`place_spheres`, Å.
    """
    given = [member.position for member in members]
    places = place_spheres(radii, heights, field, gap, stream, fixed=given, periodic=periodic)
    return tuple(member.replace(position=place) for member, place in zip(members, places, strict=True))


def until_placed(draw: Callable[[FamilyT, Stream], FamilyT]) -> Callable[[FamilyT, Stream], FamilyT]:
    """Let a family whose particles find no place be drawn again, five times in all: its numbers may be others then.

    What is drawn has the distributions that were asked for, given that there is room: crowded draws are rarer than
    asked. Where the numbers come out the same again, no further draw is tried.
    """

    @wraps(draw)
    def again(self: FamilyT, stream: Stream) -> FamilyT:
        failed: NoPlaceError | None = None
        for attempt in range(DRAWS):
            try:
                return draw(self, stream / "again" / attempt if attempt else stream)
            except NoPlaceError as error:
                if failed is not None and str(error) == str(failed):
                    break
                failed = failed or error
        assert failed is not None
        raise failed

    return again
