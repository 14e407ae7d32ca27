"""Size distributions: the log-normal law that particle sizes follow, fitted and drawn."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from exitwave.core.errors import MicrographError
from exitwave.core.words import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from matplotlib.figure import Figure

    from exitwave.micrographs.summary import Estimate

__all__ = ["LogNormal", "fit_lognormal", "size_histogram"]


@dataclass(frozen=True)
class LogNormal:
    r"""The law of a size whose logarithm is normal: :math:`\ln d \sim \mathcal N(\ln m, \sigma^2)`.

    Parameters
    ----------
    median
        :math:`m`, nm.
    sigma
        :math:`\sigma`, without unit; :math:`e^\sigma` is the geometric standard deviation.
    count
        How many sizes it was fitted to.

    Examples
    --------
    >>> round(LogNormal(median=4.0, sigma=0.2, count=100).mean, 3)
    4.081
    """

    median: float
    sigma: float
    count: int

    @property
    def mean(self) -> float:
        r"""The mean :math:`m e^{\sigma^2/2}`, nm."""
        return self.median * math.exp(self.sigma**2 / 2)

    @property
    def std(self) -> float:
        r"""The standard deviation :math:`\bar d\sqrt{e^{\sigma^2} - 1}`, nm."""
        return self.mean * math.sqrt(math.expm1(self.sigma**2))

    def density(self, size: ArrayLike) -> NDArray[np.float64]:
        """Return the probability density at sizes above 0, 1/nm."""
        d = np.asarray(size, np.float64)
        z = np.log(d / self.median) / self.sigma
        return np.asarray(np.exp(-(z**2) / 2) / (d * self.sigma * math.sqrt(2 * math.pi)))


def fit_lognormal(sizes: ArrayLike) -> LogNormal:
    """Return the log-normal law of greatest likelihood (standard deviation with n − 1).

    Parameters
    ----------
    sizes
        Numbers above 0, any shape.

    Returns
    -------
    LogNormal
        The law; its median is in the unit of the sizes.

    Raises
    ------
    MicrographError
        If there are fewer than three sizes, or any is not above 0.

    Examples
    --------
    >>> import numpy as np
    >>> round(fit_lognormal(np.random.default_rng(1).lognormal(np.log(4), 0.2, 5000)).median, 1)
    4.0
    """
    values = np.asarray(sizes, np.float64).ravel()
    if values.size < 3:
        raise MicrographError(f"of {counted(values.size, 'size')} no distribution can be told; give 3 or more.")
    if not (np.isfinite(values).all() and values.min() > 0):
        raise MicrographError(f"the smallest size is {values.min()}; sizes are finite numbers above 0 in nm.")
    logarithms = np.log(values)
    return LogNormal(float(np.exp(logarithms.mean())), float(logarithms.std(ddof=1)), values.size)


def size_histogram(
    table: pd.DataFrame,
    *,
    column: str = "equivalent_diameter_nm",
    border: bool = False,
    title: str = "",
    summary: Mapping[str, Estimate] | None = None,
) -> Figure:
    """Return the histogram of a particle table with its log-normal fit.

    Parameters
    ----------
    table
        From :func:`~exitwave.micrographs.particle_table`, or several of them, concatenated.
    column
        Which size, nm.
    border
        Count particles that the image's edge cuts off, too.
    title
        Above the axes.
    summary
        From :func:`~exitwave.micrographs.summarise`: its mean and median are printed below those of the particles
        that are drawn. They differ, as they make up for large particles that the images' edges cut more often.

    Raises
    ------
    MicrographError
        If the table has no such column.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> sizes = np.random.default_rng(1).lognormal(np.log(4), 0.2, 80)
    >>> table = pd.DataFrame({"equivalent_diameter_nm": sizes, "touches_border": False})
    >>> figure = size_histogram(table)
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    if column not in table:
        raise MicrographError(f"column is {column!r}; the table has {', '.join(map(str, table.columns))}.")
    kept = table if border or "touches_border" not in table else table[~table["touches_border"].astype(bool)]
    sizes, cut = kept[column].to_numpy(np.float64), len(table) - len(kept)
    figure = Figure(figsize=(5.2, 3.6), layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlabel("equivalent diameter (nm)" if column == "equivalent_diameter_nm" else column.replace("_", " "))
    axes.set_ylabel("particles")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.spines[["top", "right"]].set_visible(False)
    if title:
        axes.set_title(title)
    if not sizes.size:
        axes.text(0.5, 0.5, "no whole particles", ha="center", va="center", transform=axes.transAxes)
        return figure
    edges = _edges(sizes)
    axes.hist(sizes, edges.tolist(), color="#7aa6c2", edgecolor="white", linewidth=0.6)
    text = f"{counted(sizes.size, 'whole particle' if cut else 'particle')}\nmean {sizes.mean():.2f} nm"
    if sizes.size >= 3 and np.ptp(sizes) > 0:
        law = fit_lognormal(sizes)
        d = np.linspace(max(edges[0], 1e-3), edges[-1], 400)
        axes.plot(d, law.density(d) * sizes.size * (edges[1] - edges[0]), color="#b3492e", linewidth=1.6)
        text += f" ± {sizes.std(ddof=1):.2f} nm\nlog-normal: median {law.median:.2f} nm, σ {law.sigma:.2f}"
    text += f"\ncut off by the border: {cut}" if cut else ""
    if summary:
        mean, median = summary["mean_diameter_nm"], summary["median_diameter_nm"]
        text += f"\ncorrected for those cut off:\nmean {mean} nm\nmedian {median} nm"
    axes.text(0.98, 0.97, text, ha="right", va="top", transform=axes.transAxes, fontsize=9)
    axes.margins(y=0.75 if summary else 0.25)  # room for the text
    return figure


def _edges(sizes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return equal bins of a round width after Freedman and Diaconis, 5 to 40 of them."""
    low, high = float(sizes.min()), float(sizes.max())
    span = max(high - low, 0.1 * high)
    quartiles = np.subtract(*np.percentile(sizes, [75, 25]))
    wanted = min(max(2 * float(quartiles) / sizes.size ** (1 / 3), span / 40), span / 5)
    power = 10.0 ** math.floor(math.log10(wanted))
    width = max(step for step in (1, 2, 2.5, 5) if step * power <= wanted) * power
    start, stop = math.floor(low / width), math.floor(high / width) + 1
    return np.arange(start, stop + 1, dtype=np.float64) * width
