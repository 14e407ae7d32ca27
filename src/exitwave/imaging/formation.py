"""From the exit wave to the image: many imaging conditions of one wave in one call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import pi
from typing import Protocol

import numpy as np
import torch

from exitwave.core import OpticsError, Stream, number
from exitwave.imaging.aberrations import angles, chi, chi_gradient_squared, coefficients
from exitwave.imaging.coherence import aperture, focal_spread_nodes, spatial_envelope, temporal_envelope
from exitwave.imaging.detector import detect
from exitwave.imaging.filters import median3
from exitwave.imaging.inelastic import plasmon_contrast
from exitwave.imaging.kernels import accumulate, bend
from exitwave.imaging.motion import moved
from exitwave.imaging.spec import Imaging
from exitwave.scattering.electron import wavelength

__all__ = ["Conditions", "Wave", "expose", "intensities", "transfer_function"]

_NUMBERS = ("focal_spread", "convergence", "aperture", "contrast", "drift", "drift_angle", "vibration")
_WORKSPACE = 2**28  # complex numbers that one step may hold on a GPU


class Wave(Protocol):
    """What image formation asks of an exit wave."""

    @property
    def array(self) -> torch.Tensor:
        """complex64 (configurations, y, x), mean intensity 1."""

    @property
    def sampling(self) -> tuple[float, float]:
        """Å/px in y and x."""

    @property
    def energy(self) -> float:
        """EV."""


@dataclass(frozen=True, eq=False)
class Conditions:
    """The drawn numbers of n imaging specs as tensors, so that gradients can be taken with respect to them.

    Parameters
    ----------
    coefficients
        C_nm exp(i m φ_nm) in Å, complex128 (n, 14) in the order of ``aberrations.ORDERS``; the first is −defocus.
    focal_spread, convergence, aperture, contrast
        (n,): Å, mrad, mrad, and a factor.
    drift, drift_angle, vibration
        (n,): Å, degrees, Å.
    focal_nodes
        Foci in the incoherent sum of all n.

    Examples
    --------
    >>> conditions = Conditions.of([Imaging(defocus=50.0), Imaging(defocus=100.0)])
    >>> conditions.coefficients[:, 0].real
    tensor([ -50., -100.], dtype=torch.float64)
    """

    coefficients: torch.Tensor
    focal_spread: torch.Tensor
    convergence: torch.Tensor
    aperture: torch.Tensor
    contrast: torch.Tensor
    drift: torch.Tensor
    drift_angle: torch.Tensor
    vibration: torch.Tensor
    focal_nodes: int = 7

    @classmethod
    def of(cls, specs: Sequence[Imaging], device: torch.device | str = "cpu") -> Conditions:
        """Return the conditions of drawn specs, which must agree in their number of foci."""
        nodes = {spec.focal_nodes for spec in specs}
        if len(nodes) != 1:
            raise OpticsError(f"the specs have {sorted(nodes)} foci; give those of one number of foci in one call.")

        def numbers(name: str) -> torch.Tensor:
            return torch.tensor([number(getattr(spec, name)) for spec in specs], dtype=torch.float64, device=device)

        values = [coefficients(spec.aberrations, number(spec.defocus)) for spec in specs]
        return cls(
            torch.stack(values).to(device),
            **{name: numbers(name) for name in _NUMBERS},
            focal_nodes=nodes.pop(),
        )

    def __len__(self) -> int:
        return len(self.coefficients)

    def __getitem__(self, part: slice) -> Conditions:
        names = ("coefficients", *_NUMBERS)
        return replace(self, **{name: getattr(self, name)[part] for name in names})


def transfer_function(
    conditions: Conditions, shape: Sequence[int], sampling: Sequence[float], energy: float
) -> torch.Tensor:
    r"""Return the coherent transfer function :math:`A(k)\,E_s(k)\,\exp[-\mathrm i\chi(k)]`, complex64 (n, y, x).

    It is the very array that :func:`intensities` multiplies the wave's spectrum with at the middle of the focal
    spread; zero frequency comes first.

    Examples
    --------
    >>> transfer_function(Conditions.of([Imaging(defocus=80.0)]), (4, 6), (0.2, 0.2), 300e3).shape
    torch.Size([1, 4, 6])
    """
    rows, columns = angles(shape, sampling, energy, conditions.coefficients.device)
    phase = chi(conditions.coefficients, rows, columns, energy).float()
    result = torch.complex(phase.cos(), -phase.sin())
    if _positive(conditions.aperture):
        result = result * aperture(rows, columns, conditions.aperture).float()
    if _positive(conditions.convergence):
        slope = chi_gradient_squared(conditions.coefficients, rows, columns, energy)
        result = result * spatial_envelope(slope, conditions.convergence).float()
    if conditions.focal_nodes == 1 and _positive(conditions.focal_spread):
        result = result * temporal_envelope(rows, columns, conditions.focal_spread, energy).float()
    return result


def intensities(wave: Wave, specs: Sequence[Imaging] | Conditions) -> torch.Tensor:
    r"""Return the expected intensity of every imaging condition, before any noise.

    .. math:: I_j = 1 + c_j \Bigl[\frac1N \sum_{i,f} w_f \bigl|\mathcal F^{-1}\, \Psi_i(k)\, A(k)\,
              e^{-\mathrm i\chi_j(k) + \mathrm i\pi\lambda f k^2}\bigr|^2 - 1\Bigr]

    over N thermal configurations i and the foci f of the focal spread, both incoherent. Each spectrum Ψ is computed
    once. The envelope of the convergence is that of the middle focus. Drift and vibration then smear the intensity.

    Parameters
    ----------
    wave
        The exit wave.
    specs
        n drawn specs, or :class:`Conditions` whose tensors may require gradients.

    Returns
    -------
    intensity
        float32 (n, y, x), mean near 1 (electrons stopped by an aperture are lost), on the wave's device.

    Raises
    ------
    OpticsError
        If the wave is not complex (configurations, y, x), or specs differ in their number of foci.
    """
    array = wave.array
    if array.ndim != 3 or not array.is_complex():
        raise OpticsError(f"the wave has shape {tuple(array.shape)} and {array.dtype}; it is complex and (n, y, x).")
    if not isinstance(specs, Conditions):
        specs = list(specs)
        if not specs:
            return array.real.new_empty((0, *array.shape[1:]))
        groups = {spec.focal_nodes for spec in specs}
        if len(groups) > 1:
            return torch.cat([intensities(wave, [spec]) for spec in specs])
        specs = Conditions.of(specs, array.device)
    count, rows, columns = array.shape
    spectrum = torch.fft.fft2(array.to(torch.complex64), norm="forward")
    per_step = max(1, _WORKSPACE // (4 * count * rows * columns)) if array.device.type == "cuda" else 1
    parts = [
        _intensities(spectrum, specs[start : start + per_step], wave.sampling, wave.energy)
        for start in range(0, len(specs), per_step)
    ]
    return torch.cat(parts)


def _intensities(
    spectrum: torch.Tensor, conditions: Conditions, sampling: Sequence[float], energy: float
) -> torch.Tensor:
    configurations, *shape = spectrum.shape
    lens = transfer_function(conditions, shape, sampling, energy)
    rows, columns = angles(shape, sampling, energy, spectrum.device)
    nodes = conditions.focal_nodes if _positive(conditions.focal_spread) else 1
    unit_foci, weights = focal_spread_nodes(1.0, nodes)
    # exp(iπλf k²) is a product of one factor per axis; the weight of the focus goes with one of them
    shifts = pi / wavelength(energy) * torch.as_tensor(unit_foci, device=spectrum.device)[:, None]
    shifts = (shifts * conditions.focal_spread)[..., None]
    scale = torch.as_tensor(np.sqrt(weights / configurations), device=spectrum.device)[:, None, None]
    along_y = _phasor((shifts * rows**2).float()) * scale.to(lens)
    along_x = _phasor((shifts * columns**2).float())
    if spectrum.device.type != "cpu" or (
        torch.is_grad_enabled() and any(value.requires_grad for value in (spectrum, lens, along_y))
    ):
        total = _sum(spectrum, lens, along_y, along_x)
    else:
        total = _sum_fused(spectrum, lens, along_y, along_x)
    if _positive(conditions.drift) or _positive(conditions.vibration):
        total = moved(total, sampling, conditions.drift, conditions.drift_angle, conditions.vibration)
    return plasmon_contrast(total, conditions.contrast.float())


def _sum(spectrum: torch.Tensor, lens: torch.Tensor, along_y: torch.Tensor, along_x: torch.Tensor) -> torch.Tensor:
    """Return the sum over foci and configurations, (n, y, x), on any device and with gradients."""
    total = torch.zeros(())
    for y, x in zip(along_y, along_x, strict=True):
        beams = (lens * (y[:, :, None] * x[:, None, :]))[:, None] * spectrum
        # squares are summed over configurations before real and imaginary parts, which lie side by side in memory
        power = torch.view_as_real(torch.fft.ifft2(beams, norm="forward")).square().sum(1)
        total = power if total.ndim == 0 else total + power
    return total[..., 0] + total[..., 1]


def _sum_fused(
    spectrum: torch.Tensor, lens: torch.Tensor, along_y: torch.Tensor, along_x: torch.Tensor
) -> torch.Tensor:
    """Return what ``_sum`` does, one transform at a time, as the cache of a CPU core likes it."""
    total = torch.zeros(lens.shape, dtype=torch.float32)
    beams = torch.empty(lens.shape[1:], dtype=torch.complex64)
    for index in range(len(lens)):
        for configuration in spectrum:
            for y, x in zip(along_y[:, index], along_x[:, index], strict=True):
                bend(configuration.numpy(), lens[index].numpy(), y.numpy(), x.numpy(), beams.numpy())
                accumulate(torch.fft.ifft2(beams, norm="forward").numpy(), total[index].numpy())
    return total


def _phasor(phase: torch.Tensor) -> torch.Tensor:
    return torch.complex(phase.cos(), phase.sin())


def _positive(value: torch.Tensor) -> bool:
    return value.requires_grad or bool((value > 0).any())


def expose(
    intensity: torch.Tensor, specs: Sequence[Imaging], streams: Sequence[Stream], pixel_area: float
) -> torch.Tensor:
    """Return what the camera counts: dose, Poisson, transfer function, gain, noise, range, then the median filter.

    Parameters
    ----------
    intensity
        Expected intensity per unit of incident intensity, (n, y, x).
    specs
        n drawn specs, for their dose, detector and median filter.
    streams
        n streams, one per image.
    pixel_area
        Å².

    Returns
    -------
    counts
        Whole numbers as float32, (n, y, x).

    Raises
    ------
    OpticsError
        If the numbers of images, specs and streams differ, or the intensity is not finite.
    """
    if not len(intensity) == len(specs) == len(streams):
        raise OpticsError(
            f"there are {len(intensity)} images, {len(specs)} specs and {len(streams)} streams; give one of each."
        )
    counts = []
    for image, spec, stream in zip(intensity, specs, streams, strict=True):
        seen = detect(image * (number(spec.dose) * pixel_area), spec.detector, stream)
        counts.append(median3(seen) if number(spec.median) == 3 else seen)
    return torch.stack(counts) if counts else intensity
