"""How Sphinx builds these pages: ``make docs``."""

from __future__ import annotations

import configparser
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "docs" / "extensions"))

metadata = configparser.ConfigParser()
metadata.read(ROOT / "setup.cfg", encoding="utf-8")

project = metadata["metadata"]["name"]
release = version = metadata["metadata"]["version"]
author = metadata["metadata"]["author"]
copyright = author  # noqa: A001 - the name is Sphinx's

extensions = ["sphinx.ext.autodoc", "sessionware_docs"]
exclude_patterns = ["extensions"]
html_theme = "furo"
html_static_path = ["static"]
html_css_files = ["tables.css"]
html_title = f"{project} {release}"

# Names in double backquotes are names: neither quotes nor dashes in them are made typographic.
smartquotes = False
nitpicky = True
autodoc_preserve_defaults = True
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"exclude-members": "__init__, __new__"}
