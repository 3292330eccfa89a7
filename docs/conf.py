"""Sphinx settings for the manual: ``make docs`` builds it into ``build/docs`` and fails on any warning."""

from __future__ import annotations

import re

import click
from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx

from promptsync import __version__
from promptsync.cli import group

project = "promptsync"
author = "the promptsync contributors"
version = release = __version__

extensions = ["myst_parser", "sphinx_click"]
root_doc = "index"
html_theme = "furo"
html_title = "promptsync"
html_static_path = ["_static"]
html_css_files = ["prompts.css"]
html_show_copyright = False
myst_heading_anchors = 3
smartquotes = False  # they turn the -- of options into a dash

SHARED = {parameter.opts[0] for parameter in group.params if parameter.name != "version"}
OPTION = re.compile(r"\.\. option:: (\S+?),?(\s|$)")
MARKUP = re.compile(r"([*`|\\]|_\b)")
BESIDE_THE_README = re.compile(r"[A-Z]+(\.md)?")
"""Files that the README links and the site does not have, such as CONTRIBUTING.md."""


def escape(app: Sphinx, context: click.Context, lines: list[str]) -> None:
    """Help texts are plain text: escape what Sphinx would take for markup, and show examples as code."""
    escaped: list[str] = []
    in_example = False
    for line in lines:
        if line.startswith("| "):  # a paragraph that click does not rewrap
            if not in_example:
                escaped += ["", ".. code-block:: text", ""]
            escaped.append(f"   {line[2:]}")
        elif line.lstrip().startswith(("..", ":")):
            escaped.append(line)
        else:
            escaped.append(MARKUP.sub(r"\\\1", line))
        in_example = line.startswith("| ")
    lines[:] = escaped


def leave_out_shared(app: Sphinx, context: click.Context, lines: list[str]) -> None:
    """Describe the options that every command takes once, not with every command."""
    kept: list[str] = []
    shown = True
    for line in lines:
        if option := OPTION.match(line):
            shown = context.parent is None or option[1] not in SHARED
        if shown:
            kept.append(line)
    lines[:] = kept


def show_files_by_name(app: Sphinx, doctree: nodes.document) -> None:
    for link in list(doctree.findall(addnodes.pending_xref)):
        if BESIDE_THE_README.fullmatch(link["reftarget"]):
            link.replace_self(link.children)


def setup(app: Sphinx) -> None:
    app.connect("doctree-read", show_files_by_name)
    for event in ("description", "options", "arguments", "epilog"):
        app.connect(f"sphinx-click-process-{event}", escape)
    app.connect("sphinx-click-process-options", leave_out_shared)
