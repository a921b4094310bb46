"""The look of the book: legible colours, nothing from elsewhere, pages and PDFs of little and of much."""

from __future__ import annotations

import html
import io
import re
import shutil
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path
from typing import Any

import pypandoc
import pytest
import typst
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from pypdf import PdfReader

SITE = Path(str(files("qmdbook"))) / "site"
STYLE = (SITE / "style.css").read_text(encoding="utf-8")
PALETTE = {
    name: (light, dark) for name, light, dark in re.findall(r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\);", STYLE)
}
KINDS = ["note", "tip", "warning", "important", "caution"]
TEXT = ["ink", "muted", "link", *KINDS]
CODE = [name for name in PALETTE if name.startswith("code-")]


def luminance(colour: str) -> float:
    """WCAG 2.1's relative luminance."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def mixed(colour: str, ground: str, share: float) -> str:
    """CSS `color-mix(in srgb, colour share, transparent)` upon `ground`."""
    pairs = [(int(colour[i : i + 2], 16), int(ground[i : i + 2], 16)) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(share * front + (1 - share) * back):02x}" for front, back in pairs)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_text_has_the_contrast_of_wcag_aa(theme: int) -> None:
    colours = {name: pair[theme] for name, pair in PALETTE.items()}
    shown = [(name, colours[ground]) for name in [*TEXT, *CODE] for ground in ("paper", "panel")]
    for kind in KINDS:
        shown += [(name, mixed(colours[kind], colours["paper"], 0.06)) for name in (kind, "ink", "link")]
    shown += [(name, mixed(colours["link"], colours["panel"], 0.12)) for name in ("ink", "muted")]
    shown += [("ink", colours["mark"])]
    found = {(name, ground): contrast(colours[name], ground) for name, ground in shown}
    assert {pair: ratio for pair, ratio in found.items() if ratio < 4.5} == {}
    assert contrast(colours["edge"], colours["paper"]) >= 3  # the border of a control


def test_every_colour_of_the_style_is_defined() -> None:
    used = set(re.findall(r"var\(--([\w-]+)", STYLE))
    defined = set(re.findall(r"--([\w-]+):", STYLE)) | set(re.findall(r"@property --([\w-]+)", STYLE))
    assert used <= defined


@pytest.mark.parametrize("name", ["style.css", "page.js", "page.html"])
def test_nothing_comes_from_another_host(name: str) -> None:
    text = (SITE / name).read_text(encoding="utf-8")
    assert not re.findall(r"(?:https?:)?//[\w-]+\.\w+[^\s\"')]*|@import", text)
    for file in re.findall(r"url\(\"?([^\")]*)", text):
        assert (SITE / file).is_file()


def page(**changes: Any) -> str:
    chapter = {
        "number": "",
        "title": "Preface",
        "href": "index.html",
        "current": False,
        "part": None,
        "appendix": False,
    }
    values: dict[str, Any] = {
        "book": {
            "title": "A & <B>", "subtitle": "", "author": "", "date": "", "description": "", "pdf": None, "epub": None,
            "figures": None,
            "favicon": None, "feed": None,
        },
        "chapters": [
            chapter | {"href": "../index.html"},
            chapter | {"number": "1", "title": "One <b>", "href": "", "current": True, "part": "First"},
            chapter | {"number": "2", "title": "Two", "href": "two.html", "part": "First"},
            chapter | {"number": "A", "title": "Measures", "href": "a.html", "appendix": True},
        ],
        "page": {
            "title": "One <b>", "number": "1", "href": "chapters/one.html", "body": Markup("<p>Text</p>"),
            "toc": [], "previous": None, "next": None, "root": "../", "description": "", "unnumbered": False,
            "address": "", "formats": [],
        },
    }  # fmt: skip
    for name, value in changes.items():
        values[name] = values[name] | value
    environment = Environment(loader=FileSystemLoader(SITE), autoescape=True, undefined=StrictUndefined)
    return environment.get_template("page.html").render(values)


class Outline(HTMLParser):
    """Which tags are open where, and what is left open at the end."""

    VOID = ("meta", "link", "input", "img", "br", "hr", "path")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag


def test_a_page_of_bare_contents_is_well_formed() -> None:
    text = page()
    outline = Outline(text)
    assert not outline.open
    assert outline.tags.count("main") == outline.tags.count("h1") == 1
    assert "None" not in text
    assert 'name="description"' not in text
    assert ".pdf" not in text


def test_a_page_shows_all_it_is_given_and_escapes_titles() -> None:
    text = page(
        book={"author": "A. Author", "description": "About", "pdf": "book.pdf", "epub": "book.epub",
              "figures": "site/figures.html"},
        page={
            "toc": [{"id": "sec-a", "number": "1.1", "title": "Sec", "children": [
                {"id": "sec-b", "number": "1.1.1", "title": "Deep", "children": []}]}],
            "previous": {"title": "Preface", "number": "", "href": "../index.html"},
            "next": {"title": "Two", "number": "2", "href": "two.html"},
            "formats": [{"name": "Markdown", "type": "text/markdown", "href": "one.md"}],
        },
    )  # fmt: skip
    assert not Outline(text).open
    assert "One <b>" not in text
    assert text.count(html.escape("One <b>")) >= 3  # title, heading, sidebar
    for link in (
        "#sec-a",
        "#sec-b",
        "../book.pdf",
        "../book.epub",
        "../site/figures.html",
        "../index.html",
        "two.html",
        "one.md",
        "a.html",
        "../site/style.css",
    ):
        assert f'href="{link}"' in text
    assert text.count('aria-current="page"') == 1
    assert text.count(">First<") == text.count(">Appendices<") == 1
    assert '<meta name="description" content="About">' in text


def test_a_link_preview_has_an_address_where_there_is_one() -> None:
    unknown = page(page={"description": "What it says."})
    assert '<meta property="og:description" content="What it says.">' in unknown
    assert '<meta name="twitter:card" content="summary">' in unknown
    for word in ("og:url", "canonical", "application/atom+xml"):
        assert word not in unknown
    known = page(page={"address": "https://example.org/one.html"}, book={"feed": "feed.xml"})
    assert '<meta property="og:url" content="https://example.org/one.html">' in known
    assert '<link rel="canonical" href="https://example.org/one.html">' in known
    assert 'title="A &amp; &lt;B&gt;" href="../feed.xml"' in known


def test_the_first_page_carries_the_title_of_the_book() -> None:
    text = page(page={"href": "index.html", "root": "", "title": "Preface", "number": "", "unnumbered": True})
    assert "<h1>A &amp; &lt;B&gt;</h1>" in text
    assert ">Preface</h2>" in text


MARKDOWN = """
# First chapter

