"""Copies the tables and figures of finished studies into this folder, where the page on the paper takes them from.

python docs/paper/collect.py OUTPUT      # the folder given to `exitwave study … -o OUTPUT`
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from PIL import Image

HERE = Path(__file__).parent
FILES = ("summary.csv", "differences.csv", "stages.csv", "scores.png")


def collect(output: Path) -> list[Path]:
    """Copy what is there of every study, and return what was written."""
    written = []
    for summary in sorted(output.glob("*/summary.csv")):
        target = HERE / summary.parent.name
        target.mkdir(exist_ok=True)
        there = [name for name in FILES if (summary.parent / name).is_file()]
        written += [Path(shutil.copyfile(summary.parent / name, target / name)) for name in there]
        if (picture := summary.parent / "segmentations.png").is_file():  # noisy, and so large as PNG
            written.append(target / "segmentations.jpg")
            Image.open(picture).convert("RGB").save(written[-1], quality=85)
    return written


if __name__ == "__main__":
    for path in collect(Path(sys.argv[1])):
        print(path)
