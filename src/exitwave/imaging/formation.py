"""From the exit wave to the image: many imaging conditions of one wave in one call."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from exitwave.core import OpticsError, number
from exitwave.imaging.conditions import Conditions, Wave
from exitwave.imaging.inelastic import plasmon_contrast
from exitwave.imaging.losses import expected_losses
from exitwave.imaging.modes import focal_modes
from exitwave.imaging.motion import moved
from exitwave.imaging.spec import Imaging
from exitwave.imaging.sums import Spectra, sum_in_tiles, sum_of_modes, sum_over_foci
from exitwave.imaging.transfer import positive, transfer_function

__all__ = ["intensities"]

_WORKSPACE = 2**28  # complex numbers that one step may hold on a GPU


def intensities(wave: Wave, specs: Sequence[Imaging] | Conditions) -> torch.Tensor:
    r"""Return the expected intensity of every imaging condition, before any noise.

    .. math:: I_j = 1 + c_j \Bigl[\frac1N \sum_i \int \bigl|\mathcal F^{-1}\, \Psi_i(k)\, A(k)\,
              E_j(k)\,e^{-\mathrm i\chi_j(k) + \mathrm i\pi\lambda f k^2}\bigr|^2\,
              \mathcal N(f; 0, \Delta^2)\,\mathrm df + s_j - 1\Bigr]

    over N thermal configurations i and the focal spread, both incoherent. Each spectrum Ψ is computed once, and the
    integral is a sum over the fewest waves that do (:func:`~exitwave.imaging.modes.focal_modes`). The envelope E of
    the convergence is that of the middle focus. What an envelope damps is interference: the electrons of these beams
    arrive elsewhere, and :math:`s_j = \frac1N\sum_{i,k}|\Psi_i A|^2(1 - E_j^2)` spreads them evenly. Drift and
    vibration then smear the intensity.

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
        If the wave is not complex (configurations, y, x), lacks the structure that ``plasmons`` need, or has another
        energy than the microscope.

    Examples
    --------
    A weak phase grating of 0.01 rad has full contrast where χ is an odd multiple of π/2, at d²/2λ:

    >>> from exitwave.scattering import ExitWave, wavelength
    >>> x = 0.2 * torch.arange(32)
    >>> phase = 0.01 * torch.cos(2 * torch.pi * x / 3.2).expand(1, 32, 32)
    >>> grating = ExitWave(torch.exp(1j * phase), (0.2, 0.2), 300e3)
    >>> focus = 3.2**2 / (2 * wavelength(300e3))
    >>> images = intensities(grating, [Imaging(focal_spread=0.0), Imaging(defocus=focus, focal_spread=0.0)])
    >>> images.shape, [round(float(one.max() - 1), 3) for one in images]
    (torch.Size([2, 32, 32]), [0.0, 0.02])
    """
    array = wave.array
    if array.ndim != 3 or not array.is_complex():
        raise OpticsError(f"the wave has shape {tuple(array.shape)} and {array.dtype}; it is complex and (n, y, x).")
    spectra = Spectra(torch.fft.fft2(array.to(torch.complex64), norm="forward"), wave.sampling, wave.energy)
    if isinstance(specs, Conditions):
        return _formed(spectra, specs)
    for spec in specs:
        spec.check_energy(wave.energy)
    images = _of_specs(spectra, specs)
    lossy = [index for index, spec in enumerate(specs) if spec.plasmons is not None]
    if lossy:
        images[lossy] = _with_losses(images[lossy], [specs[index] for index in lossy], spectra, _losses(wave))
    return images


def _of_specs(spectra: Spectra, specs: Sequence[Imaging]) -> torch.Tensor:
    """Return the images of drawn specs, those of each number of foci together."""
    device = spectra.array.device
    counts = {spec.focal_nodes for spec in specs}
    if len(counts) == 1:
        return _formed(spectra, Conditions.of(specs, device))
    images = torch.zeros((len(specs), *spectra.shape), dtype=torch.float32, device=device)
    for nodes in counts:
        chosen = [index for index, spec in enumerate(specs) if spec.focal_nodes == nodes]
        images[chosen] = _formed(spectra, Conditions.of([specs[index] for index in chosen], device))
    return images


def _formed(spectra: Spectra, conditions: Conditions) -> torch.Tensor:
    """Return the images of conditions that agree in their number of foci, in steps that fit the device."""
    modes = {}
    keys = list(zip(conditions.focal_spread.tolist(), conditions.aperture.tolist(), strict=True))
    for std, semiangle in set(keys):
        spread = std if conditions.focal_nodes > 1 else 0.0  # else the envelope is in the lens
        passing = spectra.radial_within(semiangle)
        modes[std, semiangle] = focal_modes(spread, conditions.focal_nodes, spectra.energy, passing)
    chosen = [modes[key] for key in keys]
    if not chosen:
        return spectra.array.real.new_empty((0, *spectra.shape))
    tracked = torch.is_grad_enabled() and (conditions.tracked or spectra.array.requires_grad)
    if spectra.fits_tiles and not tracked:
        images = sum_in_tiles(spectra, conditions, chosen)
        for index in range(len(conditions)):  # each alone, so that it has the same bits in any company
            images[index : index + 1] = _smeared(images[index : index + 1], spectra, conditions[index : index + 1])
        return images
    per_step = 1 if spectra.array.device.type == "cpu" else max(1, _WORKSPACE // (4 * spectra.array.numel()))
    parts = []
    for start in range(0, len(conditions), per_step):
        part = conditions[start : start + per_step]
        lens = transfer_function(part, spectra.shape, spectra.sampling, spectra.energy)
        if tracked and part.focal_spread.requires_grad and part.focal_nodes > 1:
            total = sum_over_foci(spectra, lens, part.focal_spread)
        else:
            total = sum_of_modes(spectra, lens, chosen[start : start + per_step])
        parts.append(_smeared(total, spectra, part))
    return torch.cat(parts)


def _smeared(total: torch.Tensor, spectra: Spectra, conditions: Conditions) -> torch.Tensor:
    """Return sums over configurations as their mean, with what strays, drift, vibration and loss of contrast."""
    count = len(spectra.array)
    damped = conditions.convergence + (conditions.focal_spread if conditions.focal_nodes == 1 else 0.0)
    if positive(damped):
        strayed = spectra.transmitted(conditions.aperture) - total.mean((1, 2))
        total = total + torch.where(damped > 0, strayed, torch.zeros_like(strayed))[:, None, None]
    total = total.div_(count) if not total.requires_grad else total / count
    if positive(conditions.drift) or positive(conditions.vibration):
        total = moved(total, spectra.sampling, conditions.drift, conditions.drift_angle, conditions.vibration)
    if conditions.contrast.requires_grad or bool((conditions.contrast != 1).any()):
        total = plasmon_contrast(total, conditions.contrast.float())
    return total


def _losses(wave: Wave) -> NDArray[np.float32]:
    structure = getattr(wave, "structure", None)
    if structure is None:
        raise OpticsError("the wave has no structure, which plasmons need; scatter with the structure kept.")
    return expected_losses(structure, wave.array.shape[1:], wave.sampling, wave.energy)


def _with_losses(
    elastic: torch.Tensor, specs: Sequence[Imaging], spectra: Spectra, losses: NDArray[np.float32]
) -> torch.Tensor:
    """Return images (n, y, x) with the electrons that lost energy in images of their own."""
    total = torch.zeros_like(elastic)
    changed, places = [], []
    for index, spec in enumerate(specs):
        assert spec.plasmons is not None
        for order, share in enumerate(spec.plasmons.probabilities(losses)):
            seen = torch.from_numpy(share).to(elastic)
            if order == 0 or number(spec.plasmons.chromatic) == 0:
                total[index] += seen * elastic[index]
            elif share.any():
                defocus, spread = spec.plasmons.refocused(
                    number(spec.defocus), number(spec.focal_spread), order, spectra.energy
                )
                changed.append(spec.replace(defocus=defocus, focal_spread=spread, focal_nodes=1, plasmons=None))
                places.append((index, seen))
    if changed:
        for (index, seen), image in zip(places, _of_specs(spectra, changed), strict=True):
            total[index] += seen * image
    return total
