"""Labelled real micrographs: those that come with exitwave, and folders of the same kind."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from exitwave.core.errors import MicrographError
from exitwave.imaging.micrograph import Micrograph
from exitwave.micrographs.files import read

__all__ = ["LabelledPair", "example_files", "labelled_pairs"]

_SHIPPED = Path(__file__).with_name("examples")


class LabelledPair(NamedTuple):
    """A micrograph and what a person marked as particle in it: bool (y, x), or None where nobody did."""

    micrograph: Micrograph
    mask: NDArray[np.bool_] | None


def example_files() -> list[Path]:
    """Return the files of the ten real micrographs that come with exitwave, without their masks.

    Bright-field images of nanoparticles from msa-em/microscopy-seg-track, CC-BY-4.0; ``ATTRIBUTION`` lies
    beside them. The files have no calibration: about 0.58 Å/px.

    Examples
    --------
    >>> len(example_files())
    10
    """
    return [_SHIPPED / row["image"] for row in _rows(_SHIPPED)]


def labelled_pairs(folder: str | Path | None = None, *, labelled_only: bool = True) -> Iterator[LabelledPair]:
    """Yield the labelled micrographs of a folder, or the ten that come with exitwave.

    Parameters
    ----------
    folder
        A folder with ``index.csv``: columns ``image``, ``mask`` (empty where there is none) and
        ``pixel_size_nm``; every other column is kept in the micrograph's ``metadata["index"]``. A pixel size
        that is no number counts as unknown.
    labelled_only
        Whether to leave out micrographs without a mask; otherwise their mask is None.

    Raises
    ------
    MicrographError
        If the folder or a file in it cannot be read, or a mask does not fit its image.

    Examples
    --------
    >>> micrograph, mask = next(labelled_pairs())
    >>> micrograph.array.shape, micrograph.pixel_size, mask.dtype
    ((512, 512), 0.58, dtype('bool'))
    """
    place = _SHIPPED if folder is None else Path(folder)
    for row in _rows(place):
        if labelled_only and not row.get("mask"):
            continue
        image = read(place / row["image"], pixel_size=_pixel_size(row))
        labelled = replace(image, metadata={**image.metadata, "index": row})
        if not row.get("mask"):
            yield LabelledPair(labelled, None)
            continue
        mask = read(place / row["mask"]).array
        if mask.shape != image.array.shape:
            raise MicrographError(
                f"{row['mask']} is {mask.shape} and {row['image']} is {image.array.shape}; "
                "a mask has the shape of its image."
            )
        yield LabelledPair(labelled, mask > mask.max() / 2 if mask.any() else mask.astype(bool))


def _rows(folder: Path) -> list[dict[str, str]]:
    index = folder / "index.csv"
    try:
        with index.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise MicrographError(
            f"{index} cannot be read ({error}); a folder of labelled micrographs has an index.csv with the columns "
            "image, mask and pixel_size_nm."
        ) from error
    if not rows or "image" not in rows[0]:
        raise MicrographError(f"{index} lists no images; it needs the columns image, mask and pixel_size_nm.")
    return rows


def _pixel_size(row: dict[str, str]) -> float | None:
    """Return the pixel size in Å, or None where the index does not say it as a number."""
    try:
        size = round(float(row.get("pixel_size_nm") or "nan") * 10, 9)
    except ValueError:
        return None
    return size if 0 < size < np.inf else None
