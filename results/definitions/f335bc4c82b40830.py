class Transformer(Network):

    def shapes(self):
        arch, d = (self.arch, self.arch.d_model)
        shapes: None = {'embedding': (sum(arch.tokens), d), 'position': (len(arch.kinds), d)}
        for layer in range(arch.layers):
            shapes |= {f'{layer}.norm1.gain': (d,), f'{layer}.norm1.bias': (d,), f'{layer}.attention.in.weight': (d, 3 * d), f'{layer}.attention.in.bias': (3 * d,), f'{layer}.attention.out.weight': (d, d), f'{layer}.attention.out.bias': (d,), f'{layer}.norm2.gain': (d,), f'{layer}.norm2.bias': (d,), f'{layer}.mlp.in.weight': (d, 4 * d), f'{layer}.mlp.in.bias': (4 * d,), f'{layer}.mlp.out.weight': (4 * d, d), f'{layer}.mlp.out.bias': (d,)}
        shapes |= {'norm.gain': (d,), 'norm.bias': (d,)}
        shapes |= {'unembedding.weight': (d, arch.answers), 'unembedding.bias': (arch.answers,)}
        return shapes

    def final_state(self, flat, questions, precision='float32'):
        arch, d, dtype = (self.arch, self.arch.d_model, COMPUTE_DTYPES[precision])
        w = self.parameters(flat)
        distinct = self._distinct(w)
        x = self._selected(distinct, questions)
        qkv = self._selected(attention_input(w, 0, distinct, dtype), questions)
        for layer in range(arch.layers):
            last = layer == arch.layers - 1
            if last and layer > 0:
                normed = normalise(x, w[f'{layer}.norm1.gain'], w[f'{layer}.norm1.bias'])
                weight, bias = (w[f'{layer}.attention.in.weight'], w[f'{layer}.attention.in.bias'])
                keys_values = linear(normed, weight[:, :, d:], bias[:, d:], dtype)
                query = linear(normed[:, :, -1:], weight[:, :, :d], bias[:, :d], dtype)
            else:
                if layer > 0:
                    qkv = attention_input(w, layer, x, dtype)
                query, keys_values = (qkv[..., :d], qkv[..., d:])
            if last:
                query, x = (query[:, :, -1:], x[:, :, -1:])
            x = after_attention(w, layer, x, query, keys_values, arch.heads, dtype)
            x = after_feed_forward(w, layer, x, dtype)
        return normalise(x[:, :, 0], w['norm.gain'], w['norm.bias'])

    def _distinct(self, w):
        arch, position = (self.arch, w['position'])
        tokens = w['embedding'].split(arch.tokens, dim=1)
        return torch.cat([tokens[kind] + position[:, at:at + 1] for at, kind in enumerate(arch.kinds)], dim=1)

    def _selected(self, per_input, questions):
        members, batch = questions.shape[:2]
        columns = per_input.split([self.arch.tokens[kind] for kind in self.arch.kinds], dim=1)
        chosen = []
        for place, column in enumerate(columns):
            count = column.shape[1]
            if count == 1:
                chosen.append(column.expand(members, batch, -1))
            else:
                numbered = torch.arange(count, device=questions.device)
                one_hot = (questions[:, :, place, None] == numbered).to(per_input.dtype)
                chosen.append(matrix_product(one_hot, column))
        return torch.stack(chosen, dim=2)