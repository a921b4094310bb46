"""The README's tables, written from what is stored and what was measured, so that no one has to copy numbers.

Each stands between two comments, ``<!-- NAME -->`` and ``<!-- /NAME -->``; what lies between them is replaced.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from epistemics.analysis.stored_runs import Results, load_every
from epistemics.analysis.tables import Shown
from epistemics.benchmarks.rendering import EDITS
from epistemics.benchmarks.training import PRECISIONS
from epistemics.chapters.runs.chapter import numbers, of_all
from epistemics.declared.project import Project
from epistemics.store.files import write_if_changed

TIMES = "benchmarks/{}.json"
"""What ``epistemics bench --only NAME --json`` printed on the machine that the README speaks of."""

RENDERERS = {"embedded": "the embedded renderer", "quarto": "Quarto"}


class NoTimes(ValueError):
    """A file of measured times can't be used; the message says what is wrong and which command writes it."""


class NoPlace(ValueError):
    """The README has no place for a table; the message says which comments are missing."""


def write_readme(project: Project) -> list[Path]:
    """Write the tables anew; returns the README if it changed.

    Raises:
        IncompleteResults: if a result is not stored.
        NoTimes: if measured times are not there or can't be read.
        NoPlace: if the README lacks the comments around a table.
    """
    path = project.folder / "README.md"
    text = path.read_text(encoding="utf-8")
    tables = {name: _measured(project.folder, name, table) for name, table in MEASURED.items()}
    for name, written in {**tables, "results": results(load_every(project))}.items():
        before, begin, rest = text.partition(f"<!-- {name} -->\n")
        _, end, after = rest.partition(f"<!-- /{name} -->\n")
        if not end:
            raise NoPlace(
                f"{path.name}: a table goes between lines <!-- {name} --> and <!-- /{name} -->; one is missing"
            )
        text = f"{before}{begin}\n{written}\n\n{end}{after}"
    return write_if_changed(path, text.encode())


def _measured(folder: Path, name: str, table: Callable[[Mapping[str, Any]], str]) -> str:
    """The table of the times of this name that are stored."""
    path = TIMES.format(name)
    try:
        return table(json.loads((folder / path).read_text(encoding="utf-8")))
    except OSError as error:
        wrong = error.strerror
    except KeyError as error:
        wrong = f"{error} is missing"
    except (ValueError, TypeError) as error:
        wrong = str(error)
    raise NoTimes(f"{path}: {wrong}; `epistemics bench --only {name} --json > {path}` writes it")


def rendering(measured: Mapping[str, Any]) -> str:
    """Seconds of each render by each renderer, and where they were measured."""
    seconds = {(m["renderer"], m["edit"]): m["seconds"] for m in measured["rendering"]}
    used = [renderer for renderer in RENDERERS if (renderer, "first") in seconds]
    if not used:
        raise ValueError("no render is in it")
    rows = [[says, *(f"{seconds[renderer, edit]:.1f}" for renderer in used)] for edit, says in EDITS.items()]
    table = Shown(["seconds to render", *(RENDERERS[renderer] for renderer in used)], rows)
    return f"{table._repr_markdown_()}\n\n{_where(measured)}"


def grokking(measured: Mapping[str, Any]) -> str:
    """Steps and seconds until a small model groks, and where they were measured."""
    rows = []
    for task in measured["grokking"]:
        steps, seconds = ([value for value in task[name] if value is not None] for name in ("steps", "seconds"))
        if not seconds:
            raise ValueError(f"no seed of {task['name']} grokked")
        of = f"{len(seconds)} of {len(task['seconds'])}"
        ranges = (f"{median(steps):,.0f} ({min(steps):,}–{max(steps):,})", f"{median(seconds):.1f}")
        rows.append(
            [task["name"], of, *ranges, f"{min(seconds):.1f}–{max(seconds):.1f}", f"{task['compile_seconds']:.0f}"]
        )
    headings = ["modulo 97", "seeds that grok", "steps", "seconds", "from, to", "compiling, once"]
    return f"{Shown(headings, rows)._repr_markdown_()}\n\n{_where(measured)}"


