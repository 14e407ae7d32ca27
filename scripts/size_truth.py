"""Tell how true sizes, counts and intervals of a network are: python scripts/size_truth.py NETWORK [-o FOLDER]."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from exitwave.dataset import generate
from exitwave.learning import Ensemble, Network
from exitwave.micrographs.truth import agglomerates, size_truth


def main() -> None:
    """Simulate agglomerates, segment them, and print and write the errors."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("network", type=Path, nargs="+", help="one network file, or several that vote")
    parser.add_argument("-o", "--output", type=Path, default=Path("size-truth"))
    parser.add_argument("--structures", type=int, default=80)
    parser.add_argument("--images", type=int, default=2, help="of each structure")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--symmetries", type=int, default=1)
    given = parser.parse_args()
    voters = [Network.load(path, device=given.device) for path in given.network]
    network = voters[0] if len(voters) == 1 else Ensemble(voters)
    recipe = agglomerates(given.structures, given.images, seed=given.seed)
    simulated = None if given.device == "cpu" else given.device
    data = generate(recipe, given.output / "data", workers=given.workers, device=simulated)
    found = size_truth(network, data, seed=given.seed, symmetries=given.symmetries)
    found.table.to_csv(given.output / "images.csv", index=False)
    (given.output / "truth.json").write_text(json.dumps(found.numbers(), indent=1))
    print(found)
    print(found.table.groupby("arrangement")[["true", "visible", "found", "mean_true_nm", "mean_found_nm"]].mean())
    print(f"asked: mean diameter within 3 %, count within 5 %, coverage {found.level:.0%}")


if __name__ == "__main__":
    main()
