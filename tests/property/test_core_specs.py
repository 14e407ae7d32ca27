"""Specs and distributions for whatever numbers somebody writes (hypothesis)."""

from __future__ import annotations

import json
from math import isclose
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exitwave.core import (
    Distribution,
    Number,
    Spec,
    SpecError,
    Stream,
    canonical_json,
    distribution,
    identity,
    parse_number,
)

plain = st.floats(-1e6, 1e6).map(lambda x: round(x, 6) + 0.0)
positive = st.floats(1e-3, 1e6).map(lambda x: round(x, 6))
shares = st.floats(0, 1, exclude_min=True, exclude_max=True)
names = st.text(st.characters(codec="utf-8", exclude_characters="/"), min_size=1, max_size=8)


@st.composite
def written(draw: st.DrawFn, depth: int = 0) -> dict[str, Any]:
    """Return a mapping that writes a distribution."""
    kinds = ["constant", "uniform", "loguniform", "normal", "integers", "choice", "empirical"]
    kind = draw(st.sampled_from(kinds if depth > 1 else [*kinds, "mixture"]))
    if kind == "constant":
        return {"constant": draw(plain)}
    if kind == "uniform":
        return {"uniform": sorted(draw(st.lists(plain, min_size=2, max_size=2, unique=True)))}
    if kind == "loguniform":
        return {"loguniform": sorted(draw(st.lists(positive, min_size=2, max_size=2, unique=True)))}
    if kind == "normal":
        mean, std = draw(plain), draw(st.floats(0.1, 1e4))
        low, high = sorted(draw(st.lists(st.floats(-4, 4), min_size=2, max_size=2, unique=True)))
        if high - low < 1e-3 or draw(st.booleans()):
            return {"normal": [mean, std]}
        return {"normal": [mean, std], "within": [mean + low * std, mean + high * std]}
    if kind == "integers":
        return {"integers": sorted(draw(st.lists(st.integers(-1000, 1000), min_size=2, max_size=2)))}
    if kind == "empirical":
        return {"empirical": draw(st.lists(plain, min_size=2, max_size=9))}
    values = st.lists(plain if kind == "choice" else written(depth + 1), min_size=1, max_size=5)
    out: dict[str, Any] = {kind: draw(values)}
    if draw(st.booleans()):
        count = len(out[kind])
        out["weights"] = draw(st.lists(st.floats(0.1, 10), min_size=count, max_size=count))
    return out


class Quantity(Spec):
    value: Annotated[float | Distribution, Number("a number")] = 0.0
    other: Annotated[float | Distribution, Number("another")] = 0.0


@given(written(), shares)
def test_every_draw_lies_in_the_support(mapping: dict[str, Any], u: float) -> None:
    drawn = distribution(mapping)
    low, high = drawn.support
    assert low <= drawn.quantile(u) <= high
    assert drawn.cdf(high) == pytest.approx(1)
    assert drawn.cdf(drawn.quantile(u)) >= 0


@given(written(), st.lists(shares, min_size=2, max_size=2), st.lists(plain, min_size=2, max_size=2))
def test_quantile_and_cdf_never_fall(mapping: dict[str, Any], us: list[float], xs: list[float]) -> None:
    drawn = distribution(mapping)
    if not {"mixture", "choice"} & set(mapping):  # these pick in the order in which they are written
        assert drawn.quantile(min(us)) <= drawn.quantile(max(us))
    assert drawn.cdf(min(xs)) <= drawn.cdf(max(xs)) + 1e-12


@given(written())
def test_distributions_come_back_from_their_json(mapping: dict[str, Any]) -> None:
    drawn = distribution(mapping)
    again = distribution(json.loads(json.dumps(drawn.to_dict())))
    assert again == drawn
    assert again.to_dict() == drawn.to_dict()
    assert hash(again) == hash(drawn)


@given(written(), written(), st.integers(), names)
def test_records_come_back_and_draw_the_same(
    first: dict[str, Any], second: dict[str, Any], seed: int, name: str
) -> None:
    spec, stream = Quantity(value=first, other=second), Stream(seed) / name
    drawn = spec.draw(stream)
    assert drawn.drawn
    assert Quantity.parse(json.loads(canonical_json(spec.to_dict()))) == spec
    assert Quantity.parse(json.loads(canonical_json(drawn.to_dict()))) == drawn
    assert drawn.identity == spec.draw(Stream.parse(str(stream))).identity
    assert spec.replace(other=0).draw(stream).value == drawn.value


@given(plain)
def test_text_says_the_same_number(value: float) -> None:
    assert parse_number(repr(value)) == value
    assert Quantity(value=repr(value)) == Quantity(value=value)
    assert isclose(parse_number(f"{value!r} nm", "Å"), 10 * value, rel_tol=1e-15)


@given(st.dictionaries(st.text(), st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()))
def test_the_order_of_keys_is_no_part_of_the_identity(data: dict[str, Any]) -> None:
    assert identity(dict(reversed(data.items()))) == identity(data)


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
misspelt = st.dictionaries(
    st.sampled_from(
        ["uniform", "normal", "within", "choice", "weights", "mixture", "constant", "integers", "empirical"]
    ),
    json_like | st.lists(plain, max_size=3),
    max_size=2,
)


@given(json_like | misspelt | st.fixed_dictionaries({"value": json_like | misspelt}))
def test_whatever_is_written_is_taken_or_refused_in_a_sentence(data: Any) -> None:
    try:
        spec = Quantity.parse(data)
    except SpecError as error:
        sentence = str(error)
    else:
        sentence = ""
        assert spec.draw(Stream(1)).drawn
    assert len(sentence) < 600


@given(st.integers(), st.lists(names, max_size=4))
def test_streams_come_back_from_their_text(seed: int, path: list[str]) -> None:
    stream = Stream(seed, tuple(path))
    assert Stream.parse(str(stream)) == stream
    assert Stream.parse(str(stream)).key() == stream.key()
    assert 0 < stream.uniform() < 1
