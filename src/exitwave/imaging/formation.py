"""From the exit wave to the image: many imaging conditions of one wave in one call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import pi
from threading import local
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from exitwave.core import OpticsError, Stream, number
from exitwave.imaging.aberrations import angles, chi, chi_gradient_squared, coefficients
from exitwave.imaging.coherence import aperture, spatial_envelope, temporal_envelope
from exitwave.imaging.detector import detect
from exitwave.imaging.filters import median3
from exitwave.imaging.inelastic import plasmon_contrast
from exitwave.imaging.kernels import accumulate, tabulated, weigh
from exitwave.imaging.losses import expected_losses
from exitwave.imaging.modes import Modes, RadialPower, focal_grid, focal_modes, radial_power
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
        Greatest number of waves in the incoherent sum over the focal spread of each.

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
    focal_nodes: int = 25

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

    .. math:: I_j = 1 + c_j \Bigl[\frac1N \sum_i \int \bigl|\mathcal F^{-1}\, \Psi_i(k)\, A(k)\,
              e^{-\mathrm i\chi_j(k) + \mathrm i\pi\lambda f k^2}\bigr|^2\,\mathcal N(f; 0, \Delta^2)\,\mathrm df
              - 1\Bigr]

    over N thermal configurations i and the focal spread, both incoherent. Each spectrum Ψ is computed once, and the
    integral is a sum over the fewest waves that do (:func:`~exitwave.imaging.modes.focal_modes`). The envelope of the
    convergence is that of the middle focus. Drift and vibration then smear the intensity.

    Parameters
    ----------
    wave
        The exit wave; with its structure, where specs have ``plasmons``.
    specs
        n drawn specs, or :class:`Conditions` whose tensors may require gradients (they know no ``plasmons``).

    Returns
    -------
    intensity
        float32 (n, y, x), mean near 1 (electrons stopped by an aperture are lost), on the wave's device.

    Raises
    ------
    OpticsError
        If the wave is not complex (configurations, y, x), or lacks the structure that ``plasmons`` need.
    """
    array = wave.array
    if array.ndim != 3 or not array.is_complex():
        raise OpticsError(f"the wave has shape {tuple(array.shape)} and {array.dtype}; it is complex and (n, y, x).")
    spectrum = torch.fft.fft2(array.to(torch.complex64), norm="forward")
    radial = radial_power(spectrum, wave.sampling, wave.energy)
    if isinstance(specs, Conditions):
        return _formed(spectrum, specs, wave, radial)
    counts = {spec.focal_nodes for spec in specs}
    if len(counts) == 1:
        images = _formed(spectrum, Conditions.of(specs, array.device), wave, radial)
    else:
        images = array.real.new_zeros((len(specs), *array.shape[1:]), dtype=torch.float32)
        for nodes in counts:
            chosen = [index for index, spec in enumerate(specs) if spec.focal_nodes == nodes]
            conditions = Conditions.of([specs[index] for index in chosen], array.device)
            images[chosen] = _formed(spectrum, conditions, wave, radial)
    lossy = [index for index, spec in enumerate(specs) if spec.plasmons is not None]
    if lossy:
        losses = _losses(wave)
        for index in lossy:
            images[index] = _with_losses(images[index], specs[index], losses, spectrum, wave, radial)
    return images


