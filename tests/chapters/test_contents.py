"""The list of chapters, and what is read of their code."""

from __future__ import annotations

from pathlib import Path

import pytest

from epistemics.chapters import contents


@pytest.mark.parametrize(
    ("code", "judges"),
    [
        ("def evidence_of(project: Project) -> dict[str, Evidence]:\n    return {}\n", True),
        ("def evidence_of(\n    project,\n):\n    return {}\n", True),
        ('"""Text with\ndef evidence_of(project: Project) -> dict[str, Evidence]:\nin it."""\n', False),
        ("class Other:\n    def evidence_of(self, project):\n        return {}\n", False),
    ],
    ids=["a function", "written otherwise", "in a text", "of a class"],
)
def test_a_chapter_judges_claims_by_a_function_however_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, judges: bool
) -> None:
    (tmp_path / "joint").mkdir()
    (tmp_path / "joint" / "chapter.py").write_text(code, "utf-8")
    monkeypatch.setattr(contents, "__file__", str(tmp_path / "contents.py"))
    assert contents.judging() == (("joint",) if judges else ())
