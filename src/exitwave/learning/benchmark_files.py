"""The public benchmark files, in the layout that their authors gave them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from exitwave.core import TrainingError
from exitwave.imaging.micrograph import checked_pixel_size

__all__ = ["BENCHMARKS", "Benchmark", "benchmark_pairs"]


@dataclass(frozen=True)
class Benchmark:
    """A published set of labelled micrographs.

    Parameters
    ----------
    title
        What is on them.
    source
        Where the authors put them; nothing is fetched from there.
    file
        Name of the file, as far as it is known.
    pixel_size
        Å per pixel.
    """

    title: str
    source: str
    file: str
    pixel_size: float


BENCHMARKS = {
    "groschner-au": Benchmark(
        "5 nm Au on amorphous carbon, median filtered (Groschner et al., 2020)",
        "https://zenodo.org/records/3755011",
        "Au_Bal_MedFilt_cutimages_20190726.h5",
        0.2152,
    ),
    "groschner-cdse": Benchmark(
        "2 nm CdSe on amorphous carbon, median filtered (Groschner et al., 2020)",
        "https://zenodo.org/records/3755011",
        "Bal_MedFilt_CdSeRelabel512Images_20190726.h5",
        0.2152,
    ),
    "sytwu-2022": Benchmark(
        "2.2 nm Au on amorphous carbon, TEAM 0.5, 423 e/Å² (Sytwu et al., 2022)",
        "https://zenodo.org/records/6419024",
        "",
        0.2,
    ),
}
"""Published benchmarks by name."""


def benchmark_pairs(
    path: str | os.PathLike[str],
    *,
    pixel_size: float | None = None,
    images: str = "images",
    maps: str = "maps",
) -> Iterator[tuple[tuple[NDArray[np.float32], float], NDArray[np.bool_]]]:
    """Yield the images of a benchmark's HDF5 file with their masks, ready for ``evaluate``.

    The file has two data sets: images (n, y, x), and maps of the same shape; either may have a last axis of one
    channel, and the maps one of two, background and particle.

    Parameters
    ----------
    path
        The file.
    pixel_size
        Å; that of the benchmark with this file name if None.
    images, maps
        Names of the data sets.

    Yields
    ------
    image, mask
        The image with its pixel size, and bool (y, x).

    Raises
    ------
    TrainingError
        If the file is not there or has another layout.
    MicrographError
        If ``pixel_size`` is not above 0.

    Examples
    --------
    >>> import h5py, tempfile
    >>> path = Path(tempfile.mkdtemp()) / BENCHMARKS["groschner-au"].file
    >>> with h5py.File(path, "w") as file:  # in the layout of those that are downloaded
    ...     file["images"], file["maps"] = np.ones((3, 64, 64)), np.ones((3, 64, 64, 1))
    >>> (image, pixel_size), mask = next(benchmark_pairs(path))
    >>> image.shape, pixel_size, mask.shape, bool(mask.all())
    ((64, 64), 0.2152, (64, 64), True)
    """
    import h5py

    path = Path(path)
    size = checked_pixel_size(pixel_size) or next(
        (item.pixel_size for item in BENCHMARKS.values() if item.file == path.name), None
    )
    if size is None:
        raise TrainingError(f"the pixel size of {path.name} is not known; give pixel_size in Å.")
    if not path.is_file():
        places = ", ".join(dict.fromkeys(item.source for item in BENCHMARKS.values()))
        raise TrainingError(f"{path} is not there; download it by hand, the public benchmarks are at {places}.")
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise TrainingError(f"{path} cannot be read as HDF5 ({error}); download it again.") from None
    with file:
        if images not in file or maps not in file:
            listed = ", ".join(sorted(file)) or "nothing"
            raise TrainingError(f"{path.name} holds {listed}; name its data sets with images= and maps=.")
        if len(file[images]) != len(file[maps]):
            raise TrainingError(f"{path.name} holds {len(file[images])} images and {len(file[maps])} maps.")
        for image, truth in zip(file[images], file[maps], strict=True):
            array = np.asarray(image, np.float32)
            yield (array[..., 0] if array.ndim == 3 else array, size), _mask(np.asarray(truth))


def _mask(truth: NDArray[Any]) -> NDArray[np.bool_]:
    if truth.ndim == 3:
        return np.asarray(truth[..., 0] > 0 if truth.shape[-1] == 1 else truth.argmax(axis=-1) > 0)
    return np.asarray(truth > 0)
