"""The task: arithmetic modulo a prime, as a table of every question and its answer.

A question is the token sequence ``[a, op, b, =]`` and the model answers at ``=``. One row of a table stands for
one question, so a data set is a table and a split is a mask over its rows. (Log entries 7 and 11; Power et al.
2022, arXiv:2201.02177, section 3.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from epistemics.science.configuration import Configuration, exact
from epistemics.science.operations import OPERATIONS

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Table:
    """Every question of some operations modulo ``modulus``: modulus² rows for each, fewer for one that divides.

    Where there are flags, all of them twice: first without it, then, in the same order, with it.
    """

    modulus: int
    operations: tuple[str, ...]
    questions: NDArray[np.int64]
    """[n, 3]: a, index of the operation in ``operations``, b; where there are flags [n, 4], the last 1 with a flag."""
    answers: NDArray[np.int64]
    """[n], between 0 and modulus − 1, or ``modulus`` for REFUSE."""

    def rows_of(self, operation: str) -> Rows:
        """The row numbers of one operation's questions, those with a flag left out."""
        own = self.questions[:, 1] == self.operations.index(operation)
        return np.flatnonzero(own & (self.questions[:, 3:] == 0).all(1))

    @property
    def asked(self) -> int:
        """How often the table has each question: twice where there are flags."""
        return int(self.questions.shape[1]) - 2


def table(modulus: int, operations: tuple[str, ...], shuffled: bool = False, classes: Sequence[int] = ()) -> Table:
    """All questions, ordered by operation, then a, then b.

    Args:
        shuffled: permute the answers of each operation among its questions, always in the same way.
        classes: for each operation, into how many classes of neighbours its answers are taken together, C of them:
            the answer is then the class, ⌊answer C / modulus⌋.

    Raises:
        ValueError: for an operation that is not in ``OPERATIONS``.
    """
    pairs = [grid.ravel() for grid in np.meshgrid(np.arange(modulus), np.arange(modulus), indexing="ij")]
    questions, answers = [], []
    for index, operation in enumerate(operations):
        if operation not in OPERATIONS:
            raise ValueError(f"operation {operation!r} is unknown; known: {', '.join(OPERATIONS)}")
        asked = (pairs[1] > 0) | (not OPERATIONS[operation].divides)
        a, b = pairs[0][asked], pairs[1][asked]
        answer = OPERATIONS[operation].answer(a, b, modulus) % modulus
        if classes:
            answer = answer * classes[index] // modulus
        if shuffled:
            answer = np.random.default_rng([4, index]).permutation(answer)
        questions.append(np.stack([a, np.full_like(a, index), b], axis=1))
        answers.append(answer)
    return Table(modulus, operations, np.concatenate(questions), np.concatenate(answers))


def table_of(configuration: Configuration) -> Table:
    """The questions and answers of a run."""
    c = configuration
    plain = table(c.modulus, c.operations, c.shuffled_answers, c.answer_classes)
    if c.flag == "none":
        return plain
    flags = np.repeat([0, 1], len(plain.answers))
    flagged = np.full_like(plain.answers, c.modulus) if c.flag == "refused" else plain.answers
    questions = np.column_stack([np.tile(plain.questions, (2, 1)), flags])
    return Table(c.modulus, c.operations, questions, np.concatenate([plain.answers, flagged]))


