"""How Sphinx makes the book: `make site` calls it on the sources that staging.py has laid out."""

import os
import sys
from pathlib import Path

from mezo_lab import __version__
from mezo_lab.claims import REGISTRY

BOOK = Path(os.environ["MEZO_LAB_BOOK"])  # the folder that holds this file: the sources are a copy
sys.path.insert(0, str(BOOK))

project = "mezo_lab"
author = "mezo_lab contributors"
copyright = "mezo_lab contributors; text and figures CC BY 4.0, code MIT"
release = __version__
language = "en"

extensions = [
    "myst_nb",
    "search_names",
    "sphinx.ext.mathjax",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinxcontrib.bibtex",
    "page_events",
    "citing",
    "terms",
    "sphinx_names",
]
root_doc = "index"
nitpicky = True
smartquotes_action = "qe"  # quotes and ellipses; -- stays, as it begins an option: --words

# the API reference: names without their modules, one argument a line where a signature is long
add_module_names = False
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 70
python_display_short_literal_types = True
toc_object_entries = False  # the table at the head of a page has them; in the menus of all pages they cost seconds

# what a copy button takes: code without prompts and without what it prints
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

# notebooks: the saved outputs, and nothing is run
nb_execution_mode = "off"
myst_enable_extensions = [
    "amsmath",
    "attrs_block",
    "attrs_inline",
    "colon_fence",
    "deflist",
    "dollarmath",
    "substitution",
]
myst_heading_anchors = 4  # named as GitHub names them
myst_dmath_double_inline = True
myst_substitutions = {
    "claims": len(REGISTRY),
    "wheel": f'<a href="files/mezo_lab-{__version__}-py3-none-any.whl" download>the wheel</a>',  # by wheel.py
}

bibtex_bibfiles = ["references.bib"]
bibtex_reference_style = "author_year"
mathjax_path = "mathjax/tex-svg.js"
mathjax3_config = {"options": {"enableMenu": False}, "svg": {"mtextInheritFont": True}}

copybutton_selector = "div:not(.output) > div.highlight > pre"  # code, and not what it printed

html_theme = "sphinx_book_theme"
html_title = "mezo_lab"
html_static_path = ["static"]
html_extra_path = ["extra"]  # downloads, as they are
html_css_files = ["book.css"]
html_js_files = [("book.js", {"defer": "defer"})]
html_favicon = "static/logo.svg"
html_show_search_summary = False  # it would be fetched, which a page that was opened from a folder cannot do
templates_path = [str(BOOK / "templates")]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "show_navbar_depth": 1,
    "use_download_button": False,
    "use_fullscreen_button": False,
    "use_source_button": False,
    "logo": {"image_light": "static/logo.svg", "image_dark": "static/logo.svg", "text": "mezo_lab", "alt_text": ""},
    "primary_sidebar_end": [],  # an advertisement of the theme's
    "footer_content_items": ["mezo-footer.html"],
    "pygments_light_style": "github-light",
    "pygments_dark_style": "github-dark",
}
