"""From a probability to particles: cuts at necks, specks, and what the table says of known shapes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import distance_transform_edt, gaussian_filter, median_filter

from exitwave.core import MicrographError
from exitwave.imaging import Micrograph
from exitwave.learning.heads import boundary_target
from exitwave.learning.parting import particles_of
from exitwave.micrographs import (
    Estimate,
    Segmentation,
    example_files,
    fit_lognormal,
    labelled_pairs,
    overlay,
    particle_table,
    read,
    segment,
    separate,
    size_histogram,
    write_table,
)
from exitwave.micrographs.instances import without_specks
from exitwave.micrographs.overlays import drawn_over
from exitwave.micrographs.particles import feret

HRTEM = Path(__file__).parents[2].parent / "shared" / "real-micrographs" / "hrtem"

Y, X = np.mgrid[:200, :240].astype(np.float64)


def disc(y: float, x: float, radius: float) -> NDArray[np.bool_]:
    return np.hypot(Y - y, X - x) <= radius


class Dark:
    """A stand-in for a network: dark is particle."""

    def __init__(self) -> None:
        self.seen: list[tuple[tuple[int, ...], float]] = []

    def predict(self, array: NDArray[np.float32], pixel_size: float) -> NDArray[np.float32]:
        self.seen.append((array.shape, pixel_size))
        return np.where(array < 60, 0.9, 0.1).astype(np.float32)


def micrograph(mask: NDArray[np.bool_], pixel_size: float | None = 0.5) -> Micrograph:
    noise = np.random.default_rng(1).normal(0, 3, mask.shape)
    return Micrograph(np.where(mask, 30, 100) + noise, pixel_size, name="made")


def test_a_disc_is_measured() -> None:
    found = segment(micrograph(disc(90, 100, 40)), Dark())
    row = found.particles().iloc[0]
    assert len(found) == 1
    assert row["equivalent_diameter_nm"] == pytest.approx(4.0, rel=0.01)
    assert row["area_nm2"] == pytest.approx(np.pi * 4, rel=0.01)
    assert row["feret_diameter_nm"] == pytest.approx(4.05, rel=0.02)
    assert row["feret_minimum_nm"] == pytest.approx(4.0, rel=0.02)
    assert row["circularity"] > 0.98
    assert row["aspect"] == pytest.approx(1.0, abs=0.01)
    assert (row["x_nm"], row["y_nm"]) == (pytest.approx(5.0, abs=0.01), pytest.approx(4.5, abs=0.01))
    assert row["confidence"] == pytest.approx(0.9, abs=1e-4)
    assert not row["touches_border"]


def test_an_ellipse_at_any_angle_keeps_its_axes() -> None:
    for angle in (0.0, 0.4, 1.1):
        u, v = (
            (X - 120) * np.cos(angle) + (Y - 100) * np.sin(angle),
            (Y - 100) * np.cos(angle) - (X - 120) * np.sin(angle),
        )
        shape = (u / 60) ** 2 + (v / 25) ** 2 <= 1
        row = segment(micrograph(shape), Dark()).particles().iloc[0]
        assert row["aspect"] == pytest.approx(2.4, rel=0.02)
        assert row["feret_diameter_nm"] == pytest.approx(6.0, rel=0.02)
        assert row["feret_minimum_nm"] == pytest.approx(2.5, rel=0.03)


def test_a_rectangle_has_its_perimeter() -> None:
    row = segment(micrograph((abs(Y - 100) < 20) & (abs(X - 120) < 40)), Dark()).particles().iloc[0]
    assert row["circularity"] == pytest.approx(4 * np.pi * 39 * 79 / 236**2, rel=0.07)


def test_particles_at_the_edge_are_marked() -> None:
    mask = disc(0, 100, 30) | disc(100, 100, 30) | disc(199, 30, 20) | disc(60, 239, 20)
    table = segment(micrograph(mask), Dark()).particles()
    assert table["touches_border"].tolist() == [True, True, False, True]


def test_two_touching_discs_are_cut_where_they_touch() -> None:
    for radius, distance, count in ((30, 58, 2), (30, 45, 2), (30, 30, 1), (20, 39, 2)):
        mask = disc(100, 100, radius) | disc(100, 100 + distance, radius)
        instances = separate(mask)
        assert instances.max() == count, (radius, distance)
        np.testing.assert_array_equal(instances > 0, mask)
        if count == 2:
            left, right = (instances == instances[100, 90]).sum(), (instances == instances[100, 110 + distance]).sum()
            assert left == pytest.approx(right, rel=0.03)


def test_a_small_particle_on_a_large_one_is_cut_off() -> None:
    instances = separate(disc(100, 80, 50) | disc(100, 145, 18))
    assert instances.max() == 2
    assert (instances == instances[100, 150]).sum() == pytest.approx(np.pi * 18**2, rel=0.1)


def test_rods_rough_outlines_and_facets_stay_whole() -> None:
    rod = (abs(Y - 100) < 12) & (abs(X - 120) < 90)
    angle = np.arctan2(Y - 100, X - 120)
    rough = np.hypot(Y - 100, X - 120) < 50 + 3 * np.sin(9 * angle) + 2 * np.sin(23 * angle)
    hexagon = (
        np.max([abs((Y - 100) * np.cos(a) + (X - 120) * np.sin(a)) for a in np.arange(3) * np.pi / 3], axis=0) < 45
    )
    for shape in (rod, rough, hexagon):
        assert separate(shape).max() == 1


def test_no_touching_pieces_are_lost_in_a_crowd() -> None:
    draw = np.random.default_rng(4)
    mask = np.zeros(Y.shape, bool)
    for _ in range(60):
        mask |= disc(*draw.uniform(0, 200, 2), draw.uniform(2, 14))
    instances = separate(mask, minimum_area=10)
    np.testing.assert_array_equal(instances > 0, mask)
    assert set(np.unique(instances)) == set(range(instances.max() + 1))


def test_thin_lines_and_single_pixels_are_particles_too() -> None:
    mask = np.zeros((20, 20), bool)
    mask[3, 2:18] = mask[10, 10] = mask[15, 3] = True
    assert separate(mask).max() == 3
    assert separate(np.zeros((5, 5), bool)).max() == 0
    assert separate(np.ones((5, 5), bool)).max() == 1


def test_specks_and_holes_go_by_their_area() -> None:
    mask = disc(100, 100, 40) & ~disc(100, 100, 3) | disc(20, 20, 2)
    clean = without_specks(mask, 50)
    np.testing.assert_array_equal(clean, disc(100, 100, 40))
    np.testing.assert_array_equal(without_specks(mask, 0), mask)
    open_hole = disc(100, 100, 40)
    open_hole[0, :] = True
    assert not without_specks(~disc(0, 0, 3), 100)[0, 0]  # a corner is no hole


def test_minimum_area_is_in_nm2_whatever_the_pixel() -> None:
    mask = disc(60, 60, 12) | disc(140, 140, 30)
    for pixel_size in (0.2, 0.5, 1.0):
        areas = segment(micrograph(mask, pixel_size), Dark(), minimum_area=0).particles()["area_nm2"]
        between = float(areas.mean())
        assert len(segment(micrograph(mask, pixel_size), Dark(), minimum_area=between)) == 1


def test_the_network_gets_a_clean_image_and_its_pixel_size() -> None:
    array = micrograph(disc(100, 100, 40)).array.copy()
    array[50, 50], array[70, 200] = np.nan, 1e6
    network = Dark()
    found = segment(Micrograph(array, 0.3), network, flat=True)
    assert network.seen == [((200, 240), 0.3)]
    assert len(found) == 1
    assert np.isnan(found.micrograph.array[50, 50])  # the micrograph stays as it was read


def test_micrograph_segment_is_the_same() -> None:
    image = micrograph(disc(90, 100, 40))
    assert len(image.segment(Dark()).particles()) == 1
    assert repr(image.segment(Dark())).startswith("Segmentation(made: 1 particle, 10.5%")


@pytest.mark.parametrize(
    ("options", "text"),
    [({"threshold": 0}, "threshold is 0"), ({"threshold": 1.5}, "threshold is 1.5"), ({"neck": 2}, "neck is 2"),
     ({"minimum_area": -1}, "minimum_area is -1"), ({"minimum_area": float("nan")}, "minimum_area is nan")],
)  # fmt: skip
def test_impossible_options(options: dict[str, float], text: str) -> None:
    with pytest.raises(MicrographError, match=text):
        segment(micrograph(disc(90, 100, 40)), Dark(), **options)


@pytest.mark.parametrize("array", [np.ones((64, 64)), np.zeros((64, 64)), 1e6 + 1e-3 * np.eye(64)])
def test_an_image_without_contrast_is_refused(array: NDArray[np.float64]) -> None:
    network = Dark()
    with pytest.raises(MicrographError, match="blank has no contrast: all its pixels are"):
        segment(Micrograph(array, 0.2, name="blank"), network)
    assert not network.seen


def test_small_images_are_compared_with_the_training_too() -> None:
    """Mirrored out to the side of a training crop, 64 px of 0.4 Å."""

    class Learnt(Dark):
        pixel_size, record = 0.4, {"familiar": {"crop": 64}}

        def unfamiliar(self, array: NDArray[np.float32], pixel_size: float) -> list[str]:
            return [f"{array.shape[0]} × {array.shape[1]} px"]

    array = np.random.default_rng(1).normal(100, 5, (200, 100))
    assert segment(Micrograph(array, 0.2), Learnt()).unfamiliar == ("200 × 129 px",)
    assert segment(Micrograph(array, 0.4), Learnt()).unfamiliar == ("200 × 100 px",)


@pytest.mark.parametrize("side", [500, 300, 120])
def test_noise_alone_is_unlike_the_training_of_the_shipped_network(side: int) -> None:
    noise = np.random.default_rng(side).poisson(1, (side, side))
    assert segment(Micrograph(noise, 0.2), "general").unfamiliar


@pytest.mark.skipif(not HRTEM.is_dir(), reason="the HRTEM pairs are not in ../shared")
def test_small_parts_of_real_images_are_familiar() -> None:
    for image, _ in labelled_pairs(HRTEM):
        assert segment(image.cropped(50, 60, 160, 160), "general").unfamiliar == ()


def test_an_unknown_pixel_size_is_refused() -> None:
    with pytest.raises(MicrographError, match="made has no pixel size"):
        segment(micrograph(disc(90, 100, 40), None), Dark())


@pytest.mark.parametrize(
    ("result", "text"),
    [(np.zeros((3, 3)), "returned the shape"), (np.full(Y.shape, 7.0), "probabilities lie between 0 and 1"),
     (np.full(Y.shape, np.nan), "probabilities lie between 0 and 1")],
)  # fmt: skip
def test_a_network_that_returns_no_probabilities(result: NDArray[np.float64], text: str) -> None:
    class Odd:
        def predict(self, array: NDArray[np.float32], pixel_size: float) -> NDArray[np.float64]:
            return result

    with pytest.raises(MicrographError, match=text):
        segment(micrograph(disc(90, 100, 40)), Odd())


def test_an_empty_image_has_an_empty_table() -> None:
    found = segment(micrograph(np.zeros(Y.shape, bool)), Dark())
    table = found.particles()
    assert len(table) == 0
    assert table["touches_border"].dtype == bool
    assert len(size_histogram(table).axes) == 1
    overlay(found)


def test_feret_of_one_pixel() -> None:
    assert feret(np.ones((1, 1), bool)) == (pytest.approx(1.0), pytest.approx(np.sqrt(0.5)))


def test_saved_files_are_read_back(tmp_path: Path) -> None:
    found = segment(micrograph(disc(90, 100, 40) | disc(30, 30, 10)), Dark())
    files = found.save(tmp_path / "out")
    assert sorted(file.name for file in files) == sorted(
        f"made-{end}" for end in ("mask.png", "mask.tif", "instances.tif", "probability.tif", "overlay.png",
                                  "particles.csv", "particles.parquet")
    )  # fmt: skip
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == sorted(file.name for file in files)
    instances = read(tmp_path / "out" / "made-instances.tif")
    np.testing.assert_array_equal(instances.array, found.instances)
    assert instances.pixel_size == pytest.approx(0.5)
    np.testing.assert_array_equal(read(tmp_path / "out" / "made-mask.png").array == 255, found.mask)
    mask = read(tmp_path / "out" / "made-mask.tif")
    np.testing.assert_array_equal(mask.array == 255, found.mask)
    assert mask.pixel_size == pytest.approx(0.5)
    text = read(tmp_path / "out" / "made-mask.png").metadata["original"]
    assert (text["pixel_size_y_nm"], text["pixel_size_x_nm"]) == ("0.05", "0.05")
    table = found.particles()
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "out" / "made-particles.parquet"), table)
    text = tmp_path / "out" / "made-particles.csv"
    pd.testing.assert_frame_equal(pd.read_csv(text), table, check_dtype=False, rtol=5e-6)
    assert max(len(number) for line in text.read_text().splitlines()[1:] for number in line.split(",")) <= 8


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    found = segment(micrograph(disc(90, 100, 40)), Dark())
    with pytest.raises(MicrographError, match="cannot be written"):
        found.save(tmp_path / "taken")
    with pytest.raises(MicrographError, match=r"tables are written as \.csv or \.parquet"):
        write_table(found.particles(), tmp_path / "table.xlsx")


def test_lognormal() -> None:
    sizes = np.random.default_rng(2).lognormal(np.log(5), 0.25, 20000)
    law = fit_lognormal(sizes)
    assert law.median == pytest.approx(5, rel=0.01)
    assert law.sigma == pytest.approx(0.25, rel=0.02)
    assert law.mean == pytest.approx(sizes.mean(), rel=0.01)
    assert law.std == pytest.approx(sizes.std(), rel=0.02)
    d = np.linspace(0.01, 30, 30000)
    assert float(law.density(d).sum() * (d[1] - d[0])) == pytest.approx(1, abs=1e-4)
    with pytest.raises(MicrographError, match="of 2 sizes no distribution"):
        fit_lognormal([1, 2])
    with pytest.raises(MicrographError, match="smallest size is 0"):
        fit_lognormal([0, 1, 2])


def test_the_histogram_counts_whole_particles() -> None:
    table = pd.DataFrame(
        {"equivalent_diameter_nm": [3.0, 4.0, 5.0, 9.0], "touches_border": [False, False, False, True]}
    )
    of_whole = size_histogram(table).axes[0].texts[0].get_text()
    assert of_whole.startswith("3 whole particles")
    assert of_whole.endswith("cut off by the border: 1")
    assert "4 particles" in size_histogram(table, border=True).axes[0].texts[0].get_text()
    summary = {"mean_diameter_nm": Estimate(4.4, 4.1, 4.7), "median_diameter_nm": Estimate(4.2, np.nan, np.nan)}
    corrected = size_histogram(table, summary=summary).axes[0].texts[0].get_text()
    assert corrected.startswith(of_whole)
    assert corrected.endswith("corrected for those cut off:\nmean 4.4 [4.1, 4.7] nm\nmedian 4.2 nm")
    for few in ([4.0], [4.0, 4.0, 4.0]):
        size_histogram(pd.DataFrame({"equivalent_diameter_nm": few}))
    with pytest.raises(MicrographError, match="column is 'volume'"):
        size_histogram(table, column="volume")


def test_the_shipped_examples() -> None:
    pairs = list(labelled_pairs())
    assert len(pairs) == len(example_files()) == 10
    for image, mask in pairs:
        assert image.array.shape == mask.shape == (512, 512)
        assert image.pixel_size == 0.58
        assert image.metadata["index"]["licence"] == "CC-BY-4.0"
        assert 0.1 < mask.mean() < 0.3
        assert image.array[mask].mean() < image.array[~mask].mean()  # bright field: particles are dark
    assert "CC BY 4.0" in (example_files()[0].parent / "ATTRIBUTION").read_text(encoding="utf-8")


@pytest.mark.skipif(not HRTEM.is_dir(), reason="the HRTEM pairs are not in ../shared")
def test_a_folder_of_labelled_pairs() -> None:
    pairs = list(labelled_pairs(HRTEM))
    assert len(pairs) == 7
    assert {image.pixel_size for image, _ in pairs} == {0.2}
    assert all(
        mask.mean() == pytest.approx(float(image.metadata["index"]["foreground"]), abs=1e-3) for image, mask in pairs
    )


def test_folders_that_are_no_collection(tmp_path: Path) -> None:
    with pytest.raises(MicrographError, match=r"has no index.csv and no masks"):
        list(labelled_pairs(tmp_path))
    (tmp_path / "index.csv").write_text("name,size\na,1\n")
    with pytest.raises(MicrographError, match="lists no images"):
        list(labelled_pairs(tmp_path))
    np.save(tmp_path / "a.npy", np.ones((8, 8)))
    np.save(tmp_path / "b.npy", np.ones((8, 9)))
    (tmp_path / "index.csv").write_text("image,mask,pixel_size_nm\na.npy,b.npy,0.02\n")
    with pytest.raises(MicrographError, match="a mask has the shape of its image"):
        list(labelled_pairs(tmp_path))
    (tmp_path / "index.csv").write_text("image,mask,pixel_size_nm\na.npy,a.npy,about 0.02\nb.npy,,0.02\n")
    [(image, _)] = labelled_pairs(tmp_path)
    assert image.pixel_size is None


@pytest.mark.parametrize(
    "places", [("{}.npy", "{}_mask.npy"), ("{}.npy", "{}-mask.npy"), ("images/{}.npy", "masks/{}.npy")]
)
def test_masks_are_found_by_their_names(tmp_path: Path, places: tuple[str, str]) -> None:
    for name, value in (("one", 1.0), ("two", 2.0)):
        for place in (tmp_path / where.format(name) for where in places):
            place.parent.mkdir(exist_ok=True)
            np.save(place, np.full((32, 32), value))
    pairs = list(labelled_pairs(tmp_path, pixel_size=0.3))
    assert [pair.micrograph.name for pair in pairs] == ["one", "two"]
    assert [pair.micrograph.array[0, 0] for pair in pairs] == [1, 2]
    assert all(pair.mask is not None and pair.micrograph.pixel_size == 0.3 for pair in pairs)


def test_of_two_masks_that_differ_none_is_taken(tmp_path: Path) -> None:
    """Both are written beside an image, and one of them may have been corrected by hand."""
    mask = np.zeros((32, 32), np.uint8)
    mask[8:20, 8:20] = 255
    np.save(tmp_path / "one.npy", np.ones((32, 32)))
    np.save(tmp_path / "one-mask.npy", mask)
    Image.fromarray(mask).save(tmp_path / "one-mask.png")
    [(image, found)] = labelled_pairs(tmp_path, labelled_only=False)
    assert image.name == "one"
    assert np.array_equal(found, mask > 0)
    Image.fromarray(mask.T[::-1]).save(tmp_path / "one-mask.png")
    with pytest.raises(MicrographError, match=r"one-mask\.npy and one-mask\.png are masks of one that differ"):
        list(labelled_pairs(tmp_path))


def test_numbered_masks_keep_their_numbers_and_drawn_ones_are_cut_at_half(tmp_path: Path) -> None:
    y, x = np.mgrid[:64, :64]
    numbers = 1 + (y // 8) * 8 + x // 8  # 64 particles that touch
    drawn = np.clip(20 - np.hypot(y - 30, x - 30), 0, 1)
    masks = {
        "few": numbers % 4,
        "many": np.where(numbers < 60, numbers * 5, 0),  # up to 295, as in 16 bits
        "smooth": np.round(255 * drawn),
        "soft": 0.9 * drawn,
        "two": 7 * (drawn > 0.5),
        "none": 0 * y,
    }
    for name, mask in masks.items():
        np.save(tmp_path / f"{name}.npy", np.ones((64, 64)))
        np.save(tmp_path / f"{name}_mask.npy", mask.astype(np.float32))
    read_back = {pair.micrograph.name: pair.mask for pair in labelled_pairs(tmp_path, pixel_size=0.3)}
    for name in ("few", "many"):
        assert read_back[name].dtype == np.int32
        assert np.array_equal(read_back[name], masks[name])
    for name in ("smooth", "soft", "two", "none"):
        assert read_back[name].dtype == bool
        assert np.array_equal(read_back[name], (drawn > 0.5) & (name != "none"))


def test_a_table_names_its_particles() -> None:
    instances = np.zeros(Y.shape, np.int32)
    instances[disc(50, 50, 20)], instances[disc(150, 150, 20)] = 2, 7
    found = Segmentation(instances > 0, (instances > 0).astype(np.float32), instances, micrograph(instances > 0))
    assert particle_table(found)["particle"].tolist() == [2, 7]


class Heads(Dark):
    """A stand-in that knows the outlines of two discs, whose common outline has no neck."""

    def __init__(self, *heads: str) -> None:
        super().__init__()
        self.heads = heads

    def predict_maps(self, array: NDArray[np.float32], pixel_size: float) -> dict[str, NDArray[np.float32]]:
        left, right = np.hypot(Y - 100, X - 90) - 40, np.hypot(Y - 100, X - 140) - 40
        distance = np.abs(np.where(X <= 115, np.minimum(-left, 115 - X), np.minimum(-right, X - 115))) * pixel_size
        maps = {
            "distance": distance,
            "boundary": np.where(distance < 1, 0.9, 0.1),
            "depth": np.clip(-np.minimum(left, right), 0, None) * pixel_size,
        }
        probability = np.where((left < 0) | (right < 0), 0.9, 0.1)
        return {"probability": probability, **{name: maps[name] for name in self.heads}}


@pytest.mark.parametrize(("heads", "count"), [((), 1), (("distance",), 2), (("boundary",), 2), (("depth",), 2)])
def test_heads_part_particles_that_have_no_neck(heads: tuple[str, ...], count: int) -> None:
    overlapping = disc(100, 90, 40) | disc(100, 140, 40)
    found = segment(micrograph(overlapping), Heads(*heads), neck=0.6)
    assert len(found) == count
    assert set(found.maps) == set(heads)


@pytest.mark.parametrize(("apart", "count"), [(16, 1), (26, 2), (60, 2), (100, 2)])
def test_depth_parts_particles_that_lie_over_each_other(apart: int, count: int) -> None:
    """Discs of one radius are two where their middles are 2 (1 − 0.75) radii apart and more: here 20 px."""
    depth = np.clip(40 - np.minimum(np.hypot(Y - 100, X - 60), np.hypot(Y - 100, X - 60 - apart)), 0, None)
    found = particles_of(np.where(depth > 0, 0.9, 0.1).astype(np.float32), {"depth": depth.astype(np.float32)}, 1.0)
    assert found.max() == count
    if count == 2:
        middle = 60 + apart / 2
        assert set(np.unique(found[:, X[0] < middle - 2])) == {0, found[100, 60]}
        assert set(np.unique(found[:, X[0] > middle + 2])) == {0, found[100, 60 + apart]}


@pytest.mark.parametrize("seed", range(4))
def test_a_rod_whose_depth_has_ripples_stays_whole(seed: int) -> None:
    rod = (np.abs(Y - 100) < 24) & (np.abs(X - 120) < 90)
    ripples = gaussian_filter(np.random.default_rng(seed).normal(size=rod.shape), 5)
    depth = np.where(rod, distance_transform_edt(rod) * 0.4 + 0.7 * ripples / ripples.std(), 0)
    maps = {"depth": np.clip(depth, 0, None).astype(np.float32)}
    assert particles_of(np.where(rod, 0.95, 0.05).astype(np.float32), maps, 0.4).max() == 1


def test_outlines_part_a_small_particle_from_the_large_one_it_lies_on() -> None:
    """Its depth does not fall between both, as the large one is deep where they meet."""
    large, small = (np.clip(r - np.hypot(Y - 100, X - x), 0, None) for r, x in ((40, 90), (14, 126)))
    owner = np.where(small / 14 > large / 40, 2, 1) * (np.maximum(large, small) > 0)
    maps = {"depth": np.where(owner == 2, small, large).astype(np.float32), "boundary": boundary_target(owner, 1.0)}
    sure = np.where(owner > 0, 0.95, 0.05).astype(np.float32)
    assert particles_of(sure, maps, 1.0).max() == 2


@pytest.mark.parametrize("spacing", [0.75, 0.85, 0.95])
def test_depth_parts_a_raft_of_particles_that_overlap(spacing: float) -> None:
    """Also where the depth has little to do with the distance to the outline of all of them."""
    middles = [(24 + 48 * spacing * i, 24 + 48 * spacing * j) for i in range(4) for j in range(4)]
    depth = np.max([np.clip(24 - np.hypot(Y - y, X - x), 0, None) for y, x in middles], axis=0).astype(np.float32)
    sure = np.where(depth > 0, 0.95, 0.05).astype(np.float32)
    assert particles_of(sure, {"depth": depth}, 0.5, minimum_area=0.2).max() == 16


@pytest.mark.parametrize("seed", range(4))
def test_nothing_that_a_distance_head_says_ends_the_measurement(seed: int) -> None:
    rough = np.random.default_rng(seed).normal(size=(2, 48, 48)).cumsum(axis=1)
    found = separate(rough[0] > 0, depth=np.clip(rough[1], 0, None))  # no depth at all in half of the particles
    assert np.array_equal(found > 0, rough[0] > 0)


def test_heads_that_have_learnt_nothing_are_passed_over() -> None:
    """Flat within particles, as of a network that was trained too shortly: the mask's own necks tell."""
    dumbbell = disc(100, 60, 40) | disc(100, 135, 40)

    class Flat(Dark):
        def predict_maps(self, array: NDArray[np.float32], pixel_size: float) -> dict[str, NDArray[np.float32]]:
            seen = np.where(dumbbell, 0.9, 0.1).astype(np.float32)
            return {"probability": seen, "distance": 5.5 * seen, "boundary": 0.5 * seen}

    assert len(segment(micrograph(dumbbell), Flat())) == 2


