"""``exitwave calibrate``: a recipe whose images look like a user's micrographs."""

from __future__ import annotations

from pathlib import Path

import typer

from exitwave.cli.console import console, error_console, progress_bars
from exitwave.cli.trust import ALLOW_CODE, ALLOW_FILES

__all__ = ["command"]


def command(
    files: list[Path] = typer.Argument(help="Micrographs and folders; no labels are needed."),
    recipe: str = typer.Option(..., "--recipe", "-r", help="The prior: a YAML file, or a shipped recipe's name."),
    output: Path = typer.Option(Path("calibration"), "--output", "-o", help="Folder for recipe, data and report."),
    seed: int = typer.Option(1, help="Seed of everything simulated."),
    structures: int = typer.Option(48, min=8, help="Structures simulated in each round."),
    images: int = typer.Option(24, min=1, help="Images of each structure."),
    rounds: int = typer.Option(2, min=1, help="Rounds of simulation, each sharper than the one before."),
    material: list[str] = typer.Option(
        [], help="Candidate for spacings (default: the recipe's); may be given again."
    ),
    pixel_size: float | None = typer.Option(None, help="Pixel size in Å, where the files have none or a wrong one."),
    workers: int = typer.Option(1, min=1, help="Processes."),
    device: str | None = typer.Option(None, help="cpu, cuda, …"),
    allow_code: bool = ALLOW_CODE,
    allow_files: bool = ALLOW_FILES,
) -> None:
    """Estimate dose, focus, camera and film from unlabelled micrographs and write the recipe that matches them."""
    from exitwave.dataset import Recipe
    from exitwave.micrographs import read_all
    from exitwave.micrographs.calibration import calibrate
    from exitwave.micrographs.calibration.spacings import checked_crystals, telling

    prior = Recipe.read(recipe, allow_code=allow_code, allow_files=allow_files)
    checked_crystals(material)  # before all files are read
    micrographs, failures = read_all(files, pixel_size=pixel_size, without=output)
    with progress_bars() as report:
        result = calibrate(
            micrographs, prior, output, seed=seed, structures=structures, images=images, rounds=rounds,
            materials=material, left_out=failures, workers=workers, device=device, progress=report,
        )  # fmt: skip
    told = result.estimates.groupby("parameter", sort=False)[["low", "value", "high", "share"]].median()
    console.print(told.to_string(float_format="{:.4g}".format), markup=False, soft_wrap=True)
    before, after = result.distances["before"], result.distances["after"]
    console.print(f"Distance from the micrographs: {before:.2f} before, {after:.2f} after.")
    for note in result.notes:
        console.print(note, markup=False, soft_wrap=True)
    seen = telling(result.spacings)[["material", "plane", "tabulated", "spacing", "error", "peaks", "probability"]]
    if len(seen):
        console.print("Lattice spacings in Å, if all particles are of one crystal:")
        console.print(seen.to_string(index=False, float_format="{:.4g}".format), markup=False, soft_wrap=True)
    for name in result.strange:
        console.print(f"{name}: no simulated image resembles it; widen the recipe.", markup=False, soft_wrap=True)
    console.print(f"Wrote [bold]{output / 'recipe.yaml'}[/] and [bold]{output / 'report.html'}[/].")
    for path, reason in result.left_out.items():
        error_console.print(f"{path}: {reason}", markup=False, soft_wrap=True)
    if result.left_out:
        raise typer.Exit(1)
