"""Projected thickness of what is in a structure, on the grid of a wave."""

from __future__ import annotations

from collections.abc import Sequence
from math import pi
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.spatial import cKDTree

if TYPE_CHECKING:
    from exitwave.structure import Structure

__all__ = ["atomic_volume", "blurred", "projected_density", "projected_thickness", "unwrapped"]

_PROBE = 2.0  # Å, standard deviation of the Gaussian that measures the density of atoms


def atomic_volume(positions: NDArray[np.float64], box: Sequence[float] | None = None, quantile: float = 1.0) -> float:
    r"""Return the volume per atom inside a particle, from nothing but its atoms.

    The number density is the greatest value, over a sample of atoms, of
    :math:`\sum_i \exp(-r_i^2/2s^2)/(2\pi s^2)^{3/2}` with s = 2 Å. Lattices are invisible to so wide a probe
    (1e-6 for gold), and the greatest value is that of the interior.

    Parameters
    ----------
    positions
        (atoms, 3), Å.
    box
        Periods along x and y, Å, where particles reach over the border; z is not periodic.
    quantile
        Which of the densities around the atoms to take; below 1 for amorphous matter, whose densest place says
        little.

    Returns
    -------
    volume
        Å³.

    Examples
    --------
    >>> import numpy as np
    >>> lattice = np.stack(np.meshgrid(*[np.arange(8) * 2.5] * 3), axis=-1).reshape(-1, 3)
    >>> round(atomic_volume(lattice), 2)
    15.62
    """
    reach, size = 5.5 * _PROBE, None
    if box is not None and min(box) > 2 * reach:
        low, high = positions[:, 2].min(), positions[:, 2].max()
        size = np.array([box[0], box[1], high - low + 2 * reach])
        positions = np.column_stack([positions[:, 0] % box[0], positions[:, 1] % box[1], positions[:, 2] - low])
        positions[:, :2][positions[:, :2] >= size[:2]] = 0.0  # what rounding put on the border
    sample = positions[:: max(1, len(positions) // 400)]
    trees = cKDTree(sample, boxsize=size), cKDTree(positions, boxsize=size)
    pairs = trees[0].sparse_distance_matrix(trees[1], reach, output_type="ndarray")
    weight = np.exp(-(pairs["v"] ** 2) / (2 * _PROBE**2))
    density = np.bincount(pairs["i"], weights=weight, minlength=len(sample)) / (2 * pi * _PROBE**2) ** 1.5
    return float(1.0 / np.quantile(density, quantile))


def projected_thickness(
    structure: Structure, shape: Sequence[int], sampling: Sequence[float], blur: float = 1.5
) -> NDArray[np.float32]:
    r"""Return the thickness of a particle along the beam.

    .. math:: t(x, y) = \Omega \sum_i G_s(x - x_i, y - y_i)

    with Ω the particle's own volume per atom and G a periodic Gaussian wide enough to merge columns of atoms.

    Parameters
    ----------
    structure
        The atoms of one particle.
    shape, sampling
        Grid (y, x) and its steps in Å.
    blur
        s, standard deviation of the Gaussian, Å.

    Returns
    -------
    thickness
        Å, float32 (y, x).

    Examples
    --------
    >>> from exitwave.structure import Crystal, Scene, Sphere, Volume
    >>> ball = Volume(Crystal("Au"), Sphere(10, centre=(15, 15, 15)), role="particle")
    >>> atoms = Scene([ball], (30, 30, 30)).build(seed=1)
    >>> thickness = projected_thickness(atoms, (60, 60), (0.5, 0.5))
    >>> thickness.shape, bool(abs(thickness.max() - 20) < 1.5)
    ((60, 60), True)
    """
    if not len(structure):
        return np.zeros(tuple(shape), dtype=np.float32)
    density = projected_density(structure.positions, shape, sampling, blur)
    box = (shape[1] * sampling[1], shape[0] * sampling[0])
    return density * np.float32(atomic_volume(structure.positions, box))


def projected_density(
    positions: NDArray[np.float64], shape: Sequence[int], sampling: Sequence[float], blur: float = 1.5
) -> NDArray[np.float32]:
    """Return atoms per Å² along the beam, blurred by a Gaussian of ``blur`` Å, on a periodic grid (y, x)."""
    counts = np.zeros(tuple(shape))
    scaled = positions[:, 1::-1] / np.asarray(sampling)
    corner = np.floor(scaled).astype(int)
    part = scaled - corner
    for dy in (0, 1):  # each atom goes to the four pixels around it
        for dx in (0, 1):
            weight = np.abs(1 - dy - part[:, 0]) * np.abs(1 - dx - part[:, 1])
            np.add.at(counts, ((corner[:, 0] + dy) % shape[0], (corner[:, 1] + dx) % shape[1]), weight)
    density = blurred(counts / (sampling[0] * sampling[1]), [blur / step for step in sampling])
    return np.maximum(density, 0).astype(np.float32)


def blurred(image: NDArray[np.floating], sigma: Sequence[float]) -> NDArray[np.float64]:
    """Return a periodic image convolved with a Gaussian of ``sigma`` pixels in y and x."""
    rows, columns = image.shape
    fy, fx = fft.fftfreq(rows)[:, None] * sigma[0], fft.rfftfreq(columns) * sigma[1]
    result: NDArray[np.float64] = fft.irfft2(fft.rfft2(image) * np.exp(-2 * pi**2 * (fy**2 + fx**2)), s=image.shape)
    return result


def unwrapped(positions: NDArray[np.float64], box: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the positions of a particle in one piece, where it goes over the border of a periodic field.

    Parameters
    ----------
    positions
        (atoms, 3), Å.
    box
        Periods along x and y, Å.

    Examples
    --------
    >>> import numpy as np
    >>> unwrapped(np.array([[0.5, 1.0, 0.0], [9.5, 1.0, 0.0], [9.0, 2.0, 0.0]]), (10.0, 10.0))[:, 0]
    array([10.5,  9.5,  9. ])
    """
    result = np.array(positions, dtype=np.float64)
    for axis, period in enumerate(box):
        x = np.sort(result[:, axis] % period)
        gaps = np.diff(x, append=x[0] + period)
        start = x[(int(gaps.argmax()) + 1) % len(x)]  # the particle begins behind its widest gap
        result[:, axis] = start + (result[:, axis] - start) % period
    return result
