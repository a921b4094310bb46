"""What a chapter shows is computed once for each state of what it is made of."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from prose import PROJECT

from epistemics.declared.experiments import experiment_names
from epistemics.declared.project import Project
from epistemics.publishing.chapter_keys import chapter_key
from epistemics.publishing.variables import Prepared, _kept


def test_it_is_computed_once_and_again_when_what_it_is_made_of_changes(tmp_path: Path) -> None:
    calls = []

    def make() -> Prepared:
        calls.append(1)
        return Prepared({"runs": str(len(calls)), "nested": {"share": "½"}}, {"table": "a,b\n1,2\n"})

    first = _kept(tmp_path / "x" / "chapter.json", "one", make)
    assert _kept(tmp_path / "x" / "chapter.json", "one", make) == first
    assert len(calls) == 1
    assert _kept(tmp_path / "x" / "chapter.json", "other", make).variables["runs"] == "2"


@pytest.mark.parametrize("text", ["", "{", '{"made_of": "one"', "[]"])
def test_a_damaged_file_is_made_anew(tmp_path: Path, text: str) -> None:
    (tmp_path / "chapter.json").write_text(text)
    made = Prepared({"runs": "1"}, {})
    assert _kept(tmp_path / "chapter.json", "one", lambda: made) == made
    assert _kept(tmp_path / "chapter.json", "one", lambda: Prepared({}, {})) == made


def made_of(project: Project, chapter: str) -> str:
    return chapter_key(project)(Path(), [f"from epistemics.chapters.{chapter} import chapter\nchapter.share"])


@pytest.mark.parametrize("chapter", ["runs", "cluster"])
def test_a_chapter_on_all_experiments_depends_on_each(tmp_path: Path, chapter: str) -> None:
    shutil.copytree(PROJECT / "experiments", tmp_path / "experiments")
    project = Project(tmp_path, "smoke", tmp_path / "results")
    for name in experiment_names(project.experiments):
        before, path = made_of(project, chapter), project.experiments / f"{name}.yaml"
        path.write_text(path.read_text("utf-8") + "# a comment more\n", "utf-8")
        assert made_of(project, chapter) != before, name


def test_the_ledger_depends_on_what_each_chapter_judges_claims_by(tmp_path: Path) -> None:
    shutil.copytree(PROJECT / "experiments", tmp_path / "experiments")
    project = Project(tmp_path, "smoke", tmp_path / "results")
    depends = set()
    for name in experiment_names(project.experiments):
        path, before = project.experiments / f"{name}.yaml", made_of(project, "ledger")
        path.write_text(path.read_text("utf-8") + "# a comment more\n", "utf-8")
        if made_of(project, "ledger") != before:
            depends.add(name)
    assert depends >= {"phase-1-1", "phase-1-2", "batch-size", "joint", "adversarial", "adversarial-sweep"}
    assert not depends & {"baselines", "precision"}
