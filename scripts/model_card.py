"""Writes the card of a reference network, scores and curves included, beside its weights.

    python scripts/model_card.py general [NETWORK.safetensors …] [--hrtem FOLDER] [--unseen DATASET]

Further networks are other seeds of the same training: the card then tells how much the seed matters. FOLDER holds
labelled HRTEM micrographs; without it, the card tells of the micrographs that come with exitwave alone. DATASET is
where structures of the same recipe that no training saw are generated, if they are not there.
"""

from __future__ import annotations

import argparse
import math
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from exitwave.core import Stream
from exitwave.dataset import Recipe, generate
from exitwave.learning import Evaluation, Network, Training, evaluate, particle_f1
from exitwave.learning.prepare import HELD_OUT, held_out_crops
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


def unseen(network: Network, recipe: Recipe, folder: str | Path, count: int = 64) -> dict[str, float]:
    """Return the F1 on crops of structures that no training saw, by group of images."""
    structures, seed = recipe.structures.replace(count=count), (Stream(recipe.seed) / "unseen").integer() % 2**62
    data = generate(recipe.replace(seed=seed, structures=structures), folder)
    spec, rule = Training.model_validate(network.record["training"]), network.record["rule"]
    groups = held_out_crops(data, np.arange(len(data)), spec, rule, Stream(recipe.seed), torch.device("cpu"))
    scores = {}
    for name, crops in groups.items():
        found = [network.predict(image.numpy(), network.pixel_size) >= 0.5 for image in crops.images[:, 0]]
        true = np.concatenate(crops.labels.numpy()) > 0
        scores["like the training" if name == HELD_OUT else name] = particle_f1(np.concatenate(found), true)
    return scores


def stages(record: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the records of the trainings on one kind of structures that led to a network, the first one first."""
    trainings = [record]
    while "start" in trainings[0] and _kind(trainings[0]["start"]["record"]) == _kind(record):
        trainings.insert(0, trainings[0]["start"]["record"])
    return trainings


def commands(name: str, trainings: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what makes such a network again, all of it with the recipe as it is now."""
    lines, made, files = [], 0, ["general", "first.safetensors", "second.safetensors", "third.safetensors"]
    whole = Recipe.read(f"reference-{name}").structures.count
    for place, record in enumerate(trainings):
        count = record["data"]["recipe"]["structures"]["count"]
        if count != made:
            lines.append(f"exitwave generate reference-{name} data" + (f" --count {count}" if count != whole else ""))
        made = count
        command = f"exitwave train data --spec reference --seed {record['seed']}"
        if "start" in record:
            command += f" --start {files[place]} --epochs {len(record['history'])}"
            rate = record["training"]["learning_rate"]
            if not math.isclose(rate, Training().learning_rate / 10):
                command += f" --learning-rate {rate:g}"
        lines.append(command + (f" -o {files[place + 1]}" if place + 1 < len(trainings) else ""))
    return lines


def told(trainings: Sequence[Mapping[str, Any]]) -> str:
    """Return what each of several trainings saw, and in what the earlier ones' recipe was another."""
    if len(trainings) == 1:
        return ""
    parts, seeds = [], set[int]()
    for record in trainings:
        crops = len(record["history"]) * record["training"]["images_per_epoch"]
        new = "other " if seeds and record["data"]["recipe"]["seed"] not in seeds else ""
        seeds.add(record["data"]["recipe"]["seed"])
        parts.append(f"{crops} of {record['data']['recipe']['structures']['count']} {new}structures")
    now = _flat(trainings[-1]["data"]["recipe"])
    other = {
        key for one in trainings[:-1] for key, value in _flat(one["data"]["recipe"]).items() if now[key] != value
    }
    changed = f" The recipe's {', '.join(sorted(other - {'structures.count'}))} changed on the way." if other else ""
    return f" One training after the other: {', then '.join(parts)}.{changed}"


def _kind(record: Mapping[str, Any]) -> dict[str, Any]:
    return {**record["data"]["recipe"]["structures"], "count": None}


def _flat(content: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    """Return the values of nested mappings by their paths."""
    flat: dict[str, Any] = {}
    for key, value in content.items():
        deeper = isinstance(value, Mapping) and not path.count(".")
        flat |= _flat(value, f"{path}{key}.") if deeper else {f"{path}{key}": value}
    return flat


def card(name: str, networks: Sequence[Network], hrtem: str | None, folder: str | Path) -> str:
    """Return the card."""
    network = networks[0]
    recipe, record = Recipe.read(f"reference-{name}"), network.record
    history = network.history
    minimum = next(one.to_dict()["minimum"] for one in recipe.labels if one.rule == record["rule"])
    trainings = stages(record)
    seen = [len(one["history"]) * one["training"]["images_per_epoch"] for one in trainings]
    before = told(trainings)
    if start := trainings[0].get("start"):
        before += " Before, it learnt what `general` did" + (
            "." if start["identity"] == Network.load("general").identity else f" (identity {start['identity']})."
        )
    again = ", then ".join(f"`{line}`" for line in commands(name, trainings))
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
        f" it learnt: {sum(seen)} crops of {record['training']['crops']['size']} px.{before}",
        f"- **Label:** {record['rule']} of particles above {minimum:g} Å.",
        f"- **Again,** with the recipe as it is now: {again}.",
        "- **No real micrograph** had a part in training, nor in the choice of the epoch, which is the last. But"
        " what the recipe draws was chosen by looking at those that are scored (see the manual).",
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
    lines += [
        "### Simulated structures that no training saw",
        "",
        "64 structures of the same recipe, drawn with another seed.",
        "",
        "| images | F1 of crops |",
        "|---|---|",
    ]
    lines += [f"| {group} | {value:.3f} |" for group, value in unseen(network, recipe, folder).items()]
    lines += ["", "## Curves", ""]
    if len(trainings) > 1:
        lines += ["Of the last training.", ""]
    lines += ["| epoch | loss | loss on held-out images | their F1 |", "|---|---|---|---|"]
    step = max(1, len(history) // 8)
    for row in [*history[:-1:step], history[-1]]:
        lines.append(
            f"| {row['epoch']:.0f} | {row['loss']:.3f} | {row['validation_loss']:.3f} | {row['validation_f1']:.3f} |"
        )
    lines += [
        "",
        "## Limits",
        "",
        "- Made for crystalline particles of 6 Å to 36 Å radius on amorphous carbon; other supports, thick stacks of"
        " particles, and scanning or diffraction-contrast images were not in the training.",
        *([] if name == "general" else ["- For particles of other materials take `general`."]),
        "- Outlines are where particles are thicker than 5 Å. Hand-drawn labels lie up to 2 Å inside or outside.",
        "- Small particles at low dose (below some 100 e/Å²) are found too large or not at all; look at the"
        " confidence.",
        "- Of particles in clumps, some 20 % are found together with a neighbour, and of touching particles below"
        " 10 Å radius most; some rods are cut.",
        "- The pixel size must be known within 20 %. `exitwave segment` says where an image is unlike the training.",
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    """Read the command line and write the card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name")
    parser.add_argument("others", nargs="*", type=Path)
    parser.add_argument("--hrtem")
    parser.add_argument("--unseen", type=Path)
    given = parser.parse_args()
    networks = [Network.load(given.name), *(Network.load(path) for path in given.others)]
    place = reference_file(given.name).with_suffix(".md")
    with tempfile.TemporaryDirectory() as scratch:
        text = card(given.name, networks, given.hrtem, given.unseen or Path(scratch) / "data")
    place.write_text(text, encoding="utf-8")
    print(f"Wrote {place}.")


if __name__ == "__main__":
    main()
