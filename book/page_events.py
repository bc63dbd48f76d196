"""What Sphinx does to single pages of the book: an extension that conf.py names."""

from typing import Any

from docutils import nodes

CHINESE = ("notebooks/zh/", "README.zh")
MARKS = ".,;:!?)’”，。；：！？）"  # which never begin a line


def _keep_marks(_app: Any, document: nodes.document, _page: str) -> None:
    """Keep a mark on the line of the formula before it: a browser may break a line on both sides of a formula."""
    for formula in list(document.findall(nodes.math)):
        after = formula.next_node(descend=False, siblings=True, ascend=False)
        if not isinstance(after, nodes.Text) or after.astext()[:1] not in tuple(MARKS):
            continue
        text = after.astext()
        rest = text.lstrip(MARKS)
        kept = nodes.inline(classes=["mezo-kept"])
        formula.parent.replace(formula, kept)
        after.parent.replace(after, nodes.Text(rest))
        kept += [formula, nodes.Text(text[: len(text) - len(rest)])]


def _style_pages(app: Any, page: str, _template: str, context: dict[str, Any], _document: Any) -> None:
    """Name the language of a Chinese page, and give the pages of the course and of the API their style."""
    if page.startswith(CHINESE) and "body" in context:
        context["body"] = f'<div lang="zh-Hans">{context["body"]}</div>'
    if page.startswith("api/"):
        app.add_css_file("api.css")
    if page.startswith(("notebooks/", *CHINESE)):
        app.add_css_file("course.css")
        app.add_js_file("predictions.js", loading_method="defer")


def setup(app: Any) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("doctree-resolved", _keep_marks)
    app.connect("html-page-context", _style_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
