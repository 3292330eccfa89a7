"""Sphinx settings for the manual: ``make docs`` builds it into ``build/docs`` and fails on any warning."""

from promptsync import __version__

project = "promptsync"
author = "the promptsync contributors"
version = release = __version__

extensions = ["myst_parser", "sphinx_click"]
root_doc = "index"
html_theme = "furo"
html_title = "promptsync"
html_static_path = ["_static"]
html_css_files = ["prompts.css"]
templates_path: list[str] = []

myst_heading_anchors = 3
suppress_warnings: list[str] = []
