"""What holds for every test: one thread, no window, Ctrl-C works, and hypothesis without a clock."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy and torch are loaded: two workers share two cores
os.environ.setdefault("MPLBACKEND", "agg")

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # a shell's background job: its children would be deaf, too
    signal.signal(signal.SIGINT, signal.default_int_handler)

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("here", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("here"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")


@pytest.fixture(autouse=True)
def _no_figure_left_open() -> Iterator[None]:
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
