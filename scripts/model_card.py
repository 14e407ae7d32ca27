"""Writes the card of a reference network, scores and curves included, beside its weights.

    python scripts/model_card.py general [NETWORK.safetensors …] [--hrtem FOLDER]

Further networks are other seeds of the same training: the card then tells how much the seed matters. FOLDER holds
labelled HRTEM micrographs; without it, the card tells of the micrographs that come with exitwave alone.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from exitwave.dataset import Recipe
from exitwave.learning import Evaluation, Network, Training, evaluate
from exitwave.learning.references import reference_file
from exitwave.micrographs import labelled_pairs

KINDS = {
    "particle_f1": "particle F1, all pixels pooled",
    "mean_image_f1": "mean over images",
    "soft_macro_f1": "soft macro F1",
}


class Turned:
    """A network that looks at every image in its eight orientations."""

    def __init__(self, network: Network) -> None:
        self.network = network

    def predict(self, array: np.ndarray, pixel_size: float) -> np.ndarray:
        """Return probabilities (y, x)."""
        return self.network.predict(array, pixel_size, symmetries=8)


def scores(networks: Sequence[Network], folder: str | None) -> list[Evaluation]:
    """Return what each network scores on a folder of labelled micrographs."""
    pairs = [(pair.micrograph, pair.mask) for pair in labelled_pairs(folder)]
    return [evaluate(Turned(network), pairs) for network in networks]


def table(name: str, found: Sequence[Evaluation]) -> list[str]:
    """Return the lines that tell of one set of micrographs."""
    first = found[0]
    lines = [f"### {name}: {len(first.table)} micrographs", ""]
    lines += ["| score | this network | 95 % interval |", "|---|---|---|"]
    for kind, words in KINDS.items():
        interval = first.intervals[kind]
        lines.append(f"| {words} | {interval.value:.3f} | {interval.low:.3f} to {interval.high:.3f} |")
    pairs = zip(first.table["name"], first.table["particle_f1"], strict=True)
    each = ", ".join(f"{Path(str(name)).stem} {value:.2f}" for name, value in pairs)
    lines += ["", f"One by one (particle F1): {each}.", ""]
    if len(found) > 1:
        values = [one.intervals["particle_f1"].value for one in found]
        spread = f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}"
        lines += [f"{len(found)} seeds of the same training: particle F1 {spread} (mean and standard deviation).", ""]
    return lines


def card(name: str, networks: Sequence[Network], hrtem: str | None) -> str:
    """Return the card."""
    network = networks[0]
    recipe, record = Recipe.read(f"reference-{name}"), network.record
    history, training = network.history, record["training"]
    crops = training["crops"]
    last = history[-1]
    held = [key for key in last if key.startswith("validation_f1")]
    minimum = next(one.to_dict()["minimum"] for one in recipe.labels if one.rule == record["rule"])
    seen = len(history) * training["images_per_epoch"]
    before, first = "", []
    start = record.get("start")
    if start and name == "general":
        earlier = start["record"]
        fewer = earlier["data"]["recipe"]["structures"]["count"]
        crops_before = len(earlier["history"]) * earlier["training"]["images_per_epoch"]
        before = f" Before, it learnt from {crops_before} crops of the first {fewer} of them."
        first = [
            f"exitwave generate reference-{name} data --count {fewer}",
            f"exitwave train data --spec reference --seed {earlier['seed']} -o first.safetensors",
        ]
    elif start:
        before = " Before, it learnt what `general` did" + (
            "." if start["identity"] == Network.load("general").identity else f" (identity {start['identity']})."
        )
    again = ", then ".join(
        f"`{line}`" for line in [*first, f"exitwave generate reference-{name} data", last_step(name, record)]
    )
    lines = [
        f"# The reference network `{name}`",
        "",
        "Particles on micrographs, from simulation alone:"
        f' `Network.load("{name}")`, `exitwave segment --network {name}`.',
        "",
        f"- **Network:** {network.net.name}, width {network.net.width:g}, {network.net.norm} normalisation, heads"
        f" {', '.join(network.net.heads)}; weights in 16 bits.",
        f"- **Works at** {network.pixel_size:g} Å/px; micrographs are resampled to it. Meant for 0.2 to 0.6 Å/px.",
        f"- **Learnt from** {recipe.structures.count} structures of the recipe `reference-{name}`, imaged anew while"
        f" it learnt: {seen} crops of {crops['size']} px. Label: {record['rule']} of particles above {minimum:g} Å."
        f"{before}",
        f"- **Again:** {again}.",
        "- **No real micrograph** had a part in training, nor in the choice of the epoch, which is the last.",
        "",
        "## Scores",
        "",
        "Every micrograph in eight orientations (`symmetries=8`); intervals from micrographs drawn with replacement.",
        "",
    ]
    if "Au" not in str(record["data"]["recipe"]):
        lines += [
            "Of its materials, no labelled micrographs are at hand: what follows is of simulated images alone.",
            "",
        ]
    else:
        if hrtem is not None:
            lines += table("HRTEM of gold on carbon (not shipped)", scores(networks, hrtem))
        lines += table("Bright field, shipped (labels close to a threshold)", scores(networks, None))
    lines += ["### Simulated structures held out", "", "| images | F1 of crops |", "|---|---|"]
    lines += [f"| {_group(key)} | {last[key]:.3f} |" for key in held]
    lines += ["", "## Curves", "", "| epoch | loss | loss on held-out images | their F1 |", "|---|---|---|---|"]
    step = max(1, len(history) // 8)
    for row in [*history[:-1:step], last]:
        lines.append(
            f"| {row['epoch']:.0f} | {row['loss']:.3f} | {row['validation_loss']:.3f} | {row['validation_f1']:.3f} |"
        )
    lines += [
        "",
        "## Limits",
        "",
        "- Made for crystalline particles of 6 Å to 40 Å radius on amorphous carbon; other supports, thick stacks of"
        " particles, and scanning or diffraction-contrast images were not in the training.",
        *([] if name == "general" else ["- For particles of other materials take `general`."]),
        "- Outlines are where particles are thicker than 5 Å. Hand-drawn labels lie up to 2 Å inside or outside.",
        "- Small particles at low dose (below some 100 e/Å²) are found too large or not at all; look at the"
        " confidence.",
        "- Of particles in clumps, some 27 % are found together with a neighbour, and of touching particles below"
        " 10 Å radius most; some rods are cut.",
        "- The pixel size must be known within 20 %. `exitwave segment` says where an image is unlike the training.",
        "",
    ]
    return "\n".join(lines)


def last_step(name: str, record: Mapping[str, Any]) -> str:
    """Return the command that trained a network, of what came last."""
    command = f"exitwave train data --spec reference --seed {record['seed']}"
    if "start" not in record:
        return command
    command += f" --start {'first.safetensors' if name == 'general' else 'general'} --epochs {len(record['history'])}"
    rate, usual = record["training"]["learning_rate"], Training().learning_rate / 10
    return command if math.isclose(rate, usual) else f"{command} --learning-rate {rate:g}"


def _group(key: str) -> str:
    return key.partition(":")[2] or "like the training"


def main() -> None:
    """Read the command line and write the card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name")
    parser.add_argument("others", nargs="*", type=Path)
    parser.add_argument("--hrtem")
    given = parser.parse_args()
    networks = [Network.load(given.name), *(Network.load(path) for path in given.others)]
    place = reference_file(given.name).with_suffix(".md")
    place.write_text(card(given.name, networks, given.hrtem), encoding="utf-8")
    print(f"Wrote {place}.")


if __name__ == "__main__":
    main()
