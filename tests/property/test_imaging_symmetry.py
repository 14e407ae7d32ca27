"""What must hold for every wave, lens and structure."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from exitwave.core import Stream
from exitwave.imaging import Imaging, Micrograph, intensities
from exitwave.imaging.presets import ABERRATIONS

SHAPES = st.tuples(st.integers(1, 24), st.integers(1, 24))
FOCI = st.floats(-900, 900)


def wave(shape: tuple[int, int], seed: int) -> SimpleNamespace:
    generator = torch.Generator().manual_seed(seed)
    array = 1 + 0.3 * torch.randn(2, *shape, dtype=torch.complex64, generator=generator)
    return SimpleNamespace(array=array, sampling=(0.3, 0.2), energy=300e3)


@settings(deadline=None, max_examples=40)
@given(SHAPES, st.integers(0, 99), FOCI, st.sampled_from(sorted(ABERRATIONS)))
def test_a_lens_loses_no_electron(shape: tuple[int, int], seed: int, defocus: float, name: str) -> None:
    spec = Imaging(defocus=defocus, aberrations=name).draw(Stream(seed))
    given_ = wave(shape, seed)
    seen = intensities(given_, [spec])[0]
    assert seen.shape == shape
    assert seen.dtype == torch.float32
    torch.testing.assert_close(seen.mean(), given_.array.abs().square().mean(), rtol=1e-4, atol=1e-5)


@settings(deadline=None, max_examples=40)
@given(SHAPES, st.integers(0, 99), FOCI, st.integers(-9, 9), st.integers(-9, 9))
def test_moving_the_wave_moves_the_image(shape: tuple[int, int], seed: int, defocus: float, dy: int, dx: int) -> None:
    spec = Imaging(defocus=defocus, aberrations="team", convergence=0.3)
    here = wave(shape, seed)
    there = SimpleNamespace(**vars(here) | {"array": here.array.roll((dy, dx), (1, 2))})
    torch.testing.assert_close(
        intensities(there, [spec])[0], intensities(here, [spec])[0].roll((dy, dx), (0, 1)), rtol=1e-3, atol=1e-4
    )


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 11), st.integers(0, 99), FOCI, st.floats(0, 90))
def test_turning_wave_and_lens_turns_the_image(half: int, seed: int, defocus: float, azimuth: float) -> None:
    lens = {"C12": 40.0, "C21": 700.0, "C23": 300.0}
    size = 2 * half + 1  # the Nyquist beam of an even grid has no opposite
    here = wave((size, size), seed)
    here.sampling = (0.25, 0.25)
    # a quarter turn about pixel (0, 0) from columns to rows: x -> y, y -> -x
    turned = here.array.flip(1).roll(1, 1).transpose(1, 2)
    there = SimpleNamespace(**vars(here) | {"array": turned})
    first = Imaging(defocus=defocus, aberrations=lens | {f"phi{n}": azimuth for n in (12, 21, 23)})
    second = Imaging(defocus=defocus, aberrations=lens | {f"phi{n}": azimuth + 90 for n in (12, 21, 23)})
    seen = intensities(here, [first])[0].flip(0).roll(1, 0).T
    torch.testing.assert_close(intensities(there, [second])[0], seen, rtol=1e-3, atol=1e-3)


@settings(deadline=None, max_examples=40)
@given(SHAPES, st.floats(0.05, 2.0), st.floats(0.05, 2.0))
def test_resampling_keeps_a_flat_image_flat(shape: tuple[int, int], old: float, new: float) -> None:
    image = Micrograph(np.full(shape, 7.0), old).resampled(new)
    np.testing.assert_allclose(image.array, 7.0, rtol=1e-5)
    assert image.pixel_size == new
