"""``python -m exitwave`` is the command line."""

from exitwave.cli import main

main()
