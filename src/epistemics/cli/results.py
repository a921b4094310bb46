"""The verbs about results: run, status, why, adopt, migrate, prune, verify."""

from __future__ import annotations

import argparse
import heapq
import json
import os
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict

from epistemics.analysis.claims import VERDICTS
from epistemics.cli.display import Display, duration
from epistemics.declared.experiments import Experiment, Run, experiment_names, load_experiment
from epistemics.declared.project import Project
from epistemics.declared.sections import SpecificationError
from epistemics.lab.scheduler import MissingCompiler, require_compiler, stacks, train_missing
from epistemics.lab.speed import measured_speed
from epistemics.lab.status import RunStatus, checked, current_code, part_state, status, unnamed
from epistemics.store.store import MissingResult, Store

STATES = ("fresh", "adopted", "stale", "damaged", "missing")

AT_MOST_LISTED = 10
"""Runs of one experiment that ``status`` lists unasked: those whose results can't be used as they are."""


def run(project: Project, options: argparse.Namespace) -> int:
    """Train what is missing (damaged results are set aside and made again)."""
    if options.all == bool(options.experiments):
        known = ", ".join(experiment_names(project.experiments))
        raise SpecificationError(f"name experiments, or say --all; known: {known}")
    wanted = ("missing", "damaged", "stale") if options.stale else ("missing", "damaged")
    if options.dry_run:
        return _plan(project, runs_of(project, options.experiments), wanted, options.workers, options.device)
    runs = runs_of(project, options.experiments)
    if options.on is None:
        trained = train(project, runs, wanted, options.workers, options.device)
    else:
        trained = _train_on_cluster(project, runs, wanted, options)
    if not trained:
        print(_nothing(project, runs))
    return 0


def _nothing(project: Project, runs: list[Run]) -> str:
    """Why there is nothing to train."""
    stale = sum(s.state == "stale" for s in status(runs, Store(project.results)))
    more = f", {stale} of them stale: --stale trains those again" if stale else ""
    return f"nothing to train: all {len(runs)} results are stored{more}"


def _plan(project: Project, runs: list[Run], wanted: tuple[str, ...], workers: int, device: str) -> int:
    """Print what ``train`` would do, in its order."""
    left = [s.run for s in status(runs, Store(project.results)) if s.state in wanted]
    if not left:
        print(_nothing(project, runs))
        return 0
    costs = _costs(project, left) if device == "cpu" else {}
    for stack in stacks(left, device):
        cost = sum(costs.get(run.key, 0.0) for run in stack)
        shown = f"{duration(cost):>8}" if costs else f"stack of {len(stack)}"
        print(f"  {shown}  " + "; ".join(f"{run.key}  {run.label}" for run in stack))
    total = f"at most {duration(sum(costs.values()))} of one core here, " if costs else ""
    at_once = f"{duration(elapsed(costs.values(), workers))} on {workers}" if costs else f"on {device}"
    print(f"\n{len(left)} runs ({project.profile}), {total}{at_once}; nothing was trained")
    return 0


def train(project: Project, runs: list[Run], wanted: tuple[str, ...], workers: int, device: str) -> int:
    """Train the runs whose results are in one of the wanted states, and return how many; damaged are set aside."""
    store = Store(project.results)
    left = _left(runs, store, wanted)
    if not left:
        return 0
    require_device(device)
    costs = _costs(project, left) if device == "cpu" else {}
    cost = f", at most {duration(elapsed(costs.values(), workers))} besides measuring" if costs else ""
    print(f"training {len(left)} runs ({project.profile}), {workers} at once{cost}", flush=True)
    train_missing(left, store, project.workspace, workers, device, Display())
    return len(left)


def elapsed(costs: Iterable[float], workers: int) -> float:
    """Seconds that runs take together, longest first, so many at once. A run alone has one worker, however many are."""
    ends = [0.0] * workers
    for cost in sorted(costs, reverse=True):
        heapq.heapreplace(ends, ends[0] + cost)
    return max(ends)


def require_device(device: str) -> None:
    """Say that there is no such device before workers find out, each with a traceback."""
    if device.startswith("cuda"):
        import torch

        if int(device.partition(":")[2] or 0) >= torch.cuda.device_count():
            raise SpecificationError(f"--device {device}: PyTorch finds no such device here")


