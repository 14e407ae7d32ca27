"""The incoherent sum over focal spread and thermal configurations, as each device likes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import pi
from threading import local

import numpy as np
import torch
from numpy.typing import NDArray

from exitwave.imaging import kernels
from exitwave.imaging.aberrations import angles
from exitwave.imaging.coherence import aperture_edge, transmission
from exitwave.imaging.conditions import Conditions
from exitwave.imaging.modes import Modes, RadialPower, focal_grid, radial_power
from exitwave.imaging.transfer import lens_planes, positive
from exitwave.scattering.electron import wavelength
from exitwave.scattering.fourier import plan
from exitwave.scattering.grid import Grid
from exitwave.scattering.packed import Layout

__all__ = ["Spectra", "sum_in_tiles", "sum_of_modes", "sum_over_foci"]

_Floats = NDArray[np.float32]


@dataclass(frozen=True)
class _Field:
    """A grid as the compiled loops see it: its layout, and the angles of rows and columns in that order."""

    layout: Layout
    rows: NDArray[np.float64]
    columns: NDArray[np.float64]
    half: NDArray[np.float64]  # angles of the rows from zero to the highest
    folded: NDArray[np.int64]  # which of these a row has, but for its sign
    edge: float

    @property
    def width(self) -> int:
        return len(self.columns)


@lru_cache(maxsize=8)
def _field(shape: tuple[int, int], sampling: tuple[float, float], energy: float, reach: int) -> _Field:
    grid = Grid(shape, (shape[0] * sampling[0], shape[1] * sampling[1]))
    layout = Layout.of(grid, reach)
    rows, columns = angles(shape, sampling, energy)
    order = layout.y.order
    return _Field(
        layout,
        rows.numpy()[order],
        columns.numpy()[layout.frequencies],
        rows.numpy()[: shape[0] // 2 + 1],
        np.minimum(order, shape[0] - order),
        aperture_edge(rows, columns),
    )


@lru_cache(maxsize=8)
def _beam_angles(
    shape: tuple[int, int], sampling: tuple[float, float], energy: float, device: torch.device
) -> tuple[torch.Tensor, float]:
    """Return the angle of every beam in rad, float32 (y, x), and the width of an aperture's edge."""
    rows, columns = angles(shape, sampling, energy, device)
    return (rows[:, None] ** 2 + columns**2).sqrt().float(), aperture_edge(rows, columns)


@dataclass(frozen=True, eq=False)
class Spectra:
    """The spectra of a wave's configurations with what follows from them alone.

    Parameters
    ----------
    array
        complex64 (configurations, y, x), transformed with ``norm="forward"``.
    sampling
        Å/px in y and x.
    energy
        eV.
    """

    array: torch.Tensor
    sampling: tuple[float, float]
    energy: float

    @cached_property
    def radial(self) -> RadialPower:
        """The power by squared angle."""
        return radial_power(self.array, self.sampling, self.energy)

    @cached_property
    def power(self) -> torch.Tensor:
        """The intensity of every beam, summed over configurations, float32 (y, x)."""
        return (self.array.real.square() + self.array.imag.square()).sum(0)

    def radial_within(self, semiangle: float) -> RadialPower:
        """Return the power by squared angle that an aperture of a semi-angle in mrad lets pass; 0 is none."""
        if semiangle <= 0:
            return self.radial
        angle = torch.arange(len(self.radial.power), dtype=torch.float64).mul(self.radial.step).sqrt()
        _, edge = _beam_angles(self.shape, self.sampling, self.energy, self.array.device)
        inside = transmission(angle, torch.tensor(semiangle, dtype=torch.float64), edge)
        return self.radial._replace(power=self.radial.power * inside.numpy() ** 2)

    def transmitted(self, semiangles: torch.Tensor) -> torch.Tensor:
        """Return the intensity that objective apertures of n semi-angles (mrad) let pass, float32 (n,)."""
        if not positive(semiangles) and not self.array.requires_grad:  # summed already
            return torch.full_like(semiangles, float(self.radial.power.sum()), dtype=torch.float32)
        angle, edge = _beam_angles(self.shape, self.sampling, self.energy, self.array.device)
        apertures = [transmission(angle, semiangle.float(), edge) for semiangle in semiangles]
        return torch.stack([(self.power * passing**2).sum() for passing in apertures])

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return int(self.array.shape[-2]), int(self.array.shape[-1])

    @property
    def fits_tiles(self) -> bool:
        """Whether the compiled transforms go with the grid."""
        return self.array.device.type == "cpu" and all(plan(size) is not None for size in self.shape)

    @cached_property
    def field(self) -> _Field:
        """The grid, with no more columns than hold any intensity."""
        return _field(self.shape, self.sampling, self.energy, self.radial.reach)

    @cached_property
    def planes(self) -> _Floats:
        """Real and imaginary parts in the order of the field, float32 (configurations, 2, y, 16 · tiles)."""
        layout = self.field.layout
        values = np.empty((len(self.array), 2, self.shape[0], self.field.width), np.float32)
        for spectrum, planes in zip(torch.view_as_real(self.array.detach()).numpy(), values, strict=True):
            kernels.arrange(spectrum, layout.y.order, layout.frequencies, planes)
        return values


