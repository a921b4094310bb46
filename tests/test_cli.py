"""The command line on a small project: plans, states, help."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from epistemics.cli import main

EXPERIMENT = """\
title: Two sizes
entry: 7
defaults:
  operations: [add]
  modulus: 11
  layers: 1
  d_model: 8
  heads: 2
  train_fraction: 0.5
  batch_size: 16
  learning_rate: 0.001
  weight_decay: 1
  beta1: 0.9
  beta2: 0.98
  steps: 20
  stop_after_grokking: null
  evaluate_every: 10
  grokking_accuracy: 0.95
  grokking_evaluations: 5
  measure_every: 0
  measure_after_grokking: [0]
  precision: float32
  compiled: false
profiles:
  paper:
    groups:
      - {name: short, seeds: [0]}
      - {name: long, set: {steps: 200}, seeds: [0]}
  smoke:
    groups: [{name: short, seeds: [0]}]
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "_quarto.yml").write_text("project: {type: book}\n")
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "sizes.yaml").write_text(EXPERIMENT)
    monkeypatch.chdir(tmp_path)
    for variable in ("EPISTEMICS_PROFILE", "EPISTEMICS_RESULTS"):
        monkeypatch.delenv(variable, raising=False)
    return tmp_path


@pytest.mark.slow
def test_a_dry_run_says_what_trains_and_trains_nothing(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--all", "--dry-run", "--workers", "2"]) == 0
    printed = capsys.readouterr().out
    lines = [line for line in printed.splitlines() if " add 1L d8 " in line]
    assert len(lines) == 2
    assert all(re.match(r" +\d+ s  [0-9a-f]{16}  add", line) for line in lines)
    assert "2 runs (paper), at most" in printed
    assert not (project / "results").exists()
    longest_first = [json.loads(record)["steps"] for record in ('{"steps": 200}', '{"steps": 20}')]
    main(["run", "--all"])
    stored = {p.parent.name: json.loads(p.read_text()) for p in (project / "results").rglob("result.json")}
    order = [re.search(r"[0-9a-f]{16}", line)[0] for line in lines]  # type: ignore[index]
    assert [stored[key]["configuration"]["steps"] for key in order] == longest_first
    capsys.readouterr()
    assert main(["run", "--all", "--dry-run"]) == 0
    assert capsys.readouterr().out == "nothing to train\n"


@pytest.mark.slow
def test_status_lists_every_run(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["run", "sizes", "--profile", "smoke"])
    capsys.readouterr()
    assert main(["status", "--json", "--profile", "smoke"]) == 0
    (record,) = json.loads(capsys.readouterr().out)
    assert (record["experiment"], record["profile"], record["state"]) == ("sizes", "smoke", "fresh")
    assert re.fullmatch(r"[0-9a-f]{16}", record["key"])
    assert "seed 0" in record["run"]
    # They take seconds to import.
    code = (
        "import sys; from epistemics.cli import main; main(['status'])\n"
        "assert not {'torch', 'matplotlib', 'nbclient', 'jupyter_cache'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | {"EPISTEMICS_PROFILE": "smoke"})


def test_a_reader_that_has_seen_enough_is_no_error(project: Path) -> None:
    done = subprocess.run(
        f"{sys.executable} -m epistemics status | true", shell=True, capture_output=True, text=True, cwd=project
    )
    assert "Error" not in done.stderr, done.stderr


def test_with_stored_results_only_all_that_lack_are_listed(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prepare", "--policy", "stored"]) == 1
    error = capsys.readouterr().err
    assert "2 of 2 can't be used" in error
    assert error.count("missing") == 2
    assert not (project / "results").exists()


def test_a_policy_that_there_is_not_is_named(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EPISTEMICS_POLICY", "never")
    assert main(["status"]) == 1
    assert "EPISTEMICS_POLICY: 'never' is no policy; there are compute, stored, stale" in capsys.readouterr().err


def test_every_verb_has_a_sentence_and_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    verbs = re.findall(r"^    (\w+) +\S", capsys.readouterr().out, re.MULTILINE)
    assert {"run", "status", "prepare", "render", "check"} <= set(verbs)
    for verb in verbs:
        with pytest.raises(SystemExit):
            main([verb, "--help"])
        assert re.search(rf"^[A-Z].+\.$(.|\n)+example:\n  epistemics {verb}", capsys.readouterr().out, re.MULTILINE)


def test_the_module_is_the_same_program() -> None:
    by_module = subprocess.run([sys.executable, "-m", "epistemics", "--help"], capture_output=True, text=True)
    assert by_module.returncode == 0
    assert by_module.stdout.startswith("usage: epistemics")
