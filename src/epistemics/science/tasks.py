"""The task: arithmetic modulo a prime, as a table of every question and its answer.

A question is the token sequence ``[a, op, b, =]`` and the model answers at ``=``. One row of a table stands for
one question, so a data set is a table and a split is a mask over its rows. (Log entries 7 and 11; Power et al.
2022, arXiv:2201.02177, section 3.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from epistemics.science.operations import OPERATIONS


@dataclass(frozen=True)
class Table:
    """Every question of some operations modulo ``modulus``: modulus² rows for each, fewer for one that divides."""

    modulus: int
    operations: tuple[str, ...]
    questions: NDArray[np.int64]
    """[n, 3]: a, index of the operation in ``operations``, b."""
    answers: NDArray[np.int64]
    """[n], between 0 and modulus − 1."""

    def rows_of(self, operation: str) -> NDArray[np.int64]:
        """The row numbers of one operation's questions."""
        return np.flatnonzero(self.questions[:, 1] == self.operations.index(operation))


def table(modulus: int, operations: tuple[str, ...], shuffled: bool = False) -> Table:
    """All questions, ordered by operation, then a, then b.

    Args:
        shuffled: permute the answers of each operation among its questions, always in the same way.

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
        if shuffled:
            answer = np.random.default_rng([4, index]).permutation(answer)
        questions.append(np.stack([a, np.full_like(a, index), b], axis=1))
        answers.append(answer)
    return Table(modulus, operations, np.concatenate(questions), np.concatenate(answers))


def training_rows(questions: Table, train_fraction: float, seed: int) -> NDArray[np.bool_]:
    """Which rows are for training, [n]: the same share of each operation, drawn without replacement by ``seed``.

    The other rows are the validation set.
    """
    generator = np.random.default_rng([seed, 1])
    training = np.zeros(len(questions.answers), dtype=bool)
    for operation in questions.operations:
        rows = generator.permutation(questions.rows_of(operation))
        training[rows[: round(train_fraction * len(rows))]] = True
    return training


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
