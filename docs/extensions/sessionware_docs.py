"""What the pages take from the package itself: the tables of the options, and links from the names in docstrings."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList

from sessionware.config.table import render_options


class OptionTables(Directive):
    """``option-tables``: every option with its default and its meaning, then those of the stores."""

    def run(self) -> list[nodes.Node]:
        lines = StringList(render_options().splitlines(), source="sessionware.config.table")
        found = nodes.Element()
        self.state.nested_parse(lines, self.content_offset, found)
        return list(found.children)


def link_by_last_name(app: Any, env: Any, node: Any, content: Any) -> Any:
    """A link to what is documented under the last part of a name.

    A docstring says ``StoreUnavailable``, and an annotation names the module in which a class is written; the
    reference has it under the module that exports it. A type in a signature may be of another package, and then stays
    text; what a docstring or a page links to must exist.
    """
    if node.get("refdomain") != "py":
        return None
    from sphinx.util.nodes import make_refnode

    name = node["reftarget"].rpartition(".")[2]
    objects = env.get_domain("py").objects
    documented = [full for full in objects if full.rpartition(".")[2] == name and objects[full].objtype != "method"]
    if not documented:
        is_in_signature = "refexplicit" not in node
        return content if is_in_signature else None
    found = objects[min(documented)]
    return make_refnode(app.builder, node["refdoc"], found.docname, found.node_id, content)


def setup(app: Any) -> dict[str, Any]:
    """What Sphinx calls."""
    app.add_directive("option-tables", OptionTables)
    app.connect("missing-reference", link_by_last_name)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
