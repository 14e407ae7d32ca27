"""A device that is not there: its tensors compute on the processor, and refuse what those of a GPU refuse.

What has never met a GPU breaks on one in a few ways: tensors of two devices in one operation, ``numpy()`` of a tensor
that is elsewhere, kernels for the processor given such a tensor. All of them raise here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_flatten, tree_map, tree_unflatten
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

NAME = "pretended"
_setup_privateuseone_for_python_backend(NAME)  # here, as gradients know only the kinds that were there at the first
_ATEN = torch.ops.aten
_INDEXED = {_ATEN.index.Tensor, _ATEN.index_put.default, _ATEN.index_put_.default, _ATEN._index_put_impl_.default}
_LAZY = {_ATEN._conj.default, _ATEN._neg_view.default}
_COPIED = {_ATEN.copy_.default, _ATEN._to_copy.default, _ATEN.copy.default}


class _Elsewhere(torch.Tensor):
    """A tensor of the processor behind a mask."""

    @staticmethod
    def __new__(cls, here: torch.Tensor) -> _Elsewhere:
        return torch.Tensor._make_wrapper_subclass(
            cls,
            here.shape,
            strides=here.stride(),
            storage_offset=here.storage_offset(),
            dtype=here.dtype,
            layout=here.layout,
            device=torch.device(NAME, 0),
            requires_grad=here.requires_grad,
        )

    def __init__(self, here: torch.Tensor) -> None:
        self.here = here

    def __repr__(self) -> str:
        return f"_Elsewhere({self.here})"

    @classmethod
    def __torch_dispatch__(cls, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(operation, args, kwargs or {})


class _Dispatch(TorchDispatchMode):
    """Takes what makes tensors from nothing, or from tensors of the processor."""

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(operation, args, kwargs or {})


class _Functions(TorchFunctionMode):
    """Takes what goes past dispatch: copies from Python's numbers, and back."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if function in (torch.tensor, torch.as_tensor) and _is_elsewhere(kwargs.get("device")):
            device = kwargs.pop("device")
            return function(*args, **kwargs).to(device)
        if function is torch.Tensor.tolist:
            return function(args[0].cpu())
        if function in (torch.Tensor.__getitem__, torch.Tensor.__setitem__):
            args = (args[0], _indices(args[1]), *args[2:])
        return function(*args, **kwargs)


def _indices(index: Any) -> Any:
    if isinstance(index, tuple):
        return tuple(_indices(part) for part in index)
    return torch.tensor(index) if isinstance(index, list) else index


def _is_elsewhere(device: object) -> bool:
    return device is not None and torch.device(device).type == NAME


def _run(operation: Any, args: Any, kwargs: Any) -> Any:
    """Run an operation on what is behind the masks, if a GPU would, and mask what comes out."""
    flat, shape = tree_flatten((args, kwargs))
    tensors = [value for value in flat if isinstance(value, torch.Tensor)]
    some = any(isinstance(value, _Elsewhere) for value in tensors)
    if some and operation not in _COPIED:
        for value in tensors:
            index = operation in _INDEXED and value.dtype in (torch.int64, torch.bool, torch.uint8)
            if not isinstance(value, _Elsewhere) and value.dim() and not index:
                raise RuntimeError(f"{operation} met tensors of two devices; one of the processor is {value.shape}")
    here, named = tree_unflatten([value.here if isinstance(value, _Elsewhere) else value for value in flat], shape)
    if named.get("device") is not None:
        named = named | {"device": torch.device("cpu")}
    result = operation(*here, **named)
    if operation is _ATEN._local_scalar_dense.default:
        return result
    if kwargs.get("device") is not None:
        masked = _is_elsewhere(kwargs["device"])
    else:
        masked = isinstance(args[0], _Elsewhere) if operation is _ATEN.copy_.default else some
    if not masked:
        return result
    if operation in _LAZY:  # else both the mask and what is behind it would be marked
        return _Elsewhere(result.resolve_conj().resolve_neg())
    result = tree_map(lambda value: _Elsewhere(value) if isinstance(value, torch.Tensor) else value, result)
    return return_and_correct_aliasing(operation, args, kwargs, result) if some else result


@contextmanager
def _pretended() -> Iterator[str]:
    """Let there be a device for a while, and tell its name; random numbers are those of the processor."""
    real = torch.Generator

    class Generator:
        def __new__(cls, device: object = "cpu") -> Any:
            return real()

    torch.Generator = Generator
    try:
        with _Dispatch(), _Functions():
            yield NAME
    finally:
        torch.Generator = real


@pytest.fixture(scope="session")
def pretending() -> Callable[[], AbstractContextManager[str]]:
    """Return what lets there be such a device for a while."""
    return _pretended
