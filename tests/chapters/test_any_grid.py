"""Whatever an experiment file says, each chapter that loads it makes its numbers, tables and figures.

Their cells are executed here, on several such grids each; one chapter is rendered on one.
"""

from __future__ import annotations

import ast
import html
import re
import shutil
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import stored
import yaml
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from IPython.core.formatters import DisplayFormatter
from prose import CELL, PROJECT
from pypdf import PdfReader

import qmdbook
from epistemics.analysis.tables import ABSENT
from epistemics.chapters.contents import CHAPTERS, Chapter
from epistemics.chapters.needs import require
from epistemics.declared.experiments import CLAIMS, experiment_names, load_experiment
from epistemics.declared.project import Project
from epistemics.declared.sections import SpecificationError
from epistemics.publishing.chapter_keys import loaded
from epistemics.publishing.source_pages import write_source_pages
from epistemics.publishing.variables import _made
from epistemics.science.configuration import NAMES
from epistemics.store.fingerprint import reached_from
from epistemics.store.store import Store

EXPERIMENTS = experiment_names(PROJECT / "experiments")
VARIABLE = re.compile(r"\{\{< var ([\w.]+) >\}\}")
NAMED = {name for path in PROJECT.glob("**/*.qmd") for name in VARIABLE.findall(path.read_text(encoding="utf-8"))}
"""Every variable that the book's prose shows."""

SMALLER = {"d_model": 8, "batch_size": 64, "adversarial_directions": 10}
"""By what the values of a declared grid are divided."""
VARIED = ("weight_decay", "train_fraction", "layers", "d_model", "adversarial_weight")
"""Whose values may be others than those declared."""
LENGTHS = ("steps", "measure_every", "stop_after_grokking")
"""What all groups of a small grid have in common."""

LEARNING: dict[str, list[float | None]] = {
    "never": [0.1],
    "from the start": [1.0],
    "soon": [0.0, 1.0],
    "late, with a dip": [0.0, 0.2, 0.2, 1.0, 1.0, 0.9, 1.0],
    "in part": [0.0, 0.6, 0.96],
    "until it diverges": [0.0, 1.0, None],
    "not at all, for it diverges": [0.0, None],
}
"""Validation accuracies at a run's evaluations."""


def cells_of(chapter: Chapter) -> list[str]:
    """The code of its cells."""
    cells = CELL.findall((PROJECT / chapter.path).read_text(encoding="utf-8"))
    return ["\n".join(cell.splitlines()[1:-1]) for cell in cells]


def experiments_of(chapter: Chapter) -> list[str]:
    """The experiments that its numbers and cells load, and those whose runs these take over."""
    code = "\n".join([*cells_of(chapter), f"from epistemics.chapters.{chapter.name} import chapter\nchapter.share"])
    own = loaded(code, reached_from(code), EXPERIMENTS)
    groups = [group for name in own for group in declared(name)["profiles"]["paper"]["groups"]]
    return sorted({*own, *(group["runs_of"] for group in groups if "runs_of" in group)})


def declared(name: str) -> dict[str, Any]:
    """The content of an experiment file."""
    return dict(yaml.safe_load((PROJECT / "experiments" / f"{name}.yaml").read_text(encoding="utf-8")))


LOADING = [chapter for chapter in CHAPTERS if chapter.name and experiments_of(chapter)]


@st.composite
def grids(draw: st.DrawFn, name: str) -> dict[str, Any]:
    """Another paper profile of an experiment file, of small models."""
    paper = declared(name)["profiles"]["paper"]
    some = st.lists(st.booleans(), min_size=len(paper["groups"]), max_size=len(paper["groups"]))
    there = draw(st.just([True] * len(paper["groups"])) | some.filter(any))
    others = draw(st.sets(st.sampled_from(VARIED)))
    return {
        "defaults": paper.get("defaults", {})
        | {key: other(key, value, others) for key, value in declared(name)["defaults"].items() if key in VARIED}
        | {
            "modulus": draw(st.sampled_from([5, 7, 3, 13])),
            "heads": 2,
            "batch_size": 1,
            "steps": draw(st.sampled_from([40, 90, 10])),
            "stop_after_grokking": None,
            "evaluate_every": 10,
            "grokking_evaluations": draw(st.sampled_from([1, 0])),
            "measure_every": draw(st.sampled_from([10, 0])),
            "measure_after_grokking": draw(st.sampled_from([[0], [], [0, 20]])),
            "compiled": False,
            "adversarial_directions": 1,
        },
        "groups": [
            draw(changed(group, others)) for group, is_there in zip(paper["groups"], there, strict=True) if is_there
        ],
    }


