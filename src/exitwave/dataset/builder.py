"""A process that builds structures: reads a job and structure numbers, writes atoms.

Run by ``exitwave.dataset.feeding.Feed`` as ``python -m exitwave.dataset.builder``.
"""

from __future__ import annotations

import os
import signal
import sys

__all__ = ["main"]


def main() -> None:
    """Serve until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the whole group; the parent decides
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints must not mix with the atoms
    from exitwave.dataset.executors import Job
    from exitwave.dataset.feeding import send
    from exitwave.dataset.records import draw_structure
    from exitwave.dataset.samples import one_thread, render_structure

    job = Job.from_json(sys.stdin.readline())
    with one_thread():
        for line in sys.stdin:
            index = int(line)
            try:
                structure = render_structure(draw_structure(job.recipe, index))
            except Exception:  # the parent builds it itself, finds the same fault and records it
                structure = None
            try:
                send(out, index, structure)
            except BrokenPipeError:
                return


if __name__ == "__main__":
    main()
