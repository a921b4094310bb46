"""A.3 at full length, log entry 8: what becomes of a representation long after accuracy is perfect.

Addition alone, at the two decays that the log compares, trained for as long as the models of two operations of its
entry 11. What is measured is defined in ``phase_1_2.measured``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from epistemics.analysis.claims import Claim
from epistemics.analysis.provenance_line import published
from epistemics.analysis.stored_runs import Results, load_results
from epistemics.analysis.tables import (
    Numbers,
    Shown,
    Table,
    name_of_value,
    number,
    of_setting,
    percent,
    ranges_compared,
    spread,
    table_of,
)
from epistemics.chapters.contents import Share
from epistemics.chapters.joint.chapter import OPERATIONS, late_calm
from epistemics.chapters.joint.measured import BASELINE, of_kind
from epistemics.chapters.ledger import chapter as ledger
from epistemics.chapters.phase_1_2.measured import calm, dips, moments
from epistemics.declared.project import Project

COMPARED = (0.1, 1.0)
"""The weight decays that the log compares, and that the prose names."""
PARTS = 3
"""Training is compared by thirds, as that of two operations is by its last third."""


def load(project: Project | None = None) -> Results:
    """The results of experiment full-length under the current profile."""
    return load_results("full-length", project)


def decays(results: Results) -> list[float]:
    """The weight decays, ascending."""
    return sorted({run.configuration.weight_decay for run in results})


def length(results: Results) -> int:
    """Steps of a run."""
    return max(run.configuration.steps for run in results)


def part(results: Results, decay: float, index: int) -> Table:
    """The calm moments since grokking in one of the ``PARTS`` of training, the first being 0."""
    measured, steps = calm(results, decay), length(results)
    kept = [
        tuple(record.values())
        for record in measured.records()
        if index * steps < PARTS * record["step"] <= (index + 1) * steps
    ]
    return Table(measured.columns, tuple(kept))


def summary(results: Results) -> Shown:
    """The calm moments of each part of training, and its end: medians over moments and seeds, with the range."""
    rows = []
    end = moments(results).where(at_end=True)
    for decay in decays(results):
        parts = [(_part_name(results, index), part(results, decay, index)) for index in range(PARTS)]
        for name, chosen in [*parts, ("the end", end.where(weight_decay=decay))]:
            rows.append(
                [
                    f"{decay:g}",
                    name,
                    str(len(chosen)),
                    *(_spread(chosen.column(column)) for column in ("k_at_95", "k_at_50", "k_at_95_random", "rank99")),
                    spread(chosen.column("fourier_share"), percent) if len(chosen) else "–",
                ]
            )
    headings = ["Decay", "Steps", "Moments", "k@95%", "k@50%", "k@95%, random", "rank99", "Fourier share"]
    return Shown(headings, rows, left=2)


def _part_name(results: Results, index: int) -> str:
    steps = length(results)
    return f"{number(index * steps // PARTS)} to {number((index + 1) * steps // PARTS)}"


def _spread(values: Sequence[Any]) -> str:
    return spread(values, never="all") if values else "–"


def seeds(results: Results) -> Table:
    """One row a run: its grokking step, how often it dips, and its resistance in the first and the last part."""
    rows = []
    for run in results:
        c = run.configuration
        alone = Results(results.experiment, (run,))
        below, evaluations = dips(alone, c.weight_decay)
        first, last = (part(alone, c.weight_decay, index).column("k_at_95") for index in (0, PARTS - 1))
        rows.append(
            {
                "weight_decay": c.weight_decay,
                "seed": c.seed,
                "grokking_step": run.metrics["grokking_step"],
                "evaluations_since": evaluations,
                "below_95": below,
                "k_at_95_first": _spread(first),
                "k_at_95_last": _spread(last),
                "validation_accuracy": round(run.metrics["validation_accuracy"], 4),
                "run": run.run.key,
            }
        )
    return table_of(rows)


def by_seed(results: Results) -> Shown:
    """The same for reading."""
    rows = [
        [
            f"{r['weight_decay']:g}",
            str(r["seed"]),
            number(r["grokking_step"], missing="never"),
            f"{number(r['below_95'])} of {number(r['evaluations_since'])}",
            r["k_at_95_first"],
            r["k_at_95_last"],
            percent(r["validation_accuracy"], 1),
        ]
        for r in seeds(results).records()
    ]
    headings = ["Decay", "Seed", "Grokking step", "Below 95% since", "k@95%, first third", "last third", "At the end"]
    return Shown(headings, rows)


def changes(results: Results, decay: float) -> list[int]:
    """By how much k@95% differs from one measured moment to the next, where both are calm, over all seeds.

    A model that survives every cut has no k@95%; its moments are left out.
    """
    found = []
    for run in results.where(weight_decay=decay):
        alone = Results(results.experiment, (run,))
        steps = run.metrics["moments"]
        known = {
            record["step"]: record["k_at_95"]
            for record in calm(alone, decay).records()
            if record["k_at_95"] is not None
        }
        found += [known[b] - known[a] for a, b in pairwise(steps) if a in known and b in known]
    return found


def tables(results: Results) -> dict[str, Table]:
    """What the figure of the chapter draws, and its tables, by name."""
    return published(__name__, {"moments": moments(results), "seeds": seeds(results)}, results)


def numbers(results: Results, both: Results, claims: Mapping[str, Claim]) -> Numbers:
    """The numbers of the chapter's prose.

    Args:
        both: the results of experiment joint, for two operations at the same length.
    """
    found: Numbers = {"steps": number(length(results))}
    named = (("alone", "1.2-k95-at-1"), ("resistant", "1.2-k95-at-0.1"))
    for name, id in (*named, *((operation, f"A.6-k95-{operation}") for operation in OPERATIONS)):
        found[f"published_{name}"] = claims[id].shown
    found["decay"] = {
        name_of_value(decay): of_setting(_of_decay(results, decay), decay in decays(results)) for decay in COMPARED
    }
    weak, strong = (part(results, decay, PARTS - 1).column("k_at_95") for decay in COMPARED)
    found["ranges_last"] = ranges_compared(weak, strong)
    late = late_calm(of_kind(both, BASELINE))
    for operation in OPERATIONS:
        found[f"joint_{operation}_k95_last"] = _spread(late.where(operation=operation).column("k_at_95"))
    return found


def _of_decay(results: Results, decay: float) -> Numbers:
    """The numbers of one weight decay."""
    own = seeds(results).where(weight_decay=decay)
    evaluations, below = sum(own.column("evaluations_since")), sum(own.column("below_95"))
    found = {
        "grok": spread(own.column("grokking_step")),
        "dips": percent(below / evaluations if evaluations else None, 1),
        "k95_end": _spread(moments(results).where(at_end=True, weight_decay=decay).column("k_at_95")),
    }
    for title, sizes in (
        ("falls", [-change for change in changes(results, decay) if change < 0]),
        ("rises", [change for change in changes(results, decay) if change > 0]),
    ):
        found |= {title: str(len(sizes)), f"{title}_by": _spread(sizes)}
    for index, title in ((0, "first"), (PARTS - 1, "last")):
        chosen = part(results, decay, index)
        for column, measure in (("k_at_95", "k95"), ("rank99", "rank99")):
            found[f"{measure}_{title}"] = _spread(chosen.column(column))
    return found


def share(project: Project) -> Share:
    """What the chapter gives to its prose and to readers; see ``contents``."""
    from epistemics.chapters.joint import chapter as joint

    long = load(project)
    return numbers(long, joint.load(project), ledger.by_id(project)), tables(long)
