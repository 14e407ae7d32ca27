"""How the manual is built: no network, no warnings, every example executed."""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib as mpl

import exitwave

mpl.use("agg")
sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "exitwave"
author = "The exitwave developers"
copyright = "2026, The exitwave developers"
version = release = exitwave.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "sphinx_gallery.gen_gallery",
    "docstrings",
    "commands",
    "studies",
]
exclude_patterns = ["_build", "examples", "gallery/*.ipynb"]
templates_path = ["_templates"]
suppress_warnings = ["config.cache"]  # the gallery's settings hold functions

html_theme = "pydata_sphinx_theme"
html_title = "exitwave"
html_static_path = ["_static"]
html_css_files = ["exitwave.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "logo": {"text": "exitwave"},
    "navbar_end": ["theme-switcher"],
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "show_prev_next": False,
}
html_context = {"default_mode": "light"}

autosummary_generate = True
autosummary_imported_members = True  # a package's table of contents is its __all__
autosummary_ignore_module_all = False
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_custom_sections = ["Source"]
napoleon_use_ivar = True

sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"/\d",
    "ignore_pattern": r"__init__\.py",
    "within_subsection_order": "FileNameSortKey",
    "abort_on_example_error": True,
    "only_warn_on_example_error": False,
    "download_all_examples": False,
    "show_memory": False,
    "min_reported_time": 1e9,  # how long it took on our machine says nothing about yours
    "show_signature": False,
    "remove_config_comments": True,
    "matplotlib_animations": False,
    "write_computation_times": False,
    "image_scrapers": ("figures.shown",),
    "ignore_repr_types": r"matplotlib\.figure\.Figure",
    "plot_gallery": True,
}
