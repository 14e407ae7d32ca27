"""Draws follow their distributions. Every test here fails by chance once in a million seeds; the seeds are fixed."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from scipy import stats

from exitwave.core import Stream, distribution

FALSE_ALARM = 1e-6
DRAWS = 20_000


def draws(mapping: dict[str, Any], seed: int = 20_240) -> list[Any]:
    drawn, stream = distribution(mapping), Stream(seed) / "draws"
    return [drawn.draw(stream / i) for i in range(DRAWS)]


@pytest.mark.parametrize(
    ("mapping", "reference"),
    [
        ({"uniform": [-500, 500]}, stats.uniform(-500, 1000)),
        ({"loguniform": [100, 1200]}, stats.loguniform(100, 1200)),
        ({"normal": [40, 10]}, stats.norm(40, 10)),
        ({"normal": [40, 10], "within": [30, 50]}, stats.truncnorm(-1, 1, 40, 10)),
        ({"normal": [0, 1], "within": [3, None]}, stats.truncnorm(3, np.inf)),
        ({"empirical": [0, 1, 2, 3, 4]}, stats.uniform(0, 4)),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_continuous_draws_pass_kolmogorov_smirnov(mapping: dict[str, Any], reference: Any) -> None:
    sample = np.array(draws(mapping))
    assert stats.kstest(sample, reference.cdf).pvalue > FALSE_ALARM
    ours = np.array([distribution(mapping).cdf(x) for x in sample[:500]])
    np.testing.assert_allclose(ours, reference.cdf(sample[:500]), atol=1e-9)


@pytest.mark.parametrize(
    ("mapping", "shares"),
    [
        ({"integers": [0, 3]}, {0: 1, 1: 1, 2: 1, 3: 1}),
        ({"integers": [-2, 2]}, dict.fromkeys(range(-2, 3), 1)),
        ({"choice": ["Au", "Ag", "CdSe"]}, {"Au": 1, "Ag": 1, "CdSe": 1}),
        ({"choice": ["Au", "Ag", "Pt"], "weights": [6, 3, 0]}, {"Au": 2, "Ag": 1}),
        ({"choice": [1, 2, 3], "weights": [0.01, 0.09, 0.9]}, {1: 1, 2: 9, 3: 90}),
        ({"mixture": [{"choice": [1, 2]}, 3], "weights": [1, 3]}, {1: 1, 2: 1, 3: 6}),
    ],
    ids=str,
)
def test_discrete_draws_pass_chi_square(mapping: dict[str, Any], shares: dict[Any, float]) -> None:
    counts = Counter(draws(mapping))
    assert set(counts) == set(shares)
    expected = np.array(list(shares.values()), dtype=float)
    expected *= DRAWS / expected.sum()
    assert stats.chisquare([counts[value] for value in shares], expected).pvalue > FALSE_ALARM


def test_a_mixture_holds_its_parts_in_their_shares() -> None:
    parts = [{"uniform": [0, 1]}, {"normal": [10, 1], "within": [8, 12]}, 20]
    sample = np.array(draws({"mixture": parts, "weights": [1, 2, 1]}))
    uniform, normal, constant = sample[sample < 2], sample[(sample > 5) & (sample < 15)], sample[sample == 20]
    sizes = [len(uniform), len(normal), len(constant)]
    assert sum(sizes) == DRAWS
    assert stats.chisquare(sizes, np.array([1, 2, 1]) * DRAWS / 4).pvalue > FALSE_ALARM
    assert stats.kstest(uniform, stats.uniform(0, 1).cdf).pvalue > FALSE_ALARM
    assert stats.kstest(normal, stats.truncnorm(-2, 2, 10, 1).cdf).pvalue > FALSE_ALARM


def test_siblings_and_seeds_are_independent() -> None:
    # neighbours in a counter, in a name and in a seed: rank correlations of N pairs have a variance of 1/(N − 1)
    here = np.array([(Stream(1) / i).uniform() for i in range(DRAWS)])
    shifted = np.array([(Stream(1) / (i + 1)).uniform() for i in range(DRAWS)])
    deeper = np.array([(Stream(1) / i / "a").uniform() for i in range(DRAWS)])
    seeded = np.array([(Stream(i) / 0).uniform() for i in range(DRAWS)])
    generated = np.array([(Stream(1) / i).generator().random() for i in range(DRAWS)])
    for other in (shifted, deeper, seeded, generated):
        assert stats.kstest(other, "uniform").pvalue > FALSE_ALARM
        assert stats.spearmanr(here, other).pvalue > FALSE_ALARM


def test_pairs_of_draws_fill_the_square() -> None:
    a = np.array([(Stream(9) / i / "defocus").uniform() for i in range(DRAWS)])
    b = np.array([(Stream(9) / i / "dose").uniform() for i in range(DRAWS)])
    counts, _, _ = np.histogram2d(a, b, bins=10, range=[[0, 1], [0, 1]])
    assert stats.chisquare(counts.ravel()).pvalue > FALSE_ALARM
