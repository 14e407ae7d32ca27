"""Faceted islands on the sheets of a layered crystal."""

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
from exitwave.structure.families.layers import Angle, LayeredName, Layers, check_layered
from exitwave.structure.families.particles import Coordinate, Count, Radius
from exitwave.structure.families.parts import CrystalName, upper
from exitwave.structure.families.placement import placed, until_placed
from exitwave.structure.generators.crystal import Crystal
from exitwave.structure.prefabs.islands import island
from exitwave.structure.prefabs.polyhedra import habit
from exitwave.structure.scenes import Scene
from exitwave.structure.stacking import default_plane
from exitwave.structure.volumes import Body, Volume

__all__ = ["Island", "Islands", "NanoIslands"]

REACH = 1.2  # radius of the ball around the uncut shape of a habit, in units of that of the sphere as large
Wetting = Annotated[float | Distribution, Number("an interface energy", at_least=-0.95, at_most=1)]
Gap = Annotated[float | Distribution, Number("a gap to the sheets", "Å", at_least=1, at_most=10)]


class Island(Spec):
    """One island. What is not given is drawn: where it is.

    Parameters
    ----------
    material
        A crystal of the table; it lies on (1 1 1) if it is cubic, on (0 0 1) else, in the habit of its lattice.
    radius
        Of the sphere as large as the *uncut* crystal, Å.
    interface_energy
        Energy of the interface less that of the bare sheets, in units of the energy of the plane that lies on them:
        1 leaves the crystal uncut, 0 leaves half of it, less makes it flatter.
    spin
        Turn of a close-packed row about the beam, degrees, against the rows of the sheet beneath.
    distance
        From the outermost atoms of the sheets to the first layer of the island, Å.
    position
        (x, y) of the middle, Å.
    """

    material: CrystalName = "Au"
    radius: Radius
    interface_energy: Wetting = 0.1
    spin: Angle = 0.0
    distance: Gap = 2.6
    position: tuple[Coordinate, Coordinate] | None = None

    @property
    def drawn(self) -> bool:
        """Whether nothing is left to chance."""
        return super().drawn and self.position is not None

    def body(self, face: float, side: str, spin: float, name: str) -> Volume:
        """Return the drawn island on a face at height ``face`` of sheets turned by ``spin`` degrees."""
        assert self.position is not None
        crystal = Crystal(word(self.material))
        plane = default_plane(crystal)
        energies = habit(crystal.material)
        unit = energies.get(plane, 1.0)
        return island(
            crystal,
            energies,
            number(self.radius),
            interface=plane,
            interface_energy=number(self.interface_energy) * unit,
            at=self.position,
            face=face,
            gap=number(self.distance),
            side=side,
            along=(1, -1, 0) if plane == (1, 1, 1) else (1, 0, 0),
            spin=spin + number(self.spin),
            name=name,
        )


class Islands(Population):
    """Several islands that are drawn one by one.

    Parameters
    ----------
    count
        How many.
    material, radius, interface_energy, spin, distance
        Of each, as for :class:`Island`.
    """

    count: Count = 3
    material: CrystalName = "Au"
    radius: Radius
    interface_energy: Wetting = 0.1
    spin: Angle = 0.0
    distance: Gap = 2.6

    @override
    def member(self) -> Island:
        return Island(**{name: value for name, value in self if name != "count"})


class NanoIslands(Layers):
    """Islands in Winterbottom's shape on sheets of a layered crystal.

    Parameters
    ----------
    islands
        A population, or a list of islands.
    material, sheets, twist, spin, ripple, correlation, vacancies, origin, periodic, film, field, minimum_distance,
    vacuum
        Of the sheets, as for :class:`Layers`; islands need flat sheets, so ripple is 0 and film null.
    side
        Face of the sheets where the islands are.
    gap
        Least distance between two islands, Å.
    wrap
        Whether an island that sticks out of the field comes in at the opposite border; else it is cut there.

    Examples
    --------
    >>> drawn = NanoIslands(islands={"radius": 12, "count": 2}, material="MoS2", sheets=1, field=70).draw(Stream(3))
    >>> drawn.build(Stream(4)).names
    ('island-0', 'island-1', 'sheets')
    """

    islands: Annotated[Annotated[Islands, One] | Annotated[tuple[Island, ...], Members], PopulationOrMembers]
    material: LayeredName = "MoS2"
    gap: Annotated[float | Distribution, Number("a gap between islands", "Å", at_least=0, at_most=1000)] = 4.0
    side: Annotated[str | Distribution, Word("a side of the sheets", options=("entrance", "exit"))] = "exit"
    minimum_distance: Annotated[
        float | Distribution, Number("the least distance between atoms", "Å", at_least=0, at_most=10)
    ] = 2.0
    wrap: bool = True

    @model_validator(mode="after")
    def _can_lie(self) -> Self:
        check_layered(self.material)
        if upper(self.ripple) > 0 or self.film is not None:
            raise SpecError("ripple or film is given; islands lie on flat sheets, so leave both out.")
        for given in self.islands if isinstance(self.islands, tuple) else (self.islands,):
            if 2 * REACH * upper(given.radius) > min(self.field):
                raise SpecError(
                    f"islands.radius is up to {upper(given.radius):g} Å; in a field of {self.field[0]:g} ×"
                    f" {self.field[1]:g} Å an island has at most {min(self.field) / 2 / REACH:.4g} Å."
                )
        return self

    @property
    def drawn(self) -> bool:
        """Whether nothing is left to chance."""
        return super().drawn and all(one.drawn for one in self._members)

    @override
    @until_placed
    def draw(self, stream: Stream) -> Self:
        drawn = super().draw(stream)
        members = drawn._members
        where = placed(
            members,
            [REACH * number(one.radius) for one in members],
            [0.0] * len(members),
            (self.field[1], self.field[0]),
            number(drawn.gap),
            stream / "places",
            periodic=drawn.wrap,
        )
        return drawn.replace(islands=where)

    @override
    def scene(self, stream: Stream) -> Scene:
        stack = self.stack(stream / "stack").named("sheets", "support")
        side = word(self.side)
        low, high = stack.bounds()[:, 2]
        face = float(high if side == "exit" else low)
        spin = self._turn(integer(self.sheets) - 1 if side == "exit" else 0)
        islands = [one.body(face, side, spin, f"island-{i}") for i, one in enumerate(self._members)]
        objects: list[Body] = [*islands, stack]
        ends = np.array([body.bounds()[:, 2] for body in objects])
        vacuum = number(self.vacuum)
        bottom, top = float(ends[:, 0].min()), float(ends[:, 1].max())
        cell = (self.field[1], self.field[0], top - bottom + 2 * vacuum)
        moved = [body.translated((0.0, 0.0, vacuum - bottom)) for body in objects]
        return Scene(moved, cell, number(self.minimum_distance), outside="wrap" if self.wrap else "cut")

    @override
    def summary(self) -> dict[str, float | int | str]:
        members = self._members
        radii = [number(one.radius) for one in members]
        own: dict[str, Any] = super().summary() | {
            "substrate": word(self.material),
            "material": "+".join(sorted({word(one.material) for one in members})),
            "particle_count": len(radii),
            "particle_radius": float(np.mean(radii)) if radii else 0.0,
            "particle_radius_min": min(radii, default=0.0),
            "particle_radius_max": max(radii, default=0.0),
        }
        return own

    @property
    def _members(self) -> tuple[Island, ...]:
        return self.islands if isinstance(self.islands, tuple) else ()
