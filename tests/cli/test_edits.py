"""What an edit makes stale, retrains and executes again: the table in the appendix, made by making the edits."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from prose import PROJECT

from epistemics.chapters.code.chapter import EDITS as EDITS_SHOWN

pytestmark = pytest.mark.slow

THEN = {
    "adopted": "adopted",
    "stale training": "trained again",
    "stale geometry": "measured again",
}
"""What is left to do with a result after ``epistemics adopt``, by its state and the parts of it that are stale."""

# Run in the copy: a stored result for each run of the smoke profile, with its canary and arrays of zeros.
FILL = """
import dataclasses, json
import numpy as np
from msgspec.structs import replace
from epistemics.lab.canary import canary_of
from epistemics.lab.parts import HISTORY
from epistemics.study import PARTS
from epistemics.declared.project import find_project
from epistemics.lab.provenance import provenance_of
from epistemics.store.record import Part, Result
from epistemics.lab.status import current_seals, current_sources
from epistemics.declared.experiments import experiment_names, load_experiment
from epistemics.store.store import Store
import torch
torch.set_num_threads(1); torch.set_flush_denormal(True)
project = find_project()
store = Store(project.results)
names = experiment_names(project.experiments)
runs = {r.key: r for n in names for r in load_experiment(project.experiments, n, "smoke").runs}
for key, run in runs.items():
    c, canary = run.configuration, canary_of(run.configuration)
    store.keep_sources(current_sources(c))
    parts = {name: Part(code=seal.code, definitions=seal.definitions, canary=canary[name], provenance={})
             for name, seal in current_seals(c).items()}
    parts["training"] = replace(
        parts["training"], provenance=provenance_of([c], torch.device("cpu")),
        metrics={"grokking_step": None, "first_touch": None, "final_step": 0, "train_accuracy": 0.0,
                 "validation_accuracy": 0.0, "moments": [0]},
        arrays={f"history.{name}": np.zeros(1, int if name == "step" else float) for name in HISTORY},
        weights={"parameters": np.zeros(1, np.float32)},
    )
    for name in [*PARTS][1:]:
        parts[name] = replace(parts[name], arrays={measure: np.zeros((1, 2)) for measure in canary[name]})
    configuration = json.loads(json.dumps(dataclasses.asdict(c)))
    store.write(Result(key=key, configuration=configuration, parts=parts))
"""

ASK = """
import json
import qmdbook
from epistemics.declared.project import find_project
from epistemics.publishing.chapter_keys import chapter_key, experiments_of
from epistemics.lab.status import status
from epistemics.declared.experiments import experiment_names, load_experiment
from epistemics.store.store import Store
project = find_project()
names = experiment_names(project.experiments)
runs = {r.key: r for n in names for r in load_experiment(project.experiments, n, "smoke").runs}
found = status(runs.values(), Store(project.results))
states = {s.run.key: " ".join([s.state, *s.changed]) for s in found}
key = chapter_key(project)
cells = qmdbook.cells(project.folder)
keys = {path.stem: [key(path, own), *own] for path, own in cells.items()}
of_results = [path.stem for path, own in cells.items() if experiments_of(own, names)]
print(json.dumps({"states": states, "keys": keys, "of results": of_results}))
"""


@dataclass(frozen=True)
class Edit:
    """One replacement in a file of the project."""

    name: str
    file: str
    old: str
    new: str


EDITS = [
    Edit("a comment in the optimizer", "src/epistemics/science/training.py", "1e-8  # AdamW's", "1e-8  # of AdamW"),
    Edit(
        "a docstring in the model",
        "src/epistemics/science/network.py",
        '"""N, the parameters',
        '"""How many, the parameters',
    ),
    Edit("a constant of the training renamed", "src/epistemics/science/training.py", "EVALUATION_ROWS", "ROWS_AT_ONCE"),
    Edit(
        "the optimizer rearranged, computing the same",
        "src/epistemics/science/training.py",
        "    flat = flat * (1 - learning_rate * weight_decay)\n",
        "    shrunk = 1 - learning_rate * weight_decay\n    flat = flat * shrunk\n",
    ),
    Edit("the optimizer changed", "src/epistemics/science/training.py", "EPSILON = 1e-8", "EPSILON = 1e-6"),
    Edit("a measure changed", "src/epistemics/science/geometry.py", "np.sqrt(np.max", "2 * np.sqrt(np.max"),
    Edit(
        "an operation added",
        "src/epistemics/science/operations.py",
        "OPERATIONS = {",
        'OPERATIONS = {"x": Operation(max),',
    ),
    Edit("the learning rate of phase 1.2", "experiments/phase-1-2.yaml", "rate: 0.001", "rate: 0.002"),
    Edit("a figure of phase 1.2", "src/epistemics/chapters/phase_1_2/figures.py", "alpha=", "zorder=3, alpha="),
    Edit("the criterion of a claim", "experiments/claims.yaml", "at least ten times that", "at least twice that"),
    Edit("a cell of phase 1.1", "chapters/phase-1-1.qmd", "results = phase_1_1.load()", "results  = phase_1_1.load()"),
    Edit("prose", "chapters/phase-1-1.qmd", "## Size\n", "## Size\n\nA sentence more.\n"),
]  # fmt: skip


