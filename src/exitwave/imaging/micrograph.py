"""The micrograph: one class for simulated and for real images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib import import_module
from math import floor
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from exitwave.core import MicrographError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Micrograph", "PowerSpectrum", "checked_micrograph", "checked_pixel_size"]


def checked_pixel_size(pixel_size: float | None) -> float | None:
    """Return a pixel size in Å/px, if it is a number above 0 or None.

    Raises
    ------
    MicrographError
        If it is anything else.

    Examples
    --------
    >>> checked_pixel_size(0.2)
    0.2
    """
    if pixel_size is None:
        return None
    number = isinstance(pixel_size, int | float | np.number) and not isinstance(pixel_size, bool)
    if not (number and 0 < pixel_size < float("inf")):
        raise MicrographError(f"pixel_size is {pixel_size!r}; a pixel size is a number above 0 in Å/px, such as 0.2.")
    return float(pixel_size)


@dataclass(frozen=True, eq=False, repr=False)
class PowerSpectrum:
    """Power of an image over spatial frequency.

    Parameters
    ----------
    array
        Power per beam, zero frequency in the middle, (y, x); the mean of the image has been taken off.
    rows, columns
        Frequencies in 1/Å (cycles per pixel where the pixel size is unknown), (y,) and (x,).

    Examples
    --------
    >>> fringes = 100 + 10 * np.cos(2 * np.pi * np.arange(64) / 10) * np.ones((64, 1))  # 2 Å apart, along x
    >>> spectrum = Micrograph(fringes, pixel_size=0.2).power_spectrum()
    >>> row, column = np.unravel_index(spectrum.array.argmax(), spectrum.array.shape)
    >>> float(spectrum.rows[row]), round(abs(float(spectrum.columns[column])), 1)
    (0.0, 0.5)
    >>> frequency, power = spectrum.radial()
    >>> round(float(frequency[power.argmax()]), 1)
    0.5
    """

    array: NDArray[np.float32]
    rows: NDArray[np.float64]
    columns: NDArray[np.float64]

    def __repr__(self) -> str:
        return f"PowerSpectrum({self.array.shape[0]} × {self.array.shape[1]}, up to {-self.columns[0]:.3g} 1/Å)"

    def radial(self, bins: int | None = None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the rotational average: mean frequency and mean power of rings up to the Nyquist frequency."""
        frequency = np.hypot(self.rows[:, None], self.columns)
        nyquist = min(-self.rows[0], -self.columns[0])
        count = bins or max(min(self.array.shape) // 2, 1)
        ring = np.minimum((frequency / nyquist * count).astype(int), count)
        size = np.bincount(ring.ravel(), minlength=count + 1)[:count]
        mean = [
            np.bincount(ring.ravel(), weights=values.ravel(), minlength=count + 1)[:count] / np.maximum(size, 1)
            for values in (frequency, self.array.astype(np.float64))
        ]
        return mean[0], mean[1]

    def show(self) -> Figure:
        """Return a figure of the spectrum on a logarithmic grey scale, with the rotational average beside it."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(9, 4), layout="constrained")
        picture, curve = figure.subplots(1, 2)
        log = np.log10(self.array + 1e-12 * float(self.array.max()) + 1e-30)
        low, high = np.percentile(log, [1, 99.8])
        extent = (self.columns[0], self.columns[-1], self.rows[-1], self.rows[0])
        picture.imshow(log, cmap="gray", vmin=low, vmax=high, extent=extent)
        picture.set(xlabel="1/Å", ylabel="1/Å")
        frequency, power = self.radial()
        curve.semilogy(frequency[1:], power[1:], color="#0072B2")
        curve.set(xlabel="spatial frequency (1/Å)", ylabel="power")
        return figure


def checked_micrograph(given: object) -> Micrograph:
    """Return what was given, if it is a micrograph.

    Raises
    ------
    MicrographError
        If it is anything else.

    Examples
    --------
    >>> checked_micrograph("image.dm4")
    Traceback (most recent call last):
    exitwave.core.errors.MicrographError: a str is given; take a Micrograph, as read(path) gives of a file.
    """
    if not isinstance(given, Micrograph):
        how = (
            "Micrograph(array, pixel_size) makes of numbers"
            if hasattr(given, "ndim")
            else "read(path) gives of a file"
        )
        raise MicrographError(f"a {type(given).__name__} is given; take a Micrograph, as {how}.")
    return given


@dataclass(frozen=True, eq=False, repr=False)
class Micrograph:
    """An image in counts, simulated or real.

    Parameters
    ----------
    array
        (y, x), float32, counts or the camera's units; origin at the top left.
    pixel_size
        Å per pixel; None where it is unknown, and then every function that needs it says so.
    record
        For simulated images: the drawn Imaging spec and the stream that decided the noise.
    metadata
        For real images: what the file said.
    name
        For titles and tables.

    Raises
    ------
    MicrographError
        If the array is not two-dimensional or the pixel size is not above zero.

    Examples
    --------
    >>> import numpy as np
    >>> Micrograph(np.ones((64, 48)), pixel_size=0.2)
    Micrograph(64 × 48 px, 0.2 Å/px)
    """

    array: NDArray[np.float32]
    pixel_size: float | None
    record: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""

    def __post_init__(self) -> None:
        array = np.asarray(self.array, dtype=np.float32)
        if array.ndim != 2 or array.size == 0:
            raise MicrographError(f"the image has shape {array.shape}; a micrograph has rows and columns, (y, x).")
        object.__setattr__(self, "array", array)
        if self.pixel_size is not None:
            if not 0 < self.pixel_size < float("inf"):
                raise MicrographError(f"pixel_size is {self.pixel_size}; it is above 0 Å, or None if unknown.")
            object.__setattr__(self, "pixel_size", float(self.pixel_size))

    def __repr__(self) -> str:
        size = "pixel size unknown" if self.pixel_size is None else f"{self.pixel_size:.4g} Å/px"
        name = f"{self.name}: " if self.name else ""
        return f"Micrograph({name}{self.array.shape[0]} × {self.array.shape[1]} px, {size})"

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.array.shape[0], self.array.shape[1]

    def known_pixel_size(self) -> float:
        """Return the pixel size in Å, or raise MicrographError if it is unknown."""
        if self.pixel_size is None:
            raise MicrographError(
                f"{self.name or 'the micrograph'} has no pixel size; give it in Å, as in read(path, pixel_size=0.2), "
                "as --pixel-size 0.2 on the command line, or in nm in its row of an index.csv beside it (columns "
                "image and pixel_size_nm); exitwave pixel-size finds it from lattice fringes of a known material."
            )
        return self.pixel_size

    def resampled(self, pixel_size: float) -> Micrograph:
        r"""Return the image on pixels of another size, free of aliasing.

        Every new pixel at position :math:`j p'` is a Lanczos-windowed sinc of three lobes over the old ones, as wide
        as the coarser of both pixels. The first pixels coincide.

        Parameters
        ----------
        pixel_size
            New pixel size p', Å.

        Raises
        ------
        MicrographError
            If the pixel size of this image is unknown or the new one is not above 0.
        """
        old = self.known_pixel_size()
        if not 0 < pixel_size < float("inf"):
            raise MicrographError(f"pixel_size is {pixel_size}; it is above 0 Å.")
        rows, columns = (_lanczos(size, pixel_size / old) for size in self.shape)
        array = np.asarray(columns @ np.asarray(rows @ self.array).T).T
        return replace(self, array=array.astype(np.float32), pixel_size=float(pixel_size))

    def binned(self, factor: int) -> Micrograph:
        """Return the image with blocks of ``factor`` × ``factor`` pixels added up; what is left at the edges goes.

        Added, not averaged: electrons stay electrons, and shot noise stays Poisson.

        Raises
        ------
        MicrographError
            If the factor is no whole number from 1 to the shorter side.

        Examples
        --------
        >>> import numpy as np
        >>> Micrograph(np.ones((64, 49)), pixel_size=0.2).binned(2)
        Micrograph(32 × 24 px, 0.4 Å/px)
        """
        rows, columns = self.shape
        if isinstance(factor, bool) or factor != int(factor) or not 1 <= factor <= min(rows, columns):
            raise MicrographError(
                f"the factor is {factor}; it is a whole number from 1 to {min(rows, columns)}, the smaller side."
            )
        factor = int(factor)
        height, width = rows // factor, columns // factor
        blocks = self.array[: height * factor, : width * factor].reshape(height, factor, width, factor)
        size = None if self.pixel_size is None else self.pixel_size * factor
        return replace(self, array=blocks.sum((1, 3), dtype=np.float64).astype(np.float32), pixel_size=size)

    def cropped(self, top: int, left: int, height: int, width: int) -> Micrograph:
        """Return a part of the image, in pixels from its top left corner.

        Raises
        ------
        MicrographError
            If the part reaches beyond the image or is empty.

        Examples
        --------
        >>> import numpy as np
        >>> Micrograph(np.ones((64, 48)), pixel_size=0.2).cropped(8, 0, 32, 40)
        Micrograph(32 × 40 px, 0.2 Å/px)
        """
        rows, columns = self.shape
        if min(top, left) < 0 or min(height, width) < 1 or top + height > rows or left + width > columns:
            raise MicrographError(
                f"the part is {height} × {width} px from row {top}, column {left}; "
                f"it lies within the {rows} × {columns} px of the image."
            )
        return replace(self, array=self.array[top : top + height, left : left + width])

    def power_spectrum(self, window: bool = True) -> PowerSpectrum:
        """Return the power spectrum of the image less its mean.

        Parameters
        ----------
        window
            Whether to apply a Hann window first (of mean square one), so that the borders of the field do not show.
        """
        image = self.array.astype(np.float64) - float(self.array.mean(dtype=np.float64))
        if window:
            for axis, size in enumerate(self.shape):
                hann = np.hanning(size + 2)[1:-1]
                hann /= np.sqrt(np.mean(hann**2))
                image *= hann[:, None] if axis == 0 else hann
        power = np.abs(np.fft.fftshift(np.fft.fft2(image))) ** 2 / image.size
        rows, columns = (np.fft.fftshift(np.fft.fftfreq(size, self.pixel_size or 1.0)) for size in self.shape)
        return PowerSpectrum(power.astype(np.float32), rows, columns)

    def show(self) -> Figure:
        """Return a figure of the image between its 0.5 and 99.5 percentiles, with a scale bar."""
        from matplotlib.figure import Figure

        rows, columns = self.shape
        figure = Figure(figsize=(5, 5 * rows / columns), dpi=max(100, min(columns // 5, 300)))
        axes = figure.add_axes((0, 0, 1, 1))
        low, high = np.percentile(self.array, [0.5, 99.5])
        axes.imshow(self.array, cmap="gray", vmin=low, vmax=max(high, low + 1e-6))
        axes.set_axis_off()
        if self.pixel_size is not None:
            scale_bar(axes, self.shape, self.pixel_size)
        return figure

    def segment(self, network: Any = "general", **options: Any) -> Any:
        """Return the segmentation of this image by ``network``, see :func:`exitwave.micrographs.segment`."""
        return import_module("exitwave.micrographs").segment(self, network, **options)


def scale_bar(axes: Any, shape: tuple[int, int], pixel_size: float) -> None:
    """Draw a scale bar of about a fifth of the field with its length in nm or Å."""
    rows, columns = shape
    target = columns * pixel_size / 5
    decade = 10.0 ** floor(np.log10(target))
    length = max(step * decade for step in (1, 2, 5) if step * decade <= target)
    text = f"{length / 10:g} nm" if length >= 5 else f"{length:g} Å"
    left, bottom, height = 0.04 * columns, 0.95 * rows, 0.012 * rows
    from matplotlib import patheffects
    from matplotlib.patches import Rectangle

    edge = [patheffects.withStroke(linewidth=2.5, foreground="black")]
    axes.add_patch(Rectangle((left, bottom), length / pixel_size, height, fc="white", ec="black", lw=0.6))
    axes.text(
        left + length / pixel_size / 2,
        bottom - 0.008 * rows,
        text,
        color="white",
        ha="center",
        va="bottom",
        path_effects=edge,
    )


def _lanczos(size: int, ratio: float, lobes: int = 3) -> Any:
    """Return the sparse matrix that resamples ``size`` points with steps of ``ratio``."""
    from scipy.sparse import csr_array

    count = max(1, floor((size - 1) / ratio + 1e-9) + 1)
    width = max(ratio, 1.0)
    reach = int(np.ceil(lobes * width))
    centre = np.arange(count)[:, None] * ratio
    index = np.floor(centre).astype(int) + np.arange(-reach + 1, reach + 1)
    distance = (index - centre) / width
    weight = np.where(np.abs(distance) < lobes, np.sinc(distance) * np.sinc(distance / lobes), 0.0)
    weight /= weight.sum(axis=1, keepdims=True)
    last = max(size - 1, 1)  # both borders reflect
    mirrored = last - np.abs(index % (2 * last) - last) if size > 1 else np.zeros_like(index)
    row = np.broadcast_to(np.arange(count)[:, None], index.shape)
    return csr_array((weight.ravel(), (row.ravel(), mirrored.ravel())), shape=(count, size)).astype(np.float32)
