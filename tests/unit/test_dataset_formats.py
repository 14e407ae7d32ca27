"""Formats of other programs: what is written comes back, and what others write can be read, and cannot harm."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from exitwave.core import DatasetError, Progress, SpecError
from exitwave.dataset import Dataset, doctor, export, formats, generate, import_images, render
from exitwave.dataset.formats import base
from exitwave.dataset.formats.coco import from_runs, runs
from exitwave.dataset.formats.pictures import pixel_size_of, png, read_picture, tiff

RECIPE: dict[str, Any] = {
    "seed": 8,
    "structures": {
        "count": 3,
        "family": "supported_particles",
        "field": [24, 32],
        "particles": {"material": "Au", "count": {"choice": [1, 2]}, "radius": {"uniform": [5, 6]}},
        "film": {"material": "a-C", "thickness": 5},
    },
    "scattering": {"sampling": 0.4, "potential_sampling": None, "configurations": 1},
    "images": {"per_structure": 2, "dose": {"loguniform": [100, 90000]}},
    "labels": [{"rule": "phase"}, {"rule": "instances"}, {"rule": "projected"}],
    "store": {"structures_per_shard": 2},
}
SIMPLE = ("tiff", "hdf5", "hyperspy", "webdataset", "huggingface")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("formats") / "set"
    generate(RECIPE, place).close()
    return place


@pytest.fixture
def data(folder: Path) -> Iterator[Dataset]:
    opened = Dataset(folder)
    yield opened
    opened.close()


@pytest.mark.parametrize("name", [*SIMPLE, "zarr"])
def test_what_is_exported_comes_back_as_it_was(tmp_path: Path, data: Dataset, name: str) -> None:
    if name == "zarr":
        pytest.importorskip("zarr")
    seen: list[Progress] = []
    path = data.export(tmp_path / "out", name, progress=seen.append)
    assert [(state.done, state.total) for state in seen] == [(done, 6) for done in range(1, 7)]
    again = import_images(path, tmp_path / "back", name)
    assert again.column("id").tolist() == data.column("id").tolist()
    assert again.structures == data.structures
    assert np.array_equal(again.images(), data.images())
    assert set(again.rules) == set(data.rules)
    for rule in data.rules:
        assert np.array_equal(again.masks(rule), data.masks(rule)), rule
        assert again.masks(rule).dtype == data.masks(rule).dtype
    for column in ("dose", "particle_radius", "pixel_size", "phase_fraction", "image_mean"):
        assert np.allclose(again.column(column), data.column(column)), column
    sample = again[4]
    assert np.array_equal(render(sample.record).image.array, sample.image.array)
    again.verify()
    assert name in (tmp_path / "back" / "origin.yaml").read_text()
    again.close()


def test_coco_instances_come_back(tmp_path: Path, data: Dataset) -> None:
    path = export(data, tmp_path / "coco", "coco")
    content = json.loads((path / "annotations.json").read_text())
    assert len(content["images"]) == 6
    assert len(content["annotations"]) == int(data.column("instances_max").sum())
    first = content["annotations"][0]
    left, top, width, height = first["bbox"]
    mask = data.masks("instances", [first["image_id"] - 1])[0] == 1
    assert first["area"] == mask.sum()
    assert mask[top : top + height, left : left + width].sum() == mask.sum()
    back = import_images(path, tmp_path / "back", "coco")
    assert np.array_equal(back.masks("instances"), data.masks("instances"))
    assert np.array_equal(back.images(), data.images())
    back.close()
    connected = json.loads((export(data, tmp_path / "phase", "coco", rule="phase") / "annotations.json").read_text())
    assert connected["info"]["rule"] == "phase"
    with pytest.raises(DatasetError, match="maps of whole numbers are phase, instances"):
        export(data, tmp_path / "none", "coco", rule="projected")
    assert not (tmp_path / "none").exists()


def wrapped(place: Path) -> Dataset:
    """Return four images: a lone particle over the edge, the second of two with the first unseen, none, and both."""
    instances = np.zeros((4, 20, 24), np.uint16)
    instances[0, 5:9, :3] = instances[0, 5:9, 20:] = 1
    instances[1, 2:5, 2:5] = instances[3, 2:5, 2:5] = 2
    instances[3, 10:14, 10:15] = 1
    with h5py.File(place / "theirs.h5", "w") as file:
        file["images"] = np.random.default_rng(3).random((4, 20, 24)).astype(np.float32)
        file["labels/instances"] = instances
        file["labels/instances-layer-1"] = np.minimum(instances, 1)
        file["labels/mask"] = (instances > 0).astype(np.uint8)
        file["labels/overlap"] = instances.astype(np.uint8)
    return import_images(place / "theirs.h5", place / "wrapped", "hdf5", pixel_size=0.3)


@pytest.mark.parametrize("name", [*SIMPLE, "zarr", "coco"])
def test_numbers_stay_numbers_in_images_of_one_particle(tmp_path: Path, name: str) -> None:
    if name == "zarr":
        pytest.importorskip("zarr")
    data = wrapped(tmp_path)
    for rule in data.rules:
        options = {"rule": rule} if name == "coco" else {}
        path = data.export(tmp_path / f"out-{rule}", name, **options)
        back = import_images(path, tmp_path / f"back-{rule}", name)
        assert back.masks(rule).dtype == data.masks(rule).dtype
        assert np.array_equal(back.masks(rule), data.masks(rule)), rule
        back.close()
        if name != "coco":
            assert set(back.rules) == set(data.rules)
            break
    if name == "tiff":
        assert set(np.unique(read_picture(path / "masks" / "mask" / "000000.png"))) == {0, 255}
        assert set(np.unique(read_picture(path / "masks" / "instances-layer-1" / "000000.png"))) == {0, 1}
    data.close()


def test_the_doctor_passes_what_comes_back(tmp_path: Path) -> None:
    particles = RECIPE["structures"]["particles"] | {"count": 1}
    lone = RECIPE | {"structures": RECIPE["structures"] | {"count": 1, "particles": particles}}
    data = generate(lone, tmp_path / "set")
    assert data.column("instances_max").tolist() == [1, 1]
    import_images(data.export(tmp_path / "out", "tiff"), tmp_path / "back", "tiff").close()
    data.close()
    found = doctor(tmp_path / "back", structures=1)
    assert found["records"].passed
    assert found.healthy, str(found)


def test_a_particle_over_the_edge_is_one_instance(tmp_path: Path) -> None:
    data = wrapped(tmp_path)
    counts = {}
    for rule in ("instances", "mask"):
        path = data.export(tmp_path / rule, "coco", rule=rule)
        found = json.loads((path / "annotations.json").read_text())["annotations"]
        counts[rule] = [sum(item["image_id"] == image for item in found) for image in (1, 2, 3, 4)]
    assert counts == {"instances": [1, 1, 0, 2], "mask": [2, 1, 0, 2]}
    data.close()


def test_maps_of_some_images_may_need_a_wider_type(tmp_path: Path) -> None:
    pytest.importorskip("zarr")
    instances = np.ones((2, 20, 24), np.int32)
    instances[1].flat = np.arange(480)
    with h5py.File(tmp_path / "theirs.h5", "w") as file:
        file["images"], file["labels/cells"] = np.random.default_rng(3).random((2, 20, 24)), instances
    data = import_images(tmp_path / "theirs.h5", tmp_path / "data", "hdf5", pixel_size=0.3)
    for name in ("hdf5", "zarr", "hyperspy"):
        back = import_images(data.export(tmp_path / name, name), tmp_path / f"{name}-back", name)
        assert np.array_equal(back[1].labels["cells"], instances[1]), name
        back.close()
    data.close()


@pytest.mark.parametrize("seed", range(5))
def test_run_lengths_hold_any_mask(seed: int) -> None:
    generator = np.random.default_rng(seed)
    mask = (generator.random((37, 300)) < [0.5, 0.01, 0.99, 0.0, 1.0][seed]).astype(np.uint8)
    assert np.array_equal(from_runs(runs(mask), mask.shape), mask)


def test_polygons_of_other_programs_are_filled(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(np.zeros((20, 30), np.uint8)))
    content = {
        "images": [{"id": 7, "file_name": "a.png"}],
        "annotations": [
            {"image_id": 7, "segmentation": [[2, 3, 12, 3, 12, 9, 2, 9]]},
            {"image_id": 7, "segmentation": {"counts": [0, 20, 580], "size": [20, 30]}},
        ],
    }
    (tmp_path / "annotations.json").write_text(json.dumps(content))
    found = import_images(tmp_path, tmp_path / "back", "coco", pixel_size=0.5)
    mask = found.masks("instances", [0])[0]
    assert (mask == 1).sum() == 10 * 6
    assert (mask[3:9, 2:12] == 1).all()
    assert (mask[:, 0] == 2).all()
    found.close()


def test_the_layout_of_the_public_benchmarks(tmp_path: Path, data: Dataset) -> None:
    path = export(data, tmp_path / "bench.h5", "hdf5")
    with h5py.File(path) as file:
        assert np.array_equal(file["images"][()], data.images())
        assert np.array_equal(file["maps"][()], data.masks("phase"))
    images = np.random.default_rng(1).random((3, 16, 16, 1)).astype(np.float32)
    maps = np.stack([images[..., 0] < 0.5, images[..., 0] >= 0.5], axis=-1).astype(np.float64)
    with h5py.File(tmp_path / "theirs.h5", "w") as file:
        file["images"], file["maps"] = images, maps
    with pytest.raises(DatasetError, match="give pixel_size in Å"):
        import_images(tmp_path / "theirs.h5", tmp_path / "back", "hdf5")
    assert not (tmp_path / "back").exists()
    real = import_images(tmp_path / "theirs.h5", tmp_path / "back", "hdf5", pixel_size=0.2152)
    assert np.array_equal(real.images(), images[..., 0])
    assert np.array_equal(real.masks("maps"), maps.argmax(axis=-1))
    assert real.column("pixel_size").tolist() == [0.2152] * 3
    assert len(real.structures) == 3
    train, rest = real.split((0.7, 0.3), seed=1)
    assert (len(train), len(rest)) == (2, 1)
    assert len(real.where("image_mean > 0.4")) == 3
    assert real[0].record == {"source": {"file": "theirs.h5", "place": "0"}}
    real.show(2)
    real.close()


def test_folders_of_labelled_micrographs_are_read(tmp_path: Path) -> None:
    place = tmp_path / "lab"
    place.mkdir()
    image = np.random.default_rng(3).integers(0, 60000, (24, 20)).astype(np.uint16)
    (place / "a.png").write_bytes(png(image))
    (place / "a_mask.png").write_bytes(png(np.where(image > 30000, 255, 0).astype(np.uint8)))
    (place / "b.tif").write_bytes(tiff(image, 0.25))
    rows = ["image,mask,pixel_size_nm", "a.png,a_mask.png,0.02", "b.tif,,", "a.png,a_mask.png,0.02"]
    (place / "index.csv").write_text("\n".join(rows))
    data = import_images(place, tmp_path / "back", "tiff")
    assert data.column("pixel_size").tolist() == pytest.approx([0.2, 0.25, 0.2])
    assert np.array_equal(data[0].labels["mask"], image > 30000)
    assert np.array_equal(data[1].image.array, image)
    assert len(data.unique()) == len(data.structures) == 2  # the same image twice
    data.close()


def test_a_pixel_size_in_words_is_none_and_the_option_says_it(tmp_path: Path) -> None:
    place = tmp_path / "lab"
    place.mkdir()
    image = np.random.default_rng(3).integers(0, 200, (24, 20)).astype(np.uint8)
    for name in ("a.png", "b.png"):
        (place / name).write_bytes(png(image + (name == "b.png")))
    told = "not stated; about 0.058 if the fringes are Au (111)"
    (place / "index.csv").write_text(f"image,mask,pixel_size_nm\na.png,,{told}\nb.png,,0.02\n")
    heads = [{"id": 1, "file_name": "a.png", "pixel_size": told}, {"id": 2, "file_name": "b.png", "pixel_size": 0.2}]
    (place / "annotations.json").write_text(json.dumps({"images": heads, "annotations": []}))
    for name in ("tiff", "coco"):
        with pytest.raises(DatasetError, match=r"a\.png does not tell its pixel size; .*--pixel-size"):
            import_images(place, tmp_path / name, name)
        data = import_images(place, tmp_path / name, name, pixel_size=0.58)
        assert data.column("pixel_size").tolist() == pytest.approx([0.58, 0.2])
        data.close()


def test_sizes_that_are_none_leave_the_word_to_the_option(tmp_path: Path, data: Dataset) -> None:
    pytest.importorskip("zarr")
    with h5py.File(data.export(tmp_path / "a.h5", "hdf5"), "r+") as file:
        file["pixel_sizes"][:] = np.nan
        file.attrs["pixel_size"] = "not stated"
    import zarr

    zarr.open_group(data.export(tmp_path / "a.zarr", "zarr"))["pixel_sizes"][:] = np.nan
    stored = io.BytesIO()
    np.save(stored, np.ones((4, 4), np.float32))
    note = json.dumps({"pixel_size": None}).encode()
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name, content in (("0.image.npy", stored.getvalue()), ("0.json", note)):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    for place, name in (("a.h5", "hdf5"), ("a.zarr", "zarr"), ("a.tar", "webdataset")):
        with pytest.raises(DatasetError, match="does not tell its pixel size"):
            import_images(tmp_path / place, tmp_path / f"{name}-back", name)
        back = import_images(tmp_path / place, tmp_path / f"{name}-back", name, pixel_size=0.3)
        assert set(back.column("pixel_size").tolist()) == {0.3}
        back.close()


def test_a_tiff_tells_its_pixel_size_to_import_as_to_segment(tmp_path: Path) -> None:
    tifffile = pytest.importorskip("tifffile")
    from exitwave.micrographs import read

    image = np.random.default_rng(3).integers(0, 200, (24, 20)).astype(np.uint16)
    units = [(65003, "s", 0, "nm", True), (65004, "s", 0, "nm", True)]
    scales = [(65009, "d", 1, 0.021, True), (65010, "d", 1, 0.021, True)]
    written: dict[str, tuple[dict[str, Any], float | None]] = {
        "micron": ({"imagej": True, "resolution": (5e4, 5e4), "metadata": {"unit": "micron"}}, 0.2),
        "sign": ({"imagej": True, "resolution": (5e4, 5e4), "metadata": {"unit": "\\u00B5m"}}, 0.2),
        "pm": ({"imagej": True, "resolution": (0.05, 0.05), "metadata": {"unit": "pm"}}, 0.2),
        "gatan": ({"extratags": units + scales}, 0.21),
        "inch": ({"imagej": True, "resolution": (300, 300), "metadata": {"unit": "inch"}}, None),
        "print": ({"resolution": (300, 300), "resolutionunit": "INCH"}, None),
        "plain": ({"resolution": (300, 300), "resolutionunit": "CENTIMETER"}, None),
        "unitless": ({"imagej": True, "resolution": (5, 5)}, None),
    }
    for name, (options, size) in written.items():
        file = tmp_path / f"{name}.tif"
        tifffile.imwrite(file, image, **options)
        assert pixel_size_of(file) == (None if size is None else pytest.approx(size, rel=1e-6)), name
        assert read(file).pixel_size == (None if size is None else pytest.approx(size, rel=1e-6)), name
    oblong = {"imagej": True, "resolution": (50, 25), "metadata": {"unit": "nm"}}
    (tmp_path / "oblong").mkdir()
    tifffile.imwrite(tmp_path / "oblong" / "a.tif", image, **oblong)
    with pytest.raises(DatasetError, match=r"0\.4 Å in y and 0\.2 Å in x; .*--pixel-size"):
        import_images(tmp_path / "oblong", tmp_path / "back", "tiff")
    import_images(tmp_path / "oblong", tmp_path / "back", "tiff", pixel_size=0.2).close()


@pytest.mark.parametrize("name", ["../outside.png", "/etc/passwd", "link.png"])
def test_nothing_outside_the_folder_is_read(tmp_path: Path, name: str) -> None:
    place = tmp_path / "lab"
    place.mkdir()
    (tmp_path / "outside.png").write_bytes(png(np.zeros((4, 4), np.uint8)))
    (place / "link.png").symlink_to(tmp_path / "outside.png")
    (place / "index.csv").write_text(f"image,mask,pixel_size_nm\n{name},,0.1\n")
    with pytest.raises(DatasetError, match="outside of it"):
        import_images(place, tmp_path / "back", "tiff")
    (place / "annotations.json").write_text(json.dumps({"images": [{"id": 1, "file_name": name}], "annotations": []}))
    with pytest.raises(DatasetError, match="outside of it"):
        import_images(place, tmp_path / "back", "coco")


def test_hdf5_files_reach_no_other_file_and_promise_no_more_than_is_sane(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["images"] = np.zeros((2, 4, 4), np.float32)
    with h5py.File(tmp_path / "linked.h5", "w") as file:
        file["images"] = h5py.ExternalLink("secret.h5", "images")
    with h5py.File(tmp_path / "virtual.h5", "w") as file:
        layout = h5py.VirtualLayout((2, 4, 4), np.float32)
        layout[...] = h5py.VirtualSource(tmp_path / "secret.h5", "images", (2, 4, 4))
        file.create_virtual_dataset("images", layout)
    with h5py.File(tmp_path / "huge.h5", "w") as file:
        file.create_dataset("images", (1, 1 << 20, 1 << 20), np.float32, chunks=(1, 64, 64))
    for name, reason in (("linked", "of its own"), ("virtual", "of its own"), ("huge", "too many")):
        with pytest.raises(DatasetError, match=reason):
            import_images(tmp_path / f"{name}.h5", tmp_path / "back", "hdf5", pixel_size=1.0)


def test_arrays_in_tar_files_run_nothing_and_promise_nothing_false(tmp_path: Path) -> None:
    def archive(content: bytes) -> Path:
        with tarfile.open(tmp_path / "a.tar", "w") as file:
            member = tarfile.TarInfo("0.image.npy")
            member.size = len(content)
            file.addfile(member, io.BytesIO(content))
        return tmp_path / "a.tar"

    pickled = io.BytesIO()
    np.save(pickled, np.array([[print]], object), allow_pickle=True)
    small = io.BytesIO()
    np.save(small, np.zeros((2, 2), np.float32))
    lies = small.getvalue().replace(b"(2, 2), }", b"(9999999)}")
    for content in (pickled.getvalue(), lies, small.getvalue()[:-1], b"nonsense"):
        with pytest.raises(DatasetError, match="is no array"):
            import_images(archive(content), tmp_path / "back", "webdataset", pixel_size=1.0)
    assert not (tmp_path / "back").exists()


@pytest.mark.parametrize("name", [*SIMPLE, "coco"])
def test_files_that_are_damaged_say_so_in_one_sentence(tmp_path: Path, data: Dataset, name: str) -> None:
    path = data.take([0]).export(tmp_path / "out", name)
    files = [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]
    largest = max((file for file in files if file.suffix != ".jsonl"), key=lambda file: file.stat().st_size)
    largest.write_bytes(largest.read_bytes()[:100])
    with pytest.raises(DatasetError) as caught:
        import_images(path, tmp_path / "back", name)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "back").exists()
    assert not list(tmp_path.glob(".*"))


def test_an_export_that_breaks_off_leaves_nothing(tmp_path: Path, data: Dataset) -> None:
    def stop(state: Progress) -> None:
        if state.done == 3:
            raise KeyboardInterrupt

    for name in (*SIMPLE, "coco", "prismatic"):
        with pytest.raises(KeyboardInterrupt):
            data.export(tmp_path / "out", name, progress=stop)
        assert not list(tmp_path.iterdir()), name
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("keep")
    with pytest.raises(DatasetError, match="is there already"):
        data.export(tmp_path / "out", "tiff")


def test_atoms_for_prismatic(tmp_path: Path, data: Dataset) -> None:
    path = data.export(tmp_path / "atoms", "prismatic")
    files = sorted(path.iterdir())
    assert len(files) == 3
    from ase.io import read

    atoms = read(files[1], format="prismatic")
    built = data.atoms(1)
    assert np.array_equal(atoms.numbers, built.numbers)
    assert np.allclose(atoms.positions, built.positions, atol=1e-5)
    with pytest.raises(DatasetError, match="holds atoms and no images"):
        import_images(path, tmp_path / "back", "prismatic")


def test_formats_of_other_packages_are_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, data: Dataset) -> None:
    from importlib.metadata import EntryPoint, EntryPoints

    point = EntryPoint("mine", "exitwave.dataset.formats.tiff:Tiff", "exitwave.formats")
    wrong = EntryPoint("wrong", "exitwave.dataset:Dataset", "exitwave.formats")
    points = EntryPoints([point, wrong])
    monkeypatch.setattr(base, "entry_points", lambda **wanted: points.select(**wanted))
    assert "mine" in formats()
    assert (data.take([0]).export(tmp_path / "out", "mine") / "index.csv").is_file()
    with pytest.raises(SpecError, match="no subclass"):
        data.export(tmp_path / "other", "wrong")


def test_what_is_not_known_is_refused(tmp_path: Path, data: Dataset) -> None:
    with pytest.raises(SpecError, match="did you mean coco"):
        data.export(tmp_path / "x", "cocoo")
    with pytest.raises(SpecError, match="rulle is not a known key; did you mean rule"):
        data.export(tmp_path / "x", "coco", rulle="phase")
    with pytest.raises(SpecError, match="pixel_size is -1"):
        import_images(tmp_path, tmp_path / "x", "tiff", pixel_size=-1)


def test_pictures_of_colour_become_grey(tmp_path: Path) -> None:
    from PIL import Image

    grey = np.arange(64, dtype=np.uint8).reshape(8, 8)
    Image.fromarray(np.stack([grey] * 3, axis=-1)).save(tmp_path / "a.png")
    assert np.array_equal(read_picture(tmp_path / "a.png"), grey)
    Image.fromarray(grey > 30).save(tmp_path / "b.png")
    assert read_picture(tmp_path / "b.png").max() == 1
