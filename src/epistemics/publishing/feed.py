"""How the book is found and followed: ``llms.txt`` says what is where, ``feed.xml`` has its chapters as a feed.

Both are written before a render, so both renderers publish the same. Where ``_quarto.yml`` has a ``site-url``,
addresses are whole; else they are relative to the site, for nobody knows yet where it will be.

The log's entries have no dates in our sources. A chapter in the feed carries the moment at which the newest run of the
experiments that follow its entries began, which is stored with the result. Where there are none it carries its last
commit's; and where the history is not at hand, as in a shallow clone, it is left out of the feed.
"""

from __future__ import annotations

import csv
import html
import re
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5
from xml.etree import ElementTree

import qmdbook
from epistemics.chapters.contents import FOLLOWING
from epistemics.declared.experiments import experiment_names, load_experiment
from epistemics.declared.project import Project
from epistemics.publishing.entries import CLASSES, classes
from epistemics.store.files import write_if_changed
from epistemics.store.store import Store

ATOM = "http://www.w3.org/2005/Atom"

DESCRIPTION = re.compile(r'<meta (?:property|name)="(?:(?:og|twitter):)?description" content="[^"]*">\n?')
FEED_LINK = re.compile(r'<link rel="alternate" type="application/atom\+xml"[^>]*>\n?')
CHAPTER_REFERENCE = re.compile(
    r'(class="quarto-xref"><span>)(?:(?P<chapter>\d+)&nbsp; |Appendix (?P<appendix>[A-Z]) — ).*?(</span></a>)'
)

WHERE = (
    "Every table, figure and number is computed when the book is rendered, from stored training runs or by the code "
    "itself. Values measured on several seeds are medians, with the lowest and the highest. Each run has a page "
    "(data/runs/KEY.html) with its configuration, provenance and state, a record (data/runs/KEY.json) and arrays "
    "(data/runs/KEY.safetensors); experiments/*.yaml say what was run, and src/epistemics/ holds the code."
)


def write_discovery(project: Project) -> list[Path]:
    """Write ``llms.txt`` and ``feed.xml`` beside ``_quarto.yml``; returns those that changed."""
    outline = qmdbook.outline(project.folder)
    written = write_if_changed(project.folder / "llms.txt", llms(outline, project.folder).encode())
    return written + write_if_changed(project.folder / "feed.xml", feed(outline, project))


def describe_pages(outline: qmdbook.Outline, site: Path) -> list[Path]:
    """Complete the site of Quarto as the embedded renderer's is by itself; returns the files that changed.

    Its ``llms.txt`` lists what is in it. Each chapter's abstract and the feed go into the head of its page, where
    Quarto leaves descriptions empty. On the first page Quarto gives a chapter's whole title where it is referred to,
    and elsewhere "Chapter 3".
    """
    written = write_if_changed(site / "llms.txt", llms(outline, site, of_quarto=True).encode())
    for chapter in outline.chapters:
        page = site / chapter.page
        if not chapter.abstract or not page.is_file():
            continue
        text, said = page.read_text(encoding="utf-8"), html.escape(chapter.abstract)
        head, end, rest = DESCRIPTION.sub("", CHAPTER_REFERENCE.sub(_numbered, text)).partition("</head>")
        address = "../" * (len(chapter.page.parts) - 1) + "feed.xml"
        head += f'<meta name="description" content="{said}">\n<meta property="og:description" content="{said}">\n'
        head = FEED_LINK.sub("", head)
        head += f'<link rel="alternate" type="application/atom+xml" href="{address}">\n'
        written += write_if_changed(page, f"{head}{end}{rest}".encode())
    return written


def _numbered(reference: re.Match[str]) -> str:
    before, after = reference.group(1), reference.group(4)
    name = f"Chapter&nbsp;{chapter}" if (chapter := reference["chapter"]) else f"Appendix&nbsp;{reference['appendix']}"
    return f"{before}{name}{after}"


