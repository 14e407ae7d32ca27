"""Which program wrote a micrograph file, and its arrays with their axes as that program describes them."""

from __future__ import annotations

import gc
import logging
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from exitwave.core.errors import MicrographError
from exitwave.imaging.calibrations import imagej_unit

__all__ = ["EXTENSIONS", "Axis", "Signal", "load_signals"]

EXTENSIONS = (
    ".dm3", ".dm4", ".emd", ".ser", ".emi", ".mrc", ".mrcs", ".tif", ".tiff", ".hspy", ".npy", ".png", ".jpg", ".jpeg"
)  # fmt: skip

# Larger files are mapped, not loaded, so that one frame of a long movie costs one frame of memory.
_MAPPED_BYTES = 1 << 28


@dataclass(frozen=True)
class Axis:
    """One axis of a file's array: ``scale`` in ``units`` per pixel; ``image`` is false for frames."""

    name: str
    scale: float
    units: str
    image: bool


@dataclass(frozen=True, eq=False)
class Signal:
    """One array of a file (numpy or dask), its axes in the array's order, and the file's metadata."""

    data: Any
    axes: tuple[Axis, ...]
    program: str
    metadata: Mapping[str, Any]


def load_signals(path: Path) -> list[Signal]:
    """Return all arrays of a file, recognised by its content, whatever the file is called.

    Raises
    ------
    MicrographError
        If the file is missing, empty, of no known kind, truncated or damaged.
    """
    size = _size(path)
    program, plugin = _recognise(path)
    try:
        with quiet_readers():
            if plugin == "pillow":
                return [_read_picture(path, program)]
            if plugin == "numpy":
                return [_read_npy(path, program)]
            return _read_rsciio(path, program, plugin, lazy=size > _MAPPED_BYTES)
    except ModuleNotFoundError as error:
        problem = MicrographError(
            f"{path.name} is a {program} file, and reading it needs {error.name}; "
            "install it with: pip install 'exitwave[micrographs]'."
        )
    except MicrographError as error:
        problem = error
    except Exception as error:
        problem = damaged(path, program, error)
    with quiet_readers():
        gc.collect()  # the reader's frames hold the file open
    raise problem


