"""Claims: what counts as reproduced, and what is wrong with the file."""

from __future__ import annotations

import ast
import dataclasses
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from prose import PROJECT, chapters

from epistemics.analysis.claims import (
    Claim,
    Evidence,
    Figure,
    Heading,
    counted,
    is_reproduced,
    judged,
    load_claims,
    load_headings,
)
from epistemics.analysis.stored_runs import Results, load_results
from epistemics.analysis.tables import table_of
from epistemics.chapters.joint import chapter as joint
from epistemics.chapters.ledger import chapter as ledger
from epistemics.chapters.phase_1_1 import chapter as phase_1_1
from epistemics.chapters.phase_1_1.measured import grokking_steps
from epistemics.chapters.phase_1_2 import chapter as phase_1_2
from epistemics.declared.project import Project, find_project
from epistemics.declared.sections import SpecificationError

GOOD = """\
claims:
  - {id: steps, entry: 7, declared: before, says: Steps to grok, published: 1400, measured: first touch, in_kind: order}
  - {id: share, entry: 7, declared: after, says: The best share, published: [0.3, 0.7], measured: medians}
  - {id: later, entry: 8, declared: before, says: Never groks, published: never, measured: first touch}
  - {id: order, entry: 7, declared: before, says: Sooner with more, criterion: the medians fall}
"""

Load = Callable[[str], Path]


@pytest.fixture
def folder(tmp_path: Path) -> Load:
    def write(text: str) -> Path:
        (tmp_path / "claims.yaml").write_text(text)
        return tmp_path

    return write


@pytest.mark.parametrize(
    ("published", "ours", "reproduced"),
    [
        (1400, [1200, 1600], True),
        (1200, [1200, 1600], True),
        (1600, [1200, 1600], True),
        (1100, [1200, 1600], False),
        (1700, [1200, 1600], False),
        # "never" ranks above every number
        (1700, [1200, None], True),
        (1100, [1200, None], False),
        (1400, [None, None], False),
        (None, [None, None], True),
        (None, [1200, None], False),
        # a published range and our median
        ((9, 14), [2, 10, 30], True),
        ((9, 14), [2, 8, 10], False),
        ((9, 14), [10, None, None], False),
        # nothing measured
        (1400, [], False),
        (None, [], False),
        ((9, 14), [], False),
    ],
)
def test_what_is_reproduced(published: Figure, ours: list[float | None], reproduced: bool) -> None:
    assert is_reproduced(published, ours) == reproduced


def verdicts(folder: Path, profile: str = "paper", **evidence: Evidence) -> dict[str, str]:
    return {j.claim.id: j.verdict for j in judged(load_claims(folder), evidence, profile)}


def test_verdicts(folder: Load) -> None:
    good = folder(GOOD)
    inside, outside = Evidence("@fig-x", [1200, 1600]), Evidence("@fig-x", [1500, 1600], along=[1000])
    holds, fails = (Evidence("@fig-x", holds=value, said="2 against 1") for value in (True, False))
    assert verdicts(good, steps=inside, order=fails)["steps"] == "reproduced"
    assert verdicts(good, steps=outside, order=fails)["steps"] == "not reproduced"
    assert verdicts(good, steps=outside, order=holds)["steps"] == "reproduced in kind"
    assert verdicts(good, order=holds)["order"] == "reproduced"
    assert verdicts(good, order=fails)["order"] == "not reproduced"
    assert verdicts(good, order=Evidence("@fig-x", said="too few"))["order"] == "can't be judged"
    assert verdicts(good, later=Evidence("@fig-x", [None, None]))["later"] == "reproduced"
    assert set(verdicts(good).values()) == {"can't be judged"}
    assert set(verdicts(good, "smoke", steps=inside, order=holds).values()) == {"can't be judged"}


