"""The schema by which an editor completes and checks experiment files."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import jsonschema
import pytest
import yaml
from prose import PROJECT

from epistemics.declared.experiments import experiment_names
from epistemics.declared.schema import MODELINE, schema

EXPERIMENTS = PROJECT / "experiments"


def faults(content: Any) -> list[str]:
    validator = jsonschema.Draft202012Validator(schema())
    return [error.message for error in validator.iter_errors(content)]


def test_the_file_is_what_the_configuration_says() -> None:
    written = json.loads((EXPERIMENTS / "schema.json").read_text(encoding="utf-8"))
    assert written == schema(), "`epistemics schema` writes it anew"
    jsonschema.Draft202012Validator.check_schema(written)


@pytest.mark.parametrize("name", experiment_names(EXPERIMENTS))
def test_every_experiment_names_the_schema_and_passes(name: str) -> None:
    text = (EXPERIMENTS / f"{name}.yaml").read_text(encoding="utf-8")
    assert text.startswith(MODELINE)
    assert faults(yaml.safe_load(text)) == []


@pytest.mark.parametrize(
    "change",
    [
        lambda file: file["defaults"].update(learning_rte=0.1),
        lambda file: file["defaults"].update(layers="two"),
        lambda file: file["defaults"].update(precision="float8"),
        lambda file: file["defaults"].update(operations=["sub"]),
        lambda file: file["defaults"].update(d_model=33_000),
        lambda file: file["defaults"].update(seed=1),
        lambda file: file["profiles"]["paper"]["groups"][0].update(seeds=[]),
        lambda file: file["profiles"]["paper"]["groups"][0].pop("name"),
        lambda file: file["profiles"]["paper"]["groups"][0].update(vary={"steps": 5}),
        lambda file: file["profiles"].pop("smoke"),
        lambda file: file.update(titel="x"),
    ],
)
def test_what_is_wrong_is_marked_while_it_is_typed(change: Callable[[Any], object]) -> None:
    file = yaml.safe_load((EXPERIMENTS / "phase-1-2.yaml").read_text(encoding="utf-8"))
    assert faults(file) == []
    changed = copy.deepcopy(file)
    change(changed)
    assert faults(changed) != []


def test_a_setting_says_what_it_is() -> None:
    settings = schema()["$defs"]["settings"]["properties"]
    assert settings["weight_decay"] == {"description": "AdamW's decoupled decay, on every parameter.",
                                        "type": "number", "maximum": 1_000_000}  # fmt: skip
