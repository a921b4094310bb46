"""The verbs about the book and its speed: around Quarto's render prepare and finish; render, check, bench and more."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from epistemics.analysis.stored_runs import IncompleteResults
from epistemics.chapters.contents import CHAPTERS
from epistemics.chapters.needs import require
from epistemics.cli.inventory import runs_of
from epistemics.cli.making import adopt_stale, require_device, train
from epistemics.declared.project import Project
from epistemics.declared.runs import Run
from epistemics.lab.status import status
from epistemics.store.store import Store

if TYPE_CHECKING:
    from qmdbook import Problem

SITE = "_site"
QUARTO_OUTPUT = ".workspace/quarto-site"
"""As ``output-dir`` in ``_quarto.yml``, which Quarto tells its scripts."""


class FaultyBook(ValueError):
    """A book that can't be rendered; the message lists every problem that it has."""


def prepare(project: Project, options: argparse.Namespace) -> int:
    """Write what a render reads, and refuse a book that Quarto would publish with its faults."""
    import qmdbook
    from epistemics.publishing.quarto import evict

    try:
        make_ready(project, options)
        if problems := qmdbook.check(project.folder, printed_by(project)):
            raise qmdbook.BookError(problems)
    except qmdbook.BookError as error:
        raise FaultyBook(listed(error.problems)) from error
    evict(project)
    return 0


def listed(problems: Sequence[Problem]) -> str:
    count = "one problem" if len(problems) == 1 else f"{len(problems)} problems"
    return "\n".join([f"the book has {count}; it is not rendered, and the last site stays:", *map(str, problems)])


def printed_by(project: Project) -> dict[Path, str]:
    """The sections that cells will print, by chapter, so that references to them can be checked before."""
    printing = [chapter for chapter in CHAPTERS if chapter.prints]
    return {
        Path(chapter.path): import_module(f"epistemics.chapters.{chapter.name}.sections").expected(project)
        for chapter in printing
    }


def make_ready(project: Project, options: argparse.Namespace) -> None:
    """See to the results as the policy says, and write what a render reads."""
    import qmdbook
    from epistemics.publishing.feed import write_discovery
    from epistemics.publishing.run_pages import write_run_pages
    from epistemics.publishing.source_pages import write_source_pages
    from epistemics.publishing.variables import write_variables_and_data

    qmdbook.outline(project.folder)  # a project file that can't be read is said before anything trains
    require(project)
    runs = runs_of(project, [])
    if project.policy == "stored":
        _require_stored(project, runs)
    else:
        wanted: tuple[str, ...] = ("missing", "damaged")
        if project.policy == "compute":  # spare the training of what changed code can be shown to do as before
            found = status(runs, Store(project.results))
            stale = [s.run for s in found if s.state == "stale" and not s.began_elsewhere]
            adopt_stale(project, stale, options.device)
            wanted += ("stale",)
        train(project, runs, wanted, options.workers, options.device)
    write_variables_and_data(project)
    write_run_pages(project)
    write_source_pages(project)
    write_discovery(project)


def finish(project: Project, _: argparse.Namespace) -> int:
    """Complete the heads of the pages that Quarto has written, and put them in place of the last site.

    Quarto empties its output folder before it asks anybody whether the book is sound, and a cell that fails leaves
    half a site there. So it writes to the workspace, and what it wrote whole is copied.
    """
    import qmdbook
    from epistemics.publishing.feed import describe_pages

    output = project.folder / os.environ.get("QUARTO_PROJECT_OUTPUT_DIR", QUARTO_OUTPUT)
    outline = qmdbook.outline(project.folder)
    made = [*(chapter.page for chapter in outline.chapters), outline.pdf]
    if lacking := [path.as_posix() for path in made if not (output / path).is_file()]:  # one format, or one chapter
        print(f"{SITE} stays as it was: {output} has no {', '.join(lacking)}; `quarto render` makes all of the book")
        return 0
    describe_pages(outline, output)
    with qmdbook.replacing(project.folder / SITE) as folder:
        shutil.copytree(output, folder, dirs_exist_ok=True)
    print(f"the book is in {project.folder / SITE}")
    return 0


