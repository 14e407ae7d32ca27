"""Prefabs: planar defects anywhere, multiply twinned and faceted shapes, core–shell, sheets, islands, boundaries."""

import numpy as np
import pytest
from ase.cluster import Decahedron
from scipy.spatial import cKDTree

from exitwave.core import Stream, StructureError
from exitwave.structure import (
    Box,
    Crystal,
    Scene,
    Sphere,
    Union,
    Volume,
    material,
    quaternion,
    rotation,
    uniform_quaternion,
)
from exitwave.structure.analysis import CLASSES, common_neighbour_classes, neighbours
from exitwave.structure.families import Layers
from exitwave.structure.prefabs import (
    agglomerate,
    alloy,
    coincident_field,
    core_shell,
    cube,
    decahedron,
    epitaxial,
    faceted,
    faulted,
    grain_boundary,
    habit,
    island,
    layered,
    octahedron,
    platelet,
    polycrystal,
    randomly_faulted,
    rod,
    tetrahedron,
    truncated,
    truncated_octahedron,
    twinned,
    twisted_bilayer,
    uneven,
)

TURN = quaternion((3, 1, -2, 5))
SPOT = (61.3, -20.7, 33.1)


def boxed(*bodies, rule="contact"):
    low, high = Union(bodies).bounds()
    moved = [body.translated(5 - low) for body in bodies]
    return Scene(moved, high - low + 10, minimum_distance=rule, pbc=(False, False, False)).build(seed=1)


def least_distance(structure):
    return cKDTree(structure.positions).query(structure.positions, 2)[0][:, 1].min()


@pytest.mark.parametrize("plane", [(1, 1, 1), (-1, 1, 1), (1, -1, 1), (-1, -1, 1)])
def test_twins_lie_on_any_variant_of_a_particle_anywhere(plane):
    crystal = Crystal("Au").transformed(TURN).translated((0.3, 1.1, -0.7))
    ball = Volume(crystal, Sphere(14, centre=SPOT))
    made = boxed(twinned(ball, plane=plane))
    assert least_distance(made) == pytest.approx(2.8837, abs=1e-3)
    twin = common_neighbour_classes(made) == CLASSES.index("hcp")
    assert twin.sum() > 30
    heights = made.positions[twin] @ crystal.normal(plane)
    assert np.ptp(heights) < 0.1  # one layer, across the plane that was asked for


@pytest.mark.parametrize("plane", [(0, 0, 1), (0, 0, -1)])
@pytest.mark.parametrize("kind", ["I1", "I2", "E"])
def test_basal_faults_keep_the_bonds_of_wurtzite_anywhere(plane, kind):
    crystal = Crystal("CdSe").transformed(TURN)
    made = boxed(faulted(Volume(crystal, Sphere(13, centre=SPOT)), [(kind, -1)], plane=plane))
    assert least_distance(made) == pytest.approx(2.6307, abs=2e-3)
    perfect = boxed(Volume(crystal, Sphere(13, centre=SPOT)))
    assert (neighbours(made, 2.7).counts == 4).sum() > 0.9 * (neighbours(perfect, 2.7).counts == 4).sum()


def test_defects_that_do_not_fit_are_refused():
    ball = Volume(Crystal("Au"), Sphere(10))
    for make, words in (
        (lambda: randomly_faulted(ball, 9, Stream(1)), "do not fit"),
        (lambda: twinned(ball, count=12), "do not fit"),
        (lambda: faulted(ball, [("twin", 40)]), "outside the volume"),
        (lambda: faulted(ball, [("twin", 0), ("intrinsic", 1)]), "nearer than 3 layers"),
        (lambda: faulted(Volume(Crystal("MgO"), Sphere(10)), [("twin", 0)]), "planar faults are made"),
    ):
        with pytest.raises(StructureError, match=words):
            make()


@pytest.mark.parametrize(("edge", "truncation", "notch"), [(6, 1, 1), (8, 2, 2), (10, 2, 3), (7, 4, 0)])
def test_decahedra_have_as_many_atoms_as_those_of_ase(edge, truncation, notch):
    other = Decahedron("Au", edge - truncation + 1 - 2 * notch, truncation + 1, notch)
    assert len(boxed(decahedron("Au", edge, truncation, notch))) == len(other)


