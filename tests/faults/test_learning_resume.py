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

SCRIPT = """
    import os, signal, sys
    import numpy as np
    import torch
    torch.set_num_threads(1)
    from exitwave.learning import ArrayData, Net, train

    def report(progress):
        print(progress.done, flush=True)
        if progress.done == int(sys.argv[2]):
            os.kill(os.getpid(), getattr(signal, sys.argv[3]))

    images = np.random.default_rng(1).normal(size=(10, 48, 48)).astype(np.float32)
    data = ArrayData(images, images > 0.5, pixel_size=0.4)
    train(data, folder=sys.argv[1], progress=report, **{settings})
"""


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


def killed(folder, at, how):
    settings = "dict(net=Net(width=0.125, norm='batch'), crops={'size': 32}, batch=4, epochs=3, seed=5)"
    script = textwrap.dedent(SCRIPT).replace("{settings}", settings)
    command = [sys.executable, "-W", "error", "-c", script, str(folder), str(at), how]
    return subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)


def same(a, b):
    theirs = b.module.state_dict()
    return all(torch.equal(value, theirs[name]) for name, value in a.module.state_dict().items())


@pytest.mark.parametrize(("at", "epochs"), [(1, 0), (3, 1), (5, 2)])
def test_killed_and_run_again_the_weights_are_those_of_an_undisturbed_run(tmp_path, data, undisturbed, at, epochs):
    run = killed(tmp_path, at, "SIGKILL")
    assert run.returncode == -signal.SIGKILL, run.stderr
    assert (tmp_path / "checkpoint.ckpt").exists() == (epochs > 0)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    done = []
    network = train(data, folder=tmp_path, progress=lambda progress: done.append(progress.done), **SETTINGS)
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


def test_ctrl_c_is_an_interrupt_like_any_other(tmp_path):
    run = killed(tmp_path, 3, "SIGINT")
    assert "KeyboardInterrupt" in run.stderr
    assert run.stdout.split()[-1] == "3"
    assert "graceful" not in run.stderr + run.stdout


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