def test_a_second_reading_counts_and_another_moment_is_only_noted(folder: Load) -> None:
    good = folder(GOOD)
    assert verdicts(good, steps=Evidence("@fig-x", [1500, 1600], accepted=[1400]))["steps"] == "reproduced"
    (judgement, *_) = judged(load_claims(good), {"steps": Evidence("@fig-x", [1500, 1600], along=[900, 1600])}, "paper")
    assert (judgement.verdict, judgement.note) == ("not reproduced", "inside at another moment")
    assert judgement.ours == "1,550 (1,500–1,600)"


@pytest.mark.parametrize(
    ("evidence", "said"),
    [
        ({}, "4 can't be judged"),
        ({"steps": [1200, 1600], "share": [0.5], "later": [None]}, "3 are reproduced and 1 can't be judged"),
        ({"steps": [9], "share": [0.5], "later": [9], "order": True},
         "2 are reproduced, 1 is reproduced in kind and 1 is not reproduced"),
        ({"steps": [9], "share": [0.9], "later": [9], "order": False}, "4 are not reproduced"),
    ],
)  # fmt: skip
def test_a_verdict_that_no_claim_has_is_not_spoken_of(
    folder: Load, evidence: dict[str, list[float | None] | bool], said: str
) -> None:
    found = {
        id: Evidence("@fig-x", holds=value, said="so") if isinstance(value, bool) else Evidence("@fig-x", value)
        for id, value in evidence.items()
    }
    assert counted(judged(load_claims(folder(GOOD)), found, "paper"))["verdicts"] == said


def test_the_ledger_has_every_claim_with_its_criterion(capsys: pytest.CaptureFixture[str]) -> None:
    ledger.print_sections(find_project(start=Path(__file__).parent))
    sections = re.split(r"^## Entry ", capsys.readouterr().out, flags=re.M)[1:]
    assert [section.splitlines()[0] for section in sections] == [
        "7: Phase 1.1", "8: Phase 1.2", "11: A.6", "12: the trilemma", "13: Adversarial training and capacity",
        "6: Scaling",
    ]  # fmt: skip
    of_entry = {int(section.partition(":")[0]): section for section in sections}
    for claim in load_claims(PROJECT / "experiments"):
        section = of_entry[claim.entry]
        assert f"{{#tbl-ledger-{claim.entry}}}" in section
        assert re.search(rf"^\| {re.escape(claim.says)}(?: \(@|  *\|)", section, re.M)
        (line,) = (
            line
            for line in section.splitlines()
            if re.search(rf"(?:^- |; ){re.escape(claim.says)}(?:; |\. M| \()|^- \*\*{re.escape(claim.says)}\*\*", line)
        )
        assert (claim.criterion if claim.statement else claim.measured) in line
        assert claim.declared == "before" or "(declared when the runs were known)" in line


def test_an_entry_without_a_heading_of_its_own_comes_last(folder: Load) -> None:
    named = "entries: [{entry: 8, title: Later, caption: On later ones.}, {entry: 9, title: None, caption: Of none.}]\n"
    assert load_headings(folder(named + GOOD)) == [
        Heading(8, "Later", "On later ones."),
        Heading(7, "", "The log's claims of entry 7."),
    ]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("published: 1400", "published: soon", "claims[0].published: 'soon' must be a number, a range"),
        ("published: 1400, measured: first touch,", "", "claims[0].published: a claim has either"),
        ("in_kind: order", "in_kind: share", "claims[0].in_kind: 'share' must be the id of a claim with a criterion"),
        ("id: share", "id: steps", "claims[0].id: 'steps' is there twice"),
        ("declared: after", "declared: later", "claims[1].declared: 'later' must be before or after"),
        ("says: Never groks, ", "", "claims[2].says is missing; it must be text"),
        ("entry: 8", "entry: eight", "claims[2].entry: 'eight' must be an integer"),
        (
            "says: Never groks",
            'says: "Never | groks"',
            "claims[2].says: 'Never | groks' must be a line of text without |",
        ),
        ("says: Never groks", 'says: "Never\\ngroks"', "claims[2].says: 'Never\\ngroks' must be a line of text"),
        ("published: 1400", "published: 1400, digits: -1", "claims[0].digits: -1 must lie between 0 and 10"),
        ("published: 1400", "published: 1400, digits: 11", "claims[0].digits: 11 must lie between 0 and 10"),
        ("criterion:", "criteria:", "claims[3].criteria: 'the medians fall' is unknown here"),
    ],
)
def test_a_wrong_file_is_refused_by_key_and_value(folder: Load, old: str, new: str, message: str) -> None:
    assert GOOD.count(old) == 1
    with pytest.raises(SpecificationError) as raised:
        load_claims(folder(GOOD.replace(old, new)))
    assert message in str(raised.value)
    assert "claims.yaml" in str(raised.value)


