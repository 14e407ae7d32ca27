"""Films that structures share: which one a structure has, how it is drawn, and how it lies there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from exitwave.core import SpecError, Stream, identity, number
from exitwave.scattering.session import make_grids
from exitwave.scattering.shifts import MIRRORS, moved_positions
from exitwave.structure.families import Family

if TYPE_CHECKING:
    from exitwave.dataset.recipe import Recipe
    from exitwave.dataset.records import StructureRecord

__all__ = ["SharedFilm", "draw_film", "film_cell", "film_columns", "film_identity", "times_made", "unmoved"]


@dataclass(frozen=True)
class SharedFilm:
    """The film of a structure that others have, too, and how it lies under this one.

    Parameters
    ----------
    stream
        The stream of the film: it is drawn from ``stream / "draw"``, built from ``stream / "build"`` and vibrates
        from ``stream / "thermal"``.
    shift
        Pixels (y, x) of the grid inside the specimen by which it is shifted.
    mirror
        Axes along which it is mirrored before: "", "x", "y" or "xy".

    Examples
    --------
    >>> film = SharedFilm(Stream(42) / "film" / 3, shift=(12, 40), mirror="x")
    >>> film.to_dict()
    {'shift': [12, 40], 'mirror': 'x'}
    >>> SharedFilm.from_dict(film.to_dict(), film.stream) == film
    True
    """

    stream: Stream
    shift: tuple[int, int]
    mirror: str

    def to_dict(self) -> dict[str, Any]:
        """Return all but the stream as plain data, for JSON."""
        return {"shift": list(self.shift), "mirror": self.mirror}

    @classmethod
    def from_dict(cls, data: Any, stream: Stream) -> Self:
        """Return what ``to_dict`` wrote of the film whose stream is given.

        Raises
        ------
        SpecError
            If the shift, the mirror or the stream is none of a film.
        """
        shift = data.get("shift") if isinstance(data, Mapping) else None
        if not isinstance(shift, list | tuple) or len(shift) != 2 or not all(type(part) is int for part in shift):
            raise SpecError(f"film.shift is {shift!r}; it is two whole numbers of pixels, [y, x].")
        if data.get("mirror") not in MIRRORS:
            raise SpecError(f"film.mirror is {data.get('mirror')!r}; it is '', 'x', 'y' or 'xy'.")
        if not stream.path or not stream.path[-1].isdecimal():
            raise SpecError(f"streams.film is {stream}; it ends with the number of the film, as in 42/film/3.")
        return cls(stream, (shift[0], shift[1]), data["mirror"])


def draw_film(recipe: Recipe, index: int, stream: Stream) -> tuple[Family, SharedFilm]:
    """Return a recipe's family with the drawn film of structure ``index``; and how it lies there, from ``stream``.

    Parameters
    ----------
    recipe
        A recipe whose structures share films.
    index
        Structure index.
    stream
        Of the shift and the mirror; the film has a stream of its own.

    Returns
    -------
    family, film
        The family's spec, of which the film alone is drawn; and the film's stream, shift and mirror.

    Examples
    --------
    >>> from exitwave.dataset import Recipe
    >>> said = Recipe.read("gold-on-carbon").to_dict()
    >>> said["structures"] |= {"per_film": 100, "side": "exit"}
    >>> recipe = Recipe.parse(said)
    >>> family, film = draw_film(recipe, 250, Stream(recipe.seed) / "structure" / 250 / "film")
    >>> str(film.stream), family.film.drawn, film.mirror in ("", "x", "y", "xy")
    ('42/film/2', True, True)
    """
    spec: Any = recipe.structures.spec
    source = Stream(recipe.seed) / "film" / (index // recipe.structures.per_film)
    ny, nx = make_grids(spec.field, recipe.scattering)[1].shape
    generator = stream.generator()
    shift = int(generator.integers(ny)), int(generator.integers(nx))
    mirror = MIRRORS[int(generator.integers(len(MIRRORS)))]
    if number(recipe.scattering.tilt_x) or number(recipe.scattering.tilt_y):
        mirror = ""  # a mirrored wave is that of a beam from elsewhere
    return spec.replace(film=spec.film.draw(source / "draw")), SharedFilm(source, shift, mirror)


def film_columns(record: StructureRecord) -> dict[str, int | str]:
    """Return the catalog's columns of a structure's film: its number and its identity; none if it has its own.

    Parameters
    ----------
    record
        The structure's record.

    Returns
    -------
    columns
        "film", counted from 0, and "film_id", 32 hexadecimal digits; empty if no other structure has the film.

    Examples
    --------
    >>> from exitwave.dataset import Recipe
    >>> from exitwave.dataset.records import draw_structure
    >>> said = Recipe.read("gold-on-carbon").to_dict()
    >>> said["structures"] |= {"per_film": 100, "side": "exit"}
    >>> recipe = Recipe.parse(said)
    >>> [film_columns(draw_structure(recipe, index))["film"] for index in (0, 99, 100)]
    [0, 0, 1]
    >>> film_columns(draw_structure(Recipe.read("gold-on-carbon"), 0))
    {}
    """
    if record.film is None:
        return {}
    return {"film": int(record.film.stream.path[-1]), "film_id": film_identity(record)}


def unmoved(record: StructureRecord, positions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return atoms (atoms, 3), Å, of a structure on a shared film as they lie where that is not moved.

    Parameters
    ----------
    record
        The structure's record, with a film.
    positions
        Of atoms of the structure, (atoms, 3), Å.

    Returns
    -------
    positions
        (atoms, 3), Å: shift and mirror of the film undone, within the cell.

    Examples
    --------
    >>> from exitwave.dataset import Recipe
    >>> from exitwave.dataset.kept_films import forget_films, structure_on_film
    >>> from exitwave.dataset.records import draw_structure
    >>> recipe = Recipe.from_yaml('''
    ... seed: 3
    ... structures: {count: 6, family: supported_particles, per_film: 3, side: exit, field: 20,
    ...   particles: {material: Au, radius: 6}, film: {material: a-C, thickness: 6}}
    ... scattering: {sampling: 0.5, potential_sampling: null, configurations: 1}
    ... images: {dose: 400}
    ... ''')
    >>> def film(index):
    ...     record = draw_structure(recipe, index)
    ...     atoms = unmoved(record, structure_on_film(record).of(role="support").positions)
    ...     return {tuple(place) for place in atoms.round(3).tolist()}
    >>> first, second = film(0), film(1)  # all but what gave way to the particles
    >>> len(first & second) > 0.5 * len(first)
    True
    >>> forget_films()
    """
    shared = record.film
    assert shared is not None
    back = moved_positions(positions, *film_cell(record), (-shared.shift[0], -shared.shift[1]))
    return moved_positions(back, *film_cell(record), mirror=shared.mirror)


