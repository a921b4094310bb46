"""A.6, log entry 11: which setting groks as late as the log's model, and what its directions are like there.

The baseline of experiment joint groks in half of the log's steps. Each setting that the log leaves open is changed
alone, and the one that comes nearest is held against the log, beside the baseline at the same age.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from epistemics.analysis.claims import Claim, is_reproduced
from epistemics.analysis.provenance_line import published, traced
from epistemics.analysis.stored_runs import Results, StoredRun, load_results, together
from epistemics.analysis.tables import (
    Numbers,
    Shown,
    Table,
    Value,
    fraction,
    number,
    of_setting,
    percent,
    ranked_median,
    spread,
    table_of,
)
from epistemics.chapters.joint.chapter import COLUMNS, OPERATIONS, middle
from epistemics.chapters.joint.measured import (
    BASELINE,
    chance,
    kind_of,
    learning_curves,
    model_of,
    moments,
    of_kind,
    of_model,
)
from epistemics.chapters.phase_1_2 import measured as phase_1_2_measures
from epistemics.declared.project import Project

NAMED = (BASELINE, "embedding scale")
"""The kinds of models that the prose names."""
STEPS = "A.6-steps"
"""The claim that says when the log's model has learned both operations."""
SMALL_COLLATERAL = 0.99
"""What is left of the other operation where the log's criterion calls the damage small."""
OVERLAPS = (10, 30)
"""Directions at which the log's entry gives an overlap."""


def load(project: Project | None = None) -> Results:
    """The baseline of experiment joint and the settings searched, under the current profile."""
    joint, own = load_results("joint", project), load_results("joint-search", project)
    return together(of_kind(joint, BASELINE), own)


def searched(results: Results) -> list[StoredRun]:
    """The runs of the search, without the baseline."""
    return [run for run in results if kind_of(run) != BASELINE]


def nearest(results: Results, claims: Mapping[str, Claim]) -> str | None:
    """The setting of the search whose first evaluation with both operations learned is nearest to the log's.

    By medians over seeds; None if no setting's median seed learns both.
    """
    away = {model: _away(of_model(results, model), claims) for model in map(model_of, searched(results))}
    learned = {model: steps for model, steps in away.items() if steps is not None}
    return min(learned, key=lambda model: learned[model], default=None)


def _away(runs: Results, claims: Mapping[str, Claim]) -> float | None:
    """Steps between a model's median seed and the log's model, when both operations are learned; None for never."""
    learned = ranked_median([run.metrics["first_touch"] for run in runs])
    return None if learned is None else abs(learned - published_steps(claims))


def published_steps(claims: Mapping[str, Claim]) -> float:
    """The step at which the log's model has learned both operations."""
    published = claims[STEPS].published
    assert isinstance(published, float), f"claim {STEPS} has a number"
    return published


def settings(results: Results, claims: Mapping[str, Claim]) -> Table:
    """One row a run: what is changed, when both operations are learned, and how far that is from the log's."""
    found = nearest(results, claims)
    rows = []
    for run in results:
        c, learned = run.configuration, run.metrics["first_touch"]
        rows.append(
            {
                "model": model_of(run),
                "embedding_scale": c.embedding_scale,
                "learning_rate": c.learning_rate,
                "train_fraction": c.train_fraction,
                "seed": c.seed,
                "first_touch": learned,
                "from_published": None if learned is None else learned - int(published_steps(claims)),
                "grokking_step": run.metrics["grokking_step"],
                "final_step": run.metrics["final_step"],
                "nearest": model_of(run) == found,
                "run": run.run.key,
            }
        )
    return table_of(rows)


def age(results: Results) -> int:
    """Steps from grokking to the end of a run of the search: as many as the log's training had left, or all."""
    first = searched(results)[0].configuration
    return first.steps if first.stop_after_grokking is None else first.stop_after_grokking


