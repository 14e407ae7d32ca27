"""What can be measured on micrographs without any simulation: Thon rings and noise."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from exitwave.core import Distribution, number
from exitwave.core.errors import MicrographError
from exitwave.dataset import Recipe
from exitwave.imaging.micrograph import Micrograph
from exitwave.micrographs.noise import NoiseStatistics, noise_statistics
from exitwave.micrographs.rings import CTFFit, fit_ctf

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Lens", "fitted_rings", "measured_noise", "rings_table"]

_NO_RINGS = "none stand out of film and noise"
_LENS = ("defocus", "defocus_error", "astigmatism", "astigmatism_error", "azimuth")


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


def fitted_rings(micrographs: Sequence[Micrograph], lens: Lens) -> dict[str, CTFFit | None]:
    """Return what the Thon rings of every micrograph say, by its name; None where the field is too small,
    or its pixels too coarse, to tell.
    """
    fits: dict[str, CTFFit | None] = {}
    for micrograph in micrographs:
        try:
            fits[micrograph.name] = fit_ctf(
                micrograph, energy=lens.energy, spherical=lens.spherical, between=lens.between
            )
        except MicrographError:
            fits[micrograph.name] = None
    return fits


def rings_table(fits: Mapping[str, CTFFit | None]) -> pd.DataFrame:
    """Return one row per micrograph: defocus and astigmatism with errors from Thon rings, or why there are none."""
    import pandas as pd

    rows = []
    for name, fit in fits.items():
        seen = fit is not None and fit.visible
        numbers = {key: float(getattr(fit, key)) if seen else math.nan for key in _LENS}
        significance = math.nan if fit is None else fit.significance
        missing = "the field is too small, or its pixels too coarse, to tell" if fit is None else _NO_RINGS
        why = "" if seen else missing
        rows.append({"micrograph": name, "rings": seen, **numbers, "significance": significance, "why_not": why})
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
