"""Label rules that share overlapping particles out as a projection shows them: none is on top."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from exitwave.labels.base import Covering
from exitwave.labels.instances import cover

if TYPE_CHECKING:
    from exitwave.scattering import ExitWave

__all__ = ["Depth", "Territories"]


class Territories(Covering):
    r"""Which particle a pixel belongs to where an image cannot tell which one is on top.

    The one inside whose outline it lies deepest, in shares of that particle's own greatest depth:

    .. math:: \operatorname*{arg\,max}_i \frac{d_i(x, y)}{\max d_i}

    with d the distance to the outline of particle i alone, seen along the beam. 0 is none, 1 the first particle of
    the structure, and so on, as for ``instances``. Two that overlap are parted by a line through the two points
    where their outlines cross; one that lies before the middle of another, wider one has no pixel of its own.
    Turning the structure over changes nothing here, and next to nothing in the image: which of two particles is on
    top, as ``instances`` has it, is not to be seen in a projection, and a network that is to say it can but guess.

    Parameters
    ----------
    minimum, blur
        See :class:`Covering`.

    Examples
    --------
    >>> Territories().dtype, Territories().key
    ('uint16', 'territories')
    """

    rule: Literal["territories"] = "territories"
    version: Literal[1] = 1
    dtype: ClassVar[str] = "uint16"

    def compute(self, wave: ExitWave) -> NDArray[Any]:
        """Return particle numbers, uint16 (y, x)."""
        return _shared(wave, self)[0]


class Depth(Covering):
    r"""How deep a pixel lies inside of the particle it belongs to: the distance to the outline of that one alone, Å.

    Particles are shared out as by ``territories``, and what lies over or under a particle does not end it. So the
    discs around a particle's pixels, with their depths as radii, are together all of it but small corners, parts
    that lie over other particles among it. 0 where there is none. The field is periodic.

    Parameters
    ----------
    minimum, blur
        See :class:`Covering`.

    Examples
    --------
    >>> Depth(minimum=3).dtype
    'float32'
    """

    rule: Literal["depth"] = "depth"
    version: Literal[1] = 1
    dtype: ClassVar[str] = "float32"

    def compute(self, wave: ExitWave) -> NDArray[Any]:
        """Return Å, float32 (y, x)."""
        return _shared(wave, self)[1]


def _shared(wave: ExitWave, rule: Covering) -> tuple[NDArray[np.uint16], NDArray[np.float32]]:
    """Return the particle that every pixel belongs to, and how deep inside of it alone the pixel lies, Å."""
    shape = tuple(wave.array.shape[1:])
    number, depth, best = np.zeros(shape, np.uint16), np.zeros(shape, np.float32), np.zeros(shape)
    for index, mask in sorted(cover(wave, rule), key=lambda found: found[0]):
        own = _depth(mask, wave.sampling)
        share = own / max(own.max(), 1e-9)
        mine = share > best
        number[mine], depth[mine], best[mine] = index, own[mine], share[mine]
    return number, depth


def _depth(mask: NDArray[np.bool_], sampling: tuple[float, float]) -> NDArray[np.float64]:
    """Return the distance of a periodic mask's pixels to its outline, Å; 0 outside."""
    if not mask.any():
        return np.zeros(mask.shape)
    if mask.all():
        return np.full(mask.shape, float(max(mask.shape) * max(sampling)))
    # the particle in the middle of the field, so that it does not go over the border
    shift = [-_widest_gap(np.asarray(mask.any(axis=1 - axis))) for axis in (0, 1)]
    whole = np.pad(np.roll(mask, shift, axis=(0, 1)), 1, mode="wrap")
    # the outline runs between pixels
    depth = distance_transform_edt(whole, sampling=sampling)[1:-1, 1:-1] - 0.5 * float(np.mean(sampling))
    return np.roll(np.maximum(depth, 0), [-step for step in shift], axis=(0, 1))


def _widest_gap(taken: NDArray[np.bool_]) -> int:
    """Return the middle of the longest run of False in a periodic line; 0 where all is taken."""
    places = np.flatnonzero(taken)
    if len(places) == len(taken):
        return 0
    gaps = np.diff(places, append=places[0] + len(taken))
    widest = int(gaps.argmax())
    return int(places[widest] + gaps[widest] // 2) % len(taken)
