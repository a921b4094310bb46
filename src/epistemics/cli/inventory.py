"""The verbs about what is stored: status, why, prune."""

from __future__ import annotations

import argparse
import heapq
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict

from epistemics.cli.display import duration
from epistemics.declared.experiments import Experiment, experiment_names, load_experiment
from epistemics.declared.project import Project, moments_folder
from epistemics.declared.runs import Run, once
from epistemics.declared.sections import SpecificationError
from epistemics.lab.continuing import BEGAN_ELSEWHERE, began_elsewhere
from epistemics.lab.moments import Moments, are_at_hand
from epistemics.lab.parts import TRAINING, parts_of
from epistemics.lab.scheduler import MissingCompiler, require_compiler
from epistemics.lab.speed import measured_speed
from epistemics.lab.status import RunStatus, checked, current_code, part_state, status, unnamed
from epistemics.store.store import MissingResult, Store
from epistemics.study import SETTINGS, configuration_from_json, kind_of_step

STATES = ("fresh", "adopted", "stale", "damaged", "missing")

AT_MOST_LISTED = 10
"""Runs of one experiment that ``status`` lists unasked: those whose results can't be used as they are."""


def show_status(project: Project, options: argparse.Namespace) -> int:
    """Print where the results of every experiment stand, each run on request, and the cost of what is not stored."""
    store = Store(project.results)
    experiments = _experiments(project, options.experiments)
    found = status([run for one in experiments for run in (*one.runs, *one.awaited)], store)
    costs = known_costs(project, [s for s in found if s.state in ("missing", "damaged") and not s.run.awaited])
    if options.json:
        print(json.dumps([_status_record(s, costs.get(s.run.key)) for s in found], indent=1))
        return 0
    print(f"profile {project.profile}\n")
    by_experiment = [(one, [s for s in found if s.run.experiment == one.name]) for one in experiments]
    if options.experiments or options.runs:
        for experiment, own in by_experiment:
            print(f"{experiment.name}: {experiment.title}")
            print("\n".join([*(_status_line(s, costs) for s in own), *_complete(own), ""]))
    else:
        _print_experiments(by_experiment, costs)
        print()
    # Of a run that several experiments name the last counts: one that reads it, and one that asks for more than it has.
    in_turn = sorted(found, key=lambda s: (not s.run.awaited, not _is_stored(s)))
    print(_counted(list({s.run.key: s for s in in_turn}.values())))
    if costs:
        workers = os.cpu_count() or 1
        print(
            f"training what is not stored takes at most {duration(sum(costs.values()))} of one core here, "
            f"{duration(elapsed(costs.values(), workers))} on {workers}"
        )
    if stale := [s for s in found if s.state == "stale"]:
        again = "run --all --stale" + (" --awaited" if any(s.run.awaited for s in stale) else "")
        print(f"stale: `epistemics adopt` seals what comes out as before, `epistemics {again}` makes the rest")
    if not options.experiments:
        _mention_unnamed(project, store)
    return 0


def _print_experiments(
    by_experiment: Sequence[tuple[Experiment, Sequence[RunStatus]]], costs: Mapping[str, float]
) -> None:
    """A line for each experiment; below it the groups whose awaited seeds are all stored, and the runs whose results
    can't be used as they are.
    """
    where = []
    for _, own in by_experiment:
        left = sum(costs.get(s.run.key, 0.0) for s in own if not s.run.awaited)
        where.append(_counted(own) + (f", about {duration(left)}" if left else ""))
    names = max((len(experiment.name) for experiment, _ in by_experiment), default=0)
    wheres = max(map(len, where), default=0)
    for (experiment, own), stands in zip(by_experiment, where, strict=True):
        print(f"{experiment.name:{names}}  {stands:{wheres}}  {experiment.title}")
        for line in _complete(own):
            print(line)
        unusable = [s for s in own if s.state not in ("fresh", "adopted") and not _is_only_awaited(s)]
        for s in unusable[:AT_MOST_LISTED]:
            print(_status_line(s, costs))
        if more := len(unusable[AT_MOST_LISTED:]):
            print(f"  and {more} more: epistemics status {experiment.name}")


def _complete(found: Sequence[RunStatus]) -> Iterator[str]:
    """Says of which groups of one experiment the awaited seeds are all stored, and so can count."""
    for group in dict.fromkeys(s.run.group for s in found):
        awaited = [s for s in found if s.run.awaited and s.run.group == group]
        if awaited and all(map(_is_stored, awaited)):
            many = f"all {len(awaited)} awaited are" if len(awaited) > 1 else "the awaited one is"
            yield f"  group {group}: {many} stored, so that its seeds can be moved from `awaited` to `seeds`"


def _is_stored(s: RunStatus) -> bool:
    return s.state not in ("missing", "damaged")


def _is_only_awaited(s: RunStatus) -> bool:
    """Whether a run is not stored and need not be yet."""
    return s.run.awaited and s.state == "missing"


def _status_line(s: RunStatus, costs: Mapping[str, float]) -> str:
    cost = costs.get(s.run.key)
    if cost is None:
        said = ""
    elif cost == 0:
        said = "  nothing to train: its moments are at hand"
    elif s.parts.get(TRAINING) in ("fresh", "adopted"):
        said = f"  about {duration(cost)}: its moments are not at hand, so it trains again"
    else:
        said = f"  about {duration(cost)}"
    detail = f"  ({' and '.join(s.changed)} code changed)" if s.changed else ""
    detail += f"  {s.fault}" if s.fault else ""
    detail += "  (awaited)" if s.run.awaited and s.state != "missing" else ""
    return f"  {s.run.key}  {'awaited' if _is_only_awaited(s) else s.state:8}{s.run.label}{said}{detail}"


