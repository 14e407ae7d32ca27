"""Core–shell particles on a film."""

from __future__ import annotations

from typing import Annotated, Any, Self

import numpy as np
from pydantic import model_validator
from typing_extensions import override

from exitwave.core import (
    Distribution,
    Members,
    Number,
    One,
    Population,
    PopulationOrMembers,
    Spec,
    SpecError,
    Stream,
    Word,
    integer,
    number,
    word,
)
from exitwave.structure.families.on_film import OnFilm
from exitwave.structure.families.particles import Component, Coordinate, Count, Radius
from exitwave.structure.families.parts import CrystalName, upper, words
from exitwave.structure.families.placement import placed, until_placed
from exitwave.structure.families.shapes import SHAPES, TWINNED, check_shape, reach_of, shaped
from exitwave.structure.generators.crystal import Crystal
from exitwave.structure.prefabs.core_shell import core_shell
from exitwave.structure.regions import Polyhedron, Region, Sphere
from exitwave.structure.scenes import Scene
from exitwave.structure.transforms import affine, quaternion, translation, uniform_quaternion
from exitwave.structure.volumes import Body, Volume

__all__ = ["CoreShell", "CoreShellParticle", "CoreShells"]

MATCHES = ("random", "parallel", "strained")
SINGLE = tuple(shape for shape in SHAPES if shape not in (*TWINNED, "rod", "platelet"))
ShellShape = Annotated[str | Distribution, Word("a particle's shape", options=SINGLE)]
CoreShare = Annotated[float | Distribution, Number("a share of the radius", at_least=0.1, at_most=0.95)]
Offset = Annotated[float | Distribution, Number("a share of the shell's thickness", at_least=0, at_most=1)]
GrainCount = Annotated[int | Distribution, Number("a count of grains", at_least=1, at_most=60, whole=True)]
Match = Annotated[str | Distribution, Word("how the lattices match", options=MATCHES)]


class CoreShellParticle(Spec):
    """One particle with a shell. What is not given is drawn: where it is and how it is turned.

    Parameters
    ----------
    core, shell
        Materials of the table.
    radius
        Of the sphere as large as the whole, Å.
    core_share
        Radius of the core as a share of that of the whole.
    shape
        Of core and shell alike: sphere, faceted, cube, …; facets are those of the core's crystal.
    offset
        How far the core is off the middle, as a share of the shell's thickness; at 1 it touches the surface.
    shell_grains
        How many grains the shell has, each in its own sector.
    match
        random: each grain of the shell has an orientation of its own; parallel: its axes are along the core's;
        strained: its cell is the core's too (for two crystals of one lattice type).
    position
        (x, y) of the middle, Å.
    orientation
        Quaternion (w, x, y, z) that turns the core's crystal from its own frame into the scene.
    """

    core: CrystalName = "Au"
    shell: CrystalName = "Ag"
    radius: Radius
    core_share: CoreShare = 0.6
    shape: ShellShape = "sphere"
    offset: Offset = 0.0
    shell_grains: GrainCount = 1
    match: Match = "parallel"
    position: tuple[Coordinate, Coordinate] | None = None
    orientation: tuple[Component, Component, Component, Component] | None = None

    @override
    def draw(self, stream: Stream) -> Self:
        drawn = super().draw(stream)
        if drawn.orientation is None:
            drawn = drawn.replace(orientation=uniform_quaternion(stream / "orientation"))
        return drawn

    @property
    def drawn(self) -> bool:
        """Whether nothing is left to chance."""
        return super().drawn and self.position is not None and self.orientation is not None

    @model_validator(mode="after")
    def _can_exist(self) -> Self:
        _check(self.core, self.shell, self.shape, self.match)
        return self

    @property
    def reach(self) -> float:
        """Radius of the ball around the drawn particle, Å."""
        return number(self.radius) * reach_of(word(self.shape))

    def solid(self, stream: Stream, name: str = "") -> Body:
        """Return the drawn particle about the origin; how its shell is cut up comes from ``stream``."""
        assert self.orientation is not None
        crystal = Crystal(word(self.core))
        outside = shaped(crystal, word(self.shape), number(self.radius), 1.0)
        inside = shaped(crystal, word(self.shape), number(self.core_share) * number(self.radius), 1.0)
        assert isinstance(outside, Volume)
        generator = (stream / "sectors").generator()
        aside = generator.standard_normal(3)
        aside /= np.linalg.norm(aside)
        offset = number(self.offset) * _room(outside.region, 1 - number(self.core_share)) * aside
        count = integer(self.shell_grains)
        shells = [self._shell(crystal, stream / "shell" / i) for i in range(count)]
        directions = None if count == 1 else _apart(generator, count)
        particle = core_shell(inside, shells, region=outside.region, offset=offset, directions=directions, name=name)
        return particle.translated(-offset).named(name, "particle").transformed(quaternion(self.orientation))

    def _shell(self, core: Crystal, stream: Stream) -> Crystal:
        shell = Crystal(word(self.shell))
        if word(self.match) == "strained":
            # rows of one lattice onto those of the other, in the shell's own frame
            onto = np.linalg.solve(shell.lattice, core.lattice).T
            return shell.transformed(affine(onto))
        if word(self.match) == "parallel":
            return shell
        origin = (stream / "origin").generator().random(3) @ shell.lattice
        return shell.transformed(quaternion(uniform_quaternion(stream / "orientation")) @ translation(origin))


