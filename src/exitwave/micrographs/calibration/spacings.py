"""Lattice spacings of many micrographs, and the material and pixel size that they speak for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from exitwave.core.errors import ExitwaveError
from exitwave.dataset import Recipe
from exitwave.imaging.micrograph import Micrograph
from exitwave.micrographs.lattice import plane_spacings, plane_weights
from exitwave.micrographs.lattice_evidence import by_chance, evidence
from exitwave.micrographs.pixel_size import sizes_from_peaks
from exitwave.micrographs.tiles import SMALLEST, tile_peaks
from exitwave.structure.materials import material

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "checked_crystals",
    "crystals",
    "likely_crystals",
    "measured_spacings",
    "peak_table",
    "peaks_of",
    "pixel_note",
    "size_note",
    "telling",
    "with_material",
]

_PEAK = ["frequency", "resolution", "lowest", "highest"]
_STRETCHED = 0.06  # how far the pixel size may be off
_SCALES = np.linspace(-_STRETCHED, _STRETCHED, 61)  # of its logarithm
_USUAL = 0.02  # how far pixel sizes usually are off
_COMMON = 0.01  # relative error that all spacings share
_CHANCE = 0.05  # probability below which chance does not explain the peaks, or a material is left out
_OFF = 2.5  # standard errors of the pixel size that are told
_SURE = 0.99  # probability of a pixel size that is told
_ENOUGH = 16  # micrographs that are asked


def crystals(recipe: Recipe) -> list[str]:
    """Return the crystals that a recipe's structures are made of.

    Examples
    --------
    >>> crystals(Recipe.read("gold-on-carbon"))
    ['Au']
    """
    names: list[str] = []

    def walk(value: Any, key: str = "") -> None:
        if isinstance(value, dict):
            for name, item in value.items():
                walk(item, key if name in ("choice", "constant") else name)
        elif isinstance(value, list):
            for item in value:
                walk(item, key)
        elif key == "material" and isinstance(value, str) and value not in names:
            try:
                plane_spacings(value)
            except ExitwaveError:
                return  # amorphous
            names.append(value)

    walk(recipe.structures.spec.to_dict())
    return names


def checked_crystals(names: Sequence[str]) -> list[str]:
    """Return the names, if each is one of a known crystal.

    Raises
    ------
    StructureError
        If one is not.

    Examples
    --------
    >>> checked_crystals(["Au", "CdSe"])
    ['Au', 'CdSe']
    """
    for name in names:
        material(name)
    return list(names)


def peaks_of(micrographs: Sequence[Micrograph]) -> pd.DataFrame:
    """Return the lattice peaks in the tiles of micrographs, of 16 at most, spread evenly over them.

    Columns are ``micrograph``, ``spacing_angstrom``, and in 1/Å ``frequency``, ``resolution`` and ``lowest`` to
    ``highest``, the range that was looked at.
    """
    import pandas as pd

    large = [micrograph for micrograph in micrographs if min(micrograph.array.shape) >= SMALLEST]
    spread = {round(index) for index in np.linspace(0, len(large) - 1, _ENOUGH)} if large else ()
    chosen = [large[index] for index in sorted(spread)]
    tables = [
        peak_table(tile_peaks(micrograph), micrograph.known_pixel_size(), micrograph.name) for micrograph in chosen
    ]
    full = [table for table in tables if len(table)]
    return pd.concat(full, ignore_index=True) if full else peak_table(np.empty((0, 4)), 1.0, "")


def peak_table(peaks: NDArray[np.float64], pixel_size: float, name: str) -> pd.DataFrame:
    """Return the table of :func:`peaks_of` of one micrograph, from its ``tile_peaks``."""
    import pandas as pd

    table = pd.DataFrame(peaks / pixel_size, columns=_PEAK)
    table.insert(0, "micrograph", name)
    table.insert(1, "spacing_angstrom", 1 / table["frequency"])
    return table


def measured_spacings(peaks: pd.DataFrame, materials: Sequence[str]) -> pd.DataFrame:
    r"""Return the lattice spacings of materials as the micrographs show them, one row per plane that was seen.

    A wrong pixel size stretches all spacings alike: ``scale`` is the right one over the stated one, ``scale_error``
    its standard error, after :func:`~exitwave.micrographs.lattice_pixel_sizes` with a normal prior of 2 %, up to 6 %.
    Every peak belongs to its likeliest plane or to none; ``spacing`` is the median of a plane's and ``error`` its
    standard error from their scatter (:math:`1.25\,s/\sqrt n`, at least that of one in fifty over their number);
    ``deviation`` is relative to the ``tabulated`` one. ``probability`` is that of the material among these, each as
    likely beforehand, and chance, as likely as all of them.

    Parameters
    ----------
    peaks
        Of :func:`peaks_of`.
    materials
        Candidates.
    """
    import pandas as pd

    rows = []
    for fit in _fits(peaks, materials):
        for index, (plane, spacing, _) in enumerate(fit.planes):
            mine = peaks["spacing_angstrom"].to_numpy(np.float64)[fit.nearest == index]
            if mine.size:
                middle = float(np.median(mine))
                spread = max(1.2533 * float(mine.std(ddof=1)) if mine.size > 1 else 0.0, 0.02 * middle)
                rows.append(
                    {
                        "material": fit.material, "plane": plane, "tabulated": spacing, "spacing": middle,
                        "error": spread / math.sqrt(mine.size), "deviation": middle / spacing - 1,
                        "peaks": int(mine.size), "scale": fit.scale, "scale_error": fit.error,
                        "probability": fit.probability,
                    }
                )  # fmt: skip
    columns = [
        "material", "plane", "tabulated", "spacing", "error", "deviation", "peaks", "scale", "scale_error",
        "probability",
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def telling(spacings: pd.DataFrame) -> pd.DataFrame:
    """Return the spacings of the likely materials, if the peaks are not chance's."""
    each = spacings.drop_duplicates("material")["probability"]
    if each.sum() < 1 - _CHANCE:
        return spacings[:0]
    likely: pd.DataFrame = spacings[spacings["probability"] >= _CHANCE * each.max()]
    return likely


