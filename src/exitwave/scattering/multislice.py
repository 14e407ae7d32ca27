"""Multislice propagation of a plane wave through planes of atoms."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from typing_extensions import override

from exitwave.scattering import kernels
from exitwave.scattering.electron import interaction_parameter, wavelength
from exitwave.scattering.grid import Grid
from exitwave.scattering.packed import Layout, PackedPlanes, SpreadAtoms
from exitwave.scattering.slicing import slice_atoms

__all__ = ["Beam", "Multislice", "Passage", "crop_spectrum", "single_thread"]


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


class Passage(ABC):
    """The passage of a wave through planes of atoms: what every engine does alike.

    A wave stands before a plane. ``enter`` places it there, ``step`` passes a plane and goes on to the next, and
    ``leave`` ends with the exit wave.
    """

    batch: int
    grid: Grid
    output: Grid
    thickness: float
    height: float

    @abstractmethod
    def take(self, positions: NDArray[np.float64], numbers: NDArray[np.int32]) -> Any:
        """Return what the engine needs of configurations, positions (configurations, atoms, 3)."""

    @abstractmethod
    def planes(self, atoms: Any) -> list[int]:
        """Return the planes on which any of the atoms acts, ascending."""

    @abstractmethod
    def enter(self, atoms: Any, wave: torch.Tensor | None = None) -> None:
        """Place a wave (configurations, y, x) of the inner grid, or the incident one, before ``atoms``."""

    @abstractmethod
    def step(self, plane: int | None, distance: float) -> None:
        """Pass a plane, or none, and go on by a distance in Å."""

    @abstractmethod
    def wave(self) -> torch.Tensor:
        """Return the wave that stands before the next plane, (configurations, y, x) of the inner grid."""

    @abstractmethod
    def leave(self, plane: int | None, distance: float) -> torch.Tensor:
        """Pass a plane, or none, go on by a distance in Å and return the wave on the output grid."""

    @abstractmethod
    def potential(self, plane: int) -> torch.Tensor:
        """Return the phases that a plane of the atoms gives, (configurations, y, x) of the inner grid, rad."""

    @abstractmethod
    def vacuum(self, count: int) -> torch.Tensor:
        """Return exit waves of nothing: exactly one."""

    def run(self, positions: NDArray[np.float64], numbers: NDArray[np.int32]) -> torch.Tensor:
        """Return the exit waves of positions (configurations, atoms, 3): complex (configurations, y, x).

        They are on the output grid; without atoms they are exactly one.
        """
        atoms = self.take(positions, numbers)
        return self.finish(atoms) if self.planes(atoms) else self.vacuum(len(positions))

    def finish(
        self, atoms: Any, start: int | None = None, wave: torch.Tensor | None = None, height: float | None = None
    ) -> torch.Tensor:
        """Return the waves at a height (the cell's) of a wave that stands before plane ``start`` (the first)."""
        planes = self.planes(atoms)
        self.enter(atoms, wave)
        last = self.advance(planes, start)
        end = self.height if height is None else height
        if last is None:
            assert start is not None
            return self.leave(None, end - self.depth(start))
        return self.leave(last, end - self.depth(last))

    def advance(self, planes: list[int], start: int | None = None, stop: int | None = None) -> int | None:
        """Go from before plane ``start`` (the first) to before ``stop``, or to the last plane, which is returned."""
        ahead = [p for p in planes if (start is None or p >= start) and (stop is None or p < stop)]
        here = start
        for plane, after in pairwise([*ahead, *([] if stop is None else [stop])]):
            if here is not None and here < plane:
                self.step(None, (plane - here) * self.thickness)
            self.step(plane, (after - plane) * self.thickness)
            here = after
        if stop is not None:
            if here is not None and here < stop:
                self.step(None, (stop - here) * self.thickness)
            return None
        if ahead and here is not None and here < ahead[-1]:
            self.step(None, (ahead[-1] - here) * self.thickness)
        return ahead[-1] if ahead else None

    def depth(self, plane: int) -> float:
        """Height of a plane, Å."""
        return (plane + 0.5) * self.thickness


class Multislice(Passage):
    r"""Scatter a plane wave through atoms on a CPU in single precision, one configuration after the other.

    .. math:: \psi_{k+1} = \mathcal F^{-1}\,M\,e^{-i\pi\lambda\Delta z k^2}\,\mathcal F\; e^{i\sigma V_k}\,\psi_k

    with transmission planes in the middle of the slices (second order in the slice thickness) and a mask M at two
    thirds of Nyquist. Runs of planes without atoms are one propagation. Transforms along x and along y are done in
    turn, sixteen rows or columns at a time, which stay in the cache while they are multiplied; only frequencies
    within the mask are transformed along y.

    Parameters
    ----------
    grid
        Grid of the potential and of the wave inside; ``can_pack`` must hold.
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
    boxes
        Whether planes whose atoms fill a small part of the grid are computed in that part alone.
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
        boxes: bool = True,
    ) -> None:
        self.grid, self.output, self.beam = grid, output, beam
        self.thickness, self.height = thickness, height
        self._numbers, self._parametrization, self._boxes = numbers, parametrization, boxes
        self._planes = self._make_planes(grid, (0, 0))
        self._factors: dict[float, tuple[NDArray[np.float32], NDArray[np.float32]]] = {}
        self._boxed: PackedPlanes | None = None
        self._pairs: set[int] = set()
        self._layout = layout = Layout.of(grid, int(grid.band_reach().max()))
        self._tiles, self._row = layout.tiles(), layout.rows(1)[0]
        ky, kx = grid.frequencies()
        self._held = layout.frequencies >= 0
        self._squares = np.where(self._held, kx[layout.frequencies] ** 2, np.inf).astype(np.float32)
        self._room = ((grid.cutoff * (1 + 1e-6)) ** 2 - ky[layout.y.order] ** 2).astype(np.float32)

    @override
    def run(self, positions: NDArray[np.float64], numbers: NDArray[np.int32]) -> torch.Tensor:
        return torch.cat([super(Multislice, self).run(one[None], numbers) for one in positions])

    @override
    def take(self, positions: NDArray[np.float64], numbers: NDArray[np.int32]) -> SpreadAtoms:
        """Return the atoms of the one configuration of ``positions`` (1, atoms, 3)."""
        return SpreadAtoms.of(slice_atoms(positions[0], numbers, self.grid, self.thickness))

    @override
    def planes(self, atoms: SpreadAtoms) -> list[int]:
        return atoms.planes

    @override
    def vacuum(self, count: int) -> torch.Tensor:
        return torch.ones((count, *self.output.shape), dtype=torch.complex64)

    @override
    def enter(self, atoms: SpreadAtoms, wave: torch.Tensor | None = None) -> None:
        box, self._pairs = atoms.boxes(self.grid) if self._boxes else (None, set())
        if box is None:
            self._boxed = None
        elif self._boxed is None or (self._boxed.origin, self._boxed.layout.grid.shape) != (box.origin, box.shape):
            self._boxed = self._make_planes(box.part_of(self.grid), box.origin)
        for planes in (self._planes, self._boxed):
            if planes is not None:
                planes.take(atoms)
        layout = self._layout
        if wave is None:
            self._tiles.fill(0.0)
            place = int(np.flatnonzero(layout.frequencies == 0)[0])
            self._tiles[place // 16, layout.y.places + place % 16] = 1.0
        else:
            with single_thread():
                lines = torch.fft.fft(wave[0], norm="forward").numpy()
            layout.fill(self._tiles, lines)

    @override
    def wave(self) -> torch.Tensor:
        lines = torch.from_numpy(self._layout.lines_of(self._tiles))
        with single_thread():
            wave: torch.Tensor = torch.fft.ifft(lines, norm="forward")
        return wave[None]

    @override
    def step(self, plane: int | None, distance: float) -> None:
        if plane is not None:
            self._transmit(plane)
        self._propagate(distance)

    @override
    def leave(self, plane: int | None, distance: float) -> torch.Tensor:
        if plane is not None:
            self._transmit(plane)
        self._propagate(distance, back=False)
        layout = self._layout
        spectrum = np.zeros(self.grid.shape, np.complex64)
        spectrum[layout.y.order] = layout.lines_of(self._tiles)
        with single_thread():
            cropped = crop_spectrum(torch.from_numpy(spectrum), self.output.shape)
            exit_wave: torch.Tensor = torch.fft.ifft2(cropped, norm="forward")
        return exit_wave[None]

    @override
    def potential(self, plane: int) -> torch.Tensor:
        part = self._planes.load(plane)
        return torch.from_numpy(np.ascontiguousarray(self._planes.layout.image(self._planes.phases[part])))[None]

    def _make_planes(self, grid: Grid, origin: tuple[int, int]) -> PackedPlanes:
        sigma = interaction_parameter(self.beam.energy)
        return PackedPlanes(grid, self._numbers, self._parametrization, sigma, self.beam.lossy, origin)

    def _transmit(self, plane: int) -> None:
        planes, layout = self._planes_of(plane), self._layout
        part = planes.load(plane)
        kernels.transmit_tiles(
            self._tiles,
            planes.origin[0] // 16,
            planes.origin[1],
            planes.phases[part],
            planes.losses[part],
            self.beam.absorption,
            planes.lossy,
            self._row,
            layout.along,
            layout.lines,
            layout.x.places,
            *layout.x.steps,
        )

    def _planes_of(self, plane: int) -> PackedPlanes:
        return self._boxed if self._boxed is not None and plane // 2 in self._pairs else self._planes

    def _propagate(self, distance: float, back: bool = True) -> None:
        layout = self._layout
        if distance not in self._factors:
            self._factors = {} if len(self._factors) > 64 else self._factors
            self._factors[distance] = self._factors_of(distance)
        kernels.propagate_tiles(
            self._tiles,
            *self._factors[distance],
            self._squares,
            self._room,
            back,
            layout.y.places,
            *layout.y.steps,
        )

    def _factors_of(self, distance: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the propagator along y, in the order of ``propagate_tiles``, and along x."""
        layout = self._layout
        along_y, along_x = self.beam.propagator(self.grid, distance)
        along_y = along_y[layout.y.order] / layout.y.length
        along_x = np.where(self._held, along_x[layout.frequencies], 0.0)
        parts = np.stack([along_x.real, along_x.imag]).reshape(2, -1, 16).swapaxes(0, 1)
        return along_y.astype(np.complex64).view(np.float32), parts.astype(np.float32).ravel()


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
