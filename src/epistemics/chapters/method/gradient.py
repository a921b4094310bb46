"""Does the step by hand give other runs than torch's gradient? The criterion stands in experiments/gradient.yaml."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from epistemics.analysis.provenance_line import published
from epistemics.analysis.stored_runs import Results, StoredRun, load_results
from epistemics.analysis.tables import ABSENT, Numbers, Shown, Table, Value, listed, number, spread, table_of
from epistemics.analysis.two_samples import LEVEL, detectable_factor, holm, p_value
from epistemics.declared.project import Project
from epistemics.declared.runs import Run
from epistemics.science.abliteration import falls_at

AFTER = 500
"""Steps after grokking at which k@95% is taken."""
QUANTITIES = {"grokking_step": ("grokking step", 100), "k_at_95": ("k@95%", 1)}
"""What is compared: its name, and what its values are multiples of."""
AUTOGRAD, BY_HAND = "autograd", "by hand"


def load(project: Project | None = None) -> Results:
    """The results of experiment gradient under the current profile."""
    return load_results("gradient", project)


def _both(run: Run) -> str:
    """What both ways of a model are called: its name without them."""
    return run.model.removesuffix(f", {run.configuration.gradient}")


def _runs(results: Results) -> Iterator[Run]:
    return (stored.run for stored in results)


def runs(results: Results) -> Table:
    """One row a run: when it groks, and how many cuts it takes 500 steps later."""
    columns = ("model", "gradient", "seed", "grokking_step", "measured", "k_at_95", "run")
    rows = [
        {
            "model": _both(run.run),
            "gradient": run.configuration.gradient,
            "seed": run.configuration.seed,
            "grokking_step": run.metrics["grokking_step"],
            "measured": _measured_at(run) is not None,
            "k_at_95": _cuts(run),
            "run": run.run.key,
        }
        for run in results
    ]
    return table_of(rows, columns)


def _measured_at(run: StoredRun) -> int | None:
    """The number of the moment 500 steps after grokking; None if the run was not measured then."""
    grokked, moments = run.metrics["grokking_step"], run.metrics["moments"]
    return moments.index(grokked + AFTER) if grokked is not None and grokked + AFTER in moments else None


def _cuts(run: StoredRun) -> int | None:
    """k@95% about the mean; None if no number of cuts is enough, or the run was not measured."""
    if (index := _measured_at(run)) is None:
        return None
    return falls_at(run.result.arrays[f"{run.configuration.operations[0]}.about_mean"][index], 0.95)


def comparisons(results: Results) -> Table:
    """One row for each model and quantity that has seeds in both ways: the test, corrected, and what it would find.

    Seeds that were not measured 500 steps after grokking, or have not grokked, are no part of what is said of k@95%.
    """
    declared = len(QUANTITIES) * len({_both(run) for run in (*_runs(results), *results.experiment.awaited)})
    compared = list(_compared(runs(results), LEVEL / declared))
    # Those that wait for their runs count among the comparisons, as if they told nothing apart.
    corrected = holm([*(p for _, p in compared), *[1.0] * (declared - len(compared))])[: len(compared)]
    rows = [row | {"p_corrected": round(own, 4)} for (row, _), own in zip(compared, corrected, strict=True)]
    columns = ("model", "quantity", "seeds", "p", "detectable", "p_corrected")
    return table_of(rows, columns)


def _compared(table: Table, level: float) -> Iterator[tuple[dict[str, Value], float]]:
    """Rows, and the p of each; ``level`` is what the correction asks of the lowest."""
    for name, quantity in product(dict.fromkeys(table.column("model")), QUANTITIES):
        one, other = (_values(table, name, way, quantity) for way in (AUTOGRAD, BY_HAND))
        if one and other:
            says, grid = QUANTITIES[quantity]
            p = p_value(one, other)
            row: dict[str, Value] = {
                "model": name,
                "quantity": says,
                "seeds": min(len(one), len(other)),
                "p": round(p, 4),
                "detectable": detectable_factor([*one, *other], (len(one), len(other)), grid, level),
            }
            yield row, p


def _values(table: Table, model: str, way: str, quantity: str) -> list[float | None]:
    own = table.where(model=model, gradient=way)
    return (own if quantity == "grokking_step" else own.where(measured=True)).column(quantity)


def shown(results: Results) -> Shown:
    """The comparisons for reading."""
    table, rows = runs(results), []
    for row in comparisons(results).records():
        quantity = next(key for key, (says, _) in QUANTITIES.items() if says == row["quantity"])
        ways = [spread(_values(table, row["model"], way, quantity)) for way in (AUTOGRAD, BY_HAND)]
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
    if not table:
        verdict = "No model has its seeds in both ways yet"
    elif apart:
        verdict = f"Of {len(table)} comparisons over seeds these tell the two ways apart: {listed(apart)}"
    else:
        verdict = f"Not one of {len(table)} comparisons over seeds tells the two ways apart"
    awaited = dict.fromkeys(map(_both, results.experiment.awaited))
    return {
        "verdict": verdict,
        "lowest": f"{min(row['p_corrected'] for row in table):.2f}" if table else ABSENT,
        "awaited": listed(list(awaited)),
    }
