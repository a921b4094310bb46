"""Experiment files: what they declare, and that each fault is named by file, key and value."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from prose import PROJECT

from epistemics.declared.experiments import PROFILES, Experiment, configured, experiment_names, load_experiment
from epistemics.declared.runs import Run, configuration_key, once, with_continued
from epistemics.declared.sections import SpecificationError
from epistemics.science.configuration import Configuration

EXPERIMENTS = PROJECT / "experiments"

GOOD = """\
title: A test
entry: 7
defaults:
  operations: [add]
  modulus: 11
  layers: 1
  d_model: 16
  heads: 4
  train_fraction: 0.5
  batch_size: 32
  learning_rate: 0.001
  weight_decay: 1
  beta1: 0.9
  beta2: 0.98
  steps: 100
  stop_after_grokking: null
  evaluate_every: 10
  grokking_accuracy: 0.95
  grokking_evaluations: 5
  measure_every: 0
  measure_after_grokking: [0]
  precision: float32
  compiled: false
profiles:
  paper:
    groups:
      - name: first
        set: {layers: 2}
        vary: {weight_decay: [0.0, 0.1], train_fraction: [0.3, 0.5]}
        seeds: [0, 1, 2]
        keep_weights: [1]
      - name: second
        seeds: [7]
  smoke:
    defaults: {steps: 20, d_model: 8}
    groups:
      - name: first
        seeds: [0]
"""

Load = Callable[..., Experiment]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Load an experiment file given as text, with one of its lines replaced."""
    folder = tmp_path / "experiments"
    folder.mkdir()

    def loaded(old: str = "", new: str = "", text: str = GOOD, name: str = "it", profile: str = "paper") -> Experiment:
        assert old in text
        (folder / f"{name}.yaml").write_text(text.replace(old, new, 1) if old else text)
        return load_experiment(folder, name, profile)

    return loaded


# What a file declares


def test_a_group_is_every_combination_of_what_it_varies_and_its_seeds(load: Load) -> None:
    runs = load().runs
    assert [run.group for run in runs] == ["first"] * 12 + ["second"]
    first = [run.configuration for run in runs[:12]]
    found = {(c.weight_decay, c.train_fraction, c.seed) for c in first}
    assert found == {(w, f, s) for w in (0.0, 0.1) for f in (0.3, 0.5) for s in (0, 1, 2)}
    assert {c.layers for c in first} == {2}
    second = runs[12].configuration
    assert (second.layers, second.weight_decay, second.seed) == (1, 1.0, 7)
    assert len({run.key for run in runs}) == 13


def test_only_the_named_seeds_keep_their_weights(load: Load) -> None:
    assert {run.configuration.seed for run in load().runs if run.keep_weights} == {1}


def test_a_model_is_called_by_its_label_or_else_by_its_group_and_what_that_varies(load: Load) -> None:
    def models(*changes: str) -> list[str]:
        return list(dict.fromkeys(run.model for run in load(*changes).runs))

    assert models()[:2] == ["first, weight decay 0, train fraction 0.3", "first, weight decay 0, train fraction 0.5"]
    assert models()[4:] == ["second"]
    labelled = ("name: first", 'name: first\n        label: "small, d {d_model}, {weight_decay:g} of {train_fraction}"')
    assert models(*labelled)[0] == "small, d 16, 0 of 0.3"
    assert models("seeds: [7]", "label: '{operations}'\n        seeds: [7]")[-1] == "add"
    both = GOOD.replace("[add]", "[add, mul]").replace("seeds: [7]", "label: on {operations}\n        seeds: [7]")
    assert load(text=both).runs[-1].model == "on add+mul"
    assert [run.key for run in load(*labelled).runs] == [run.key for run in load().runs]  # it trains nothing again


