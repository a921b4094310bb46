"""The example for Modal, executed here: what it stores is what a local run stores. The remote call is not made."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import SimpleNamespace

import pytest
from prose import PROJECT
from small_project import EXPERIMENT

from epistemics.declared.experiments import load_experiment
from epistemics.declared.project import find_project
from epistemics.lab import elsewhere as remote
from epistemics.lab.scheduler import train_missing
from epistemics.lab.verification import compared
from epistemics.store.store import Store

EXAMPLE = PROJECT / "examples" / "modal_run.py"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The make function is executing locally")
def test_the_example_stores_what_a_local_run_stores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    specification = importlib.util.spec_from_file_location("modal_run", EXAMPLE)
    assert specification is not None
    assert specification.loader is not None
    example = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(example)
    (tmp_path / "_quarto.yml").touch()
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "sizes.yaml").write_text(EXPERIMENT)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(remote.WORKSPACE_VARIABLE, str(tmp_path / "there"))
    here = example.make.local
    monkeypatch.setattr(example, "make", SimpleNamespace(map=lambda asked, order_outputs: map(here, asked)))

    example.main("sizes", "smoke", "cpu")

    project = find_project("smoke")
    (run,) = load_experiment(project.experiments, "sizes", "smoke").runs
    local = Store(tmp_path / "local")
    train_missing([run], local, tmp_path / "workspace", 1, "cpu", lambda _: None)
    agrees, said = compared(local.read(run.key), Store(project.results).read(run.key))
    assert agrees, said
    assert said.endswith("bit for bit")