def test_habits_are_those_of_the_textbook():
    assert set(habit(material("Au"))) == {(1, 1, 1), (1, 0, 0)}
    assert set(habit(material("Fe"))) == {(1, 1, 0)}  # rhombic dodecahedron of bcc
    assert next(iter(habit(material("TiO2-anatase")))) == (1, 0, 1)
    assert list(habit(material("TiO2-rutile")))[:2] == [(1, 1, 0), (1, 0, 1)]
    assert set(habit(material("CdSe"))) == {(1, 0, 0), (0, 0, 1), (0, 0, -1), (1, 0, 1), (1, 0, -1)}


def test_polyhedra_have_the_size_asked_for_and_lose_their_corners():
    volume = 4 / 3 * np.pi * 12**3
    for shape in (tetrahedron("Au", 12), octahedron("GaAs", 12), faceted("TiO2-rutile", 12)):
        assert shape.region.volume == pytest.approx(volume)
        assert shape.transformed(TURN).region.volume == pytest.approx(volume)
    assert len(octahedron("GaAs", 12).region.vertices) == 6  # both kinds of {111} of zincblende
    assert len(truncated(tetrahedron("Au", 12), {(1, 1, 1): 0.8}).region.vertices) == 12
    gold = faceted("Au", 12)
    moved = uneven(gold, 0.1 * Stream(1).generator().standard_normal(14))
    assert moved.region.volume == pytest.approx(volume)
    with pytest.raises(StructureError, match="the size is -5; a radius in Å"):
        tetrahedron("Au", -5)
    with pytest.raises(StructureError, match="TiO2-rutile is not cubic; a tetrahedron"):
        tetrahedron("TiO2-rutile", 12)
    with pytest.raises(StructureError, match="14 facets"):
        uneven(gold, [0.1])
    with pytest.raises(StructureError, match="share of"):
        truncated(gold, {(1, 0, 0): 1.4})


def test_rods_and_platelets():
    wire = boxed(rod("CdSe", 15, 80, sides=(1, 0, 0), ends=(1, 0, 1)))
    assert np.ptp(wire.positions[:, 2]) == pytest.approx(80, abs=12)  # the tips hold no atom
    round_one = rod("Au", 10, 60, axis=(1, 1, 0), ends="round")
    assert len(boxed(round_one)) == pytest.approx((np.pi * 100 * 40 + 4 / 3 * np.pi * 1000) * 0.05897, rel=0.03)
    plate = platelet("Au", 30, 15, sides=(1, 1, 1))
    up = Crystal("Au").normal((1, 1, 1))
    assert np.ptp(boxed(plate).positions @ up) <= 15
    assert len(plate.region.vertices) == 12
    for make in (
        lambda: rod("Au", 10, 15, ends="round"),
        lambda: rod("Au", 10, 50, axis=(1, 1, 1), sides=(1, 0, 0)),
        lambda: rod("Au", 10, 50, ends=(1, 1, 1)),
        lambda: platelet("Au", -1, 5),
        lambda: platelet("Au", "large", 5),
        lambda: cube("Au", "large"),
    ):
        with pytest.raises(StructureError):
            make()


def test_alloys_follow_vegard():
    ball = alloy({"Au": 1, "Cu": 1, "Ag": 2}, Sphere(18))
    atoms = ball.atoms(Stream(1))
    shares = [(atoms.numbers == z).mean() for z in (79, 29, 47)]
    assert shares == pytest.approx([0.25, 0.25, 0.5], abs=1e-3)
    assert least_distance(boxed(ball)) == pytest.approx((4.0782 + 3.6150 + 2 * 4.0862) / 4 / 2**0.5, abs=1e-3)
    assert set(alloy({"Au": 0, "Ag": 1, "Cu": 0}, Sphere(5)).atoms(Stream(1)).numbers.tolist()) == {47}
    with pytest.raises(StructureError, match="same structure"):
        alloy({"Au": 1, "Fe": 1}, Sphere(5))


