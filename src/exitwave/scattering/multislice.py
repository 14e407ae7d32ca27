"""Multislice propagation of a plane wave through planes of atoms."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from exitwave.scattering import kernels
from exitwave.scattering.electron import interaction_parameter, wavelength
from exitwave.scattering.grid import Grid
from exitwave.scattering.packed import PackedPlanes
from exitwave.scattering.slicing import occupied_planes, slice_atoms

__all__ = ["Beam", "Multislice", "crop_spectrum", "single_thread"]


@dataclass(frozen=True)
class Beam:
    """The incident plane wave and what it suffers besides scattering.

    Parameters
    ----------
    energy
        eV.
    tilt
        Direction of the beam (y, x), mrad from the axis; the wave is given relative to the tilted carrier.
    absorption
        Imaginary over real potential.
    lossy
        Whether waves scattered beyond the band are taken from the wave (see ``unresolved``).
    """

    energy: float
    tilt: tuple[float, float] = (0.0, 0.0)
    absorption: float = 0.0
    lossy: bool = False

    def propagator(self, grid: Grid, distance: float) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
        r"""Factors along y and x of :math:`\exp[-i\pi\lambda\Delta z k^2 - 2\pi i\Delta z\,\theta\cdot k]`."""
        lam = wavelength(self.energy)
        factors = [
            np.exp(-1j * np.pi * distance * k * (lam * k + 2e-3 * angle))
            for k, angle in zip(grid.frequencies(), self.tilt, strict=True)
        ]
        return factors[0], factors[1]


class Multislice:
    r"""Scatter a plane wave through atoms on a CPU in single precision, one configuration after the other.

    .. math:: \psi_{k+1} = \mathcal F^{-1}\,M\,e^{-i\pi\lambda\Delta z k^2}\,\mathcal F\; e^{i\sigma V_k}\,\psi_k

    with transmission planes in the middle of the slices (second order in the slice thickness), a mask M at two
    thirds of Nyquist, and 1/N² of the unnormalised transforms folded into the propagator. Runs of planes without
    atoms are one propagation.

    Parameters
    ----------
    grid
        Grid of the potential and of the wave inside.
    output
        Grid of the exit wave; its band is cut out of the inner one.
    numbers
        Atomic numbers that may occur.
    parametrization
        Name of the scattering factors.
    beam
        The incident wave.
    thickness
        Distance of planes, Å.
    height
        Height of the cell, Å: the exit wave is that at z = ``height``.
    """

    batch = 1

    def __init__(
        self,
        grid: Grid,
        output: Grid,
        numbers: list[int],
        parametrization: str,
        beam: Beam,
        thickness: float,
        height: float,
    ) -> None:
        self.grid, self.output, self.beam = grid, output, beam
        self.thickness, self.height = thickness, height
        self._planes = PackedPlanes(grid, numbers, parametrization, interaction_parameter(beam.energy), beam.lossy)
        self._wave = torch.empty(grid.shape, dtype=torch.complex64)
        self._spectrum = torch.empty_like(self._wave)
        self._reach = grid.band_reach()

    def run(self, positions: NDArray[np.float64], numbers: NDArray[np.int32]) -> torch.Tensor:
        """Return the exit waves of positions (configurations, atoms, 3): complex64 (configurations, y, x).

        They are on the output grid; without atoms they are exactly one.
        """
        return torch.stack([self._run(one, numbers) for one in positions])

    def _run(self, positions: NDArray[np.float64], numbers: NDArray[np.int32]) -> torch.Tensor:
        groups = slice_atoms(positions, numbers, self.grid, self.thickness)
        planes = occupied_planes(groups)
        if not planes:
            return torch.ones(self.output.shape, dtype=torch.complex64)
        with single_thread():
            self._planes.take(groups)
            self._wave.fill_(1.0)
            wave = self._wave.numpy().view(np.float32)
            spectrum = self._spectrum.numpy().view(np.float32)
            for index, plane in enumerate(planes):
                if index % 2 == 0:
                    partner = planes[index + 1] if index + 1 < len(planes) else plane
                    self._planes.load(plane, partner)
                self._transmit(wave, index % 2)
                torch.fft.fft2(self._wave, out=self._spectrum)
                last = index + 1 == len(planes)
                distance = (planes[index + 1] - plane) * self.thickness if not last else self._to_exit(plane)
                self._propagate(spectrum, distance)
                if not last:
                    torch.fft.ifft2(self._spectrum, norm="forward", out=self._wave)
            cropped = crop_spectrum(self._spectrum, self.output.shape)
            exit_wave: torch.Tensor = torch.fft.ifft2(cropped, norm="forward")
            return exit_wave

    def _transmit(self, wave: NDArray[np.float32], part: int) -> None:
        planes, absorption = self._planes, self.beam.absorption
        if planes.lossy or absorption:
            kernels.transmit_losing(wave, planes.phases[part], planes.losses[part], absorption, float(planes.lossy))
        else:
            kernels.transmit(wave, planes.phases[part])

    def _to_exit(self, plane: int) -> float:
        return self.height - (plane + 0.5) * self.thickness

    def _propagate(self, spectrum: NDArray[np.float32], distance: float) -> None:
        along_y, along_x = self.beam.propagator(self.grid, distance)
        along_y = along_y / self.grid.pixels
        kernels.propagate(
            spectrum,
            along_y.astype(np.complex64).view(np.float32),
            along_x.astype(np.complex64).view(np.float32),
            self._reach,
        )


def crop_spectrum(spectrum: torch.Tensor, shape: tuple[int, int]) -> torch.Tensor:
    """Return the low frequencies of spectra (…, y, x), cut or padded with zeros to ``shape``.

    The unpaired Nyquist frequency of an even size is dropped where a size changes, so that mirror images stay so.
    """
    for axis, size in zip((-2, -1), shape, strict=True):
        old = spectrum.shape[axis]
        if size == old:
            continue
        keep = min(old, size)
        positive, negative = (keep + 1) // 2, (keep - 1) // 2
        head = spectrum.narrow(axis, 0, positive)
        tail = spectrum.narrow(axis, old - negative, negative)
        gap = list(spectrum.shape)
        gap[axis] = size - positive - negative
        spectrum = torch.cat([head, spectrum.new_zeros(gap), tail], dim=axis)
    return spectrum


@contextmanager
def single_thread() -> Iterator[None]:
    """Let torch use one thread within the block: several per transform are slower on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
