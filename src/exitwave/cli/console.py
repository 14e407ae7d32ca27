"""What the command line shows: progress with time left, and errors in one sentence."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from exitwave.core import Progress as State
from exitwave.core import Reporter

__all__ = ["console", "error_console", "progress_bars", "span"]

console = Console(highlight=False)
error_console = Console(stderr=True, highlight=False)


def span(seconds: float | None) -> str:
    """Return a time span as people say it: "45 s", "3 min 10 s", "2 h 05 min".

    Examples
    --------
    >>> span(45.2), span(190), span(7500)
    ('45 s', '3 min 10 s', '2 h 05 min')
    """
    if seconds is None:
        return "…"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


@contextmanager
def progress_bars() -> Iterator[Reporter]:
    """Show one bar per stage for as long as the block runs; gives the function that reports to them.

    Where standard output is no terminal, each stage prints a line at most every ten seconds.
    """
    if not console.is_terminal:
        yield _Lines()
        return
    columns = (
        TextColumn("{task.description:<10}"),
        BarColumn(bar_width=32),
        MofNCompleteColumn(),
        TextColumn("{task.fields[time]}"),
        TextColumn("[dim]{task.fields[note]}"),
    )
    with Progress(*columns, console=console) as bars:
        tasks: dict[str, TaskID] = {}

        def report(state: State) -> None:
            if state.stage not in tasks:
                tasks[state.stage] = bars.add_task(state.stage, total=state.total, time="", note="")
            bars.update(
                tasks[state.stage], completed=state.done, total=state.total, time=_time(state), note=_note(state)
            )

        yield report


class _Lines:
    """Reports in lines, for log files."""

    def __init__(self) -> None:
        self._last: dict[str, float] = {}

    def __call__(self, state: State) -> None:
        finished = state.done >= state.total
        last = self._last.get(state.stage)
        if last is not None and (state.elapsed - last < 10 and not finished):
            return
        self._last[state.stage] = state.elapsed
        print(f"{state.stage}: {state.done}/{state.total}, {_time(state)} {_note(state)}".rstrip(), file=sys.stdout)
        sys.stdout.flush()


def _time(state: State) -> str:
    if state.done >= state.total:
        return f"in {span(state.elapsed)}"
    rate = "" if state.remaining is None else f", {state.rate:.3g}/s"
    return f"{span(state.elapsed)}{rate}, {span(state.remaining)} left"


def _note(state: State) -> str:
    failed = f"{state.failures} failed" if state.failures else ""
    return ", ".join(part for part in (failed, state.note) if part)
