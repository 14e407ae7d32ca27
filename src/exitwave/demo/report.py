"""The demo's report: one HTML file that holds everything it shows."""

from __future__ import annotations

import time
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jinja2 import Environment, StrictUndefined

from exitwave import __version__
from exitwave.core import Progress, Reporter, counted
from exitwave.core.files import write_whole
from exitwave.demo import figures
from exitwave.demo.pictures import encode_array, outline

if TYPE_CHECKING:
    import pandas as pd

    from exitwave.dataset import Dataset, Recipe
    from exitwave.demo.segmented import Group
    from exitwave.demo.stages import Stage
    from exitwave.imaging import Micrograph
    from exitwave.learning import Network, Scores

__all__ = ["write_report"]

_WROTE = {
    "generate": "data/: shards with images, labels and records; catalog.parquet",
    "train": "network/network.safetensors",
    "segment": "segmented/: mask, outlines and particle table of every micrograph",
}
_STEPS = 6


def write_report(
    path: Path,
    recipe: Recipe,
    data: Dataset,
    network: Network,
    groups: Sequence[Group],
    stages: Sequence[Stage],
    progress: Reporter | None = None,
) -> Path:
    """Write the report and return its path.

    Parameters
    ----------
    path
        The HTML file.
    recipe, data, network, groups
        What the stages before made.
    stages
        What they cost.
    progress
        Called after each part.
    """
    start = time.perf_counter()

    def done(step: int, note: str) -> None:
        if progress is not None:
            progress(Progress("report", step, _STEPS, time.perf_counter() - start, note=note))

    before = [stage for stage in stages if stage.name != "report"]  # what this one costs, nobody knows yet
    shown = _spread(len(data.structures), 2)
    rendered, atoms = figures.structures(data, shown)
    done(1, "structures")
    scattered = figures.waves(data, atoms, shown)
    done(2, "waves")
    images = [_simulated(data, index) for index in _spread(len(data), 12)]
    done(3, "images")
    shown_groups = [_group(group) for group in groups]
    tables = {group.name: _particles(group) for group in groups}
    done(4, "micrographs")
    context = {
        "version": __version__,
        "summary": _summary(data),
        "headline": _headline(data, groups, sum(map(len, tables.values())), before),
        "structures": rendered,
        "waves": scattered,
        "energy": round(float(data[0].record["scattering"]["energy"]) / 1e3),
        "images": images,
        "training_text": _training_text(network),
        "curves": figures.curves(network),
        "real_text": f"The network sees every micrograph at {network.pixel_size / 10:.3g} nm per pixel.",
        "groups": shown_groups,
        "scores": _score_rows(groups),
        "sizes": figures.sizes(tables),
        "stages": [_stage(stage) for stage in before],
        "recipe": recipe.to_yaml(),
        "attribution": "Bright-field micrographs: msa-em/microscopy-seg-track, CC-BY-4.0.",
    }
    done(5, "figures")
    source = (resources.files("exitwave.demo") / "report.html.j2").read_text(encoding="utf-8")
    html = Environment(autoescape=True, undefined=StrictUndefined).from_string(source).render(context)
    write_whole(path, html.encode())
    done(_STEPS, f"{len(html) / 2**20:.1f} MiB")
    return path


def _spread(total: int, count: int) -> list[int]:
    """Return ``count`` indices spread over 0 … total − 1."""
    return sorted({round(i) for i in np.linspace(0, total - 1, min(count, total))})


def _simulated(data: Dataset, index: int) -> dict[str, Any]:
    sample = data[index]
    imaging = sample.record["imaging"]
    caption = f"Defocus {imaging['defocus']:+.0f} Å, spread {imaging['focal_spread']:.0f} Å, "
    caption += f"dose {imaging['dose']:.0f} e/Å²"
    if imaging["aperture"]:
        caption += f", aperture {imaging['aperture']:.0f} mrad"
    lines = [{"kind": "label", "path": outline(sample.labels["phase"])}]
    return _picture(sample.image, lines, caption, "simulated image")


def _picture(micrograph: Micrograph, lines: list[dict[str, str]], caption: str, alt: str) -> dict[str, Any]:
    height, width = micrograph.array.shape
    return {
        "image": encode_array(micrograph.array),
        "width": width,
        "height": height,
        "outlines": lines,
        "bar": _scale_bar(width, micrograph.pixel_size),
        "caption": caption,
        "alt": alt,
    }