@pytest.mark.parametrize("arrangement", ["clump", "raft", "chain"])
def test_particles_of_an_agglomerate_touch_and_do_not_overlap(arrangement):
    shapes = [faceted("Au", 9), decahedron("Au", 5, 1), cube("Ag", 8), Volume(Crystal("Pt"), Sphere(8))]
    bodies = [body.transformed(quaternion(uniform_quaternion(Stream(i)))) for i, body in enumerate(shapes)]
    placed = agglomerate(bodies, Stream(3), arrangement=arrangement, gap=2.5)
    made = boxed(*placed, rule=2.0)
    assert len(made) == len(boxed(*placed, rule=None))  # nobody lost an atom to another
    pieces = [made.positions[made.objects == i] for i in range(4)]
    apart = np.array([[cKDTree(a).query(b)[0].min() if a is not b else np.inf for a in pieces] for b in pieces])
    assert apart.min() >= 2.4
    assert all(apart[i, :i].min() < 5.5 for i in range(1, 4))  # a layer of atoms and the gap, at most
    if arrangement != "clump":
        assert np.ptp([piece[:, 2].min() for piece in pieces]) < 2.5


@pytest.mark.parametrize("arrangement", ["clump", "raft", "chain"])
@pytest.mark.parametrize(
    "make",
    [lambda: Volume(Crystal("Au"), Sphere(9)), lambda: faceted("Au", 9), lambda: decahedron("Au", 4)],
    ids=["sphere", "faceted", "decahedron"],
)
def test_atoms_of_particles_that_touch_are_a_bond_apart(make, arrangement):
    bodies = [make().transformed(quaternion(uniform_quaternion(Stream(i)))) for i in range(5)]
    for seed, gap in ((1, 2.5), (2, 6.0)):
        placed = agglomerate(bodies, Stream(seed), arrangement=arrangement, gap=gap)
        made = boxed(*placed, rule=2.0)
        assert len(made) == 5 * len(boxed(make(), rule=2.0))  # nobody lost an atom to another
        pieces = [made.positions[made.objects == i] for i in range(5)]
        for i in range(1, 5):
            nearest = min(cKDTree(other).query(pieces[i])[0].min() for other in pieces[:i])
            assert gap - 0.01 < nearest < gap + 0.41


def test_basal_planes_of_faults_have_three_indices_or_four():
    ball = Volume(Crystal("CdSe").transformed(TURN), Sphere(12))
    three, four = (boxed(faulted(ball, [("I1", 0)], plane=plane)) for plane in ((0, 0, 1), (0, 0, 0, 1)))
    assert np.array_equal(three.positions, four.positions)


def test_particles_grow_into_each_other_at_gaps_below_0():
    balls = [Volume(Crystal("Au"), Sphere(10)) for _ in range(2)]
    apart = []
    for gap in (2.0, 0.0, -5.0, -12.0):
        one, other = agglomerate(balls, Stream(1), gap=gap)
        apart.append(float(np.linalg.norm(one.centre - other.centre)))
    assert (np.diff(apart) < -1).all()
    assert apart[-1] < 10


def test_facets_meet_facets():
    gold = [truncated_octahedron("Au", 10) for _ in range(2)]
    one, other = agglomerate(gold, Stream(4), gap=2.4)
    across = one.region.planes()[0] @ other.region.planes()[0].T
    assert across.min() == pytest.approx(-1, abs=1e-9)


def test_core_and_shell():
    core = Volume(Crystal("Au"), Sphere(10))
    made = boxed(core_shell(core, Crystal("Ag"), 6.0, offset=(3, 0, 0)))
    gold, silver = (made.positions[made.numbers == z] for z in (79, 47))
    middle = gold.mean(axis=0)
    assert np.linalg.norm(silver - middle, axis=1).min() > 10
    assert silver[:, 0].max() - middle[0] == pytest.approx(19, abs=1.5)
    assert middle[0] - silver[:, 0].min() == pytest.approx(13, abs=1.5)
    for arguments, words in (
        ({"thickness": 3.0, "offset": (4, 0, 0)}, "sticks out"),
        ({}, "give one"),
        ({"thickness": 3.0, "directions": [(0, 0, 1), (0, 0, 1)]}, "the same"),
    ):
        with pytest.raises(StructureError, match=words):
            core_shell(core, Crystal("Ag"), **arguments)
    with pytest.raises(StructureError, match="sticks out"):  # only the corners do
        core_shell(cube("Au", 15), Crystal("Ag"), region=Sphere(15))


def test_a_shell_grows_on_a_core_that_was_moved():
    core = Volume(Crystal("Au"), Sphere(10)).translated((5, 6, 7)).rotated((1, 2, 3), 40)
    assert np.allclose(core_shell(core, Crystal("Ag"), 6.0).bounds(), [np.array((5, 6, 7)) - 16, (21, 22, 23)])


