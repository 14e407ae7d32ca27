"""Which files are micrographs, and all that can be read of them at once."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from exitwave.core.errors import MicrographError
from exitwave.imaging.micrograph import Micrograph, checked_pixel_size
from exitwave.micrographs.clean import fill_missing
from exitwave.micrographs.files import frames
from exitwave.micrographs.formats import EXTENSIONS

__all__ = ["find_micrographs", "read_all"]

_MOST = 16  # frames of one file, where all are held in memory


def find_micrographs(sources: str | Path | Iterable[str | Path]) -> list[Path]:
    """Return the files that ``sources`` name: files as they are, folders by what is in them, at any depth.

    Files in folders count by their ending; an ``.emi`` counts through its ``.ser``. Hidden ones do not, nor do
    ``NAME_mask`` and ``NAME-mask`` beside ``NAME``, nor what :func:`segment_folder` wrote.

    Parameters
    ----------
    sources
        Files and folders.

    Returns
    -------
    list of Path
        Every file once, in the order of the sources, those of a folder by name.

    Raises
    ------
    MicrographError
        If a source does not exist or there is no micrograph at all.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name in ("b.tif", "a.dm4", "a_mask.png", "notes.txt"):
    ...     (folder / name).touch()
    >>> [file.name for file in find_micrographs(folder)]
    ['a.dm4', 'b.tif']
    """
    found: dict[Path, None] = {}
    listed = [sources] if isinstance(sources, str | Path) else list(sources)
    for source in map(Path, listed):
        if source.is_dir():
            inside = (p for p in source.rglob("*") if p.suffix.lower() in EXTENSIONS and p.suffix.lower() != ".emi")
            shown = (p for p in inside if not any(part.startswith(".") for part in p.relative_to(source).parts))
            found.update(dict.fromkeys(_without_results(source, sorted(p for p in shown if p.is_file()))))
        elif source.exists():
            found[source] = None
        else:
            raise MicrographError(f"{source} does not exist; give files or folders of micrographs.")
    if not found:
        results = [str(source) for source in listed if (Path(source) / "summary.json").is_file()]
        raise MicrographError(
            f"there are no micrographs in {', '.join(results)} but results of segmentation; give the folder of the "
            "micrographs."
            if results
            else f"there are no micrographs in {', '.join(map(str, listed)) or 'an empty list'}; known endings are "
            f"{' '.join(EXTENSIONS)}."
        )
    return list(found)


def _without_results(source: Path, files: list[Path]) -> list[Path]:
    """Return the files without masks of others and without what a segmentation wrote."""
    made = {file.parent for file in source.rglob("failures.csv") if (file.parent / "summary.json").is_file()}
    results = {
        (folder, table.name.removesuffix("particles.csv"))
        for folder in made
        for table in folder.glob("*-particles.csv")
    }
    names = {(file.parent, file.stem) for file in files}

    def is_mask(file: Path) -> bool:
        return file.stem.lower().endswith(("_mask", "-mask")) and (file.parent, file.stem[:-5]) in names

    def is_result(file: Path) -> bool:
        begins = (file.stem[: at + 1] for at, letter in enumerate(file.stem) if letter == "-")
        return file.parent in made and (file.name == "sizes.png" or any((file.parent, b) in results for b in begins))

    return [file for file in files if not is_mask(file) and not is_result(file)]


def read_all(
    sources: str | Path | Iterable[str | Path], *, pixel_size: float | None = None, without: Path | None = None
) -> tuple[list[Micrograph], dict[str, str]]:
    """Return all micrographs of files and folders that can be read and have pixel sizes, and why others cannot.

    They are in memory together, so that of a stack or movie at most 16 frames count, spread evenly over it.

    Parameters
    ----------
    sources
        Files and folders.
    pixel_size
        Å/px for all, in place of what their files and an ``index.csv`` say (see :func:`read`).
    without
        A folder of results, passed over.

    Returns
    -------
    micrographs, failures
        Frame by frame, and the reason for every file that has no part.

    Raises
    ------
    MicrographError
        If not one can be read, or ``pixel_size`` is not above 0.

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> np.save(folder / "one.npy", np.ones((64, 64)))
    >>> (folder / "torn.tif").touch()
    >>> micrographs, failures = read_all(folder, pixel_size=0.2)
    >>> [image.name for image in micrographs], [Path(file).name for file in failures]
    (['one'], ['torn.tif'])
    """
    pixel_size = checked_pixel_size(pixel_size)
    target = None if without is None else without.resolve()
    files = [file for file in find_micrographs(sources) if target is None or target not in file.resolve().parents]
    micrographs: list[Micrograph] = []
    failures: dict[str, str] = {}
    for file in files:
        try:
            found = list(frames(file, pixel_size=pixel_size, most=_MOST))
            for micrograph in found:
                micrograph.known_pixel_size()
                fill_missing(micrograph)
        except Exception as error:  # whatever one file does, the others have their part
            failures[str(file)] = str(error) or type(error).__name__
        else:
            micrographs += found
    if not micrographs:
        reason = next(iter(failures.values()), "there are none")
        raise MicrographError(f"none of {len(files)} files is a micrograph that can be used; {reason}")
    return micrographs, failures