class CoreShells(Population):
    """Several core–shell particles that are drawn one by one.

    Parameters
    ----------
    count
        How many.
    core, shell, radius, core_share, shape, offset, shell_grains, match
        Of each, as for :class:`CoreShellParticle`.
    """

    count: Count = 1
    core: CrystalName = "Au"
    shell: CrystalName = "Ag"
    radius: Radius
    core_share: CoreShare = 0.6
    shape: ShellShape = "sphere"
    offset: Offset = 0.0
    shell_grains: GrainCount = 1
    match: Match = "parallel"

    @model_validator(mode="after")
    def _can_exist(self) -> Self:
        _check(self.core, self.shell, self.shape, self.match)
        return self

    @override
    def member(self) -> CoreShellParticle:
        return CoreShellParticle(**{name: value for name, value in self if name != "count"})


class CoreShell(OnFilm):
    """Core–shell particles on a film: concentric or off-centre, the shell of one grain or of several.

    Parameters
    ----------
    particles
        A population, or a list of particles.
    gap
        Least distance between the balls around two particles, Å; below 0 they may grow into each other.
    film, field, sink, minimum_distance, side, wrap, vacuum
        As for :class:`OnFilm`.

    Examples
    --------
    >>> spec = CoreShell(particles={"radius": 12, "core_share": {"uniform": [0.5, 0.8]}}, field=40, film=None)
    >>> atoms = spec.draw(Stream(5)).build(Stream(6))
    >>> atoms.names, atoms.formula.split()[::3]
    (('particle-0',), ['Au', 'Ag'])
    """

    particles: Annotated[
        Annotated[CoreShells, One] | Annotated[tuple[CoreShellParticle, ...], Members], PopulationOrMembers
    ]
    gap: Annotated[float | Distribution, Number("a gap between particles", "Å", at_least=-100, at_most=1000)] = 2.0

    @model_validator(mode="after")
    def _fits(self) -> Self:
        for given in self.particles if isinstance(self.particles, tuple) else (self.particles,):
            reach = max(reach_of(shape) for shape in words(given.shape)) * upper(given.radius)
            if 2 * reach > min(self.field):
                raise SpecError(
                    f"particles.radius is up to {upper(given.radius):g} Å; in a field of {self.field[0]:g} ×"
                    f" {self.field[1]:g} Å a particle of this shape has at most"
                    f" {min(self.field) / 2 / reach * upper(given.radius):.4g} Å."
                )
        return self

    @property
    def drawn(self) -> bool:
        """Whether nothing is left to chance."""
        return super().drawn and all(p.drawn for p in self._members)

    @override
    @until_placed
    def draw(self, stream: Stream) -> Self:
        drawn = super().draw(stream)
        members = drawn._members
        where = placed(
            members,
            [p.reach for p in members],
            [drawn._height(-p.reach, p.reach, number(drawn.sink) * number(p.radius)) for p in members],
            self._size,
            number(drawn.gap),
            stream / "places",
            periodic=drawn.wrap,
        )
        return drawn.replace(particles=where)

    def scene(self, stream: Stream) -> Scene:
        """Return the scene; the sectors of the shells and the faces of the film come from ``stream``."""
        bodies = []
        for i, particle in enumerate(self._members):
            assert particle.position is not None
            solid = particle.solid(stream / "particle" / i, f"particle-{i}")
            low, high = solid.bounds()[:, 2]
            z = self._height(float(low), float(high), number(self.sink) * number(particle.radius))
            bodies.append(solid.translated((*particle.position, z)))
        return self._staged(bodies, stream)

    def summary(self) -> dict[str, float | int | str]:
        """Return the catalog columns of a drawn spec."""
        members = self._members
        radii = [number(p.radius) for p in members]
        own: dict[str, Any] = {
            "material": "+".join(sorted({f"{word(p.core)}@{word(p.shell)}" for p in members})),
            "particle_count": len(radii),
            "particle_radius": float(np.mean(radii)) if radii else 0.0,
            "particle_radius_min": min(radii, default=0.0),
            "particle_radius_max": max(radii, default=0.0),
            "core_share": float(np.mean([number(p.core_share) for p in members])) if members else 0.0,
            "shell_grains": sum(integer(p.shell_grains) for p in members),
        }
        return own | self._film_summary()

    @property
    def _members(self) -> tuple[CoreShellParticle, ...]:
        return self.particles if isinstance(self.particles, tuple) else ()


def _check(core: Any, shell: Any, shape: Any, match: Any) -> None:
    check_shape(words(core), words(shape))
    if "strained" not in words(match):
        return
    for one in words(core):
        for other in words(shell):
            a, b = (Crystal(name).lattice / np.linalg.norm(Crystal(name).lattice[0]) for name in (one, other))
            if np.abs(a - b).max() > 0.15:
                raise SpecError(
                    f"match is strained for {other} on {one}, whose cells differ too much; use parallel or random."
                )


def _room(region: Region, share: float) -> float:
    """Return how far the inner of two bodies of one shape can move within the outer."""
    if isinstance(region, Sphere):
        return share * region.radius
    assert isinstance(region, Polyhedron)
    return share * float(np.asarray(region.distances).min())


def _apart(generator: np.random.Generator, count: int) -> list[Any]:
    """Return random directions that keep apart: the best of a few candidates, one by one."""
    chosen: list[Any] = []
    for _ in range(count):
        trial = generator.standard_normal((20, 3))
        trial /= np.linalg.norm(trial, axis=1)[:, None]
        near = np.max([trial @ other for other in chosen], axis=0) if chosen else np.zeros(20)
        chosen.append(trial[int(np.argmin(near))])
    return chosen
