"""Every material of the table against known bond lengths and densities."""

import numpy as np
import pytest

from exitwave.core import StructureError
from exitwave.structure import Crystal, material, materials
from exitwave.structure.materials import atomic_number

# element, neighbour, Å, how many within 2 %; bond lengths as tabulated in the literature
BONDS = {
    "Au": [("Au", "Au", 2.884, 12)],
    "Ag": [("Ag", "Ag", 2.889, 12)],
    "Pt": [("Pt", "Pt", 2.775, 12)],
    "Pd": [("Pd", "Pd", 2.751, 12)],
    "Cu": [("Cu", "Cu", 2.556, 12)],
    "Ni": [("Ni", "Ni", 2.492, 12)],
    "Fe": [("Fe", "Fe", 2.482, 8)],
    "Si": [("Si", "Si", 2.352, 4)],
    "Ge": [("Ge", "Ge", 2.450, 4)],
    "C-diamond": [("C", "C", 1.545, 4)],
    "CdSe": [("Cd", "Se", 2.632, 4), ("Se", "Cd", 2.632, 4)],
    "CdSe-zincblende": [("Cd", "Se", 2.62, 4)],
    "ZnS": [("Zn", "S", 2.34, 4)],
    "ZnO": [("Zn", "O", 1.98, 4)],
    "GaAs": [("Ga", "As", 2.448, 4)],
    "PbS": [("Pb", "S", 2.968, 6)],
    "CeO2": [("Ce", "O", 2.343, 8), ("O", "Ce", 2.343, 4)],
    "TiO2-rutile": [("Ti", "O", 1.96, 6)],
    "TiO2-anatase": [("Ti", "O", 1.95, 6)],
    "MgO": [("Mg", "O", 2.106, 6)],
    "NiO": [("Ni", "O", 2.089, 6)],
    "Fe3O4": [("Fe", "O", 1.888, 4), ("Fe", "O", 2.059, 6)],
    "Co3O4": [("Co", "O", 1.94, 4), ("Co", "O", 1.92, 6)],
    "Mn3O4": [("Mn", "O", 2.04, 4), ("Mn", "O", 1.93, 4), ("Mn", "O", 2.28, 2)],
    "SrTiO3": [("Ti", "O", 1.953, 6), ("Sr", "O", 2.761, 12)],
    "MoS2": [("Mo", "S", 2.41, 6), ("Mo", "Mo", 3.160, 6)],
    "WS2": [("W", "S", 2.405, 6), ("W", "W", 3.153, 6)],
    "graphite": [("C", "C", 1.421, 3)],
    "graphene": [("C", "C", 1.421, 3)],
    "h-BN": [("B", "N", 1.446, 3)],
}
# g/cm³, of handbooks; those of natural minerals scatter by some percent
DENSITIES = {
    "Au": 19.3, "Ag": 10.49, "Pt": 21.45, "Pd": 12.02, "Cu": 8.96, "Ni": 8.91, "Fe": 7.87, "Si": 2.329, "Ge": 5.323,
    "C-diamond": 3.515, "CdSe": 5.66, "CdSe-zincblende": 5.67, "ZnS": 4.09, "ZnO": 5.61, "GaAs": 5.318, "PbS": 7.6,
    "CeO2": 7.215, "TiO2-rutile": 4.23, "TiO2-anatase": 3.89, "MgO": 3.58, "NiO": 6.8, "Fe3O4": 5.18, "Co3O4": 6.07,
    "Mn3O4": 4.84, "SrTiO3": 5.12, "MoS2": 5.06, "WS2": 7.6, "graphite": 2.26, "h-BN": 2.27,
}  # fmt: skip


def surroundings(name):
    """Return for each site its number and the numbers and distances of its neighbours up to 3.4 Å."""
    cell = material(name)
    steps = np.indices((5, 5, 5)).reshape(3, -1).T - 2
    sites = cell.basis @ cell.lattice
    around = ((steps @ cell.lattice)[:, None] + sites).reshape(-1, 3)
    numbers = np.tile(cell.numbers, len(steps))
    for site, number in zip(sites, cell.numbers, strict=True):
        distances = np.linalg.norm(around - site, axis=1)
        near = (distances > 1e-6) & (distances < 3.4)
        yield number, numbers[near], distances[near]


@pytest.mark.parametrize("name", materials())
def test_bond_lengths(name):
    for one, other, length, count in BONDS[name]:
        a, b = atomic_number(one), atomic_number(other)
        found = [
            np.count_nonzero((numbers == b) & (np.abs(distances / length - 1) < 0.02))
            for number, numbers, distances in surroundings(name)
            if number == a
        ]
        assert count in found, (one, other, length, found)


@pytest.mark.parametrize("name", materials())
def test_no_bond_is_impossibly_short(name):
    shortest = min(distances.min() for _, _, distances in surroundings(name))
    assert shortest >= min(length for _, _, length, _ in BONDS[name]) * 0.98


@pytest.mark.parametrize("name", DENSITIES)
def test_density(name):
    assert material(name).density == pytest.approx(DENSITIES[name], rel=0.022)


def test_every_material_has_a_source_a_bond_and_a_formula():
    for name in materials():
        assert material(name).source
        assert name in BONDS
        assert material(name).formula.replace("2", "").isalnum()


def test_reflections_of_gold_and_cadmium_selenide():
    gold, selenide = Crystal("Au"), Crystal("CdSe")
    planes = [(1, 1, 1), (2, 0, 0), (2, 2, 0), (3, 1, 1), (2, 2, 2), (4, 0, 0)]
    assert [gold.spacing(p) for p in planes] == pytest.approx(
        [2.3546, 2.0391, 1.4419, 1.2297, 1.1773, 1.0196], abs=1e-4
    )
    planes = [(1, 0, 0), (0, 0, 2), (1, 0, 1), (1, 0, 2), (1, 1, 0), (1, 0, 3), (1, 1, 2)]
    assert [selenide.spacing(p) for p in planes] == pytest.approx(
        [3.7226, 3.5076, 3.2883, 2.5529, 2.1492, 1.9801, 1.8326], abs=1e-4
    )
    assert material("Au").density == pytest.approx(19.29, abs=0.005)
    assert material("CdSe").density == pytest.approx(5.662, abs=0.001)


@pytest.mark.parametrize(("name", "meant"), [("Gold", "Au"), ("cerium oxide", "CeO2"), ("gallium arsenide", "GaAs")])
def test_english_names_are_understood_in_the_hint(name, meant):
    with pytest.raises(StructureError, match=f"did you mean {meant}"):
        material(name)


@pytest.mark.parametrize("name", ["au", "AU", "cdse-ZINCBLENDE"])
def test_a_name_in_other_letters_is_understood_in_the_hint(name):
    with pytest.raises(StructureError, match=f"did you mean {'Au' if len(name) == 2 else 'CdSe-zincblende'}"):
        material(name)
