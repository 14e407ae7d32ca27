"""Reading YAML from strangers: plain data only, no duplicate keys, no aliases, nothing large or deep."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from exitwave.core import SpecError, is_distribution

__all__ = ["LARGEST_YAML", "read_yaml", "yaml_mapping", "yaml_text"]

LARGEST_YAML = 1 << 20  # bytes; a recipe is a few hundred
_DEEPEST = 40


class _Loader(yaml.SafeLoader):  # type: ignore[misc, unused-ignore]
    """YAML's safe loader that also refuses what could hide a mistake or exhaust memory."""

    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.events.AliasEvent):
            raise _error("aliases (*name) are not read; write the value out", self._mark())
        self.depth += 1
        if self.depth > _DEEPEST:
            raise _error(f"it is nested more than {_DEEPEST} levels deep", self._mark())
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def _mark(self) -> Any:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call, unused-ignore]
        return event.start_mark

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        keys = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                hint = "; YAML reads no, off, yes and on as true or false: put it in quotes"
                raise yaml.constructor.ConstructorError(
                    None,
                    None,
                    f"the key {key!r} is not text{hint if isinstance(key, bool) else ''}",
                    key_node.start_mark,
                )
            if key in keys:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key} stands twice", key_node.start_mark
                )
            keys.add(key)
        mapping: dict[Any, Any] = super().construct_mapping(node, deep)
        return mapping


def _error(text: str, mark: Any) -> yaml.MarkedYAMLError:
    return yaml.constructor.ConstructorError(None, None, text, mark)


def read_yaml(path: Path, what: str) -> dict[str, Any]:
    """Return the mapping in a YAML file, or raise SpecError in one sentence that names the file."""
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST_YAML + 1)
    except OSError as error:
        raise SpecError(f"{path} cannot be read ({error.strerror}); give the path of {what}.") from None
    if len(raw) > LARGEST_YAML:
        raise SpecError(f"{path} is larger than {LARGEST_YAML >> 20} MiB; {what} is a short text file.")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise SpecError(f"{path} is not text in UTF-8; {what} is a short YAML file.") from None
    return yaml_mapping(text, str(path), what)


def yaml_mapping(text: str, name: str, what: str) -> dict[str, Any]:
    """Return the mapping that YAML text writes; ``name`` says in errors where the text is from."""
    try:
        data = yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}" if mark is not None else ""
        raise SpecError(f"{name}{line}: {error.problem or error.context}; {what} is YAML.") from None
    except (yaml.YAMLError, RecursionError, ValueError, OverflowError) as error:
        raise SpecError(f"{name} is not YAML ({str(error).splitlines()[0]}); {what} is YAML.") from None
    if not isinstance(data, dict):
        kind = "empty" if data is None else f"a {type(data).__name__}"
        raise SpecError(f"{name} is {kind}; {what} is a mapping of keys to values.")
    return data


def yaml_text(data: Any) -> str:
    """Return YAML with the keys in their order and short collections on one line."""
    text: str = yaml.dump(
        data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=None, width=110
    )
    return text


class _Dumper(yaml.SafeDumper):  # type: ignore[misc, unused-ignore]
    """YAML's safe dumper without anchors, with distributions on one line and whole numbers without ".0"."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent_mapping(self, tag: str, mapping: Any, flow_style: bool | None = None) -> Any:
        return super().represent_mapping(tag, mapping, True if is_distribution(mapping) else flow_style)


def _float(dumper: _Dumper, value: float) -> Any:
    whole = value.is_integer() and abs(value) < 1e15
    return dumper.represent_int(int(value)) if whole else dumper.represent_float(value)


_Dumper.add_representer(float, _float)
