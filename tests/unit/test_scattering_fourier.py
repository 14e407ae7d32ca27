"""The compiled transforms and their memory layout against numpy."""

import numpy as np
import pytest

from exitwave.scattering import Grid, fourier
from exitwave.scattering.packed import Box, Layout, can_pack


@pytest.mark.parametrize("length", [1, 2, 3, 7, 13, 16, 60, 64, 125, 210, 320, 500, 512, 1024, 1232, 2048])
def test_sixteen_columns_there_and_back(length):
    plan = fourier.plan(length)
    rng = np.random.default_rng(length)
    columns = rng.normal(size=(length, 16)) + 1j * rng.normal(size=(length, 16))
    memory = np.full(plan.span + 64, 7.0, np.float32)
    places = 32 + plan.places[:, None, None] + np.arange(32).reshape(2, 16)
    memory[places] = np.stack([columns.real, columns.imag], 1)
    fourier.forward(memory, 32, *plan.steps)
    found = np.empty((length, 16), complex)
    found[plan.order] = memory[places][:, 0] + 1j * memory[places][:, 1]
    np.testing.assert_allclose(found, np.fft.fft(columns, axis=0), atol=2e-6 * length**0.5 * 4)
    fourier.backward(memory, 32, *plan.steps)
    back = memory[places] / length
    np.testing.assert_allclose(back[:, 0] + 1j * back[:, 1], columns, atol=1e-5)
    assert (memory[:32] == 7).all()
    assert (memory[-32:] == 7).all()


def test_lengths_with_large_prime_factors_have_no_plan():
    assert fourier.plan(509) is None
    assert fourier.plan(17 * 32) is None
    assert can_pack(Grid((512, 500), (10.0, 10.0)))
    assert not can_pack(Grid((512, 509), (10.0, 10.0)))


@pytest.mark.parametrize("shape", [(33, 50), (48, 64), (7, 20)])
def test_tiles_hold_what_they_were_filled_with(shape):
    rng = np.random.default_rng(0)
    lines = (rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(np.complex64)
    layout = Layout.of(Grid(shape, (5.0, 5.0)), reach=6)
    tiles = layout.tiles()
    layout.fill(tiles, lines)
    kept = np.abs(np.fft.fftfreq(shape[1], 1 / shape[1])) <= 6
    np.testing.assert_array_equal(layout.lines_of(tiles), lines * kept)
    everything = Layout.of(Grid(shape, (5.0, 5.0)))
    tiles = everything.tiles()
    everything.fill(tiles, lines)
    np.testing.assert_array_equal(everything.lines_of(tiles), lines)


def test_boxes_hold_their_atoms_with_a_margin_or_are_none():
    grid = Grid((512, 480), (51.2, 48.0))
    box = Box.around((200.0, 220.0), (260.0, 280.0), grid)
    for start, size, low, high, whole in zip(box.origin, box.shape, (200, 220), (260, 280), grid.shape, strict=True):
        assert start % 16 == 0
        assert start <= low - 60
        assert high + 60 <= start + size <= whole
    assert can_pack(box.part_of(grid))
    assert box.part_of(grid).sampling == pytest.approx(grid.sampling)
    assert Box.around((10.0, 220.0), (60.0, 280.0), grid) is None  # reaches over the border
    assert Box.around((80.0, 80.0), (430.0, 400.0), grid) is None  # no small part