@st.composite
def changed(draw: st.DrawFn, group: dict[str, Any], others: set[str]) -> dict[str, Any]:
    """A group with some of its values, or with others; with other seeds, renamed or not, with weights or without."""
    name = {"name": draw(st.sampled_from([group["name"], f"renamed {group['name']}"]))}
    if "runs_of" in group:
        return group | name
    seeds = draw(st.sampled_from([[0], [0, 1, 2], [4, 7]]))
    fixed = {key: other(key, value, others) for key, value in group.get("set", {}).items() if key not in LENGTHS}
    varied = {}
    for key, values in group.get("vary", {}).items():
        own = [other(key, value, others) for value in values]
        varied[key] = draw(st.just(own) | st.lists(st.sampled_from(own), min_size=1, unique=True))
    weights = {"keep_weights": seeds} if "keep_weights" in group and draw(st.booleans()) else {}
    label = {"label": group["label"]} if "label" in group else {}
    return name | label | {"set": fixed, "vary": varied, "seeds": seeds} | weights


def other(key: str, value: Any, others: set[str]) -> Any:
    """A value of a declared grid, of a small model, or one beside it."""
    if key in SMALLER:
        value = max(1, value // SMALLER[key])
    if key not in others:
        return value
    return 2 * value if isinstance(value, int) else 0.3 + value / 2


@st.composite
def studies(draw: st.DrawFn, names: list[str]) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """The grid of each experiment, and how their runs learn, in turn."""
    found = {name: draw(grids(name)) for name in names}
    return found, draw(st.lists(st.sampled_from(sorted(LEARNING)), min_size=1, max_size=3))


def written(folder: Path, drawn: Mapping[str, dict[str, Any]], learning: list[str]) -> Project:
    """A project with these experiments, and a result of each run."""
    for name in ("experiments", "results"):
        shutil.rmtree(folder / name, ignore_errors=True)
    (folder / "experiments").mkdir(parents=True)
    (folder / "chapters").mkdir(exist_ok=True)
    shutil.copy(PROJECT / "_quarto.yml", folder)
    shutil.copy(PROJECT / "experiments" / CLAIMS, folder / "experiments")
    for name, paper in drawn.items():
        content = declared(name)
        content["profiles"]["paper"] = paper
        (folder / "experiments" / f"{name}.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    project = Project(folder, "paper", folder / "results", "stored")
    try:
        require(project)
        runs = [run for name in drawn for run in load_experiment(project.experiments, name).runs]
    except SpecificationError:
        assume(False)  # that a file can't be so is said before anything trains
    kept, store = {run.key for run in runs if run.keep_weights}, Store(project.results)
    for number, (key, run) in enumerate({run.key: run for run in runs}.items()):
        store.write(stored.learned(run.configuration, LEARNING[learning[number % len(learning)]], key in kept))
    return project


def texts(variables: Mapping[str, Any], name: str) -> Iterator[tuple[str, str]]:
    for key, value in variables.items():
        if isinstance(value, Mapping):
            yield from texts(value, f"{name}.{key}")
        else:
            yield f"{name}.{key}", value


def executed(cells: list[str]) -> None:
    """Execute cells as a kernel does, and show what each ends in."""
    shown = DisplayFormatter()
    shown.active_types = shown.format_types
    namespace: dict[str, Any] = {}
    for cell in cells:
        *statements, last = ast.parse(cell).body
        exec(compile(ast.Module(statements, []), "<cell>", "exec"), namespace)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), "<cell>", "eval"), namespace)
            if value is not None:
                namespace["_"] = value
                data, _ = shown.format(value)  # type: ignore[no-untyped-call]
                assert {"text/markdown", "text/html", "image/svg+xml"} & set(data), cell
        else:
            exec(compile(ast.Module([last], []), "<cell>", "exec"), namespace)


