"""Atoms for Prismatic and computem: one xyz file for each structure."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from exitwave.core import DatasetError
from exitwave.dataset.formats.base import Format, whole_folder
from exitwave.scattering.thermal import rms_displacement
from exitwave.structure.materials import symbols

if TYPE_CHECKING:
    from exitwave.dataset.dataset import Dataset
    from exitwave.dataset.samples import Sample

__all__ = ["Prismatic"]


class Prismatic(Format):
    """A folder of Prismatic xyz files, one for each structure of a data set, called after its identity.

    Atoms are built again from their records. Those without a thermal amplitude of their own get that of the
    scattering's table at room temperature. There are no images in them, so they cannot be imported as a data set.

    Examples
    --------
    >>> Prismatic().name
    'prismatic'
    """

    name: ClassVar[str] = "prismatic"

    def write(self, data: Dataset, path: Path) -> Iterator[int]:
        """Write the folder; counts are of structures."""
        with whole_folder(path) as folder:
            for index, identity in enumerate(data.structures):
                atoms = data.atoms(index)
                unset = np.unique(atoms.numbers[np.isnan(atoms.thermal)])
                thermal = {symbols()[number]: rms_displacement(int(number)) for number in unset}
                atoms.write(folder / f"{index:06d}-{identity[:8]}.xyz", format="prismatic", thermal=thermal)
                yield index + 1

    def read(self, path: Path, pixel_size: float | None) -> Iterator[Sample]:
        """Refuse: there are no images to be read."""
        raise DatasetError(
            f"{path} is to be read as prismatic, which holds atoms and no images; import images in another format."
        )
