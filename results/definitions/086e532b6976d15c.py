def parameter_shapes(arch):
    d = arch.d_model
    shapes: None = {'embedding': (arch.modulus + arch.operations + 1, d), 'position': (POSITIONS, d)}
    for layer in range(arch.layers):
        shapes |= {f'{layer}.norm1.gain': (d,), f'{layer}.norm1.bias': (d,), f'{layer}.attention.in.weight': (d, 3 * d), f'{layer}.attention.in.bias': (3 * d,), f'{layer}.attention.out.weight': (d, d), f'{layer}.attention.out.bias': (d,), f'{layer}.norm2.gain': (d,), f'{layer}.norm2.bias': (d,), f'{layer}.mlp.in.weight': (d, 4 * d), f'{layer}.mlp.in.bias': (4 * d,), f'{layer}.mlp.out.weight': (4 * d, d), f'{layer}.mlp.out.bias': (d,)}
    shapes |= {'norm.gain': (d,), 'norm.bias': (d,)}
    shapes |= {'unembedding.weight': (d, arch.modulus), 'unembedding.bias': (arch.modulus,)}
    return shapes