"""What an abliteration curve has to be held against: other directions, and other places of the cut (entries 8 and 11).

Of models of phase 1.2 whose weights are stored, at the end of their training. Directions: the model's own, those of
most variance, random ones, and those of a model of the same seed that was trained on permuted answers. Places: after
each attention and feed-forward block, and the final state, where the log cuts.
"""

from __future__ import annotations

import torch

from epistemics.analysis.provenance_line import published
from epistemics.analysis.stored_runs import Results, StoredRun, load_results
from epistemics.analysis.tables import (
    Numbers,
    Shown,
    Table,
    Value,
    name_of_value,
    number,
    of_setting,
    percent,
    spread,
    table_of,
)
from epistemics.chapters.contents import Share
from epistemics.declared.project import Project
from epistemics.science.abliteration import accuracy_curve, falls_at
from epistemics.science.configuration import Configuration
from epistemics.science.geometry import Array, class_directions
from epistemics.science.measures import final_states
from epistemics.science.network import named_parameters
from epistemics.science.residual_stream import SAMPLE, accuracy_by_place
from epistemics.science.tasks import table, training_rows

OPERATION = "add"
UNDERSTOOD = 0.9
"""Validation accuracy from which a model is worth cutting: some runs end in one of training's dips."""
NAMED = (1.0, 0.1)
"""The weight decays that the prose names."""
REMOVED = (0, 1, 2, 3, 5, 8, 12, 16, 20, 25, 30, 40, 50, 64)
"""How many directions are cut at each place."""
FEW = (1, 3, 8, 20)
"""Those that the table shows and the prose names; they are cut too."""
CURVES = {
    "about_mean": "own",
    "principal_about_mean": "of most variance",
    "shuffled": "of shuffled answers",
    "random_about_mean": "random",
}
"""Curve → whose directions it removes."""


def load(project: Project | None = None) -> Results:
    """The results of experiment baselines under the current profile: models of permuted answers."""
    return load_results("baselines", project)


def dissected(single: Results) -> list[StoredRun]:
    """The runs of phase 1.2 whose weights are stored and that understand at their end, strongest decay first."""
    kept = [run for run in single if run.run.keep_weights and run.metrics["validation_accuracy"] >= UNDERSTOOD]
    return sorted(kept, key=lambda run: (-run.configuration.weight_decay, run.configuration.seed))


def curves(single: Results, shuffled: Results) -> Table:
    """Validation accuracy after removing k directions of each kind about the mean, at the end of training."""
    rows: list[dict[str, Value]] = []
    for run in dissected(single):
        foreign = _of_seed(shuffled, run.configuration)
        for curve, directions in CURVES.items():
            if curve != "shuffled":
                accuracies = run.result.arrays[f"{OPERATION}.{curve}"][-1]
            elif foreign is not None:
                accuracies = _foreign_curve(run, foreign)
            else:
                continue
            for k, accuracy in enumerate(accuracies):
                rows.append(
                    {
                        "weight_decay": run.configuration.weight_decay,
                        "seed": run.configuration.seed,
                        "directions": directions,
                        "removed": k,
                        "accuracy": round(float(accuracy), 4),
                    }
                )
    return table_of(rows)


def _of_seed(results: Results, own: Configuration) -> StoredRun | None:
    """The model of one's seed, if its states have as many dimensions."""
    wanted = [run for run in results.where(seed=own.seed, d_model=own.d_model) if run.run.keep_weights]
    return next(iter(wanted), None)


def _states(run: StoredRun) -> Array:
    """Final states of all questions, [p², d]."""
    c = run.configuration
    return final_states(c, torch.from_numpy(run.result.weights["parameters"]), table(c.modulus, c.operations).questions)


def _foreign_curve(run: StoredRun, foreign: StoredRun) -> Array:
    """Accuracy of one model after the directions of another, of its own answers, are removed: [r + 1]."""
    c, other = run.configuration, foreign.configuration
    theirs = table(other.modulus, other.operations, other.shuffled_answers)
    directions, _ = class_directions(_states(foreign), theirs.answers, other.modulus)
    questions = table(c.modulus, c.operations)
    held_out = ~training_rows(questions, c.train_fraction, c.seed)
    states = _states(run)
    weights = named_parameters(c.architecture, torch.from_numpy(run.result.weights["parameters"])[None])
    weight, bias = (weights[f"unembedding.{name}"][0].double().numpy() for name in ("weight", "bias"))
    return accuracy_curve(states[held_out], directions, states.mean(0), weight, bias, questions.answers[held_out])


