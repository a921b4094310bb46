"""The schema by which an editor completes and checks experiment files."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from prose import PROJECT

from epistemics.declared.experiments import experiment_names, load_experiment
from epistemics.declared.schema import MODELINE, schema
from epistemics.declared.sections import SpecificationError

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
        lambda file: file["defaults"].update(operations=["pow"]),
        lambda file: file["defaults"].update(d_model=33_000),
        lambda file: file["defaults"].update(seed=1),
        lambda file: file["profiles"]["paper"]["groups"][0].update(seeds=[]),
        lambda file: file["profiles"]["paper"]["groups"][0].update(measure=["atacks"]),
        lambda file: file["profiles"]["paper"]["groups"][0].pop("name"),
        lambda file: file["profiles"]["paper"]["groups"][0].update(vary={"steps": 5}),
        lambda file: file["profiles"].pop("smoke"),
        lambda file: file.update(titel="x"),
        lambda file: file["profiles"]["paper"]["groups"].append({"name": "b", "runs_of": "Phase 1.1"}),
    ],
)
def test_what_is_wrong_is_marked_while_it_is_typed(change: Callable[[Any], object]) -> None:
    file = yaml.safe_load((EXPERIMENTS / "phase-1-2.yaml").read_text(encoding="utf-8"))
    assert faults(file) == []
    changed = copy.deepcopy(file)
    change(changed)
    assert faults(changed) != []


def file_of(**group: Any) -> dict[str, Any]:
    """An experiment of one group that is right, but for what is said of it."""
    file = dict(yaml.safe_load((EXPERIMENTS / "phase-1-2.yaml").read_text(encoding="utf-8")))
    settings = {"weight_decay": 1.0, "steps": 100, "measure_every": 0}
    file["profiles"]["paper"]["groups"] = [{"name": "one", "set": settings, "seeds": [0], **group}]
    return file


def is_read(content: Any, folder: Path) -> bool:
    (folder / "it.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    try:
        load_experiment(folder, "it")
    except SpecificationError:
        return False
    return True


@pytest.mark.parametrize("key", ["title", "name", "label"])
@pytest.mark.parametrize(
    ("text", "right"),
    [("x", True), ("x" * 80, True), *((text, False) for text in ("", " ", "x|y", "x\n", "x\ny", "x\ty", "x\x85y"))],
)
def test_a_text_that_is_no_line_is_marked_while_it_is_typed_and_refused_when_it_is_read(
    key: str, text: str, right: bool, tmp_path: Path
) -> None:
    file = file_of() | {"title": text} if key == "title" else file_of(**{key: text})
    assert is_read(file, tmp_path) is right
    assert (faults(file) == []) is right


@pytest.mark.parametrize("key", ["name", "label"])
@pytest.mark.parametrize("character", r"\`*$@^~<>[]")
def test_so_is_a_name_that_tables_would_read_as_markdown(key: str, character: str, tmp_path: Path) -> None:
    file = file_of(**{key: f"x {character}y"})
    assert not is_read(file, tmp_path)
    assert faults(file) != []


@pytest.mark.parametrize(
    ("group", "right"),
    [({"name": "x" * 81}, False), ({"label": "x" * 81}, False), ({"label": "{steps}{layers}{heads}" * 4}, True)],
    ids=["name", "label", "a label that is short once it is filled in"],
)
def test_so_is_what_is_too_long_for_a_table(group: dict[str, str], right: bool, tmp_path: Path) -> None:
    assert is_read(file_of(**group), tmp_path) is right
    assert (faults(file_of(**group)) == []) is right


def test_a_setting_says_what_it_is() -> None:
    settings = schema()["$defs"]["settings"]["properties"]
    assert settings["weight_decay"] == {"description": "AdamW's decoupled decay, on every parameter.",
                                        "type": "number", "maximum": 1_000_000}  # fmt: skip
