"""Multislice in torch for any device: batches of configurations, any precision, and the exact oracle."""

from __future__ import annotations

from math import pi

import numpy as np
import torch
from numpy.typing import NDArray
from typing_extensions import override

from exitwave.scattering.electron import interaction_parameter
from exitwave.scattering.grid import Grid
from exitwave.scattering.multislice import Beam, Passage, crop_spectrum
from exitwave.scattering.potential import BETA, WIDTH, phase_filter
from exitwave.scattering.slicing import SlicedAtoms, slice_atoms
from exitwave.scattering.unresolved import loss_filter

__all__ = ["BatchedMultislice", "ExactMultislice", "ExactPlanes", "SpreadPlanes"]

# Spread atoms are summed as whole numbers of 2⁻²⁴: the sum does not depend on its order, so that runs on a GPU
# repeat bit for bit. Coincident atoms up to a weight of 128 fit.
_STEP = 2.0**-24


class SpreadPlanes:
    """Phases of planes for a batch of configurations, atoms spread onto the grid and filtered.

    Parameters
    ----------
    grid
        Grid of the potential.
    configurations
        Groups of sliced atoms, for each configuration.
    parametrization, beam
        Scattering factors and the incident wave.
    device, dtype
        Where, and in which real type.
    """

    def __init__(
        self,
        grid: Grid,
        configurations: list[list[SlicedAtoms]],
        parametrization: str,
        beam: Beam,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        self.count = len(configurations)
        self._grid, self._device, self._dtype = grid, device, dtype
        self._half = grid.shape[1] // 2 + 1
        self._elements: list[tuple[NDArray[np.int32], dict[str, torch.Tensor]]] = []
        for number in sorted({group.number for groups in configurations for group in groups}):
            parts = [
                (index, group)
                for index, groups in enumerate(configurations)
                for group in groups
                if group.number == number
            ]
            base = np.concatenate([group.base for _, group in parts])
            order = np.argsort(base, kind="stable")

            columns = {name: [getattr(group, name) for _, group in parts] for name in ("y", "x", "base", "weights")}
            columns["image"] = [np.full(len(group.base), index) for index, group in parts]
            sent = {
                name: torch.as_tensor(np.concatenate(values)[order], device=device)
                for name, values in columns.items()
            }
            sent["weights"] = sent["weights"].to(dtype)
            filters = _filters(grid, number, parametrization, beam, spread=True)[:, :, : self._half]
            sent["filters"] = torch.tensor(filters, device=device, dtype=dtype)
            self._elements.append((base[order], sent))
        self._rows = 2 if beam.lossy else 1

    def occupied(self) -> list[int]:
        """Return the planes on which any atom of any configuration acts."""
        bases = [np.unique(base) for base, _ in self._elements]
        if not bases:
            return []
        return [int(k) for k in np.unique(np.concatenate(bases)[:, None] + np.arange(-1, 3)[None, :])]

    def exponents(self, plane: int) -> list[torch.Tensor]:
        """Return the phase of one plane and, if lossy, the exponent of its loss, each (configurations, y, x)."""
        ny, nx = self._grid.shape
        totals: list[torch.Tensor] = []
        for base, element in self._elements:
            low, high = (int(i) for i in np.searchsorted(base, (plane - 2, plane + 2)))
            if low == high:
                continue
            spectrum = torch.fft.rfft2(self._spread(element, low, high, plane))
            parts = [spectrum * factor for factor in element["filters"]]
            totals = [a + b for a, b in zip(totals, parts, strict=True)] if totals else parts
        if not totals:
            return [torch.zeros((self.count, ny, nx), device=self._device, dtype=self._dtype)] * self._rows
        return [torch.fft.irfft2(total, s=(ny, nx), norm="forward") for total in totals]

    def _spread(self, element: dict[str, torch.Tensor], low: int, high: int, plane: int) -> torch.Tensor:
        ny, nx = self._grid.shape
        share = element["weights"][low:high].gather(1, (plane + 1 - element["base"][low:high].long())[:, None])
        along_y, iy = _spread_axis(element["y"][low:high], ny)
        along_x, ix = _spread_axis(element["x"][low:high], nx)
        values = share[:, :, None] * (along_y[:, :, None] * along_x[:, None, :]).to(self._dtype)
        places = (element["image"][low:high, None, None] * ny + iy[:, :, None]) * nx + ix[:, None, :]
        size = self.count * ny * nx
        if self._dtype == torch.float32:
            counts = torch.zeros(size, device=self._device, dtype=torch.int32)
            counts.index_add_(0, places.reshape(-1), (values / _STEP).round().to(torch.int32).reshape(-1))
            flat = counts.to(self._dtype) * _STEP
        else:
            wide = torch.zeros(size, device=self._device, dtype=torch.int64)
            wide.index_add_(0, places.reshape(-1), (values / _STEP**2).round().to(torch.int64).reshape(-1))
            flat = wide.to(self._dtype) * _STEP**2
        return flat.reshape(self.count, ny, nx)


class ExactPlanes:
    r"""Phases of planes by the exact structure factor of one configuration: one matrix product per plane and element.

    .. math:: S(k_y,k_x) = \sum_a w_a\,e^{-2\pi i k_y y_a}\,e^{-2\pi i k_x x_a}

    Differentiable with respect to the positions (and, through the weights, to the heights).
    """

    def __init__(
        self,
        grid: Grid,
        positions: torch.Tensor,
        numbers: NDArray[np.int32],
        thickness: float,
        parametrization: str,
        beam: Beam,
    ) -> None:
        self.count = 1
        self._grid, self._positions = grid, positions
        device, dtype = positions.device, positions.dtype
        ky, kx = (torch.as_tensor(k, device=device, dtype=dtype) for k in grid.frequencies())
        self._ky, self._kx = ky, kx
        height = positions[:, 2] / thickness - 0.5
        floor = torch.floor(height.detach())
        self._weights = _lagrange(height - floor)
        self._base = floor.long().cpu().numpy()
        self._numbers = np.asarray(numbers)
        self._filters = {
            int(number): torch.tensor(
                _filters(grid, int(number), parametrization, beam, spread=False), device=device, dtype=dtype
            )
            for number in np.unique(self._numbers)
        }

    def occupied(self) -> list[int]:
        """Return the planes on which any atom acts."""
        return [int(k) for k in np.unique(np.unique(self._base)[:, None] + np.arange(-1, 3)[None, :])]

    def exponents(self, plane: int) -> list[torch.Tensor]:
        """Return the phase of one plane and, if lossy, the exponent of its loss, each (1, y, x)."""
        node = plane - self._base + 1
        device = self._positions.device
        totals: list[torch.Tensor] = []
        for number, filters in self._filters.items():
            chosen = np.flatnonzero((self._numbers == number) & (node >= 0) & (node < 4))
            if not len(chosen):
                continue
            atoms = torch.as_tensor(chosen, device=device)
            share = self._weights[atoms, torch.as_tensor(node[chosen], device=device)]
            along_y = _waves(self._ky, self._positions[atoms, 1])
            along_x = _waves(self._kx, self._positions[atoms, 0])
            structure = (along_y * share) @ along_x.T
            parts = [structure * factor for factor in filters]
            totals = [a + b for a, b in zip(totals, parts, strict=True)] if totals else parts
        return [torch.fft.ifft2(total, norm="forward").real[None] for total in totals]


class BatchedMultislice(Passage):
    """Scatter a plane wave through batches of configurations on any device, in single or double precision.

    The parameters are those of ``Multislice``, and

    Parameters
    ----------
    device
        Where to compute.
    dtype
        float32 or float64.
    batch
        How many configurations to hand over at once.
    """

    def __init__(
        self,
        grid: Grid,
        output: Grid,
        parametrization: str,
        beam: Beam,
        thickness: float,
        height: float,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
        batch: int = 1,
    ) -> None:
        self.batch = batch
        self.grid, self.output, self.beam = grid, output, beam
        self.thickness, self.height = thickness, height
        self.device, self.dtype = device, dtype
        self._parametrization = parametrization
        mask = np.abs(np.fft.fftfreq(grid.shape[1], 1 / grid.shape[1])) <= grid.band_reach()[:, None]
        self._mask = torch.as_tensor(mask, device=device)
        self._factors: dict[float, torch.Tensor] = {}

    @override
    def take(self, positions: NDArray[np.float64], numbers: NDArray[np.int32]) -> SpreadPlanes | ExactPlanes:
        """Return the planes of configurations, positions (configurations, atoms, 3)."""
        groups = [slice_atoms(p, numbers, self.grid, self.thickness) for p in positions]
        return self.take_groups(groups)

    def take_groups(self, groups: list[list[SlicedAtoms]]) -> SpreadPlanes:
        """Return the planes of sliced atoms, a list for each wave: of configurations, of structures too."""
        return SpreadPlanes(self.grid, groups, self._parametrization, self.beam, self.device, self.dtype)

    @override
    def planes(self, atoms: SpreadPlanes | ExactPlanes) -> list[int]:
        return atoms.occupied()

    @override
    def vacuum(self, count: int) -> torch.Tensor:
        return self._ones(count, self.output.shape)

    @override
    def enter(self, atoms: SpreadPlanes | ExactPlanes, wave: torch.Tensor | None = None) -> None:
        self._atoms = atoms
        self._wave = self._ones(atoms.count, self.grid.shape) if wave is None else wave.to(self.device)
        # nothing is sent to the device between planes
        for gap in set(np.diff(atoms.occupied()).tolist()):
            self._propagator(gap * self.thickness)

    @override
    def wave(self) -> torch.Tensor:
        return self._wave

    @override
    def step(self, plane: int | None, distance: float) -> None:
        self._wave = torch.fft.ifft2(self._moved(plane, distance), norm="forward")

    @override
    def leave(self, plane: int | None, distance: float) -> torch.Tensor:
        spectrum = crop_spectrum(self._moved(plane, distance), self.output.shape)
        exit_wave: torch.Tensor = torch.fft.ifft2(spectrum, norm="forward")
        return exit_wave

    @override
    def potential(self, plane: int) -> torch.Tensor:
        phase: torch.Tensor = self._atoms.exponents(plane)[0]
        return phase

    def _moved(self, plane: int | None, distance: float) -> torch.Tensor:
        wave = self._wave if plane is None else self._wave * self._transmission(self._atoms.exponents(plane))
        factor = self._propagator(distance)
        moved: torch.Tensor = torch.fft.fft2(wave) * factor
        return moved

    def _ones(self, count: int, shape: tuple[int, int]) -> torch.Tensor:
        kind = torch.complex64 if self.dtype == torch.float32 else torch.complex128
        return torch.ones((count, *shape), dtype=kind, device=self.device)

    def _transmission(self, exponents: list[torch.Tensor]) -> torch.Tensor:
        phase = exponents[0]
        lost = [self.beam.absorption * phase] if self.beam.absorption else []
        lost += exponents[1:]
        size = torch.exp(-torch.stack(lost).sum(0)) if lost else torch.ones_like(phase)
        return torch.polar(size, phase)

    def _propagator(self, distance: float) -> torch.Tensor:
        if distance in self._factors:
            return self._factors[distance]
        along_y, along_x = self.beam.propagator(self.grid, distance)
        kind = torch.complex64 if self.dtype == torch.float32 else torch.complex128
        y = torch.as_tensor(along_y / self.grid.pixels, device=self.device)
        x = torch.as_tensor(along_x, device=self.device)
        factor: torch.Tensor = ((y[:, None] * x[None, :]) * self._mask).to(kind)
        self._factors[distance] = factor
        return factor


class ExactMultislice(BatchedMultislice):
    """The oracle: one configuration at a time, with exact structure factors, differentiable in the positions."""

    @override
    def run(self, positions: NDArray[np.float64] | torch.Tensor, numbers: NDArray[np.int32]) -> torch.Tensor:
        """Return the exit waves of positions (configurations, atoms, 3), an array or a tensor with gradients."""
        if not len(numbers):
            return self.vacuum(len(positions))
        return torch.cat([self.finish(self.take(one[None], numbers)) for one in positions])

    @override
    def take(self, positions: NDArray[np.float64] | torch.Tensor, numbers: NDArray[np.int32]) -> ExactPlanes:
        """Return the planes of the one configuration of positions (1, atoms, 3), which may carry gradients."""
        moved = torch.as_tensor(positions).to(device=self.device, dtype=self.dtype)
        return ExactPlanes(self.grid, moved[0], numbers, self.thickness, self._parametrization, self.beam)


def _filters(grid: Grid, number: int, parametrization: str, beam: Beam, spread: bool) -> NDArray[np.float64]:
    """Return the filters of phase and, if lossy, loss of one element, (1 or 2, ny, nx)."""
    sigma = interaction_parameter(beam.energy)
    kinds = [phase_filter, loss_filter] if beam.lossy else [phase_filter]
    return np.stack([kind(grid, number, parametrization, sigma, spread) for kind in kinds])


def _spread_axis(position: torch.Tensor, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return kernel values and grid indices of atoms along one axis, (atoms, WIDTH) each."""
    first = torch.floor(position) - (WIDTH // 2 - 1)
    points = first[:, None] + torch.arange(WIDTH, device=position.device, dtype=position.dtype)
    u = (position[:, None] - points) * (2 / WIDTH)
    values = torch.exp(BETA * (torch.sqrt((1 - u * u).clamp_min(0.0)) - 1))
    return values, torch.remainder(points, size).long()


def _lagrange(t: torch.Tensor) -> torch.Tensor:
    """Cubic Lagrange weights as in ``plane_weights``, differentiable."""
    return torch.stack(
        [
            -t * (t - 1) * (t - 2) / 6,
            (t + 1) * (t - 1) * (t - 2) / 2,
            -(t + 1) * t * (t - 2) / 2,
            (t + 1) * t * (t - 1) / 6,
        ],
        dim=-1,
    )


def _waves(k: torch.Tensor, position: torch.Tensor) -> torch.Tensor:
    angle = -2 * pi * k[:, None] * position[None, :]
    return torch.polar(torch.ones_like(angle), angle)
