@dataclass(frozen=True)
class Operation:
    answer: None
    needs_prime: None = False
    divides: None = False