def _counted(found: Sequence[RunStatus]) -> str:
    """How many runs are in each state that any is in, and how many are awaited besides."""
    counts = {state: sum(s.state == state and not s.run.awaited for s in found) for state in STATES}
    said = [f"{count} {state}" for state, count in counts.items() if count]
    awaited = [s for s in found if s.run.awaited]
    if awaited:
        said.append(f"{len(awaited)} awaited")
    if stored := sum(map(_is_stored, awaited)):
        said.append(f"{stored} of them stored")
    return ", ".join(said) or "no runs"


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


def _status_record(s: RunStatus, cost: float | None) -> dict[str, object]:
    return {
        "experiment": s.run.experiment,
        "profile": s.run.profile,
        "run": s.run.label,
        "key": s.run.key,
        "state": s.state,
        "awaited": s.run.awaited,
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
    (key,) = stored_keys(store, [options.result])
    configurations = {run.key: run.configuration for run in all_of(project, [])}
    result = checked(store, key, configurations[key]) if key in configurations else store.read(key)
    try:
        configuration = configuration_from_json(result.configuration)
    except TypeError as error:  # another version's
        raise SpecificationError(f"{key} is a result of settings that this version does not know: {error}") from None
    code = current_code(configuration, parts_of(stored=result.parts))
    found = changes(store, key)
    if options.json:
        print(json.dumps([asdict(change) for change in found], indent=1))
        return 0
    states = {part: part_state(result, part, own) for part, own in code.items()}
    if began_elsewhere(configuration, result.parts[TRAINING].provenance if TRAINING in result.parts else {}, store):
        print(f"{key} is stale: {BEGAN_ELSEWHERE}")
    elif not {"missing", "stale"} & set(states.values()):
        print(f"{key} is fresh: all that it was made with is as it was")
    for part, state in states.items():
        if state == "missing":
            former = [name for name in result.parts if name not in states]
            print(
                f"{part}: not stored{f', but maybe with {former[0]}, a part that there is no more' if former else ''}"
            )
        elif state == "stale" and (made_with := result.parts[part].settings) != (now := dict(SETTINGS.get(part, {}))):
            print(f"{part}: it was made with the settings {made_with}, which are now {now}")
        elif state == "stale" and not any(change.part == part for change in found):
            print(f"{part}: every definition is as it was, but a name in one of them now means another")
    for change in found:
        way = " → ".join(change.path) if change.path else "reached no more"
        print(f"{change.part}: {change.definition} {change.kind}\n  {way}\n{change.diff}\n")
    return 0


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


def runs_of(project: Project, names: Sequence[str]) -> list[Run]:
    """The runs of some experiments that chapters read, all by default; a run that several share is there once."""
    return [run for run in all_of(project, names) if not run.awaited]


def awaited_of(project: Project, names: Sequence[str]) -> list[Run]:
    """Their awaited runs, each once, but for those that are among the others all the same."""
    return [run for run in all_of(project, names) if run.awaited]


def all_of(project: Project, names: Sequence[str]) -> list[Run]:
    """The ones and the others."""
    runs = once(run for one in _experiments(project, names) for run in (*one.runs, *one.awaited))
    return sorted(runs, key=lambda run: run.awaited)


def _experiments(project: Project, names: Sequence[str]) -> list[Experiment]:
    chosen = names or experiment_names(project.experiments)
    return [load_experiment(project.experiments, name, project.profile) for name in chosen]


def stored_keys(store: Store, beginnings: Sequence[str]) -> list[str]:
    """The stored results that begin so, one each."""
    chosen, stored = [], store.keys()
    for beginning in beginnings:
        matching = [key for key in stored if key.startswith(beginning)]
        if len(matching) != 1:
            what = f"{len(matching)} stored results begin" if matching else "no stored result begins"
            raise SpecificationError(f"{what} with {beginning!r}; `epistemics status --runs` lists them")
        chosen += matching
    return chosen


def training_costs(project: Project, left: Sequence[RunStatus]) -> dict[str, float]:
    """Key → seconds of training of every run, from this machine's measured speed; 0 for what need only be measured."""
    require_compiler([s.run for s in left])
    measured = {s.run.key: 0.0 for s in left if moments_at_hand(s, project)}
    trained = [s.run for s in left if s.run.key not in measured]
    kinds = {kind_of_step(run.configuration): run.configuration for run in trained}

    def announce(what: str) -> None:
        print(what, file=sys.stderr, flush=True)

    speeds = {kind: measured_speed(project.workspace, c, announce) for kind, c in kinds.items()}
    return measured | {run.key: speeds[kind_of_step(run.configuration)].seconds(run.configuration) for run in trained}


def known_costs(project: Project, left: Sequence[RunStatus]) -> dict[str, float]:
    """The same where they only inform: none, with a word on why, if they can't be measured."""
    try:
        return training_costs(project, left)
    except MissingCompiler as error:
        print(f"epistemics: no cost of training: {error}", file=sys.stderr)
        return {}


def moments_at_hand(s: RunStatus, project: Project) -> bool:
    """Whether what is missing of a result, or stale, can be measured without training."""
    if s.parts.get(TRAINING) not in ("fresh", "adopted"):
        return False
    unmeasured = [part for part, state in s.parts.items() if state in ("missing", "stale")]
    record = Store(project.results).record(s.run.key)
    return are_at_hand(record, Moments(moments_folder(project.workspace)), unmeasured)


def elapsed(costs: Iterable[float], workers: int) -> float:
    """Seconds that runs take together, longest first, so many at once. A run alone has one worker, however many are."""
    ends = [0.0] * workers
    for cost in sorted(costs, reverse=True):
        heapq.heapreplace(ends, ends[0] + cost)
    return max(ends)
