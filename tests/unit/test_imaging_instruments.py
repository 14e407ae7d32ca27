"""Notations, presets, motion, the specification of instruments, the CTF as a figure."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial
from math import exp, pi

import numpy as np
import pytest
import torch

from exitwave.core import OpticsError, SpecError, Stream
from exitwave.imaging import (
    CTF,
    Aberrations,
    Conditions,
    Imaging,
    contrast_factor,
    expose,
    focal_spread,
    from_cartesian,
    from_haider,
    from_prismatic,
    image,
    intensities,
    plasmon_contrast,
    to_cartesian,
    to_haider,
    to_prismatic,
    transfer_function,
)
from exitwave.imaging.aberrations import ORDERS, angles, chi, coefficients
from exitwave.imaging.motion import motion_envelope
from exitwave.imaging.presets import DETECTORS, MICROSCOPES
from exitwave.scattering import ExitWave
from exitwave.scattering.electron import wavelength

RNG = np.random.default_rng(6)
FULL = Aberrations(
    **{f"C{n}{m}": float(RNG.uniform(10, 99)) * 10**n for n, m in ORDERS if n + m > 1},
    **{f"phi{n}{m}": float(RNG.uniform(-170, 170)) / m for n, m in ORDERS if m},
)

PRISMATIC, OF_PRISMATIC = partial(to_prismatic, energy=300e3), partial(from_prismatic, energy=300e3)


def phase(aberrations: Aberrations, defocus: float) -> torch.Tensor:
    rows, columns = angles((8, 10), (0.3, 0.25), 300e3)
    return chi(coefficients(aberrations, defocus), rows, columns, 300e3)


@pytest.mark.parametrize(
    ("there", "back"), [(to_haider, from_haider), (to_cartesian, from_cartesian), (PRISMATIC, OF_PRISMATIC)]
)
def test_notations_there_and_back(there: object, back: object) -> None:
    aberrations, defocus = back(there(FULL, 73.0))  # type: ignore[operator]
    assert defocus == pytest.approx(73.0)
    torch.testing.assert_close(phase(aberrations, defocus), phase(FULL, 73.0), rtol=1e-9, atol=1e-9)


def test_haiders_notation_is_its_formula() -> None:
    given = {
        name: (float(RNG.uniform(1, 9)) * 10 ** int(name[1]), float(RNG.uniform(-180, 180)))
        for name in to_haider(FULL)
    }
    given |= {name: (given[name][0], 0.0) for name in ("C1", "C3", "C5")}
    c = {name: size * np.exp(1j * np.deg2rad(angle)) for name, (size, angle) in given.items()}
    rows, columns = (axis.numpy() for axis in angles((8, 10), (0.3, 0.25), 300e3))
    w = columns + 1j * rows[:, None]
    v = w.conj()
    series = (
        c["C1"] * w * v / 2 + c["A1"] * v**2 / 2 + c["B2"] * w * v**2 + c["A2"] * v**3 / 3
        + c["C3"] * (w * v) ** 2 / 4 + c["S3"] * w * v**3 + c["A3"] * v**4 / 4
        + c["B4"] * w**2 * v**3 + c["D4"] * w * v**4 + c["A4"] * v**5 / 5
        + c["C5"] * (w * v) ** 3 / 6 + c["S5"] * w**2 * v**4 + c["D5"] * w * v**5 + c["A5"] * v**6 / 6
    )  # fmt: skip
    expected = 2 * pi / wavelength(300e3) * series.real
    np.testing.assert_allclose(phase(*from_haider(given)).numpy(), expected, rtol=1e-9, atol=1e-9)


def test_prismatics_rows_are_phases_per_power_of_the_angle() -> None:
    rows, columns = (axis.numpy() for axis in angles((8, 10), (0.3, 0.25), 300e3))
    alpha, azimuth = np.hypot(rows[:, None], columns), np.arctan2(rows[:, None], columns)
    there = to_prismatic(FULL, 73.0, energy=300e3)
    expected = sum(s * alpha**m * np.cos(n * (azimuth - np.deg2rad(turn))) for m, n, s, turn in there)
    np.testing.assert_allclose(phase(FULL, 73.0).numpy(), expected, rtol=1e-9, atol=1e-9)


def test_defocus_goes_by_its_own_name() -> None:
    for given in ({"C10": -80.0}, {"aberrations": {"C10": -80.0}}):
        with pytest.raises(SpecError, match=r"C10 is -80\.0; it is minus the defocus, so give"):
            Imaging.parse(given)


@pytest.mark.parametrize(
    ("convert", "given"),
    [(from_haider, {"Q2": 1.0}), (from_cartesian, {"C12": 1.0}), (OF_PRISMATIC, [(3, 2, 1.0, 0.0)])],
)
def test_unknown_aberrations_are_refused(convert: object, given: object) -> None:
    with pytest.raises(OpticsError, match="is no aberration"):
        convert(given)  # type: ignore[operator]


def test_the_focal_spread_of_an_instrument() -> None:
    gamma = 1 + 300e3 / 510998.95
    expected = 1.4e7 * gamma / ((1 + gamma) / 2) * 0.8 / 2.35482 / 300e3
    assert focal_spread(1.4e7, 0.8, 300e3) == pytest.approx(expected, rel=1e-4)
    assert focal_spread(1.4e7, 0.0, 300e3, current_instability=1e-6) == pytest.approx(28.0)
    with pytest.raises(OpticsError, match="0 or more"):
        focal_spread(-1.0, 0.8, 300e3)


def test_motion_is_its_formula_and_smears_along_its_direction() -> None:
    k = torch.tensor([0.3], dtype=torch.float64)
    none = torch.zeros((), dtype=torch.float64)
    damped = motion_envelope(none[None], k, none + 2.0, none + 60.0, none + 0.4)
    x = 0.3 * 2.0 * 0.5
    assert float(damped) == pytest.approx(np.sinc(x) * exp(-2 * pi**2 * 0.16 * 0.09))
    array = torch.ones(1, 64, 64, dtype=torch.complex64)
    array[0, 32, 32] = 3.0
    wave = ExitWave(array, (0.2, 0.2), 300e3)
    spec = Imaging(focal_spread=0.0, drift=1.6, drift_angle=0.0)
    still, along = intensities(wave, [spec.replace(drift=0.0), spec])
    assert float(along[32, 29:36].sum() - 7) == pytest.approx(float(still[32, 32] - 1), rel=0.2)
    assert float(along[:, 32].sum() - 64) < 0.3 * float(still[32, 32] - 1)
    assert float(along.mean()) == pytest.approx(float(still.mean()), rel=1e-5)


@pytest.mark.parametrize("name", [*MICROSCOPES, None])
@pytest.mark.parametrize("camera", DETECTORS)
def test_every_microscope_and_camera_makes_an_image(name: str | None, camera: str) -> None:
    fields = {"defocus": 80.0, "detector": camera} | ({"microscope": name} if name else {})
    spec = Imaging.parse(fields)
    assert "microscope" not in spec.to_dict()
    wave = ExitWave(torch.ones(1, 32, 40, dtype=torch.complex64), (0.2, 0.2), spec.lens_energy or 300e3)
    seen = image(wave, seed=3, spec=spec)
    drawn = Imaging.parse({key: value for key, value in seen.record.items() if key != "stream"})
    assert drawn.drawn
    electrons = (seen.array.mean() - drawn.detector.offset) / drawn.detector.gain
    assert electrons == pytest.approx(16.0, abs=2.0)
    assert Imaging.named("team-0.5", dose=50).dose == 50


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"microscope": "jeol"}, "images.microscope is jeol; the presets are team-0.5, corrected-300, lab6-200, or"),
        ({"microscope": "corected-300"}, "images.microscope is corected-300; the presets are team-0.5, "
                                         "corrected-300, lab6-200; did you mean corrected-300?"),
        ({"microscope": {"chromatc": 1e7}}, "images.microscope.chromatc is not a known key; did you mean chromatic?"),
        ({"microscope": {"detector": "cdc"}}, "images.microscope.detector is cdc; "),
        ({"microscop": "team-0.5"}, "images.microscop is not a known key; did you mean microscope?"),
        ({"session": {"microscope": "team-05"}}, "images.session.microscope is team-05; "),
        ({"session": {"interval": 1}}, "images.session has no microscope; "),
    ],
)  # fmt: skip
def test_a_mistyped_microscope_is_one_sentence_with_its_key(fields: dict[str, object], sentence: str) -> None:
    with pytest.raises(SpecError) as caught:
        Imaging.parse(fields, "images")
    assert str(caught.value).startswith(sentence)
    with pytest.raises(SpecError) as caught:  # as a constructor call has no section
        Imaging(**fields)
    assert str(caught.value).startswith(sentence.removeprefix("images."))


def test_the_shown_transfer_is_the_applied_one() -> None:
    spec = Imaging(defocus=90.0, aberrations=FULL.replace(C50=0.0), focal_nodes=7, aperture=30.0)
    ctf = CTF.of(spec, (40, 56), (0.25, 0.2))
    applied = transfer_function(Conditions.of([spec]), (40, 56), (0.25, 0.2), 300e3)[0]
    assert torch.equal(ctf.array, applied)
    np.testing.assert_array_equal(np.fft.ifftshift(ctf.contrast), (-applied.imag * ctf.envelope).numpy())
    q, value = ctf.along(90.0)
    row = round(float(q[20]) * 0.25 * 40)
    assert len(q) == len(value)
    assert row < 40
    target = io.BytesIO()
    ctf.show().savefig(target)
    assert target.tell() > 5000


def test_the_first_zero_of_extended_scherzer() -> None:
    ctf = CTF.of(Imaging(defocus=595.0, aberrations={"C30": "1.2 mm"}, focal_spread=0.0), (1024, 1024), (0.25, 0.25))
    assert ctf.first_zero == pytest.approx(0.5059, abs=0.003)
    assert CTF.of(Imaging(), (16, 16)).first_zero == float("inf")


def test_white_noise_of_a_counting_camera() -> None:
    wave = ExitWave(torch.ones(1, 512, 512, dtype=torch.complex64), (0.2, 0.2), 300e3)
    camera = {"c1": 1.0, "c2": 0.1, "c3": 0.3, "noise_flatness": 1.0, "gain": 20.0, "offset": 200.0}
    seen = image(wave, seed=1, dose=400, detector=camera)
    frequency, power = seen.power_spectrum(window=False).radial(8)
    np.testing.assert_allclose(power[1:], 400 * 16, rtol=0.05)
    assert len(frequency) == 8


def test_xrays_and_flat_field_are_as_asked() -> None:
    wave = ExitWave(torch.ones(1, 512, 512, dtype=torch.complex64), (0.2, 0.2), 300e3)
    hit = image(wave, seed=1, dose=400, detector={"xrays": 1e-3}).array
    assert 95 < (hit > 45).sum() < 200
    rough = image(wave, seed=1, dose=1e6, detector={"flat_field": 0.02}).array
    assert rough.std() / rough.mean() == pytest.approx(np.hypot(0.02, (1e6 * 0.04) ** -0.5), rel=0.03)


def test_draws_of_a_microscope_differ_and_repeat() -> None:
    spec = Imaging.named("corrected-300")
    first, second = spec.draw(Stream(1) / 0), spec.draw(Stream(1) / 1)
    assert first != second
    assert first == spec.draw(Stream(1) / 0)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: contrast_factor(2.0, 1.0), "share is 2.0 and background 1.0; a share is 0 to 1"),
        (lambda: plasmon_contrast(torch.ones(2, 2), -1.0), "the contrast factor is -1.0; it is 0"),
        (
            lambda: expose(-torch.ones(1, 4, 4), [Imaging()], [Stream(1)], 0.04),
            "the intensity goes down to -1; it is",
        ),
        (lambda: CTF.of(Imaging(), shape=(0, 3)), r"shape is \(0, 3\); it is two numbers of pixels"),
        (lambda: from_haider({"B2": (1, 2, 3)}), r"B2 is \(1, 2, 3\); it is a length in Å, or that and an angle"),
        (lambda: image(3, seed=1), "int is given; give an exit wave"),
    ],
)
def test_what_no_optics_has_is_refused(call: Callable[[], object], said: str) -> None:
    with pytest.raises(OpticsError, match=said):
        call()
