"""Many files: segmented one after another, resumed where interrupted, with the bad ones named at the end."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from exitwave.core.errors import MicrographError
from exitwave.core.progress import Progress, Reporter
from exitwave.core.spec import canonical_json
from exitwave.core.words import counted
from exitwave.imaging.micrograph import Micrograph, checked_pixel_size
from exitwave.micrographs.batch import Batch, gathered, write_json
from exitwave.micrographs.exports import EXTRAS
from exitwave.micrographs.files import frames
from exitwave.micrographs.finding import find_micrographs
from exitwave.micrographs.index import listed_pixel_sizes
from exitwave.micrographs.outputs import save
from exitwave.micrographs.segmentation import Predictor, Segmentation, check_options, segment

__all__ = ["segment_folder"]


def segment_folder(
    sources: str | Path | Iterable[str | Path],
    network: Predictor,
    folder: str | Path,
    *,
    seed: int,
    pixel_size: float | None = None,
    progress: Reporter | None = None,
    warn: Callable[[str], None] | None = None,
    overlay: bool = True,
    extras: Sequence[str] = (),
    **options: Any,
) -> Batch:
    """Segment many files and folders into a folder of results, and sum them up.

    For every image the files of :func:`~exitwave.micrographs.save`; for all of them ``images.csv``,
    ``particles.csv``, ``particles.parquet``, ``summary.json``, ``sizes.png`` and ``failures.csv``. A file that
    cannot be read or segmented does not stop the others. Run again, only what is new, has changed or failed is
    done; a file counts as done by its size and time of change, the network and the options.

    Parameters
    ----------
    sources
        Files and folders. Results lying in a source folder are passed over.
    network
        Anything with ``predict(array, pixel_size)``; its ``identity``, where it has one, tells it from others.
    folder
        For the results; made where it does not exist.
    seed
        Of the summary's resampling.
    pixel_size
        Å/px for all images, in place of what their files and an ``index.csv`` say
        (see :func:`~exitwave.micrographs.read`).
    progress
        Called after every file.
    warn
        Called after a file with a sentence for every image of it that is unlike the training images; images for which
        all was said before are counted at the end.
    overlay, extras
        As in :func:`~exitwave.micrographs.save`.
    **options
        Of :func:`~exitwave.micrographs.segment`.

    Returns
    -------
    Batch

    Raises
    ------
    MicrographError
        If there is nothing to segment, an option is impossible, or the results cannot be written.

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> class Dark:
    ...     def predict(self, array, pixel_size):
    ...         return (array < 50).astype(np.float32)
    >>> place = Path(tempfile.mkdtemp())
    >>> y, x = np.mgrid[:64, :64]
    >>> np.save(place / "one.npy", np.where(np.hypot(y - 30, x - 30) < 12, 10, 100))
    >>> segment_folder(place, Dark(), place / "results", seed=1, pixel_size=1.0)
    Batch(results: 1 particle on 1 image)
    """
    check_options(**options)
    pixel_size = checked_pixel_size(pixel_size)
    target = Path(folder)
    if target.exists() and not target.is_dir():
        raise MicrographError(f"{target} is a file; the results need a folder, so give another name.")
    files = [f for f in find_micrographs(sources) if target.resolve() not in f.resolve().parents]
    if not files:
        raise MicrographError(f"all micrographs given lie in {target}, where the results go; choose another folder.")
    names = _names(files)
    unknown = [extra for extra in extras if extra not in EXTRAS]
    if unknown:
        raise MicrographError(f"{unknown[0]} is no kind of output; there are {', '.join(EXTRAS)}.")
    how = {
        "network": str(getattr(network, "identity", type(network).__qualname__)),
        "pixel_size": pixel_size,
        "options": options,
        "written": {"overlay": overlay, "extras": sorted(extras), "mask": ["png", "tif"], "table": 2},
    }
    listed = {} if pixel_size is not None else listed_pixel_sizes(files)
    failures: dict[str, str] = {}
    rows: list[dict[str, Any]] = []
    said: set[str] = set()
    start, resumed, alike = time.monotonic(), 0, 0
    for done, (file, name) in enumerate(zip(files, names, strict=True), start=1):
        record = target / f"{name}.json"
        size = {"listed_pixel_size": listed[file]} if file in listed else {}
        key = _key(file, how | size)
        images: list[dict[str, Any]] | None = []
        try:
            images = _finished(record, key)
            if images is None:
                micrographs = frames(file, pixel_size=pixel_size)
                images = _segment_file(micrographs, file, name, target, network, options, overlay, extras)
                write_json(record, {"key": key, "images": images})
            else:
                resumed += 1
        except Exception as error:  # whatever one file does, the others are to be segmented
            if isinstance(error, MicrographError) and "cannot be written" in str(error):
                raise
            failures[str(file)] = str(error) or type(error).__name__
        else:
            rows.extend(images)
        if progress is not None:
            elapsed = time.monotonic() - start
            progress(Progress("segment", done, len(files), elapsed, resumed, len(failures), name))
        if str(file) not in failures:
            alike += _warned(images or [], said, warn)
    if warn is not None and alike:
        warn(f"{counted(alike, 'further image')} for reasons of the same kind: see unfamiliar in images.csv.")
    return gathered(target, rows, failures, seed)


def _warned(images: list[dict[str, Any]], said: set[str], warn: Callable[[str], None] | None) -> int:
    """Say in what images are unlike the training images; return of how many all was said before.

    Reasons are of one kind where they differ in numbers only.
    """
    alike = 0
    for image in images:
        kinds = {re.sub(r"\d[\d.e+-]*", "#", reason) for reason in image["unfamiliar"].split("; ") if reason}
        if kinds and kinds <= said:
            alike += 1
        elif kinds and warn is not None:
            warn(f"{image['image']} is unlike the training images: {image['unfamiliar']}.")
            said |= kinds
    return alike


def _names(files: list[Path]) -> list[str]:
    """Return a name for every file's results: its stem, with what tells it from others where it must."""
    taken: dict[str, int] = {}
    for file in files:
        taken[file.stem.casefold()] = taken.get(file.stem.casefold(), 0) + 1
    names = []
    for file in files:
        if taken[file.stem.casefold()] == 1:
            names.append(file.stem)
        else:
            digest = hashlib.blake2b(str(file.resolve()).encode(), digest_size=3).hexdigest()
            names.append(f"{file.stem}-{digest}")
    return names


