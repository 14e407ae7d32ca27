"""Distributions: quantile against cdf, support, and what a mapping may write."""

from __future__ import annotations

from math import inf, log

import pytest

from exitwave.core import (
    Choice,
    Constant,
    Distribution,
    Empirical,
    Integers,
    LogUniform,
    Mixture,
    Normal,
    Stream,
    Uniform,
    distribution,
    is_distribution,
)

CONTINUOUS = [
    Uniform(-500.0, 500.0),
    LogUniform(100.0, 1200.0),
    Normal(40.0, 10.0),
    Normal(40.0, 10.0, 30.0, 50.0),
    Normal(0.0, 1.0, 4.0, 5.0),
    Normal(0.0, 1.0, -inf, -3.0),
    Empirical((1.0, 2.0, 4.0, 8.0)),
]
WRITTEN = [
    {"constant": 5.0},
    {"uniform": [20.0, 80.0]},
    {"loguniform": [100.0, 1200.0]},
    {"normal": [40.0, 10.0]},
    {"normal": [40.0, 10.0], "within": [30.0, 50.0]},
    {"normal": [40.0, 10.0], "within": [None, 50.0]},
    {"integers": [0, 3]},
    {"choice": [1.0, 2.0, 3.0]},
    {"choice": ["Au", "Ag"], "weights": [3.0, 1.0]},
    {"mixture": [{"uniform": [0.0, 1.0]}, {"normal": [5.0, 1.0]}], "weights": [1.0, 2.0]},
    {"mixture": [{"mixture": [{"constant": 1.0}, {"constant": 2.0}]}, {"integers": [3, 4]}]},
    {"empirical": [21.0, 24.5, 30.2]},
]


@pytest.mark.parametrize("drawn", CONTINUOUS, ids=str)
@pytest.mark.parametrize("u", [1e-6, 0.01, 0.25, 0.5, 0.75, 0.99, 1 - 1e-6])
def test_the_cdf_undoes_the_quantile(drawn: Distribution, u: float) -> None:
    assert drawn.cdf(drawn.quantile(u)) == pytest.approx(u, abs=2e-7)


@pytest.mark.parametrize("drawn", CONTINUOUS, ids=str)
@pytest.mark.parametrize("u", [2.0**-53, 1e-300, 1 - 2.0**-53])
def test_the_ends_stay_within_the_support(drawn: Distribution, u: float) -> None:
    low, high = drawn.support
    assert low <= drawn.quantile(u) <= high


@pytest.mark.parametrize("drawn", CONTINUOUS, ids=str)
def test_the_cdf_is_0_and_1_outside_the_support(drawn: Distribution) -> None:
    low, high = drawn.support
    assert drawn.cdf(max(low, -1e9) - 1e9) == 0
    assert drawn.cdf(min(high, 1e9) + 1e9) == 1


def test_closed_forms() -> None:
    assert Uniform(20, 80).quantile(0.25) == 35
    assert LogUniform(1, 100).quantile(0.5) == pytest.approx(10)
    assert LogUniform(100, 1200).cdf(400) == pytest.approx(log(4) / log(12))
    assert Normal(40, 10).quantile(0.5) == 40
    assert Normal(0, 1).quantile(0.975) == pytest.approx(1.959963985, abs=1e-8)
    assert Normal(40, 10, 30, 50).quantile(0.5) == pytest.approx(40)
    # cut, not clipped: the share below 35 is Φ(−½) − Φ(−1) over Φ(1) − Φ(−1)
    assert Normal(40, 10, 30, 50).cdf(35) == pytest.approx((0.30853754 - 0.15865525) / 0.68268949, abs=1e-7)
    assert Empirical((1, 2, 4)).quantile(0.75) == 3
    assert Empirical((1, 1, 3)).cdf(1) == 0.5
    assert [Integers(0, 3).quantile(u) for u in (0.01, 0.26, 0.51, 0.99)] == [0, 1, 2, 3]
    assert [Integers(-1, 1).cdf(x) for x in (-2, -1, 0.5, 1)] == pytest.approx([0, 1 / 3, 2 / 3, 1])
    assert Choice(("Au", "Ag"), (3, 1)).quantile(0.74) == "Au"
    assert Choice(("Au", "Ag"), (3, 1)).quantile(0.76) == "Ag"
    assert Choice((1, 2), (0, 1)).quantile(1e-9) == 2
    assert Choice((1, 2), (1, 0)).quantile(1 - 1e-9) == 1
    assert Constant(5).quantile(0.3) == 5


def test_a_mixture_spends_its_one_number_twice() -> None:
    mixture = Mixture((Uniform(0, 1), Uniform(10, 20)), (1, 3))
    assert mixture.quantile(0.125) == pytest.approx(0.5)
    assert mixture.quantile(0.625) == pytest.approx(15)
    assert mixture.cdf(15) == pytest.approx(0.25 + 0.75 / 2)
    assert mixture.support == (0, 20)


