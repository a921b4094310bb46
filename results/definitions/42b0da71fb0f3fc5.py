class Layers:

    def __init__(self, parameters, dtype, positions):
        self.parameters = parameters
        self.dtype = dtype
        self.positions = positions
        self.gradients: None = {}

    def linear(self, name, x):
        y, back_affine = self.affine(x, self.parameters[f'{name}.weight'], self.parameters[f'{name}.bias'])

        def back(dy):
            dx, self.gradients[f'{name}.weight'], self.gradients[f'{name}.bias'] = back_affine(dy)
            return dx
        return (y, back)

    def normalised_linear(self, norm, name, x):
        h, back_norm = self.layer_norm(norm, x)
        y, back_linear = self.linear(name, h)
        return (y, lambda dy: back_norm(back_linear(dy)))

    def affine(self, x, weight, bias):
        rows, weight = (x.flatten(1, -2).to(self.dtype), weight.to(self.dtype))

        def back(dy):
            drows = dy.flatten(1, -2).to(self.dtype)
            dx = product(drows, weight.transpose(1, 2)).view(x.shape)
            return (dx, product(rows.transpose(1, 2), drows), sum_of_rows(drows)[:, 0])
        return ((product(rows, weight) + bias[:, None].to(self.dtype)).view(*x.shape[:-1], -1), back)

    def layer_norm(self, name, x):
        gain, offset = (self.parameters[f'{name}.{which}'].view(len(x), *[1] * (x.dim() - 2), -1) for which in ('gain', 'bias'))
        centred = x - x.mean(-1, keepdim=True)
        scale = (centred.square().mean(-1, keepdim=True) + NORM_EPSILON).rsqrt()
        h = centred * scale

        def back(dy):
            dy = dy.to(h.dtype)
            self.gradients[f'{name}.gain'] = (dy * h).flatten(1, -2).sum(1)
            self.gradients[f'{name}.bias'] = dy.flatten(1, -2).sum(1)
            dh = dy * gain
            return (dh - dh.mean(-1, keepdim=True) - h * (dh * h).mean(-1, keepdim=True)) * scale
        return (h * gain + offset, back)

    def embed(self, arch):
        tokens = self.parameters['embedding'].split(arch.tokens, 1)
        positions = self.parameters['position'].chunk(len(arch.kinds), 1)

        def back(dy):
            places = dy.split([arch.tokens[kind] for kind in arch.kinds], 1)
            of_kind = [[p for kind, p in zip(arch.kinds, places, strict=True) if kind == k] for k in range(len(tokens))]
            self.gradients['embedding'] = torch.cat([sum(own[1:], own[0]) for own in of_kind], 1)
            self.gradients['position'] = torch.cat([sum_of_rows(place) for place in places], 1)
            return dy
        return (torch.cat([tokens[kind] + own for kind, own in zip(arch.kinds, positions, strict=True)], 1), back)

    def attention_input(self, layer, x, last):
        d = x.shape[-1]
        h, back_norm = self.layer_norm(f'{layer}.norm1', x)
        name = f'{layer}.attention.in'
        weight, bias = (self.parameters[f'{name}.weight'], self.parameters[f'{name}.bias'])
        query, back_query = self.affine(h[:, -1:] if last else h, weight[..., :d], bias[..., :d])
        keys_values, back_keys_values = self.affine(h, weight[..., d:], bias[..., d:])
        key, value = keys_values.chunk(2, -1)

        def back(dx, dquery, dkey, dvalue):
            dread, *dparameters = back_query(dquery)
            dh, *dothers = back_keys_values(torch.cat([dkey, dvalue], -1))
            joined = [torch.cat(parts, -1) for parts in zip(dparameters, dothers, strict=True)]
            self.gradients[f'{name}.weight'], self.gradients[f'{name}.bias'] = joined
            return self.at_all_places(dx) + back_norm(dh + self.at_all_places(dread))
        return ((query, key, value), back)

    def block(self, layer, x, query, key, value, heads):
        mixed, back_attend = attend(query, key, value, heads)
        taken, back_out = self.linear(f'{layer}.attention.out', mixed)
        x = x + taken
        hidden, back_hidden = self.normalised_linear(f'{layer}.norm2', f'{layer}.mlp.in', x)
        active, back_active = gelu(hidden)
        made, back_made = self.linear(f'{layer}.mlp.out', active)

        def back(dx):
            dx = dx + back_hidden(back_active(back_made(dx)))
            return (dx, *back_attend(back_out(dx)))
        return (x + made, back)

    def at_all_places(self, dy):
        return F.pad(dy, (0, 0, 0, 0, self.positions - dy.shape[1], 0))