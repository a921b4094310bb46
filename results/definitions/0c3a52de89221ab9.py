@dataclass(frozen=True)
class Network(ABC):
    arch: None

    @abstractmethod
    def shapes(self):
        pass

    @abstractmethod
    def final_state(self, flat, questions, precision='float32'):
        pass

    def parameters(self, flat):
        shapes = self.shapes()
        parts = flat.split([math.prod(shape) for shape in shapes.values()], dim=1)
        return {name: part.reshape(flat.shape[0], *shape) for (name, shape), part in zip(shapes.items(), parts, strict=True)}

    def read_out(self, flat, state, precision='float32'):
        w = self.parameters(flat)
        return linear(state, w['unembedding.weight'], w['unembedding.bias'], COMPUTE_DTYPES[precision])