def times_made(recipe: Recipe, workers: int) -> int:
    """Return how often workers make a film of a recipe in all, each taking the next shard when it has done one.

    Parameters
    ----------
    recipe
        A recipe; 0 if its structures share no films.
    workers
        Processes that make shards.

    Returns
    -------
    int
        The films, each as often as there are workers that make shards with structures on it.

    Examples
    --------
    >>> from exitwave.dataset import Recipe
    >>> said = Recipe.read("gold-on-carbon").to_dict()
    >>> said["structures"] |= {"per_film": 100, "side": "exit"}
    >>> recipe = Recipe.parse(said)
    >>> recipe.films, times_made(recipe, workers=1), times_made(recipe, workers=4)
    (10, 10, 40)
    >>> times_made(Recipe.read("gold-on-carbon"), workers=4)
    0
    """
    shared, shard = recipe.structures.per_film, recipe.store.structures_per_shard
    apart = bool(shared % shard and shard % shared)  # films end within shards, and shards within films
    return recipe.films * min(workers, -(-shared // shard) + apart)


def film_cell(record: StructureRecord) -> tuple[tuple[float, float], tuple[int, int]]:
    """Return the lengths of the cell along x and y, Å, and the pixels (y, x) of the grid inside the specimen."""
    spec: Any = record.spec  # a family with a film has a field
    return (spec.field[1], spec.field[0]), make_grids(spec.field, record.scattering)[1].shape


def film_identity(record: StructureRecord) -> str:
    """Return the identity of a film: of all that decides its atoms, before these are shifted and mirrored."""
    assert record.film is not None
    said = record.spec.to_dict()
    parts = {name: said[name] for name in ("film", "field", "side", "vacuum")}
    return identity(parts | {"stream": str(record.film.stream)})