def places(single: Results) -> Table:
    """Validation accuracy after k directions are cut at each place of the residual stream, for k of both lists."""
    rows: list[dict[str, Value]] = []
    for run in dissected(single):
        c = run.configuration
        parameters = torch.from_numpy(run.result.weights["parameters"])
        removed = [k for k in sorted({*REMOVED, *FEW}) if k <= min(c.modulus - 1, c.d_model)]
        for everywhere in (False, True):
            for place, accuracies in accuracy_by_place(c, parameters, removed, everywhere).items():
                for k, accuracy in zip(removed, accuracies, strict=True):
                    rows.append(
                        {
                            "weight_decay": c.weight_decay,
                            "seed": c.seed,
                            "place": place,
                            "everywhere": everywhere,
                            "removed": k,
                            "accuracy": round(float(accuracy), 4),
                        }
                    )
    return table_of(rows)


def by_directions(curves: Table) -> Shown:
    """How many directions of each kind it takes: medians over seeds, with the range."""
    rows = []
    for decay in _decays(curves):
        for directions in dict.fromkeys(curves.column("directions")):
            fall = _falls(curves.where(weight_decay=decay, directions=directions))
            rows.append([f"{decay:g}", directions, *(spread(found, never="all") for found in fall)])
    return Shown(["Decay", "Directions", "k@95%", "k@50%"], rows, left=2)


def by_place(places: Table) -> Shown:
    """What is left of accuracy after a few directions, at each place: medians over seeds, with the range."""
    rows = []
    for decay in _decays(places):
        for place in dict.fromkeys(places.column("place")):
            for everywhere in (False, True):
                chosen = places.where(weight_decay=decay, place=place, everywhere=everywhere)
                if len(chosen):
                    left = [spread(chosen.where(removed=k).column("accuracy"), percent) for k in FEW]
                    rows.append([f"{decay:g}", place, "all" if everywhere else "answer", *left])
    first, *more = (str(k) for k in FEW)
    return Shown(["Decay", "Place", "Positions", f"Without {first}", *more], rows, left=3)


def _decays(of: Table) -> list[float]:
    return sorted(set(of.column("weight_decay")), reverse=True)


def _falls(of: Table) -> tuple[list[int | None], list[int | None]]:
    """k@95% and k@50% of each seed's curve."""
    each = [of.where(seed=seed).column("accuracy") for seed in sorted(set(of.column("seed")))]
    return [falls_at(curve, 0.95) for curve in each], [falls_at(curve, 0.5) for curve in each]


def shuffled_models(shuffled: Results) -> Table:
    """What the models of permuted answers reached."""
    return table_of(
        [
            {
                "seed": run.configuration.seed,
                "steps": run.metrics["final_step"],
                "train_accuracy": round(run.metrics["train_accuracy"], 4),
                "validation_accuracy": round(run.metrics["validation_accuracy"], 4),
                "run": run.run.key,
            }
            for run in shuffled
        ]
    )


def tables(single: Results, shuffled: Results) -> dict[str, Table]:
    """What the figures of the chapter draw, by name."""
    return {
        **published(__name__, {"curves": curves(single, shuffled)}, single, shuffled),
        **published(__name__, {"places": places(single)}, single),
        **published(__name__, {"shuffled_models": shuffled_models(shuffled)}, shuffled),
    }


def numbers(tables: dict[str, Table]) -> Numbers:
    """The numbers of the chapter's prose."""
    models, curves, places = tables["shuffled_models"], tables["curves"], tables["places"]
    return {
        "shuffled_steps": number(max(models.column("steps"), default=None)),
        "shuffled_train": spread(models.column("train_accuracy"), percent),
        "shuffled_validation": spread(models.column("validation_accuracy"), lambda v: percent(v, 1)),
        "sample": number(SAMPLE),
        "few": "{}, {}, {} and {}".format(*FEW),
        "decay": {
            name_of_value(decay): of_setting(_of_decay(curves, places, decay), decay in _decays(curves))
            for decay in NAMED
        },
    }


def _of_decay(curves: Table, places: Table, decay: float) -> Numbers:
    """The numbers of one weight decay."""
    own, last = curves.where(weight_decay=decay), _last_attention(places)
    found: Numbers = {"seeds": str(len(set(own.column("seed"))))}
    for curve, directions in CURVES.items():
        found[f"{curve}_k95"] = spread(_falls(own.where(directions=directions))[0], never="more than there are")
    for k in FEW[:3]:
        cut = places.where(weight_decay=decay, everywhere=False, removed=k)
        found[f"removed_{k}"] = {
            title: spread(cut.where(place=place).column("accuracy"), percent)
            for place, title in ((last, "attention"), ("final state", "final"))
        }
    return found


def _last_attention(places: Table) -> str:
    return max((place for place in places.column("place") if place.startswith("after attention")), default="")


def share(project: Project) -> Share:
    """What the chapter gives to its prose and to readers; see ``contents``."""
    from epistemics.chapters.phase_1_2 import chapter as phase_1_2

    made = tables(phase_1_2.load(project), load(project))
    return numbers(made), made
