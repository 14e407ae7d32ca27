"""Results as files that other programs open: PNG, TIFF with calibration, CSV and Parquet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from exitwave.core.errors import MicrographError
from exitwave.core.files import write_whole
from exitwave.micrographs.exports import EXTRAS
from exitwave.micrographs.grids import file_pixels, on_file_pixels
from exitwave.micrographs.segmentation import Segmentation

__all__ = ["save", "write_table", "write_tiff"]


def save(
    segmentation: Segmentation,
    folder: str | Path,
    name: str | None = None,
    *,
    overlay: bool = True,
    extras: Sequence[str] = (),
) -> list[Path]:
    """Write a segmentation as files and return them.

    ``NAME-mask.png`` and ``NAME-mask.tif`` (255 is particle), ``NAME-instances.tif``, ``NAME-probability.tif`` and
    one TIFF for every further map of the network, ``NAME-overlay.png``, ``NAME-particles.csv`` (six digits) and
    ``NAME-particles.parquet`` (all digits). TIFF has the calibration as ImageJ reads it, ``NAME-mask.png`` as texts
    ``pixel_size_y_nm`` and ``pixel_size_x_nm``. Each file is written whole or not at all. Where the micrograph's file
    has pixels that are not square, maps are on these; the overlay shows the square ones.

    Parameters
    ----------
    segmentation
        What to write.
    folder
        Made where it does not exist.
    name
        Beginning of the file names; the micrograph's name by default.
    overlay
        Whether the picture with outlines is drawn, which takes longer than all else.
    extras
        Files for other programs: "imagej" (``NAME-rois.zip``), "coco" (``NAME-coco.json``), "hyperspy"
        (``NAME-maps.hspy``).

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    MicrographError
        If a file cannot be written, or an extra is unknown.

    Examples
    --------
    >>> import tempfile
    >>> from exitwave.imaging import Micrograph
    >>> y, x = np.mgrid[:100, :100]
    >>> disc = np.hypot(y - 50, x - 40) <= 30
    >>> found = Segmentation(disc, disc.astype(np.float32), disc.astype(np.int32), Micrograph(1.0 - disc, 2.0))
    >>> files = save(found, tempfile.mkdtemp(), "disc", overlay=False)
    >>> [file.name for file in files if "mask" in file.name or "particles" in file.name]
    ['disc-mask.png', 'disc-mask.tif', 'disc-particles.csv', 'disc-particles.parquet']
    """
    unknown = [extra for extra in extras if extra not in EXTRAS]
    if unknown:
        raise MicrographError(f"{unknown[0]} is no kind of output; there are {', '.join(EXTRAS)}.")
    name = name or segmentation.micrograph.name or "micrograph"
    folder = Path(folder)
    size = file_pixels(segmentation.micrograph)
    table = segmentation.particles()
    found = on_file_pixels(segmentation)

    def mask(path: Path) -> None:
        from PIL import Image

        Image.fromarray(found.mask.astype(np.uint8) * 255).save(path, format="PNG", pnginfo=_png_text(size))

    writers: dict[str, Callable[[Path], Any]] = {
        f"{name}-mask.png": mask,
        f"{name}-mask.tif": lambda path: _tiff(path, found.mask.astype(np.uint8) * 255, size),
        f"{name}-instances.tif": lambda path: _tiff(path, _small(found.instances), size),
        f"{name}-probability.tif": lambda path: _tiff(path, found.probability, size),
        f"{name}-overlay.png": lambda path: segmentation.show().savefig(path, format="png", dpi=150),
        f"{name}-particles.csv": lambda path: _csv(table, path),
        f"{name}-particles.parquet": lambda path: table.to_parquet(path, index=False),
    }
    for kind, array in found.maps.items():
        writers[f"{name}-{kind}.tif"] = partial(_tiff, array=array, pixel_sizes=size)
    if not overlay:
        del writers[f"{name}-overlay.png"]
    written = [_write(folder / file, writer) for file, writer in writers.items()]
    for extra in extras:
        ending, write = EXTRAS[extra]
        written.append(write(segmentation, folder / f"{name}-{ending}"))
    return written


def write_table(table: Any, path: str | Path) -> Path:
    """Write a pandas table as ``.csv`` or ``.parquet``, by the name's ending, whole or not at all.

    CSV is for people and spreadsheets and has six significant digits, Parquet has all.

    Parameters
    ----------
    table
        A pandas ``DataFrame``; its index is not written.
    path
        A name that ends in ``.csv`` or ``.parquet``; folders that are missing are made.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    MicrographError
        If the name ends otherwise, or the file cannot be written.

    Examples
    --------
    >>> import pandas as pd, tempfile
    >>> file = write_table(pd.DataFrame({"diameter_nm": [1 / 3]}), Path(tempfile.mkdtemp()) / "table.csv")
    >>> file.read_text().split()
    ['diameter_nm', '0.333333']
    """
    path = Path(path)
    if path.suffix == ".csv":
        return _write(path, lambda file: _csv(table, file))
    if path.suffix == ".parquet":
        return _write(path, lambda file: table.to_parquet(file, index=False))
    raise MicrographError(f"the table's file is {path.name}; tables are written as .csv or .parquet.")


def write_tiff(array: NDArray[Any], path: str | Path, pixel_size: float | None) -> Path:
    """Write an image as TIFF with its pixel size, as ImageJ reads it, whole or not at all.

    Parameters
    ----------
    array
        (y, x), uint8, uint16 or float32.
    path
        The file; folders that are missing are made.
    pixel_size
        Å/px; None where it is not known.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    MicrographError
        If the file cannot be written.

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> from exitwave.micrographs import read
    >>> file = write_tiff(np.eye(32, dtype=np.float32), Path(tempfile.mkdtemp()) / "image.tif", 0.25)
    >>> round(read(file).pixel_size, 6)
    0.25
    """
    sizes = None if pixel_size is None else (pixel_size, pixel_size)
    return _write(Path(path), lambda file: _tiff(file, array, sizes))


def _write(path: Path, writer: Callable[[Path], Any]) -> Path:
    return write_whole(path, writer, error=MicrographError, parents=True)


def _csv(table: Any, path: Path) -> None:
    table.to_csv(path, index=False, float_format="%.6g")


def _small(instances: NDArray[np.int32]) -> NDArray[Any]:
    """Return the map as 16 bit, which ImageJ shows, or as float32 where there are more particles."""
    return instances.astype(np.uint16 if instances.max(initial=0) < 1 << 16 else np.float32)


def _png_text(pixel_sizes: tuple[float, float] | None) -> Any:
    """Return the pixel sizes as text of a PNG: its own pixels per metre, of 31 bits, end at 0.47 nm."""
    from PIL.PngImagePlugin import PngInfo

    text = PngInfo()
    if pixel_sizes is not None:
        for axis, size in zip("yx", pixel_sizes, strict=True):
            text.add_text(f"pixel_size_{axis}_nm", f"{size / 10:.9g}")
    return text


def _tiff(path: Path, array: NDArray[Any], pixel_sizes: tuple[float, float] | None) -> None:
    import tifffile

    options: dict[str, Any] = {}
    if pixel_sizes is not None:
        y, x = pixel_sizes
        options = {"resolution": (10 / x, 10 / y), "metadata": {"unit": "nm", "axes": "YX"}}
    with path.open("wb") as file:
        tifffile.imwrite(file, array, imagej=True, **options)
