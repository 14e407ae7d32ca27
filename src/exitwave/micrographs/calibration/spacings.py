"""Lattice spacings of many micrographs, and the material and pixel size that they speak for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from exitwave.core.errors import ExitwaveError
from exitwave.dataset import Recipe
from exitwave.imaging.micrograph import Micrograph
from exitwave.micrographs.lattice import lattice_peaks, plane_spacings
from exitwave.micrographs.pixel_size import sizes_from_peaks
from exitwave.micrographs.tiles import SMALLEST, tile_peaks
from exitwave.structure.materials import material

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "checked_crystals",
    "crystals",
    "measured_spacings",
    "peaks_of",
    "pixel_note",
    "size_note",
    "telling",
    "with_material",
]

_Array = NDArray[np.float64]

_STRETCHED = 0.06  # how far the pixel size may be off
_SCALES = np.linspace(1 - _STRETCHED, 1 + _STRETCHED, 61)
_MET = 0.015  # how far a spacing may be from a crystal's at the right pixel size, where materials are compared
_NEAR = 0.025  # and where spacings are measured
_TELLING = 3.0  # standard deviations above chance: a dozen materials are looked at
_DRAWS = 60
_STRONG = 25.0  # peaks over their ring's mean that have a say
_SURE = 0.99  # probability of a pixel size that is told
_ENOUGH = 16  # micrographs that are asked for it


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


def peaks_of(micrographs: Sequence[Micrograph], materials: Sequence[str]) -> pd.DataFrame:
    """Return the lattice peaks of all micrographs, with a column ``micrograph``."""
    import pandas as pd

    tables = [
        lattice_peaks(micrograph, materials=materials, between=(0.9, 4.5)).assign(micrograph=micrograph.name)
        for micrograph in micrographs
    ]
    return pd.concat(tables, ignore_index=True)


def measured_spacings(peaks: pd.DataFrame, materials: Sequence[str]) -> pd.DataFrame:
    r"""Return the lattice spacings of materials as the micrographs show them, one row per plane that was seen.

    First the ``scale`` is found, up to 6 % off one, at which a material explains most strong peaks within 1.5 %: a
    wrong pixel size stretches all spacings alike. Every peak then belongs to the plane whose stretched spacing is
    nearest, within 2.5 %; ``spacing`` is the median of these and ``error`` its standard error from their scatter
    (:math:`1.25\,s/\sqrt n`, at least that of one in a hundred over their number); ``deviation`` is relative to the
    ``tabulated`` one; ``significance`` is how far the material explains more peaks than it does of as many spacings
    drawn anywhere, its best pixel size searched for alike, in standard deviations of such draws.

    Parameters
    ----------
    peaks
        Of :func:`peaks_of`.
    materials
        Candidates.
    """
    import pandas as pd

    strong = _strong(peaks)
    rows = []
    for name in materials:
        planes = plane_spacings(name, 0.85)
        d = np.array([spacing for _, spacing in planes])
        scale, beyond = _explained(strong, d)
        significance = _significance(beyond, strong.size, d)
        off = strong[:, None] / (scale * d) - 1
        nearest = np.abs(off).argmin(axis=1) if strong.size else np.zeros(0, int)
        for index, (plane, spacing) in enumerate(planes):
            mine = strong[(nearest == index) & (np.abs(off[:, index]) < _NEAR)]
            if mine.size:
                middle = float(np.median(mine))
                scatter = max(1.2533 * float(mine.std(ddof=1)) if mine.size > 1 else 0.0, 0.01 * middle)
                rows.append(
                    {
                        "material": name, "plane": plane, "tabulated": spacing, "spacing": middle,
                        "error": scatter / math.sqrt(mine.size), "deviation": middle / spacing - 1,
                        "peaks": int(mine.size), "scale": scale, "significance": significance,
                    }
                )  # fmt: skip
    columns = ["material", "plane", "tabulated", "spacing", "error", "deviation", "peaks", "scale", "significance"]
    return pd.DataFrame(rows, columns=columns)


def telling(spacings: pd.DataFrame) -> pd.DataFrame:
    """Return the spacings of those materials that explain more peaks than chance can."""
    return spacings[spacings["significance"] >= _TELLING]


def pixel_note(peaks: pd.DataFrame, materials: Sequence[str]) -> str:
    """Return what the spacings say against the pixel size, or nothing."""
    strong = _strong(peaks)
    scale, beyond, best = max(
        ((*_explained(strong, _spacings(name)), name) for name in materials),
        key=lambda one: (one[1], -abs(one[0] - 1)),
        default=(1.0, 0.0, ""),
    )
    off = 1 / scale - 1
    if abs(off) < _MET / 2 or _significance(beyond, strong.size, _spacings(best)) < _TELLING:
        return ""
    return (
        f"If the particles are {best}, the lattice spacings say that pixels are {abs(off):.1%} "
        f"{'larger' if off > 0 else 'smaller'} than stated; give --pixel-size if the files are wrong."
    )


def size_note(micrographs: Sequence[Micrograph], materials: Sequence[str]) -> str:
    """Return what fringes in single crystals say of a pixel size far off, farther than :func:`pixel_note` looks.

    Parameters
    ----------
    micrographs
        With pixel sizes; where these differ nothing is said.
    materials
        Candidates. One that has the pixel size as it is stated among its likely ones ends all doubt.
    """
    sizes = [micrograph.known_pixel_size() for micrograph in micrographs]
    large = [micrograph for micrograph in micrographs if min(micrograph.array.shape) >= SMALLEST]
    if not large or max(sizes) > 1.01 * min(sizes):
        return ""
    several = [large[index] for index in sorted({round(i) for i in np.linspace(0, len(large) - 1, _ENOUGH)})]
    peaks = [tile_peaks(micrograph) for micrograph in several]
    sure = []
    for name in materials:
        rows = sizes_from_peaks(peaks, name).to_dict("records")
        if any(abs(math.log(row["pixel_size_angstrom"] / sizes[0])) < _STRETCHED for row in rows):
            return ""
        sure += [
            f"{row['pixel_size_angstrom']:.4g} Å if they are {name}" for row in rows[:1] if row["probability"] > _SURE
        ]
    if not sure:
        return ""
    return (
        f"The particles' lattice fringes say that pixels are not {sizes[0]:.4g} Å: they are {' or '.join(sure)}; "
        "give --pixel-size if the files are wrong."
    )


def _spacings(name: str) -> _Array:
    return np.array([spacing for _, spacing in plane_spacings(name, 0.85)])


def _strong(peaks: pd.DataFrame) -> _Array:
    return peaks[peaks["strength"] > _STRONG]["spacing_angstrom"].to_numpy(np.float64)


def _significance(beyond: float, count: int, planes: _Array) -> float:
    """Return how many standard deviations lie between what is explained and what of random spacings is."""
    draws = np.exp(np.random.default_rng(0).uniform(math.log(0.9), math.log(4.5), (_DRAWS, count)))
    chance = np.array([_explained(one, planes)[1] for one in draws])
    return float((beyond - chance.mean()) / max(chance.std(), 0.5)) if count else 0.0


@cache
def _by_chance(planes: tuple[float, ...]) -> _Array:
    """Return the share of all spacings that planes meet, at every scale."""
    anywhere = np.geomspace(0.9, 4.5, 2000)[:, None]
    return np.array(
        [(np.abs(anywhere / (scale * np.array(planes)) - 1).min(axis=1) < _MET).mean() for scale in _SCALES]
    )


def _explained(spacings: _Array, planes: _Array) -> tuple[float, float]:
    """Return the scale at which planes explain most spacings, and how many more than by chance.

    One where none explains two more than the scale of one does: the pixel size is believed until it is contradicted.
    """
    scales = _SCALES
    met = np.array([np.abs(spacings[:, None] / (scale * planes) - 1).min(axis=1) < _MET for scale in scales])
    found = met.sum(axis=1) - spacings.size * _by_chance(tuple(planes.tolist()))
    plain = len(scales) // 2
    if found.max() < found[plain] + 2:
        return 1.0, max(0.0, float(found[plain]))
    # the middle of those that explain most; of several, the one nearest to the pixel size as it was told
    most = np.nonzero(found > found.max() - 0.5)[0]
    runs = np.split(most, np.nonzero(np.diff(most) > 1)[0] + 1)
    middles = [float(scales[run].mean()) for run in runs]
    return min(middles, key=lambda scale: abs(scale - 1)), float(found.max())


def with_material(recipe: Recipe, peaks: pd.DataFrame) -> Recipe:
    """Return the recipe with a choice of the particles' material cut to those that explain most of the strong peaks.

    A material is left out where it explains fewer than half as many peaks as the one that explains most, at whatever
    pixel size up to 6 % off explains most of them; peaks that it would explain by chance do not count (the planes of
    some lie close). Where none explains more than chance can, nothing changes.
    """
    data = recipe.to_dict()
    particles = data["structures"].get("particles")
    choice = particles.get("material") if isinstance(particles, dict) else None
    if not isinstance(choice, dict) or "choice" not in choice:
        return recipe
    strong = _strong(peaks)
    names = [str(name) for name in choice["choice"]]
    explained = {name: _explained(strong, _spacings(name))[1] for name in names}
    best = max(explained, key=explained.__getitem__)
    if _significance(explained[best], strong.size, _spacings(best)) < _TELLING:
        return recipe
    kept = [index for index, name in enumerate(names) if 2 * explained[name] >= explained[best]]
    if len(kept) == len(names):
        return recipe
    weights = choice.get("weights") or [1.0] * len(names)
    particles["material"] = {
        "choice": [names[index] for index in kept], "weights": [float(weights[index]) for index in kept]
    }  # fmt: skip
    return Recipe.parse(data)
