"""An experiment that is a YAML file and nothing else has its place in the book and among the commands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from prose import PROJECT
from pypdf import PdfReader
from small_project import EXPERIMENT
from small_project import project as small_project
from stored import result

import qmdbook
from epistemics.chapters.cluster.chapter import costs
from epistemics.chapters.runs.sections import expected
from epistemics.cli import main
from epistemics.declared.experiments import experiment_names, load_experiment
from epistemics.declared.project import Project, find_project
from epistemics.declared.runs import Run
from epistemics.declared.sections import SpecificationError
from epistemics.publishing.run_pages import write_run_pages
from epistemics.publishing.variables import _made
from epistemics.store.store import Store

project = small_project

RUNS = Path("chapters/runs.qmd")
TITLE = "Wide & narrow: what *width* costs, at $5 [all]"
PROSE = """\
# Sizes {#sec-sizes}

Widths: @tbl-runs-widths of @sec-runs-widths, [listed](chapters/runs.qmd#sec-runs-widths).
"""


@pytest.fixture
def widths(project: Path) -> tuple[Run, ...]:
    """A second experiment, a YAML file, and the runs of both stored."""
    declared = yaml.safe_load(EXPERIMENT)
    declared |= {"title": TITLE, "entry": 3}
    declared["profiles"]["paper"]["groups"] = [
        {"name": "taken over", "runs_of": "sizes"},
        {"name": "wide", "vary": {"d_model": [16, 32]}, "set": {"modulus": 13, "steps": 40}, "seeds": [0, 1]},
    ]
    (project / "experiments" / "widths.yaml").write_text(yaml.safe_dump(declared), "utf-8")
    store = Store(project / "results")
    runs = load_experiment(project / "experiments", "widths").runs
    for run in runs:
        store.write(result(run.configuration))
    return runs


@pytest.fixture
def site(project: Path, widths: tuple[Run, ...]) -> Path:
    """A book of a first page and the list of runs, whose cell is this project's."""
    cell = re.search(r"^```\{python\}\n.*?^```$", (PROJECT / RUNS).read_text("utf-8"), re.M | re.S)
    assert cell is not None
    (project / "chapters").mkdir()
    (project / RUNS).write_text(f"# Runs {{#sec-runs}}\n\n{cell[0]}\n", "utf-8")
    (project / "index.qmd").write_text(PROSE, "utf-8")
    (project / "_quarto.yml").write_text(
        "project: {type: book, resources: [/data/**/*, /experiments/*.yaml]}\n"
        f"book: {{title: Small, author: Nobody, chapters: [index.qmd], appendices: [{RUNS.as_posix()}]}}\n"
        "format: {html: {toc-depth: 3}, typst: {papersize: a4}}\n"
    )
    found = find_project()
    (project / "data").mkdir()
    for name, text in _made(found, "runs").data.items():
        (project / "data" / f"{name}.csv").write_text(text, "utf-8")
    write_run_pages(found)
    printed = {RUNS: expected(found)}
    assert qmdbook.check(project, printed) == []
    assert qmdbook.check(project) != []  # what is printed is not known by itself
    made = qmdbook.render(
        project, project / "_site", chapter_key=lambda *_: "", environment=found.environment,
        report=lambda _: None, workers=1, printed=printed,
    )  # fmt: skip
    return made.index.parent


def test_it_has_its_section_its_table_and_its_data_in_the_list_of_runs(site: Path, widths: tuple[Run, ...]) -> None:
    page = (site / "chapters" / "runs.html").read_text("utf-8")
    listed = re.findall(r'<h2[^>]*id="(sec-runs-[^"]*)"', page)
    assert listed == ["sec-runs-widths", "sec-runs-sizes"]  # by entry
    assert 'href="#sec-runs-widths"' in page  # among the page's contents
    contents = page[page.index("sec-runs-widths") :]
    assert "Wide &amp; narrow: what *width* costs, at $5 [all]" in contents
    table = page[page.index('id="tbl-runs-widths"') : page.index('id="sec-runs-sizes"')]
    assert "The runs of experiment widths." in table
    for run in widths:
        assert f'href="../data/runs/{run.key}.html"' in table
    assert re.search(r"6 runs, the 2 of .*Section.A\.2.*among them, took 2\.1 hours", page)
    assert 'href="../data/runs.widths.csv"' in page
    lines = (site / "data" / "runs.widths.csv").read_text("utf-8").splitlines()
    assert [line.split(",")[0] for line in lines[1:]] == [run.key for run in widths]
    first = (site / "index.html").read_text("utf-8")
    assert 'href="chapters/runs.html#tbl-runs-widths"' in first
    pdf = "".join(page.extract_text() for page in PdfReader(next(site.glob("*.pdf"))).pages)
    assert "The runs of experiment widths." in " ".join(pdf.split())


def test_the_pages_of_its_runs_are_there_and_lead_to_what_there_is(site: Path, widths: tuple[Run, ...]) -> None:
    for run in widths:
        page = site / "data" / "runs" / f"{run.key}.html"
        text = page.read_text("utf-8")
        assert TITLE.replace("&", "&amp;") in text
        links = [link for link in re.findall(r'(?:href|src)="([^"#]*)[^"]*"', text) if ":" not in link]
        assert links
        missing = [link for link in links if link and not (page.parent / link).is_file()]
        assert missing == []


def test_it_has_its_cost_and_its_state(
    project: Path, widths: tuple[Run, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    found = costs(Project(project, "paper", project / "results"))
    assert {cost.run.configuration.d_model for cost in found} == {8, 16, 32}
    assert sum(cost.seconds for cost in found) == 4 * 1234.5  # seeds of a configuration are one
    assert main(["status", "widths"]) == 0
    said = capsys.readouterr().out
    for run in widths:
        c = run.configuration
        assert re.search(rf"{run.key}  fresh .*modulus {c.modulus} {c.steps} steps", said)


def test_an_experiment_without_runs_under_a_profile_says_so(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from epistemics.chapters.runs.chapter import print_sections

    path = project / "experiments" / "sizes.yaml"
    path.write_text(re.sub(r"groups: \[.*\]", "groups: []", path.read_text("utf-8")), "utf-8")
    runs = load_experiment(project / "experiments", "sizes", "paper").runs
    for run in runs:
        Store(project / "results").write(result(run.configuration))
    assert "tbl-runs" not in expected(find_project("smoke"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EPISTEMICS_PROFILE", "smoke")
        print_sections()
    assert "has no runs under the profile smoke" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["Widths", "wide runs", "wide_runs", "1-wide", "wide--runs"])
def test_a_name_that_no_label_can_have_is_named_with_a_better_one(project: Path, name: str) -> None:
    (project / "experiments" / "sizes.yaml").rename(project / "experiments" / f"{name}.yaml")
    with pytest.raises(SpecificationError, match=rf"experiments/{name}\.yaml: .*; rename it to [a-z][a-z0-9-]*\.yaml$"):
        expected(find_project())


def test_every_experiment_of_the_log_has_its_section() -> None:
    text = expected(find_project(start=PROJECT))
    assert sorted(re.findall(r"^## .*\{#sec-runs-(.*)\}$", text, re.M)) == experiment_names(PROJECT / "experiments")
    assert sorted(re.findall(r"^::: \{#tbl-runs-(.*)\}$", text, re.M)) == experiment_names(PROJECT / "experiments")
