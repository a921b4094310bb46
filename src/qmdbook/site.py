"""The output folder: pages, images, resources and the look, put in place only when all of it is made."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape

from qmdbook import figures, html, markdown, notebook, previews, search
from qmdbook.document import Document
from qmdbook.problems import failing
from qmdbook.project import Project
from qmdbook.references import page_url

LOOK = Path(str(resources.files("qmdbook"))) / "site"
ASSETS = ("style.css", "page.js", "minisearch.js", "stix-two-math.woff2", "LICENSES.txt")
FEED = Path("feed.xml")
"""The feed that pages name, if the book publishes one."""


@contextmanager
def replacing(output: Path) -> Iterator[Path]:
    """A new folder that takes the place of `output` if the block ends well, and is removed if it does not."""
    output.parent.mkdir(parents=True, exist_ok=True)
    new = Path(tempfile.mkdtemp(prefix=f".{output.name}.new-", dir=output.parent))
    try:
        yield new
        new.chmod(0o755)  # mkdtemp lets nobody else read it
        # No call puts a folder in the place of one that is not empty, so the old one steps aside first.
        old = Path(tempfile.mkdtemp(prefix=f".{output.name}.old-", dir=output.parent))
        if output.exists():
            os.rename(output, old / output.name)
        os.rename(new, output)
        shutil.rmtree(old)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def write_files(folder: Path, root: Path, paths: Sequence[Path], generated: Mapping[Path, bytes]) -> None:
    """Put the generated images and copies of the project's own files at the same paths in `folder`."""
    for path in paths:
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if path in generated:
            target.write_bytes(generated[path])
        elif (root / path).is_file():
            shutil.copyfile(root / path, target)


def write_pages(folder: Path, project: Project, documents: Sequence[Document]) -> list[Path]:
    """Write every chapter's page, and the page of figures; returns their paths in `folder`."""
    written = Pages(folder, project, documents)
    for document in documents:
        written.write(document)
    figures = written.write_figures()
    written.write_look()
    return [*written.pages, *([figures] if figures else [])]


class Pages:
    """The pages of a book in a folder; one can be written again when its chapter has changed."""

    def __init__(self, folder: Path, project: Project, documents: Sequence[Document]) -> None:
        self.folder, self.project, self.documents = folder, project, list(documents)
        self.pages: dict[Path, previews.Page] = {}
        environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(LOOK), autoescape=True, undefined=jinja2.StrictUndefined
        )
        self._template = environment.get_template("page.html")
        self._book = {
            "title": project.title,
            "subtitle": project.subtitle,
            "author": project.author,
            "date": project.long_date,
            "description": project.description,
            "pdf": project.pdf.as_posix(),
            "epub": project.epub.as_posix(),
            "figures": figures.PATH.with_suffix(".html").as_posix() if any(map(figures.has_any, documents)) else None,
            "favicon": project.favicon.as_posix() if project.favicon else None,
            "feed": FEED.as_posix() if FEED in project.resources else None,
        }
        self._with_list = next((document for document in documents if "refs" in document.identifiers()), None)

    def write(self, document: Document) -> None:
        """Write the page of one of the chapters."""
        position = next(number for number, other in enumerate(self.documents) if other is document)
        path = document.chapter.entry.page
        with failing(document.chapter.path):
            body = html.body(document, self._with_list)
        before = self.documents[position - 1] if position > 0 else None
        after = self.documents[position + 1] if position + 1 < len(self.documents) else None
        self._write(document, body, before, after, _formats(document))
        self.pages[path] = previews.Page(f"{document.number} {document.name}".strip(), document.description, body)

    def write_figures(self) -> Path | None:
        """Write the page of all figures; returns its path in the folder, or None if there are no figures."""
        document = figures.page(self.documents, self.project)
        if document is None:
            return None
        return self._write(document, html.body(document, None), None, None, [])

    def _write(
        self, document: Document, body: str, before: Document | None, after: Document | None,
        formats: list[dict[str, str]],
    ) -> Path:  # fmt: skip
        path = document.chapter.entry.page
        page = {
            "title": document.name, "number": document.number, "unnumbered": document.unnumbered,
            "href": path.as_posix(), "body": Markup(body),
            "toc": html.contents(document, self.project.toc_depth),
            "previous": _entry(document, before), "next": _entry(document, after),
            "root": "../" * (len(path.parts) - 1), "description": document.description,
            "address": self.project.address(path),
            "formats": formats,
        }  # fmt: skip
        chapters = [
            {**_link(document, other), "current": other is document, "part": other.chapter.entry.part,
             "appendix": other.chapter.entry.appendix}
            for other in self.documents
        ]  # fmt: skip
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(self._template.render(book=self._book, chapters=chapters, page=page), encoding="utf-8")
        return path

    def write_look(self) -> None:
        """Write what the pages share: the look, what links are shown with, and what the search looks in."""
        (self.folder / "site").mkdir(exist_ok=True)
        for name in ASSETS:
            shutil.copyfile(LOOK / name, self.folder / "site" / name)
        (self.folder / "site" / "previews.js").write_text(previews.script(self.pages), encoding="utf-8")
        (self.folder / "site" / "sections.js").write_text(search.script(self.pages), encoding="utf-8")


def write_other_formats(folder: Path, project: Project, documents: Sequence[Document]) -> None:
    """Write every chapter's Markdown beside its page, and its notebook if it has cells."""
    book = markdown.Book(documents, project)

    def write(document: Document) -> None:
        entry = document.chapter.entry
        with failing(document.chapter.path):
            (folder / entry.markdown).write_text(markdown.text(document, book), encoding="utf-8")
            if document.chapter.cells:
                (folder / entry.notebook).write_text(notebook.text(document, book), encoding="utf-8")

    with ThreadPoolExecutor() as pool:
        list(pool.map(write, documents))


def write_sitemap(folder: Path, project: Project, pages: Sequence[Path]) -> None:
    """Write `sitemap.xml`, and the `robots.txt` that names it: only with a `site-url`, for they need whole addresses.

    A `robots.txt` of the project's own is left as it is.
    """
    if not project.site_url:
        return
    addresses = "".join(f"  <url><loc>{escape(project.address(page))}</loc></url>\n" for page in pages)
    sitemap = f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n{addresses}</urlset>\n'
    (folder / "sitemap.xml").write_text(f'<?xml version="1.0" encoding="UTF-8"?>\n{sitemap}', encoding="utf-8")
    if not (folder / "robots.txt").exists():
        (folder / "robots.txt").write_text(f"Sitemap: {project.address(Path('sitemap.xml'))}\n", encoding="utf-8")


def _formats(document: Document) -> list[dict[str, str]]:
    """What a page is written as besides HTML."""
    entry = document.chapter.entry
    formats = [{"name": "Markdown", "type": "text/markdown", "href": entry.markdown.name}]
    if document.chapter.cells:
        formats.append({"name": "a notebook", "type": "application/x-ipynb+json", "href": entry.notebook.name})
    return formats


def _link(document: Document, other: Document) -> dict[str, Any]:
    return {"title": other.name, "number": other.number, "href": page_url(document, other)}


def _entry(document: Document, other: Document | None) -> dict[str, Any] | None:
    return _link(document, other) if other is not None else None
