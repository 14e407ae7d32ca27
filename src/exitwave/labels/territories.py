"""Label rules that share overlapping particles out as a projection shows them: none is on top."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from exitwave.labels.base import Covering, particles
from exitwave.labels.instances import cover

if TYPE_CHECKING:
    from exitwave.scattering import ExitWave

__all__ = ["Depth", "Territories"]

_BOND = 3.0  # Å; a particle that is cut by the border has atoms nearer to it


class Territories(Covering):
    r"""Which particle a pixel belongs to where an image cannot tell which one is on top.

    The one inside whose outline it lies deepest, in shares of that particle's own greatest depth:

    .. math:: \operatorname*{arg\,max}_i \frac{d_i(x, y)}{\max d_i}

    with d the distance to the outline of particle i alone, seen along the beam. 0 is none, 1 the first particle of
    the structure, and so on, as for ``instances``. Two that overlap are parted by a line through the two points
    where their outlines cross, which is straight where they are equal; one that lies before the very middle of
    another, wider one has no pixel of its own.
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
    that lie over other particles among it. 0 where there is none. The field is periodic; of a particle that is cut
    by its border, the cut is no outline.

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
    bodies, size = particles(wave), np.array(wave.extent)
    for index, mask in sorted(cover(wave, rule), key=lambda found: found[0]):
        if not mask.any():
            continue
        places, own = _depth(mask, wave.sampling, bodies[index - 1].positions[:, 1::-1], size)
        share = own / max(own.max(), 1e-9)
        mine = share > best[places]
        number[places] = np.where(mine, index, number[places])
        depth[places] = np.where(mine, own, depth[places])
        best[places] = np.where(mine, share, best[places])
    return number, depth


def _depth(
    mask: NDArray[np.bool_], sampling: tuple[float, float], atoms: NDArray[np.float64], size: NDArray[np.float64]
) -> tuple[Any, NDArray[np.float64]]:
    """Return where in the field a particle's box is, as np.ix_ has it, and there the distance to its outline, Å."""
    # atoms at one border and none at the opposite one: the particle is cut there, and goes on
    low, high = (np.asarray(near.any(axis=0)) for near in (atoms < _BOND, atoms > size - _BOND))
    cut = np.stack([low & ~high, high & ~low], axis=1)
    lines = [_line(np.asarray(mask.any(axis=1 - axis)), *cut[axis].tolist()) for axis in (0, 1)]
    places, inner = zip(*lines, strict=True)
    there = np.ix_(*(place >= 0 for place in places))
    box = np.zeros([len(place) for place in places], bool)
    box[there] = mask[np.ix_(*(place[place >= 0] for place in places))]
    # the outline runs between pixels
    depth = np.maximum(distance_transform_edt(box, sampling=sampling) - 0.5 * min(sampling), 0)
    if box.all():
        depth = np.full(box.shape, float(size.max()))
    return np.ix_(*(place[part] for place, part in zip(places, inner, strict=True))), depth[inner]


def _line(taken: NDArray[np.bool_], low: bool, high: bool) -> tuple[NDArray[np.int64], slice]:
    """Return which places of a periodic line to look at (-1: background), and which of them are the line itself."""
    length, held = len(taken), np.flatnonzero(taken)
    field = np.arange(length)
    if low:  # there is no outline beyond the border where it is cut
        return np.concatenate([field, [-1]]), slice(0, length)
    if high:
        return np.concatenate([[-1], field]), slice(1, length + 1)
    if len(held) == length:
        half = (length + 1) // 2
        return np.arange(-half, length + half) % length, slice(half, half + length)
    gaps = np.diff(held, append=held[0] + length)
    widest = int(gaps.argmax())
    count = length - int(gaps[widest]) + 1
    run = (held[(widest + 1) % len(held)] + np.arange(count)) % length
    return np.concatenate([[-1], run, [-1]]), slice(1, count + 1)
