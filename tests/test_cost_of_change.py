"""What changes of the project cost: each is made in a copy, as a person would make it, and counted.

Counted are the files and lines that it touches, and the stored results that can no longer be used as they are. The
counts are those of ``chapters/architecture.qmd``. Nothing trains.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from prose import PROJECT
from small_project import EXPERIMENT

from epistemics.chapters.architecture.costs import CHANGES
from epistemics.science.configuration import Configuration
from epistemics.science.network import initial_parameters

pytestmark = pytest.mark.slow

USABLE = ("fresh", "adopted")

# Run in the copy: each run's state and that of its parts.
ASK = """
import json
from epistemics.declared.experiments import experiment_names, load_experiment
from epistemics.declared.project import find_project
from epistemics.lab.status import status
from epistemics.store.record import UnknownFormat
from epistemics.store.store import MissingResult, Store

project = find_project()
store, found, readable = Store(project.results), {}, []
for name in experiment_names(project.experiments):
    for run in load_experiment(project.experiments, name).runs:
        try:
            store.record(run.key)
        except UnknownFormat:
            found[run.key] = {"state": "of another format", "parts": {}}
        except MissingResult:
            readable.append(run)
        else:
            readable.append(run)
found |= {one.run.key: {"state": one.state, "parts": dict(one.parts)} for one in status(readable, store)}
print(json.dumps(found))
"""

States = Mapping[str, Mapping[str, Any]]
"""Key of a run → ``state``, and ``parts``: part → its own."""


@dataclass(frozen=True)
class Copy:
    """A copy of the project, and where its results lie."""

    folder: Path
    results: Path

    def python(self, *arguments: str, status: int = 0) -> str:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("EPISTEMICS_")}
        environment |= {"PYTHONPATH": str(self.folder / "src"), "EPISTEMICS_RESULTS": str(self.results)}
        command = [sys.executable, *arguments]
        done = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout

    def states(self) -> States:
        found: States = json.loads(self.python("-c", ASK))
        return found

    def edit(self, file: str, old: str, new: str) -> None:
        path = self.folder / file
        text = path.read_text("utf-8")
        assert text.count(old) == 1, f"{file} has {old!r} {text.count(old)} times"
        path.write_text(text.replace(old, new), "utf-8")

    def git(self, *arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=self.folder, check=True, capture_output=True, text=True).stdout

    def tree(self) -> str:
        """The name of all that lies in the copy now, but for what git ignores."""
        self.git("add", "--all")
        return self.git("write-tree").strip()

    def touched(self, before: str) -> tuple[int, int]:
        """Files and lines that are new, changed or gone since a tree; a file that is renamed is one."""
        counts = self.git("diff", "--numstat", "--find-renames", before, self.tree()).splitlines()
        return len(counts), sum(max(map(int, line.split("\t")[:2])) for line in counts)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    """The project as it is."""
    folder = tmp_path_factory.mktemp("whole")
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=PROJECT, check=True, capture_output=True, text=True).stdout.split("\0")
    for name in names:
        if name and not name.startswith("results/") and (PROJECT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(PROJECT / name, folder / name)
    copy = Copy(folder, shutil.copytree(PROJECT / "results", tmp_path_factory.mktemp("stored") / "results"))
    copy.git("init", "--quiet")
    copy.tree()
    return copy


@pytest.fixture(scope="module")
def usable(whole: Copy) -> Collection[str]:
    """The keys of the results that can be used before any change."""
    found = {key for key, one in whole.states().items() if one["state"] in USABLE}
    assert found
    return found


@pytest.fixture
def copy(whole: Copy, tmp_path: Path) -> Copy:
    return Copy(shutil.copytree(whole.folder, tmp_path / "copy", symlinks=True), whole.results)


def listings() -> list[str]:
    """The Python that the chapter tells its readers to write, in its order."""
    chapter = (PROJECT / "chapters" / "architecture.qmd").read_text("utf-8")
    return re.findall(r"^```python\n(.*?)^```$", chapter, re.M | re.S)


def operation(copy: Copy) -> None:
    line, *_ = listings()
    last = '    "x³+xy": Operation(lambda a, b, p: a * a * a + a * b),\n'
    copy.edit("src/epistemics/science/operations.py", last, last + line)


PERCEPTRON = '''"""A perceptron."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from epistemics.science.network import COMPUTE_DTYPES, Network, Shapes, linear


'''


def network(copy: Copy) -> None:
    _, module, line, *_ = listings()
    (copy.folder / "src" / "epistemics" / "science" / "perceptron.py").write_text(PERCEPTRON + module, "utf-8")
    only = '    "transformer": "science.transformer.Transformer",\n'
    copy.edit("src/epistemics/science/configuration.py", only, only + line)


SPARSITY = '''"""How sparse each weight is."""

from __future__ import annotations

from torch import Tensor

from epistemics.science.configuration import Configuration
from epistemics.science.geometry import Array
from epistemics.science.network import named_parameters


