"""How often the pixel size that lattice fringes tell is right, on simulated images whose size is known.

    python scripts/pixel_size_truth.py DATASET [DATASET …] [--material Au CdSe …]

Each image alone, and four neighbouring ones together, of the samples whose particles are all of one of the materials.
Tells, by the probability of the likeliest size, how many are right to 5 %, and of these the standard deviation of
(found - true) / error; and how many of all images ``segment`` would doubt. Then, of groups of six images of one
crystal, what calibration makes of them with all crystals of reference-general to choose from.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict

import numpy as np
import pandas as pd

from exitwave.dataset import Dataset, Recipe
from exitwave.micrographs.calibration.spacings import crystals, likely_crystals, peak_table, pixel_note
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
    rows, tables = defaultdict(list), defaultdict(list)
    for folder in chosen.datasets:
        peaks = defaultdict(list)
        for sample in Dataset(folder):
            images += 1
            doubted += bool(narrow_fringes(sample.image))
            crystal = crystal_of(sample.record)
            if crystal is None:
                continue
            found, size = tile_peaks(sample.image), sample.image.pixel_size
            tables[crystal].append(peak_table(found, size, str(images)))
            if crystal in chosen.material:
                peaks[crystal, size].append(found)
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

    tell_crystals(tables)


def tell_crystals(tables: dict[str, list[pd.DataFrame]]) -> None:
    """Print what calibration makes of groups of images, crystal by crystal."""
    names = crystals(Recipe.read("reference-general"))
    rows = []
    for crystal, found in sorted(tables.items()):
        for start in range(0, len(found) - 5, 6):
            group = pd.concat(found[start : start + 6], ignore_index=True)
            kept = likely_crystals(group, names)
            note = pixel_note(stretched(group, 1.045), [crystal])
            percent = float(note.split("pixels are ")[1].split("%")[0]) if "larger" in note else 0.0
            rows.append(
                {
                    "crystal": crystal, "groups": 1, "cut": bool(kept), "with the right one": crystal in kept,
                    "kept": len(kept), "told off": bool(pixel_note(group, [crystal])),
                    "told off by 4.5 %": bool(note), "right to 1.5 %": abs(percent - 4.5) < 1.5,
                }
            )  # fmt: skip
    table = pd.DataFrame(rows).groupby("crystal").sum()
    print(pd.concat([table, table.sum().rename("all").to_frame().T]).to_string())


def stretched(table: pd.DataFrame, factor: float) -> pd.DataFrame:
    """Return peaks as they are with pixels stated too small by a factor."""
    frequencies = table[["frequency", "resolution", "lowest", "highest"]] * factor
    return table.assign(spacing_angstrom=table["spacing_angstrom"] / factor, **frequencies)


if __name__ == "__main__":
    main()
