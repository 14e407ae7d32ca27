"""The files of atoms that a recipe names: a data set keeps copies of them, so that it needs nothing else."""

from __future__ import annotations

from pathlib import Path

from exitwave.core import DatasetError, StructureError
from exitwave.core.files import write_whole
from exitwave.dataset.recipe import Recipe
from exitwave.structure.families import Family, FromFiles, MixedFamilies
from exitwave.structure.families.atom_files import open_copies, place_of, raw_content

__all__ = ["copy_files", "damaged_files", "keep_files", "named_by_content"]


def named_by_content(recipe: Recipe) -> Recipe:
    """Return the recipe with the names that its files of atoms have in a data set, which tell their content.

    So two recipes have one identity where their files hold the same, wherever these are.

    Examples
    --------
    >>> import tempfile
    >>> from ase.build import bulk
    >>> from exitwave.core.files import write_whole
    >>> folder = Path(tempfile.mkdtemp())
    >>> bulk("Pt", cubic=True).write(folder / "Pt.cif")
    >>> place = write_whole(folder / "mine.yaml", b'''
    ... seed: 1
    ... structures: {count: 1, family: from_files, field: 30, particles: {file: Pt.cif, radius: 8}}
    ... images: {dose: 400}
    ... ''')
    >>> named_by_content(Recipe.read(place)).structures.spec.files()
    ('files/Pt-....cif',)
    """
    spec = _by_content(recipe.structures.spec)
    if spec is recipe.structures.spec:
        return recipe
    return recipe.replace(structures=recipe.structures.replace(spec=spec))


def _by_content(spec: Family) -> Family:
    if isinstance(spec, FromFiles):
        return spec.by_content()
    if isinstance(spec, MixedFamilies):
        parts = [(part, _by_content(part.spec)) for part in spec.parts]
        if any(new is not part.spec for part, new in parts):
            return spec.replace(parts=tuple(part.replace(spec=new) for part, new in parts))
    return spec


def _files(spec: Family) -> tuple[str, ...]:
    if isinstance(spec, MixedFamilies):
        return tuple(path for part in spec.parts for path in _files(part.spec))
    return spec.files() if isinstance(spec, FromFiles) else ()


def keep_files(recipe: Recipe, folder: Path) -> None:
    """Copy the files that a recipe names by their content into a data set, unless they are there.

    Raises
    ------
    DatasetError
        If the folder cannot be written.
    StructureError
        If a file has changed since the recipe was read.
    """
    for name in _files(recipe.structures.spec):
        _copy(name, folder)
    open_copies(folder)


def copy_files(source: Path, folder: Path) -> None:
    """Copy the files of atoms that one data set keeps into another."""
    for name in open_copies(source):
        _copy(name, folder)
    open_copies(folder)


def _copy(name: str, folder: Path) -> None:
    target = folder / name
    raw = raw_content(place_of(name), name)
    if not target.is_file() or target.read_bytes() != raw:
        write_whole(target, raw, parents=True)


def damaged_files(folder: Path) -> tuple[int, list[str]]:
    """Return how many files of atoms a data set keeps, and what is wrong with those that are damaged."""
    names, wrong = open_copies(folder), []
    for name in names:
        try:
            raw_content(folder / name, name)
        except (StructureError, DatasetError) as error:
            wrong.append(str(error))
    return len(names), wrong
