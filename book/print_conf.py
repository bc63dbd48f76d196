"""How Sphinx makes the printed book: print_pdf.py lays its pages out, and no theme is involved."""

project = "mezo_lab"
language = "en"
extensions = ["myst_nb", "sphinx.ext.mathjax"]
root_doc = "index"
smartquotes_action = "qe"  # as conf.py has it

nb_execution_mode = "off"
nb_mime_priority_overrides = [
    ("*", "text/html", 5),
    ("*", "text/latex", 6),
]
myst_enable_extensions = ["amsmath", "attrs_block", "attrs_inline", "colon_fence", "deflist", "dollarmath"]
myst_fence_as_directive = ["math"]
myst_heading_anchors = 4
myst_dmath_double_inline = True
highlight_language = "python"
