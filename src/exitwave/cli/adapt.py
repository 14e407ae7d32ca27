"""``exitwave adapt``: calibrate, generate, train and segment in one command."""

from __future__ import annotations

from pathlib import Path

import typer

from exitwave.cli.console import console, error_console, progress_bars
from exitwave.cli.trust import ALLOW_CODE, ALLOW_FILES

__all__ = ["command"]


def command(
    files: list[Path] = typer.Argument(help="Micrographs and folders; no labels are needed."),
    recipe: str = typer.Option(..., "--recipe", "-r", help="The prior: a YAML file, or a shipped recipe's name."),
    output: Path = typer.Option(Path("adapted"), "--output", "-o", help="Folder for everything."),
    seed: int = typer.Option(1, help="Seed of everything."),
    training: Path | None = typer.Option(None, help="YAML file with fields of Training."),
    structures: int = typer.Option(48, min=8, help="Structures simulated in each round of calibration."),
    images: int = typer.Option(24, min=1, help="Images of each of them."),
    material: list[str] = typer.Option(
        [], help="Candidate for spacings (default: the recipe's); may be given again."
    ),
    pixel_size: float | None = typer.Option(None, help="Pixel size in Å, where the files have none or a wrong one."),
    workers: int = typer.Option(1, min=1, help="Processes."),
    device: str | None = typer.Option(None, help="cpu, cuda, …"),
    allow_code: bool = ALLOW_CODE,
    allow_files: bool = ALLOW_FILES,
) -> None:
    """Make a network for your micrographs from a recipe, without labels, and segment them with it."""
    from exitwave.dataset import Recipe
    from exitwave.dataset.yamlfiles import read_yaml
    from exitwave.learning import Training
    from exitwave.micrographs.adapt import adapt

    prior = Recipe.read(recipe, allow_code=allow_code, allow_files=allow_files)
    how = Training() if training is None else Training.parse(read_yaml(training, "a training"))
    with progress_bars() as report:
        made = adapt(
            files, prior, output, seed=seed, training=how, pixel_size=pixel_size, materials=material, workers=workers,
            device=device, progress=report, structures=structures, images=images,
        )  # fmt: skip
    console.print(f"Calibrated: {made.calibration.found}.", markup=False, soft_wrap=True)
    for note in made.calibration.notes:
        console.print(note, markup=False, soft_wrap=True)
    console.print(f"Wrote [bold]{output}[/]: {made.batch.found}.")
    failures = {**made.calibration.left_out, **made.batch.failures}
    for path, reason in failures.items():
        error_console.print(f"{path}: {reason}", markup=False, soft_wrap=True)
    if failures:
        raise typer.Exit(1)
