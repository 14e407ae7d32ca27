"""The command line: one thin module per command."""

from exitwave.cli.app import main

__all__ = ["main"]
