"""A page for each module of this package, so that a link to a function leads to it and not to the head of a file.

``data/source/MODULE.html`` is written before a render, so both renderers publish the same pages. A definition at the
top level is marked by its name and not by its line: a chapter that is not executed again because what it reaches is as
it was still links to where the function is now.
"""

from __future__ import annotations

import ast
from pathlib import Path

import jinja2
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from epistemics.analysis.provenance_line import source_page
from epistemics.declared.project import Project
from epistemics.store.files import write_if_changed
from epistemics.store.fingerprint import PACKAGE, source_hash

TEMPLATES = ("page.html", "source_page.html")


def write_source_pages(project: Project) -> list[Path]:
    """Write the page of every module; returns those that changed. Pages of modules that are gone are removed."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=jinja2.StrictUndefined
    )
    template = environment.get_template(TEMPLATES[-1])
    files = [path.relative_to(PACKAGE) for path in sorted(PACKAGE.rglob("*.py"))]
    pages = {file: project.folder / source_page(_module(file)) for file in files}
    modules = [(page.name, _module(file)) for file, page in pages.items()]
    look = "".join((Path(__file__).parent / name).read_text(encoding="utf-8") for name in TEMPLATES) + str(modules)
    written: list[Path] = []
    for file, page in pages.items():
        source = (PACKAGE / file).read_text(encoding="utf-8")
        made_of = source_hash(look + source)
        # Colouring all of them takes a second, which a render of a book that is as it was can spare.
        if page.is_file() and made_of in page.read_text(encoding="utf-8"):
            continue
        lines = marked_lines(source)
        content = template.render(file=file.as_posix(), lines=lines, modules=modules, made_of=made_of)
        written += write_if_changed(page, content.encode())
    for path in {*(project.folder / source_page("any")).parent.glob("*.html")} - {*pages.values()}:
        path.unlink()
    return written


def _module(file: Path) -> str:
    return ".".join(part for part in ("epistemics", *file.with_suffix("").parts) if part != "__init__")


def marked_lines(source: str) -> list[tuple[str, str]]:
    """Each line with the name by which it is linked to, its number unless a definition begins there, as HTML."""
    names = {
        node.lineno: node.name
        for node in ast.parse(source).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    }
    # Without `stripnl=False` lines at the head are dropped, and the numbers are wrong.
    lines = highlight(source, PythonLexer(stripnl=False), HtmlFormatter(nowrap=True)).splitlines()
    return [(names.get(number, str(number)), line) for number, line in enumerate(lines, 1)]
