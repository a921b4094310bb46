"""Runs made on another machine: a request goes there as JSON, results come back as the bytes of their files.

Neither side reads an object that the other has pickled, and a machine whose package would make other results refuses.
What is made there is kept there, in its workspace, so that whoever asked may die and ask again.
"""

from __future__ import annotations

import json
import os
import queue
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from epistemics import __version__
from epistemics.declared.runs import Run
from epistemics.lab.parts import parts_of
from epistemics.lab.scheduler import Events, Worker
from epistemics.lab.status import current_code, current_sources, status
from epistemics.store.record import UnknownFormat
from epistemics.store.store import Store
from epistemics.study import configuration_from_json

WORKSPACE_VARIABLE = "EPISTEMICS_WORKSPACE"
"""Where a machine keeps checkpoints and what it made; if it is not set, in the workspace of whoever asks, where that is
on shared storage, else in ``~/.cache/epistemics``."""

Made = dict[str, dict[str, bytes]]
"""Key of a run → file name → content."""


class OtherVersion(RuntimeError):
    """A machine would not make the results that are asked for: its package or its torch is another."""


def versions(runs: Sequence[Run]) -> dict[str, str]:
    """What two machines must have in common to make the same results of these runs on the same kind of device."""
    codes = [current_code(run.configuration, parts_of(run.measure)) for run in runs]
    parts = dict.fromkeys(part for own in codes for part in own)
    code = {
        f"code of the {part}": ", ".join(dict.fromkeys(own[part] for own in codes if part in own)) for part in parts
    }
    return {"epistemics": __version__, "torch": version("torch").partition("+")[0]} | code


def request(runs: Sequence[Run], workspace: Path, device: str) -> str:
    """What another machine needs to know of a stack, as JSON."""
    asked = {
        "versions": versions(runs),
        "runs": [asdict(replace(run, base=None, continues=None)) for run in runs],
        "workspace": str(workspace.resolve()),
        "device": device,
    }
    return json.dumps(asked)


def made(text: str, report: Callable[[Mapping[str, Any]], None]) -> Made:
    """Train the stack of a request in a process of its own, from its last checkpoint; reports as a worker does.

    Raises:
        OtherVersion: before anything starts.
        ChildProcessError: the process was killed; here or elsewhere, another may go on from its checkpoint.
        RunFailed: the run itself failed, and would fail again.
    """
    held(text)  # or what is stored here in another format would fail the worker
    runs, workspace, device = _asked(text)
    events: Events = queue.Queue()
    worker = Worker(tuple(runs), kept_in(workspace), workspace, device, events)
    try:
        while (event := _next(events)) is not None:
            report(event)
    finally:
        worker.end()
    if worker.process.returncode < 0 or worker.process.returncode == 130:
        raise ChildProcessError(f"the process that trained «{runs[0].label}» was killed")
    worker.raise_if_failed()
    return held(text)


def held(text: str) -> Made:
    """The results of a request that this machine has made before, with the present code.

    Raises:
        OtherVersion: as ``made``.
    """
    runs, workspace, _ = _asked(text)
    store = kept_in(workspace)
    try:
        return {s.run.key: store.files(s.run.key) for s in status(runs, store) if s.state == "fresh"}
    except UnknownFormat as error:
        raise OtherVersion(f"what it made before, in {workspace}, it can't read: {error}") from error


def receive(made: Made, store: Store) -> None:
    """Write results that came from another machine into the store, each in one step.

    Raises:
        DamagedResult: if what came is not what was sent.
    """
    for key, files in made.items():
        with tempfile.TemporaryDirectory(prefix="epistemics-") as folder:
            place = Path(folder) / key
            place.mkdir()
            for name, content in files.items():
                (place / Path(name).name).write_bytes(content)
            result = Store(Path(folder)).read(key)
        # The code is the same there, or it would have refused.
        store.keep_sources(
            current_sources(configuration_from_json(result.configuration), parts_of(stored=result.parts))
        )
        store.write(result)


def _asked(text: str) -> tuple[list[Run], Path, str]:
    asked = json.loads(text)
    try:
        runs = [_run(run) for run in asked["runs"]]
    except TypeError as error:
        raise OtherVersion(f"it knows not what is asked for: {error}; install the same there") from None
    ours = versions(runs)
    if other := {what: wanted for what, wanted in asked["versions"].items() if ours.get(what) != wanted}:
        said = ", ".join(f"{what} is {ours.get(what)}, asked for is {wanted}" for what, wanted in other.items())
        raise OtherVersion(f"it would make other results: {said}; install the same there")
    workspace = Path(asked["workspace"])
    if own := os.environ.get(WORKSPACE_VARIABLE):
        workspace = Path(own)
    elif not workspace.parent.is_dir():  # storage is not shared
        workspace = Path.home() / ".cache" / "epistemics"
    return runs, workspace, asked["device"]


def _run(content: dict[str, Any]) -> Run:
    """The inverse of ``asdict``: JSON has lists where a run has tuples."""
    lists = {
        "configuration": configuration_from_json(content["configuration"]),
        "measure": tuple(content.get("measure", ())),
    }
    return Run(**content | lists)


def kept_in(workspace: Path) -> Store:
    return Store(workspace / "made")


def _next(events: Events) -> dict[str, Any] | None:
    """The worker's next report. It is waited for in short turns: Ray interrupts a task only while Python runs."""
    while True:
        try:
            return events.get(timeout=0.2)[1]
        except queue.Empty:
            continue
