"""Segmentations for other programs: ImageJ's ROI manager, COCO annotations, HyperSpy."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects

from exitwave.core.errors import MicrographError
from exitwave.core.files import write_whole
from exitwave.micrographs.grids import file_pixels, on_file_pixels
from exitwave.micrographs.segmentation import Segmentation

__all__ = ["EXTRAS", "write_coco", "write_hyperspy", "write_rois"]

_TRACED, _SUB_PIXEL, _VERSION = 8, 128, 227


def write_rois(segmentation: Segmentation, path: str | Path) -> Path:
    """Write the particles' outlines as a zip file that ImageJ's ROI manager opens.

    Outlines have sub-pixel coordinates; the origin is the corner of the first pixel, as in ImageJ. Where particles
    lie over each other they are those of the instance map, not of the particles whole.

    Parameters
    ----------
    segmentation
        What to write.
    path
        A name that ends in ``.zip``.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    MicrographError
        If the name ends otherwise, or the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from exitwave.imaging import Micrograph
    >>> y, x = np.mgrid[:100, :100]
    >>> disc = np.hypot(y - 50, x - 40) <= 30
    >>> found = Segmentation(disc, disc.astype(np.float32), disc.astype(np.int32), Micrograph(1.0 - disc, 2.0))
    >>> file = write_rois(found, Path(tempfile.mkdtemp()) / "disc.zip")
    >>> zipfile.ZipFile(file).namelist()
    ['particle-0001.roi']
    """
    path = Path(path)
    if path.suffix != ".zip":
        raise MicrographError(f"the ROI file is {path.name}; a set of ImageJ ROIs is a .zip file.")
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, outlines in _outlines(on_file_pixels(segmentation).instances):
            longest = max(outlines, key=len)
            name = f"particle-{number:04d}"
            archive.writestr(zipfile.ZipInfo(f"{name}.roi"), _roi(longest, name))
    return write_whole(path, content.getvalue(), error=MicrographError, parents=True)


def write_coco(segmentations: Sequence[Segmentation], path: str | Path) -> Path:
    """Write several segmentations as one COCO file of instance annotations.

    One category, ``particle``; polygons, bounding boxes and areas in pixels, and ``score``, the mean confidence.
    Where particles lie over each other they are those of the instance map, not of the particles whole.
    ``file_name`` is the micrograph's file where it has one.

    Parameters
    ----------
    segmentations
        One per image.
    path
        The JSON file.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    MicrographError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from exitwave.imaging import Micrograph
    >>> y, x = np.mgrid[:100, :100]
    >>> disc = np.hypot(y - 50, x - 40) <= 30
    >>> found = Segmentation(disc, disc.astype(np.float32), disc.astype(np.int32), Micrograph(1.0 - disc, 2.0))
    >>> file = write_coco([found], Path(tempfile.mkdtemp()) / "discs.json")
    >>> [particle] = json.loads(file.read_text())["annotations"]
    >>> particle["bbox"], particle["area"] == int(disc.sum()), particle["score"]
    ([10.0, 20.0, 61.0, 61.0], True, 1.0)
    """
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for image_id, found in enumerate(map(on_file_pixels, segmentations), start=1):
        height, width = found.mask.shape
        name = found.micrograph.metadata.get("file") or found.micrograph.name
        images.append({"id": image_id, "file_name": name, "height": height, "width": width})
        flat = found.instances.ravel()
        areas = np.bincount(flat)
        scores = np.bincount(flat, found.probability.ravel()) / np.maximum(areas, 1)
        for number, outlines in _outlines(found.instances):
            corners = np.concatenate(outlines)
            low, high = corners.min(axis=0), corners.max(axis=0)
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": 1,
                    "segmentation": [np.round(line, 2).ravel().tolist() for line in outlines],
                    "bbox": np.round([*low, *(high - low)], 2).tolist(),
                    "area": int(areas[number]),
                    "iscrowd": 0,
                    "score": round(float(scores[number]), 4),
                }
            )
    content: dict[str, Any] = {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": 1, "name": "particle"}],
    }
    text = json.dumps(content)
    return write_whole(Path(path), text.encode(), error=MicrographError, parents=True)


def write_hyperspy(segmentation: Segmentation, path: str | Path) -> Path:
    """Write micrograph, probability, instances and the network's further maps as one HyperSpy file, calibrated in nm.

    ``hyperspy.api.load`` returns a ``Signal2D`` (map | y, x); the names of the maps are in
    ``metadata.exitwave.maps``, in their order.

    Parameters
    ----------
    segmentation
        What to write.
    path
        A name that ends in ``.hspy``.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    MicrographError
        If the name ends otherwise, or the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from exitwave.imaging import Micrograph
    >>> y, x = np.mgrid[:100, :100]
    >>> disc = np.hypot(y - 50, x - 40) <= 30
    >>> found = Segmentation(disc, disc.astype(np.float32), disc.astype(np.int32), Micrograph(1.0 - disc, 2.0))
    >>> file = write_hyperspy(found, Path(tempfile.mkdtemp()) / "disc.hspy")
    >>> from rsciio.hspy import file_reader
    >>> [signal] = file_reader(file)
    >>> signal["data"].shape, signal["metadata"]["exitwave"]["maps"]
    ((3, 100, 100), ['micrograph', 'probability', 'instances'])
    """
    from exitwave.dataset.formats.hyperspy import signal

    path = Path(path)
    if path.suffix != ".hspy":
        raise MicrographError(f"the HyperSpy file is {path.name}; its name ends in .hspy.")
    found = on_file_pixels(segmentation)
    micrograph, sizes = found.micrograph, file_pixels(segmentation.micrograph)
    maps = {
        "micrograph": micrograph.array,
        "probability": found.probability,
        "instances": found.instances,
        **found.maps,
    }
    data = np.stack([np.asarray(array, np.float32) for array in maps.values()])
    (y, x), units = ((1.0, 1.0), "px") if sizes is None else ((sizes[0] / 10, sizes[1] / 10), "nm")
    count, height, width = data.shape
    axes = {"map": (count, "", 1.0), "y": (height, units, y), "x": (width, units, x)}
    made = signal(data, axes, micrograph.name or "micrograph", {"exitwave": {"maps": list(maps)}})
    writer: Any = import_module("rsciio.hspy").file_writer
    # the writer goes by the name's ending, which that of a temporary file is not
    return write_whole(path, lambda file: _renamed(writer, made, file), error=MicrographError, parents=True)


def _renamed(writer: Any, signal: dict[str, Any], file: Path) -> None:
    named = file.with_name(file.name + ".hspy")
    try:
        writer(str(named), signal, show_progressbar=False)
        named.replace(file)
    finally:
        named.unlink(missing_ok=True)


EXTRAS: Mapping[str, tuple[str, Callable[[Segmentation, Path], Path]]] = {
    "imagej": ("rois.zip", write_rois),
    "coco": ("coco.json", lambda segmentation, path: write_coco([segmentation], path)),
    "hyperspy": ("maps.hspy", write_hyperspy),
}
"""What can be written beside the usual files, by name: how the file's name ends, and what writes it."""


