"""Sizes and counts of simulated agglomerates: true for maps as a good network gives them, noise included."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from exitwave.core import MicrographError
from exitwave.dataset import Recipe, generate
from exitwave.learning.heads import boundary_target, distance_target
from exitwave.micrographs import agglomerates, size_truth


def made(folder, arrangement):
    recipe = agglomerates(
        8,
        1,
        seed=3,
        structures={
            "field": 76.8,
            "particles": {"material": "Au", "count": {"integers": [2, 3]}, "radius": {"uniform": [8, 12]}},
            "arrangement": arrangement,
            "position": [38.4, 38.4],  # nothing is cut by the border
            "film": {"material": "a-C", "thickness": 10},
        },
        scattering={"sampling": 0.6, "slice_thickness": 10.0, "particle_wave": False},
        images={"focal_nodes": 3},
    )
    dumped = recipe.model_dump(mode="json", exclude_unset=True)
    return generate(Recipe.parse(dumped | {"labels": [*dumped["labels"], {"rule": "depth"}]}), folder)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return made(tmp_path_factory.mktemp("agglomerates") / "data", "raft")


@pytest.fixture(scope="module")
def clumps(tmp_path_factory):
    return made(tmp_path_factory.mktemp("clumps") / "data", "clump")


class Maps:
    """The true maps, smoothed as networks smooth them, with noise as coarse as theirs."""

    def __init__(self, data, head, noise):
        self.true = {s.image.array.tobytes(): np.asarray(s.labels["territories"], int) for s in data}
        self.depth = {s.image.array.tobytes(): np.asarray(s.labels["depth"]) for s in data}
        self.head, self.noise, self.draw = head, noise, np.random.default_rng(1)

    def ripple(self, shape, width):
        field = gaussian_filter(self.draw.normal(size=shape), width)
        return self.noise * field / field.std()

    def predict_maps(self, array, pixel_size):
        true = self.true[array.tobytes()]
        inside = gaussian_filter((true > 0).astype(float), 0.8) - 0.5
        # networks that learn from overlap are 0.9 sure where outlines are
        maps = {"probability": 1 / (1 + np.exp(-np.log(9) - 12 * inside - 2 * self.ripple(true.shape, 2.0)))}
        if self.head == "depth":
            maps["depth"] = gaussian_filter(self.depth[array.tobytes()], 0.8) + self.ripple(true.shape, 2.0)
        elif self.head == "distance":
            maps["distance"] = gaussian_filter(distance_target(true, pixel_size), 0.8) + self.ripple(true.shape, 2.0)
        else:
            edge = gaussian_filter(boundary_target(true, pixel_size), 0.6) + 0.2 * self.ripple(true.shape, 1.0)
            maps["boundary"] = edge
        lengths = ("distance", "depth")
        return {name: np.clip(v, 0, None if name in lengths else 1).astype(np.float32) for name, v in maps.items()}


@pytest.mark.parametrize("head", ["distance", "boundary", "depth"])
def test_sizes_and_counts_are_true(data, head) -> None:
    """What is asked of a network: mean diameter within 3 %, count within 5 % where the lattice is visible."""
    found = size_truth(Maps(data, head, noise=1.0), data, seed=1, per_group=4, clean=False)
    assert found.visible >= 8
    assert abs(found.mean_diameter_error) < 0.03
    assert abs(found.count_error) < 0.05
    assert found.merged == 0
    assert found.groups == 2
    assert len(found.table) == 8


def test_sizes_and_counts_of_particles_that_overlap_are_true_where_depth_is_known(clumps) -> None:
    known, seen = (size_truth(Maps(clumps, head, 0.5), clumps, seed=1, per_group=4, clean=False)
                   for head in ("depth", "boundary"))  # fmt: skip
    assert known.particles >= 16
    assert abs(known.mean_diameter_error) < 0.03
    assert abs(known.count_error) < 0.1
    # boundaries part them, but tell nothing of what overlaps
    assert seen.mean_diameter_error < min(known.mean_diameter_error - 0.01, -0.02)


def test_a_blind_network_is_told(data) -> None:
    class Blind:
        def predict(self, array, pixel_size):
            return np.zeros_like(array)

    found = size_truth(Blind(), data, seed=1, per_group=4)
    assert found.count_error == -1
    assert found.coverage == 0
    with pytest.raises(MicrographError, match="8 images"):
        size_truth(Blind(), data, seed=1, per_group=9)
