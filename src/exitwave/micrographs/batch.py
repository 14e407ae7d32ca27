"""Many files: segmented one after another, resumed where interrupted, with the bad ones named at the end."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from exitwave.core.errors import MicrographError
from exitwave.core.files import write_whole
from exitwave.core.progress import Progress, Reporter
from exitwave.core.spec import canonical_json
from exitwave.core.words import counted
from exitwave.imaging.micrograph import Micrograph, checked_pixel_size
from exitwave.micrographs.exports import EXTRAS
from exitwave.micrographs.files import frames
from exitwave.micrographs.finding import find_micrographs
from exitwave.micrographs.index import listed_pixel_sizes
from exitwave.micrographs.outputs import save, write_table
from exitwave.micrographs.segmentation import Predictor, Segmentation, check_options, segment
from exitwave.micrographs.sizes import size_histogram
from exitwave.micrographs.summary import Estimate, interval_note, summarise, summary_words

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["Batch", "segment_folder"]


@dataclass(frozen=True, eq=False)
class Batch:
    """What came of many micrographs.

    Parameters
    ----------
    folder
        Where the results are.
    images
        One row per image: ``image``, ``file``, ``frame``, ``pixel_size_nm``, ``height_nm``, ``width_nm``,
        ``particles``, ``coverage``, ``unfamiliar`` (in what it is unlike the training images, empty if in nothing).
    particles
        Every image's particle table, with the column ``image`` in front.
    failures
        The files that could not be segmented, and why.
    summary
        Sizes and densities over all images: see :func:`~exitwave.micrographs.summarise`.

    Examples
    --------
    >>> import pandas as pd
    >>> images = pd.DataFrame({"image": ["one", "two"], "particles": [2, 1]})
    >>> sizes = {"image": ["one", "one", "two"], "equivalent_diameter_nm": [4.0, 5.0, 4.5]}
    >>> batch = Batch(Path("results"), images, pd.DataFrame(sizes), {"torn.dm4": "it is cut off"}, {})
    >>> batch
    Batch(results: 3 particles on 2 images, 1 failed)
    >>> batch.particles.groupby("image")["equivalent_diameter_nm"].mean().tolist()
    [4.5, 4.5]
    """

    folder: Path
    images: pd.DataFrame
    particles: pd.DataFrame
    failures: Mapping[str, str]
    summary: Mapping[str, Estimate]

    def __repr__(self) -> str:
        bad = f", {len(self.failures)} failed" if self.failures else ""
        return f"Batch({self.folder.name}: {self.found}{bad})"

    @property
    def found(self) -> str:
        """How much was found, in words."""
        if not len(self.images):
            return "no image could be segmented"
        return f"{counted(len(self.particles), 'particle')} on {counted(len(self.images), 'image')}"

    def show(self) -> Figure:
        """Return the histogram of all whole particles, with the summary's mean and median."""
        return size_histogram(self.particles, title=counted(len(self.images), "image"), summary=self.summary)

    @property
    def summed_up(self) -> list[str]:
        """The summary as lines for people; nothing where no image could be segmented."""
        if not self.summary:
            return []
        return summary_words(self.summary, self.whole, interval_note(self.particles, self.images))

    @property
    def whole(self) -> int:
        """How many particles no edge of an image cuts, from which sizes and densities come."""
        return int((~self.particles["touches_border"].astype(bool)).sum()) if len(self.particles) else 0


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
        Called after a file with a sentence for every image of it that is unlike the training images.
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
    tables: list[pd.DataFrame] = []
    start, resumed = time.monotonic(), 0
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
                _write_json(record, {"key": key, "images": images})
            else:
                resumed += 1
        except Exception as error:  # whatever one file does, the others are to be segmented
            if isinstance(error, MicrographError) and "cannot be written" in str(error):
                raise
            failures[str(file)] = str(error) or type(error).__name__
        else:
            rows.extend(images)
            tables.extend(_table(target, image) for image in images)
        if progress is not None:
            elapsed = time.monotonic() - start
            progress(Progress("segment", done, len(files), elapsed, resumed, len(failures), name))
        if warn is not None:
            for image in images or [] if str(file) not in failures else []:
                if image["unfamiliar"]:
                    warn(f"{image['image']} is unlike the training images: {image['unfamiliar']}.")
    return _finish(target, rows, tables, failures, seed)


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


def _table(target: Path, image: Mapping[str, Any]) -> pd.DataFrame:
    import pandas as pd

    table = pd.read_parquet(target / f"{image['image']}-particles.parquet")
    table.insert(0, "image", image["image"])
    return table


def _finish(
    target: Path,
    rows: list[dict[str, Any]],
    tables: list[pd.DataFrame],
    failures: Mapping[str, str],
    seed: int,
) -> Batch:
    import pandas as pd

    from exitwave.micrographs.particles import COLUMNS

    columns = [
        "image", "file", "frame", "pixel_size_nm", "height_nm", "width_nm", "particles", "coverage", "unfamiliar",
    ]  # fmt: skip
    images = pd.DataFrame(rows, columns=columns)
    filled = [table for table in tables if len(table)]
    particles = pd.concat(filled, ignore_index=True) if filled else pd.DataFrame(columns=["image", *COLUMNS])
    summary = summarise(particles, images, seed=seed) if rows else {}
    batch = Batch(target, images, particles, failures, summary)
    write_table(images, target / "images.csv")
    write_table(particles, target / "particles.csv")
    write_table(particles, target / "particles.parquet")
    write_table(pd.DataFrame(list(failures.items()), columns=["file", "reason"]), target / "failures.csv")
    numbers = {name: _numbers(estimate) for name, estimate in summary.items()}
    note = {"intervals": said} if (said := interval_note(particles, images)) and rows else {}
    counts = {"images": len(images), "particles": len(particles), "whole_particles": batch.whole}
    _write_json(target / "summary.json", {**counts, **numbers, **note})
    write_whole(
        target / "sizes.png",
        lambda path: batch.show().savefig(path, format="png", dpi=150),
        error=MicrographError,
        parents=True,
    )
    return batch


def _numbers(estimate: Estimate) -> dict[str, float | None]:
    ends = {"value": estimate.value, "low": estimate.low, "high": estimate.high}
    return {name: number if math.isfinite(number) else None for name, number in ends.items()}


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    text = json.dumps(content, indent=1, allow_nan=False)
    write_whole(path, text.encode(), error=MicrographError, parents=True)
