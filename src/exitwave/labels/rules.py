"""Label rules that say which pixels are particle."""

from __future__ import annotations

from dataclasses import replace
from math import pi
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from exitwave.core import LabelError, Number
from exitwave.imaging.projection import atomic_volume, blurred, projected_thickness
from exitwave.labels.base import Blur, Covering, Minimum, Rule, binary, field_box, particles
from exitwave.scattering.electron import interaction_parameter
from exitwave.scattering.parametrization import parametrization

if TYPE_CHECKING:
    import torch

    from exitwave.scattering import ExitWave

__all__ = ["Phase", "PhaseThickness", "Projected", "Thickness"]


class Phase(Rule):
    r"""Where the phase of the particles' own wave exceeds a threshold: the labels of the paper.

    In each thermal configuration the phase of the wave of the particles alone in vacuum, taken back to their own
    mean height (so that the vacuum below them does not blur their rims), is compared with the threshold; the
    majority decides; the result is blurred by a Gaussian of σ = 1 Å (5 px of 0.2 Å) and compared with 0.1, which
    closes gaps between atom columns and moves outlines out by 1.2 Å. The phase is taken from −π/2 to
    3π/2, as phases behind matter are positive up to there (240 Å of gold at 300 kV) and vacuum fringes are small.

    The threshold is a thickness in disguise: in the mean phase, π/12 is 13.5 Å of gold but 28.6 Å of CdSe (columns
    seen end on exceed the mean, so that thinner crystals are labelled, too). ``thickness`` is the same for all
    materials.

    Parameters
    ----------
    threshold
        rad; π/12 in the paper, π/16 in the work that followed.
    blur
        Standard deviation of the Gaussian, Å.
    level
        What the blurred majority must exceed.

    Source
    ------
    L. Rangel DaCosta et al., npj Comput. Mater. 10, 165 (2024).

    Examples
    --------
    >>> Phase().key
    'phase'
    """

    rule: Literal["phase"] = "phase"
    version: Literal[1] = 1
    threshold: Annotated[float, Number("a threshold", "rad", above=0, below=pi, fixed=True)] = pi / 12
    blur: Blur = 1.0
    level: Annotated[float, Number("a level", above=0, below=1, fixed=True)] = 0.1

    def compute(self, wave: ExitWave) -> NDArray[Any]:
        """Return 0 and 1, uint8 (y, x); all 0 where there is no particle."""
        return _over(wave, self.threshold, self.blur, self.level)


class PhaseThickness(Covering):
    r"""Where the phase of the particles' own wave exceeds that of a given thickness of their own material.

    As ``phase``, with the threshold :math:`\theta = \sigma_e V_0\,t_\mathrm{min}` of each particle, whose mean inner
    potential :math:`V_0 = \frac{h^2}{2\pi m_0 e}\,\bar f_e(0)/\Omega` follows from its atoms; where particles of
    several materials overlap, V₀ is their mean weighted by thickness.

    Parameters
    ----------
    minimum
        t_min, Å.
    blur
        Standard deviation in Å of the Gaussian that closes gaps between columns of atoms.
    level
        What the blurred majority must exceed.

    Examples
    --------
    >>> PhaseThickness(minimum="0.8 nm").key
    'phase_thickness'
    """

    rule: Literal["phase_thickness"] = "phase_thickness"
    version: Literal[1] = 1
    minimum: Minimum = 9.0
    blur: Blur = 1.0
    level: Annotated[float, Number("a level", above=0, below=1, fixed=True)] = 0.1

    def compute(self, wave: ExitWave) -> NDArray[Any]:
        """Return 0 and 1, uint8 (y, x); all 0 where there is no particle."""
        shape = tuple(wave.array.shape[1:])
        potential, total, highest = np.zeros(shape), np.zeros(shape), 0.0
        factors = parametrization("lobato")
        for particle in (part for part in particles(wave) if len(part)):
            volume = atomic_volume(particle.positions, field_box(wave)) * len(particle)
            own = factors.mean_inner_potential(particle.numbers, volume)
            thickness = projected_thickness(particle, shape, wave.sampling, 3 * self.blur)
            potential += own * thickness
            total += thickness
            highest = max(highest, own)
        mean = np.where(total > 1e-3, potential / np.maximum(total, 1e-3), highest)
        return _over(wave, interaction_parameter(wave.energy) * mean * self.minimum, self.blur, self.level)


class Thickness(Covering):
    r"""Where the particles are thicker than a given length, whatever they are made of.

    The phase that corresponds to it, :math:`\theta = \sigma_e V_0\,t_\mathrm{min}`, differs from material to
    material with the mean inner potential :math:`V_0 \propto \bar f_e(0)/\Omega`; the thickness does not, so it is
    taken from the atoms themselves (:func:`~exitwave.labels.projected_thickness`), which wraps nowhere and is
    independent of focus.

    Parameters
    ----------
    minimum
        t_min, Å. On real images hand-drawn outlines agree best with 4 to 6 Å.
    blur
        Standard deviation in Å of the Gaussian that merges columns.

    Examples
    --------
    >>> Thickness(minimum="0.8 nm").minimum
    8.0
    """

    rule: Literal["thickness"] = "thickness"
    version: Literal[1] = 1

    def compute(self, wave: ExitWave) -> NDArray[Any]:
        """Return 0 and 1, uint8 (y, x)."""
        return binary(Projected(blur=self.blur).compute(wave) > self.minimum)


class Projected(Rule):
    """Thickness of all particles along the beam, Å.

    Parameters
    ----------
    blur
        Standard deviation in Å of the Gaussian that merges columns.

    Examples
    --------
    >>> Projected().dtype
    'float32'
    """

    rule: Literal["projected"] = "projected"
    version: Literal[1] = 1
    blur: Blur = 1.5
    dtype: ClassVar[str] = "float32"

    def compute(self, wave: ExitWave) -> NDArray[Any]:
        """Return Å, float32 (y, x)."""
        total = np.zeros(tuple(wave.array.shape[1:]), dtype=np.float32)
        for particle in particles(wave):
            total += projected_thickness(particle, total.shape, wave.sampling, self.blur)
        return total


def _over(wave: ExitWave, threshold: float | NDArray[np.float64], blur: float, level: float) -> NDArray[np.uint8]:
    """Return where the phase of the particles' wave exceeds a threshold in most configurations, after a blur."""
    if wave.particle is None and wave.structure is not None and not particles(wave):
        return np.zeros(tuple(wave.array.shape[1:]), dtype=np.uint8)
    phase = np.angle(_refocused(wave).detach().cpu().numpy())
    over = np.where(phase < -pi / 2, phase + 2 * pi, phase) > threshold
    majority = over.sum(axis=0) * 2 > len(over)
    return binary(blurred(majority.astype(float), [blur / step for step in wave.sampling]) > level)


def _refocused(wave: ExitWave) -> torch.Tensor:
    """Return the particles' wave in the plane of their mean height, or in the exit plane without a structure."""
    if wave.particle is None:
        raise LabelError("the wave has no particle wave, which the phase rule needs; scatter with particle_wave.")
    structure = wave.structure
    if structure is None:
        return wave.particle
    heights = np.concatenate([particle.positions[:, 2] for particle in particles(wave)] or [np.zeros(0)])
    if not len(heights):
        return wave.particle
    alone = replace(wave, array=wave.particle, particle=None, structure=None)
    return alone.propagate(float(heights.mean() - structure.cell[2, 2])).array
