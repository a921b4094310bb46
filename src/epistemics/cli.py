"""The verbs of ``epistemics``."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from epistemics.project import POLICIES, NoProject, Project, UnknownPolicy, find_project
from epistemics.results import IncompleteResults
from epistemics.runs import (
    MissingCompiler,
    Overview,
    RunFailed,
    RunStatus,
    measured_speed,
    require_compiler,
    stacks,
    status,
    train_missing,
)
from epistemics.specs import PROFILES, Run, SpecificationError, experiment_names, load_experiment
from epistemics.store import Store


class FaultyBook(ValueError):
    """A render failed; the message lists every problem of the book."""


EXAMPLES = """\
examples:
  epistemics status                       what is stored and what the rest would cost here
  epistemics run phase-1-1                train what experiment phase-1-1 is missing
  epistemics render                       the website and the PDF, in _site/
  epistemics render --profile smoke       the same book from models that train in seconds
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        project = find_project(options.profile, options.results, policy=getattr(options, "policy", None))
        verb = {
            "run": run,
            "status": show_status,
            "why": why,
            "adopt": adopt,
            "verify": verify,
            "prepare": prepare,
            "render": render,
            "check": check,
        }
        return verb[options.verb](project, options)
    except (
        SpecificationError,
        IncompleteResults,
        NoProject,
        UnknownPolicy,
        MissingCompiler,
        RunFailed,
        FaultyBook,
    ) as error:
        print(f"epistemics: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nepistemics: stopped; what was trained is kept, the same command goes on from there", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="epistemics",
        description="A book whose every figure is regenerated from code: run its experiments, render it.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")

    def verb(name: str, sentence: str, example: str) -> argparse.ArgumentParser:
        added = verbs.add_parser(
            name,
            help=sentence,
            description=sentence[0].upper() + sentence[1:] + ".",
            epilog=f"example:\n  epistemics {example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        added.add_argument("--profile", choices=PROFILES, help="paper: the log's scale (default); smoke: seconds")
        added.add_argument("--results", type=Path, metavar="DIR", help="another result store than the profile's own")
        return added

    def working(added: argparse.ArgumentParser) -> None:
        added.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="runs at once (default: cores)")
        added.add_argument("--device", default="cpu", help="cpu (default) or cuda")

    def rendering(added: argparse.ArgumentParser) -> None:
        policies = "; ".join(f"{name}: {what}" for name, what in POLICIES.items())
        added.add_argument("--policy", choices=POLICIES, help=f"{policies} (default: compute)")
        working(added)

    added = verb("run", "train the runs of experiments whose results are missing", "run phase-1-1 --workers 2")
    added.add_argument("experiments", nargs="*", metavar="EXPERIMENT", help="names of files in experiments/")
    added.add_argument("--all", action="store_true", help="every experiment")
    added.add_argument("--stale", action="store_true", help="train stale results again, too")
    added.add_argument("--dry-run", action="store_true", help="only say what would train, and what it costs here")
    working(added)
    added = verb("status", "say for every run whether its result is stored, and what the rest would cost", "status")
    added.add_argument("experiments", nargs="*", metavar="EXPERIMENT", help="only these (default: all)")
    added.add_argument("--json", action="store_true", help="a list of objects, for programs")
    added = verb("why", "say why a result is stale: what changed in its code, and how it gets there", "why 6f6ffafc")
    added.add_argument("result", metavar="RESULT", help="a result's key, or how it begins")
    added.add_argument("--json", action="store_true", help="a list of objects, for programs")
    added = verb(
        "adopt", "seal stale results anew whose changed code is shown to do the same, in seconds each", "adopt"
    )
    added.add_argument(
        "results_", nargs="*", metavar="RESULT", help="keys, or how they begin (default: all stale ones)"
    )
    added.add_argument("--device", default="cpu", help="cpu (default) or cuda")
    added = verb(
        "verify", "train stored results again from nothing and hold them against the store", "verify --rerun 2"
    )
    added.add_argument("experiments", nargs="*", metavar="EXPERIMENT", help="only runs of these (default: all)")
    added.add_argument("--rerun", type=int, default=1, metavar="N", help="how many, chosen at random (default: 1)")
    added.add_argument("--seed", type=int, help="of the choice (default: another one each time)")
    working(added)
    added = verb("prepare", "see to the results, then write _variables.yml and data/ for a render", "prepare")
    rendering(added)
    added = verb("render", "see to the results, then render the book with the embedded renderer", "render")
    added.add_argument("--output", type=Path, metavar="DIR", help="where to (default: _site)")
    rendering(added)
    verb("check", "say what is wrong with the chapters, without executing them", "check")
    return parser


