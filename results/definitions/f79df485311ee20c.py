def gradient(network, flat, batch, precision):
    arch = network.arch
    layers = Layers(network.parameters(flat), COMPUTE_DTYPES[precision], len(arch.kinds))
    to_places, back_to_inputs = selection(arch, batch.questions)
    distinct, back_distinct = layers.embed(arch)
    inputs, back_in = layers.normalised_linear('0.norm1', '0.attention.in', distinct)
    x, qkv = (to_places(distinct), to_places(inputs))
    query, key, value = qkv.chunk(3, -1)
    back_inputs, back_blocks = ([], [])
    for layer in range(arch.layers):
        last = layer == arch.layers - 1
        if layer > 0:
            (query, key, value), back_input = layers.attention_input(layer, x, last)
            back_inputs.append(back_input)
        if last:
            query, x = (query[:, -1:], x[:, -1:])
        x, back_block = layers.block(layer, x, query, key, value, arch.heads)
        back_blocks.append(back_block)
    logits, back_read_out = layers.normalised_linear('norm', 'unembedding', x)
    dx = back_read_out(cross_entropy_gradient(logits, batch.answers, batch.weights))
    for back_block in reversed(back_blocks):
        dx, dquery, dkey, dvalue = back_block(dx)
        if back_inputs:
            dx = back_inputs.pop()(dx, dquery, dkey, dvalue)
    dinputs = torch.cat([back_to_inputs(dquery), back_to_inputs(torch.cat([dkey, dvalue], -1))], -1)
    back_distinct(back_to_inputs(dx) + back_in(dinputs))
    return torch.cat([layers.gradients[name].to(flat.dtype).flatten(1) for name in network.shapes()], 1)