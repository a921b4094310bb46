@dataclass
class State:
    step: None
    flat: None
    first: None
    second: None
    candidate: None
    before: None
    calm: None
    histories: None