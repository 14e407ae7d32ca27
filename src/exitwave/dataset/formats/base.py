"""What a format is, how one is found, and what all formats share."""

from __future__ import annotations

import io
import json
import shutil
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from exitwave.core import DatasetError, ExitwaveError, Spec, SpecError
from exitwave.core.files import TEMPORARY, cannot_write
from exitwave.dataset.samples import Sample
from exitwave.imaging import Micrograph
from exitwave.labels import Labels

if TYPE_CHECKING:
    from exitwave.dataset.dataset import Dataset

__all__ = ["Format", "file_format", "formats", "optional", "sample", "whole_folder"]

GROUP = "exitwave.formats"
BUILT_IN = {
    "coco": "exitwave.dataset.formats.coco:Coco",
    "hdf5": "exitwave.dataset.formats.hdf5:Hdf5",
    "huggingface": "exitwave.dataset.formats.huggingface:HuggingFace",
    "hyperspy": "exitwave.dataset.formats.hyperspy:HyperSpy",
    "prismatic": "exitwave.dataset.formats.prismatic:Prismatic",
    "tiff": "exitwave.dataset.formats.tiff:Tiff",
    "webdataset": "exitwave.dataset.formats.webdataset:WebDataset",
    "zarr": "exitwave.dataset.formats.zarr:Zarr",
}
LARGEST_IMAGE = 1 << 27  # pixels; a file that claims more is refused before anything is allocated
LARGEST_TEXT = 256 << 20  # bytes


class Format(Spec):
    """A format in which other programs keep labelled images; its fields are its options.

    A package offers a format of its own by an entry point in the group ``exitwave.formats``, named like the format.

    Examples
    --------
    >>> import tempfile
    >>> class Npy(Format):
    ...     name = "npy"
    ...     def write(self, data, path):
    ...         np.save(path, data.images())
    ...         yield len(data)
    ...     def read(self, path, pixel_size):
    ...         for image in np.load(path):
    ...             yield Sample(Micrograph(image, pixel_size), Labels({}, pixel_size))
    >>> file = Path(tempfile.mkdtemp()) / "images.npy"
    >>> np.save(file, np.ones((3, 64, 64)))
    >>> [found.image.shape for found in Npy().read(file, pixel_size=0.2)]
    [(64, 64), (64, 64), (64, 64)]
    """

    name: ClassVar[str]

    @abstractmethod
    def write(self, data: Dataset, path: Path) -> Iterator[int]:
        """Write a data set to ``path``, whole or not at all, and yield how many samples are done after each."""

    def read(self, path: Path, pixel_size: float | None) -> Iterator[Sample]:
        """Yield the samples in ``path``; ``pixel_size`` (Å) is for files that do not tell it."""
        raise DatasetError(f"{type(self).name} is a format to write only; nothing can be read from {path}.")


def formats() -> tuple[str, ...]:
    """Return the names of all formats that are installed.

    Examples
    --------
    >>> formats()[:3]
    ('coco', 'hdf5', 'huggingface')
    """
    return tuple(sorted({*BUILT_IN, *entry_points(group=GROUP).names}))