def _scale_bar(width: int, pixel_size: float | None) -> dict[str, Any] | None:
    """Return a bar of about a quarter of the width and a round length."""
    if pixel_size is None:
        return None
    wanted = width * pixel_size / 10 / 4
    power = 10.0 ** np.floor(np.log10(wanted))
    length = float(max(step * power for step in (1, 2, 5) if step * power <= wanted))
    return {"pixels": round(length * 10 / pixel_size, 2), "text": f"{length:g} nm"}


def _group(group: Group) -> dict[str, Any]:
    pictures = []
    for pair, found in zip(group.pairs, group.segmentations, strict=True):
        lines = [{"kind": "predicted", "path": outline(found.mask)}]
        caption = f"{pair.micrograph.name}: {counted(len(found), 'particle')}"
        if pair.mask is not None:
            lines.append({"kind": "drawn", "path": outline(pair.mask)})
            caption += f", F1 {group.score_of(pair, found).pooled:.3f}"
        pictures.append(_picture(pair.micrograph, lines, caption, "real micrograph"))
    return {"name": group.name, "text": group.text, "pictures": pictures}


def _particles(group: Group) -> pd.DataFrame:
    import pandas as pd

    return pd.concat([found.particles() for found in group.segmentations], ignore_index=True)


def _score_rows(groups: Sequence[Group]) -> list[dict[str, Any]]:
    rows = []
    for group in groups:
        if group.scores is None:
            continue
        for pair, found in zip(group.pairs, group.segmentations, strict=True):
            if pair.mask is not None:
                row = _scores(group.score_of(pair, found))
                rows.append(
                    row
                    | {
                        "name": pair.micrograph.name,
                        "pixels": f"{np.count_nonzero(pair.mask):,}",
                        "particles": len(found),
                        "sum": False,
                    }
                )
        total = sum(int(np.count_nonzero(pair.mask)) for pair in group.pairs if pair.mask is not None)
        count = sum(len(found) for found in group.segmentations)
        rows.append(
            _scores(group.scores)
            | {"name": f"all of {group.name}", "pixels": f"{total:,}", "particles": count, "sum": True}
        )
    return rows


def _scores(scores: Scores) -> dict[str, str]:
    values = {"pooled": scores.pooled, "per_image": scores.per_image, "soft_macro": scores.soft_macro}
    return {name: "–" if not np.isfinite(value) else f"{value:.3f}" for name, value in values.items()}


def _stage(stage: Stage) -> dict[str, str]:
    return {
        "name": stage.name,
        "time": f"{stage.seconds:.0f} s",
        "memory": f"{stage.peak_bytes / 2**20:,.0f} MiB",
        "wrote": _WROTE.get(stage.name, ""),
    }


def _headline(
    data: Dataset, groups: Sequence[Group], particles: int, stages: Sequence[Stage]
) -> list[dict[str, str]]:
    micrographs = sum(len(group.pairs) for group in groups)
    figures = [
        _figure(len(data.structures), "simulated structure"),
        _figure(len(data), "labelled image"),
        _figure(particles, "particle", f" on {counted(micrographs, 'real micrograph')}"),
    ]
    scored = [(group.name, group.scores.pooled) for group in groups if group.scores is not None]
    scores = [{"value": f"{pooled:.2f}", "what": f"particle F1, {name}"} for name, pooled in scored]
    seconds = sum(stage.seconds for stage in stages)
    return [*figures, *scores, {"value": f"{seconds / 60:.1f} min", "what": "from atoms to particles"}]


def _figure(number: int, noun: str, more: str = "") -> dict[str, str]:
    value, _, what = counted(number, noun).partition(" ")
    return {"value": value, "what": what + more}


def _summary(data: Dataset) -> str:
    failed = len(data.failures)
    lost = f" {counted(failed, 'sample')} failed and left the set." if failed else ""
    return (
        f"A network was trained on {counted(len(data), 'HRTEM image')} of "
        f"{counted(len(data.structures), 'structure')} of gold on carbon, built atom by atom, simulated and labelled "
        "from physics. Below it is applied to real micrographs; no real image took part in its training." + lost
    )


def _training_text(network: Network) -> str:
    weights = sum(value.numel() for value in network.module.parameters())
    return (
        f"A UNet with {counted(weights, 'weight')}, trained for {counted(len(network.history), 'epoch')} with "
        "cross entropy and Dice loss. Validation images come from structures that the training never saw."
    )
