"""Make 8000 images and train a full-width network on them in one command, and tell what each stage took.

    python scripts/paper_scale.py out/                                    # the paper's scale, on a GPU
    python scripts/paper_scale.py out/ --images 16 --small --epochs 1     # the same path on a CPU, in a minute or two

The images are those of the recipe ``paper-optimized-gold``, four of each structure; the network, its crops and its
training are those of the paper (UNet with a ResNet-18 encoder, 512 × 512 px at 0.2 Å, batches of 16, 25 epochs).
Interrupted and run again, it goes on, and the times add up. ``out/stages.json`` holds what it prints.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

SMALL = {"sampling": 0.4, "potential_sampling": 0.2, "slice_thickness": 4, "configurations": 1}


def main() -> None:
    """Read the options, make the data, train, and print the table of stages."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    parser.add_argument("--images", type=int, default=8000)
    parser.add_argument("--epochs", type=int, default=25)
    parser.add_argument("--small", action="store_true", help="0.4 Å/px, an eighth of the width, crops of 64 px")
    parser.add_argument("--device", help="cuda, cpu; a GPU if there is one")
    parser.add_argument("--workers", type=int, help="processes that build structures; one per core if not given")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    stages, facts = run(options)
    total = sum(stages.values())
    for stage, seconds in stages.items():
        print(f"{stage:<12} {seconds:9.1f} s  {seconds / total:6.1%}")
    print(f"{'all':<12} {total:9.1f} s   {', '.join(f'{name} {value}' for name, value in facts.items())}")


def run(options: argparse.Namespace) -> tuple[dict[str, float], dict[str, Any]]:
    """Return the seconds of every stage, and what was made, by whom."""
    import torch

    from exitwave.core import cores
    from exitwave.dataset import generate
    from exitwave.learning import train
    from exitwave.learning.study_data import stage_seconds

    device = options.device or ("cuda" if torch.cuda.is_available() else "cpu")
    note = options.output / "stages.json"
    spent = json.loads(note.read_text()) if note.exists() else {"data": 0.0, "training": 0.0}
    workers = options.workers or cores()
    start = time.perf_counter()
    try:
        data = generate(
            recipe(options.images, options.small), options.output / "data",
            workers=workers, device=None if device == "cpu" else device, progress=told(),
        )  # fmt: skip
    finally:
        spent["data"] += time.perf_counter() - start
        keep(note, spent)
    start = time.perf_counter()
    try:
        network = train(
            data, seed=options.seed, folder=options.output / "training", device=device, progress=told(),
            **training(options.epochs, options.small, device),
        )  # fmt: skip
    finally:
        spent["training"] += time.perf_counter() - start
        keep(note, spent)
    network.save(options.output / "network.safetensors")
    waited = float(network.record["run"].get("waited_for_data", 0.0))
    stages = stage_seconds(options.output / "data", spent["data"])
    stages["batches"] = waited * spent["training"]
    stages["training"] = (1 - waited) * spent["training"]
    keep(note, spent | {"stages": stages})
    name = torch.cuda.get_device_name() if device.startswith("cuda") else f"{workers} cores"
    f1 = max(row["validation_f1"] for row in network.history)
    return stages, {"images": len(data), "held-out F1": f"{f1:.3f}", "on": name}


def recipe(images: int, small: bool) -> Any:
    """Return the recipe for so many images."""
    from exitwave.dataset import Recipe

    whole = Recipe.read("paper-optimized-gold")
    count = max(2, -(-images // whole.images.per_structure))
    shard = min(whole.store.structures_per_shard, max(1, count // 4))
    return whole.replace(
        structures=whole.structures.replace(count=count),
        scattering=whole.scattering.replace(**SMALL) if small else whole.scattering,
        store=whole.store.replace(structures_per_shard=shard),
    )


def training(epochs: int, small: bool, device: str) -> dict[str, Any]:
    """Return the fields of the training: the paper's, or small ones."""
    fields: dict[str, Any] = {
        "epochs": epochs,
        "batch": 16,
        "schedule": "paper",
        "net": {"name": "resnet_unet", "width": 1},
        "crops": {"size": 512, "pixel_size": 0.2, "scale": 1},
        "held_out": 0.25,
        "precision": "bf16-mixed" if device.startswith("cuda") else "32",
    }
    if small:
        fields |= {"batch": 4, "net": {"width": 0.125}, "crops": {"size": 64, "pixel_size": 0.4}}
    return fields


def told() -> Any:
    """Return a reporter that prints a line every ten seconds."""
    last: dict[str, float] = {}

    def report(state: Any) -> None:
        if state.elapsed - last.get(state.stage, -10.0) >= 10 or state.done == state.total:
            last[state.stage] = state.elapsed
            print(f"{state.stage}: {state.done}/{state.total}, {state.elapsed:.0f} s", flush=True)

    return report


def keep(path: Path, spent: dict[str, Any]) -> None:
    """Write what was spent."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(spent, indent=1) + "\n")


if __name__ == "__main__":
    main()
