"""Label rules that tell particles and grains apart, and what lies over what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from exitwave.core import LabelError, Number
from exitwave.imaging.projection import atomic_volume, projected_density, projected_thickness
from exitwave.labels.base import Covering, field_box, particles

if TYPE_CHECKING:
    from exitwave.scattering import ExitWave

__all__ = ["Grains", "Instances", "Overlap", "cover", "thickest_grain"]


class Instances(Covering):
    """Which particle a pixel belongs to: 0 for none, 1 for the first particle of the structure, and so on.

    A particle covers the pixels where it is thicker than ``minimum``. Where several overlap, the one nearest to
    the exit side of the beam (largest mean z) is on top, in layer 0; layer 1 holds the one below it where there are
    two or more, layer 2 the third, so that all layers together hold every particle whole.

    Parameters
    ----------
    minimum, blur
        See :class:`Covering`.
    layer
        Which of the particles over a pixel, counted from the exit side.

    Examples
    --------
    >>> Instances().dtype, Instances(layer=1).key
    ('uint16', 'instances-layer-1')
    """

    rule: Literal["instances"] = "instances"
    version: Literal[1] = 1
    layer: Annotated[int, Number("a layer", at_least=0, at_most=99, whole=True, fixed=True)] = 0
    dtype: ClassVar[str] = "uint16"

    @property
    def key(self) -> str:
        """The name of the map among others."""
        return f"instances-layer-{self.layer}" if self.layer else "instances"

    def compute(self, wave: ExitWave) -> NDArray[Any]:
        """Return particle numbers, uint16 (y, x)."""
        result = np.zeros(tuple(wave.array.shape[1:]), dtype=np.uint16)
        above = np.zeros(result.shape, dtype=np.int32)
        for index, mask in cover(wave, self)[::-1]:
            result[mask & (above == self.layer)] = index
            above += mask
        return result


class Overlap(Covering):
    """How many particles lie over a pixel.

    Parameters
    ----------
    minimum, blur
        See :class:`Thickness`.

    Examples
    --------
    >>> Overlap().key
    'overlap'
    """

    rule: Literal["overlap"] = "overlap"
    version: Literal[1] = 1

    def compute(self, wave: ExitWave) -> NDArray[Any]:
        """Return numbers of particles, uint8 (y, x); 255 stands for that many and more."""
        count = np.zeros(tuple(wave.array.shape[1:]), dtype=np.int64)
        for _, mask in cover(wave, self):
            count += mask
        return np.minimum(count, 255).astype(np.uint8)


class Grains(Covering):
    """Which grain a pixel belongs to: 0 for none, else one more than the structure's grain index.

    Within the pixels where the particles together are thicker than ``minimum``, the grain that is thickest there.

    Parameters
    ----------
    minimum, blur
        See :class:`Thickness`.

    Examples
    --------
    >>> Grains().key
    'grains'
    """

    rule: Literal["grains"] = "grains"
    version: Literal[1] = 1
    dtype: ClassVar[str] = "uint16"

    def compute(self, wave: ExitWave) -> NDArray[Any]:
        """Return grain numbers, uint16 (y, x)."""
        grain = thickest_grain(wave, self)
        if grain.max(initial=0) >= np.iinfo(np.uint16).max:
            raise LabelError(f"a grain has the index {grain.max()}; grain labels hold 0 to 65534.")
        return (grain + 1).astype(np.uint16)


def cover(wave: ExitWave, rule: Covering) -> list[tuple[int, NDArray[np.bool_]]]:
    """Return the number of every particle and where it is thicker than the rule's minimum, from low to high z."""
    found = particles(wave)
    if len(found) > np.iinfo(np.uint16).max:
        raise LabelError(f"there are {len(found)} particles; instance labels hold up to 65535.")
    shape = tuple(wave.array.shape[1:])
    order = sorted((i for i in range(len(found)) if len(found[i])), key=lambda i: found[i].positions[:, 2].mean())
    return [
        (index + 1, projected_thickness(found[index], shape, wave.sampling, rule.blur) > rule.minimum)
        for index in order
    ]


def thickest_grain(wave: ExitWave, rule: Covering) -> NDArray[np.int64]:
    """Return the index of the thickest grain of all particles at every pixel, −1 where they are too thin."""
    shape = tuple(wave.array.shape[1:])
    best, total = np.zeros(shape, dtype=np.float32), np.zeros(shape, dtype=np.float32)
    result = np.full(shape, -1, dtype=np.int64)
    for particle in particles(wave):
        if not len(particle):
            continue
        volume = atomic_volume(particle.positions, field_box(wave))
        for grain in np.unique(particle.grains):
            if grain < 0:
                raise LabelError(f"a grain has the index {grain}; grains are counted from 0.")
            positions = particle.positions[particle.grains == grain]
            thickness = volume * projected_density(positions, shape, wave.sampling, rule.blur)
            total += thickness
            result[thickness > best] = grain
            best = np.maximum(best, thickness)
    result[total <= rule.minimum] = -1
    return result