def _train_on_cluster(project: Project, runs: list[Run], wanted: tuple[str, ...], options: argparse.Namespace) -> int:
    """The same on a Ray cluster, with what it has."""
    from epistemics.lab.ray_cluster import Needs, joined, train_on_cluster

    store = Store(project.results)
    left = _left(runs, store, wanted)
    if not left:
        return 0
    needs = Needs(gpus=options.gpu_share if options.device.startswith("cuda") else 0.0)
    with joined(options.on, options.workers) as cluster:
        print(f"training {len(left)} runs ({project.profile}) on {cluster}", flush=True)
        planned = stacks(left, options.device)
        train_on_cluster(planned, store, project.workspace, options.device, needs, Display())
    return len(left)


def _left(runs: list[Run], store: Store, wanted: tuple[str, ...]) -> list[Run]:
    """The runs whose results are in one of the wanted states; damaged ones are set aside."""
    found = [s for s in status(runs, store) if s.state in wanted]
    for s in found:
        if s.state == "damaged":
            print(f"{s.fault}; set aside as {store.set_aside(s.run.key)}", flush=True)
    return [s.run for s in found]


def show_status(project: Project, options: argparse.Namespace) -> int:
    """Print where the results of every experiment stand, each run on request, and the cost of what is not stored."""
    store = Store(project.results)
    names = options.experiments or experiment_names(project.experiments)
    experiments = [load_experiment(project.experiments, name, project.profile) for name in names]
    found = status([run for experiment in experiments for run in experiment.runs], store)
    try:
        costs = _costs(project, [s.run for s in found if s.state in ("missing", "damaged")])
    except MissingCompiler as error:
        print(f"epistemics: no cost of training: {error}", file=sys.stderr)
        costs = {}
    if options.json:
        print(json.dumps([_status_record(s, costs.get(s.run.key)) for s in found], indent=1))
        return 0
    print(f"profile {project.profile}\n")
    by_experiment = [(one, [s for s in found if s.run.experiment == one.name]) for one in experiments]
    if options.experiments or options.runs:
        for experiment, own in by_experiment:
            print(f"{experiment.name}: {experiment.title}")
            print("\n".join([*(_status_line(s, costs) for s in own), ""]))
    else:
        _print_experiments(by_experiment, costs)
        print()
    print(_counted(list({s.run.key: s for s in found}.values())))
    if costs:
        workers = os.cpu_count() or 1
        print(
            f"training what is not stored takes at most {duration(sum(costs.values()))} of one core here, "
            f"{duration(elapsed(costs.values(), workers))} on {workers}"
        )
    if any(s.state == "stale" for s in found):
        print("stale: `epistemics adopt` seals what comes out as before, `epistemics run --all --stale` makes the rest")
    if not options.experiments:
        _mention_unnamed(project, store)
    return 0


def _print_experiments(
    by_experiment: Sequence[tuple[Experiment, Sequence[RunStatus]]], costs: Mapping[str, float]
) -> None:
    """A line for each experiment, and below it the runs whose results can't be used as they are."""
    where = []
    for _, own in by_experiment:
        left = sum(costs.get(s.run.key, 0.0) for s in own)
        where.append(_counted(own) + (f", about {duration(left)}" if left else ""))
    names = max((len(experiment.name) for experiment, _ in by_experiment), default=0)
    wheres = max(map(len, where), default=0)
    for (experiment, own), stands in zip(by_experiment, where, strict=True):
        print(f"{experiment.name:{names}}  {stands:{wheres}}  {experiment.title}")
        unusable = [s for s in own if s.state not in ("fresh", "adopted")]
        for s in unusable[:AT_MOST_LISTED]:
            print(_status_line(s, costs))
        if more := len(unusable[AT_MOST_LISTED:]):
            print(f"  and {more} more: epistemics status {experiment.name}")


def _status_line(s: RunStatus, costs: Mapping[str, float]) -> str:
    cost = f"  about {duration(costs[s.run.key])}" if s.run.key in costs else ""
    detail = f"  ({' and '.join(s.changed)} code changed)" if s.changed else f"  {s.fault}" if s.fault else ""
    return f"  {s.run.key}  {s.state:8}{s.run.label}{cost}{detail}"


