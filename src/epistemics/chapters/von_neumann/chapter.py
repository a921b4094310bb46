"""Log entry 5: a machine that makes itself, how faithfully its tape has to be copied, and goals that can be exchanged.

The machine is ``constructor``'s; the populations of tapes are ``tapes``'s. Nothing here is trained or stored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product

from epistemics.analysis.provenance_line import published, traced
from epistemics.analysis.tables import Numbers, Shown, Table, Value, number, percent, spread, table_of
from epistemics.chapters.contents import Share
from epistemics.chapters.von_neumann.constructor import (
    ELEMENTS,
    GAP,
    ORGANS,
    REPRODUCER,
    SYMBOLS,
    Machine,
    breeds_true,
    constructs,
    describe,
    line,
    live,
)
from epistemics.chapters.von_neumann.tapes import Growth, grow, highest_kept, longest, threshold
from epistemics.declared.project import Project

ORGAN_NAMES = ("A", "B", "C", "D")
GENERATIONS = 5
"""How far a line is followed."""

PUBLISHED = {
    "swe_bench": "1.96%",  # issues resolved by the best model, Claude 2, when SWE-bench appeared (Jimenez et al. 2024)
    "horizon": "50 minutes",  # the best model's, Claude 3.7 Sonnet, at 50% success (Kwa et al. 2025)
    "horizon_doubles": "seven months",  # over 2019 to 2025 (Kwa et al. 2025)
    "re_bench_short": "2 hours",  # a task, in which the best agents score 4 times what experts do (Wijk et al. 2024)
    "re_bench_ratio": "four",
    "re_bench_long": "8 hours",  # a task, in which experts narrowly score more (Wijk et al. 2024)
    "evolve_training": "1%",  # of Gemini's training time, by a kernel that AlphaEvolve found (Novikov et al. 2025)
    "drake_rate": "0.0033",  # mutations for each genome and replication, in microbes with DNA (Drake 1991)
    "drake_sizes": "6,500",  # from the shortest to the longest of these genomes (Drake 1991)
}
"""What sources report, as they report it."""


# 1. The machine


def trace() -> Table:
    """One self-reproduction: everything that is joined to the offspring, in order."""
    return table_of(
        [
            {
                "turn": joining.turn,
                "organ": ORGAN_NAMES[joining.organ],
                "position": joining.position,
                "symbol": REPRODUCER.tape[joining.position],
                "joined": joining.joined,
                "use": "interpreted" if joining.interpreted else "copied",
            }
            for joining in live(REPRODUCER).joinings
        ]
    )


def _with(organ: int, word: str) -> Machine:
    """The machine with another organ, in its body and on its tape."""
    body = (*ORGANS[:organ], word, *ORGANS[organ + 1 :])
    return Machine(body, describe(body))


def _without(organ: int) -> Machine:
    """The machine with a tape that is silent about one organ."""
    return Machine(ORGANS, describe((*ORGANS[:organ], "", *ORGANS[organ + 1 :])))


def _longer(machine: Machine) -> Machine:
    """A symbol is added to the tape, at the end of D's description."""
    return Machine(machine.body, machine.tape + "x")


CASES: dict[str, tuple[Machine, Callable[[Machine], Machine]]] = {
    "A + B + C + D and Φ of them": (REPRODUCER, lambda machine: machine),
    "Φ(D) longer by a symbol each time": (REPRODUCER, _longer),
    "Φ(D) changed once, to xxz": (Machine(ORGANS, REPRODUCER.tape.replace("xyz", "xxz")), lambda machine: machine),
    "Φ(A) changed once, to rxj": (Machine(ORGANS, REPRODUCER.tape.replace("rmj", "rxj")), lambda machine: machine),
    "C without the use of B": (_with(2, "USP"), lambda machine: machine),
    "Φ without A": (_without(0), lambda machine: machine),
    "Φ without B": (_without(1), lambda machine: machine),
    "Φ(D) alone: it makes a ware": (Machine(ORGANS, "xyz"), lambda machine: machine),
    "no tape": (Machine(ORGANS, ""), lambda machine: machine),
}
"""Machines, and what befalls the tape of each generation before it is read."""


