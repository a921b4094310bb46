"""My experiment: what it asks, in one sentence."""

from __future__ import annotations

from epistemics.analysis.provenance_line import published, traced
from epistemics.analysis.stored_runs import Results, load_results
from epistemics.analysis.tables import Numbers, Shown, Table, Value, number, percent, ranked_median, spread, table_of
from epistemics.chapters.contents import Share
from epistemics.declared.project import Project


def load(project: Project | None = None) -> Results:
    """The results of experiment my-experiment under the current profile."""
    return load_results("my-experiment", project)


def steps(results: Results) -> Table:
    """One row a run: when it groks, if it does, and how well it answers in the end."""
    return table_of(
        [
            {
                "model": run.run.model,
                "seed": run.configuration.seed,
                "grokking_step": run.metrics["grokking_step"],
                "validation_accuracy": round(run.metrics["validation_accuracy"], 4),
                "run": run.run.key,
            }
            for run in results
        ],
        ("model", "seed", "grokking_step", "validation_accuracy", "run"),
    )


def curves(results: Results) -> Table:
    """One row a run and evaluation: its validation accuracy."""
    columns = ("model", "seed", "step", "validation_accuracy")
    rows: list[dict[str, Value]] = []
    for run in results:
        arrays = run.result.arrays
        for step, accuracy in zip(arrays["history.step"], arrays["history.validation_accuracy"], strict=True):
            values = (run.run.model, run.configuration.seed, int(step), round(float(accuracy), 4))
            rows.append(dict(zip(columns, values, strict=True)))
    return table_of(rows, columns)


@traced
def summary(steps: Table) -> Shown:
    """Each model for reading: medians over seeds, with the range."""
    rows = []
    for model in dict.fromkeys(steps.column("model")):
        own = steps.where(model=model)
        accuracy = spread(own.column("validation_accuracy"), lambda value: percent(value, 1))
        rows.append([model, str(len(own)), spread(own.column("grokking_step")), accuracy])
    return Shown(["Model", "Seeds", "Grokking step", "Validation accuracy"], rows)


def tables(results: Results) -> dict[str, Table]:
    """What the chapter draws and prints, by name: each is a CSV for readers."""
    return published(__name__, {"steps": steps(results), "curves": curves(results)}, results)


def numbers(results: Results) -> Numbers:
    """The numbers of the chapter's prose."""
    table = steps(results)
    medians = [
        ranked_median(table.where(model=model).column("grokking_step"))
        for model in dict.fromkeys(table.column("model"))
    ]
    soonest = min((median for median in medians if median is not None), default=None)
    return {"runs": str(len(results)), "soonest": "no step" if soonest is None else f"step {number(soonest)}"}


def share(project: Project) -> Share:
    """What the chapter gives to its prose and to readers; see ``contents``."""
    results = load(project)
    return numbers(results), tables(results)
