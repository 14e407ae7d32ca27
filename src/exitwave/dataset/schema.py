"""The recipe's JSON schema, for editors that complete and check YAML as it is typed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from pydantic import BeforeValidator

from exitwave.core import ExitwaveError
from exitwave.dataset.recipe import Recipe, StoreSection
from exitwave.imaging import Imaging, Microscope
from exitwave.labels import RULES
from exitwave.scattering import Scattering
from exitwave.structure.families import families, family

__all__ = ["recipe_schema"]

_COUNT = {"type": "integer", "minimum": 1}
_PER_FILM = _COUNT | {"default": 1, "description": "Structures on one film, whose waves are computed once."}
_FOLLOWING = ("density", "minimum_distance")  # from the material, where they are not said
# what may be written instead of what a spec holds
_SHORT: dict[str, dict[str, Any]] = {
    "field": {"type": "number", "exclusiveMinimum": 0, "description": "Side of a square field, Å."},
    "grid": {"type": "integer", "minimum": 1, "description": "Pixels of a square grid."},
    "aberrations": {"type": "string", "description": "Name of a set of aberrations."},
    "detector": {"type": "string", "description": "Name of a camera."},
}
_RANGE = {
    "type": "array",
    "items": {"type": "number"},
    "minItems": 2,
    "maxItems": 2,
    "description": "From the first to the second, uniform.",
}


def recipe_schema() -> dict[str, Any]:
    """Return the JSON schema (draft 2020-12) of recipes with every installed family and label rule.

    Begin a recipe with ``# yaml-language-server: $schema=recipe.schema.json`` to have an editor use it.

    Examples
    --------
    >>> sorted(recipe_schema()["properties"])
    ['images', 'labels', 'scattering', 'seed', 'store', 'structures']
    """
    definitions: dict[str, Any] = {}
    kinds = []
    models: dict[str, dict[str, Any]] = {}
    for name in families():
        try:
            found = _model(family(name), definitions)
        except ExitwaveError:  # an entry point whose package is broken
            continue
        models[name] = found
    for name, found in models.items():
        inner = _mixture([kind for kind in models if kind != "mixture"], definitions) if name == "mixture" else found
        head = {"count": _COUNT, "family": {"const": name}}
        if {"film", "side", "vacuum"} <= set(inner.get("properties", {})):
            head["per_film"] = _PER_FILM
        kinds.append(_with(inner, head, required=["count", "family"]))
    rules = [{"enum": sorted(RULES)}, *(_model(kind, definitions) for kind in RULES.values())]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "exitwave recipe",
        "description": (Recipe.__doc__ or "").strip().split("\n")[0],
        "type": "object",
        "additionalProperties": False,
        "required": ["seed", "structures", "images"],
        "properties": {
            "seed": {"type": "integer", "description": "Decides every random number of the data set."},
            "structures": {"oneOf": kinds},
            "scattering": _model(Scattering, definitions),
            "images": _images(definitions),
            "labels": {"type": "array", "minItems": 1, "items": {"anyOf": rules}},
            "store": _model(StoreSection, definitions),
        },
        "$defs": definitions,
    }


def _images(definitions: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of the section of images, where an instrument may stand for what follows from it."""
    found = _model(Imaging, definitions)
    scope = _model(Microscope, definitions)
    for name, field in Microscope.model_fields.items():
        if any(isinstance(rule, BeforeValidator) for rule in field.metadata):
            scope["properties"][name] = {"anyOf": [scope["properties"][name], _RANGE]}
    named = {"enum": sorted(Microscope.presets), "description": "Name of an instrument."}
    instrument = {"anyOf": [named, scope]}
    session = _optional(definitions["Imaging.Session"], ("microscope",))  # which may stand beside it
    session["properties"]["microscope"] = instrument
    definitions["Imaging.Session"] = session
    return _with(found, {"per_structure": _COUNT | {"default": 1}, "microscope": instrument})


def _mixture(names: Iterable[str], definitions: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a mixture, whose parts have the keys of their families, or find them in what is shared."""
    parts, loose = [], dict[str, Any]()
    for name in names:
        found = _optional(_model(family(name), loose, "Part."))
        keys = {"family": {"const": name}, "weight": {"type": "number", "minimum": 0, "default": 1}}
        parts.append(_with(found, keys, required=["family"]))
    definitions |= {name: _optional(definition) for name, definition in loose.items()}
    return {
        "type": "object",
        "additionalProperties": False,
        "description": (family("mixture").__doc__ or "").strip().split("\n")[0],
        "required": ["parts"],
        "properties": {
            "parts": {"type": "array", "minItems": 1, "items": {"anyOf": parts}},
            "shared": {"type": "object"},
            "chosen": {"type": ["integer", "null"]},
        },
    }


def _optional(schema: Any, names: Collection[str] | None = None) -> Any:
    """Return a schema in which none of some keys is required; by default none at all."""
    if isinstance(schema, Mapping):
        out = {key: _optional(value, names) for key, value in schema.items()}
        if isinstance(needed := out.get("required"), list):
            out["required"] = [] if names is None else [name for name in needed if name not in names]
        return out
    return [_optional(item, names) for item in schema] if isinstance(schema, list) else schema


def _model(model: Any, definitions: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    place = f"{prefix}{model.__name__}"
    schema: dict[str, Any] = model.model_json_schema(ref_template=f"#/$defs/{place}.{{model}}")
    for name, definition in schema.pop("$defs", {}).items():
        definitions[f"{place}.{name}"] = _optional(definition, _FOLLOWING)
    if not schema.get("properties") and "$ref" in schema:  # a model that holds itself
        return schema
    schema["description"] = (model.__doc__ or "").strip().split("\n")[0]
    for name, short in _SHORT.items():
        if name in schema.get("properties", {}):
            schema["properties"][name] = {"anyOf": [short, schema["properties"][name]]}
    return schema


def _with(schema: dict[str, Any], more: dict[str, Any], required: list[str] | None = None) -> dict[str, Any]:
    properties = more | schema.get("properties", {})
    return schema | {"properties": properties, "required": [*(required or []), *schema.get("required", [])]}
