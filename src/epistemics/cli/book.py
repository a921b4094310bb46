"""The verbs about the book and its speed: prepare, render, bench, check."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

from epistemics.cli.results import adopt_stale, runs_of, train
from epistemics.project import Project
from epistemics.results import IncompleteResults
from epistemics.runs import status
from epistemics.specs import Run
from epistemics.store import Store


class FaultyBook(ValueError):
    """A render failed; the message lists every problem of the book."""


def prepare(project: Project, options: argparse.Namespace) -> int:
    """See to the results as the policy says, and write what a render reads."""
    from epistemics.discovery import write_discovery
    from epistemics.prepared import write_variables_and_data
    from epistemics.quarto import evict
    from epistemics.run_pages import write_run_pages

    runs = runs_of(project, [])
    if project.policy == "stored":
        _require_stored(project, runs)
    else:
        wanted: tuple[str, ...] = ("missing", "damaged")
        if project.policy == "compute":  # spare the training of what changed code can be shown to do as before
            stale = [s.run for s in status(runs, Store(project.results)) if s.state == "stale"]
            adopt_stale(project, stale, options.device)
            wanted += ("stale",)
        train(project, runs, wanted, options.workers, options.device)
    write_variables_and_data(project)
    write_run_pages(project)
    write_discovery(project)
    evict(project)
    return 0


def describe(project: Project, options: argparse.Namespace) -> int:
    """Complete the heads of the pages that Quarto has written."""
    from epistemics import book
    from epistemics.discovery import describe_pages

    output = options.output or Path(os.environ.get("QUARTO_PROJECT_OUTPUT_DIR", "_site"))
    describe_pages(book.outline(project.folder), project.folder / output)
    return 0


def _require_stored(project: Project, runs: list[Run]) -> None:
    lacking = [s for s in status(runs, Store(project.results)) if s.state not in ("fresh", "adopted")]
    if lacking:
        lines = [f"  {s.run.key}  {s.state:8}{s.run.label}" for s in lacking]
        what = f"the policy is to use stored results only, and {len(lacking)} of {len(runs)} can't be used:"
        raise IncompleteResults("\n".join([what, *lines]))


def render(project: Project, options: argparse.Namespace) -> int:
    """Prepare and render."""
    from epistemics import book  # imports what takes a second, and status needs none of it
    from epistemics.publishing import chapter_key

    started = time.monotonic()
    prepare(project, options)
    print(f"results are ready: {time.monotonic() - started:.1f} s", flush=True)
    try:
        rendered = book.render(
            project.folder,
            (options.output or project.folder / "_site").resolve(),
            chapter_key=chapter_key(project),
            environment=project.environment,
            report=lambda line: print(line, flush=True),
            workers=options.workers,
        )
    except book.BookError as error:
        raise FaultyBook(str(error)) from error
    print(f"\nthe book, in {time.monotonic() - started:.1f} s:\n  {rendered.index}\n  {rendered.pdf}")
    return 0


def bench(project: Project, options: argparse.Namespace) -> int:
    """Measure and print."""
    from epistemics import bench as benchmark

    def report(what: str) -> None:
        print(what, file=sys.stderr, flush=True)

    found: dict[str, object] = {"machine": benchmark.machine()}
    if options.only != "rendering":
        found |= benchmark.training(project, options.device, report)
    if options.only != "training":
        found["rendering"] = benchmark.rendering(project.folder, report)
    print(json.dumps(found, indent=1) if options.json else benchmark.shown(found))
    return 0


def check(project: Project, _: argparse.Namespace) -> int:
    """Print what is wrong with the chapters."""
    from epistemics import book

    problems = book.check(project.folder)
    for problem in problems:
        print(problem)
    print(f"{len(problems)} problems" if problems else "nothing is wrong")
    return 1 if problems else 0
