def after_attention(w, layer, x, query, keys_values, heads, dtype):
    d = x.shape[-1]
    mixed = attend(query, keys_values[..., :d], keys_values[..., d:], heads)
    return x + linear(mixed, w[f'{layer}.attention.out.weight'], w[f'{layer}.attention.out.bias'], dtype)