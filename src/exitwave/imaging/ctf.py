"""The contrast transfer function as a thing to look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from exitwave.core import OpticsError
from exitwave.imaging.aberrations import angles
from exitwave.imaging.coherence import temporal_envelope
from exitwave.imaging.conditions import Conditions
from exitwave.imaging.spec import Imaging
from exitwave.imaging.transfer import transfer_function

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["CTF"]


@dataclass(frozen=True, eq=False, repr=False)
class CTF:
    """The transfer function of a drawn imaging spec: the same array that forms the image.

    Parameters
    ----------
    array
        complex64 (y, x), :func:`~exitwave.imaging.transfer_function`, zero frequency first.
    envelope
        (y, x), the damping by the focal spread of a weak object (all ones where ``array`` has it already).
    sampling
        Å/px in y and x of the image.
    spec
        The drawn spec.

    Examples
    --------
    >>> ctf = CTF.of(Imaging(defocus=595.0, aberrations={"C30": "1.2 mm"}))
    >>> ctf
    CTF(512 × 512, defocus 595 Å, first zero at 0.504 1/Å)
    """

    array: torch.Tensor
    envelope: torch.Tensor
    sampling: tuple[float, float]
    spec: Imaging

    @classmethod
    def of(
        cls,
        spec: Imaging,
        shape: Sequence[int] = (512, 512),
        sampling: tuple[float, float] = (0.25, 0.25),
        energy: float = 300e3,
    ) -> CTF:
        """Return the transfer function of a drawn spec on a grid.

        Parameters
        ----------
        spec
            Drawn: numbers only.
        shape, sampling
            Grid of the image (y, x) and its steps in Å.
        energy
            eV.

        Raises
        ------
        OpticsError
            If the spec is not drawn or the grid has no pixels.
        """
        if len(shape) != 2 or min(shape) < 1:
            raise OpticsError(f"shape is {tuple(shape)}; it is two numbers of pixels, (y, x), of 1 or more.")
        conditions = Conditions.of([spec])
        array = transfer_function(conditions, shape, sampling, energy)[0]
        rows, columns = angles(shape, sampling, energy)
        damping = temporal_envelope(rows, columns, conditions.focal_spread, energy)[0].float()
        return cls(array, torch.ones_like(damping) if spec.focal_nodes == 1 else damping, sampling, spec)

    @property
    def contrast(self) -> NDArray[np.float32]:
        """Phase-contrast transfer sin χ times all envelopes, (y, x), zero frequency in the middle."""
        return np.fft.fftshift((-self.array.imag * self.envelope).numpy())

    @property
    def frequencies(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Frequencies of rows and columns in 1/Å, zero in the middle."""
        rows, columns = (
            np.fft.fftshift(np.fft.fftfreq(n, s)) for n, s in zip(self.array.shape, self.sampling, strict=True)
        )
        return rows, columns

    def along(self, azimuth: float = 0.0) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return frequencies in 1/Å and the phase-contrast transfer along a direction in degrees from the x axis."""
        from scipy.ndimage import map_coordinates

        rows, columns = self.frequencies
        q = np.linspace(0, min(-rows[0], -columns[0]) * 0.98, 2 * max(self.array.shape))
        turn = np.deg2rad(azimuth)
        y = len(rows) // 2 + q * np.sin(turn) * self.sampling[0] * len(rows)
        x = len(columns) // 2 + q * np.cos(turn) * self.sampling[1] * len(columns)
        return q, map_coordinates(self.contrast, [y, x], order=1).astype(np.float64)

    @property
    def first_zero(self) -> float:
        """First frequency in 1/Å along x at which the transfer changes sign, or infinity."""
        q, value = self.along()
        changes = np.flatnonzero((value[1:-1] * value[2:] < 0) & (np.abs(value[1:-1]) < 0.9))
        return float(q[1 + changes[0]]) if len(changes) else float("inf")

    def __repr__(self) -> str:
        rows, columns = self.array.shape
        return f"CTF({rows} × {columns}, defocus {self.spec.defocus:g} Å, first zero at {self.first_zero:.3g} 1/Å)"

    def show(self) -> Figure:
        """Return a figure of the transfer in two dimensions and along x and y, with its envelope."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(9, 4), layout="constrained")
        picture, curve = figure.subplots(1, 2)
        rows, columns = self.frequencies
        extent = (columns[0], columns[-1], rows[-1], rows[0])
        shown = picture.imshow(self.contrast, cmap="RdBu_r", vmin=-1, vmax=1, extent=extent)
        picture.set(xlabel="1/Å", ylabel="1/Å")
        figure.colorbar(shown, ax=picture, label="sin χ")
        for azimuth, colour, name in ((0.0, "#0072B2", "along x"), (90.0, "#D55E00", "along y")):
            q, value = self.along(azimuth)
            curve.plot(q, value, color=colour, label=name)
        curve.axhline(0, color="0.6", lw=0.8)
        curve.set(xlabel="spatial frequency (1/Å)", ylabel="phase contrast transfer", ylim=(-1.05, 1.05))
        curve.legend(frameon=False)
        return figure