def lines() -> Table:
    """Each case's first machine and its descendants, with their size; 0 where there is none."""
    rows: list[dict[str, Value]] = []
    for case, (machine, mutate) in CASES.items():
        descent: list[Machine | None] = [*line(machine, GENERATIONS, mutate)]
        descent += [None] * (GENERATIONS + 1 - len(descent))
        for generation, one in enumerate(descent):
            rows.append(
                {
                    "case": case,
                    "generation": generation,
                    "body": "" if one is None else GAP.join(one.body),
                    "tape": "" if one is None else one.tape,
                    "size": 0 if one is None else one.size,
                }
            )
    return table_of(rows)


@traced
def descent(lines: Table) -> Shown:
    """The lines for reading: the child, and the size of four generations."""
    rows = []
    for case in CASES:
        own = lines.where(case=case)
        bodies, tapes, sizes = own.column("body"), own.column("tape"), own.column("size")
        child = [f"`{bodies[1]}`" if bodies[1] else "none", f"`{tapes[1]}`" if tapes[1] else "none"]
        rows.append([case, *child, ", ".join(str(size) for size in sizes[:4])])
    return Shown(["The machine", "Its child's body", "and tape", "Sizes"], rows, left=3)


def mutations() -> Table:
    """Every change of one symbol of the tape, and whether it is inherited: the child and all after it breed true."""
    rows: list[dict[str, Value]] = []
    for position, symbol in enumerate(REPRODUCER.tape):
        part = "gaps" if symbol == GAP else f"Φ({ORGAN_NAMES[REPRODUCER.tape[:position].count(GAP)]})"
        for other in SYMBOLS:
            if other != symbol:
                tape = REPRODUCER.tape[:position] + other + REPRODUCER.tape[position + 1 :]
                child = live(Machine(ORGANS, tape)).offspring
                rows.append(
                    {
                        "part": part,
                        "position": position,
                        "changed_to": other,
                        "tape": tape,
                        "inherited": child is not None and child.tape == tape and breeds_true(child),
                    }
                )
    return table_of(rows)


@traced
def by_part(mutations: Table) -> Shown:
    """The changes counted by the part of the tape that they hit."""
    rows = []
    for part in (*(f"Φ({name})" for name in ORGAN_NAMES), "gaps"):
        own = mutations.where(part=part)
        kept = own.where(inherited=True)
        where = sorted({REPRODUCER.tape[position] for position in kept.column("position")})
        rows.append(
            [
                part,
                str(len(set(own.column("position")))),
                str(len(own)),
                str(len(kept)),
                str(len(own) - len(kept)),
                ", ".join(f"`{symbol}`" for symbol in where) or "–",
            ]
        )
    headings = ["Part of Φ", "Symbols", "Changes", "Inherited", "The line ends", "Inherited where it was"]
    return Shown(headings, rows)


# 2. Tapes copied with errors

SUPERIORITY = 10.0
LENGTHS = (16, 24, 36, 54, 80, 120)
POPULATION = 1000
COPIES = 200
"""Generations after which a master that is still there counts as kept."""
SEEDS = (0, 1, 2, 3, 4)


def thresholds() -> Table:
    """The highest error rate at which a tape is kept, by length and seed, beside Eigen's."""
    return table_of(
        [
            {
                "length": length,
                "seed": seed,
                "error_rate": round(highest_kept(length, SUPERIORITY, POPULATION, COPIES, seed), 6),
                "expected": round(threshold(length, SUPERIORITY), 6),
            }
            for length in LENGTHS
            for seed in SEEDS
        ]
    )


GROWTHS = {
    "collapses": Growth(error_rate=0.2),
    "short": Growth(error_rate=0.05),
    "long": Growth(error_rate=0.02),
    "improving": Growth(error_rate=0.05, improving=True),
}
"""Settings of the populations that grow; all begin with tapes of one length."""
EVERY = 10
"""Generations between two that are kept."""


def growth() -> Table:
    """Paid symbols and error rate of the fittest tape, along the generations of each setting and seed."""
    rows: list[dict[str, Value]] = []
    for name, settings in GROWTHS.items():
        for seed, lengths, rates in zip(SEEDS, *grow(settings, SEEDS), strict=True):
            for generation in range(0, settings.generations + 1, EVERY):
                rows.append(
                    {
                        "setting": name,
                        "seed": seed,
                        "generation": generation,
                        "length": int(lengths[generation]),
                        "error_rate": round(float(rates[generation]), 8),
                    }
                )
    return table_of(rows)


# 3. Goals

WORD = 3
"""Elements of a goal."""
OTHERS = (("XYZ",), ("RWJ", "", "PSVU"), ("".join(ELEMENTS),))
"""Bodies that A is asked to build besides, none of them the machine's own."""


