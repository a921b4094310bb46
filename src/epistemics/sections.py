"""YAML files that say what is wrong with them: every value knows the file and the key that it stands under."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml


class SpecificationError(ValueError):
    """A fault in an experiment file; the message names file, key, value and what would be right."""


class Section:
    """A mapping in a file that knows where it stands, for errors."""

    def __init__(self, file: str, path: str, content: Any) -> None:
        self.file, self.path, self.content = file, path, content
        if not isinstance(content, dict):
            raise SpecificationError(f"{file}: {path or 'the file'}: {content!r} must be a mapping")

    def path_to(self, key: str) -> str:
        return f"{self.file}: {self.path}.{key}" if self.path else f"{self.file}: {key}"

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
        return Section(self.file, inner, self.content.get(key, default))

    def sections(self, key: str) -> list[Section]:
        items = self.value(key, list)
        return [Section(self.file, f"{self.path}.{key}[{i}]", item) for i, item in enumerate(items)]

    def value(self, key: str, kind: type, default: Any = None) -> Any:
        names = {str: "text", int: "an integer", list: "a list"}
        if key not in self.content:
            if default is None:
                raise SpecificationError(f"{self.path_to(key)} is missing; it must be {names[kind]}")
            return default
        if type(self.content[key]) is not kind:
            self.fail(key, self.content[key], f"must be {names[kind]}")
        return self.content[key]


def read(path: Path, shown: str) -> Section:
    """A file's mapping, without tags and without the same key twice.

    Raises:
        SpecificationError: if it is not YAML, or not a mapping.
    """
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_StrictLoader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SpecificationError(f"{shown}: not valid YAML: {' '.join(str(error).split())}") from error
    return Section(shown, "", content)


class _StrictLoader(yaml.SafeLoader):
    """YAML without tags, and without the same key twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"the key {key!r} is there twice", node.start_mark)
        return super().construct_mapping(node, deep)
