"""What this lab studies, on one page: how a run is set, what its result is made of, what it costs, what it is called.

The rooms that know of runs, results and files (declared, lab, store, analysis, publishing, cli) meet the science here
and nowhere else. A test gives them another page like this one, of a study without any network.

A study is these names:

- ``Configuration``: a frozen dataclass of settings, each with a text below it; ``steps``, ``evaluate_every`` and
  ``seed`` are among them. ``faults``, ``AT_MOST`` and ``NAMES`` are its law, ``BASELINE`` is where it begins.
- ``PARTS``: what a result is made of, and by which function. The first is the training, a generator such as
  ``science.training.training``. Each other is a family of measures: a function of a configuration and of one moment's
  parameters, which gives arrays by name, or by two names, of which the second is a field. ``SETTINGS`` are further
  arguments of a family. A family that is added here is *missing* in every stored result, and makes nothing stale.
- ``ON_REQUEST``: families that a result has only where a group of an experiment file asks for them, because they are
  dear. They are measured at the end alone.
- ``lines``: of tables that the code looks things up in, the lines that a configuration uses; the others make nothing
  stale.
- ``History``, ``Metrics`` and ``summary``: what is seen of a training, and what is said of it in the end.
- the rest: what runs cost, how they are shortened, compared and called.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from epistemics.science.arithmetic import training_operations
from epistemics.science.configuration import (
    AT_MOST,
    BASELINE,
    NAMES,
    Configuration,
    configuration_from_json,
    faults,
    stack_key,
)
from epistemics.science.grokking import History, first_touch, grokking_step

if TYPE_CHECKING:
    from torch import Tensor

    from epistemics.science.training import State

__all__ = [
    "AT_MOST",
    "BASELINE",
    "NAMES",
    "Configuration",
    "History",
    "configuration_from_json",
    "faults",
    "stack_key",
    "training_operations",
]

PARTS = {
    "training": "science.training.training",
    "geometry": "science.measures.measure_geometry",
    "abliteration": "science.measures.measure_abliteration",
    "noise": "science.measures.measure_noise",
}
"""The parts of a result, in the order in which they are made, and the function that makes each."""

ON_REQUEST = {
    "attacks": "science.attacks.measure_attacks",
}
"""Families of measures that a run has to ask for, and the function that makes each. They are measured at the last
moment alone, the end: their arrays have one moment."""

SETTINGS: Mapping[str, Mapping[str, Any]] = {}
"""Part → arguments of its function besides configuration and parameters. They are stored with it, and others than
those stored make it stale."""


def lines(configuration: Configuration) -> dict[str, tuple[str, ...]]:
    """Of tables of the code, by ``module.name``, the lines that a run uses: the others are no part of what makes it.

    The settings are a table too. One at its default is no part of a run's key, nor of its code, so a new one makes
    nothing stale but through the code that reads it.
    """
    c, settings = configuration, dataclasses.fields(configuration)
    return {
        "science.configuration.Configuration": tuple(s.name for s in settings if getattr(c, s.name) != s.default),
        "science.configuration.GRADIENTS": (c.gradient,),
        "science.configuration.NETWORKS": (c.network,),
        "science.operations.OPERATIONS": c.operations,
    }


Step = Annotated[int, Meta(ge=0, le=2**53)]


def _share(title: str) -> Meta:
    return Meta(ge=0, le=1, title=title, description="at the end")


class Metrics(Struct):
    """What is said of a training when it has ended: whole numbers are steps of its history, None is never, the rest are
    shares. Titles and descriptions stand on the page of a run."""

    grokking_step: Annotated[
        Step | None, Meta(title="Grokked at", description="first step from which validation accuracy holds")
    ]
    first_touch: Annotated[
        Step | None, Meta(title="First touch", description="first step at which validation accuracy gets there at all")
    ]
    train_accuracy: Annotated[float, _share("Training accuracy")]
    validation_accuracy: Annotated[float, _share("Validation accuracy")]
    diverged: Annotated[
        Step | UnsetType, Meta(title="Diverged at", description="step at which the loss was seen to be no number")
    ] = UNSET
    """Of a run that diverged, which ended it."""


def summary(configuration: Configuration, history: History) -> Metrics:
    """What is said of a training that has this history."""
    c, settled = configuration, (history.step, history.validation_accuracy, configuration.grokking_accuracy)
    return Metrics(
        grokking_step=grokking_step(*settled, c.grokking_evaluations),
        first_touch=first_touch(*settled),
        train_accuracy=history.train_accuracy[-1],
        validation_accuracy=history.validation_accuracy[-1],
        diverged=UNSET if math.isfinite(getattr(history, LOSSES[0])[-1]) else history.step[-1],
    )


def seen(history: History) -> str:
    """The last evaluation in a few words, for whoever watches."""
    h = history
    return (
        f"loss {h.train_loss[-1]:.2g}/{h.validation_loss[-1]:.2g}, "
        f"accuracy {h.train_accuracy[-1]:.0%}/{h.validation_accuracy[-1]:.0%}"
    )


def restored(step: int, tensors: Mapping[str, Tensor], histories: Sequence[Mapping[str, list[Any]]]) -> State:
    """The state of a training, from what its fields hold."""
    from epistemics.science.training import State

    return State(step=step, **tensors, histories=[History(**columns) for columns in histories])


# What runs cost


def is_compiled(configuration: Configuration) -> bool:
    """Whether a C++ compiler is needed."""
    return configuration.compiled


def kind_of_step(configuration: Configuration) -> str:
    """What a step's speed depends on besides its operations."""
    c = configuration
    words = [c.precision, "compiled" if c.compiled else "", *_unusual(c)]
    return " ".join(word for word in words if word)


