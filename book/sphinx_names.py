"""Sphinx finds a public name under each of its paths; types that are not the package's stay text."""

import json
import re
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref, pending_xref_condition
from sphinx.application import Sphinx
from sphinx.domains.python import ObjectEntry
from sphinx.environment import BuildEnvironment


def add_paths(app: Sphinx, env: BuildEnvironment) -> None:
    """Enter every other path to a documented name into the inventory, as an alias: an API of one entry a name."""
    file = Path(app.srcdir) / "api" / "names.json"
    if not file.exists():
        return
    objects = env.domains.python_domain.objects
    for path, target in json.loads(file.read_text(encoding="utf-8")).items():
        if target in objects and path not in objects:
            entry = objects[target]
            objects[path] = ObjectEntry(entry.docname, entry.node_id, entry.objtype, aliased=True)


def keep_own_types(app: Sphinx, doctree: nodes.document) -> None:
    """Types in signatures are links where they are public names in full; Sphinx would guess what the others mean."""
    for node in list(doctree.findall(pending_xref)):
        if node.get("refdomain") == "py" and node.hasattr("refspecific"):
            if node["reftarget"].startswith("mezo_lab"):
                del node["refspecific"]
            else:
                node.replace_self(_short(node))


def _short(node: pending_xref) -> list[nodes.Node]:
    """What a type shows: its last part, where there is a choice."""
    choices = [child for child in node.children if isinstance(child, pending_xref_condition)]
    return next((child.children for child in choices if child["condition"] == "resolved"), node.children)


def lay_out_signatures(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Long signatures: Sphinx makes a list of definitions of the arguments, without terms, which a reader announces."""
    if page.startswith("api/") and "body" in context:
        context["body"] = re.sub(r'<dt class="sig .*?</dt>', _with_lines, context["body"], flags=re.DOTALL)


def _with_lines(signature: re.Match[str]) -> str:
    text = signature[0]
    for old, kind in (("dl", "sig-lines"), ("dd", "sig-line")):
        text = text.replace(f"<{old}>", f'<span class="{kind}">').replace(f"</{old}>", "</span>")
    return text


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx."""
    app.connect("env-updated", add_paths)
    app.connect("doctree-read", keep_own_types)
    app.connect("html-page-context", lay_out_signatures)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
