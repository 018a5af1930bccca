"""The links and pictures in HTML, passed through a function that says where each leads."""

import html
from collections.abc import Callable
from html.parser import HTMLParser

__all__ = ["mend_links"]

_LINKS = {("a", "href"): "link", ("img", "src"): "picture"}
# What would load or run something, or change more than its own place in the page.
_LOADING = {"audio", "embed", "frame", "iframe", "link", "object", "script", "source", "video"}
_FORBIDDEN = _LOADING | {"base", "form", "input", "meta", "style"}


def mend_links(body: str, mend: Callable[[str, str], str], report: Callable[[str], None]) -> str:
    """Return `body` with each link replaced.

    Parameters
    ----------
    body : str
        HTML; all but its links is returned as it stands.
    mend : callable
        Of "link" or "picture" and the old link; returns the new one.
    report : callable
        Is called with a message for each element that has no place on a page.
    """
    mender = _Mender(mend, report)
    mender.feed(body)
    mender.close()
    return "".join(mender.parts)


class _Mender(HTMLParser):
    def __init__(self, mend, report):
        super().__init__(convert_charrefs=False)
        self.parts = []
        self._mend = mend
        self._report = report

    def handle_starttag(self, tag, attributes):
        old = self.get_starttag_text()
        # The boxes of a task list are all that a form could have to do here.
        if tag in _FORBIDDEN and (tag, dict(attributes).get("type")) != ("input", "checkbox"):
            self._report(f"<{tag}> has no place on a page that loads and runs nothing")
        names = {name for name, _ in attributes}
        if names & {"srcset", "background"} or "url(" in (dict(attributes).get("style") or ""):
            self._report(f"{old} loads something; only the src of an img may")
        if not any((tag, name) in _LINKS for name in names):
            self.parts.append(old)
            return
        new = []
        for name, value in attributes:
            if (tag, name) in _LINKS:
                value = self._mend(_LINKS[tag, name], value or "")
            new.append(name if value is None else f'{name}="{html.escape(value)}"')
        self.parts.append(f"<{tag} {' '.join(new)}{' /' if old.endswith('/>') else ''}>")

    handle_startendtag = handle_starttag

    def handle_endtag(self, tag):
        self.parts.append(f"</{tag}>")

    def handle_data(self, data):
        self.parts.append(data)

    def handle_entityref(self, name):
        self.parts.append(f"&{name};")

    def handle_charref(self, name):
        self.parts.append(f"&#{name};")

    def handle_comment(self, data):
        pass  # nobody sees it
