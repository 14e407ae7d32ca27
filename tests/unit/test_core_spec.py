"""Specs: drawing, records, identity, populations and the one-sentence errors."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from math import nan
from typing import Annotated, Any

import pytest
import yaml
from pydantic import ValidationError, model_validator

from exitwave.core import (
    Distribution,
    DrawError,
    Members,
    Number,
    One,
    Population,
    PopulationOrMembers,
    Spec,
    SpecError,
    Stream,
    Uniform,
    Word,
    canonical_json,
    identity,
    integer,
    number,
    word,
)

Length = Annotated[float | Distribution, Number("a length", "Å", above=0)]
Dose = Annotated[float | Distribution, Number("a dose", "e/Å²", above=0)]
Share = Annotated[float | Distribution, Number("a share", at_least=0, at_most=1)]
Count = Annotated[int | Distribution, Number("a count", at_least=0, whole=True)]
Fixed = Annotated[float, Number("an energy", "eV", above=0, fixed=True)]
Material = Annotated[str | Distribution, Word("a material", ("Au", "Ag", "CdSe"))]


class Particle(Spec):
    radius: Length = 10.0
    material: Material = "Au"


class Particles(Population):
    count: Count = 2
    radius: Length = 10.0
    material: Material = "Au"

    def member(self) -> Particle:
        return Particle(radius=self.radius, material=self.material)


class Film(Spec):
    thickness: Length = 50.0
    share: Share = 0.5
    tilt: Length | None = None


class Scene(Spec):
    dose: Dose
    film: Film = Film()
    energy: Fixed = 300e3
    corners: tuple[Length, ...] = (1.0, 2.0)
    particles: Annotated[
        Annotated[Particles, One] | Annotated[tuple[Particle, ...], Members], PopulationOrMembers
    ] = Particles()
    periodic: bool = True

    @model_validator(mode="after")
    def _thick_enough(self) -> Scene:
        thickness = self.film.thickness
        if isinstance(thickness, float) and thickness > 1000:
            raise SpecError(f"film.thickness is {thickness:g}; a film is at most 1000 Å thick.")
        return self


RECIPE = """
dose: {loguniform: [100, 1200]}
film: {thickness: {uniform: [20, 80]}, share: {choice: [0, 0.5, 1], weights: [1, 2, 1]}}
energy: 300e3
corners: [1, {uniform: [2, 3]}]
particles: {count: {choice: [1, 2, 3]}, radius: {normal: [4 nm, 1 nm], within: [30, 50]}, material: {choice: [Au]}}
"""


def scene(text: str = RECIPE) -> Scene:
    return Scene.parse(yaml.safe_load(text))


def test_drawing_leaves_numbers_only() -> None:
    spec = scene()
    drawn = spec.draw(Stream(3))
    assert not spec.drawn
    assert drawn.drawn
    assert type(drawn) is Scene
    assert isinstance(drawn.particles, tuple)
    assert 1 <= len(drawn.particles) <= 3
    assert all(type(p) is Particle and 30 <= number(p.radius) <= 50 for p in drawn.particles)
    assert 20 <= number(drawn.film.thickness) <= 80
    assert drawn.corners[0] == 1
    assert drawn.draw(Stream(99)) == drawn


def test_a_draw_is_decided_by_the_stream_of_its_key() -> None:
    drawn = scene().draw(Stream(3))
    assert drawn.dose == scene().dose.draw(Stream(3) / "dose")
    assert drawn.corners[1] == Uniform(2, 3).draw(Stream(3) / "corners" / 1)
    assert drawn.film.thickness == Uniform(20, 80).draw(Stream(3) / "film" / "thickness")
    assert drawn == scene().draw(Stream(3))
    assert drawn != scene().draw(Stream(4))


def test_changing_one_field_leaves_the_other_draws_alone() -> None:
    before, after = scene().draw(Stream(3)), scene().replace(dose=400).draw(Stream(3))
    assert after.dose == 400
    assert after.replace(dose=before.dose) == before


def test_adding_a_field_leaves_the_other_draws_alone() -> None:
    class Wider(Scene):
        area: Length = Uniform(0, 1)
        zeal: Length = Uniform(0, 1)

    before = scene().draw(Stream(3))
    after = Wider.parse(yaml.safe_load(RECIPE)).draw(Stream(3))
    assert {key: value for key, value in after.to_dict().items() if key not in ("area", "zeal")} == before.to_dict()


def test_more_members_leave_the_first_ones_alone() -> None:
    few = scene().replace(particles={"count": 2, "radius": {"uniform": [30, 50]}}).draw(Stream(3)).particles
    many = scene().replace(particles={"count": 5, "radius": {"uniform": [30, 50]}}).draw(Stream(3)).particles
    assert isinstance(few, tuple)
    assert isinstance(many, tuple)
    assert many[:2] == few
    assert len({p.radius for p in many}) == 5


def test_a_population_of_none_is_an_empty_tuple() -> None:
    drawn = scene().replace(particles={"count": 0}).draw(Stream(3))
    assert drawn.particles == ()
    assert Scene.parse(drawn.to_dict()) == drawn


@pytest.mark.parametrize("seed", range(5))
def test_a_record_makes_the_same_spec_again(seed: int) -> None:
    for spec in (scene(), scene().draw(Stream(seed))):
        text = json.dumps(spec.to_dict())
        again = Scene.parse(json.loads(text))
        assert again == spec
        assert again.identity == spec.identity
        assert Scene.parse(yaml.safe_load(yaml.safe_dump(spec.to_dict(), allow_unicode=True))) == spec
        assert pickle.loads(pickle.dumps(spec)) == spec
        assert hash(again) == hash(spec)


def test_the_record_says_the_defaults() -> None:
    assert Scene(dose=400).to_dict() == {
        "dose": 400.0,
        "film": {"thickness": 50.0, "share": 0.5, "tilt": None},
        "energy": 300000.0,
        "corners": [1.0, 2.0],
        "particles": {"count": 2, "radius": 10.0, "material": "Au"},
        "periodic": True,
    }


@pytest.mark.parametrize("same", [400, 400.0, "400", "4e2", "400 e/Å²", "40000 e/nm²"])
def test_one_number_has_one_identity(same: object) -> None:
    assert Scene.parse({"dose": same}).identity == Scene(dose=400).identity


def test_identities_tell_apart_and_ignore_the_order_of_keys() -> None:
    assert Film(thickness=1).identity != Film(thickness=2).identity
    assert identity({"a": 1, "b": 2}) == identity({"b": 2, "a": 1})
    assert identity({"a": 0.1 + 0.2}) != identity({"a": 0.3})
    assert canonical_json({"b": [1.5, None], "a": "Å"}) == '{"a":"Å","b":[1.5,null]}'
    assert len(Film().identity) == 32
    with pytest.raises(ValueError, match="not JSON compliant"):
        identity({"a": nan})


def test_minus_zero_is_zero() -> None:
    class Focus(Spec):
        defocus: Annotated[float | Distribution, Number("a defocus", "Å")] = 0.0

    assert Focus(defocus=-0.0).identity == Focus(defocus=0).identity


def test_the_identity_is_the_same_in_every_process() -> None:
    script = (
        "from typing import Annotated\n"
        "from exitwave.core import *\n"
        "class Film(Spec):\n"
        "    thickness: Annotated[float | Distribution, Number('a length', 'Å', above=0)] = 50.0\n"
        "    words: frozenset[str] = frozenset()\n"
        "film = Film(thickness={'mixture': [{'uniform': [1, 2]}, 3]})\n"
        "print(film.identity, film.draw(Stream(1)).identity)\n"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-X", "utf8", "-c", script],
            env={"PYTHONHASHSEED": seed, "PATH": ""},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(outputs) == 1


def test_specs_never_change() -> None:
    film = Film()
    with pytest.raises(ValidationError, match="frozen"):
        film.thickness = 3.0  # type: ignore[misc]
    assert film.replace(thickness=3) == Film(thickness=3)
    assert film == Film()


def test_replacing_checks_like_making() -> None:
    with pytest.raises(SpecError, match=r"thickness is -3; a length is a number above 0 in Å"):
        Film().replace(thickness=-3)


def test_a_number_that_is_not_drawn_yet_is_refused() -> None:
    film = Film(thickness={"uniform": [1, 2]})
    with pytest.raises(DrawError, match=r"the number is still .*uniform.*; call .draw\(stream\)"):
        number(film.thickness)
    assert number(film.draw(Stream(1)).thickness) < 2
    assert integer(3) == 3
    assert word("Au") == "Au"
    with pytest.raises(DrawError, match="the word is still"):
        word(Particle(material={"choice": ["Au", "Ag"]}).material)


def test_a_population_without_members_says_so() -> None:
    with pytest.raises(TypeError, match="it needs a method 'member'"):
        Population().member()


ERRORS = [
    ("dose: -400", "dose is -400; a dose is a number above 0 in e/Å², or a distribution of such numbers."),
    ("dose: 0", "dose is 0; a dose is a number above 0 in e/Å², or a distribution of such numbers."),
    ("dose: .nan", "dose is nan; a dose is a number above 0 in e/Å², or a distribution of such numbers."),
    ("dose: .inf", "dose is inf; a dose is a number above 0 in e/Å², or a distribution of such numbers."),
    ("dose: many", "dose is many; a dose is a number above 0 in e/Å², or a distribution of such numbers."),
    ("dose: 30 nm", "dose is 30 nm; a dose is a number above 0 in e/Å², or a distribution of such numbers."),
    ("dose: [400]", "dose is [400]; a dose is a number above 0 in e/Å², or a distribution of such numbers."),
    ("dose:", "dose is None; a dose is a number above 0 in e/Å², or a distribution of such numbers."),
    (
        "dose: no",
        "dose is False; a dose is a number above 0 in e/Å², or a distribution of such numbers "
        "(YAML reads no, off, yes and on as true or false).",
    ),
    (
        "dose: {unifrom: [1, 2]}",
        "dose is {'unifrom': [1, 2]}; a dose is a number above 0 in e/Å², or a distribution of such numbers. "
        "Did you mean uniform?",
    ),
    (
        "dose: {uniform: [-1, 2]}",
        "dose is {'uniform': [-1, 2]}; it can give numbers from -1 to 2, "
        "but a dose is a number above 0 in e/Å², or a distribution of such numbers.",
    ),
    (
        "dose: {normal: [4, 1]}",
        "dose is {'normal': [4, 1]}; it can give numbers from -inf to inf, but a dose is a number above 0 in e/Å², "
        "or a distribution of such numbers; cut it with within: [low, high].",
    ),
    (
        "dose: {choice: [0, 400]}",
        "dose is {'choice': [0, 400]}; it can give numbers from 0 to 400, "
        "but a dose is a number above 0 in e/Å², or a distribution of such numbers.",
    ),
    (
        "dose: {choice: [no, 400]}",
        "dose is {'choice': [False, 400]}; False is not a number; "
        "a dose is a number above 0 in e/Å², or a distribution of such numbers.",
    ),
    ("film: {}", "dose is missing; it has no default, so say it."),
    ("{dose: 1, doze: 2}", "doze is not a known key; did you mean dose?"),
    (
        "{dose: 1, speed: 2}",
        "speed is not a known key; allowed here: corners, dose, energy, film, particles, periodic.",
    ),
    ("{dose: 1, film: {thick: 2}}", "film.thick is not a known key; did you mean thickness?"),
    (
        "{dose: 1, film: {thickness: 30 kV}}",
        "film.thickness is 30 kV; a length is a number above 0 in Å, or a distribution of such numbers.",
    ),
    (
        "{dose: 1, film: {share: 1.2}}",
        "film.share is 1.2; a share is a number from 0 to 1, or a distribution of such numbers.",
    ),
    (
        "{dose: 1, film: {tilt: -1}}",
        "film.tilt is -1; a length is a number above 0 in Å, or a distribution of such numbers.",
    ),
    (
        "{dose: 1, film: {thickness: 5000}}",
        "film.thickness is 5000; a film is at most 1000 Å thick.",
    ),
    ("{dose: 1, energy: {uniform: [1, 2]}}", "energy is {'uniform': [1, 2]}; an energy is a number above 0 in eV."),
    ("{dose: 1, corners: 5}", "corners is 5; allowed is a list."),
    (
        "{dose: 1, corners: [1, -2]}",
        "corners.1 is -2; a length is a number above 0 in Å, or a distribution of such numbers.",
    ),
    ("{dose: 1, film: 5}", "film is 5; allowed is a mapping of thickness, share, tilt."),
    ("{dose: 1, periodic: perhaps}", "periodic is perhaps; allowed is true or false."),
    (
        "{dose: 1, particles: {count: 1.5}}",
        "particles.count is 1.5; a count is a whole number of 0 or more, or a distribution of such numbers.",
    ),
    (
        "{dose: 1, particles: {count: {uniform: [1, 3]}}}",
        "particles.count is {'uniform': [1, 3]}; it can give numbers that are not whole, "
        "but a count is a whole number of 0 or more, or a distribution of such numbers; use integers.",
    ),
    (
        "{dose: 1, particles: [{radius: -1}]}",
        "particles.0.radius is -1; a length is a number above 0 in Å, or a distribution of such numbers.",
    ),
    ("{dose: 1, particles: [{radio: 1}]}", "particles.0.radio is not a known key; did you mean radius?"),
    ("{dose: 1, particles: {material: AU}}", "particles.material is AU; a material is one of Au, Ag, CdSe."),
    (
        "{dose: 1, particles: {material: Cdse}}",
        "particles.material is Cdse; a material is one of Au, Ag, CdSe; did you mean CdSe?",
    ),
    (
        "{dose: 1, particles: {material: no}}",
        "particles.material is False; a material is one of Au, Ag, CdSe "
        "(YAML reads no, off, yes and on as true or false: put it in quotes).",
    ),
    (
        "{dose: 1, particles: {material: {uniform: [1, 2]}}}",
        "particles.material is {'uniform': [1, 2]}; a material is one of Au, Ag, CdSe, or a choice of such.",
    ),
    ("{dose: 1, no: 3}", "Scene has the key False; a key is text, so put it in quotes."),
    ("just text", "Scene is just text; allowed is a mapping of dose, film, energy, corners, particles, periodic."),
]


@pytest.mark.parametrize(("text", "sentence"), ERRORS, ids=[text for text, _ in ERRORS])
def test_what_is_wrong_is_said_in_one_sentence(text: str, sentence: str) -> None:
    data = yaml.safe_load(text)
    with pytest.raises(SpecError) as caught:
        Scene.parse(data)
    assert str(caught.value) == sentence
    assert caught.value.__cause__ is None
    if isinstance(data, dict) and all(isinstance(key, str) for key in data):
        with pytest.raises(SpecError) as caught:
            Scene(**data)
        assert str(caught.value) == sentence


def test_the_sentence_says_where_the_key_stands() -> None:
    with pytest.raises(SpecError, match=r"^images\.dose is -400; a dose is"):
        Scene.parse({"dose": -400}, where="images")
    with pytest.raises(SpecError, match=r"^images\.doze is not a known key; did you mean dose\?"):
        Scene.parse({"dose": 4, "doze": 3}, where="images")


def test_a_long_value_is_cut_short() -> None:
    with pytest.raises(SpecError) as caught:
        Scene.parse({"dose": "x" * 10_000})
    assert len(str(caught.value)) < 250
    with pytest.raises(SpecError) as caught:
        Scene.parse({"dose": 10**1000})
    assert len(str(caught.value)) < 250


def test_yaml_1_1_reads_300e3_as_text_and_it_is_taken_as_the_number() -> None:
    assert yaml.safe_load("energy: 300e3") == {"energy": "300e3"}
    assert scene("{dose: 4e2, energy: 300e3}").energy == 300_000
    assert scene("{dose: 400, energy: 300 kV}").energy == 300_000
    assert scene("{dose: {uniform: [1e2, 2e2]}}").dose == Uniform(100, 200)
    assert scene("{dose: 1, film: {thickness: 30 nm}}").film.thickness == 300
    assert scene("{dose: 1, film: {thickness: {uniform: [2 nm, 30]}}}").film.thickness == Uniform(20, 30)


def _check(value: Any, schema: dict[str, Any], root: dict[str, Any]) -> bool:
    """Check ``value`` by the words of JSON Schema that specs use."""
    if "$ref" in schema:
        return _check(value, root["$defs"][schema["$ref"].rsplit("/", 1)[1]], root)
    kinds = {"object": dict, "array": list, "string": str, "number": int | float, "integer": int, "null": type(None)}
    kinds["boolean"] = bool
    if "type" in schema and not isinstance(value, kinds[schema["type"]]):
        return False
    if "anyOf" in schema or "oneOf" in schema:
        return any(_check(value, form, root) for form in schema.get("anyOf", schema.get("oneOf")))
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        known = schema.get("additionalProperties", True) is not False or set(value) <= set(properties)
        complete = set(schema.get("required", ())) <= set(value)
        return known and complete and all(_check(v, properties.get(k, {}), root) for k, v in value.items())
    if isinstance(value, list):
        items = all(_check(v, schema.get("items", {}), root) for v in value)
        return items and schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", 10**9)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return (
            value >= schema.get("minimum", value)
            and value <= schema.get("maximum", value)
            and ("exclusiveMinimum" not in schema or value > schema["exclusiveMinimum"])
        )
    return "enum" not in schema or value in schema["enum"]


def test_the_json_schema_takes_recipes_and_records_and_refuses_nonsense() -> None:
    schema = Scene.model_json_schema()
    json.dumps(schema, allow_nan=False)
    assert schema["properties"]["dose"]["description"].startswith("a dose is a number above 0 in e/Å²")
    for good in (yaml.safe_load(RECIPE), scene().to_dict(), scene().draw(Stream(1)).to_dict()):
        assert _check(good, schema, schema), good
    for bad in ({}, {"dose": -1}, {"dose": True, "doze": 1}, {"dose": 1, "film": {"thick": 2}}, {"dose": {"x": [1]}}):
        assert not _check(bad, schema, schema), bad


def test_the_json_schema_is_a_json_schema() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    schema = Scene.model_json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(yaml.safe_load(RECIPE), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"dose": -1}, schema)
