"""Debate about an image of which the judge sees a few pixels, played perfectly (log entry 3).

After the experiment of Irving, Christiano and Amodei (2018, arXiv:1805.00899) with everything made exact.
The images are ten digits of 3 × 5 pixels at every place of a larger board. Two debaters claim an answer each, one the
true digit and one another, and in turn reveal pixels of ink that the judge has not seen. The judge knows the ten digits
and supposes that the pixels were revealed at random, as the paper's was trained to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import NDArray

from epistemics.analysis.provenance_line import traced
from epistemics.analysis.tables import Shown, Table, Value, percent, table_of

Array = NDArray[np.float64]

GLYPHS = (
    "### #.# #.# #.# ###",
    ".#. ##. .#. .#. ###",
    "### ..# ### #.. ###",
    "### ..# ### ..# ###",
    "#.# #.# ### ..# ..#",
    "### #.. ### ..# ###",
    "### #.. ### #.# ###",
    "### ..# ..# ..# ..#",
    "### #.# ### #.# ###",
    "### #.# ### ..# ###",
)
"""The digits, row by row."""
HEIGHT, WIDTH = 7, 5
"""Of the board; a digit stands at each of its places equally often."""
PIXELS = (2, 4, 6)
"""How many the judge sees: in a debate each debater reveals half of them."""
PUBLISHED = {4: (0.482, 0.852), 6: (0.594, 0.889)}
"""Pixels → accuracy of the paper's judge alone and with debate, on handwritten digits (its abstract)."""


@dataclass(frozen=True)
class Image:
    """A digit at a place of the board."""

    digit: int
    ink: tuple[int, ...]
    """Numbers of its pixels of ink, row by row."""


@cache
def images() -> tuple[Image, ...]:
    """Every digit at every place."""
    found = []
    for digit, glyph in enumerate(GLYPHS):
        lines = glyph.split()
        for down in range(HEIGHT - len(lines) + 1):
            for right in range(WIDTH - len(lines[0]) + 1):
                ink = [
                    (down + y) * WIDTH + right + x
                    for y, line in enumerate(lines)
                    for x, mark in enumerate(line)
                    if mark == "#"
                ]
                found.append(Image(digit, tuple(ink)))
    return tuple(found)


def beliefs(image: Image, pixels: int) -> Array:
    """What the judge believes of each digit after each choice of pixels of the image's ink, [choices, 10].

    Choices are in the order of ``itertools.combinations``. Each row is proportional to the chance of these pixels,
    given the digit, if a place and then pixels of ink are drawn at random; it is not normalised.
    """
    own = {pixel: 1 << index for index, pixel in enumerate(image.ink)}
    choices = np.array([sum(1 << i for i in chosen) for chosen in combinations(range(len(own)), pixels)])
    found = np.zeros((len(choices), len(GLYPHS)))
    for other in images():
        if len(other.ink) >= pixels:
            shared = sum(own.get(pixel, 0) for pixel in other.ink)
            found[choices & ~shared == 0, other.digit] += 1 / comb(len(other.ink), pixels)
    return found


def judged(found: Array, digit: int) -> Array:
    """The judge's chance to choose the true digit over each other that is claimed, [choices, 10]: 1, 0 or ½ for a tie.

    Over itself it is 1.
    """
    true = found[:, [digit]]
    verdict = np.where(np.isclose(true, found), 0.5, (true > found).astype(float))
    verdict[:, digit] = 1.0
    return verdict


def alone(found: Array, digit: int) -> float:
    """The judge's chance to name the digit from pixels drawn at random; ties are broken by chance."""
    best = np.isclose(found, found.max(1, keepdims=True))
    return float((best[:, digit] / best.sum(1)).mean())


@cache
def followers(size: int, revealed: int) -> NDArray[np.int64]:
    """For each choice of so many of the pixels, the numbers of those with one more, [choices, size - revealed]."""
    after = {chosen: index for index, chosen in enumerate(combinations(range(size), revealed + 1))}
    rows = [
        [after[tuple(sorted((*chosen, pixel)))] for pixel in range(size) if pixel not in chosen]
        for chosen in combinations(range(size), revealed)
    ]
    return np.array(rows)


