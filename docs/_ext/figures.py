"""Takes the figures that a block of an example ends with: ``show()`` returns them, nothing draws them on a screen."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure
from sphinx_gallery.scrapers import figure_rst


def shown(block: tuple[str, str, int], block_vars: dict[str, Any], gallery_conf: dict[str, Any]) -> str:
    """Save the figure that is the value of the block's last line, and return the reST that shows it."""
    names = block_vars["example_globals"]
    value = names.get("___")
    if not isinstance(value, Figure):
        return ""
    names["___"] = None  # shown once
    path = next(block_vars["image_path_iterator"])
    value.savefig(path, dpi=110, bbox_inches="tight", facecolor="white")
    return str(figure_rst([path], gallery_conf["src_dir"]))
