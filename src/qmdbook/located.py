"""YAML whose values remember their lines, so that a wrong key can be named with its place."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from qmdbook.problems import Problem

Keys = tuple[str | int, ...]


@dataclass
class Located:
    """A mapping read from YAML, with the line of every key and list item (`lines[("book", "title")]`)."""

    file: Path
    values: dict[str, Any] = field(default_factory=dict)
    lines: dict[Keys, int] = field(default_factory=dict)

    def problem(self, keys: Keys, message: str) -> Problem:
        return Problem(self.file, self.lines.get(keys), f"{'.'.join(map(str, keys))}: {message}")


def read(text: str, file: Path, problems: list[Problem], first_line: int = 1) -> Located:
    """The mapping in `text`, whose first line is line `first_line` of `file`; faults go to `problems`."""
    located = Located(file)
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        values = _plain(yaml.safe_load(text))
        lines = list(_lines(node, ()))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = first_line + mark.line if mark is not None else first_line
        said = str(getattr(error, "problem", None) or error)
        hint = "; indent with spaces" if "'\\t'" in said else ""
        problems.append(Problem(file, line, f"not YAML: {said}{hint}"))
        return located
    except RecursionError:
        problems.append(Problem(file, first_line, "not YAML: brackets or anchors nested too deeply"))
        return located
    except ValueError as error:  # of a date or a number that there is not: 2025-99-99
        problems.append(Problem(file, first_line, f"not YAML: {error}; put the value in quotes"))
        return located
    if values is None:
        return located
    if not isinstance(values, dict):
        problems.append(Problem(file, first_line, "expected `key: value` pairs"))
        return located
    located.values = values
    for keys, line in lines:
        if keys in located.lines:
            problems.append(Problem(file, first_line + line, f"{'.'.join(map(str, keys))}: given twice"))
        located.lines[keys] = first_line + line
    return located


def _lines(node: Any, keys: Keys) -> Iterator[tuple[Keys, int]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            here = (*keys, str(key.value))
            yield here, key.start_mark.line
            yield from _lines(value, here)
    elif isinstance(node, yaml.SequenceNode):
        for position, item in enumerate(node.value):
            here = (*keys, position)
            yield here, item.start_mark.line
            yield from _lines(item, here)


def _plain(value: Any) -> Any:
    """Keys as text and dates as they were written: YAML's own types for them help nobody here."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, datetime.date):
        return value.isoformat()
    return value
