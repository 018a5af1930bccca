"""All pages of the site in headless Chromium, from disk, at the widths of a desktop and a phone."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

from common.scripts.notebook import slider

pytest.importorskip("myst_nb", reason='needs the site extra: pip install -e ".[site]"')

ROOT = Path(__file__).parents[2]
LOCAL = re.compile("file:|data:|blob:")
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
# What is wrong with the page as it stands: images missing or stretched, and what is cut off.
PROBLEMS = """async () => {
  await window.MathJax?.startup?.promise;
  const root = document.documentElement;
  const width = root.clientWidth + 1;
  const scrolls = (e) => e && e !== document.body &&
    (["auto", "scroll"].includes(getComputedStyle(e).overflowX) || scrolls(e.parentElement));
  const stretch = (e) => (e.width * e.naturalHeight) / (e.height * e.naturalWidth);
  const all = [...document.querySelectorAll("article *:not(svg *, mjx-container *)"), root];
  return all.filter((e) =>
    (e.localName === "img" && !(0.95 < stretch(e) && stretch(e) < 1.05))
    || (e.getBoundingClientRect().right > width && e.checkVisibility() && !scrolls(e))
    || (e === root && e.scrollWidth > e.clientWidth)
  ).map((e) => `${e.localName}.${e.className} ${e.textContent.slice(0, 60)}`);
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
def browser():
    """Chromium or Chrome."""
    api = pytest.importorskip("playwright.sync_api", reason='needs pip install -e ".[browser]"')
    program = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    with api.sync_playwright() as playwright:
        program = program or playwright.chromium.executable_path
        if not Path(program).exists():
            pytest.skip("needs Chromium or Chrome, on the PATH or where CHROMIUM says")
        root = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=program, args=root)
        yield browser
        browser.close()


@pytest.fixture
def page(browser):
    """A page of the browser; what went wrong in it is in `page.trouble`."""
    page = browser.new_page(reduced_motion="reduce")
    page.trouble = []
    page.on("console", lambda m: page.trouble.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: page.trouble.append(str(error)))
    page.on("request", lambda r: LOCAL.match(r.url) or page.trouble.append(r.url))
    yield page
    page.close()


def problems(page, path):
    """What is wrong with a page on a desktop and on a phone."""
    page.goto(path.as_uri())
    found = []
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 900})
        found += [f"{path.name} at {width}: {what}" for what in page.evaluate(PROBLEMS)]
    found += [f"{path.name}: {what}" for what in page.trouble]
    page.trouble.clear()
    return found


def test_every_page_at_both_widths(page, site):
    # Of the others, one leads to another at once, and some are the theme's templates.
    paths = [path for path in site.glob("*/**/*.html") if "_static" not in path.parts]
    found = [what for path in sorted(paths) for what in problems(page, path)]
    assert not found, "\n".join(found)


def test_the_check_of_pages_finds_what_is_wrong(page, tmp_path):
    data = "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>"
    body = f"""<img src="{data}"><img src="{data}" height="90" width="99"><img src="no.png">
    <p style="width: 2000px">wide</p><script>fetch("http://localhost:9"); throw 1</script>"""
    path = tmp_path / "a.html"
    path.write_text(f"<html><body><article>{body}</article></body></html>")
    found = [what.removeprefix("a.html").split(".")[0] for what in problems(page, path)]
    assert found[:4] == [f" at 1280: {name}" for name in ("img", "img", "p", "html")]
    assert {": http://localhost:9/", ": 1"} <= set(found)


def test_pages_lead_home_search_finds_momentum_and_links_lead_to_source(page, site):
    page.goto((site / "index.html").as_uri())
    page.wait_for_url("**/docs/index.html")
    page.goto((site / "search.html").as_uri() + "?q=momentum")
    # Results come one by one, and a click returns before its page is read: each is waited for.
    page.locator("ul.search li a", has_text="Optimizers").first.wait_for()
    page.goto((site / "docs/map.html").as_uri())
    page.locator("article a", has_text="common/optimizer.py").first.click()
    page.locator(".highlight .nc", has_text="Momentum").first.wait_for()
    assert not page.trouble


@pytest.mark.parametrize("name", sorted(p.stem for p in ROOT.glob("notebooks/*.ipynb")))
def test_sliders_change_their_figures(page, site, name):
    page.goto((site / "notebooks" / f"{name}.html").as_uri())
    for player in page.locator(".player").all():
        image, control = player.locator("img"), player.locator("input")
        seen = {}
        for n in range(int(control.get_attribute("max")) + 1):
            control.evaluate("(e, n) => { e.value = n; e.dispatchEvent(new Event('input')) }", n)
            seen[image.get_attribute("src")] = image.get_attribute("alt")
            assert image.evaluate("async (e) => { await e.decode(); return e.naturalWidth }") > 0
        assert len(seen) == len(set(seen.values())) == n + 1


def test_a_player_goes_on_by_its_button_and_by_the_keyboard(page, tmp_path):
    def draw(step):
        """Draw a line whose length is the step."""
        fig, ax = plt.subplots(figsize=(1, 1))
        ax.plot([0, step])
        return fig

    path = tmp_path / "a.html"
    path.write_text(slider(draw, step=range(4), default=1).data, "utf-8")
    page.clock.install(time=0)  # a clock that only `run_for` moves
    page.goto(path.as_uri())
    page.clock.pause_at(10_000)
    click, press = page.locator("button").click, page.locator("input").press
    for motion, act, seconds, shown in (
        ("reduce", lambda: None, 2, "▶ step = 1"),
        ("reduce", click, 2, "▶ step = 2"),  # with reduced motion it takes one step only
        ("reduce", lambda: press("ArrowRight"), 2, "▶ step = 3"),
        ("reduce", click, 2, "▶ step = 0"),  # from the end it returns to the start
        ("no-preference", click, 0, "⏸ step = 1"),
        ("no-preference", lambda: None, 1, "⏸ step = 2"),
        ("no-preference", click, 2, "▶ step = 2"),  # it pauses
        ("no-preference", click, 2, "▶ step = 3"),  # it stops at the end
    ):
        page.emulate_media(reduced_motion=motion)
        act()
        page.clock.run_for(1000 * seconds)
        text = "document.querySelector('.player').innerText.trim().split(/\\s+/).join(' ')"
        page.wait_for_function(f"{text} === '{shown}'")
    assert not page.trouble
