"""Sizes and densities over images: unbiased by the edges, with intervals that cover as they say."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from exitwave.core import MicrographError
from exitwave.micrographs import summarise
from exitwave.micrographs.summary import interval_note

SIDE, MEDIAN, SIGMA, DENSITY = 30.0, 4.0, 0.35, 0.015  # nm, nm, 1, 1/nm²


def specimen(seed: int, images: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the tables of images cut from a plane of discs, whose density differs from place to place."""
    draw = np.random.default_rng(seed)
    rows, shots = [], []
    for image in range(images):
        wide = SIDE + 40
        count = draw.poisson(DENSITY * draw.gamma(20, 1 / 20) * wide**2)
        x, y = draw.uniform(-20, SIDE + 20, (2, count))
        d = draw.lognormal(np.log(MEDIAN), SIGMA, count)
        seen = (abs(x - SIDE / 2) < (SIDE + d) / 2) & (abs(y - SIDE / 2) < (SIDE + d) / 2)
        cut = (abs(x - SIDE / 2) > (SIDE - d) / 2) | (abs(y - SIDE / 2) > (SIDE - d) / 2)
        name = f"image{image}"
        rows += [(name, size, size, border) for size, border in zip(d[seen], cut[seen], strict=True)]
        shots.append((name, SIDE, SIDE, 0.2))
    columns = ["image", "equivalent_diameter_nm", "feret_diameter_nm", "touches_border"]
    return pd.DataFrame(rows, columns=columns), pd.DataFrame(
        shots, columns=["image", "height_nm", "width_nm", "coverage"]
    )


def test_the_edge_does_not_bias() -> None:
    particles, images = specimen(1, 2000)
    found = summarise(particles, images, seed=1, resamples=200)
    assert found["mean_diameter_nm"].value == pytest.approx(MEDIAN * np.exp(SIGMA**2 / 2), rel=0.01)
    assert found["median_diameter_nm"].value == pytest.approx(MEDIAN, rel=0.01)
    assert found["sigma"].value == pytest.approx(SIGMA, rel=0.02)
    assert found["density_per_um2"].value == pytest.approx(DENSITY * 1e6, rel=0.02)
    naive = particles[~particles["touches_border"]]["equivalent_diameter_nm"].mean()
    assert naive < 0.97 * MEDIAN * np.exp(SIGMA**2 / 2)  # what the weights are for


def test_intervals_cover() -> None:
    """200 specimens of 10 images: 95 % intervals hold the truth in 90.5 to 99 % (p < 0.005 either way)."""
    truth = {"mean_diameter_nm": MEDIAN * np.exp(SIGMA**2 / 2), "density_per_um2": DENSITY * 1e6, "sigma": SIGMA}
    hits = dict.fromkeys(truth, 0)
    for seed in range(200):
        found = summarise(*specimen(seed, 10), seed=seed, resamples=300)
        for name, value in truth.items():
            hits[name] += found[name].low <= value <= found[name].high
    assert all(181 <= count <= 198 for count in hits.values()), hits


def test_intervals_of_few_particles_cover() -> None:
    """Four to eight whole particles of one image: as wide as Student's law has it."""
    mean, hits, tried = MEDIAN * np.exp(SIGMA**2 / 2), 0, 0
    for seed in range(400):
        particles, images = specimen(seed, 1)
        if 4 <= (~particles["touches_border"]).sum() <= 8:
            found = summarise(particles, images, seed=seed, resamples=200)["mean_diameter_nm"]
            tried, hits = tried + 1, hits + (found.low <= mean <= found.high)
    assert tried > 100
    assert hits > 0.9 * tried  # 95 % are held: fewer than these in 1 of 100 runs


def test_one_image_and_none() -> None:
    particles, images = specimen(3, 1)
    found = summarise(particles, images, seed=1)
    assert found["mean_diameter_nm"].low < found["mean_diameter_nm"].value < found["mean_diameter_nm"].high
    assert np.isnan(found["coverage"].low)
    assert found == summarise(particles, images, seed=1) or np.isnan(found["coverage"].low)
    empty = summarise(particles[:0], images, seed=1)
    assert np.isnan(empty["mean_diameter_nm"].value)
    assert empty["density_per_um2"].value == 0
    with pytest.raises(MicrographError, match="there are no images"):
        summarise(particles, images[:0], seed=1)
    with pytest.raises(MicrographError, match="which is not in the table of images"):
        summarise(particles.assign(image="other"), images, seed=1)
    with pytest.raises(MicrographError, match="level is 2"):
        summarise(particles, images, seed=1, level=2)


def test_particles_of_one_image_alone_are_not_certain() -> None:
    """Three images, whole particles in one of them: its particles are resampled, not the images."""
    particles, images = specimen(3, 3)
    alone = particles[particles["image"] == "image1"]
    found, one = summarise(alone, images, seed=1), summarise(alone, images.iloc[1:2], seed=1)
    assert found["mean_diameter_nm"].value == pytest.approx(one["mean_diameter_nm"].value)
    widths = [e["mean_diameter_nm"].high - e["mean_diameter_nm"].low for e in (found, one)]
    assert widths[0] == pytest.approx(widths[1], rel=0.2)
    assert np.isnan(found["density_per_um2"].high)  # how three images differ says nothing


def test_intervals_are_within_what_is_possible() -> None:
    """Images that differ as those of a few particles and of one large particle do."""
    particles, images = specimen(3, 6)
    images["coverage"] = [0.99, 0.999, 0.95, 0.9, 0.2, 0.999]
    particles.loc[particles["image"] == "image1", ["equivalent_diameter_nm", "feret_diameter_nm"]] *= 4
    found = summarise(particles, images, seed=1)
    for name, estimate in found.items():
        assert 0 < estimate.low < estimate.value < estimate.high, name
    assert found["coverage"].high < 1
    assert interval_note(particles, images) == ""
    few, some = particles[particles["image"] < "image3"], images[:3]
    assert all(np.isnan(estimate.low) and estimate.value > 0 for estimate in summarise(few, some, seed=1).values())
    assert interval_note(few, some).startswith("of 3 images with whole particles there are no intervals")
    one = particles[particles["image"] == "image1"]
    assert "of the particles of one image" in interval_note(one, images)
    assert interval_note(particles[:0], images) == "there are no whole particles, and so no intervals of sizes"
    lonely = summarise(one[~one["touches_border"]][:1], images[1:2], seed=1)
    assert np.isnan(lonely["mean_diameter_nm"].low)  # one particle has no spread
    assert np.isnan(lonely["sigma"].value)
    three = one[~one["touches_border"]][:3]
    assert np.isnan(summarise(three, images[1:2], seed=1)["mean_diameter_nm"].low)
    said = "of 3 whole particles there are no intervals of sizes, which take 4 or more"
    assert interval_note(three, images) == said