@pytest.mark.parametrize(
    ("label", "says"),
    [
        ("x|y", "'x|y' must be a line of text without |"),
        ("''", "'' must be a line of text"),
        ("7", "7 must be text"),
        ("'{width}'", "names 'width' in braces, which is no setting of a model"),
        ("'{seed}'", "names 'seed' in braces"),
        ("'{d_model.real}'", "names 'd_model.real' in braces"),
        ("'{}'", "names '' in braces"),
        (
            "'{d_model'",
            "can't be filled in: expected '}' before end of string; a setting in braces is written as {d_model",
        ),
        ("'{steps:s}'", "can't be filled in"),
        ("'{operations:g}'", "can't be filled in"),
        ("'{steps:c}'\n        set: {steps: 2000000}", "can't be filled in"),
        ("'{learning_rate:c}'", "can't be filled in"),
        (f"'{'x' * 81}'", "must be of at most 80 characters, for it stands in tables, and is of 81"),
        ("'{d_model:{steps}}'", "more than a label needs"),
        ("'{d_model:9999}'", "more than a label needs"),
    ],
)
def test_a_label_that_calls_no_model_is_named(load: Load, label: str, says: str) -> None:
    with pytest.raises(SpecificationError) as caught:
        load("seeds: [7]", f"label: {label}\n        seeds: [7]")
    assert re.match(rf"{FILE}:\d+: profiles\.paper\.groups\[1\]\.label: .*{re.escape(says)}", str(caught.value))
    assert str(caught.value).count("profiles.paper") == 1


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "seeds: [7]",
            "label: plain\n        seeds: [7]\n      - {name: third, label: plain, seeds: [8], set: {batch_size: 16}}",
            r"groups\[2\]\.label: 'plain' calls a model «plain», .* group 'second' .*, as by \{batch_size\}$",
        ),
        (
            "seeds: [7]",
            "seeds: [7]\n      - {name: second, seeds: [8], set: {batch_size: 16, layers: 3}}",
            r"groups\[2\]\.name: 'second' calls a model «second», .* as by \{layers\} \{batch_size\}$",
        ),
        (
            "name: second",
            "name: other\n        runs_of: other\n      - name: second",
            r"groups\[2\]\.name: 'second' calls a model «second», and so is one of group 'other' called",
        ),
        (
            "seeds: [7]",
            "seeds: [7]\n      - name: third\n        runs_of: other",
            r"groups\[2\]\.runs_of: 'other' calls a model «second», and so is one of group 'second' called",
        ),
    ],
    ids=["a label", "a group's name", "after those taken over", "taken over"],
)
def test_a_name_by_which_two_models_would_be_taken_for_one_is_refused(
    load: Load, old: str, new: str, said: str
) -> None:
    text = GOOD[: GOOD.index("      - name: first")] + GOOD[GOOD.index("      - name: second") :]
    load("modulus: 11", "modulus: 13", text=text, name="other")
    with pytest.raises(SpecificationError, match=rf"^{FILE}:\d+: profiles\.paper\.{said}"):
        load(old, new, text=GOOD)


def test_seeds_of_one_model_may_be_of_several_groups(load: Load) -> None:
    more = "seeds: [7]\n      - {name: second, seeds: [8], keep_weights: [8]}"
    assert [run.model for run in load("seeds: [7]", more).runs[-2:]] == ["second", "second"]


def test_models_that_differ_in_a_late_digit_have_two_names(load: Load) -> None:
    models = {run.model for run in load("[0.0, 0.1]", "[0.12345678, 0.12345679]").runs}
    assert {model.split(", ")[1] for model in models if ", " in model} == {
        "weight decay 0.12345678",
        "weight decay 0.12345679",
    }


def test_a_label_stays_with_runs_that_are_taken_over(load: Load) -> None:
    load("name: second", "name: second\n        label: the plain one", name="other")
    text = GOOD.replace("seeds: [7]", "runs_of: other", 1).replace("seeds: [0, 1, 2]", "seeds: [5]")
    runs = load("keep_weights: [1]", "keep_weights: []", text=text).runs
    assert (runs[-1].group, runs[-1].model) == ("second", "the plain one")


def test_a_run_knows_what_it_would_be_at_the_defaults(load: Load) -> None:
    first, *_, plain = load().runs
    assert first.base is not None
    assert (first.configuration.layers, first.base.layers, first.base.weight_decay) == (2, 1, 1.0)
    assert plain.base == plain.configuration
    (smoke,) = load(profile="smoke").runs
    assert smoke.base == smoke.configuration


def test_a_profile_s_defaults_go_before_the_file_s(load: Load) -> None:
    smoke = load(profile="smoke")
    assert smoke.profile == "smoke"
    assert (smoke.runs[0].configuration.steps, smoke.runs[0].configuration.d_model) == (20, 8)
    assert load().runs[0].configuration.steps == 100


def test_title_and_entry(load: Load) -> None:
    experiment = load(text=GOOD)
    assert (experiment.title, experiment.entry) == ("A test", 7)


@pytest.mark.parametrize(
    "title", ["A | B", '"A\\nB"', '""', '"\u202eA"'], ids=["bar", "two lines", "nothing", "turned"]
)
def test_a_title_that_would_break_a_table_is_refused(load: Load, title: str) -> None:
    with pytest.raises(SpecificationError, match=rf"^{FILE}:1: title: '.*' must be a line of text without \|"):
        load("A test", title)


def test_whole_numbers_are_numbers(load: Load) -> None:
    """``weight_decay: 1`` and ``1.0`` are the same run."""
    one, same = load(), load("weight_decay: 1\n", "weight_decay: 1.0\n")
    assert [run.key for run in one.runs] == [run.key for run in same.runs]
    assert isinstance(one.runs[12].configuration.weight_decay, float)