Text with **bold**, ~~struck~~, x^2^, [a link](https://example.org), "quotes"[^n] and $a^2$.

[^n]: A footnote.

## A section

> Quoted.

Term
:   Meaning

---

```python
print("code")
```

| a | b |
|---|--:|
| 1 | 2 |

# Unnumbered chapter {.unnumbered}

Text.
"""


def pdf_text(tmp_path: Path, body: str, arguments: str) -> tuple[PdfReader, str]:
    shutil.copy(SITE / "book.typ", tmp_path)
    (tmp_path / "main.typ").write_text(
        f'#import "book.typ": *\n#show: book.with({arguments})\n{body}', encoding="utf-8"
    )
    compiled = typst.compile(str(tmp_path / "main.typ"), root=str(tmp_path), ignore_system_fonts=True)
    reader = PdfReader(io.BytesIO(compiled))
    return reader, " ".join(" ".join(page.extract_text() for page in reader.pages).split())


def test_what_pandoc_writes_becomes_a_book(tmp_path: Path) -> None:
    body = "#part[Part one]\n" + pypandoc.convert_text(MARKDOWN, "typst", format="markdown")
    body += '\n#callout(kind: "warning", title: none)[Careful.]\n#provenance[Data: a.csv]\n'
    body += '#figure(kind: table, supplement: [Table], numbering: (..) => "1.7", caption: [Why.])'
    body += "[#table(columns: 1, [x])]\n"
    body += "#show: appendices\n= Definitions\n== Rank\n"
    arguments = 'title: "The book", subtitle: "Sub", author: "A. Author", date: "today", description: "About it"'
    reader, text = pdf_text(tmp_path, body, arguments)
    assert reader.metadata is not None
    assert (reader.metadata.title, reader.metadata.author) == ("The book", "A. Author")
    assert str(reader.root_object["/Lang"]) == "en"
    assert "/StructTreeRoot" in reader.root_object  # tagged, for screen readers
    for words in (
        "Chapter 1",
        "1.1 A section",
        "Appendix A",
        "A.1 Rank",
        "Contents",
        "Part one",
        "Warning",
        "Table 1.7: Why.",
    ):
        assert words in text
    outline = [str(item.title) for item in reader.outline if not isinstance(item, list)]
    assert outline[-3:] == ["1 First chapter", "Unnumbered chapter", "A Definitions"]


def test_a_book_of_nothing_but_a_title_compiles(tmp_path: Path) -> None:
    _, text = pdf_text(tmp_path, "= One\n", 'title: "Bare", subtitle: "", author: "", date: "", description: ""')
    assert "Bare" in text


def test_a_table_wider_than_the_page_is_set_smaller(tmp_path: Path) -> None:
    sizes: dict[str, float] = {}

    def note(text: str, transform: Any, matrix: list[float], font: Any, size: float) -> None:
        if text.strip():
            sizes[text.strip()[:6]] = abs(matrix[3]) * size

    tables = "\n\n".join(
        f"#table(columns: {count}, {', '.join(f'[{word}]' for _ in range(count))})"
        for word, count in (("Narrow", 2), ("Broader", 9))
    )
    reader, _ = pdf_text(tmp_path, f"= One\n{tables}\n", 'title: "Wide"')
    reader.pages[-1].extract_text(visitor_text=note)
    assert sizes["Narrow"] == pytest.approx(9)
    assert 6.4 < sizes["Broade"] < 8.9
