def final_state(arch, flat, questions, precision='float32'):
    p, d, dtype = (arch.modulus, arch.d_model, COMPUTE_DTYPES[precision])
    w = named_parameters(arch, flat)
    members, batch = questions.shape[:2]
    numbers, symbols, position = (w['embedding'][:, :p], w['embedding'][:, p:], w['position'])
    distinct = torch.cat([numbers + position[:, 0:1], symbols[:, :arch.operations] + position[:, 1:2], numbers + position[:, 2:3], symbols[:, arch.operations:] + position[:, 3:4]], dim=1)

    def select(per_input):
        columns = per_input.split([p, arch.operations, p, 1], dim=1)
        chosen = []
        for place in range(3):
            count = columns[place].shape[1]
            if count == 1:
                chosen.append(columns[place].expand(members, batch, -1))
            else:
                numbered = torch.arange(count, device=questions.device)
                one_hot = (questions[:, :, place, None] == numbered).to(per_input.dtype)
                chosen.append(matrix_product(one_hot, columns[place]))
        chosen.append(columns[3].expand(members, batch, -1))
        return torch.stack(chosen, dim=2)
    x = select(distinct)
    normed = normalise(distinct, w['0.norm1.gain'], w['0.norm1.bias'])
    qkv = select(linear(normed, w['0.attention.in.weight'], w['0.attention.in.bias'], dtype))
    for layer in range(arch.layers):
        last = layer == arch.layers - 1
        if layer > 0:
            normed = normalise(x, w[f'{layer}.norm1.gain'], w[f'{layer}.norm1.bias'])
            weight, bias = (w[f'{layer}.attention.in.weight'], w[f'{layer}.attention.in.bias'])
            if last:
                keys_values = linear(normed, weight[:, :, d:], bias[:, d:], dtype)
                query = linear(normed[:, :, -1:], weight[:, :, :d], bias[:, :d], dtype)
            else:
                qkv = linear(normed, weight, bias, dtype)
        if layer == 0 or not last:
            query, keys_values = (qkv[..., :d], qkv[..., d:])
        if last:
            query, x = (query[:, :, -1:], x[:, :, -1:])
        mixed = attend(query, keys_values[..., :d], keys_values[..., d:], arch.heads)
        x = x + linear(mixed, w[f'{layer}.attention.out.weight'], w[f'{layer}.attention.out.bias'], dtype)
        normed = normalise(x, w[f'{layer}.norm2.gain'], w[f'{layer}.norm2.bias'])
        hidden = F.gelu(linear(normed, w[f'{layer}.mlp.in.weight'], w[f'{layer}.mlp.in.bias'], dtype))
        x = x + linear(hidden, w[f'{layer}.mlp.out.weight'], w[f'{layer}.mlp.out.bias'], dtype)
    return normalise(x[:, :, 0], w['norm.gain'], w['norm.bias'])