"""Microscopes as distributions, and their sessions."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from exitwave.core import Distribution, OpticsError, SpecError, Stream
from exitwave.dataset import Recipe
from exitwave.dataset.records import draw_image
from exitwave.imaging import Imaging, Microscope, Session, focal_spread, image
from exitwave.imaging.presets import MICROSCOPES
from exitwave.scattering import ExitWave


@pytest.mark.parametrize("name", MICROSCOPES)
def test_a_microscope_turns_into_distributions(name: str) -> None:
    scope = Microscope.named(name)
    spec = Imaging.parse({"microscope": name, "dose": 400.0})
    assert isinstance(spec.focal_spread, Distribution)
    drawn = [spec.draw(Stream(i)) for i in range(30)]
    assert len({one.focal_spread for one in drawn}) > 10
    low, high = {"team-0.5": (8, 15), "corrected-300": (14, 35), "lab6-200": (30, 90)}[name]
    assert all(low < one.focal_spread < high for one in drawn)
    assert Imaging.parse({"microscope": scope}) == Imaging.parse({"microscope": name})
    assert Imaging.parse({"microscope": name, "focal_spread": 7.0}).focal_spread == 7.0


def test_a_described_instrument_has_the_spread_of_its_numbers() -> None:
    given = {"energy": 200e3, "chromatic": "1.2 mm", "energy_spread": 0.7, "instability": 0.0, "detector": "ideal"}
    spec = Imaging.parse({"microscope": given})
    assert spec.focal_spread == pytest.approx(focal_spread(1.2e7, 0.7, 200e3))
    assert spec.detector == Imaging().detector
    noisy = Microscope.parse(given | {"instability": 2e-6})
    assert noisy.spread() == pytest.approx(np.hypot(focal_spread(1.2e7, 0.7, 200e3), 24.0))
    with pytest.raises(SpecError, match=r"microscope\.energy_spred is not a known key; did you mean energy_spread"):
        Imaging.parse({"microscope": {"energy_spred": 1.0}})


def test_a_session_stays_near_its_day_and_forgets() -> None:
    scope = Microscope.named("corrected-300")
    days = [scope.session(np.arange(0, 200, 2.0).tolist(), Stream(1) / day) for day in range(40)]
    assert all(len({fields["focal_spread"] for fields in day}) == 1 for day in days)
    assert len({day[0]["focal_spread"] for day in days}) > 20

    def coma(day: list[dict[str, object]]) -> np.ndarray:
        found = [(f["aberrations"]["C21"], f["aberrations"]["phi21"]) for f in day]  # type: ignore[index]
        return np.array([size * np.exp(1j * np.radians(angle)) for size, angle in found])

    paths = [coma(day) for day in days]
    middles = np.array([path.mean() for path in paths])
    within = np.sqrt(np.mean([np.abs(path - path.mean()).var() + np.var(np.abs(path)) for path in paths]))
    assert within < 0.6 * np.abs(middles).std() + np.abs(middles).mean() * 0.5
    offsets = np.array([(path - path.mean()) / np.abs(path.mean()) for path in paths])
    near, far = (np.mean((offsets[:, lag:] * offsets[:, : -lag or None].conj()).real) for lag in (1, 40))
    assert near > 0.7 * np.mean(np.abs(offsets) ** 2)
    assert far < 0.3 * near
    for fields in days[0][:2]:
        assert Imaging.parse({**fields, "defocus": 50.0}).drawn
    assert days[0] == scope.session(np.arange(0, 200, 2.0).tolist(), Stream(1) / 0)


def test_a_session_without_drift_is_the_same_all_day() -> None:
    still = Microscope.named("lab6-200").session([0.0, 30.0], Stream(2), share=0.0)
    assert still[0]["aberrations"] == pytest.approx(still[1]["aberrations"])


@pytest.mark.parametrize("wrong", [{"times": [1.0, 0.0]}, {"correlation": 0.0}, {"share": -0.1}])
def test_impossible_sessions_are_refused(wrong: dict[str, object]) -> None:
    given = {"times": [0.0, 1.0], "stream": Stream(1)} | wrong
    with pytest.raises(OpticsError, match="times rise"):
        Microscope().session(**given)  # type: ignore[arg-type]


def test_images_of_a_recipe_share_the_session_of_their_structure() -> None:
    spec = Imaging.parse(
        {
            "microscope": "corrected-300", "session": {"interval": {"uniform": [1, 3]}}, "contrast": 0.9,
            "defocus": {"uniform": [-100, 100]}, "dose": 400.0,
        }
    )  # fmt: skip
    assert Imaging.parse(spec.to_dict()) == spec
    assert not spec.drawn
    days = [
        [draw_image(spec, Stream(1) / "structure" / day, index).imaging for index in range(6)] for day in range(25)
    ]
    for day in days:
        assert all(one.drawn and one.contrast == 0.9 for one in day)
        assert len({one.focal_spread for one in day}) == len({one.detector.gain for one in day}) == 1
        assert len({one.defocus for one in day}) == len({one.aberrations.C12 for one in day}) == 6
    assert len({day[0].focal_spread for day in days}) > 20
    size = np.array([[one.aberrations.C21 for one in day] for day in days])
    assert size.std(axis=1).mean() < 0.5 * size.mean(axis=1).std()  # a day differs less than days do
    record = days[0][2].to_dict()
    assert "session" not in record
    assert Imaging.parse(record) == days[0][2]
    assert spec.draw(Stream(3)).drawn
    assert spec.replace(focal_spread=7.0).exposure(Stream(1), 0).focal_spread == 7.0
    alone = spec.independent()
    assert alone.session is None
    assert alone.defocus == spec.defocus
    assert alone.detector == Imaging().detector
    inside = {"microscope": "corrected-300", "interval": 1.0}
    beside = Imaging.parse({"microscope": "corrected-300", "session": {"interval": 1.0}, "contrast": 0.9})
    assert (
        Imaging.parse({"session": inside, "contrast": 0.9})
        == Imaging(session=Session(**inside), contrast=0.9)
        == beside
    )
    assert beside.lens_energy == 300e3
    with pytest.raises(SpecError, match="session has no microscope; name one beside it"):
        Imaging.parse({"session": {"interval": 2.0}})


def test_a_microscope_images_electrons_of_its_own_energy_only() -> None:
    wave = ExitWave(torch.ones(1, 16, 16, dtype=torch.complex64), (0.2, 0.2), 300e3)
    sentence = "one of 200 keV and the electrons have 300 keV; scatter at energy 200000"
    with pytest.raises(OpticsError, match=sentence):
        image(wave, seed=1, microscope="lab6-200")
    recipe = Recipe.read("gold-on-carbon").to_dict() | {"images": {"microscope": "lab6-200"}}
    with pytest.raises(SpecError, match=sentence):
        Recipe.parse(recipe)
    with pytest.raises(SpecError, match=sentence):
        Recipe.parse(recipe | {"scattering": {"energy": {"choice": [200e3, 300e3]}}})
    assert Recipe.parse(recipe | {"scattering": {"energy": 200e3}}).images.spec.lens_energy == 200e3
    assert "lens_energy" not in Imaging().to_dict()


def test_a_session_is_numbers_where_the_specimen_drifts() -> None:
    first, second = Microscope(drift=[1.0, 2.0]).session([0.0, 5.0], Stream(3))
    spec = Imaging.parse(first)
    assert spec.drawn
    assert spec.drift_angle == second["drift_angle"]
    assert 1.0 <= spec.drift <= 2.0
