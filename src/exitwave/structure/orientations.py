"""Orientations of a crystal: drawn evenly over all, over a cone or over a zone axis, and named by their zone axis."""

from __future__ import annotations

from itertools import product
from math import gcd

import numpy as np
from numpy.typing import ArrayLike

from exitwave.core import Stream, StructureError
from exitwave.structure.generators.crystal import BEAM, Crystal
from exitwave.structure.transforms import quaternion, rotation, uniform_quaternion

__all__ = ["orientations", "zone_axis"]


def orientations(
    crystal: Crystal,
    count: int,
    *,
    seed: int | None = None,
    stream: Stream | None = None,
    zone_axis: ArrayLike | None = None,
    cone: float = 0.0,
    spin: float | None = None,
) -> tuple[Crystal, ...]:
    r"""Return a crystal in ``count`` orientations drawn at random.

    Without a zone axis they are uniform over all rotations. With one, it is tilted from the beam by up to ``cone``,
    uniform over the cap: :math:`\cos\theta` is uniform from :math:`\cos(\text{cone})` to 1.

    Parameters
    ----------
    crystal
        The crystal; its own orientation does not matter for the full group of rotations.
    count
        How many.
    seed, stream
        Where the randomness comes from: one of the two.
    zone_axis
        Lattice direction [u v w] near the beam; None: any.
    cone
        Largest tilt of the zone axis from the beam, degrees, 0 to 180.
    spin
        Turn about the beam, degrees; None: at random.

    Raises
    ------
    StructureError
        If a number is impossible.

    Examples
    --------
    >>> drawn = orientations(Crystal("Au"), 3, seed=1, zone_axis=(1, 1, 0), cone=5)
    >>> [bool(one.direction((1, 1, 0))[2] > np.cos(np.radians(5))) for one in drawn]
    [True, True, True]
    """
    if (seed is None) == (stream is None):
        raise StructureError("orientations are drawn from a seed or from a stream; give one of the two.")
    if isinstance(count, bool) or not isinstance(count, int | np.integer) or count < 0:
        raise StructureError(f"count is {count!r}; it is a whole number of 0 or more.")
    if not 0 <= cone <= 180:
        raise StructureError(f"cone is {cone!r}; it is an angle from 0 to 180 degrees.")
    if spin is not None and not np.isfinite(spin):
        raise StructureError(f"spin is {spin!r}; it is an angle in degrees, or None.")
    if zone_axis is None and (cone > 0 or spin is not None):
        raise StructureError("cone and spin are about a zone axis; name it, or leave them out for all orientations.")
    source = Stream(seed) if seed is not None else stream
    assert source is not None
    if zone_axis is None:
        return tuple(crystal.rotated(quaternion(uniform_quaternion(source / i))) for i in range(count))
    made = []
    for index in range(count):
        generator = (source / index).generator()
        tilt = np.degrees(np.arccos(1 - generator.random() * (1 - np.cos(np.radians(cone)))))
        way, turn = 360 * generator.random(2)
        about = (float(np.cos(np.radians(way))), float(np.sin(np.radians(way))), 0.0)
        upright = crystal.oriented(zone_axis, spin=turn if spin is None else spin)
        made.append(upright.rotated(rotation(about, float(tilt))))
    return tuple(made)


def zone_axis(crystal: Crystal, largest: int = 3) -> tuple[tuple[int, int, int], float]:
    """Return the lattice direction [u v w] nearest to the beam, and its tilt from it in degrees.

    Parameters
    ----------
    crystal
        An oriented crystal.
    largest
        No index is beyond this, either way.

    Examples
    --------
    >>> zone_axis(Crystal("Au").oriented((1, 1, 2)))
    ((1, 1, 2), 0.0)
    """
    if isinstance(largest, bool) or largest < 1:
        raise StructureError(f"largest is {largest!r}; it is a whole number of 1 or more.")
    steps = range(-largest, largest + 1)
    indices = np.array([uvw for uvw in product(steps, repeat=3) if gcd(*uvw) == 1])
    ways = indices @ crystal.lattice
    ways /= np.linalg.norm(ways, axis=1)[:, None]
    tilt = np.degrees(np.arctan2(np.linalg.norm(np.cross(ways, BEAM), axis=1), ways[:, 2]))
    best = int(np.argmin(np.round(tilt, 9) + 1e-6 * np.abs(indices).sum(axis=1)))
    u, v, w = indices[best].tolist()
    return (u, v, w), float(np.round(tilt[best], 9))