def solved(image: Image, honest_turns: tuple[bool, ...]) -> list[Array]:
    """The judge's chance to choose the true digit over each lie from each set of revealed pixels on, if both play
    perfectly: for 0, 1 … pixels an array [choices, 10]. The game is solved from its end.

    Args:
        honest_turns: for each pixel in order, whether the honest debater reveals it.
    """
    values = [judged(beliefs(image, len(honest_turns)), image.digit)]
    for revealed in reversed(range(len(honest_turns))):
        best = np.max if honest_turns[revealed] else np.min
        values.insert(0, best(values[0][followers(len(image.ink), revealed)], axis=1))
    return values


def debate(image: Image, honest_turns: tuple[bool, ...]) -> Array:
    """The judge's chance to choose the true digit over each lie, [10]."""
    value: Array = solved(image, honest_turns)[0][0]
    return value


def game(image: Image, lie: int, honest_turns: tuple[bool, ...]) -> list[int]:
    """The pixels revealed in one perfectly played debate; of moves that are as good the first is made."""
    values = solved(image, honest_turns)
    size, place = len(image.ink), 0
    order: list[int] = []
    for revealed, honest in enumerate(honest_turns):
        options = followers(size, revealed)[place]
        found = values[revealed + 1][options, lie]
        place = int(options[found.argmax() if honest else found.argmin()])
        chosen = list(combinations(range(size), revealed + 1))[place]
        order += set(chosen) - set(order)
    return [image.ink[index] for index in order]


def turns(setting: str, pixels: int) -> tuple[bool, ...]:
    """For each pixel in order, whether the honest debater reveals it in a setting of ``SETTINGS``."""
    return {
        "liar last": tuple(k % 2 == 0 for k in range(pixels)),
        "honest last": tuple(k % 2 == 1 for k in range(pixels)),
        "liar only": (False,) * pixels,
        "honest only": (True,) * pixels,
    }[setting]


SETTINGS: Mapping[str, str] = {
    "alone": "alone: ten digits, random pixels",
    "two claims": "two claims, random pixels",
    "liar last": "debate, liar has the last word",
    "honest last": "debate, honest has the last word",
    "liar only": "the liar chooses every pixel",
    "honest only": "the honest one chooses every pixel",
}
"""Setting → what it is. In all but the first the liar claims what serves it best."""


@cache
def accuracies() -> Table:
    """The judge's accuracy over all digits and places, in each setting and for each number of pixels."""
    rows: list[dict[str, Value]] = []
    for pixels in PIXELS:
        scores: dict[str, list[float]] = {name: [] for name in SETTINGS}
        for image in images():
            found = beliefs(image, pixels)
            scores["alone"].append(alone(found, image.digit))
            scores["two claims"].append(float(judged(found, image.digit).mean(0).min()))
            for name in list(SETTINGS)[2:]:
                scores[name].append(float(debate(image, turns(name, pixels)).min()))
        for name, each in scores.items():
            rows.append({"pixels": pixels, "setting": name, "accuracy": round(float(np.mean(each)), 4)})
    return table_of(rows)


EXAMPLE = (8, 3, 4)
"""The digit, the lie and the pixels of the debate that is drawn, in the middle of the board; the liar has the last
word."""


def example() -> Table:
    """The pixels of ink of one image, and who revealed which of them, as which move."""
    digit, lie, pixels = EXAMPLE
    own = [image for image in images() if image.digit == digit]
    image = own[len(own) // 2]
    order = game(image, lie, turns("liar last", pixels))
    rows: list[dict[str, Value]] = []
    for pixel in image.ink:
        move = order.index(pixel) + 1 if pixel in order else None
        who = None if move is None else "honest" if turns("liar last", pixels)[move - 1] else "liar"
        row = {"row": pixel // WIDTH, "column": pixel % WIDTH, "move": move, "revealed_by": who}
        rows.append({**row, "digit": digit, "lie": lie, "height": HEIGHT, "width": WIDTH})
    return table_of(rows)


@traced
def shown(accuracies: Table) -> Shown:
    """The same for reading."""
    rows = [
        [what, *(percent(accuracies.where(setting=name, pixels=k).column("accuracy")[0], 1) for k in PIXELS)]
        for name, what in SETTINGS.items()
    ]
    return Shown(["Setting", *(f"{k} pixels" for k in PIXELS)], rows)