def pixel_note(peaks: pd.DataFrame, materials: Sequence[str]) -> str:
    """Return what the spacings say against the pixel size, or nothing."""
    likely = _likely(_fits(peaks, materials))
    if not likely or any(abs(math.log(fit.scale)) < _OFF * fit.error for fit in likely):
        return ""
    off, error = likely[0].scale - 1, likely[0].error
    return (
        f"If the particles are {likely[0].material}, the lattice spacings say that pixels are {abs(off):.1%} (± "
        f"{error:.1%}) {'larger' if off > 0 else 'smaller'} than stated; give --pixel-size if the files are wrong."
    )


def size_note(peaks: pd.DataFrame, pixel_sizes: Sequence[float], materials: Sequence[str]) -> str:
    """Return what the peaks say of a pixel size far off, farther than :func:`pixel_note` looks.

    Parameters
    ----------
    peaks
        Of :func:`peaks_of`.
    pixel_sizes
        Of the micrographs, Å; where these differ nothing is said.
    materials
        Candidates. One that has the pixel size as it is stated among its likely ones ends all doubt.
    """
    if max(pixel_sizes) > 1.01 * min(pixel_sizes):
        return ""
    stated = pixel_sizes[0]
    found = peaks[_PEAK].to_numpy(np.float64) * stated
    sure = []
    for name in materials:
        rows = sizes_from_peaks([found], name).to_dict("records")
        if any(abs(math.log(row["pixel_size_angstrom"] / stated)) < _STRETCHED for row in rows):
            return ""
        sure += [
            f"{row['pixel_size_angstrom']:.4g} Å if they are {name}" for row in rows[:1] if row["probability"] > _SURE
        ]
    if not sure:
        return ""
    return (
        f"The particles' lattice fringes say that pixels are not {stated:.4g} Å: they are {' or '.join(sure)}; "
        "give --pixel-size if the files are wrong."
    )


class _Fit(NamedTuple):
    """What a material says of peaks at the pixel size that suits it best."""

    material: str
    planes: list[tuple[str, float, float]]
    scale: float
    error: float
    nearest: NDArray[np.intp]
    probability: float


def _fits(peaks: pd.DataFrame, materials: Sequence[str]) -> list[_Fit]:
    """Return what materials say of peaks, likeliest first."""
    found = peaks[_PEAK].to_numpy(np.float64)
    if not len(found) or not materials:
        return []
    prior = -((_SCALES / _USUAL) ** 2) / 2
    prior -= logsumexp(prior)
    fits, logs = [], []
    for name in materials:
        planes = plane_weights(name, 0.7)
        log = np.array([evidence(float(scale), found, planes)[0] for scale in np.exp(_SCALES)]) + prior
        if not np.isfinite(log).any():
            continue  # pixels too coarse for all of its planes
        share = np.exp(log - logsumexp(log))
        middle = float(share @ _SCALES)
        error = math.hypot(math.sqrt(float(share @ (_SCALES - middle) ** 2)), _COMMON)
        nearest = evidence(math.exp(middle), found, planes)[1]
        fits.append(_Fit(name, planes, math.exp(middle), error, nearest, 0.0))
        logs.append(float(logsumexp(log)) - math.log(len(materials)))
    whole = np.array([*logs, by_chance(found)])
    shares = np.exp(whole - logsumexp(whole))
    fits = [fit._replace(probability=float(share)) for fit, share in zip(fits, shares, strict=False)]
    return sorted(fits, key=lambda fit: -fit.probability)


def _likely(fits: list[_Fit]) -> list[_Fit]:
    """Return the materials that may be it, or none if chance may."""
    if sum(fit.probability for fit in fits) < 1 - _CHANCE:
        return []
    return [fit for fit in fits if fit.probability >= _CHANCE * fits[0].probability]


def likely_crystals(peaks: pd.DataFrame, materials: Sequence[str]) -> list[str]:
    """Return which materials may have made the peaks, likeliest first: none, if chance may."""
    return [fit.material for fit in _likely(_fits(peaks, materials))]


def with_material(recipe: Recipe, peaks: pd.DataFrame) -> Recipe:
    """Return the recipe with a choice of the particles' material cut to those that are likely, given the peaks.

    A material is left out where it is less than a twentieth as probable as the likeliest. Where chance may have made
    the peaks, nothing changes.
    """
    data = recipe.to_dict()
    particles = data["structures"].get("particles")
    choice = particles.get("material") if isinstance(particles, dict) else None
    if not isinstance(choice, dict) or "choice" not in choice:
        return recipe
    names = [str(name) for name in choice["choice"]]
    likely = likely_crystals(peaks, names)
    kept = [index for index, name in enumerate(names) if name in likely]
    if not kept or len(kept) == len(names):
        return recipe
    weights = choice.get("weights") or [1.0] * len(names)
    particles["material"] = {
        "choice": [names[index] for index in kept], "weights": [float(weights[index]) for index in kept]
    }  # fmt: skip
    return Recipe.parse(data)
