"""What a calibration says, and the files that tell it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from exitwave.core.errors import MicrographError
from exitwave.core.words import counted
from exitwave.dataset import Dataset, Recipe
from exitwave.imaging.micrograph import Micrograph
from exitwave.micrographs.calibration.features import tiles
from exitwave.micrographs.calibration.spacings import telling
from exitwave.micrographs.rings import CTFFit

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TOLD", "Calibration", "write_result"]

TOLD = 0.85  # an interval wider than this share of the prior says too little to change it


@dataclass(frozen=True, eq=False)
class Calibration:
    """What unlabelled micrographs say of how they were taken.

    Parameters
    ----------
    recipe
        The recipe whose images match them.
    estimates
        One row per micrograph and number of the prior recipe: micrograph, parameter, low, value, high (the ends of
        the 90 % interval and the median), and share, the interval's width as a share of the prior: near 1 says
        nothing.
    distances
        Energy distance of the micrographs' features from those of images of the prior recipe ("before") and of the
        calibrated one ("after"), and of two halves of the micrographs from each other ("between micrographs").
    rings
        Defocus and astigmatism of every micrograph from its Thon rings, where these are visible
        (:func:`~exitwave.micrographs.fit_ctf`). The recipe's defocus counts from the exit face of the cell, that of
        the rings from the middle of the film.
    noise
        Gain and dose of every micrograph from its noise (:func:`~exitwave.micrographs.noise_statistics`), or why they
        cannot be told.
    lattice
        Lattice peaks that stand out of the spectra of the micrographs' tiles.
    spacings
        The materials' lattice spacings as the micrographs show them.
    strange
        Micrographs that no image of the prior recipe resembles; the recipe should be widened for these.
    folder
        Where the data sets and the report are.
    notes
        What a reader should know: numbers that these micrographs cannot tell, and why.
    left_out
        Micrographs that had no part, and why.

    Examples
    --------
    >>> import pandas as pd
    >>> prior, none = Recipe.read("gold-on-carbon"), pd.DataFrame()
    >>> columns = ["micrograph", "parameter", "low", "value", "high", "share"]
    >>> estimates = pd.DataFrame([("one", "images.dose", 380.0, 400.0, 420.0, 0.04)], columns=columns)
    >>> distances = {"before": 2.1, "after": 0.3, "between micrographs": 0.2}
    >>> found = Calibration(prior, estimates, distances, none, none, none, none, (), Path("calibration"))
    >>> found
    Calibration(1 number, distance 2.10 before and 0.30 after)
    >>> found.found
    'the micrographs tell 1 number of the recipe; its distance from them is 2.10 before and 0.30 after'
    """

    recipe: Recipe
    estimates: pd.DataFrame
    distances: dict[str, float]
    rings: pd.DataFrame
    noise: pd.DataFrame
    lattice: pd.DataFrame
    spacings: pd.DataFrame
    strange: tuple[str, ...]
    folder: Path
    notes: tuple[str, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        before, after = self.distances["before"], self.distances["after"]
        return f"Calibration({counted(self._told, 'number')}, distance {before:.2f} before and {after:.2f} after)"

    @property
    def found(self) -> str:
        """How much the micrographs tell, in words."""
        before, after = self.distances["before"], self.distances["after"]
        numbers = f"{counted(self._told, 'number')} of the recipe"
        return f"the micrographs tell {numbers}; its distance from them is {before:.2f} before and {after:.2f} after"

    @property
    def _told(self) -> int:
        return int((self.estimates.groupby("parameter")["share"].median() < TOLD).sum())


def write_result(
    result: Calibration,
    micrographs: Sequence[Micrograph],
    before: Dataset,
    after: Dataset,
    grid: tuple[float, int],
    fits: Mapping[str, CTFFit | None],
) -> None:
    """Write the recipe, the tables and the report of a calibration into its folder.

    Parameters
    ----------
    result
        What is written.
    micrographs
        Those that it was learnt from.
    before, after
        Images of the prior and of the calibrated recipe.
    grid
        Pixel size, Å, and side, px, of the tiles that the report shows.
    fits
        Of the Thon rings, by name of the micrograph.

    Raises
    ------
    MicrographError
        If the folder cannot be written.
    """
    from exitwave.core.files import write_whole
    from exitwave.micrographs.calibration.report import write_report
    from exitwave.micrographs.outputs import write_table

    write_whole(result.folder / "recipe.yaml", _recipe_text(result).encode(), error=MicrographError)
    for name in ("estimates", "rings", "noise", "lattice", "spacings"):
        write_table(getattr(result, name), result.folder / f"{name}.csv")
    pixel, side = grid
    real = [replace(m, array=tiles(m, pixel, side)[0], pixel_size=pixel) for m in micrographs]
    write_report(result, real, before, after, pixel, side, fits)


def _recipe_text(result: Calibration) -> str:
    """Return the recipe as YAML, with the lattice spacings that say something of the material as comments above."""
    lines = [
        f"# {row['material']} {row['plane']}: {row['spacing']:.3f} ± {row['error']:.3f} Å "
        f"({row['deviation']:+.1%} from the table), {row['peaks']} peaks"
        for row in telling(result.spacings).to_dict("records")
    ]
    head = ["# lattice spacings in the micrographs:", *lines] if lines else []
    return "\n".join([*head, result.recipe.to_yaml(defaults=True)])
