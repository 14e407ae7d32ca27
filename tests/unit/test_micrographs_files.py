"""Files of microscopes and of other programs, and the pixel sizes that they state."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from exitwave.core import MicrographError
from exitwave.micrographs import CalibrationWarning, frames, labelled_pairs, read, save, segment, write_tiff

SHARED = Path(__file__).parents[2].parent / "shared" / "microscope-files"


def file_reader(path: Path) -> Any:
    plugin = "hspy" if path.suffix == ".hspy" else "digitalmicrograph"
    return pytest.importorskip(f"rsciio.{plugin}").file_reader(str(path))


needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the microscopes' files are not in ../shared")

IMAGE = (np.random.default_rng(3).random((48, 64)) * 4000).astype(np.uint16)


@needs_shared
@pytest.mark.parametrize(
    ("name", "program", "shape", "pixel_size"),
    [
        ("ceta_imaging.emd", "EMD", (512, 512), 31.38837),
        ("imagej_calibrated.tif", "TIFF", (68, 68), 1686.747),
        ("imagej_no_scale.tif", "TIFF", (68, 68), None),
        ("stem_image.dm3", "DigitalMicrograph", (68, 68), 2.48538),
        ("sto_image.ser", "TIA (ser)", (1024, 1024), 0.1001270),
    ],
)
def test_an_image_has_the_size_that_its_file_states(
    name: str, program: str, shape: tuple[int, int], pixel_size: float | None
) -> None:
    image = read(SHARED / name)
    assert image.array.shape == shape
    assert image.array.dtype == np.float32
    assert np.ptp(image.array) > 0
    assert image.pixel_size == (None if pixel_size is None else pytest.approx(pixel_size, rel=1e-5))
    assert image.name == Path(name).stem
    assert image.metadata["format"] == program
    assert image.metadata["original"]


@needs_shared
@pytest.mark.parametrize(
    ("name", "count", "shape", "pixel_size"),
    [("velox_tem_stack.emd", 2, (3, 3), 0.08172883), ("volume.mrc", 3, (128, 128), 2.0)],
)
def test_a_stack_is_read_frame_by_frame(name: str, count: int, shape: tuple[int, int], pixel_size: float) -> None:
    images = list(frames(SHARED / name))
    assert len(images) == count
    assert all(image.array.shape == shape for image in images)
    assert all(image.pixel_size == pytest.approx(pixel_size, rel=1e-6) for image in images)
    assert not np.array_equal(images[0].array, images[1].array)
    np.testing.assert_array_equal(read(SHARED / name, frame=1).array, images[1].array)
    with pytest.raises(MicrographError, match=f"holds {count} images; choose one with frame=0 to frame={count - 1}"):
        read(SHARED / name)
    with pytest.raises(MicrographError, match=f"has the frames 0 to {count - 1}"):
        read(SHARED / name, frame=count)


@needs_shared
@pytest.mark.parametrize("name", ["nonsquare_anisotropic.dm3", "nonsquare_anisotropic.dm4"])
def test_pixels_that_are_not_square_are_told_and_made_square(name: str) -> None:
    with pytest.warns(CalibrationWarning, match=r"2 Å in y and 10 Å in x; it is resampled from \(64, 128\)"):
        image = read(SHARED / name)
    assert image.array.shape == (64, 640)
    assert image.pixel_size == pytest.approx(2.0)
    assert (image.metadata["shape"], image.metadata["pixel_sizes"]) == ((64, 128), pytest.approx((2.0, 10.0)))
    with pytest.warns(CalibrationWarning, match=r"0\.3 Å in y and 1\.5 Å in x \(the size given is that of x"):
        given = read(SHARED / name, pixel_size=1.5)
    assert given.pixel_size == pytest.approx(0.3)
    # 5 new columns lie over each old one, and the middle one is at its centre
    np.testing.assert_array_equal(given.array, image.array)
    raw = file_reader(SHARED / name)[0]["data"]
    np.testing.assert_allclose(image.array[:, 2::5], raw, atol=1e-4)


@needs_shared
def test_a_spectrum_is_refused() -> None:
    with pytest.raises(MicrographError, match=r"08_carbon\.dm3 holds no micrograph: it holds spectra or profiles"):
        read(SHARED / "08_carbon.dm3")


@pytest.mark.parametrize(
    ("unit", "per_unit", "angstrom"),
    [("nm", 40.0, 0.25), ("micron", 4e4, 0.25), ("\u00b5m", 4e4, 0.25), ("\\u00B5m", 4e4, 0.25), ("pm", 0.04, 0.25),
     ("\u00c5ngstr\u00f6m", 4.0, 0.25), ("Angstrom", 4.0, 0.25), ("pixel", 1.0, None), ("inch", 300.0, None)],
)  # fmt: skip
def test_imagej_tif(tmp_path: Path, unit: str, per_unit: float, angstrom: float | None) -> None:
    tifffile = pytest.importorskip("tifffile")
    file = tmp_path / "image.tif"
    description = f"ImageJ=1.53t\nunit={unit}\nmin=0\nmax=1\n".encode("latin-1")
    options = {"resolution": (per_unit, per_unit), "description": description, "metadata": None}
    tifffile.imwrite(file, IMAGE, **options)
    image = read(file)
    np.testing.assert_array_equal(image.array, IMAGE)
    assert image.pixel_size == (None if angstrom is None else pytest.approx(angstrom))


def test_a_print_resolution_is_no_pixel_size(tmp_path: Path) -> None:
    tifffile = pytest.importorskip("tifffile")
    tifffile.imwrite(tmp_path / "print.tif", IMAGE, resolution=(300, 300), resolutionunit="INCH")
    Image.fromarray(IMAGE.astype(np.uint8)).save(tmp_path / "print.png", dpi=(300, 300))
    assert read(tmp_path / "print.tif").pixel_size is None
    assert read(tmp_path / "print.png").pixel_size is None


def test_a_tif_stack_of_imagej(tmp_path: Path) -> None:
    tifffile = pytest.importorskip("tifffile")
    stack = np.stack([IMAGE, IMAGE + 1, IMAGE + 2])
    metadata = {"axes": "TYX", "unit": "nm"}
    tifffile.imwrite(tmp_path / "movie.tif", stack, imagej=True, resolution=(50, 50), metadata=metadata)
    images = list(frames(tmp_path / "movie.tif"))
    assert [image.name for image in images] == ["movie-0", "movie-1", "movie-2"]
    assert [image.pixel_size for image in images] == [pytest.approx(0.2)] * 3
    np.testing.assert_array_equal(images[2].array, IMAGE + 2)


def signal(scale: tuple[float, float] = (0.02, 0.02), units: str = "nm", frames: int = 0) -> dict[str, Any]:
    data = IMAGE.astype(np.float32) if not frames else np.stack([IMAGE + k for k in range(frames)]).astype(np.float32)
    axes = [("y", scale[0], 48, False), ("x", scale[1], 64, False)]
    if frames:
        axes.insert(0, ("time", 1.0, frames, True))
    return {
        "data": data,
        "axes": [
            {"name": name, "scale": step, "offset": 0.0, "units": "s" if navigate else units, "size": size,
             "navigate": navigate, "index_in_array": index, "_type": "UniformDataAxis", "is_binned": False}
            for index, (name, step, size, navigate) in enumerate(axes)
        ],
        "metadata": {"General": {"title": "made"}, "Signal": {"signal_type": ""}},
        "original_metadata": {"microscope": {"voltage": 300}},
        "attributes": {"_lazy": False},
        "learning_results": {}, "models": {}, "tmp_parameters": {},
        "package_info": {"package": "hyperspy", "package_version": "2.0"},
    }  # fmt: skip


def written(plugin: str, file: Path, **options: Any) -> Path:
    module = pytest.importorskip(f"rsciio.{plugin}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module.file_writer(str(file), signal(**options))
    return file


@pytest.mark.parametrize(
    ("plugin", "ending", "program"),
    [("hspy", "hspy", "HyperSpy"), ("emd", "emd", "EMD"), ("tiff", "tif", "TIFF")],
)
def test_what_hyperspy_writes(tmp_path: Path, plugin: str, ending: str, program: str) -> None:
    image = read(written(plugin, tmp_path / f"image.{ending}"))
    np.testing.assert_array_equal(image.array, IMAGE)
    assert image.pixel_size == pytest.approx(0.2)
    assert image.metadata["format"] == program
    movie = list(frames(written(plugin, tmp_path / f"movie.{ending}", frames=3)))
    assert [float(frame.array[0, 0]) for frame in movie] == [float(IMAGE[0, 0]) + k for k in range(3)]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("kind", "dtype"), [(1, "i2"), (2, "f4"), (6, "u2")])
def test_mrc(tmp_path: Path, order: str, kind: int, dtype: str) -> None:
    head = np.zeros(256, f"{order}i4")
    head[[0, 1, 2, 3, 7, 8, 9, 16, 17, 18]] = [64, 48, 2, kind, 64, 48, 2, 1, 2, 3]
    head[10:13] = np.array([64 * 0.2, 48 * 0.2, 2.0], f"{order}f4").view(f"{order}i4")
    content = bytearray(head.tobytes())
    content[208:216] = b"MAP " + (b"\x44\x44\0\0" if order == "<" else b"\x11\x11\0\0")
    data = np.stack([IMAGE, IMAGE + 1]).astype(f"{order}{dtype}")
    (tmp_path / "movie.mrc").write_bytes(bytes(content) + data.tobytes())
    one, two = frames(tmp_path / "movie.mrc")
    assert one.pixel_size == pytest.approx(0.2)
    np.testing.assert_array_equal(one.array, IMAGE)
    np.testing.assert_array_equal(two.array, IMAGE + 1)


def test_results_are_on_the_pixels_of_the_file(tmp_path: Path) -> None:
    """A disc of 6 nm on pixels of 0.1 × 0.25 nm: the table is of the disc, the files fit the micrograph's."""
    y, x = np.mgrid[:120, :60]
    disc = np.hypot(0.1 * (y - 60), 0.25 * (x - 30)) < 3.0
    data = np.where(disc, 10.0, 100.0).astype(np.float32)
    made = signal(scale=(0.1, 0.25)) | {"data": data}
    made["axes"][0]["size"], made["axes"][1]["size"] = data.shape
    file = tmp_path / "image.hspy"
    pytest.importorskip("rsciio.hspy").file_writer(str(file), made)

    class Dark:
        def predict(self, array: Any, pixel_size: float) -> Any:
            return (array < 50).astype(np.float32)

    for given, factor in ((None, 1.0), (5.0, 2.0)):
        with pytest.warns(CalibrationWarning, match="it is resampled"):
            found = segment(read(file, pixel_size=given), Dark())
        assert found.mask.shape == (120, 150)
        assert found.particles()["equivalent_diameter_nm"][0] == pytest.approx(6.0 * factor, rel=0.02)
        out = tmp_path / f"out{factor}"
        found.save(out, "image")
        save(found, out, "image", extras=["imagej", "coco", "hyperspy"])
        assert np.mean(read(out / "image-mask.png").array.astype(bool) == disc) > 0.997
        tifffile = pytest.importorskip("tifffile")
        for kind in ("instances", "probability"):
            with tifffile.TiffFile(out / f"image-{kind}.tif") as tif:
                assert tif.pages[0].shape == (120, 60)
                across, down = (tif.pages[0].tags[f"{axis}Resolution"].value for axis in "XY")
                assert across[1] / across[0] == pytest.approx(0.25 * factor)
                assert down[1] / down[0] == pytest.approx(0.1 * factor)
        coco = json.loads((out / "image-coco.json").read_text())
        assert (coco["images"][0]["height"], coco["images"][0]["width"]) == (120, 60)
        [maps] = file_reader(out / "image-maps.hspy")
        assert maps["data"].shape[1:] == (120, 60)
        assert [axis["scale"] for axis in maps["axes"][1:]] == pytest.approx([0.1 * factor, 0.25 * factor])
        np.testing.assert_allclose(maps["data"][0], data, atol=40)
        assert np.abs(maps["data"][0] - data).mean() < 2
    # a part of the image is on none of the file's pixels
    with pytest.warns(CalibrationWarning):
        part = read(file).cropped(20, 30, 80, 100)
    save(segment(part, Dark()), tmp_path, "part", overlay=False)
    saved = read(tmp_path / "part-mask.tif")
    assert (saved.shape, saved.pixel_size) == ((80, 100), pytest.approx(1.0))
    assert np.mean((saved.array > 0) == (part.array < 50)) > 0.99


