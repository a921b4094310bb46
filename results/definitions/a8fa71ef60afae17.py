class Sampler(Protocol):
    batch_size: None
    drawn: None

    def take(self, batches):
        pass