@contextmanager
def quiet_readers() -> Iterator[None]:
    """Silence what the readers log and warn of; what matters is told by an error or in the metadata."""
    loggers = [logging.getLogger(name) for name in ("rsciio", "tifffile")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL + 1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def damaged(path: Path, program: str, error: Exception) -> MicrographError:
    """Return the error for a file of a known kind whose content cannot be read."""
    reason = " ".join(str(error).split())[:120] or type(error).__name__
    if "last dimension size of the array must be 3 or 4" in reason:  # of planes that are marked as colours
        return MicrographError(
            f"{path.name} holds 3 or 4 images marked as the colours of one, as some programs write short stacks; "
            "save it as a greyscale stack (tifffile: photometric='minisblack'), or its images one by one."
        )
    return MicrographError(
        f"{path.name} cannot be read as {program} ({reason}); it is truncated or damaged, so copy or export it again."
    )


def _size(path: Path) -> int:
    if path.is_dir():
        raise MicrographError(f"{path} is a folder; read takes one file, such as {path.name}/image.dm4.")
    try:
        size = path.stat().st_size
        if size:
            with path.open("rb") as file:
                file.read(1)
    except OSError as error:
        raise MicrographError(f"{path} cannot be opened: {os.strerror(error.errno or 0)}; check the path.") from None
    if size == 0:
        raise MicrographError(f"{path.name} is empty (0 bytes); copy it again from the microscope.")
    return size


def _recognise(path: Path) -> tuple[str, str]:
    """Return the program's name and the reader for a file, from its first bytes."""
    with path.open("rb") as file:
        head = file.read(1024)
    if head.startswith(b"\x89PNG\r\n"):
        return "PNG", "pillow"
    if head.startswith(b"\xff\xd8\xff"):
        return "JPEG", "pillow"
    if head.startswith(b"\x93NUMPY"):
        return "NumPy", "numpy"
    if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return "TIFF", "tiff"
    if head[:4] in (b"\0\0\0\3", b"\0\0\0\4"):
        return "DigitalMicrograph", "digitalmicrograph"
    if head.startswith(b"\x89HDF\r\n\x1a\n"):
        return _recognise_hdf5(path)
    if head[:4] == b"II\x97\x01":
        return "TIA (ser)", "tia"
    if head[208:211] == b"MAP" or (path.suffix.lower() in (".mrc", ".mrcs") and len(head) == 1024):
        return "MRC", "mrc"
    if head[:2] == b"JA" and path.suffix.lower() == ".emi":
        return "TIA (emi)", "tia"
    raise MicrographError(
        f"{path.name} is no micrograph by its content; known are dm3, dm4, emd, ser, emi, mrc, tif, hspy, npy, png "
        "and jpg: export it as one of these."
    )


def _recognise_hdf5(path: Path) -> tuple[str, str]:
    h5py = import_module("h5py")
    try:
        with h5py.File(path, "r") as file:
            return ("HyperSpy", "hspy") if "Experiments" in file else ("EMD", "emd")
    except Exception as error:  # of many kinds, from the library's depths
        problem = damaged(path, "HDF5", error)
    raise problem


def _read_picture(path: Path, program: str) -> Signal:
    image_module = import_module("PIL.Image")
    with image_module.open(path) as picture:
        if picture.mode in ("P", "PA"):
            picture = picture.convert("RGB")
        data = np.asarray(picture)
        # The dots per inch of a picture are for printers, and no pixel size.
        info = {key: value for key, value in picture.info.items() if isinstance(value, str | int | float)}
    return Signal(data, _plain_axes(data.ndim, colour=data.ndim == 3), program, info)


def _read_npy(path: Path, program: str) -> Signal:
    try:
        data = np.load(path, mmap_mode="r", allow_pickle=False)
    except ValueError as error:
        if "Python objects" not in str(error) and "pickle" not in str(error):
            raise
        raise MicrographError(
            f"{path.name} holds Python objects, which could run anything when they are loaded; save an array of "
            "numbers instead."
        ) from None
    return Signal(data, _plain_axes(data.ndim), program, {})


def _plain_axes(ndim: int, colour: bool = False) -> tuple[Axis, ...]:
    if colour:  # (y, x, channel)
        return (Axis("y", 1.0, "", True), Axis("x", 1.0, "", True), Axis("colour", 1.0, "", True))
    names = ("y", "x")[-ndim:] if ndim else ()
    frames = tuple(Axis("frame", 1.0, "", False) for _ in range(ndim - 2))
    return (*frames, *(Axis(name, 1.0, "", True) for name in names))


def _read_rsciio(path: Path, program: str, plugin: str, lazy: bool) -> list[Signal]:
    reader = import_module(f"rsciio.{plugin}").file_reader
    options: dict[str, Any] = {"select_type": "images"} if plugin == "emd" else {}
    if plugin == "mrc":
        options = {"endianness": _checked_mrc(path)}
    native = options.get("endianness") != ">"  # the reader swaps the header's bytes alone
    units = imagej_unit(path) if plugin == "tiff" else ""
    signals = []
    for found in reader(str(path), lazy=lazy, **options):
        axes = sorted(enumerate(found["axes"]), key=lambda item: int(item[1].get("index_in_array", item[0])))
        signals.append(
            Signal(
                found["data"] if native else found["data"].view(found["data"].dtype.newbyteorder(">")),
                _leading_frames(tuple(_axis(axis, units) for _, axis in axes)),
                program,
                {"metadata": found.get("metadata", {}), "original_metadata": found.get("original_metadata", {})},
            )
        )
    return signals


def _axis(axis: Mapping[str, Any], default_units: str) -> Axis:
    image = not axis["navigate"]
    scale = axis.get("scale")
    units = axis.get("units")
    return Axis(
        name=str(axis.get("name") or ""),
        scale=1.0 if scale is None else float(scale),
        units=str(units) if units else (default_units if image else ""),
        image=image,
    )


def _leading_frames(axes: tuple[Axis, ...]) -> tuple[Axis, ...]:
    """Return the axes with all but the last two as frames, where the file does not tell frames from images."""
    if len(axes) <= 2 or not all(axis.image for axis in axes):
        return axes
    return (*(replace(axis, image=False) for axis in axes[:-2]), *axes[-2:])


def _checked_mrc(path: Path) -> str:
    """Return the byte order of an MRC file, if its header promises no more than the file holds."""
    with path.open("rb") as file:
        head = file.read(1024)
    order = ">" if head[212:214] == b"\x11\x11" else "<"
    columns, rows, sections, mode = (int(n) for n in np.frombuffer(head[:16], f"{order}i4"))
    extended = int(np.frombuffer(head[92:96], f"{order}i4")[0])
    width = {0: 1, 1: 2, 2: 4, 3: 4, 4: 8, 6: 2, 12: 2, 101: 0.5}.get(mode)
    if width is None or min(columns, rows, sections) < 1 or extended < 0:
        raise ValueError(f"the header says {columns} × {rows} × {sections} numbers of kind {mode}")
    if 1024 + extended + columns * rows * sections * width > path.stat().st_size:
        raise ValueError(f"the header says {columns} × {rows} × {sections} numbers, more than the file holds")
    return order