@pytest.mark.parametrize(
    ("act", "says"),
    [
        (ledger.judgements, "no results answer the claim 'A.6-stpes'; did you mean 'A.6-steps'?"),
        (lambda project: ledger.by_id(project)["A.6-steps"], "no claim has the id 'A.6-steps', which results answer"),
    ],
)
def test_a_claim_whose_id_is_misspelt_is_named(tmp_path: Path, act: Callable[[Project], object], says: str) -> None:
    project = find_project(start=Path(__file__).parent)
    shutil.copytree(project.experiments, tmp_path / "experiments")
    file = tmp_path / "experiments" / "claims.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("id: A.6-steps,", "id: A.6-stpes,"), encoding="utf-8")
    with pytest.raises(SpecificationError, match=re.escape(f"experiments/claims.yaml: {says}")):
        act(dataclasses.replace(project, folder=tmp_path))


@pytest.fixture
def with_claim(tmp_path: Path) -> Callable[[str], Project]:
    """The project with one claim more, given without its entry, its words and how it is measured."""
    project = find_project(start=Path(__file__).parent)
    shutil.copytree(project.experiments, tmp_path / "experiments")

    def add(claim: str) -> Project:
        with (tmp_path / "experiments" / "claims.yaml").open("a", encoding="utf-8") as file:
            file.write(f"  - {{{claim}, entry: 9, declared: before, says: New, measured: at the end}}\n")
        return dataclasses.replace(project, folder=tmp_path)

    return add


def test_a_claim_that_waits_for_its_runs_is_not_run_yet(with_claim: Callable[[str], Project]) -> None:
    found = {j.claim.id: j for j in ledger.judgements(with_claim("id: 9-new, published: 3, waits: true"))}
    assert (found["9-new"].verdict, found["9-new"].note) == ("can't be judged", "not run yet")


@pytest.mark.parametrize("id", ["1.2-k95-at-0", "1.2-k95-at-0.5", "1.3-k95-add", "9-k95-at-0.1", "14-rank99-at-1"])
def test_a_claim_that_no_results_answer_and_that_does_not_wait_is_named(
    with_claim: Callable[[str], Project], id: str
) -> None:
    with pytest.raises(SpecificationError, match=f"no results answer the claim '{id}'; write `waits: true` until"):
        ledger.judgements(with_claim(f"id: {id}, published: 3"))


def claim(id: str, in_kind: str | None = None, waits: bool = False) -> Claim:
    return Claim(id, 9, id, "before", 3.0, 0, "at the end", "", False, in_kind, waits)


@pytest.mark.parametrize(
    ("claims", "says"),
    [
        ([claim("one"), claim("two", waits=True), claim("three")], "results answer the claim 'two': leave out `waits`"),
        ([claim("one"), claim("two")], "no claim has the id 'three', which results answer"),
        ([claim("one", "two"), claim("two"), claim("three", "one")], "'three' can't be reproduced in kind by 'one'"),
    ],
)
def test_claims_and_what_answers_them_have_the_same_names(claims: list[Claim], says: str) -> None:
    one, other = {"one": Evidence("@fig-x"), "two": Evidence("@fig-x")}, {"three": Evidence("@fig-y")}
    with pytest.raises(SpecificationError, match=re.escape(says)):
        ledger.check_names(claims, {"one": one, "two": one, "three": other})
    ledger.check_names([claim("one", "two"), claim("two"), claim("three")], {"one": one, "two": one, "three": other})


