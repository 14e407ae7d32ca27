"""Label rules for outlines: how far from one, and how sure of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from exitwave.core import LabelError, Number
from exitwave.labels.base import Rule
from exitwave.labels.rules import Projected, Thickness

if TYPE_CHECKING:
    from exitwave.scattering import ExitWave

__all__ = ["Distance", "Soft"]


class Distance(Rule):
    """Signed distance in Å to the outline of the ``thickness`` rule: positive in particles, negative outside.

    The field is periodic. Where there is no outline every distance is ± ``limit``.

    Parameters
    ----------
    minimum
        Thickness that makes a particle, Å.
    limit
        Distances are cut to ± this, Å.

    Examples
    --------
    >>> Distance().dtype
    'float32'
    """

    rule: Literal["distance"] = "distance"
    version: Literal[1] = 1
    minimum: Annotated[float, Number("a minimum thickness", "Å", above=0, fixed=True)] = 5.0
    limit: Annotated[float, Number("a limit", "Å", above=0, fixed=True)] = 20.0
    dtype: ClassVar[str] = "float32"

    def compute(self, wave: ExitWave) -> NDArray[Any]:
        """Return Å, float32 (y, x)."""
        from scipy.ndimage import distance_transform_edt

        mask = Thickness(minimum=self.minimum).compute(wave) > 0
        margin = [min(int(np.ceil(self.limit / s)) + 1, n) for s, n in zip(wave.sampling, mask.shape, strict=True)]
        wide = np.pad(mask, [(m, m) for m in margin], mode="wrap")
        inside, outside = (distance_transform_edt(part, sampling=wave.sampling) for part in (wide, ~wide))
        half = 0.5 * float(np.mean(wave.sampling))  # the outline runs between pixels
        if wide.all() or not wide.any():
            signed = np.where(wide, self.limit, -self.limit)
        else:
            signed = np.where(wide, inside - half, half - outside)
        rows, columns = mask.shape
        cut = signed[margin[0] : margin[0] + rows, margin[1] : margin[1] + columns]
        return np.clip(cut, -self.limit, self.limit).astype(np.float32)


class Soft(Rule):
    r"""How much of a particle a pixel is, from 0 to 1: a boundary that admits what nobody can know.

    :math:`\mathrm{clip}\bigl((t - t_0)/(t_1 - t_0), 0, 1\bigr)` of the projected thickness t.

    Parameters
    ----------
    none, full
        Thickness t₀ up to which there is no particle, and t₁ from which there is nothing but particle, Å.

    Examples
    --------
    >>> Soft(full=10.0).full
    10.0
    """

    rule: Literal["soft"] = "soft"
    version: Literal[1] = 1
    none: Annotated[float, Number("a thickness", "Å", at_least=0, fixed=True)] = 2.0
    full: Annotated[float, Number("a thickness", "Å", above=0, fixed=True)] = 8.0
    dtype: ClassVar[str] = "float32"

    def compute(self, wave: ExitWave) -> NDArray[Any]:
        """Return 0 to 1, float32 (y, x)."""
        if not self.full > self.none:
            raise LabelError(f"full is {self.full:g} Å and none {self.none:g} Å; full is the larger of the two.")
        thickness = Projected().compute(wave)
        return np.clip((thickness - self.none) / (self.full - self.none), 0, 1).astype(np.float32)
