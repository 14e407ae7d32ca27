"""Label rules: which pixels are particle, and which particle."""

from __future__ import annotations

from dataclasses import replace
from math import pi
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from exitwave.core import LabelError, Number
from exitwave.labels.base import Rule, binary, particles
from exitwave.labels.projection import atomic_volume, blurred, projected_density, projected_thickness

if TYPE_CHECKING:
    import torch

    from exitwave.scattering import ExitWave

__all__ = ["Grains", "Instances", "Phase", "Projected", "Thickness"]

_Minimum = Annotated[float, Number("a minimum thickness", "Å", above=0, fixed=True)]
_Blur = Annotated[float, Number("a blur", "Å", above=0, fixed=True)]


class Phase(Rule):
    r"""Where the phase of the particles' own wave exceeds a threshold: the labels of the paper.

    In each thermal configuration the phase of the wave of the particles alone in vacuum, taken back to their own
    mean height (so that the vacuum below them does not blur their rims), is compared with the threshold; the
    majority decides; the result is blurred by a Gaussian of σ = 1 Å (5 px of 0.2 Å) and compared with 0.1, which
    closes gaps between atom columns and moves outlines out by 1.2 Å. The phase is taken from −π/2 to
    3π/2, as phases behind matter are positive up to there (240 Å of gold at 300 kV) and vacuum fringes are small.

    The threshold is a thickness in disguise: π/12 is 13.5 Å of gold but 28.6 Å of CdSe. ``thickness`` is the same
    for all materials.

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
    blur: _Blur = 1.0
    level: Annotated[float, Number("a level", above=0, below=1, fixed=True)] = 0.1

    def compute(self, wave: ExitWave) -> NDArray[Any]:
        """Return 0 and 1, uint8 (y, x); all 0 where there is no particle."""
        shape = tuple(wave.array.shape[1:])
        if wave.particle is None and wave.structure is not None and not particles(wave):
            return np.zeros(shape, dtype=np.uint8)
        phase = np.angle(_refocused(wave).detach().cpu().numpy())
        over = np.where(phase < -pi / 2, phase + 2 * pi, phase) > self.threshold
        majority = over.sum(axis=0) * 2 > len(over)
        return binary(blurred(majority.astype(float), [self.blur / step for step in wave.sampling]) > self.level)


class Thickness(Rule):
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
    minimum: _Minimum = 5.0
    blur: _Blur = 1.5

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
    blur: _Blur = 1.5
    dtype: ClassVar[str] = "float32"

    def compute(self, wave: ExitWave) -> NDArray[Any]:
        """Return Å, float32 (y, x)."""
        total = np.zeros(tuple(wave.array.shape[1:]), dtype=np.float32)
        for particle in particles(wave):
            total += projected_thickness(particle, total.shape, wave.sampling, self.blur)
        return total


class Instances(Rule):
    """Which particle a pixel belongs to: 0 for none, 1 for the first particle of the structure, and so on.

    A particle covers the pixels where it is thicker than ``minimum``. Where several overlap, the one nearest to
    the exit side of the beam (largest mean z) is on top.

    Parameters
    ----------
    minimum
        Å.
    blur
        Standard deviation in Å of the Gaussian that merges columns.

    Examples
    --------
    >>> Instances().dtype
    'uint16'
    """

    rule: Literal["instances"] = "instances"
    version: Literal[1] = 1
    minimum: _Minimum = 5.0
    blur: _Blur = 1.5
    dtype: ClassVar[str] = "uint16"

    def compute(self, wave: ExitWave) -> NDArray[Any]:
        """Return particle numbers, uint16 (y, x)."""
        found = particles(wave)
        if len(found) > np.iinfo(np.uint16).max:
            raise LabelError(f"there are {len(found)} particles; instance labels hold up to 65535.")
        result = np.zeros(tuple(wave.array.shape[1:]), dtype=np.uint16)
        order = sorted((i for i in range(len(found)) if len(found[i])), key=lambda i: found[i].positions[:, 2].mean())
        for index in order:
            cover = projected_thickness(found[index], result.shape, wave.sampling, self.blur) > self.minimum
            result[cover] = index + 1
        return result


class Grains(Rule):
    """Which grain a pixel belongs to: 0 for none, else one more than the structure's grain index.

    Within the pixels where the particles together are thicker than ``minimum``, the grain that is thickest there.

    Parameters
    ----------
    minimum
        Å.
    blur
        Standard deviation in Å of the Gaussian that merges columns.

    Examples
    --------
    >>> Grains().key
    'grains'
    """

    rule: Literal["grains"] = "grains"
    version: Literal[1] = 1
    minimum: _Minimum = 5.0
    blur: _Blur = 1.5
    dtype: ClassVar[str] = "uint16"

    def compute(self, wave: ExitWave) -> NDArray[Any]:
        """Return grain numbers, uint16 (y, x)."""
        shape = tuple(wave.array.shape[1:])
        best, total = np.zeros(shape, dtype=np.float32), np.zeros(shape, dtype=np.float32)
        result = np.zeros(shape, dtype=np.uint16)
        for particle in particles(wave):
            if not len(particle):
                continue
            volume = atomic_volume(particle.positions, (shape[1] * wave.sampling[1], shape[0] * wave.sampling[0]))
            for grain in np.unique(particle.grains):
                if not 0 <= grain < np.iinfo(np.uint16).max:
                    raise LabelError(f"a grain has the index {grain}; grain labels hold 0 to 65534.")
                positions = particle.positions[particle.grains == grain]
                thickness = volume * projected_density(positions, shape, wave.sampling, self.blur)
                total += thickness
                result[thickness > best] = grain + 1
                best = np.maximum(best, thickness)
        return np.where(total > self.minimum, result, 0).astype(np.uint16)


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