def test_runs_of_takes_over_another_experiment_s_runs(load: Load) -> None:
    other = load(name="other")
    text = GOOD.replace("seeds: [7]", "runs_of: other", 1).replace("seeds: [0, 1, 2]", "seeds: [5]")
    runs = load("keep_weights: [1]", "keep_weights: []", text=text).runs
    taken = runs[4:]
    assert [run.key for run in taken] == [run.key for run in other.runs]
    assert {run.group for run in taken} == {"second"}
    assert {run.experiment for run in runs} == {"it"}
    assert [run.keep_weights for run in taken] == [run.keep_weights for run in other.runs]


def test_a_group_asks_for_families_of_measures_and_for_those_of_runs_that_it_takes_over(load: Load) -> None:
    plain, asking = load(), load("seeds: [7]", "seeds: [7]\n        measure: [attacks]")
    assert [run.key for run in asking.runs] == [run.key for run in plain.runs]
    assert [run.measure for run in asking.runs] == [*[()] * 12, ("attacks",)]
    load(name="other")
    text = GOOD.replace("seeds: [7]", "runs_of: other\n        measure: [attacks]", 1).replace("[0, 1, 2]", "[5]")
    runs = load("keep_weights: [1]", "keep_weights: []", text=text).runs
    assert {run.measure for run in runs[:4]} == {()}
    assert {run.measure for run in runs[4:]} == {("attacks",)}


def test_a_run_that_several_groups_share_has_all_that_any_of_them_asks_for(load: Load) -> None:
    plain = load().runs
    asking = load("seeds: [7]", "seeds: [7]\n        keep_weights: [7]\n        measure: [attacks]").runs
    for several in ([*plain, *asking], [*asking, *plain]):
        shared = once(several)
        assert [run.key for run in shared] == [run.key for run in plain]
        assert (shared[-1].measure, shared[-1].keep_weights) == (("attacks",), True)
        assert {run.measure for run in shared[:-1]} == {()}


AWAITING = "seeds: [0, 1, 2]\n        awaited: [5, 3]"


def test_awaited_seeds_are_runs_of_every_combination_that_chapters_do_not_read(load: Load) -> None:
    without, with_them = load(), load("seeds: [0, 1, 2]", AWAITING)
    assert with_them.runs == without.runs
    assert [run.configuration.seed for run in with_them.awaited] == [5, 3] * 4
    assert {run.group for run in with_them.awaited} == {"first"}
    assert {run.model for run in with_them.awaited} == {run.model for run in without.runs if run.group == "first"}
    assert not load(profile="smoke").awaited


def test_all_seeds_of_a_group_may_be_awaited(load: Load) -> None:
    experiment = load("seeds: [7]", "awaited: [7]")
    assert [run.group for run in experiment.runs] == ["first"] * 12
    assert [run.configuration.seed for run in experiment.awaited] == [7]


def test_awaited_seeds_become_the_runs_that_they_were_when_they_are_moved(load: Load) -> None:
    awaiting = load("seeds: [0, 1, 2]", AWAITING)
    moved = load("seeds: [0, 1, 2]", "seeds: [0, 1, 2, 5, 3]")
    assert {run.key for run in moved.runs} == {run.key for run in (*awaiting.runs, *awaiting.awaited)}
    assert moved.awaited == ()


def test_the_weights_of_awaited_seeds_may_be_kept(load: Load) -> None:
    text = GOOD.replace("seeds: [0, 1, 2]", AWAITING).replace("keep_weights: [1]", "keep_weights: [1, 3]")
    experiment = load(text=text)
    assert {run.configuration.seed for run in experiment.runs if run.keep_weights} == {1}
    assert {run.configuration.seed for run in experiment.awaited if run.keep_weights} == {3}


def test_runs_of_takes_over_what_is_awaited_as_awaited(load: Load) -> None:
    other = load("seeds: [7]", "seeds: [7]\n        awaited: [8]", name="other")
    text = GOOD.replace("seeds: [7]", "runs_of: other", 1).replace("seeds: [0, 1, 2]", "seeds: [5]")
    experiment = load("keep_weights: [1]", "keep_weights: []", text=text)
    assert [run.key for run in experiment.awaited] == [run.key for run in other.awaited]
    assert [(run.experiment, run.group) for run in experiment.awaited] == [("it", "second")]


CONTINUING = GOOD.replace(
    "      - name: second\n        seeds: [7]\n",
    """\
      - name: second
        set: {continues: "it/first, weight decay 0, train fraction 0.3", layers: 2, train_fraction: 0.3}
        vary: {weight_decay: [0.5, 1.0]}
        seeds: [0]
        awaited: [2]
""",
)


def test_a_run_continues_the_one_of_a_model_with_its_seed(load: Load) -> None:
    experiment = load(text=CONTINUING)
    first = {(run.model, run.configuration.seed): run for run in experiment.runs}
    for run in [*experiment.runs[-2:], *experiment.awaited]:
        assert run.continues == first["first, weight decay 0, train fraction 0.3", run.configuration.seed]
        assert run.configuration.continues == run.continues.key
        assert run.key != configuration_key(dataclasses.replace(run.configuration, continues=""))
    needed = with_continued(experiment.runs[-2:])
    assert [run.group for run in needed] == ["first", "second", "second"]
    assert [run.keep_weights for run in needed] == [True, False, False]