@pytest.mark.parametrize("written", WRITTEN, ids=str)
def test_a_mapping_comes_back_as_it_was_written(written: dict[str, object]) -> None:
    drawn = distribution(written)
    assert drawn.to_dict() == written
    assert distribution(drawn.to_dict()) == drawn
    assert distribution(drawn) is drawn
    assert is_distribution(written)
    assert is_distribution(drawn)
    assert hash(drawn) == hash(distribution(written))


def test_equal_weights_need_not_be_said() -> None:
    assert distribution({"choice": [1, 2], "weights": [2, 2]}) == distribution({"choice": [1, 2]})
    assert distribution({"mixture": [1], "weights": [2]}) == distribution({"mixture": [1]})
    assert distribution({"choice": [1, 2], "weights": [1, 1]}).to_dict() == {"choice": [1, 2]}


def test_a_mixture_takes_plain_numbers_and_other_distributions() -> None:
    mixture = distribution({"mixture": [Uniform(0, 1), {"integers": [2, 3]}, 5]})
    assert mixture.support == (0, 5)
    assert not mixture.integral
    assert distribution({"mixture": [{"integers": [2, 3]}, 5]}).integral


@pytest.mark.parametrize(
    ("written", "reached"),
    [
        ({"uniform": [0, 1]}, (False, False)),
        ({"empirical": [0, 1]}, (False, False)),
        ({"choice": [0, 1]}, (True, True)),
        ({"constant": 0}, (True, True)),
        ({"integers": [0, 1]}, (True, True)),
        ({"mixture": [{"uniform": [0, 1]}, 1]}, (False, True)),
        ({"mixture": [{"uniform": [0, 9]}, 0, 3]}, (True, False)),
    ],
)
def test_only_single_values_reach_the_ends(written: dict[str, object], reached: tuple[bool, bool]) -> None:
    assert distribution(written).reached == reached


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ({"uniform": [80, 20]}, r"uniform needs low < high, not \[80.0, 20.0\]"),
        ({"uniform": [1, 1]}, "uniform needs low < high"),
        ({"uniform": [1]}, r"uniform is \[1\]; it is 2 numbers, as in uniform: \[1, 2\]"),
        ({"uniform": 5}, "uniform is 5; it is 2 numbers"),
        ({"uniform": [0, inf]}, "uniform holds inf, which is not a finite number"),
        ({"uniform": [0, True]}, "uniform holds True, which is not a finite number"),
        ({"uniform": [0, 10**400]}, "uniform holds 1000.*, which is not a finite number"),
        ({"loguniform": [0, 10]}, "loguniform needs 0 < low < high"),
        ({"normal": [40, 0]}, "normal needs a standard deviation above 0, not 0"),
        ({"normal": [40, -1]}, "normal needs a standard deviation above 0, not -1"),
        ({"normal": [40, 10], "within": [50, 30]}, "within needs low < high"),
        ({"normal": [40, 10], "within": 30}, "within is 30; it is two numbers"),
        ({"normal": [40, 1], "within": [90, 99]}, r"within \[90.0, 99.0\] holds nothing of normal \[40.0, 1.0\]"),
        ({"integers": [0.5, 3]}, "integers needs two whole numbers"),
        ({"integers": [3, 0]}, "integers needs low <= high"),
        ({"choice": []}, r"choice is \[\]; it is a list of one or more values"),
        ({"choice": "Au"}, "choice is 'Au'; it is a list"),
        ({"choice": [{"uniform": [0, 1]}]}, "choice holds the distribution .*; it holds values, a mixture holds"),
        ({"choice": [[1, 2], [3, 4]]}, r"choice holds \[1, 2\], which is not a single value"),
        ({"constant": {"uniform": [0, 1]}}, "constant holds the distribution"),
        ({"choice": [1, 2], "weights": [1]}, "choice has 2 values but 1 weights"),
        ({"choice": [1, 2], "weights": 3}, "weights is 3; it is a list of numbers, one for each value"),
        (
            {"choice": [1, 2], "weights": [1, -1]},
            "weights of choice are .*; they are numbers of 0 or more, not all 0",
        ),
        ({"choice": [1, 2], "weights": [0, 0]}, "not all 0"),
        ({"mixture": []}, "mixture is .*; it is a list of one or more distributions"),
        ({"empirical": [1]}, "empirical needs two or more numbers"),
        ({"empirical": 1}, "empirical is 1; it is a list of two or more numbers"),
        ({"uniform": [0, 1], "within": [0, 1]}, "'within' does not go with uniform, which takes no other key"),
        ({"choice": [0, 1], "within": [0, 1]}, "'within' does not go with choice, which takes weights"),
        ({"uniform": [0, 1], "normal": [0, 1]}, "exactly one of the keys"),
        ({"unifrom": [0, 1]}, "exactly one of the keys"),
    ],
    ids=str,
)
def test_what_cannot_be_drawn_is_refused_in_a_sentence(written: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        distribution(written)


def test_a_draw_depends_on_its_stream_alone() -> None:
    drawn = Uniform(0, 1)
    first = drawn.draw(Stream(7) / "a")
    drawn.draw(Stream(7) / "b")
    assert drawn.draw(Stream(7) / "a") == first
    assert first == (Stream(7) / "a").uniform()
