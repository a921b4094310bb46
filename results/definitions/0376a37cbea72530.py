@dataclass
class History:
    step: None = field(default_factory=list)
    train_loss: None = field(default_factory=list)
    train_accuracy: None = field(default_factory=list)
    validation_loss: None = field(default_factory=list)
    validation_accuracy: None = field(default_factory=list)