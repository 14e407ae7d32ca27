"""Running a study: one process per network, resumable, every failure kept."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from exitwave.core import ExitwaveError, Progress, Reporter, TrainingError, identity
from exitwave.learning.evaluation import evaluate
from exitwave.learning.metrics import Scores
from exitwave.learning.study import Study
from exitwave.learning.study_result import StudyResult
from exitwave.learning.training import train

__all__ = ["run_study"]

Pairs = Sequence[tuple[Any, Any]]
SCORES = ("particle_f1", "mean_image_f1", "soft_macro_f1")


def run_study(
    study: Study,
    folder: str | os.PathLike[str],
    judges: Mapping[str, Pairs],
    *,
    workers: int = 1,
    device: str | None = None,
    progress: Reporter | None = None,
) -> StudyResult:
    """Train and judge every network of a study, or go on with what an earlier call left in the folder.

    Parameters
    ----------
    study
        What is compared.
    folder
        Gets a folder for every network, with its weights, checkpoint and ``result.json``.
    judges
        Labelled micrographs by name of the set: pairs as in :func:`~exitwave.learning.evaluate`.
    workers
        Networks trained at a time, each in a process of its own if more than one.
    device
        As in ``train``.
    progress
        Called after every network.

    Returns
    -------
    StudyResult
        A run that failed is in it with its error and scores of 0; it is tried again by the next call only if its
        ``result.json`` is deleted.

    Raises
    ------
    TrainingError
        If there is nothing to judge with, or the folder holds results of other settings, data or judges under
        the same names.
    """
    if not judges or not all(len(pairs) for pairs in judges.values()):
        raise TrainingError("there are no labelled micrographs to judge the networks with; give one set or more.")
    home, start = Path(folder), time.perf_counter()
    plain = {name: [_plain(image, mask) for image, mask in pairs] for name, pairs in judges.items()}
    judged = {name: _digest(pairs) for name, pairs in plain.items()}
    settings = {name: _settings(study, name) for name in study.conditions}
    contents = {folder: _content(folder) for folder in {str(one["data"]) for one in settings.values()}}
    tasks = []
    for name, seed in study.runs:
        place = home / f"{_file_name(name)}-{seed}"
        content = contents[str(settings[name]["data"])]
        key = identity({"study": settings[name], "seed": seed, "judges": judged, "content": content})
        if _read(place, key) is None:
            tasks.append((study, name, seed, place, key, plain, device))
    total = len(study.runs)
    resumed = total - len(tasks)

    def report(done: int) -> None:
        if progress is not None:
            progress(Progress("study", resumed + done, total, time.perf_counter() - start, resumed=resumed))

    _in_processes(tasks, workers, report) if workers > 1 else _in_turn(tasks, report)
    rows: list[dict[str, Any]] = []
    for name, seed in study.runs:
        place = home / f"{_file_name(name)}-{seed}"
        rows += json.loads((place / "result.json").read_text(encoding="utf-8"))["rows"]
    import pandas as pd

    return StudyResult(pd.DataFrame(rows), study)


def _in_turn(tasks: Sequence[tuple[Any, ...]], report: Callable[[int], None]) -> None:
    for done, task in enumerate(tasks, start=1):
        _one(*task)
        report(done)


def _in_processes(tasks: Sequence[tuple[Any, ...]], workers: int, report: Callable[[int], None]) -> None:
    """Run each task in a new process, so that one that dies takes no other with it."""
    context = multiprocessing.get_context("spawn")
    threads = max(1, (os.cpu_count() or 1) // workers)
    waiting, done = list(tasks), 0
    running: list[tuple[Any, tuple[Any, ...]]] = []
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                task = waiting.pop(0)
                process = context.Process(target=_alone, args=(threads, *task))
                process.start()
                running.append((process, task))
            for item in [item for item in running if not item[0].is_alive()]:
                process, (study, name, seed, place, key, judges, _) = item
                process.join()
                if _read(place, key) is None:
                    error = f"the process ended with the code {process.exitcode}"
                    _write(place, key, _failed(study, name, seed, judges, error))
                running.remove(item)
                done += 1
                report(done)
            time.sleep(0.05)
    finally:
        for process, _ in running:
            process.terminate()


def _alone(threads: int, *task: Any) -> None:
    import torch

    torch.set_num_threads(threads)
    _one(*task)


def _one(
    study: Study, name: str, seed: int, place: Path, key: str, judges: Mapping[str, Pairs], device: str | None
) -> None:
    """Train and judge one network and write what came of it; whatever goes wrong is written too."""
    start = time.perf_counter()
    try:
        data = _data(study, name, seed)
        network = train(data, seed=seed, spec=study.training_of(name), folder=place, device=device)
        network.save(place / "network.safetensors")
        rows = []
        for title, pairs in judges.items():
            scores = evaluate(network, pairs, resamples=1).scores
            row = {"condition": name, "seed": seed, "images": title, **_three(scores)}
            row["validation_loss"] = min(item["validation_loss"] for item in network.history)
            rows.append(row | {"seconds": time.perf_counter() - start, "failed": False, "error": ""})
    except Exception as error:  # a failed network is a result; it must not vanish from the statistics
        rows = _failed(study, name, seed, judges, f"{type(error).__name__}: {error}")
    _write(place, key, rows)


def _data(study: Study, name: str, seed: int) -> Any:
    from exitwave.dataset import Dataset

    condition = study.conditions[name]
    data = Dataset(condition.data or study.data)
    if condition.where is not None:
        data = data.where(condition.where)
    return data if condition.images is None else data.sample(condition.images, seed=seed)


def _failed(study: Study, name: str, seed: int, judges: Mapping[str, Pairs], error: str) -> list[dict[str, Any]]:
    nothing = dict.fromkeys(SCORES, 0.0) | {"validation_loss": None, "seconds": None, "failed": True, "error": error}
    return [{"condition": name, "seed": seed, "images": title, **nothing} for title in judges]


def _three(scores: Scores) -> dict[str, float | None]:
    mean = None if np.isnan(scores.per_image) else scores.per_image
    return dict(zip(SCORES, (scores.pooled, mean, scores.soft_macro), strict=True))


def _settings(study: Study, name: str) -> dict[str, Any]:
    condition = study.conditions[name]
    what = {name: value for name, value in condition.to_dict().items() if name not in ("at", "series")}
    return what | {"data": condition.data or study.data, "training": study.training_of(name).to_dict()}


def _content(folder: str) -> str:
    """Return the hash of a data set, or nothing where it cannot be read, as its runs will tell."""
    from exitwave.dataset import Dataset

    try:
        return Dataset(folder).content
    except ExitwaveError:
        return ""


def _digest(pairs: Pairs) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for (image, pixel_size), mask in pairs:
        for array in (np.asarray(image), mask):
            digest.update(f"{array.dtype}{array.shape}{pixel_size}".encode() + np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _plain(image: Any, mask: Any) -> tuple[Any, Any]:
    pair = image if isinstance(image, tuple) else (image.array, image.known_pixel_size())
    return pair, np.asarray(mask) > 0


def _read(place: Path, key: str) -> list[dict[str, Any]] | None:
    path = place / "result.json"
    if not path.exists():
        return None
    try:
        saved = json.loads(path.read_text(encoding="utf-8"))
        theirs, rows = saved["key"], saved["rows"]
    except (ValueError, KeyError, TypeError):
        return None
    if theirs != key:
        raise TrainingError(f"{place} holds a network of other settings; give another folder, or delete this one.")
    return list(rows)


def _write(place: Path, key: str, rows: list[dict[str, Any]]) -> None:
    place.mkdir(parents=True, exist_ok=True)
    temporary = place / "result.tmp"
    temporary.write_text(json.dumps({"key": key, "rows": rows}, indent=1), encoding="utf-8")
    temporary.replace(place / "result.json")


def _file_name(name: str) -> str:
    """Return the name as files are called, another for every name."""
    plain = re.sub(r"[^\w.-]+", "_", name)
    return plain if plain == name else f"{plain}-{identity(name)[:6]}"
