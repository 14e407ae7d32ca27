"""The data set: a folder of images with labels and records, and selections of it that are values."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from exitwave.core import DatasetError, Reporter, counted, identity
from exitwave.dataset.curate import ORIGIN_NAME, save
from exitwave.dataset.generate import RECIPE_NAME
from exitwave.dataset.loading import ImageTensors
from exitwave.dataset.recipe import Recipe
from exitwave.dataset.records import StructureRecord
from exitwave.dataset.samples import Sample, render_structure
from exitwave.dataset.selection import Selection
from exitwave.dataset.store import Store
from exitwave.dataset.yamlfiles import read_yaml
from exitwave.imaging import Micrograph
from exitwave.labels import Labels
from exitwave.scattering import ExitWave
from exitwave.structure import Structure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Dataset"]


class Dataset(Selection):
    """A folder of images with their labels and records, or a selection of them.

    A selection is a list of row numbers: it copies nothing, and the folder never changes through it.

    Parameters
    ----------
    folder
        A folder that ``generate`` wrote.

    Raises
    ------
    DatasetError
        If it is no data set.

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
    >>> folder = tempfile.mkdtemp()
    >>> generate(gold, folder).close()
    >>> data = Dataset(folder)
    >>> len(data), data.images().shape, data.rules
    (4, (4, 40, 40), ('phase',))
    >>> some = data.where("particle_radius < 35 AND dose > 300").sample(3, seed=1)
    >>> len(some), some[0].image.pixel_size, some[0].record["imaging"]["dose"]
    (3, 0.5, 400.0)
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        store = Store(folder)
        super().__init__((store,), np.arange(len(store.catalog)))

    def __repr__(self) -> str:
        where = " + ".join(str(store.folder) for store in self._stores)
        return f"Dataset({where}: {counted(len(self), 'image')})"

    # --- images -----------------------------------------------------------------------------------------------

    def __getitem__(self, index: int) -> Sample:
        if not -len(self) <= index < len(self):
            raise IndexError(f"index is {index}; the data set has {counted(len(self), 'image')}, counted from 0.")
        store, row = self._locate(int(self._rows[index]))
        entry, image = store.entry(row)
        structure = entry["record"]
        record = structure | image["record"]
        if "streams" in structure:
            record["streams"] = structure["streams"] | image["record"].get("streams", {})
        maps = {name: store.label(row, name) for name in _label_names(entry)}
        pixel_size = float(entry["pixel_size"])
        rules = dict(zip(entry["rules"], structure.get("labels", []), strict=False))
        return Sample(
            image=Micrograph(store.image(row).astype(np.float32), pixel_size, record=record, name=f"image {index}"),
            labels=Labels(maps, pixel_size, record=rules),
            record=record,
        )

    def __iter__(self) -> Iterator[Sample]:
        return (self[index] for index in range(len(self)))

    def images(self, indices: ArrayLike | None = None) -> NDArray[np.float32]:
        """Return images as one array, float32 (n, y, x), in the order asked for.

        Raises
        ------
        DatasetError
            If they differ in shape.
        """
        found = [store.image(row) for store, row in self._places(indices)]
        return _stacked(found, np.float32)

    def masks(self, rule: str, indices: ArrayLike | None = None) -> NDArray[Any]:
        """Return the label maps that ``rule`` made as one array (n, y, x), unsigned integers for most rules.

        Raises
        ------
        DatasetError
            If there is no such rule, or the maps differ in shape.
        """
        if len(self) and rule not in self.rules:
            raise DatasetError(f"rule is {rule}; this data set has {', '.join(self.rules)}.")
        found = [store.label(row, rule) for store, row in self._places(indices)]
        kind = max((values.dtype for values in found), key=lambda item: item.itemsize, default=np.dtype(np.uint8))
        return _stacked(found, kind)

    def torch(self, rule: str | None = None) -> ImageTensors:
        """Return a map-style torch data set of ``(image, mask)`` tensors, for a ``DataLoader`` with any workers.

        Parameters
        ----------
        rule
            The label rule whose maps are the masks; the first one if None.

        Raises
        ------
        DatasetError
            If there is no such rule.
        """
        return ImageTensors(self, rule)

    @cached_property
    def rules(self) -> tuple[str, ...]:
        """The names of the label maps that every image has."""
        if not len(self):
            return ()
        names: list[tuple[str, ...]] = []
        for number in {
            self._locate(int(row))[0]: int(row) for row in self._rows[self._first_of_each_store()]
        }.values():
            store, row = self._locate(number)
            names.append(tuple(_label_names(store.entry(row)[0])))
        return tuple(name for name in names[0] if all(name in other for other in names))

    # --- structures -------------------------------------------------------------------------------------------

    def waves(self, structure_index: int, *, atoms: bool = True) -> ExitWave:
        """Return the stored exit wave of the structure number ``structure_index`` of this selection.

        Parameters
        ----------
        structure_index
            Position in ``structures``.
        atoms
            Whether to build the atoms again from their record, as label rules need them.

        Raises
        ------
        DatasetError
            If the recipe did not ask for waves.
        """
        wave = stored_wave(*self._structure_place(structure_index))
        return replace(wave, structure=self.atoms(structure_index)) if atoms else wave

    def atoms(self, structure_index: int, *, allow_code: bool = False) -> Structure:
        """Return the atoms of the structure number ``structure_index``, built again from their record.

        A family given by import path is imported only with ``allow_code``.
        """
        store, number, index = self._structure_place(structure_index)
        record = store.shard(number).entry(index)["record"]
        if "structure" not in record:
            raise DatasetError(f"structure {structure_index} was imported; its atoms are not known.")
        return render_structure(StructureRecord.from_dict(record, allow_code=allow_code))

    # --- new data sets from this one ------------------------------------------------------------------------------

    def save(self, folder: str | os.PathLike[str], *, progress: Reporter | None = None) -> Dataset:
        """Write this selection as a data set of its own, see :func:`exitwave.dataset.curate.save`."""
        return save(self, folder, progress=progress)

    def export(
        self, path: str | os.PathLike[str], format: str, *, progress: Reporter | None = None, **options: Any
    ) -> Path:
        """Write these images in a format that other programs read, see :func:`exitwave.dataset.export`."""
        from exitwave.dataset.formats import export

        return export(self, path, format, progress=progress, **options)

    def reimage(
        self,
        images: Mapping[str, Any],
        folder: str | os.PathLike[str],
        *,
        seed: int,
        device: str | None = None,
        progress: Reporter | None = None,
    ) -> Dataset:
        """Form new images from the stored waves, see :func:`exitwave.dataset.reimage.reimage`."""
        from exitwave.dataset.reimage import reimage

        return reimage(self, images, folder, seed=seed, device=device, progress=progress)

    # --- what is known of it --------------------------------------------------------------------------------------

    @property
    def failures(self) -> list[dict[str, Any]]:
        """The samples that could not be made, with stage, error and what had been drawn."""
        return [
            failure
            for store in self._stores
            for number in store.numbers()
            for entry in store.shard(number).entries
            for failure in entry["failures"]
        ]

    @property
    def recipe(self) -> Recipe:
        """The recipe in the folder."""
        if len(self._stores) != 1:
            raise DatasetError("this selection comes from several data sets; ask each of them for its recipe.")
        path = self._stores[0].folder / RECIPE_NAME
        if not path.is_file():
            raise DatasetError(
                f"{path.parent} was not generated from one recipe; {ORIGIN_NAME} tells where it is from."
            )
        return Recipe.read(path)

    @property
    def origin(self) -> list[dict[str, Any]]:
        """What each of the folders was made from: its ``recipe``, or what was saved, imported or re-imaged."""
        found = []
        for store in self._stores:
            recipe, other = store.folder / RECIPE_NAME, store.folder / ORIGIN_NAME
            if recipe.is_file():
                found.append({"recipe": read_yaml(recipe, "a recipe")})
            elif other.is_file():
                found.append(read_yaml(other, "the origin of a data set"))
        return found

    @cached_property
    def content(self) -> str:
        """The hash of all that is in the shards and of this selection: equal for equal content, wherever it is."""
        everything = [store.content() for store in self._stores]
        rows = self._rows.tolist() if not self._whole else "all"
        return identity({"content": everything, "rows": rows})

    def verify(self) -> None:
        """Compare every shard with its checksum.

        Raises
        ------
        ShardCorruptError
            Naming the first file that is damaged.
        """
        for store in self._stores:
            for number in store.numbers():
                store.shard(number).verify()

    def show(self, count: int = 12, *, rule: str | None = None) -> Figure:
        """Return a contact sheet: ``count`` images spread over the data set, outlined by ``rule``'s labels."""
        from exitwave.dataset.sheets import contact_sheet

        return contact_sheet(self, count, rule)

    def report(self, path: str | os.PathLike[str], *, images: int = 24) -> Path:
        """Write a self-contained HTML report on these images, see :func:`exitwave.dataset.report.report`."""
        from exitwave.dataset.report import report

        return report(self, path, images=images)

    def close(self) -> None:
        """Close all files."""
        for store in self._stores:
            store.close()


