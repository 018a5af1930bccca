"""All pages of the site in headless Chromium, from disk, at the widths of a desktop and a phone."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("myst_nb", reason='needs the site extra: pip install -e ".[site]"')

ROOT = Path(__file__).parents[2]
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
# What is wrong with the page as it stands: pictures that are missing, and what is cut off.
PROBLEMS = """async () => {
  await window.MathJax?.startup?.promise;
  const width = document.documentElement.clientWidth;
  const scrolls = (e) => e && e !== document.body &&
    (["auto", "scroll"].includes(getComputedStyle(e).overflowX) || scrolls(e.parentElement));
  const all = [...document.querySelectorAll("article *:not(svg *, mjx-container *)")];
  const wrong = all.filter((e) =>
    (e.localName === "img" && !(e.complete && e.naturalWidth))
    || (e.checkVisibility() && e.getBoundingClientRect().right > width + 1 && !scrolls(e)));
  if (document.documentElement.scrollWidth > width) wrong.push(document.documentElement);
  return wrong.map((e) => `${e.localName}.${e.className} ${e.textContent.slice(0, 60)}`);
}"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site's folder, built as the README says."""
    out = tmp_path_factory.mktemp("site")
    options = ["-q", "-W", "-c", "docs", "-b", "html", "-d", str(out / "doctrees"), "."]
    command = [sys.executable, "-m", "sphinx", *options, str(out / "html")]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8")
    assert run.returncode == 0, run.stderr
    return out / "html"


@pytest.fixture(scope="module")
def page(site):
    """A page of the browser; what went wrong in it is in `page.trouble`."""
    api = pytest.importorskip("playwright.sync_api", reason='needs pip install -e ".[browser]"')
    program = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    with api.sync_playwright() as playwright:
        program = program or playwright.chromium.executable_path
        if not Path(program).exists():
            pytest.skip("needs Chromium or Chrome, on the PATH or where CHROMIUM says")
        root = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=program, args=root)
        page = browser.new_page()
        page.trouble = []
        page.on("console", lambda m: page.trouble.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: page.trouble.append(str(error)))
        page.on("request", lambda r: page.trouble.append(r.url) if is_elsewhere(r.url) else None)
        yield page
        browser.close()


def is_elsewhere(url):
    return not url.startswith(("file:", "data:", "blob:"))


def open_page(page, path, width=1280):
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(path.as_uri())


def test_every_page_at_both_widths(page, site):
    found = []
    for path in sorted(site.rglob("*.html")):
        if path == site / "index.html" or "_static" in path.parts:
            continue  # the one leads to another at once, the others are the theme's templates
        open_page(page, path)
        for width in (1280, 390):
            page.set_viewport_size({"width": width, "height": 900})
            found += [f"{path.name} at {width}: {what}" for what in page.evaluate(PROBLEMS)]
        found += [f"{path.name}: {what}" for what in page.trouble]
        page.trouble.clear()
    assert not found, "\n".join(found)


def test_the_check_of_pages_finds_what_is_wrong(page, tmp_path):
    body = "<img src='no.png'><p style='width: 2000px'>wide</p>"
    path = tmp_path / "a.html"
    path.write_text(f"<html><body><article>{body}<script>throw 1</script></article></body></html>")
    open_page(page, path)
    assert [what.partition(".")[0] for what in page.evaluate(PROBLEMS)] == ["img", "p", "html"]
    assert page.trouble
    page.trouble.clear()


def test_the_first_page_leads_home_and_the_search_finds_momentum(page, site):
    open_page(page, site / "index.html")
    page.wait_for_url("**/docs/index.html")
    page.goto((site / "search.html").as_uri() + "?q=momentum")
    page.wait_for_selector("ul.search li a")
    assert "Optimizers" in page.inner_text("ul.search")
    assert not page.trouble


@pytest.mark.parametrize("name", sorted(p.stem for p in ROOT.glob("notebooks/*.ipynb")))
def test_sliders_change_their_figures(page, site, name):
    open_page(page, site / "notebooks" / f"{name}.html")
    for player in page.query_selector_all(".player"):
        image, control = player.query_selector("img"), player.query_selector("input")
        seen = {}
        for n in range(int(control.get_attribute("max")) + 1):
            control.evaluate("(e, n) => { e.value = n; e.dispatchEvent(new Event('input')) }", n)
            page.wait_for_timeout(30)
            seen[image.get_attribute("src")] = image.get_attribute("alt")
            assert image.evaluate("async (e) => { await e.decode(); return e.naturalWidth }") > 0
        assert len(seen) == n + 1
        assert len(set(seen.values())) == n + 1


def test_the_stepper_goes_on_by_its_button_and_by_the_keyboard(page, site):
    page.emulate_media(reduced_motion="reduce")
    open_page(page, site / "notebooks/04_the_computational_graph.html")
    player = page.locator(".player").first
    label = player.locator("output")
    assert label.inner_text().strip() == "step = 2"
    player.locator("button").click()
    page.wait_for_timeout(1500)  # with reduced motion it takes one step only
    assert label.inner_text().strip() == "step = 3"
    player.locator("input").press("ArrowRight")
    assert label.inner_text().strip() == "step = 4"
    assert re.match(r"data:image/svg", player.locator("img").get_attribute("src"))
