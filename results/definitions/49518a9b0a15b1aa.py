@dataclass(frozen=True)
class Architecture:
    modulus: None
    operations: None
    layers: None
    d_model: None
    heads: None
    network: None = 'transformer'

    @property
    def distinct_inputs(self):
        return 2 * self.modulus + self.operations + 1