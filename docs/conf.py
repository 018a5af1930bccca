"""The site of notebooks, READMEs and reference: ``sphinx-build -W -c docs -b html . output/site``.

It runs no notebook, but shows the outputs that were saved with it, and it opens from disk.
"""

import importlib.util
import re
import shutil
import sys
from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.highlighting import PygmentsBridge

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

project = "Deep Learning from Scratch: a companion"
author = copyright = "the project's contributors"
root_doc = "docs/index"
include_patterns = [
    "docs/**",
    "notebooks/**.ipynb",
    "*.md",
    "ch0*/**.md",
    "dataset/*.md",
    "benchmarks/*.md",
]
exclude_patterns = ["**/.ipynb_checkpoints"]
extensions = [
    "myst_nb",
    "sphinx.ext.apidoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
]

nb_execution_mode = "off"
nb_merge_streams = True
nb_number_source_lines = False
myst_enable_extensions = ["dollarmath", "deflist"]
myst_heading_anchors = 3
myst_links_external_new_tab = False
suppress_warnings = ["ref.python"]  # of attributes that several classes have

apidoc_modules = [
    {
        "path": str(ROOT / name),
        "destination": f"docs/api/{name}",
        "separate_modules": True,
        "module_first": True,
        "automodule_options": {"members", "show-inheritance"},
    }
    for name in ("common", "dataset")
]
autodoc_default_options = {"ignore-module-all": True}
autodoc_typehints = "none"
autodoc_member_order = "bysource"
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

# One file of MathJax, from a package, without fonts or other files: it works from disk.
_mathjax = Path(importlib.util.find_spec("sphinx-mathjax-offline").origin).parent
html_static_path = ["_static", str(_mathjax / "static" / "mathjax" / "tex-svg.js")]
mathjax_path = "tex-svg.js"

html_theme = "sphinx_book_theme"
html_title = "Deep Learning from Scratch: a companion"
html_theme_options = {
    "home_page_in_toc": True,
    "show_navbar_depth": 1,
    "show_toc_level": 2,
    "use_download_button": False,
    "use_fullscreen_button": False,
}
html_context = {"default_mode": "auto"}  # dark where the system is; a button changes it
html_css_files = ["site.css"]
html_show_search_summary = False  # the search would fetch pages for it, which fails from disk
html_copy_source = False
html_show_sphinx = False


SOURCES = {
    path.relative_to(ROOT).with_suffix("").as_posix(): path
    for folder in ("ch04_numerical_gradient", "ch05_backprop", "common", "dataset", "benchmarks")
    for path in sorted((ROOT / folder).rglob("*.py"))
}


def link_sources(app, doctree):
    """Lead links to Python files to highlighted pages, in place of a download."""
    for link in list(doctree.findall(addnodes.download_reference)):
        target = Path(app.srcdir, app.env.docname).parent.joinpath(link["reftarget"]).resolve()
        if ROOT not in target.parents:
            continue
        name = target.relative_to(ROOT).with_suffix("").as_posix()
        if SOURCES.get(name) == target:
            uri = f"{'../' * app.env.docname.count('/')}source/{name}.html"
            link.replace_self(nodes.reference("", "", *link.children, refuri=uri, internal=True))


def source_pages(app):
    """Yield a highlighted page for each Python file."""
    highlight = PygmentsBridge("html", "default")
    for name, path in SOURCES.items():
        code = highlight.highlight_block(path.read_text("utf-8"), "python")
        body = f"<h1>{name}.py</h1>{code}"
        yield f"source/{name}", {"title": f"{name}.py", "body": body}, "page.html"


def escape_bars(app, what, name, obj, options, lines):
    """Keep |x| and a * b in docstrings from being taken for reStructuredText's markup."""
    for n, line in enumerate(lines):
        if "``" not in line and not line.lstrip().startswith((">>>", "...")):
            lines[n] = re.sub(r"(?<![*\\])[*|](?!\*)", r"\\\g<0>", line)


def finish(app, error):
    """Let the folder's own index.html lead to the home page."""
    if not error:
        shutil.copy(ROOT / "docs" / "start.html", Path(app.outdir, "index.html"))


def setup(app):
    """Connect the steps that Sphinx has no option for."""
    app.connect("doctree-read", link_sources)
    app.connect("html-collect-pages", source_pages)
    app.connect("autodoc-process-docstring", escape_bars)
    app.connect("build-finished", finish)
