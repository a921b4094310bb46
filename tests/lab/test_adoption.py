"""Code that changes: what becomes stale, why, and what a canary can show."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace
from small_project import EXPERIMENT
from stored import resealed

from epistemics.declared.project import find_project
from epistemics.lab.canary import canary_of, compare
from epistemics.science.configuration import Configuration
from epistemics.store import fingerprint
from epistemics.store.record import Result
from epistemics.store.store import Store
from epistemics.study import PARTS, tolerance

pytestmark = pytest.mark.slow

EPSILON = "EPSILON = 1e-8"
DOUBLED = ("np.sqrt(np.maximum(eigenvalues, 0.0))", "2 * np.sqrt(np.maximum(eigenvalues, 0.0))")
REARRANGED = (
    "    flat = flat * (1 - learning_rate * weight_decay)\n",
    "    shrunk = 1 - learning_rate * weight_decay\n    flat = flat * shrunk\n",
)


class Draft:
    """A small project with a copy of the package, whose code is edited."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copytree(
            fingerprint.PACKAGE, folder / "src" / "epistemics", ignore=shutil.ignore_patterns("__pycache__")
        )
        (folder / "_quarto.yml").write_text("project: {type: book}\n")
        (folder / "experiments").mkdir()
        (folder / "experiments" / "sizes.yaml").write_text(EXPERIMENT)

    def epistemics(self, *arguments: str, status: int = 0, says: str = "stdout") -> str:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("EPISTEMICS_")}
        environment |= {"PYTHONPATH": str(self.folder / "src"), "EPISTEMICS_PROFILE": "smoke"}
        command = [sys.executable, "-m", "epistemics", *arguments]
        done = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True)
        assert done.returncode == status, done.stdout + done.stderr
        return str(getattr(done, says))

    def edit(self, file: str, *replacements: tuple[str, str]) -> None:
        path = self.folder / "src" / "epistemics" / file
        text = path.read_text()
        for old, new in replacements:
            assert old in text
            text = text.replace(old, new)
        path.write_text(text)

    @property
    def state(self) -> str:
        (record,) = json.loads(self.epistemics("status", "--json"))
        return str(record["state"])

    @property
    def result(self) -> Result:
        return Store(find_project("smoke", start=self.folder).results).read(self.key)

    @property
    def key(self) -> str:
        (record,) = json.loads(self.epistemics("status", "--json"))
        return str(record["key"])


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Draft:
    draft = Draft(tmp_path_factory.mktemp("stored"))
    draft.epistemics("run", "sizes")
    assert draft.state == "fresh"
    return draft


@pytest.fixture
def draft(stored: Draft, tmp_path: Path) -> Draft:
    copied = object.__new__(Draft)
    copied.folder = shutil.copytree(stored.folder, tmp_path / "draft")
    return copied


def test_code_that_does_the_same_is_adopted_with_the_proof(draft: Draft) -> None:
    draft.edit("science/training.py", REARRANGED)
    assert draft.state == "stale"
    before = json.loads(next(draft.folder.rglob("result.json")).read_text())
    assert "adopted" in draft.epistemics("adopt")
    assert draft.state == "adopted"
    after = json.loads(next(draft.folder.rglob("result.json")).read_text())
    was, now = before["parts"].pop("training"), after["parts"].pop("training")
    assert after["parts"] == before["parts"]
    assert after["configuration"] == before["configuration"]
    (proof,) = now["provenance"].pop("adopted")
    assert proof["proof"] == "training bit for bit"
    assert proof["from"] == was["code"]
    assert now["code"] != was["code"]
    for name in ("files", "canary", "provenance", "metrics"):
        assert now[name] == was[name]
    assert json.loads(draft.epistemics("why", draft.key, "--json")) == []
    draft.edit("science/training.py", ("EVALUATION_ROWS = 1024", "EVALUATION_ROWS = 512"))
    assert "-EVALUATION_ROWS = 1024" in draft.epistemics("why", draft.key)


def committed(draft: Draft) -> None:
    """The draft's code, in a repository of its own."""
    for command in (("init", "-q"), ("add", "src"), ("commit", "-qm", "Made with this")):
        identity = ["-c", "user.name=n", "-c", "user.email=e"]
        subprocess.run(["git", *identity, *command], cwd=draft.folder, check=True, capture_output=True)


