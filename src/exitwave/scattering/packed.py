"""Phases of planes on a CPU, two at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from exitwave.scattering import kernels
from exitwave.scattering.grid import Grid
from exitwave.scattering.potential import BETA, WIDTH, phase_filter
from exitwave.scattering.slicing import SlicedAtoms
from exitwave.scattering.unresolved import loss_filter

__all__ = ["PackedPlanes"]


@dataclass(frozen=True, eq=False)
class _SpreadAtoms:
    """Sliced atoms with the values of their spreading kernels."""

    atoms: SlicedAtoms
    first: tuple[NDArray[np.int64], NDArray[np.int64]]
    values: tuple[NDArray[np.float32], NDArray[np.float32]]

    @classmethod
    def of(cls, atoms: SlicedAtoms) -> _SpreadAtoms:
        count = len(atoms.base)
        first = (np.empty(count, np.int64), np.empty(count, np.int64))
        values = (np.empty((count, WIDTH), np.float32), np.empty((count, WIDTH), np.float32))
        for axis, position in enumerate((atoms.y, atoms.x)):
            kernels.spread_values(position, BETA, first[axis], values[axis])
        return cls(atoms, first, values)


class PackedPlanes:
    """Phases of pairs of planes on a CPU: one plane in the real part, the other in the imaginary part.

    The filter is real and even, so one complex transform there and back serves two planes. With ``lossy``, the
    losses of ``unresolved`` come from one more transform back.
    """

    def __init__(self, grid: Grid, numbers: list[int], name: str, sigma: float, lossy: bool) -> None:
        self.lossy = lossy
        self._filters = {n: phase_filter(grid, n, name, sigma).astype(np.float32) for n in numbers}
        self._losses = {n: loss_filter(grid, n, name, sigma).astype(np.float32) for n in numbers} if lossy else {}
        self._atoms = torch.zeros(grid.shape, dtype=torch.complex64)
        self._spectrum = torch.empty_like(self._atoms)
        self._phase = torch.empty_like(self._atoms)
        self._loss = torch.empty_like(self._atoms) if lossy else self._phase
        self._groups: list[_SpreadAtoms] = []
        self.phases = np.empty((2, *grid.shape), np.float32)
        self.losses = np.empty((2, *grid.shape), np.float32) if lossy else self.phases

    def take(self, groups: list[SlicedAtoms]) -> None:
        """Take the atoms of a configuration."""
        self._groups = [_SpreadAtoms.of(group) for group in groups]

    def load(self, plane_a: int, plane_b: int) -> None:
        """Compute two planes: ``phases`` and, if lossy, ``losses``, (2, ny, nx), then hold them."""
        spread, spectrum, phase, loss = (
            t.numpy().view(np.float32) for t in (self._atoms, self._spectrum, self._phase, self._loss)
        )
        fresh = True
        for group in self._groups:
            atoms = group.atoms
            first, last = atoms.near(plane_a, plane_b)
            if first == last:
                continue
            spread.fill(0)
            kernels.spread_pair(
                spread, *group.first, *group.values, atoms.base, atoms.weights, first, last, plane_a, plane_b
            )
            torch.fft.fft2(self._atoms, out=self._spectrum)
            merge = kernels.set_filtered if fresh else kernels.add_filtered
            merge(phase, spectrum, self._filters[atoms.number])
            if self.lossy:
                merge(loss, spectrum, self._losses[atoms.number])
            fresh = False
        # the spectrum is no longer needed: the transforms back go there
        torch.fft.ifft2(self._phase, norm="forward", out=self._spectrum)
        kernels.unpack(spectrum, *self.phases)
        if self.lossy:
            torch.fft.ifft2(self._loss, norm="forward", out=self._spectrum)
            kernels.unpack(spectrum, *self.losses)
