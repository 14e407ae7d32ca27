"""Waves inside a film, before every so many planes: computed from the entrance, kept from where they are asked."""

from __future__ import annotations

from math import ceil, floor

import numpy as np
import torch

from exitwave.core import integer
from exitwave.scattering.memory import ScatteringMemoryError, available_memory
from exitwave.scattering.multislice import Passage
from exitwave.scattering.session import Session

__all__ = ["FilmWaves"]


class FilmWaves:
    """Waves of a film's configurations before planes; those asked for are kept, one before, and all behind.

    A wave is always that of a pass from the entrance with the same stops, so it has the same bits whatever was
    asked before.

    Parameters
    ----------
    session
        The film.
    engine
        Its engine.
    every
        Planes between kept waves.
    device
        Where the waves are.
    """

    def __init__(self, session: Session, engine: Passage, every: int, device: str | torch.device | None) -> None:
        self._session, self._engine, self._every = session, engine, every
        self._place = torch.device("cpu" if device is None else device)
        self._kept: dict[tuple[int, int], torch.Tensor] = {}
        height = float(np.asarray(session.structure.positions)[:, 2].max(initial=0.0))
        # atoms at the entrance, an ångström before it at most, act on no plane before this one
        self._bottom = floor(-1.0 / session.thickness - 0.5) - 1
        self._top = floor(height / session.thickness - 0.5) + 2
        self._stops = sorted({self._stop(plane) for plane in range(self._bottom, self._top + 2)})

    @property
    def nbytes(self) -> int:
        """Bytes of the waves that are kept."""
        return sum(wave.nbytes for wave in list(self._kept.values()))  # others may add some

    def start(self, depth: float) -> int:
        """Return the plane before which the wave is taken: none before it feels what is at ``depth``."""
        first = self._top + 1 if depth == float("inf") else floor(depth / self._engine.thickness - 0.5) - 1
        return self._stop(min(first, self._top + 1))

    def before(self, plane: int, index: int) -> torch.Tensor:
        """Return the wave of one configuration before a plane that ``start`` gave, (1, y, x)."""
        if (index, plane) not in self._kept:
            first = plane - self._every  # the next scene may begin a little before
            missing = [stop for stop in self._stops if stop >= first and (index, stop) not in self._kept]
            self._check_memory(missing)
            session, engine = self._session, self._engine
            atoms = engine.take(session.positions(index)[None], session.numbers)
            planes = engine.planes(atoms)
            engine.enter(atoms)
            here = self._bottom
            for stop in self._stops[: self._stops.index(missing[-1]) + 1]:
                engine.advance(planes, here, stop)
                if stop in missing:
                    self._kept[index, stop] = engine.wave().clone()
                here = stop
        return self._kept[index, plane]

    def _stop(self, plane: int) -> int:
        return max(self._bottom, self._every * (plane // self._every))

    def _check_memory(self, planes: list[int]) -> None:
        """Raise ScatteringMemoryError if waves before planes, of all configurations and not kept yet, do not fit."""
        wanted = {(index, plane) for index in range(self._session.count) for plane in planes}
        size = 16 if self._session.spec.precision == "double" else 8
        needed = len(wanted - self._kept.keys()) * self._session.inner.pixels * size
        free = available_memory(self._place)
        if free is not None and needed > 0.8 * free:
            raise ScatteringMemoryError(
                f"the bank would keep film waves of {needed / 1e9:.1f} GB, but {free / 1e9:.1f} GB are free; "
                f"every={integer(self._every * ceil(needed / (0.8 * free)))} fits, and in a recipe, use "
                "fewer configurations, fewer workers, or leave per_film out."
            )
