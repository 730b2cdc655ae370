"""Sphinx configuration."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

# AiiDA makes a configuration folder when it is imported; the user's own stays untouched.
os.environ["AIIDA_PATH"] = tempfile.mkdtemp(prefix="redoxmlp-docs-")
sys.path.insert(0, str(Path(__file__).parent / "_ext"))

from aiida_redoxmlp import __version__  # noqa: E402 - AIIDA_PATH has to be set before anything imports AiiDA

project = "aiida-redoxmlp"
author = "The aiida-redoxmlp developers"
copyright = author
version = release = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_click",
    "generated_reference",
]
exclude_patterns = ["_build", "_ext"]

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True

html_theme = "furo"
html_title = f"aiida-redoxmlp {__version__}"
html_static_path = ["_static"]
html_css_files = ["tables.css"]
