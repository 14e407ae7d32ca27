"""The micrograph: what it holds, shows and refuses."""

from __future__ import annotations

import io

import numpy as np
import pytest

from exitwave.core import MicrographError
from exitwave.imaging import Micrograph


def waves(period: float, pixel: float, shape: tuple[int, int] = (200, 300)) -> Micrograph:
    x = np.arange(shape[1]) * pixel
    return Micrograph(np.broadcast_to(10 + np.cos(2 * np.pi * x / period), shape), pixel, name="waves")


def test_resampling_keeps_lengths_and_what_is_resolved() -> None:
    coarse = waves(4.0, 0.2).resampled(0.5)
    assert coarse.shape == (80, 120)
    inner = coarse.array[10:-10, 10:-10]
    expected = 10 + np.cos(2 * np.pi * np.arange(120) * 0.5 / 4.0)
    np.testing.assert_allclose(inner, np.broadcast_to(expected[10:-10], inner.shape), atol=0.02)


def test_resampling_does_not_alias() -> None:
    coarse = waves(0.6, 0.2).resampled(0.5)
    assert coarse.array[10:-10, 10:-10].std() < 0.01


def test_finer_pixels_interpolate() -> None:
    fine = waves(4.0, 0.4).resampled(0.13)
    expected = 10 + np.cos(2 * np.pi * np.arange(fine.shape[1]) * 0.13 / 4.0)
    np.testing.assert_allclose(fine.array[50, 20:-20], expected[20:-20], atol=0.01)


def test_binning_adds_counts_and_cropping_keeps_them() -> None:
    image = Micrograph(np.arange(35.0).reshape(5, 7), 0.2, name="a")
    binned = image.binned(2)
    np.testing.assert_array_equal(binned.array, [[16, 24, 32], [72, 80, 88]])
    assert binned.pixel_size == pytest.approx(0.4)
    assert Micrograph(image.array, None).binned(2).pixel_size is None
    part = image.cropped(1, 2, 3, 4)
    np.testing.assert_array_equal(part.array, image.array[1:4, 2:6])
    assert (part.name, part.pixel_size) == ("a", 0.2)
    for factor in (0, 6, 1.5):
        with pytest.raises(MicrographError, match="whole number from 1 to 5"):
            image.binned(factor)  # type: ignore[arg-type]
    for box in ((-1, 0, 2, 2), (0, 0, 0, 2), (3, 0, 3, 2), (0, 6, 1, 2)):
        with pytest.raises(MicrographError, match="lies within the 5 × 7"):
            image.cropped(*box)


def test_the_power_spectrum_peaks_at_the_period() -> None:
    spectrum = waves(2.5, 0.2).power_spectrum()
    frequency, power = spectrum.radial()
    assert frequency[power.argmax()] == pytest.approx(1 / 2.5, abs=0.03)
    assert spectrum.array.shape == (200, 300)
    noise = Micrograph(np.random.default_rng(1).normal(5, 3, (256, 256)), 0.2)
    assert noise.power_spectrum().array.mean() == pytest.approx(9, rel=0.05)
    assert noise.power_spectrum(window=False).array.mean() == pytest.approx(9, rel=0.02)


def test_the_figure_has_a_scale_bar_where_the_pixel_size_is_known() -> None:
    known = waves(2.5, 0.2).show()
    assert [text.get_text() for text in known.axes[0].texts] == ["1 nm"]
    assert not Micrograph(np.eye(30), None).show().axes[0].texts
    for figure in (known, waves(2.5, 0.2).power_spectrum().show(), Micrograph(np.ones((1, 1)), 0.2).show()):
        target = io.BytesIO()
        figure.savefig(target)
        assert target.tell() > 1000


@pytest.mark.parametrize(
    ("array", "pixel", "sentence"),
    [
        (np.ones(4), 0.2, r"the image has shape \(4,\); a micrograph has rows and columns"),
        (np.ones((0, 4)), 0.2, "the image has shape"),
        (np.ones((4, 4)), 0.0, "pixel_size is 0.0; it is above 0 Å, or None if unknown."),
        (np.ones((4, 4)), float("nan"), "pixel_size is nan"),
    ],
)
def test_impossible_micrographs_are_refused(array: np.ndarray, pixel: float, sentence: str) -> None:
    with pytest.raises(MicrographError, match=sentence):
        Micrograph(array, pixel)


def test_what_needs_the_pixel_size_says_so() -> None:
    with pytest.raises(MicrographError, match=r"night-shift\.dm4 has no pixel size; give it"):
        Micrograph(np.eye(4), None, name="night-shift.dm4").resampled(0.2)
    with pytest.raises(MicrographError, match="pixel_size is -1"):
        Micrograph(np.eye(4), 0.2).resampled(-1)
    assert repr(Micrograph(np.eye(4), None, name="a")) == "Micrograph(a: 4 × 4 px, pixel size unknown)"
