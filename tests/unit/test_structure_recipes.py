"""Every family in a recipe: drawn, built from its record, scattered; and refused where it makes no sense."""

import json

import numpy as np
import pytest
from ase.build import bulk, molecule

from exitwave.core import SpecError, Stream
from exitwave.dataset import Recipe
from exitwave.scattering import scatter
from exitwave.structure import Scene, families, family
from exitwave.structure.families import (
    Agglomerates,
    CoreShell,
    Film,
    FromFiles,
    Grain,
    Layers,
    NanoIslands,
    SupportedParticles,
)
from exitwave.structure.families.shapes import SHAPES, reach_of, shaped
from exitwave.structure.generators import Crystal
from exitwave.structure.prefabs.agglomerates import Envelope

FILM = {"thickness": {"uniform": [8, 12]}, "roughness": {"uniform": [0, 1]}, "wedge": {"uniform": [0, 0.4]}}
GRAINS = {
    "count": 3,
    "radius": {"uniform": [6, 8]},
    "shape": {"choice": ["faceted", "icosahedron", "sphere"]},
    "unevenness": 0.05,
    "rounding": {"uniform": [0, 0.5]},
    "defects": {"integers": [0, 2]},
}
RECIPES = {
    "supported_particles": {"particles": GRAINS, "gap": -4, "film": FILM | {"kind": "network"}},
    "agglomerates": {"particles": GRAINS, "arrangement": {"choice": ["raft", "clump", "chain"]}, "film": FILM},
    "core_shell": {
        "particles": {
            "radius": {"uniform": [9, 11]},
            "shape": {"choice": ["sphere", "faceted", "cube"]},
            "offset": {"uniform": [0, 1]},
            "shell_grains": {"choice": [1, 4]},
            "match": {"choice": ["random", "parallel", "strained"]},
        },
        "film": FILM,
    },
    "nanoislands": {
        "islands": {"count": 2, "radius": {"uniform": [8, 10]}, "interface_energy": {"uniform": [-0.2, 0.4]}},
        "material": {"choice": ["MoS2", "graphite"]},
        "twist": {"uniform": [0, 20]},
    },
    "layers": {"material": {"choice": ["MoS2", "h-BN"]}, "sheets": {"integers": [1, 3]}, "ripple": 0.5,
               "vacancies": {"uniform": [0, 0.05]}, "twist": {"choice": [0, 9]}, "film": FILM},
    "from_files": {"particles": {"count": 2, "file": "pt.cif", "radius": {"uniform": [6, 8]},
                                 "shape": {"choice": ["sphere", "faceted"]}}, "film": FILM},
    "mixture": {
        "shared": {"field": [48, 40], "particles": {"count": 2, "radius": {"uniform": [6, 8]}}, "film": FILM},
        "parts": [{"family": "supported_particles"}, {"family": "agglomerates", "weight": 2}],
    },
}  # fmt: skip


@pytest.fixture
def files(tmp_path, monkeypatch):
    bulk("Pt", cubic=True).write(tmp_path / "pt.cif")
    molecule("C60").write(tmp_path / "c60.xyz")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_there_is_a_recipe_for_every_family():
    assert set(RECIPES) == set(families())


@pytest.mark.parametrize("name", RECIPES)
def test_a_family_in_a_recipe_is_drawn_built_and_scattered(name, files):
    field = {} if name == "mixture" else {"field": [48, 40]}  # its parts have it
    recipe = Recipe.parse(
        {
            "seed": 3,
            "structures": {"count": 2, "family": name} | field | RECIPES[name],
            "scattering": {"sampling": 0.8, "slice_thickness": 6, "configurations": 1},
            "images": {"defocus": 50},
        }
    )
    assert Recipe.from_yaml(recipe.to_yaml(), allow_files=True) == recipe
    made = []
    for index in range(2):
        stream = Stream(recipe.seed) / "structure" / index
        drawn = recipe.structures.spec.draw(stream / "draw")
        assert drawn.drawn
        assert drawn.draw(Stream(99)) == drawn
        summary = drawn.summary()
        assert all(isinstance(value, int | float | str) for value in summary.values())
        assert "material" in summary
        atoms = drawn.build(stream / "build")
        again = family(name).parse(json.loads(json.dumps(drawn.to_dict()))).build(stream / "build")
        assert np.array_equal(atoms.positions, again.positions)
        assert atoms.extent[:2] == (40, 48)
        inside = (atoms.positions >= -1e-6) & (atoms.positions <= np.array(atoms.extent) + 1e-6)
        assert inside.all()
        made.append(atoms)
    assert len(made[0]) != len(made[1])
    wave = scatter(made[0], stream=Stream(1), spec=recipe.scattering)
    assert wave.particle is not None
    assert 0.5 < float(wave.intensity.mean()) <= 1.001
    assert float(wave.intensity.std()) > 0.02


@pytest.mark.parametrize("shape", SHAPES)
def test_shapes_have_the_size_asked_for(shape):
    body = shaped(Crystal("Au").translated((0.4, 1.3, 0.9)), shape, 18.0, 2.0)
    low, high = body.bounds()
    made = Scene([body.translated(5 - low)], high - low + 10, minimum_distance="contact").build(seed=1)
    assert len(made) == pytest.approx(4 / 3 * np.pi * 18**3 * 0.05897, rel=0.12)
    assert Envelope.of(body).radius <= 18 * reach_of(shape) * 1.02


@pytest.mark.parametrize("name", ["TiO2-rutile", "CdSe", "Mn3O4"])
@pytest.mark.parametrize("shape", ["rod", "platelet", "faceted"])
def test_prisms_of_four_and_six_sides_are_as_large(name, shape):
    assert shaped(Crystal(name), shape, 18.0, 2.5).region.volume == pytest.approx(4 / 3 * np.pi * 18**3)


