"""Experiment files: YAML to frozen dataclasses, with every error named by file, key and value.

A file declares an experiment once and its runs twice: ``paper`` is the log's scale, ``smoke`` the same code over
seconds. A group of runs is the file's ``defaults``, the profile's, what the group sets, every combination of what
it varies, and its seeds; ``runs_of`` takes over the runs of another experiment instead. A group may begin with the
parameters of another's models: ``continues: EXPERIMENT/MODEL`` is the run of that model with the same seed. Seeds that
are chosen before they are trained are declared as ``awaited``: no chapter reads them until they are moved to ``seeds``,
a group's at once, so that no figure moves seed by seed as they arrive.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path
from string import Formatter
from typing import Any, get_args, get_origin, get_type_hints

from epistemics.declared.runs import CONTINUES, Run, families, namesakes, told_apart
from epistemics.declared.sections import MARKUP, Section, SpecificationError, not_a_line, number_meant, read
from epistemics.study import BASELINE, ON_REQUEST, Configuration, faults, must_continue

PROFILES = ("paper", "smoke")

CLAIMS = "claims.yaml"
"""The file beside the experiments that holds what the log claims; see ``claims``."""

NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
NAME_IS = "small letters, digits and single hyphens, beginning with a letter: it stands in labels and addresses"

LONGEST = 80
"""Characters of a model's or group's name: it stands in tables and figures."""


def fit_name(text: str) -> str:
    """The name that is nearest to a text."""
    name = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    return name if NAME.fullmatch(name) else f"experiment-{name}".strip("-")


@dataclass(frozen=True)
class Experiment:
    """One experiment file under one profile."""

    name: str
    title: str
    entry: int
    """Number of the log entry that it follows."""
    profile: str
    runs: tuple[Run, ...]
    """What chapters read."""
    awaited: tuple[Run, ...] = ()
    """What they will read once its seeds are moved to ``seeds``."""


def experiment_names(folder: Path) -> list[str]:
    """Names of the experiment files in a folder, sorted; the log's claims are none."""
    return sorted(path.stem for path in folder.glob("*.yaml") if path.name != CLAIMS)


def named_keys(folder: Path) -> set[str]:
    """Keys of every run that an experiment file names, awaited or not, under whatever profile.

    Raises:
        SpecificationError: as ``load_experiment``.
    """
    experiments = (
        load_experiment(folder, name, profile)
        for name in experiment_names(folder)
        for profile in _profiles(read(folder / f"{name}.yaml", f"{folder.name}/{name}.yaml")).content
    )
    return {run.key for experiment in experiments for run in (*experiment.runs, *experiment.awaited)}


def load_experiment(folder: Path, name: str, profile: str = "paper") -> Experiment:
    """``folder/name.yaml`` under one profile; read once, as long as no experiment file has changed.

    Raises:
        SpecificationError: for anything that is wrong in the file.
    """
    files = ((path.name, path.stat()) for path in sorted(folder.glob("*.yaml")))
    return _loaded(folder, name, profile, tuple((name, at.st_ino, at.st_mtime_ns, at.st_size) for name, at in files))


@lru_cache(maxsize=256)
def _loaded(folder: Path, name: str, profile: str, _files: tuple[tuple[str, int, int, int], ...]) -> Experiment:
    return _load(folder, name, profile, ())