def test_a_run_continues_one_of_another_experiment_awaited_or_not(load: Load) -> None:
    load(name="other", old="        seeds: [7]", new="        seeds: [6]\n        awaited: [7]")
    (run,) = load(old="name: second", new="name: second\n        set: {continues: other/second}").runs[12:]
    assert run.continues is not None
    assert (run.continues.experiment, run.continues.awaited) == ("other", True)


@pytest.mark.parametrize(
    ("named", "says"),
    [
        ("first", "must name an experiment and one of its models, as EXPERIMENT/MODEL"),
        ("that/first", "names no experiment; known: it"),
        ("it/third", "names no model of it (paper); its models: «first, weight decay 0, train fraction 0.3», "),
        ("it/first, weight decay 0, train fraction 0.5", "must name a run of the same architecture"),
    ],
)
def test_what_can_not_be_continued_is_named(load: Load, named: str, says: str) -> None:
    text = CONTINUING.replace("layers: 2, train_fraction: 0.3}", "train_fraction: 0.3}")
    with pytest.raises(SpecificationError, match=re.escape(f"continues: {named!r} {says}")) as fault:
        load(text=text.replace("it/first, weight decay 0, train fraction 0.3", named))
    assert str(fault.value).startswith("experiments/it.yaml:")


def test_a_model_is_called_by_what_it_continues_whatever_its_seed(load: Load) -> None:
    firsts = ["it/first, weight decay 0, train fraction 0.3", "it/first, weight decay 0.1, train fraction 0.5"]
    varied = CONTINUING.replace(
        'set: {continues: "it/first, weight decay 0, train fraction 0.3", layers: 2, train_fraction: 0.3}\n',
        "set: {layers: 2}\n",
    ).replace("vary: {weight_decay: [0.5, 1.0]}", f"vary: {{continues: {firsts}}}")
    experiment = load(text=varied)
    runs = [*experiment.runs[-2:], *experiment.awaited]
    name = "second, continues it/first, weight decay 0, train fraction 0.3"
    assert [run.model == name for run in runs] == [True, False, True, False]
    assert "continues it/first, weight decay 0, train fraction 0.3 2L" in runs[0].label


def test_a_seed_that_can_not_be_continued_is_named(load: Load) -> None:
    with pytest.raises(SpecificationError, match=r"has no run with seed 5; its seeds: 0, 1, 2$"):
        load(text=CONTINUING.replace("awaited: [2]", "awaited: [5]"))


def test_the_log_s_baseline_is_configured_and_changed() -> None:
    runs = load_experiment(EXPERIMENTS, "phase-1-2").runs
    baseline = dataclasses.replace(runs[0].configuration, compiled=False, measure_after_grokking=(0,))
    assert configured() == baseline
    changed = configured(weight_decay=1, operations=("add", "mul"), shares=[1, 1][:0], stop_at_age=5)
    assert changed == dataclasses.replace(baseline, operations=("add", "mul"), stop_at_age=5.0)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"learning_rate": -1}, "configured: learning_rate: -1 must be above 0"),
        ({"learning_rate": "fast"}, "configured: learning_rate: 'fast' must be a number"),
        ({"rate": 1}, "configured: rate: 1 is unknown; known keys: operations, modulus, "),
        ({"shares": (0.5, "x")}, "configured: shares: [0.5, 'x'] must be a list of numbers"),
        (
            {"shares": (0.5, 0.4), "operations": ["add", "mul"]},
            "shares: [0.5, 0.4] must all be above 0 and add up to 1",
        ),
        ({"answer_classes": (98,)}, "answer_classes: [98] must lie between 2 and 97, the modulus"),
        ({"answer_classes": (2, 2)}, "answer_classes: [2, 2] must have a value for each of the 1 operations, or none"),
        ({"flag": "on"}, "flag: 'on' must be one of none, ignored, refused"),
        (
            {"continues": "joint/baseline"},
            "continues: 'joint/baseline' must be the key of a run, 16 hexadecimal digits",
        ),
        ({"adversarial_removes": "all"}, "adversarial_removes: 'all' must be one of contrasts, random"),
        (
            {"stop_at_age": 0.1},
            "stop_at_age: 0.1 must be at least 0.5, which is 500 steps here: grokking is known no so",
        ),
        ({"measure_at_ages": [1, 0.1]}, "measure_at_ages: [1, 0.1] must be at least 0.5, which is 500 steps here"),
        (
            {"stop_at_age": 1, "weight_decay": 0},
            "stop_at_age: 1 needs a weight_decay above 0: without decay no decay-t",
        ),
        (
            {"stop_at_age": 1, "stop_after_grokking": 500},
            "stop_at_age: 1 must be null where stop_after_grokking is not",
        ),
        ({"stop_at_age": float("inf")}, "stop_at_age: inf must be finite"),
        ({"stop_at_age": 10**400}, " must be finite"),
        ({"stop_at_age": "5"}, "stop_at_age: '5' must be a number or null"),
        ({"measure_at_ages": [1e308]}, "measure_at_ages: [1e+308] must be at most 1e+06, which is 1,000,000,000 steps"),
        (
            {"learning_rate": 1e-300, "stop_at_age": 5},
            "stop_at_age: 5 must be at most 1e-291, which is 1,000,000,000 s",
        ),
        ({"seed": -1}, "seed: -1 must be at least 0 and below 2^64"),
        ({"seed": 2**64}, "must be at least 0 and below 2^64"),
        ({"shares": ["1e-3", 0.999], "operations": ["add", "mul"]}, "numbers; YAML takes this as text: write 1.0e-3"),
        (
            {"shares": (0.25,) * 4, "operations": ["add", "mul", "sub", "div"], "batch_size": 5},
            "batch_size: 5 must be at least 12 for these shares of 4 operations",
        ),
        (
            {"adversarial_weight": 1, "answer_classes": [2]},
            "adversarial_directions: 10 must be at least 1 and below 2, d_model and modulus and answer_classes",
        ),
    ],
    ids=str,
)
def test_python_refuses_what_a_file_refuses(settings: dict[str, object], says: str) -> None:
    with pytest.raises(SpecificationError, match=re.escape(says)):
        configured(**settings)