def _counted(found: Sequence[RunStatus]) -> str:
    """How many runs are in each state that any is in."""
    counts = {state: sum(s.state == state for s in found) for state in STATES}
    return ", ".join(f"{count} {state}" for state, count in counts.items() if count) or "no runs"


def _mention_unnamed(project: Project, store: Store) -> None:
    """Say how many stored results no experiment names, if any do."""
    try:
        ours = sum(one.ours for one in unnamed(store, project.experiments))
    except SpecificationError as error:  # under another profile: what was asked for is said all the same
        print(f"epistemics: which results no experiment names can't be said: {error}", file=sys.stderr)
        return
    if ours:
        print(f"{_results(ours)} named by no experiment: `epistemics prune` moves them aside, --dry-run lists them")


def _results(count: int) -> str:
    return "1 result" if count == 1 else f"{count} results"


def prune(project: Project, options: argparse.Namespace) -> int:
    """Move the results that no experiment names aside, or list them; nothing is deleted."""
    store = Store(project.results)
    count = 0
    for one in unnamed(store, project.experiments):
        if not one.ours:
            print(f"{one.key}  left alone: {one.said}")
            continue
        print(f"{one.key}  {one.said}")
        if not options.dry_run:
            try:
                print(f"  moved to {store.set_aside(one.key)}", flush=True)
            except MissingResult:  # another process was faster
                continue
        count += 1
    if not count:
        print("no result to move: experiments name every one that this version can read")
    elif options.dry_run:
        print(f"\n{_results(count)} named by no experiment under any profile; nothing was moved")
    else:
        print(f"\n{_results(count)} moved; to take one back, move its folder to {store.folder}/ under its key alone")
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
        "parts": dict(s.parts),
        "fault": s.fault,
        "seconds_left": None if cost is None else round(cost, 1),
    }


def why(project: Project, options: argparse.Namespace) -> int:
    """Print what makes a result stale."""
    from epistemics.lab.why import changes

    store = Store(project.results)
    (key,) = _keys(store, [options.result])
    configurations = {run.key: run.configuration for run in runs_of(project, [])}
    result = checked(store, key, configurations[key]) if key in configurations else store.read(key)
    found = changes(store, key)
    if options.json:
        print(json.dumps([asdict(change) for change in found], indent=1))
        return 0
    states = {part: part_state(result, part, code) for part, code in current_code().items()}
    if not {"missing", "stale"} & set(states.values()):
        print(f"{key} is fresh: all that it was made with is as it was")
    for part, state in states.items():
        if state == "missing":
            print(f"{part}: not stored")
        elif state == "stale" and not any(change.part == part for change in found):
            print(f"{part}: every definition is as it was, but a name in one of them now means another")
    for change in found:
        way = " → ".join(change.path) if change.path else "reached no more"
        print(f"{change.part}: {change.definition} {change.kind}\n  {way}\n{change.diff}\n")
    return 0


def adopt(project: Project, options: argparse.Namespace) -> int:
    """Replay canaries of stale results."""
    store = Store(project.results)
    stale = [s.run for s in status(runs_of(project, []), store) if s.state == "stale"]
    if options.results_:
        chosen = _keys(store, options.results_)
        stale = [run for run in stale if run.key in chosen]
    adopted = adopt_stale(project, stale, options.device)
    print(f"{adopted} of {len(stale)} stale results adopted" if stale else "no result is stale")
    return 0 if adopted == len(stale) else 1


def adopt_stale(project: Project, stale: Sequence[Run], device: str) -> int:
    """Adopt what changed code can be shown to do as before, say of each what became of it; returns how many were."""
    from epistemics.lab import adoption

    if stale:
        require_device(device)
    labels = {run.key: run.label for run in stale}
    adopted = 0
    for one in adoption.adopt(Store(project.results), list(labels), project.workspace, device) if stale else []:
        adopted += one.adopted
        print(f"{one.key}  {'adopted' if one.adopted else 'stale  '}  {labels[one.key]}: {one.said}", flush=True)
    return adopted