'''


def family(copy: Copy) -> None:
    *_, function, part, _ = listings()
    (copy.folder / "src" / "epistemics" / "science" / "sparsity.py").write_text(SPARSITY + function, "utf-8")
    last = '    "noise": "science.measures.measure_noise",\n'
    copy.edit("src/epistemics/study.py", last, last + part)


def experiment(copy: Copy) -> None:
    (copy.folder / "experiments" / "sizes.yaml").write_text(EXPERIMENT, "utf-8")


def chapter(copy: Copy) -> None:
    copy.python("-m", "epistemics", "new", "learning-rate")


def renamed(copy: Copy) -> None:
    """With its test, and wherever it is named."""
    for folder, name in (("src/epistemics/science", "{}.py"), ("tests/science", "test_{}.py")):
        copy.git("mv", f"{folder}/{name.format('geometry')}", f"{folder}/{name.format('directions')}")
    for file in copy.git("grep", "--name-only", "science[./]geometry").split():
        path = copy.folder / file
        path.write_text(re.sub(r"science([./])geometry", r"science\1directions", path.read_text("utf-8")), "utf-8")


def another_format(copy: Copy) -> None:
    path = copy.folder / "src" / "epistemics" / "store" / "record.py"
    text = path.read_text("utf-8")
    path.write_text(re.sub(r"^FORMAT = (\d+)$", lambda m: f"FORMAT = {int(m[1]) + 1}", text, flags=re.M), "utf-8")


def colour(copy: Copy) -> None:
    copy.edit("src/epistemics/analysis/style.py", "0.1: GREEN", "0.1: ORANGE")


MADE: Mapping[str, Callable[[Copy], None]] = {
    "an experiment, of YAML alone": experiment,
    "an experiment with a chapter": chapter,
    "a family of measures": family,
    "a module renamed": renamed,
    "another format of the store": another_format,
    "the colour of a model": colour,
    "an operation": operation,
    "a network": network,
}


def of_all(count: int, usable: Collection[str]) -> str:
    """How many results those are, so that a new experiment's make no difference."""
    return {0: "0", len(usable): "all"}.get(count, f"{count} of {len(usable)}")


def test_each_change_of_the_table_is_made() -> None:
    assert tuple(MADE) == tuple(change for change, *_ in CHANGES)


@pytest.mark.parametrize("row", CHANGES, ids=[change for change, *_ in CHANGES])
def test_the_table_of_changes(copy: Copy, usable: Collection[str], row: tuple[object, ...]) -> None:
    change = str(row[0])
    before = copy.tree()
    MADE[change](copy)
    files, lines = copy.touched(before)
    after = copy.states()
    states = [after[key]["state"] if key in after else "named no more" for key in usable]
    assert {*states} <= {*USABLE, "stale", "missing", "of another format"}
    counts = [of_all(states.count(state), usable) for state in ("stale", "missing", "of another format")]
    measured = (change, files, lines, *counts)
    assert measured == row, f"if this is what it costs now, the chapter's table has to say so: {measured}"


@pytest.mark.parametrize("make", [experiment, chapter])
def test_runs_of_a_new_experiment_are_planned(
    copy: Copy, usable: Collection[str], make: Callable[[Copy], None]
) -> None:
    make(copy)
    new = {key: one["state"] for key, one in copy.states().items() if key not in usable}
    assert new
    assert {*new.values()} == {"missing"}


def test_of_a_new_family_that_part_alone_is_missing(
    copy: Copy, usable: Collection[str], configuration: Callable[..., Configuration]
) -> None:
    family(copy)
    after = copy.states()
    for key in usable:
        parts = dict(after[key]["parts"])
        assert parts.pop("sparsity") == "missing"
        assert {*parts.values()} <= {*USABLE}
    written: dict[str, Any] = {}
    exec((copy.folder / "src" / "epistemics" / "science" / "sparsity.py").read_text("utf-8"), written)
    c = configuration()
    shares = written["measure"](c, initial_parameters(c.architecture, c.seed))
    assert shares["0.attention.in.bias"] == 1.0  # begins at zero
    assert shares["norm.gain"] == 0.0


def test_results_of_another_format_are_named_and_left_alone(copy: Copy, usable: Collection[str]) -> None:
    before = {path: path.read_bytes() for path in copy.results.rglob("result.json")}
    another_format(copy)
    said = copy.python("-m", "epistemics", "migrate", status=1)
    for key in usable:
        assert re.search(rf"^results/{key}/result\.json: format \d+, .*`epistemics migrate` converts it$", said, re.M)
    assert "set aside" not in said
    assert {path: path.read_bytes() for path in copy.results.rglob("result.json")} == before
    assert not (copy.folder / ".workspace").exists()


def test_a_new_operation_is_taken(copy: Copy) -> None:
    operation(copy)
    declared = EXPERIMENT.replace("operations: [add]", "operations: [add, x-y²]")
    (copy.folder / "experiments" / "differences.yaml").write_text(declared, "utf-8")
    answers = """
from epistemics.declared.experiments import load_experiment
from epistemics.declared.project import find_project
from epistemics.science.tasks import table
c = load_experiment(find_project().experiments, "differences").runs[0].configuration
made = table(c.modulus, c.operations)
rows = made.rows_of("x-y²")
print(all((made.questions[rows, 0] - made.questions[rows, 2] ** 2 - made.answers[rows]) % c.modulus == 0))
"""
    assert copy.python("-c", answers) == "True\n"


def test_a_new_network_trains_and_is_measured(copy: Copy, tmp_path: Path) -> None:
    network(copy)
    (copy.folder / "experiments" / "perceptrons.yaml").write_text(
        EXPERIMENT.replace("operations: [add]", "operations: [add]\n  network: perceptron"), "utf-8"
    )
    alone = Copy(copy.folder, tmp_path / "stored")
    alone.python("-m", "epistemics", "run", "perceptrons")
    asked = """
from epistemics import load_results
for run in load_results("perceptrons"):
    arrays = run.result.arrays
    print(run.run.label.split()[0], arrays["history.train_loss"][-1] < arrays["history.train_loss"][0],
          arrays["add.about_mean"].shape[1], "add.overlap" in arrays)
"""
    assert {*alone.python("-c", asked).splitlines()} == {"perceptron True 9 False"}


def test_a_new_colour_is_every_figures(copy: Copy) -> None:
    colour(copy)
    asked = "from epistemics.analysis.style import ORANGE, decay_colour; print(decay_colour(0.1) == ORANGE)"
    assert copy.python("-c", asked) == "True\n"
