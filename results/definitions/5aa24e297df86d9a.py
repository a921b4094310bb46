@dataclass(frozen=True)
class Evaluation:
    state: None
    moments: None
    done: None