"""Writing files whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from pathlib import Path

from exitwave.core import DatasetError

__all__ = ["TEMPORARY", "cannot_write", "write_whole"]

TEMPORARY = ".tmp"  # what the names of unfinished files end with; nobody reads them


def write_whole(path: Path, *parts: bytes | memoryview) -> None:
    """Write a file under a temporary name in the same folder, flush it to the disk and rename it.

    A reader sees the whole file or none; a crash leaves at most a temporary file.

    Raises
    ------
    DatasetError
        If the disk is full or the folder cannot be written; nothing is left behind.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}{TEMPORARY}")
    try:
        with temporary.open("xb") as file:
            for part in parts:
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise cannot_write(path, error) from None
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def cannot_write(path: Path, error: OSError) -> DatasetError:
    """Return the one sentence that says why ``path`` cannot be written and what to do."""
    reasons = {
        errno.ENOSPC: "the disk is full; free some space",
        errno.EDQUOT: "the disk quota is used up; free some space",
        errno.EFBIG: "the file would be larger than allowed here; raise the limit",
        errno.EROFS: "the file system is read-only; choose another folder",
        errno.EACCES: "permission is denied; choose another folder or change its permissions",
        errno.EPERM: "permission is denied; choose another folder or change its permissions",
        errno.ENOTDIR: "a part of the path is a file; choose another folder",
        errno.EEXIST: "a part of the path is a file; choose another folder",
    }
    reason = reasons.get(error.errno or 0, f"{error.strerror or error}; mend that")
    return DatasetError(
        f"{path} cannot be written: {reason} and run the same command again, what is committed is kept."
    )


def _sync_folder(folder: Path) -> None:
    # makes the rename itself survive a power cut; not every system can open a folder
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