def smallest(configuration: Configuration) -> Configuration:
    """The smallest of its kind, whose steps are all overhead."""
    return dataclasses.replace(configuration, layers=1, d_model=2 * configuration.heads, adversarial_directions=1)


def shortened(configuration: Configuration, steps: int, evaluate_every: int) -> Configuration:
    """The first steps of a configuration, evaluated so often and measured at the end alone."""
    return dataclasses.replace(
        configuration,
        steps=steps,
        evaluate_every=evaluate_every,
        stop_after_grokking=None,
        stop_at_age=None,
        measure_every=0,
        measure_after_grokking=(),
        measure_at_ages=(),
        measure_last_calm=False,
        continues="",
    )


# Runs that begin where others end


def continued(configuration: Configuration) -> str:
    """Key of the run whose parameters at its end this one begins with; empty if they are drawn."""
    return configuration.continues


def must_continue(configuration: Configuration, first: Configuration) -> str:
    """What a run must be to begin with the parameters of another; empty if it can."""
    if configuration.architecture != first.architecture:
        return "must name a run of the same architecture: modulus, operations, layers, widths, heads and flags"
    return ""


# When two results are the same


def fits_float32(configuration: Configuration) -> bool:
    """Whether parameters stored in float32 are the trained ones to the bit."""
    return configuration.precision != "float64"


LOSSES = ("train_loss", "validation_loss")
"""The columns of a history that a canary holds. A run whose first one is no longer a number has diverged."""


def in_short(configuration: Configuration, steps: int) -> Configuration:
    """All that training does to a configuration, within some steps: a penalty that sets in late is brought forward."""
    c = shortened(configuration, steps, 1)
    return dataclasses.replace(c, adversarial_from=0, adversarial_every=3) if c.adversarial_weight else c


def tolerance(configuration: Configuration) -> float:
    """The relative difference of a loss, or of a measure's norm, that another device or version may make."""
    return {"float64": 1e-9, "float32": 1e-4, "bfloat16": 2e-2}[configuration.precision]


STEP_TOLERANCE = 1.5
"""The factor between two grokking steps up to which they agree on different machines: that of two seeds."""


def agree(stored: Mapping[str, Any], again: Mapping[str, Any]) -> tuple[bool, str]:
    """Whether a reader would conclude the same from the metrics of one run made twice, and how that was seen."""
    steps = [metrics["grokking_step"] for metrics in (stored, again)]
    said = f"grokking step {steps[1]}, stored {steps[0]}"
    if None in steps:
        return steps[0] == steps[1], said
    return max(steps) <= STEP_TOLERANCE * max(min(steps), 1), said


# What runs are called


def label(configuration: Configuration) -> str:
    """What tells a run from its neighbours, for people; its seed, and what ``distinguishing`` says, follow."""
    c = configuration
    words = [
        *_unusual(c),
        "+".join(c.operations),
        "shuffled" if c.shuffled_answers else "",
        *_of_the_task(c),
        f"{c.layers}L d{c.d_model} wd {c.weight_decay:g} fraction {c.train_fraction:g}",
        f"batch {c.batch_size} lr {c.learning_rate:g}",
        f"embeddings {c.embedding_scale:g}" if c.embedding_scale != 0.02 else "",
        f"adversarial {c.adversarial_weight:g}, {_penalty(c)}" if c.adversarial_weight else "",
        c.precision,
    ]
    return " ".join(word for word in words if word)


def distinguishing(configuration: Configuration) -> dict[str, str]:
    """What a label says besides, where the runs of an experiment differ in it."""
    return {"modulus": f"modulus {configuration.modulus}", "steps": f"{configuration.steps:,} steps"}


def described(configuration: Configuration) -> str:
    """The same for readers, in a table of runs; what most runs have in common goes without saying."""
    c = configuration
    words = [
        *_unusual(c),
        f"{c.layers}L d{c.d_model}",
        f"decay {c.weight_decay:g}",
        f"fraction {c.train_fraction:g}",
        f"batch {c.batch_size}" if c.batch_size != 512 else "",
        f"learning rate {c.learning_rate:g}" if c.learning_rate != 0.001 else "",
        f"embedding scale {c.embedding_scale:g}" if c.embedding_scale != 0.02 else "",
        "shuffled answers" if c.shuffled_answers else "",
        *_of_the_task(c),
        f"λ {c.adversarial_weight:g}, {_penalty(c)} directions" if c.adversarial_weight else "",
        c.precision,
    ]
    return ", ".join(word for word in words if word)


def _unusual(configuration: Configuration) -> list[str]:
    """How a run is computed, where it is not as most are."""
    words = {
        "network": "{}",
        "gradient": "gradient {}",
    }
    default = {setting.name: setting.default for setting in dataclasses.fields(configuration)}
    values = {name: getattr(configuration, name) for name in words}
    return [words[name].format(value) for name, value in values.items() if value != default[name]]


def _of_the_task(configuration: Configuration) -> list[str]:
    """What is asked and what is answered, and what a run begins with, where it is not as most are."""
    c = configuration
    return [
        f"shares {'+'.join(f'{share:g}' for share in c.shares)}" if c.shares else "",
        f"classes {'+'.join(map(str, c.answer_classes))}" if c.answer_classes else "",
        f"flag {c.flag}" if c.flag != "none" else "",
        f"continues {c.continues}" if c.continues else "",
    ]


def _penalty(configuration: Configuration) -> str:
    """How many directions the penalty removes, and which."""
    c = configuration
    return f"{c.adversarial_directions}{' random' if c.adversarial_removes == 'random' else ''}"
