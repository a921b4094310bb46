"""Nothing is rendered where nothing has changed, and all that a render reads, and what it wrote, counts."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest

from epistemics.declared.project import Project
from epistemics.publishing.unchanged import Unchanged


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project that has been rendered."""
    for name in ("_quarto.yml", "chapters/one.qmd", "results/k/result.json", "_site/index.html", "data/one.csv"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    project = Project(tmp_path, "paper", tmp_path / "results")
    since(project).keep()
    return project


def since(project: Project) -> Unchanged:
    return Unchanged(project, project.folder / "_site")


def test_a_book_that_was_just_rendered_is_unchanged(project: Project) -> None:
    assert since(project).is_so()


@pytest.mark.parametrize(
    "name",
    ["chapters/one.qmd", "results/k/result.json", "_site/index.html", "data/one.csv", "chapters/new.qmd", "any.csv"],
)
def test_an_edit_of_any_file_is_a_change(project: Project, name: str) -> None:
    with (project.folder / name).open("a") as file:
        file.write(" more")
    assert not since(project).is_so()


def test_a_file_that_is_gone_is_a_change(project: Project) -> None:
    (project.folder / "_site/index.html").unlink()
    assert not since(project).is_so()


def test_another_output_profile_policy_or_variable_is_a_change(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not Unchanged(project, project.folder / "elsewhere").is_so()
    assert not since(dataclasses.replace(project, profile="smoke")).is_so()
    assert not since(dataclasses.replace(project, policy="stored")).is_so()
    monkeypatch.setenv("EPISTEMICS_MOMENTS", "elsewhere")
    assert not since(project).is_so()


def test_results_that_lie_elsewhere_count(project: Project, tmp_path_factory: pytest.TempPathFactory) -> None:
    results = tmp_path_factory.mktemp("results")
    (results / "result.json").write_text("one")
    elsewhere = dataclasses.replace(project, results=results)
    since(elsewhere).keep()
    assert since(elsewhere).is_so()
    (results / "result.json").write_text("two, longer")
    assert not since(elsewhere).is_so()


def test_what_can_be_made_again_does_not_count(project: Project) -> None:
    for name in (".workspace/kept", ".git/index", "src/__pycache__/one.pyc"):
        (project.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (project.folder / name).write_text(name)
    assert since(project).is_so()


def test_an_edit_during_a_render_is_not_lost(project: Project) -> None:
    rendering = since(project)
    (project.folder / "data/one.csv").write_text("a render writes these itself")
    chapter = project.folder / "chapters/one.qmd"
    chapter.write_text("edited meanwhile")
    os.utime(chapter, ns=(1, 1))
    rendering.keep()
    assert not since(project).is_so()
    rendering = since(project)
    (project.folder / "data/one.csv").write_text("and again")
    rendering.keep()
    assert since(project).is_so()
