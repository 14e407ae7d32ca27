"""Running a study: one process per network, resumable, every failure kept."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from exitwave.core import Progress, Reporter, TrainingError, identity
from exitwave.core.files import write_whole
from exitwave.learning.intervals import image_sums
from exitwave.learning.network import Network
from exitwave.learning.study import Condition, Study
from exitwave.learning.study_data import Makers, chosen
from exitwave.learning.study_result import StudyResult, Trained
from exitwave.learning.training import Training, train

__all__ = ["run_study"]

Pairs = Sequence[tuple[tuple[NDArray[np.float32], float], NDArray[np.bool_]]]


@dataclass(frozen=True)
class Task:
    """One network: what it learns from and how, where it is kept, and what judges it."""

    place: Path
    folders: tuple[Path, ...]
    condition: Condition
    seed: int
    training: Training
    images: int
    judges: Mapping[str, tuple[str, Pairs]] = field(default_factory=dict)
    device: str | None = None

    @property
    def done(self) -> bool:
        """Whether the network is trained, or has failed, and every judge has spoken."""
        about = _read(self.place / "about.json")
        if about is None or about["error"]:
            return about is not None
        return all(_read(self.place / f"scores-{digest}.json") is not None for digest, _ in self.judges.values())


def run_study(
    study: Study,
    folder: str | os.PathLike[str],
    judges: Mapping[str, Sequence[tuple[Any, Any]]] | None = None,
    *,
    workers: int = 1,
    device: str | None = None,
    progress: Reporter | None = None,
) -> StudyResult:
    """Make the data of a study, train and judge its networks, or go on with what is in the folder.

    Data sets and networks are kept under the identity of all that decides them, so that several studies in one
    folder share what they have in common, and nothing is ever made twice.

    Parameters
    ----------
    study
        What is compared.
    folder
        Gets ``data/`` and ``networks/``.
    judges
        Labelled micrographs by name of the set: pairs as in :func:`~exitwave.learning.evaluate`. Those judges of the
        study that are sets of its own are made from their recipes.
    workers
        Networks trained (and structures made) at a time, each in a process of its own if more than one.
    device
        As in ``train``.
    progress
        Called while data are made, and after every network.

    Returns
    -------
    StudyResult
        A run that failed is in it with its error and scores of 0; it is tried again by the next call only if its
        folder in ``networks/`` is deleted.

    Raises
    ------
    TrainingError
        If there is nothing to judge with.
    DatasetError
        If a data set cannot be made or read, or another study is at work in the folder.

    Examples
    --------
    >>> import h5py, tempfile
    >>> from exitwave.dataset import import_images
    >>> home = Path(tempfile.mkdtemp())
    >>> noise = np.random.default_rng(1).normal(size=(4, 64, 64))
    >>> with h5py.File(home / "noise.h5", "w") as file:
    ...     file["images"], file["maps"] = noise, noise > 1
    >>> import_images(home / "noise.h5", home / "noise", "hdf5", pixel_size=0.4).close()
    >>> study = Study(
    ...     data=str(home / "noise"), seeds=(1,), conditions={"all": {}},
    ...     training={"epochs": 1, "net": {"width": 0.125}, "crops": {"size": 32}, "batch": 2})
    >>> run_study(study, home / "study", {"one": [((noise[0], 0.4), noise[0] > 1)]})
    StudyResult(1 network, 0 failed)
    """
    from exitwave.dataset.locks import FolderLock

    home, start = Path(folder), time.perf_counter()
    given = {name: [_plain(image, mask) for image, mask in pairs] for name, pairs in (judges or {}).items()}
    unknown = [name for name, one in study.judges.items() if one.data not in study.sets and name not in given]
    if unknown or not (given or study.judges) or not all(given.values()):
        which = f" for {unknown[0]}" if unknown else ""
        raise TrainingError(f"there are no labelled micrographs to judge the networks with{which}; give some.")
    home.mkdir(parents=True, exist_ok=True)
    with FolderLock(home):
        makers = Makers(study, home / "data", workers, device, progress)
        judging = _judges(study, makers, given)
        tasks = _tasks(study, makers, home / "networks", judging, device)
        waiting = list({task.place: task for task in tasks.values() if not task.done}.values())
        total = len({task.place for task in tasks.values()})
        resumed = total - len(waiting)

        def report(done: int) -> None:
            if progress is not None:
                progress(Progress("study", resumed + done, total, time.perf_counter() - start, resumed=resumed))

        report(0)
        _in_processes(waiting, workers, report) if workers > 1 else _in_turn(waiting, report)
        found = {run: _trained(task) for run, task in tasks.items()}
    pairs = {name: pairs for name, (_, pairs) in judging.items()}
    return StudyResult.of(study, found, pairs, list(makers.made.values()))


def _judges(study: Study, makers: Makers, given: Mapping[str, Pairs]) -> dict[str, tuple[str, Pairs]]:
    """Return the labelled images of every judge with their digest, simulated ones first."""
    from exitwave.dataset import Dataset
    from exitwave.learning.data import default_rule

    found: dict[str, Pairs] = {}
    for name, judge in study.judges.items():
        if judge.data not in study.sets:
            found[name] = given[name]
            continue
        data = Dataset(makers.make(judge.data, judge.changes).folder)
        rule = default_rule(data)
        found[name] = [_plain(sample.image, sample.labels[rule]) for sample in data]
    found |= {name: pairs for name, pairs in given.items() if name not in found}
    return {name: (_digest(pairs), pairs) for name, pairs in found.items()}


def _tasks(
    study: Study, makers: Makers, home: Path, judges: Mapping[str, tuple[str, Pairs]], device: str | None
) -> dict[tuple[str, int], Task]:
    """Make the data of all conditions, and return what is to be done for each network."""
    from exitwave.dataset import Dataset, concat

    tasks: dict[tuple[str, int], Task] = {}
    for name, condition in study.conditions.items():
        spec = study.training_of(name)
        waves = spec.live or bool(spec.shifts)
        made = [makers.make(data, condition.changes, waves=waves) for data in condition.data or study.data]
        parts = [Dataset(one.folder) for one in made]
        whole = parts[0] if len(parts) == 1 else concat(parts)
        for seed in study.seeds:
            data = chosen(whole, condition, seed)
            training = _measured(spec, len(data), study.crops)
            key = identity({"content": data.content, "seed": seed, "training": training.to_dict()})
            folders = tuple(one.folder for one in made)
            tasks[name, seed] = Task(home / key[:16], folders, condition, seed, training, len(data), judges, device)
        for part in parts:
            part.close()
    return {run: tasks[run] for run in study.runs}


def _measured(spec: Training, images: int, crops: int | None) -> Training:
    """Return the training with the number of epochs that makes it see so many crops."""
    if crops is None:
        return spec
    learnt = images - max(1, round(spec.held_out * images))
    steps = max(1, (spec.images_per_epoch or learnt if spec.live else learnt) // spec.batch)
    return spec.replace(epochs=max(1, round(crops / (steps * spec.batch))))


def _in_turn(tasks: Sequence[Task], report: Callable[[int], None]) -> None:
    for done, task in enumerate(tasks, start=1):
        _one(task)
        report(done)


def _in_processes(tasks: Sequence[Task], workers: int, report: Callable[[int], None]) -> None:
    """Run each task in a new process, so that one that dies takes no other with it."""
    context = multiprocessing.get_context("spawn")
    threads = max(1, (os.cpu_count() or 1) // workers)
    waiting, done = list(tasks), 0
    running: list[tuple[Any, Task]] = []
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                task = waiting.pop(0)
                process = context.Process(target=_alone, args=(threads, task))
                process.start()
                running.append((process, task))
            for item in [item for item in running if not item[0].is_alive()]:
                process, task = item
                process.join()
                if not task.done:
                    _write_about(task, 0.0, None, f"the process ended with the code {process.exitcode}")
                running.remove(item)
                done += 1
                report(done)
            time.sleep(0.05)
    finally:
        for process, _ in running:
            process.terminate()


def _alone(threads: int, task: Task) -> None:
    torch.set_num_threads(threads)
    _one(task)


def _one(task: Task) -> None:
    """Train and judge one network and write what came of it; whatever goes wrong is written too."""
    try:
        file = task.place / "network.safetensors"
        if _read(task.place / "about.json") is None:
            start = time.perf_counter()
            network = train(_data(task), seed=task.seed, spec=task.training, folder=task.place, device=task.device)
            network.save(file)
            loss = min(item["validation_loss"] for item in network.history)
            _write_about(task, time.perf_counter() - start, loss, "")
            (task.place / "checkpoint.ckpt").unlink(missing_ok=True)
        network = Network.load(file, device=task.device or ("cuda" if torch.cuda.is_available() else "cpu"))
        for digest, pairs in task.judges.values():
            place = task.place / f"scores-{digest}.json"
            if _read(place) is not None:
                continue
            start = time.perf_counter()
            sums = [image_sums(network.predict(*image), mask) for image, mask in pairs]
            _write(place, {"seconds": time.perf_counter() - start, "sums": sums})
    except Exception as error:  # a failed network is a result; it must not vanish from the statistics
        _write_about(task, 0.0, None, f"{type(error).__name__}: {error}")


def _data(task: Task) -> Any:
    from exitwave.dataset import Dataset, concat

    parts = [Dataset(folder) for folder in task.folders]
    return chosen(parts[0] if len(parts) == 1 else concat(parts), task.condition, task.seed)


def _trained(task: Task) -> Trained:
    about = _read(task.place / "about.json") or {
        "error": "it was not trained",
        "seconds": 0.0,
        "validation_loss": None,
    }
    scores = {name: _read(task.place / f"scores-{digest}.json") for name, (digest, _) in task.judges.items()}
    return Trained(
        place=task.place,
        images=task.images,
        error=str(about["error"]),
        validation_loss=about["validation_loss"],
        training_seconds=float(about["seconds"]),
        judging_seconds=sum(float(one["seconds"]) for one in scores.values() if one is not None),
        sums={
            name: None if about["error"] or one is None else np.asarray(one["sums"], np.float64)
            for name, one in scores.items()
        },
    )


def _write_about(task: Task, seconds: float, loss: float | None, error: str) -> None:
    what = task.condition.to_dict() | {
        "training": task.training.to_dict(),
        "data": [str(one) for one in task.folders],
    }
    about = {"error": error, "seconds": seconds, "validation_loss": loss, "seed": task.seed, "condition": what}
    _write(task.place / "about.json", about)


def _digest(pairs: Pairs) -> str:
    digest = hashlib.blake2b(digest_size=8)
    for (image, pixel_size), mask in pairs:
        for array in (image, mask):
            digest.update(f"{array.dtype}{array.shape}{pixel_size}".encode() + np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _plain(image: Any, mask: Any) -> tuple[tuple[NDArray[np.float32], float], NDArray[np.bool_]]:
    array, size = image if isinstance(image, tuple) else (image.array, image.known_pixel_size())
    return (np.asarray(array, np.float32), float(size)), np.asarray(mask) > 0


def _read(path: Path) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found


def _write(path: Path, content: Mapping[str, Any]) -> None:
    write_whole(path, json.dumps(content, indent=1).encode(), error=TrainingError, parents=True)
