"""A training that is killed goes on as if nothing had happened."""

import os
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import torch

from exitwave.core import TrainingError
from exitwave.learning import ArrayData, Net, Network, train

SETTINGS = {"net": Net(width=0.125, norm="batch"), "crops": {"size": 32}, "batch": 4, "epochs": 3, "seed": 5}

# Imports once, and lets each of its children train until it is killed by a signal at a step.
SCRIPT = """
    import os, signal, sys, warnings
    import numpy as np
    import torch
    from exitwave.learning import ArrayData, Net, loop, train

    warnings.simplefilter("error")
    torch.set_num_threads(1)
    images = np.random.default_rng(1).normal(size=(10, 48, 48)).astype(np.float32)
    data = ArrayData(images, images > 0.5, pixel_size=0.4)
    settings = dict(net=Net(width=0.125, norm="batch"), crops={"size": 32}, batch=4, epochs=3, seed=5)

    def trained(folder, at, how):
        def report(progress):
            print(progress.done, flush=True)
            if progress.done == int(at):
                os.kill(os.getpid(), getattr(signal, how))
        train(data, folder=folder, progress=report, **settings)

    for case in sys.argv[1:]:
        folder, *when = case.split(":")
        os.mkdir(folder)
        child = os.fork()
        if child == 0:
            with open(folder + ".txt", "w") as text:
                os.dup2(text.fileno(), 1)
                os.dup2(text.fileno(), 2)
            trained(folder, *when)
            sys.exit()
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
CASES = ((1, "SIGKILL"), (3, "SIGKILL"), (5, "SIGKILL"), (3, "SIGINT"))


@pytest.fixture(scope="module")
def data():
    images = np.random.default_rng(1).normal(size=(10, 48, 48)).astype(np.float32)
    return ArrayData(images, images > 0.5, pixel_size=0.4)


@pytest.fixture(scope="module")
def undisturbed(data):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return train(data, **SETTINGS)
    finally:
        torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """For each case: the folder of the training, the exit code, and what was printed."""
    folders = {case: tmp_path_factory.mktemp("killed") / "training" for case in CASES}
    cases = [f"{folder}:{at}:{how}" for (at, how), folder in folders.items()]
    command = [sys.executable, "-c", textwrap.dedent(SCRIPT), *cases]
    run = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    assert run.returncode == 0, run.stderr
    codes = map(int, run.stdout.split())
    return {
        case: (folder, code, folder.with_suffix(".txt").read_text())
        for (case, folder), code in zip(folders.items(), codes, strict=True)
    }


def same(a, b):
    theirs = b.module.state_dict()
    return all(torch.equal(value, theirs[name]) for name, value in a.module.state_dict().items())


@pytest.mark.parametrize(("at", "epochs"), [(1, 0), (3, 1), (5, 2)])
def test_killed_and_run_again_the_weights_are_those_of_an_undisturbed_run(killed, data, undisturbed, at, epochs):
    folder, code, printed = killed[at, "SIGKILL"]
    assert code == -signal.SIGKILL, printed
    assert (folder / "checkpoint.ckpt").exists() == (epochs > 0)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    done = []
    network = train(data, folder=folder, progress=lambda progress: done.append(progress.done), **SETTINGS)
    torch.set_num_threads(threads)
    assert done[0] == 2 * epochs + 1  # two steps an epoch
    assert same(network, undisturbed)
    assert [row["validation_loss"] for row in network.history] == [
        row["validation_loss"] for row in undisturbed.history
    ]


def test_the_finished_training_is_not_done_again(tmp_path, data):
    once = train(data, folder=tmp_path, **SETTINGS)
    done = []
    assert same(train(data, folder=tmp_path, progress=done.append, **SETTINGS), once)
    assert not done


def test_ctrl_c_is_an_interrupt_like_any_other(killed):
    _, code, printed = killed[3, "SIGINT"]
    steps, interrupt = printed.split("Traceback", 1)
    assert code not in (0, -signal.SIGKILL)
    assert "KeyboardInterrupt" in interrupt
    assert steps.split()[-1] == "3"
    assert "graceful" not in printed


def test_another_training_in_the_folder_is_refused(tmp_path, data):
    train(data, folder=tmp_path, **SETTINGS)
    with pytest.raises(TrainingError, match="other data, seed or settings"):
        train(data, folder=tmp_path, **(SETTINGS | {"seed": 6}))
    other = ArrayData(data.images(np.arange(10)) + 1, data.masks("labels", np.arange(10)), pixel_size=0.4)
    with pytest.raises(TrainingError, match="other data, seed or settings"):
        train(other, folder=tmp_path, **SETTINGS)


def test_a_damaged_checkpoint_is_named(tmp_path, data):
    (tmp_path / "checkpoint.ckpt").write_bytes(b"no checkpoint")
    with pytest.raises(TrainingError, match=r"checkpoint\.ckpt is not a readable checkpoint"):
        train(data, folder=tmp_path, **SETTINGS)


def test_it_writes_nothing_elsewhere_and_prints_nothing(tmp_path, data, capfd, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    train(data, folder=tmp_path / "training", **SETTINGS)
    train(data, **SETTINGS)
    assert os.listdir(tmp_path / "here") == []  # noqa: PTH208
    assert sorted(path.name for path in (tmp_path / "training").iterdir()) == ["checkpoint.ckpt"]
    captured = capfd.readouterr()
    assert captured.out + captured.err == ""


def test_a_full_disk_leaves_the_last_network_whole(tmp_path, undisturbed, monkeypatch):
    path = undisturbed.save(tmp_path / "n.safetensors")
    before = path.read_bytes()

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(TrainingError, match="the disk is full"):
        undisturbed.save(path)
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert [item.name for item in tmp_path.iterdir()] == ["n.safetensors"]
    assert same(Network.load(path), undisturbed)
