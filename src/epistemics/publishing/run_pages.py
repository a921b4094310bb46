"""A page for each stored run: what it is, where and when it was made, whether the present code still makes it.

``data/runs/KEY.html`` is written before a render, so both renderers publish the same pages, and beside it what can be
downloaded: the record of the store (``KEY.json``) and the arrays of all parts (``KEY.safetensors``). Parameters are too
large to be published with the book and stay in ``results/``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_type_hints

import jinja2
from msgspec import Meta

from epistemics.analysis.tables import number, percent
from epistemics.declared.experiments import Experiment, experiment_names, load_experiment
from epistemics.declared.project import Project
from epistemics.declared.runs import Run
from epistemics.declared.schema import documentation
from epistemics.lab.status import RunStatus, status
from epistemics.lab.why import changes
from epistemics.store.files import write_if_changed
from epistemics.store.record import Record, Result
from epistemics.store.store import Store, packed
from epistemics.study import Configuration, Metrics

FOLDER = Path("data/runs")
TEMPLATE = "run_page.html"

Row = tuple[str, str, str]
"""A name, a value with its unit, and what it means."""


@dataclass(frozen=True)
class Arrays:
    """One set of arrays of a result."""

    files: list[str]
    """In ``results/KEY/``."""
    download: str | None
    """The file that has them all, beside the page, if they are published."""
    size: str
    sha256: str
    arrays: list[tuple[str, str]]
    """Name, and shape with type."""


def write_run_pages(project: Project) -> list[Path]:
    """Write the page and the files of every stored run that an experiment names; returns those that changed.

    An awaited one has none until chapters read it. Pages of runs that no experiment names any more, or that are no
    longer stored, are removed.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=jinja2.StrictUndefined
    )
    template = environment.get_template(TEMPLATE)
    named: dict[str, list[tuple[Experiment, Run]]] = {}
    for name in experiment_names(project.experiments):
        experiment = load_experiment(project.experiments, name, project.profile)
        for run in experiment.runs:
            named.setdefault(run.key, []).append((experiment, run))
    store, folder = Store(project.results), project.folder / FOLDER
    written: list[Path] = []
    kept: set[str] = set()
    for found in status([runs[0][1] for runs in named.values()], store):
        if found.state in ("missing", "damaged"):
            continue
        key = found.run.key
        result, record = store.read(key), store.record(key)
        files = {f"{key}.json": (store.folder / key / "result.json").read_bytes()}
        if result.arrays:
            files[f"{key}.safetensors"] = packed(result.arrays)
        page = template.render(
            run=found.run,
            named=named[key],
            state=found.state,
            said=said_of_state(found, result.provenance),
            changes=changes(store, key) if found.state == "stale" else [],
            adopted=result.provenance.get("adopted", []),
            made=list(_made(result.provenance)),
            results=list(_results(result.metrics)),
            configuration=list(_configuration(found.run.configuration)),
            code=result.code,
            arrays=list(_arrays(result, record)),
            record=f"{key}.json",
            day=_day,
        )
        files[f"{key}.html"] = page.encode()
        for name, content in files.items():
            written += write_if_changed(folder / name, content)
        kept |= files.keys()
    for path in folder.glob("*") if folder.is_dir() else ():
        if path.name not in kept:
            path.unlink()
    return written


def said_of_state(found: RunStatus, provenance: dict[str, Any]) -> str:
    if found.state == "stale" and not found.changed:
        return f"Stored is not all of it as it is taken now: {found.fault}."
    if found.state == "stale":
        return f"The code of its {' and '.join(found.changed)} has changed since, and was not shown to do the same."
    if found.state == "adopted":
        times = len(provenance["adopted"])
        changed = {1: "once", 2: "twice"}.get(times, f"{times} times")
        return f"Its code has changed since and was shown, {changed}, to do the same on the first steps of this run."
    return "The present code is the code that made it."


def _made(p: dict[str, Any]) -> Iterator[Row]:
    """Where, when and how it was trained."""
    yield "Began", _day(p["date"]), ""
    alone = p["stack"] == 1
    yield "Training", f"{number(p['seconds'], 1)} s", "" if alone else "of the whole stack"
    if "measure_seconds" in p:
        yield "Measuring", f"{number(p['measure_seconds'], 1)} s", ""
    yield "Device", p["device"], ""
    yield "Threads", str(p["threads"]), ""
    if "subnormals" in p:
        yield "Subnormal numbers", p["subnormals"], ""
    seeds = ", ".join(str(seed) for seed in p["seeds"])
    yield "Stack", "alone" if alone else f"{p['stack']} runs", "" if alone else f"trained together; seeds {seeds}"
    yield "Broken off and resumed", {0: "never", 1: "once"}.get(p["resumed"], f"{p['resumed']} times"), ""
    yield "Versions", ", ".join(f"{name} {version}" for name, version in sorted(p["versions"].items())), ""
    yield "Commit", p["commit"] or "unknown", "of the code; +changes where it had been edited since"


def _results(metrics: dict[str, Any]) -> Iterator[Row]:
    """What came out, as far as it is one number; the curves are in the arrays."""
    yield "Trained for", f"{number(metrics['final_step'])} steps", ""
    for name, hint in get_type_hints(Metrics, include_extras=True).items():
        meant = next(meta for meta in hint.__metadata__ if isinstance(meta, Meta) and meta.title)
        if name not in metrics:  # of a run that did not diverge
            continue
        value = metrics[name]
        shown = percent(value, 2) if isinstance(value, float) else _step(value)
        yield str(meant.title), shown, meant.description or ""
    yield "Measured at", f"steps {', '.join(number(step) for step in metrics['moments'])}", ""


def _step(step: int | None) -> str:
    return "never" if step is None else f"step {number(step)}"


def _configuration(configuration: Configuration) -> Iterator[Row]:
    """Every value, with what is written of its field."""
    for name, said in documentation().items():
        meaning = " ".join(said.replace("``", "").split())
        value = getattr(configuration, name)
        shown = ", ".join(map(str, value)) if isinstance(value, tuple) else str(value).lower()
        yield name, shown, meaning


def _arrays(result: Result, record: Record) -> Iterator[Arrays]:
    of_kind: dict[str, list[str]] = {}
    for part in record.parts.values():
        for kind, file in part.files.named().items():
            of_kind.setdefault(kind, []).append(file.file)
    for kind, files in of_kind.items():
        arrays = result.arrays if kind == "arrays" else result.weights
        content = packed(arrays)
        # The format: the header's length in eight bytes, the header in JSON, then the arrays.
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        shown = [
            (name, f"{' × '.join(map(str, array['shape'])) or 'scalar'}, {array['dtype']}")
            for name, array in sorted(header.items())
        ]
        download = f"{result.key}.safetensors" if kind == "arrays" else None
        digest = hashlib.sha256(content).hexdigest()
        yield Arrays(files, download, f"{len(content) / 1000:,.1f} kB", digest, shown)


def _day(date: str) -> str:
    return f"{datetime.fromisoformat(date).astimezone(UTC):%Y-%m-%d %H:%M} UTC"
