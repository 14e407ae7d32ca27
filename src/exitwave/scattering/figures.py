"""Pictures of waves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from exitwave.core import ScatteringError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from exitwave.scattering.exit_wave import ExitWave

__all__ = ["wave_figure"]


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
