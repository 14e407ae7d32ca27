"""Where the lattice lies how: orientation, spacing and strength of the strongest fringes from place to place."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from exitwave.core.errors import MicrographError
from exitwave.imaging.micrograph import Micrograph, checked_micrograph
from exitwave.micrographs.clean import fill_missing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["OrientationMap", "orientation_map"]

_SAMPLED = 2000  # places that tell the power of film and noise


@dataclass(frozen=True, eq=False)
class OrientationMap:
    """The strongest fringes of every place, on a coarse grid.

    Parameters
    ----------
    angle
        Of the wave vector, degrees from the x axis to the y axis, 0 to 180; NaN where there are no fringes, (y, x).
    spacing
        Å; NaN where there are no fringes.
    strength
        Power over that of the film and noise at the same frequency.
    rows, columns
        Where the places are, pixels of the image, (y,) and (x,).
    shape
        Of the image.

    Examples
    --------
    >>> angle = np.array([[30, np.nan], [30, 32]], np.float32)
    >>> spacing = np.where(np.isnan(angle), np.nan, 2.35).astype(np.float32)
    >>> places = np.array([32, 96])
    >>> found = OrientationMap(angle, spacing, np.full((2, 2), 20, np.float32), places, places, (128, 128))
    >>> found
    OrientationMap(2 × 2 places, fringes on 75%)
    >>> float(np.nanmedian(found.angle))
    30.0
    """

    angle: NDArray[np.float32]
    spacing: NDArray[np.float32]
    strength: NDArray[np.float32]
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    shape: tuple[int, int]

    def __repr__(self) -> str:
        share = float(np.isfinite(self.angle).mean())
        return f"OrientationMap({len(self.rows)} × {len(self.columns)} places, fringes on {share:.0%})"

    def show(self, micrograph: Micrograph | None = None) -> Figure:
        """Return a figure: the angle as a hue, over the micrograph where it is given."""
        from matplotlib.figure import Figure

        height, width = self.shape
        figure = Figure(figsize=(5.8, 5 * height / width), layout="constrained")
        axes = figure.add_subplot()
        extent = (-0.5, width - 0.5, height - 0.5, -0.5)
        if micrograph is not None:
            low, high = np.percentile(micrograph.array, [0.5, 99.5])
            axes.imshow(micrograph.array, cmap="gray", vmin=low, vmax=max(high, low + 1e-6), extent=extent)
        shown = axes.imshow(
            self.angle, cmap="hsv", vmin=0, vmax=180, extent=extent, alpha=0.45 if micrograph is not None else 1.0,
            interpolation="nearest",
        )  # fmt: skip
        figure.colorbar(shown, ax=axes, label="direction of the wave vector (°)", shrink=0.8)
        axes.set_axis_off()
        return figure


def orientation_map(
    micrograph: Micrograph,
    *,
    between: tuple[float, float] = (1.0, 4.5),
    window: float = 25.0,
    step: float = 5.0,
    false_alarms: float = 1.0,
) -> OrientationMap:
    r"""Return orientation and spacing of the strongest lattice fringes about every place of a micrograph.

    About every place the power spectrum under a Hann window is divided by the mean power of the film and noise of all
    places at the same length of the wave vector: the median over :math:`\ln 2`, as lattices are peaks and these are
    not. Their power is exponentially distributed about it, so that the largest of N frequencies at M places exceeds
    :math:`\ln(NM/\alpha)` about :math:`\alpha` times by chance; fringes stronger than that are told.

    Parameters
    ----------
    micrograph
        An image with a pixel size.
    between
        Spacings looked for, Å; never below two pixels.
    window
        Side of the window, Å: fringes are told from others that are half of it away.
    step
        Distance of neighbouring places, Å.
    false_alarms
        Places of an image without lattices that may be told to have fringes.

    Raises
    ------
    MicrographError
        If the pixel size is unknown, a parameter is impossible or the image is smaller than the window.

    Examples
    --------
    >>> y, x = np.mgrid[:256, :256] * 0.25
    >>> fringes = np.where(x < 32, np.cos(2 * np.pi * x / 2.35), np.cos(2 * np.pi * y / 2.04))
    >>> counts = np.random.default_rng(0).poisson(20 * (1 + 0.3 * fringes))
    >>> found = orientation_map(Micrograph(counts, 0.25))
    >>> round(float(np.nanmedian(found.spacing[:, :3])), 1), round(float(np.nanmedian(found.angle[:, -3:])))
    (2.4, 90)
    """
    size = checked_micrograph(micrograph).known_pixel_size()
    low, high = between
    if not 0 < low < high < math.inf or not step > 0 or not window >= 2 * high or not false_alarms > 0:
        raise MicrographError(
            f"between is {between}, window {window}, step {step} and false_alarms {false_alarms}; spacings rise, the "
            "window spans two of the larger at least, and all are above 0."
        )
    side, stride = max(8, round(window / size)), max(1, round(step / size))
    if side > min(micrograph.shape):
        raise MicrographError(f"the image is {micrograph.shape} and the window {side} px; give a smaller window.")
    image = fill_missing(micrograph).array.astype(np.float64)
    hann = np.outer(np.hanning(side + 2)[1:-1], np.hanning(side + 2)[1:-1])
    blocks = sliding_window_view(image, (side, side))[::stride, ::stride]
    padded = 2 * side  # frequencies sampled finely, so that angles are
    ky, kx = np.fft.fftfreq(padded, size)[:, None], np.fft.rfftfreq(padded, size)[None]
    k = np.hypot(ky, kx)
    inside = (k >= 1 / high) & (k <= min(1 / low, 0.5 / size)) & ((kx > 0) | (ky > 0))

    def powers(places: NDArray[np.float64]) -> NDArray[np.float64]:
        means = (places * hann).sum(axis=(1, 2), keepdims=True) / hann.sum()
        spectra = np.fft.rfft2((places - means) * hann, s=(padded, padded))[:, inside]
        return np.asarray(spectra.real**2 + spectra.imag**2)

    every = max(1, round(math.sqrt(blocks.shape[0] * blocks.shape[1] / _SAMPLED)))
    sample = np.concatenate([powers(line[::every]) for line in blocks[::every]])
    background = _background(sample, k[inside] * side * size)
    best: NDArray[np.int64] = np.empty(blocks.shape[:2], np.int64)
    top: NDArray[np.float64] = np.empty(blocks.shape[:2])
    for row, line in enumerate(blocks):  # all at once would take gigabytes
        strength = powers(line) / background
        best[row], top[row] = strength.argmax(axis=1), strength.max(axis=1)
    y, x = np.broadcast_to(ky, k.shape)[inside][best], np.broadcast_to(kx, k.shape)[inside][best]
    trials = inside.sum() / 4 * best.size  # of the padded frequencies every fourth is independent
    told = top > math.log(max(trials / false_alarms, 2.0))
    angle = np.where(told, np.degrees(np.arctan2(y, x)) % 180, np.nan)
    spacing = np.where(told, 1 / np.hypot(y, x), np.nan)
    rows, columns = (np.arange(n) * stride + side // 2 for n in best.shape)
    return OrientationMap(
        angle.astype(np.float32), spacing.astype(np.float32), top.astype(np.float32), rows, columns, micrograph.shape
    )


def _background(powers: NDArray[np.float64], ring: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean power of film and noise at every frequency, from the medians of rings over the places."""
    place = np.round(ring).astype(int)
    result = np.empty(len(ring))
    for one in np.unique(place):
        result[place == one] = np.median(powers[..., place == one]) / math.log(2)
    return np.maximum(result, 1e-9 * float(powers.max()) + 1e-30)