def test_results_of_another_machine_are_adopted_beside_the_code_that_made_them(draft: Draft) -> None:
    """Whose canary differs here by more than any tolerance, although nothing was changed."""
    committed(draft)
    path = next(draft.folder.rglob("result.json"))

    def elsewhere(record: dict[str, Any]) -> None:
        record["parts"]["training"]["provenance"]["device"] = "Another"
        for step in record["parts"]["training"]["canary"]["steps"]:
            step |= {"train_loss": 9.0, "digest": "ff"}

    resealed(path, elsewhere)
    draft.edit("science/training.py", REARRANGED)
    assert "training: they part at step 1" in draft.epistemics("adopt", status=1)
    assert "--beside nowhere: " in draft.epistemics("adopt", "--beside", "nowhere", status=1, says="stderr")
    assert "1 of 1 stale results adopted" in draft.epistemics("adopt", "--beside", "HEAD")
    assert draft.state == "adopted"
    (proof,) = json.loads(path.read_text())["parts"]["training"]["provenance"]["adopted"]
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=draft.folder, check=True, capture_output=True, text=True)
    commit = head.stdout.strip()  # where HEAD stands then, nobody knows later
    assert proof["proof"] == f"training bit for bit as the code at {commit}, run beside it on one machine"
    draft.edit("science/training.py", (EPSILON, "EPSILON = 1e-6"))
    said = draft.epistemics("adopt", "--beside", "HEAD", status=1)
    assert f"training: the code at {commit} is not what it is sealed with" in said


def test_code_that_does_something_else_beside_is_not_adopted(draft: Draft) -> None:
    committed(draft)
    draft.edit("science/training.py", (EPSILON, "EPSILON = 1e-6"))
    assert "training: the bits of the two part at step 1" in draft.epistemics("adopt", "--beside", "HEAD", status=1)
    assert draft.state == "stale"


def test_code_that_does_something_else_is_not(draft: Draft) -> None:
    draft.edit("science/training.py", (EPSILON, "EPSILON = 1e-6"))
    said = draft.epistemics("adopt", status=1)
    assert "training: its bits part at step 1" in said
    assert draft.state == "stale"


def test_measures_that_come_out_otherwise_are_not_adopted(draft: Draft) -> None:
    draft.edit("science/geometry.py", DOUBLED)
    assert draft.state == "stale"
    assert "geometry: its bits part at measure add.spectrum" in draft.epistemics("adopt", status=1)


def test_measures_alone_are_taken_again_without_training(draft: Draft) -> None:
    """Although both parts of the code have changed: the training is adopted, the measures are not."""
    before = draft.result
    draft.edit("science/training.py", REARRANGED)
    draft.edit("science/geometry.py", DOUBLED)
    draft.epistemics("adopt", status=1)
    (record,) = json.loads(draft.epistemics("status", "--json"))
    assert (record["state"], record["changed"]) == ("stale", ["geometry"])
    draft.epistemics("run", "sizes", "--stale")
    assert draft.state == "adopted"
    after = draft.result
    assert after.provenance["date"] == before.provenance["date"]  # of the training
    assert after.metrics == before.metrics
    for name, values in before.arrays.items():
        factor = 2 if name.endswith("spectrum") else 1
        np.testing.assert_allclose(after.arrays[name], factor * values, rtol=1e-6, err_msg=name)
    assert "bit for bit" in draft.epistemics("verify", "--rerun", "1")


@pytest.fixture
def in_one(draft: Draft) -> Draft:
    """A result whose measures are all of one family, as they were made at once, by code that there is no more."""
    store = Store(find_project("smoke", start=draft.folder).results)
    training, *families = draft.result.parts.values()
    one = replace(
        families[0],
        code="0" * 16,
        provenance={"seconds": 6.0, "device": "A processor"},
        canary={name: value for family in families for name, value in family.canary.items()},
        arrays={name: values for family in families for name, values in family.arrays.items()},
    )
    store.write(replace(draft.result, parts={"training": training, "measures": one}))
    return draft


def test_measures_that_moved_to_other_families_move_in_the_result(in_one: Draft) -> None:
    before = in_one.result
    assert in_one.state == "stale"
    said = in_one.epistemics("adopt")
    assert "geometry, abliteration, noise bit for bit" in said
    after = in_one.result
    assert [*after.parts] == [*PARTS]
    assert in_one.state == "adopted"
    assert after.provenance["measure_seconds"] == 6.0
    assert after.arrays.keys() == before.arrays.keys()
    for name, values in before.arrays.items():
        np.testing.assert_array_equal(after.arrays[name], values)
    assert after.parts["training"].provenance == before.parts["training"].provenance
    for family in [*PARTS][1:]:
        (proof,) = after.parts[family].provenance["adopted"]
        assert proof["from"] == "0" * 16


