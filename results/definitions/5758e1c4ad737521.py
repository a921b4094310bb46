@dataclass(frozen=True)
class Architecture:
    modulus: None
    operations: None
    layers: None
    d_model: None
    heads: None
    network: None = 'transformer'
    flag: None = False

    @property
    def tokens(self):
        return (self.modulus, self.operations, 1, *([2] if self.flag else []))

    @property
    def kinds(self):
        return (0, 1, 0, 3, 2) if self.flag else (0, 1, 0, 2)

    @property
    def answers(self):
        return self.modulus + self.flag

    @property
    def distinct_inputs(self):
        return sum((self.tokens[kind] for kind in self.kinds))