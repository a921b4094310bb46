"""What references, citations and footnotes lead to, for the pages to show on hover: one script for the whole site.

It is a script because pages that are opened as files can load one, and can fetch nothing.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from posixpath import join, normpath
from urllib.parse import unquote, urldefrag

from qmdbook.document import REMOTE

LINK = re.compile(r"<a\b[^>]*>")
PREVIEWED = re.compile(r'\sclass="(?:[^"]* )?(?:cross-reference|footnote-ref)[ "]|\shref="[^"]*#ref-')
LEFT_OUT = re.compile(r'<a\b[^>]*\sclass="(?:anchor|footnote-back)"[^>]*>.*?</a>|\s(?:id|tabindex)="[^"]*"', re.DOTALL)
ADDRESS = re.compile(r'\s(href|src)="([^"]*)"')


@dataclass(frozen=True)
class Page:
    """A written page, as far as it can be looked into from others."""

    name: str
    """Its number and title."""
    description: str
    body: str
    """Pandoc's HTML."""


def script(pages: Mapping[Path, Page]) -> str:
    """JavaScript that sets `bookPreviews`: `page#identifier` → HTML, its addresses seen from the site's root.

    Every target of a reference, citation or footnote is in it; a chapter as a whole is `page#`.
    """
    targets = {target for path, page in pages.items() for target in _targets(path, page.body)}
    found = {f"{path}#{identifier}": _preview(path, pages[path], identifier) for path, identifier in sorted(targets)}
    shown = {key: preview for key, preview in found.items() if preview}
    return f"window.bookPreviews = {json.dumps(shown, ensure_ascii=False, indent=0)};\n"


def _targets(path: Path, body: str) -> set[tuple[Path, str]]:
    """Page and identifier of all that the links of one page lead to; an empty identifier is the page's title."""
    targets = set()
    for link in LINK.findall(body):
        address = ADDRESS.search(link)
        if address and PREVIEWED.search(link):
            page, identifier = urldefrag(html.unescape(address[2]))
            target = Path(normpath(join(path.parent.as_posix(), unquote(page)))) if page else path
            targets.add((target, "" if identifier == "content" else unquote(identifier)))
    return targets


def _preview(path: Path, page: Page, identifier: str) -> str:
    if not identifier:
        said = f"<p>{html.escape(page.description)}</p>" if page.description else ""
        return f"<h2>{html.escape(page.name)}</h2>{said}"
    start = page.body.find(f' id="{html.escape(identifier)}"')
    if start < 0:
        return ""
    start = page.body.rindex("<", 0, start)
    end = _end(page.body, start)
    piece = page.body[start:end]
    if re.match(r"<h\d", piece) and (paragraph := re.compile(r"\s*<p>").match(page.body, end)):
        piece += page.body[paragraph.start() : _end(page.body, page.body.index("<", end))]
    if piece.startswith("<li"):  # a footnote
        piece = re.sub(r"^<li\b[^>]*>|</li>$", "", piece)

    def from_the_root(address: re.Match[str]) -> str:
        url = address[2]
        if not REMOTE.match(url):
            url = path.as_posix() + url if url.startswith("#") else normpath(join(path.parent.as_posix(), url))
        return f' {address[1]}="{url}"'

    return ADDRESS.sub(from_the_root, LEFT_OUT.sub("", piece))


def _end(body: str, start: int) -> int:
    """Where the element that begins at `start` ends; `body` is well-formed."""
    tag = re.compile(r"<(\w+)").match(body, start)
    assert tag
    depth = 0
    for part in re.compile(rf"<(/?){tag[1]}\b[^>]*>").finditer(body, start):
        depth += -1 if part[1] else 1
        if depth == 0:
            return part.end()
    raise ValueError(f"<{tag[1]}> at {start} is not closed")
