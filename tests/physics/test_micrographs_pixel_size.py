"""The pixel size that lattice fringes speak for: drawn fringes, simulated particles, real micrographs, and none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import exitwave as xw
from exitwave.core import MicrographError
from exitwave.imaging import Micrograph
from exitwave.micrographs import example_files, frames, lattice_peaks, lattice_pixel_sizes, plane_spacings
from exitwave.micrographs.calibration.spacings import peaks_of, size_note
from exitwave.micrographs.pixel_size import narrow_fringes
from exitwave.micrographs.tiles import tile_peaks

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


def crystals(pixel_size, planes=("111", "200", "220"), material="Au", size=384, seed=0, depth=0.25, row=2):
    """Return an image without a pixel size: rows of crystals, each with the fringes of one of some planes."""
    spacings = dict(plane_spacings(material, 0.9))
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size] * pixel_size
    rate = np.full((size, size), 25.0)
    radius = 0.36 / row * size * pixel_size
    for cy in (np.arange(row) + 0.5) / row:
        for cx in (np.arange(row) + 0.5) / row:
            inside = np.hypot(y - cy * size * pixel_size, x - cx * size * pixel_size) < radius
            d, angle = spacings[planes[rng.integers(len(planes))]], rng.uniform(0, np.pi)
            rate += 25 * depth * inside * np.cos(2 * np.pi * (x * np.cos(angle) + y * np.sin(angle)) / d)
    return Micrograph(rng.poisson(rate).astype(np.float32), None, name="drawn")


@settings(max_examples=8, deadline=None)
@given(pixel_size=st.floats(0.12, 0.55), seed=st.integers(0, 99))
def test_fringes_of_gold_tell_pixels_of_any_size(pixel_size, seed):
    several = [crystals(pixel_size, seed=1000 * seed + n) for n in range(3)]
    best = lattice_pixel_sizes(several, "Au").iloc[0]
    assert best["pixel_size_angstrom"] == pytest.approx(pixel_size, rel=0.02)
    assert best["error_angstrom"] < 0.02 * pixel_size


def test_scaling_an_image_scales_its_pixels():
    image = crystals(0.2, size=512, seed=4)
    coarse = image.array.reshape(256, 2, 256, 2).mean(axis=(1, 3))
    fine, binned = (lattice_pixel_sizes(one, "Au").iloc[0] for one in (image, Micrograph(coarse, None)))
    assert binned["pixel_size_angstrom"] == pytest.approx(2 * fine["pixel_size_angstrom"], rel=0.02)


def coloured(width, size, seed):
    """Return noise with a smooth spectrum, as film and a camera make it."""
    rng = np.random.default_rng(seed)
    axis = np.fft.fftfreq(size)
    passed = np.exp(-((np.hypot(axis[:, None], axis) / width) ** 2) / 2)
    film = np.fft.ifft2(np.fft.fft2(rng.normal(size=(size, size))) * passed).real
    return film / film.std() + 0.2 * rng.normal(size=(size, size))


@pytest.mark.parametrize("size", [128, 320])
def test_noise_and_film_have_no_fringes(size):
    images = [coloured(width, size, seed) for width in (0.03, 0.06, 0.1, 10.0) for seed in range(15)]
    alarms = sum(len(tile_peaks(Micrograph(image, None))) > 0 for image in images)
    assert alarms <= 4  # of 60, where one in a hundred is allowed: five or more in 1 of 3000 tests
    assert lattice_pixel_sizes(Micrograph(np.ones((size, size)), None), "Au").empty
    assert lattice_pixel_sizes([], "Au").empty


@pytest.mark.parametrize(("size", "least"), [(128, 3), (192, 11)])
def test_a_particle_in_a_picture_of_few_tiles_is_seen(size, least):
    found = 0
    for seed in range(16):
        rng = np.random.default_rng(seed)
        y, x = np.mgrid[:size, :size]
        radius, angle, k = rng.uniform(12, 40), rng.uniform(0, np.pi), rng.uniform(0.09, 0.25)
        cy, cx = rng.uniform(40, size - 40, 2)
        inside = np.exp(-(((y - cy) ** 2 + (x - cx) ** 2) / (2 * (radius / 1.5) ** 2)))
        fringes = 0.4 * np.cos(2 * np.pi * k * (x * np.cos(angle) + y * np.sin(angle)))
        rate = 60 * (1 + inside * (fringes - 0.3)) * np.exp(0.1 * coloured(0.06, size, seed))
        peaks = tile_peaks(Micrograph(rng.poisson(rate), None))[:, 0]
        found += bool((np.abs(peaks - k) < 0.012).any())
    assert found >= least, found  # 6 and 13 as measured; 0 and 12 where the peak itself was background


def test_scale_bars_letters_borders_and_gaps_have_no_fringes():
    images = []
    for seed in range(4):
        image = np.random.default_rng(seed).poisson(40.0, (512, 512)).astype(np.float32)
        bar, framed, torn = image.copy(), image.copy(), image.copy()
        bar[470:480, 300:460] = 255
        for letter in range(6):
            left = 300 + 20 * letter + letter**2 % 5
            bar[440:460, left : left + 3] = 255
            bar[440 + 3 * letter : 443 + 3 * letter, left : left + 14] = 255
        framed[:, :100] = framed[:60] = 0
        torn[100:300, 200:400] = np.nan
        images += [bar, framed, torn]
    found = [len(tile_peaks(Micrograph(image, None))) for image in images]
    assert sum(found) <= 3, found
    assert all(probability < 0.5 for probability in lattice_pixel_sizes(
        [Micrograph(image, None) for image in images], "Au")["probability"])  # fmt: skip


def test_random_bars_have_no_fringes():
    found = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        image = rng.poisson(40.0, (512, 512)).astype(np.float32)
        for _ in range(rng.integers(1, 5)):
            height, width = rng.integers(2, 14), rng.integers(20, 200)
            top, left = rng.integers(0, 500 - height), rng.integers(0, 510 - width)
            image[top : top + height, left : left + width] = rng.choice([0, 255])
        found.append(len(tile_peaks(Micrograph(image, None))))
    assert sum(found) <= 9, found  # 6 as measured: slanted orders of two bars together


@pytest.mark.parametrize("sigma", [2, 5, 10])
def test_blurred_pictures_have_no_fringes_and_are_segmented(sigma):
    from scipy.ndimage import gaussian_filter

    noise = gaussian_filter(np.random.default_rng(1).poisson(40.0, (320, 320)).astype(float), sigma)
    y, x = np.mgrid[-1:1:320j, -1:1:320j]
    for image in (noise, np.hypot(y, x), np.exp(-4 * (y**2 + x**2))):
        assert not len(tile_peaks(Micrograph(image, 0.4)))
    assert xw.segment(Micrograph(noise, 0.4), "general").probability.shape == noise.shape


@pytest.mark.parametrize("light", [0.0, 0.5])
def test_many_crystals_are_many_peaks(light):
    for seed in range(2):
        image = crystals(0.2, size=1024, seed=seed, row=8).array
        lit = image * np.linspace(1 - light, 1 + light, 1024)
        assert 50 <= len(tile_peaks(Micrograph(lit, None))) <= 68  # of 64, some of which are alike by chance


@pytest.mark.parametrize("order", [1, 3])
def test_enlarged_pictures_have_no_fringes_where_they_end(order):
    from scipy.ndimage import zoom

    for seed in range(4):
        small = coloured(0.15, 200, seed)
        grey = np.clip(128 + 30 * zoom(small, 2.6, order=order), 0, 255).astype(np.uint8)
        assert len(tile_peaks(Micrograph(grey, None))) == 0
    # fringes themselves are found; their ghosts beyond the small picture's frequencies are not, where splines enlarge
    large = zoom(crystals(0.4, size=256, seed=1).array, 2, order=3)
    found = tile_peaks(Micrograph(large, None))[:, 0]
    assert len(found) > 1
    assert (found < 0.25).all()


def test_one_crystal_is_one_peak_however_large():
    y, x = np.mgrid[:1024, :1024]
    for k in ((0.1, 0.03), (0.0, 0.12), (0.05, -0.2)):
        counts = np.random.default_rng(1).poisson(30 + 5 * np.cos(2 * np.pi * (k[0] * y + k[1] * x)))
        peaks = tile_peaks(Micrograph(counts, None))
        assert len(peaks) == 1
        assert peaks[0, 0] == pytest.approx(np.hypot(*k), rel=0.01)


def test_a_size_at_the_end_of_the_range_is_none():
    image = crystals(0.42, seed=2)
    assert not len(lattice_pixel_sizes(image, "Au", between=(0.395, 0.41)))


def test_simulated_gold_has_the_pixels_it_was_simulated_with(tmp_path):
    images = [sample.image for sample in xw.generate(xw.Recipe.parse(RECIPE), tmp_path / "gold", workers=1)]
    assert {image.pixel_size for image in images} == {0.3}
    found = [lattice_pixel_sizes(several, "Au") for several in (images, *images)]
    assert found[0]["probability"][0] > 0.95
    sure = [table.iloc[0] for table in found if len(table) and table["probability"][0] > 0.95]
    assert [one["pixel_size_angstrom"] for one in sure] == pytest.approx([0.3] * len(sure), rel=0.05)


def test_the_examples_have_the_pixels_that_their_index_says():
    images = [next(iter(frames(file))) for file in example_files()]
    best = lattice_pixel_sizes(images, "Au").iloc[0]
    assert best["probability"] > 0.95
    assert best["planes"].startswith("111")
    assert best["pixel_size_angstrom"] == pytest.approx(images[0].pixel_size, rel=0.03)


def test_calibration_tells_of_pixels_far_off_and_is_silent_where_they_are_right():
    drawn = [crystals(0.42, seed=n) for n in range(4)]
    for stated, told in ((0.2, True), (0.42, False)):
        images = [Micrograph(one.array, stated, name=f"one-{n}") for n, one in enumerate(drawn)]
        note = size_note(peaks_of(images), [stated] * 4, ["Au"])
        assert bool(note) == told, note
        if told:
            said = float(note.split("they are ")[1].split(" ")[0])
            assert said == pytest.approx(0.42, rel=0.02)


def test_impossible_requests_are_told():
    with pytest.raises(MicrographError, match="64 × 200 px"):
        lattice_pixel_sizes(Micrograph(np.ones((200, 64)), None), "Au")
    for take in (lambda it: lattice_pixel_sizes(it, "Au"), tile_peaks, xw.segment, lattice_peaks):
        with pytest.raises(MicrographError, match="take a Micrograph, as read"):
            take("image.dm4")
    with pytest.raises(MicrographError, match="the smaller first"):
        lattice_pixel_sizes(Micrograph(np.ones((200, 200)), None), "Au", between=(1, 0.5))


@pytest.mark.parametrize(("material", "planes"), [("Au", ("111", "200")), ("CdSe", ("100", "002", "101", "110"))])
def test_a_scale_that_is_half_or_less_of_the_true_one_is_doubted(material, planes):
    for seed in range(4):
        drawn = crystals(0.4, planes, material, size=600, seed=seed, row=3)
        doubted, believed = (narrow_fringes(Micrograph(drawn.array, stated)) for stated in (0.16, 0.4))
        assert "0.16 Å may be wrong" in doubted
        assert not believed
    said = xw.segment(Micrograph(drawn.array, 0.16), "general").unfamiliar
    assert any("0.16 Å may be wrong" in one for one in said)


def test_no_example_and_no_noise_is_doubted():
    noise = Micrograph(np.random.default_rng(3).poisson(30.0, (512, 512)), 0.2)
    assert not narrow_fringes(noise)
    for file in example_files():
        assert not narrow_fringes(next(iter(frames(file))))