def test_a_mask_is_put_on_the_pixels_of_its_image(tmp_path: Path) -> None:
    """Numbers stay the numbers they are, however the image was resampled."""
    image = signal(scale=(0.2, 1.0)) | {"data": np.ones((64, 48), np.float32)}
    image["axes"][0]["size"], image["axes"][1]["size"] = 64, 48
    numbers = np.zeros((64, 48), np.uint8)
    numbers[5:25, 5:25], numbers[30:60, 5:25], numbers[30:60, 25:40] = 1, 2, 9
    mask = image | {"data": numbers}
    writer = pytest.importorskip("rsciio.hspy").file_writer
    writer(str(tmp_path / "image.hspy"), image)
    for ending, write in (("png", lambda path: Image.fromarray(numbers).save(path)),
                          ("hspy", lambda path: writer(str(path), mask))):  # fmt: skip
        file = tmp_path / f"image_mask.{ending}"
        write(file)
        with pytest.warns(CalibrationWarning, match=r"image\.hspy has pixels"):
            [pair] = labelled_pairs(tmp_path)
        assert pair.micrograph.shape == (64, 240)
        assert pair.mask is not None
        assert np.array_equal(pair.mask, np.repeat(numbers, 5, axis=1))
        file.unlink()


def test_a_nearly_square_calibration_takes_the_mean(tmp_path: Path) -> None:
    file = written("hspy", tmp_path / "image.hspy", scale=(0.0201, 0.0200))
    with pytest.warns(CalibrationWarning, match="the mean of both is taken"):
        image = read(file)
    assert image.array.shape == IMAGE.shape
    assert image.pixel_size == pytest.approx(np.sqrt(0.201 * 0.200))