def _load(folder: Path, name: str, profile: str, trail: tuple[str, ...]) -> Experiment:
    path = folder / f"{name}.yaml"
    shown = f"{folder.name}/{path.name}"
    if not path.is_file():
        known = ", ".join(experiment_names(folder)) or "none"
        raise SpecificationError(f"{shown}: there is no such experiment; known: {known}")
    if not NAME.fullmatch(name):
        raise SpecificationError(f"{shown}: an experiment's name is of {NAME_IS}; rename it to {fit_name(name)}.yaml")
    if name in trail:
        way = " → ".join((*trail, name))
        raise SpecificationError(f"{shown}: what runs_of and continues name goes round in a circle: {way}")
    if profile not in PROFILES:
        raise SpecificationError(f"profile {profile!r} is unknown; known: {', '.join(PROFILES)}")
    file = read(path, shown)
    file.allow("title", "entry", "defaults", "profiles")
    chosen = _profiles(file).section(profile)
    chosen.allow("defaults", "groups")
    defaults = [file.section("defaults", {}), chosen.section("defaults", {})]
    runs: list[Run] = []
    firsts = _Firsts(folder, name, profile, trail, runs)
    groups: dict[str, Section] = {}  # by the key of a run
    for group in chosen.sections("groups"):
        own_name = group.line("name", LONGEST, MARKUP)
        measure = _measure(group)
        if "runs_of" in group.content:
            group.allow("name", "runs_of", "measure")
            other_name = group.value("runs_of", str)
            if other_name not in (names := experiment_names(folder)):
                group.fail("runs_of", other_name, f"is no experiment; known: {', '.join(names)}")
            other = _load(folder, other_name, profile, (*trail, name))
            taken = (*other.runs, *other.awaited)
            own = [dataclasses.replace(run, experiment=name, group=own_name) for run in taken]
        else:
            own = list(_runs_of_group(group, own_name, name, profile, defaults, firsts))
        own = [dataclasses.replace(run, measure=families(run.measure, measure)) for run in own]
        runs += own
        groups |= {run.key: group for run in own}
    keys = [run.key for run in runs]
    for run in runs:
        if keys.count(run.key) > 1:
            raise SpecificationError(f"{shown}: the run «{run.label}» is declared twice (group {run.group})")
    for run, said in namesakes(runs):
        group = groups[run.key]
        key = next(key for key in ("label", "runs_of", "name") if key in group.content)
        group.fail(key, group.content[key], said)
    runs = told_apart(runs)
    return Experiment(
        name=name,
        title=file.line("title"),
        entry=file.value("entry", int),
        profile=profile,
        runs=tuple(run for run in runs if not run.awaited),
        awaited=tuple(run for run in runs if run.awaited),
    )


def _profiles(file: Section) -> Section:
    profiles = file.section("profiles")
    profiles.allow(*PROFILES)
    return profiles


@dataclass(frozen=True)
class _Firsts:
    """The runs that a group's may continue: those of earlier groups, and of other experiments."""

    folder: Path
    name: str
    profile: str
    trail: tuple[str, ...]
    earlier: list[Run]
    others: dict[str, list[Run]] = field(default_factory=dict)
    """The runs of other experiments that were asked for, which are read once."""

    def run(self, said: Any, seed: int, where: Section) -> Run:
        """The run with this seed of a model that is named as EXPERIMENT/MODEL."""
        experiment, slash, model = said.partition("/") if isinstance(said, str) else ("", "", "")
        if not slash:
            where.fail(CONTINUES, said, "must name an experiment and one of its models, as EXPERIMENT/MODEL")
        if experiment == self.name:
            found = self.earlier
        elif experiment not in (names := experiment_names(self.folder)):
            where.fail(CONTINUES, said, f"names no experiment; known: {', '.join(names)}")
        else:
            if experiment not in self.others:
                other = _load(self.folder, experiment, self.profile, (*self.trail, self.name))
                self.others[experiment] = [*other.runs, *other.awaited]
            found = self.others[experiment]
        of_model = {run.configuration.seed: run for run in found if run.model == model}
        if not of_model:
            known = ", ".join(f"«{name}»" for name in dict.fromkeys(run.model for run in found)) or "none so far"
            where.fail(CONTINUES, said, f"names no model of {experiment} ({self.profile}); its models: {known}")
        if seed not in of_model:
            seeds = ", ".join(map(str, of_model))
            where.fail(CONTINUES, said, f"has no run with seed {seed}; its seeds: {seeds}")
        return of_model[seed]


