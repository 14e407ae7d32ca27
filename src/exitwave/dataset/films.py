"""Films that structures share: how they are drawn, and the one whose waves a process keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil
from threading import Lock, local
from typing import TYPE_CHECKING, Any, Self
from weakref import WeakSet

import numpy as np
from numpy.typing import NDArray

from exitwave.core import SpecError, Stream, identity, number
from exitwave.scattering import ExitWave, FilmBank, Scattering
from exitwave.scattering.session import make_grids
from exitwave.scattering.shifts import MIRRORS, moved_positions
from exitwave.structure import Structure
from exitwave.structure.families import Family
from exitwave.structure.families.shared_film import build_film, build_on_film

if TYPE_CHECKING:
    from exitwave.dataset.recipe import Recipe
    from exitwave.dataset.records import StructureRecord

__all__ = [
    "SharedFilm",
    "draw_film",
    "film_columns",
    "forget_films",
    "kept_bytes",
    "prepare_film",
    "structure_on_film",
    "times_made",
    "unmoved",
    "wave_on_film",
]


class _Kept(local):
    """The film of a thread, by name: structures on one film follow each other, and two might not fit into memory."""

    def __init__(self) -> None:
        self.slot = _Slot()
        with _GUARD:
            _SLOTS.add(self.slot)


class _Slot:
    """What one thread keeps; it ends with the thread."""

    atoms: tuple[str, Structure] | None = None
    bank: tuple[str, FilmBank] | None = None


_GUARD = Lock()
_SLOTS: WeakSet[_Slot] = WeakSet()
_KEPT = _Kept()


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
    return {"film": int(record.film.stream.path[-1]), "film_id": _identity(record)}


def structure_on_film(record: StructureRecord) -> Structure:
    """Return the atoms of a structure whose film others share; the height of its cell is one of whole slices.

    Parameters
    ----------
    record
        The structure's record, with a film.

    Returns
    -------
    Structure
        The particles and the film, shifted and mirrored as the record says; the film is the last object.

    Examples
    --------
    >>> from exitwave.dataset import Recipe
    >>> from exitwave.dataset.records import draw_structure
    >>> recipe = Recipe.from_yaml('''
    ... seed: 3
    ... structures: {count: 6, family: supported_particles, per_film: 3, side: exit, field: 20,
    ...   particles: {material: Au, radius: 6}, film: {material: a-C, thickness: 6}}
    ... scattering: {sampling: 0.5, potential_sampling: null, configurations: 1}
    ... images: {dose: 400}
    ... ''')
    >>> atoms = structure_on_film(draw_structure(recipe, 4))
    >>> atoms.roles, round(float(atoms.cell[2, 2] / recipe.scattering.slice_thickness) % 1, 6)
    (('particle', 'support'), 0.0)
    >>> forget_films()
    """
    film, shared = _film(record), record.film
    assert shared is not None
    moved = moved_positions(np.asarray(film.positions), *_cell(record), shared.shift, shared.mirror)
    return _in_slices(
        build_on_film(record.spec, replace(film, positions=moved), record.stream / "build"), record.scattering
    )


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
    back = moved_positions(positions, *_cell(record), (-shared.shift[0], -shared.shift[1]))
    return moved_positions(back, *_cell(record), mirror=shared.mirror)


def wave_on_film(record: StructureRecord, structure: Structure, device: str | None = None) -> ExitWave:
    """Return the exit wave of a structure whose film others share: that of all planes, to single precision.

    Parameters
    ----------
    record
        The structure's record, with a film.
    structure
        Its atoms, from :func:`structure_on_film`.
    device
        Where to compute.

    Returns
    -------
    ExitWave
        As :func:`~exitwave.scattering.scatter` gives it; the film's waves are computed once and kept.

    Raises
    ------
    ScatteringError
        If the film's waves do not fit into memory.

    Examples
    --------
    >>> from exitwave.dataset import Recipe
    >>> from exitwave.dataset.records import draw_structure
    >>> recipe = Recipe.from_yaml('''
    ... seed: 3
    ... structures: {count: 6, family: supported_particles, per_film: 3, side: exit, field: 20,
    ...   particles: {material: Au, radius: 6}, film: {material: a-C, thickness: 6}}
    ... scattering: {sampling: 0.5, potential_sampling: null, configurations: 1}
    ... images: {dose: 400}
    ... ''')
    >>> record = draw_structure(recipe, 4)
    >>> wave = wave_on_film(record, structure_on_film(record))
    >>> wave.array.shape, wave.sampling, bool(abs(wave.intensity.mean() - 1) < 0.02)
    (torch.Size([1, 40, 40]), (0.5, 0.5), True)
    >>> forget_films()
    """
    shared = record.film
    assert shared is not None
    bank = _bank(record, device)
    return bank.scatter(structure, stream=record.stream / "thermal", shift=shared.shift, mirror=shared.mirror)


def prepare_film(record: StructureRecord, structure: Structure | None = None, device: str | None = None) -> None:
    """Build a structure's film, unless it is the one that is kept; with its atoms given, scatter it down to there.

    Parameters
    ----------
    record
        The structure's record.
    structure
        Its atoms, of which the film is the last object.
    device
        Where to compute.

    Raises
    ------
    ScatteringError
        If the film's waves do not fit into memory.

    Examples
    --------
    >>> from exitwave.dataset import Recipe
    >>> from exitwave.dataset.records import draw_structure
    >>> recipe = Recipe.from_yaml('''
    ... seed: 3
    ... structures: {count: 6, family: supported_particles, per_film: 3, side: exit, field: 20,
    ...   particles: {material: Au, radius: 6}, film: {material: a-C, thickness: 6}}
    ... scattering: {sampling: 0.5, potential_sampling: null, configurations: 1}
    ... images: {dose: 400}
    ... ''')
    >>> record = draw_structure(recipe, 4)
    >>> prepare_film(record, structure_on_film(record))
    >>> kept_bytes() > 0
    True
    >>> forget_films()
    """
    bank = _bank(record, device)
    if structure is not None:
        own = np.asarray(structure.objects) < len(structure.names) - 1  # the film is the last object
        # the film gives way at a distance, and to atoms that vibrate; where it does deeper, more waves are computed
        reach = number(getattr(record.spec, "minimum_distance", 0.0)) + 2.0
        bank.prepare(float(structure.positions[own, 2].min(initial=np.inf)) - reach)


def forget_films() -> None:
    """Keep no film, in no thread.

    Examples
    --------
    >>> forget_films()
    >>> kept_bytes()
    0
    """
    for slot in _slots():
        slot.atoms = slot.bank = None


def kept_bytes() -> int:
    """Return the bytes of the waves of films that are kept, in all threads.

    Examples
    --------
    >>> forget_films()
    >>> kept_bytes()
    0
    """
    banks = [slot.bank for slot in _slots()]
    return sum(bank[1].nbytes for bank in banks if bank is not None)


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


def _slots() -> list[_Slot]:
    """Return what the threads that live keep."""
    with _GUARD:
        return list(_SLOTS)


def _cell(record: StructureRecord) -> tuple[tuple[float, float], tuple[int, int]]:
    """Return the lengths of the cell along x and y, Å, and the pixels (y, x) of the grid inside the specimen."""
    spec: Any = record.spec  # a family with a film has a field
    return (spec.field[1], spec.field[0]), make_grids(spec.field, record.scattering)[1].shape


def _film(record: StructureRecord) -> Structure:
    """Return the atoms of a film alone, neither shifted nor mirrored."""
    thickness = number(record.scattering.slice_thickness)
    name = identity({"film": _identity(record), "slices": thickness})
    slot = _KEPT.slot
    there = slot.atoms
    if there is None or there[0] != name:
        assert record.film is not None
        film = build_film(record.spec, record.film.stream / "build")
        there = slot.atoms = (name, _in_slices(film, record.scattering))
    return there[1]


def _bank(record: StructureRecord, device: str | None) -> FilmBank:
    name = identity({"film": _identity(record), "scattering": record.scattering.to_dict(), "device": device})
    slot = _KEPT.slot
    there = slot.bank
    if there is None or there[0] != name:
        assert record.film is not None
        there = slot.bank = None  # before the next one needs its memory
        stream = record.film.stream / "thermal"
        bank = FilmBank(_film(record), stream=stream, device=device, spec=record.scattering)
        there = slot.bank = (name, bank)
    return there[1]


def _identity(record: StructureRecord) -> str:
    """Return the identity of a film: of all that decides its atoms, before these are shifted and mirrored."""
    assert record.film is not None
    said = record.spec.to_dict()
    parts = {name: said[name] for name in ("film", "field", "side", "vacuum")}
    return identity(parts | {"stream": str(record.film.stream)})


def _in_slices(structure: Structure, scattering: Scattering) -> Structure:
    """Return atoms in a cell with empty space behind, so that all heights are cut into the same slices."""
    thickness = number(scattering.slice_thickness)
    cell = np.array(structure.cell)
    cell[2, 2] = thickness * ceil(cell[2, 2] / thickness - 1e-9)
    return replace(structure, cell=cell)
