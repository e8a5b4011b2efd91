"""What these pages need beyond Sphinx: the tables of the options, links from names, and signatures for a reader."""

from __future__ import annotations

import re
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


def link_page(app: Any, document: Any, page: str) -> None:
    """A link where a page is named as a file, ``docs/stores.rst``, for those who read it in the checkout."""
    from sphinx.util.nodes import make_refnode

    for literal in list(document.findall(nodes.literal)):
        named = re.fullmatch(r"(?:docs/)?([A-Za-z-]+)\.rst", literal.astext())
        target = named and named[1].lower()
        if target in app.env.found_docs and target != page and not isinstance(literal.parent, nodes.reference):
            literal.replace_self(make_refnode(app.builder, page, target, None, literal.deepcopy()))


#: What stands in the code for a default that a caller never writes, and the type that pages call by its name.
SHOWN = (("= _MISSING", "= …"), ("Annotated[float, 'duration']", "Duration"))
_EPOCH = re.compile(r"= datetime\.datetime\(1970, .*\.utc\)")


def shorten_signature(
    app: Any, what: str, name: str, found: Any, options: Any, signature: str | None, returned: str | None
) -> tuple[str | None, str | None]:
    """The signature without what only the code needs."""
    if signature is not None:
        signature = _EPOCH.sub("= …", signature)
        for written, shown in SHOWN:
            signature = signature.replace(written, shown)
    return signature, returned


def setup(app: Any) -> dict[str, Any]:
    """What Sphinx calls."""
    app.add_directive("option-tables", OptionTables)
    app.connect("missing-reference", link_by_last_name)
    app.connect("doctree-resolved", link_page)
    app.connect("autodoc-process-signature", shorten_signature)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
