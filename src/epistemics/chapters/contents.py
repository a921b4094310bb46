"""What each chapter shows besides the outputs of its cells: variables for its prose, and tables for readers.

A function for each chapter; ``prepared`` calls them by name. A variable is shown as ``{{< var chapter.name >}}``, and a
table lies in ``data/chapter.name.csv``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from epistemics.analysis.stored_runs import load_every
from epistemics.analysis.tables import Table
from epistemics.chapters.adversarial import chapter as adversarial
from epistemics.chapters.adversarial import sweep as adversarial_sweep
from epistemics.chapters.baselines import chapter as baselines
from epistemics.chapters.batch_size import chapter as batch_size
from epistemics.chapters.cluster import chapter as cluster
from epistemics.chapters.code import chapter as code
from epistemics.chapters.debate import chapter as debate
from epistemics.chapters.epistemology import chapter as epistemology
from epistemics.chapters.full_length import chapter as full_length
from epistemics.chapters.input_robustness import chapter as input_robustness
from epistemics.chapters.joint import chapter as joint
from epistemics.chapters.joint import search as joint_search
from epistemics.chapters.ledger import chapter as ledger
from epistemics.chapters.phase_1_1 import chapter as phase_1_1
from epistemics.chapters.phase_1_2 import chapter as phase_1_2
from epistemics.chapters.precision import chapter as precision
from epistemics.chapters.runs import chapter as runs
from epistemics.chapters.scaling_laws import chapter as scaling_laws
from epistemics.chapters.trilemma import chapter as trilemma
from epistemics.chapters.von_neumann import chapter as von_neumann
from epistemics.declared.project import Project
from epistemics.lab import canary

Share = tuple[Mapping[str, Any], Mapping[str, Table]]
"""Variables by name, each a text or a mapping of such, and tables by name."""


def of_epistemology(project: Project) -> Share:
    tables = epistemology.tables(phase_1_2.load(project))
    return epistemology.numbers(tables), tables


def of_debate(_: Project) -> Share:
    tables = debate.tables()
    return debate.numbers(tables), tables


def of_von_neumann(_: Project) -> Share:
    tables = von_neumann.tables()
    return von_neumann.numbers(tables), tables


def of_scaling_laws(_: Project) -> Share:
    return scaling_laws.numbers(), scaling_laws.tables()


def of_phase_1_1(project: Project) -> Share:
    one = phase_1_1.load(project)
    return phase_1_1.numbers(one, ledger.by_id(project)), phase_1_1.tables(one)


def of_phase_1_2(project: Project) -> Share:
    two = phase_1_2.load(project)
    return phase_1_2.numbers(two, ledger.by_id(project)), phase_1_2.tables(two)


def of_baselines(project: Project) -> Share:
    tables = baselines.tables(phase_1_2.load(project), baselines.load(project))
    return baselines.numbers(tables), tables


def of_input_robustness(project: Project) -> Share:
    single = input_robustness.load(project)
    tables = input_robustness.tables(single)
    return input_robustness.numbers(single, tables), tables


def of_batch_size(project: Project) -> Share:
    sizes, single = batch_size.load(project), phase_1_2.load(project)
    return batch_size.numbers(sizes, single, ledger.by_id(project)), batch_size.tables(sizes, single)


def of_full_length(project: Project) -> Share:
    long = full_length.load(project)
    return full_length.numbers(long, joint.load(project), ledger.by_id(project)), full_length.tables(long)


def of_joint(project: Project) -> Share:
    both, search = joint.load(project), joint_search.load(project)
    single, claims = phase_1_2.load(project), ledger.by_id(project)
    numbers = joint.numbers(both, single, claims) | joint_search.numbers(search, single, claims)
    return numbers, joint.tables(both) | joint_search.tables(search, single, claims)


def of_adversarial(project: Project) -> Share:
    all_of_them, sweep = adversarial.load(project), adversarial_sweep.load(project)
    numbers = adversarial.numbers(all_of_them, ledger.by_id(project)) | adversarial_sweep.numbers(sweep, all_of_them)
    return numbers, adversarial.tables(all_of_them) | adversarial_sweep.tables(sweep)


def of_trilemma(project: Project) -> Share:
    all_of_them, single = trilemma.load(project), trilemma.load_single(project)
    return trilemma.numbers(all_of_them, single, ledger.by_id(project)), trilemma.tables(all_of_them, single)


def of_precision(project: Project) -> Share:
    three = precision.load(project)
    return precision.numbers(three), precision.tables(three)


def of_code(_: Project) -> Share:
    return code.numbers(canary.STEPS), code.tables()


def of_cluster(project: Project) -> Share:
    known = cluster.costs(project)
    return cluster.numbers(known), cluster.tables(known)


def of_ledger(project: Project) -> Share:
    judgements = ledger.judgements(project)
    return ledger.numbers(judgements), {"judgements": ledger.table(judgements)}


def of_runs(project: Project) -> Share:
    every = load_every(project)
    listed = {name.replace("-", "_"): results for name, results in every.items()}
    return (
        {name: runs.numbers(results) for name, results in listed.items()} | {"all": runs.numbers(runs.of_all(every))},
        {name: runs.runs(results) for name, results in listed.items()},
    )