def run(project: Project, options: argparse.Namespace) -> int:
    """Train what is missing (damaged results are set aside and made again)."""
    if options.all == bool(options.experiments):
        known = ", ".join(experiment_names(project.experiments))
        raise SpecificationError(f"name experiments, or say --all; known: {known}")
    wanted = ("missing", "damaged", "stale") if options.stale else ("missing", "damaged")
    if options.dry_run:
        return _plan(project, _runs(project, options.experiments), wanted, options.workers, options.device)
    return _train(project, _runs(project, options.experiments), wanted, options.workers, options.device)


def _plan(project: Project, runs: list[Run], wanted: tuple[str, ...], workers: int, device: str) -> int:
    """Print what ``_train`` would do, in its order."""
    left = [s.run for s in status(runs, Store(project.results)) if s.state in wanted]
    if not left:
        print("nothing to train")
        return 0
    costs = _costs(project, left) if device == "cpu" else {}
    for stack in stacks(left, device):
        cost = sum(costs.get(run.key, 0.0) for run in stack)
        shown = f"{_duration(cost):>8}" if costs else f"stack of {len(stack)}"
        print(f"  {shown}  " + "; ".join(f"{run.key}  {run.label}" for run in stack))
    total = f"at most {_duration(sum(costs.values()))} of one core here, " if costs else ""
    at_once = f"{_duration(sum(costs.values()) / workers)} on {workers}" if costs else f"on {device}"
    print(f"\n{len(left)} runs ({project.profile}), {total}{at_once}; nothing was trained")
    return 0


def show_status(project: Project, options: argparse.Namespace) -> int:
    """Print every run's state and the cost of what is not stored."""
    runs = _runs(project, options.experiments, repeated=True)
    found = status(runs, Store(project.results))
    try:
        costs = _costs(project, [s.run for s in found if s.state in ("missing", "damaged")])
    except MissingCompiler as error:
        print(f"epistemics: no cost of training: {error}", file=sys.stderr)
        costs = {}
    if options.json:
        print(json.dumps([_status_record(s, costs.get(s.run.key)) for s in found], indent=1))
        return 0
    name = ""
    for s in found:
        if s.run.experiment != name:
            name = s.run.experiment
            print(f"\n{name} ({project.profile})")
        cost = f"  about {_duration(costs[s.run.key])}" if s.run.key in costs else ""
        detail = f"  ({' and '.join(s.changed)} code changed)" if s.changed else f"  {s.fault}" if s.fault else ""
        print(f"  {s.run.key}  {s.state:8}{s.run.label}{cost}{detail}")
    distinct = {s.run.key: s for s in found}
    counts = {
        state: sum(s.state == state for s in distinct.values())
        for state in ("fresh", "adopted", "stale", "damaged", "missing")
    }
    print("\n" + ", ".join(f"{count} {state}" for state, count in counts.items() if count))
    if costs:
        workers = os.cpu_count() or 1
        print(
            f"training what is not stored takes at most {_duration(sum(costs.values()))} of one core here, "
            f"{_duration(sum(costs.values()) / workers)} on {workers}"
        )
    return 0


def _status_record(s: RunStatus, cost: float | None) -> dict[str, object]:
    return {
        "experiment": s.run.experiment,
        "profile": s.run.profile,
        "run": s.run.label,
        "key": s.run.key,
        "state": s.state,
        "group": s.run.group,
        "changed": list(s.changed),
        "fault": s.fault,
        "seconds_left": None if cost is None else round(cost, 1),
    }