def test_a_claim_is_seen_in_a_figure_or_table_of_the_book() -> None:
    """Also where results lead another way through the code: the labels are read there."""
    named = {
        (path.parent.name, node.value)
        for path in (PROJECT / "src/epistemics/chapters").glob("*/chapter.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and re.fullmatch(r"@\w+-[\w-]+", node.value)
    }
    labels = {
        f"@{label}"
        for path in chapters()
        for label in re.findall(r"^#\| label: ((?:fig|tbl)-\S+)$", path.read_text(encoding="utf-8"), re.M)
    }
    unknown = [f"{chapter}: no figure or table is {label}" for chapter, label in sorted(named) if label not in labels]
    assert not unknown, "\n".join(unknown)
    seen = {j.seen for j in ledger.judgements(find_project(start=Path(__file__).parent))}
    assert seen - {""} <= {label for _, label in named}


def test_a_chapter_prints_the_verdicts_of_the_ledger() -> None:
    project = find_project(start=Path(__file__).parent)
    in_ledger = {j.claim.says: j for j in ledger.judgements(project)}
    printed = ledger.verdicts(joint.evidence, joint.load(project), phase_1_2.load(project)).rows
    assert [(says, verdict) for says, verdict, *_ in printed] == [
        (says, j.verdict) for says, j in in_ledger.items() if j.claim.entry == 11
    ]


@pytest.mark.parametrize(
    ("kept", "holds", "said"),
    [
        (phase_1_2.NAMED, True, "at 10"),
        ((0.1, 1.0), True, "at 0.1"),
        ((1.0,), None, "fewer than two of the log's decays"),
        ((), None, "fewer than two of the log's decays"),
    ],
)
def test_rank_falls_is_judged_by_the_decays_of_the_log(kept: Sequence[float], holds: bool | None, said: str) -> None:
    results = load_results("phase-1-2", find_project(start=Path(__file__).parent))
    named = [run for run in results if run.configuration.weight_decay in kept]
    # A decay of the reader's own, to which the rank rises: above every other, with the models of none.
    own = [
        dataclasses.replace(run, run=dataclasses.replace(run.run, configuration=other))
        for run in results.where(weight_decay=0.0)
        for other in [dataclasses.replace(run.configuration, weight_decay=20.0)]
    ]
    found = phase_1_2.evidence(Results(results.experiment, (*named, *own)))["1.2-rank-falls"]
    assert found.holds is holds
    assert said in found.said


@pytest.mark.parametrize(
    ("fractions", "gets_there", "holds"),
    [
        ((0.3, 0.5, 0.7), True, True),
        ((0.3, 0.5), True, None),
        ((0.3, 0.5, 0.7), False, None),
    ],
)
def test_a_sweet_spot_needs_three_fractions_and_one_that_gets_there(
    monkeypatch: pytest.MonkeyPatch, fractions: Sequence[float], gets_there: bool, holds: bool | None
) -> None:
    results = load_results("phase-1-1", find_project(start=Path(__file__).parent))
    steps = grokking_steps(results)
    others = [row for row in steps.records() if row["sweep"] != "train fraction"]
    touches = {0.3: 900, 0.5: 500, 0.7: 800}
    swept = [
        {**others[0], "sweep": "train fraction", "train_fraction": f, "first_touch": touches[f] if gets_there else None}
        for f in fractions
    ]
    monkeypatch.setattr(phase_1_1, "grokking_steps", lambda _: table_of([*others, *swept]))
    assert phase_1_1.evidence(results)["1.1-sweet-spot"].holds is holds
