"""Families: drawn completely, built again from their record, refused where they make no sense."""

import json

import numpy as np
import pytest
from scipy.stats import binomtest

from exitwave.core import SpecError, Stream, StructureError
from exitwave.structure import Scene, SupportedParticles, families, family
from exitwave.structure.families import Family, placement
from exitwave.structure.families.placement import place_spheres

SPEC = SupportedParticles(
    particles={
        "material": {"choice": ["Au", "CdSe"]},
        "count": {"integers": [1, 3]},
        "radius": {"uniform": [7, 11]},
        "defects": {"integers": [0, 3]},
    },
    film={"thickness": {"uniform": [10, 20]}, "inhomogeneity": 0.02, "roughness": 1.0},
    side={"choice": ["entrance", "exit"]},
    field=[52, 60],
)


@pytest.mark.parametrize("seed", range(6))
def test_record_makes_the_same_structure_again(seed):
    drawn = SPEC.draw(Stream(seed) / "draw")
    assert drawn.drawn
    record = json.loads(json.dumps(drawn.to_dict()))
    again = SupportedParticles.parse(record)
    assert again.identity == drawn.identity
    one, other = (spec.build(Stream(seed) / "build") for spec in (drawn, again))
    for name in ("positions", "numbers", "objects", "grains", "cell"):
        assert np.array_equal(getattr(one, name), getattr(other, name))
    assert one.extent[:2] == (60, 52)
    inside = (one.positions >= -1e-9) & (one.positions <= np.array(one.extent) + 1e-9)
    assert inside.all()


def test_particles_rest_in_the_film_at_their_depth():
    for side in ("entrance", "exit"):
        spec = SupportedParticles(
            particles={"radius": 10}, film={"thickness": 20}, field=60, side=side, sink=0.3, vacuum=4
        )
        made = spec.draw(Stream(1)).build(Stream(2))
        film, ball = made.of(role="support").positions[:, 2], made.of(role="particle").positions[:, 2]
        assert np.ptp(film) == pytest.approx(20, abs=0.2)
        depth = ball.max() - film.min() if side == "entrance" else film.max() - ball.min()
        assert depth == pytest.approx(3, abs=1.5)
        assert made.extent[2] == pytest.approx(4 + 20 - 3 + 20 + 4)
        assert (ball.min() < film.min()) is np.True_ if side == "entrance" else ball.max() > film.max()


def test_no_carbon_within_a_particle_or_near_its_atoms():
    made = SupportedParticles(
        particles={"radius": 12}, film={"thickness": 20}, field=50, wrap=True, minimum_distance=2.3
    )
    drawn = made.draw(Stream(3))
    made = drawn.build(Stream(4))
    gold, carbon = (made.positions[made.numbers == z] for z in (79, 6))
    apart = gold[:, None] - carbon[None]
    apart[..., :2] -= 50 * np.round(apart[..., :2] / 50)
    assert np.linalg.norm(apart, axis=-1).min() >= 2.3


def test_gap_between_particles_holds_and_cut_particles_stay_cut():
    spec = SupportedParticles(particles={"count": 5, "radius": {"uniform": [8, 12]}}, field=90, gap=4.0)
    for seed in range(10):
        drawn = spec.draw(Stream(seed))
        members = drawn.particles
        for i, a in enumerate(members):
            for b in members[:i]:
                height = (a.radius - b.radius) * 0.8
                apart = np.hypot(np.linalg.norm(np.subtract(a.position, b.position)), height)
                assert apart >= a.radius + b.radius + 4 - 1e-9


def test_given_particles_stay_where_they_are():
    spec = SupportedParticles(
        particles=[
            {
                "radius": 8,
                "position": [20, 30],
                "orientation": [1, 0, 0, 0],
                "faults": [{"kind": "twin", "layer": 0}],
            },
            {"radius": {"uniform": [6, 9]}, "material": "Ag"},
        ],
        field=60,
        film=None,
    )
    drawn = spec.draw(Stream(0))
    assert drawn.particles[0].position == (20, 30)
    assert drawn.particles[0].defects == 1
    made = drawn.build(Stream(0))
    assert set(made.numbers) == {79, 47}
    assert np.allclose(made.of(name="particle-0").positions.mean(axis=0)[:2], (20, 30), atol=0.5)
    assert len(np.unique(made.of(name="particle-0").grains)) == 2
    assert drawn.summary()["film_thickness"] == 0


