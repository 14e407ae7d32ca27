"""The recipe's JSON schema, for editors that complete and check YAML as it is typed."""

from __future__ import annotations

from typing import Any

from exitwave.core import ExitwaveError
from exitwave.dataset.recipe import Recipe, StoreSection
from exitwave.imaging import Imaging
from exitwave.labels import RULES
from exitwave.scattering import Scattering
from exitwave.structure.families import families, family

__all__ = ["recipe_schema"]

_COUNT = {"type": "integer", "minimum": 1}


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
    for name in families():
        try:
            found = _model(family(name), definitions)
        except ExitwaveError:  # an entry point whose package is broken
            continue
        kinds.append(_with(found, {"count": _COUNT, "family": {"const": name}}, required=["count", "family"]))
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
            "images": _with(_model(Imaging, definitions), {"per_structure": _COUNT | {"default": 1}}),
            "labels": {"type": "array", "minItems": 1, "items": {"anyOf": rules}},
            "store": _model(StoreSection, definitions),
        },
        "$defs": definitions,
    }


def _model(model: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    schema: dict[str, Any] = model.model_json_schema(ref_template=f"#/$defs/{model.__name__}.{{model}}")
    for name, definition in schema.pop("$defs", {}).items():
        definitions[f"{model.__name__}.{name}"] = definition
    if not schema.get("properties") and "$ref" in schema:  # a model that holds itself
        return schema
    schema["description"] = (model.__doc__ or "").strip().split("\n")[0]
    return schema


def _with(schema: dict[str, Any], more: dict[str, Any], required: list[str] | None = None) -> dict[str, Any]:
    properties = more | schema.get("properties", {})
    return schema | {"properties": properties, "required": [*(required or []), *schema.get("required", [])]}
