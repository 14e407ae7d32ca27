"""Pictures of waves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from exitwave.core import ScatteringError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from exitwave.scattering.exit_wave import ExitWave
    from exitwave.scattering.projection import Potential

__all__ = ["potential_figure", "wave_figure"]


def wave_figure(wave: ExitWave, configuration: int = 0) -> Figure:
    """Return amplitude and phase of one configuration side by side, axes in Å."""
    from matplotlib.figure import Figure

    if not -wave.shape[0] <= configuration < wave.shape[0]:
        raise ScatteringError(
            f"configuration is {configuration}; the wave has configurations 0 to {wave.shape[0] - 1}."
        )
    psi = wave.array[configuration].detach().cpu().numpy()
    panels = [
        ("amplitude |ψ|", np.abs(psi), "gray", ""),
        ("phase arg ψ", np.angle(psi), "viridis", "rad"),
    ]
    if wave.particle is not None:
        alone = wave.particle[configuration].detach().cpu().numpy()
        panels.append(("phase, particle alone", np.angle(alone), "viridis", "rad"))
    height, width = wave.extent
    figure = Figure(figsize=(4.4 * len(panels), 0.4 + 3.6 * height / width), layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for axis, (title, values, colors, unit) in zip(axes, panels, strict=True):
        low, high = np.percentile(values, (0.1, 99.9))
        picture = axis.imshow(values, cmap=colors, extent=(0, width, height, 0), vmin=low, vmax=max(high, low + 1e-6))
        axis.set(title=title, xlabel="x / Å", ylabel="y / Å")
        figure.colorbar(picture, ax=axis, label=unit, shrink=0.85)
    return figure


def potential_figure(potential: Potential) -> Figure:
    """Return the projected potential beside its mean along y against depth, axes in Å."""
    from matplotlib.figure import Figure

    planes, ny, nx = potential.array.shape
    if not planes:
        raise ScatteringError("the potential has no planes: its structure has no atoms.")
    height, width = ny * potential.sampling[0], nx * potential.sampling[1]
    values = potential.array.detach()
    step = float(potential.depths[1] - potential.depths[0]) if planes > 1 else 1.0
    top, bottom = float(potential.depths[0]) - step / 2, float(potential.depths[-1]) + step / 2
    figure = Figure(figsize=(8.8, 0.4 + 3.6 * height / width), layout="constrained")
    left, right = figure.subplots(1, 2)
    pictures = (
        (left, values.sum(0).numpy(), (0.0, width, height, 0.0), "projected potential", "y / Å", "V·Å"),
        (right, values.mean(1).numpy() / step, (0.0, width, bottom, top), "mean along y", "depth / Å", "V"),
    )
    for axis, picture, extent, title, label, unit in pictures:
        low, high = np.percentile(picture, (0.1, 99.9))
        drawn = axis.imshow(picture, cmap="magma", extent=extent, vmin=low, vmax=max(high, low + 1e-6), aspect="auto")
        axis.set(title=title, xlabel="x / Å", ylabel=label)
        figure.colorbar(drawn, ax=axis, label=unit, shrink=0.85)
    left.set_aspect("equal")
    return figure
