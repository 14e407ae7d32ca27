"""Electron optics, scattering factors and thermal amplitudes against closed forms and published numbers."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import j0

from exitwave.core import ScatteringError, Stream
from exitwave.scattering import (
    PARAMETRIZATIONS,
    debye_amplitude,
    displacements,
    interaction_parameter,
    parametrization,
    rms_displacement,
    wavelength,
)
from exitwave.scattering.electron import BOHR_RADIUS, COULOMB, SCATTERING_CONSTANT, lorentz_factor
from exitwave.scattering.thermal import amplitude_source, amplitudes, effective_debye_temperature


@pytest.mark.parametrize(
    ("kilovolts", "gamma", "picometres", "sigma"),
    [
        (30, 1.05871, 6.97908, 15.4327),
        (60, 1.11742, 4.86606, 11.3569),
        (80, 1.15656, 4.17572, 10.0871),
        (100, 1.19570, 3.70144, 9.24396),
        (120, 1.23483, 3.34922, 8.63811),
        (200, 1.39139, 2.50793, 7.28840),
        (300, 1.58709, 1.96875, 6.52616),
        (400, 1.78278, 1.64394, 6.12142),
        (1000, 2.95695, 0.87192, 5.38502),
    ],
)
def test_electron_optics(kilovolts, gamma, picometres, sigma):
    energy = kilovolts * 1e3
    assert lorentz_factor(energy) == pytest.approx(gamma, abs=6e-6)
    assert wavelength(energy) * 100 == pytest.approx(picometres, abs=6e-6)
    assert interaction_parameter(energy) * 1e4 == pytest.approx(sigma, rel=6e-6)


def test_constants():
    assert pytest.approx(47.87765, abs=5e-6) == SCATTERING_CONSTANT
    assert pytest.approx(14.39965, abs=5e-6) == COULOMB
    assert pytest.approx(0.529177210544, abs=1e-10) == BOHR_RADIUS


Q = np.array([0, 0.25, 0.5, 1, 2, 4])
FACTORS = {
    "kirkland": {
        6: [2.5114, 1.9674, 1.1700, 0.4127, 0.1168, 0.0336],
        14: [5.8143, 3.9393, 1.9658, 0.7423, 0.2702, 0.0762],
        29: [5.5807, 4.2104, 2.8011, 1.4643, 0.5225, 0.1505],
        34: [7.2231, 5.6235, 3.4503, 1.5624, 0.6026, 0.1748],
        47: [8.6723, 6.7324, 4.5211, 2.1848, 0.7583, 0.2414],
        48: [9.2357, 7.0545, 4.5928, 2.2231, 0.7732, 0.2461],
        78: [10.8066, 8.7604, 5.9952, 3.0343, 1.1986, 0.3794],
        79: [10.5534, 8.6832, 6.0346, 3.0708, 1.2082, 0.3844],
    },
    "lobato": {
        6: [2.5097, 1.9700, 1.1692, 0.4128, 0.1172, 0.0336],
        14: [5.8360, 3.9421, 1.9677, 0.7429, 0.2705, 0.0762],
        29: [5.6010, 4.2144, 2.7946, 1.4682, 0.5215, 0.1508],
        34: [7.3288, 5.6779, 3.4384, 1.5689, 0.5994, 0.1761],
        47: [8.6710, 6.7266, 4.5332, 2.1722, 0.7663, 0.2395],
        48: [9.2345, 7.0542, 4.5936, 2.2161, 0.7788, 0.2446],
        78: [11.1781, 8.8484, 5.9989, 3.0301, 1.1992, 0.3810],
        79: [10.5758, 8.6813, 6.0402, 3.0655, 1.2096, 0.3857],
    },
}


@pytest.mark.parametrize(("name", "number"), [(n, z) for n, table in FACTORS.items() for z in table])
def test_scattering_factors(name, number):
    np.testing.assert_allclose(
        parametrization(name).scattering_factor(number, Q), FACTORS[name][number], atol=5.1e-5, rtol=0
    )


@pytest.mark.parametrize(
    ("name", "number", "values"),
    [
        ("kirkland", 6, [215.32, 102.708, 38.888, 6.092, 0.205]),
        ("kirkland", 14, [413.47, 175.75, 76.116, 19.649, 1.274]),
        ("kirkland", 48, [1047.6, 385.88, 113.08, 20.155, 1.530]),
        ("kirkland", 79, [1452.2, 467.93, 132.05, 18.516, 0.871]),
        ("lobato", 79, [1451.5, 469.28, 132.16, 18.382, 0.939]),
    ],
)
def test_projected_potentials(name, number, values):
    ours = parametrization(name).projected_potential(number, [0.1, 0.25, 0.5, 1, 2])
    np.testing.assert_allclose(ours, values, rtol=4e-5, atol=6e-4)


@pytest.mark.parametrize("name", PARAMETRIZATIONS)
@pytest.mark.parametrize("number", [6, 79])
def test_projection_is_the_integral_along_the_beam(name, number):
    atom = parametrization(name)
    for r in (0.1, 0.7):
        numeric = (
            2 * quad(lambda z, r=r: float(atom.potential(number, np.hypot(r, z))), 0, 40, limit=500, epsabs=0)[0]
        )
        assert numeric == pytest.approx(float(atom.projected_potential(number, r)), rel=1e-9)


@pytest.mark.parametrize("name", PARAMETRIZATIONS)
def test_transform_of_the_projection_is_the_scattering_factor(name):
    atom = parametrization(name)
    for q in (0.3, 1.0):

        def ring(r, q=q):
            return 2 * np.pi * r * float(atom.projected_potential(6, r)) * j0(2 * np.pi * q * r)

        numeric = (
            quad(ring, 1e-9, 1, limit=400, epsabs=1e-11)[0] + quad(ring, 1, 30, limit=2000, epsabs=1e-10)[0]
        ) / SCATTERING_CONSTANT
        assert numeric == pytest.approx(float(atom.scattering_factor(6, q)), rel=1e-7)


def test_lobato_obeys_the_sum_rule_for_every_element():
    lobato = parametrization("lobato")
    assert lobato.elements == tuple(range(1, 104))
    for number in lobato.elements:
        assert float(lobato.xray_factor(number, 0.0)) == pytest.approx(number, abs=1e-12)
        # f_e = (Z − f_x)/(2π²a₀q²), and the electrons' f_x fades at high angles
        coulomb = number / (2 * np.pi**2 * BOHR_RADIUS * 40.0**2)
        assert float(lobato.scattering_factor(number, 40.0)) == pytest.approx(coulomb, rel=0.02)


@pytest.mark.parametrize("name", PARAMETRIZATIONS)
def test_every_element_of_a_table_scatters(name):
    table = parametrization(name)
    q = np.linspace(0, 6, 200)
    for number in table.elements:
        factors = table.scattering_factor(number, q)
        assert np.isfinite(factors).all()
        assert factors[0] > 0.3
        assert (factors[1:] > 0).all()


def test_the_three_tables_agree_on_gold():
    lobato, kirkland, peng = (parametrization(n).scattering_factor(79, Q[1:]) for n in PARAMETRIZATIONS)
    np.testing.assert_allclose(kirkland, lobato, rtol=5e-3)
    np.testing.assert_allclose(peng, lobato, rtol=3e-2)


@pytest.mark.parametrize(
    ("name", "numbers", "volume", "volts"),
    [
        ("kirkland", [79] * 4, 4.0782**3, 29.8),
        ("lobato", [79] * 4, 4.0782**3, 29.9),
        ("lobato", [6], 12.011 / (0.602214 * 2.2), 13.26),
        ("lobato", [6] * 8, 3.5673**3, 21.2),
        ("lobato", [14] * 8, 5.431**3, 13.95),
        ("lobato", [29] * 4, 3.6149**3, 22.7),
    ],
)
def test_mean_inner_potential(name, numbers, volume, volts):
    assert parametrization(name).mean_inner_potential(numbers, volume) == pytest.approx(volts, abs=0.06)


def test_unknown_elements_and_tables_are_refused_in_one_sentence():
    with pytest.raises(ScatteringError, match=r"atomic number 110; .* replace those atoms\.$"):
        parametrization("lobato").scattering_factor(110, 0.0)
    with pytest.raises(ScatteringError, match=r"atomic number 101; .*use parametrization lobato\.$"):
        parametrization("peng").check([6, 101])
    with pytest.raises(ScatteringError, match="lobato, kirkland, peng"):
        parametrization("doyle")


def test_debye_model_limits():
    # classical limit: ⟨u²⟩ = 3ħ²T/(m k Θ²)
    hot = debye_amplitude(63.5, 300.0, 3e5)
    assert hot**2 == pytest.approx(3 * 48.5087 * 3e5 / (63.5 * 300.0**2), rel=1e-4)
    cold = debye_amplitude(63.5, 300.0, 0.0)
    assert cold == pytest.approx(debye_amplitude(63.5, 300.0, 1.0), rel=1e-4)
    assert cold**2 == pytest.approx(3 * 48.5087 / (4 * 63.5 * 300.0), rel=1e-4)


@pytest.mark.parametrize(  # V. F. Sears and S. A. Shelley, Acta Cryst. A47, 441 (1991): B at room temperature, Å²
    ("number", "b"),
    [(13, 0.81), (14, 0.52), (28, 0.34), (29, 0.56), (46, 0.45), (47, 0.73), (78, 0.37), (79, 0.62), (82, 2.11)],
)
def test_amplitudes_agree_with_an_independent_compilation(number, b):
    assert 8 * np.pi**2 * rms_displacement(number, 293.0) ** 2 == pytest.approx(b, rel=0.08)


def test_amplitude_sources():
    assert amplitude_source(79) == "Peng 1996"
    assert amplitude_source(48) == "Kittel 2005"
    assert effective_debye_temperature(48) == 209.0
    assert amplitude_source(34) == "assumed"
    assert rms_displacement(34) == pytest.approx(0.1)
    rising = [rms_displacement(79, t) for t in (0.0, 77.0, 300.0, 600.0)]
    assert rising == sorted(rising)


def test_own_amplitudes_go_before_the_table():
    np.testing.assert_allclose(amplitudes([79, 6, 79], [np.nan, 0.2, 0.0]), [rms_displacement(79), 0.2, 0.0])
    np.testing.assert_allclose(amplitudes([79, 6], None), [rms_displacement(79), rms_displacement(6)])


def test_displacements_are_three_dimensional_and_repeatable():
    stream = Stream(3) / "thermal"
    moved = displacements(np.full(40000, 0.1), stream / 0)
    # the standard error of each of these is below 4e-4: false alarms below 1e-6
    np.testing.assert_allclose(moved.std(axis=0), 0.1, atol=2e-3)
    np.testing.assert_allclose(np.corrcoef(moved.T), np.eye(3), atol=0.025)
    assert (moved == displacements(np.full(40000, 0.1), stream / 0)).all()
    assert not (moved == displacements(np.full(40000, 0.1), stream / 1)).any()
