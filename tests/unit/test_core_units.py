"""Units and numbers with bounds."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import pytest

from exitwave.core import Distribution, Number, Progress, Spec, SpecError, Word, convert, parse_number


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("5", "", 5),
        ("300e3", "eV", 300e3),
        ("3.E+5", "eV", 300e3),
        (" .5 ", "", 0.5),
        ("-12.5", "Å", -12.5),
        ("30 nm", "Å", 300),
        ("30nm", "Å", 300),
        ("80 A", "Å", 80),
        ("80 Å", "Å", 80),
        ("80 \u212b", "Å", 80),  # the sign for ångström
        ("80 A\u030a", "Å", 80),  # A and a ring, as a Mac writes it
        ("2 µm", "Å", 20_000),
        ("2 \u03bcm", "Å", 20_000),  # the Greek letter
        ("-1.2 mm", "Å", -1.2e7),
        ("20 pm/px", "Å/px", 0.2),
        ("0.02 nm/px", "Å/px", 0.2),
        ("300 kV", "eV", 300e3),
        ("0.3 MeV", "eV", 300e3),
        ("0.5 rad", "mrad", 500),
        ("40000 e/nm^2", "e/Å²", 400),
        ("30°", "°", 30),
        ("30 deg", "°", 30),
        ("7 wells", "wells", 7),
    ],
)
def test_text_is_read_with_its_unit(text: str, unit: str, value: float) -> None:
    assert parse_number(text, unit) == pytest.approx(value, rel=1e-15)


@pytest.mark.parametrize(
    ("text", "unit", "sentence"),
    [
        ("many", "Å", "'many' is not a number"),
        ("", "Å", "'' is not a number"),
        ("nan", "Å", "'nan' is not a number"),
        ("1_000", "Å", "unit is '_000'; known units are"),
        ("1,5", "Å", "unit is ',5'; known units are"),
        ("30 kV", "Å", "kV is a unit of energy; a length is needed, for example in Å"),
        ("30 parsec", "Å", "unit is 'parsec'; known units are Å, A, pm"),
        ("30 nm", "", "has a unit where a plain number is needed"),
    ],
)
def test_text_that_is_no_number_in_this_unit_is_refused(text: str, unit: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        parse_number(text, unit)


def test_units_convert_there_and_back() -> None:
    assert convert(convert(0.02, "nm/px", "Å/px"), "Å/px", "nm/px") == pytest.approx(0.02)
    with pytest.raises(ValueError, match="unit is 'inch'"):
        convert(1, "inch", "Å")


def test_what_is_allowed_is_a_sentence() -> None:
    assert Number("a dose", "e/Å²", above=0).allowed() == (
        "a dose is a number above 0 in e/Å², or a distribution of such numbers"
    )
    assert Number("a share", at_least=0, at_most=1, fixed=True).allowed() == "a share is a number from 0 to 1"
    assert Number("a radius", "Å", above=0, below=9, fixed=True).allowed() == (
        "a radius is a number above 0 and below 9 in Å"
    )
    assert Number("a count", at_least=1, whole=True, fixed=True).allowed() == "a count is a whole number of 1 or more"
    assert Number("a phase", at_most=3, fixed=True).allowed() == "a phase is a number of at most 3"


class Quantities(Spec):
    any: Annotated[float | Distribution, Number("a number")] = 0.0
    inner: Annotated[float | Distribution, Number("a share", above=0, below=1)] = 0.5
    whole: Annotated[int | Distribution, Number("a count", at_least=1, whole=True)] = 1
    chosen: Annotated[str | Distribution, Word("a word", accepts=lambda text: _no_spaces(text))] = "a"
    named: Annotated[str, Word("a name", lambda: ["one", "two"], fixed=True)] = "one"


def _no_spaces(text: str) -> None:
    if " " in text:
        raise ValueError("a word has no spaces.")


@pytest.mark.parametrize("value", [np.float32(0.25), np.int64(3), np.float64(1), 7])
def test_numbers_of_numpy_become_plain_ones(value: float) -> None:
    spec = Quantities(any=value)
    assert type(spec.any) is float
    assert spec.any == value
    assert Quantities(any={"uniform": [value, 10]}).to_dict()["any"] == {"uniform": [float(value), 10.0]}


def test_whole_numbers_are_integers_in_the_record() -> None:
    assert type(Quantities(whole=3.0).whole) is int
    assert type(Quantities(whole="3").whole) is int
    assert Quantities(whole={"choice": [1, 2]}).to_dict()["whole"] == {"choice": [1.0, 2.0]}


@pytest.mark.parametrize("bad", [0, 1, {"uniform": [0, 1.1]}, {"constant": 1}, {"mixture": [{"uniform": [0, 1]}, 0]}])
def test_open_bounds_are_open(bad: object) -> None:
    with pytest.raises(SpecError, match="a share is a number above 0 and below 1"):
        Quantities(inner=bad)


@pytest.mark.parametrize("good", [{"uniform": [0, 1]}, {"empirical": [0, 1]}, {"normal": [0, 1], "within": [0, 1]}])
def test_a_continuous_range_may_touch_an_open_bound(good: object) -> None:
    assert not Quantities(inner=good).drawn


@pytest.mark.parametrize(
    "bad", [{"constant": float("inf")}, {"choice": [1, float("nan")]}, {"uniform": [0, 10**400]}]
)
def test_endless_numbers_are_refused_wherever_they_stand(bad: object) -> None:
    with pytest.raises(SpecError, match="which is not a finite number"):
        Quantities(any=bad)


@pytest.mark.parametrize(
    "bad", [{"choice": [{"uniform": [0, 1]}]}, {"choice": [[1, 2]]}, {"constant": {"constant": 1}}]
)
def test_single_values_are_single(bad: object) -> None:
    with pytest.raises(SpecError, match=r"any is .*; (choice|constant) holds"):
        Quantities(any=bad)


def test_words_may_be_judged_by_a_function() -> None:
    assert Quantities(chosen="b").chosen == "b"
    assert Quantities(chosen={"choice": ["b", "c"]}).to_dict()["chosen"] == {"choice": ["b", "c"]}
    with pytest.raises(SpecError, match="chosen is b c; a word has no spaces"):
        Quantities(chosen="b c")
    with pytest.raises(SpecError, match="named is three; a name is one of one, two"):
        Quantities(named="three")
    with pytest.raises(SpecError, match=r"named is .*; a name is one of one, two\."):
        Quantities(named={"choice": ["one", "two"]})
    with pytest.raises(SpecError, match=r"chosen is .*; a word is a name, or a choice of such"):
        Quantities(chosen={"empirical": [1, 2]})


def test_progress_tells_the_time_left() -> None:
    progress = Progress("train", done=30, total=90, elapsed=10.0, resumed=10)
    assert progress.rate == 2
    assert progress.remaining == 30
    assert Progress("train", done=10, total=90, elapsed=0.0).remaining is None
    assert Progress("train", done=1, total=90, elapsed=60.0).remaining is None  # compiled
    assert Progress("train", done=10, total=90, elapsed=9.0, resumed=10).remaining is None
