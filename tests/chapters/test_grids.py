"""A reader's grid, of which nothing is as the chapters' prose has it: each still executes and finds its numbers."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from rendering import Rendering, python

pytestmark = pytest.mark.slow

# So small and short that nothing groks, and every run is trained in a second.
TINY = {
    "modulus": 23,
    "d_model": 16,
    "batch_size": 64,
    "weight_decay": 3.0,
    "steps": 100,
    "evaluate_every": 50,
    "measure_every": 50,
    "measure_after_grokking": [0],
    "grokking_evaluations": 1,
}

# Trains in one process what the workers would in one each, and executes the cells as a kernel would.
EXECUTE = """
import os
from pathlib import Path
from IPython.core.interactiveshell import InteractiveShell
import qmdbook
from epistemics.cli import main
from epistemics.declared.project import find_project
from epistemics.declared.experiments import experiment_names, load_experiment
from epistemics.lab.worker import Job, work

project = find_project()
names = experiment_names(project.experiments)
runs = {run.key: run for name in names for run in load_experiment(project.experiments, name, project.profile).runs}
for run in runs.values():
    for _ in work(Job([run.configuration], [run.keep_weights], project.results, project.workspace, "cpu")):
        pass
assert main(["prepare", "--policy", "stored"]) == 0
assert main(["check"]) == 0
for path, cells in qmdbook.cells(project.folder).items():
    os.chdir((project.folder / path).parent)
    shell = InteractiveShell.instance()
    shell.display_formatter.active_types = shell.display_formatter.format_types  # Markdown and SVG too
    shell.reset()
    for cell in cells:
        done = shell.run_cell(cell)
        assert done.success, path
"""


def edited(content: dict[str, Any]) -> dict[str, Any]:
    """An experiment file with tiny runs in its smoke profile, its groups renamed, other decays and no weights kept."""
    smoke = content["profiles"]["smoke"]
    smoke["defaults"] = smoke.get("defaults", {}) | TINY
    for group in smoke["groups"]:
        group["name"] = f"renamed {group['name']}"
        group.pop("keep_weights", None)
        group["set"] = {key: value for key, value in group.get("set", {}).items() if "steps" not in key}
        if "weight_decay" in (vary := group.get("vary", {})):
            vary["weight_decay"] = [2 * decay + 0.3 for decay in vary["weight_decay"]]
        if "runs_of" in group:
            group.pop("set")
    return content


def test_every_chapter_takes_another_grid(book: Rendering, tmp_path: Path) -> None:
    folder = shutil.copytree(book.folder, tmp_path / "project", ignore=shutil.ignore_patterns("smoke-results"))
    for path in (folder / "experiments").glob("*.yaml"):
        if path.name != "claims.yaml":
            content = edited(yaml.safe_load(path.read_text(encoding="utf-8")))
            path.write_text(yaml.safe_dump(content), encoding="utf-8")
    done = python(folder, "-c", EXECUTE)
    assert done.returncode == 0, done.stdout[-6000:]
