"""`epistemics changes REV` on a small book in a repository of its own, each version asked of its own code."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from small_project import EXPERIMENT
from small_project import project as small_project
from stored import learned

from epistemics.cli import main
from epistemics.declared.experiments import load_experiment
from epistemics.store.fingerprint import PACKAGE
from epistemics.store.store import Store

project = small_project

CONTENTS = """\
CHAPTERS = (
    Chapter("chapters/sizes.qmd", (7,), "Which size?", needs={"sizes": ()}),
    Chapter("chapters/ledger.qmd", (7,), "Which claims hold?"),
)
"""
CHAPTER = '''\
"""Sizes."""

import matplotlib as mpl
from matplotlib.figure import Figure

from epistemics.analysis.claims import Evidence
from epistemics.analysis.provenance_line import published, traced
from epistemics.analysis.stored_runs import load_results
from epistemics.analysis.style import SETTINGS, Picture
from epistemics.analysis.tables import table_of


def tables(project=None):
    results = load_results("sizes", project)
    rows = [{"run": r.run.key, "accuracy": round(r.metrics["validation_accuracy"], 2)} for r in results]
    return published(__name__, {"runs": table_of(rows)}, results)


def share(project):
    own = tables(project)
    return {"best": str(max(own["runs"].column("accuracy")))}, own


def evidence_of(project):
    best = max(tables(project)["runs"].column("accuracy"))
    return {"learns": Evidence("@fig-sizes", holds=best > 0.9, said=f"{best}")}


@traced
def drawn(table):
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(3, 2))
        figure.subplots().plot(table.column("accuracy"))
        return Picture(figure)
'''
PAGE = """\
# Sizes {#sec-sizes}

The best: {{< var sizes.best >}}.

```{python}
from epistemics.chapters.sizes import chapter

tables = chapter.tables()
```

```{python}
#| label: fig-sizes
#| fig-cap: "Sizes."
#| fig-alt: "A line."
chapter.drawn(tables["runs"])
```
"""
CLAIMS = """\
claims:
  - {id: learns, entry: 7, declared: before, says: It learns, criterion: some run does}