def test_outlines_are_drawn_where_the_network_is_sure() -> None:
    """A disc with a soft rim and a doubtful middle, and a faint one of which the network is nowhere sure."""

    class Soft:
        def predict(self, array: NDArray[np.float32], pixel_size: float) -> NDArray[np.float64]:
            y, x = np.mgrid[:96, :192]
            first = np.clip((33 - np.hypot(y - 48, x - 48)) / 5, 0, 1)
            first[44:52, 44:52] = 0.55
            first[40:56, 67:] = np.minimum(first[40:56, 67:], 0.8)  # not sure to 9 Å inside of the rim
            return np.maximum(first, 0.6 * (np.hypot(y - 48, x - 140) < 20))

    image = Micrograph(np.eye(96, 192), 1.0)
    found = segment(image, Soft(), clean=False)
    assert len(found) == 2
    areas = np.bincount(found.instances.ravel())[1:]
    assert areas[0] == pytest.approx(np.pi * 28.5**2, rel=0.02)  # not 30.5² at one half, without hole or bay
    assert not found.instances[48, 78]
    assert found.instances[48, 74]
    assert areas[1] == pytest.approx(np.pi * 20**2, rel=0.02)
    assert np.array_equal(found.mask, found.instances > 0)
    large = segment(image, Soft(), clean=False, minimum_area=15.0)
    assert np.unique(large.instances).tolist() == [0, 1]  # 25.5 and 12.6 nm²
    whole = segment(image, Soft(), clean=False, outline=0.5)
    assert np.bincount(whole.instances.ravel())[1] == pytest.approx(np.pi * 30.5**2, rel=0.02)


def test_what_is_drawn_into_a_picture_is_told() -> None:
    image = np.random.default_rng(0).poisson(60.0, (256, 256)).astype(np.float32)
    plain = segment(Micrograph(image, 0.4), "general").unfamiliar
    assert not any("grey value" in one for one in plain)
    image[230:] = 0
    image[240:246, 20:120] = 255
    told = segment(Micrograph(image, 0.4), "general").unfamiliar
    assert any("crop them" in one for one in told)


@pytest.mark.parametrize("rate", [0.02, 0.1, 0.5, 3.0])
def test_few_electrons_are_not_drawn_into_a_picture(rate: float) -> None:
    y, x = np.mgrid[:512, :512]
    rates = rate * np.where(np.hypot(y - 256, x - 200) < 130, 0.4, 1.0)
    counts = np.random.default_rng(1).poisson(rates).astype(np.float32)
    assert not drawn_over(Micrograph(counts, 0.4))
    assert not drawn_over(Micrograph(median_filter(counts, 3), 0.4))
    counts[470:484, 300:460] = 255
    if rate >= 0.5:  # below, most of the picture is of one grey value
        assert "0.36 %" in drawn_over(Micrograph(counts, 0.4))
