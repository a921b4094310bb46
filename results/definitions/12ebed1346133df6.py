@dataclass(frozen=True)
class Moment:
    member: None
    step: None
    parameters: None