"""The pixel size that lattice fringes speak for: drawn fringes, simulated particles, real micrographs, and none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import exitwave as xw
from exitwave.core import MicrographError
from exitwave.imaging import Micrograph
from exitwave.micrographs import example_files, frames, lattice_pixel_sizes, plane_spacings
from exitwave.micrographs.calibration.spacings import size_note
from exitwave.micrographs.pixel_size import narrow_fringes

RECIPE = {
    "seed": 5,
    "structures": {
        "count": 4, "family": "supported_particles", "field": 120, "gap": 4,
        "particles": {"material": "Au", "shape": "sphere", "count": 5, "radius": {"uniform": [12, 20]}},
        "film": {"material": "a-C", "thickness": 30},
    },
    "scattering": {"sampling": 0.3, "potential_sampling": 0.15, "slice_thickness": 4, "configurations": 1},
    "images": {"per_structure": 1, "defocus": {"uniform": [0, 300]}, "focal_spread": 20, "dose": 2000},
}  # fmt: skip


def crystals(pixel_size, planes=("111", "200", "220"), material="Au", size=384, seed=0, depth=0.25):
    """Return an image without a pixel size: a crystal in each quarter, with the fringes of some planes."""
    spacings = dict(plane_spacings(material, 0.9))
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size] * pixel_size
    rate = np.full((size, size), 25.0)
    radius = 0.18 * size * pixel_size
    for cy in (0.27, 0.73):
        for cx in (0.27, 0.73):
            inside = np.hypot(y - cy * size * pixel_size, x - cx * size * pixel_size) < radius
            d, angle = spacings[planes[rng.integers(len(planes))]], rng.uniform(0, np.pi)
            rate += 25 * depth * inside * np.cos(2 * np.pi * (x * np.cos(angle) + y * np.sin(angle)) / d)
    return Micrograph(rng.poisson(rate).astype(np.float32), None, name="drawn")


@settings(max_examples=8, deadline=None)
@given(pixel_size=st.floats(0.12, 0.55), seed=st.integers(0, 99))
def test_fringes_of_gold_tell_pixels_of_any_size(pixel_size, seed):
    several = [crystals(pixel_size, seed=1000 * seed + n) for n in range(3)]
    best = lattice_pixel_sizes(several, "Au").iloc[0]
    assert best["pixel_size"] == pytest.approx(pixel_size, rel=0.02)
    assert best["error"] < 0.02 * pixel_size


def test_scaling_an_image_scales_its_pixels():
    image = crystals(0.2, size=512, seed=4)
    coarse = image.array.reshape(256, 2, 256, 2).mean(axis=(1, 3))
    fine, binned = (lattice_pixel_sizes(one, "Au").iloc[0] for one in (image, Micrograph(coarse, None)))
    assert binned["pixel_size"] == pytest.approx(2 * fine["pixel_size"], rel=0.02)


def test_noise_film_and_blank_images_have_no_pixel_size():
    rng = np.random.default_rng(0)
    white = [Micrograph(rng.poisson(40.0, (384, 384)), None) for _ in range(8)]
    axis = np.fft.fftfreq(384)
    rings = np.exp(-((np.hypot(axis[:, None], axis) / 0.15) ** 2))  # as film and a camera make noise
    grey = [Micrograph(np.fft.ifft2(np.fft.fft2(one.array) * rings).real, None) for one in white]
    assert sum(len(lattice_pixel_sizes(one, "Au")) > 0 for one in white + grey) <= 1
    assert lattice_pixel_sizes(Micrograph(np.ones((256, 256)), None), "Au").empty
    assert lattice_pixel_sizes([], "Au").empty


def test_simulated_gold_has_the_pixels_it_was_simulated_with(tmp_path):
    images = [sample.image for sample in xw.generate(xw.Recipe.parse(RECIPE), tmp_path / "gold", workers=1)]
    assert {image.pixel_size for image in images} == {0.3}
    best = lattice_pixel_sizes(images, "Au").iloc[0]
    assert best["probability"] > 0.95
    assert best["pixel_size"] == pytest.approx(0.3, rel=0.03)


def test_the_examples_have_the_pixels_that_their_index_says():
    best = lattice_pixel_sizes([next(iter(frames(file))) for file in example_files()], "Au").iloc[0]
    assert best["probability"] > 0.95
    assert best["pixel_size"] == pytest.approx(0.58, rel=0.03)


def test_calibration_tells_of_pixels_far_off_and_is_silent_where_they_are_right():
    drawn = [crystals(0.42, seed=n) for n in range(4)]
    for stated, told in ((0.2, True), (0.42, False)):
        images = [Micrograph(one.array, stated, name=f"one-{n}") for n, one in enumerate(drawn)]
        note = size_note(images, ["Au"])
        assert bool(note) == told, note
        if told:
            said = float(note.split("they are ")[1].split(" ")[0])
            assert said == pytest.approx(0.42, rel=0.02)


def test_impossible_requests_are_told():
    with pytest.raises(MicrographError, match="64 × 200 px"):
        lattice_pixel_sizes(Micrograph(np.ones((200, 64)), None), "Au")
    with pytest.raises(MicrographError, match="the smaller first"):
        lattice_pixel_sizes(Micrograph(np.ones((200, 200)), None), "Au", between=(1, 0.5))


@pytest.mark.parametrize(("material", "planes"), [("Au", ("111", "200")), ("CdSe", ("100", "002", "101", "110"))])
def test_a_scale_that_is_half_or_less_of_the_true_one_is_doubted(material, planes):
    for seed in range(4):
        drawn = crystals(0.4, planes, material, size=512, seed=seed)
        doubted, believed = (narrow_fringes(Micrograph(drawn.array, stated)) for stated in (0.16, 0.4))
        assert "0.16 Å may be wrong" in doubted
        assert not believed


def test_no_example_and_no_noise_is_doubted():
    noise = Micrograph(np.random.default_rng(3).poisson(30.0, (512, 512)), 0.2)
    assert not narrow_fringes(noise)
    for file in example_files():
        assert not narrow_fringes(next(iter(frames(file))))