class Copy:
    """The project, to be edited."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def python(self, *arguments: str) -> str:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("EPISTEMICS_")}
        environment |= {"PYTHONPATH": str(self.folder / "src"), "EPISTEMICS_PROFILE": "smoke"}
        command = [sys.executable, *arguments]
        done = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True)
        assert done.returncode in (0, 1) and not done.stderr, done.stdout + done.stderr  # noqa: PT018
        return done.stdout

    def asked(self) -> dict[str, Any]:
        """Each run's state; what decides whether a chapter executes again, its key and its cells; who shows results."""
        answer: dict[str, Any] = json.loads(self.python("-c", ASK))
        return answer


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    copy = Copy(tmp_path_factory.mktemp("filled") / "project")
    for name in (
        "src",
        "chapters",
        "experiments",
        "examples",
        "_quarto.yml",
        "index.qmd",
        "references.qmd",
        "references.bib",
        "theme",
    ):
        source = PROJECT / name
        target = copy.folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, target) if source.is_dir() else shutil.copy2(source, target)
    (copy.folder / "data").mkdir()
    for name in ("data/some.csv", "llms.txt", "feed.xml"):
        (copy.folder / name).write_text("a\n")
    copy.python("-c", FILL)
    return copy


def test_the_table_of_edits(filled: Copy, tmp_path: Path) -> None:
    before = filled.asked()
    assert set(before["states"].values()) == {"fresh"}
    rows = []
    for number, edit in enumerate(EDITS):
        copy = Copy(shutil.copytree(filled.folder, tmp_path / str(number)))
        path = copy.folder / edit.file
        assert edit.old in path.read_text(encoding="utf-8"), edit
        path.write_text(path.read_text(encoding="utf-8").replace(edit.old, edit.new), encoding="utf-8")
        now = copy.asked()
        after = now["states"]
        stale = [state for state in after.values() if state.startswith("stale")]
        then = ""
        if stale:
            copy.python("-m", "epistemics", "adopt")
            now = copy.asked()
            (then,) = {THEN[state] for state in now["states"].values()}
        again = [chapter for chapter, key in now["keys"].items() if key != before["keys"][chapter]]
        rows.append(
            {
                "edit": edit.name,
                "stale": "all" if len(stale) == len(after) else str(len(stale)),
                "missing": str(list(after.values()).count("missing")),
                "then": then,
                "executes": "all that show results" if again == before["of results"] else ", ".join(again) or "nothing",
            }
        )
    assert tuple(tuple(row.values()) for row in rows) == EDITS_SHOWN