def young(results: Results, runs: Results) -> Table:
    """The calm moments of some of the runs from grokking to the log's age."""
    ages = {run.run.key: run.metrics["grokking_step"] for run in runs}
    measured = moments(runs).where(calm=True)
    kept = [
        tuple(record.values())
        for record in measured.records()
        if (start := ages[record["run"]]) is not None and start <= record["step"] <= start + age(results)
    ]
    return Table(measured.columns, tuple(kept))


def learners(results: Results) -> list[str]:
    """The models of which a run has grokked, so that there are moments to compare."""
    grokked = [run for run in results if run.metrics["grokking_step"] is not None]
    return list(dict.fromkeys(model_of(run) for run in grokked))


def measures(results: Results, claims: Mapping[str, Claim]) -> Table:
    """One row a model that groks and figure of the log's entry: published, and ours at the log's age.

    A figure is inside if it lies within the range over calm moments and seeds, as a verdict asks of the range over
    seeds.
    """
    rows: list[dict[str, Value]] = []
    for model in learners(results):
        known = young(results, of_model(results, model))
        for id, operation, column, second in _figures():
            claim, own = claims[id], known.where(operation=operation)
            values = own.column(column)
            if column.startswith("overlap"):  # None: the model is too narrow for so many directions
                values = [value for value in values if value is not None]
            accepted = [value for other in second for value in own.column(other) if value is not None]
            rows.append(
                {
                    "model": model,
                    "claim": id,
                    "says": claim.says,
                    "published": claim.shown,
                    "ours": spread(values, partial(number, digits=claim.digits), never="all") if values else "–",
                    "inside": is_reproduced(claim.published, [*values, *accepted]) if values else None,
                    "moments": len(values),
                }
            )
    return table_of(rows, ("model", "claim", "says", "published", "ours", "inside", "moments"))


def _figures() -> list[tuple[str, str, str, Sequence[str]]]:
    """The claim, the operation, the measure's column, and the columns of further readings that the claim allows."""
    named = {name: COLUMNS[name] for name in ("significant", "k95", "k50", "collateral")}
    own = [
        (f"A.6-{name}-{operation}", operation, column, second)
        for name, (column, second) in named.items()
        for operation in OPERATIONS
    ]
    return [*own, *((f"A.6-overlap-{k}", "add", f"overlap_{k}", ()) for k in OVERLAPS)]


def statements(results: Results, single: Results, claims: Mapping[str, Claim]) -> Table:
    """One row a model that groks and statement of the log's entry: whether its criterion holds at the log's age.

    Args:
        single: the results of phase-1-2, for addition learned alone.
    """
    alone = phase_1_2_measures.at_end(single).where(weight_decay=1.0).column("k_at_95")
    rows: list[dict[str, Value]] = []
    for model in learners(results):
        known = young(results, of_model(results, model))
        if not len(known):
            continue
        own = [known.where(operation=operation) for operation in OPERATIONS]
        overlap = [value for value in own[0].column("overlap_10") if value is not None]
        likely = chance(of_model(results, model).runs[0].configuration.d_model, 10)[1][-1]
        k95, left = ([table.column(column) for table in own] for column in ("k_at_95", "collateral"))
        rows += [
            {"model": model, "claim": id, "says": claims[id].says, "holds": holds, "said": said}
            for id, holds, said in (
                ("A.6-mostly-orthogonal", bool(overlap) and middle(overlap) <= likely, spread(overlap, fraction)),
                (
                    "A.6-more-fragile",
                    all(middle(values) < middle(alone) for values in k95),
                    " and ".join(spread(values, never="all") for values in k95),
                ),
                (
                    "A.6-collateral-is-small",
                    all(middle(values) >= SMALL_COLLATERAL for values in left),
                    " and ".join(spread(values, partial(percent, digits=1)) for values in left),
                ),
            )
        ]
    return table_of(rows, ("model", "claim", "says", "holds", "said"))