def test_every_value_of_a_configuration_counts_for_its_key(configuration: Callable[..., Configuration]) -> None:
    """But for nothing else: the key is the same in every process and on every machine."""
    base = configuration()
    assert configuration_key(base) == "31e4c5f5cbe21275"
    keys = {configuration_key(base)}
    for field in dataclasses.fields(base):
        value = getattr(base, field.name)
        if isinstance(value, bool):
            other: object = not value
        elif isinstance(value, int | float):
            other = value + 1
        elif isinstance(value, tuple):
            other = (*value, value[0] if value else 1)
        else:
            other = "mul" if value is not None else 3
        keys.add(configuration_key(dataclasses.replace(base, **{field.name: other})))  # type: ignore[arg-type]
    assert len(keys) == 1 + len(dataclasses.fields(base))


# The experiments of this repository


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("name", experiment_names(EXPERIMENTS))
def test_every_experiment_of_the_repository_loads(name: str, profile: str) -> None:
    experiment = load_experiment(EXPERIMENTS, name, profile)
    declared = [*experiment.runs, *experiment.awaited]
    assert declared
    assert len({run.key for run in declared}) == len(declared)


def setting(run: Run) -> Configuration:
    """What the log varies: the configuration but for seed, precision, duration and moments."""
    return dataclasses.replace(
        run.configuration,
        seed=0,
        precision="float32",
        steps=0,
        stop_after_grokking=None,
        measure_every=0,
        measure_after_grokking=(),
    )


def test_phase_1_1_sweeps_the_log_s_configurations_around_one_baseline() -> None:
    runs = load_experiment(EXPERIMENTS, "phase-1-1").runs
    settings = {setting(run) for run in runs}
    (baseline,) = [c for c in settings if (c.weight_decay, c.train_fraction, c.layers, c.d_model) == (1.0, 0.3, 2, 128)]

    def varied(*keys: str) -> set[tuple[object, ...]]:
        """What the configurations that differ from the baseline in nothing but the keys have there."""
        like = {key: getattr(baseline, key) for key in keys}
        return {tuple(getattr(c, key) for key in keys) for c in settings if dataclasses.replace(c, **like) == baseline}

    assert varied("weight_decay") == {(0.0,), (0.01,), (0.1,), (1.0,), (10.0,)}
    assert varied("train_fraction") == {(0.1,), (0.3,), (0.5,), (0.7,), (0.9,)}
    assert varied("layers", "d_model") == {(layers, d) for layers in (1, 2, 4) for d in (64, 128, 256)}
    assert len(settings) == 17
    seeds = {c: {run.configuration.seed for run in runs if setting(run) == c} for c in settings}
    assert len(seeds[baseline]) >= 5
    assert all(len(found) >= 3 for found in seeds.values())


def test_phase_1_2_has_the_log_s_five_weight_decays() -> None:
    experiment = load_experiment(EXPERIMENTS, "phase-1-2")
    seeds: dict[float, set[int]] = {}
    for run in experiment.runs:
        seeds.setdefault(run.configuration.weight_decay, set()).add(run.configuration.seed)
    assert set(seeds) == {1.0, 10.0, 0.1, 0.01, 0.0}
    assert all(len(found) >= 3 for found in seeds.values())