@pytest.mark.parametrize("units", ["1/nm", "1 / nm", "nm^-1", "nm⁻¹", "mrad", "1/Å"])
def test_reciprocal_space_is_refused(tmp_path: Path, units: str) -> None:
    with pytest.raises(MicrographError, match="reciprocal space"):
        read(written("hspy", tmp_path / "pattern.hspy", units=units))


@pytest.mark.parametrize(("units", "size"), [("Å", 0.02), ("A", 0.02), ("\u212b", 0.02), ("µm", 200.0), ("", None)])
def test_units(tmp_path: Path, units: str, size: float | None) -> None:
    image = read(written("hspy", tmp_path / "image.hspy", units=units))
    assert image.pixel_size == (None if size is None else pytest.approx(size))


def test_pictures(tmp_path: Path) -> None:
    grey = IMAGE.astype(np.uint8)
    Image.fromarray(grey).save(tmp_path / "grey.png")
    Image.fromarray(IMAGE).save(tmp_path / "deep.png")
    Image.fromarray(np.stack([grey] * 3, axis=-1)).save(tmp_path / "rgb.png")
    Image.fromarray(np.stack([grey] * 3 + [np.full_like(grey, 255)], axis=-1)).save(tmp_path / "rgba.png")
    Image.fromarray(grey).convert("P").save(tmp_path / "palette.png")
    Image.fromarray(np.full_like(grey, 77)).save(tmp_path / "photo.jpg")
    for name in ("grey", "rgb", "rgba", "palette"):
        np.testing.assert_array_equal(read(tmp_path / f"{name}.png").array, grey, err_msg=name)
    np.testing.assert_array_equal(read(tmp_path / "deep.png").array, IMAGE)
    np.testing.assert_allclose(read(tmp_path / "photo.jpg").array, 77, atol=1)


