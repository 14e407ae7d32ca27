"""Micrographs from files: the image, its pixel size in Å and everything else that the file says."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from exitwave.core.errors import MicrographError
from exitwave.imaging.calibrations import NEARLY_SQUARE, angstroms, length_unit
from exitwave.imaging.micrograph import Micrograph, checked_pixel_size
from exitwave.micrographs.formats import Axis, Signal, damaged, load_signals, quiet_readers
from exitwave.micrographs.index import listed_pixel_sizes

__all__ = ["CalibrationWarning", "frames", "read"]

_NO_UNITS = ("", "none", "<undefined>", "undefined", "px", "pixel", "pixels", "inch")

# x and y calibrations that differ by less are one pixel size, rounded differently.
_SQUARE = 1e-3


class CalibrationWarning(UserWarning):
    """A micrograph's pixel size needs a second look."""


def read(path: str | Path, *, pixel_size: float | None = None, frame: int | None = None) -> Micrograph:
    """Return the micrograph in a file.

    Reads dm3, dm4, Velox and NCEM emd, ser, emi, mrc, tif (ImageJ, DigitalMicrograph, FEI and plain), hspy, npy,
    png and jpg, recognised by content. The pixel size comes from the file's calibration, or where it has none, from
    its row in an ``index.csv`` beside it or one folder up (columns ``image`` and ``pixel_size_nm``). Without either
    it is None: the resolution of a print is not one.

    Where x and y are calibrated differently by more than 2 %, the image is resampled to square pixels of the
    smaller size; by less, the geometric mean is taken. Both are told in a :class:`CalibrationWarning`. Masks of what
    was resampled are written on the pixels of the file (:func:`~exitwave.micrographs.save`).

    Parameters
    ----------
    path
        A file.
    pixel_size
        Å/px, in place of what file and index say; of x, where the file says that y differs by more than 2 %.
    frame
        Which image of a stack, movie or file of several images, from 0; not needed where there is one image.

    Returns
    -------
    Micrograph
        Array of shape (y, x), float32, with the values of the file; ``metadata`` holds ``file``, ``format``,
        ``frame``, ``frames`` and what the file itself says under ``original``; ``pixel_size_from`` where that is an
        index; of resampled images also ``shape``
        and ``pixel_sizes`` (y, x; Å) of the file.

    Raises
    ------
    MicrographError
        If the file cannot be read, holds no real-space image, or holds several and ``frame`` does not choose.

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> file = Path(tempfile.mkdtemp()) / "image.npy"
    >>> np.save(file, np.ones((64, 64)))
    >>> read(file, pixel_size=0.2).pixel_size
    0.2
    """
    path = _path(path)
    pictures = _pictures(path)
    if frame is None:
        if len(pictures) > 1:
            raise MicrographError(
                f"{path.name} holds {len(pictures)} images; choose one with frame=0 to frame={len(pictures) - 1}, "
                "or take them one by one with frames(path)."
            )
        frame = 0
    if isinstance(frame, bool) or not isinstance(frame, int | np.integer) or not 0 <= frame < len(pictures):
        raise MicrographError(
            f"frame is {frame!r}; {path.name} has the frames 0 to {len(pictures) - 1}."
            if len(pictures) > 1
            else f"frame is {frame!r}; {path.name} holds one image, which is frame 0."
        )
    return _micrograph(path, pictures, int(frame), checked_pixel_size(pixel_size))


def frames(path: str | Path, *, pixel_size: float | None = None, most: int | None = None) -> Iterator[Micrograph]:
    """Yield every image of a file: one, or the frames of a stack or a movie in their order.

    Parameters
    ----------
    path, pixel_size
        As in :func:`read`.
    most
        Of more frames than these, so many spread evenly from the first to the last.

    Raises
    ------
    MicrographError
        As :func:`read`.

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> file = Path(tempfile.mkdtemp()) / "movie.npy"
    >>> np.save(file, np.ones((3, 64, 64)))
    >>> [image.name for image in frames(file, pixel_size=0.2)]
    ['movie-0', 'movie-1', 'movie-2']
    """
    path = _path(path)
    size = checked_pixel_size(pixel_size)
    pictures = _pictures(path)
    chosen: Sequence[int] = range(len(pictures))
    if most is not None and len(pictures) > most:
        chosen = np.linspace(0, len(pictures) - 1, most).round().astype(int).tolist()
    for frame in chosen:
        yield _micrograph(path, pictures, frame, size)


