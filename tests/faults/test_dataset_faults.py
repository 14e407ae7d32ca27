"""What may happen to a generator: it is killed, the disk is full, the folder is read-only, another one runs."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import random
import resource
import shutil
import signal
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from exitwave.core import DatasetError
from exitwave.core import files as files_module
from exitwave.dataset import Dataset, generate
from exitwave.dataset import cluster as cluster_module
from exitwave.dataset import work as work_module
from exitwave.dataset.cluster import ClusterExecutor
from exitwave.dataset.executors import InlineExecutor, Job, ProcessExecutor
from exitwave.dataset.feeding import FedExecutor
from exitwave.dataset.generate import as_recipe, pending_shards
from exitwave.dataset.locks import FolderLock
from exitwave.dataset.shards import Shard, shard_name

RECIPE: dict[str, Any] = {
    "seed": 5,
    "structures": {
        "count": 6,
        "family": "supported_particles",
        "field": 24,
        "particles": {"material": "Au", "radius": 6},
        "film": {"material": "a-C", "thickness": 5},
    },
    "scattering": {"sampling": 0.3, "potential_sampling": None, "configurations": 1},
    "images": {"per_structure": 2, "dose": 400},
    "store": {"structures_per_shard": 1},
}


def forked(function: Callable[[], Any], told: Path | None = None) -> int:
    """Run a function in a fork of this process, which has imported everything already; its error goes to ``told``."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the other threads here hold nothing the child needs
        child = os.fork()
    if child:
        return child
    try:
        function()
    except BaseException as error:
        if told is not None:
            told.write_text(f"{type(error).__name__}: {error}")
        os._exit(1)
    os._exit(0)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed") / "set"
    generate(RECIPE, folder).close()
    return folder


@pytest.fixture(scope="module")
def content(undisturbed: Path) -> str:
    return Dataset(undisturbed).content


def test_killed_at_random_instants_it_ends_with_the_same_content(tmp_path: Path, content: str) -> None:
    """Forked from this process, which has imported everything, so that the instants fall into the work."""
    folder = tmp_path / "set"
    chance = random.Random(8)
    began = time.monotonic()
    generate(RECIPE, tmp_path / "timed").close()
    usual = time.monotonic() - began
    kills = 0
    for _ in range(6):
        child = forked(lambda: generate(RECIPE, folder))
        time.sleep(chance.random() * usual / 2)
        kills += os.waitpid(child, os.WNOHANG)[0] == 0
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    assert kills >= 2
    data = generate(RECIPE, folder)
    assert data.content == content
    data.verify()
    data.close()
    assert not list((folder / "shards").glob(".*"))