def test_colour_is_told(tmp_path: Path) -> None:
    Image.fromarray(np.dstack([IMAGE.astype(np.uint8), np.zeros((48, 64, 2), np.uint8)])).save(tmp_path / "red.png")
    with pytest.warns(CalibrationWarning, match=r"red\.png is a colour picture"):
        image = read(tmp_path / "red.png")
    np.testing.assert_allclose(image.array, IMAGE.astype(np.uint8) / 3, rtol=1e-6)


def test_python_objects_are_called_so(tmp_path: Path) -> None:
    np.save(tmp_path / "objects.npy", np.array([{"a": 1}, "text"], dtype=object), allow_pickle=True)
    with pytest.raises(MicrographError, match=r"objects\.npy holds Python objects.*save an array of numbers"):
        read(tmp_path / "objects.npy")


def test_npy(tmp_path: Path) -> None:
    np.save(tmp_path / "image.npy", IMAGE.astype(np.int64))
    image = read(tmp_path / "image.npy", pixel_size=0.4)
    np.testing.assert_array_equal(image.array, IMAGE)
    assert image.pixel_size == 0.4
    np.save(tmp_path / "four.npy", np.zeros((2, 3, 8, 9)))
    assert len(list(frames(tmp_path / "four.npy"))) == 6


def test_the_content_decides_what_a_file_is(tmp_path: Path) -> None:
    Image.fromarray(IMAGE).save(tmp_path / "really-a-png.dm4", format="PNG")
    assert read(tmp_path / "really-a-png.dm4").metadata["format"] == "PNG"


def test_a_tif_of_ours_goes_round(tmp_path: Path) -> None:
    image = read(write_tiff(IMAGE, tmp_path / "image.tif", 0.123))
    np.testing.assert_array_equal(image.array, IMAGE)
    assert image.pixel_size == pytest.approx(0.123, rel=1e-6)
    assert read(write_tiff(IMAGE, tmp_path / "bare.tif", None)).pixel_size is None


def test_stacks_that_are_marked_as_colours_are_told(tmp_path: Path) -> None:
    tifffile = pytest.importorskip("tifffile")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tifffile.imwrite(tmp_path / "three.tif", np.stack([IMAGE] * 3), photometric="rgb", planarconfig="separate")
    with pytest.raises(MicrographError, match="greyscale stack"):
        read(tmp_path / "three.tif")
