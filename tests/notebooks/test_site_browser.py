"""All pages of the site in headless Chromium, as wide as a desktop's window and as a phone.

A page that the test writes loads all others, one after the other, in a frame of either width, and
measures what is in it.
"""

import html
import json
import os
import re
import shutil
import subprocess
from itertools import product

import pytest

pytest.importorskip("latex2mathml")

from notebooks.build_site import ROOT
from notebooks.site_builder.site import Site

WIDTHS = (1280, 390)
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = (
    "--headless",
    "--allow-file-access-from-files",  # a page may look into the frames that it holds
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--dump-dom",  # when all is loaded: each frame begins to load before the one before has ended
)
MEASURE = """<!doctype html>
<meta charset="utf-8">
<body><pre></pre><script>
const pages = PAGES, widths = WIDTHS;
const found = [];

function problems(page) {
  const root = page.documentElement, width = root.clientWidth, problems = [];
  const style = (element) => page.defaultView.getComputedStyle(element);
  const say = (what, element) => problems.push(
    `${what}: <${element.localName} class="${element.getAttribute("class") || ""}"> ` +
    (element.alt || element.textContent).trim().slice(0, 60));
  const scrolls = (element) => {
    for (let e = element.parentElement; e && e !== page.body; e = e.parentElement) {
      if (["auto", "scroll"].includes(style(e).overflowX)) return true;
    }
    return false;
  };
  if (root.scrollWidth > width) problems.push("the page scrolls sideways");
  for (const link of page.querySelectorAll("link[rel=stylesheet]")) {
    try {
      link.sheet.cssRules;
    } catch {
      say("is a missing style sheet", link);
    }
  }
  for (const script of page.querySelectorAll("script")) say("is a script", script);
  for (const element of page.body.querySelectorAll(":not(.skip, pre *, math *)")) {
    const box = element.getBoundingClientRect();
    if ((box.right > width + 1 || box.left < -1) && !scrolls(element)) {
      say("is wider than the page", element);
    }
    if (element.scrollHeight > element.clientHeight + 1 && style(element).overflowY === "hidden") {
      say("is cut off below", element);
    }
    if (element.scrollWidth > element.clientWidth + 1 && style(element).overflowX === "hidden") {
      say("is cut off at the right", element);
    }
    if (element.localName === "img") {
      if (!element.complete || element.naturalWidth === 0) say("is a missing picture", element);
      if (box.width > width) say("is a picture wider than the page", element);
    }
  }
  return problems;
}

function next() {
  const name = pages.shift();
  if (!name) return;
  const frame = document.createElement("iframe");
  frame.src = name;
  frame.height = 800;
  frame.onload = () => {
    for (const width of widths) {
      frame.width = width;
      found.push([decodeURI(name), width, problems(frame.contentDocument)]);
    }
    document.querySelector("pre").textContent = JSON.stringify(found);
    next();
    frame.remove();
  };
  document.body.append(frame);
}

next();
</script>
"""


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    """A function that returns the page at a path as it is when all its scripts have run."""
    program = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if not program:
        pytest.skip("needs Chromium or Chrome, on the PATH or where CHROMIUM says")
    flags = [*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        flags.append("--no-sandbox")  # root, as in a container, can't have one

    def load(path):
        command = [program, *flags, path.as_uri()]
        run = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=120)
        assert run.returncode == 0, run.stderr
        return run.stdout

    return load


def problems(chromium, files, folder):
    """Return what is wrong with the pages among `files`, which are written to `folder`."""
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    pages = [name for name in files if name.endswith(".html")]
    script = MEASURE.replace("PAGES", json.dumps(pages)).replace("WIDTHS", json.dumps(WIDTHS))
    measure = folder / "measure.html"
    measure.write_text(script, encoding="utf-8")
    found = json.loads(html.unescape(re.search("<pre>(.*?)</pre>", chromium(measure))[1]))
    assert [(page, width) for page, width, _ in found] == list(product(pages, WIDTHS))
    return [f"{page} at {width}: {what}" for page, width, problems in found for what in problems]


def page(body):
    return f"<!doctype html><html><head><title>t</title></head><body>{body}</body></html>".encode()


def test_the_check_finds_what_is_wrong(chromium, tmp_path):
    bodies = {
        "right": "<p>text</p>",
        "scrolls": "<div style='overflow-x: auto'><p style='width: 2000px'>a</p></div>",
        "wide": "<p style='width: 1000px'>a</p>",
        "cut": "<div style='overflow: hidden'><p style='width: 1000px'>a</p></div>",
        "low": "<p style='overflow: hidden; height: 2px'>a</p>",
        "picture": "<img src='no.png' alt='a'>",
        "style": "<link rel='stylesheet' href='no.css'>",
        "script": "<script>1</script>",
    }
    files = {f"{name}.html": page(body) for name, body in bodies.items()}
    found = problems(chromium, files, tmp_path)
    assert [what[: what.index(" <")] if "<" in what else what for what in found] == [
        "wide.html at 390: the page scrolls sideways",
        "wide.html at 390: is wider than the page:",
        "cut.html at 390: is cut off at the right:",
        "cut.html at 390: is wider than the page:",
        *(f"low.html at {width}: is cut off below:" for width in WIDTHS),
        *(f"picture.html at {width}: is a missing picture:" for width in WIDTHS),
        *(f"style.html at {width}: is a missing style sheet:" for width in WIDTHS),
        *(f"script.html at {width}: is a script:" for width in WIDTHS),
    ]


def test_the_pages_of_the_repository(chromium, tmp_path):
    found = problems(chromium, Site(ROOT).build(), tmp_path)
    assert not found, "\n".join(found)
