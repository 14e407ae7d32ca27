"""What calibration reads off micrographs without simulation: spacings, and the material that they belong to."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from exitwave.dataset import Recipe
from exitwave.imaging import Micrograph
from exitwave.micrographs.calibration.measure import Lens, fitted_rings, measured_noise, rings_table
from exitwave.micrographs.calibration.spacings import crystals, measured_spacings, pixel_note, telling, with_material

GOLD = [2.355, 2.36, 2.35, 2.04, 2.035, 1.442]


def peaks(spacings: list[float], strength: float = 100.0) -> pd.DataFrame:
    return pd.DataFrame({"spacing_angstrom": spacings, "strength": strength})


def test_spacings_stand_beside_the_tabulated_ones() -> None:
    table = measured_spacings(peaks([1.01 * d for d in GOLD]), ["Au"]).set_index("plane")
    assert table.loc["111", "spacing"] == pytest.approx(1.01 * 2.355)
    assert table.loc["111", "deviation"] == pytest.approx(0.01, abs=1e-3)
    assert table.loc["111", "peaks"] == 3
    assert 0.01 < table.loc["111", "error"] < 0.02
    assert measured_spacings(peaks(GOLD, strength=5.0), ["Au"]).empty
    assert pixel_note(peaks(GOLD), ["Au"]) == ""


def test_a_material_that_explains_no_more_than_chance_does_not_speak() -> None:
    table = measured_spacings(peaks(GOLD), ["Au", "CdSe"])
    assert set(table["material"]) == {"Au", "CdSe"}
    assert set(telling(table)["material"]) == {"Au"}
    # planes of an oxide lie so close that a lone high order is near one of them
    assert telling(measured_spacings(peaks([0.9450]), ["Fe3O4", "CdSe"])).empty
    assert not measured_spacings(peaks([0.9450]), ["Fe3O4", "CdSe"]).empty


def test_many_peaks_from_anywhere_tell_of_no_material() -> None:
    names = ["Au", "Pt", "CdSe", "Fe3O4"]
    told = 0
    for seed in range(4):
        anywhere = np.exp(np.random.default_rng(seed + 1).uniform(np.log(0.9), np.log(4.5), 40))
        told += telling(measured_spacings(peaks(anywhere.tolist()), names))["material"].nunique()
    assert told <= 1  # of 16


def test_a_wrong_pixel_size_shows_in_all_spacings_alike() -> None:
    """Gold at 4.5 % too small pixels: planes are told from each other, 400 not taken for 331."""
    measured = peaks([0.957 * d for d in (*GOLD, 1.0196)])
    table = measured_spacings(measured, ["Au"]).set_index("plane")
    assert table["peaks"].to_dict() == {"111": 3, "200": 2, "220": 1, "400": 1}
    assert np.allclose(table["scale"], 0.957, atol=0.006)
    note = pixel_note(measured, ["CdSe", "Au"])
    assert "If the particles are Au" in note
    assert "4.5% larger than stated" in note or "4.4% larger" in note or "4.6% larger" in note
    # two peaks are no reason to disbelieve a pixel size
    assert np.all(measured_spacings(measured[:1], ["Au"])["scale"] == 1)


def test_a_choice_of_materials_is_cut_to_those_that_explain_the_spacings() -> None:
    data = Recipe.read("gold-on-carbon").to_dict()
    data["structures"]["particles"]["material"] = {"choice": ["Au", "CdSe", "Ag"], "weights": [1, 2, 3]}
    data["structures"]["particles"]["defects"] = 0
    recipe = Recipe.parse(data)
    assert set(crystals(recipe)) == {"Au", "CdSe", "Ag"}
    kept = with_material(recipe, peaks(GOLD)).structures.spec.particles.material
    assert kept.to_dict()["choice"] == ["Au", "Ag"]  # of one lattice constant
    assert kept.weights == (1, 3)
    assert with_material(recipe, peaks(GOLD, strength=5.0)) == recipe
    fixed = Recipe.read("gold-on-carbon")
    assert with_material(fixed, peaks(GOLD)) == fixed


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
