"""Lattice fringes: their spacings, and what crystal they may be."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import binary_erosion, gaussian_filter, maximum_filter

from exitwave.core.errors import MicrographError
from exitwave.imaging.micrograph import Micrograph, checked_micrograph
from exitwave.micrographs.clean import fill_missing
from exitwave.structure.materials import Material, material

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["lattice_peaks", "plane_spacings"]


def plane_spacings(crystal: str | Material, minimum: float = 1.0) -> list[tuple[str, float]]:
    r"""Return the lattice planes of a crystal that diffract, widest first, as (indices, spacing in Å).

    A plane counts where :math:`|\sum_j Z_j e^{2\pi i\,\mathbf h\cdot\mathbf x_j}|` is above 2 % of
    :math:`\sum_j Z_j`. Planes of one spacing stand as one, under the indices that come last in order.

    Parameters
    ----------
    crystal
        A material's name or a :class:`~exitwave.structure.Material`.
    minimum
        Smallest spacing, Å.

    Examples
    --------
    >>> [(plane, round(d, 3)) for plane, d in plane_spacings("Au", 1.4)]
    [('111', 2.354), ('200', 2.039), ('220', 1.442)]
    """
    return [(plane, spacing) for plane, spacing, _ in plane_weights(crystal, minimum)]


def plane_weights(crystal: str | Material, minimum: float) -> list[tuple[str, float, float]]:
    r"""Return :func:`plane_spacings` with :math:`m |F| d^4` of each, how often they are seen, as shares of one.

    m is how many planes have the spacing, counted with both signs, and F the structure factor with atomic numbers for
    scattering factors. These fall off as :math:`d^2` for electrons, and what lenses and camera pass falls off, too.

    Examples
    --------
    >>> [(plane, round(weight, 2)) for plane, _, weight in plane_weights("Au", 1.4)]
    [('111', 0.61), ('200', 0.26), ('220', 0.13)]
    """
    if not minimum > 0.3:
        raise MicrographError(f"minimum is {minimum}; the smallest spacing asked for is above 0.3 Å.")
    cell = material(crystal)
    reciprocal = np.linalg.inv(cell.lattice).T
    reach = np.ceil(np.linalg.norm(cell.lattice, axis=1) / minimum).astype(int)
    ranges = [np.arange(-n, n + 1) for n in reach]
    indices = np.stack(np.meshgrid(*ranges, indexing="ij"), axis=-1).reshape(-1, 3)
    lengths = np.linalg.norm(indices @ reciprocal, axis=1)
    kept = (lengths > 0) & (lengths <= 1 / minimum)
    indices, lengths = indices[kept], lengths[kept]
    numbers = cell.numbers.astype(np.float64)
    factors = np.abs(np.exp(2j * np.pi * indices @ cell.basis.T) @ numbers) / numbers.sum()
    strong = factors > 0.02
    names: dict[float, tuple[int, ...]] = {}
    weights: dict[float, float] = {}
    for plane, length, factor in zip(indices[strong], lengths[strong], factors[strong], strict=True):
        key = round(float(1 / length), 4)
        names[key] = max(names.get(key, (-99, 0, 0)), tuple(int(i) for i in plane))
        weights[key] = weights.get(key, 0.0) + float(factor) * key**4
    total = sum(weights.values())
    return [(_indices(names[d]), d, weights[d] / total) for d in sorted(names, reverse=True)]


def lattice_peaks(
    micrograph: Micrograph,
    *,
    mask: ArrayLike | None = None,
    materials: Sequence[str | Material] = (),
    between: tuple[float, float] = (0.9, 8.0),
    tolerance: float = 0.03,
    false_alarms: float = 0.01,
) -> pd.DataFrame:
    r"""Return the lattice spacings that stand out of a micrograph's power spectrum, strongest first.

    The power of amorphous film and noise is exponentially distributed about the mean of its ring, here estimated
    as the ring's median over :math:`\ln 2`. Among N frequencies it exceeds :math:`\ln(N/\alpha)` times that mean
    :math:`\alpha` times by chance; peaks above it are kept. Positions are those of a paraboloid through the
    logarithm of the power about the maximum.

    Parameters
    ----------
    micrograph
        An image with a pixel size.
    mask
        Bool (y, x): look only here, with a soft edge; a particle, for instance.
    materials
        Candidates: names, or :class:`~exitwave.structure.Material`.
    between
        Spacings looked for, Å; never below two pixels.
    tolerance
        How far a candidate's spacing may be off, relative; calibrations are often off by 2 %.
    false_alarms
        :math:`\alpha`, the peaks expected in an image without a crystal.

    Returns
    -------
    table
        ``spacing_angstrom``, ``spacing_px``, ``angle_deg`` (of the wave vector, from +x to +y, 0 to 180),
        ``strength`` (over the ring's mean) and ``candidates`` such as ``Au 111 (+0.4 %)``, the closest first.

    Raises
    ------
    MicrographError
        If the pixel size is unknown or a parameter is impossible.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.arange(256) * 0.25
    >>> counts = np.random.default_rng(0).poisson(20 * (1 + 0.2 * np.cos(2 * np.pi * x / 2.355)), (256, 256))
    >>> peaks = lattice_peaks(Micrograph(counts, 0.25), materials=["Au"])
    >>> peaks["candidates"].tolist()
    ['Au 111 (+0.0 %)']
    """
    import pandas as pd

    pixel_size = checked_micrograph(micrograph).known_pixel_size()
    low, high = _checked(between, tolerance, false_alarms)
    array, window = _windowed(fill_missing(micrograph).array, mask)
    power = np.abs(np.fft.rfft2(array)) ** 2
    rows, columns = np.fft.fftfreq(array.shape[0]), np.fft.rfftfreq(array.shape[1])
    frequency = np.hypot(rows[:, None], columns)
    looked_at = (frequency >= pixel_size / high) & (frequency <= min(pixel_size / low, 0.5))
    # Frequencies closer than the window's own width are one peak.
    width = max(3, 2 * math.ceil(1.5 * max(array.shape) / max(math.sqrt(float(window.sum())), 1)) + 1)
    strength = power / np.maximum(_ring_means(power, frequency, array.shape), 1e-30)
    level = math.log(max(int(looked_at.sum()), 1) / false_alarms)
    # Rows wrap; the edge columns mirror themselves, and their doubles go below.
    wrapped = maximum_filter(strength, size=width, mode=("wrap", "nearest"))
    found = np.argwhere((strength == wrapped) & looked_at & (strength > level))
    planes = [
        (_name(m), plane, d) for m in materials for plane, d in plane_spacings(m, max(low, 2 * pixel_size) * 0.9)
    ]
    peaks: dict[tuple[int, int], tuple[float, float, float, float, str]] = {}
    for row, column in found:
        fy, fx = _refined(power, int(row), int(column), array.shape)
        length = math.hypot(fy, fx)
        spacing = pixel_size / length
        angle = math.degrees(math.atan2(fy, fx)) % 180
        size = float(strength[row, column])
        twin = (int(-row % power.shape[0]), int(column))
        if column in (0, power.shape[1] - 1) and twin in peaks:
            continue
        peaks[int(row), int(column)] = (spacing, 1 / length, angle, size, _candidates(spacing, planes, tolerance))
    table = pd.DataFrame(
        list(peaks.values()), columns=["spacing_angstrom", "spacing_px", "angle_deg", "strength", "candidates"]
    )
    return table.sort_values("strength", ascending=False, ignore_index=True)


def _checked(between: tuple[float, float], tolerance: float, false_alarms: float) -> tuple[float, float]:
    low, high = between
    if not 0 < low < high < math.inf:
        raise MicrographError(f"between is {between}; it is two spacings in Å, the smaller first, such as (0.9, 8).")
    if not 0 < tolerance < 1 or not false_alarms > 0:
        raise MicrographError(
            f"tolerance is {tolerance} and false_alarms {false_alarms}; a tolerance lies between 0 and 1, "
            "false alarms are above 0."
        )
    return low, high


def _windowed(array: NDArray[np.float32], mask: ArrayLike | None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the image less its local mean under a soft window, and the window."""
    values = array.astype(np.float64)
    if mask is None:
        window = np.outer(np.hanning(array.shape[0] + 2)[1:-1], np.hanning(array.shape[1] + 2)[1:-1])
    else:
        inside = np.asarray(mask, bool)
        if inside.shape != array.shape or not inside.any():
            raise MicrographError(
                f"the mask has the shape {inside.shape} with {int(inside.sum())} pixels; it has the image's shape "
                f"{array.shape} and is true somewhere."
            )
        rows, columns = np.nonzero(inside.any(axis=1))[0], np.nonzero(inside.any(axis=0))[0]
        box = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
        edge = max(1.0, 0.05 * math.sqrt(float(inside.sum())))
        inside, values = np.pad(inside[box], math.ceil(edge)), np.pad(values[box], math.ceil(edge), mode="edge")
        core = binary_erosion(inside, iterations=math.ceil(edge)) if inside.sum() > 100 else inside
        window = gaussian_filter((core if core.any() else inside).astype(np.float64), edge)
        # Room about a small particle, so that its wide peaks are sampled finely.
        room = [(0, size) for size in inside.shape]
        window, values = np.pad(window, room), np.pad(values, room)
    mean = float((values * window).sum() / window.sum())
    return (values - mean) * window, window


def _ring_means(
    power: NDArray[np.float64], frequency: NDArray[np.float64], shape: tuple[int, ...]
) -> NDArray[np.float64]:
    """Return at every frequency the mean power of noise there, from medians of rings."""
    count = max(8, min(shape) // 6)
    ring = np.minimum((frequency / 0.5 * count).astype(int), math.ceil(count * 1.5))
    order = np.argsort(ring.ravel(), kind="stable")
    values, rings = power.ravel()[order], ring.ravel()[order]
    starts = np.searchsorted(rings, np.arange(rings[-1] + 2))
    medians = np.array([np.median(values[a:b]) if b > a else np.nan for a, b in pairwise(starts)])
    centres = (np.arange(medians.size) + 0.5) / count * 0.5
    known = medians > 0
    if not known.any():
        return np.full(power.shape, max(float(power.max()), 1e-30))
    logs = np.interp(frequency.ravel(), centres[known], np.log(medians[known]))
    # A floor, so that a spectrum without any noise has no peaks among its rounding errors.
    floor = 1e-9 * float(power.max())
    means: NDArray[np.float64] = np.maximum(np.exp(logs).reshape(power.shape) / math.log(2), floor)
    return means


def _refined(power: NDArray[np.float64], row: int, column: int, shape: tuple[int, ...]) -> tuple[float, float]:
    """Return the frequency (y, x), in cycles per pixel, of the maximum near a pixel of the half spectrum."""
    rows = (row + np.arange(-1, 2)) % shape[0]
    columns = column + np.arange(-1, 2)
    height, width = power.shape
    mirrored = columns < 0
    beyond = columns >= width
    block = np.empty((3, 3))
    for j in range(3):
        source = -columns[j] if mirrored[j] else (shape[1] - columns[j] if beyond[j] else columns[j])
        source_rows = (-rows) % height if mirrored[j] or beyond[j] else rows
        block[:, j] = power[source_rows, min(int(source), width - 1)]
    logs = np.log(np.maximum(block, 1e-30))
    offsets = []
    for line in (logs[:, 1], logs[1, :]):
        bend = line[0] - 2 * line[1] + line[2]
        offsets.append(float(np.clip((line[0] - line[2]) / (2 * bend), -0.5, 0.5)) if bend < 0 else 0.0)
    signed = row if row < (shape[0] + 1) // 2 else row - shape[0]
    return (signed + offsets[0]) / shape[0], (column + offsets[1]) / shape[1]


def _indices(plane: tuple[int, ...]) -> str:
    return "".join(map(str, plane)) if all(0 <= i < 10 for i in plane) else " ".join(map(str, plane))


def _name(crystal: str | Material) -> str:
    return crystal if isinstance(crystal, str) else crystal.name or crystal.formula


def _candidates(spacing: float, planes: list[tuple[str, str, float]], tolerance: float) -> str:
    near = sorted((abs(spacing / d - 1), name, plane, spacing / d - 1) for name, plane, d in planes)
    return ", ".join(
        f"{name} {plane} ({100 * off + 0.0:+.1f} %)" for size, name, plane, off in near if size <= tolerance
    ).replace("-0.0 %", "+0.0 %")
