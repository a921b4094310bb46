"""Columns of elementary cellular automata, and how well simple predictors foretell their next bit (log entry 1).

The predictors see the column's past and nothing else of the row: the commonest bit, the commonest successor of the
last k bits, logistic regression on the last bits, and the shortest linear recurrence modulo 2. The first half of the
bits is for fitting, the second is foretold. Beside them, how far zlib compresses the bits.
"""

from __future__ import annotations

import random
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray

from epistemics.analysis.provenance_line import traced
from epistemics.analysis.tables import Shown, Table, Value, number, percent, table_of

Bits = NDArray[np.uint8]
LENGTH = 8_192
"""Bits of each column."""
RING = 101
"""Cells of the ring that rule 90 runs on."""
WINDOW = 32
"""Bits that logistic regression looks back on."""
GRAMS = (1, 4, 8)
SEQUENCES = {
    "rule 30": "centre column, from a single 1",
    "rule 90": f"a column, from a random row on a ring of {RING} cells",
    "rule 110": "centre column, from a random row",
    "rule 250": "centre column, from a single 1",
}
PREDICTORS = ("commonest bit", *(f"last {k}" for k in GRAMS), "logistic", "linear recurrence")


def rows(rule: int, row: int, width: int, steps: int, *, ring: bool = False) -> Iterator[int]:
    """So many rows one after another, the first included; a row's cells are the bits of a number.

    Args:
        rule: 0 to 255; bit 4l + 2c + r is the new value of a cell c between l and r (Wolfram 1983, Reviews of Modern
            Physics 55(3):601-644).
        row: the first; its leftmost cell is the highest bit.
        width: how many cells. What lies beyond is 0, unless it is a ring.
    """
    whole = (1 << width) - 1
    for _ in range(steps):
        yield row
        left, right = row >> 1, row << 1 & whole
        if ring:
            left, right = left | (row & 1) << width - 1, right | row >> width - 1
        new = 0
        for neighbours in range(8):
            if rule >> neighbours & 1:
                each = zip((4, 2, 1), (left, row, right), strict=True)
                cells = [cell if neighbours & place else ~cell for place, cell in each]
                new |= cells[0] & cells[1] & cells[2]
        row = new & whole


