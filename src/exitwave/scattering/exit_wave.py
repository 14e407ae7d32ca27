"""The exit wave: what leaves the specimen, before any lens."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from exitwave.core import ScatteringError
from exitwave.scattering.grid import Grid
from exitwave.scattering.multislice import Beam, crop_spectrum

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from exitwave.structure.structure import Structure

__all__ = ["ExitWave"]

_STRUCTURE_ARRAYS = ("positions", "numbers", "cell", "objects", "grains", "thermal")


@dataclass(frozen=True, eq=False)
class ExitWave:
    """Complex waves at the exit face of a specimen, one for each thermal configuration.

    Parameters
    ----------
    array
        complex64 (configurations, y, x); the incident wave has intensity 1.
    sampling
        Pixel size (y, x), Å.
    energy
        Beam energy, eV.
    particle
        Waves of the atoms of role "particle" alone in vacuum, same displacements and shape, or None if not asked
        for. Without such atoms they are exactly one.
    structure
        The atoms.
    record
        The drawn scattering spec and the stream of its thermal configurations.

    Examples
    --------
    >>> import torch
    >>> wave = ExitWave(torch.ones(1, 64, 64, dtype=torch.complex64), (0.2, 0.2), 300e3)
    >>> wave.extent, float(wave.intensity.mean())
    ((12.8, 12.8), 1.0)
    """

    array: torch.Tensor
    sampling: tuple[float, float]
    energy: float
    particle: torch.Tensor | None = None
    structure: Structure | None = None
    record: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.array.ndim != 3 or not self.array.is_complex():
            shape, kind = tuple(self.array.shape), self.array.dtype
            raise ScatteringError(f"array is {kind} of shape {shape}; it is complex (configurations, y, x).")
        if self.particle is not None and self.particle.shape != self.array.shape:
            shape = tuple(self.particle.shape)
            raise ScatteringError(f"particle has shape {shape}; it has that of array, {tuple(self.array.shape)}.")

    def __repr__(self) -> str:
        configurations, ny, nx = self.shape
        alone = "" if self.particle is None else ", with particle"
        return (
            f"ExitWave({configurations} × {ny} × {nx} px at {self.sampling[0]:.4g} × {self.sampling[1]:.4g} Å, "
            f"{self.energy / 1e3:g} keV{alone}, {self.array.device})"
        )

    @property
    def shape(self) -> tuple[int, int, int]:
        """Configurations, pixels along y, pixels along x."""
        return self.array.shape[0], self.array.shape[1], self.array.shape[2]

    @property
    def extent(self) -> tuple[float, float]:
        """Size of the field (y, x), Å."""
        return self.shape[1] * self.sampling[0], self.shape[2] * self.sampling[1]

    @property
    def grid(self) -> Grid:
        """The grid of the wave."""
        return Grid(self.shape[1:], self.extent)

    @property
    def intensity(self) -> torch.Tensor:
        """|ψ|² of every configuration, (configurations, y, x)."""
        return self.array.real**2 + self.array.imag**2

    @property
    def amplitude(self) -> torch.Tensor:
        """|ψ| of every configuration, (configurations, y, x)."""
        return self.array.abs()

    @property
    def phase(self) -> torch.Tensor:
        """Phase of ψ in (−π, π], rad, (configurations, y, x)."""
        return self.array.angle()

    def to(self, device: str | torch.device) -> ExitWave:
        """Return the wave on another device."""
        particle = None if self.particle is None else self.particle.to(device)
        return replace(self, array=self.array.to(device), particle=particle)

    def resample(self, sampling: float) -> ExitWave:
        """Return the wave on the grid of whole pixels nearest to ``sampling`` (Å), by Fourier transform.

        A coarser grid loses the frequencies beyond its Nyquist frequency; a finer one gains none.
        """
        if not (np.isfinite(sampling) and sampling > 0):
            raise ScatteringError(f"sampling is {sampling}; a sampling is a number above 0 in Å/px.")
        shape = tuple(max(1, round(length / sampling)) for length in self.extent)
        scale = self.shape[1] * self.shape[2]

        def cropped(array: torch.Tensor) -> torch.Tensor:
            spectrum = crop_spectrum(torch.fft.fft2(array), (shape[0], shape[1]))
            result: torch.Tensor = torch.fft.ifft2(spectrum, norm="forward") / scale
            return result

        particle = None if self.particle is None else cropped(self.particle)
        pixel = (self.extent[0] / shape[0], self.extent[1] / shape[1])
        return replace(self, array=cropped(self.array), particle=particle, sampling=pixel)

    def propagate(self, distance: float) -> ExitWave:
        """Return the wave after ``distance`` Å of vacuum (before it, where negative), along a tilted beam too."""
        if not np.isfinite(distance):
            raise ScatteringError(f"distance is {distance}; it is a finite number of Å.")
        tilt = (float(self.record.get("tilt_y", 0.0)), float(self.record.get("tilt_x", 0.0)))
        along_y, along_x = Beam(self.energy, tilt).propagator(self.grid, distance)
        factor = torch.as_tensor(along_y[:, None] * along_x[None, :])

        def moved(array: torch.Tensor) -> torch.Tensor:
            kernel = factor.to(device=array.device, dtype=array.dtype) / (self.shape[1] * self.shape[2])
            result: torch.Tensor = torch.fft.ifft2(torch.fft.fft2(array) * kernel, norm="forward")
            return result

        particle = None if self.particle is None else moved(self.particle)
        return replace(self, array=moved(self.array), particle=particle)

    def save(self, path: str | Path) -> Path:
        """Write the wave, its structure and its record to ``path`` (.npz or .h5, no pickle) and return the path."""
        from exitwave.scattering import files

        return files.write(self._arrays(), self._texts(), Path(path))

    @classmethod
    def load(cls, path: str | Path) -> ExitWave:
        """Read what ``save`` wrote.

        Raises
        ------
        ScatteringError
            If the file is none of ours or cannot be read.
        """
        from exitwave.scattering import files

        arrays, texts = files.read(Path(path))
        header = json.loads(texts["header"])
        structure = None
        if "positions" in arrays:
            from exitwave.structure.structure import Structure

            parts: dict[str, Any] = {name: arrays[name] for name in _STRUCTURE_ARRAYS}
            words: dict[str, Any] = {name: tuple(header["structure"][name]) for name in ("names", "roles", "pbc")}
            structure = Structure(**parts, **words)
        return cls(
            array=torch.from_numpy(arrays["array"]),
            sampling=(float(header["sampling"][0]), float(header["sampling"][1])),
            energy=float(header["energy"]),
            particle=torch.from_numpy(arrays["particle"]) if "particle" in arrays else None,
            structure=structure,
            record=header["record"],
        )

    def to_abtem(self) -> Any:
        """Return the waves as ``abtem.Waves`` (without the particle's), where abTEM is installed."""
        from exitwave.scattering.converters import to_abtem

        return to_abtem(self)

    def to_hyperspy(self) -> Any:
        """Return the waves as ``hyperspy.signals.ComplexSignal2D``, where HyperSpy is installed."""
        from exitwave.scattering.converters import to_hyperspy

        return to_hyperspy(self)

    def show(self, configuration: int = 0) -> Figure:
        """Return a figure of amplitude and phase with axes in Å (and of the particle's phase, where there is one)."""
        from exitwave.scattering.figures import wave_figure

        return wave_figure(self, configuration)

    def _arrays(self) -> dict[str, np.ndarray[Any, Any]]:
        arrays = {"array": self.array.detach().cpu().numpy()}
        if self.particle is not None:
            arrays["particle"] = self.particle.detach().cpu().numpy()
        if self.structure is not None:
            arrays |= {name: np.asarray(getattr(self.structure, name)) for name in _STRUCTURE_ARRAYS}
        return arrays

    def _texts(self) -> dict[str, str]:
        header: dict[str, Any] = {
            "sampling": list(self.sampling),
            "energy": self.energy,
            "record": dict(self.record),
        }
        if self.structure is not None:
            header["structure"] = {
                "names": list(self.structure.names),
                "roles": list(self.structure.roles),
                "pbc": [bool(flag) for flag in self.structure.pbc],
            }
        return {"format": "exitwave wave 1", "header": json.dumps(header, ensure_ascii=False)}
