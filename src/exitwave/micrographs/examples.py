"""Labelled real micrographs: those that come with exitwave, and folders of the same kind."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter, minimum_filter

from exitwave.core.errors import MicrographError
from exitwave.imaging.micrograph import Micrograph, checked_pixel_size
from exitwave.micrographs.files import mask_on, mask_values, read
from exitwave.micrographs.formats import EXTENSIONS
from exitwave.micrographs.index import index_rows, row_pixel_size

__all__ = ["LabelledPair", "example_files", "labelled_pairs"]

_SHIPPED = Path(__file__).with_name("examples")


class LabelledPair(NamedTuple):
    """A micrograph and what a person marked as particle in it.

    Parameters
    ----------
    micrograph
        The image.
    mask
        Bool (y, x); int32 where the mask numbers its particles or their classes, 0 is background; None where nobody
        marked anything.

    Examples
    --------
    >>> pair = next(labelled_pairs())
    >>> isinstance(pair, LabelledPair), pair.mask.shape == pair.micrograph.shape
    (True, True)
    >>> LabelledPair(pair.micrograph, None).mask is None
    True
    """

    micrograph: Micrograph
    mask: NDArray[np.bool_] | NDArray[np.int32] | None


def example_files() -> list[Path]:
    """Return the files of the ten real micrographs that come with exitwave, without their masks.

    Bright-field images of nanoparticles from msa-em/microscopy-seg-track, CC-BY-4.0; ``ATTRIBUTION`` lies
    beside them. The files have no calibration: about 0.58 Å/px.

    Examples
    --------
    >>> len(example_files())
    10
    """
    return [_SHIPPED / row["image"] for row in index_rows(_SHIPPED)]


def labelled_pairs(
    folder: str | Path | None = None, *, labelled_only: bool = True, pixel_size: float | None = None
) -> Iterator[LabelledPair]:
    """Yield the labelled micrographs of a folder, or the ten that come with exitwave.

    Parameters
    ----------
    folder
        A folder with ``index.csv``: columns ``image``, ``mask`` (empty where there is none) and
        ``pixel_size_nm``; every other column is kept in the micrograph's ``metadata["index"]``. A pixel size
        that is no number counts as unknown. Without an ``index.csv``, masks are found by their names:
        ``NAME_mask.*`` or ``NAME-mask.*`` beside ``NAME.*``, or the same name in ``masks/`` and ``images/``.
        Of several masks of one image all must say the same. Where an image was put on square pixels, so is its mask.
        In a mask of two values or of grey ones what is brighter than half of the brightest is particle; a mask of
        several whole numbers, each of an area of its own, numbers its particles.
    labelled_only
        Whether to leave out micrographs without a mask; otherwise their mask is None.
    pixel_size
        Å/px for all, in place of what index and files say.

    Raises
    ------
    MicrographError
        If the folder or a file in it cannot be read, a mask does not fit its image, or ``pixel_size`` is not above
        0.

    Examples
    --------
    >>> micrograph, mask = next(labelled_pairs())
    >>> micrograph.array.shape, micrograph.pixel_size, mask.dtype
    ((512, 512), 0.58, dtype('bool'))
    """
    pixel_size = checked_pixel_size(pixel_size)
    place = _SHIPPED if folder is None else Path(folder)
    for row in index_rows(place) if (place / "index.csv").exists() else _by_name(place):
        if labelled_only and not row.get("mask"):
            continue
        image = read(place / row["image"], pixel_size=pixel_size or row_pixel_size(row))
        labelled = replace(image, metadata={**image.metadata, "index": row})
        if not row.get("mask"):
            yield LabelledPair(labelled, None)
            continue
        yield LabelledPair(labelled, _marked(mask_on(place / row["mask"], image)))


def _by_name(folder: Path) -> list[dict[str, str]]:
    """Return the rows that an index of the folder would have, masks found by their names."""
    if not folder.is_dir():
        raise MicrographError(f"{folder} is no folder; give a folder with images and masks.")
    inside = {side: folder / side for side in ("images", "masks")}
    if all(path.is_dir() for path in inside.values()):
        there = sorted(path for path in inside["masks"].iterdir() if path.suffix.lower() in EXTENSIONS)
        masks = _one_each((path.stem, path) for path in there)
        rows = [(path, masks.get(path.stem)) for path in sorted(inside["images"].iterdir())]
    else:
        known = [path for path in sorted(folder.iterdir()) if path.suffix.lower() in EXTENSIONS]
        named = {path: path.stem[:-5] for path in known if path.stem.lower().endswith(("_mask", "-mask"))}
        masks = _one_each((name, path) for path, name in named.items())
        rows = [(path, masks.get(path.stem)) for path in known if path not in named]
    if not any(mask for _, mask in rows):
        raise MicrographError(
            f"{folder} has no index.csv and no masks that could be told by their names; call the mask of NAME.tif "
            "NAME_mask.png, or put both under one name into images/ and masks/."
        )
    relative = [(image.relative_to(folder), mask and mask.relative_to(folder)) for image, mask in rows]
    return [{"image": str(image), "mask": str(mask or "")} for image, mask in relative]


def _one_each(named: Iterable[tuple[str, Path]]) -> dict[str, Path]:
    """Return masks by the names of their images; of several of one image all say the same, or none is taken."""
    masks: dict[str, Path] = {}
    for name, path in named:
        other = masks.setdefault(name, path)
        if path != other and not np.array_equal(_marked(mask_values(path)), _marked(mask_values(other))):
            raise MicrographError(
                f"{other.name} and {path.name} are masks of {name} that differ; keep the one that is right."
            )
    return masks


def _marked(mask: NDArray[np.float32]) -> NDArray[np.bool_] | NDArray[np.int32]:
    """Return what a mask as it was read marks: the numbers of particles where it has them, else particle or not."""
    top = float(mask.max())
    if _numbered(mask, top):
        return mask.astype(np.int32)
    return mask > top / 2 if top > 0 else np.zeros(mask.shape, bool)


def _numbered(mask: NDArray[np.float32], top: float) -> bool:
    """Return whether a mask numbers particles, and is not drawn in grey or with smooth outlines."""
    if mask.min() < 0 or (mask != np.round(mask)).any() or len(np.unique(mask)) <= 2:
        return False
    if top < 128:
        return True
    # numbers fill areas; the greys of a drawn mask are a seam between its darkest and its brightest
    filled = mask[(maximum_filter(mask, 3) == minimum_filter(mask, 3)) & (mask > 0)]
    between = (filled > top / 8) & (filled < top * 7 / 8)
    return bool(filled.size > 0 and between.mean() > 0.25)