def _formed(spectrum: torch.Tensor, conditions: Conditions, wave: Wave, radial: RadialPower) -> torch.Tensor:
    """Return the images of conditions that agree in their number of foci, in steps that fit the device."""
    modes = {}
    for std in set(conditions.focal_spread.tolist()):
        spread = std if conditions.focal_nodes > 1 else 0.0  # else the envelope is in the lens
        modes[std] = focal_modes(spread, conditions.focal_nodes, wave.energy, radial)
    per_step = max(1, _WORKSPACE // (4 * spectrum.numel())) if spectrum.device.type == "cuda" else 1
    parts = []
    for start in range(0, len(conditions), per_step):
        part = conditions[start : start + per_step]
        chosen = [modes[std] for std in part.focal_spread.tolist()]
        parts.append(_intensities(spectrum, part, wave.sampling, wave.energy, chosen, radial))
    return torch.cat(parts) if parts else spectrum.real.new_empty((0, *spectrum.shape[1:]))


def _losses(wave: Wave) -> NDArray[np.float32]:
    structure = getattr(wave, "structure", None)
    if structure is None:
        raise OpticsError("the wave has no structure, which plasmons need; scatter with the structure kept.")
    return expected_losses(structure, wave.array.shape[1:], wave.sampling, wave.energy)


def _with_losses(
    elastic: torch.Tensor,
    spec: Imaging,
    losses: NDArray[np.float32],
    spectrum: torch.Tensor,
    wave: Wave,
    radial: RadialPower,
) -> torch.Tensor:
    """Return the image with the electrons that lost energy in images of their own."""
    assert spec.plasmons is not None
    total = torch.zeros_like(elastic)
    for order, share in enumerate(spec.plasmons.probabilities(losses)):
        image = elastic
        if order and share.any() and number(spec.plasmons.chromatic) > 0:
            defocus, spread = spec.plasmons.refocused(
                number(spec.defocus), number(spec.focal_spread), order, wave.energy
            )
            changed = spec.replace(defocus=defocus, focal_spread=spread, focal_nodes=1, plasmons=None)
            image = _formed(spectrum, Conditions.of([changed], elastic.device), wave, radial)[0]
            image = image * (elastic.mean() / image.mean())  # beams that the envelope damps arrive all the same
        total = total + torch.from_numpy(share).to(elastic) * image
    return total


def _intensities(
    spectrum: torch.Tensor,
    conditions: Conditions,
    sampling: Sequence[float],
    energy: float,
    modes: Sequence[Modes],
    radial: RadialPower,
) -> torch.Tensor:
    configurations, *shape = spectrum.shape
    lens = transfer_function(conditions, shape, sampling, energy)
    rows, columns = angles(shape, sampling, energy, spectrum.device)
    spread = conditions.focal_spread
    tracked = torch.is_grad_enabled() and any(value.requires_grad for value in (spectrum, lens, spread))
    if tracked and spread.requires_grad and conditions.focal_nodes > 1:
        total = _sum_over_foci(spectrum, lens, rows, columns, spread, energy, radial)
    elif tracked or spectrum.device.type != "cpu":
        total = _sum_of_modes(spectrum, lens, rows, columns, modes)
    else:
        total = _sum_fused(spectrum, lens, rows, columns, modes)
    total = total.div_(configurations) if not total.requires_grad else total / configurations
    if _positive(conditions.drift) or _positive(conditions.vibration):
        total = moved(total, sampling, conditions.drift, conditions.drift_angle, conditions.vibration)
    if conditions.contrast.requires_grad or bool((conditions.contrast != 1).any()):
        total = plasmon_contrast(total, conditions.contrast.float())
    return total


def _sum_over_foci(
    spectrum: torch.Tensor,
    lens: torch.Tensor,
    rows: torch.Tensor,
    columns: torch.Tensor,
    std: torch.Tensor,
    energy: float,
    radial: RadialPower,
) -> torch.Tensor:
    """Return the sum over foci and configurations by its definition, (n, y, x), with gradients to the spread too."""
    foci, weights = focal_grid(radial.highest_phase(float(std.detach().max()), energy))
    total = torch.zeros((), device=spectrum.device)
    for focus, weight in zip(foci.tolist(), weights.tolist(), strict=True):
        # exp(iπλf k²) is a product of one factor per axis
        shift = (pi / wavelength(energy) * focus * std)[:, None]
        y, x = _phasor((shift * rows**2).float()), _phasor((shift * columns**2).float())
        total = total + weight * _power((lens * (y[:, :, None] * x[:, None, :]))[:, None] * spectrum)
    return total


def _sum_of_modes(
    spectrum: torch.Tensor, lens: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor, modes: Sequence[Modes]
) -> torch.Tensor:
    """Return the same sum by the modes of each condition, all conditions in one step, as a GPU likes it."""
    on_grid = [mode.on(rows, columns) for mode in modes]
    total = torch.zeros((), device=spectrum.device)
    for index in range(max(len(grids) for grids in on_grid)):
        factors = [grids[index] if index < len(grids) else torch.zeros_like(grids[0]) for grids in on_grid]
        total = total + _power((lens * torch.stack(factors))[:, None] * spectrum)
    return total


def _power(beams: torch.Tensor) -> torch.Tensor:
    """Return the intensity of waves (n, configurations, y, x) of given spectra, summed over configurations."""
    # squares are summed over configurations before real and imaginary parts, which lie side by side in memory
    power = torch.view_as_real(torch.fft.ifft2(beams, norm="forward")).square().sum(1)
    return power[..., 0] + power[..., 1]


def _sum_fused(
    spectrum: torch.Tensor, lens: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor, modes: Sequence[Modes]
) -> torch.Tensor:
    """Return what ``_sum_of_modes`` does, one transform at a time, as the cache of a CPU core likes it."""
    total = torch.zeros(lens.shape, dtype=torch.float32)
    beams, bent, wave = _scratch(int(lens.shape[1]), int(lens.shape[2]))
    pairs = [torch.view_as_real(array).numpy() for array in (beams, bent, wave)]
    for index, mode in enumerate(modes):
        for configuration in spectrum:
            torch.mul(configuration, lens[index], out=beams)
            for factor in _factors(mode, rows, columns):
                weigh(pairs[0], factor, pairs[1])
                torch.fft.ifft2(bent, norm="forward", out=wave)
                accumulate(pairs[2], total[index].numpy())
    return total


_OWN = local()


def _scratch(rows: int, columns: int) -> list[torch.Tensor]:
    """Return three complex arrays that belong to this thread; fresh memory costs as much as a transform."""
    held: list[torch.Tensor] = getattr(_OWN, "arrays", [])
    if not held or held[0].shape != (rows, columns):
        held = [torch.empty(rows, columns, dtype=torch.complex64) for _ in range(3)]
        _OWN.arrays = held
    return held


_LATEST: list[tuple[Modes, tuple[int, int], list[NDArray[np.float32]]]] = []  # images often share their focal spread


def _factors(mode: Modes, rows: torch.Tensor, columns: torch.Tensor) -> list[NDArray[np.float32]]:
    """Return the modes on a grid, kept for the image that comes next."""
    shape = (len(rows), len(columns))
    for known, size, factors in _LATEST:
        if known is mode and size == shape:
            return factors
    y, x = ((axis**2 / mode.step).float().numpy() for axis in (rows, columns))
    factors = [np.empty(shape, dtype=np.float32) for _ in mode.table]
    for table, factor in zip(mode.table, factors, strict=True):
        tabulated(table, y, x, factor)
    _LATEST[:] = [(mode, shape, factors)]
    return factors


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
