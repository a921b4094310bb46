"""The JSON schema of experiment files, derived from ``Configuration``, so that an editor completes and checks them.

Each file names it in its first line. It knows keys, types, names, upper bounds and what a line of text is; all else (a
modulus for multiplication is prime) is checked when the file is read.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from epistemics.declared.experiments import LONGEST, NAME, PROFILES
from epistemics.declared.project import Project
from epistemics.declared.sections import BAR, MARKUP, line_without
from epistemics.store.files import write_if_changed
from epistemics.study import AT_MOST, NAMES, ON_REQUEST, Configuration

MODELINE = "# yaml-language-server: $schema=schema.json\n"
"""The first line of an experiment file."""

TYPES = {int: "integer", float: "number", bool: "boolean", str: "string"}


def write_schema(project: Project) -> list[Path]:
    """Write ``experiments/schema.json``; returns it if it changed."""
    content = json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"
    return write_if_changed(project.experiments / "schema.json", content.encode())


def schema() -> dict[str, Any]:
    """The schema (JSON Schema, draft 2020-12)."""
    hints, said = get_type_hints(Configuration), documentation()
    settings = {name: {"description": said[name], **_of(name, hints[name])} for name in said if name != "seed"}
    varied = {name: {"type": "array", "minItems": 1, "items": setting} for name, setting in settings.items()}
    seeds = {"type": "array", "items": {"type": "integer", "minimum": 0, "exclusiveMaximum": 2**64}}
    line, name = ({"type": "string", "pattern": line_without(barred)} for barred in (BAR, MARKUP))
    short = {"maxLength": LONGEST}
    trained = {
        "name": {**name, **short, "description": "Tells this group from the others."},
        "label": {
            **name,
            "anyOf": [short, {"pattern": "[{]"}],  # filled in, it may be shorter
            "description": "What its models are called in tables and figures; {d_model} stands for that setting.",
        },
        "set": {"$ref": "#/$defs/settings", "description": "Settings of this group."},
        "vary": {**_object(varied), "description": "Lists of values; each combination is a run for each seed."},
        "seeds": {**seeds, "minItems": 1, "description": "A run for each."},
        "awaited": {**seeds, "minItems": 1, "description": "Seeds that are chosen, and that no chapter reads yet."},
        "keep_weights": {**seeds, "description": "Seeds whose parameters at the end are stored."},
        "measure": {
            "type": "array",
            "items": {"enum": list(ON_REQUEST)},
            "description": "Families of measures, besides those that every result has.",
        },
    }
    taken_over = {
        "name": trained["name"],
        "measure": trained["measure"],
        "runs_of": {
            "type": "string",
            "pattern": f"^{NAME.pattern}$",
            "description": "An experiment whose runs these are.",
        },
    }
    seeded = [_object(trained, "name", seeds) for seeds in ("seeds", "awaited")]
    groups = [*seeded, _object(taken_over, "name", "runs_of")]
    profile = _object(
        {
            "defaults": {"$ref": "#/$defs/settings", "description": "Settings of this profile."},
            "groups": {"type": "array", "items": {"anyOf": groups}},
        },
        "groups",
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "An experiment of epistemics",
        **_object(
            {
                "title": line,
                "entry": {"type": "integer", "description": "Number of the log entry that it follows."},
                "defaults": {"$ref": "#/$defs/settings", "description": "Settings of every run."},
                "profiles": _object(dict.fromkeys(PROFILES, profile), *PROFILES),
            },
            "title",
            "entry",
            "profiles",
        ),
        "$defs": {"settings": _object(settings)},
    }


def _object(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    said = {"type": "object", "properties": properties, "additionalProperties": False}
    return said | {"required": list(required)} if required else said


def _of(name: str, hint: Any) -> dict[str, Any]:
    """The schema of one setting."""
    if get_origin(hint) is tuple:
        return {"type": "array", "items": _of(name, get_args(hint)[0])}
    bounds = {"maximum": AT_MOST[name]} if name in AT_MOST else {}
    if hint in (int | None, float | None):
        return {"type": [TYPES[get_args(hint)[0]], "null"], **bounds}
    names = {"enum": list(NAMES[name])} if name in NAMES else {}
    return {"type": TYPES[hint], **bounds, **names}


@cache  # the page of every run asks
def documentation() -> Mapping[str, str]:
    """Setting → the text below it in the source of ``Configuration``."""
    (definition,) = ast.parse(inspect.getsource(Configuration)).body
    assert isinstance(definition, ast.ClassDef)
    said = {}
    for field, text in zip(definition.body, definition.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
            said[ast.unparse(field.target)] = str(text.value.value)
    assert said.keys() == {field.name for field in dataclasses.fields(Configuration)}
    return said
