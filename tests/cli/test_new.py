"""`epistemics new NAME` begins an experiment whose chapter renders as it is."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from prose import PROJECT
from rendering import Rendering, epistemics, render

from epistemics.cli import main
from epistemics.cli.new import WRITTEN
from epistemics.declared.experiments import PROFILES, load_experiment

NAME = "learning-rate"
CONTENTS = "src/epistemics/chapters/contents.py"
WRITES = [
    "chapters/learning-rate.qmd",
    "experiments/learning-rate.yaml",
    "src/epistemics/chapters/learning_rate/__init__.py",
    "src/epistemics/chapters/learning_rate/chapter.py",
    "src/epistemics/chapters/learning_rate/figures.py",
]


def copied(folder: Path) -> Path:
    """The project without its results."""
    for name in ("src", "chapters", "experiments", "examples", "theme"):
        shutil.copytree(PROJECT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("_quarto.yml", "index.qmd", "references.qmd", "references.bib", "pyproject.toml"):
        shutil.copy2(PROJECT / name, folder / name)
    return folder


def content(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text("utf-8")
        for kind in ("*.py", "*.qmd", "*.y*ml")
        for path in folder.rglob(kind)
    }


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(copied(tmp_path))
    return tmp_path


def test_it_writes_five_files_and_a_line_in_each_of_two(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = content(project)
    assert main(["new", NAME]) == 0
    said, after = capsys.readouterr().out, content(project)
    changed = {path for path in before if after[path] != before[path]}
    assert sorted(after.keys() - before.keys()) == WRITES
    assert changed == {"_quarto.yml", CONTENTS}
    assert all(path in said for path in (*WRITES, *changed))
    for path in changed:
        lines, were = after[path].splitlines(), before[path].splitlines()
        (place,) = [number for number, line in enumerate(lines) if "learning-rate.qmd" in line]
        assert lines[:place] + lines[place + 1 :] == were
        assert "chapters/ledger.qmd" in "".join(lines[place + 1 : place + 3])
    assert not any(re.search(r"my.experiment", after[path], re.IGNORECASE) for path in WRITES)
    for profile in PROFILES:
        runs = load_experiment(project / "experiments", NAME, profile).runs
        assert {run.model for run in runs} == {"decay 0.1", "decay 1"}
    ruff = [sys.executable, "-m", "ruff"]
    for command in (["check"], ["format", "--check"]):
        done = subprocess.run([*ruff, *command, "src/epistemics"], capture_output=True, text=True, cwd=project)
        assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("name", "says"),
    [
        (
            "Learning Rate",
            "is no name of an experiment: it must be of small letters, digits and .*; try learning-rate$",
        ),
        ("learning_rate", "; try learning-rate$"),
        ("2-rates", "; try experiment-2-rates$"),
        ("../rates", "; try rates$"),
        ("", "; try experiment$"),
        ("x" * 41, "has 41 letters; at most 40"),
        ("import", "is a word of Python's, .*; try import-runs$"),
        ("joint", "'joint' is taken: there is experiments/joint.yaml, src/.*/joint/chapter.py, .*chapters/joint.qmd"),
        ("profile", "'profile' is taken: the book has a variable called so;"),
        ("ledger", "'ledger' is taken: there is src/epistemics/chapters/ledger/__init__.py"),
        ("contents", f"'contents' is taken: there is {re.escape(CONTENTS)};"),
        ("weight-decay", "'weight-decay' is taken: chapters/phase-1-1.qmd has the label fig-weight-decay;"),
    ],
)
def test_what_is_there_or_fits_no_label_is_refused_and_nothing_written(
    project: Path, capsys: pytest.CaptureFixture[str], name: str, says: str
) -> None:
    before = content(project)
    assert main(["new", name]) == 1
    assert re.search(says, capsys.readouterr().err.strip())
    assert content(project) == before


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        (CONTENTS, "CHAPTERS = (", "OTHERS = (", f"{CONTENTS}: in CHAPTERS is no chapter that follows the log"),
        (CONTENTS, "CHAPTERS = (", "CHAPTERS = ((", rf"{CONTENTS}:\d+: .* so it can't be read"),
        ("_quarto.yml", "chapters/ledger.qmd", "chapters/x.qmd", "_quarto.yml: «- chapters/ledger.qmd», before which"),
    ],
)
def test_a_list_that_has_no_place_for_it_is_named(
    project: Path, capsys: pytest.CaptureFixture[str], file: str, old: str, new: str, says: str
) -> None:
    (project / file).write_text((project / file).read_text("utf-8").replace(old, new, 1), "utf-8")
    assert main(["new", NAME]) == 1
    assert re.search(says, capsys.readouterr().err)
    assert not (project / "experiments" / f"{NAME}.yaml").exists()


def test_where_a_list_is_missing_nothing_is_written(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / CONTENTS).unlink()
    assert main(["new", NAME]) == 1
    assert f"{CONTENTS} is not there" in capsys.readouterr().err
    assert not (project / "experiments" / f"{NAME}.yaml").exists()


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Rendering:
    """The project with a new experiment, cut down to its chapter and to what a chapter refers to, and rendered."""
    folder = copied(tmp_path_factory.mktemp("begun"))
    assert epistemics(folder, "new", NAME).returncode == 0
    for path in (folder / "experiments").glob("*.yaml"):
        if path.stem not in (NAME, "claims"):
            path.unlink()
    _keep_chapters(folder / CONTENTS, {NAME, "runs"})
    (folder / "index.qmd").write_text("# First\n\nSee @sec-learning-rate.\n\n## Costs {#sec-cluster}\n", "utf-8")
    runs = folder / "chapters" / "runs.qmd"
    runs.write_text(runs.read_text("utf-8").replace("(@sec-code)", ""), "utf-8")
    order = yaml.safe_load((folder / "_quarto.yml").read_text("utf-8"))
    order["book"] |= {
        "chapters": ["index.qmd", f"chapters/{NAME}.qmd", "references.qmd"],
        "appendices": ["chapters/runs.qmd"],
    }
    (folder / "_quarto.yml").write_text(yaml.safe_dump(order), "utf-8")
    for path in (folder / "chapters").glob("*.qmd"):
        if path.stem not in (NAME, "runs"):
            path.unlink()
    return render(folder)


def _keep_chapters(path: Path, names: set[str]) -> None:
    """Leave only some chapters in the list."""
    text = path.read_text("utf-8")
    (listed,) = [node for node in ast.parse(text).body if ast.unparse(node).startswith("CHAPTERS = ")]
    assert isinstance(listed, ast.Assign)
    assert isinstance(listed.value, ast.Tuple)
    kept = [ast.unparse(entry) for entry in listed.value.elts if any(f"/{n}.qmd'" in ast.unparse(entry) for n in names)]
    lines = text.splitlines(keepends=True)
    lines[listed.lineno - 1 : listed.end_lineno] = [f"CHAPTERS = ({', '.join(kept)})\n"]
    path.write_text("".join(lines), "utf-8")


@pytest.mark.slow
def test_its_chapter_renders_at_once(begun: Rendering) -> None:
    assert begun.exit_status == 0, begun.log
    assert "training 4 runs (smoke)" in begun.log
    page = (begun.site / "chapters" / f"{NAME}.html").read_text("utf-8")
    assert page.count("<svg") + page.count(".svg") >= 1
    assert 'id="fig-learning-rate"' in page
    assert 'id="tbl-learning-rate"' in page
    said = " ".join(re.sub(r"<[^>]+>", "", page).split())
    assert re.search(r"4 runs were trained\. .* does so at (no step|step [\d,]+);", said)
    for data in ("curves", "steps"):
        assert f'href="../data/learning_rate.{data}.csv"' in page
        assert (begun.site / "data" / f"learning_rate.{data}.csv").read_text("utf-8").count("\n") > 4
    assert "4 of learning-rate" in said
    listed = (begun.site / "chapters" / "runs.html").read_text("utf-8")
    assert 'id="tbl-runs-learning-rate"' in listed


@pytest.mark.slow
def test_its_book_is_sound_and_its_code_is_typed(begun: Rendering) -> None:
    checked = epistemics(begun.folder, "check")
    assert checked.stdout.strip().endswith("nothing is wrong")
    package = begun.folder / "src" / "epistemics" / "chapters" / "learning_rate"
    environment = {"MYPYPATH": str(begun.folder / "src"), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", str(begun.folder / "pyproject.toml"), str(package)],
        cwd=begun.folder, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


def test_the_files_that_it_copies_ship_with_the_package() -> None:
    assert {path.name for path in WRITTEN.iterdir() if path.is_file()} == {
        "__init__.py", "chapter.py", "figures.py", "experiment.yaml", "chapter.qmd",
    }  # fmt: skip
