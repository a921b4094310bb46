"""A machine that makes itself: a body of organs A, B, C, D and a tape Φ that describes them, as a small formal system.

An organ is a row of elements, capital letters; the tape is a row of symbols. A small letter describes its capital and a
full stop the gap between two organs, so Φ(A + B + C + D) is the body in small letters. The constructor A reads the tape
and makes what it says, the copier B reads it and writes what it sees, the controller C runs the one and then the other
(von Neumann 1951; 1966, part I, fifth lecture; log entry 5). A and B differ in one element.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

ELEMENTS = {
    "R": "read: takes the next symbol of the tape in hand; after the last one the organ stops",
    "M": "make: joins the element that the symbol in hand describes to the offspring's body",
    "W": "write: joins the symbol in hand to the offspring's tape",
    "J": "jump: goes back to the organ's first element",
    "U": "uses the first organ, with the tape at its beginning",
    "V": "uses the second organ, with the tape at its beginning",
    "S": "sets the offspring free; nothing can be joined to it any more",
    "P": "puts the elements of the fourth organ into the world, as a product",
    "X": "nothing: a ware",
    "Y": "nothing: a ware",
    "Z": "nothing: a ware",
}
"""The elements and what each does when its turn comes. This is the system's physics: every machine has it for free."""
GAP = "."
SYMBOLS = "".join(ELEMENTS).lower() + GAP
CONSTRUCTOR, COPIER, CONTROLLER, GOAL = range(4)
"""Places of A, B, C and D in a body."""
LIMIT = 1000
"""Elements that a life lasts at most; a machine that jumps for ever ends here, and its offspring is not free."""


def describe(body: Sequence[str]) -> str:
    """Φ: the tape that describes a body."""
    return GAP.join(body).lower()


@dataclass(frozen=True)
class Machine:
    """A body, organ by organ, and a tape."""

    body: tuple[str, ...]
    tape: str

    @property
    def size(self) -> int:
        """Elements of the body and symbols of the tape: what stands here for complexity."""
        return sum(map(len, self.body)) + len(self.tape)


@dataclass(frozen=True)
class Joining:
    """Something joined to the offspring."""

    turn: int
    """How many elements had their turn before, since the machine began."""
    organ: int
    position: int
    """Of the symbol in hand on the machine's tape, from 0."""
    joined: str
    """An element, or the gap before a further organ, to the body; a small letter or a full stop to the tape."""
    interpreted: bool
    """Whether the symbol was read as what it describes, or as itself."""


@dataclass(frozen=True)
class Life:
    """What came of a machine."""

    offspring: Machine | None
    """None if nothing was set free."""
    product: str
    joinings: tuple[Joining, ...]
    turns: int
    """How many elements had their turn."""


ORGANS = ("RMJ", "RWJ", "UVSP", "XYZ")
"""A, B, C and D of the machine of the chapter: D is a product that A is told to make besides."""
REPRODUCER = Machine(ORGANS, describe(ORGANS))


def live(machine: Machine) -> Life:
    """Run a machine: its third organ, the controller, element by element, and the organs that it uses."""
    body, tape, product, free = "", "", "", False
    joinings = []
    calls = [(CONTROLLER, 0)] if len(machine.body) > CONTROLLER else []  # organ and place of its next element
    head, hand, turns = 0, -1, 0  # positions on the tape: of the next symbol, and of the one in hand
    while calls and turns < LIMIT:
        organ, place = calls.pop()
        if place == len(machine.body[organ]):
            continue
        element = machine.body[organ][place]
        calls.append((organ, 0 if element == "J" else place + 1))
        if element == "R":
            if head == len(machine.tape):
                calls.pop()
            else:
                head, hand = head + 1, head
        elif element in "MW" and hand >= 0 and not free:
            symbol = machine.tape[hand]
            joined = symbol.upper() if element == "M" else symbol
            body, tape = (body + joined, tape) if element == "M" else (body, tape + joined)
            joinings.append(Joining(turns, organ, hand, joined, interpreted=element == "M"))
        elif element in "UV":
            calls.append((CONSTRUCTOR if element == "U" else COPIER, 0))
            head, hand = 0, -1
        elif element == "S":
            free = True
        elif element == "P" and len(machine.body) > GOAL:
            product += machine.body[GOAL]
        turns += 1
    offspring = Machine(tuple(body.split(GAP)), tape) if free else None
    return Life(offspring, product, tuple(joinings), turns)


def line(
    machine: Machine, generations: int, mutate: Callable[[Machine], Machine] = lambda machine: machine
) -> list[Machine]:
    """A machine, its offspring, its offspring's and so on, as far as there is any.

    Args:
        mutate: what befalls each machine, the first one too, before it lives.
    """
    found = [machine]
    while len(found) <= generations and (child := live(mutate(found[-1])).offspring) is not None:
        found.append(child)
    return found


def breeds_true(machine: Machine) -> bool:
    """Whether the offspring is the machine again, body and tape."""
    return live(machine).offspring == machine


def constructs(machine: Machine, body: Sequence[str]) -> bool:
    """Whether the machine, given the tape of another body, builds that body: what a universal constructor does."""
    child = live(Machine(machine.body, describe(body))).offspring
    return child is not None and child.body == tuple(body)
