"""The rooms that know of runs, results and files, with another study: no network, no modulus, no science/ at all.

Where an orbit of the logistic map x ← r·x·(1 − x) goes, by its rate r and a start that the seed draws. The package is
copied without ``science`` and all chapters but the list of runs, and given the page below as ``study.py``.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import epistemics

STUDY = '''
"""Where orbits of the logistic map go."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Annotated

import torch
from msgspec import Meta, Struct

AT_MOST, NAMES, LOSSES, SETTINGS = {"rate": 4}, {}, ("value",), {"spread": {"last": 10}}
ON_REQUEST = {}
PARTS = {"orbit": "study.orbit", "spread": "study.spread"}
Step = Annotated[int, Meta(ge=0)]


@dataclass(frozen=True)
class Configuration:
    rate: float
    """Of growth, between 0 and 4."""
    steps: int
    """How far the orbit is followed."""
    evaluate_every: int
    """Steps between two looks at it."""
    seed: int
    """Draws the start."""


@dataclass
class History:
    step: list[int]
    value: list[float]


@dataclass
class State:
    step: int
    flat: torch.Tensor
    histories: list[History]


class Metrics(Struct):
    value: Annotated[float, Meta(title="Ends at")]


def orbit(configurations, device, state=None):
    (c,) = configurations
    if state is None:
        start = torch.rand(1, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(c.seed))
        state = State(0, start, [History([], [])])
    while state.step < c.steps:
        x = state.flat
        for _ in range(c.evaluate_every):
            x = torch.cat([x, c.rate * x[:, -1:] * (1 - x[:, -1:])], 1)
        state = State(state.step + c.evaluate_every, x, state.histories)
        state.histories[0].step.append(state.step)
        state.histories[0].value.append(float(x[0, -1]))
        moments = [SimpleNamespace(member=0, step=state.step, parameters=x[0])] if state.step >= c.steps else []
        yield SimpleNamespace(state=state, moments=moments)


def spread(configuration, parameters, last):
    return {"spread": parameters[-last:].max() - parameters[-last:].min()}


def faults(c):
    if not 0 < c.rate <= 4:
        yield "rate", "must lie above 0 and be at most 4"


def configuration_from_json(content):
    return Configuration(**content)


def restored(step, tensors, histories):
    return State(step=step, **tensors, histories=[History(**columns) for columns in histories])


def summary(configuration, history):
    return Metrics(value=history.value[-1])


def agree(stored, again):
    return stored == again, "the end"


def in_short(c, steps):
    return replace(c, steps=steps, evaluate_every=1)


def shortened(c, steps, evaluate_every):
    return replace(c, steps=steps, evaluate_every=evaluate_every)


lines = lambda c: {}
seen = lambda history: f"value {history.value[-1]:.3f}"
smallest = lambda c: c
tolerance = lambda c: 1e-9
training_operations = lambda c, steps, evaluations: 3.0 * steps
stack_key = kind_of_step = lambda c: "one"
is_compiled = lambda c: False
fits_float32 = lambda c: False
label = described = lambda c: f"rate {c.rate:g}"
continued = lambda c: ""
must_continue = lambda c, first: ""
BASELINE = Configuration(rate=3.0, steps=100, evaluate_every=50, seed=0)
distinguishing = lambda c: {"steps": f"{c.steps} steps"}
'''

MIDDLE = """def middle(configuration, parameters):
    return {"middle": parameters.mean()}
"""

EXPERIMENT = """\
title: Orbits
entry: 1
defaults: {steps: 200, evaluate_every: 50}
profiles:
  paper:
    groups: [{name: rates, vary: {rate: [2.8, 3.2]}, seeds: [0, 1]}]
  smoke:
    groups: [{name: rates, set: {rate: 2.8}, seeds: [0]}]
"""

CHAPTER = '''"""Where orbits end."""

from epistemics.analysis.stored_runs import load_results
from epistemics.analysis.tables import table_of


def share(project):
    rows = [
        {"rate": run.configuration.rate, "spread": float(run.result.arrays["spread"][-1])}
        for run in load_results("orbits", project)
    ]
    widest = max(row["spread"] for row in rows)
    return {"widest": f"{widest:.2f}"}, {"orbits": table_of(rows)}