"""


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=n", "-c", "user.email=e"]
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def store(folder: Path, experiment: str, accuracy: float) -> None:
    """A result for each run of an experiment that has none, of models that learn so much."""
    results = Store(folder / "results")
    for run in load_experiment(folder / "experiments", experiment).runs:
        if run.key not in results:
            results.write(learned(run.configuration, [accuracy]))


@pytest.fixture
def book(project: Path) -> Path:
    """A book of one experiment, one figure and one claim, with its code, committed."""
    package = project / "src" / "epistemics"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    contents = package / "chapters" / "contents.py"
    text = contents.read_text("utf-8")
    (listed,) = [node for node in ast.parse(text).body if ast.unparse(node).startswith("CHAPTERS = ")]
    lines = text.splitlines(keepends=True)
    lines[listed.lineno - 1 : listed.end_lineno] = [CONTENTS]
    contents.write_text("".join(lines), "utf-8")
    (package / "chapters" / "sizes").mkdir()
    (package / "chapters" / "sizes" / "__init__.py").write_text("")
    (package / "chapters" / "sizes" / "chapter.py").write_text(CHAPTER)
    (project / "chapters").mkdir()
    (project / "chapters" / "sizes.qmd").write_text(PAGE)
    (project / "chapters" / "ledger.qmd").write_text("# Ledger {#sec-ledger}\n")
    configuration = yaml.safe_load((project / "_quarto.yml").read_text())
    configuration["book"]["chapters"] += ["chapters/sizes.qmd", "chapters/ledger.qmd"]
    (project / "_quarto.yml").write_text(yaml.safe_dump(configuration))
    (project / "experiments" / "claims.yaml").write_text(CLAIMS)
    (project / ".gitignore").write_text("/.workspace/\n__pycache__/\n")
    store(project, "sizes", 0.5)
    for command in (("init", "-q"), ("add", "."), ("commit", "-qm", "The book")):
        git(project, *command)
    return project


def changed(folder: Path, *arguments: str) -> dict[str, Any]:
    """What the present code says of the book in a folder."""
    command = [sys.executable, "-m", "epistemics", "changes", *arguments, "--json"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("EPISTEMICS_")}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    assert told["not_compared"] == {}, told["not_compared"]
    return told


KINDS = ("numbers", "verdicts", "tables", "figures", "experiments", "results")


@pytest.mark.slow
def test_what_changed_in_the_book_and_nothing_else(book: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    (book / "README.md").write_text("Sizes.\n")  # of no book: both are asked, and say the same
    told = changed(book, "HEAD")
    assert [told[kind] for kind in KINDS] == [[]] * len(KINDS)
    assert git(book, "status", "--porcelain") == "?? README.md"

    # One run is gone, the other learns more now, and there is another experiment.
    declared = yaml.safe_load(EXPERIMENT)
    short, long = load_experiment(book / "experiments", "sizes").runs
    declared["profiles"]["paper"]["groups"].pop()
    (book / "experiments" / "sizes.yaml").write_text(yaml.safe_dump(declared))
    for run in (short, long):
        shutil.rmtree(book / "results" / run.key)
    store(book, "sizes", 0.97)
    declared |= {"title": "Another"}
    declared["defaults"]["d_model"] = 16
    (book / "experiments" / "another.yaml").write_text(yaml.safe_dump(declared))
    store(book, "another", 0.5)
    page = tmp_path_factory.mktemp("page") / "changes.html"
    before = git(book, "status", "--porcelain")
    told = changed(book, "HEAD", "--page", str(page))

    numbers = {change["name"]: (change["before"], change["after"]) for change in told["numbers"]}
    assert numbers["sizes.best"] == ("0.5", "0.97")
    (verdict,) = told["verdicts"]
    assert (verdict["before"]["verdict"], verdict["after"]["verdict"]) == ("not reproduced", "reproduced")
    (table,) = [change for change in told["tables"] if change["name"] == "sizes.runs"]
    assert table["gone"] == [[long.key]]
    assert table["changed"] == [[[short.key], [{"name": "accuracy", "before": "0.5", "after": "0.97"}]]]
    (figure,) = told["figures"]
    assert (figure["name"], figure["data_changed"]) == ("fig-sizes", ["sizes.runs"])
    assert figure["before"]["sha256"] != figure["after"]["sha256"]
    another, sizes = told["experiments"]
    assert (another["name"], another["what"], len(another["new"])) == ("another", "new", 1)
    assert (sizes["name"], list(sizes["gone"])) == ("sizes", [long.key])
    results = {change["key"]: change["what"] for change in told["results"]}
    assert results.pop(short.key) == "changed"
    assert results.pop(long.key) == "gone"
    assert results == dict.fromkeys(another["new"], "new")

    assert len(re.findall(r'<img src="data:image/svg\+xml', page.read_text("utf-8"))) == 2
    assert git(book, "status", "--porcelain") == before  # no _variables.yml, no data/

    # What is missing is said, and not trained.
    shutil.rmtree(book / "results" / short.key)
    command = [sys.executable, "-m", "epistemics", "changes", "HEAD"]
    done = subprocess.run(command, cwd=book, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "numbers are not compared: now: 1 of its 2 results are not stored" in done.stdout


@pytest.mark.slow
def test_stopped_it_leaves_nothing_behind(book: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    (book / "README.md").write_text("Sizes.\n")
    temporary = tmp_path_factory.mktemp("temporary")
    command = [sys.executable, "-m", "epistemics", "changes", "HEAD"]
    process = subprocess.Popen(
        command, cwd=book, env=os.environ | {"TMPDIR": str(temporary)}, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    while "tables and numbers" not in process.stderr.readline():
        assert process.poll() is None
    assert [path.name for path in temporary.iterdir() if path.name.startswith("epistemics-")]
    process.send_signal(signal.SIGINT)
    assert process.wait() == 130
    assert not list(temporary.iterdir())
    assert git(book, "worktree", "list").count("\n") == 0
    assert git(book, "status", "--porcelain") == "?? README.md"


def test_on_a_clean_tree_nothing_changed(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    git(project, "init", "-q")
    git(project, "add", ".")
    git(project, "commit", "-qm", "The book")
    assert main(["changes", "HEAD"]) == 0
    printed = capsys.readouterr()
    assert "nothing changed" in printed.out
    assert printed.err == ""  # nobody had to be asked


def test_what_can_not_be_compared_is_said_in_a_line(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def said(*arguments: str) -> str:
        assert main(["changes", *arguments]) == 1
        (line,) = capsys.readouterr().err.splitlines()
        return line

    assert "lies in no git repository" in said("HEAD")
    git(project, "init", "-q")
    assert "HEAD: no commit of this repository" in said("HEAD")
    (project / "first").write_text("")
    git(project, "add", "first")
    git(project, "commit", "-qm", "Before the book")
    assert "nowhere: no commit of this repository" in said("nowhere")
    assert "HEAD: there was no book yet: it has no _quarto.yml" in said("HEAD")
    assert "no commit of this repository" in said("HEAD:first")
    assert "the results of the smoke profile are in no commit" in said("HEAD", "--profile", "smoke")
    assert "in a folder that is there" in said("HEAD", "--page", "nowhere/changes.html")
