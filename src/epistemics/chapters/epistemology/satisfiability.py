"""Networks that have a property for all inputs exactly if a formula has no solution (log entry 1).

For a formula in conjunctive normal form with clauses C over variables x_i in [0, 1], with l(x) = x_i for a variable and
1 - x_i for its negation, one hidden layer of ReLUs computes

    F(x) = sum over C of relu(1 - sum of l(x) over C) + sum over i of (relu(x_i) - relu(2 x_i - 1)).

The first sum counts, at corners of the cube, the clauses that x violates. The second is min(x_i, 1 - x_i), which is 0
at corners alone. Hence F(x) = 0 exactly where x solves the formula; and if nothing does, F ≥ 1 on the whole cube, for
with d the distance to the nearest corner (sum of the second terms) a clause that this corner violates adds 1 - d at
least. So "F > 1/2 on the whole cube" holds exactly if the formula has no solution.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray
from pysat.solvers import Solver

from epistemics.analysis.tables import Table, Value, ranked_median, table_of

Formula = list[list[int]]
"""Clauses of literals: i or -i for variable i or its negation, counted from 1."""
Array = NDArray[np.float64]

HARD = 4.267
"""Clauses for each variable at which a random 3-CNF formula turns from likely solvable to likely not (Mertens, Mézard
and Zecchina 2006, Random Structures and Algorithms 28(3):340-373)."""
SIZES = (25, 50, 75, 100, 125, 150)
RATIOS = (2.0, 3.0, 3.5, 4.0, HARD, 4.5, 5.0, 6.0, 8.0)
AT_RATIOS = 125
"""Variables of the formulas at different ratios."""
ENUMERATED = (4, 6, 8, 10, 12, 14)
FORMULAS = 25
"""Formulas of each size and ratio."""
SOLVER = "minisat22"


class Network:
    """F of this module, as one hidden layer: output · relu(hidden x + bias)."""

    def __init__(self, formula: Formula, variables: int) -> None:
        clauses = np.zeros((len(formula), variables))
        biases = np.ones(len(formula))
        for row, clause in enumerate(formula):
            for literal in clause:
                clauses[row, abs(literal) - 1] -= np.sign(literal)
                biases[row] -= literal < 0
        identity = np.eye(variables)
        self.hidden = np.concatenate([clauses, identity, 2 * identity])
        self.bias = np.concatenate([biases, np.zeros(variables), -np.ones(variables)])
        self.output = np.concatenate([np.ones(len(formula) + variables), -np.ones(variables)])

    def __call__(self, inputs: Array) -> Array:
        """F of each row of inputs, [n, variables] → [n]."""
        value: Array = np.maximum(inputs @ self.hidden.T + self.bias, 0) @ self.output
        return value


def random_formula(variables: int, clauses: int, seed: int) -> Formula:
    """Clauses of three different variables, each negated or not with equal chance."""
    drawn = random.Random(f"{variables} {clauses} {seed}")
    names = range(1, variables + 1)
    return [[name * drawn.choice((-1, 1)) for name in drawn.sample(names, 3)] for _ in range(clauses)]


def corners(variables: int) -> Iterator[Array]:
    """All inputs of zeros and ones in the order of binary numbers, [at most 4096, variables] at a time."""
    places = np.arange(variables)
    for start in range(0, 2**variables, 4096):
        numbers = np.arange(start, min(start + 4096, 2**variables))
        yield (numbers[:, None] >> places & 1).astype(np.float64)


def enumerate_inputs(network: Network, variables: int) -> tuple[bool, int]:
    """Whether the network's property holds at all corners, and how many inputs were tried to see it."""
    tried = 0
    for inputs in corners(variables):
        violations = np.flatnonzero(network(inputs) <= 0.5)
        if len(violations):
            return False, tried + int(violations[0]) + 1
        tried += len(inputs)
    return True, tried


def solve(formula: Formula) -> tuple[list[int] | None, int]:
    """A solution as literals, or None if there is none; and the conflicts that the solver met.

    A conflict is a dead end of its search, each of which teaches it a clause. Every machine meets as many.
    """
    with Solver(name=SOLVER, bootstrap_with=formula) as solver:
        found = solver.solve()
        return solver.get_model() if found else None, solver.accum_stats()["conflicts"]


def as_input(solution: Sequence[int]) -> Array:
    """A solution as an input of the network, [1, variables]."""
    return np.array([[float(literal > 0) for literal in solution]])


def _solved(variables: int, ratio: float) -> list[dict[str, Value]]:
    clauses = round(ratio * variables)
    rows: list[dict[str, Value]] = []
    for seed in range(FORMULAS):
        solution, conflicts = solve(random_formula(variables, clauses, seed))
        row = {"variables": variables, "ratio": ratio, "clauses": clauses, "seed": seed}
        rows.append({**row, "holds": solution is None, "conflicts": conflicts})
    return rows


@cache
def by_size() -> Table:
    """Conflicts until the property of each network is decided, against variables, at the hard ratio."""
    return table_of([row for variables in SIZES for row in _solved(variables, HARD)])


@cache
def by_ratio() -> Table:
    """The same against clauses for each variable, at one number of variables."""
    return table_of([row for ratio in RATIOS for row in _solved(AT_RATIOS, ratio)])


@cache
def by_enumeration() -> Table:
    """Inputs tried until the property is decided, at the hard ratio; and what the solver says."""
    rows: list[dict[str, Value]] = []
    for variables in ENUMERATED:
        for seed in range(FORMULAS):
            formula = random_formula(variables, round(HARD * variables), seed)
            holds, tried = enumerate_inputs(Network(formula, variables), variables)
            solution, conflicts = solve(formula)
            row = {"variables": variables, "seed": seed, "holds": holds, "inputs": tried}
            rows.append({**row, "solver_holds": solution is None, "conflicts": conflicts})
    return table_of(rows)


def growth(of: Table, column: str) -> float:
    """By which factor one variable more multiplies the median of a column: a line through its logarithm."""
    sizes = sorted(set(of.column("variables")))
    medians = [ranked_median(of.where(variables=size).column(column)) or 1 for size in sizes]
    return float(np.exp(np.polyfit(sizes, np.log(medians), 1)[0]))
