@dataclass(frozen=True)
class Table:
    modulus: None
    operations: None
    questions: None
    answers: None

    def rows_of(self, operation):
        return np.flatnonzero(self.questions[:, 1] == self.operations.index(operation))