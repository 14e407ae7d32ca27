"""Makes pages of docstrings: the keys of every Spec as a table, tables of names as their keys, bars as bars."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic_core import PydanticUndefined
from sphinx.application import Sphinx

from exitwave.core import Distribution, Number, Spec, Word

BARS = re.compile(r"(?<!\\)\|")


def keys(spec: type[Spec]) -> list[str]:
    """Return the lines of a table of the spec's keys."""
    lines = [".. list-table:: Keys", "   :header-rows: 1", "", "   * - key", "     - allowed", "     - default"]
    for name, field in spec.model_fields.items():
        lines += [f"   * - ``{name}``", f"     - {_allowed(field)}", f"     - {_default(field)}"]
    return [*lines, ""]


def _allowed(field: Any) -> str:
    if field.description:
        return str(field.description)
    for rule in field.metadata:
        if isinstance(rule, Number):
            sentence = rule.allowed().removeprefix(f"{rule.noun} is ")
            return sentence.replace("or a distribution of such numbers", "or a distribution")
        if isinstance(rule, Word):
            return f"{rule.noun}: {rule._allowed()}"
    annotation = field.annotation
    name = annotation.__name__ if isinstance(annotation, type) else str(annotation)
    return f"``{name.replace('exitwave.', '')}``" if len(name) < 60 else ""


def _default(field: Any) -> str:
    if field.default_factory is not None:
        return "see its type"
    value = field.default
    if value is PydanticUndefined:
        return "none: say it"
    if isinstance(value, Spec):
        return f"``{type(value).__name__}()``"
    return f"``{value.to_dict() if isinstance(value, Distribution) else value!r}``"


def _signature(app: Sphinx, what: str, name: str, thing: Any, options: Any, signature: Any, returns: Any) -> Any:
    if what == "class" and isinstance(thing, type) and issubclass(thing, Spec):
        return "(**keys)", None
    return None


def _docstring(app: Sphinx, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    if what == "data":  # an instance has only the docstring of its class
        lines[:] = [f"The names {', '.join(f'``{key}``' for key in thing)}." if isinstance(thing, Mapping) else ""]
    if what == "class" and isinstance(thing, type) and issubclass(thing, Spec) and thing.model_fields:
        end = next((i for i, line in enumerate(lines) if i and not line.strip()), len(lines))
        lines[end:end] = ["", *keys(thing)]
    in_math = False
    for index, line in enumerate(lines):  # |ψ|² is no substitution of reST
        in_math = line.strip().startswith(".. math::") or (in_math and (not line.strip() or line.startswith(" ")))
        if not in_math and "`" not in line and not line.lstrip().startswith((">>>", "...", "| ")):
            lines[index] = BARS.sub(r"\\|", line)


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to autodoc."""
    app.connect("autodoc-process-signature", _signature)
    app.connect("autodoc-process-docstring", _docstring)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
