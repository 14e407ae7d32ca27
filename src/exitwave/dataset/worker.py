"""A local worker process: reads a job and shard numbers in JSON lines, tells of what it made in JSON lines.

Run by ``exitwave.dataset.executors.ProcessExecutor`` as ``python -m exitwave.dataset.worker``.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
from typing import Any, TextIO

__all__ = ["main"]


def main() -> None:
    """Serve until standard input ends; then this process ends at once, whatever it is doing."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the whole group; the parent decides
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints must not mix with the messages
    lines: queue.Queue[str] = queue.Queue()
    first = sys.stdin.readline()
    threading.Thread(target=_read, args=(lines,), daemon=True).start()
    try:
        from exitwave.dataset.executors import Job
        from exitwave.dataset.work import make_shard

        job = Job.from_json(first)
        while True:
            failures = 0
            for index, failed in make_shard(job.recipe, job.folder, json.loads(lines.get()), job.device):
                failures += failed
                _tell(out, {"structure": index, "failures": failed})
            _tell(out, {"done": True, "failures": failures})
    except MemoryError as error:
        from exitwave.core import ExitwaveError

        short = "a worker has no memory left; use fewer workers or fewer structures_per_shard."
        _tell(out, {"error": str(error) if isinstance(error, ExitwaveError) else short})
    except Exception as error:
        from exitwave.core import ExitwaveError

        known = isinstance(error, ExitwaveError)
        if not known:
            import traceback

            traceback.print_exc(file=sys.stderr)
        _tell(out, {"error": str(error) if known else f"a worker failed: {type(error).__name__}: {error}"})


def _read(lines: queue.Queue[str]) -> None:
    for line in sys.stdin:
        lines.put(line)
    os._exit(0)  # the parent is gone or done: an unfinished shard is not wanted any more


def _tell(out: TextIO, message: dict[str, Any]) -> None:
    out.write(json.dumps(message) + "\n")
    out.flush()


if __name__ == "__main__":
    main()
