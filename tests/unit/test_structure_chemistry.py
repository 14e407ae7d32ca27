"""Substitution, vacancies, gradients and inhomogeneous strain."""

import numpy as np
import pytest

from exitwave.core import Stream, StructureError
from exitwave.structure import Box, Crystal, Sphere, Volume
from exitwave.structure.chemistry import Graded, Substituted, Vacancies
from exitwave.structure.strain import Strained

BALL = Volume(Crystal("CdSe"), Sphere(15))


def test_shares_are_exact_and_random_and_leave_other_elements_alone():
    plain = BALL.atoms(Stream(1))
    made = BALL.modified(Substituted("Se", by="S", share=0.3)).atoms(Stream(1))
    anions = (plain.numbers == 34).sum()
    assert (made.numbers == 16).sum() == round(0.3 * anions)
    assert (made.numbers == 48).sum() == (plain.numbers == 48).sum()
    other = BALL.modified(Substituted("Se", by="S", share=0.3)).atoms(Stream(2))
    assert not np.array_equal(made.numbers, other.numbers)
    fewer = BALL.modified(Substituted("Se", "S", 0.5), Vacancies(0.1, "S"), Vacancies(0.05)).atoms(Stream(1))
    assert len(fewer) == pytest.approx(len(plain) * 0.975 * 0.95, abs=3)


def test_changes_may_be_of_elements_that_earlier_ones_brought():
    for first in (Substituted("Se", "Ag", 0.5), lambda atoms, stream: atoms):
        BALL.modified(first, Substituted("Ag", "Cu", 0.5), Vacancies(0.1, "Cu"))


def test_gradient_goes_from_core_to_shell():
    made = Volume(Crystal("Au"), Sphere(30)).modified(Graded.radial(None, "Ag", (0, 0, 0), (5, 30))).atoms(Stream(0))
    distance = np.linalg.norm(made.positions, axis=1)
    for radius in (10, 17, 25):
        shell = np.abs(distance - radius) < 1.5
        assert (made.numbers[shell] == 47).mean() == pytest.approx((radius - 5) / 25, abs=0.1)


def test_inhomogeneous_strain_fills_its_region_and_moves_as_one():
    def stretch(x):
        return np.stack([0.002 * x[:, 0] ** 2, 0 * x[:, 1], 0 * x[:, 2]], axis=1)

    volume = Volume(Strained(Crystal("Au"), stretch, largest=4.0), Box(40, 30, 30))
    made = volume.atoms(Stream(0))
    assert made.positions[:, 0].min() < 1
    assert made.positions[:, 0].max() > 38
    planes = np.unique(made.positions[:, 0].round(6))
    # planes a/2 apart are stretched by 1 + 0.004 x
    middles = (planes[1:] + planes[:-1]) / 2
    x = (np.sqrt(1 + 0.008 * middles) - 1) / 0.004
    assert np.allclose(np.diff(planes), 2.0391 * (1 + 0.004 * x), atol=2e-3)
    moved = volume.translated((5, 6, 7)).atoms(Stream(0))
    assert np.allclose(np.sort(moved.positions[:, 0] - 5), np.sort(made.positions[:, 0]))
    with pytest.raises(StructureError, match="raise largest"):
        Volume(Strained(Crystal("Au"), stretch, largest=1.0), Box(40, 30, 30)).atoms(Stream(0))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Substituted("Au", "Cu", 1.5), "from 0 to 1"),
        (lambda: Substituted("Au", "Xx", 0.5), "species is 'Xx'"),
        (lambda: Vacancies(-0.1), "from 0 to 1"),
        (lambda: Graded.radial("Au", "Ag", (0, 0, 0), (5, 5)), "less than the second"),
        (lambda: Strained(Crystal("Au"), np.sin, -1), "0 or more"),
        (lambda: BALL.modified(Graded(None, "Ag", lambda x: x[:, 0])).atoms(Stream(0)), "outside 0 to 1"),
        (
            lambda: BALL.modified(Graded(None, "Ag", lambda x: np.nan)).atoms(Stream(0)),
            "outside 0 to 1",
        ),
        (lambda: BALL.modified(Graded(None, "Ag", lambda x: np.ones(3))).atoms(Stream(0)), r"of shape \(3,\) for"),
        (lambda: Graded(None, "Ag", 0.5), "a function of positions"),
        (lambda: Substituted("Xx", "Cu", 0.5), "species is 'Xx'"),
        (lambda: Vacancies(0.1, element="Xx"), "species is 'Xx'"),
        (lambda: Graded.radial("Au", "Qq", (0, 0, 0), (5, 10)), "species is 'Qq'"),
        (lambda: BALL.modified(Substituted("Cu", "Ag", 0.5)), "Substituted is of Cu, of which CdSe has none"),
        (lambda: BALL.modified(Substituted("Cd", "Ag", 0.5), Vacancies(0.1, "Pd")), "one of Se, Ag, Cd, or None"),
    ],
)
def test_impossible_changes_are_refused(make, words):
    with pytest.raises(StructureError, match=words):
        make()
