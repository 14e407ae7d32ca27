"""Writing files whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Callable
from pathlib import Path

from exitwave.core.errors import DatasetError, ExitwaveError

__all__ = ["TEMPORARY", "cannot_write", "write_whole"]

TEMPORARY = ".tmp"  # what the names of unfinished files end with; nobody reads them


def write_whole(
    path: Path,
    content: bytes | memoryview | Callable[[Path], object],
    *,
    error: type[ExitwaveError] = DatasetError,
    parents: bool = False,
) -> Path:
    """Write a file under a temporary name in the same folder, flush it to the disk and rename it.

    A reader sees the whole file or none; a crash leaves at most a temporary file.

    Parameters
    ----------
    path
        The file.
    content
        Its bytes, or a function that writes a new file under the path it is given.
    error
        What to raise.
    parents
        Whether to make the folders that are missing.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ExitwaveError
        Of the class ``error``, if the disk is full or the folder cannot be written; nothing is left behind.

    Examples
    --------
    >>> import tempfile
    >>> write_whole(Path(tempfile.mkdtemp()) / "a.txt", b"whole").read_text()
    'whole'
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}{TEMPORARY}")
    try:
        if parents:
            path.parent.mkdir(parents=True, exist_ok=True)
        if callable(content):
            content(temporary)
            with temporary.open("rb") as written:
                os.fsync(written.fileno())
        else:
            with temporary.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as cause:
        _remove(temporary)
        if isinstance(cause, ExitwaveError):  # a writer that says itself what is wrong
            raise
        raise cannot_write(path, cause, error) from None
    except BaseException:
        _remove(temporary)
        raise
    return path


def cannot_write(path: Path, cause: OSError, error: type[ExitwaveError] = DatasetError) -> ExitwaveError:
    """Return the one sentence that says why ``path`` cannot be written and what to do.

    Examples
    --------
    >>> import os
    >>> print(cannot_write(Path("a.h5"), OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))))
    a.h5 cannot be written: the disk is full; free some space and run the same again, what is committed is kept.
    """
    again = "and run the same again, what is committed is kept"  # where that would go on
    reasons = {
        errno.ENOSPC: f"the disk is full; free some space {again}",
        errno.EDQUOT: f"the disk quota is used up; free some space {again}",
        errno.EFBIG: f"the file would be larger than allowed here; raise the limit {again}",
        errno.EROFS: "the file system is read-only; choose another folder",
        errno.EACCES: "permission is denied; choose another folder or change its permissions",
        errno.EPERM: "permission is denied; choose another folder or change its permissions",
        errno.ENOTDIR: "a part of the path is a file; choose another folder",
        errno.EEXIST: "a part of the path is a file; choose another folder",
        errno.ENOENT: "its folder is not there; make it",
        errno.EISDIR: "there is a folder of that name; choose another name",
    }
    reason = reasons.get(cause.errno or 0, f"{cause.strerror or cause}; mend that {again}")
    return error(f"{path} cannot be written: {reason}.")


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    # makes the rename itself survive a power cut; not every system can open a folder
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