@pytest.mark.parametrize("chapter", LOADING, ids=[chapter.name for chapter in LOADING])
def test_a_chapter_takes_any_grid(
    chapter: Chapter, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path_factory.mktemp("any") / "project"
    for variable in ("EPISTEMICS_PROFILE", "EPISTEMICS_RESULTS"):
        monkeypatch.delenv(variable, raising=False)

    @settings(
        max_examples=5 if len(experiments_of(chapter)) < 6 else 2,  # a grid of each of many experiments is a great deal
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
    )
    @given(studies(experiments_of(chapter)))
    def holds(study: tuple[dict[str, dict[str, Any]], list[str]]) -> None:
        project = written(folder, *study)
        monkeypatch.chdir(folder / "chapters")
        assert chapter.name is not None
        variables, tables = import_module(f"epistemics.chapters.{chapter.name}.chapter").share(project)
        found = dict(texts(variables, chapter.name))
        assert all(table.to_csv() for table in tables.values())
        assert {name for name in NAMED if name.startswith(f"{chapter.name}.")} <= set(found)
        assert not [name for name, text in found.items() if re.search(r"\b(nan|inf|None)\b", text) or not text]
        executed(cells_of(chapter))

    holds()


SMALL = {
    "modulus": 7, "d_model": 16, "heads": 2, "batch_size": 1, "steps": 40, "stop_after_grokking": None,
    "evaluate_every": 10, "grokking_evaluations": 1, "measure_every": 10, "compiled": False,
}  # fmt: skip
LABEL = "half & 50% of #2 {{x}}, d_model {d_model}, λ {weight_decay:g}"
"""Of whatever a label may hold and Markdown, HTML, Typst or a figure could take for more than text."""
GRID = {
    "joint": [{"name": "baseline", "label": LABEL, "set": {"weight_decay": 0.3}, "seeds": [4, 7]}],
    "joint-search": [{"name": "renamed", "set": {"learning_rate": 0.002}, "seeds": [0]}],
    "phase-1-2": [{"name": "renamed", "vary": {"weight_decay": [0.3, 2.0]}, "seeds": [0]}],
}
"""Groups of what the chapter of two operations loads: none of one layer, and no decay that the log has."""
BOOK = """\
project: {type: book, resources: [/data/**/*]}
book: {title: Grid, author: Nobody, chapters: [index.qmd, chapters/joint.qmd, chapters/runs.qmd]}
bibliography: references.bib
format: {html: {toc-depth: 3}, typst: {papersize: a4, citeproc: true}}
"""


@pytest.mark.slow
def test_a_chapter_on_another_grid_is_rendered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EPISTEMICS_RESULTS", raising=False)  # kernels would read it
    project = written(tmp_path, {n: {"defaults": SMALL, "groups": groups} for n, groups in GRID.items()}, ["soon"])
    text = (PROJECT / "chapters/joint.qmd").read_text(encoding="utf-8")
    elsewhere = {*re.findall(r"@(sec-[\w-]+)", text)} - {*re.findall(r"\{#(sec-[\w-]+)", text)}
    sections = [f"## Elsewhere {{#{label}}}" for label in (*sorted(elsewhere), *(f"sec-runs-{name}" for name in GRID))]
    made = _made(project, "joint")
    for path, content in {
        "_quarto.yml": BOOK,
        "_variables.yml": yaml.safe_dump({"joint": made.variables, "trilemma": {"without_sweeps": "–"}}),
        "index.qmd": "# First\n\nOne chapter.\n\n::: {#refs}\n:::\n",
        "references.bib": (PROJECT / "references.bib").read_text(encoding="utf-8"),
        "chapters/joint.qmd": text,
        "chapters/runs.qmd": "\n\n".join(["# Runs", *sections]),
        "data/ledger.judgements.csv": "id\n",
        **{f"data/{name}.csv": csv for name, csv in made.data.items()},
    }.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(content, encoding="utf-8")
    write_source_pages(project)
    rendered = qmdbook.render(
        tmp_path, tmp_path / "_site", chapter_key=lambda *_: "", environment=project.environment,
        report=lambda _: None, workers=1,
    )  # fmt: skip
    page = (rendered.index.parent / "chapters/joint.html").read_text(encoding="utf-8")
    pdf = " ".join(" ".join(sheet.extract_text() for sheet in PdfReader(rendered.pdf).pages).split())
    figures = re.findall(r'<figure[^>]*id="fig-[^"]*"', page)
    assert len(figures) == text.count("#| label: fig-")
    name = "half & 50% of #2 {x}, d_model 16, λ 0.3"
    assert f">{html.escape(name)}</td>" in page
    assert name in pdf
    assert ABSENT in pdf  # of the model of one layer


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"groups": []}, r"joint\.yaml: profiles\.paper\.groups: \[\] must hold at least one group"),
        ({"defaults": {"operations": ["add"]}}, r"joint\.yaml: operations of group .*: \[add\] must be \[add, mul\]"),
        ({"defaults": {"network": "mlp"}}, r"joint\.yaml: network of group .*: 'mlp' must be 'transformer'"),
    ],
    ids=["no group", "one operation", "another network"],
)
def test_what_no_chapter_can_show_is_said_before_training(
    tmp_path: Path, change: dict[str, Any], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(NAMES, "network", ("transformer", "mlp"))
    content = declared("joint")
    content["profiles"]["paper"] |= change
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "joint.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    with pytest.raises(SpecificationError, match=said):
        require(Project(tmp_path, "paper", tmp_path / "results"))


def test_what_chapters_need_of_experiments_is_said_of_every_one_that_they_load_by_name() -> None:
    loading = [experiments_of(chapter) for chapter in CHAPTERS if chapter.name]
    by_name = {name for names in loading if len(names) < len(EXPERIMENTS) for name in names}
    assert by_name == {name for chapter in CHAPTERS for name in chapter.needs}