def _outlines(instances: NDArray[np.int32]) -> Iterator[tuple[int, list[NDArray[np.float64]]]]:
    """Yield every particle's number and outer outlines, (points, 2) as x, y from the first pixel's corner."""
    measure: Any = import_module("skimage.measure")
    for index, box in enumerate(find_objects(instances)):
        if box is None:
            continue
        inside = np.pad(instances[box] == index + 1, 1).astype(np.float32)
        lines = []
        for line in measure.find_contours(inside, 0.5, fully_connected="high"):
            y, x = line[:-1, 0] + box[0].start - 0.5, line[:-1, 1] + box[1].start - 0.5
            # Outer outlines turn one way, holes the other.
            if np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)) > 0:
                lines.append(np.stack([x, y], axis=1))
        if lines:
            yield index + 1, lines


def _roi(points: NDArray[np.float64], name: str) -> bytes:
    """Return one ROI in ImageJ's format (ij.io.RoiDecoder), with its name and sub-pixel points."""
    whole = np.round(points).astype(int)
    (left, top), (right, bottom) = whole.min(axis=0), whole.max(axis=0)
    count = len(points)
    second = 64 + 4 * count + 8 * count
    head = struct.pack(">4sHBBhhhhH", b"Iout", _VERSION, _TRACED, 0, top, left, bottom, right, count & 0xFFFF)
    head += bytes(50 - len(head)) + struct.pack(">H", _SUB_PIXEL)
    head += bytes(60 - len(head)) + struct.pack(">i", second)
    steps = (whole - (left, top)).T.astype(">i2").tobytes()
    exact = points.T.astype(">f4").tobytes()
    letters = name.encode("utf-16-be")
    extra = bytes(16) + struct.pack(">ii", second + 64, len(name)) + bytes(40)
    return bytes(head + steps + exact + extra + letters)