def _key(file: Path, how: Mapping[str, Any]) -> str:
    try:
        state = file.stat()
    except OSError:
        return ""
    text = canonical_json({"size": state.st_size, "changed": state.st_mtime_ns, **how})
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _finished(record: Path, key: str) -> list[dict[str, Any]] | None:
    """Return the images of a record that is whole and was made the same way from the same file."""
    try:
        content = json.loads(record.read_text(encoding="utf-8"))
        if content["key"] != key:
            return None
        images: list[dict[str, Any]] = content["images"]
        whole = all((record.parent / f"{image['image']}-particles.parquet").is_file() for image in images)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return images if whole else None


def _segment_file(
    micrographs: Iterable[Micrograph], file: Path, name: str, target: Path, network: Predictor,
    options: Mapping[str, Any], overlay: bool, extras: Sequence[str],
) -> list[dict[str, Any]]:  # fmt: skip
    images = []
    for micrograph in micrographs:
        suffix = micrograph.name.removeprefix(file.stem) if micrograph.metadata["frames"] > 1 else ""
        found = segment(micrograph, network, **options)
        save(found, target, name + suffix, overlay=overlay, extras=extras)
        images.append(_row(found, name + suffix, file))
    return images


def _row(found: Segmentation, name: str, file: Path) -> dict[str, Any]:
    nm = found.micrograph.known_pixel_size() / 10
    height, width = found.mask.shape
    return {
        "image": name,
        "file": str(file),
        "frame": int(found.micrograph.metadata["frame"]),
        "pixel_size_nm": nm,
        "height_nm": height * nm,
        "width_nm": width * nm,
        "particles": len(found),
        "coverage": float(found.mask.mean()),
        "unfamiliar": "; ".join(found.unfamiliar),
    }