def _runs_of_group(
    group: Section, own_name: str, name: str, profile: str, defaults: list[Section], firsts: _Firsts
) -> Iterator[Run]:
    group.allow("name", "label", "set", "vary", "seeds", "awaited", "keep_weights", "measure")
    vary = group.section("vary", {})
    for key, values in vary.content.items():
        if not isinstance(values, list) or not values:
            vary.fail(key, values, "must be a list of values, one for each run")
    awaited = _seeds(group, "awaited") if "awaited" in group.content else []
    seeds = _seeds(group, "seeds") if "seeds" in group.content or not awaited else []
    if both := [seed for seed in awaited if seed in seeds]:
        group.fail("awaited", awaited, f"holds {both[0]}, which is in seeds too; take it out of one of the two")
    declared = [*seeds, *awaited]
    kept = group.value("keep_weights", list, [])
    if not all(type(seed) is int and seed in declared for seed in kept):
        group.fail("keep_weights", kept, f"must name seeds of this group, which are {declared}")
    fixed_here = group.section("set", {})
    for key in vary.content:
        if key in fixed_here.content:
            fixed_here.fail(key, fixed_here.content[key], "is varied by the same group; take it out of one of the two")
    sections = [*defaults, fixed_here, vary]
    places = {key: section for section in sections for key in section.content}
    if "seed" in places:
        places["seed"].fail("seed", places["seed"].content["seed"], "has its place in a group's seeds")
    fixed = {key: value for section in sections for key, value in section.content.items()}
    standing: dict[str, Any] = {}
    for combination in itertools.product(*vary.content.values()):
        for seed in declared:
            settings = {**fixed, **dict(zip(vary.content, combination, strict=True)), "seed": seed}
            first = None
            if settings.get(CONTINUES):
                named = settings[CONTINUES]
                first = firsts.run(named, seed, places[CONTINUES])
                settings[CONTINUES] = first.key
            configuration = configuration_from(settings, places, group)
            if first is not None and (requirement := must_continue(configuration, first.configuration)):
                places[CONTINUES].fail(CONTINUES, named, requirement)
            standing = standing or _standing(defaults)  # which the check above has let through
            model = _model(group, own_name, list(vary.content), configuration, first)
            yield Run(
                name,
                profile,
                own_name,
                configuration,
                keep_weights=seed in kept,
                model=model,
                base=dataclasses.replace(configuration, **standing),
                continues=first,
                awaited=seed in awaited,
            )


def _seeds(group: Section, key: str) -> list[int]:
    seeds: list[int] = group.value(key, list)
    if not seeds or not all(type(seed) is int and 0 <= seed < 2**64 for seed in seeds):
        group.fail(key, seeds, "must hold at least one integer, and none below 0 or from 2^64 on")
    return seeds


def _measure(group: Section) -> tuple[str, ...]:
    """The families of measures that a group asks for."""
    asked: list[str] = group.value("measure", list, [])
    for family in asked:
        if type(family) is not str or family not in ON_REQUEST:
            known = ", ".join(ON_REQUEST) or "none"
            group.fail("measure", asked, f"holds {family!r}; families that can be asked for: {known}")
    return tuple(asked)


def _model(
    group: Section, own_name: str, varied: Sequence[str], configuration: Configuration, first: Run | None
) -> str:
    """What the model of one configuration is called: by the label, or by the name and whatever is varied.

    A label has settings in braces, in the manner of ``str.format``.
    """
    values = {key: value for key, value in dataclasses.asdict(configuration).items() if key != "seed"}
    if first is not None:  # its key is another for each seed
        values[CONTINUES] = first.named
    if "label" not in group.content:
        return ", ".join([own_name, *(f"{key.replace('_', ' ')} {_written(values[key])}" for key in varied)])
    label = group.line("label", barred=MARKUP)
    filled = {key: _written(value) if isinstance(value, tuple) else value for key, value in values.items()}
    try:
        named = [(key, form or "") for _, key, form, _ in Formatter().parse(label) if key is not None]
        unknown = next((key for key, _ in named if key not in values), None)
        if any(re.search(r"[{}]|\d{3}", form) for _, form in named):  # it could fill the memory
            raise ValueError("such a format is more than a label needs")
        model = "" if unknown is not None else str(label.format_map(filled))
    except (ValueError, TypeError, OverflowError) as error:  # the last: {steps:c}, of no character
        group.fail("label", label, f"can't be filled in: {error}; a setting in braces is written as {{d_model}}")
    if unknown is not None:
        group.fail("label", label, f"names {unknown!r} in braces, which is no setting of a model")
    if fault := not_a_line(model, LONGEST, MARKUP):
        group.fail("label", label, fault)
    return model


