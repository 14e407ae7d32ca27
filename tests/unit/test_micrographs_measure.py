"""What calibration reads off micrographs without simulation: spacings, and the material that they belong to."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from exitwave.dataset import Recipe
from exitwave.imaging import Micrograph
from exitwave.micrographs.calibration.measure import Lens, fitted_rings, measured_noise, rings_table
from exitwave.micrographs.calibration.spacings import (
    crystals,
    likely_crystals,
    measured_spacings,
    peak_table,
    peaks_of,
    pixel_note,
    telling,
    with_material,
)

GOLD = [2.355, 2.36, 2.35, 2.04, 2.035, 1.442]


def peaks(spacings: list[float], pixel_size: float = 0.2) -> pd.DataFrame:
    """Peaks of tiles of 512 px at 0.2 Å, with another pixel size stated."""
    return peak_table(np.array([(0.2 / d, 1 / 512, 0.02, 0.45) for d in spacings]).reshape(-1, 4), pixel_size, "one")


def test_spacings_stand_beside_the_tabulated_ones() -> None:
    table = measured_spacings(peaks([1.01 * d for d in GOLD]), ["Au"]).set_index("plane")
    assert table.loc["111", "spacing"] == pytest.approx(1.01 * 2.355)
    assert table.loc["111", "deviation"] == pytest.approx(0.01, abs=1e-3)
    assert table.loc["111", "peaks"] == 3
    assert table.loc["111", "error"] == pytest.approx(0.02 * 1.01 * 2.355 / np.sqrt(3), rel=0.01)
    assert measured_spacings(peaks([]), ["Au"]).empty
    assert pixel_note(peaks(GOLD), ["Au"]) == pixel_note(peaks([]), ["Au"]) == ""


def test_a_material_that_explains_no_more_than_chance_does_not_speak() -> None:
    table = measured_spacings(peaks(GOLD), ["Au", "CdSe"])
    assert set(telling(table)["material"]) == {"Au"}
    # planes of an oxide lie so close that a lone high order is near one of them
    assert telling(measured_spacings(peaks([0.9450]), ["Fe3O4", "CdSe"])).empty
    assert not measured_spacings(peaks([0.9450]), ["Fe3O4", "CdSe"]).empty
    assert likely_crystals(peaks([]), ["Au"]) == likely_crystals(peaks(GOLD, 5.0), ["Au"]) == []


def test_many_peaks_from_anywhere_tell_of_no_material() -> None:
    names = ["Au", "Pt", "CdSe", "Fe3O4", "TiO2-anatase"]
    for seed in range(8):
        anywhere = np.exp(np.random.default_rng(seed + 1).uniform(np.log(0.6), np.log(9), 40))
        found = peaks(anywhere.tolist())
        assert likely_crystals(found, names) == []
        assert pixel_note(found, names) == ""


def test_a_wrong_pixel_size_shows_in_all_spacings_alike() -> None:
    """Gold at 4.5 % too small pixels: planes are told from each other, 400 not taken for 331."""
    measured = peaks([*GOLD, 1.0196], 0.2 / 1.045)
    table = measured_spacings(measured, ["Au"]).set_index("plane")
    assert table["peaks"].to_dict() == {"111": 3, "200": 2, "220": 1, "400": 1}
    assert np.allclose(table["spacing"], table["tabulated"] / 1.045, rtol=5e-3)
    assert np.allclose(table["scale"], 1.045, atol=0.01)
    note = pixel_note(measured, ["CdSe", "Au"])
    assert re.fullmatch(
        r"If the particles are Au, .* pixels are (3\.[5-9]|4\.\d)% \(± 1\.\d%\) larger than stated; .*", note
    )
    assert "smaller than stated" in pixel_note(peaks(GOLD, 0.2 * 1.045), ["Au"])
    # a crystal that has these spacings at the size as it is stated ends all doubt
    assert pixel_note(measured, ["Au", "Pd"]) == ""


@pytest.mark.parametrize("off", [0.97, 1.0, 1.05])
def test_micrographs_of_several_magnifications_are_put_together(off: float) -> None:
    rng = np.random.default_rng(3)
    tables = [
        peak_table(np.array([(size / d * off, 1 / 128, 0.055, 0.45) for d in rng.choice(GOLD, 6)]), size, str(size))
        for size in (0.2, 0.3, 0.5)
    ]
    row = measured_spacings(pd.concat(tables), ["Au"]).iloc[0]
    assert row["scale"] == pytest.approx(off, abs=0.01)
    assert row["scale_error"] < 0.015


def test_a_choice_of_materials_is_cut_to_those_that_explain_the_spacings() -> None:
    data = Recipe.read("gold-on-carbon").to_dict()
    data["structures"]["particles"]["material"] = {"choice": ["Au", "CdSe", "Ag"], "weights": [1, 2, 3]}
    data["structures"]["particles"]["defects"] = 0
    recipe = Recipe.parse(data)
    assert set(crystals(recipe)) == {"Au", "CdSe", "Ag"}
    kept = with_material(recipe, peaks(GOLD)).structures.spec.particles.material
    assert kept.to_dict()["choice"] == ["Au", "Ag"]  # of one lattice constant
    assert kept.weights == (1, 3)
    assert with_material(recipe, peaks([])) == recipe
    fixed = Recipe.read("gold-on-carbon")
    assert with_material(fixed, peaks(GOLD)) == fixed


def test_peaks_are_of_at_most_sixteen_micrographs_and_of_large_ones() -> None:
    wave = 50 + 10 * np.cos(2 * np.pi * np.arange(192) * 0.3 / 2.355)
    counts = np.random.default_rng(0).poisson(wave, (40, 192, 192))
    several = [Micrograph(one, 0.3, name=str(index)) for index, one in enumerate(counts)]
    assert peaks_of([Micrograph(counts[0, :100], 0.3)]).empty
    found = peaks_of(several)
    assert found["micrograph"].nunique() == 16
    assert {"0", "39"} <= set(found["micrograph"])
    assert found["spacing_angstrom"].median() == pytest.approx(2.355, rel=0.03)


def test_what_cannot_be_measured_is_said_for_each_micrograph() -> None:
    draw = np.random.default_rng(1)
    small = Micrograph(draw.poisson(20, (40, 40)), 0.2, name="small")
    plain = Micrograph(draw.poisson(20, (192, 192)), 0.2, name="plain")
    noise = measured_noise([small, plain]).set_index("micrograph")
    assert "statistics need 64 px" in noise.loc["small", "why_not"]
    assert "too alike in brightness" in noise.loc["plain", "why_not"]
    rings = rings_table(fitted_rings([small, plain], Lens(300e3))).set_index("micrograph")
    assert not rings["rings"].any()
    assert "too small" in rings.loc["small", "why_not"]
    assert "none stand out" in rings.loc["plain", "why_not"]
    assert np.isnan(rings["defocus"]).all()


def test_rings_are_looked_for_with_the_lens_that_the_recipe_names() -> None:
    data = Recipe.read("gold-on-carbon").to_dict()
    data["images"] |= {"defocus": {"uniform": [-9000, -200]}, "aberrations": {"C30": "1.2 mm"}}
    lens = Lens.of(Recipe.parse(data))
    assert lens.spherical == 1.2e7
    assert lens.between[0] < -10000
    assert lens.between[1] == -100
    data["images"] |= {"defocus": 600.0, "aberrations": {"C30": {"normal": [2e4, 1e3]}}}
    lens = Lens.of(Recipe.parse(data))
    assert lens.spherical == pytest.approx(2e4)
    assert lens.between == (100, 3000)
