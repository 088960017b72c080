"""Reads a page as a browser would: its texts, links and forms."""

from __future__ import annotations

import html.parser
from urllib.parse import urlsplit

from fastapi.testclient import TestClient

VOID = ("meta", "img", "link", "input", "option", "rect", "polyline", "br")
ALLOWED_SCRIPTS = ["/pages/htmx.js"]


class Read(html.parser.HTMLParser):
    """What a page holds; fails on a tag that is not closed, on a foreign script, and on styles or handlers in tags."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: dict[str, str] = {}
        self.hrefs: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.inputs: list[dict[str, str | None]] = []
        self.ids: list[str] = []
        self.text, self._open, self._link = "", [], None
        self._silent = 0
        self.feed(text)
        assert not self._open, self._open
        assert len(self.ids) == len(set(self.ids)), self.ids

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        assert not any(name.startswith("on") or name == "style" for name in values), (tag, values)
        if tag == "script":
            assert values.get("src") in ALLOWED_SCRIPTS
        if "id" in values:
            self.ids.append(values["id"] or "")
        if tag == "a":
            self._link = values.get("href")
            self.hrefs.append(self._link or "")
            self._words = ""
        if tag == "img":
            self.images.append(values)
        if tag == "input":
            self.inputs.append(values)
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        assert self._open.pop() == tag
        if tag == "a" and self._link is not None:
            self.links.setdefault(" ".join(self._words.split()), self._link)
            self._link = None

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._link is not None:
            self._words += data


def read(client: TestClient, address: str, status: int = 200, **params: object) -> Read:
    """Opens a page and checks what holds for every page."""
    reply = client.get(address, params=params or None)
    assert reply.status_code == status, reply.text[:2000]
    assert reply.headers["content-type"].startswith("text/html")
    policy = reply.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    page = Read(reply.text)
    assert all(urlsplit(href).netloc == "" and href[:1] in ("/", "#") for href in page.hrefs), page.hrefs
    assert all(image["alt"] is not None and image["width"] and image["height"] for image in page.images)
    return page
