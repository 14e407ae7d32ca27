"""Equilibrium shapes against WulffPack."""

import pytest

from exitwave.structure import Crystal
from exitwave.structure.prefabs.shapes import facets

wulffpack = pytest.importorskip("wulffpack")


@pytest.mark.filterwarnings("ignore")  # WulffPack's own, about spglib
@pytest.mark.parametrize(
    ("name", "energies"),
    [
        ("Au", {(1, 1, 1): 1.0, (1, 0, 0): 1.15, (1, 1, 0): 1.2}),
        ("Pt", {(1, 1, 1): 1.0, (2, 1, 0): 1.1}),
        ("TiO2-rutile", {(1, 1, 0): 1.0, (1, 0, 1): 1.3, (0, 0, 1): 1.5}),
    ],
)
def test_shape_equals_that_of_wulffpack(name, energies):
    crystal = Crystal(name)
    ours = facets(crystal, energies)
    theirs = wulffpack.SingleCrystal(energies, primitive_structure=crystal.material.to_ase())
    scale = (theirs.volume / ours.volume) ** (2 / 3)
    assert theirs.area == pytest.approx(ours.areas.sum() * scale, rel=1e-6)