'''

PAGE = """# Orbits

Two values apart by {{< var orbits.widest >}}.

```{python}
from epistemics.analysis.stored_runs import load_results

print(len(load_results("orbits")), "orbits, in numbers", load_results("orbits").experiment.title)
```
"""


RUNS = """# Runs {#sec-runs}

```{python}
#| echo: false
#| output: asis
from epistemics.chapters.runs.chapter import print_sections

print_sections()
```
"""


class Lab:
    """A copy of the package with the study above, and a project."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.package = folder / "project", folder / "src" / "epistemics"
        ours = Path(epistemics.__file__).parent
        shutil.copytree(ours, self.package, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(
            ours.parent / "qmdbook", folder / "src" / "qmdbook", ignore=shutil.ignore_patterns("__pycache__")
        )
        for room in ("science", "benchmarks"):
            shutil.rmtree(self.package / room)
        chapters = self.package / "chapters"
        for path in chapters.iterdir():
            if path.is_dir() and path.name != "runs":
                shutil.rmtree(path)
        contents = chapters / "contents.py"
        one = 'CHAPTERS = (Chapter("chapters/orbits.qmd"), Chapter("chapters/runs.qmd"))\n'
        contents.write_text(
            re.sub(r"^CHAPTERS = \(\n.*?^\)\n", one, contents.read_text(), flags=re.DOTALL | re.MULTILINE)
        )
        (chapters / "orbits").mkdir()
        (chapters / "orbits" / "__init__.py").write_text('"""Orbits."""\n')
        (chapters / "orbits" / "chapter.py").write_text(CHAPTER)
        (self.package / "study.py").write_text(STUDY.lstrip())
        for file, text in {
            "_quarto.yml": "project: {type: book, resources: [/data/**/*]}\nbook:\n  title: Orbits\n  author: Nobody\n"
            "  chapters: [index.qmd, chapters/orbits.qmd, chapters/runs.qmd]\nformat: {html: {}}\n",
            "index.qmd": "# Why {.unnumbered}\n\nA map.\n",
            "chapters/orbits.qmd": PAGE,
            "chapters/runs.qmd": RUNS,
            "experiments/orbits.yaml": EXPERIMENT,
        }.items():
            (self.folder / file).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / file).write_text(text)

    def __call__(self, *arguments: str, fails: bool = False) -> str:
        """What the command line prints."""
        done = subprocess.run(
            [sys.executable, "-m", "epistemics", *arguments],
            cwd=self.folder,
            env=os.environ | {"PYTHONPATH": str(self.package.parent), "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
        )
        assert (done.returncode != 0) == fails, done.stdout + done.stderr
        assert "Traceback" not in done.stderr, done.stderr
        return done.stdout + done.stderr

    def edit(self, old: str, new: str) -> None:
        text = (self.package / "study.py").read_text()
        assert text.count(old) == 1
        (self.package / "study.py").write_text(text.replace(old, new))


@pytest.mark.slow
def test_another_study_runs_stores_edits_asks_why_adopts_and_renders(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    assert "rate: 5 must lie above 0 and be at most 4" in _refused(lab, "rate: [2.8, 3.2]", "rate: [2.8, 5]")
    assert "4 missing" in lab("status")
    assert "4 of 4 runs" in lab("run", "--all")
    assert "4 fresh" in lab("status")
    found = json.loads(lab("status", "--json"))
    assert [one["run"] for one in found] == [f"rate {rate} seed {seed}" for rate in (2.8, 3.2) for seed in (0, 1)]
    assert "agrees" in lab("verify", "--rerun", "1")

    lab.edit("c.rate * x[:, -1:] * (1 - x[:, -1:])", "c.rate * (x[:, -1:] * (1 - x[:, -1:]))")
    assert "4 stale" in lab("status")
    why = lab("why", found[0]["key"])
    assert "orbit: study.orbit changed" in why
    assert "+            x = torch.cat([x, c.rate * (x[:, -1:] * (1 - x[:, -1:]))], 1)" in why
    assert "its bits part at" in lab("adopt", fails=True)  # sums of another order
    lab.edit("c.rate * (x[:, -1:] * (1 - x[:, -1:]))", "(c.rate * x[:, -1:]) * (1 - x[:, -1:])")
    assert "4 fresh" in lab("status")
    lab.edit("(c.rate * x[:, -1:])", "x[:, -1:] * c.rate")
    assert "4 of 4 stale results adopted" in lab("adopt")
    assert "4 adopted" in lab("status")

    lab.edit('"spread": "study.spread"}', '"spread": "study.spread", "middle": "study.middle"}')
    lab.edit(
        "\n\ndef faults",
        '\n\ndef middle(configuration, parameters):\n    return {"middle": parameters.mean()}\n\n\ndef faults',
    )
    assert "4 missing" in lab("status")
    assert lab("status", "--runs").count("nothing to train: its moments are at hand  of it, middle is not stored") == 4
    lab("run", "--all")
    assert "4 adopted" in lab("status")

    lab("render")
    page = (lab.folder / "_site" / "chapters" / "orbits.html").read_text()
    assert "4 orbits, in numbers Orbits" in page
    spread = float(re.search(r"apart by (0\.\d\d)", page)[1])  # type: ignore[index]
    assert spread == pytest.approx(0.29, abs=0.01)  # r = 3.2: a cycle of 0.5130 and 0.7995
    assert "rate 3.2" in (lab.folder / "_site" / "chapters" / "runs.html").read_text()
    assert "Ends at" in next((lab.folder / "_site" / "data" / "runs").glob("*.html")).read_text()


def _refused(lab: Lab, old: str, new: str) -> str:
    """What is said of a faulty edit of the experiment, which is taken back."""
    path = lab.folder / "experiments" / "orbits.yaml"
    text = path.read_text()
    path.write_text(text.replace(old, new))
    try:
        return lab("run", "--all", fails=True)
    finally:
        path.write_text(text)
