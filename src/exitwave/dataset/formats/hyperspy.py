"""HyperSpy's files: one stack of images and one of each label map, calibrated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import h5py
import numpy as np
from numpy.typing import NDArray

from exitwave.core import DatasetError
from exitwave.dataset.formats.base import (
    Format,
    only_shape,
    optional,
    read_records,
    record_text,
    sample,
    whole_folder,
)
from exitwave.dataset.formats.hdf5 import _is_local, _local
from exitwave.dataset.formats.kinds import map_kind
from exitwave.dataset.samples import Sample
from exitwave.imaging.calibrations import angstroms, positive

if TYPE_CHECKING:
    from exitwave.dataset.dataset import Dataset

__all__ = ["HyperSpy", "signal"]


class HyperSpy(Format):
    """A folder of ``.hspy`` files: ``images.hspy`` and one stack for each label rule, ``Signal2D`` (n | y, x) in nm.

    ``hyperspy.api.load("images.hspy", lazy=True)`` opens it; the records are in ``metadata.exitwave.records``.

    Examples
    --------
    >>> HyperSpy().name
    'hyperspy'
    """

    name: ClassVar[str] = "hyperspy"

    def write(self, data: Dataset, path: Path) -> Iterator[int]:
        """Write the folder."""
        writer = optional("rsciio.hspy", "rosettasciio", "HyperSpy").file_writer
        height, width = only_shape(data)
        sizes = set(data.column("pixel_size").tolist())
        if len(sizes) > 1:
            raise DatasetError("the images differ in pixel size; a HyperSpy signal has one, so select those of one.")
        size = sizes.pop()
        kinds = {"images": np.dtype(np.float32)} | {rule: map_kind(data, rule) for rule in data.rules}
        with whole_folder(path) as folder:
            for name, kind in kinds.items():
                # the head first, of no data; then the stack, image by image, so that memory stays flat
                title = name if name != "images" else "HRTEM images"
                axes = {"image": (len(data), "", 1.0), "y": (height, "nm", size / 10), "x": (width, "nm", size / 10)}
                head = signal(np.zeros((1, 1, 1), kind), axes, title)
                writer(str(folder / f"{name}.hspy"), head, show_progressbar=False)
            files = {name: h5py.File(folder / f"{name}.hspy", "r+") for name in kinds}
            try:
                stacks = {name: _resized(file, (len(data), height, width)) for name, file in files.items()}
                lines = []
                for index, item in enumerate(data):
                    stacks["images"][index] = item.image.array
                    for rule in data.rules:
                        stacks[rule][index] = item.labels[rule]
                    lines.append(record_text(item))
                    yield index + 1
                experiment = next(iter(files["images"]["Experiments"].values()))
                # too long for an attribute of HDF5, where HyperSpy keeps texts
                experiment.create_dataset("exitwave_records", data=np.frombuffer("\n".join(lines).encode(), np.uint8))
            finally:
                for file in files.values():
                    file.close()

    def read(self, path: Path, pixel_size: float | None) -> Iterator[Sample]:
        """Yield the images of ``images.hspy`` with the maps beside it, or those of any one ``.hspy`` file."""
        main = path / "images.hspy" if path.is_dir() else path
        if not main.is_file():
            raise DatasetError(f"{main} is not there; give a .hspy file, or a folder with images.hspy.")
        others = [file for file in sorted(path.glob("*.hspy")) if file != main] if path.is_dir() else []
        opened: list[Any] = []
        try:
            for file in [main, *others]:
                opened.append(h5py.File(file, "r", locking=False))  # noqa: PERF401 (so that finally closes each)
            yield from _samples(main, opened, [file.stem for file in others], pixel_size)
        except DatasetError:
            raise
        except (OSError, ValueError, KeyError, TypeError, RuntimeError, StopIteration) as error:
            raise DatasetError(f"{path} cannot be read as HyperSpy's ({str(error).splitlines()[0]}).") from None
        finally:
            for item in opened:
                item.close()


def _samples(main: Path, files: list[Any], rules: list[str], pixel_size: float | None) -> Iterator[Sample]:
    stacks = []
    for file in files:
        name = next(iter(file["Experiments"]))
        stacks.append(_local(file, f"Experiments/{name}/data", main))
    experiment = next(iter(files[0]["Experiments"].values()))
    key = f"Experiments/{experiment.name.rsplit('/', 1)[1]}/exitwave_records"
    text = files[0][key][()].tobytes().decode() if _is_local(files[0], key) else ""
    records = read_records(text)
    told = _scale(experiment) or pixel_size
    for index in range(len(stacks[0])):
        maps: dict[str, NDArray[Any]] = {rule: stack[index] for rule, stack in zip(rules, stacks[1:], strict=True)}
        record = records[index] if index < len(records) else {}
        yield sample(stacks[0][index], maps, told, record, main, str(index))


def _scale(experiment: Any) -> float | None:
    for name in experiment:
        if name.startswith("axis-") and not experiment[name].attrs.get("navigate", True):
            attributes = experiment[name].attrs
            factor = angstroms(str(attributes.get("units", "")))
            return positive(abs(float(attributes["scale"])) * factor) if factor else None
    return None


def _resized(file: Any, shape: tuple[int, ...]) -> Any:
    experiment = next(iter(file["Experiments"].values()))
    kind = experiment["data"].dtype
    del experiment["data"]
    chunks = (1, *shape[1:])
    return experiment.create_dataset("data", shape, kind, chunks=chunks, compression="gzip", compression_opts=1)


def signal(
    data: NDArray[Any],
    axes: Mapping[str, tuple[int, str, float]],
    title: str,
    metadata: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return a ``Signal2D`` as rosettasciio writes it; the first axis is to navigate by.

    Parameters
    ----------
    data
        The array.
    axes
        Size, unit and step by name.
    title
        Its title.
    metadata
        More of it.

    Examples
    --------
    >>> made = signal(np.zeros((1, 2, 2)), {"n": (1, "", 1.0), "y": (2, "nm", 0.02), "x": (2, "nm", 0.02)}, "images")
    >>> [axis["navigate"] for axis in made["axes"]]
    [True, False, False]
    """
    listed = [
        {
            "_type": "UniformDataAxis",
            "name": name,
            "size": size,
            "units": unit,
            "scale": step,
            "offset": 0.0,
            "navigate": place == 0,
            "is_binned": False,
        }
        for place, (name, (size, unit, step)) in enumerate(axes.items())
    ]
    return {
        "data": data,
        "axes": listed,
        "metadata": {"General": {"title": title}, "Signal": {"signal_type": ""}, **(metadata or {})},
        "original_metadata": {},
        "attributes": {"_lazy": False, "ragged": False},
        "learning_results": {},
        "models": [],
        "package_info": {"package": "exitwave", "package_version": ""},
        "tmp_parameters": {},
    }
