"""Labelled images of every kind that the command line takes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from exitwave.core.errors import TrainingError

__all__ = ["labelled_images"]


def labelled_images(
    path: Path | None, pixel_size: float | None = None, rule: str | None = None
) -> Iterator[tuple[Any, ...]]:
    """Yield pairs of image and mask from a folder of micrographs, a data set, or a benchmark's HDF5 file.

    Without a path, the labelled micrographs that come with exitwave. Where a data set numbers its particles
    (``territories``, or ``instances``), their numbers are a third member.
    """
    dataset = path is not None and (path / "shards").is_dir()
    if rule is not None and not dataset:
        where = "the shipped micrographs are" if path is None else f"{path} is"
        raise TrainingError(f"rule is {rule}, but {where} no data set, which alone has several; leave it out.")
    if pixel_size is not None and dataset:
        raise TrainingError(f"pixel_size is {pixel_size}, but {path} is a data set, which tells it; leave it out.")
    if path is not None and path.suffix in {".h5", ".hdf5"}:
        from exitwave.learning import benchmark_pairs

        yield from benchmark_pairs(path, pixel_size=pixel_size)
        return
    if path is not None and dataset:
        from exitwave.dataset import Dataset
        from exitwave.learning.data import default_rule

        data = Dataset(path)
        name = rule or default_rule(data)
        if name not in data.rules:
            raise TrainingError(
                f"rule is {name}, but {path} has the labels {', '.join(data.rules)}; give one of these."
            )
        # who is on top, as "instances" have it, no image shows
        numbering = next((each for each in ("territories", "instances") if each in data.rules), None)
        for sample in data:
            numbers = (sample.labels[numbering],) if numbering else ()
            yield sample.image, sample.labels[name], *numbers
        return
    from exitwave.micrographs import labelled_pairs

    for pair in labelled_pairs(path, pixel_size=pixel_size):
        yield pair.micrograph, pair.mask