def migrate(project: Project, _: argparse.Namespace) -> int:
    """Convert results of an older format, those that wait in the workspace for whoever asked for them included."""
    from epistemics.lab.elsewhere import kept_in
    from epistemics.lab.migration import migrate as migrated
    from epistemics.store.record import FORMAT

    found = [one for store in (Store(project.results), kept_in(project.workspace)) for one in migrated(store)]
    for one in found:
        if one.damage or one.unknown:
            print(one.damage or one.unknown)
    done = [one for one in found if not one.damage and not one.unknown]
    stale = sum(bool(one.stale) for one in done)
    said = f"{len(done)} results converted to format {FORMAT}" if done else f"no result to convert to format {FORMAT}"
    kept = f"; {stale} of them are stale: some of the code that made them has changed since" if stale else ""
    print(said + kept)
    return 0 if len(done) == len(found) else 1


def verify(project: Project, options: argparse.Namespace) -> int:
    """Hold the log's claims against the results, or make some results again and compare."""
    if options.rerun is None:
        return _verdicts(project, options)
    from epistemics.lab.verification import rerun

    require_device(options.device)
    store = Store(project.results)
    found = status(runs_of(project, options.experiments), store)
    whole = [s.run for s in found if s.state in ("fresh", "adopted")]
    seed = int(time.time()) if options.seed is None else options.seed
    print(f"{min(options.rerun, len(whole))} of {len(whole)} results, chosen by seed {seed}", flush=True)
    project.workspace.mkdir(parents=True, exist_ok=True)
    verified = rerun(whole, store, options.rerun, seed, project.workspace, options.workers, options.device, Display())
    for one in verified:
        print(f"{one.run.key}  {'agrees' if one.agrees else 'DIFFERS'}  {one.run.label}: {one.said}")
    return 0 if all(one.agrees for one in verified) else 1


def _verdicts(project: Project, options: argparse.Namespace) -> int:
    from epistemics.chapters.ledger import chapter as ledger

    found = ledger.judgements(project)
    if options.experiments:
        entries = {load_experiment(project.experiments, name, project.profile).entry for name in options.experiments}
        found = [judgement for judgement in found if judgement.claim.entry in entries]
    if options.json:
        print(json.dumps(list(ledger.table(found).records()), indent=1, ensure_ascii=False))
        return 0
    for j in found:
        against = f" (log: {j.claim.shown})" if j.claim.shown else ""
        note = f"; {j.note}" if j.note else ""
        print(f"{j.claim.id:32}{j.verdict}{note}\n    {j.claim.says}{against}: {j.ours or '–'}")
    print("\n" + ", ".join(f"{sum(j.verdict == verdict for j in found)} {verdict}" for verdict in VERDICTS))
    return 0


def _keys(store: Store, beginnings: Sequence[str]) -> list[str]:
    """The stored results that begin so, one each."""
    chosen, stored = [], store.keys()
    for beginning in beginnings:
        matching = [key for key in stored if key.startswith(beginning)]
        if len(matching) != 1:
            what = f"{len(matching)} stored results begin" if matching else "no stored result begins"
            raise SpecificationError(f"{what} with {beginning!r}; `epistemics status --runs` lists them")
        chosen += matching
    return chosen


def runs_of(project: Project, names: Sequence[str]) -> list[Run]:
    """The runs of some experiments, all by default; a run that several share is there once."""
    chosen = names or experiment_names(project.experiments)
    runs = [run for name in chosen for run in load_experiment(project.experiments, name, project.profile).runs]
    return list({run.key: run for run in runs}.values())


def _costs(project: Project, left: Sequence[Run]) -> dict[str, float]:
    """Key → seconds of training of every run, from this machine's measured speed."""
    require_compiler(left)
    kinds = {(r.configuration.precision, r.configuration.compiled): r.configuration for r in left}

    def announce(what: str) -> None:
        print(what, file=sys.stderr, flush=True)

    speeds = {kind: measured_speed(project.workspace, c, announce) for kind, c in kinds.items()}
    return {r.key: speeds[r.configuration.precision, r.configuration.compiled].seconds(r.configuration) for r in left}