def _designs(goal: str) -> Iterator[tuple[str, Machine]]:
    """The machine with a goal: in a part of the tape of its own, or in the part that is A's too."""
    separate = (*ORGANS[:3], goal)
    yield "separate", Machine(separate, describe(separate))
    tied = (goal, *ORGANS[1:3], goal)
    yield "tied", Machine(tied, describe(tied))


def goals() -> Table:
    """Every goal of ``WORD`` elements in both designs, and what the machine can do with it."""
    rows: list[dict[str, Value]] = []
    for letters in product(ELEMENTS, repeat=WORD):
        goal = "".join(letters)
        for design, machine in _designs(goal):
            rows.append(
                {
                    "design": design,
                    "goal": goal,
                    "pursued": live(machine).product == goal,
                    "reproduces": breeds_true(machine),
                    "builds_others": all(constructs(machine, body) for body in OTHERS),
                }
            )
    return table_of(rows)


@traced
def by_design(goals: Table) -> Shown:
    """How many of the goals leave each ability."""
    names = {"separate": "D has a part of its own", "tied": "D and A share one part"}
    rows = []
    for design, name in names.items():
        own = goals.where(design=design)
        counts = [number(len(own.where(**{column: True}))) for column in ("pursued", "reproduces", "builds_others")]
        rows.append([name, number(len(own)), *counts])
    return Shown(["On the tape", "Goals", "Pursued", "Reproduces itself", "Builds other bodies"], rows)


def tables() -> dict[str, Table]:
    """What the figures and tables of the chapter show, by name."""
    return published(
        __name__,
        {
            "trace": trace(),
            "lines": lines(),
            "mutations": mutations(),
            "thresholds": thresholds(),
            "growth": growth(),
            "goals": goals(),
        },
    )


def numbers(tables: dict[str, Table]) -> Numbers:
    """The numbers of the chapter's prose."""
    changed, limits, grown, swapped = (tables[name] for name in ("mutations", "thresholds", "growth", "goals"))
    able = swapped.where(design="tied", reproduces=True).column("goal")
    found: Numbers = {
        "turns": str(live(REPRODUCER).turns),
        "elements": str(sum(map(len, ORGANS))),
        "symbols": str(len(REPRODUCER.tape)),
        "size": str(REPRODUCER.size),
        "kinds": str(len(ELEMENTS)),
        "changes": str(len(changed)),
        "inherited": str(len(changed.where(inherited=True))),
        "inherited_a_b": str(sum(len(changed.where(part=f"Φ({name})", inherited=True)) for name in "AB")),
        "changes_a_b": str(sum(len(changed.where(part=f"Φ({name})")) for name in "AB")),
        "inherited_d": str(len(changed.where(part="Φ(D)", inherited=True))),
        "changes_d": str(len(changed.where(part="Φ(D)"))),
        "superiority": number(SUPERIORITY),
        "population": number(POPULATION),
        "copies": number(COPIES),
        "seeds": str(len(SEEDS)),
        "below_line": spread([r["error_rate"] / r["expected"] for r in limits.records()], lambda value: percent(value)),
        "longest_at_1": number(longest(0.01, SUPERIORITY)),
        "word": str(WORD),
        "other_bodies": str(len(OTHERS)),
        "goals": number(len(swapped.where(design="separate"))),
        "goals_able": number(len(swapped.where(design="separate", reproduces=True, pursued=True, builds_others=True))),
        "tied_able": number(len(able)),
        "tied_words": " and ".join(f"`{word}`" for word in able),
    }
    for name, settings in GROWTHS.items():
        last = grown.where(setting=name, generation=settings.generations)
        found[name] = {
            "rate": percent(settings.error_rate),
            "ceiling": number(settings.ceiling),
            "lead": number(settings.lead, 0 if settings.lead > 10 else 1),
            "end": spread(last.column("length")),
            "rate_end": spread(last.column("error_rate"), lambda value: percent(value, 2)),
        }
    any_of = GROWTHS["short"]
    found |= {
        "start": str(any_of.start),
        "payment": f"{any_of.payment:g}",
        "doubling": f"{2**any_of.payment:g}",
        "change": percent(any_of.change),
        "improvement": percent(any_of.improvement),
        "grown_population": number(any_of.population),
        **{f"published_{name}": reported for name, reported in PUBLISHED.items()},
    }
    return found


def share(_: Project) -> Share:
    """What the chapter gives to its prose and to readers; see ``contents``."""
    made = tables()
    return numbers(made), made
