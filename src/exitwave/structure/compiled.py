"""Loops that run as machine code: numba's njit with its result kept on disk."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

__all__ = ["compiled"]

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """Return ``function`` compiled at its first call, from the cache where it was compiled before."""
    return cast(Function, njit(cache=True)(function))
