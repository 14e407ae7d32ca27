"""Reading the files of studies, the shipped ones among them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from difflib import get_close_matches
from importlib import resources
from pathlib import Path
from typing import Any

from exitwave.core import SpecError, is_distribution

__all__ = ["merged", "read_study", "recipe_text", "shipped_studies"]

_WHAT = "a study"
_SHARED = "common"


def shipped_studies() -> tuple[str, ...]:
    """Return the names of the studies that come with exitwave.

    Examples
    --------
    >>> "table1" in shipped_studies()
    True
    """
    names = {item.name[:-5] for item in _home().iterdir() if item.name.endswith(".yaml")}
    return tuple(sorted(names - {_SHARED}))


def read_study(path: str | os.PathLike[str], _above: tuple[Path, ...] = ()) -> dict[str, Any]:
    """Return what a study's file says, and what it takes from the file that it extends.

    Recipes that are files beside it are named by their whole path.
    """
    from exitwave.dataset.yamlfiles import read_yaml

    file = _found(path, _above)
    if file in _above:
        raise SpecError(f"{file} extends itself; a study extends another one.")
    data = read_yaml(file, _WHAT)
    sets = data.get("sets")
    for one in sets.values() if isinstance(sets, Mapping) else ():
        if isinstance(one, dict) and isinstance(one.get("recipe"), str):
            beside = file.parent / one["recipe"]
            one["recipe"] = str(beside) if beside.is_file() else one["recipe"]
    if "extends" not in data:
        return data
    other = data.pop("extends")
    if not isinstance(other, str):
        raise SpecError(f"extends is {other!r}; it is the name of another study's file.")
    base = read_study(other, (*_above, file))
    return _without_nulls(merged(base, data))


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``base`` with ``changes``, mapping by mapping; distributions and lists are taken whole.

    Examples
    --------
    >>> merged({"a": 1, "b": {"c": 2, "d": 3}}, {"b": {"c": {"uniform": [0, 1]}}})
    {'a': 1, 'b': {'c': {'uniform': [0, 1]}, 'd': 3}}
    """
    result = dict(base)
    for key, value in changes.items():
        old = result.get(key)
        written = is_distribution(old) or is_distribution(value)
        if isinstance(old, Mapping) and isinstance(value, Mapping) and not written:
            result[key] = merged(old, value)
        else:
            result[key] = value
    return result


def recipe_text(recipe: str) -> dict[str, Any]:
    """Return what a recipe's file, or a shipped recipe, says."""
    from exitwave.dataset.recipe import shipped_text
    from exitwave.dataset.yamlfiles import read_yaml, yaml_mapping

    if Path(recipe).suffix in (".yaml", ".yml"):
        return read_yaml(Path(recipe), "a recipe")
    return yaml_mapping(shipped_text(recipe), recipe, "a recipe")


def _home() -> Any:
    return resources.files("exitwave.learning") / "studies"


def _found(path: str | os.PathLike[str], above: tuple[Path, ...]) -> Path:
    """Return the file of a study: as it is given, beside the one that extends it, or shipped."""
    name, given = os.fspath(path), Path(path)
    places = [above[-1].parent / name, above[-1].parent / f"{name}.yaml"] if above else []
    if given.suffix in (".yaml", ".yml") or given.is_file():
        places.append(given)
    shipped = Path(str(_home() / f"{name}.yaml"))
    for place in (*places, shipped):
        if place.is_file():
            return place
    if given.suffix in (".yaml", ".yml"):
        return given  # reading it will tell
    names = shipped_studies()
    near = get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]}?" if near else f"shipped are {', '.join(names)}."
    raise SpecError(f"{name} is neither a YAML file nor the name of a shipped study; {hint}")


def _without_nulls(data: dict[str, Any]) -> dict[str, Any]:
    """Leave out what the study itself, or one of its mappings of named things, sets to null."""
    named = ("sets", "judges", "conditions", "scales", "training")
    kept = {key: value for key, value in data.items() if value is not None}
    for key in named:
        if isinstance(kept.get(key), Mapping):
            kept[key] = {name: value for name, value in kept[key].items() if value is not None}
    return kept
