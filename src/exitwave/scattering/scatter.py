"""From a structure to its exit wave."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import floor
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from exitwave.core import ScatteringError, Stream
from exitwave.scattering.batched import BatchedMultislice
from exitwave.scattering.exit_wave import ExitWave
from exitwave.scattering.multislice import Passage
from exitwave.scattering.session import Session, choose_stream
from exitwave.scattering.slicing import SlicedAtoms, slice_atoms
from exitwave.scattering.spec import Scattering

if TYPE_CHECKING:
    from pathlib import Path

    from ase import Atoms

    from exitwave.structure.structure import Structure

__all__ = ["scatter", "scatter_many", "thickness_series"]


def scatter(
    structure: Structure | Atoms | str | Path,
    *,
    seed: int | None = None,
    stream: Stream | None = None,
    device: str | torch.device | None = None,
    spec: Scattering | None = None,
    **fields: Any,
) -> ExitWave:
    """Scatter a plane wave through a structure.

    Parameters
    ----------
    structure
        Atoms in an orthogonal cell, a Structure, ASE atoms or a file of them; the beam enters at z = 0 and leaves at
        the height of the cell.
    seed, stream
        Source of the thermal configurations, one of the two; neither is needed with ``thermal=False``.
        Configuration i is drawn from ``stream / i`` (``Stream(seed) / i``).
    device
        Where to compute; None is the CPU.
    spec
        The scattering spec, or
    fields
        its fields.

    Returns
    -------
    wave
        One wave per thermal configuration; and those of the particle alone, moved alike, if ``particle_wave``.

    Raises
    ------
    ScatteringError
        If the structure, the grid or the memory does not allow it.

    Examples
    --------
    >>> from exitwave.structure.structure import Structure
    >>> import numpy as np
    >>> atom = Structure(
    ...     positions=np.array([[5.0, 5.0, 2.0]]), numbers=np.array([79], np.int32), cell=np.diag([10.0, 10.0, 4.0]),
    ...     objects=np.zeros(1, np.int32), grains=np.zeros(1, np.int32), thermal=np.full(1, np.nan),
    ...     names=("atom",), roles=("particle",),
    ... )
    >>> scatter(atom, sampling=0.2, thermal=False, particle_wave=False)
    ExitWave(1 × 50 × 50 px at 0.2 × 0.2 Å, 300 keV, cpu)
    """
    session = Session.open(structure, seed, stream, spec, fields)
    return _scattered(session, session.engine(device))


def _scattered(session: Session, engine: Passage) -> ExitWave:
    numbers, chosen, particle = session.numbers, session.atoms, session.particle
    waves, alone = [], []
    for first in range(0, session.count, engine.batch):
        indices = range(first, min(first + engine.batch, session.count))
        positions = np.stack([session.positions(index) for index in indices])
        waves.append(engine.run(positions[:, chosen], numbers[chosen]))
        if particle is not None:
            same = bool((particle == chosen).all())
            alone.append(waves[-1].clone() if same else engine.run(positions[:, particle], numbers[particle]))
    return session.wave(torch.cat(waves), torch.cat(alone) if particle is not None else None)


def thickness_series(
    structure: Structure | Atoms | str | Path,
    depths: Sequence[float] | float,
    *,
    seed: int | None = None,
    stream: Stream | None = None,
    device: str | torch.device | None = None,
    spec: Scattering | None = None,
    **fields: Any,
) -> list[ExitWave]:
    """Return the exit waves of a structure cut at several depths, in little more time than one of them takes.

    Each is the wave of the atoms above a depth in a cell that ends there, with the displacements and the slices of
    the whole: what ``scatter`` gives where a depth is a whole number of slices (elsewhere it would cut others, and
    differ by the error of slicing). The series passes all planes once and the last few again for every depth.

    Parameters
    ----------
    structure
        As for ``scatter``.
    depths
        Å from the entrance, ascending, within the cell; or one number, the distance of the depths.
    seed, stream, device, spec, fields
        As for ``scatter``. There are no waves of the particle alone: choose ``objects`` instead.

    Returns
    -------
    waves
        One exit wave for each depth.

    Raises
    ------
    ScatteringError
        If depths are not within the cell, or ascending; and as ``scatter``.

    Examples
    --------
    >>> from ase.build import bulk
    >>> gold = bulk("Au", cubic=True).repeat((1, 1, 4))
    >>> waves = thickness_series(gold, 4.08, thermal=False, sampling=0.1)
    >>> [wave.record["depth"] for wave in waves]
    [4.08, 8.16, 12.24, 16.32]
    """
    if spec is None and "particle_wave" not in fields:
        fields = fields | {"particle_wave": False}
    session = Session.open(structure, seed, stream, spec, fields)
    ends = _depths(depths, float(session.structure.cell[2, 2]))
    engine = session.engine(device, session.count * len(ends))
    numbers, chosen = session.numbers[session.atoms], session.atoms
    series: list[list[torch.Tensor]] = [[] for _ in ends]
    for first in range(0, session.count, engine.batch):
        indices = range(first, min(first + engine.batch, session.count))
        positions = np.stack([session.positions(index)[chosen] for index in indices])
        still = np.asarray(session.structure.positions)[chosen, 2]
        planes: list[int] = []
        wave: torch.Tensor | None = None
        for waves, end in zip(series, ends, strict=True):
            kept = still < end
            part = engine.take(positions[:, kept], numbers[kept])
            ahead = engine.planes(part)
            if not ahead:
                waves.append(engine.vacuum(len(indices)))
                continue
            # planes before this one are the same, however much deeper the specimen goes on
            below = positions[:, ~kept, 2]
            same = floor(below.min() / engine.thickness - 0.5) - 1 if below.size else ahead[-1] + 1
            # atoms below this depth may have moved above those before it
            start = planes[-1] if planes else min(same, ahead[0])
            stop = max(start, min(same, ahead[-1]))
            engine.enter(part, wave)
            engine.advance(ahead, start, stop)
            wave = engine.wave().clone()
            planes.append(stop)
            waves.append(engine.finish(part, stop, wave, end))
    return [session.wave(torch.cat(waves), depth=end) for waves, end in zip(series, ends, strict=True)]


def _depths(depths: Sequence[float] | float, height: float) -> list[float]:
    try:
        given = np.asarray(depths, dtype=np.float64)
    except (TypeError, ValueError):
        raise ScatteringError(
            f"depths is {depths!r}; give numbers in Å, ascending, or one, the distance of depths."
        ) from None
    if given.ndim == 0:
        step = float(given)
        if not 0 < step <= height:
            raise ScatteringError(f"depths is {step:g}; a distance of depths is above 0 and at most {height:g} Å.")
        return [round(step * i, 9) for i in range(1, int(height / step + 1e-9) + 1)]
    ends: list[float] = given.ravel().tolist()
    if not ends or ends != sorted(set(ends)) or not (ends[0] > 0 and ends[-1] <= height * (1 + 1e-9)):
        raise ScatteringError(
            f"depths is {ends}; they are numbers above 0, at most the height of the cell, {height:g} Å, ascending."
        )
    return ends


def scatter_many(
    structures: Iterable[Structure | Atoms | str | Path],
    *,
    seed: int | None = None,
    stream: Stream | None = None,
    device: str | torch.device | None = None,
    spec: Scattering | None = None,
    **fields: Any,
) -> Iterator[ExitWave]:
    """Scatter structures one after the other, on a GPU many waves of several structures at a time.

    Parameters
    ----------
    structures
        Structures as for ``scatter``, any number of them: they are taken as they are needed.
    seed, stream
        Structure i moves by ``stream / i``, as ``scatter(structure, stream=stream / i)`` does.
    device, spec, fields
        As for ``scatter``.

    Yields
    ------
    wave
        The exit wave of each structure, in their order.

    Examples
    --------
    >>> from ase.build import bulk
    >>> cells = [bulk(metal, cubic=True) for metal in ("Cu", "Au")]
    >>> [wave.shape for wave in scatter_many(cells, seed=1, configurations=2, sampling=0.2, particle_wave=False)]
    [(2, 20, 20), (2, 24, 24)]
    """
    source = choose_stream(seed, stream, needed=True)
    waiting: list[Session] = []
    engine: Passage | None = None
    for index, structure in enumerate(structures):
        session = Session.open(structure, None, source / index, spec, dict(fields))
        if waiting and not _alike(session, waiting[0]):
            yield from _together(waiting, engine)
            waiting = []
        if not waiting:
            engine = session.engine(device)
        assert engine is not None
        if not isinstance(engine, BatchedMultislice) or engine.batch == 1:
            yield _scattered(session, engine)
            continue
        waiting.append(session)
        if sum(s.count for s in waiting) >= engine.batch:
            yield from _together(waiting, engine)
            waiting = []
    yield from _together(waiting, engine)


def _alike(one: Session, other: Session) -> bool:
    same_cell = np.array_equal(one.structure.cell, other.structure.cell)
    return same_cell and one.lossy == other.lossy and one.spec == other.spec


def _together(sessions: list[Session], engine: Passage | None) -> Iterator[ExitWave]:
    """Scatter all configurations of sessions in batches, the scene's and the particle's waves alike."""
    if not sessions or not isinstance(engine, BatchedMultislice):
        return
    work: list[list[SlicedAtoms]] = []
    for session in sessions:
        masks = [session.atoms] + ([] if session.particle is None else [session.particle])
        for index in range(session.count):
            positions = session.positions(index)
            work.extend(
                slice_atoms(positions[mask], session.numbers[mask], session.inner, engine.thickness) for mask in masks
            )
    waves: list[torch.Tensor] = []
    for first in range(0, len(work), engine.batch):
        groups = work[first : first + engine.batch]
        atoms = engine.take_groups(groups)
        waves.extend(engine.finish(atoms) if engine.planes(atoms) else engine.vacuum(len(groups)))
    for session in sessions:
        width = 1 if session.particle is None else 2
        own = torch.stack([waves.pop(0) for _ in range(width * session.count)])
        yield session.wave(own[::width].clone(), own[1::2].clone() if width == 2 else None)
