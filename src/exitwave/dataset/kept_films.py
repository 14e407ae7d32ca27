"""The film whose waves a process keeps: atoms and exit waves of the structures that share it."""

from __future__ import annotations

from dataclasses import replace
from math import ceil
from threading import Lock, local
from typing import TYPE_CHECKING
from weakref import WeakSet

import numpy as np

from exitwave.core import identity, number
from exitwave.dataset.films import film_cell, film_identity
from exitwave.scattering import ExitWave, FilmBank, Scattering
from exitwave.scattering.shifts import moved_positions
from exitwave.structure import Structure
from exitwave.structure.families.shared_film import build_film, build_on_film

if TYPE_CHECKING:
    from exitwave.dataset.records import StructureRecord

__all__ = ["forget_films", "kept_bytes", "prepare_film", "structure_on_film", "wave_on_film"]


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
    moved = moved_positions(np.asarray(film.positions), *film_cell(record), shared.shift, shared.mirror)
    return _in_slices(
        build_on_film(record.spec, replace(film, positions=moved), record.stream / "build"), record.scattering
    )


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


def _slots() -> list[_Slot]:
    """Return what the threads that live keep."""
    with _GUARD:
        return list(_SLOTS)


def _film(record: StructureRecord) -> Structure:
    """Return the atoms of a film alone, neither shifted nor mirrored."""
    thickness = number(record.scattering.slice_thickness)
    name = identity({"film": film_identity(record), "slices": thickness})
    slot = _KEPT.slot
    there = slot.atoms
    if there is None or there[0] != name:
        assert record.film is not None
        film = build_film(record.spec, record.film.stream / "build")
        there = slot.atoms = (name, _in_slices(film, record.scattering))
    return there[1]


def _bank(record: StructureRecord, device: str | None) -> FilmBank:
    name = identity({"film": film_identity(record), "scattering": record.scattering.to_dict(), "device": device})
    slot = _KEPT.slot
    there = slot.bank
    if there is None or there[0] != name:
        assert record.film is not None
        there = slot.bank = None  # before the next one needs its memory
        stream = record.film.stream / "thermal"
        bank = FilmBank(_film(record), stream=stream, device=device, spec=record.scattering)
        there = slot.bank = (name, bank)
    return there[1]


def _in_slices(structure: Structure, scattering: Scattering) -> Structure:
    """Return atoms in a cell with empty space behind, so that all heights are cut into the same slices."""
    thickness = number(scattering.slice_thickness)
    cell = np.array(structure.cell)
    cell[2, 2] = thickness * ceil(cell[2, 2] / thickness - 1e-9)
    return replace(structure, cell=cell)
