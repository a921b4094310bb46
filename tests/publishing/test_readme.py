"""What the README says of results and rendering times is what is stored and what was measured."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
from prose import PROJECT

from epistemics.analysis.stored_runs import load_every
from epistemics.declared.project import Project
from epistemics.publishing.readme import (
    MEASURED,
    TIMES,
    NoPlace,
    NoTimes,
    grokking,
    rendering,
    results,
    training,
    write_readme,
)
from epistemics.store.store import Store

OURS = Project(PROJECT, "paper", PROJECT / "results")


@pytest.fixture
def copy(tmp_path: Path) -> Project:
    """What the README is made of, in a folder of its own; the stored results are shared."""
    for name in ("README.md", *(TIMES.format(name) for name in MEASURED)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(PROJECT / name, tmp_path / name)
    shutil.copytree(PROJECT / "experiments", tmp_path / "experiments")
    return dataclasses.replace(OURS, folder=tmp_path)


def test_the_readme_is_as_it_would_be_written(copy: Project) -> None:
    write_readme(copy)
    assert (copy.folder / "README.md").read_text("utf-8") == (PROJECT / "README.md").read_text("utf-8"), (
        "`epistemics readme` writes it anew"
    )


def test_a_readme_with_other_numbers_is_put_right(copy: Project) -> None:
    readme = copy.folder / "README.md"
    right = readme.read_text("utf-8")
    readme.write_text(right.replace("Together 204", "Together 145").replace("| [joint]", "| [knot]"), "utf-8")
    assert write_readme(copy) == [readme]
    assert readme.read_text("utf-8") == right
    readme.write_text(right.replace("<!-- /results -->", ""), "utf-8")
    with pytest.raises(NoPlace, match="<!-- /results -->"):
        write_readme(copy)


def test_every_experiment_has_a_line_and_every_run_that_chapters_read_counts_once() -> None:
    every = load_every(OURS)
    written = results(every)
    for path in (PROJECT / "experiments").glob("*.yaml"):
        assert (f"(experiments/{path.name})" in written) == (path.name != "claims.yaml")
    read = {run.run.key for own in every.values() for run in own}
    assert read <= set(Store(OURS.results).keys())  # which has awaited ones besides
    assert f"Together {len(read)} runs" in written


def test_a_machine_without_quarto_has_one_column() -> None:
    measured = json.loads((PROJECT / "benchmarks/rendering.json").read_text("utf-8"))
    measured["rendering"] = [row for row in measured["rendering"] if row["renderer"] != "quarto"]
    assert rendering(measured).splitlines()[0] == "| seconds to render | the embedded renderer |"


def test_a_seed_that_does_not_grok_is_counted_and_has_no_time() -> None:
    task = {"name": "addition", "steps": [700, None, 900], "seconds": [2.0, None, 4.0], "compile_seconds": 31.2}
    row = grokking({"grokking": [task], "machine": {"cores": 2, "processor": "Any"}}).splitlines()[2]
    assert row == "| addition | 2 of 3 | 800 (700\u2060–\u2060900) | 3.0 | 2.0\u2060–\u20604.0 | 31 |"


def test_a_step_is_one_line_for_both_ways_and_every_millisecond_of_it_is_somewhere() -> None:
    measured = json.loads((PROJECT / "benchmarks/training.json").read_text("utf-8"))
    lines = training(measured).splitlines()
    one = next(c for c in measured["cases"] if c["gradient"] == "by hand" and c["name"] == "joint")
    other = next(c for c in measured["cases"] if c["gradient"] == "autograd" and c["name"] == "joint")
    assert f"| joint | float32 | {one['plain_ms']:.1f} | {other['ours_ms']:.1f} | {one['ours_ms']:.1f} |" in str(lines)
    second = next(number for number, line in enumerate(lines) if line.startswith("| of a step by hand"))
    parts = [line.split(" | ") for line in lines[second + 2 :] if line.startswith("| ")]
    for column, precision in ((1, "float32"), (2, "bfloat16")):
        shown = sum(float(part[column].strip(" |")) for part in parts)
        assert shown == pytest.approx(sum(measured["profile"][f"{precision}, gradient by hand"].values()), abs=0.5)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "No such file"),
        ("", "Expecting value"),
        ("{}", "'rendering' is missing"),
        ("[]", "indices must be"),
        ('{"rendering": [], "machine": {}}', "no render is in it"),
        ('{"rendering": [{"renderer": "embedded", "edit": "first", "seconds": 1}]}', "'unchanged'"),
    ],
)
def test_rendering_times_that_cant_be_read_are_said_with_the_command_that_writes_them(
    copy: Project, content: str | None, says: str
) -> None:
    times = copy.folder / "benchmarks/rendering.json"
    times.unlink() if content is None else times.write_text(content, "utf-8")
    with pytest.raises(NoTimes, match=says) as raised:
        write_readme(copy)
    assert "benchmarks/rendering.json: " in str(raised.value)
    assert "`epistemics bench --only rendering --json > benchmarks/rendering.json` writes it" in str(raised.value)
    assert "\n" not in str(raised.value)
