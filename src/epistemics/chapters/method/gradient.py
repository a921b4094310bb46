"""Does the step by hand give other runs than torch's gradient? The criterion stands in experiments/gradient.yaml."""

from __future__ import annotations

from collections.abc import Iterator

from epistemics.analysis.provenance_line import published
from epistemics.analysis.stored_runs import Results, StoredRun, load_results
from epistemics.analysis.tables import ABSENT, Numbers, Shown, Table, Value, listed, number, spread, table_of
from epistemics.analysis.two_samples import LEVEL, detectable_factor, holm, p_value
from epistemics.declared.project import Project
from epistemics.science.abliteration import falls_at

AFTER = 500
"""Steps after grokking at which k@95% is taken."""
QUANTITIES = {"grokking_step": "grokking step", "k_at_95": "k@95%"}
AUTOGRAD, BY_HAND = "autograd", "by hand"


def load(project: Project | None = None) -> Results:
    """The results of experiment gradient under the current profile."""
    return load_results("gradient", project)


def model(run: StoredRun) -> str:
    """What both ways of a model are called: its name without them."""
    return run.run.model.removesuffix(f", {run.configuration.gradient}")


def runs(results: Results) -> Table:
    """One row a run: when it groks, and how many cuts it takes 500 steps later."""
    columns = ("model", "gradient", "seed", "grokking_step", "k_at_95", "run")
    rows = [
        {
            "model": model(run),
            "gradient": run.configuration.gradient,
            "seed": run.configuration.seed,
            "grokking_step": run.metrics["grokking_step"],
            "k_at_95": _cuts(run),
            "run": run.run.key,
        }
        for run in results
    ]
    return table_of(rows, columns)


def _cuts(run: StoredRun) -> int | None:
    """k@95% about the mean; None if the run was not measured then, or no number of cuts is enough."""
    grokked, moments = run.metrics["grokking_step"], run.metrics["moments"]
    if grokked is None or grokked + AFTER not in moments:
        return None
    curve = run.result.arrays[f"{run.configuration.operations[0]}.about_mean"][moments.index(grokked + AFTER)]
    return falls_at(curve, 0.95)


def comparisons(results: Results) -> Table:
    """One row for each model and quantity that has seeds in both ways: the test, corrected, and what it would find."""
    compared = list(_compared(runs(results)))
    corrected = holm([p for _, p in compared])
    rows = [row | {"p_corrected": round(own, 4)} for (row, _), own in zip(compared, corrected, strict=True)]
    columns = ("model", "quantity", "seeds", "p", "detectable", "p_corrected")
    return table_of(rows, columns)


def _compared(table: Table) -> Iterator[tuple[dict[str, Value], float]]:
    """Rows, and the p of each."""
    for name in dict.fromkeys(table.column("model")):
        own = table.where(model=name)
        for quantity in QUANTITIES:
            one, other = (own.where(gradient=way).column(quantity) for way in (AUTOGRAD, BY_HAND))
            if not one or not other:
                continue
            happened = [value for value in (*one, *other) if value is not None]
            p = p_value(one, other)
            row: dict[str, Value] = {
                "model": name,
                "quantity": QUANTITIES[quantity],
                "seeds": min(len(one), len(other)),
                "p": round(p, 4),
                "detectable": detectable_factor(happened, (len(one), len(other))) if happened else None,
            }
            yield row, p


def shown(results: Results) -> Shown:
    """The comparisons for reading."""
    table, rows = runs(results), []
    for row in comparisons(results).records():
        quantity = next(key for key, says in QUANTITIES.items() if says == row["quantity"])
        own = table.where(model=row["model"])
        ways = [spread(own.where(gradient=way).column(quantity)) for way in (AUTOGRAD, BY_HAND)]
        found = number(row["detectable"], 2, missing="more")
        rows.append([row["model"], row["quantity"], str(row["seeds"]), *ways, f"{row['p']:.2f}", found])
    headings = ["Model", "Quantity", "Seeds each", "Autograd", "By hand", "p", "Power 80% at"]
    return Shown(headings, rows, left=2)


def tables(results: Results) -> dict[str, Table]:
    """What the chapter shows of it, by name."""
    return published(__name__, {"gradient": runs(results), "gradient_compared": comparisons(results)}, results)


def numbers(results: Results) -> Numbers:
    """The numbers of the chapter's prose."""
    table = list(comparisons(results).records())
    apart = [f"{row['model']} ({row['quantity']})" for row in table if row["p_corrected"] < LEVEL]
    awaited = dict.fromkeys(run.model.rpartition(", ")[0] for run in results.experiment.awaited)
    return {
        "compared": str(len(table)),
        "lowest": f"{min(row['p_corrected'] for row in table):.2f}" if table else ABSENT,
        "apart": listed(apart),
        "awaited": listed(list(awaited)),
    }
