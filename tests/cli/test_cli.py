"""The command line on a small project: plans, states, help."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from small_project import project as small_project

from epistemics.cli import main
from epistemics.cli.inventory import elapsed

project = small_project


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
    assert capsys.readouterr().out == "nothing to train: all 2 results are stored\n"
    assert main(["run", "sizes"]) == 0
    assert capsys.readouterr().out == "nothing to train: all 2 results are stored\n"


@pytest.mark.slow
def test_status_as_json_lists_every_run(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
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


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("run --all --workers 0", "argument --workers: 0 is not a whole number from 1 on"),
        ("run --all --workers -3 --dry-run", "argument --workers: -3 is not a whole number from 1 on"),
        ("verify --rerun -1", "argument --rerun: -1 is not a whole number from 1 on"),
        ("run --all --device tpu", "argument --device: tpu is not cpu or cuda"),
        ("run --all --on ray --gpu-share nan", "argument --gpu-share: nan is not a number above 0"),
        ("render --cell-seconds 0", "argument --cell-seconds: 0 is not a number above 0"),
    ],
)
def test_an_option_out_of_range_is_refused_in_one_line(
    project: Path, capsys: pytest.CaptureFixture[str], arguments: str, says: str
) -> None:
    with pytest.raises(SystemExit) as refused:
        main(arguments.split())
    assert refused.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1] == f"epistemics {arguments.split()[0]}: error: {says}"


def test_a_device_that_is_not_there_is_named(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    device = f"cuda:{torch.cuda.device_count()}"
    for verb in (["run", "--all"], ["verify", "--rerun", "1"]):
        assert main([*verb, "--device", device]) == 1
        assert capsys.readouterr().err == f"epistemics: --device {device}: PyTorch finds no such device here\n"


def test_before_anything_is_prepared_check_says_so_in_one_line(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check"]) == 1
    said = "_variables.yml is not there yet: `epistemics prepare` writes it and data/; then check"
    assert capsys.readouterr().err == f"epistemics: {said}\n"


@pytest.mark.parametrize(
    ("costs", "workers", "seconds"),
    [([10.0], 2, 10.0), ([10.0, 4.0, 4.0], 2, 10.0), ([6.0, 6.0, 6.0], 2, 12.0), ([1.0, 2.0], 1, 3.0), ([], 4, 0.0)],
)
def test_a_run_is_not_shared_among_workers(costs: list[float], workers: int, seconds: float) -> None:
    assert elapsed(costs, workers) == seconds


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
