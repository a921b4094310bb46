"""The runs behind the book: what is stored, where it came from and what it took."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from epistemics.analysis.provenance_line import published
from epistemics.analysis.stored_runs import Results, StoredRun, load_every
from epistemics.analysis.tables import Shown, Table, listed, number, table_of
from epistemics.chapters.contents import Share
from epistemics.chapters.runs.sections import in_order, plain, section
from epistemics.declared.experiments import Experiment
from epistemics.declared.project import Project
from epistemics.study import described


def runs(results: Results) -> Table:
    """One row a run, with all its settings and its provenance."""
    return table_of(
        [
            {
                "run": r.run.key,
                "group": r.run.group,
                **{name: _cell(value) for name, value in asdict(r.configuration).items()},
                "final_step": r.metrics["final_step"],
                "seconds": r.result.provenance["seconds"],
                "device": r.result.provenance["device"],
                "torch": r.result.provenance["versions"]["torch"],
                "commit": r.result.provenance["commit"],
                "date": r.result.provenance["date"],
                "state": r.state,
            }
            for r in results
        ]
    )


def shown(results: Results) -> Shown:
    """The same for reading; each run leads to its page (`run_pages`)."""
    rows = [
        [
            f"[`{r.run.key[:8]}`](../data/runs/{r.run.key}.html)",
            described(r.configuration),
            str(r.configuration.seed),
            number(r.metrics["final_step"]) + (", diverged" if "diverged" in r.metrics else ""),
            number(r.result.provenance["seconds"]),
            f"`{(r.result.provenance['commit'] or 'unknown')[:7]}`",
            "stale" if r.stale else "fresh",
        ]
        for r in results
    ]
    return Shown(["Run", "What", "Seed", "Steps", "Seconds", "Commit", "State"], rows, left=2)


def _cell(value: Any) -> Any:
    """A setting as a table holds it."""
    return " and ".join(map(str, value)) if isinstance(value, tuple) else value


def numbers(runs: Iterable[StoredRun]) -> dict[str, str]:
    """Totals over the runs of one experiment, or of several."""
    runs = list(runs)
    provenances = [r.result.provenance for r in runs]
    return {
        "runs": str(len(runs)),
        "hours": f"{sum(p['seconds'] for p in provenances) / 3600:.1f}",
        "devices": " and ".join(sorted({f"{p['device']}" for p in provenances})),
        "torch": " and ".join(sorted({p["versions"]["torch"] for p in provenances})),
        "stale": str(sum(r.stale for r in runs)),
    }


def of_all(every: Mapping[str, Results]) -> list[StoredRun]:
    """The runs of all experiments, each once, whichever share it."""
    return list({r.run.key: r for results in every.values() for r in results}.values())


def print_sections() -> None:
    """Print a section for each experiment file: what its runs took, and their list."""
    every = load_every()
    for experiment in in_order([results.experiment for results in every.values()]):
        results = every[experiment.name]
        table = shown(results)._repr_markdown_() if len(results) else ""
        sys.stdout.write(f"{section(experiment, _says(results, every), table)}\n")


def _says(results: Results, every: Mapping[str, Results]) -> str:
    own = results.experiment.name
    if not len(results):
        none = f"Experiment {own} has no runs under the profile {results.experiment.profile}."
        return none + _awaits(results.experiment)
    taken = [other for other in every.values() if other.experiment.name != own and _keys(other) <= _keys(results)]
    among = [f"the {len(other)} of @sec-runs-{other.experiment.name}" for other in taken if len(other)]
    found, csv = numbers(results), f"runs.{_variable(own)}.csv"
    return (
        f"{found['runs']} run{'s' if len(results) > 1 else ''}{f', {listed(among)} among them,' if among else ''} took "
        f"{found['hours']} hours of one core on {plain(found['devices'])} with PyTorch {found['torch']}; "
        f"{found['stale']} of them are stale. As data: [{csv}](../data/{csv})."
        f"{_awaits(results.experiment)}"
    )


def _awaits(experiment: Experiment) -> str:
    """Of which groups how many runs are chosen that no chapter reads yet."""
    if not experiment.awaited:
        return ""
    groups = Counter(run.group for run in experiment.awaited)
    several = listed([f"{count} of *{plain(group)}*" for group, count in groups.items()])
    return f" Awaited are runs of further seeds, chosen before they are trained and not among these yet: {several}."


def _keys(results: Results) -> set[str]:
    return {run.run.key for run in results}


def _variable(name: str) -> str:
    return name.replace("-", "_")


def share(project: Project) -> Share:
    """What the chapter gives to its prose and to readers; see ``contents``."""
    every = load_every(project)
    together = numbers(of_all(every))
    return (
        {"all": {name: together[name] for name in ("runs", "hours")}},
        published(__name__, {_variable(name): runs(results) for name, results in every.items()}),
    )
