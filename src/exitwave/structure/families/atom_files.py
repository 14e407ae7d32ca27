"""Files of atoms that specs name: which may be named, how large they may be, and their copies in data sets."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO, StringIO
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from exitwave.core import Distribution, StructureError

if TYPE_CHECKING:
    from ase import Atoms

__all__ = [
    "LARGEST_FILE",
    "atoms_of",
    "content_name",
    "files_from",
    "located",
    "open_copies",
    "place_of",
    "raw_content",
    "stem",
]

LARGEST_FILE = 50_000_000  # bytes, about a million atoms; reading takes up to 15 times as much memory
_FORMATS = {
    ".cif": "cif",
    ".xyz": "extxyz",
    ".extxyz": "extxyz",
    ".vasp": "vasp",
    ".pdb": "proteindatabank",
    "POSCAR": "vasp",
    "CONTCAR": "vasp",
}
_COPY = re.compile(r"files/([^/\\]+)-([0-9a-f]{32})(\.[a-z]+)?")
_COPIES: dict[str, Path] = {}  # where in this process the copies that data sets keep are, by their names


@dataclass(frozen=True)
class _Access:
    folder: Path | None
    anywhere: bool


_ACCESS: ContextVar[_Access | None] = ContextVar("files_from", default=None)


@contextmanager
def files_from(folder: Path | None, *, anywhere: bool = False) -> Iterator[None]:
    """Let specs that are made while the block runs name files of one folder alone, to which relative paths refer.

    Outside of such a block (in a program of the user's own) any file may be named.

    Parameters
    ----------
    folder
        The folder; None: there is none.
    anywhere
        Whether files elsewhere may be named, too.

    Examples
    --------
    >>> with files_from(Path("downloaded")):
    ...     located("/etc/hosts.cif")
    Traceback (most recent call last):
    ValueError: it lies outside of the folder of the recipe, which may only be named with allow_files=True ...
    """
    token = _ACCESS.set(_Access(folder.absolute() if folder is not None else None, anywhere))
    try:
        yield
    finally:
        _ACCESS.reset(token)


def located(value: str | Distribution) -> str | Distribution:
    """Return the path of a file of atoms, or a choice of such, as it can be followed from anywhere, and read it once.

    Raises
    ------
    ValueError
        If a file may not be named here, is missing or cannot be read.
    """
    return value.map(_located) if isinstance(value, Distribution) else _located(value)


def _located(text: str) -> str:
    access = _ACCESS.get()
    folder = access.folder if access is not None else None
    if folder is not None and _COPY.fullmatch(text) and _inside(folder / text, folder):
        _found(folder / text, text)
    path = text if access is None or text in _COPIES else _allowed(text, access)
    try:
        atoms_of(path)
    except StructureError as error:
        raise ValueError(str(error)) from None
    return path


def _allowed(text: str, access: _Access) -> str:
    """Return a path that may be followed; what is said of others does not tell whether they exist."""
    # shortened before it is looked at: behind a link, ".." is not the folder that was named before it
    path = Path(os.path.normpath(access.folder / text)) if access.folder is not None else Path(text)
    if not access.anywhere and (access.folder is None or not _inside(path, access.folder)):
        where = "outside of the folder of the recipe" if access.folder is not None else "in no folder of a recipe"
        raise ValueError(
            f"it lies {where}, which may only be named with allow_files=True (--allow-files), if you trust the"
            " recipe; or put the file beside it."
        )
    return str(path) if access.folder is not None else text


def _inside(path: Path, folder: Path) -> bool:
    try:
        return path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError, ValueError):  # links in a circle, or what no system takes for a path
        return False


def atoms_of(path: str) -> Atoms:
    """Return the atoms of a file, read once.

    Raises
    ------
    StructureError
        If it is missing, too large, of a format that is not read here, or not what its name promises.
    """
    place = place_of(path)
    if _format(place) is None:
        raise StructureError(
            f"{path} has an ending that is not read here; give a file of atoms that ends in"
            f" {', '.join(ending for ending in _FORMATS if ending[0] == '.')}, or is called POSCAR or CONTCAR."
        )
    if not place.is_file():
        raise StructureError(f"{path} is no file; give the path of a CIF, xyz or other file of atoms.")
    status = place.stat()
    return _read(path, place, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=64)
def _read(path: str, place: Path, changed: int, size: int) -> Atoms:
    from ase.io import read
    from ase.io.formats import ioformats

    raw = raw_content(place, path)
    known = _format(place)
    assert known is not None
    try:
        text = raw.decode("utf-8", errors="replace")
        _check_promises(text, known, path)
        atoms = read(BytesIO(raw) if ioformats[known].isbinary else StringIO(text), format=known)
    except StructureError:
        raise
    except Exception as error:
        raise StructureError(
            f"{path} cannot be read ({str(error) or type(error).__name__}); it is no file of the format {known}."
        ) from None
    return atoms  # type: ignore[return-value]  # one, as no range of frames is asked for


def raw_content(place: Path, path: str | None = None) -> bytes:
    """Return the bytes of a file of atoms that is not too large and, of a copy, those that its name promises."""
    path = path or str(place)
    try:
        with place.open("rb") as file:
            raw = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise StructureError(f"{path} cannot be read ({error.strerror}); change its permissions.") from None
    if len(raw) > LARGEST_FILE:
        raise StructureError(
            f"{path} is larger than {LARGEST_FILE // 1_000_000} MB; give a file of one cell or of one particle."
        )
    copy = _COPY.fullmatch(path)
    if copy and path in _COPIES and _digest(raw) != copy[2]:
        raise StructureError(
            f"{place} is not the file that its name tells of; put the one back that was copied there."
        )
    return raw


def _check_promises(text: str, known: str, path: str) -> None:
    """Refuse a file that promises more atoms or columns than it has, before anything is made ready for them."""
    lines = text.count("\n") + 1
    if known == "vasp":
        # in the sixth line, or in the seventh where that one holds symbols
        given = (line.split("!")[0].split() for line in islice(StringIO(text), 5, 7))
        frames = iter([(max(sum(abs(_whole(word) or 0) for word in words) for words in [[], *given]), 0)])
    elif known == "extxyz":
        frames = _frames(StringIO(text))
    else:
        return
    for count, missing in frames:
        if count > lines:
            raise StructureError(f"{path} promises {count:,} atoms in {lines:,} lines; the file is damaged.")
        if missing > 0:
            raise StructureError(f"{path} promises {missing:,} columns more than it has; the file is damaged.")


def _frames(file: StringIO) -> Iterator[tuple[int, int]]:
    """Yield how many atoms each frame of an xyz file promises, and how many columns of them are not there."""
    for line in file:
        count = _whole((line.split() or [""])[0])
        if count is None:
            return
        columns, first = _columns(next(file, "")), next(file, "") if count > 0 else ""
        yield count, columns - len(first)  # of a column, at least one character
        for _ in islice(file, max(count - 1, 0)):
            pass


def _columns(comment: str) -> int:
    """Return how many columns the second line of an xyz frame promises, however it is quoted."""
    plain = re.sub(r"""[\\"'{}\[\]()]""", "", comment)
    listed = plain.lower().partition("properties")[2]
    return sum(abs(_whole(number) or 0) for number in re.findall(r":\s*[a-z]\s*:\s*([-+_\d]+)", listed))


def _whole(word: str) -> int | None:
    """Return a whole number as readers of files take it, signs and underscores included."""
    try:
        return int(word)
    except ValueError:
        return None


def _format(path: Path) -> str | None:
    return _FORMATS.get(path.suffix.lower()) or _FORMATS.get(re.split(r"[.-]", path.name)[0])


def stem(path: str) -> str:
    """Return the name of a file without its ending, that of the original for a copy in a data set.

    Examples
    --------
    >>> stem("cells/CeO2.cif"), stem("files/CeO2-00000000000000000000000000000000.cif")
    ('CeO2', 'CeO2')
    """
    name = Path(path).name
    copy = _COPY.fullmatch(f"files/{name}")
    return copy[1] if copy else Path(name).stem


def _digest(raw: bytes) -> str:
    return hashlib.blake2b(raw, digest_size=16).hexdigest()


def content_name(path: str) -> str:
    """Return the name of a file's copy in a data set, which tells its content; this process finds it from now on.

    Raises
    ------
    StructureError
        As for :func:`atoms_of`.
    """
    if path in _COPIES:
        return path
    place = Path(path).absolute()
    ending = place.suffix.lower() if place.suffix.lower() in _FORMATS else ""
    name = f"files/{stem(path)[:100]}-{_digest(raw_content(place))}{ending}"
    _found(place, name)
    return name


def place_of(path: str) -> Path:
    """Return where a file is in this process, that of a copy by its name."""
    return _COPIES.get(path, Path(path))


def open_copies(folder: Path) -> list[str]:
    """Let this process find the copies that a data set keeps, and return their names."""
    names = []
    for path in sorted((folder / "files").glob("*")):
        name = f"files/{path.name}"
        if _COPY.fullmatch(name) and _inside(path, folder) and path.is_file():
            _found(path.absolute(), name)
            names.append(name)
    return names


def _found(place: Path, name: str) -> None:
    if place.is_file():
        _COPIES[name] = place
