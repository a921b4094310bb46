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