@pytest.mark.parametrize(("edge", "truncation", "notch"), [(8, 0, 0), (10, 3, 0), (10, 3, 1)])
def test_a_decahedron_reaches_as_far_as_its_atoms(edge, truncation, notch):
    particle = decahedron("Au", edge, truncation, notch).transformed(TURN)
    positions = np.concatenate([part.atoms(Stream(1)).positions for part in particle.parts])
    assert np.allclose(particle.bounds(), [positions.min(axis=0), positions.max(axis=0)], atol=1e-3)


def test_spinel_shell_of_six_grains_is_laid_onto_its_core():
    core, shell = Crystal("Co3O4"), Crystal("Mn3O4")
    laid = epitaxial(shell, core, ((1, 1, 0), (1, 0, 0)), ((-1, 1, 0), (0, 1, 0)))
    vectors = np.array([(1, 1, 0), (-1, 1, 0)]) @ laid.lattice
    assert np.allclose(vectors, 8.0835 * np.eye(3)[:2], atol=1e-9)
    strain = 8.0835 / (5.765 * 2**0.5) - 1
    assert np.linalg.norm(laid.lattice[2]) == pytest.approx(9.442 * (1 - 0.3 / 0.7 * 2 * strain), abs=1e-3)
    # next to the interface both spinels go on in each other: like ions on like sites
    near = Volume(laid, Box.centred(16, 16, 3)).atoms(Stream(1))
    ours = Volume(core, Box.centred(40, 40, 40)).atoms(Stream(1))
    distance, index = cKDTree(ours.positions).query(near.positions)
    assert ((distance < 0.7) & ((ours.numbers[index] == 8) == (near.numbers == 8))).mean() > 0.95
    whole = boxed(core_shell(cube(core, 12), [laid] * 6, 8.0, directions=np.vstack([np.eye(3), -np.eye(3)])))
    assert len(np.unique(whole.grains)) == 7
    assert {27, 25, 8} == set(whole.numbers.tolist())


def test_sheets_go_on_across_the_border_at_any_twist():
    for angle in (0.0, 3.7, 21.8):
        pair = twisted_bilayer("graphite", (62, 55), angle, within=2).translated((0, 0, 4))
        made = Scene([pair], (62, 55, 12), minimum_distance=2.0).build(seed=1)
        assert (neighbours(made, 1.6).counts == 3).all()
        assert len(made) == pytest.approx(2 * 62 * 55 * 2 / (2.4612**2 * 0.75**0.5), rel=0.04)
    turned = layered("MoS2", (50, 50), 1, spin=30, periodic=False).parts[0].generator
    assert abs(turned.lattice[0] @ Crystal("MoS2").lattice[0]) == pytest.approx(3.1604**2 * np.cos(np.pi / 6))
    bent = layered("MoS2", (60, 60), 2, ripple=1.0, correlation=20, stream=Stream(1)).translated((0, 0, 5))
    made = Scene([bent], (60, 60, 24)).build(seed=1)
    molybdenum = made.positions[(made.numbers == 42) & (made.grains == 0), 2]
    assert 1.5 < np.ptp(molybdenum) < 6
    assert len(made) == pytest.approx(2 * 3 * 3600 / (3.1604**2 * 0.75**0.5), rel=0.04)
    for make, words in (
        (lambda: layered("Au", (40, 40)), "no layered crystal"),
        (lambda: layered("PbS", (40, 40)), "no layered crystal"),
        (lambda: layered("MoS2", (40, 40), 0), "1 or more"),
        (lambda: layered("MoS2", (40, 40), 2, twists=(1,)), "one for each"),
        (lambda: layered("MoS2", (40, 40), ripple=1.0), "stream"),
    ):
        with pytest.raises(StructureError, match=words):
            make()


