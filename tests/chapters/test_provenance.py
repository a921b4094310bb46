"""The line below a figure or table names the function that made it, the data that it shows and the runs behind it.

The chapters' cells are read, not run: each line has to be of the cell above it, and what it links to is held against
the pages of the source.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import unescape
from pathlib import Path

import pytest
from prose import CELL, chapters
from stored import made_up

from epistemics.analysis.provenance_line import Origin, provenance, published, source_page, traced
from epistemics.analysis.stored_runs import Results, StoredRun
from epistemics.analysis.tables import Shown, Table, table_of
from epistemics.declared.project import Project
from epistemics.declared.runs import Run
from epistemics.publishing.source_pages import write_source_pages
from epistemics.science.configuration import Configuration
from epistemics.store.fingerprint import PACKAGE


@dataclass(frozen=True)
class Cell:
    """One cell of a chapter."""

    label: str
    tree: ast.Module

    @property
    def line(self) -> str:
        """The call that prints the line, as it stands there; empty if there is none."""
        calls = [ast.unparse(node) for node in ast.walk(self.tree) if isinstance(node, ast.Call)]
        return next((call for call in calls if call.startswith("provenance(")), "")

    @property
    def moved(self) -> list[str]:
        """The labels of the figures that its calls make interactive, as they stand there."""
        calls = [node for node in ast.walk(self.tree) if isinstance(node, ast.Call)]
        return [ast.unparse(call.args[0]) for call in calls if ast.unparse(call.func) == "interactive"]

    @property
    def drawing(self) -> ast.Call | None:
        """The call whose value is shown."""
        last = self.tree.body[-1] if self.tree.body else None
        return last.value if isinstance(last, ast.Expr) and isinstance(last.value, ast.Call) else None


def cells(text: str) -> Iterator[Cell]:
    for match in CELL.finditer(text):
        label = re.search(r"^#\| label: (\S+)$", match[0], re.M)
        yield Cell(label[1] if label else "", ast.parse("\n".join(match[0].splitlines()[1:-1])))


def faults(text: str) -> Iterator[str]:
    """What is wrong with the lines below the figures and tables of one chapter."""
    found = list(cells(text))
    for number, cell in enumerate(found):
        if cell.label.startswith("fig-") and not (number + 1 < len(found) and found[number + 1].line):
            yield f"{cell.label}: no line below says where it comes from"
        if cell.line and not found[number - 1].label:
            yield f"{cell.line}: below no figure or table"
        if cell.line and cell.line != "provenance(_)":
            yield f"{cell.line}: not of what the cell above shows, which is `_`"
        for figure in cell.moved:
            if figure != repr(above := found[number - 1].label):
                yield f"interactive({figure}): not of the figure above, which is {above!r}"


@pytest.mark.parametrize("chapter", chapters(), ids=lambda path: path.stem)
def test_below_a_figure_a_line_says_where_it_comes_from(chapter: Path) -> None:
    found = list(faults(chapter.read_text(encoding="utf-8")))
    assert not found, "\n".join(found)


RIGHT = """\
```{python}
#| label: fig-one
figures.one(tables["a"], tables["b"])
```

Words.

```{python}
provenance(_)
```
"""


@pytest.mark.parametrize(
    ("written", "instead", "fault"),
    [
        ("provenance(_)", "print(3)", "fig-one: no line below"),
        ("provenance(_)", "provenance(other)", "provenance(other): not of what the cell above shows"),
        ("#| label: fig-one\n", "", "provenance(_): below no figure or table"),
        (
            "(_)",
            '(_)\ninteractive("fig-on", lines)',
            "interactive('fig-on'): not of the figure above, which is 'fig-one'",
        ),
    ],
)
def test_a_wrong_line_is_found(written: str, instead: str, fault: str) -> None:
    assert not list(faults(RIGHT))
    (found,) = faults(RIGHT.replace(written, instead))
    assert found.startswith(fault)


@traced
def listed(one: Table, other: Table | None = None, *, last: Table | None = None) -> Shown:
    return Shown(["n"], [[str(len(table))] for table in (one, other, last) if table is not None])


def results(make: Callable[..., Configuration], name: str, states: Sequence[str]) -> Results:
    runs = [StoredRun(Run(name, "smoke", "g", make(), False), made_up("key", {}, {}), state) for state in states]
    return Results(None, tuple(runs))  # type: ignore[arg-type]


def line_below(shown: object, capsys: pytest.CaptureFixture[str]) -> str:
    provenance(shown)  # type: ignore[arg-type]
    return capsys.readouterr().out


def test_a_line_names_what_drew_the_tables_that_it_was_given_and_their_runs(
    configuration: Callable[..., Configuration], capsys: pytest.CaptureFixture[str]
) -> None:
    both, other = results(configuration, "both", ["fresh"] * 3), results(configuration, "other", ["fresh", "stale"])
    rows = table_of([{"n": 1}, {"n": 2}])
    a, b = published("epistemics.chapters.one.chapter", {"a": rows, "b": rows}, both).values()
    (c,) = published("epistemics.chapters.two.search", {"c": rows}, both, other).values()
    assert line_below(listed(a.where(n=2), last=c), capsys) == (
        "::: {.provenance}\n"
        "Data: [one.a.csv](../data/one.a.csv), [two.c.csv](../data/two.c.csv)"
        f" · Source: [{__name__}.listed](../data/source/{__name__}.html#listed)"
        " · Runs: [3 of both](runs.qmd#sec-runs-both), [2 of other](runs.qmd#sec-runs-other)."
        " **1 of them stale: their code has changed since.**\n:::\n"
    )
    (computed,) = published("epistemics.chapters.one.chapter", {"computed": rows}).values()
    assert "Runs:" not in line_below(listed(computed), capsys)
    assert "Data: [one.b.csv]" in line_below(listed(b), capsys)


def test_there_is_no_line_of_what_knows_no_origin(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="shows a Shown, made by no function that is `traced`"):
        line_below(Shown([], []), capsys)
    with pytest.raises(ValueError, match="listed was given a table without a name"):
        line_below(listed(table_of([])), capsys)


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
    drawing: ast.Call | None = None
    for cell in cells(chapter.read_text(encoding="utf-8")):
        imports: list[ast.stmt] = [node for node in cell.tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
        exec(compile(ast.Module(imports, []), chapter.name, "exec"), here)
        above, drawing = drawing, cell.drawing
        if cell.line:
            assert above is not None
            function = eval(
                ast.unparse(above.args[0] if ast.unparse(above.func) == "ledger.verdicts" else above.func), here
            )
            shown = Shown([], [])
            shown.origin = Origin(function, ("chapter.table",))
            provenance(shown)
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
