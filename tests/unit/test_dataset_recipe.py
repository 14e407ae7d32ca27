"""Recipes: what they refuse and how they say it, and that text and back is the same recipe."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest

from exitwave.core import SpecError
from exitwave.dataset import Recipe, generate, shipped_recipes
from exitwave.dataset.recipe import shipped_text
from exitwave.dataset.records import (
    ImageRecord,
    StructureRecord,
    columns_of,
    draw_image,
    draw_structure,
    geometry_identity,
)
from exitwave.dataset.schema import recipe_schema
from exitwave.dataset.yamlfiles import yaml_mapping

BASE: dict[str, Any] = {
    "seed": 3,
    "structures": {
        "count": 4,
        "family": "supported_particles",
        "field": 30,
        "particles": {"material": "Au", "radius": {"uniform": [6, 9]}},
        "film": {"material": "a-C", "thickness": 8},
    },
    "scattering": {"sampling": 0.25, "configurations": 2},
    "images": {"per_structure": 3, "dose": {"loguniform": [100, 1200]}, "defocus": {"uniform": [-300, 300]}},
    "labels": [{"rule": "phase"}, {"rule": "thickness", "minimum": 5}],
}


def changed(path: str, value: Any) -> dict[str, Any]:
    data = copy.deepcopy(BASE)
    *parents, last = path.split(".")
    place: Any = data
    for name in parents:
        place = place[int(name)] if isinstance(place, list) else place[name]
    if value is KeyError:
        del place[last]
    else:
        place[last] = value
    return data


@pytest.mark.parametrize(
    ("path", "value", "parts"),
    [
        ("images.dose", -400, ["images.dose is -400", "a number above 0 in e/Å²"]),
        ("images.dose", {"uniform": [-1, 5]}, ["images.dose", "from -1 to 5"]),
        ("images.dosis", 4, ["images.dosis is not a known key", "did you mean dose?"]),
        ("images.per_structure", 0, ["images.per_structure is 0", "whole number"]),
        ("images.detector", {"gain": 0}, ["images.detector.gain is 0"]),
        ("structures.particles.radius", -3, ["structures.particles.radius is -3"]),
        ("structures.particles.radius", 300, ["structures.particles.radius", "does not fit"]),
        ("structures.particles.materiel", "Au", ["structures.particles.materiel", "did you mean material?"]),
        ("structures.particles.material", "Unobtainium", ["structures.particles.material is Unobtainium"]),
        ("structures.count", 2.5, ["structures.count is 2.5"]),
        ("structures.count", "no", ["structures.count is no"]),
        ("structures.family", "supported_particle", ["structures.family", "did you mean supported_particles?"]),
        ("structures.family", KeyError, ["structures.family is missing"]),
        ("structures.family", "os:getcwd", ["structures.family is os:getcwd", "run code"]),
        ("scattering.energy", "300 Å", ["scattering.energy is 300 Å", "eV"]),
        ("scattering.configurations", {"uniform": [1, 8]}, ["scattering.configurations", "integers"]),
        ("labels", [], ["labels is []"]),
        ("labels", [{"rule": "fase"}], ["labels.0", "did you mean phase?"]),
        ("labels.1.minimum", -1, ["labels.1.minimum is -1"]),
        ("store", {"waves": "maybe"}, ["store.waves is maybe"]),
        ("store", {"structures_per_shard": 0}, ["store.structures_per_shard is 0"]),
        ("structures.field", [60, 102.3], ["structures.field is 60 × 102.3 Å", "square pixels"]),
        ("scattering.grid", [500, 600], ["scattering.grid [500, 600]", "square pixels"]),
        ("scattering.particle_wave", False, ["scattering.particle_wave is false", "rule phase"]),
        (
            "scattering",
            {"sampling": {"uniform": [0.2, 0.7]}, "potential_sampling": None},
            ["scattering.sampling is 0.7 Å/px", "potential_sampling to at most 0.5"],
        ),
        ("seed", KeyError, ["seed is missing"]),
        ("seed", True, ["seed is True"]),
        ("seeed", 1, ["seeed is not a known key", "did you mean seed?"]),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence_with_its_full_key(path: str, value: Any, parts: list[str]) -> None:
    with pytest.raises(SpecError) as caught:
        Recipe.parse(changed(path, value))
    text = str(caught.value)
    assert "\n" not in text
    for part in parts:
        assert part in text


def test_every_rule_of_the_particles_own_wave_needs_it() -> None:
    data = changed("scattering.particle_wave", False) | {"labels": [{"rule": "thickness"}]}
    assert not Recipe.parse(data).scattering.particle_wave
    with pytest.raises(SpecError, match="the label rule phase_thickness needs the wave of the particles alone"):
        Recipe.parse(data | {"labels": [{"rule": "thickness"}, {"rule": "phase_thickness"}]})


def test_text_and_back_is_the_same_recipe(tmp_path: Path) -> None:
    recipe = Recipe.parse(BASE)
    recipe.write(tmp_path / "recipe.yaml")
    assert Recipe.read(tmp_path / "recipe.yaml").identity == recipe.identity
    assert Recipe.from_yaml(recipe.to_yaml()).identity == recipe.identity
    assert Recipe.parse(recipe.to_dict()) == recipe
    assert "energy" not in recipe.to_yaml()
    assert "energy: 300000" in recipe.to_yaml(defaults=True)
    assert "dose: {loguniform: [100, 1200]}" in recipe.to_yaml()


def test_rules_keep_their_own_fields() -> None:
    labels = Recipe.parse(BASE).to_dict()["labels"]
    assert labels[1]["rule"] == "thickness"
    assert labels[1]["minimum"] == 5


def test_identity_tells_recipes_apart() -> None:
    seen = {Recipe.parse(BASE).identity}
    for path, value in [("seed", 4), ("structures.count", 5), ("images.dose", 400), ("labels.1.minimum", 6)]:
        seen.add(Recipe.parse(changed(path, value)).identity)
    assert len(seen) == 5


@pytest.mark.parametrize("name", shipped_recipes())
def test_shipped_recipes_are_recipes_and_draw(name: str) -> None:
    recipe = Recipe.read(name)
    assert Recipe.from_yaml(recipe.to_yaml(defaults=True)).identity == recipe.identity
    for index in range(3):
        drawn = draw_structure(recipe, index)
        assert drawn.spec.drawn
        assert drawn.scattering.drawn
        assert draw_image(recipe.images.spec, drawn.stream, 0).imaging.drawn


def test_unknown_names_are_answered_with_a_near_one() -> None:
    with pytest.raises(SpecError, match="a NoneType is given; take a recipe, a mapping, a path"):
        generate(None, "nowhere")
    with pytest.raises(SpecError, match="did you mean gold-on-carbon"):
        Recipe.read("gold-on-carbn")
    with pytest.raises(SpecError, match="cannot be read"):
        Recipe.read("nowhere/recipe.yaml")


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("seed: 1\nseed: 2\n", "line 2: the key seed stands twice"),
        ("a: &x [1]\nb: *x\n", "aliases"),
        ("a: !!python/object/apply:os.system ['true']\n", "could not determine a constructor"),
        ("yes: 1\n", "the key True is not text"),
        ("- 1\n", "is a list"),
        ("", "is empty"),
        ("a: [", "line 1"),
        ("[" * 3000, "levels deep"),
        ("a: 2024-13-45\n", "not YAML"),
    ],
)
def test_yaml_from_strangers(text: str, part: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        Recipe.from_yaml(text)
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)
    path = tmp_path / "r.yaml"
    path.write_text(text)
    with pytest.raises(SpecError, match=r"r\.yaml"):
        Recipe.read(path)


def test_large_and_binary_files_are_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_bytes(b"#" * (2 << 20))
    with pytest.raises(SpecError, match="larger than 1 MiB"):
        Recipe.read(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SpecError, match="not text in UTF-8"):
        Recipe.read(path)


def test_records_are_enough_and_know_their_streams() -> None:
    recipe = Recipe.parse(BASE)
    drawn = draw_structure(recipe, 2)
    assert str(drawn.stream) == "3/structure/2"
    assert StructureRecord.from_dict(drawn.to_dict()) == drawn
    image = draw_image(recipe.images.spec, drawn.stream, 1)
    assert str(image.stream) == "3/structure/2/image/1"
    assert ImageRecord.from_dict(image.to_dict()) == image
    assert draw_structure(recipe, 2) == drawn
    assert draw_structure(recipe, 3) != drawn


def test_geometry_does_not_hang_on_scattering_labels_or_images() -> None:
    one = draw_structure(Recipe.parse(BASE), 0).to_dict()
    other = draw_structure(Recipe.parse(changed("scattering.configurations", 4)), 0).to_dict()
    third = draw_structure(Recipe.parse(changed("seed", 4)), 0).to_dict()
    assert geometry_identity(one) == geometry_identity(other) != geometry_identity(third)


@pytest.mark.parametrize(
    ("data", "part"),
    [
        ({}, "structure is missing"),
        ({"structure": 1, "scattering": {}, "labels": [], "streams": {}}, "structure is 1"),
        ({"streams": {"structure": 3}}, "streams.structure is 3"),
        ({"streams": {"structure": "x/structure/1"}}, "streams.structure is x/structure/1"),
        ({"structure": {"family": "os:getcwd"}}, "run code"),
    ],
)
def test_records_from_strangers(data: dict[str, Any], part: str) -> None:
    good = draw_structure(Recipe.parse(BASE), 0).to_dict()
    whole = data if not data or len(data) > 2 else good | data
    with pytest.raises(SpecError) as caught:
        StructureRecord.from_dict(whole)
    assert part in str(caught.value)


def test_columns_are_flat() -> None:
    assert columns_of({"a": {"b": 1, "c": {"d": "x"}}, "e": [1, 2, 3]}) == {"a_b": 1, "a_c_d": "x", "e_count": 3}


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(recipe_schema()))
    return found


def test_the_schema_knows_every_key_and_is_plain_json(schema: dict[str, Any]) -> None:
    kinds = {item["properties"]["family"]["const"]: item for item in schema["properties"]["structures"]["oneOf"]}
    family = kinds["supported_particles"]
    assert {"count", "family", "particles", "film", "field"} <= set(family["properties"])
    assert family["additionalProperties"] is False
    assert {"per_structure", "dose", "defocus"} <= set(schema["properties"]["images"]["properties"])
    references = set(re.findall(r'"\$ref": "#/\$defs/([^"]+)"', json.dumps(schema)))
    assert references <= set(schema["$defs"])


@pytest.mark.parametrize("name", shipped_recipes())
def test_shipped_recipes_are_valid_by_the_schema(name: str, schema: dict[str, Any]) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft202012Validator(schema)
    assert validator.is_valid(yaml_mapping(shipped_text(name), name, "a recipe"))  # as an editor sees it
    assert validator.is_valid(Recipe.read(name).model_dump(mode="json", exclude_unset=True))


def test_instruments_and_sessions_are_valid_by_the_schema(schema: dict[str, Any]) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft202012Validator(schema)

    def valid(**images: Any) -> bool:
        return bool(validator.is_valid(copy.deepcopy(BASE) | {"images": images}))

    described = {"energy": 200e3, "chromatic": "1.2 mm", "energy_spread": [0.7, 0.9], "detector": "cmos"}
    for images in (
        {"microscope": "corrected-300", "session": {"interval": 2}, "dose": 400},
        {"microscope": described, "dose": {"uniform": [100, 400]}},
        {"session": {"microscope": described, "share": 0.1}},
    ):
        assert valid(**images)
    for images in ({"microscope": "best"}, {"microscope": {"chromatik": 1}}, {"session": {"intervall": 2}}):
        assert not valid(**images)
    whole = Recipe.parse(copy.deepcopy(BASE) | {"images": {"microscope": "team-0.5", "session": {}}})
    assert validator.is_valid(whole.to_dict())


def test_mixtures_are_valid_by_the_schema(schema: dict[str, Any]) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    data = copy.deepcopy(BASE)
    parts = [{"family": "supported_particles", "weight": 2}, {"family": "agglomerates", "particles": {"count": 2}}]
    shared = {name: value for name, value in data["structures"].items() if name not in ("count", "family")}
    data["structures"] = {"count": 4, "family": "mixture", "shared": shared, "parts": parts}
    validator = jsonschema.Draft202012Validator(schema)
    assert validator.is_valid(data)
    assert validator.is_valid(Recipe.parse(data).to_dict())
    parts[1]["partikles"] = {}
    assert not validator.is_valid(data)
    with pytest.raises(SpecError, match="partikles"):
        Recipe.parse(data)
