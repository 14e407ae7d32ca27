"""Strain and rotation of a lattice from two sets of fringes: geometric phase analysis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from exitwave.core.errors import MicrographError
from exitwave.imaging.micrograph import Micrograph
from exitwave.micrographs.fringes import fringe_field

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["StrainField", "strain_field"]

_Map = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class StrainField:
    """How a lattice is strained and turned from place to place, relative to a part of it.

    Parameters
    ----------
    xx, yy, xy
        Strain, (y, x); x along columns.
    rotation
        Degrees, (y, x), from the x axis to the y axis.
    weight
        Amplitude of the weaker fringes over its maximum, (y, x): where it is small there is no lattice to measure.

    Examples
    --------
    >>> none = np.zeros((32, 32), np.float32)
    >>> field = StrainField(xx=none + 0.01, yy=none - 0.01, xy=none, rotation=none + 1, weight=none + 1)
    >>> dilation = field.xx + field.yy
    >>> float(dilation.max()), [axes.get_title() for axes in field.show().axes[:4]]
    (0.0, ['εxx', 'εyy', 'εxy', 'rotation (°)'])
    """

    xx: _Map
    yy: _Map
    xy: _Map
    rotation: _Map
    weight: _Map

    def show(self, limit: float = 0.05, least: float = 0.3) -> Figure:
        """Return a figure of the four maps between ± ``limit`` where the weight is at least ``least``."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(11, 3), layout="constrained")
        maps = {"εxx": self.xx, "εyy": self.yy, "εxy": self.xy, "rotation (°)": self.rotation}
        for axes, (name, values) in zip(figure.subplots(1, 4), maps.items(), strict=True):
            scale = np.degrees(limit) if "°" in name else limit
            shown = axes.imshow(
                np.where(self.weight >= least, values, np.nan), cmap="RdBu_r", vmin=-scale, vmax=scale
            )
            axes.set_title(name, fontsize=10)
            axes.set_axis_off()
            figure.colorbar(shown, ax=axes, shrink=0.8)
        return figure


def strain_field(
    micrograph: Micrograph, peaks: pd.DataFrame, *, reference: ArrayLike | None = None, radius: float = 0.02
) -> StrainField:
    r"""Return strain and rotation of the lattice whose two first peaks are given.

    The phases of both sets of fringes are :math:`P_i = -2\pi\,\mathbf g_i\cdot\mathbf u`, so that the distortion is

    .. math:: \nabla\mathbf u = -\frac{1}{2\pi}\,G^{-1}\,\nabla P, \qquad
              \varepsilon = \tfrac12(\nabla\mathbf u + \nabla\mathbf u^{\mathsf T}),

    with the rows of G the vectors g. Gradients are those of :math:`e^{iP}`, which has no jumps. Their means over the
    reference count as no strain.

    Parameters
    ----------
    micrograph
        The image.
    peaks
        Of :func:`~exitwave.micrographs.lattice_peaks`; the first is used, and the next that is not parallel.
    reference
        Bool (y, x): where the lattice is unstrained; by default everywhere that fringes are at least half as strong
        as anywhere.
    radius
        Of the apertures about both peaks, 1/Å; detail is about :math:`1/2\pi r` wide.

    Raises
    ------
    MicrographError
        If there are fewer than two peaks, all are parallel, or the reference is empty.

    Source
    ------
    M. J. Hÿtch, E. Snoeck & R. Kilaas, Ultramicroscopy 74, 131 (1998).

    Examples
    --------
    >>> from exitwave.micrographs import lattice_peaks
    >>> y, x = np.mgrid[:256, :256] * 0.25
    >>> image = Micrograph(10 + np.cos(2 * np.pi * x / 2.0) + np.cos(2 * np.pi * y / 2.0), 0.25)
    >>> field = strain_field(image, lattice_peaks(image))
    >>> bool(np.abs(field.xx[64:-64, 64:-64]).max() < 1e-3)
    True
    """
    if len(peaks) < 2:
        raise MicrographError(f"there are {len(peaks)} lattice peaks; strain takes two that are not parallel.")
    fields = [fringe_field(micrograph, peaks.iloc[0], radius=radius)]
    for index in range(1, len(peaks)):  # the second is often the first one's second order
        fields[1:] = [fringe_field(micrograph, peaks.iloc[index], radius=radius)]
        vectors = np.array([field.vector for field in fields])
        if abs(np.linalg.det(vectors)) >= 0.05 * float(np.prod(np.linalg.norm(vectors, axis=1))):
            break
    else:
        raise MicrographError(f"the {len(peaks)} lattice peaks are all parallel; strain takes two that are not.")
    weight = np.minimum(*(field.amplitude / max(float(field.amplitude.max()), 1e-30) for field in fields))
    inside = weight >= 0.5 * weight.max() if reference is None else np.asarray(reference, bool)
    if inside.shape != weight.shape or not inside.any():
        raise MicrographError(
            f"the reference has the shape {inside.shape} with {int(inside.sum())} pixels; it has the image's shape "
            f"{weight.shape} and is true somewhere."
        )
    step = micrograph.known_pixel_size()
    slopes = np.stack([_gradient(field.phase.astype(np.float64), step) for field in fields])  # (peak, xy, y, x)
    slopes -= np.stack([[axis[inside].mean() for axis in slope] for slope in slopes])[:, :, None, None]
    # rows of the distortion are u's components, columns the directions of the gradient
    distortion = np.einsum("ij,jkyx->ikyx", -np.linalg.inv(vectors) / (2 * np.pi), slopes)
    shear = (distortion[0, 1] + distortion[1, 0]) / 2
    turn = np.degrees((distortion[1, 0] - distortion[0, 1]) / 2)
    maps = (distortion[0, 0], distortion[1, 1], shear, turn, weight)
    return StrainField(*(np.asarray(values, np.float32) for values in maps))


def _gradient(phase: NDArray[np.float64], step: float) -> NDArray[np.float64]:
    """Return the gradient (x, y) of a phase, rad/Å, from the phasor, which does not jump: (2, y, x)."""
    phasor = np.exp(1j * phase)
    slopes = []
    for axis in (1, 0):
        ahead = np.angle(np.roll(phasor, -1, axis) * np.conj(np.roll(phasor, 1, axis))) / (2 * step)
        edge = [slice(None)] * 2
        for place, inner in ((0, 1), (-1, -2)):  # the border has one neighbour only
            edge[axis] = slice(place, place + 1 or None)
            source = edge.copy()
            source[axis] = slice(inner, inner + 1 or None)
            ahead[tuple(edge)] = ahead[tuple(source)]
        slopes.append(ahead)
    return np.stack(slopes)