@pytest.mark.parametrize("angle", [1.1, 6.0, 21.8])
def test_a_twist_is_the_one_that_was_asked_for_or_refused(angle):
    field = coincident_field("graphite", angle)
    pair = twisted_bilayer("graphite", field, angle)
    lower, upper = (part.generator.generator.lattice[:2, :2] for part in pair.parts)
    between = np.linalg.solve(lower, upper).T
    assert np.degrees(np.arctan2(between[1, 0], between[0, 0])) == pytest.approx(angle, abs=0.1)
    own = [np.linalg.svd(np.linalg.solve(Crystal("graphite").lattice[:2, :2], sheet))[1] for sheet in (lower, upper)]
    assert np.allclose(own, 1.0, atol=2e-3)  # hardly strained
    free = twisted_bilayer("graphite", (60, 60), angle, periodic=False)
    lower, upper = (part.generator.lattice[0] for part in free.parts)
    assert np.degrees(np.arccos(lower @ upper / (lower @ lower))) == pytest.approx(angle)
    if angle < 20:
        with pytest.raises(StructureError, match="sheets that repeat are turned by"):
            twisted_bilayer("graphite", (60, 60), angle)


def test_the_catalog_tells_the_twist_that_the_field_allows():
    spec = Layers(material="graphite", sheets=2, twist=7.3, spin=0, field=60).draw(Stream(1))
    stack = spec.stack(Stream(2))
    lower, upper = (part.generator.generator.lattice[:2, :2] for part in stack.parts)
    real = np.degrees(
        np.subtract(
            *(
                np.arctan2(m[1, 0] - m[0, 1], m[0, 0] + m[1, 1])
                for m in (np.linalg.solve(Crystal("graphite").lattice[:2, :2], sheet).T for sheet in (upper, lower))
            )
        )
    )
    assert spec.summary()["twist"] == pytest.approx(real)
    assert abs(real - 7.3) > 0.3
    assert spec.replace(periodic=False).summary()["twist"] == 7.3
    with pytest.raises(StructureError, match="which is vacuum"):
        layered("graphene", (30, 30), 2)


@pytest.mark.parametrize("side", ["exit", "entrance"])
def test_islands_stand_on_their_substrate(side):
    gold = island("Au", {(1, 1, 1): 1.0, (1, 0, 0): 1.15}, 14, at=(20, 30), face=50.0, gap=2.6, side=side, spin=17)
    heights = gold.atoms(Stream(1)).positions[:, 2] - 50.0
    away = heights if side == "exit" else -heights
    assert away.min() == pytest.approx(2.6)
    layers = np.unique(away.round(3))
    assert np.allclose(np.diff(layers), 2.3546, atol=2e-3)
    assert np.allclose(gold.centre[:2], (20, 30), atol=1.0)
    with pytest.raises(StructureError, match="not within the interface"):
        island("Au", {(1, 1, 1): 1.0}, 14, along=(0, 0, 1))


def test_sigma_5_boundary_has_its_coincidence_lattice():
    both = grain_boundary("Au", Box(50, 50, 5 * 2.0391), axis=(0, 0, 1), angle=36.8699, plane=(1, 0, 0))
    below, above = (part.generator for part in both.parts)
    box = Box.centred(60, 60, 12, centre=(25, 25, 5.1))
    one, other = (Volume(crystal, box).atoms(Stream(1)).positions for crystal in (below, above))
    together = cKDTree(one).query(other)[0] < 0.02
    assert together.mean() == pytest.approx(1 / 5, abs=0.02)
    made = boxed(both)
    assert least_distance(made) >= 0.85 * 2 * 1.36 - 1e-6
    assert len(made) == pytest.approx(50 * 50 * 5 * 2.0391 * 0.05897, rel=0.06)


def test_twist_boundary_turns_about_its_normal():
    both = grain_boundary("Si", Box(40, 40, 30), axis=(1, 1, 1), angle=8, plane=(1, 1, 1))
    below, above = (part.generator for part in both.parts)
    turn = np.linalg.solve(below.lattice, above.lattice).T
    assert np.allclose(turn, rotation((1, 1, 1), 8).matrix)


def test_polycrystal_fills_its_region():
    made = boxed(polycrystal("Cu", Sphere(22), 6, Stream(5)))
    assert len(np.unique(made.grains)) == 6
    assert len(made) == pytest.approx(4 / 3 * np.pi * 22**3 * 4 / 3.615**3, rel=0.12)
    with pytest.raises(StructureError, match="number of grains"):
        polycrystal("Cu", Sphere(5), 0, Stream(1))
    with pytest.raises(StructureError, match="a point twice"):
        polycrystal("Cu", Sphere(5), [(0, 0, 1), (0, 0, 1)], Stream(1))
