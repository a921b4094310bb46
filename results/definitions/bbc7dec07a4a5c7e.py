@dataclass(frozen=True)
class Measures:
    validation_accuracy: None
    mean_share: None
    spectrum: None
    singular_values: None
    fourier_power: None
    about_mean: None
    about_zero: None
    random_about_mean: None
    random_about_zero: None
    principal_about_mean: None
    gradient_small: None
    gradient_large: None
    others_about_mean: None = None
    overlap: None = None
    overlap_cosine: None = None