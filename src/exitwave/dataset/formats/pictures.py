"""Images as PNG and TIFF, and what may be read from such files."""

from __future__ import annotations

import io
import math
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from exitwave.core import DatasetError
from exitwave.dataset.formats.base import LARGEST_IMAGE, optional
from exitwave.imaging.calibrations import NEARLY_SQUARE, angstroms, imagej_unit, positive

__all__ = ["png", "read_picture", "tiff"]


def png(values: NDArray[Any]) -> bytes:
    """Return whole numbers as a grey PNG of 8 or 16 bit.

    Examples
    --------
    >>> png(np.arange(6, dtype=np.uint16).reshape(2, 3))[1:4]
    b'PNG'
    """
    image = optional("PIL.Image", "pillow", "PNG")
    if values.dtype not in (np.uint8, np.uint16):
        raise DatasetError(f"a PNG holds whole numbers up to 65535, not {values.dtype}; use TIFF.")
    buffer = io.BytesIO()
    image.fromarray(values).save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()


def tiff(values: NDArray[Any], pixel_size: float | None = None) -> bytes:
    """Return an array as TIFF with its pixel size (Å), as ImageJ reads it."""
    library = optional("tifffile", "tifffile", "TIFF")
    options: dict[str, Any] = {"metadata": {"axes": "YX"}}
    if pixel_size is not None:
        options = {"resolution": (10 / pixel_size, 10 / pixel_size), "metadata": {"unit": "nm", "axes": "YX"}}
    buffer = io.BytesIO()
    exact = values if values.dtype in (np.uint8, np.uint16, np.float32) else values.astype(np.float32)
    library.imwrite(buffer, exact, imagej=True, **options)
    return buffer.getvalue()


def read_picture(source: Path | bytes, name: str = "") -> NDArray[Any]:
    """Return a grey image (y, x) from a PNG, TIFF or JPEG file; colours become their mean."""
    what = name or str(source)
    try:
        content = source if isinstance(source, bytes) else source.read_bytes()
        if content[:2] in (b"II", b"MM"):
            array = _tiff_array(content, what)
        else:
            image = optional("PIL.Image", "pillow", "PNG")
            with image.open(io.BytesIO(content)) as opened:
                if opened.width * opened.height > LARGEST_IMAGE:
                    raise DatasetError(f"{what} claims {opened.width} × {opened.height} pixels; that is too many.")
                if opened.mode in ("P", "CMYK", "YCbCr", "HSV", "LAB"):
                    opened = opened.convert("RGB")
                array = np.asarray(opened)
    except DatasetError:
        raise
    except Exception as error:  # what a damaged picture does to the libraries that read it is not to be foreseen
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DatasetError(f"{what} cannot be read as an image ({reason}).") from None
    if array.dtype == np.int32:  # Pillow's word for 16 bit in some files
        array = array.astype(np.uint16 if array.min() >= 0 and array.max() < 65536 else np.float32)
    if array.ndim == 3:
        colours = array[..., :3] if array.shape[-1] in (3, 4) else array[..., :1]
        array = colours[..., 0] if (colours == colours[..., :1]).all() else colours.mean(axis=-1)
    return array.astype(np.uint8) if array.dtype == bool else array


def pixel_size_of(path: Path) -> float | None:
    """Return the pixel size in Å that a TIFF file tells in a unit of length, as ImageJ and microscopes write it.

    The resolution of a print (dots per inch or centimetre) is none.

    Raises
    ------
    DatasetError
        If its pixels are not square.
    """
    with path.open("rb") as file:
        if file.read(2) not in (b"II", b"MM"):
            return None
    y, x = _imagej_sizes(path) or _microscope_sizes(path) or (None, None)
    if y is None or x is None:
        return None
    if max(x, y) / min(x, y) - 1 >= NEARLY_SQUARE:
        raise DatasetError(
            f"{path.name} has pixels of {y:.4g} Å in y and {x:.4g} Å in x; put it on square ones, or give pixel_size "
            "in Å (--pixel-size on the command line)."
        )
    return x if x == y else math.sqrt(x * y)


def _imagej_sizes(path: Path) -> tuple[float | None, float | None] | None:
    library = optional("tifffile", "tifffile", "TIFF")
    try:
        factor = angstroms(imagej_unit(path))
        with library.TiffFile(path) as file:
            tags = file.pages[0].tags
            found = [tags[name].value for name in ("YResolution", "XResolution")]
    except Exception:  # damaged, or one that tells nothing
        return None
    if not factor or not all(count and per for count, per in found):
        return None
    y, x = (positive(factor * per / count) for count, per in found)
    return y, x


def _microscope_sizes(path: Path) -> tuple[float | None, float | None] | None:
    """Return the pixel sizes in y and x that a microscope's own tags tell, as DigitalMicrograph's and FEI's do."""
    try:
        reader = import_module("rsciio.tiff").file_reader
        with optional("tifffile", "tifffile", "TIFF").TiffFile(path) as file:
            if sum(int(np.prod(part.shape, dtype=object)) for part in file.series) > LARGEST_IMAGE:
                return None  # the reader reads all of it
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            axes = reader(str(path))[0]["axes"]
        image = [axis for axis in axes if not axis["navigate"]][-2:]
        y, x = (abs(float(axis["scale"])) * (angstroms(str(axis["units"] or "")) or 0.0) for axis in image)
    except Exception:  # a reader that is not installed, or a file of which it makes nothing
        return None
    return positive(y), positive(x)


def _tiff_array(content: bytes, what: str) -> NDArray[Any]:
    library = optional("tifffile", "tifffile", "TIFF")
    with library.TiffFile(io.BytesIO(content)) as file:
        page = file.pages[0]
        if int(np.prod(page.shape, dtype=object)) > LARGEST_IMAGE:
            raise DatasetError(f"{what} claims {page.shape} pixels; that is too many.")
        return np.asarray(page.asarray())
