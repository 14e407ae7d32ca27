"""Sixteen single-precision numbers at once, for compiled loops: a numba type with arithmetic, loads and stores.

Loops over such values are vector code on any processor, whatever the compiler can prove about overlapping arrays.
"""

# mypy: disable-error-code="import-untyped, no-untyped-call, untyped-decorator"
from __future__ import annotations

import operator
from typing import Any

from llvmlite import ir
from numba import types
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, models, register_model

__all__ = ["LANES", "load", "splat", "store", "transpose", "within"]

LANES = 16
"""Numbers in one value."""

_VECTOR = ir.VectorType(ir.FloatType(), LANES)
_INDEX = ir.IntType(32)
_FLAGS = ("contract", "nnan", "ninf", "nsz")  # no reassociation: range reductions rely on the order of sums


class _Lanes(types.Type):
    def __init__(self) -> None:
        super().__init__(name="float32x16")


# as the compiled loops see them, these take fewer arguments than their definitions
_intrinsic: Any = intrinsic
_lanes: Any = _Lanes()


@register_model(_Lanes)
class _Model(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _VECTOR)


def _define(function: Any, instruction: str) -> None:
    @infer_global(function)
    class Template(AbstractTemplate):
        def generic(self, arguments: Any, _: Any) -> Any:
            return signature(_lanes, _lanes, _lanes) if arguments == (_lanes, _lanes) else None

    @lower_builtin(function, _lanes, _lanes)
    def lower(context: Any, builder: Any, _: Any, values: Any) -> Any:
        return getattr(builder, instruction)(*values, flags=_FLAGS)


for _function, _instruction in ((operator.add, "fadd"), (operator.sub, "fsub"), (operator.mul, "fmul")):
    _define(_function, _instruction)


def _address(context: Any, builder: Any, kind: Any, array: Any, index: Any) -> Any:
    data = context.make_array(kind)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), _VECTOR.as_pointer())


def _read(builder: Any, address: Any) -> Any:
    value = builder.load(address)
    value.align = 4
    return value


def _write(builder: Any, value: Any, address: Any) -> None:
    builder.store(value, address).align = 4


@_intrinsic
def load(_: Any, array: Any, index: Any) -> Any:
    """Return the sixteen numbers of a flat float32 array from ``index`` on."""

    def code(context: Any, builder: Any, kinds: Any, values: Any) -> Any:
        return _read(builder, _address(context, builder, kinds.args[0], *values))

    return _lanes(array, types.intp), code


@_intrinsic
def store(_: Any, array: Any, index: Any, value: Any) -> Any:
    """Write sixteen numbers to a flat float32 array from ``index`` on."""

    def code(context: Any, builder: Any, kinds: Any, values: Any) -> Any:
        _write(builder, values[2], _address(context, builder, kinds.args[0], *values[:2]))
        return context.get_dummy_value()

    return types.void(array, types.intp, _lanes), code


@_intrinsic
def splat(_: Any, number: Any) -> Any:
    """Return one number sixteen times."""

    def code(__: Any, builder: Any, ___: Any, values: Any) -> Any:
        return _splat(builder, values[0])

    return _lanes(types.float32), code


def _splat(builder: Any, number: Any) -> Any:
    nothing = ir.Constant(_VECTOR, ir.Undefined)
    first = builder.insert_element(nothing, number, ir.Constant(_INDEX, 0))
    return builder.shuffle_vector(first, nothing, _indices([0] * LANES))


def _indices(order: list[int]) -> Any:
    return ir.Constant(ir.VectorType(_INDEX, LANES), order)


@_intrinsic
def within(_: Any, values: Any, limit: Any, squares: Any) -> Any:
    """Return ``values`` where ``squares`` do not exceed the number ``limit``, zero elsewhere."""

    def code(__: Any, builder: Any, ___: Any, arguments: Any) -> Any:
        passed = builder.fcmp_ordered("<=", arguments[2], _splat(builder, arguments[1]))
        return builder.select(passed, arguments[0], ir.Constant(_VECTOR, [0.0] * LANES))

    return _lanes(_lanes, types.float32, _lanes), code


@_intrinsic
def transpose(
    _: Any,
    source: Any,
    source_start: Any,
    rows: Any,
    row: Any,
    target: Any,
    target_start: Any,
    columns: Any,
    column: Any,
) -> Any:
    """Transpose 16 × 16 numbers: those at source_start + rows[row + i] go to target_start + columns[column + j]."""

    def code(context: Any, builder: Any, kinds: Any, values: Any) -> Any:
        def offset(which: int, i: int) -> Any:
            table = context.make_array(kinds.args[which])(context, builder, values[which]).data
            place = builder.add(values[which + 1], ir.Constant(values[which + 1].type, i))
            return builder.add(values[which - 1], builder.load(builder.gep(table, [place])))

        block = [
            _read(builder, _address(context, builder, kinds.args[0], values[0], offset(2, i))) for i in range(LANES)
        ]
        half = LANES // 2
        low = _indices([i // 2 + LANES * (i % 2) for i in range(LANES)])
        high = _indices([i // 2 + half + LANES * (i % 2) for i in range(LANES)])
        for _round in range(4):  # a perfect shuffle of rows, once for each bit of the index
            block = [
                builder.shuffle_vector(block[i // 2], block[i // 2 + half], low if i % 2 == 0 else high)
                for i in range(LANES)
            ]
        for j in range(LANES):
            _write(builder, block[j], _address(context, builder, kinds.args[4], values[4], offset(6, j)))
        return context.get_dummy_value()

    index = types.intp
    return types.void(source, index, rows, index, target, index, columns, index), code