def _written(value: Any) -> str:
    if isinstance(value, tuple):
        return "+".join(map(str, value))
    short = f"{value:g}" if isinstance(value, float) else ""
    return short if short and float(short) == value else str(value)


def _standing(defaults: Sequence[Section]) -> dict[str, Any]:
    """Every setting's default, where it has one: the profile's, the file's, or else that of all runs."""
    hints = _hints()
    fields = dataclasses.fields(Configuration)
    values = {field.name: field.default for field in fields if field.default is not dataclasses.MISSING}
    for section in defaults:
        values |= {key: _typed(value, hints[key], section, key) for key, value in section.content.items()}
    return values


@cache
def _hints() -> Mapping[str, Any]:
    """The type of each setting; working them out takes longer than all else that is done for a run."""
    return get_type_hints(Configuration)


def configured(**settings: Any) -> Configuration:
    """The log's baseline with some settings changed, which are checked as an experiment file's are.

    Raises:
        SpecificationError: a ValueError, for an unknown setting, a wrong type or a value out of range.
    """
    given = {key: list(value) if isinstance(value, tuple) else value for key, value in settings.items()}
    standing = dataclasses.asdict(BASELINE).items()
    known = {key: list(value) if isinstance(value, tuple) else value for key, value in standing}
    return configuration_from(known | given, {}, Section("configured", "", given, {}))


def configuration_from(settings: Mapping[str, Any], places: Mapping[str, Section], group: Section) -> Configuration:
    """A checked configuration.

    Args:
        settings: key → value.
        places: where in the file a key was given, if not in the group itself.

    Raises:
        SpecificationError: for an unknown key, a missing one, a wrong type or a value out of range.
    """
    hints = _hints()
    for key, value in settings.items():
        if key not in hints:
            places.get(key, group).fail(key, value, f"is unknown; known keys: {', '.join(hints)}")
    optional = {field.name for field in dataclasses.fields(Configuration) if field.default is not dataclasses.MISSING}
    values = {}
    for key, hint in hints.items():
        if key not in settings and key in optional:
            continue
        if key not in settings:
            raise SpecificationError(f"{group.path_to(key)} is missing; it must be {_described(hint)}")
        values[key] = _typed(settings[key], hint, places.get(key, group), key)
    configuration = Configuration(**values)
    for key, requirement in faults(configuration):
        places.get(key, group).fail(key, settings.get(key, getattr(configuration, key)), requirement)
    return configuration


def _typed(value: Any, hint: Any, where: Section, key: str) -> Any:
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        with suppress(OverflowError):  # a whole number that no float can be
            if math.isfinite(value):
                return float(value)
        return where.fail(key, value, "must be finite")
    if hint in (int, bool, str) and type(value) is hint:
        return value
    if hint == int | None and (value is None or type(value) is int):
        return value
    if hint == float | None and value is None:
        return value
    if hint == float | None and isinstance(value, int | float) and not isinstance(value, bool):
        return _typed(value, float, where, key)
    if get_origin(hint) is tuple and isinstance(value, list):
        of = get_args(hint)[0]
        if all(type(v) is of or (of is float and type(v) is int) for v in value):
            return tuple(_typed(v, of, where, key) for v in value)
    return where.fail(key, value, f"must be {_described(hint)}{_number_meant(value, hint)}")


def _number_meant(value: Any, hint: Any) -> str:
    """What to write for the first text that was meant as a number, where numbers belong."""
    if hint not in (float, float | None, tuple[float, ...]):
        return ""
    return next(filter(None, map(number_meant, value if isinstance(value, list) else [value])), "")


def _described(hint: Any) -> str:
    if hint == int | None:
        return "an integer or null"
    if hint == float | None:
        return "a number or null"
    if args := get_args(hint):
        return f"a list of { {int: 'integers', float: 'numbers', str: 'names'}[args[0]] }"
    names = {float: "a number", int: "an integer", str: "a name", bool: "true or false"}
    return names[hint]