def test_a_run_or_a_worker_that_is_killed_changes_nothing(
    tmp_path: Path, content: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One after the other: the run, whose worker ends with it; then a worker of the run that goes on."""
    monkeypatch.setenv("PYTHONHASHSEED", "77")  # in the workers' interpreters
    folder = tmp_path / "set"
    (folder / "shards").mkdir(parents=True)
    job = Job(as_recipe(RECIPE), folder)
    run = forked(lambda: list(ProcessExecutor(1).run(job, range(6))))
    until(lambda: (folder / "shards" / "000000.h5").exists())
    workers = children(run)
    os.kill(run, signal.SIGKILL)
    os.waitpid(run, 0)
    assert workers
    until(lambda: not any(Path(f"/proc/{number}/cmdline").exists() for number in workers))
    killed = []
    left = pending_shards(job.recipe, folder)
    assert 0 not in left
    for event in ProcessExecutor(1).run(job, left[-2:]):
        if event.structure is not None and not killed:
            killed = children()
            for number in killed:
                os.kill(number, signal.SIGKILL)
    assert killed
    assert pending_shards(job.recipe, folder) == left[:-2]
    data = generate(RECIPE, folder)
    assert data.content == content
    data.close()


def until(happens: Callable[[], bool]) -> None:
    """Wait for something, two minutes at most."""
    deadline = time.monotonic() + 120
    while not happens():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def children(process: int | str = "self") -> list[int]:
    """Return the processes that any thread of a process started."""
    texts = [path.read_text() for path in Path(f"/proc/{process}/task").glob("*/children")]
    return [int(number) for text in texts for number in text.split()]


def test_a_shard_that_always_kills_its_worker_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "set"
    (folder / "shards").mkdir(parents=True)
    monkeypatch.setattr(
        "exitwave.dataset.executors._COMMAND", (sys.executable, "-c", "import os; os.kill(os.getpid(), 9)")
    )
    with pytest.raises(DatasetError, match=r"shard 0 ended its process 3 times \(signal 9\)"):
        list(ProcessExecutor(1).run(Job(as_recipe(RECIPE), folder), [0]))


def test_a_second_generator_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    with FolderLock(folder):
        child = forked(lambda: generate(RECIPE, folder), told := tmp_path / "error")
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1
    error = told.read_text()
    assert error.startswith("DatasetError: ")
    assert f"is being generated by another run (process {os.getpid()})" in error


def test_the_kernels_lock_decides_where_there_is_one(tmp_path: Path) -> None:
    lock = tmp_path / "generate.lock"
    for text in (
        json.dumps({"host": os.uname().nodename, "process": 999_999_999}),
        json.dumps({"host": "a container that is no more", "process": 12}),
        "nonsense",
    ):
        lock.write_text(text)
        with FolderLock(tmp_path):
            assert json.loads(lock.read_text())["process"] == os.getpid()
        assert lock.read_text() == ""


def test_the_text_decides_where_there_are_no_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(*_: Any) -> None:
        raise OSError(errno.ENOTSUP, "no locks here")

    monkeypatch.setattr("exitwave.dataset.locks.fcntl.flock", no_locks)
    lock = tmp_path / "generate.lock"
    lock.write_text(json.dumps({"host": "elsewhere", "process": 12}))
    with pytest.raises(DatasetError, match="on elsewhere"), FolderLock(tmp_path):
        pass
    lock.write_text(json.dumps({"host": os.uname().nodename, "process": os.getppid()}))
    with pytest.raises(DatasetError, match=f"by another run .process {os.getppid()}"), FolderLock(tmp_path):
        pass
    lock.write_text(json.dumps({"host": os.uname().nodename, "process": 999_999_999}))
    with FolderLock(tmp_path):
        pass


def test_a_full_disk_leaves_what_was_committed(tmp_path: Path, content: str) -> None:
    folder = tmp_path / "set"
    generate(RECIPE, folder).close()
    for number in (3, 4, 5):
        (folder / "shards" / f"00000{number}.h5").unlink()
    before = sorted(path.name for path in (folder / "shards").iterdir())

    def on_a_small_disk() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        generate(RECIPE, folder)

    child = forked(on_a_small_disk, told := tmp_path / "error")
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1
    error = told.read_text()
    assert "cannot be written: the file would be larger than allowed" in error
    assert "what is committed is kept" in error
    assert sorted(path.name for path in (folder / "shards").iterdir()) == before
    data = generate(RECIPE, folder)
    assert data.content == content
    data.close()


@pytest.mark.parametrize(
    ("number", "part"), [(errno.ENOSPC, "disk is full"), (errno.EROFS, "read-only"), (errno.EACCES, "permission")]
)
def test_why_a_file_cannot_be_written_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, part: str
) -> None:
    def fail(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(files_module.os, "fsync", fail)
    with pytest.raises(DatasetError, match=part):
        files_module.write_whole(tmp_path / "x", b"abc")
    assert not list(tmp_path.iterdir())


def test_a_folder_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DatasetError, match="a part of the path is a file"):
        generate(RECIPE, tmp_path / "file" / "set")


def test_a_clock_that_goes_backwards_changes_nothing(
    tmp_path: Path, content: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = iter(range(10**9, 0, -1000))
    monkeypatch.setattr(time, "time", lambda: float(next(ticks)))
    folder = tmp_path / "set"
    generate(RECIPE, folder).close()
    (folder / "shards" / "000002.h5").unlink()
    old = 1_000_000_000
    for path in (folder / "shards").iterdir():
        os.utime(path, (old, old))
    data = generate(RECIPE, folder)
    assert data.content == content
    assert len(data) == 12
    data.close()


def test_more_threads_change_nothing(tmp_path: Path, content: str) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        data = generate(RECIPE, tmp_path / "set")
    finally:
        torch.set_num_threads(before)
    assert data.content == content
    data.close()


def test_inline_abandoned_in_the_middle_leaves_nothing_unfinished(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    (folder / "shards").mkdir(parents=True)
    recipe = as_recipe(RECIPE | {"store": {"structures_per_shard": 3}})
    events = InlineExecutor().run(Job(recipe, folder), range(2))
    next(events)
    events.close()
    assert not list((folder / "shards").iterdir())


@pytest.mark.filterwarnings("default::DeprecationWarning", "default::ResourceWarning", "default::UserWarning")
def test_a_cluster_makes_the_same_content(tmp_path: Path, content: str, monkeypatch: pytest.MonkeyPatch) -> None:
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None, protocol="inproc://"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        data = generate(RECIPE, tmp_path / "set", scheduler=client)
        # a device that one process beside the worker builds for; a task that was cut short left a shard
        monkeypatch.setattr("exitwave.dataset.cluster.drives_device", lambda device: True)
        fed = tmp_path / "fed"
        shutil.copytree(tmp_path / "set" / "shards", fed / "shards")
        for number in (0, 1, 4):
            (fed / "shards" / shard_name(number)).unlink()
        events = list(ClusterExecutor(client).run(Job(as_recipe(RECIPE), fed), range(6)))
        assert sorted(event.structure for event in events if event.structure is not None) == list(range(6))
        assert "wait" in Shard(fed / "shards" / shard_name(4)).notes["seconds"]
        assert "wait" not in Shard(fed / "shards" / shard_name(5)).notes["seconds"]
        assert not cluster_module._FEEDS
    assert data.content == Dataset(fed).content == content
    data.close()
    with pytest.raises(DatasetError, match="does not answer"):
        generate(RECIPE, tmp_path / "other", scheduler="no address")


def test_a_device_fed_by_processes_makes_the_same_and_does_not_wait(
    tmp_path: Path, undisturbed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slow stage on the CPU in the device's place, with the builder killed on the way."""
    recipe = as_recipe(RECIPE | {"structures": RECIPE["structures"] | {"count": 9}})
    (tmp_path / "shards").mkdir()
    real = work_module.render_wave
    monkeypatch.setattr(work_module, "render_wave", lambda *given: time.sleep(0.2) or real(*given))
    before, killed = set(children()), []
    for event in FedExecutor(1).run(Job(recipe, tmp_path), range(9)):
        if event.structure == 0:
            killed = sorted(set(children()) - before)
            for process in killed:
                os.kill(process, signal.SIGKILL)
    assert killed
    assert set(children()) == before  # no process is left
    made = [Shard(tmp_path / "shards" / shard_name(number)) for number in range(9)]
    for number in range(6):
        with Shard(undisturbed / "shards" / shard_name(number)) as shard:
            assert shard.checksum == made[number].checksum
    waits = [shard.notes["seconds"] for shard in made]
    assert sum(item["wait"] for item in waits[7:]) < 0.1 * sum(item["scatter"] for item in waits[7:]), waits
    for shard in made:
        shard.close()


def test_a_structure_that_always_ends_its_builder_ends_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shards").mkdir()
    monkeypatch.setattr(
        "exitwave.dataset.feeding._COMMAND", (sys.executable, "-c", "import os; os.kill(os.getpid(), 9)")
    )
    with pytest.raises(DatasetError, match="structure 0 ended its builder 3 times"):
        list(FedExecutor(1).run(Job(as_recipe(RECIPE), tmp_path), [0]))
    assert not list((tmp_path / "shards").iterdir())
