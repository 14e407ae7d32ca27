"""The directive ``studies``: what the shipped studies ask, and the tables and figures of those that were run."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from docutils import nodes
from docutils.parsers.rst import Directive, directives
from sphinx.application import Sphinx

from exitwave.learning import Study, shipped_studies

RESULTS = Path(__file__).parents[1] / "paper"
"""One folder for each study that was run, as ``docs/paper/collect.py`` copies them."""
_OPEN = "not told apart"  # the verdict on a difference whose interval holds 0


class Studies(Directive):
    """One section for each study, in the order given, or for all that are shipped."""

    has_content = True
    option_spec: ClassVar[dict[str, object]] = {"scale": directives.unchanged_required}

    def run(self) -> list[nodes.Node]:
        """Return the sections."""
        names = [line.strip() for line in self.content if line.strip()] or list(shipped_studies())
        scale = str(self.options.get("scale", "small"))
        return [self._section(name, scale) for name in names]

    def _section(self, name: str, scale: str) -> nodes.section:
        study = Study.read(name)
        small = study.at(scale)
        section = nodes.section(ids=[f"study-{name}"], names=[f"study-{name}"])
        section += nodes.title(text=study.title)
        section += nodes.paragraph(text=study.question)
        if study.reported:
            section += _labelled("Reported: ", study.reported)
        for label, one in (("the paper's scale", study), (f"scale {scale}", small)):
            text = f"{len(one.conditions)} conditions, {len(one.runs)} networks."
            section += _labelled(f"At {label}: ", text)
        home = RESULTS / f"{name}-{scale}"
        if not (home / "summary.csv").is_file():
            section += _labelled("Results: ", "this study was not run for this page.")
            return section
        section += self._results(home)
        return section

    def _results(self, home: Path) -> list[nodes.Node]:
        found: list[nodes.Node] = []
        for paragraph in _text(home / "findings.txt"):
            found.append(_labelled("Found: " if not found else "", paragraph))
        summary = _rows(home / "summary.csv")
        where = f"/{home.relative_to(RESULTS.parent).as_posix()}"
        found += [
            nodes.image(uri=f"{where}/{picture}", alt=f"{Path(picture).stem} of the study {home.name}")
            for picture in ("scores.png", "segmentations.jpg")
            if (home / picture).is_file()
        ]
        text = "mean over networks (95 % interval), and how many failed."
        found += [_labelled("Particle F1: ", text), _table(_wide(summary, _score, keep="trained_on"))]
        differences = _rows(home / "differences.csv")
        if differences:
            told = [row for row in differences if row["verdict"] != _OPEN]
            text = f"{len(told)} of {len(differences)} differences from {differences[0]['reference']} exclude 0 (*)."
            found += [_labelled("Differences: ", text), _table(_wide(differences, _difference))]
        stages = ", ".join(
            f"{row['stage']} {float(row['seconds']) / 60:.0f} min ({float(row['share']):.0%})"
            for row in _rows(home / "stages.csv")
            if float(row["seconds"])
        )
        if stages:
            found.append(_labelled("Time of one core, what other studies have made included: ", f"{stages}."))
        return found


def _wide(rows: list[dict[str, str]], cell: Callable[[dict[str, str]], str], keep: str = "") -> list[dict[str, str]]:
    """Return one row for each condition, with a cell for each set of images."""
    wide: dict[str, dict[str, str]] = {}
    for row in rows:
        line = wide.setdefault(row["condition"], {"condition": row["condition"]})
        if keep:
            line[keep] = row[keep]
        line[row["images"]] = cell(row)
    return list(wide.values())


def _score(row: dict[str, str]) -> str:
    failed = f", {row['failed']} of {row['runs']} failed" if int(row["failed"]) else ""
    return f"{_number(row['mean'], '.3f')} ({_range(row, '.2f', '–')}){failed}"


def _difference(row: dict[str, str]) -> str:
    told = "" if row["verdict"] == _OPEN else " *"
    return f"{_number(row['difference'], '+.3f')} ({_range(row, '+.2f', ' to ')}){told}"


def _range(row: dict[str, str], form: str, between: str) -> str:
    return between.join(_number(row[end], form) for end in ("low", "high"))


def _number(text: str, form: str) -> str:
    return format(float(text), form) if text else "?"  # nothing, where no image counts


def _text(path: Path) -> list[str]:
    """Return the paragraphs of a file, none where there is no file."""
    if not path.is_file():
        return []
    return [" ".join(part.split()) for part in path.read_text(encoding="utf-8").split("\n\n") if part.strip()]


def _labelled(label: str, text: str) -> nodes.paragraph:
    return nodes.paragraph("", "", nodes.strong(text=label), nodes.Text(text))


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _table(rows: list[dict[str, str]]) -> nodes.table:
    heads = list(rows[0]) if rows else []
    group = nodes.tgroup(cols=len(heads))
    for _ in heads:
        group += nodes.colspec(colwidth=1)
    lines = [nodes.row("", *(nodes.entry("", nodes.paragraph(text=head.replace("_", " "))) for head in heads))]
    for values in rows:
        cells = (nodes.entry("", nodes.paragraph(text=values.get(head) or "–")) for head in heads)
        lines.append(nodes.row("", *cells))
    group += nodes.thead("", lines[0])
    group += nodes.tbody("", *lines[1:])
    return nodes.table("", group, classes=["colwidths-auto"])


def setup(app: Sphinx) -> dict[str, bool]:
    """Add the directive."""
    app.add_directive("studies", Studies)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
