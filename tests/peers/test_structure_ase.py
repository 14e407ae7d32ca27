"""Crystals of all seven systems against ASE."""

import numpy as np
import pytest

from exitwave.core import Stream
from exitwave.structure import Crystal, Sphere, Volume

ase_build = pytest.importorskip("ase.build")
from ase import Atoms  # noqa: E402
from ase.spacegroup import crystal as ase_crystal  # noqa: E402

SYSTEMS = {
    "triclinic": (2, [5.1, 6.2, 7.3, 80, 95, 105], ["Au", "O"], [[0.1, 0.2, 0.3], [0.4, 0.35, 0.8]]),
    "monoclinic": (14, [5.1, 6.2, 7.3, 90, 105, 90], ["Zr", "O"], [[0.27, 0.04, 0.21], [0.07, 0.33, 0.34]]),
    "orthorhombic": (62, [5.4, 7.6, 5.3, 90, 90, 90], ["Ca", "O"], [[0.03, 0.25, 0.99], [0.29, 0.04, 0.71]]),
    "tetragonal": (136, [4.59, 4.59, 2.96, 90, 90, 90], ["Ti", "O"], [[0, 0, 0], [0.305, 0.305, 0]]),
    "trigonal": (167, [4.76, 4.76, 12.99, 90, 90, 120], ["Al", "O"], [[0, 0, 0.352], [0.306, 0, 0.25]]),
    "hexagonal": (
        186,
        [4.2985, 4.2985, 7.0152, 90, 90, 120],
        ["Cd", "Se"],
        [[1 / 3, 2 / 3, 0], [1 / 3, 2 / 3, 0.375]],
    ),
    "cubic": (225, [4.21, 4.21, 4.21, 90, 90, 90], ["Mg", "O"], [[0, 0, 0], [0.5, 0.5, 0.5]]),
}


def distances_from(points, centre, count=60):
    return np.sort(np.linalg.norm(points - centre, axis=1))[:count]


@pytest.mark.parametrize("system", SYSTEMS)
def test_neighbour_distances_equal_those_of_ase(system):
    group, cell, species, basis = SYSTEMS[system]
    theirs = ase_crystal(species, basis, spacegroup=group, cellpar=cell)
    ours = Crystal.from_spacegroup(group, cell, species, basis)
    assert len(ours.sites) == len(theirs)
    block = theirs.repeat((7, 7, 7))
    middle = len(theirs) * (7 * 7 * 3 + 7 * 3 + 3)
    for which in (0, len(theirs) - 1):
        centre = block.positions[middle + which]
        expected = distances_from(block.positions, centre)
        turned = ours.oriented((1, 2, 3), spin=20).translated((3, 4, 5))
        made = Volume(turned, Sphere(expected.max() + 1e-3, centre=turned.sites[_same(ours, theirs, which)]))
        found = made.atoms(Stream(0)).positions
        assert np.allclose(distances_from(found, turned.sites[_same(ours, theirs, which)]), expected, atol=1e-6)


def _same(ours, theirs, which):
    apart = ours.material.basis - theirs.get_scaled_positions()[which]
    return int(np.argmin(np.abs(apart - np.round(apart)).sum(axis=1)))


def test_crystal_from_ase_and_back():
    for name in ("Au", "Fe", "Si"):
        theirs = ase_build.bulk(name)
        ours = Crystal.from_ase(theirs)
        assert np.allclose(ours.lattice, theirs.cell)
        assert ours.material.formula == name
    slanted = Atoms("Mo", cell=[[3.19, 0, 0], [-1.595, 2.7626, 0], [0, 0, 14.9]], pbc=True)
    atoms = Volume(Crystal.from_ase(slanted), Sphere(3.2)).atoms(Stream(0))
    assert distances_from(atoms.positions, (0, 0, 0), 7) == pytest.approx([0] + [3.19] * 6, abs=2e-3)


def test_transforms_agree_with_scipy():
    from scipy.spatial.transform import Rotation

    from exitwave.structure import euler, quaternion, rotation

    for q in np.random.default_rng(0).normal(size=(20, 4)):
        assert np.allclose(quaternion(q).matrix, Rotation.from_quat(np.roll(q, -1)).as_matrix())
        vector = q[:3]
        assert np.allclose(
            rotation(vector, np.degrees(np.linalg.norm(vector))).matrix, Rotation.from_rotvec(vector).as_matrix()
        )
        assert np.allclose(
            euler(vector * 50, "ZYX").matrix, Rotation.from_euler("ZYX", vector * 50, degrees=True).as_matrix()
        )