def training_rows(questions: Table, train_fraction: float, seed: int) -> NDArray[np.bool_]:
    """Which rows are for training, [n]: the same share of each operation, drawn without replacement by ``seed``.

    The other rows are the validation set. With its flag a question is where it is without.
    """
    generator = np.random.default_rng([seed, 1])
    training = np.zeros(len(questions.answers) // questions.asked, dtype=bool)
    for operation in questions.operations:
        rows = generator.permutation(questions.rows_of(operation))
        training[rows[: round(train_fraction * len(rows))]] = True
    return np.tile(training, questions.asked)


class Sampler(Protocol):
    """Row numbers of training batches. The position is the number of batches ``drawn``; setting it resumes."""

    batch_size: int
    drawn: int

    def take(self, batches: int) -> Rows:
        """The next batches, [batches, batch_size]."""
        ...


def sampler_of(configuration: Configuration, questions: Table) -> Sampler:
    """What draws a run's batches."""
    c = configuration
    training = training_rows(questions, c.train_fraction, c.seed)
    if not c.shares:
        return EpochSampler(np.flatnonzero(training), c.batch_size, c.seed)
    own = [np.flatnonzero(training & (questions.questions[:, 1] == index)) for index in range(len(c.operations))]
    return ShareSampler(own, c.shares, c.batch_size, c.seed)


class EpochSampler:
    """Row numbers of training batches: shuffled epochs, an incomplete last batch is dropped.

    The position is the number of batches ``drawn``; setting it resumes, and the batches that follow are those that
    an uninterrupted run would have seen.

    Raises:
        ValueError: if the rows do not fill one batch.
    """

    def __init__(self, rows: NDArray[np.int64], batch_size: int, seed: int) -> None:
        if len(rows) < batch_size:
            raise ValueError(f"batch_size is {batch_size}, but there are only {len(rows)} training rows")
        self.rows, self.batch_size, self.seed = rows, batch_size, seed
        self.per_epoch = len(rows) // batch_size
        self.drawn = 0
        self._order: tuple[int, NDArray[np.int64]] = (-1, rows)  # the epoch last drawn and its order

    def take(self, batches: int) -> NDArray[np.int64]:
        """The next batches, [batches, batch_size]."""
        taken = np.empty((batches, self.batch_size), dtype=np.int64)
        for index in range(batches):
            epoch, batch = divmod(self.drawn, self.per_epoch)
            taken[index] = self._epoch(epoch)[batch * self.batch_size : (batch + 1) * self.batch_size]
            self.drawn += 1
        return taken

    def _epoch(self, epoch: int) -> NDArray[np.int64]:
        """The order of one epoch: a function of seed and epoch alone, so that a position is a single number."""
        if self._order[0] != epoch:
            self._order = (epoch, np.random.default_rng([self.seed, 2, epoch]).permutation(self.rows))
        return self._order[1]


class ShareSampler:
    """Row numbers of training batches of which each operation has its share, from shuffled epochs of its own.

    What is less than a whole question of a share waits for a later batch, so that a share of a thousandth is one
    question in so many thousands. The operation with the greatest share has what the others leave.

    Args:
        rows: of each operation.
        shares: of each, which add up to 1.
    """

    def __init__(self, rows: Sequence[Rows], shares: Sequence[float], batch_size: int, seed: int) -> None:
        self.rows, self.batch_size, self.seed = rows, batch_size, seed
        self.shares = [exact(share) for share in shares]
        self.drawn = 0
        self._orders: dict[int, tuple[int, Rows]] = {}  # operation → the epoch last drawn and its order

    def take(self, batches: int) -> Rows:
        """The next batches, [batches, batch_size]; the questions of one operation lie together."""
        taken = np.empty((batches, self.batch_size), dtype=np.int64)
        for index in range(batches):
            before, after = self._asked(self.drawn), self._asked(self.drawn + 1)
            parts = [self._part(*ends) for ends in zip(range(len(self.rows)), before, after, strict=True)]
            taken[index] = np.concatenate(parts)
            self.drawn += 1
        return taken

    def _asked(self, batches: int) -> list[int]:
        """How many questions of each operation there are in so many batches."""
        asked = [int(batches * self.batch_size * share) for share in self.shares]
        greatest = self.shares.index(max(self.shares))
        asked[greatest] += batches * self.batch_size - sum(asked)
        return asked

    def _part(self, operation: int, start: int, stop: int) -> Rows:
        """An operation's questions from one number to another, counted over all of its epochs."""
        length = len(self.rows[operation])
        parts = [np.empty(0, np.int64)]
        while start < stop:
            epoch, first = divmod(start, length)
            last = min(length, first + stop - start)
            parts.append(self._epoch(operation, epoch)[first:last])
            start += last - first
        return np.concatenate(parts)

    def _epoch(self, operation: int, epoch: int) -> Rows:
        if self._orders.get(operation, (-1,))[0] != epoch:
            order = np.random.default_rng([self.seed, 6, operation, epoch]).permutation(self.rows[operation])
            self._orders[operation] = (epoch, order)
        return self._orders[operation][1]
