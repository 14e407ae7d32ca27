"""The application that gathers the commands, and what happens when one ends badly."""

from __future__ import annotations

import os
import sys
import warnings
from typing import TextIO

import typer

from exitwave import __version__
from exitwave.cli import (
    adapt,
    build,
    calibrate,
    demo,
    doctor,
    evaluate,
    export,
    generate,
    import_,
    pixel_size,
    plan,
    recipe,
    reimage,
    report,
    segment,
    simulate,
    study,
    train,
)
from exitwave.cli.console import console, error_console
from exitwave.core import ExitwaveError

__all__ = ["app", "main"]

app = typer.Typer(
    name="exitwave",
    help="Atoms in, trained network out: structures, HRTEM images, labels, data sets, networks, particles.",
    no_args_is_help=True,
    subcommand_metavar="COMMAND",
    context_settings={"help_option_names": ["-h", "--help"]},
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
_STOPPED = 2  # as typer ends at an option that it does not know
_INTERRUPTED = 130  # the code that typer ends with at Ctrl-C
_GOES_ON = "Interrupted; what was finished is kept, and the same command goes on from there."
_DATA = (recipe, plan, generate, doctor, report, reimage, export, import_)
for module in (demo, build, simulate, *_DATA, train, evaluate, study, pixel_size, calibrate, adapt, segment):
    # the whole first sentence, which would be cut where it is longer than a line
    said = (module.command.__doc__ or "").strip().split("\n")[0].rstrip(".")
    name = module.__name__.rpartition(".")[2].rstrip("_").replace("_", "-")
    app.command(name=name, short_help=said)(module.command)


def _version(value: bool) -> None:
    if value:
        console.print(f"exitwave {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    """Atoms in, trained network out."""


def main() -> None:
    """Run the command line; an error that is not a bug is one sentence and code 2.

    Commands that come to their end end with code 1 where something that they were given failed or is wrong.
    """
    # Before torch is imported, here and in the processes that commands start: threads that spin while they wait
    # take cores from those that work, as from the one that prepares a training's next batch.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _warned
            app(prog_name="exitwave")
    except SystemExit as end:
        if end.code == _INTERRUPTED:
            error_console.print(_GOES_ON)
        raise
    except Exception as error:
        if _from_interruption(error):
            error_console.print(_GOES_ON)
            sys.exit(_INTERRUPTED)
        if isinstance(error, ExitwaveError):
            text = _plain(error)
        elif isinstance(error, OSError):
            where = f" ({error.filename})" if error.filename else ""
            text = f"{_plain(error.strerror or error)}{where}."
        elif isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] not in ("", "exitwave"):
            text = _plain(f'the package {error.name} is not installed; pip install "exitwave[all]" brings it.')
        else:
            raise
        error_console.print(f"[bold]exitwave:[/] {text}", soft_wrap=True)
        sys.exit(_STOPPED)


def _from_interruption(error: BaseException | None) -> bool:
    """Return whether Ctrl-C is behind an error: while a module is imported, Python may wrap it into another one."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def _warned(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Show our own warnings as sentences, and others as Python does."""
    if category.__module__.startswith("exitwave"):
        error_console.print(str(message), markup=False, soft_wrap=True)
    else:
        sys.stderr.write(warnings.formatwarning(message, category, filename, lineno))


def _plain(text: object) -> str:
    return str(text).replace("[", r"\[")
