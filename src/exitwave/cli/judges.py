"""Labelled images of every kind that the command line takes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["labelled_images"]


def labelled_images(
    path: Path | None, pixel_size: float | None = None, rule: str | None = None
) -> Iterator[tuple[Any, Any]]:
    """Yield pairs of image and mask from a folder of micrographs, a data set, or a benchmark's HDF5 file.

    Without a path, the labelled micrographs that come with exitwave.
    """
    if path is not None and path.suffix in {".h5", ".hdf5"}:
        from exitwave.learning import benchmark_pairs

        yield from benchmark_pairs(path, pixel_size=pixel_size)
        return
    if path is not None and (path / "shards").is_dir():
        from exitwave.dataset import Dataset
        from exitwave.learning.data import default_rule

        data = Dataset(path)
        name = rule or default_rule(data)
        for sample in data:
            yield sample.image, sample.labels[name]
        return
    from exitwave.micrographs import labelled_pairs

    for pair in labelled_pairs(path, pixel_size=pixel_size):
        yield pair.micrograph, pair.mask
