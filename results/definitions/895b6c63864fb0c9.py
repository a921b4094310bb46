@dataclass(frozen=True)
class Abliteration:
    validation_accuracy: None
    about_mean: None
    about_zero: None
    random_about_mean: None
    random_about_zero: None
    principal_about_mean: None
    others_about_mean: None = None