"""Reports: one HTML page that holds everything it shows and needs nothing from outside."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from exitwave.core.errors import ExitwaveError
from exitwave.core.files import write_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Section", "write_page"]


@dataclass(frozen=True, eq=False)
class Section:
    """One part of a report: a heading, and under it text, figures and a table, each where there is one.

    Parameters
    ----------
    title
        The heading.
    text
        A paragraph or several, parted by empty lines.
    figures
        Matplotlib figures by what they show, which is their caption and their text for screen readers.
    rows
        Rows of a table: mappings with equal keys, which are its heads. Numbers are shown with four digits.
    code
        Text that is shown as it is, a recipe say.
    """

    title: str
    text: str = ""
    figures: Mapping[str, Figure] = field(default_factory=dict)
    rows: Sequence[Mapping[Any, Any]] = ()
    code: str = ""


def write_page(
    path: Path, title: str, lead: str, sections: Sequence[Section], *, error: type[ExitwaveError] = ExitwaveError
) -> Path:
    """Write a report, whole or not at all, and return its path.

    Parameters
    ----------
    path
        The HTML file.
    title, lead
        Its heading, and the sentence under it.
    sections
        What it shows.
    error
        What to raise where it cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> place = Path(tempfile.mkdtemp()) / "report.html"
    >>> page = write_page(place, "Scores", "Of one network.", [Section("F1", rows=[{"image": "a", "F1": 0.91234}])])
    >>> "0.9123" in page.read_text(), "<script" in page.read_text()
    (True, False)
    """
    from jinja2 import Environment, StrictUndefined

    source = (resources.files("exitwave.core") / "page.html.j2").read_text(encoding="utf-8")
    shown = [
        {
            "title": section.title,
            "paragraphs": [part for part in section.text.split("\n\n") if part.strip()],
            "figures": [
                {"caption": caption, "data": _encoded(figure)} for caption, figure in section.figures.items()
            ],
            "heads": list(section.rows[0]) if section.rows else [],
            "rows": [[_cell(value) for value in row.values()] for row in section.rows],
            "code": section.code,
        }
        for section in sections
    ]
    template = Environment(autoescape=True, undefined=StrictUndefined).from_string(source)
    html = template.render(title=title, lead=lead, sections=shown)
    return write_whole(path, html.encode(), error=error, parents=True)


def _encoded(figure: Figure) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=130)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def _cell(value: Any) -> dict[str, Any]:
    value = value.item() if hasattr(value, "item") else value  # of numpy
    if isinstance(value, bool) or value is None:
        return {"text": {True: "yes", False: "no", None: "–"}[value], "number": False}
    if isinstance(value, int):
        return {"text": f"{value:,}", "number": True}
    if isinstance(value, float):
        return {"text": "–" if value != value else f"{value:.4g}", "number": True}
    return {"text": str(value), "number": False}
