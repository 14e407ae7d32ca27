import json
import re

import numpy as np
import pandas as pd
import pytest

from exitwave.core import DatasetError
from exitwave.demo import Demo, demo_recipe, figures
from exitwave.demo.pictures import encode_array, outline
from exitwave.demo.pipeline import _claim
from exitwave.demo.report import _scale_bar, _spread
from exitwave.demo.stages import Ledger


def _rings(path: str) -> list[np.ndarray]:
    return [
        np.array([[float(v) for v in point.split()] for point in ring.strip("Z").split("L")])
        for ring in path.split("M")[1:]
    ]


def _area(ring: np.ndarray) -> float:
    x, y = ring.T
    return abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2


def test_outlines_enclose_the_mask_with_and_without_the_border():
    y, x = np.mgrid[:80, :100]
    disc = np.hypot(y - 40, x - 50) < 20
    (ring,) = _rings(outline(disc))
    assert _area(ring) == pytest.approx(disc.sum(), rel=0.02)
    np.testing.assert_allclose(ring.mean(axis=0), [50.5, 40.5], atol=1.0)
    (edge,) = _rings(outline(np.ones((30, 60), bool)))
    assert _area(edge) == pytest.approx(1800, rel=0.01)
    assert len(_rings(outline((x % 50 < 10) & (y > 10)))) == 2


def test_outlines_drop_points_on_straight_lines_only():
    square = np.zeros((64, 64), bool)
    square[10:50, 20:60] = True
    assert len(_rings(outline(square))[0]) <= 12
    assert outline(np.zeros((8, 8))) == ""


def test_pictures_are_bounded_and_embedded():
    uri = encode_array(np.random.default_rng(1).normal(size=(900, 1400)).astype(np.float32), size=300)
    assert uri.startswith("data:image/jpeg;base64,")
    assert len(uri) < 300 * 200
    assert encode_array(np.zeros((20, 20)))  # an even image has no range to stretch


def test_each_kind_of_micrograph_has_its_own_sizes():
    def table(sizes, cut):
        return pd.DataFrame({"equivalent_diameter_nm": sizes, "touches_border": [i < cut for i in range(len(sizes))]})

    none = pd.DataFrame({"equivalent_diameter_nm": [], "touches_border": []})
    items = figures.sizes(
        {"Bright-field TEM": table([3.0, 4.0, 5.0, 6.0], 1), "HRTEM": table([2.0], 0), "dark": none}
    )
    assert [item["caption"] for item in items] == [
        "Bright-field TEM: 3 whole particles; cut off by the border: 1.",
        "HRTEM: 1 whole particle; cut off by the border: 0.",
        "dark: no whole particles; cut off by the border: 0.",
    ]
    assert len({item["image"] for item in items}) == 3


@pytest.mark.parametrize(
    ("width", "pixel_size", "text"), [(512, 0.2, "2 nm"), (512, 0.58, "5 nm"), (4096, 5, "500 nm")]
)
def test_scale_bars_have_round_lengths(width, pixel_size, text):
    bar = _scale_bar(width, pixel_size)
    assert bar["text"] == text
    assert width / 10 < bar["pixels"] <= width / 4
    assert bar["pixels"] * pixel_size == pytest.approx(float(text.split()[0]) * 10, rel=1e-2)
    assert _scale_bar(width, None) is None


def test_the_ledger_adds_up_interrupted_runs(tmp_path):
    path = tmp_path / "stages.json"
    with pytest.raises(KeyboardInterrupt), Ledger(path).measure("train"):
        raise KeyboardInterrupt
    first = Ledger(path).stages[0].seconds
    ledger = Ledger(path)
    with ledger.measure("train"):
        block = np.ones(3_000_000)
    (stage,) = ledger.stages
    assert stage.seconds > first
    assert stage.peak_bytes > block.nbytes
    path.write_text("[{]")
    assert Ledger(path).stages == ()


def test_a_folder_belongs_to_one_demo(tmp_path):
    recipe = demo_recipe(2)
    _claim(tmp_path, recipe, Demo())
    _claim(tmp_path, recipe, Demo())
    with pytest.raises(DatasetError, match=re.escape("name another folder with --folder")):
        _claim(tmp_path, recipe, Demo(seed=2))
    assert json.loads((tmp_path / "demo.json").read_text())["recipe"] == recipe.identity


def test_spread_covers_both_ends():
    assert _spread(100, 3) == [0, 50, 99]
    assert _spread(2, 12) == [0, 1]
