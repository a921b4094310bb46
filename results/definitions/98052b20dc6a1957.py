@dataclass(frozen=True)
class _Learned:
    states: None
    answers: None
    held_out: None
    directions: None
    singular_values: None