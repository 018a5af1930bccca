"""The site of notebooks, READMEs and reference: ``sphinx-build -W -c docs -b html . output/site``.

It runs no notebook, but shows the outputs that were saved with it, and it opens from disk.
"""

import importlib.util
import re
import sys
from pathlib import Path

from docutils import nodes, parsers

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

project = html_title = "Deep Learning from Scratch: a companion"
author = copyright = "the project's contributors"
root_doc = "docs/index"
include_patterns = ["*.md", "docs/**", "notebooks/**.ipynb", "ch0*/**", "common/**"]
include_patterns += ["dataset/**", "benchmarks/**"]
exclude_patterns = ["**/.ipynb_checkpoints", "docs/conf.py"]
extensions = ["myst_nb", "sphinx_copybutton"]
extensions += [f"sphinx.ext.{name}" for name in ("apidoc", "autodoc", "napoleon", "viewcode")]

nb_execution_mode = "off"
nb_merge_streams = True
myst_enable_extensions = ["dollarmath", "deflist"]
myst_heading_anchors = 3
suppress_warnings = ["ref.python"]  # of attributes that several classes have

_pages = {"../common": "docs/api/common", "../dataset": "docs/api/dataset"}
apidoc_modules = [{"path": path, "destination": pages} for path, pages in _pages.items()]
apidoc_separate_modules = apidoc_module_first = True
apidoc_automodule_options = {"members", "show-inheritance"}
autodoc_default_options = {"ignore-module-all": True}
autodoc_typehints = "none"
autodoc_member_order = "bysource"
napoleon_google_docstring = napoleon_use_rtype = False
napoleon_use_ivar = True
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

# One file of MathJax, from a package, without fonts or other files: it works from disk.
_mathjax = Path(importlib.util.find_spec("sphinx-mathjax-offline").origin).parent
html_static_path = ["_static", str(_mathjax / "static" / "mathjax" / "tex-svg.js")]
mathjax_path = "tex-svg.js"

html_theme = "sphinx_book_theme"
html_theme_options = {"home_page_in_toc": True, "show_navbar_depth": 1, "show_toc_level": 2}
html_theme_options |= {"use_download_button": False, "use_fullscreen_button": False}
html_context = {"default_mode": "auto"}  # dark where the system is; a button changes it
html_css_files = ["site.css"]
html_extra_path = ["root"]  # the site's own index.html, which leads to the home page
html_show_search_summary = False  # the search would fetch pages for it, which fails from disk
html_copy_source = html_show_sphinx = False


class SourcePage(parsers.Parser):
    """Gives each Python file a highlighted page, so that links to the file lead there."""

    supported = ("python",)

    def parse(self, inputstring, document):
        """Add the file as one block of code, on a page outside of chapters and search."""
        env = document.settings.env
        env.metadata[env.docname] |= {"orphan": True, "nosearch": True}
        code = nodes.literal_block(inputstring, inputstring, language="python")
        document += nodes.section("", nodes.title("", f"{env.docname}.py"), code, ids=["source"])


def escape_bars(app, what, name, obj, options, lines):
    """Keep |x| and a * b in docstrings from being taken for reStructuredText's markup."""
    for n, line in enumerate(lines):
        if "``" not in line and not line.lstrip().startswith((">>>", "...")):
            lines[n] = re.sub(r"(?<![*\\])[*|](?!\*)", r"\\\g<0>", line)


def setup(app):
    """Connect the steps that Sphinx has no option for."""
    app.add_source_suffix(".py", "python")
    app.add_source_parser(SourcePage)
    app.connect("autodoc-process-docstring", escape_bars)
