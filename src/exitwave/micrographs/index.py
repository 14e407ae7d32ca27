"""The table ``index.csv`` beside micrographs: their masks, and the pixel sizes that their files do not say."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path

from exitwave.core.errors import MicrographError
from exitwave.imaging.calibrations import tabled_size

__all__ = ["index_rows", "listed_pixel_sizes", "row_pixel_size"]

_NAME = "index.csv"
_KNOWN = ("image", "mask", "pixel_size_nm")


def index_rows(folder: Path) -> list[dict[str, str]]:
    r"""Return the rows of a folder's ``index.csv`` by their columns; one of them is ``image``.

    As spreadsheets write it: columns parted by commas, semicolons or tabs, in UTF-8 or UTF-16.

    Raises
    ------
    MicrographError
        If there is no such table.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "index.csv").write_text("image,pixel_size_nm\none.png,0.02")
    >>> index_rows(folder)
    [{'image': 'one.png', 'pixel_size_nm': '0.02'}]
    """
    index = folder / _NAME
    try:
        with index.open(newline="", encoding=_encoding(index)) as file:
            header = file.readline()
            file.seek(0)
            table = list(csv.DictReader(file, delimiter=max(",;\t", key=header.count), skipinitialspace=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise MicrographError(
            f"{index} cannot be read ({error}); a folder of labelled micrographs has an index.csv with the columns "
            "image, mask and pixel_size_nm."
        ) from error
    rows = [{_key(name): (text or "").strip() for name, text in row.items() if name is not None} for row in table]
    if not rows or "image" not in rows[0]:
        raise MicrographError(f"{index} lists no images; it needs the columns image, mask and pixel_size_nm.")
    return rows


def _encoding(index: Path) -> str:
    """Return the encoding of a table, which spreadsheets write with a mark in front."""
    with index.open("rb") as file:
        return "utf-16" if file.read(2) in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"


def _key(name: str) -> str:
    """Return a column's name, that of a known one as it is spelled here."""
    text = name.strip()
    return text.lower() if text.lower() in _KNOWN else text


def row_pixel_size(row: dict[str, str]) -> float | None:
    """Return the pixel size in Å, or None where the row does not say it as a number.

    Examples
    --------
    >>> row_pixel_size({"image": "one.png", "pixel_size_nm": "0.02"})
    0.2
    """
    size = tabled_size(row)
    return None if size is None else round(size, 9) or None


def listed_pixel_sizes(files: Iterable[Path]) -> dict[Path, float]:
    """Return the pixel sizes (Å) of those files that an ``index.csv`` beside them, or one folder up, has numbers for.

    Examples
    --------
    >>> from exitwave.micrographs import example_files
    >>> set(listed_pixel_sizes(example_files()).values())
    {0.58}
    """
    sizes = {}
    for file in files:
        for path in dict.fromkeys([file.absolute(), file.resolve()]):  # as it is named, and where it is
            # what lies nearer to a file counts
            size = _listed(path.parent).get(path) or _listed(path.parent.parent).get(path)
            if size is not None:
                sizes[file] = size
                break
    return sizes


def _listed(folder: Path) -> Mapping[Path, float]:
    try:
        state = (folder / _NAME).stat()
        return _sizes(folder, (state.st_mtime_ns, state.st_ctime_ns, state.st_size, state.st_ino))
    except (OSError, MicrographError):
        return {}  # no index, or one of something else


@lru_cache(maxsize=16)
def _sizes(folder: Path, state: tuple[int, ...]) -> Mapping[Path, float]:
    """Return the sizes of a table, read once until it changes: thousands of files may lie beside it."""
    sizes = ((row["image"], row_pixel_size(row)) for row in index_rows(folder))
    return {folder / image.replace("\\", "/"): size for image, size in sizes if image and size is not None}
