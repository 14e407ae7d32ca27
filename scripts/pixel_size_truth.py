"""How often the pixel size that lattice fringes tell is right, on simulated images whose size is known.

    python scripts/pixel_size_truth.py DATASET [DATASET …] [--material Au CdSe …]

Each image alone, and four neighbouring ones together, of the samples whose particles are all of one of the materials.
Tells, by the probability of the likeliest size, how many are right to 5 %, and of these the standard deviation of
(found - true) / error; and how many of all images ``segment`` would doubt.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict

import numpy as np

from exitwave.dataset import Dataset
from exitwave.micrographs.pixel_size import narrow_fringes, sizes_from_peaks
from exitwave.micrographs.tiles import tile_peaks
from exitwave.structure import materials

STEPS = (0.99, 0.95, 0.8, 0.5, 0.0)


def crystal_of(record: dict) -> str | None:
    """Return the material of a sample's particles, if it is one."""
    text = json.dumps(record["structure"], default=str)
    found = {name for name in materials() if f'"material": "{name}"' in text and name != "a-C"}
    return found.pop() if len(found) == 1 else None


def main() -> None:
    """Read the data sets, and print what was right."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("datasets", nargs="+")
    parser.add_argument("--material", nargs="+", default=["Au", "CdSe", "CdSe-zincblende"])
    chosen = parser.parse_args()
    doubted = images = 0
    rows = defaultdict(list)
    for folder in chosen.datasets:
        peaks = defaultdict(list)
        for sample in Dataset(folder):
            images += 1
            doubted += bool(narrow_fringes(sample.image))
            crystal = crystal_of(sample.record)
            if crystal in chosen.material:
                peaks[crystal, sample.image.pixel_size].append(tile_peaks(sample.image))
        for (crystal, true), found in peaks.items():
            together = [found[start : start + 4] for start in range(0, len(found), 4)]
            for group in [[one] for one in found] + together:
                best = sizes_from_peaks(group, crystal).head(1).to_dict("records")
                for row in best:
                    step = next(step for step in STEPS if row["probability"] >= step)
                    off = row["pixel_size_angstrom"] - true
                    rows[step].append((abs(off) < 0.05 * true, off / row["error_angstrom"]))
    for step in STEPS:
        right = [pull for good, pull in rows[step] if good]
        spread = f"{np.std(right):.1f} errors off" if right else ""
        print(f"probability from {step}: {len(right)} of {len(rows[step])} right {spread}")
    print(f"doubted: {doubted} of {images} images")


if __name__ == "__main__":
    main()
