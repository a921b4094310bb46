def after_feed_forward(w, layer, x, dtype):
    normed = normalise(x, w[f'{layer}.norm2.gain'], w[f'{layer}.norm2.bias'])
    hidden = F.gelu(linear(normed, w[f'{layer}.mlp.in.weight'], w[f'{layer}.mlp.in.bias'], dtype))
    return x + linear(hidden, w[f'{layer}.mlp.out.weight'], w[f'{layer}.mlp.out.bias'], dtype)