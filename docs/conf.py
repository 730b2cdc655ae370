"""Sphinx configuration."""

from __future__ import annotations

import os
import sys
import tempfile
import warnings
from pathlib import Path

# AiiDA makes a configuration folder when it is imported; the user's own stays untouched.
_aiida_folder = tempfile.TemporaryDirectory(prefix="redoxmlp-docs-")
os.environ["AIIDA_PATH"] = _aiida_folder.name
sys.path.insert(0, str(Path(__file__).parent / "_ext"))

warnings.filterwarnings("ignore", message="Creating AiiDA configuration folder")

# AIIDA_PATH has to be set before anything imports AiiDA.
from aiida.common.warnings import AiidaDeprecationWarning  # noqa: E402
from aiida.manage.configuration import get_config  # noqa: E402

from aiida_redoxmlp import __version__  # noqa: E402

get_config(create=True)  # it sets a warnings filter of its own, so it has to come before ours
warnings.simplefilter("ignore", AiidaDeprecationWarning)  # autodoc looks at every attribute, the deprecated ones too

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