# Faults


FILE = "experiments/it.yaml"


@pytest.mark.parametrize(
    ("old", "new", "place", "says"),
    [
        ("weight_decay: 1\n", "weight_decay: -1\n", "defaults.weight_decay", "-1 must not be below 0"),
        ("[0.0, 0.1]", "[0.0, -0.1]", "profiles.paper.groups[0].vary.weight_decay", "-0.1 must not be below 0"),
        ("weight_decay: 1\n", "weight_decay: .nan\n", "defaults.weight_decay", "nan must be finite"),
        ("weight_decay: 1\n", "weight_decay: .inf\n", "defaults.weight_decay", "inf must be finite"),
        ("train_fraction: 0.5", "train_fraction: 1.0", "defaults.train_fraction", "1.0 must lie between 0 and 1"),
        ("train_fraction: 0.5", "train_fraction: 0", "defaults.train_fraction", "0 must lie between 0 and 1"),
        ("train_fraction: 0.5", "train_fraction: 0.999", "defaults.train_fraction", "0.999 leaves no question"),
        ("d_model: 16", "d_model: 18", "defaults.d_model", "18 must be divisible by heads, which is 4"),
        ("{layers: 2}", "{heads: 3}", "defaults.d_model", "16 must be divisible by heads, which is 3"),
        ("{layers: 2}", "{d_model: 10}", "profiles.paper.groups[0].set.d_model", "10 must be divisible by heads"),
        ("[add]\n  modulus: 11", "[add, mul]\n  modulus: 12", "defaults.modulus", "12 must be prime for mul"),
        ("modulus: 11", "modulus: 1", "defaults.modulus", "1 must be at least 2"),
        ("batch_size: 32", "batch_size: 3200", "defaults.batch_size", "3200 must be at most 36, the training quest"),
        ("batch_size: 32", "batch_size: 0", "defaults.batch_size", "0 must be at least 1"),
        ("learning_rate: 0.001", "learning_rate: 0", "defaults.learning_rate", "0 must be above 0"),
        ("beta2: 0.98", "beta2: 1", "defaults.beta2", "1 must be at least 0 and below 1"),
        ("[add]", "[pow]", "defaults.operations", "['pow'] holds 'pow'; known operations: add, sub, mul"),
        ("[add]", "[]", "defaults.operations", "[] must name at least one operation"),
        ("[add]", "[add, add]", "defaults.operations", "['add', 'add'] must name at least one"),
        ("precision: float32", "precision: float16", "defaults.precision", "'float16' must be one of float32, "),
        ("steps: 100", "steps: 105", "defaults.steps", "105 must be a multiple of evaluate_every, which is 10"),
        ("measure_every: 0", "measure_every: 15", "defaults.measure_every", "15 must be a multiple"),
        ("grokking: null", "grokking: 20", "defaults.stop_after_grokking", "20 must be a multiple of evaluate_ev"),
        ("grokking: [0]", "grokking: [10]", "defaults.measure_after_grokking", "[10] must be a multiple"),
        ("accuracy: 0.95", "accuracy: 95", "defaults.grokking_accuracy", "95 must be above 0 and at most 1"),
        # keys
        ("beta1: 0.9", "beta_1: 0.9", "defaults.beta_1", "0.9 is unknown; known keys: operations, modulus"),
        ("  beta1: 0.9\n", "", "profiles.paper.groups[0].beta1", "is missing; it must be a number"),
        ("title: A test", "titel: A test", "titel", "'A test' is unknown here; known keys: title, entry"),
        ("title: A test\n", "", "title", "is missing; it must be text"),
        ("  smoke:", "  full:", "profiles.full", "is unknown here; known keys: paper, smoke"),
        ("vary:", "varies:", "profiles.paper.groups[0].varies", "is unknown here; known keys: name, label, set"),
        ("  paper:", "  papers:", "profiles.papers", "is unknown here"),
        ("layers: 1\n", "layers: 1\n  seed: 3\n", "defaults.seed", "3 has its place in a group's seeds"),
        # types
        ("layers: 1\n", "layers: two\n", "defaults.layers", "'two' must be an integer"),
        ("layers: 1\n", "layers: 1.0\n", "defaults.layers", "1.0 must be an integer"),
        ("layers: 1\n", "layers: true\n", "defaults.layers", "True must be an integer"),
        ("weight_decay: 1\n", "weight_decay: '1'\n", "defaults.weight_decay", "'1' must be a number"),
        ("weight_decay: 1\n", "weight_decay: true\n", "defaults.weight_decay", "True must be a number"),
        ("compiled: false", "compiled: 0", "defaults.compiled", "0 must be true or false"),
        ("grokking: null", "grokking: [100]", "defaults.stop_after_grokking", "[100] must be an integer or null"),
        ("grokking: null", "grokking: soon", "defaults.stop_after_grokking", "'soon' must be an integer or null"),
        ("grokking: [0]", "grokking: 0", "defaults.measure_after_grokking", "0 must be a list of integers"),
        ("grokking: [0]", "grokking: [0, x]", "defaults.measure_after_grokking", "[0, 'x'] must be a list of int"),
        ("[add]", "add", "defaults.operations", "'add' must be a list of names"),
        ("entry: 7", "entry: seven", "entry", "'seven' must be an integer"),
        ("[0.0, 0.1]", "0.1", "profiles.paper.groups[0].vary.weight_decay", "0.1 must be a list of values"),
        ("[0.0, 0.1]", "[]", "profiles.paper.groups[0].vary.weight_decay", "[] must be a list of values"),
        ("{layers: 2}", "2", "profiles.paper.groups[0].set", "2 must be a mapping"),
        ("seeds: [7]", "seeds: 7", "profiles.paper.groups[1].seeds", "7 must be a list"),
        ("seeds: [7]", "seeds: []", "profiles.paper.groups[1].seeds", "[] must hold at least one integer"),
        ("seeds: [7]", "seeds: [-7]", "profiles.paper.groups[1].seeds", "[-7] must hold at least one integer"),
        ("seeds: [7]", "seeds: [x]", "profiles.paper.groups[1].seeds", "['x'] must hold at least one integer"),
        ("weights: [1]", "weights: [9]", "profiles.paper.groups[0].keep_weights", "[9] must name seeds of this"),
        ("seeds: [7]", "seeds: [7]\n        measure: attacks", "profiles.paper.groups[1].measure", "must be a list"),
        ("seeds: [7]", "seeds: [7]\n        measure: [atacks]", "profiles.paper.groups[1].measure", "for: attacks"),
        ("seeds: [7]", "seeds: [7]\n        measure: [[x]]", "profiles.paper.groups[1].measure", "holds ['x']; fam"),
        ("seeds: [7]", "seeds: [7]\n        measure: [noise]", "profiles.paper.groups[1].measure", "holds 'noise';"),
        ("seeds: [7]", "seeds: [7]\n        awaited: 8", "profiles.paper.groups[1].awaited", "8 must be a list"),
        ("seeds: [7]", "seeds: [7]\n        awaited: []", "profiles.paper.groups[1].awaited", "[] must hold at least"),
        ("seeds: [7]", "seeds: [7]\n        awaited: [x]", "profiles.paper.groups[1].awaited", "['x'] must hold at le"),
        ("seeds: [7]", "seeds: [7]\n        awaited: [7]", "profiles.paper.groups[1].awaited", "[7] holds 7, which is"),
        ("        seeds: [7]\n", "", "profiles.paper.groups[1].seeds", "is missing; it must be a list"),
        ("weights: [1]", "weights: [9]\n        awaited: [3]", "profiles.paper.groups[0].keep_weights", "[0, 1, 2, 3]"),
        # slips
        ("rate: 0.001", "rate: 1e-3", "defaults.learning_rate", "'1e-3' must be a number; YAML takes this as tex"),
        ("rate: 0.001", "rate: 1.5e3", "defaults.learning_rate", "write 1.5e+3"),
        ("[0.0, 0.1]", "[0.0, 1e-3]", "profiles.paper.groups[0].vary.weight_decay", "write 1.0e-3"),
        ("rate: 0.001", "rate: 1.0e+300", "defaults.learning_rate", "1e+300 must be at most 100"),
        ("steps: 100", f"steps: {10**30}", "defaults.steps", "must be at most 1,000,000,000"),
        ("modulus: 11", f"modulus: {10**30 + 57}", "defaults.modulus", "must be at most 10,000"),
        ("d_model: 16", "d_model: 33000", "defaults.d_model", "33000 must be at most 16,384"),
        ("seeds: [7]", f"seeds: [{2**64}]", "profiles.paper.groups[1].seeds", "none below 0 or from 2^64 on"),
        ("{layers: 2}", "{layers: 2, weight_decay: 1}", "profiles.paper.groups[0].set.weight_decay", "1 is varied by"),
        ("set: {layers: 2}", "label: both", "profiles.paper.groups[0].label", "as by {train_fraction} {weight_decay}"),
        ("name: second", "name: sec|ond", "profiles.paper.groups[1].name", "'sec|ond' must be a line of text"),
        ("name: second", 'name: "sec\\nond"', "profiles.paper.groups[1].name", "must be a line of text without |"),
        ("name: second", f"name: {'x' * 81}", "profiles.paper.groups[1].name", "must be of at most 80 characters"),
        ("seeds: [7]", "runs_of: nowhere", "profiles.paper.groups[1].runs_of", "'nowhere' is no experiment; kno"),
    ],
)  # fmt: skip
def test_a_fault_is_named_by_file_key_and_value(load: Load, old: str, new: str, place: str, says: str) -> None:
    with pytest.raises(SpecificationError) as caught:
        load(old, new)
    message = re.sub(r":\d+: ", ": ", str(caught.value), count=1)
    assert message.startswith(f"{FILE}: {place}")
    assert says in message


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("weight_decay: 1\n", "weight_decay: -1\n", 12, "defaults.weight_decay: -1 must not be below 0"),
        ("[0.0, 0.1]", "[0.0, -0.1]", 29, "profiles.paper.groups[0].vary.weight_decay: -0.1 must not be below 0"),
        ("seeds: [7]", "seeds: 7", 33, "profiles.paper.groups[1].seeds: 7 must be a list"),
        ("      - name: second\n        seeds", "      - seeds", 32, "profiles.paper.groups[1].name is missing"),
        ("modulus: 11", "modulus: 11\n  modulus: 13", 6, "not valid YAML: the key 'modulus' is there twice"),
        (
            "  modulus: 11",
            "\tmodulus: 11",
            5,
            "not valid YAML: found character '\\t' that cannot start any token; ind",
        ),
        ("title: A test", "title: !mine A", 1, "not valid YAML: the tag '!mine' is not read here"),
        ("title: A test", "title: [", 3, "not valid YAML: "),
    ],
)
def test_a_fault_is_named_by_its_line(load: Load, old: str, new: str, line: int, says: str) -> None:
    with pytest.raises(SpecificationError) as caught:
        load(old, new)
    assert str(caught.value).startswith(f"{FILE}:{line}: {says}")


