"""The output folder: pages, images, resources and the look, put in place only when all of it is made."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape

from qmdbook import html, previews, search
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
    """Write every chapter's page; returns their paths in `folder`."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(LOOK), autoescape=True, undefined=jinja2.StrictUndefined
    )
    template = environment.get_template("page.html")
    book = {
        "title": project.title,
        "subtitle": project.subtitle,
        "author": project.author,
        "date": project.long_date,
        "description": project.description,
        "pdf": project.pdf.as_posix(),
        "favicon": project.favicon.as_posix() if project.favicon else None,
        "feed": FEED.as_posix() if FEED in project.resources else None,
    }
    pages: dict[Path, previews.Page] = {}
    with_list = next((document for document in documents if "refs" in document.identifiers()), None)
    for position, document in enumerate(documents):
        path = document.chapter.entry.page
        with failing(document.chapter.path):
            body = html.body(document, with_list)
        before = documents[position - 1] if position > 0 else None
        after = documents[position + 1] if position + 1 < len(documents) else None
        page = {
            "title": document.name, "number": document.number, "unnumbered": document.unnumbered,
            "href": path.as_posix(), "body": Markup(body),
            "toc": html.contents(document, project.toc_depth),
            "previous": _entry(document, before), "next": _entry(document, after),
            "root": "../" * (len(path.parts) - 1), "description": document.description,
            "address": project.address(path),
        }  # fmt: skip
        chapters = [
            {**_link(document, other), "current": other is document, "part": other.chapter.entry.part,
             "appendix": other.chapter.entry.appendix}
            for other in documents
        ]  # fmt: skip
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(template.render(book=book, chapters=chapters, page=page), encoding="utf-8")
        pages[path] = previews.Page(f"{document.number} {document.name}".strip(), document.description, body)
    (folder / "site").mkdir()
    for name in ASSETS:
        shutil.copyfile(LOOK / name, folder / "site" / name)
    (folder / "site" / "previews.js").write_text(previews.script(pages), encoding="utf-8")
    (folder / "site" / "sections.js").write_text(search.script(pages), encoding="utf-8")
    return list(pages)


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


def _link(document: Document, other: Document) -> dict[str, Any]:
    return {"title": other.name, "number": other.number, "href": page_url(document, other)}


def _entry(document: Document, other: Document | None) -> dict[str, Any] | None:
    return _link(document, other) if other is not None else None