def _label_names(entry: Mapping[str, Any]) -> list[str]:
    return [name for name in entry["rules"] if f"labels/{name}" in entry["arrays"]]  # in the recipe's order


def stored_wave(store: Store, number: int, index: int) -> ExitWave:
    """Return the wave that a shard holds of a structure, without its atoms."""
    shard = store.shard(number)
    if not shard.has(index, "waves/array"):
        raise DatasetError(f"{store.folder} holds no waves; generate with store: {{waves: true}} to keep them.")
    entry = shard.entry(index)
    particle = shard.read(index, "waves/particle") if shard.has(index, "waves/particle") else None
    record = entry["record"]
    return ExitWave(
        array=torch.from_numpy(shard.read(index, "waves/array")),
        sampling=(float(entry["sampling"][0]), float(entry["sampling"][1])),
        energy=float(record["scattering"]["energy"]),
        particle=None if particle is None else torch.from_numpy(particle),
        record=record["scattering"] | {"stream": f"{record['streams']['structure']}/thermal"},
    )


def _stacked(arrays: list[NDArray[Any]], kind: Any) -> NDArray[Any]:
    if not arrays:
        return np.zeros((0, 0, 0), kind)
    shapes = {array.shape for array in arrays}
    if len(shapes) > 1:
        listed = " and ".join(f"{y} × {x}" for y, x in sorted(shapes)[:2])
        raise DatasetError(f'the images have different shapes ({listed}); select with where("width = …") first.')
    out = np.empty((len(arrays), *arrays[0].shape), kind)
    for place, array in zip(out, arrays, strict=True):
        place[...] = array
    return out
