@dataclass(frozen=True)
class Batch:
    questions: None
    answers: None
    weights: None