"""YAML files that say what is wrong with them: every value knows the file and the key that it stands under."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

MERGE = "tag:yaml.org,2002:merge"
"""The key `<<`."""

BAR = "|"
"""What a text that stands in a cell of a table must be without."""
MARKUP = r"|\`*$@^~<>[]"
"""What a name must be without: tables would read it as Markdown, figures as a formula."""


class SpecificationError(ValueError):
    """A fault in an experiment file; the message names file, key, value and what would be right."""


def line_without(barred: str) -> str:
    """The pattern of a line of text without some characters, the same to Python and to an editor's JavaScript."""
    escaped = re.sub(r"[\\\[\]]", r"\\\g<0>", barred)
    return rf"^(?!.*[{escaped}\x00-\x1f\x7f-\x9f\u2028\u2029]).*\S"


def not_a_line(text: str, longest: int | None = None, barred: str = BAR) -> str:
    """What a text must be, and is not, to stand in a cell of a table; empty if it can."""
    if not re.match(line_without(barred), text) or not text.isprintable():  # the latter: nor what turns writing round
        return f"must be a line of text without {' '.join(barred)}, for it stands in tables"
    if longest is not None and len(text) > longest:
        return f"must be of at most {longest} characters, for it stands in tables, and is of {len(text)}"
    return ""


def number_meant(value: Any) -> str:
    """What to write for a text that was meant as a number, if it was: YAML takes `1e-3` as text."""
    match = re.fullmatch(r"([+-]?\d+)(\.\d*)?[eE]([+-]?)(\d+)", value) if isinstance(value, str) else None
    if match is None:
        return ""
    whole, fraction, sign, exponent = match.groups()
    return f"; YAML takes this as text: write {whole}{fraction or '.0'}e{sign or '+'}{exponent}"


class Section:
    """A mapping in a file that knows where it stands, for errors."""

    def __init__(self, file: str, path: str, content: Any, lines: Mapping[str, int]) -> None:
        self.file, self.path, self.content, self.lines = file, path, content, lines
        if not isinstance(content, dict):
            raise SpecificationError(f"{self._place(path)}{path or 'the file'}: {content!r} must be a mapping")

    def path_to(self, key: str) -> str:
        """File, line and path of a key; the line of the mapping if the key is missing there."""
        path = f"{self.path}.{key}" if self.path else key
        return f"{self._place(path)}{path}"

    def _place(self, path: str) -> str:
        line = self.lines.get(path, self.lines.get(self.path))
        return f"{self.file}: " if line is None else f"{self.file}:{line}: "

    def fail(self, key: str, value: Any, requirement: str) -> Any:
        raise SpecificationError(f"{self.path_to(key)}: {value!r} {requirement}")

    def allow(self, *keys: str) -> None:
        for key, value in self.content.items():
            if key not in keys:
                self.fail(str(key), value, f"is unknown here; known keys: {', '.join(keys)}")

    def section(self, key: str, default: dict[str, Any] | None = None) -> Section:
        inner = f"{self.path}.{key}" if self.path else key
        if key not in self.content and default is None:
            raise SpecificationError(f"{self.path_to(key)} is missing; it must be a mapping")
        return Section(self.file, inner, self.content.get(key, default), self.lines)

    def sections(self, key: str, default: list[Any] | None = None) -> list[Section]:
        inner = f"{self.path}.{key}" if self.path else key
        items = self.value(key, list, default)
        return [Section(self.file, f"{inner}[{i}]", item, self.lines) for i, item in enumerate(items)]

    def value(self, key: str, kind: type, default: Any = None) -> Any:
        names = {str: "text", int: "an integer", list: "a list", bool: "true or false"}
        if key not in self.content:
            if default is None:
                raise SpecificationError(f"{self.path_to(key)} is missing; it must be {names[kind]}")
            return default
        if type(self.content[key]) is not kind:
            self.fail(key, self.content[key], f"must be {names[kind]}")
        return self.content[key]

    def line(self, key: str, longest: int | None = None, barred: str = BAR) -> str:
        """A text that stands in a cell of a table."""
        text: str = self.value(key, str)
        if fault := not_a_line(text, longest, barred):
            self.fail(key, text, fault)
        return text


def read(path: Path, shown: str) -> Section:
    """A file's mapping, without tags and without the same key twice.

    Raises:
        SpecificationError: if it is not YAML, or not a mapping.
    """
    try:
        loader = _StrictLoader(path.read_bytes().decode("utf-8"))
        node = loader.get_single_node()
        content = None if node is None else loader.construct_document(node)
        lines = {} if node is None else dict(_lines(node, ""))
    except yaml.MarkedYAMLError as error:
        line = "" if error.problem_mark is None else f":{error.problem_mark.line + 1}"
        raise SpecificationError(f"{shown}{line}: not valid YAML: {said_plainly(str(error.problem))}") from error
    except UnicodeDecodeError as error:
        number = error.object.count(b"\n", 0, error.start) + 1
        raise SpecificationError(f"{shown}:{number}: not valid YAML: not UTF-8; save it in this encoding") from error
    except RecursionError as error:
        raise SpecificationError(f"{shown}: not valid YAML: nested too deeply") from error
    except (yaml.YAMLError, ValueError) as error:  # a control character; a date that there is not
        raise SpecificationError(f"{shown}: not valid YAML: {' '.join(str(error).split())}") from error
    return Section(shown, "", content, lines)


def said_plainly(problem: str) -> str:
    """What PyYAML says, where that leaves a reader with nothing to do."""
    if "'\\t'" in problem:
        return f"{problem}; indent with spaces"
    return re.sub(r"could not determine a constructor for the tag (.+)", r"the tag \1 is not read here", problem)


def _lines(node: yaml.Node, path: str) -> Iterator[tuple[str, int]]:
    """The line of every key and list item, under the path by which errors name it."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            here = f"{path}.{key.value}" if path else str(key.value)
            yield here, key.start_mark.line + 1
            yield from _lines(value, here)
    elif isinstance(node, yaml.SequenceNode):
        for position, item in enumerate(node.value):
            yield f"{path}[{position}]", item.start_mark.line + 1
            yield from _lines(item, f"{path}[{position}]")


class _StrictLoader(yaml.SafeLoader):
    """YAML without tags, and without the same key twice. What `<<` takes over, a mapping's own keys replace."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        own = [key for key, _ in node.value if key.tag != MERGE]
        for position, key in enumerate(own):
            if key.value in [other.value for other in own[:position]]:
                said = f"the key {key.value!r} is there twice"
                raise yaml.constructor.ConstructorError(None, None, said, key.start_mark)
        return super().construct_mapping(node, deep)
