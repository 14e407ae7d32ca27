"""What can be measured on micrographs without any simulation: rings, noise and lattice spacings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from exitwave.core import Distribution, number
from exitwave.core.errors import ExitwaveError, MicrographError
from exitwave.dataset import Recipe
from exitwave.imaging.micrograph import Micrograph
from exitwave.micrographs.lattice import lattice_peaks, plane_spacings
from exitwave.micrographs.noise import NoiseStatistics, noise_statistics
from exitwave.micrographs.rings import fit_ctf

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "Lens",
    "crystals",
    "fitted_rings",
    "measured_noise",
    "measured_spacings",
    "peaks_of",
    "with_material",
]

_LENS = ("defocus", "defocus_error", "astigmatism", "astigmatism_error", "azimuth")
_NEAR = 0.05  # how far a spacing may be from a crystal's, relative, before calibration of the pixel size
_STRONG = 25.0  # peaks over their ring's mean that have a say


@dataclass(frozen=True)
class Lens:
    """What a recipe says of the lens before anything is measured.

    Parameters
    ----------
    energy
        eV; of a distribution its median.
    spherical
        C30, Å; of a distribution its median.
    between
        Range of defocus, Å, in which rings are looked for: of the sign of nine tenths of the recipe's, else positive.
    """

    energy: float
    spherical: float = 0.0
    between: tuple[float, float] = (100.0, 3000.0)

    @classmethod
    def of(cls, recipe: Recipe) -> Lens:
        """Return that of a recipe.

        Examples
        --------
        >>> Lens.of(Recipe.read("gold-on-carbon"))
        Lens(energy=300000.0, spherical=0.0, between=(100.0, 3000.0))
        """
        spec = recipe.images.spec
        tenths = [_quantile(spec.defocus, share) for share in (0.01, 0.1, 0.9, 0.99)]
        far = max(3000.0, 1.2 * max(abs(tenths[0]), abs(tenths[-1])))
        over = tenths[2] < 0
        return cls(
            _quantile(recipe.scattering.energy, 0.5),
            _quantile(spec.aberrations.C30, 0.5),
            (-far, -100.0) if over else (100.0, far),
        )


def _quantile(value: Any, share: float) -> float:
    return float(value.quantile(share)) if isinstance(value, Distribution) else number(value)


def fitted_rings(micrographs: Sequence[Micrograph], lens: Lens) -> pd.DataFrame:
    """Return one row per micrograph: defocus and astigmatism with errors from Thon rings, where these are visible."""
    import pandas as pd

    rows: list[dict[str, Any]] = []
    for micrograph in micrographs:
        row: dict[str, Any] = {"micrograph": micrograph.name, "rings": False}
        numbers: dict[str, Any] = dict.fromkeys(_LENS, math.nan)
        try:
            fit = fit_ctf(micrograph, energy=lens.energy, spherical=lens.spherical, between=lens.between)
        except MicrographError:
            rows.append(row | numbers)
            continue
        if fit.visible:
            numbers = {name: float(getattr(fit, name)) for name in numbers}
        rows.append(row | {"rings": fit.visible} | numbers | {"significance": fit.significance})
    return pd.DataFrame(rows)


def measured_noise(micrographs: Sequence[Micrograph]) -> pd.DataFrame:
    """Return one row per micrograph: gain and dose with intervals from the noise, or why they cannot be told.

    All together first, as of one camera; alone, where that tells nothing.
    """
    import pandas as pd

    together = _noise_of(micrographs)
    if together.reason:
        alone = [_noise_of([micrograph]) for micrograph in micrographs]
    else:
        alone = [replace(together, dose=row[None]) for row in together.dose]
    rows = []
    for micrograph, found in zip(micrographs, alone, strict=True):
        row: dict[str, Any] = {"micrograph": micrograph.name}
        for name, triple in (("gain", found.gain), ("dose", found.dose[0])):
            low, value, high = (float(number) for number in triple)
            row |= {name: value, f"{name}_low": low, f"{name}_high": high}
        rows.append(row | {"why_not": found.reason})
    return pd.DataFrame(rows)


def _noise_of(micrographs: Sequence[Micrograph]) -> NoiseStatistics:
    try:
        return noise_statistics(micrographs)
    except MicrographError as error:
        unknown = (math.nan, math.nan, math.nan)
        return NoiseStatistics(unknown, np.full((len(micrographs), 3), math.nan), math.nan, math.nan, str(error))


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

    Every strong peak belongs to the plane whose spacing is nearest, within 5 %; ``spacing`` is the median of these
    and ``error`` its standard error from their scatter (:math:`1.25\,s/\sqrt n`, at least that of one in a hundred
    over their number); ``deviation`` is relative to the ``tabulated`` one. One deviation common to all planes is an
    error of the pixel size, of either sign.

    Parameters
    ----------
    peaks
        Of :func:`peaks_of`.
    materials
        Candidates.
    """
    import pandas as pd

    strong = peaks[peaks["strength"] > _STRONG]["spacing_angstrom"].to_numpy(np.float64)
    rows = []
    for name in materials:
        planes = plane_spacings(name, 0.9)
        d = np.array([spacing for _, spacing in planes])
        off = strong[:, None] / d - 1
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
                        "peaks": int(mine.size),
                    }
                )  # fmt: skip
    columns = ["material", "plane", "tabulated", "spacing", "error", "deviation", "peaks"]
    return pd.DataFrame(rows, columns=columns)


def with_material(recipe: Recipe, peaks: pd.DataFrame) -> Recipe:
    """Return the recipe with a choice of the particles' material cut to those that explain most of the strong peaks.

    A material is left out where it explains fewer than half as many peaks as the one that explains most, those not
    counted that it would explain by chance (the planes of some lie close); where none explains two, nothing changes.
    """
    data = recipe.to_dict()
    particles = data["structures"].get("particles")
    choice = particles.get("material") if isinstance(particles, dict) else None
    if not isinstance(choice, dict) or "choice" not in choice:
        return recipe
    strong = peaks[peaks["strength"] > _STRONG]["spacing_angstrom"].to_numpy(np.float64)
    names = [str(name) for name in choice["choice"]]
    anywhere = np.geomspace(0.9, 4.5, 2000)
    explained = {}
    for name in names:
        d = np.array([spacing for _, spacing in plane_spacings(name, 0.9)])
        met, chance = (np.abs(one[:, None] / d - 1).min(axis=1) < _NEAR / 2 for one in (strong, anywhere))
        explained[name] = max(0.0, float(met.sum() - len(strong) * chance.mean()))
    most = max(explained.values())
    kept = [index for index, name in enumerate(names) if most < 2 or 2 * explained[name] >= most]
    if len(kept) == len(names):
        return recipe
    weights = choice.get("weights") or [1.0] * len(names)
    particles["material"] = {
        "choice": [names[index] for index in kept], "weights": [float(weights[index]) for index in kept]
    }  # fmt: skip
    return Recipe.parse(data)
