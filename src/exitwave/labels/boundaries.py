"""Label rules for outlines: the hull of the atoms, how far from an outline, and how sure of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from exitwave.core import Number, SpecError
from exitwave.imaging.projection import unwrapped
from exitwave.labels.base import Covering, Rule, binary, field_box, particles
from exitwave.labels.rules import Projected, Thickness

if TYPE_CHECKING:
    from exitwave.scattering import ExitWave

__all__ = ["Distance", "Hull", "Soft"]


class Distance(Covering):
    """Signed distance in Å to the outline of the ``thickness`` rule: positive in particles, negative outside.

    The field is periodic. Where there is no outline every distance is ± ``limit``.

    Parameters
    ----------
    minimum
        Thickness that makes a particle, Å.
    blur
        Standard deviation in Å of the Gaussian that merges columns.
    limit
        Distances are cut to ± this, Å.

    Examples
    --------
    >>> Distance().dtype
    'float32'
    """

    rule: Literal["distance"] = "distance"
    version: Literal[1] = 1
    limit: Annotated[float, Number("a limit", "Å", above=0, fixed=True)] = 20.0
    dtype: ClassVar[str] = "float32"

    def compute(self, wave: ExitWave) -> NDArray[Any]:
        """Return Å, float32 (y, x)."""
        from scipy.ndimage import distance_transform_edt

        mask = Thickness(minimum=self.minimum, blur=self.blur).compute(wave) > 0
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

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if not self.full > self.none:
            raise SpecError(f"full is {self.full:g} Å and none {self.none:g} Å; full is the larger of the two.")
        return self

    def compute(self, wave: ExitWave) -> NDArray[Any]:
        """Return 0 to 1, float32 (y, x)."""
        thickness = Projected().compute(wave)
        return np.clip((thickness - self.none) / (self.full - self.none), 0, 1).astype(np.float32)


class Hull(Rule):
    """The outlines of the particles as bodies: the convex hull of each particle's atoms, seen along the beam.

    It depends on no thickness and no wave. The hull of the atoms' centres is widened by ``radius``. Of a particle
    that is not convex it fills the hollows. A particle that goes over the border of the field comes in at the
    opposite one.

    Parameters
    ----------
    radius
        What is added to the centres of the outermost atoms, Å.

    Examples
    --------
    >>> Hull().key
    'hull'
    """

    rule: Literal["hull"] = "hull"
    version: Literal[1] = 1
    radius: Annotated[float, Number("a radius", "Å", at_least=0, at_most=10, fixed=True)] = 1.0

    def compute(self, wave: ExitWave) -> NDArray[Any]:
        """Return 0 and 1, uint8 (y, x)."""
        rows, columns = wave.array.shape[1:]
        result = np.zeros((rows, columns), dtype=bool)
        box = np.array(field_box(wave))
        step = np.array(wave.sampling[::-1])
        for particle in (part for part in particles(wave) if len(part)):
            points = unwrapped(particle.positions, box)[:, :2]
            low = np.floor((points.min(0) - self.radius) / step).astype(int)
            high = np.ceil((points.max(0) + self.radius) / step).astype(int)
            x, y = (np.arange(a, b + 1) for a, b in zip(low, high, strict=True))
            inside = _within(points, x * step[0], y * step[1], self.radius)
            iy, ix = np.nonzero(inside)
            result[y[iy] % rows, x[ix] % columns] = True
        return binary(result)


def _within(points: NDArray[np.float64], x: NDArray[Any], y: NDArray[Any], radius: float) -> NDArray[np.bool_]:
    """Return which points of a grid (y, x) are within ``radius`` of the convex hull of points (n, 2)."""
    from scipy.spatial import ConvexHull, QhullError

    try:
        hull = ConvexHull(points)
    except (QhullError, ValueError):  # fewer than three points, or all on a line
        corners = points[np.lexsort(points.T)][[0, -1]]
        inside = np.zeros((len(y), len(x)), dtype=bool)
    else:
        corners = points[hull.vertices]
        height = (
            hull.equations[:, :1, None] * x + hull.equations[:, 1:2, None] * y[:, None] + hull.equations[:, 2:, None]
        )
        inside = (height <= 0).all(axis=0)
    for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        edge = end - start
        dx, dy = x - start[0], (y - start[1])[:, None]
        along = np.clip((dx * edge[0] + dy * edge[1]) / max(float(edge @ edge), 1e-12), 0, 1)
        inside |= (dx - along * edge[0]) ** 2 + (dy - along * edge[1]) ** 2 <= radius**2
    return inside
