"""Keeping freed memory in the process while a network trains."""

from __future__ import annotations

import ctypes
import sys

__all__ = ["keep_memory"]

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3  # malloc.h
_LARGEST = 2**31 - 1
_done = False


def keep_memory() -> bool:
    """Tell glibc to keep large freed blocks instead of giving them back to the kernel after every step.

    A training step on a CPU allocates and frees the same blocks of tens of megabytes again and again; fetched anew
    from the kernel each time, their pages cost several times the arithmetic. Only the first call of a process does
    anything, and only with glibc.

    Returns
    -------
    kept
        Whether this process now keeps its memory.

    Examples
    --------
    >>> keep_memory() in (True, False)
    True
    """
    global _done
    if _done or not sys.platform.startswith("linux"):
        return _done
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return False
    settings = ((_MMAP_THRESHOLD, _LARGEST), (_TRIM_THRESHOLD, _LARGEST), (_TOP_PAD, 2**29))
    _done = all(mallopt(ctypes.c_int(key), ctypes.c_int(value)) == 1 for key, value in settings)
    return _done