@cache
def sequence(name: str) -> Bits:
    """One of ``SEQUENCES``. A row that is not a ring is so wide that its ends do not reach the column."""
    rule = int(name.removeprefix("rule "))
    drawn = random.Random(rule)
    width = RING if rule == 90 else 2 * LENGTH + 1
    first = drawn.getrandbits(width) if rule in (90, 110) else 1 << width // 2
    bits = [row >> width // 2 & 1 for row in rows(rule, first, width, LENGTH, ring=rule == 90)]
    return np.array(bits, dtype=np.uint8)


def predictors() -> dict[str, Callable[[Bits, Bits], float]]:
    """Name → from bits to fit on and the bits that follow them, the share of these that is foretold."""
    grams = {f"last {k}": (lambda fit, held, k=k: gram_accuracy(fit, held, k)) for k in GRAMS}
    return {
        "commonest bit": lambda fit, held: gram_accuracy(fit, held, 0),
        **grams,
        "logistic": logistic_accuracy,
        "linear recurrence": recurrence_accuracy,
    }


def gram_accuracy(fit: Bits, held: Bits, k: int) -> float:
    """Share foretold by what most often followed the last k bits; the commonest bit for k = 0 and what was not seen."""
    followers: defaultdict[bytes, Counter[int]] = defaultdict(Counter)
    text = fit.tobytes()
    for index in range(k, len(text)):
        followers[text[index - k : index]][text[index]] += 1
    best = {past: counts.most_common(1)[0][0] for past, counts in followers.items()}
    commonest = Counter(text).most_common(1)[0][0]
    whole = text + held.tobytes()
    right = [best.get(whole[i - k : i], commonest) == whole[i] for i in range(len(text), len(whole))]
    return float(np.mean(right))


def logistic_accuracy(fit: Bits, held: Bits) -> float:
    """Share foretold by logistic regression on the last ``WINDOW`` bits, fitted to its optimum by L-BFGS."""
    bits = torch.from_numpy(np.concatenate([fit, held]).astype(np.float64)) * 2 - 1
    windows = bits.unfold(0, WINDOW + 1, 1)
    split = len(fit) - WINDOW
    past, following = windows[:, :WINDOW], (windows[:, WINDOW] + 1) / 2
    weights = torch.zeros(WINDOW + 1, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([weights], max_iter=50, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        logits = past[:split] @ weights[1:] + weights[0]
        value = torch.nn.functional.binary_cross_entropy_with_logits(logits, following[:split])
        value = value + 1e-6 * weights.square().sum()  # a bit that is always foretold would send weights to infinity
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimiser.step(loss)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        foretold = past[split:] @ weights[1:] + weights[0] > 0
    return float((foretold == (following[split:] > 0.5)).double().mean())


def shortest_recurrence(bits: Bits) -> tuple[int, int]:
    """The shortest linear recurrence modulo 2 that generates the bits (Massey 1969, IEEE Transactions on Information
    Theory 15(1):122-127).

    Returns:
        Its length L, and its taps c: bit n is the sum of c_i times bit n - i over i from 1 to L, with c_i the i-th
        binary digit.
    """
    taps, before, length, since = 1, 1, 0, 1
    past = 0  # bit i is the value i places back
    for index, bit in enumerate(bits.tolist()):
        past = past << 1 | bit
        if (taps & past).bit_count() & 1:
            old, taps = taps, taps ^ before << since
            if 2 * length <= index:
                length, before, since = index + 1 - length, old, 0
        since += 1
    return length, taps & ~1


def recurrence_accuracy(fit: Bits, held: Bits) -> float:
    """Share foretold by the shortest recurrence that generates the bits to fit on, always from the true past."""
    _, taps = shortest_recurrence(fit)
    past = 0
    for bit in fit.tolist():
        past = past << 1 | bit
    right = 0
    for bit in held.tolist():
        right += ((taps & past << 1).bit_count() & 1) == bit
        past = past << 1 | bit
    return right / len(held)


def compressed(bits: Bits) -> float:
    """Size after zlib, eight bits a byte, over the size before."""
    packed = np.packbits(bits).tobytes()
    return len(zlib.compress(packed, 9)) / len(packed)


def accuracies() -> Table:
    """The share of the second half of each column that each predictor foretells."""
    found: list[dict[str, Value]] = []
    for name in SEQUENCES:
        bits = sequence(name)
        fit, held = bits[: LENGTH // 2], bits[LENGTH // 2 :]
        for predictor, accuracy in predictors().items():
            found.append({"sequence": name, "predictor": predictor, "accuracy": round(accuracy(fit, held), 4)})
    return table_of(found)


def properties() -> Table:
    """The share of ones, the length of the shortest recurrence and the compressed size, of each whole column."""
    found: list[dict[str, Value]] = []
    for name, how in SEQUENCES.items():
        bits = sequence(name)
        row: dict[str, Value] = {"sequence": name, "column": how, "ones": round(float(bits.mean()), 4)}
        found.append({**row, "recurrence": shortest_recurrence(bits)[0], "compressed": round(compressed(bits), 4)})
    return table_of(found)


def pattern(rule: int = 30, steps: int = 48) -> Table:
    """The cells that are 1 in the first rows from a single 1; cell 0 is the centre."""
    width = 2 * steps + 1
    return table_of(
        [
            {"row": step, "cell": steps - place}
            for step, row in enumerate(rows(rule, 1 << steps, width, steps))
            for place in range(width)
            if row >> place & 1
        ]
    )


@traced
def shown(accuracies: Table, properties: Table) -> Shown:
    """Both for reading: a row for each column."""
    lines = []
    for record in properties.records():
        own = [percent(v, 1) for v in accuracies.where(sequence=record["sequence"]).column("accuracy")]
        lines.append([record["sequence"], *own, number(record["recurrence"]), percent(record["compressed"])])
    names = [name[0].upper() + name[1:] for name in PREDICTORS]
    return Shown(["Rule", *names, "Its length", "zlib"], lines)
