"""The line below a figure or table names the function that made it, the data that it shows and the runs behind it.

The chapters' cells are read, not run: each line is held against the cell above it, and what it links to against the
pages of the source.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape
from pathlib import Path

import pytest
from prose import CELL, chapters

from epistemics.analysis.provenance_line import provenance, source_page
from epistemics.declared.project import Project
from epistemics.publishing.source_pages import write_source_pages
from epistemics.store.fingerprint import PACKAGE


@dataclass(frozen=True)
class Cell:
    """One cell of a chapter."""

    label: str
    tree: ast.Module

    @property
    def provenance(self) -> ast.Call | None:
        calls = [node for node in ast.walk(self.tree) if isinstance(node, ast.Call)]
        return next((call for call in calls if ast.unparse(call.func) == "provenance"), None)


def cells(text: str) -> Iterator[Cell]:
    for match in CELL.finditer(text):
        label = re.search(r"^#\| label: (\S+)$", match[0], re.M)
        yield Cell(label[1] if label else "", ast.parse("\n".join(match[0].splitlines()[1:-1])))


def faults(text: str) -> Iterator[str]:
    """What is wrong with the lines below the figures and tables of one chapter."""
    found = list(cells(text))
    lines = [cell.provenance for cell in found]
    results = {ast.unparse(name) for line in lines if line for name in _runs(line)}
    owners: set[str] = set()
    for number, (cell, line) in enumerate(zip(found, lines, strict=True)):
        if cell.label.startswith("fig-") and not (number + 1 < len(found) and lines[number + 1]):
            yield f"{cell.label}: no line below says where it comes from"
        if line is None:
            continue
        drawing = found[number - 1]
        where = f"below {drawing.label or 'no figure or table'}"
        called = [ast.unparse(node.func) for node in ast.walk(drawing.tree) if isinstance(node, ast.Call)]
        function, *tables = line.args
        if not drawing.label or ast.unparse(function) not in called:
            yield f"{where}: {ast.unparse(function)} is named, and {', '.join(called) or 'nothing'} called"
        names = [ast.literal_eval(table).split(".") for table in tables]
        named = {table for _, table in names}
        shown = {
            ast.literal_eval(node.slice)
            for node in ast.walk(drawing.tree)
            if isinstance(node, ast.Subscript) and ast.unparse(node.value) == "tables"
        }
        if shown and named != shown:
            yield f"{where}: the data named are {sorted(named)}, those shown {sorted(shown)}"
        if shown:
            owners |= {owner for owner, _ in names}
        used = {node.id for node in ast.walk(drawing.tree) if isinstance(node, ast.Name)} & results
        if missing := used - {ast.unparse(name) for name in _runs(line)}:
            yield f"{where}: made of {', '.join(sorted(missing))}, which is not among its runs"
    if len(owners) > 1:
        yield f"data of several chapters are shown: {', '.join(sorted(owners))}"


def _runs(line: ast.Call) -> list[ast.expr]:
    for keyword in line.keywords:
        if keyword.arg == "runs":
            assert isinstance(keyword.value, ast.List)
            return keyword.value.elts
    return []


@pytest.mark.parametrize("chapter", chapters(), ids=lambda path: path.stem)
def test_a_line_below_a_figure_names_what_made_it(chapter: Path) -> None:
    found = list(faults(chapter.read_text(encoding="utf-8")))
    assert not found, "\n".join(found)


RIGHT = """\
```{python}
#| label: fig-one
figures.one(tables["a"], tables["b"])
```

Words.

```{python}
provenance(figures.one, "chapter.a", "chapter.b", runs=[results])
```

```{python}
#| label: tbl-two
module.two(f(results))
```

```{python}
provenance(module.two, "chapter.c", runs=[results])
```
"""


@pytest.mark.parametrize(
    ("written", "instead", "fault"),
    [
        ("provenance(figures.one", "provenance(figures.other", "below fig-one: figures.other is named"),
        ("provenance(module.two", "provenance(figures.one", "below tbl-two: figures.one is named"),
        ('"chapter.a", "chapter.b"', '"chapter.a"', "below fig-one: the data named are"),
        ('"chapter.a", "chapter.b"', '"chapter.a", "chapter.c"', "below fig-one: the data named are"),
        ('"chapter.a", "chapter.b"', '"chapter.a", "other.b"', "data of several chapters"),
        ('"chapter.c", runs=[results]', '"chapter.c"', "below tbl-two: made of results"),
        ('provenance(figures.one, "chapter.a", "chapter.b", runs=[results])', "print(3)", "fig-one: no line below"),
    ],
)
def test_a_wrong_line_is_found(written: str, instead: str, fault: str) -> None:
    assert not list(faults(RIGHT))
    found = list(faults(RIGHT.replace(written, instead)))
    assert len(found) == 1
    assert found[0].startswith(fault)


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project's folder with the pages of the source."""
    folder = tmp_path_factory.mktemp("source")
    write_source_pages(Project(folder, "paper", folder / "results"))
    return folder


@pytest.mark.parametrize("chapter", chapters(), ids=lambda path: path.stem)
def test_a_source_link_leads_to_the_line_where_the_function_begins(
    chapter: Path, pages: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here: dict[str, object] = {}
    for cell in cells(chapter.read_text(encoding="utf-8")):
        imports: list[ast.stmt] = [node for node in cell.tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
        exec(compile(ast.Module(imports, []), chapter.name, "exec"), here)
        if cell.provenance:
            function = eval(ast.unparse(cell.provenance.args[0]), here)
            provenance(function)
            link = re.search(r"Source: \[\S+\]\(\.\./(\S+)#(\S+)\)", capsys.readouterr().out)
            assert link is not None
            page = (pages / link[1]).read_text(encoding="utf-8")
            line = re.search(rf'<span class="line" id="{link[2]}">(.*)$', page, re.M)
            assert line is not None
            assert re.sub("<[^>]*>", "", line[1]).startswith(f"def {function.__name__}(")


def test_every_line_of_a_module_is_on_its_page_at_its_number(pages: Path) -> None:
    for module in ("chapters.joint.figures", "cli.book", "publishing.source_pages"):
        source = (PACKAGE / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8")
        page = (pages / source_page(f"epistemics.{module}")).read_text(encoding="utf-8")
        shown = re.findall(r'<span class="line" id="([^"]*)">(.*)$', page, re.M)
        assert [unescape(re.sub("<[^>]*>", "", line)).strip() for _, line in shown] == [
            line.strip() for line in source.splitlines()
        ]
        assert [name for number, (name, _) in enumerate(shown, 1) if name.isdigit() and int(name) != number] == []


def test_source_pages_follow_the_source(pages: Path) -> None:
    project = Project(pages, "paper", pages / "results")
    page = pages / source_page("epistemics.analysis.tables")
    assert write_source_pages(project) == []
    page.write_text(re.sub(r'(?<=made-of" content=")\w+', "of another source", page.read_text(encoding="utf-8")))
    gone = page.with_name("epistemics.gone.html")
    gone.touch()
    assert write_source_pages(project) == [page]
    assert not gone.exists()