def training(measured: Mapping[str, Any]) -> str:
    """Milliseconds of a step, plain and in both ways of ours, and where a step by hand goes."""
    rows = []
    for autograd, by_hand in _both_ways(measured["cases"]):
        times = [f"{ms:,.1f}" for ms in (autograd["plain_ms"], autograd["ours_ms"], by_hand["ours_ms"])]
        shares = [f"{by_hand['ratio']:.1f}", f"{by_hand['ceiling_share']:.0%}"]
        rows.append([by_hand["name"], by_hand["precision"], *times, *shares])
    ways = ["plain, ms", "autograd, ms", "by hand, ms"]
    steps = Shown(["case, batch 512", "precision", *ways, "times faster", "of a step, its products"], rows)
    spent = {precision: _parts(measured["profile"][f"{precision}, gradient by hand"]) for precision in PRECISIONS}
    parts = Shown(
        ["of a step by hand (joint), ms", *spent],
        [[part, *(f"{own[part]:.1f}" for own in spent.values())] for part in (*PARTS, REST)],
    )
    cores = ", ".join(f"{own['ratio']:.2f} in {own['precision']}" for own in measured["cores"])
    at_once = f"{measured['cores'][0]['processes']} processes at once make this many times the steps of one: {cores}."
    return f"{steps._repr_markdown_()}\n\n{at_once}\n\n{parts._repr_markdown_()}\n\n{_where(measured)}"


def _both_ways(cases: Sequence[Mapping[str, Any]]) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Each case in each precision: by autograd and by hand."""
    found = {(case["name"], case["precision"], case["gradient"]): case for case in cases}
    if not found:
        raise ValueError("no case is in it")
    for name, precision, gradient in found:
        if gradient == "autograd":
            yield found[name, precision, "autograd"], found[name, precision, "by hand"]


PARTS = {
    "matrix products": ("matrix products",),
    "GELU and its slope": ("abs", "exp"),
    "AdamW": ("lerp",),
    "attention": ("softmax",),
    "LayerNorm, the stream, copies": ("fused",),
}
"""What a step's time goes to, by what the names of its kernels hold; the first that fits counts."""
REST = "launching, and all else"


def _parts(spent: Mapping[str, float]) -> Mapping[str, float]:
    """Milliseconds of each part, of those of each kernel."""
    found = dict.fromkeys((*PARTS, REST), 0.0)
    for kernel, ms in spent.items():
        words = set(re.split(r"_+", kernel)) | {kernel}
        found[next((part for part, marks in PARTS.items() if words.issuperset(marks)), REST)] += ms
    return found


MEASURED = {"training": training, "grokking": grokking, "rendering": rendering}
"""Tables of measured times, by the name of their file and of their place in the README."""


def _where(measured: Mapping[str, Any]) -> str:
    machine = measured["machine"]
    return f"Measured on {machine['cores']} cores of an {machine['processor']}."


def results(every: Mapping[str, Results]) -> str:
    """A line for each experiment, by log entry, and the sum in which each run counts once."""
    seen: set[str] = set()
    rows = []
    for name, found in sorted(every.items(), key=lambda item: (item[1].experiment.entry, item[0])):
        keys = {r.run.key for r in found}
        shared = f" ({len(keys & seen)} of its runs are among those above)" if keys & seen else ""
        seen |= keys
        seeds = sorted(Counter(r.run.model for r in found).values()) or [0]  # all may be awaited
        totals = numbers(found)
        rows.append(
            [
                f"[{name}](experiments/{name}.yaml){shared}",
                str(found.experiment.entry),
                totals["runs"],
                f"{seeds[0]}" if seeds[0] == seeds[-1] else f"{seeds[0]} to {seeds[-1]}",
                totals["hours"],
            ]
        )
    table = Shown(["experiment", "log entry", "runs", "seeds of a configuration", "hours"], rows)
    once = numbers(of_all(every))
    return (
        f"{table._repr_markdown_()}\n\nTogether {once['runs']} runs, each counted once, and {once['hours']} hours of "
        f"training on one core of an {once['devices']}, torch {once['torch']}."
    )