def test_defects_are_as_many_as_asked_for_or_as_fit():
    spec = SupportedParticles(particles={"radius": 30, "defects": 4})
    assert [len(spec.draw(Stream(s)).particles[0].faults) for s in range(4)] == [4] * 4
    small = SupportedParticles(particles={"radius": 6, "defects": 4}).draw(Stream(0))
    assert small.particles[0].defects == len(small.particles[0].faults) < 4
    assert small.build(Stream(1)).grains.max() >= 1
    assert small.summary()["defect_count"] == small.particles[0].defects


def test_summary_tells_what_the_catalog_needs():
    summary = SPEC.draw(Stream(1)).summary()
    assert {"particle_count", "particle_radius", "particle_radius_min", "particle_radius_max"} <= set(summary)
    assert {"film_thickness", "material", "side", "defect_count"} <= set(summary)
    assert summary["particle_radius_min"] <= summary["particle_radius"] <= summary["particle_radius_max"]
    assert all(isinstance(value, int | float | str) for value in summary.values())


BAD = [
    ({"particles": {"radius": 80}}, "particles.radius is 80 Å, and a particle of 160 Å does not fit in a field of"),
    ({"particles": {"radius": {"uniform": [9, 60]}}}, "particles.radius can be 60 Å"),
    ({"particles": {"radius": {"lognormal": [9, 60]}}}, "particles.radius"),
    ({"particles": {"radius": -3}}, "particles.radius is -3; a particle's radius is a number above 0"),
    ({"particles": {"radius": 9, "material": "Gold"}}, "particles.material is Gold; a material is one of Au,"),
    ({"particles": {"radius": 9, "count": -1}}, "particles.count is -1;"),
    ({"particles": {"radius": 9, "count": 1.5}}, "particles.count is 1.5; a count of particles is a whole number"),
    ({"particles": {"radius": 30, "count": 50}}, "particles.count is 50; in a field of 102.4 × 102.4 Å at most"),
    ({"particles": {"radius": 9, "defects": 2, "material": "MgO"}}, "particles.defects is 2 in MgO"),
    ({"particles": {"radius": 9}, "film": {"density": 9}}, "film cannot be made"),
    ({"particles": {"radius": 9}, "film": {"density": -1}}, "film.density is -1"),
    ({"particles": {"radius": 9}, "film": {"material": "Carbon"}}, "film.material is Carbon"),
    (
        {"particles": {"radius": 9}, "film": {"thicknes": 9}},
        "film.thicknes is not a known key; did you mean thickness?",
    ),
    ({"particles": {"radius": 9}, "film": {"roughness": 9}}, "film.roughness can be 9 Å"),
    ({"particles": {"radius": 9}, "sink": 3}, "sink is 3; a share of the radius is a number from 0 to 2"),
    ({"particles": {"radius": 9}, "side": "top"}, "side is top; a side of the film is one of entrance, exit."),
    ({"particles": {"radius": 9}, "field": 0}, "field.0 is 0; a length is a number above 0 in Å."),
    ({"particles": [{"radius": 9, "orientation": [0, 0, 0, 0]}]}, "particles.0.orientation is"),
    ({}, "particles is missing"),
]


@pytest.mark.parametrize(("fields", "words"), BAD)
def test_bad_input_is_refused_in_one_sentence_that_names_the_key(fields, words):
    with pytest.raises(SpecError) as caught:
        SupportedParticles(**fields)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_places_are_refused_when_there_are_none():
    with pytest.raises(StructureError, match="found no place in a field of 40 × 40 Å; ask for fewer"):
        place_spheres([10] * 9, [0] * 9, (40, 40), 5, Stream(1))
    with pytest.raises(StructureError, match="nearer to another particle than the gap"):
        place_spheres([10, 10], [0, 0], (40, 40), 1, Stream(1), fixed=[(5, 5), (9, 9)])