def sum_over_foci(spectra: Spectra, lens: torch.Tensor, std: torch.Tensor) -> torch.Tensor:
    """Return the sum over foci and configurations by its definition, (n, y, x), with gradients to the spread too."""
    rows, columns = angles(spectra.shape, spectra.sampling, spectra.energy, lens.device)
    foci, weights = focal_grid(spectra.radial.highest_phase(float(std.detach().max()), spectra.energy))
    total = torch.zeros((), device=lens.device)
    for focus, weight in zip(foci.tolist(), weights.tolist(), strict=True):
        # exp(iπλf k²) is a product of one factor per axis
        shift = (pi / wavelength(spectra.energy) * focus * std)[:, None]
        y, x = _phasor((shift * rows**2).float()), _phasor((shift * columns**2).float())
        total = total + weight * _power((lens * (y[:, :, None] * x[:, None, :]))[:, None] * spectra.array)
    return total


def sum_of_modes(spectra: Spectra, lens: torch.Tensor, modes: Sequence[Modes]) -> torch.Tensor:
    """Return the same sum by the modes of each condition, all conditions in one step, as a GPU likes it."""
    rows, columns = angles(spectra.shape, spectra.sampling, spectra.energy, lens.device)
    on_grid = [mode.on(rows, columns) for mode in modes]
    total = torch.zeros((), device=lens.device)
    for index in range(max(len(grids) for grids in on_grid)):
        factors = [grids[index] if index < len(grids) else torch.zeros_like(grids[0]) for grids in on_grid]
        total = total + _power((lens * torch.stack(factors))[:, None] * spectra.array)
    return total


def _power(beams: torch.Tensor) -> torch.Tensor:
    """Return the intensity of waves (n, configurations, y, x) of given spectra, summed over configurations."""
    # squares are summed over configurations before real and imaginary parts, which lie side by side in memory
    power = torch.view_as_real(torch.fft.ifft2(beams, norm="forward")).square().sum(1)
    return power[..., 0] + power[..., 1]


def _phasor(phase: torch.Tensor) -> torch.Tensor:
    return torch.complex(phase.cos(), phase.sin())


def sum_in_tiles(spectra: Spectra, conditions: Conditions, modes: Sequence[Modes]) -> torch.Tensor:
    """Return what :func:`sum_of_modes` does, one transform at a time within the caches of a CPU core."""
    field, planes = spectra.field, spectra.planes
    layout = field.layout
    y, x = layout.y.steps, layout.x.steps
    beams, tiles, row, power = _scratch(layout)
    total = np.empty((len(conditions), *spectra.shape), np.float32)
    for index, mode in enumerate(modes):
        lens = lens_planes(conditions, index, field.rows, field.columns, field.edge, spectra.energy)
        factors = _factors(mode, field)
        power.fill(0.0)
        for configuration in planes:
            kernels.bend_tiles(configuration, lens, beams)
            for factor in factors:
                kernels.weigh_tiles(beams, factor, field.folded, tiles, layout.y.places, *y)
                kernels.add_power(tiles, power, row, layout.along, layout.lines, layout.x.places, *x)
        total[index] = layout.image(power)
    return torch.from_numpy(total)


_OWN = local()


def _scratch(layout: Layout) -> tuple[_Floats, _Floats, _Floats, _Floats]:
    """Return arrays that belong to this thread; fresh memory costs as much as a transform."""
    held: tuple[Layout, tuple[_Floats, _Floats, _Floats, _Floats]] | None = getattr(_OWN, "held", None)
    if held is None or held[0] is not layout:
        tiles = layout.tiles()
        beams = np.empty((len(tiles), 32 * layout.y.length), np.float32)
        power = np.empty((layout.blocks, 16 * layout.x.length), np.float32)
        held = layout, (beams, tiles, layout.rows(1)[0], power)
        _OWN.held = held
    return held[1]


_LATEST: list[tuple[Modes, _Field, list[_Floats]]] = []  # images often share their focal spread


def _factors(mode: Modes, field: _Field) -> list[_Floats]:
    """Return the modes on a field, (tiles, 16 · half the rows), kept for the image that comes next."""
    for known, place, factors in _LATEST:
        if known is mode and place is field:
            return factors
    y, x = ((axis**2 / mode.step).astype(np.float32) for axis in (field.half, field.columns))
    factors = [np.empty((field.width // 16, 16 * len(y)), dtype=np.float32) for _ in mode.table]
    for table, factor in zip(mode.table, factors, strict=True):
        kernels.mode_tiles(table, y, x, factor)
    _LATEST[:] = [(mode, field, factors)]
    return factors