def test_what_a_mapping_takes_over_by_an_anchor_is_set(load: Load) -> None:
    """YAML's ``<<``; the mapping's own keys go before."""
    text = GOOD.replace("set: {layers: 2}", "set: &large {layers: 2, heads: 2}")
    text = text.replace("      - name: second\n", "      - name: second\n        set: {<<: *large, heads: 8}\n")
    configuration = load(text=text).runs[-1].configuration
    assert (configuration.layers, configuration.heads) == (2, 8)


def test_composite_moduli_are_fine_for_addition(load: Load) -> None:
    assert load("modulus: 11", "modulus: 12").runs[0].configuration.modulus == 12


@pytest.mark.parametrize("tag", ["!!python/object/apply:os.getcwd []", "!!python/name:os.getcwd", "!mine 3"])
def test_yaml_tags_are_refused_not_obeyed(load: Load, tag: str) -> None:
    with pytest.raises(SpecificationError, match=rf"{FILE}:5: not valid YAML: the tag .* is not read here"):
        load("modulus: 11", f"modulus: {tag}")


@pytest.mark.parametrize("text", ["", "- a", "3", "a: &a [*a]", "title: " + "[" * 5000, "title: 2025-99-99"])
def test_a_file_that_is_no_mapping_is_refused(load: Load, text: str) -> None:
    with pytest.raises(SpecificationError, match=FILE):
        load(text=text)


