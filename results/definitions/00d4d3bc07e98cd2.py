@dataclass(frozen=True)
class Noise:
    gradient_small: None
    gradient_large: None