def mask_values(path: Path) -> NDArray[np.float32]:
    """Return the values of a mask on the pixels of its file, never between two of them."""
    pictures = _pictures(path)
    if len(pictures) > 1:
        raise MicrographError(f"{path.name} holds {len(pictures)} images; a mask is one.")
    return _grey(_take(path, *pictures[0]), path.name)


def mask_on(path: Path, image: Micrograph) -> NDArray[np.float32]:
    """Return the values of a mask on the pixels of its image, those of the image's file or those it was put on."""
    values = mask_values(path)
    if values.shape == image.shape:
        return values
    if values.shape != tuple(image.metadata.get("shape", ())):
        raise MicrographError(
            f"{path.name} is {values.shape} and {image.metadata.get('file', image.name)} is {image.shape}; "
            "a mask has the shape of its image."
        )
    return nearest(values, image.shape)


def nearest(array: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """Return an array (y, x) on another number of pixels: what is at the middle of each."""
    rows, columns = (
        ((np.arange(new) + 0.5) * old / new).astype(np.int64) for new, old in zip(shape, array.shape, strict=True)
    )
    return array[np.ix_(rows, columns)]


def _path(path: str | Path) -> Path:
    if not isinstance(path, str | Path):
        raise MicrographError(f"path is {path!r}; give the path of one file, as text or a Path.")
    return Path(path)


def _pictures(path: Path) -> list[tuple[Signal, tuple[int, ...]]]:
    """Return every image of the file as its signal and its place along the axes that are frames."""
    pictures: list[tuple[Signal, tuple[int, ...]]] = []
    refusal = "it holds no array"
    for signal in load_signals(path):
        reason = _unfit(signal)
        if reason is None:
            shape = [range(int(n)) for n, axis in zip(signal.data.shape, signal.axes, strict=True) if not axis.image]
            pictures.extend((signal, place) for place in product(*shape))
        else:
            refusal = reason
    if not pictures:
        raise MicrographError(f"{path.name} holds no micrograph: {refusal}; open a real-space image instead.")
    return pictures


def _unfit(signal: Signal) -> str | None:
    """Return why a signal is no stack of real-space images, or None."""
    axes = [axis for axis in signal.axes if axis.image]
    if len(axes) == 3 and axes[-1].name == "colour":
        axes = axes[:2]
    if len(axes) != 2:
        what = {0: "single numbers", 1: "spectra or profiles"}.get(len(axes), f"{len(axes)}-dimensional data")
        return f"it holds {what}, not images"
    if 0 in signal.data.shape:
        return f"its array is empty, of shape {tuple(int(n) for n in signal.data.shape)}"
    if signal.data.dtype.kind == "c":
        return "its numbers are complex, as in a Fourier transform or a wave"
    if not signal.data.dtype.names and signal.data.dtype.kind not in "buif":
        return f"its values are no numbers but {signal.data.dtype}"
    for axis in axes:
        unit = length_unit(axis.units)
        if unit in _NO_UNITS or angstroms(axis.units):
            continue
        if unit.startswith("1/") or unit.endswith(("-1", "mrad", "rad", "deg")):
            return f"its axes are in reciprocal space ({axis.units}), as in a diffractogram"
        if unit.endswith("ev"):
            return f"its axes are energies ({axis.units}), as in a spectrum"
    return None


def _length(axis: Axis) -> float | None:
    """Return an axis' pixel size in Å, or None where the file does not say it."""
    factor = angstroms(axis.units)
    size = abs(axis.scale) * factor if factor else 0.0
    return size if math.isfinite(size) and size > 0 else None


def _micrograph(
    path: Path, pictures: list[tuple[Signal, tuple[int, ...]]], frame: int, override: float | None
) -> Micrograph:
    signal, place = pictures[frame]
    name = path.stem if len(pictures) == 1 else f"{path.stem}-{frame}"
    spatial = [axis for axis in signal.axes if axis.image]
    told = path.name if len(pictures) == 1 else f"{path.name}, frame {frame},"  # in warnings
    array = _grey(_take(path, signal, place), told)
    sizes = _length(spatial[0]), _length(spatial[1])
    metadata: dict[str, Any] = {
        "file": path.name,
        "format": signal.program,
        "frame": frame,
        "frames": len(pictures),
        "calibration": [{"name": a.name, "scale": a.scale, "units": a.units} for a in spatial[:2]],
        "original": signal.metadata,
    }
    square, size, own = _square_pixels(array, sizes, override, told)
    if size is None and (size := listed_pixel_sizes([path]).get(path)) is not None:
        metadata["pixel_size_from"] = "index.csv"
    if square.shape != array.shape:
        metadata |= {"shape": array.shape, "pixel_sizes": own}
    return Micrograph(array=square, pixel_size=size, metadata=metadata, name=name)


def _take(path: Path, signal: Signal, place: tuple[int, ...]) -> NDArray[Any]:
    places = iter(place)
    index = tuple(slice(None) if axis.image else next(places) for axis in signal.axes)
    try:
        with quiet_readers():
            data = signal.data[index]
            if hasattr(data, "compute"):
                data = data.compute(scheduler="synchronous")
            return np.array(data)
    except Exception as error:
        problem = damaged(path, signal.program, error)
    raise problem


def _grey(data: NDArray[Any], name: str) -> NDArray[np.float32]:
    """Return one number per pixel, float32."""
    if data.dtype.names:  # colours as fields
        data = np.stack([data[field] for field in data.dtype.names], axis=-1)
    if data.ndim == 3:
        colours = data[..., : 3 if data.shape[-1] >= 3 else 1].astype(np.float32)  # without opacity
        if np.ptp(colours, axis=-1).max() > 0:
            warnings.warn(
                f"{name} is a colour picture; the mean of its colours is taken as intensity.",
                CalibrationWarning,
                stacklevel=4,
            )
        data = colours.mean(axis=-1)
    return np.ascontiguousarray(data, dtype=np.float32)


def _square_pixels(
    array: NDArray[np.float32], sizes: tuple[float | None, float | None], override: float | None, name: str
) -> tuple[NDArray[np.float32], float | None, tuple[float, float] | None]:
    """Return the image on square pixels, their size, and the sizes in y and x that the file's pixels have."""
    y, x = sizes
    if y is None or x is None:
        return array, override, None
    ratio = max(x, y) / min(x, y)
    if override is not None:
        if ratio - 1 < NEARLY_SQUARE:
            return array, override, None
        y, x = override * y / x, override
    if ratio - 1 < _SQUARE:
        return array, math.sqrt(x * y) if x != y else x, None
    if ratio - 1 < NEARLY_SQUARE:
        how, size = "the mean of both is taken as its pixel size", math.sqrt(x * y)
    else:
        from scipy.ndimage import zoom

        size = min(x, y)
        shape = (max(1, round(array.shape[0] * y / size)), max(1, round(array.shape[1] * x / size)))
        how = f"it is resampled from {array.shape} to {shape} square pixels of {size:.4g} Å"
        factors = (shape[0] / array.shape[0], shape[1] / array.shape[1])
        array = zoom(array, factors, order=1, mode="nearest", grid_mode=True).astype(np.float32)
    given = "" if override is None else " (the size given is that of x, and y follows from the file's ratio)"
    text = f"{name} has pixels of {y:.4g} Å in y and {x:.4g} Å in x{given}; {how}."
    warnings.warn(text, CalibrationWarning, stacklevel=4)
    return array, size, (y, x)
