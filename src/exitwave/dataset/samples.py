"""From records to results: the same record gives the same sample, bit for bit on the same device type."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from exitwave.core import ExitwaveError, identity
from exitwave.dataset.kept_films import structure_on_film, wave_on_film
from exitwave.dataset.records import ImageRecord, StructureRecord
from exitwave.imaging import Micrograph, expose, intensities
from exitwave.imaging.simulate import pixel_size
from exitwave.labels import Labels, label
from exitwave.scattering import ExitWave, scatter
from exitwave.structure import Structure

__all__ = [
    "Sample",
    "compact_counts",
    "expected_images",
    "one_thread",
    "render",
    "render_image",
    "render_labels",
    "render_structure",
    "render_wave",
]


@dataclass(frozen=True, eq=False)
class Sample:
    """One image with its labels and the record that makes both again.

    Parameters
    ----------
    image
        The micrograph.
    labels
        The label maps of its structure.
    record
        What was drawn: "structure", "scattering", "labels", "imaging" and "streams".

    Examples
    --------
    >>> mask = np.zeros((64, 64), np.uint8)
    >>> mask[16:48, 16:48] = 1
    >>> sample = Sample(Micrograph(100.0 - 40 * mask, 0.2), Labels({"phase": mask}, 0.2))
    >>> sample.image.shape, float(sample.image.array[sample.labels["phase"] > 0].mean())
    ((64, 64), 60.0)
    """

    image: Micrograph
    labels: Labels
    record: Mapping[str, Any] = field(default_factory=dict)

    @property
    def identity(self) -> str:
        """The BLAKE2b hash of the record's canonical JSON."""
        return identity(dict(self.record))

    def show(self) -> Any:
        """Return a matplotlib Figure of the image with its labels."""
        return self.labels.show(image=self.image)


def render(record: Mapping[str, Any], *, device: str | None = None, allow_code: bool = False) -> Sample:
    """Make the sample that a record tells of, from nothing else.

    Parameters
    ----------
    record
        A sample's record.
    device
        Where to compute ("cpu", "cuda"); results are bit for bit the same on the same device type.
    allow_code
        Whether a structure family given by import path may be imported (which runs code).

    Returns
    -------
    Sample
        Image, labels and a copy of the record.

    Raises
    ------
    SpecError
        If the record is not one.

    Examples
    --------
    >>> import tempfile
    >>> from exitwave.dataset import Recipe, generate
    >>> gold = Recipe.from_yaml('''
    ... seed: 1
    ... structures: {count: 2, family: supported_particles, field: 20,
    ...   particles: {material: Au, radius: 6}, film: null}
    ... scattering: {sampling: 0.5, configurations: 1}
    ... images: {per_structure: 2, dose: 400}
    ... ''')
    >>> sample = generate(gold, tempfile.mkdtemp())[0]
    >>> again = render(sample.record)
    >>> bool((again.image.array == sample.image.array).all()), again.identity == sample.identity
    (True, True)
    """
    drawn = StructureRecord.from_dict(record, allow_code=allow_code)
    image = ImageRecord.from_dict(record)
    with one_thread():
        wave = render_wave(drawn, render_structure(drawn), device)
        labels = render_labels(drawn, wave)
        array = render_image(image, wave)
    return Sample(
        image=Micrograph(array.astype(np.float32), pixel_size(wave), record=dict(record)),
        labels=labels,
        record=dict(record),
    )


def render_structure(record: StructureRecord) -> Structure:
    """Return the atoms of a structure record."""
    if record.film is not None:
        return structure_on_film(record)
    return record.spec.build(record.stream / "build")


def render_wave(record: StructureRecord, structure: Structure, device: str | None = None) -> ExitWave:
    """Return the exit wave of a structure record whose atoms are ``structure``."""
    if record.film is not None:
        return wave_on_film(record, structure, device)
    return scatter(structure, stream=record.stream / "thermal", device=device, spec=record.scattering)


def render_labels(record: StructureRecord, wave: ExitWave) -> Labels:
    """Return the label maps of a structure record whose exit wave is ``wave``, in the types that are stored."""
    labels = label(wave, list(record.labels))
    return Labels({name: _smallest(values) for name, values in labels.maps.items()}, labels.pixel_size, labels.record)


def expected_images(records: Sequence[ImageRecord], wave: ExitWave) -> list[torch.Tensor | None]:
    """Return the expected intensities of many images of one wave, (y, x) each, or None where it has to be done alone.

    On a CPU they are computed in one call that gives each of them the bits it has alone. A GPU's transforms may
    round otherwise in a batch, and a record must give its image alone.
    """
    alone: list[torch.Tensor | None] = [None] * len(records)
    if wave.array.device.type != "cpu" or len(records) < 2:
        return alone
    try:
        return list(intensities(wave, [record.imaging for record in records]))
    except (ExitwaveError, ValueError, ArithmeticError):
        return alone  # one of them is at fault: each tells for itself


def render_image(record: ImageRecord, wave: ExitWave, expected: torch.Tensor | None = None) -> NDArray[Any]:
    """Return the image of an image record made from ``wave``: counts in the narrowest unsigned type."""
    spec = record.imaging
    pixel_size(wave)  # refuses waves without square pixels
    intensity = intensities(wave, [spec])[0] if expected is None else expected
    area = wave.sampling[0] * wave.sampling[1]
    counts = expose(intensity[None], [spec], [record.stream / "noise"], area)[0].cpu().numpy()
    if not np.isfinite(counts).all():
        raise ValueError("the image holds numbers that are not finite.")
    return compact_counts(counts)


def compact_counts(array: NDArray[Any]) -> NDArray[Any]:
    """Return whole counts as uint16, or uint32 where they are larger; everything else as float32.

    Examples
    --------
    >>> compact_counts(np.array([[1.0, 255.0, 256.0]])).dtype, compact_counts(np.array([[0.5]])).dtype
    (dtype('uint16'), dtype('float32'))
    """
    if array.size and np.isfinite(array).all() and array.min() >= 0 and not (array % 1).any():
        largest = array.max()
        if largest <= np.iinfo(np.uint16).max:
            return array.astype(np.uint16)
        if largest <= np.iinfo(np.uint32).max:
            return array.astype(np.uint32)
    return array.astype(np.float32)


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread while the block runs, so that sums are rounded in one and the same order."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with _blas_limit():
            yield
    finally:
        torch.set_num_threads(before)


def _blas_limit() -> Any:
    try:
        limits = import_module("threadpoolctl").threadpool_limits
    except ImportError:  # numpy's BLAS then obeys the environment alone
        return nullcontext()
    return limits(1, user_api="blas")


def _smallest(values: NDArray[Any]) -> NDArray[Any]:
    if values.dtype in (np.uint8, np.uint16, np.float32):
        return values
    largest = int(values.max(initial=0))
    for kind in (np.uint8, np.uint16):
        if values.min(initial=0) >= 0 and largest <= np.iinfo(kind).max:
            return values.astype(kind)
    raise ValueError(f"a label map holds {largest}; labels are whole numbers from 0 to 65535.")
