"""Figures, tables, equations and callouts, however they were written, brought into one shape each."""

from __future__ import annotations

import re
from typing import Any

from qmdbook import pandoc
from qmdbook.chapter import Chapter
from qmdbook.pandoc import Attributes, Node
from qmdbook.problems import Problem

CALLOUTS = ("note", "tip", "warning", "important", "caution")
CALLOUT_ATTRIBUTES = {"title", "collapse", "appearance", "icon"}
EQUATION = re.compile(r"\{#(eq-[\w-]+)\}(.*)$")


class Shaper:
    """Shapes the elements of one chapter; what can't be shaped goes to `problems`."""

    def __init__(self, chapter: Chapter, problems: list[Problem]) -> None:
        self.chapter = chapter
        self.problems = problems

    def problem(self, message: str, *patterns: str) -> None:
        self.problems.extend(self.chapter.problems(message, *patterns))

    def shape(self, node: Node) -> list[Node] | None:
        """What takes the place of `node`, for `pandoc.walk`; None if it stays."""
        kind = node["t"]
        if kind == "Figure":
            return [self._figure(node)]
        if kind == "Table":
            return [self._table(node)]
        if kind in ("Para", "Plain") and any(_is_equation_label(item) for item in node["c"]):
            return self._equations(node)
        if kind == "Div":
            attributes = Attributes(node)
            callout = next((name for name in attributes.classes if name.startswith("callout")), None)
            if callout is not None:
                return [self._callout(node, callout.removeprefix("callout-"))]
            if attributes.identifier.startswith(("fig-", "tbl-")) or "figure" in attributes.classes:
                return [self._float(node)]
        return None

    def _figure(self, node: Node) -> Node:
        attributes = Attributes(node)
        attributes.classes[:] = [*attributes.classes, "figure"]
        return node

    def _table(self, node: Node) -> Node:
        attributes, caption = Attributes(node), node["c"][1]
        identifier = attributes.identifier
        if attributes.values:
            self.problem(f"table attributes {', '.join(attributes.values)} are not known here", re.escape(identifier))
        if not caption[1]:
            return node
        attributes.identifier = ""
        node["c"][1] = [None, []]
        return {"t": "Figure", "c": [[identifier, ["table"], []], caption, [node]]}

    def _float(self, node: Node) -> Node:
        """A div around a figure or table whose last paragraph is the caption."""
        attributes, blocks = Attributes(node), node["c"][1]
        identifier = attributes.identifier
        place = rf"#{re.escape(identifier)}(?![\w-])"
        kind = "table" if identifier.startswith("tbl-") else "figure"
        tables = [block for block in pandoc.elements(blocks) if block["t"] == "Table"]
        caption: list[Node] = []
        if len(blocks) > 1 and blocks[-1]["t"] == "Para":
            caption, blocks = [pandoc.plain(blocks[-1]["c"])], blocks[:-1]
        elif tables and tables[0]["c"][1][1]:
            caption, tables[0]["c"][1] = tables[0]["c"][1][1], [None, []]
        else:
            self.problem(f"{identifier}: no caption; it is the last paragraph of the div", place)
        contents: list[Node] = []
        for block in blocks:
            if block["t"] == "Figure":
                contents.extend(block["c"][2])
            elif block["t"] == "Para":
                contents.append(pandoc.plain(block["c"]))
            else:
                contents.append(block)
        if kind == "table" and not tables:
            self.problem(f"{identifier}: no table in it", place)
        nested = [Attributes(item).identifier for item in pandoc.elements(blocks) if pandoc.has_attributes(item)]
        if any(name.startswith(("fig-", "tbl-")) for name in nested):
            self.problem(f"{identifier}: figures inside a figure are not known here", place)
        unknown = [name for name in attributes.values if name != "fig-alt"]
        if unknown:
            self.problem(f"{identifier}: attributes {', '.join(unknown)} are not known here", place)
        for image in pandoc.elements(contents):
            if image["t"] == "Image" and "fig-alt" in attributes.values:
                Attributes(image).set("fig-alt", attributes.values["fig-alt"])
        classes = [kind, *(name for name in attributes.classes if name not in ("figure", "table"))]
        return {"t": "Figure", "c": [[identifier, classes, []], [None, caption], contents]}

    def _equations(self, node: Node) -> list[Node]:
        """A paragraph cut at its labelled formulas, each of which becomes a div."""
        result: list[Node] = []
        pending: list[Node] = []

        def flush() -> None:
            while pending and pending[-1]["t"] in ("Space", "SoftBreak"):
                pending.pop()
            if pending:
                result.append({"t": "Para", "c": list(pending)})
            pending.clear()

        for item in node["c"]:
            match = EQUATION.match(item["c"]) if _is_equation_label(item) else None
            if match is not None:
                while pending and pending[-1]["t"] in ("Space", "SoftBreak"):
                    pending.pop()
                if pending and pending[-1]["t"] == "Math" and pending[-1]["c"][0]["t"] == "DisplayMath":
                    formula = pending.pop()
                    flush()
                    result.append(pandoc.div([pandoc.plain([formula])], match[1], ["equation"]))
                    pending.extend([pandoc.string(match[2])] if match[2] else [])
                    continue
            if _is_equation_label(item):
                self.problem(
                    f"{item['c']}: an equation's label is {{#eq-name}} right after $$…$$",
                    re.escape(item["c"]),
                )
            if pending or item["t"] not in ("Space", "SoftBreak"):
                pending.append(item)
        flush()
        return result

    def _callout(self, node: Node, kind: str) -> Node:
        attributes, blocks = Attributes(node), pandoc.walk(node["c"][1], self.shape)
        values = attributes.values
        place = rf"\.callout-?{re.escape(kind)}"
        if kind not in CALLOUTS:
            self.problem(f"callout {kind!r} is not one of {', '.join(CALLOUTS)}", place)
        for key in values.keys() - CALLOUT_ATTRIBUTES:
            self.problem(f"callout attribute {key!r} is not one of {', '.join(sorted(CALLOUT_ATTRIBUTES))}", place)
        title: list[Node] = []
        if "title" in values:
            title = pandoc.inlines(values["title"])
        elif blocks and blocks[0]["t"] == "Header":
            title, blocks = blocks[0]["c"][2], blocks[1:]
        parts = [pandoc.div([pandoc.plain(title)], classes=["callout-title"])] if title else []
        parts.append(pandoc.div(blocks, classes=["callout-body"]))
        shaped = pandoc.div(parts, attributes.identifier, ["callout", f"callout-{kind}"])
        if values.get("collapse") in ("true", "false"):
            Attributes(shaped).set("collapse", values["collapse"])
        return shaped


def _is_equation_label(item: Any) -> bool:
    return bool(item["t"] == "Str" and item["c"].startswith("{#eq-"))
