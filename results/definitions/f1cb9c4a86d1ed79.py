def attention_input(w, layer, x, dtype):
    normed = normalise(x, w[f'{layer}.norm1.gain'], w[f'{layer}.norm1.bias'])
    return linear(normed, w[f'{layer}.attention.in.weight'], w[f'{layer}.attention.in.bias'], dtype)