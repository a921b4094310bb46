@dataclass(frozen=True)
class Table:
    modulus: None
    operations: None
    questions: None
    answers: None

    def rows_of(self, operation):
        own = self.questions[:, 1] == self.operations.index(operation)
        return np.flatnonzero(own & (self.questions[:, 3:] == 0).all(1))

    @property
    def asked(self):
        return int(self.questions.shape[1]) - 2