"""Phases of planes on a CPU, two at a time."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from exitwave.scattering import kernels
from exitwave.scattering.grid import Grid
from exitwave.scattering.potential import BETA, phase_filter
from exitwave.scattering.slicing import SlicedAtoms
from exitwave.scattering.unresolved import loss_filter

__all__ = ["PackedPlanes"]


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

    def load(self, groups: list[SlicedAtoms], plane_a: int, plane_b: int) -> None:
        """Compute two planes; ``phases`` and ``losses`` then hold them."""
        spread = self._atoms.numpy()
        spectrum, phase, loss = (t.numpy().view(np.float32) for t in (self._spectrum, self._phase, self._loss))
        fresh = True
        for group in groups:
            first, last = group.near(plane_a, plane_b)
            if first == last:
                continue
            spread.fill(0)
            kernels.spread_pair(
                spread, group.y, group.x, group.base, group.weights, first, last, plane_a, plane_b, BETA
            )
            torch.fft.fft2(self._atoms, out=self._spectrum)
            merge = kernels.set_filtered if fresh else kernels.add_filtered
            merge(phase, spectrum, self._filters[group.number])
            if self.lossy:
                merge(loss, spectrum, self._losses[group.number])
            fresh = False
        # the spectrum is no longer needed: each transform back goes there, and the two change places
        torch.fft.ifft2(self._phase, norm="forward", out=self._spectrum)
        self._phase, self._spectrum = self._spectrum, self._phase
        if self.lossy:
            torch.fft.ifft2(self._loss, norm="forward", out=self._spectrum)
            self._loss, self._spectrum = self._spectrum, self._loss
        else:
            self._loss = self._phase

    @property
    def phases(self) -> NDArray[np.float32]:
        """Phases of the two planes, (ny, 2·nx): one in the even columns, the other in the odd ones."""
        view: NDArray[np.float32] = self._phase.numpy().view(np.float32)
        return view

    @property
    def losses(self) -> NDArray[np.float32]:
        """Exponents of the losses of the two planes, (ny, 2·nx), packed alike."""
        view: NDArray[np.float32] = self._loss.numpy().view(np.float32)
        return view
