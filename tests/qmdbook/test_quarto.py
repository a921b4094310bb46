"""The same book from Quarto and from the embedded renderer: numbering, captions, references, citations.

Skipped where there is no ``quarto``.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser
from pypdf import PdfReader

from qmdbook import render

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("quarto") is None, reason="Quarto is not installed"),
]

BOOK = Path(__file__).parent / "book"
PAGES = ("index", "chapters/one", "chapters/two", "chapters/extra", "references")

FORMULA = "∎"
"""Stands for a formula: both show the same, each in its own markup."""

SEEN = f"""() => {{
  const content = document.querySelector("article") ?? document.querySelector("#quarto-document-content");
  const left = "script, header, .title-block, .cover-section, .anchor, .anchorjs-link, .equation-number";
  for (const extra of document.querySelectorAll(left)) extra.remove();
  for (const formula of content.querySelectorAll("math")) formula.replaceWith("{FORMULA}");
  const shown = (selector) => [...content.querySelectorAll(selector)].filter((element) => element.checkVisibility());
  const words = (element) => element.textContent.replace(/\\s+/g, " ").trim();
  return {{
    chapters: [...document.querySelectorAll("#chapters li a, a.sidebar-link[href$='.html']")]
      .map((link) => link.textContent.replace(/\\s+/g, "")),
    headings: shown("h2, h3, h4").map(words),
    captions: shown("figcaption").map(words),
    references: shown("a.quarto-xref, a.cross-reference").map(words)
      .map((text) => text.replace(/^(\\d+) .+/, "Chapter $1")),  // on its first page Quarto gives a chapter's title
    labels: shown("[id]").map((element) => element.id)
      .filter((id) => /^(fig|tbl|eq|ref)-[\\w-]+$/.test(id) && !id.includes("-caption")),
    citations: shown('a[href*="#ref-"]').map(words),
    list: shown("#refs .csl-entry").map(words),
  }};
}}"""


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The sites that the two made of copies of one book: the embedded renderer's, then Quarto's."""
    folder = tmp_path_factory.mktemp("both")
    own, other = (shutil.copytree(BOOK, folder / name) for name in ("embedded", "quarto"))
    log = str(folder / "executions")
    render(
        own, own / "_site", chapter_key=lambda path, cells: "", report=lambda line: None, workers=1,
        environment={"EXECUTION_LOG": log},
    )  # fmt: skip
    done = subprocess.run(
        ["quarto", "render", ".", "--metadata", "html-math-method=mathml"],
        cwd=other,
        env=os.environ | {"EXECUTION_LOG": log, "QUARTO_PYTHON": sys.executable},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return own / "_site", other / "_book"


@pytest.fixture(scope="module")
def seen(browser: Browser, books: tuple[Path, Path]) -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
    """Page → what is on it in either site."""
    page = browser.new_page()

    def on(site: Path, name: str) -> dict[str, Any]:
        page.goto((site / f"{name}.html").as_uri())
        found: dict[str, Any] = page.evaluate(SEEN)
        return found

    return {name: (on(books[0], name), on(books[1], name)) for name in PAGES}


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("what", ["chapters", "headings", "captions", "references", "citations", "list"])
def test_both_sites_say_the_same(seen: dict[str, Any], name: str, what: str) -> None:
    own, quartos = seen[name]
    assert own[what] == quartos[what]


@pytest.mark.parametrize("name", PAGES)
def test_both_sites_have_the_same_places_to_link_to(seen: dict[str, Any], name: str) -> None:
    own, quartos = seen[name]
    assert sorted(own["labels"]) == sorted(set(quartos["labels"]))


def test_every_kind_of_text_is_compared(seen: dict[str, Any]) -> None:
    for what in ("chapters", "headings", "captions", "references", "labels", "citations", "list"):
        assert any(own[what] for own, _ in seen.values()), what


def letters(text: str) -> str:
    return re.sub(r"[\W_]", "", unicodedata.normalize("NFKC", text)).casefold()


def test_both_pdfs_have_every_heading_caption_and_reference(books: tuple[Path, Path], seen: dict[str, Any]) -> None:
    files = (books[0] / "small.pdf", books[1] / "small.pdf")
    pdfs = [letters("".join(page.extract_text() for page in PdfReader(file).pages)) for file in files]
    for own, _ in seen.values():
        for text in (*own["headings"], *own["captions"], *own["list"]):
            for part in text.split(FORMULA):
                missing = [file.parent.name for file, pdf in zip(files, pdfs, strict=True) if letters(part) not in pdf]
                assert missing == [], part
