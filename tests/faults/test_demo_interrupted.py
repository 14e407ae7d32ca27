"""The demo as a user runs it: interrupted while it generates and while it trains, then run again to its end."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from exitwave.cli.app import main

COMMAND = [sys.executable, "-m", "exitwave", "demo", "--structures", "4", "--epochs", "2"]
LIMIT_BYTES = 4e9
INTERRUPTED = (130, -signal.SIGINT)  # one to a shell: Python ends by the signal itself where that came inside an exec


def _start(folder: Path, *more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, "--folder", str(folder), *more], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        cwd=folder.parent, env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def _interrupt_at(process: subprocess.Popen[str], pattern: str) -> str:
    lines = []
    for line in process.stdout:
        lines.append(line)
        if re.match(pattern, line):
            process.send_signal(signal.SIGINT)
            break
    lines.append(process.communicate(timeout=120)[0])
    return "".join(lines)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "out"
    for stage, workers in ((r"generate: [0-3]/4", "2"), (r"train: [1-9]\d*/", "1")):
        process = _start(folder, "--workers", workers)
        text = _interrupt_at(process, stage)
        assert process.returncode in INTERRUPTED, text
        assert "the same command goes on" in text
        assert "Traceback" not in text
    start = time.monotonic()
    process = _start(folder)
    text = process.communicate(timeout=250)[0]
    assert process.returncode == 0, text
    assert time.monotonic() - start < 250
    return folder, text


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_goes_on_and_ends_as_promised(finished):
    folder, text = finished
    assert re.search(r"generate: 4/4, in \d s", text)
    assert "structures:" in text
    assert "particle F1" in text
    html = (folder / "report.html").read_text(encoding="utf-8")
    assert html.count("data:image/") > 20
    assert not re.findall(r'(?:src|href)="(?!data:|#)', html)  # nothing outside the file
    assert html.count('class="predicted"') >= 10
    assert html.count('class="drawn"') == 10
    stages = {entry["name"]: entry for entry in json.loads((folder / "stages.json").read_text())}
    assert list(stages) == ["generate", "train", "segment", "report"]
    assert max(entry["peak_bytes"] for entry in stages.values()) < LIMIT_BYTES
    assert len(list((folder / "segmented").rglob("*-particles.csv"))) == 10


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_interrupted_network_is_the_undisturbed_one(finished):
    from exitwave.dataset import Dataset
    from exitwave.demo import Demo
    from exitwave.learning import Network, train

    folder, _ = finished
    resumed = Network.load(folder / "network" / "network.safetensors")
    training = Demo().training.replace(epochs=2)
    undisturbed = train(Dataset(folder / "data"), spec=training, seed=Demo().seed)
    probe = np.random.default_rng(1).poisson(50, (64, 64)).astype(np.float32)
    np.testing.assert_allclose(resumed.predict(probe, 0.4), undisturbed.predict(probe, 0.4), atol=1e-5)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_another_demo_is_refused_in_one_sentence(finished, monkeypatch, capsys):
    folder, _ = finished
    monkeypatch.setattr(sys, "argv", ["exitwave", *COMMAND[3:], "--epochs", "3", "--folder", str(folder)])
    with pytest.raises(SystemExit) as end:
        main()
    printed = "".join(capsys.readouterr())
    assert end.value.code == 2
    assert "holds a demo with other settings" in printed
    assert "Traceback" not in printed