def _require_stored(project: Project, runs: list[Run]) -> None:
    lacking = [s for s in status(runs, Store(project.results)) if s.state not in ("fresh", "adopted")]
    if lacking:
        lines = [f"  {s.run.key}  {s.state:8}{s.run.label}{f'  ({s.fault})' if s.fault else ''}" for s in lacking]
        what = f"the policy is to use stored results only, and {len(lacking)} of {len(runs)} can't be used:"
        raise IncompleteResults("\n".join([what, *lines]))


def render(project: Project, options: argparse.Namespace) -> int:
    """Prepare and render, unless nothing has changed since the last render."""
    from epistemics.publishing.unchanged import Unchanged

    output = (options.output or project.folder / SITE).resolve()
    since = Unchanged(project, output)
    if not options.force and since.is_so():
        print(f"nothing has changed since the book was rendered (--force renders it anew):\n  {output / 'index.html'}")
        return 0
    import qmdbook  # imports what takes a second, and status needs none of it
    from epistemics.publishing.chapter_keys import chapter_key

    started = time.monotonic()
    try:
        make_ready(project, options)
        print(f"results are ready: {time.monotonic() - started:.1f} s", flush=True)
        rendered = qmdbook.render(
            project.folder,
            output,
            chapter_key=chapter_key(project),
            environment=project.environment,
            report=lambda line: print(line, flush=True),
            workers=options.workers,
            cell_seconds=options.cell_seconds,
            printed=printed_by(project),
        )
    except qmdbook.BookError as error:
        raise FaultyBook(listed(error.problems)) from error
    since.keep()
    print(f"\nthe book, in {time.monotonic() - started:.1f} s:\n  {rendered.index}\n  {rendered.pdf}")
    return 0


def bench(project: Project, options: argparse.Namespace) -> int:
    """Measure and print."""
    from epistemics.benchmarks import grokking, rendering, report, training

    def say(what: str) -> None:
        print(what, file=sys.stderr, flush=True)

    require_device(options.device)
    found: dict[str, object] = {"machine": report.machine()}
    if options.only in (None, "training"):
        found |= training.training(project, options.device, say)
    if options.only in (None, "grokking"):
        found["grokking"] = grokking.grokking(say)
    if options.only in (None, "rendering"):
        found["rendering"] = rendering.rendering(project.folder, say)
    print(json.dumps(found, indent=1) if options.json else report.shown(found))
    return 0


def check(project: Project, _: argparse.Namespace) -> int:
    """Print what is wrong with the chapters."""
    import qmdbook

    if not (project.folder / "_variables.yml").is_file():  # else each variable in a chapter would be a problem
        raise FaultyBook("_variables.yml is not there yet: `epistemics prepare` writes it and data/; then check")
    problems = qmdbook.check(project.folder, printed_by(project))
    for problem in problems:
        print(problem)
    counted = "one problem" if len(problems) == 1 else f"{len(problems)} problems"
    hint = ", with _variables.yml and data/ as the last `epistemics prepare` left them"
    print(f"{counted}{hint}" if problems else "nothing is wrong")
    return 1 if problems else 0


def schema(project: Project, _: argparse.Namespace) -> int:
    """Write the schema of experiment files and say whether it is another one."""
    from epistemics.declared.schema import write_schema

    print(f"experiments/schema.json is {'written anew' if write_schema(project) else 'as it was'}")
    return 0


def readme(project: Project, _: argparse.Namespace) -> int:
    """Write the README's tables and say whether they are other ones."""
    from epistemics.publishing.readme import NoPlace, NoTimes, write_readme

    if project.profile != "paper":
        raise FaultyBook(f"README.md: its tables are of the paper profile, and this is {project.profile}")
    try:
        print("README.md is written anew" if write_readme(project) else "README.md is as it was")
    except (NoPlace, NoTimes) as error:
        raise FaultyBook(str(error)) from error
    return 0
