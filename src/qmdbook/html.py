"""From a numbered chapter to the HTML of its page."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field

from qmdbook import pandoc
from qmdbook.document import Document
from qmdbook.pandoc import Attributes, Node
from qmdbook.references import page_url

CALLOUT_NAMES = {name: name.capitalize() for name in ("note", "tip", "warning", "important", "caution")}

FUNCTION_APPLIED = re.compile(r"(<mo>(?:\u2061|&#8289;)</mo>)</mrow>(?!<mo)")
"""A function's name that no fence follows."""
ONE = r'<math display="inline"[^>]*>(?:(?!</math>).)*</math>'
MARKED = re.compile(rf"[(\[‘“]{ONE}[.,;:)\]’”]*|{ONE}[.,;:)\]’”]+", re.DOTALL)
"""A formula with the marks beside it, where there are any."""
TOKEN = re.compile(r"\\[a-zA-Z]+|\\.|[{}]", re.DOTALL)
"""What opens, closes or parts in a formula."""


@dataclass
class Heading:
    """An entry of a page's contents."""

    id: str
    number: str
    title: str
    children: list[Heading] = field(default_factory=list)


def contents(document: Document, depth: int) -> list[Heading]:
    """The page's headings down to level `depth`, nested."""
    top: list[Heading] = []
    open_lists = {1: top}
    for node in document.headings:
        level, attributes = node["c"][0], Attributes(node)
        if level > depth or "unlisted" in attributes.classes:
            continue
        heading = Heading(attributes.identifier, attributes.values.get("number", ""), pandoc.text_of(node).strip())
        parent = max(other for other in open_lists if other < level)
        open_lists[parent].append(heading)
        open_lists = {other: entries for other, entries in open_lists.items() if other < level}
        open_lists[level] = heading.children
    return top


def body(document: Document, reference_list: Document | None) -> str:
    """The HTML of a chapter without its title; citations link to the page of `reference_list`."""

    def visit(node: Node) -> list[Node] | None:
        return _visit(node, document, reference_list, visit)

    blocks: list[Node] = pandoc.walk(document.blocks, visit)
    return _set_formulas(pandoc.convert(blocks, ["--to", "html5", "--mathml", "--wrap=none"]))


def _set_formulas(text: str) -> str:
    """Formulas with a space after a function, as ``\\ln``, and no line broken between them and a mark beside them.

    Browsers put no space where a function is applied, and break a line beside a formula as beside an image.
    """
    text = FUNCTION_APPLIED.sub(r'\1<mspace width="0.167em"></mspace></mrow>', text)
    return MARKED.sub(r'<span class="joined">\g<0></span>', text)


def _visit(node: Node, document: Document, reference_list: Document | None, visit: pandoc.Visitor) -> list[Node] | None:
    kind = node["t"]
    if kind == "Link" and reference_list is not None and reference_list is not document:
        url = node["c"][2][0]
        if url.startswith("#ref-"):
            inlines = pandoc.walk(node["c"][1], visit)
            return [{"t": "Link", "c": [node["c"][0], inlines, [page_url(document, reference_list) + url, ""]]}]
    elif kind == "Header":
        return [_heading(node, visit)]
    elif kind == "Figure":
        return _figure(node, visit)
    elif kind == "Table":
        return _scrolling(node, "Table", visit)
    elif kind in ("Para", "Plain"):
        if len(node["c"]) == 1 and _is_display(node["c"][0]):
            return _formulas(node["c"][0])
    elif kind == "Div":
        classes = Attributes(node).classes
        if "equation" in classes:
            return _equation(node)
        if "callout" in classes:
            return _callout(node, visit)
        if "cell" in classes:
            return _cell(node, visit)
    return None


def _raw(text: str) -> Node:
    return pandoc.raw_block("html", text)


def _heading(node: Node, visit: pandoc.Visitor) -> Node:
    level, _, inlines = node["c"]
    attributes = Attributes(node)
    number = attributes.values.get("number", "")
    parts = [pandoc.raw_inline("html", f'<span class="header-section-number">{number}</span> ')] if number else []
    parts += pandoc.walk(inlines, visit)
    identifier = html.escape(attributes.identifier)
    anchor = f'<a class="anchor" href="#{identifier}" aria-label="Link to this section"></a>'
    parts += [pandoc.raw_inline("html", anchor)] if identifier else []
    values = [[key, value] for key, value in attributes.values.items() if key != "number"]
    return {"t": "Header", "c": [level, [attributes.identifier, attributes.classes, values], parts]}


def _opening(tag: str, identifier: str, classes: list[str], rest: str = "") -> str:
    name = f' id="{html.escape(identifier)}"' if identifier else ""
    return f'<{tag}{name} class="{html.escape(" ".join(classes))}"{rest}>'


