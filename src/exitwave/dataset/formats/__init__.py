"""Formats of other programs: data sets written in them and read from them."""

from exitwave.dataset.formats.base import Format, file_format, formats
from exitwave.dataset.formats.transfer import export, import_images

__all__ = ["Format", "export", "file_format", "formats", "import_images"]
