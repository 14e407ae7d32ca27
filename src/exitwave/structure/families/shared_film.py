"""One film for many structures: built once, and put into the scene of each of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from typing_extensions import override

from exitwave.core import Distribution, SpecError, Stream, StructureError, number, word
from exitwave.structure.families.base import Family
from exitwave.structure.families.parts import Film, upper, words
from exitwave.structure.generators.base import Atoms, Bounds, Generator
from exitwave.structure.regions import Box
from exitwave.structure.scenes import Scene
from exitwave.structure.structure import Structure
from exitwave.structure.volumes import Body, Volume

__all__ = ["build_film", "build_on_film", "check_film_is_shared"]

_ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class _Given(Generator):
    """Atoms that are there already and repeat with the field."""

    given: Atoms
    seamless: ClassVar[bool] = True

    @override
    def atoms(self, bounds: Bounds, stream: Stream) -> Atoms:
        return self.given


def check_film_is_shared(spec: Family, name: str) -> None:
    """Raise SpecError if structures of a family cannot lie on one film, and one wave behind it serve for them all.

    Parameters
    ----------
    spec
        The family's spec.
    name
        What the family is called.

    Raises
    ------
    SpecError
        If there is no film, or one with holes; if side may be another than exit; or if vacuum is drawn.
    """
    film, side, vacuum = (getattr(spec, key, None) for key in ("film", "side", "vacuum"))
    if not isinstance(film, Film):
        raise SpecError(
            f"per_film shares films, but {name} has none here; use a family on a film such as supported_particles, "
            "or leave per_film out."
        )
    if not isinstance(side, str | Distribution) or set(words(side)) != {"exit"}:
        what = " or ".join(words(side)) if isinstance(side, str | Distribution) else side
        raise SpecError(
            f"per_film shares waves behind films, but side is {what}; only what the beam meets after the film can "
            "share them, so set side: exit, or leave per_film out."
        )
    if upper(film.holes) > 0:
        raise SpecError(
            "per_film shares films, but film.holes is above 0; holes keep clear of the particles of one structure, "
            "so leave out one of the two."
        )
    if isinstance(vacuum, Distribution):
        raise SpecError(
            "per_film shares films, but vacuum is drawn for each structure; give one number, so that all films "
            "lie at one height, or leave per_film out."
        )


def build_film(spec: Family, stream: Stream) -> Structure:
    """Return the film of a drawn spec alone, at the height where ``build_on_film`` has it.

    Examples
    --------
    >>> from exitwave.structure.families import SupportedParticles
    >>> spec = SupportedParticles(particles=[], film={"thickness": 10}, side="exit", field=30)
    >>> build_film(spec, Stream(1)).names
    ('film',)
    """
    volume, height = _film(spec, stream / "scene")
    return Scene([volume], (*_size(spec), height), None).build(stream=stream / "atoms")


def build_on_film(spec: Family, film: Structure, stream: Stream) -> Structure:
    """Return the atoms of a drawn spec with the film given in place of its own.

    The film's atoms stay where they are; those give way that the objects on it cover or come too near to.

    Parameters
    ----------
    spec
        The drawn spec.
    film
        What ``build_film`` returned, perhaps shifted or mirrored in x and y.
    stream
        Of the structure, as for ``Family.build``.

    Raises
    ------
    StructureError
        If an object on the film reaches through it and out of the cell.
    """
    scene = spec.scene(stream / "scene")
    *bodies, own = scene.objects
    if own.name != "film":
        raise StructureError(f"the scene of {type(spec).__name__} does not end with its film; leave per_film out.")
    # the film's own scene begins with it; with objects that reach through the film, with them
    deeper = float(own.bounds()[0, 2] - _film(spec, stream / "scene")[0].bounds()[0, 2])
    objects: list[Body] = list(bodies)
    if deeper > _ROUNDING:
        objects = [body.translated((0.0, 0.0, -deeper)) for body in bodies]
        if min(float(body.bounds()[0, 2]) for body in objects) < 0:
            raise StructureError(
                f"objects reach through the film and {deeper:.4g} Å beyond, but there are {_number(spec, 'vacuum'):g}"
                " Å of vacuum before films that structures share; give more vacuum or thicker films, or sink less."
            )
    height = float(np.asarray(scene.cell)[2, 2]) - max(deeper, 0.0)
    atoms = Atoms(film.positions, film.numbers, film.thermal)
    objects.append(Volume(_Given(atoms), Box(*_size(spec), height), name="film", role="support"))
    whole = Scene(objects, (*_size(spec), height), scene.minimum_distance, outside=scene.outside)
    return whole.build(stream=stream / "atoms")


def _film(spec: Any, stream: Stream) -> tuple[Volume, float]:
    """Return the film of a drawn spec with empty space before it, and the height of a cell that holds both."""
    film, vacuum = spec.film, _number(spec, "vacuum")
    volume = film.volume(_size(spec), vacuum + film.pad, stream / "film", word(spec.side), ())
    return volume, number(film.thickness) + 2 * (film.pad + vacuum)


def _size(spec: Any) -> tuple[float, float]:
    """Return the lengths (x, y) of the field, Å."""
    return float(spec.field[1]), float(spec.field[0])


def _number(spec: Any, name: str) -> float:
    return number(getattr(spec, name))