def _figure(node: Node, visit: pandoc.Visitor) -> list[Node]:
    attributes, (_, caption), blocks = Attributes(node), node["c"][1], node["c"][2]
    is_table = "table" in attributes.classes
    number = attributes.values.get("number", "")
    label = f"{'Table' if is_table else 'Figure'}\u00a0{number}: " if number else ""
    written: list[Node] = []
    if caption:
        first, *others = pandoc.walk(caption, visit)
        inlines = [pandoc.string(label), *first["c"]] if label else first["c"]
        written = [_raw("<figcaption>"), pandoc.plain(inlines), *others, _raw("</figcaption>")]
    if is_table:
        name = (label + pandoc.text_of(caption)).strip() or "Table"
        tables = (
            _scrolling(block, name, visit) if block["t"] == "Table" else pandoc.walk([block], visit) for block in blocks
        )
        contents = [*written, *(block for table in tables for block in table)]
    else:
        contents = [*pandoc.walk(blocks, visit), *written]
    return [_raw(_opening("figure", attributes.identifier, attributes.classes)), *contents, _raw("</figure>")]


def _scrolling(table: Node, name: str, visit: pandoc.Visitor) -> list[Node]:
    inner = {"t": "Table", "c": pandoc.walk(table["c"], visit)}
    label = html.escape(" ".join(name.split()))
    opening = f'<div class="table-scroll" tabindex="0" role="region" aria-label="{label}">'
    return [_raw(opening), inner, _raw("</div>")]


def _equation(node: Node) -> list[Node]:
    attributes = Attributes(node)
    number = f'<span class="equation-number">({attributes.values.get("number", "")})</span></div>'
    opening = _opening("div", attributes.identifier, ["equation"])
    return [_raw(opening), *_formulas(node["c"][1][0]["c"][0]), _raw(number)]


def _is_display(node: Node) -> bool:
    return bool(node["t"] == "Math" and node["c"][0]["t"] == "DisplayMath")


def _formulas(formula: Node) -> list[Node]:
    """A displayed formula. Where wide spaces part it, its parts become formulas of their own: browsers break none."""
    parts = [{"t": "Math", "c": [formula["c"][0], part]} for part in _parted(formula["c"][1])]
    return [_raw('<div class="formulas">'), pandoc.plain(parts), _raw("</div>")]


def _parted(tex: str) -> list[str]:
    """The parts of a formula between its `\\quad` and `\\qquad` outside of braces, fences and environments."""
    parts, depth, start = [], 0, 0
    for token in TOKEN.finditer(tex):
        if token[0] in ("{", r"\left", r"\begin"):
            depth += 1
        elif token[0] in ("}", r"\right", r"\end"):
            depth -= 1
        elif token[0] in (r"\quad", r"\qquad") and depth == 0:
            parts.append(tex[start : token.start()])
            start = token.end()
    return [part for part in (*parts, tex[start:]) if part.strip()]


def _callout(node: Node, visit: pandoc.Visitor) -> list[Node]:
    attributes = Attributes(node)
    kind = next(name for name in attributes.classes if name.startswith("callout-")).removeprefix("callout-")
    title, content = callout_parts(node)
    heading = pandoc.walk(title, visit) or [pandoc.string(CALLOUT_NAMES.get(kind, kind))]
    collapse = attributes.values.get("collapse")
    outer, name = ("aside", "p") if collapse is None else ("details", "summary")
    rest = ' role="note"' if collapse is None else " open" if collapse == "false" else ""
    return [
        _raw(_opening(outer, attributes.identifier, attributes.classes, rest)),
        pandoc.plain([
            pandoc.raw_inline("html", f'<{name} class="callout-title">'), *heading,
            pandoc.raw_inline("html", f"</{name}>"),
        ]),
        _raw('<div class="callout-body">'), *pandoc.walk(content, visit), _raw("</div>"),
        _raw(f"</{outer}>"),
    ]  # fmt: skip


def callout_parts(node: Node) -> tuple[list[Node], list[Node]]:
    """The inlines of a callout's title (perhaps none) and the blocks of its body."""
    *titles, content = node["c"][1]
    title: list[Node] = titles[0]["c"][1][0]["c"] if titles else []
    blocks: list[Node] = content["c"][1]
    return title, blocks


def _cell(node: Node, visit: pandoc.Visitor) -> list[Node]:
    if not node["c"][1]:  # nothing of it is shown
        return []
    attributes, result = Attributes(node), [_raw('<div class="cell">')]
    for block in node["c"][1]:
        if block["t"] == "CodeBlock" and "cell-code" in Attributes(block).classes:
            code = {"t": "CodeBlock", "c": [["", ["python"], []], block["c"][1]]}
            fold = attributes.values.get("fold", "false")
            if fold == "false":
                result.append(code)
            else:
                summary = html.escape(attributes.values.get("summary", "Code"))
                is_open = " open" if fold == "show" else ""
                opening = f'<details class="code-fold"{is_open}><summary>{summary}</summary>'
                result += [_raw(opening), code, _raw("</details>")]
        else:
            result += pandoc.walk([block], visit)
    return [*result, _raw("</div>")]
