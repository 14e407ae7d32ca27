"""``exitwave train``: a network from a data set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from exitwave.cli.console import console, progress_bars
from exitwave.cli.trust import ALLOW_CODE, ALLOW_FILES

__all__ = ["command"]


def command(
    dataset: Path = typer.Argument(help="Folder of a data set, or a recipe, which is generated first."),
    seed: list[int] = typer.Option(
        ..., help="Seed of weights, order and augmentation; give it again for more networks."
    ),
    output: Path = typer.Option(Path("network.safetensors"), "--output", "-o", help="File of the trained network."),
    spec: str | None = typer.Option(
        None, help="YAML file with fields of Training, or reference; options given here change them."
    ),
    epochs: int | None = typer.Option(None, min=1, help="Passes over the data set; 25 if nothing else is said."),
    network: str | None = typer.Option(None, help="Architecture; its name as in the manual."),
    width: float | None = typer.Option(None, help="Share of the full width; with --start, above its own."),
    head: list[str] = typer.Option([], help="Further map to learn: boundary, depth, distance or thickness."),
    crop: int | None = typer.Option(None, help="Side of the training crops, pixels of --sampling."),
    sampling: float | None = typer.Option(None, help="Pixel size that the network works at, Å."),
    batch: int | None = typer.Option(None, min=1, help="Crops in a step."),
    learning_rate: float | None = typer.Option(
        None,
        help="Learning rate, at its greatest; 1e-3 if not said, or with --start 1e-4.",
    ),
    live: bool | None = typer.Option(
        None, "--live/--stored", help="Form new images from stored waves in every step."
    ),
    where: str | None = typer.Option(None, help='SQL condition on the catalog, as in "dose > 300".'),
    start: Path | None = typer.Option(
        None, help="A trained network to go on from (fine-tuning): its file, or general, gold, cdse."
    ),
    device: str | None = typer.Option(None, help="cpu, cuda, …; a GPU if there is one."),
    devices: int = typer.Option(1, min=1, help="Number of GPUs (or, on the CPU, processes) that share every step."),
    precision: str | None = typer.Option(None, help="32, or on a GPU bf16-mixed or 16-mixed."),
    allow_code: bool = ALLOW_CODE,
    allow_files: bool = ALLOW_FILES,
) -> None:
    """Train a segmentation network; interrupted and run again, it goes on from its last checkpoint."""
    from exitwave.dataset import Dataset, Recipe
    from exitwave.dataset.recipe import shipped_recipes, unknown_recipe
    from exitwave.learning import Network, Training, train

    fields: dict[str, Any] = {} if spec is None else Training.read(spec).model_dump(mode="json", exclude_unset=True)
    net = {"name": network, "width": width, "heads": head or None}
    crops = {"size": crop, "pixel_size": sampling}
    simple = {
        "epochs": epochs, "batch": batch, "learning_rate": learning_rate, "live": live, "precision": precision,
    }  # fmt: skip
    fields |= {name: value for name, value in simple.items() if value is not None}
    for name, parts in (("net", net), ("crops", crops)):
        given = {key: value for key, value in parts.items() if value is not None}
        if given:
            fields[name] = {**dict(fields.get(name) or {}), **given}
    how = Training.parse(fields)
    data: Any = dataset
    if dataset.is_dir():
        data = Dataset(dataset) if where is None else Dataset(dataset).where(where)
    elif not dataset.is_file() and str(dataset) not in shipped_recipes():
        raise unknown_recipe(str(dataset), "the folder of a data set")
    else:
        data = Recipe.read(dataset, allow_code=allow_code, allow_files=allow_files)
    first = None if start is None else Network.load(start)
    for number in seed:
        place = output if len(seed) == 1 else output.with_name(f"{output.stem}-{number}{output.suffix}")
        with progress_bars() as report:
            trained = train(
                data, seed=number, folder=place.with_suffix(".training"), spec=how, start=first, device=device,
                devices=devices, progress=report,
            )  # fmt: skip
        trained.save(place)
        last = trained.history[-1] if trained.history else {}
        score = f", F1 {last['validation_f1']:.3f} on crops held out" if "validation_f1" in last else ""
        console.print(f"Wrote [bold]{place}[/]{score}.")
