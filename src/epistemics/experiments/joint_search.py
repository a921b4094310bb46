"""A.6, log entry 11: which setting groks as late as the log's model, and what its directions are like there.

The baseline of experiment joint groks in half of the log's steps. Each setting that the log leaves open is changed
alone, and the one that comes nearest is held against the log, beside the baseline at the same age. The small models of
entry 13 are trained with another scale of embeddings too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from epistemics.claims import Claim, is_reproduced
from epistemics.experiments.joint import BASELINE, COLUMNS, OPERATIONS
from epistemics.experiments.joint_measures import learning_curves, model_of, moments
from epistemics.project import Project
from epistemics.results import Results, StoredRun, load_results
from epistemics.tables import Shown, Table, number, percent, spread, table_of

STEPS = "A.6-steps"
"""The claim that says when the log's model has learned both operations."""
SMALL = "small and scaled"
"""The group of small models with another scale of embeddings."""
OVERLAPS = (10, 30)
"""Directions at which the log's entry gives an overlap."""


def load(project: Project | None = None) -> Results:
    """The baseline of experiment joint and the settings searched, under the current profile."""
    joint, own = load_results("joint", project), load_results("joint-search", project)
    baseline = tuple(run for run in joint if run.run.group == BASELINE)
    return Results(own.experiment, baseline + tuple(run for run in own if run.run.group != SMALL))


def load_small(project: Project | None = None) -> Results:
    """The small models of experiment adversarial, then those with another scale of embeddings."""
    first, own = load_results("adversarial", project), load_results("joint-search", project)
    return Results(own.experiment, tuple(run for run in (*first, *own) if run.run.group in ("small", SMALL)))


def searched(results: Results) -> list[StoredRun]:
    """The runs of the search, without the baseline."""
    return [run for run in results if run.run.group != BASELINE]


def nearest(results: Results, claims: Mapping[str, Claim]) -> StoredRun | None:
    """The run of the search whose first evaluation with both operations learned is nearest to the log's.

    None if none of them learns both.
    """
    learned = [run for run in searched(results) if run.metrics["first_touch"] is not None]
    return min(learned, key=lambda run: abs(run.metrics["first_touch"] - published_steps(claims)), default=None)


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
                "nearest": run is found,
                "run": run.run.key,
            }
        )
    return table_of(rows)


def age(results: Results) -> int:
    """Steps from grokking to the end of a run of the search: as many as the log's training had left."""
    steps = searched(results)[0].configuration.stop_after_grokking
    assert steps is not None, "the search stops at the log's age"
    return steps


def young(results: Results, model: str) -> Table:
    """The calm moments of one model's runs from grokking to the log's age."""
    ages = {run.run.key: run.metrics["grokking_step"] for run in results if model_of(run) == model}
    measured = moments(results).where(model=model, calm=True)
    kept = [
        tuple(record.values())
        for record in measured.records()
        if (start := ages[record["run"]]) is not None and start <= record["step"] <= start + age(results)
    ]
    return Table(measured.columns, tuple(kept))


def measures(results: Results, claims: Mapping[str, Claim]) -> Table:
    """One row a figure of the log's entry: published, the baseline's and the nearest setting's at the log's age.

    A figure is inside if it lies within the range over calm moments, as a verdict asks of the range over seeds.
    """
    found = nearest(results, claims)
    compared = {"baseline": young(results, BASELINE)}
    if found is not None:
        compared["nearest"] = young(results, model_of(found))
    rows: list[dict[str, str | int | bool | None]] = []
    for claim, operation, column, second in _figures():
        row: dict[str, str | int | bool | None] = {"claim": claim, "says": claims[claim].says}
        row["published"] = claims[claim].shown
        for name in ("baseline", "nearest"):
            own = compared[name].where(operation=operation) if name in compared else None
            values = own.column(column) if own is not None else []
            if column.startswith("overlap"):  # None: the model is too narrow for so many directions
                values = [value for value in values if value is not None]
            accepted = [v for c in second for v in own.column(c) if v is not None] if own is not None else []
            row[name] = spread(values, _show(claims[claim]), never="all") if values else "–"
            row[f"{name}_inside"] = is_reproduced(claims[claim].published, [*values, *accepted]) if values else None
            row[f"{name}_moments"] = len(values)
        rows.append(row)
    return table_of(rows)