def test_measures_of_which_one_comes_out_otherwise_stay_together_until_they_are_taken_again(in_one: Draft) -> None:
    before = in_one.result
    in_one.edit("science/geometry.py", DOUBLED)
    said = in_one.epistemics("adopt", status=1)
    assert "geometry: they part at measure add.spectrum" in said
    assert [*in_one.result.parts] == ["training", "measures"]
    in_one.epistemics("run", "sizes", "--stale")
    assert in_one.state == "fresh"
    assert [*in_one.result.parts] == [*PARTS]
    assert in_one.result.arrays.keys() == before.arrays.keys()


def test_what_no_family_takes_over_is_not_adopted(in_one: Draft) -> None:
    """Were one measure of the old family given by none of the new ones, it would be lost."""
    store = Store(find_project("smoke", start=in_one.folder).results)
    whole = in_one.result
    one = whole.parts["measures"]
    more = replace(
        one,
        canary=one.canary | {"add.more": {"norm": 1.0, "digest": "aa"}},
        arrays={**one.arrays, "add.more": next(iter(one.arrays.values()))},
    )
    store.write(replace(whole, parts={**whole.parts, "measures": more}))
    said = in_one.epistemics("adopt", status=1)
    assert "geometry, abliteration, noise: not stored, nor in a part that there is no more" in said
    assert "0 of 1 stale results adopted" in said
    assert [*in_one.result.parts] == ["training", "measures"]
    assert "geometry: not stored, but maybe with measures" in in_one.epistemics("why", in_one.key)
    assert "`epistemics adopt` takes it apart" in in_one.epistemics("status")


def test_why_shows_the_definition_its_difference_and_the_way_to_it(draft: Draft) -> None:
    assert "is fresh" in draft.epistemics("why", draft.key[:6])
    draft.edit("science/training.py", (EPSILON, "EPSILON = 1e-6"))
    (change,) = json.loads(draft.epistemics("why", draft.key[:6], "--json"))
    assert (change["part"], change["definition"], change["kind"]) == ("training", "science.training.EPSILON", "changed")
    assert change["path"][0] == "science.training.training"
    assert change["path"][-2:] == ["science.training.adamw", "science.training.EPSILON"]
    assert "-EPSILON = 1e-08" in change["diff"]
    assert "+EPSILON = 1e-06" in change["diff"]
    printed = draft.epistemics("why", draft.key[:6])
    assert "science.training.training → " in printed
    assert "+EPSILON = 1e-06" in printed


def test_a_canary_says_where_two_part(configuration: Callable[..., Configuration]) -> None:
    c = configuration(steps=20)
    canary = canary_of(c)
    for same in compare(canary, canary_of(c), tolerance(c)).values():
        assert (same.first_difference, same.parts_at, same.difference) == (None, None, 0.0)
    other = canary_of(dataclasses.replace(c, learning_rate=2e-3))
    apart = compare(canary, other, tolerance(c))["training"]
    assert apart.first_difference == apart.parts_at == "step 1"


def test_a_result_made_again_from_nothing_agrees(draft: Draft) -> None:
    assert "agrees" in draft.epistemics("verify", "--rerun", "1")
    draft.edit("science/training.py", REARRANGED)
    draft.epistemics("adopt")
    assert "bit for bit" in draft.epistemics("verify", "--rerun", "1")


def test_a_module_that_moves_makes_nothing_stale_and_a_change_in_it_is_shown_as_a_diff(draft: Draft) -> None:
    package = draft.folder / "src" / "epistemics"
    (package / "science" / "geometry.py").rename(package / "science" / "directions.py")
    for path in package.rglob("*.py"):
        path.write_text(path.read_text().replace("epistemics.science.geometry", "epistemics.science.directions"))
    assert draft.state == "fresh"
    draft.edit("science/directions.py", ("[seed, 3]", "[seed, 4]"))
    assert draft.state == "stale"
    (change,) = json.loads(draft.epistemics("why", draft.key, "--json"))
    assert (change["definition"], change["kind"]) == ("science.directions.random_directions", "changed")
    assert "--- science.geometry.random_directions, as it was" in change["diff"]
    assert [line[0] for line in change["diff"].splitlines() if "[seed, " in line] == ["-", "+"]


def test_no_number_is_near_another() -> None:
    """A loss that is no number would differ by no number from the stored one, which is no more than any tolerance."""
    step = {"step": 1, "train_loss": 1.0, "validation_loss": 1.0, "digest": "aa"}
    broken = {**step, "train_loss": float("nan"), "digest": "bb"}
    compared = compare({"training": {"steps": [step]}}, {"training": {"steps": [broken]}}, 1e-4)["training"]
    assert compared.parts_at == "step 1"