def llms(outline: qmdbook.Outline, folder: Path, *, of_quarto: bool = False) -> str:
    """The book for language models, as https://llmstxt.org has it: what it is, its chapters, where its data lie.

    Chapters are listed as Markdown, or as their pages where Quarto has made the site, which has them as nothing else.
    """

    def entry(path: Path | str, name: str, says: str) -> str:
        return f"- [{name}]({_address(outline, path)}): {says}"

    def chapters(appendix: bool) -> Iterator[str]:
        for c in outline.chapters:
            if c.abstract and c.appendix == appendix:
                yield entry(c.page if of_quarto else c.markdown, f"{c.number} {c.title}".strip(), c.abstract)

    def tables() -> Iterator[str]:
        for path in sorted((folder / "data").glob("*.csv")):
            with path.open(newline="", encoding="utf-8") as file:
                yield entry(f"data/{path.name}", path.name, f"columns {', '.join(next(csv.reader(file)))}")

    lines = [
        f"# {outline.title}", "", f"> {outline.subtitle}", "", outline.chapters[0].abstract, "",
        WHERE, "",
        "## Chapters", "", *chapters(appendix=False), "",
        "## Appendices", "", *chapters(appendix=True), "",
        "## Data", "", *tables(), "",
        "## Optional", "", entry(outline.pdf, "PDF", "the whole book in one file"),
        *([] if of_quarto else [entry(outline.epub, "EPUB", "the same for reading devices"),
            entry("site/figures.html", "Figures", "all figures, each with its data, licence and a line to embed it")]),
        entry("feed.xml", "Feed", "the chapters that follow the log, newest results first (Atom)"),
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def feed(outline: qmdbook.Outline, project: Project) -> bytes:
    """The chapters that follow the log as an Atom feed (RFC 4287), newest first; its identifiers need no address."""
    listed = {c.path.as_posix(): c for c in outline.chapters}
    of_entries = _dates(project)
    dated = []
    for chapter in FOLLOWING:
        own = [of_entries[number] for number in chapter.entries if number in of_entries]
        date = max(own, default=None) or _committed(project.folder, chapter.path)
        if date is not None and chapter.path in listed:
            dated.append((date, chapter, listed[chapter.path]))
    dated.sort(key=lambda entry: entry[0], reverse=True)
    ElementTree.register_namespace("", ATOM)
    root = ElementTree.Element(f"{{{ATOM}}}feed")

    def add(parent: ElementTree.Element, name: str, text: str = "", **attributes: str) -> ElementTree.Element:
        element = ElementTree.SubElement(parent, f"{{{ATOM}}}{name}", attributes)
        element.text = text or None
        return element

    add(root, "title", outline.title)
    add(root, "subtitle", outline.subtitle)
    add(root, "id", _identifier(outline, Path()))
    add(root, "updated", (dated[0][0] if dated else datetime.fromtimestamp(0, UTC)).isoformat())
    add(add(root, "author"), "name", outline.author)
    add(root, "link", rel="self", href=_address(outline, "feed.xml"))
    add(root, "link", rel="alternate", href=_address(outline, outline.chapters[0].page))
    for date, chapter, c in dated:
        entry = add(root, "entry")
        add(entry, "title", c.title)
        add(entry, "id", _identifier(outline, c.path))
        add(entry, "updated", date.isoformat())
        add(entry, "link", rel="alternate", href=_address(outline, c.page))
        add(entry, "summary", c.abstract)
        for letter in classes(chapter):
            add(entry, "category", term=letter, label=CLASSES[letter])
    ElementTree.indent(root)
    content: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return content + b"\n"


def _address(outline: qmdbook.Outline, path: Path | str) -> str:
    return f"{outline.site_url}/{path}" if outline.site_url else str(path)


def _identifier(outline: qmdbook.Outline, path: Path) -> str:
    """The same wherever the book is published."""
    return uuid5(NAMESPACE_URL, f"{outline.title}/{path.as_posix()}").urn


def _dates(project: Project) -> dict[int, datetime]:
    """Log entry → when the newest stored run of the experiments that follow it began."""
    store = Store(project.results)
    dates: dict[int, datetime] = {}
    for name in experiment_names(project.experiments):
        experiment = load_experiment(project.experiments, name, project.profile)
        for key in {run.key for run in experiment.runs if run.key in store}:
            date = datetime.fromisoformat(store.record(key).provenance["date"]).astimezone(UTC)
            dates[experiment.entry] = max(date, dates.get(experiment.entry, date))
    return dates


def _committed(folder: Path, path: str) -> datetime | None:
    """When a file was last committed; None outside a repository, and in one that has not the whole history."""

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        shallow = git("rev-parse", "--is-shallow-repository") == "true"
        date = "" if shallow else git("log", "-1", "--format=%cI", "--", path)
    except (OSError, subprocess.CalledProcessError):
        return None
    return datetime.fromisoformat(date).astimezone(UTC) if date else None
