"""The directive ``studies``: what the shipped studies ask, and the tables and figures of those that were run."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import ClassVar

from docutils import nodes
from docutils.parsers.rst import Directive, directives
from sphinx.application import Sphinx

from exitwave.learning import Study, shipped_studies

RESULTS = Path(__file__).parents[1] / "paper"
"""One folder for each study that was run, as ``docs/paper/collect.py`` copies them."""
SUMMARY = ("condition", "runs", "trained_on", "mean", "low", "high", "sd", "worst", "best")


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
        summary = _rows(home / "summary.csv")
        for judge in dict.fromkeys(row["images"] for row in summary):
            mine = [{key: row[key] for key in SUMMARY} for row in summary if row["images"] == judge]
            found += [nodes.paragraph("", "", nodes.strong(text=f"Particle F1, {judge}")), _table(mine)]
        for picture in ("scores", "segmentations"):
            if (home / f"{picture}.png").is_file():
                where = f"/{home.relative_to(RESULTS.parent).as_posix()}/{picture}.png"
                found.append(nodes.image(uri=where, alt=f"{picture} of the study {home.name}"))
        differences = _rows(home / "differences.csv")
        if differences:
            told = [row for row in differences if row["verdict"] != "not told apart"]
            text = f"{len(told)} of {len(differences)} differences from {differences[0]['reference']} exclude 0."
            found += [_labelled("Differences: ", text), _table(differences)]
        found += [_labelled("Time: ", "seconds on the machine that ran it."), _table(_rows(home / "stages.csv"))]
        return found


def _labelled(label: str, text: str) -> nodes.paragraph:
    return nodes.paragraph("", "", nodes.strong(text=label), nodes.Text(text))


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _table(rows: list[dict[str, str]]) -> nodes.table:
    """Return rows as a table, numbers with three digits after the point."""
    heads = list(rows[0]) if rows else []
    group = nodes.tgroup(cols=len(heads))
    for _ in heads:
        group += nodes.colspec(colwidth=1)
    lines = [nodes.row("", *(nodes.entry("", nodes.paragraph(text=head.replace("_", " "))) for head in heads))]
    for values in rows:
        cells = (nodes.entry("", nodes.paragraph(text=_cell(value))) for value in values.values())
        lines.append(nodes.row("", *cells))
    group += nodes.thead("", lines[0])
    group += nodes.tbody("", *lines[1:])
    return nodes.table("", group, classes=["colwidths-auto"])


def _cell(value: str) -> str:
    try:
        number = float(value)
    except ValueError:
        return value or "–"
    return value if number.is_integer() and "." not in value else f"{number:.3f}"


def setup(app: Sphinx) -> dict[str, bool]:
    """Add the directive."""
    app.add_directive("studies", Studies)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
