@dataclass(frozen=True)
class Configuration:
    operations: None
    modulus: None
    layers: None
    d_model: None
    heads: None
    train_fraction: None
    batch_size: None
    learning_rate: None
    weight_decay: None
    beta1: None
    beta2: None
    steps: None
    stop_after_grokking: None
    evaluate_every: None
    grokking_accuracy: None
    grokking_evaluations: None
    measure_every: None
    measure_after_grokking: None
    precision: None
    compiled: None
    seed: None
    gradient: None = 'autograd'

    @property
    def architecture(self):
        shape = (self.modulus, len(self.operations), self.layers, self.d_model, self.heads)
        return Architecture(*shape, self.network, self.flag != 'none')

    @property
    def steps_after_grokking(self):
        return self.stop_after_grokking if self.stop_at_age is None else steps_of_age(self, self.stop_at_age)

    @property
    def moments_after_grokking(self):
        return {*self.measure_after_grokking, *(steps_of_age(self, age) for age in self.measure_at_ages)}