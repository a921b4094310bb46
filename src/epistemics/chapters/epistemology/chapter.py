"""Log entries 1 and 2, what can be known about a network: the argument's steps, each executed on something small.

Three bodies, cellular automata, networks that encode formulas, and trained networks that are asked everything.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from epistemics.analysis.provenance_line import published
from epistemics.analysis.stored_runs import Results
from epistemics.analysis.tables import ABSENT, Numbers, Table, listed, number, percent, ranked_median
from epistemics.chapters.contents import Share
from epistemics.chapters.epistemology import cellular_automata, enumeration, satisfiability, three_body
from epistemics.declared.project import Project

VOCABULARY, CONTEXT = 50_257, 1_024
"""Tokens and positions of GPT-2 (Radford et al. 2019, Language Models are Unsupervised Multitask Learners)."""
CONFIDENCE = 0.95
"""Of the bound on a rate of failures of which none was seen."""


def tables(single: Results) -> dict[str, Table]:
    """What the figures and tables of the chapter show, by name.

    Args:
        single: the results of phase 1.2.
    """
    computed = {
        "growth": three_body.growth(),
        "horizons": three_body.horizons(),
        "predictions": cellular_automata.accuracies(),
        "columns": cellular_automata.properties(),
        "pattern": cellular_automata.pattern(),
        "by_size": satisfiability.by_size(),
        "by_ratio": satisfiability.by_ratio(),
        "by_enumeration": satisfiability.by_enumeration(),
    }
    asked = {"verdicts": enumeration.verdicts(single)}
    return published(__name__, computed) | published(__name__, asked, single)


def bound(trials: int) -> float:
    """The highest rate of failures with which so many trials go well at least once in twenty times."""
    return 1 - float((1 - CONFIDENCE) ** (1 / trials))


def numbers(tables: Mapping[str, Table]) -> Numbers:
    """The numbers of the chapter's prose."""
    return {
        **_of_three_bodies(tables["growth"], tables["horizons"]),
        **_of_automata(tables["predictions"], tables["columns"]),
        **_of_formulas(tables["by_size"], tables["by_ratio"], tables["by_enumeration"]),
        **_of_networks(tables["verdicts"]),
    }


def _of_three_bodies(growth: Table, horizons: Table) -> dict[str, str]:
    buys = three_body.per_digit(horizons.where(rounded="start"), "triple")
    most = horizons.where(system="triple", rounded="start", digits=max(three_body.OFFSETS)).column("horizon")[0]
    triangle = horizons.where(system="triangle", digits=max(three_body.TRIANGLE_ARITHMETIC)).column("horizon")[0]
    return {
        "doubling": number(three_body.doubling_time(growth), 1),
        "triple_digit": number(buys, 1),
        "triangle_digit": number(three_body.per_digit(horizons, "triangle"), 2),
        "triangle_known": number(three_body.TRIANGLE_DIGIT, 2),
        "lost": f"{three_body.LOST:g}",
        "offsets": listed([str(digits) for digits in three_body.OFFSETS]),
        "most_digits": str(max(three_body.OFFSETS)),
        "triangle_horizon": number(triangle, 1),
        "horizon": number(most, 1),
        "a_hundred_more": number(100 / buys),
        "triangle_digits": str(max(three_body.TRIANGLE_ARITHMETIC)),
        "reference": str(three_body.REFERENCE),
    }


