"""The directive ``commands``: the help of every command, as the command line prints it."""

from __future__ import annotations

import re
from typing import ClassVar

from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.application import Sphinx
from typer.main import get_command
from typer.testing import CliRunner

from exitwave.cli.app import app as commands


class Commands(Directive):
    """One section for each command: its name and its help."""

    has_content = False
    option_spec: ClassVar[dict[str, object]] = {}

    def run(self) -> list[nodes.Node]:
        """Return the sections."""
        sections: list[nodes.Node] = []
        for name in get_command(commands).commands:  # type: ignore[attr-defined]
            result = CliRunner().invoke(commands, [name, "--help"], prog_name="exitwave", env={"COLUMNS": "74"})
            text = re.sub(r"\x1b\[[0-9;]*m", "", result.output).strip("\n")
            section = nodes.section(ids=[f"command-{name}"], names=[f"command-{name}"])
            section += nodes.title(text=f"exitwave {name}")
            section += nodes.literal_block(text, text, language="none")
            sections.append(section)
        return sections


def setup(app: Sphinx) -> dict[str, bool]:
    """Add the directive."""
    app.add_directive("commands", Commands)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
