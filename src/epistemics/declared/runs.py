"""Planned runs: what one is, what names it, and how several are joined.

A run is a configuration with its place in an experiment file. Its key names its result in the store, so that two runs
of one configuration are one result; its model is what tables call it, whatever its seed.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from epistemics.study import ON_REQUEST, Configuration, distinguishing, label

CONTINUES = "continues"
"""The setting by which a run begins with the parameters of another."""


@dataclass(frozen=True)
class Run:
    """One planned run."""

    experiment: str
    profile: str
    group: str
    configuration: Configuration
    keep_weights: bool
    """Whether the parameters at the end are stored, because a chapter dissects them."""
    told_apart: str = ""
    """What its label says besides: its modulus and its steps, where the runs of its experiment differ in them."""
    model: str = ""
    """What its model is called in tables and figures, whatever its seed: its group's label, or the group's name."""
    base: Configuration | None = None
    """The same run without what its group sets and varies, as far as there are defaults; None if it was not planned
    by a file."""
    continues: Run | None = None
    """The run whose parameters at its end are this one's at step 0; None if they are drawn."""
    awaited: bool = False
    """Whether it is of a seed that is chosen and that no chapter reads yet, be it stored or not."""
    measure: tuple[str, ...] = ()
    """The families of measures that its result is to have besides those of every result: of ``study.ON_REQUEST``."""

    @cached_property  # tables name the run in each of their rows
    def key(self) -> str:
        return configuration_key(self.configuration)

    @property
    def label(self) -> str:
        """What tells this run from its neighbours, for people."""
        words = [label(self.configuration), self.told_apart, f"seed {self.configuration.seed}"]
        said = " ".join(filter(None, words))
        return said if self.continues is None else said.replace(self.continues.key, self.continues.named)

    @property
    def named(self) -> str:
        """By experiment and model, as another continues it."""
        return f"{self.experiment}/{self.model}"


def configuration_key(configuration: Configuration) -> str:
    """16 hexadecimal digits of the canonical configuration: a result's name in the store.

    Values at their defaults are left out, so that a new field with one renames no result.
    """
    values = dataclasses.asdict(configuration)
    for setting in dataclasses.fields(configuration):
        if values[setting.name] == setting.default:
            del values[setting.name]
    canonical = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def namesakes(runs: Iterable[Run]) -> Iterator[tuple[Run, str]]:
    """For each model's name under which runs differ in more than the seed: the first run that does, and what is wrong.

    They would be taken for seeds of one model. What is wrong reads on after the text that gives the name.
    """
    called: dict[str, list[Run]] = {}
    for run in runs:
        called.setdefault(run.model, []).append(run)
    for model, so_called in called.items():
        settings = [{**dataclasses.asdict(run.configuration), **_of_any_seed(run)} for run in so_called]
        differing = [key for key, value in settings[0].items() if any(other[key] != value for other in settings)]
        if differing:
            first, run = so_called[0], so_called[next(i for i, own in enumerate(settings) if own != settings[0])]
            where = f"group {first.group!r}" + (f" of {first.experiment}" if first.experiment != run.experiment else "")
            braces = " ".join(f"{{{key}}}" for key in differing)
            yield (
                run,
                f"calls a model «{model}», and so is one of {where} called, which differs in more than the seed; "
                f"labels must tell them apart, as by {braces}",
            )


def _of_any_seed(run: Run) -> dict[str, Any]:
    """The settings that differ with the seed, without it: a run continues the run of a model that has its own seed."""
    first = run.continues
    return {"seed": 0, **({CONTINUES: first.named} if first else {})}


def told_apart(runs: list[Run]) -> list[Run]:
    """The runs, with what the study says of it in their labels where they differ."""
    said = [distinguishing(run.configuration) for run in runs]
    differing = [key for key in said[0] if len({one[key] for one in said}) > 1] if runs else []
    return [
        dataclasses.replace(run, told_apart=" ".join(one[key] for key in differing))
        for run, one in zip(runs, said, strict=True)
    ]


def once(runs: Iterable[Run]) -> list[Run]:
    """Runs, each once: the last of those with one key, with all that any of them asks for; awaited only if all are."""
    found: dict[str, Run] = {}
    for run in runs:
        other = found.get(run.key, run)
        found[run.key] = dataclasses.replace(
            run,
            keep_weights=run.keep_weights or other.keep_weights,
            measure=families(run.measure, other.measure),
            awaited=run.awaited and other.awaited,
        )
    return list(found.values())


def with_continued(runs: Iterable[Run]) -> list[Run]:
    """Runs, and before each those that it continues, which have to keep their parameters; none twice."""
    found: list[Run] = []

    def add(run: Run) -> None:
        if run.continues is not None:
            add(dataclasses.replace(run.continues, keep_weights=True))
        found.append(run)

    for run in runs:
        add(run)
    return once(found)


def families(some: Sequence[str], others: Sequence[str]) -> tuple[str, ...]:
    """The families of both, each once, in the order of their table."""
    return tuple(family for family in ON_REQUEST if family in some or family in others)
