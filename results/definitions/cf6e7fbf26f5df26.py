@dataclass(frozen=True)
class Geometry:
    mean_share: None
    spectrum: None
    singular_values: None
    fourier_power: None
    overlap: None = None
    overlap_cosine: None = None