def why(project: Project, options: argparse.Namespace) -> int:
    """Print what makes a result stale."""
    from epistemics.why import changes

    store = Store(project.results)
    (key,) = _keys(store, [options.result])
    found = changes(store, key)
    if options.json:
        print(json.dumps([asdict(change) for change in found], indent=1))
        return 0
    if not found:
        print(f"{key} is fresh: all that it was made with is as it was")
    for change in found:
        way = " → ".join(change.path) if change.path else "reached no more"
        print(f"{change.part}: {change.definition} {change.kind}\n  {way}\n{change.diff}\n")
    return 0


def adopt(project: Project, options: argparse.Namespace) -> int:
    """Replay canaries of stale results."""
    from epistemics import adoption

    store = Store(project.results)
    found = status(_runs(project, []), store)
    stale = [s.run.key for s in found if s.state == "stale"]
    if options.results_:
        stale = [key for key in _keys(store, options.results_) if key in stale]
    labels = {s.run.key: s.run.label for s in found}
    adopted = 0
    for one in adoption.adopt(store, stale, project.workspace, options.device) if stale else []:
        adopted += one.adopted
        print(f"{one.key}  {'adopted' if one.adopted else 'stale  '}  {labels[one.key]}: {one.said}", flush=True)
    print(f"{adopted} of {len(stale)} stale results adopted" if stale else "no result is stale")
    return 0 if adopted == len(stale) else 1


def verify(project: Project, options: argparse.Namespace) -> int:
    """Make results again and compare."""
    from epistemics.verification import rerun

    store = Store(project.results)
    found = status(_runs(project, options.experiments), store)
    whole = [s.run for s in found if s.state in ("fresh", "adopted")]
    seed = int(time.time()) if options.seed is None else options.seed
    print(f"{min(options.rerun, len(whole))} of {len(whole)} results, chosen by seed {seed}", flush=True)
    project.workspace.mkdir(parents=True, exist_ok=True)
    verified = rerun(whole, store, options.rerun, seed, project.workspace, options.workers, options.device, _Display())
    for one in verified:
        print(f"{one.run.key}  {'agrees' if one.agrees else 'DIFFERS'}  {one.run.label}: {one.said}")
    return 0 if all(one.agrees for one in verified) else 1


def _keys(store: Store, beginnings: Sequence[str]) -> list[str]:
    """The stored results that begin so, one each."""
    chosen, stored = [], store.keys()
    for beginning in beginnings:
        matching = [key for key in stored if key.startswith(beginning)]
        if len(matching) != 1:
            what = f"{len(matching)} stored results begin" if matching else "no stored result begins"
            raise SpecificationError(f"{what} with {beginning!r}; `epistemics status` lists them")
        chosen += matching
    return chosen


def prepare(project: Project, options: argparse.Namespace) -> int:
    """See to the results as the policy says, and write what a render reads."""
    from epistemics.publishing import write_variables_and_data
    from epistemics.quarto import evict

    runs = _runs(project, [])
    if project.policy == "stored":
        _require_stored(project, runs)
    else:
        if project.policy == "compute":
            _adopt_stale(project, runs, options.device)
        wanted = ("missing", "damaged", "stale") if project.policy == "compute" else ("missing", "damaged")
        _train(project, runs, wanted, options.workers, options.device)
    write_variables_and_data(project)
    evict(project)
    return 0


def _require_stored(project: Project, runs: list[Run]) -> None:
    lacking = [s for s in status(runs, Store(project.results)) if s.state not in ("fresh", "adopted")]
    if lacking:
        lines = [f"  {s.run.key}  {s.state:8}{s.run.label}" for s in lacking]
        what = f"the policy is to use stored results only, and {len(lacking)} of {len(runs)} can't be used:"
        raise IncompleteResults("\n".join([what, *lines]))


