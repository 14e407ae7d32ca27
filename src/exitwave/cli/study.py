"""``exitwave study``: networks under several conditions, with several seeds each, compared."""

from __future__ import annotations

from pathlib import Path

import typer

from exitwave.cli.console import console, error_console, progress_bars

__all__ = ["command"]


def command(
    file: Path = typer.Argument(help="YAML file of the study: data, conditions, seeds, training, judges."),
    output: Path = typer.Option(Path("study"), "--output", "-o", help="Folder for networks, table, figures, page."),
    workers: int = typer.Option(1, min=1, help="Networks trained at a time."),
    device: str | None = typer.Option(None, help="cpu, cuda, …; a GPU if there is one."),
) -> None:
    """Train and judge the networks of a study; interrupted and run again, it goes on where it was."""
    from exitwave.cli.judges import labelled_images
    from exitwave.learning import Study, run_study

    study = Study.read(file)
    named = {name: Path(path) for name, path in study.judges.items()}
    judges = {name: list(labelled_images(path)) for name, path in named.items()}
    if not judges:
        judges = {"shipped micrographs": list(labelled_images(None))}
    with progress_bars() as report:
        result = run_study(study, output, judges, workers=workers, device=device, progress=report)
    console.print(result.summary().to_string(index=False, float_format="{:.3f}".format), markup=False, soft_wrap=True)
    for path in result.save(output):
        console.print(f"Wrote [bold]{path}[/].")
    failed = result.table[result.table["failed"]].drop_duplicates(["condition", "seed"])
    for row in failed.itertuples():
        error_console.print(f"{row.condition}, seed {row.seed}: {row.error}", markup=False, soft_wrap=True)
    if len(failed):
        raise typer.Exit(1)