def summary(results: Results, claims: Mapping[str, Claim]) -> Shown:
    """The settings for reading, with the baseline's seeds in one row."""
    table = settings(results, claims)
    rows = []
    for model in dict.fromkeys(table.column("model")):
        chosen = table.where(model=model)
        one = next(chosen.records())
        rows.append(
            [
                f"{model}, nearest" if any(chosen.column("nearest")) else model,
                f"{one['embedding_scale']:g}",
                f"{one['learning_rate']:g}",
                percent(one["train_fraction"]),
                str(len(chosen)),
                spread(chosen.column("first_touch")),
                number(one["final_step"]) if len(chosen) == 1 else spread(chosen.column("final_step")),
            ]
        )
    headings = ["Setting", "Embedding scale", "Learning rate", "Train fraction", "Seeds", "Both learned", "Trained to"]
    return Shown(headings, rows)


@traced
def comparison(measures: Table, claims: Mapping[str, Claim]) -> Shown:
    """The measures for reading, a column for each model that groks; where the log's figure is outside, ✗."""
    models = list(dict.fromkeys(measures.column("model")))
    rows = []
    for id, *_ in _figures():
        cells = [next(measures.where(model=model, claim=id).records()) for model in models]
        marked = [f"{cell['ours']} ✗" if cell["inside"] is False else cell["ours"] for cell in cells]
        rows.append([claims[id].says, claims[id].shown, *marked])
    return Shown(["Figure of the log", "Log", *models], rows)


@traced
def judged(statements: Table, claims: Mapping[str, Claim]) -> Shown:
    """The statements for reading, a column for each model that groks; where the criterion does not hold, ✗."""
    models = list(dict.fromkeys(statements.column("model")))
    rows = []
    for id in dict.fromkeys(statements.column("claim")):
        cells = [next(statements.where(model=model, claim=id).records()) for model in models]
        rows.append([claims[id].says, *(f"{cell['said']}{'' if cell['holds'] else ' ✗'}" for cell in cells)])
    return Shown(["Statement of the log", *models], rows)


def tables(results: Results, single: Results, claims: Mapping[str, Claim]) -> dict[str, Table]:
    """What the section's figure draws, and its tables, by name."""
    own = {
        "search": settings(results, claims),
        "search_measures": measures(results, claims),
        "search_curves": learning_curves(results),
    }
    compared = {"search_statements": statements(results, single, claims)}
    return published(__name__, own, results) | published(__name__, compared, results, single)


def numbers(results: Results, claims: Mapping[str, Claim]) -> Numbers:
    """The numbers of the section's prose, those of each model under what it changes."""
    found, compared = nearest(results, claims), measures(results, claims)
    numbered: Numbers = {
        "age": number(age(results)),
        "nearest": found or "none",
        "nearest_touch": _touch(of_model(results, found)) if found else "never",
        "nearer": _nearer(results, found, claims),
        "figures": str(len(_figures())),
        "chance": f"{chance(results.runs[0].configuration.d_model, 10)[1][-1]:.2f}",
    }
    for kind in NAMED:
        runs = of_kind(results, kind)
        model = next(map(model_of, runs), "")
        own, known = compared.where(model=model), young(results, runs)
        named: Numbers = {
            "seeds": str(len(runs)),
            "touch": _touch(runs),
            "inside": str(sum(map(bool, own.column("inside")))),
            "overlap_10": _of(known, "add", "overlap_10", fraction),
        }
        for operation in OPERATIONS:
            shown = _of(known, operation, "collateral", partial(percent, digits=1))
            named[operation] = {"collateral": shown}
        numbered[kind.replace(" ", "_")] = of_setting(named, bool(runs))
    return numbered


def _touch(runs: Results) -> str:
    return spread([run.metrics["first_touch"] for run in runs])


def _nearer(results: Results, found: str | None, claims: Mapping[str, Claim]) -> str:
    """How the nearest setting compares with the baseline, in words."""
    steps = _away(of_model(results, found), claims) if found else None
    baseline = _away(of_kind(results, BASELINE), claims)
    if steps is None:
        return "no nearer than the baseline"
    return "nearer than the baseline" if baseline is None or steps < baseline else "no nearer than the baseline"


def _of(table: Table, operation: str, column: str, show: Callable[[float | None], str] = number) -> str:
    values = table.where(operation=operation).column(column)
    return spread(values, show, never="all") if values else "–"