def test_a_draw_without_room_is_drawn_again_and_others_stay_as_they_were(monkeypatch):
    monkeypatch.setattr(placement, "RESTARTS", 2)
    crowded = SupportedParticles(
        particles={"count": {"integers": [1, 4]}, "radius": {"uniform": [12, 18]}, "shape": "sphere"},
        field=64, gap=2, wrap=True,
    )  # fmt: skip
    once, again = SupportedParticles.draw.__wrapped__, 0
    for seed in range(5, 13):
        drawn = crowded.draw(Stream(seed))
        try:
            assert drawn == once(crowded, Stream(seed))
        except placement.NoPlaceError:
            assert drawn == crowded.draw(Stream(seed))
            again += 1
    assert 2 <= again <= 6
    places = []
    full = crowded.replace(particles=crowded.particles.replace(count=3, radius={"uniform": [17.5, 18]}))
    with pytest.raises(placement.NoPlaceError, match="3 particles with radii"):
        full.draw(Stream(1))
    fixed = full.replace(particles=full.particles.replace(radius=17.8))
    monkeypatch.setattr(placement, "TRIES", 1)
    given = placement.place_spheres
    monkeypatch.setattr(placement, "place_spheres", lambda *a, **k: places.append(1) or given(*a, **k))
    with pytest.raises(placement.NoPlaceError):
        fixed.draw(Stream(1))
    assert len(places) == 2  # whose numbers cannot be others


def test_an_undrawn_family_is_not_built():
    with pytest.raises(SpecError, match="still holds distributions"):
        SPEC.build(Stream(1))


class Nothing(Family):
    """Vacuum."""

    def scene(self, stream):
        return Scene([], (10, 10, 10))

    def summary(self):
        return {}


def test_families_by_name_and_by_import_path():
    assert family("supported_particles") is SupportedParticles
    assert "supported_particles" in families()
    assert len(family(f"{__name__}:Nothing")().build(Stream(0))) == 0 if "." in __name__ else True
    for name, words in (
        ("supported_particle", "did you mean supported_particles?"),
        ("json:loads", "no subclass"),
        ("no.such:Thing", "cannot be imported"),
        (7, "family is 7"),
    ):
        with pytest.raises(SpecError, match=words):
            family(name)


PARTS = [
    {"family": "supported_particles", "weight": 3, "particles": {"radius": {"uniform": [8, 12]}}, "film": None},
    {"family": "agglomerates", "particles": {"count": 2, "radius": 10}, "film": None},
]


def test_a_mixture_draws_each_family_as_often_as_its_weight_says() -> None:
    mixture = family("mixture").parse({"parts": PARTS})
    drawn = [mixture.draw(Stream(3) / index) for index in range(400)]
    count = sum(one.chosen == 1 for one in drawn)
    assert binomtest(count, 400, 0.25).pvalue > 1e-6
    assert {one.summary()["part"] for one in drawn} == {"supported_particles", "agglomerates"}
    for one in drawn[:8]:
        again = family("mixture").parse(one.to_dict())
        assert again == one
        assert again.draw(Stream(9)) == one
    both = next(one for one in drawn if one.chosen == 1).build(Stream(4))
    assert both.names == ("particle-0", "particle-1")


def test_what_the_parts_of_a_mixture_share_is_written_once() -> None:
    shared = {"field": 60, "particles": {"material": {"choice": ["Au", "Ag"]}, "radius": {"uniform": [7, 9]}}}
    own = {"material": "Pt", "radius": {"uniform": [10, 11]}, "count": 2}
    plain = {"family": "supported_particles"}
    mixture = family("mixture").parse({"shared": shared, "parts": [plain, plain | {"particles": own, "field": 60}]})
    first, second = (part.spec for part in mixture.parts)
    assert first == SupportedParticles(**shared)
    assert second == SupportedParticles(field=60, particles=own)
    with pytest.raises(SpecError, match="shared is a mapping"):
        family("mixture").parse({"shared": [], "parts": [plain]})


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ([], "parts is empty"),
        ([PARTS[0] | {"weight": 0}], "without weight"),
        ([PARTS[0], PARTS[1] | {"field": 50}], "one field"),
        ([{"family": "mixture", "parts": PARTS}], "other than mixture"),
        ([{"family": "somewhere:Family"}], "installed family"),
        ([PARTS[0] | {"partikles": 1}], "partikles is not a known key"),
    ],
)
def test_a_mixture_that_cannot_be_is_refused(parts: list[dict[str, object]], says: str) -> None:
    with pytest.raises(SpecError, match=says):
        family("mixture").parse({"parts": parts})
