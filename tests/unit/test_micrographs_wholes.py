"""Particles whole: shapes of discs and polygons that lie over each other, from how deep their pixels lie."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from exitwave.imaging import Micrograph
from exitwave.learning.heads import boundary_target
from exitwave.micrographs import Segmentation, segment, whole_shapes

Y, X = np.mgrid[:160, :200].astype(np.float64)
PIXEL = 0.5


def disc(y: float, x: float, radius: float) -> NDArray[np.bool_]:
    return np.asarray(np.hypot(Y - y, X - x) < radius)


def shared(*alone: NDArray[np.bool_]) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Instances and depths in Å, of particles as the label rules share them out."""
    depths = [np.maximum(distance_transform_edt(mask) - 0.5, 0) for mask in alone]
    shares = [depth / depth.max() for depth in depths]
    owner = np.argmax(shares, axis=0)
    covered = np.any(alone, axis=0)
    own = np.take_along_axis(np.stack(depths), owner[None], axis=0)[0]
    return np.where(covered, owner + 1, 0).astype(np.int32), np.where(covered, own, 0) * PIXEL


def whole(instances: NDArray[np.int32], depth: NDArray[np.float64] | None, number: int) -> NDArray[np.bool_]:
    rows, columns, shape = whole_shapes(instances, depth, PIXEL)[number]
    image = np.zeros(instances.shape, bool)
    image[rows, columns] = shape
    return image


@settings(max_examples=25, deadline=None)
@given(
    radii=st.tuples(st.floats(24, 40), st.floats(24, 40)), apart=st.floats(0.55, 1.3), angle=st.floats(0, 6.28),
    noise=st.floats(0, 0.4), seed=st.integers(0, 9),
)  # fmt: skip
def test_sizes_of_discs_that_overlap_are_those_of_the_discs(
    radii: tuple[float, float], apart: float, angle: float, noise: float, seed: int
) -> None:
    between = apart * max(radii)
    far = between * np.sin(angle), between * np.cos(angle)
    alone = disc(80 - far[0] / 2, 100 - far[1] / 2, radii[0]), disc(80 + far[0] / 2, 100 + far[1] / 2, radii[1])
    instances, depth = shared(*alone)
    depth = depth + noise * np.random.default_rng(seed).normal(size=depth.shape)
    for number, mask in enumerate(alone, start=1):
        found = whole(instances, depth, number)
        assert 2 * np.sqrt(found.sum() / mask.sum()) == pytest.approx(2, rel=0.03)


def test_what_only_touches_or_stands_alone_stays_as_it_is_seen() -> None:
    squares = [(np.abs(Y - 80) < 30) & (np.abs(X - x) < 30) for x in (40, 99)]
    instances, depth = shared(*squares, disc(20, 180, 12))
    for number in (1, 2, 3):
        assert np.mean(whole(instances, depth, number)[instances != number]) < 0.001
    assert all((whole(instances, None, number) == (instances == number)).all() for number in (1, 2, 3))


def test_the_table_tells_whole_sizes_and_how_much_is_overlapped() -> None:
    alone = disc(80, 80, 40), disc(80, 122, 40)
    instances, depth = shared(*alone)

    class Knowing:
        def predict_maps(self, array: NDArray[np.float32], pixel_size: float) -> dict[str, NDArray[np.float32]]:
            outline = boundary_target(instances, PIXEL)
            probability = np.where(instances > 0, 0.9, 0.1)
            return {
                "probability": probability.astype(np.float32),
                "boundary": outline,
                "depth": depth.astype(np.float32),
            }

        def predict(self, array: NDArray[np.float32], pixel_size: float) -> NDArray[np.float32]:
            return self.predict_maps(array, pixel_size)["probability"]

    image = np.where(instances > 0, 30, 100) + np.random.default_rng(1).normal(0, 3, instances.shape)
    found = segment(Micrograph(image, PIXEL), Knowing())
    table = found.particles()
    assert len(table) == 2
    assert table["equivalent_diameter_nm"].tolist() == pytest.approx([4, 4], rel=0.02)
    assert table["x_nm"].tolist() == pytest.approx([4.0, 6.1], abs=0.06)
    hidden = 1 - np.count_nonzero(instances == 1) / alone[0].sum()
    assert table["overlapped"].tolist() == pytest.approx([hidden, hidden], abs=0.03)
    assert table["feret_diameter_nm"].tolist() == pytest.approx([4, 4], rel=0.03)
    assert not table["touches_border"].any()
    seen = Segmentation(found.mask, found.probability, found.instances, found.micrograph).particles()
    assert (seen["overlapped"] == 0).all()
    assert (seen["equivalent_diameter_nm"] < 3.75).all()
