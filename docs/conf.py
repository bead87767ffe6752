"""How the documentation is built: `make docs`, warnings are errors."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_extensions"))

import rheobase  # noqa: E402

project = "rheobase"
author = "The rheobase authors"
copyright = "the rheobase authors"
version = release = rheobase.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "mathml_pages",
    "sphinx.ext.viewcode",
    "sphinx_design",
    "example_pages",
    "reference_pages",
    "shown_pages",
]
exclude_patterns = ["_build", "_drawn", "pictures/README.md"]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}

myst_enable_extensions = ["colon_fence", "dollarmath", "deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings say shapes and units, which types do not
autodoc_preserve_defaults = True
autodoc_default_options = {"members": True}
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True
python_use_unqualified_type_names = True
add_module_names = False
nitpicky = False
suppress_warnings = ["ref.python"]  # words of argument types that two classes share: "Spikes", "batch"

html_math_renderer = "mathml"
# where a reader wants to see what comes out
shown_pages = [
    "evening",
    *(f"how-to/{name}" for name in ("write-a-neuron", "drive-it", "networks", "plasticity", "sweep")),
    *(f"how-to/{name}" for name in ("record-long-runs", "train", "convert", "exchange")),
    *(f"explanation/{name}" for name in ("order-of-operations", "when-is-a-run-exact", "choosing-a-method")),
    "explanation/what-the-training-layer-does",
]

html_theme = "furo"
html_title = "rheobase"
html_static_path = ["_static"]
html_css_files = ["rheobase.css"]
html_theme_options = {"sidebar_hide_name": False, "navigation_with_keys": True}
pygments_style = "friendly"
pygments_dark_style = "monokai"
templates_path = []


def setup(app):
    """Blocks in other programs' Python have names of their own, so that the tests do not run them with ours."""
    from pygments.lexers import PythonLexer

    for name in ("brian2", "nest", "pynn", "snntorch"):
        app.add_lexer(name, PythonLexer)
