"""The verbs that make results, or make them again: run, adopt, migrate, verify."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence

from epistemics.analysis.claims import VERDICTS
from epistemics.chapters.needs import require
from epistemics.cli.display import Display, duration
from epistemics.cli.inventory import all_of, awaited_of, elapsed, known_costs, runs_of, stored_keys, training_costs
from epistemics.declared.experiments import experiment_names, load_experiment
from epistemics.declared.project import Project
from epistemics.declared.runs import Run, with_continued
from epistemics.declared.sections import SpecificationError
from epistemics.lab.scheduler import stacks, train_missing
from epistemics.lab.status import RunStatus, status
from epistemics.store.store import Store


def run(project: Project, options: argparse.Namespace) -> int:
    """Train what is missing (damaged results are set aside and made again); on request, then what is awaited."""
    if options.all == bool(options.experiments):
        known = ", ".join(experiment_names(project.experiments))
        raise SpecificationError(f"name experiments, or say --all; known: {known}")
    wanted = ("missing", "damaged", "stale") if options.stale else ("missing", "damaged")
    require(project, options.experiments)
    runs, awaited = runs_of(project, options.experiments), awaited_of(project, options.experiments)
    in_turn = [runs, awaited] if options.awaited else [runs]
    if options.dry_run:
        _plan(project, in_turn, wanted, options.workers, options.device)
        if not options.awaited:
            _mention_awaited(project, awaited, options.workers, options.device)
        return 0
    trained = 0
    for planned in in_turn:
        if options.on is None:
            trained += train(project, planned, wanted, options.workers, options.device)
        else:
            trained += _train_on_cluster(project, planned, wanted, options)
    if not trained:
        print(_nothing(project, [run for planned in in_turn for run in planned]))
    return 0


def _nothing(project: Project, runs: list[Run]) -> str:
    """Why there is nothing to train."""
    stale = sum(s.state == "stale" for s in status(runs, Store(project.results)))
    more = f", {stale} of them stale: --stale trains those again" if stale else ""
    return f"nothing to train: all {len(runs)} results are stored{more}"


def _plan(project: Project, in_turn: list[list[Run]], wanted: tuple[str, ...], workers: int, device: str) -> None:
    """Print what ``train`` would do with each list of runs in turn, in its order."""
    store = Store(project.results)
    found, planned = [], set[str]()
    for runs in in_turn:
        found.append([s for s in status(with_continued(runs), store) if s.state in wanted and s.run.key not in planned])
        planned |= {s.run.key for s in found[-1]}
    left = [s for several in found for s in several]
    if not left:
        print(_nothing(project, [run for runs in in_turn for run in runs]))
        return
    costs = training_costs(project, left) if device == "cpu" else {}
    for stack in (stack for several in found for stack in stacks([s.run for s in several], device)):
        cost = sum(costs.get(run.key, 0.0) for run in stack)
        shown = f"{duration(cost):>8}" if costs else f"stack of {len(stack)}"
        print(f"  {shown}  " + "; ".join(f"{run.key}  {run.label}" for run in stack))
    cost_here = _cost_here(costs, workers) if costs else f"on {device}"
    print(f"\n{len(left)} runs ({project.profile}), {cost_here}; nothing was trained")


def _mention_awaited(project: Project, awaited: list[Run], workers: int, device: str) -> None:
    """Say how many awaited runs are not stored, if any are, and what they would cost."""
    left = [s for s in status(awaited, Store(project.results)) if s.state in ("missing", "damaged")]
    if not left:
        return
    costs = known_costs(project, left) if device == "cpu" else {}
    cost = f", {_cost_here(costs, workers)}" if costs else ""
    what = f"{len(left)} awaited runs are" if len(left) > 1 else "1 awaited run is"
    print(f"{what} not stored{cost}; --awaited trains what is awaited")


def _cost_here(costs: Mapping[str, float], workers: int) -> str:
    total, at_once = duration(sum(costs.values())), duration(elapsed(costs.values(), workers))
    return f"at most {total} of one core here, {at_once} on {workers}"


def train(project: Project, runs: list[Run], wanted: tuple[str, ...], workers: int, device: str) -> int:
    """Train the runs whose results are in one of the wanted states, and return how many; damaged are set aside.

    What a run that is made again ended with may be other than before, and what continued it stale: then that follows.
    """
    store, done = Store(project.results), set[str]()
    while left := [s for s in _left(runs, store, wanted) if s.run.key not in done]:
        require_device(device)
        costs = training_costs(project, left) if device == "cpu" else {}
        cost = f", at most {duration(elapsed(costs.values(), workers))} besides measuring" if costs else ""
        print(f"training {len(left)} runs ({project.profile}), {workers} at once{cost}", flush=True)
        train_missing([s.run for s in left], store, project.workspace, workers, device, Display())
        done |= {s.run.key for s in left}
    return len(done)


def _train_on_cluster(project: Project, runs: list[Run], wanted: tuple[str, ...], options: argparse.Namespace) -> int:
    """The same on a Ray cluster, with what it has."""
    from epistemics.lab.ray_cluster import Needs, joined, train_on_cluster

    store = Store(project.results)
    left = _left(runs, store, wanted)
    if not left:
        return 0
    for s in left:
        if s.run.continues is not None:
            raise SpecificationError(
                f"--on: «{s.run.label}» continues another run, and is trained here; leave out --on"
            )
    needs = Needs(gpus=options.gpu_share if options.device.startswith("cuda") else 0.0)
    with joined(options.on, options.workers) as cluster:
        print(f"training {len(left)} runs ({project.profile}) on {cluster}", flush=True)
        planned = stacks([s.run for s in left], options.device)
        train_on_cluster(planned, store, project.workspace, options.device, needs, Display())
    return len(left)


def _left(runs: list[Run], store: Store, wanted: tuple[str, ...]) -> list[RunStatus]:
    """The runs whose results are in one of the wanted states, and those that they continue; damaged are set aside."""
    found = [s for s in status(with_continued(runs), store) if s.state in wanted]
    for s in found:
        if s.state == "damaged":
            print(f"{s.fault}; set aside as {store.set_aside(s.run.key)}", flush=True)
    return found


def require_device(device: str) -> None:
    """Say that there is no such device before workers find out, each with a traceback."""
    if device.startswith("cuda"):
        import torch

        if int(device.partition(":")[2] or 0) >= torch.cuda.device_count():
            raise SpecificationError(f"--device {device}: PyTorch finds no such device here")


def adopt(project: Project, options: argparse.Namespace) -> int:
    """Replay canaries of stale results."""
    store = Store(project.results)
    stale = [s for s in status(all_of(project, []), store) if s.state == "stale"]
    if options.results_:
        chosen = stored_keys(store, options.results_)
        stale = [s for s in stale if s.run.key in chosen]
    for s in stale:
        if s.began_elsewhere:
            print(
                f"{s.run.key}  stale    {s.run.label}: {s.fault}; `epistemics run --stale` trains it again", flush=True
            )
    may_hold = [s.run for s in stale if not s.began_elsewhere]
    adopted = adopt_stale(project, may_hold, options.device, options.beside)
    print(f"{adopted} of {len(stale)} stale results adopted" if stale else "no result is stale")
    return 0 if adopted == len(stale) else 1


def adopt_stale(project: Project, stale: Sequence[Run], device: str, beside: str | None = None) -> int:
    """Adopt what changed code can be shown to do as before, say of each what became of it; returns how many were."""
    from epistemics.lab import adoption

    if stale:
        require_device(device)
    labels = {run.key: run.label for run in stale}
    asked = (Store(project.results), list(labels), project.workspace, device)
    adopted = 0
    for one in (adoption.adopt(*asked) if beside is None else adoption.adopt_beside(*asked, beside)) if stale else []:
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
    said = f"{len(done)} results converted to format {FORMAT}; `epistemics adopt` shows which of them still hold"
    print(said if done else f"no result to convert to format {FORMAT}")
    return 0 if len(done) == len(found) else 1


def verify(project: Project, options: argparse.Namespace) -> int:
    """Hold the log's claims against the results, or make some results again and compare."""
    if options.rerun is None:
        return _verdicts(project, options)
    from epistemics.lab.verification import rerun

    require_device(options.device)
    store = Store(project.results)
    found = status(all_of(project, options.experiments), store)
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