def _of_automata(predictions: Table, columns: Table) -> Numbers:
    simple = predictions.where(sequence="rule 30").column("accuracy")
    ninety = predictions.where(sequence="rule 90")
    others = [r["accuracy"] for r in ninety.records() if r["predictor"] != "linear recurrence"]
    last = f"last {max(cellular_automata.GRAMS)}"
    held = cellular_automata.LENGTH // 2
    return {
        "bits": number(cellular_automata.LENGTH),
        "sampling": percent(2 * math.sqrt(0.25 / held), 1),
        "rule_30": {
            "least": percent(min(simple), 1),
            "most": percent(max(simple), 1),
            "length": number(columns.where(sequence="rule 30").column("recurrence")[0]),
        },
        "rule_90": {
            "least": percent(min(others), 1),
            "most": percent(max(others), 1),
            "linear": percent(ninety.where(predictor="linear recurrence").column("accuracy")[0]),
            "length": number(columns.where(sequence="rule 90").column("recurrence")[0]),
        },
        "rule_110": {"last": percent(predictions.where(sequence="rule 110", predictor=last).column("accuracy")[0], 1)},
        "rule_250": {"last": percent(predictions.where(sequence="rule 250", predictor=last).column("accuracy")[0])},
        "predictors": str(len(cellular_automata.PREDICTORS)),
        "others": str(len(cellular_automata.PREDICTORS) - 1),
        "last_bits": str(max(cellular_automata.GRAMS)),
        "ring": str(cellular_automata.RING),
    }


def _of_formulas(by_size: Table, by_ratio: Table, by_enumeration: Table) -> dict[str, str]:
    def conflicts(variables: int) -> float | None:
        return ranked_median(by_size.where(variables=variables).column("conflicts"))

    def at(ratio: float) -> float | None:
        return ranked_median(by_ratio.where(ratio=ratio).column("conflicts"))

    smallest, largest = min(satisfiability.SIZES), max(satisfiability.SIZES)
    agree = sum(r["holds"] == r["solver_holds"] for r in by_enumeration.records())
    per_variable = satisfiability.growth(by_size, "conflicts")
    return {
        "hard": f"{satisfiability.HARD:g}",
        "smallest": str(smallest),
        "largest": str(largest),
        "smallest_conflicts": number(conflicts(smallest)),
        "largest_conflicts": number(conflicts(largest)),
        "tried_growth": number(satisfiability.growth(by_enumeration, "inputs"), 2),
        "conflict_growth": number(per_variable, 3),
        "conflict_doubling": number(math.log(2) / math.log(per_variable)),
        "enumerated": str(max(satisfiability.ENUMERATED)),
        "agree": str(agree),
        "compared": str(len(by_enumeration)),
        "at_ratios": str(satisfiability.AT_RATIOS),
        "least_ratio": f"{min(satisfiability.RATIOS):g}",
        "most_ratio": f"{max(satisfiability.RATIOS):g}",
        "least_ratio_conflicts": number(at(min(satisfiability.RATIOS))),
        "hard_ratio_conflicts": number(at(satisfiability.HARD)),
        "most_ratio_conflicts": number(at(max(satisfiability.RATIOS))),
    }


def _of_networks(verdicts: Table) -> dict[str, str]:
    right = sum(wrong == 0 for wrong in verdicts.column("wrong"))
    symmetric = sum(pairs == 0 for pairs in verdicts.column("asymmetric_pairs"))
    inputs, pairs, one_unseen = ABSENT, ABSENT, ABSENT
    if len(verdicts):
        asked = verdicts.column("inputs")[0]
        inputs, pairs = number(asked), number(verdicts.column("pairs")[0])
        one_unseen = percent(enumeration.unseen(1, asked))
    return {
        "networks": str(len(verdicts)),
        "inputs": inputs,
        "pairs": pairs,
        "all_right": str(right),
        "all_symmetric": str(symmetric),
        "sample": str(enumeration.SAMPLE),
        "one_unseen": one_unseen,
        "bound": percent(bound(enumeration.SAMPLE), 1),
        "vocabulary": number(VOCABULARY),
        "context": number(CONTEXT),
        "language_inputs": f"10^{math.floor(CONTEXT * math.log10(VOCABULARY)):,}^",
    }


def share(project: Project) -> Share:
    """What the chapter gives to its prose and to readers; see ``contents``."""
    from epistemics.chapters.phase_1_2 import chapter as phase_1_2

    made = tables(phase_1_2.load(project))
    return numbers(made), made