def _adopt_stale(project: Project, runs: list[Run], device: str) -> None:
    """Spare the training of what changed code can be shown to do as before."""
    from epistemics import adoption

    store = Store(project.results)
    stale = {s.run.key: s.run.label for s in status(runs, store) if s.state == "stale"}
    if not stale:
        return
    print(f"{len(stale)} results are stale: does the changed code do what theirs did?", flush=True)
    for one in adoption.adopt(store, list(stale), project.workspace, device):
        print(f"  {one.key}  {'adopted' if one.adopted else 'to train'}  {stale[one.key]}: {one.said}", flush=True)


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


def check(project: Project, _: argparse.Namespace) -> int:
    """Print what is wrong with the chapters."""
    from epistemics import book

    problems = book.check(project.folder)
    for problem in problems:
        print(problem)
    print(f"{len(problems)} problems" if problems else "nothing is wrong")
    return 1 if problems else 0


def _runs(project: Project, names: Sequence[str], repeated: bool = False) -> list[Run]:
    """The runs of some experiments, all by default; a run that several share is there once, unless ``repeated``."""
    chosen = names or experiment_names(project.experiments)
    runs = [run for name in chosen for run in load_experiment(project.experiments, name, project.profile).runs]
    return runs if repeated else list({run.key: run for run in runs}.values())


def _train(project: Project, runs: list[Run], wanted: tuple[str, ...], workers: int, device: str) -> int:
    store = Store(project.results)
    found = [s for s in status(runs, store) if s.state in wanted]
    for s in found:
        if s.state == "damaged":
            print(f"{s.fault}; set aside as {store.set_aside(s.run.key)}", flush=True)
    if not found:
        return 0
    costs = _costs(project, [s.run for s in found]) if device == "cpu" else {}
    cost = f", at most {_duration(sum(costs.values()) / workers)}" if costs else ""
    print(f"training {len(found)} runs ({project.profile}), {workers} at once{cost}", flush=True)
    train_missing([s.run for s in found], store, project.workspace, workers, device, _Display())
    return 0


def _costs(project: Project, left: Sequence[Run]) -> dict[str, float]:
    """Key → seconds of training of every run, from this machine's measured speed."""
    require_compiler(left)
    kinds = {(r.configuration.precision, r.configuration.compiled): r.configuration for r in left}

    def announce(what: str) -> None:
        print(what, file=sys.stderr, flush=True)

    speeds = {kind: measured_speed(project.workspace, c, announce) for kind, c in kinds.items()}
    return {r.key: speeds[r.configuration.precision, r.configuration.compiled].seconds(r.configuration) for r in left}


class _Display:
    """Progress: one line rewritten on a terminal, a line every half minute elsewhere."""

    def __init__(self) -> None:
        self.terminal = sys.stdout.isatty()
        self.shown_at = 0.0
        self.done = 0

    def __call__(self, overview: Overview) -> None:
        now = time.monotonic()
        finished = overview.done != self.done
        if not finished and now - self.shown_at < (0.2 if self.terminal else 30):
            return
        self.shown_at, self.done = now, overview.done
        speed = "" if overview.steps_per_second is None else f", {overview.steps_per_second:,.0f} steps a second"
        left = "" if overview.seconds_left is None else f", at most {_duration(overview.seconds_left)} left"
        head = f"{overview.done} of {overview.total} runs{speed}{left}"
        parts = []
        for p in overview.working:
            if p.phase == "train":
                parts.append(
                    f"{p.runs[0].label}: step {p.step:,}, loss {p.train_loss:.2g}/{p.validation_loss:.2g}, "
                    f"accuracy {p.train_accuracy:.0%}/{p.validation_accuracy:.0%}"
                )
            elif p.phase != "stored":
                parts.append(f"{p.runs[0].label}: {p.phase}s" if p.phase == "measure" else f"{p.runs[0].label}: starts")
        line = " | ".join([head, *parts])
        if self.terminal:
            width = os.get_terminal_size().columns
            print(f"\r\x1b[2K{line[: width - 1]}", end="\n" if overview.done == overview.total else "", flush=True)
        else:
            print(line, flush=True)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