def file_format(name: str, **options: Any) -> Format:
    """Return the format called ``name`` with its options.

    Parameters
    ----------
    name
        One of :func:`formats`.
    **options
        The format's own.

    Returns
    -------
    Format
        What writes and reads it.

    Raises
    ------
    SpecError
        If there is no such format or option.

    Examples
    --------
    >>> file_format("coco", rule="instances").rule
    'instances'
    """
    found = entry_points(group=GROUP, name=name)
    target = BUILT_IN.get(name) or (next(iter(found)).value if found else None)
    if target is None:
        near = get_close_matches(name, formats(), n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise SpecError(f"format is {name!r}; {hint}known are {', '.join(formats())}.")
    module, _, attribute = target.partition(":")
    try:
        kind = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise SpecError(f"format {name} cannot be imported from {target} ({error}); install its package.") from None
    if not (isinstance(kind, type) and issubclass(kind, Format)):
        raise SpecError(f"format {name} is {target}, which is no subclass of exitwave.dataset.formats.Format.")
    return kind.parse(options)


def optional(module: str, package: str, what: str) -> Any:
    """Import a library that only some formats need, or say what to install."""
    try:
        return import_module(module)
    except ImportError:
        raise DatasetError(f"{what} needs {package}; pip install 'exitwave[formats]' brings it.") from None


def sample(
    array: NDArray[Any],
    maps: Mapping[str, NDArray[Any]],
    pixel_size: float | None,
    record: Mapping[str, Any],
    source: Path,
    place: str = "",
) -> Sample:
    """Return a sample read from a file: images without a record are known by where they are from."""
    name = f"{source.name}{f' {place}' if place else ''}"
    if pixel_size is None:
        raise DatasetError(
            f"{name} does not tell its pixel size; give pixel_size in Å (--pixel-size on the command line)."
        )
    if array.ndim != 2 or array.dtype.kind not in "uifb":
        raise DatasetError(f"{name} holds {array.dtype} of shape {array.shape}; an image is grey and (y, x).")
    for rule, values in maps.items():
        if values.shape != array.shape:
            raise DatasetError(f"{name} is {array.shape} and its map {rule} {values.shape}; they must agree.")
    known = dict(record) or {"source": {"file": source.name, "place": place}}
    image = Micrograph(np.asarray(array, np.float32), float(pixel_size), record=known, name=name)
    return Sample(image, Labels(dict(maps), float(pixel_size)), known)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Give a folder under a temporary name, which gets its own at the end; if that fails, nothing is left.

    Raises
    ------
    DatasetError
        If ``path`` is there already, or cannot be written.
    """
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise DatasetError(f"{path} is there already; give a new name.")
    temporary = path.with_name(f".{path.name}.{uuid4().hex[:8]}{TEMPORARY}")
    try:
        temporary.mkdir(parents=True)
        yield temporary
        temporary.replace(path)
    except OSError as error:
        shutil.rmtree(temporary, ignore_errors=True)
        if isinstance(error, ExitwaveError):
            raise
        raise cannot_write(path, error) from None
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def inside(folder: Path, name: Any) -> Path:
    """Return the path of a file that another file names, which must lie in ``folder``."""
    path = folder / str(name)
    if not path.resolve().is_relative_to(folder.resolve()):
        raise DatasetError(f"{folder} names the file {name}, which lies outside of it; it is not read.")
    if not path.is_file():
        raise DatasetError(f"{folder} names the file {name}, which is not there.")
    return path


def read_text(path: Path) -> str:
    """Return the text of a file that is not larger than texts are."""
    try:
        if path.stat().st_size > LARGEST_TEXT:
            raise DatasetError(f"{path} has {path.stat().st_size} bytes of text; up to {LARGEST_TEXT} are read.")
        return path.read_text("utf-8")
    except FileNotFoundError:
        raise DatasetError(f"{path} is not there.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path} cannot be read as text ({error}).") from None


def read_records(text: str) -> list[dict[str, Any]]:
    """Return the records that lines of JSON hold."""
    try:
        found = [json.loads(line) for line in text.splitlines() if line.strip()]
    except (ValueError, RecursionError):
        raise DatasetError("the records are damaged; they are one JSON object on each line.") from None
    return [record if isinstance(record, dict) else {} for record in found]


def record_text(item: Sample) -> str:
    """Return the record of a sample as one line of JSON."""
    return json.dumps(dict(item.record), ensure_ascii=False)


def record_of(records: list[dict[str, Any]], index: int) -> dict[str, Any]:
    """Return the record number ``index``, empty where there is none."""
    return records[index] if index < len(records) else {}


def only_shape(data: Dataset) -> tuple[int, int]:
    """Return the shape that all images have, for formats that hold one array.

    Raises
    ------
    DatasetError
        If they differ, or there are none.
    """
    if not len(data):
        raise DatasetError("there are no images to write; give a data set that has some.")
    shapes = set(zip(data.column("height").tolist(), data.column("width").tolist(), strict=True))
    if len(shapes) > 1:
        raise DatasetError('the images differ in shape; select with where("width = …") or choose another format.')
    height, width = shapes.pop()
    return int(height), int(width)


def binary_rules(data: Dataset) -> list[str]:
    """Return the rules whose first map holds whole numbers: those that can be a mask."""
    return [rule for rule in data.rules if len(data) and data.masks(rule, [0]).dtype.kind in "uib"]


def chosen_rule(data: Dataset, rule: str | None, wanted: str) -> str:
    """Return ``rule``, or the rule called ``wanted``, or the first that can be a mask."""
    known = binary_rules(data)
    if rule is None:
        rule = wanted if wanted in known else next(iter(known), "")
    if rule not in known:
        raise DatasetError(f"rule is {rule or 'not given'}; maps of whole numbers are {', '.join(known) or 'none'}.")
    return rule


def npy(array: NDArray[Any]) -> bytes:
    """Return an array in numpy's file format."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def from_npy(content: bytes, name: str) -> NDArray[Any]:
    """Return the array in the content of an npy file, whose header may promise no more than is there."""
    stream = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = read(stream)
        if dtype.hasobject or int(np.prod(shape, dtype=object)) * dtype.itemsize != len(content) - stream.tell():
            raise ValueError("its header does not fit its content")
        flat = np.frombuffer(content, dtype, offset=stream.tell())
        return flat.reshape(shape, order="F" if fortran else "C")
    except Exception as error:  # numpy evaluates the header's text, which may be anything
        raise DatasetError(f"{name} is no array ({str(error).splitlines()[0]}).") from None