def test_a_file_that_is_not_utf_8_is_refused(load: Load, tmp_path: Path) -> None:
    load()
    (tmp_path / "experiments" / "it.yaml").write_bytes(GOOD.replace("A test", "Ä").encode("latin-1"))
    with pytest.raises(SpecificationError, match=f"{FILE}:1: not valid YAML: not UTF-8; save it in this encoding"):
        load_experiment(tmp_path / "experiments", "it")


def test_an_unknown_profile_and_an_unknown_experiment_are_named(load: Load, tmp_path: Path) -> None:
    with pytest.raises(SpecificationError, match="profile 'big' is unknown; known: paper, smoke"):
        load(profile="big")
    with pytest.raises(SpecificationError, match=r"experiments/that\.yaml: there is no such experiment; known: it"):
        load_experiment(tmp_path / "experiments", "that")


def test_runs_of_in_a_circle_is_refused(load: Load, tmp_path: Path) -> None:
    load(name="other")
    with pytest.raises(SpecificationError, match="what runs_of and continues name goes round in a circle: it → it"):
        load("seeds: [7]", "runs_of: it")
    (tmp_path / "experiments" / "other.yaml").write_text(GOOD.replace("seeds: [7]", "runs_of: it"))
    with pytest.raises(SpecificationError, match="in a circle: it → other → it"):
        load("seeds: [7]", "runs_of: other")


@pytest.mark.parametrize(
    ("old", "new"),
    [("[0, 1, 2]", "[0, 1, 1]"), ("[0.3, 0.5]", "[0.3, 0.3]"), ("[0, 1, 2]", "[0, 1, 2]\n        awaited: [3, 3]")],
)
def test_a_run_declared_twice_is_refused(load: Load, old: str, new: str) -> None:
    with pytest.raises(SpecificationError, match=rf"{FILE}: the run «.*» is declared twice \(group first\)"):
        load(old, new)
