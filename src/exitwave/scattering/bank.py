"""Waves of a film that many particles share: scattered once, used by every particle on it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from exitwave.core import ScatteringError, Stream, number
from exitwave.scattering.engines import slice_thickness
from exitwave.scattering.exit_wave import ExitWave
from exitwave.scattering.film_waves import FilmWaves
from exitwave.scattering.inputs import as_structure, check_structure, check_tiling
from exitwave.scattering.session import Session, choose_stream
from exitwave.scattering.shifts import MIRRORS, moved_positions, moved_wave
from exitwave.scattering.spec import Scattering
from exitwave.scattering.thermal import amplitudes, displacements

if TYPE_CHECKING:
    from pathlib import Path

    from ase import Atoms

    from exitwave.structure.structure import Structure

__all__ = ["FilmBank"]

_SAME = 1e-4
"""Å: a support atom this near to one of the film's is that atom."""


class FilmBank:
    """Waves inside a film, from which the wave of any particle on or in that film goes on.

    A wave is the same whatever lies behind it. Down to the first atom that a particle adds or removes, that of film
    and particle is the film's own; with the film on the entrance side, half of all planes are saved. Films shifted by
    whole pixels or mirrored have shifted or mirrored waves, so one film serves for many.

    Parameters
    ----------
    film
        The film alone, as for ``scatter``, in the cell of the scenes to come; these may be higher by whole slices.
    seed, stream
        Source of the film's thermal configurations, as for ``scatter``.
    every
        Planes between kept waves: fewer save time, more save memory.
    device, spec, fields
        As for ``scatter``; they hold for all scenes.

    Raises
    ------
    ScatteringError
        If the waves do not fit into memory, which is a MemoryError, too; and as ``scatter``.

    Examples
    --------
    >>> from exitwave.structure import Amorphous, Box, Crystal, Scene, Sphere, Volume
    >>> carbon = Volume(Amorphous("C"), Box(20, 20, 10), name="film", role="support")
    >>> film = Scene([carbon], cell=(20, 20, 30)).build(seed=1)
    >>> bank = FilmBank(film, seed=2, sampling=0.2, potential_sampling=0.2, configurations=2)
    >>> gold = Volume(Crystal("Au"), Sphere(5, centre=(10, 10, 17)), role="particle")
    >>> ball = Scene([gold], cell=(20, 20, 30)).build(seed=3)
    >>> bank.scatter(bank.scene(ball, shift=(7, 20), mirror="x"), seed=4, shift=(7, 20), mirror="x")
    ExitWave(2 × 100 × 100 px at 0.2 × 0.2 Å, 300 keV, with particle, cpu)
    """

    def __init__(
        self,
        film: Structure | Atoms | str | Path,
        *,
        seed: int | None = None,
        stream: Stream | None = None,
        every: int = 4,
        device: str | torch.device | None = None,
        spec: Scattering | None = None,
        **fields: Any,
    ) -> None:
        if not isinstance(every, int) or every < 1:
            raise ScatteringError(f"every is {every}; it is a whole number of planes, at least 1.")
        self._session = session = Session.open(film, seed, stream, spec, fields)
        if session.spec.objects is not None:
            raise ScatteringError("objects are chosen for a bank of film waves; scatter the scene without it.")
        self.structure = session.structure
        self.every = every
        self._tree: Any = None
        self._engine = session.engine(device)
        self._waves = FilmWaves(session, self._engine, every, device)

    @property
    def shape(self) -> tuple[int, int]:
        """Pixels (y, x) of the grid inside the specimen, in which shifts are counted."""
        return self._session.inner.shape

    @property
    def nbytes(self) -> int:
        """Bytes of the waves that are kept: those from where a scene began, to the end of the film."""
        return self._waves.nbytes

    def prepare(self, depth: float = 0.0) -> None:
        """Scatter the film now, not with the first scene, for all whose own atoms begin at a depth (Å) or behind."""
        start = self._waves.start(depth)
        for index in range(self._session.count):
            self._waves.before(start, index)

    def film(self, shift: tuple[int, int] = (0, 0), mirror: str = "") -> Structure:
        """Return the film mirrored along the axes named in ``mirror`` ("", "x", "y", "xy"), then shifted.

        ``shift`` is in pixels (y, x) of ``shape``.
        """
        self._check_mirror(mirror)
        if len(shift) != 2 or any(step != int(step) for step in shift):
            raise ScatteringError(f"shift is {shift}; it is two whole numbers of pixels, (y, x).")
        positions = np.array(self.structure.positions, dtype=np.float64)
        return replace(self.structure, positions=self._moved(positions, shift, mirror))

    def scene(
        self,
        particle: Structure | Atoms | str | Path,
        shift: tuple[int, int] = (0, 0),
        mirror: str = "",
        minimum_distance: float = 1.4,
    ) -> Structure:
        """Return a particle with the (shifted, mirrored) film, without the film's atoms nearer than a distance in Å.

        Atoms of ASE or of a file are given the role "particle".
        """
        from scipy.spatial import cKDTree

        from exitwave.structure.structure import Structure

        given = as_structure(particle)
        if given is not particle:
            given = replace(given, roles=("particle",) * len(given.roles))
        if not np.allclose(given.cell, self.structure.cell, atol=1e-6):
            raise ScatteringError(
                f"the particle's cell is {np.diag(given.cell).tolist()}, the film's "
                f"{np.diag(self.structure.cell).tolist()} Å; give the particle in the film's cell."
            )
        film = self.film(shift, mirror)
        lengths = np.diag(film.cell)
        wrap = np.array([lengths[0], lengths[1], 1e9])
        far = np.ones(len(film.positions), dtype=bool)
        if len(given.positions):
            tree = cKDTree(_wrapped(given.positions, lengths), boxsize=wrap)
            far = (
                tree.query(_wrapped(film.positions, lengths), distance_upper_bound=minimum_distance)[0]
                > minimum_distance
            )
        kept = film.select(far)
        grains = np.asarray(given.grains)
        return Structure(
            positions=np.vstack([given.positions, kept.positions]),
            numbers=np.concatenate([given.numbers, kept.numbers]),
            cell=film.cell,
            objects=np.concatenate([given.objects, np.asarray(kept.objects) + len(given.names)]),
            grains=np.concatenate([grains, np.asarray(kept.grains) + (int(grains.max(initial=-1)) + 1)]),
            thermal=np.concatenate([given.thermal, kept.thermal]),
            names=(*given.names, *kept.names),
            roles=(*given.roles, *kept.roles),
            pbc=film.pbc,
        )

    def scatter(
        self,
        structure: Structure,
        *,
        seed: int | None = None,
        stream: Stream | None = None,
        shift: tuple[int, int] = (0, 0),
        mirror: str = "",
    ) -> ExitWave:
        """Return the exit wave of a scene with this film, shifted and mirrored as ``film`` does.

        Atoms of the film move as they do in the bank, all others by ``stream / i``. The wave is that of all planes,
        to single precision.

        Raises
        ------
        ScatteringError
            If the structure's cell is another or has other slices, or its film lies elsewhere. Particles may cover
            all of a film.
        """
        session, engine = self._session, self._engine
        stream = choose_stream(seed, stream, needed=session.rms is not None)
        check_structure(structure, str(session.spec.parametrization))
        if session.spec.periodic:
            check_tiling(structure)
        self._check_mirror(mirror)
        height = self._height(structure)
        owner = self._owners(structure, shift, mirror)
        theirs = owner >= 0
        removed = np.ones(len(self.structure.positions), dtype=bool)
        removed[owner[theirs]] = False
        particle = None
        if session.spec.particle_wave:
            roles = np.array([role == "particle" for role in structure.roles], dtype=bool)
            particle = roles[np.asarray(structure.objects)] if len(theirs) else theirs
        numbers = np.asarray(structure.numbers, dtype=np.int32)
        rms = None
        if session.rms is not None:
            rms = amplitudes(numbers[~theirs], structure.thermal[~theirs], number(session.spec.temperature))

        # one plane for all configurations: how many fit into memory at once must not show in the wave
        places, depth = [], float("inf")
        for index in range(session.count):
            film = session.positions(index)
            places.append(self._places(index, film, structure, owner, rms, stream, shift, mirror))
            depth = min(depth, _least(places[-1][~theirs]), _least(film[removed]))
        start = self._waves.start(depth)

        waves, alone = [], []
        for first in range(0, session.count, engine.batch):
            indices = range(first, min(first + engine.batch, session.count))
            positions = np.stack(places[first : indices.stop])
            # atoms above the plane where the wave goes on have done their part
            ahead = (positions[:, :, 2] / engine.thickness - 0.5 >= start - 3).any(axis=0)
            atoms = engine.take(positions[:, ahead], numbers[ahead])
            before = torch.cat([self._waves.before(start, i) for i in indices])
            waves.append(engine.finish(atoms, start, moved_wave(before, shift, mirror), height))
            if particle is not None:
                atoms = engine.take(positions[:, particle], numbers[particle])
                empty = not engine.planes(atoms)
                alone.append(engine.vacuum(len(positions)) if empty else engine.finish(atoms, height=height))
        record = {"film": {"stream": str(session.stream), "shift": list(shift), "mirror": mirror}}
        wave = session.wave(torch.cat(waves), torch.cat(alone) if particle is not None else None, **record)
        return replace(wave, structure=structure, record=dict(wave.record) | {"stream": str(stream)})

    def _places(
        self,
        index: int,
        film: NDArray[np.float64],
        structure: Structure,
        owner: NDArray[np.intp],
        rms: NDArray[np.float64] | None,
        stream: Stream,
        shift: tuple[int, int],
        mirror: str,
    ) -> NDArray[np.float64]:
        theirs = owner >= 0
        positions = np.array(structure.positions, dtype=np.float64)
        positions[theirs] = self._moved(film[owner[theirs]], shift, mirror)
        if rms is not None:
            positions[~theirs] += displacements(rms, stream / index)
        return positions

    def _owners(self, structure: Structure, shift: tuple[int, int], mirror: str) -> NDArray[np.intp]:
        """Return which atom of the film each atom is, −1 for none."""
        from scipy.spatial import cKDTree

        lengths = np.diag(self.structure.cell)
        back = (-shift[0], -shift[1])
        if self._tree is None:
            wrap = np.array([lengths[0], lengths[1], 1e9])
            self._tree = cKDTree(_wrapped(self.structure.positions, lengths), boxsize=wrap)
        owner = np.full(len(structure.positions), -1, dtype=np.intp)
        if len(self.structure.positions) and len(owner):
            # where the scene's atoms would be if the film were as it is in the bank
            asked = self._moved(self._moved(np.array(structure.positions), back, ""), (0, 0), mirror)
            asked = _wrapped(asked, lengths)
            owner = self._at_height(asked)
            rest = np.flatnonzero(owner < 0)
            distance, nearest = self._tree.query(asked[rest], distance_upper_bound=_SAME)
            owner[rest[np.isfinite(distance)]] = nearest[np.isfinite(distance)]
            owner[np.asarray(self.structure.numbers)[owner] != np.asarray(structure.numbers)] = -1
        # of a film that is covered by particles, nothing is left; of one that lies elsewhere, atoms would be
        if not (owner >= 0).any() and _objects(structure) & _objects(self.structure):
            raise ScatteringError(
                "no atom of the scene is one of the film's; build it with the bank's film(shift, mirror) and give "
                "scatter the same shift and mirror."
            )
        return owner

    def _at_height(self, asked: NDArray[np.float64]) -> NDArray[np.intp]:
        """Return which atom of the film each atom is as far as its very height tells: quick, and true of most."""
        there = _wrapped(self.structure.positions, np.diag(self.structure.cell))
        order = np.argsort(there[:, 2])
        found = order[np.minimum(np.searchsorted(there[order, 2], asked[:, 2]), len(order) - 1)]
        apart = np.abs(asked - there[found])
        apart[:, :2] = np.minimum(apart[:, :2], np.diag(self.structure.cell)[:2] - apart[:, :2])
        return np.where(np.linalg.norm(apart, axis=1) < _SAME, found, -1)

    def _moved(self, positions: NDArray[np.float64], shift: tuple[int, int], mirror: str) -> NDArray[np.float64]:
        cell = self.structure.cell
        return moved_positions(positions, (float(cell[0, 0]), float(cell[1, 1])), self.shape, shift, mirror)

    def _height(self, structure: Structure) -> float:
        """Return the height of a scene's cell, whose slices are the film's."""
        if not np.allclose(structure.cell[:2], self.structure.cell[:2], atol=1e-6):
            raise ScatteringError(
                f"the scene's cell is {np.diag(structure.cell).tolist()}, the film's "
                f"{np.diag(self.structure.cell).tolist()} Å; build the scene in the film's cell."
            )
        height, slices = float(structure.cell[2, 2]), slice_thickness(structure, self._session.spec)
        if abs(slices / self._engine.thickness - 1) > 1e-9:
            raise ScatteringError(
                f"the scene's cell, {height:g} Å high, has slices of {slices:g} Å, the film's of "
                f"{self._engine.thickness:g} Å; give cells of one height, or of whole slices."
            )
        return height

    def _check_mirror(self, mirror: str) -> None:
        spec = self._session.spec
        if mirror not in MIRRORS:
            raise ScatteringError(f"mirror is {mirror!r}; it is '', 'x', 'y' or 'xy'.")
        if mirror and (number(spec.tilt_x) or number(spec.tilt_y)):
            raise ScatteringError("a mirrored film is asked for under a tilted beam, whose wave is no mirror image.")


def _least(positions: NDArray[np.float64]) -> float:
    """Return the depth where atoms begin, Å."""
    return float(positions[:, 2].min(initial=np.inf))


def _objects(structure: Structure) -> set[tuple[str, str]]:
    """Return name and role of the objects that have atoms."""
    return {(structure.names[item], structure.roles[item]) for item in np.unique(structure.objects).tolist()}


def _wrapped(positions: Any, lengths: NDArray[np.float64]) -> NDArray[np.float64]:
    wrapped = np.array(positions, dtype=np.float64)
    for axis in (0, 1):
        wrapped[:, axis] = np.mod(wrapped[:, axis], lengths[axis])
        wrapped[wrapped[:, axis] >= lengths[axis], axis] = 0.0
    wrapped[:, 2] = np.clip(wrapped[:, 2], 0.0, 1e8)
    return wrapped
