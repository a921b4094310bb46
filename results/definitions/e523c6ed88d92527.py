def read_out(arch, flat, state, precision='float32'):
    w = named_parameters(arch, flat)
    return linear(state, w['unembedding.weight'], w['unembedding.bias'], COMPUTE_DTYPES[precision])