def test_particles_of_files_tell_the_radius_asked_for(files):
    spec = FromFiles(particles={"file": "pt.cif", "radius": 9, "shape": "faceted"}, film=None, field=40)
    assert spec.draw(Stream(1)).summary()["particle_radius"] == 9


def test_particles_in_a_raft_reach_the_film_and_touch():
    spec = Agglomerates(
        particles={"count": 5, "radius": 8, "shape": "faceted"}, position=[30, 30], field=60, film={"thickness": 10}
    )
    for side in ("entrance", "exit"):
        made = spec.replace(side=side).draw(Stream(2)).build(Stream(3))
        film = made.of(role="support").positions[:, 2]
        for i in range(5):
            own = made.of(name=f"particle-{i}").positions[:, 2]
            apart = own.max() - film.min() if side == "entrance" else film.max() - own.min()
            assert -1.0 < apart < 5.0


def test_holes_keep_clear_of_particles_and_let_the_beam_through():
    spec = SupportedParticles(
        particles={"radius": 8}, field=90, film={"thickness": 15, "holes": 2, "hole_radius": 14}, wrap=True
    )
    drawn = spec.draw(Stream(4))
    made = drawn.build(Stream(5))
    x, y = drawn.particles[0].position
    film = made.of(role="support").positions[:, :2]
    beside = film - (x, y)
    beside -= 90 * np.round(beside / 90)
    assert (np.linalg.norm(beside, axis=1) < 6).sum() > 10  # it does not stand over a hole
    counts = np.histogram2d(*film.T, bins=15, range=[[0, 90]] * 2)[0]
    assert (counts == 0).mean() > 0.04
    whole = spec.replace(film=Film(thickness=15)).draw(Stream(4)).build(Stream(5)).of(role="support")
    assert len(film) < 0.9 * len(whole)


def test_wedge_is_as_thick_on_average_and_leaves_the_face_of_the_particles_flat():
    spec = SupportedParticles(particles=[], field=[40, 80], film={"thickness": 20, "wedge": 1.0})
    made = spec.draw(Stream(1)).build(Stream(2)).positions
    flat = SupportedParticles(particles=[], field=[40, 80], film={"thickness": 20}).draw(Stream(1)).build(Stream(2))
    assert len(made) == pytest.approx(len(flat), rel=0.05)
    middle, border = (np.abs(made[:, 0] - x) < 3 for x in (40, 3))
    assert np.ptp(made[middle, 2]) == pytest.approx(30, abs=2)
    assert np.ptp(made[border, 2]) == pytest.approx(10, abs=3)
    assert made[middle, 2].min() == pytest.approx(made[border, 2].min(), abs=0.8)


def test_atoms_of_a_file_are_taken_as_they_are(files):
    spec = FromFiles(particles={"file": "c60.xyz", "use": "as_is"}, field=30, film=None)
    made = spec.draw(Stream(1)).replace(wrap=True).build(Stream(2))
    assert len(made) == 60


BAD = [
    (Agglomerates, {"particles": {"radius": 8, "shape": "cube", "material": "CdSe"}}, "shape is cube for CdSe"),
    (Agglomerates, {"particles": {"radius": 8, "shape": "icosahedron", "material": "Fe"}}, "which is no fcc metal"),
    (Agglomerates, {"particles": {"radius": 8, "shape": "ball"}}, "particles.shape is ball; a particle's shape is"),
    (Agglomerates, {"particles": {"radius": 8}, "arrangement": "heap"}, "arrangement is heap; an arrangement is"),
    (CoreShell, {"particles": {"radius": 80}}, "particles.radius is up to 80 Å; in a field of 102.4"),
    (CoreShell, {"particles": {"radius": 9, "core_share": 2}}, "particles.core_share is 2;"),
    (CoreShell, {"particles": {"radius": 9, "core": "Au", "shell": "CdSe", "match": "strained"}}, "differ too much"),
    (NanoIslands, {"islands": {"radius": 9}, "material": "Au"}, "material is Au: Au is no layered crystal"),
    (NanoIslands, {"islands": {"radius": 9}, "ripple": 1}, "islands lie on flat sheets"),
    (NanoIslands, {"islands": {"radius": 90}}, "islands.radius is up to 90 Å"),
    (Layers, {"material": "Cu"}, "material is Cu: Cu is no layered crystal"),
    (Layers, {"sheets": 0}, "sheets is 0; a count of sheets is a whole number"),
    (FromFiles, {"particles": {"file": "nothing.cif"}}, "nothing.cif is no file"),
    (SupportedParticles, {"particles": {"radius": 9}, "film": {"kind": "network", "material": "SiO2"}}, "only a-C"),
    (SupportedParticles, {"particles": {"radius": 9}, "film": {"kind": "network", "density": 3.0}}, "network carbon"),
    (SupportedParticles, {"particles": {"radius": 40, "shape": "octahedron"}}, "a particle of 120 Å does not fit"),
]


@pytest.mark.parametrize(("kind", "fields", "words"), BAD)
def test_bad_input_is_refused_in_one_sentence(kind, fields, words):
    with pytest.raises(SpecError) as caught:
        kind(**fields)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_uneven_facets_are_in_the_record():
    grain = Grain(radius=10, shape="truncated_octahedron", unevenness=0.1).draw(Stream(1))
    assert len(grain.facets) == 14
    assert Grain.parse(grain.to_dict()).solid().region.volume == pytest.approx(4 / 3 * np.pi * 1000)
    assert Grain(radius=10, unevenness=0.1).draw(Stream(1)).facets is None