def _figures() -> list[tuple[str, str, str, Sequence[str]]]:
    """The claim, the operation, the measure's column, and the columns of further readings that the claim allows."""
    named = {name: COLUMNS[name] for name in ("significant", "k95", "k50", "collateral")}
    own = [
        (f"A.6-{name}-{operation}", operation, column, second)
        for name, (column, second) in named.items()
        for operation in OPERATIONS
    ]
    return [*own, *((f"A.6-overlap-{k}", "add", f"overlap_{k}", ()) for k in OVERLAPS)]


def _show(claim: Claim) -> Callable[[float | None], str]:
    return lambda value: number(value, claim.digits)


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


def comparison(results: Results, claims: Mapping[str, Claim]) -> Shown:
    """The measures for reading; a figure outside the range is marked."""
    rows = []
    for record in measures(results, claims).records():
        cells = [
            record[name] if record[f"{name}_inside"] in (True, None) else f"{record[name]} ✗"
            for name in ("nearest", "baseline")
        ]
        rows.append([record["says"], record["published"], *cells])
    return Shown(["Figure of the log", "Log", "Nearest setting", "Baseline"], rows)


def small(results: Results) -> Shown:
    """The small models, by width and scale of embeddings: when each seed learns both, and where it ends.

    Args:
        results: as ``load_small`` returns them.
    """
    kinds = sorted({(r.configuration.d_model, r.configuration.embedding_scale) for r in results}, reverse=True)
    rows = []
    for width, scale in kinds:
        runs = results.where(d_model=width, embedding_scale=scale)
        rows.append(
            [
                str(width),
                f"{scale:g}",
                str(len(runs)),
                spread([run.metrics["first_touch"] for run in runs]),
                spread([run.metrics["validation_accuracy"] for run in runs], lambda v: percent(v, 1)),
                number(max(run.metrics["final_step"] for run in runs)),
            ]
        )
    headings = ["Width", "Embedding scale", "Seeds", "Both learned", "Accuracy at the end", "Steps"]
    return Shown(headings, rows, left=0)


def tables(results: Results, claims: Mapping[str, Claim]) -> dict[str, Table]:
    """What the section's figure draws, and its tables, by name."""
    return {
        "search": settings(results, claims),
        "search_measures": measures(results, claims),
        "search_curves": learning_curves(results),
    }


def numbers(results: Results, claims: Mapping[str, Claim]) -> dict[str, str]:
    """The numbers of the section's prose."""
    found, compared = nearest(results, claims), measures(results, claims)
    numbered = {
        "search_runs": str(len(searched(results))),
        "search_age": number(age(results)),
        "search_nearest": "none" if found is None else model_of(found),
        "search_nearest_touch": "never" if found is None else number(found.metrics["first_touch"]),
        "search_figures": str(len(compared)),
    }
    for name in ("nearest", "baseline"):
        numbered[f"search_{name}_inside"] = str(sum(map(bool, compared.column(f"{name}_inside"))))
        numbered[f"search_{name}_moments"] = str(max(compared.column(f"{name}_moments")))
    return numbered


def numbers_of_small(results: Results) -> dict[str, str]:
    """The numbers on the small models in the chapter on adversarial training."""
    known, other = ([run for run in results if (run.run.group == SMALL) is which] for which in (False, True))
    learned = [run for run in other if run.metrics["first_touch"] is not None]
    return {
        "scale": f"{known[0].configuration.embedding_scale:g}",
        "small_scale": f"{other[0].configuration.embedding_scale:g}",
        "small_scaled": str(len(other)),
        "small_scaled_learned": str(len(learned)),
    }
