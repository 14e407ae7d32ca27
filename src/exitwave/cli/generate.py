"""``exitwave generate``: a data set from a recipe."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from exitwave.cli.console import console, error_console, progress_bars
from exitwave.cli.trust import ALLOW_CODE, ALLOW_FILES

if TYPE_CHECKING:
    from exitwave.dataset import Recipe

__all__ = ["command", "with_count"]


def command(
    recipe: str = typer.Argument(help="A recipe file, or the name of a shipped recipe."),
    folder: Path = typer.Argument(help="Folder of the data set; an interrupted one is continued."),
    count: int | None = typer.Option(
        None, min=1, help="Structures, instead of the recipe's; the first are the same, so a data set can grow."
    ),
    workers: int | None = typer.Option(
        None, min=1, help="Processes, one per core if not given; with a device, they build atoms ahead of it."
    ),
    device: str | None = typer.Option(None, help="Device for scattering and imaging, such as cuda."),
    scheduler: str | None = typer.Option(None, help="Address of a Dask scheduler whose workers share the folder."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Check everything, say what would be made, make nothing."),
    allow_code: bool = ALLOW_CODE,
    allow_files: bool = ALLOW_FILES,
) -> None:
    """Generate a data set: structures, exit waves, images and labels, shard by shard.

    Ends with code 1 if samples failed; they are recorded, and all others are made.
    """
    from exitwave.core import cores, counted
    from exitwave.dataset import Recipe, generate
    from exitwave.dataset.checks import SATURATED, saturated

    plan = with_count(Recipe.read(recipe, allow_code=allow_code, allow_files=allow_files), count)
    if dry_run:
        _tell(plan, folder)
        return
    with progress_bars() as report:
        data = generate(
            plan,
            folder,
            workers=workers or cores(),
            device=device,
            scheduler=scheduler,
            progress=report,
            allow_code=allow_code,
        )
    console.print(
        f"Wrote [bold]{folder}[/]: {counted(len(data), 'image')} of {counted(plan.structures.count, 'structure')}."
    )
    if (full := saturated(data)) >= max(1, SATURATED * len(data)):
        error_console.print(
            f"{full} of {len(data)} images reach the camera's greatest count; if yours do not, lower dose, gain or "
            "offset, or raise its saturation."
        )
    for failure in data.failures:
        error_console.print(f"structure {failure['structure']}, {failure['stage']}: {failure['error']}", markup=False)
    if data.failures:
        raise typer.Exit(1)


def with_count(recipe: Recipe, count: int | None) -> Recipe:
    """Return a recipe with another number of structures, if one is given."""
    return recipe if count is None else recipe.replace(structures=recipe.structures.replace(count=count))


def _tell(plan: Recipe, folder: Path) -> None:
    """Say what a run would make; nothing is written."""
    from exitwave.core import counted
    from exitwave.dataset.generate import RECIPE_NAME, check_folder, pending_shards

    grows = not check_folder(folder, plan) and (folder / RECIPE_NAME).exists()
    pending = pending_shards(plan, folder)
    images = plan.structures.count * plan.images.per_structure
    shared = f" on {counted(plan.films, 'film')}" if plan.films else ""
    lines = [
        f"{counted(plan.structures.count, 'structure')} ({plan.structures.family}){shared}, "
        f"{counted(images, 'image')}, "
        f"{counted(plan.shards, 'shard')}; {len(pending) or 'none'} to make.",
        *([f"{folder} holds a data set of another count, which becomes this one."] if grows else []),
        _seen(plan),
        *_drawn(plan),
        "Nothing was made; `exitwave plan` tells what it costs.",
    ]
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)


def _seen(plan: Recipe) -> str:
    """Say how images and labels come about, as far as nothing of it is drawn."""
    from exitwave.core import Distribution, counted
    from exitwave.scattering.grid import Grid

    scattering, field = plan.scattering, getattr(plan.structures.spec, "field", None)
    facts = [f"{counted(plan.images.per_structure, 'image')} of each structure"]
    if plan.images.spec.session is not None:
        facts[0] += " in one session"
    if isinstance(field, tuple) and not isinstance(scattering.sampling, Distribution):
        grid = Grid(scattering.grid, field) if scattering.grid else Grid.covering(field, scattering.sampling)
        pixels = f"{grid.shape[0]} × {grid.shape[1]} px at {grid.sampling[0]:.4g} Å/px"
        facts[0] += f", {pixels} ({field[0]:g} × {field[1]:g} Å)"
    if not isinstance(scattering.energy, Distribution):
        facts.append(f"{scattering.energy / 1e3:g} keV")
    if not isinstance(scattering.configurations, Distribution):
        facts.append(counted(scattering.configurations, "thermal configuration"))
    facts.append("labels: " + ", ".join(str(rule.to_dict()["rule"]) for rule in plan.labels))
    return "; ".join(facts) + "."


def _drawn(plan: Recipe) -> list[str]:
    """Say what is left to chance, with what it is in the first and in the last structure."""
    from exitwave.dataset.distributions import drawn_values
    from exitwave.dataset.records import draw_image, draw_structure
    from exitwave.dataset.units import recipe_unit
    from exitwave.structure.families import MixedFamilies

    ends = []
    for index in (0, plan.structures.count - 1):
        drawn = draw_structure(plan, index)
        image = draw_image(plan.images.spec, drawn.stream, 0).to_dict()["imaging"]
        ends.append({key: (kind, values) for key, kind, values in drawn_values(plan, [drawn.to_dict()], [image])})
    rows: list[tuple[str, ...]] = [("Drawn", "structure 0", f"structure {plan.structures.count - 1}", "from")]
    both = ends[0] | ends[1]
    for key, (kind, _) in both.items():
        drawn_here = [end.get(key, (None, []))[1] for end in ends]
        if not any(drawn_here):
            continue
        name = key.removeprefix("structures.").removeprefix("images.")
        unit = recipe_unit(plan, key)
        said = re.sub(r"(\d)\.0\b", r"\1", re.sub(r"[{}']", "", str(kind)))
        if key == "structures.chosen" and isinstance(spec := plan.structures.spec, MixedFamilies):
            name = "parts"
            said = ", ".join(
                f"{number}: {part.family} {100 * share:.0f} %"
                for number, (part, share) in enumerate(zip(spec.parts, spec.shares, strict=True))
            )
        values = (_listed(item) for item in drawn_here)
        rows.append((f"{name}, {unit}" if unit else name, *values, said))
    if len(rows) == 1:
        return ["Nothing is left to chance but atoms and noise."]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = ["  ".join([*map(str.ljust, row[:3], widths), row[3]]) for row in rows]
    hidden = len(both) + 1 - len(rows)
    more = f"; {hidden} more are drawn in other structures" if hidden else ""
    return [*lines, f"(of images, the first of each structure{more})"]


def _listed(values: Sequence[object]) -> str:
    if len(values) > 4:
        return ", ".join(map(_short, values[:3])) + f", … ({len(values)})"
    return ", ".join(map(_short, values)) or "–"


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
