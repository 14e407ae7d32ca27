"""Agglomerates: particles brought together until they touch, on facets where they have some."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from exitwave.core import Stream, StructureError
from exitwave.structure.arrays import Array
from exitwave.structure.generators.crystal import Crystal
from exitwave.structure.prefabs.approaches import way_left, way_outside
from exitwave.structure.regions import Polyhedron, Region, Sphere
from exitwave.structure.regions.base import Moved
from exitwave.structure.transforms import Transform, rotation, rotation_between, translation
from exitwave.structure.volumes import Body

__all__ = ["Envelope", "agglomerate"]

ARRANGEMENTS = ("clump", "raft", "chain")
FLAT = ("raft", "chain")  # on a plane across z
TRIES = 6  # approaches, of which the one that ends nearest to the middle (or furthest along a chain) is taken
ASIDE = 0.3  # of the radius: how far from the middle of the other an approach aims
LAYER = 4.0  # Å: an outermost layer of atoms is nearer to its facet than this
BEND = 40.0  # degrees, of a chain at each particle
SEATED = 0.4  # Å: atoms over the hollows of a layer a gap away are about so much further than it from their nearest
NEAREST = 2.0  # Å: at smaller gaps particles begin to grow into each other
UP = np.array([0.0, 0.0, 1.0])


@dataclass(frozen=True, eq=False)
class Envelope:
    """A convex body around a particle: a ball, or planes and corners.

    Parameters
    ----------
    centre, radius
        Of a ball that holds it, Å.
    normals, vertices
        Unit normals of its facets, shape (facets, 3), and its corners, shape (corners, 3), Å; none for a ball.
    """

    centre: Array
    radius: float
    normals: Array
    vertices: Array

    @classmethod
    def of(cls, body: Body, atoms: Array | None = None) -> Envelope:
        """Return the envelope of an object: a ball's own, else the narrowest around its atoms with its facets.

        An object whose facets are not known gets sixty. Its atoms are made where they are not given.
        """
        regions = [part.region for part in body.parts]
        if len(regions) == 1 and (ball := _ball(regions[0])) is not None:
            return cls(*ball, np.empty((0, 3)), np.empty((0, 3)))
        atoms = _atoms(body) if atoms is None else atoms
        known = np.concatenate([region.planes()[0] for region in regions])
        reach = np.max([region.extent(known) for region in regions], axis=0)
        # planes between the parts are no facets: atoms of other parts lie beyond them
        facets = known[np.abs((atoms @ known.T).max(axis=0) - reach) < LAYER]
        normals = np.unique(
            np.round(np.concatenate([facets, *([] if len(facets) > 3 else [_DIRECTIONS])]), 9), axis=0
        )
        try:
            shape = Polyhedron(normals, (atoms @ normals.T).max(axis=0))
        except StructureError:
            normals = np.concatenate([normals, _DIRECTIONS])
            shape = Polyhedron(normals, (atoms @ normals.T).max(axis=0) + 1e-3)
        vertices = np.asarray(shape.vertices)
        centre = vertices.mean(axis=0)
        radius = float(np.linalg.norm(vertices - centre, axis=1).max())
        return cls(centre, radius, np.asarray(shape.planes()[0]), vertices)

    def moved(self, transform: Transform) -> Envelope:
        """Return the envelope carried along by a rigid motion."""
        return replace(
            self,
            centre=transform(self.centre),
            normals=transform.directions(self.normals),
            vertices=transform(self.vertices),
        )

    def reach(self, directions: Array) -> Array:
        """Return how far it reaches along unit vectors (n, 3), Å."""
        result: Array
        if len(self.vertices):
            result = (directions @ self.vertices.T).max(axis=1)
        else:
            result = directions @ self.centre + self.radius
        return result

    def stop(self, other: Envelope, along: Array, gap: float) -> float:
        """Return how far back along ``-along`` (0 to infinity) from its place another envelope stops before this one.

        The other comes from infinity against the unit vector ``along``. Returns its last place, as a multiple of
        ``along``, where both are ``gap`` apart; -inf if they do not meet. Apart means: along the normal of a facet
        of either, or along the line of centres of two balls; between edges it errs on the side of caution.
        """
        between = other.centre - self.centre
        across = between - (between @ along) * along
        if float(across @ across) > max(self.radius + other.radius + gap, 0.0) ** 2:
            return -np.inf  # they pass each other by
        lines = np.concatenate([self.normals, -other.normals, self._towards(other, along, gap)])
        if len(self.vertices) and len(other.vertices):
            lines = np.concatenate([lines, _DIRECTIONS])
        apart = -other.reach(-lines) - self.reach(lines)
        step = lines @ along
        # apart + t step ≥ gap along some line: blocked while it is less along all of them
        level = np.abs(step) < 1e-9
        if (apart[level] >= gap).any():
            return -np.inf
        ahead, behind = step > 1e-9, step < -1e-9
        last = float(((gap - apart[ahead]) / step[ahead]).min(initial=np.inf))
        first = float(((gap - apart[behind]) / step[behind]).max(initial=-np.inf))
        return last if first < last else -np.inf

    def _towards(self, other: Envelope, along: Array, gap: float) -> Array:
        """Return the line of centres when two enclosing balls touch, and that of balls that only pass."""
        between = other.centre - self.centre
        across = between - (between @ along) * along
        total = self.radius + other.radius + gap
        rest = total**2 - float(across @ across)
        line = across + np.sqrt(rest) * along if rest > 0 else across
        result: Array = (line / np.linalg.norm(line))[None]
        return result


def agglomerate(
    bodies: Sequence[Body],
    stream: Stream,
    *,
    arrangement: str = "clump",
    gap: float = 2.5,
    facets: bool = True,
) -> tuple[Body, ...]:
    """Return particles moved together until they touch, none within another.

    One after the other flies in from afar and stops at the first that it meets: facets at each other, crystals of
    any shape where their atoms touch. The first stays where it is.

    Parameters
    ----------
    bodies
        Particles, anywhere.
    stream
        Where the randomness comes from.
    arrangement
        "clump": from all sides; "raft": side by side on a plane across z, each with its lowest point (or, with
        ``facets``, a facet) at the height of the first one's; "chain": so too, each at the end of the one before.
    gap
        Distance between the outermost layers of atoms of two that touch, Å. The nearest atoms of two crystals are
        this to 0.4 Å more from each other, facets or not: at 2.5 a bond between metals. Below 2 they grow into each
        other, where the earlier wins.
    facets
        Whether particles are turned, so that they meet facet to facet where they have facets. Else they keep
        their orientations.

    Raises
    ------
    StructureError
        If there are no particles or no such arrangement.

    Examples
    --------
    >>> from exitwave.structure import Crystal, Sphere, Volume
    >>> balls = [Volume(Crystal("Au"), Sphere(10)) for _ in range(4)]
    >>> a, b, *_ = agglomerate(balls, Stream(1), gap=2.5)
    >>> apart = a.atoms(Stream(1)).positions[:, None] - b.atoms(Stream(1)).positions
    >>> round(float(np.linalg.norm(apart, axis=2).min()), 6)
    2.9
    """
    if arrangement not in ARRANGEMENTS:
        raise StructureError(f"arrangement is {arrangement!r}; it is one of {', '.join(ARRANGEMENTS)}.")
    if not bodies:
        raise StructureError("there are no particles to bring together; give one or more.")
    if not np.isfinite(gap):
        raise StructureError(f"gap is {gap}; it is a finite number in Å.")
    placed: list[Body] = []
    shapes: list[Envelope] = []
    there: list[Array] = []  # atoms of those that are placed
    heading = np.zeros(3)
    for index, body in enumerate(bodies):
        generator = (stream / index).generator()
        atoms = _atoms(body)
        shape = Envelope.of(body, atoms)
        if not placed:
            turn = _laid(shape, generator) if arrangement in FLAT and facets else Transform()
            turn = turn.about(shape.centre)
            placed.append(body.transformed(turn))
            shapes.append(shape.moved(turn))
            there.append(turn(atoms))
            continue
        middle = np.mean([one.centre for one in shapes], axis=0)
        best, least, onward = Transform(), np.inf, heading
        for _ in range(TRIES):
            host = shapes[-1] if arrangement == "chain" else shapes[int(generator.integers(len(shapes)))]
            along = _approach(host, arrangement, heading, facets, generator)
            turn = _turned(shape, along, arrangement, facets, generator)
            trial = shape.moved(turn)
            aside = np.cross(along, generator.standard_normal(3))
            goal = host.centre + ASIDE * generator.random() * min(host.radius, shape.radius) * aside / np.linalg.norm(
                aside
            )
            start = goal - trial.centre
            if arrangement in FLAT:
                floor = -shapes[0].reach(-UP[None])[0]
                start[2] = floor + trial.reach(-UP[None])[0]
            trial = trial.moved(translation(start))
            way = max(one.stop(trial, along, gap) for one in shapes)
            end = translation(start + max(way, -1e6) * along) @ turn
            where = end(shape.centre)
            cost = float(np.linalg.norm(where - middle))
            cost = -cost if arrangement == "chain" else cost
            if np.isfinite(way) and cost < least:
                best, least, onward = end, cost, along
        if not np.isfinite(least):
            raise StructureError("a particle found no neighbour to touch; lower the gap.")
        heading = onward
        if all(_of_crystal(one) for one in (body, *placed)):
            # what is slack between the envelopes when they touch
            back = max(one.stop(shape.moved(best), onward, max(gap, NEAREST)) for one in shapes)
            start = best(atoms) + back * onward
            way = way_left(start, np.concatenate(there), onward, max(gap, NEAREST) + SEATED)
            if 0 < way < np.inf:
                parts = [part for one in placed for part in one.parts]
                best = translation(-way_outside(start, parts, onward, way) * onward) @ best
        placed.append(body.transformed(best))
        shapes.append(shape.moved(best))
        there.append(best(atoms))
    return tuple(placed)


def _atoms(body: Body) -> Array:
    """Return the positions of the atoms of an object, shape (atoms, 3), Å."""
    atoms = np.concatenate([part.atoms(Stream(0)).positions for part in body.parts])
    if len(atoms) == 0:
        raise StructureError("a particle has no atoms; make it larger.")
    return atoms


def _of_crystal(body: Body) -> bool:
    """Return whether the atoms of an object are the same at every seed."""
    return all(isinstance(part.generator, Crystal) for part in body.parts)


def _ball(region: Region) -> tuple[Array, float] | None:
    """Return centre and radius of a ball that was carried along by rigid motions; None for other regions."""
    if isinstance(region, Moved) and region.transform.rigid and isinstance(region.region, Sphere):
        return region.transform(region.region.centre), float(region.region.radius)
    return (np.asarray(region.centre), float(region.radius)) if isinstance(region, Sphere) else None


def _approach(
    host: Envelope, arrangement: str, heading: Array, facets: bool, generator: np.random.Generator
) -> Array:
    """Return the unit vector from a particle to where the next comes from."""
    if arrangement == "chain" and heading.any():
        wanted = rotation(UP, BEND * (2 * generator.random() - 1)).directions(heading)
    else:
        wanted = generator.standard_normal(3)
    if arrangement in FLAT:
        wanted[2] = 0.0
    wanted = wanted / np.linalg.norm(wanted)
    if not facets or not len(host.normals):
        return np.asarray(wanted)
    towards = host.normals
    if arrangement in FLAT:
        flat = towards * (1, 1, 0)
        sizes = np.linalg.norm(flat, axis=1)
        towards = flat[sizes > 0.5] / sizes[sizes > 0.5][:, None]
    return np.asarray(towards[np.argmax(towards @ wanted)] if len(towards) else wanted)


def _turned(
    shape: Envelope, along: Array, arrangement: str, facets: bool, generator: np.random.Generator
) -> Transform:
    """Return how a particle is turned (about its centre) before it comes in along ``-along``."""
    if not facets or not len(shape.normals):
        return Transform()
    if arrangement in FLAT:
        laid = _laid(shape, generator)
        sides = laid.directions(shape.normals) * (1, 1, 0)
        steep = np.linalg.norm(sides, axis=1) > 0.5
        if not steep.any():
            return laid.about(shape.centre)
        side = sides[steep][int(generator.integers(int(steep.sum())))]
        angle = np.degrees(np.arctan2(-along[1], -along[0]) - np.arctan2(side[1], side[0]))
        return (rotation(UP, float(angle)) @ laid).about(shape.centre)
    facet = shape.normals[int(generator.integers(len(shape.normals)))]
    spin = rotation(along, float(360 * generator.random()))
    return (spin @ rotation_between(facet, -along)).about(shape.centre)


def _laid(shape: Envelope, generator: np.random.Generator) -> Transform:
    """Return the turn that lays a particle on one of its facets, with a random spin."""
    if not len(shape.normals):
        return Transform()
    facet = shape.normals[int(generator.integers(len(shape.normals)))]
    return rotation(UP, float(360 * generator.random())) @ rotation_between(facet, -UP)


def _spread(count: int) -> Array:
    """Return directions spread evenly over the sphere (Fibonacci's lattice)."""
    k = np.arange(count) + 0.5
    z, phi = 1 - 2 * k / count, np.pi * (1 + 5**0.5) * k
    result: Array = np.column_stack([np.sqrt(1 - z * z) * np.cos(phi), np.sqrt(1 - z * z) * np.sin(phi), z])
    return result


_DIRECTIONS = _spread(60)
